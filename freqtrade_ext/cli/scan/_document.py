"""The whole report as JSON, and its candidates as CSV: for programs."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

import numpy as np

from freqtrade_ext import __version__
from freqtrade_ext.scanner import (
    BetaStability,
    Candidate,
    Confirmation,
    Diagnosis,
    Funnel,
    JohansenResult,
    ScanReport,
    Span,
    SpreadFit,
    Stage,
)

__all__ = ["CSV_COLUMNS", "SCHEMA_VERSION", "ScanRun", "candidates_csv", "report_json"]

SCHEMA_VERSION: Final = 1

# Parts of a candidate whose values stand beside its own, and what goes before their names.
_PARTS: Final[dict[str, tuple[type[Any], str]]] = {
    "fit": (SpreadFit, ""),
    "diagnosis": (Diagnosis, ""),
    "beta": (BetaStability, "beta_"),
    "johansen": (JohansenResult, "johansen_"),
    "confirmation": (Confirmation, "confirmation_"),
}


def _columns(model: type[Any], prefix: str = "") -> Iterator[str]:
    for each in fields(model):
        if each.name in _PARTS:
            yield from _columns(*_PARTS[each.name])
        else:
            yield f"{prefix}{each.name}"


CSV_COLUMNS: Final = tuple(_columns(Candidate))


@dataclass(frozen=True, slots=True)
class ScanRun:
    """When and with what a scan was made: what the report itself does not know."""

    made_at: datetime
    data_source: str
    seed: int


def report_json(report: ScanReport, run: ScanRun) -> str:
    """
    Write everything that a scan found as one JSON object.

    Times are ISO 8601 in UTC. What is not finite (an untested combination, a half-life without
    end) is null. ``tests`` has a row for each tested combination: the places of both markets in
    ``markets``, p-value, q-value.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "program": f"freqtrade-ext {__version__}",
        "made_at": run.made_at.isoformat(),
        "data_source": run.data_source,
        "timeframe": report.universe.timeframe,
        "seed": run.seed,
        "settings": report.settings.model_dump(),
        "discovery": _span(report.discovery),
        "confirmation": _span(report.confirmation),
        "screen": report.screen,
        "funnel": _funnel(report.funnel),
        "null_funnel": _funnel(report.null_funnel) if report.null_funnel is not None else None,
        "spreads": [dict(_values(card)) for card in report.cards],
        "candidates": [candidate_row(each) for each in report.candidates],
        "retests": [asdict(each) for each in report.retests],
        "markets": [
            {"market": market, "daily_volume": float(volume)}
            for market, volume in zip(
                report.universe.markets, report.universe.daily_volume, strict=True
            )
        ],
        "tests": _tests(report),
        "refusals": [asdict(each) for each in report.refusals],
        "treatments": [asdict(each) for each in report.universe.treatments],
        "stationary": [asdict(each) for each in report.stationary],
        "twins": [asdict(each) for each in report.twins],
    }
    lines = (
        f"{_text(key)}: {_text(_finite(value))}" for key, value in document.items()
    )  # a line each: indenting would give every number of `tests` its own
    return "{\n" + ",\n".join(lines) + "\n}\n"


def candidates_csv(report: ScanReport) -> str:
    """Every candidate as a row: the chosen first, then in the order of their q-values."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    ordered = sorted(report.candidates, key=lambda each: each.stage is not Stage.CHOSEN)
    for each in ordered:
        writer.writerow(_finite(candidate_row(each)))
    return text.getvalue()


def candidate_row(candidate: Candidate) -> dict[str, Any]:
    """One candidate as names and values; what is not known of it is left as None."""
    return dict.fromkeys(CSV_COLUMNS) | dict(_values(candidate))


def _values(part: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of a dataclass, those of its parts among them."""
    for each in fields(part):
        value = getattr(part, each.name)
        if each.name not in _PARTS:
            yield f"{prefix}{each.name}", value
        elif value is not None:
            yield from _values(value, _PARTS[each.name][1])


def _span(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {
        "start": span.start.isoformat(),
        "end": span.end.isoformat(),
        "candles": span.candles,
    }


def _funnel(funnel: Funnel) -> dict[str, Any]:
    return {
        "steps": [{"stage": str(step.stage), "count": step.count} for step in funnel.steps],
        "untestable": funnel.untestable,
        "expected_by_chance": funnel.expected_by_chance,
    }


def _tests(report: ScanReport) -> list[list[float]]:
    rows, columns = np.nonzero(np.triu(np.isfinite(report.pvalues), k=1))
    return [
        [row, column, float(report.pvalues[row, column]), float(report.qvalues[row, column])]
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with null where a number is not finite: JSON has no word for it."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
