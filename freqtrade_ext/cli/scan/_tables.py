"""A scan on the terminal: funnel, refusals, one card for each chosen spread."""

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from freqtrade_ext.cli.scan._facts import (
    all_funnel_rows,
    card_facts,
    card_title,
    number,
    outcome,
    refusal_counts,
    span_text,
    treatment_counts,
    warnings,
)
from freqtrade_ext.scanner import ScanReport, SpreadCard
from freqtrade_ext.spreads import SpreadBook

__all__ = ["print_report", "print_retests"]


def print_report(console: Console, report: ScanReport) -> None:
    """Print everything that a person has to see of a report."""
    console.print(_data(report))
    console.print(_funnel(report))
    for title, rows in (
        ("refused", refusal_counts(report)),
        ("treated", treatment_counts(report)),
    ):
        for reason, count, names in rows:
            _line(console, f"{title}: {count} × {reason}: {names}")
    if report.stationary:
        names = ", ".join(each.market for each in report.stationary[:4])
        _line(console, f"reported, not traded: {len(report.stationary)} × stationary: {names}")
    if report.twins:
        names = ", ".join(f"{each.market_a} = {each.market_b}" for each in report.twins[:4])
        _line(console, f"reported, not traded: {len(report.twins)} × one market twice: {names}")
    for card in report.cards:
        console.print(_card(card, report))
    for line in warnings(report):
        console.print(Text(f"Careful: {line}", style="bold yellow"), soft_wrap=True)
    console.print(Text(outcome(report), style="bold"), soft_wrap=True)


def print_retests(console: Console, report: ScanReport, present: SpreadBook) -> None:
    """Print how the spreads of the present book fared on this window."""
    if not present.spreads:
        return
    table = Table(title="spreads of the present book, tested again", title_justify="left")
    for heading in ("spread", "p-value", "β", "half-life", "verdict"):
        table.add_column(heading)
    chosen = {frozenset((card.fit.leg_a, card.fit.leg_b)) for card in report.cards}
    for row, test in zip(present.spreads, report.retests, strict=True):
        if frozenset(row.markets) in chosen:
            verdict = "chosen again"
        elif test.reason:
            verdict = f"not tested: {test.reason}"
        elif test.pvalue <= report.settings.retest_pvalue:
            verdict = "passes, not chosen"
        else:
            verdict = f"fails: p above {report.settings.retest_pvalue:g}"
        cells = (
            row.spread_id,
            number(test.pvalue),
            number(test.hedge_ratio),
            number(test.half_life),
            verdict,
        )
        table.add_row(*map(Text, cells))
    console.print(table)


def _data(report: ScanReport) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    universe = report.universe
    rows = (
        ("markets", f"{len(universe.markets)} take part, {len(report.refusals)} are refused"),
        ("timeframe", universe.timeframe),
        ("discovery", span_text(report.discovery)),
        ("confirmation", span_text(report.confirmation)),
        ("family", report.screen),
    )
    for label, value in rows:
        table.add_row(Text(label, style="dim"), Text(value))
    return table


def _funnel(report: ScanReport) -> RenderableType:
    table = Table(title="funnel", title_justify="left")
    table.add_column("step")
    for heading in ("scan", "chance alone", "null scan"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in all_funnel_rows(report):
        null = "–" if row.null is None else str(row.null)
        table.add_row(*map(Text, (row.step, str(row.scan), row.chance, null)))
    return table


def _card(card: SpreadCard, report: ScanReport) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for fact in card_facts(card, report):
        table.add_row(Text(fact.label, style="dim"), Text(fact.value))
    parts: list[RenderableType] = [table]
    for title, sentences in (
        ("Why it is trusted", card.trusted_because),
        ("What would end that trust", card.trust_ends_when),
    ):
        parts += [Text(title, style="bold"), *_bullets(sentences)]
    return Panel(Group(*parts), title=Text(card_title(card)), title_align="left")


def _bullets(sentences: Iterable[str]) -> list[RenderableType]:
    return [Padding(Text(f"• {each}"), (0, 0, 0, 2)) for each in sentences]


def _line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
