"""What is said about a scan, in words: the same on the terminal and in the HTML report."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

from freqtrade_ext.scanner import Candidate, ScanReport, ScanSettings, Span, SpreadCard, Stage

__all__ = [
    "Fact",
    "FunnelRow",
    "all_funnel_rows",
    "card_facts",
    "card_title",
    "number",
    "outcome",
    "refusal_counts",
    "span_text",
    "time_text",
    "treatment_counts",
    "warnings",
]

_HOUR_MS: Final = 3_600_000
_COMPARED: Final = (Stage.RAW_ONE, Stage.RAW)


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One step: what it is, how many the scan and the null scan keep, what chance would keep."""

    step: str
    scan: int
    null: int | None
    chance: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a card."""

    label: str
    value: str


def number(value: float | None, digits: int = 3) -> str:
    """
    Write a number with few digits.

    Examples
    --------
    >>> number(0.000012345), number(-4.5678), number(None), number(float("nan"))
    ('1.23e-05', '-4.57', '–', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}g}"


def time_text(candles: float, candle_ms: int) -> str:
    """
    Write a number of candles, and how long that is.

    Examples
    --------
    >>> time_text(24.25, 3_600_000), time_text(100, 3_600_000)
    ('24.2 candles (24.2 h)', '100 candles (4.17 days)')
    """
    if not math.isfinite(candles):
        return "never"
    hours = candles * candle_ms / _HOUR_MS
    long = f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} days"
    return f"{candles:.3g} candles ({long})"


def span_text(span: Span | None) -> str:
    """
    Write the dates of a stretch.

    Examples
    --------
    >>> span_text(Span(0, 7_200_000, 2))
    '1970-01-01 00:00 to 1970-01-01 02:00 (2 candles)'
    """
    if span is None:
        return "none"
    return f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} ({span.candles} candles)"


def all_funnel_rows(report: ScanReport) -> tuple[FunnelRow, ...]:
    """Every step in its order, the null scan beside it."""
    null = report.null_funnel
    return tuple(
        FunnelRow(
            _step(step.stage, report),
            step.count,
            null.count(step.stage) if null is not None else None,
            _chance(step.stage, report),
        )
        for step in report.funnel.steps
    )


def _step(stage: Stage, report: ScanReport) -> str:
    settings = report.settings
    family = settings.family
    names = {
        Stage.COMBINATIONS: "combinations of two markets",
        Stage.FAMILY: "family: tested",
        Stage.RAW_ONE: f"raw p ≤ {family.raw_level:g}, any direction",
        Stage.RAW: f"raw p ≤ {family.raw_level:g}, both directions",
        Stage.BH: f"Benjamini-Hochberg q ≤ {family.max_qvalue:g}",
        Stage.BY: f"Benjamini-Yekutieli q ≤ {family.max_qvalue:g}",
        Stage.VOLATILITY: "with volatility made steady",
        Stage.TRADABLE: "hedge ratio, half-life, cost",
        Stage.JOHANSEN: "Johansen's trace test",
        Stage.BOOTSTRAP: f"bootstrap p ≤ {settings.bootstrap.max_pvalue:g}",
        Stage.CONFIRMED: "confirmed on later data",
        Stage.CHOSEN: f"chosen: no market twice, max. {settings.max_spreads}",
    }
    if stage in _left_out(settings):
        return f"{names[stage]} (left out)"
    compared = stage in _COMPARED or stage is (Stage.BY if family.control == "bh" else Stage.BH)
    return f"{names[stage]} (compare)" if compared else names[stage]


def _left_out(settings: ScanSettings) -> set[Stage]:
    """Steps that the settings switch off."""
    wanted = {
        Stage.VOLATILITY: settings.family.volatility_bandwidth is not None,
        Stage.JOHANSEN: settings.family.johansen_level is not None,
        Stage.BOOTSTRAP: settings.bootstrap.replications > 0,
    }
    return {stage for stage, on in wanted.items() if not on}


def _chance(stage: Stage, report: ScanReport) -> str:
    """How many of a raw count chance alone would give: known only where nothing is corrected."""
    expected = report.funnel.expected_by_chance
    if stage is Stage.RAW_ONE:
        return f"{_about(expected)} to {_about(2 * expected)}"
    return f"up to {_about(expected)}" if stage is Stage.RAW else ""


def _about(count: float) -> str:
    return f"{count:.0f}" if count >= 10 else f"{count:.3g}"


def outcome(report: ScanReport) -> str:
    """Say in a sentence what came out."""
    if not report.is_empty:
        found = len(report.cards)
        return f"{found} spread{'s' if found > 1 else ''} chosen of {report.family_size} tested."
    if report.family_size == 0:
        return f"Nothing could be tested: {_why_untested(report)}."
    control = Stage.BH if report.settings.family.control == "bh" else Stage.BY
    if report.funnel.count(control) == 0:
        why = f"none of {report.family_size} p-values is small enough for that many tests"
    else:
        steps = report.funnel.steps
        after = steps[[step.stage for step in steps].index(Stage.BY) + 1 :]
        fell = next(step.stage for step in after if step.count == 0)
        why = f"the last candidates fell at the step “{_step(fell, report)}”"
    return f"No spread was found: {why}. That is a valid and frequent result."


