"""
A live session of some length on the sandbox, judged by the exchange and by a backtest afterwards.

``python -m rehearsals.soak --minutes 30`` trades planted spreads with a stock Freqtrade in live
mode, then downloads the candles of the session and runs a backtest on them.
"""

import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from freqtrade_ext.cli._bot_process import BotProcess, run_freqtrade
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.sandbox import AuditReport, audit
from freqtrade_ext.sandbox.server import wall_clock
from rehearsals.parity import (
    UNDECIDED,
    Parity,
    backtest_decisions,
    compare,
    describe,
    live_decisions,
)

LOOP_WARNING = re.compile(r"took .* which is.*25%|more than 25%|25% of the timeframe")
TROUBLE = re.compile(r" - (WARNING|ERROR|CRITICAL) - |Traceback")


@click.command()
@click.option("--minutes", default=30.0, show_default=True, help="Length of the live session.")
@click.option("--spreads", default=5, show_default=True, help="Planted spreads.")
@click.option("--seed", default=5, show_default=True, help="Seed of the market.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/soak"))
def main(minutes: float, spreads: int, seed: int, folder: Path) -> None:
    """Run the session and print what came of it; exit code 1 if anything is not as it should be."""
    options = replace(StageOptions(), seed=seed, spreads=spreads, max_open_spreads=spreads)
    stage = Stage.set_up(folder.resolve(), options)
    with stage.rehearsal.server:
        prepare(stage)
        begin_ms, end_ms = session(stage, minutes)
        report = stage.rehearsal.server.call(
            lambda: audit(stage.rehearsal.journal.events, spreads=stage.legs())
        )
        parity = replayed(stage, begin_ms, end_ms)
    sys.exit(0 if judge(stage, report, parity) else 1)


def prepare(stage: Stage) -> None:
    """Download history and write the book."""
    stage.write_config()
    download(stage)
    stage.write_book()


def download(stage: Stage) -> None:
    """Download everything the exchange has shown so far."""
    run_freqtrade(
        ["download-data", "-c", str(stage.config), "--timeframes", "1m", "--days", "2"], stage.log
    )


def session(stage: Stage, minutes: float) -> tuple[int, int]:
    """Trade for some minutes; begin and end of the time in which nobody interfered, ms."""
    with BotProcess([stage.config], stage.api, stage.folder / "live.log") as bot:
        bot.wait_until_running(60.0)
        begin_ms = wall_clock()
        while wall_clock() < begin_ms + minutes * 60_000:
            bot.check_alive()
            time.sleep(5.0)
        end_ms = wall_clock()
        bot.call("POST", "stopentry")
        bot.call("POST", "forceexit", {"tradeid": "all"})
        deadline = time.monotonic() + 60
        while bot.call("GET", "status") and time.monotonic() < deadline:
            time.sleep(1.0)
        time.sleep(5.0)
    return begin_ms, end_ms


def replayed(stage: Stage, begin_ms: int, end_ms: int) -> Parity:
    """Backtest the session's own candles and compare the decisions."""
    download(stage)
    stage.write_config(dry_run=True)
    run_freqtrade(
        ["backtesting", "-c", str(stage.config), "--cache", "none",
         "--timerange", f"{begin_ms // 1000 // 60 * 60}-"],
        stage.log,
    )  # fmt: skip
    first_entry_ms = (begin_ms // 60_000 + 2) * 60_000
    return compare(
        live_decisions(stage.database),
        backtest_decisions(stage.folder / "backtest_results"),
        since_ms=first_entry_ms,
        until_ms=end_ms // 60_000 * 60_000,
    )


def judge(stage: Stage, report: AuditReport, parity: Parity) -> bool:
    """Print the findings; whether all is well."""
    lines = (stage.folder / "live.log").read_text(errors="replace").splitlines()
    slow = [line for line in lines if LOOP_WARNING.search(line)]
    trouble = [line for line in lines if TROUBLE.search(line)]
    standing = sum(orphan.until_ms is None for orphan in report.orphans)
    click.echo(
        f"audit: orphans {standing}, duplicates {len(report.duplicates)}, "
        f"open orders {len(report.open_orders)}, positions {len(report.positions)}, "
        f"longest single leg {report.longest_orphan_ms / 1000:.1f} s"
    )
    click.echo(f"spreads closed {len(live_decisions(stage.database))}, loop warnings {len(slow)}")
    click.echo(
        f"parity: {len(parity.same)} decisions the same, {len(parity.only_live)} only live, "
        f"{len(parity.only_backtest)} only in the backtest; left out because nobody decided them "
        f"({', '.join(sorted(UNDECIDED))}): {parity.undecided_live} live, "
        f"{parity.undecided_backtest} in the backtest"
    )
    for name, decisions in (("live", parity.only_live), ("backtest", parity.only_backtest)):
        for decision in decisions:
            click.echo(f"  only {name}: {describe(decision)}")
    for line in trouble[:20]:
        click.echo(f"  log: {line[:200]}")
    return report.is_clean and not report.positions and not slow and parity.holds


if __name__ == "__main__":
    main()
