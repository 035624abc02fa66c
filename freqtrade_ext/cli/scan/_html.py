"""One HTML page of a scan that works offline: plotly.js is in it, nothing is loaded."""

import html
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from freqtrade_ext.cli.scan._document import ScanRun
from freqtrade_ext.cli.scan._facts import (
    Fact,
    all_funnel_rows,
    card_facts,
    card_title,
    number,
    outcome,
    span_text,
    warnings,
)
from freqtrade_ext.cli.scan._figures import Figure, close_up, heat_map, spread_chart
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import Candidate, ScanReport, SpreadCard, Stage

__all__ = ["page", "plotly_script"]

_MOST_ROWS: Final = 500  # of a table; the other files have all of them

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 1100px;
       margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; }
table { border-collapse: collapse; margin: 0.5rem 0 1rem; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid #ddd;
         vertical-align: top; }
td.count, th.count { text-align: right; }
section.card { border: 1px solid #bbb; border-radius: 6px; padding: 0 1rem 1rem; margin: 1.5rem 0; }
p.outcome { font-size: 1.15rem; }
p.warning { background: #fff3cd; padding: 0.4rem 0.8rem; }
p.note, footer { color: #555; font-size: 0.9rem; }
"""

# plotly.js 4 has a button that uploads a chart unless showSendToCloud says no.
# Nothing may be loaded or sent, whatever stands in the data.
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)

_DRAW: Final = """
for (const source of document.querySelectorAll("script.figure")) {
  const figure = JSON.parse(source.textContent);
  Plotly.newPlot(source.dataset.target, figure.data, figure.layout,
                 {displaylogo: false, responsive: true, showTips: false, showSendToCloud: false});
}
"""


def plotly_script() -> str:
    """
    Return the text of plotly.js.

    Raises
    ------
    ConfigError
        If the extra ``plot`` is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the HTML report needs plotly, which is not installed: "
            "pip install 'freqtrade-ext[plot]'"
        ) from error
    return str(get_plotlyjs()).replace("</script", "<\\/script")


def page(report: ScanReport, run: ScanRun, script: str) -> str:
    """
    Write the whole page.

    Parameters
    ----------
    report : ScanReport
        What was found.
    run : ScanRun
        When and with what.
    script : str
        plotly.js.
    """
    title = html.escape(f"Scan of {run.made_at:%Y-%m-%d %H:%M} UTC")
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{title}</h1>",
            *_summary(report, run),
            *_funnel(report),
            *_cards(report),
            *_heat_map(report),
            *_candidates(report),
            *_left_out(report),
            f"<footer><p>Made by {html.escape(_maker(run))}.</p></footer>",
            f"<script>{script}</script>\n<script>{_DRAW}</script>\n</body>\n</html>\n",
        ]
    )


def _maker(run: ScanRun) -> str:
    return f"freqtrade-ext scan, seed {run.seed}"


def _summary(report: ScanReport, run: ScanRun) -> Iterator[str]:
    yield f'<p class="outcome">{html.escape(outcome(report))}</p>'
    for line in warnings(report):
        yield f'<p class="warning">{html.escape(line)}</p>'
    yield _table(
        (),
        (
            ("data", run.data_source),
            ("timeframe", report.universe.timeframe),
            ("discovery", span_text(report.discovery)),
            ("confirmation", span_text(report.confirmation)),
            (
                "markets",
                f"{len(report.universe.markets)} take part, {len(report.refusals)} are refused",
            ),
            ("family", report.screen),
        ),
    )


def _funnel(report: ScanReport) -> Iterator[str]:
    yield "<h2>Funnel</h2>"
    yield _table(
        ("step", "scan", "chance alone", "null scan"),
        (
            (row.step, str(row.scan), row.chance, "–" if row.null is None else str(row.null))
            for row in all_funnel_rows(report)
        ),
        counts=(1, 2, 3),
    )
    yield (
        '<p class="note">The null scan is the same scan of the same data with the calendar of '
        "each market shuffled in blocks: there is nothing to find in it.</p>"
    )


def _cards(report: ScanReport) -> Iterator[str]:
    yield "<h2>Chosen spreads</h2>"
    if report.is_empty:
        yield "<p>None.</p>"
    for place, card in enumerate(report.cards, start=1):
        yield from _card(card, report, f"spread-{place}")


