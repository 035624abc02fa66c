"""``freqtrade-ext demo``: a whole rehearsal, from an empty folder to closed spreads."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from freqtrade_ext.cli._bot_process import BotProcess, run_freqtrade
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.errors import VenueError
from freqtrade_ext.sandbox import AuditReport, audit

__all__ = ["demo"]

_START_SECONDS = 60.0
_CLOSE_SECONDS = 75.0


@click.command()
@click.option("--keep", is_flag=True, help="Go on until Ctrl-C instead of ending by itself.")
@click.option("--seconds", default=270.0, show_default=True, help="Longest time in all.")
@click.option("--spreads", "wanted", default=2, show_default=True, help="Spreads to wait for.")
@click.option("--seed", default=StageOptions().seed, show_default=True, help="Seed of the market.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo_run"),
    show_default=True,
    help="Folder of the bot; it is made anew.",
)
def demo(keep: bool, seconds: float, wanted: int, seed: int, folder: Path) -> None:
    """
    Trade planted spreads with a stock Freqtrade in live mode on the rehearsal exchange.

    Needs no account and no network. Makes a synthetic market, downloads its candles, fits a spread
    book, runs a backtest, then `freqtrade trade` with `dry_run: false` until some spreads have been
    opened and closed, and judges the result by the exchange's own journal.
    """
    console = Console(soft_wrap=True)
    begin = time.monotonic()
    stage = Stage.set_up(folder.resolve(), replace(StageOptions(), seed=seed))

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - begin:5.0f} s[/dim]  {text}")

    with stage.rehearsal.server as server:
        say(f"sandbox exchange at {server.url}, {len(stage.rehearsal.market_names)} markets")
        _prepare(stage, say)
        with BotProcess([stage.config], stage.api, stage.log) as bot:
            _trade(stage, bot, say, wanted=wanted, deadline=begin + seconds, keep=keep)
        report = _report(stage, console)
    say(f"done; logs, database and the exchange's journal are in {stage.folder}")
    if not report.is_clean or report.positions:
        raise VenueError("the exchange's audit is not clean; see the table above")


def _prepare(stage: Stage, say: Callable[[str], None]) -> None:
    stage.write_config()
    say("downloading candles with [bold]freqtrade download-data[/bold]")
    run_freqtrade(
        ["download-data", "-c", str(stage.config), "--timeframes", "1m", "--days", "1"], stage.log
    )
    say(f"spread book written: {stage.write_book()} spreads")
    say("running [bold]freqtrade backtesting[/bold] on that history")
    run_freqtrade(["backtesting", "-c", str(stage.config), "--cache", "none"], stage.log)
    say(_last_backtest(stage.folder))


def _last_backtest(folder: Path) -> str:
    from freqtrade_ext.adapters.market_data import last_backtest

    result = last_backtest(folder / "backtest_results")
    spreads = {(t["enter_tag"].rsplit(" ", 1)[0], t["open_date"]) for t in result["trades"]}
    return (
        f"backtest: {len(spreads)} spreads, {result['total_trades']} trades, "
        f"{result['profit_total_abs']:+.2f} USDT after fees "
        "(the market is made to be cointegrated: this says nothing about a real one)"
    )


def _trade(
    stage: Stage,
    bot: BotProcess,
    say: Callable[[str], None],
    *,
    wanted: int,
    deadline: float,
    keep: bool,
) -> None:
    say("starting [bold]freqtrade trade[/bold] in live mode (dry_run: false) on the sandbox")
    bot.wait_until_running(_START_SECONDS)
    api = stage.api
    say(f"running; API {bot.address} (user {api['username']}, password {api['password']})")
    watch = _Watch(stage, bot, say)
    if keep:
        say("it stays up until Ctrl-C")
        _until_interrupted(watch.look)
        return
    while watch.closed < wanted and time.monotonic() < deadline - _CLOSE_SECONDS:
        watch.look()
        time.sleep(1.0)
    bot.call("POST", "stopentry")
    say("no new entries; waiting for open spreads to close")
    while watch.open_legs and time.monotonic() < deadline - _CLOSE_SECONDS / 3:
        watch.look()
        time.sleep(1.0)
    if watch.open_legs:
        say("closing what is still open with /forceexit all")
        bot.call("POST", "forceexit", {"tradeid": "all"})
        while watch.open_legs and time.monotonic() < deadline:
            watch.look()
            time.sleep(0.5)
    time.sleep(3.0)  # the next loop of the bot books the last spread
    watch.look()
    if watch.closed < wanted:
        raise VenueError(f"only {watch.closed} of {wanted} spreads closed in time; see {stage.log}")


class _Watch:
    """Follows the bot through its API and its database, and says what changes."""

    def __init__(self, stage: Stage, bot: BotProcess, say: Callable[[str], None]) -> None:
        self._stage, self._bot, self._say = stage, bot, say
        self._seen: dict[int, str] = {}
        self._said_s = 0.0
        self.closed = 0
        self.open_legs = 0

    def look(self) -> None:
        """Look once."""
        self._bot.check_alive()
        trades = {trade["trade_id"]: trade for trade in self._bot.call("GET", "status")}
        for trade_id, trade in trades.items():
            if trade_id not in self._seen:
                self._seen[trade_id] = trade["enter_tag"]
                side = "short" if trade["is_short"] else "long"
                self._say(
                    f"opened [bold]{trade['enter_tag']}[/bold]: {side} {trade['amount']:g} "
                    f"{trade['pair']} at {trade['open_rate']:g}"
                )
        self.open_legs = len(trades)
        results = _results(self._stage.database)
        for result in results[self.closed :]:
            self._say(
                f"closed [bold]{result['spread_id']}[/bold] {result['direction']}: "
                f"{result['reason']}, net {result['net']:+.3f} USDT"
            )
        self.closed = len(results)
        if time.monotonic() - self._said_s > 20:
            self._said_s = time.monotonic()
            self._say(f"{self.open_legs} legs open, {self.closed} spreads closed")


def _results(database: Path) -> list[dict[str, Any]]:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    from freqtrade_ext.adapters.persistence import read_results

    engine = create_engine(f"sqlite:///{database}")
    try:
        return read_results(engine)
    except OperationalError:  # the bot has not made its tables yet
        return []
    finally:
        engine.dispose()


def _until_interrupted(look: Callable[[], None]) -> None:
    pause = threading.Event()
    try:
        while True:
            look()
            pause.wait(2.0)
    except KeyboardInterrupt:
        pass


def _report(stage: Stage, console: Console) -> AuditReport:
    results = _results(stage.database)
    ratios = {result["spread_id"]: float(result["hedge_ratio"]) for result in results}
    report = stage.rehearsal.server.call(
        lambda: audit(stage.rehearsal.journal.events, spreads=stage.legs(ratios))
    )
    Console(width=max(console.width, 118)).print(_table(results, report))
    standing = sum(orphan.until_ms is None for orphan in report.orphans)
    console.print(
        f"sandbox audit: orphans {standing}, duplicates {len(report.duplicates)}, "
        f"open orders {len(report.open_orders)}, positions {len(report.positions)}; "
        f"longest time with one leg only {report.longest_orphan_ms / 1000:.1f} s"
    )
    return report


def _table(results: Sequence[dict[str, Any]], report: AuditReport) -> Table:
    table = Table(title="Closed spreads (live mode, sandbox exchange)")
    for heading in ("spread", "direction", "z in", "z out", "reason"):
        table.add_column(heading, no_wrap=True)
    for heading in ("fills", "fees", "funding", "P&L", "naked USDT·s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        z_out = result["z_at_exit"]
        leg_a, leg_b = (f"{name}USDT" for name in result["spread_id"].split("-"))
        table.add_row(
            result["spread_id"],
            result["direction"],
            f"{result['z_at_entry']:.2f}",
            "–" if z_out is None else f"{z_out:.2f}",
            result["reason"],
            str(result["fills"]),
            f"{result['fees']:.3f}",
            f"{result['funding']:.3f}",
            f"{result['net']:+.3f}",
            f"{report.naked_exposure.get(f'{leg_a}:{leg_b}', 0.0):.0f}",
        )
    return table
