"""``freqtrade-ext book``: look at, check and extend the spread book."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.errors import ConfigError, InfeasibleError
from freqtrade_ext.spreads import (
    FittedMarkets,
    HedgeSpace,
    LegCandles,
    SpreadBook,
    SpreadSpec,
    fit_spec,
    load_book,
)
from freqtrade_ext.spreads import save_book as write_book

__all__ = ["book"]

_BOOK = click.option(
    "--book",
    "path",
    type=click.Path(path_type=Path),
    default=Path("user_data/pairs_config.json"),
    show_default=True,
    help="Spread book file.",
)


@click.group()
def book() -> None:
    """
    Show, check and extend the spread book: the spreads that the bot may trade.

    The book is a JSON file that may be edited by hand. Its coefficients are a starting point and a
    record: the strategy fits each spread again every `refit_every_hours` on past candles only,
    and enters it only while the last fit is cointegrated.
    """


@book.command()
@_BOOK
def show(path: Path) -> None:
    """Show the spreads of the book."""
    contents = load_book(path)
    table = Table(title=f"{path} ({contents.timeframe}, {len(contents.spreads)} spreads)")
    for heading in ("spread", "leg A", "leg B", "β", "p-value", "half-life", "bands", "fitted on"):
        table.add_column(heading)
    for spec in contents.spreads:
        table.add_row(
            spec.spread_id,
            spec.leg_a,
            spec.leg_b,
            f"{spec.hedge_ratio:.4f}",
            f"{spec.pvalue:.2g}",
            f"{spec.half_life:.1f}",
            f"{spec.z_exit:g} / {spec.z_score_threshold:g} / {spec.stop_loss_z:g}",
            f"{spec.fit_start:%Y-%m-%d} … {spec.fit_end:%Y-%m-%d}",
        )
    Console().print(table)


@book.command()
@_BOOK
def validate(path: Path) -> None:
    """Check the book: every problem as one line, exit code 2 if there is any."""
    contents = load_book(path)
    click.echo(f"{path}: {len(contents.spreads)} spreads on {contents.timeframe}, all valid")


@book.command()
@click.argument("legs", nargs=-1, metavar="[LEG_A LEG_B]")
@config_option
@click.option("-d", "--datadir", help="Folder with Freqtrade's data files.")
@click.option("-i", "--timeframe", help="Timeframe of the fit; the configuration's by default.")
@click.option("--timerange", help="Candles to fit on, as Freqtrade writes it, e.g. 20240101-.")
@click.option("--spread-id", help="Name in the book; built from the legs by default.")
@click.option(
    "--hedge-space",
    type=click.Choice(["log", "price"]),
    default="log",
    show_default=True,
    help="Regression on log prices or on prices.",
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every combination of the pair whitelist instead of two legs.",
)
@click.option(
    "--book",
    "path",
    type=click.Path(path_type=Path),
    help="Spread book file; the configuration's by default.",
)
def add(
    legs: tuple[str, ...],
    configs: tuple[str, ...],
    datadir: str | None,
    timeframe: str | None,
    timerange: str | None,
    spread_id: str | None,
    hedge_space: str,
    every: bool,
    path: Path | None,
) -> None:
    """
    Fit spreads on downloaded candles and add them to the book.

    \b
      freqtrade-ext book add ETH/USDT:USDT BTC/USDT:USDT --timerange -20240601
      freqtrade-ext book add --all --timerange -20240601

    For an honest backtest fit on candles *before* the backtest starts.
    """
    from freqtrade_ext.adapters.market_data import load_bot_configuration, load_leg_candles
    from freqtrade_ext.settings import load_settings

    configuration = load_bot_configuration(list(configs), datadir=datadir, timeframe=timeframe)
    settings = load_settings(configuration.raw.get("ext"), source=", ".join(configs)).spreads
    target = path or configuration.user_data / settings.book
    combinations = _combinations(legs, configuration.markets, every=every)
    specs, failures = _fit(
        combinations,
        lambda market: load_leg_candles(configuration, market, timerange=timerange),
        spread_id=spread_id,
        hedge_space="log" if hedge_space == "log" else "price",
    )
    if not specs:
        raise ConfigError("nothing to add:\n" + "\n".join(failures))
    _save(target, configuration.timeframe, specs, len(combinations))
    left_out = f", {len(failures)} left out:" if failures else ""
    click.echo(f"{target}: {len(specs)} added{left_out}")
    for line in failures:
        click.echo(f"  {line}")


def _fit(
    combinations: list[tuple[str, str]],
    load: Callable[[str], LegCandles],
    *,
    spread_id: str | None,
    hedge_space: HedgeSpace,
) -> tuple[list[SpreadSpec], list[str]]:
    """Fit every combination; the specs, and why the others are left out."""
    candles: dict[str, LegCandles] = {}
    specs, failures = [], []
    for market in sorted({leg for combination in combinations for leg in combination}):
        try:
            candles[market] = load(market)
        except ConfigError as error:
            failures.append(str(error))
    now = datetime.now(UTC).replace(microsecond=0)
    for leg_a, leg_b in combinations:
        if leg_a not in candles or leg_b not in candles:
            continue
        markets = FittedMarkets(leg_a, leg_b, candles[leg_a], candles[leg_b])
        try:
            specs.append(fit_spec(markets, now=now, spread_id=spread_id, hedge_space=hedge_space))
        except (InfeasibleError, ValidationError) as error:
            failures.append(_first_line(error))
    return specs, failures


def _combinations(
    legs: tuple[str, ...], whitelist: tuple[str, ...], *, every: bool
) -> list[tuple[str, str]]:
    if every and not legs:
        return list(itertools.combinations(whitelist, 2))
    if every or len(legs) != 2:
        raise ConfigError("give two legs, or --all alone")
    return [(legs[0], legs[1])]


def _save(target: Path, timeframe: str, specs: list[SpreadSpec], family: int) -> None:
    if target.exists():
        contents = load_book(target)
        if contents.timeframe != timeframe:
            raise ConfigError(
                f"{target}: its spreads were fitted on {contents.timeframe!r} candles, "
                f"these on {timeframe!r}; use another file (--book)"
            )
    else:
        contents = SpreadBook(created_at=datetime.now(UTC), timeframe=timeframe)
    try:
        for spec in specs:
            contents = contents.add(spec)
    except ConfigError as error:
        raise ConfigError(f"{target}: {error}") from None
    contents = contents.model_copy(update={"family_size": contents.family_size + family})
    target.parent.mkdir(parents=True, exist_ok=True)
    write_book(contents, target)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return "; ".join(line.strip() for line in lines[:3])
