"""``freqtrade-ext explain``: why a signal came, or did not, and which layers earned."""

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freqtrade_ext.adapters.signal_explanations import TradeReport
    from freqtrade_ext.signals import Explanation, ResultSum, WinCount

__all__ = ["explain"]


@click.command()
@click.argument("market", required=False)
@click.option("--at", help="Time in UTC, e.g. 2024-06-01T12:00; the last candle by default.")
@click.option("--trades", is_flag=True, help="Report on the trades of the last backtest instead.")
@config_option
@click.option("-d", "--datadir", help="Folder with Freqtrade's data files.")
@click.option("-i", "--timeframe", help="The configuration's by default.")
def explain(
    market: str | None,
    at: str | None,
    trades: bool,
    configs: tuple[str, ...],
    datadir: str | None,
    timeframe: str | None,
) -> None:
    """
    Show why a candle of a MARKET has a signal, or has none, from downloaded candles.

    \b
      freqtrade-ext explain ETH/USDT:USDT -c config.json
      freqtrade-ext explain ETH/USDT:USDT --at 2024-06-01T12:00 -c config.json
      freqtrade-ext explain --trades -c config.json

    The trace goes from the z-score over every layer to the score and what was required. With
    --trades: the last backtest's trades by close reason, by what each layer said of them, by the
    hour of their entry and by their score.
    """
    from freqtrade_ext.adapters.signal_explanations import ScoredCandles

    if trades == (market is not None):
        raise ConfigError("explain: give a market, or --trades alone")
    candles = ScoredCandles(configs, datadir=datadir, timeframe=timeframe)
    if market is None:
        _print_trades(candles.last_trades())
    else:
        _print_trace(candles.explain(market, None if at is None else _time(at)))


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--at: {text!r} is no time; write e.g. 2024-06-01T12:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print_trace(trace: "Explanation") -> None:
    click.echo(f"{trace.market} candle of {trace.opened_at:%Y-%m-%d %H:%M} UTC")
    for line in trace.lines()[1:]:
        if not line.startswith("layer "):
            click.echo(line)
    if not trace.direction:
        return
    table = Table()
    table.add_column("layer")
    table.add_column("points", justify="right")
    table.add_column("veto")
    table.add_column("remark")
    for layer in trace.layers:
        veto = "VETO" if layer.veto else ""
        table.add_row(layer.name, f"{layer.points:+.1f}", veto, escape(layer.remark))
    Console().print(table)
    click.echo(f"size × {trace.size_factor:.2f}, leverage × {trace.leverage_factor:.2f}")


def _print_trades(report: "TradeReport") -> None:
    console = Console()
    reasons = Table(title="Trades by close reason")
    for heading in ("reason", "trades", "won", "net", "bps"):
        reasons.add_column(heading, justify="left" if heading == "reason" else "right")
    for name, result in report.by_reason.items():
        won = f"{result.won / result.trades:.0%}"
        profit = f"{report.profit[name]:+.1f}"
        reasons.add_row(name, str(result.trades), won, profit, _bps(result))
    console.print(reasons)
    layers = Table(title="Trades by layer: bps of those that it gave points, took points, left")
    for heading in ("layer", "given", "taken", "silent", "rank corr.", "verdict"):
        layers.add_column(heading, justify="left" if heading == "layer" else "right")
    for layer in report.layers:
        sides = (layer.rewarded, layer.punished, layer.silent)
        cells = [f"{side.trades}: {_bps(side)}" if side.trades else "–" for side in sides]
        rank = layer.rank_correlation
        layers.add_row(
            layer.name, *cells, "–" if math.isnan(rank) else f"{rank:+.2f}", layer.verdict
        )
    console.print(layers)
    console.print(_counts("Trades by hour of the entry (UTC)", "hour", report.record.by_hour))
    console.print(_counts("Trades by score, in bands of ten", "from", report.record.by_score))
    if report.left_out:
        click.echo(f"{report.left_out} trades without a score are left out")


def _counts(title: str, heading: str, counts: "Mapping[int, WinCount]") -> Table:
    table = Table(title=title)
    for name in (heading, "trades", "won"):
        table.add_column(name, justify="right")
    for number, count in sorted(counts.items()):
        table.add_row(str(number), str(count.trades), f"{count.win_rate:.0%}")
    return table


def _bps(result: "ResultSum") -> str:
    if math.isnan(result.standard_error):
        return f"{result.mean:+.1f}"
    return f"{result.mean:+.1f} ± {result.standard_error:.1f}"
