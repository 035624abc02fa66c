"""How far a scan is: a bar with the time left on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from freqtrade_ext.scanner import Progress as Heard

__all__ = ["LINE_EVERY_SECONDS", "Heard", "PlainLines", "progress_on"]

LINE_EVERY_SECONDS: Final = 10.0


class PlainLines:
    """
    Lines for a log: one when a step ends, and one now and then while it lasts.

    Parameters
    ----------
    write : callable
        Takes a line.
    clock : callable
        Seconds that pass.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._step = ""
        self._began = self._said = clock()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Hear that `done` of `total` units of `step` are finished."""
        now = self._clock()
        if step != self._step:
            self._step, self._began, self._said = step, now, now
        if done >= total:
            self._write(f"{step}: {done} of {total}, done")
            self._said = now
        elif done and now - self._said >= LINE_EVERY_SECONDS:
            left = (now - self._began) / done * (total - done)
            self._write(f"{step}: {done} of {total}, about {left:.0f} s left")
            self._said = now


@contextmanager
def progress_on(console: Console) -> Iterator[Heard]:
    """Yield what a scan tells its progress; whatever has been drawn is cleared away at the end."""
    if not console.is_terminal:
        yield PlainLines(lambda line: console.print(line, markup=False), time.monotonic)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def hear(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(escape(step), total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield hear
