"""``freqtrade-ext models``: look at trained models, go back to one, prime the outcome model."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import ModelCard

if TYPE_CHECKING:
    from freqtrade_ext.learning import ModelRegistry

__all__ = ["models"]

_IDENTIFIER = click.option(
    "--identifier", help="FreqAI's name of the models; the configuration's by default."
)


@click.group()
def models() -> None:
    """Show trained models, go back to an older one, prime the outcome model."""


def _registry(configs: tuple[str, ...], identifier: str | None) -> "ModelRegistry":
    from freqtrade_ext.adapters.model_store import model_registry

    return model_registry(list(configs), identifier)


@models.command("list")
@config_option
@_IDENTIFIER
@click.option("--market", help="Only this market, e.g. ETH/USDT:USDT.")
@click.option("--last", default=10, show_default=True, help="Versions shown of each market.")
def list_models(
    configs: tuple[str, ...], identifier: str | None, market: str | None, last: int
) -> None:
    """List every training: when, on what, how good, and which one is in use."""
    registry = _registry(configs, identifier)
    table = Table()
    headings = ("market", "version", "model", "predicts", "trained", "data", "rows", "quality", "")
    for heading in headings:
        table.add_column(heading)
    wanted = [market] if market else registry.markets()
    for name in wanted:
        cards = registry.cards(name)
        for card in cards[-last:]:
            newest = card.version == cards[-1].version
            table.add_row(*_row(card), _state(registry.pinned(name), card.version, newest))
    if not table.row_count:
        click.echo(f"no models in {registry.folder}")
        return
    _print(table)


def _row(card: ModelCard) -> tuple[str, ...]:
    return (
        card.market,
        str(card.version),
        card.kind,
        card.target,
        f"{_moment(card.trained_ms):%Y-%m-%d %H:%M}",
        f"{_moment(card.data_start_ms):%Y-%m-%d} … {_moment(card.data_end_ms):%Y-%m-%d}",
        str(card.rows),
        quality(card.metrics),
    )


def _print(table: Table) -> None:
    """A narrow terminal breaks lines; cut-off figures would be worse."""
    console = Console()
    Console(width=max(console.width, 160), soft_wrap=True).print(table)


def _state(pinned: int | None, version: int, newest: bool) -> str:
    if pinned is None:
        return "in use" if newest else ""
    return "pinned" if pinned == version else ""


def quality(metrics: Mapping[str, Any]) -> str:
    """Summarise the scores of a training in a few words."""
    if folds := metrics.get("folds"):
        mean = {name: sum(fold[name] for fold in folds) / len(folds) for name in ("accuracy", "f1")}
        net = sum(fold["net"] for fold in folds)
        return f"accuracy {mean['accuracy']:.3f}, F1 {mean['f1']:.3f}, net {net:+.2%}"
    if held_out := metrics.get("held_out"):
        hit_rate, correlation = held_out["hit_rate"], held_out["correlation"]
        return f"hit rate {hit_rate:.3f}, correlation {correlation:+.3f}"
    if "base_rate" in metrics:
        return f"accuracy {metrics['accuracy']:.3f}, gains {metrics['base_rate']:.3f}"
    return ""


@models.command()
@click.argument("market")
@click.argument("versions", nargs=-1, type=int, metavar="[VERSION [VERSION]]")
@config_option
@_IDENTIFIER
def show(
    market: str, versions: tuple[int, ...], configs: tuple[str, ...], identifier: str | None
) -> None:
    """
    Show a training, or two of them side by side; the newest by default.

    \b
      freqtrade-ext models show ETH/USDT:USDT
      freqtrade-ext models show ETH/USDT:USDT 3 7
    """
    registry = _registry(configs, identifier)
    chosen = versions or tuple(card.version for card in registry.cards(market)[-1:])
    if not chosen:
        raise ConfigError(f"{market} has no models in {registry.folder}")
    columns = [_figures(registry.card(market, version)) for version in chosen]
    table = Table(title=market)
    for heading in ("", *(f"version {version}" for version in chosen)):
        table.add_column(heading)
    names = list(dict.fromkeys(name for column in columns for name in column))
    for name in names:
        table.add_row(name, *(column.get(name, "") for column in columns))
    _print(table)


def _figures(card: ModelCard) -> dict[str, str]:
    figures = {
        "model": card.kind,
        "predicts": card.target,
        "trained": f"{_moment(card.trained_ms):%Y-%m-%d %H:%M}",
        "data": f"{_moment(card.data_start_ms):%Y-%m-%d %H:%M} … "
        f"{_moment(card.data_end_ms):%Y-%m-%d %H:%M}",
        "rows": str(card.rows),
    }
    figures |= {f"parameter {name}": str(value) for name, value in card.parameters.items()}
    figures |= dict(_flat("", card.metrics))
    strongest = sorted(card.importance.items(), key=lambda each: -each[1])[:10]
    return figures | {f"importance {name}": f"{share:.1%}" for name, share in strongest}


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [leaf for name, part in value.items() for leaf in _flat(f"{prefix} {name}", part)]
    if isinstance(value, list):
        parts = enumerate(value, start=1)
        return [leaf for number, part in parts for leaf in _flat(f"fold {number}", part)]
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return [(prefix.strip(), text)]


@models.command()
@click.argument("market")
@click.argument("version", type=int)
@config_option
@_IDENTIFIER
def rollback(market: str, version: int, configs: tuple[str, ...], identifier: str | None) -> None:
    """
    Go back to a version, and train no other until it is released.

    A running bot follows with its next candle.
    """
    registry = _registry(configs, identifier)
    registry.pin(market, version)
    click.echo(
        f"{market}: version {version} is in use until: freqtrade-ext models release {market}"
    )


@models.command()
@click.argument("market")
@config_option
@_IDENTIFIER
def release(market: str, configs: tuple[str, ...], identifier: str | None) -> None:
    """Let a market be trained again after a rollback."""
    registry = _registry(configs, identifier)
    if not registry.release(market):
        raise ConfigError(f"{market}: no version is pinned")
    click.echo(f"{market}: released; the bot trains it anew with its next candle")


@models.command()
@config_option
@click.option(
    "--backtest",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Result of a backtest, or the folder of results (the newest counts).",
)
@click.option("--strategy", help="Where the result has several.")
def prime(configs: tuple[str, ...], backtest: Path, strategy: str | None) -> None:
    """
    Teach the outcome model the trades of a backtest.

    Judge the model on later trades only: those of the primed backtest are known to it.
    """
    from freqtrade_ext.adapters.model_store import prime_outcomes

    done = prime_outcomes(list(configs), backtest, strategy=strategy)
    click.echo(f"{done.path}: {done.read} trades read, {done.added} new")
    if done.without_candles:
        click.echo(f"{done.without_candles} left out: their candles are not in the data folder")
    model = done.model
    if model is None:
        click.echo("too few trades, or all of one kind: no model yet")
        return
    click.echo(
        f"trained on {model.trained_on} trades ({model.kind}); of the {model.tested_on} later ones "
        f"{model.accuracy:.0%} were predicted right, {model.base_rate:.0%} were gains"
    )


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
