"""Many episodes in one table: by fault class, what was left and how long spreads were naked."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from rehearsals.simulation._episode import Outcome
from rehearsals.simulation._faults import FaultClass

__all__ = ["Summary"]

# Which words of a problem count in which column.
_COLUMNS: Final = {
    "orphans": ("orphan", "stray"),
    "duplicates": ("duplicate",),
    "lost": ("lost",),
    "apart": ("apart",),
    "not at rest": ("not at rest", "not silent", "escaped"),
}


@dataclass(slots=True)
class _Row:
    episodes: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    exposures: list[float] = field(default_factory=list)
    longest_seconds: float = 0.0
    absent: int = 0
    ghosts: int = 0
    kills: int = 0


class Summary:
    """Adds episodes up; `failures` keeps those in which an invariant did not hold."""

    def __init__(self) -> None:
        self._rows: dict[FaultClass, _Row] = {}
        self.failures: list[Outcome] = []
        self.episodes = 0

    def add(self, outcome: Outcome) -> None:
        """Count one episode."""
        row = self._rows.setdefault(outcome.fault, _Row())
        self.episodes += 1
        row.episodes += 1
        row.exposures.append(outcome.exposure)
        row.longest_seconds = max(row.longest_seconds, outcome.longest_seconds)
        row.absent += outcome.absent
        row.ghosts += outcome.ghosts
        row.kills += outcome.kills
        for name, words in _COLUMNS.items():
            row.counts[name] += any(problem.startswith(words) for problem in outcome.problems)
        if outcome.problems:
            self.failures.append(outcome)

    def add_all(self, outcomes: Iterable[Outcome]) -> None:
        """Count several."""
        for outcome in outcomes:
            self.add(outcome)

    def table(self) -> str:
        """Render as a table; exposure in USDT·s per 1000 USDT of both legs' notional."""
        head = (
            f"{'fault':<28}{'episodes':>9}"
            + "".join(f"{name:>12}" for name in _COLUMNS)
            + f"{'longest s':>11}{'naked p50':>11}{'p99':>9}{'kills':>7}{'absent':>8}{'ghosts':>8}"
        )
        rows = [self._line(str(fault), [row]) for fault in FaultClass if (row := self._row(fault))]
        total = self._line("all", list(self._rows.values()))
        return "\n".join([head, *rows, total])

    def _row(self, fault: FaultClass) -> _Row | None:
        return self._rows.get(fault)

    def _line(self, name: str, rows: Sequence[_Row]) -> str:
        exposures = sorted(exposure for row in rows for exposure in row.exposures)
        counts = sum((row.counts for row in rows), Counter[str]())
        return (
            f"{name:<28}{len(exposures):>9}"
            + "".join(f"{counts[column]:>12}" for column in _COLUMNS)
            + f"{max(row.longest_seconds for row in rows):>11.1f}"
            + f"{median(exposures):>11.0f}{_percentile(exposures, 0.99):>9.0f}"
            + f"{sum(row.kills for row in rows):>7}{sum(row.absent for row in rows):>8}"
            + f"{sum(row.ghosts for row in rows):>8}"
        )


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
