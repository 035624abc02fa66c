"""``freqtrade-ext crashlab``: the user's own configuration and strategy through every fault."""

import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.cli.crashlab._faults import SCENARIOS, Scenario, chosen
from freqtrade_ext.cli.crashlab._report import (
    FaultRow,
    as_json,
    failures,
    fault_rows,
    result_table,
    write_json,
)
from freqtrade_ext.cli.crashlab._runner import Patience, RunResult, play
from freqtrade_ext.cli.crashlab._session import Session
from freqtrade_ext.cli.crashlab._stage import CrashStage
from freqtrade_ext.errors import ConfigError, VenueError

if TYPE_CHECKING:
    from freqtrade_ext.adapters.lab_configuration import UserConfiguration

__all__ = ["crashlab", "describe", "in_rounds"]

Run = tuple[Scenario, int]


@click.command()
@config_option
@click.option("--faults", default="all", show_default=True, help="Names or classes, by commas.")
@click.option("--list", "listing", is_flag=True, help="Show every fault and stop.")
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1), help="Runs of each.")
@click.option("--seed", default=1, show_default=True, help="Reproduces market and choices.")
@click.option("--guard/--no-guard", default=None, help="Order guard on or off; default: as set.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 8), help="At once.")
@click.option("--patience", default=90.0, show_default=True, help="Seconds to wait for rest.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write results there.")
@click.option("--keep", is_flag=True, help="Keep the lab's folder: logs, journals, databases.")
def crashlab(
    configs: tuple[str, ...],
    faults: str,
    listing: bool,
    runs: int,
    seed: int,
    guard: bool | None,
    jobs: int,
    patience: float,
    json_file: Path | None,
    keep: bool,
) -> None:
    """
    Rehearse a configuration and its strategy through everything that can go wrong.

    Runs a stock Freqtrade in live mode on a rehearsal exchange on this machine, lets one fault
    after the other happen, kill -9 included, and counts orphans, duplicates and lost orders. Your
    files, your database and your exchange are never touched: everything happens in a folder of
    the lab's own, and the bot can reach no other host.

    Exit code 0: all faults happened and nothing was lost; 1: something was; 2: wrong usage.
    """
    scenarios = chosen(faults)
    console = Console(soft_wrap=True)
    if listing:
        _show_list(console)
        return
    folder = Path(tempfile.mkdtemp(prefix="crashlab-"))
    waits = Patience(rest=patience, end=min(patience, 60.0))
    try:
        lab = _Lab(folder, configs, console, seed, guard, waits, json_file)
        lab.play(in_rounds(scenarios, runs), jobs)
    finally:
        if keep:
            console.print(f"logs, journals and databases: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if lab.report() else 0)


def _show_list(console: Console) -> None:
    for scenario in SCENARIOS:
        console.print(f"{scenario.fault_class:2}  {scenario.name:28} {scenario.sentence}")


def in_rounds(scenarios: Sequence[Scenario], runs: int) -> list[Run]:
    """Number the runs; every scenario comes once before any comes again."""
    return [(scenario, run) for run in range(1, runs + 1) for scenario in scenarios]


@dataclass(slots=True)
class _Lab:
    """Stages, and the runs that are shared out among them."""

    folder: Path
    configs: tuple[str, ...]
    console: Console
    seed: int
    guard: bool | None
    patience: Patience
    json_file: Path | None
    user: "UserConfiguration" = field(init=False)
    guarded: str = field(init=False, default="as configured")
    _begin: float = field(init=False, default_factory=time.monotonic)
    _printing: threading.Lock = field(init=False, default_factory=threading.Lock)
    stopping: threading.Event = field(init=False, default_factory=threading.Event)
    _played: list[RunResult] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        from freqtrade_ext.adapters.lab_configuration import load_user_configuration

        self.user = load_user_configuration(list(self.configs))
        if self.guard is not None:
            self.guarded = "on" if self.guard else "off"

    def say(self, text: str) -> None:
        """Print a line with the time."""
        with self._printing:
            seconds = time.monotonic() - self._begin
            self.console.print(f"[dim]{seconds:5.0f} s[/dim]  {text}")

    def _rows(self) -> list[FaultRow]:
        return fault_rows(SCENARIOS, self._played)

    def _save(self) -> None:
        """Write what there is so far, so that an interrupted session is not lost."""
        if self.json_file is not None:
            ordered = sorted(self._played, key=lambda one: (one.run, one.scenario))
            write_json(
                self.json_file,
                as_json(self._rows(), ordered, seed=self.seed, guard=self.guarded),
            )

    def report(self) -> list[str]:
        """Print the table and what is wrong, which is returned."""
        title = f"Crash lab: {self.user.strategy}, order guard {self.guarded}"
        wide = Console(width=max(self.console.width, 132))
        wide.print(result_table(self._rows(), title=title))
        found = failures(self._rows())
        for line in found:
            self.console.print(f"[red]{line}[/red]")
        return found

    def play(self, runs: Sequence[Run], jobs: int) -> None:
        """Play all runs on as many stages as asked for."""
        waiting: SimpleQueue[Run] = SimpleQueue()
        for run in runs:
            waiting.put(run)
        self.say(
            f"rehearsing [bold]{self.user.strategy}[/bold] in {self.folder}: {len(runs)} run(s); "
            "your files, database and exchange are not touched"
        )
        stages = min(jobs, len(runs))
        with ThreadPoolExecutor(stages) as pool, self._interruptible():
            played = [pool.submit(self._work, number, waiting) for number in range(stages)]
            for one in played:
                one.result()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end every bot before the lab ends."""

        def interrupt(number: int, frame: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, interrupt)
        try:
            yield
        finally:
            self.stopping.set()
            signal.signal(signal.SIGTERM, before)

    def _work(self, number: int, waiting: "SimpleQueue[Run]") -> None:
        """Play runs on one stage until none is left."""
        stage = CrashStage(
            self.folder / f"stage{number + 1}", self.user, seed=self.seed, guard=self.guard
        )
        with stage:
            stage.download()
            with self._printing:  # Freqtrade's loader sets the logging of the whole process
                count = stage.write_book()
            self.say(f"stage {number + 1}: {count} spreads, log in {stage.log}")
            session = Session(stage, self.stopping)
            try:
                _first_start(session)
                while not self.stopping.is_set() and (run := _next(waiting)) is not None:
                    self._one(session, run)
            finally:
                session.bot.kill()

    def _one(self, session: Session, run: Run) -> None:
        scenario, number = run
        result = play(session, scenario, seed=self.seed, run=number, patience=self.patience)
        colour = "green" if result.passed else "red"
        self.say(f"[{colour}]{scenario.name}[/{colour}] #{number}: {describe(result)}")
        with self._printing:
            self._played.append(result)
            self._save()


def _next(waiting: "SimpleQueue[Run]") -> Run | None:
    try:
        return waiting.get_nowait()
    except Empty:
        return None


def _first_start(session: Session) -> None:
    """Start the bot; a bot that does not start at all is the configuration's fault."""
    try:
        session.start_bot()
    except VenueError as error:
        raise ConfigError(f"the bot does not start with this configuration: {error}") from error


def describe(result: RunResult) -> str:
    """Say in a line what became of a run."""
    verdict = result.verdict
    findings: list[Any] = [
        *(f"orphan {text}" for text in verdict.orphans),
        *(f"only in the books {text}" for text in verdict.phantoms),
        *(f"duplicate {text}" for text in verdict.duplicates),
        *(f"lost {text}" for text in verdict.lost),
        *result.notes,
    ]
    rest = "never at rest"
    if result.recovery_s is not None:
        rest = f"at rest after {result.recovery_s:.1f} s"
    text = (
        f"naked {verdict.longest_naked_s:.1f} s, {verdict.naked_per_1000:.0f} USDT·s per 1 000; "
        f"{rest}; took {result.seconds:.0f} s"
    )
    return "; ".join([text, *findings])