def _why_untested(report: ScanReport) -> str:
    """What kept a scan from testing anything, refused markets or not."""
    markets = len(report.universe.markets)
    if markets < 2:
        refused = ", see the refusals" if report.refusals else ""
        return f"it takes two markets, and there is {'one' if markets else 'none'}{refused}"
    if report.funnel.count(Stage.COMBINATIONS) == 0:
        return (
            f"no two of the {markets} markets may be tested against each other (stationary, one "
            "market twice, or settled in different currencies)"
        )
    return "none of the combinations can be tested"


def warnings(report: ScanReport) -> tuple[str, ...]:
    """What should make a reader doubt the result."""
    lines = []
    null = report.null_funnel
    if null is None:
        lines.append("There was no null scan to compare with.")
    elif null.count(Stage.CHOSEN):
        lines.append(
            f"The null scan chose {null.count(Stage.CHOSEN)} spread(s) from shuffled data, where "
            "there are none: do not trust this result."
        )
    if report.funnel.untestable:
        lines.append(f"{report.funnel.untestable} combinations could not be tested.")
    return tuple(lines)


def refusal_counts(report: ScanReport) -> tuple[tuple[str, int, str], ...]:
    """Reason, how many markets, and the first few of them with what is wrong with the first."""
    counts = Counter(each.reason for each in report.refusals)
    rows = []
    for reason, count in counts.most_common():
        found = [each for each in report.refusals if each.reason is reason]
        names = _few([each.market for each in found])
        rows.append((str(reason), count, f"{names} ({found[0].value}; {found[0].right})"))
    return tuple(rows)


def treatment_counts(report: ScanReport) -> tuple[tuple[str, int, str], ...]:
    """What was done, to how many markets, and the first few of them."""
    treatments = report.universe.treatments
    counts = Counter(each.kind for each in treatments)
    rows = []
    for kind, count in counts.most_common():
        names = [f"{each.market} ({each.candles})" for each in treatments if each.kind is kind]
        rows.append((str(kind), count, _few(names)))
    return tuple(rows)


def _few(names: list[str], most: int = 4) -> str:
    rest = f", … {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def card_title(card: SpreadCard) -> str:
    """Name of a spread, and its legs."""
    return f"{card.spread_id}: A {card.fit.leg_a}, B {card.fit.leg_b}"


def card_facts(card: Candidate | SpreadCard, report: ScanReport) -> tuple[Fact, ...]:
    """Everything that was measured, line by line."""
    return (*_evidence(card), *_trading(card, report))


def _evidence(card: Candidate | SpreadCard) -> tuple[Fact, ...]:
    fit, johansen, later = card.fit, card.johansen, card.confirmation
    return (
        Fact("line", f"log A = {fit.intercept:.5g} + {fit.hedge_ratio:.5g} · log B"),
        Fact(
            "Engle-Granger, weaker direction",
            f"t {fit.stat:.2f}, p {number(fit.pvalue)} ({fit.lags} lags)",
        ),
        Fact("false discovery rate", f"BH {number(fit.qvalue)}, BY {number(fit.qvalue_by)}"),
        Fact("p with volatility made steady", number(card.steady_pvalue)),
        Fact(
            "Johansen trace",
            f"{number(johansen.trace)} (critical {number(johansen.critical_value)})"
            if johansen
            else "–",
        ),
        Fact("bootstrap p", number(card.bootstrap_pvalue)),
        Fact(
            "confirmation on later data",
            f"t {later.stat:.2f}, p {number(later.pvalue)} (demanded {number(later.level)}, "
            f"{later.nobs} candles)"
            if later
            else "–",
        ),
    )


def _trading(card: Candidate | SpreadCard, report: ScanReport) -> tuple[Fact, ...]:
    facts = card.diagnosis
    if facts is None:
        return ()
    beta, ratio = facts.beta, card.fit.hedge_ratio
    return (
        Fact("half-life", time_text(facts.half_life, report.universe.candle_ms)),
        Fact(
            "β and its stability",
            f"{number(ratio, 4)}; first half {number(beta.first_half)}, second half "
            f"{number(beta.second_half)}, later {number(beta.later)} "
            f"(largest change {beta.drift(ratio):.0%})",
        ),
        Fact(
            "expected move and cost",
            f"{facts.expected_move_bps:.1f} bps for a round trip that costs "
            f"{facts.cost_bps:.1f} bps of gross notional",
        ),
        Fact("expected trades a month", f"{facts.trades_per_month:.1f}"),
        Fact(
            "for sizes and exits, no proof",
            f"Hurst {number(facts.hurst)}, {facts.mean_crossings} mean crossings, "
            f"return correlation {number(facts.return_correlation)}",
        ),
    )
