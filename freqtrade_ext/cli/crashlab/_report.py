"""The table of the crash lab, and its results as JSON."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from freqtrade_ext.cli.crashlab._faults import CLASSES, Scenario
from freqtrade_ext.cli.crashlab._runner import RunResult

__all__ = ["FaultRow", "as_json", "failures", "fault_rows", "result_table", "write_json"]


@dataclass(frozen=True, slots=True)
class FaultRow:
    """
    All runs of one fault.

    `recovery_s` is the longest time to recover; infinite if a run never did. Figures are of the
    runs in which the fault fired; NaN if there is none.
    """

    scenario: str
    fault_class: int
    sentence: str
    runs: int
    fired: int
    traded: int
    orphans: int
    phantoms: int
    longest_orphan_s: float
    duplicates: int
    lost: int
    naked_median: float
    naked_p99: float
    longest_naked_s: float
    recovery_s: float

    @property
    def passed(self) -> bool:
        """Every run fired, and nothing was lost, orphaned, duplicated or invented in any."""
        clean = not (self.orphans or self.phantoms or self.duplicates or self.lost)
        return clean and self.fired == self.runs


def fault_rows(scenarios: Iterable[Scenario], results: Sequence[RunResult]) -> list[FaultRow]:
    """Summarise the runs of each scenario that was played."""
    rows = []
    for scenario in scenarios:
        runs = [result for result in results if result.scenario == scenario.name]
        if runs:
            rows.append(_row(scenario, runs))
    return rows


def _row(scenario: Scenario, runs: Sequence[RunResult]) -> FaultRow:
    fired = [run for run in runs if run.fired]
    naked = [run.verdict.naked_per_1000 for run in fired]

    def total(count: Callable[[RunResult], Sequence[str]]) -> int:
        return sum(len(count(run)) for run in runs)

    return FaultRow(
        scenario=scenario.name,
        fault_class=scenario.fault_class,
        sentence=scenario.sentence,
        runs=len(runs),
        fired=len(fired),
        traded=sum(run.traded for run in runs),
        orphans=total(lambda run: run.verdict.orphans),
        phantoms=total(lambda run: run.verdict.phantoms),
        longest_orphan_s=_largest(run.verdict.longest_orphan_s for run in fired),
        duplicates=total(lambda run: run.verdict.duplicates),
        lost=total(lambda run: run.verdict.lost),
        naked_median=statistics.median(naked) if naked else math.nan,
        naked_p99=_quantile(naked, 0.99),
        longest_naked_s=_largest(run.verdict.longest_naked_s for run in fired),
        recovery_s=_largest(
            math.inf if run.recovery_s is None else run.recovery_s for run in fired
        ),
    )


def _largest(values: Iterable[float]) -> float:
    return max(values, default=math.nan)


def _quantile(values: Sequence[float], share: float) -> float:
    """Smallest value that at least this share of the values do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else math.nan


def failures(rows: Iterable[FaultRow]) -> list[str]:
    """Say of each fault that was not survived what is wrong."""
    lines = []
    for row in rows:
        if row.passed:
            continue
        counts = {
            "orphans": row.orphans,
            "in the books only": row.phantoms,
            "duplicates": row.duplicates,
            "lost orders": row.lost,
            "did not trade": row.runs - row.traded,
            "never fired": row.traded - row.fired,
        }
        found = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        lines.append(f"{row.scenario}: {found}")
    return lines


def result_table(rows: Sequence[FaultRow], *, title: str) -> Table:
    """Lay the rows out for a person."""
    table = Table(title=title)
    table.add_column("fault", no_wrap=True)
    for heading in (
        "runs",
        "fired",
        "orphans",
        "longest orphan s",
        "dupli-\ncates",
        "lost\norders",
        "naked USDT·s\n/1000: median",
        "p99",
        "longest\nnaked s",
        "recovered\ns",
    ):
        table.add_column(heading, justify="right")
    shown: int | None = None
    for row in rows:
        if row.fault_class != shown and row.fault_class in CLASSES:
            table.add_section()
            table.add_row(f"[dim]{row.fault_class} {CLASSES[row.fault_class]}[/dim]")
        shown = row.fault_class
        table.add_row(*_cells(row), style="" if row.passed else "red")
    return table


def _cells(row: FaultRow) -> list[str]:
    fired = str(row.fired) if row.traded == row.runs else f"{row.fired} (did not trade)"
    orphans = str(row.orphans) + (f"+{row.phantoms} in books" if row.phantoms else "")
    return [
        f"  {row.scenario}",
        str(row.runs),
        fired,
        orphans,
        _number(row.longest_orphan_s, 1),
        str(row.duplicates),
        str(row.lost),
        _number(row.naked_median, 0),
        _number(row.naked_p99, 0),
        _number(row.longest_naked_s, 1),
        _number(row.recovery_s, 1),
    ]


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return "–"
    return "never" if math.isinf(value) else f"{value:.{digits}f}"


def as_json(rows: Sequence[FaultRow], results: Sequence[RunResult], **about: Any) -> dict[str, Any]:
    """Render everything as plain JSON values; what is not a finite number is null."""
    document = about | {
        "rows": [asdict(row) | {"passed": row.passed} for row in rows],
        "runs": [asdict(result) | {"passed": result.passed} for result in results],
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Write results to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
