"""One scan from start to end: gather, search, render, show, save."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from freqtrade_ext.cli.scan._document import ScanRun, candidates_csv, report_json
from freqtrade_ext.cli.scan._files import LATEST, land
from freqtrade_ext.cli.scan._html import page, plotly_script
from freqtrade_ext.cli.scan._inputs import ScanInputs, gather
from freqtrade_ext.cli.scan._progress import Heard, progress_on
from freqtrade_ext.cli.scan._request import INTERRUPTED, ScanRequest
from freqtrade_ext.cli.scan._tables import print_report, print_retests
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import ScanReport, build_universe, scan_universe, to_book
from freqtrade_ext.spreads import save_book

__all__ = ["run_scan"]

_DONE: Final = 0
_FAILED: Final = 1
_FRESH: Final = timedelta(days=1)


@dataclass(slots=True)
class _Written:
    """What has reached the disk, for the message of whatever happens next."""

    folder: Path | None = None
    book: Path | None = None

    def __str__(self) -> str:
        if self.folder is None:
            return "nothing has been written"
        return f"{self.folder} has the report, the book is {'new' if self.book else 'as it was'}"


def run_scan(request: ScanRequest) -> int:
    """
    Make a scan.

    Returns
    -------
    int
        Exit code of the command.

    Raises
    ------
    ConfigError
        If an option, a setting or the present book is wrong; nothing has been written.
    """
    written = _Written()
    try:
        return _scan(request, written)
    except KeyboardInterrupt:
        click.echo(f"\nstopped; {written}", err=True)
        return INTERRUPTED


def _scan(request: ScanRequest, written: _Written) -> int:
    made_at = datetime.now(UTC).replace(microsecond=0)
    began = time.monotonic()
    with progress_on(Console(stderr=True)) as heard:
        inputs = gather(request, now_ms=int(made_at.timestamp() * 1000), heard=heard)
        report = _search(inputs, request, heard)
    run = ScanRun(made_at, inputs.data_source, request.seed)
    files, lacking = _render(report, run)
    problem = _write(report, inputs, request, written, run, files)
    console = Console()
    print_report(console, report)
    if inputs.present is not None:
        print_retests(console, report, inputs.present)
    _say_where(console, written, files)
    _say_book(console, report, inputs, written)
    _say_age(console, report, inputs)
    click.echo(f"{time.monotonic() - began:.1f} s")
    if lacking:
        click.echo(f"there is no report.html: {lacking}", err=True)
    if report.family_size == 0:
        problem = problem or "nothing could be scanned"
    if problem:
        click.echo(problem, err=True)
    return _FAILED if problem else _DONE


def _search(inputs: ScanInputs, request: ScanRequest, heard: Heard) -> ScanReport:
    universe = build_universe(
        inputs.histories,
        inputs.settings.universe,
        timeframe=inputs.timeframe,
        end_ms=inputs.end_ms,
        excluded=inputs.excluded,
    )
    refusals = sorted((*inputs.refusals, *universe.refusals), key=lambda each: each.market)
    present = inputs.present.spreads if inputs.present is not None else ()
    return scan_universe(
        replace(universe, refusals=tuple(refusals)),
        inputs.settings,
        seed=request.seed,
        standing=[row.markets for row in present],
        jobs=request.jobs,
        backend=request.backend,
        progress=heard,
    )


def _render(report: ScanReport, run: ScanRun) -> tuple[dict[str, str], str]:
    """Contents of all files, and why there is no page if there is none."""
    files = {
        "report.json": report_json(report, run),
        "candidates.csv": candidates_csv(report),
    }
    try:
        files["report.html"] = page(report, run, plotly_script())
    except ConfigError as error:
        return files, str(error)
    return files, ""


def _write(
    report: ScanReport,
    inputs: ScanInputs,
    request: ScanRequest,
    written: _Written,
    run: ScanRun,
    files: dict[str, str],
) -> str:
    """Write the report and then the book; a sentence if that failed, else nothing."""
    try:
        written.folder = land(inputs.places.reports, files, run.made_at)
        if report.family_size and (request.allow_empty or not report.is_empty):
            book = to_book(report, now=run.made_at, data_source=run.data_source)
            inputs.places.book.parent.mkdir(parents=True, exist_ok=True)
            save_book(book, inputs.places.book)
            written.book = inputs.places.book
    except OSError as error:
        place = error.filename or inputs.places.reports
        return f"{place}: cannot be written: {error.strerror or error}; {written}"
    return ""


def _say_where(console: Console, written: _Written, files: dict[str, str]) -> None:
    if written.folder is not None:
        names = ", ".join(sorted(files))
        latest = written.folder.parent / LATEST
        console.print(Text(f"report: {written.folder} ({names}); also {latest}"), soft_wrap=True)


def _say_age(console: Console, report: ScanReport, inputs: ScanInputs) -> None:
    """Old candles make a new book of an old market; somebody who names an end wants just that."""
    if report.data_end is None:
        return
    age = datetime.fromtimestamp(inputs.end_ms / 1000, UTC) - report.data_end
    if age > _FRESH:
        text = (
            f"the data end {age.total_seconds() / 86_400:.1f} days too early: bring the files up "
            "to date with freqtrade download-data, or name the end with --timerange"
        )
        console.print(Text(text, style="yellow"), soft_wrap=True)


def _say_dropped(console: Console, report: ScanReport, inputs: ScanInputs) -> None:
    present = inputs.present.spreads if inputs.present is not None else ()
    kept = {card.spread_id for card in report.cards}
    dropped = [row.spread_id for row in present if row.spread_id not in kept]
    if dropped:
        text = (
            f"not in the book any more: {', '.join(dropped)}; the bot closes those of them that "
            "are open when it starts with this book"
        )
        console.print(Text(text, style="yellow"), soft_wrap=True)


def _say_book(console: Console, report: ScanReport, inputs: ScanInputs, written: _Written) -> None:
    path, present = inputs.places.book, inputs.present
    if written.book is None:
        hint = "; --allow-empty would empty it" if report.family_size and present else ""
        state = "is left as it was" if present is not None else "is not written"
        console.print(Text(f"book: {path} {state}{hint}"), soft_wrap=True)
        return
    kept = f"; the previous one is {path.name}.bak" if present is not None else ""
    _say_dropped(console, report, inputs)
    count = f"{len(report.cards)} spread{'' if len(report.cards) == 1 else 's'}"
    console.print(Text(f"book: {path}: {count}{kept}"), soft_wrap=True)
    legs = sorted({leg for card in report.cards for leg in (card.fit.leg_a, card.fit.leg_b)})
    lacking = [leg for leg in legs if leg not in inputs.tradable]
    if lacking and inputs.tradable:
        text = f"the bot cannot trade {', '.join(lacking)}: add them to exchange.pair_whitelist"
        console.print(Text(text), soft_wrap=True)