def _card(card: SpreadCard, report: ScanReport, target: str) -> Iterator[str]:
    yield f'<section class="card">\n<h3>{html.escape(card_title(card))}</h3>'
    yield _facts(card_facts(card, report))
    yield f"<h4>Why it is trusted</h4>\n{_list(card.trusted_because)}"
    yield f"<h4>What would end that trust</h4>\n{_list(card.trust_ends_when)}"
    yield from _figure(spread_chart(card, report), target)
    yield "</section>"


def _heat_map(report: ScanReport) -> Iterator[str]:
    yield "<h2>p-values over the universe</h2>"
    if report.family_size == 0:
        yield "<p>Nothing was tested.</p>"
        return
    yield from _figure(heat_map(report), "heat-map")
    if (detail := close_up(report)) is not None:
        yield "<h3>The markets with the smallest p-values</h3>"
        yield from _figure(detail, "close-up")


def _candidates(report: ScanReport) -> Iterator[str]:
    yield "<h2>Candidates</h2>"
    others = [each for each in report.candidates if each.stage is not Stage.CHOSEN]
    if not others:
        yield "<p>No other combination survived the control of false discoveries.</p>"
        return
    yield "<p>Survivors of the control of false discoveries that were not chosen.</p>"
    yield _table(
        ("leg A", "leg B", "β", "p", "q", "half-life", "came to", "fell because"),
        (_candidate_cells(each) for each in others),
    )


def _candidate_cells(candidate: Candidate) -> tuple[str, ...]:
    fit, facts = candidate.fit, candidate.diagnosis
    return (
        fit.leg_a,
        fit.leg_b,
        number(fit.hedge_ratio),
        number(fit.pvalue),
        number(fit.qvalue),
        number(facts.half_life if facts else None),
        str(candidate.stage),
        candidate.dropped,
    )


def _left_out(report: ScanReport) -> Iterator[str]:
    yield "<h2>Left out, and treated</h2>"
    tables: tuple[tuple[str, tuple[str, ...], list[tuple[str, ...]]], ...] = (
        (
            "Refused markets",
            ("market", "reason", "found", "right"),
            [(each.market, str(each.reason), each.value, each.right) for each in report.refusals],
        ),
        (
            "Treated histories",
            ("market", "treatment", "candles"),
            [
                (each.market, str(each.kind), str(each.candles))
                for each in report.universe.treatments
            ],
        ),
        (
            "Stationary on their own",
            ("market", "p"),
            [
                (each.market, "pegged" if each.pegged else number(each.pvalue))
                for each in report.stationary
            ],
        ),
        (
            "One market twice",
            ("market", "market", "kind", "correlation of returns"),
            [
                (each.market_a, each.market_b, str(each.kind), number(each.return_correlation))
                for each in report.twins
            ],
        ),
    )
    for title, heading, rows in tables:
        yield f"<h3>{title}: {len(rows)}</h3>"
        if rows:
            yield _table(heading, rows[:_MOST_ROWS])
        if len(rows) > _MOST_ROWS:
            yield f'<p class="note">The first {_MOST_ROWS}; report.json has all.</p>'


def _facts(facts: Iterable[Fact]) -> str:
    return _table((), ((fact.label, fact.value) for fact in facts))


def _list(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{html.escape(each)}</li>" for each in sentences)
    return f"<ul>{items}</ul>"


def _figure(figure: Figure, target: str) -> Iterator[str]:
    document: dict[str, Any] = {"data": figure.data, "layout": figure.layout}
    text = json.dumps(document, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    yield f'<div id="{target}"></div>'
    yield f'<p class="note">{html.escape(figure.note)}</p>'
    yield f'<script type="application/json" class="figure" data-target="{target}">{text}</script>'


def _table(
    heading: Sequence[str], rows: Iterable[Sequence[str]], *, counts: Sequence[int] = ()
) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=' + chr(34) + 'count' + chr(34) if place in counts else ''}>"
            f"{html.escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )

    head = f"<thead><tr>{line('th', heading)}</tr></thead>" if heading else ""
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"
