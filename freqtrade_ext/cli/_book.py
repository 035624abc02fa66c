"""``freqtrade-ext book``: look at, check and extend the spread book."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from freqtrade_ext.errors import ConfigError, InfeasibleError
from freqtrade_ext.spreads import FittedMarkets, SpreadBook, SpreadSpec, fit_spec, load_book
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
@click.option(
    "-c",
    "--config",
    "configs",
    multiple=True,
    default=("config.json",),
    show_default=True,
    help="Freqtrade configuration; may be given several times.",
)
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
    names = sorted({name for combination in combinations for name in combination})
    candles = {name: load_leg_candles(configuration, name, timerange=timerange) for name in names}
    specs, failures = [], []
    for leg_a, leg_b in combinations:
        markets = FittedMarkets(leg_a, leg_b, candles[leg_a], candles[leg_b])
        try:
            specs.append(
                fit_spec(
                    markets,
                    now=datetime.now(UTC).replace(microsecond=0),
                    spread_id=spread_id,
                    hedge_space="log" if hedge_space == "log" else "price",
                )
            )
        except (InfeasibleError, ValueError) as error:
            failures.append(f"{leg_a} {leg_b}: {_first_line(error)}")
    if not specs:
        raise ConfigError("nothing to add:\n" + "\n".join(failures))
    _save(target, configuration.timeframe, specs, len(combinations))
    click.echo(
        f"{target}: {len(specs)} added" + (f", {len(failures)} left out:" if failures else "")
    )
    for line in failures:
        click.echo(f"  {line}")


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
    for spec in specs:
        contents = contents.add(spec)
    contents = contents.model_copy(update={"family_size": contents.family_size + family})
    target.parent.mkdir(parents=True, exist_ok=True)
    write_book(contents, target)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return "; ".join(line.strip() for line in lines[:3])
