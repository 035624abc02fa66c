"""Reports made by hand, as JSON, CSV, words and tables.

Bugs that were planted in the code, each of which a test here found: ``NaN`` written into the JSON
and the CSV; a null scan that chooses something and is not warned of; a step that the settings leave
out shown as if it had been made; a market's name read as markup of the terminal; verdicts of
re-tests that take a p-value at the limit for a failure; the control that is only compared named as
the step where the last candidates fell.
"""

import csv
import io
import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from freqtrade_ext.cli.scan._document import CSV_COLUMNS, candidates_csv, report_json
from freqtrade_ext.cli.scan._facts import (
    all_funnel_rows,
    card_facts,
    outcome,
    refusal_counts,
    treatment_counts,
    warnings,
)
from freqtrade_ext.cli.scan._tables import print_report, print_retests
from freqtrade_ext.scanner import (
    BootstrapSettings,
    Candidate,
    FamilySettings,
    MarketRefusal,
    RefusalReason,
    Retest,
    ScanSettings,
    Stage,
)
from freqtrade_ext.spreads import SpreadBook, SpreadSpec

from .reports import (
    DIAGNOSIS,
    RUN,
    a_card,
    a_fit,
    a_funnel,
    a_report,
    a_universe,
    hostile_report,
)


def read(report):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(report_json(report, RUN), parse_constant=refuse)


def printed(print_it, *arguments):
    screen = io.StringIO()
    print_it(Console(file=screen, width=300), *arguments)
    return screen.getvalue()


def test_what_is_not_finite_is_null():
    report = a_report(cards=(a_card(),), retests=(Retest("A", "B", *[math.nan] * 5, "gone"),))
    document = read(report)
    assert document["spreads"][0]["hurst"] is None
    assert document["retests"][0]["half_life"] is None
    assert document["retests"][0]["reason"] == "gone"
    assert document["made_at"] == "2026-03-04T05:06:07+00:00"


def test_the_json_has_every_refusal_and_every_hostile_name_as_it_is():
    evil = '"><script>\u2028\n'
    document = read(hostile_report(evil))
    assert document["refusals"][0]["market"] == evil
    assert document["stationary"][0]["market"] == evil
    assert document["twins"][0]["market_b"] == f"{evil}2"
    assert document["screen"] == evil


def test_untested_combinations_are_not_among_the_tests():
    report = a_report()
    pvalues = report.pvalues.copy()
    pvalues[0, 2] = pvalues[2, 0] = math.nan
    document = read(replace(report, pvalues=pvalues))
    assert [row[:2] for row in document["tests"]] == [[0, 1], [1, 2]]


def test_the_csv_is_for_every_stage_with_the_chosen_first():
    fallen = Candidate(a_fit("X/USDT", "Y/USDT"), Stage.BH, 'said "no", then, nothing')
    known = Candidate(a_fit(), Stage.CHOSEN, diagnosis=DIAGNOSIS)
    text = candidates_csv(a_report(candidates=(fallen, known)))
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["stage"], first["half_life"], first["hurst"]) == ("chosen", "12.5", "")
    assert second["dropped"] == 'said "no", then, nothing'
    assert second["half_life"] == ""
    assert tuple(first) == CSV_COLUMNS
    assert len(set(CSV_COLUMNS)) == len(CSV_COLUMNS)


# Words


def test_steps_that_are_left_out_or_only_compared_say_so():
    settings = ScanSettings(
        family=FamilySettings(johansen_level=None, control="by"),
        bootstrap=BootstrapSettings(replications=0),
    )
    steps = {row.step for row in all_funnel_rows(a_report(settings=settings))}
    assert "Johansen's trace test (left out)" in steps
    assert "bootstrap p ≤ 0.01 (left out)" in steps
    assert "Benjamini-Hochberg q ≤ 0.05 (compare)" in steps
    assert "Benjamini-Yekutieli q ≤ 0.05" in steps


def test_every_step_has_words():
    assert len({row.step for row in all_funnel_rows(a_report())}) == len(Stage)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "Nothing could be tested: no two of the 3 markets may be tested against each other"),
        ({Stage.COMBINATIONS: 3}, "Nothing could be tested: none of the combinations can be"),
        ({Stage.FAMILY: 9}, "none of 9 p-values is small enough for that many tests"),
        ({Stage.FAMILY: 9, Stage.BH: 2, Stage.VOLATILITY: 2}, "“hedge ratio, half-life, cost”"),
    ],
)
def test_an_empty_outcome_says_where_it_ended(counts, words):
    assert words in outcome(a_report(funnel=a_funnel(counts)))


@pytest.mark.parametrize(("control", "reached"), [("bh", Stage.BH), ("by", Stage.BY)])
def test_the_step_after_the_control_is_the_first_that_can_have_ended_it(control, reached):
    """The other control is compared only, whether it stands before or after the one that rules."""
    settings = ScanSettings(family=FamilySettings(control=control))
    funnel = a_funnel({Stage.FAMILY: 9, reached: 2})
    words = outcome(a_report(settings=settings, funnel=funnel))
    assert "fell at the step “with volatility made steady”" in words


def test_doubts_are_told():
    assert warnings(a_report()) == ()
    (line,) = warnings(a_report(null_funnel=a_funnel({Stage.CHOSEN: 3})))
    assert "chose 3 spread(s) from shuffled data" in line
    (line,) = warnings(a_report(null_funnel=None))
    assert line == "There was no null scan to compare with."
    (line,) = warnings(a_report(funnel=replace(a_funnel(), untestable=4)))
    assert line == "4 combinations could not be tested."


def test_refusals_are_counted_by_reason_with_an_example():
    refusals = [
        MarketRefusal(f"M{index}/USDT", RefusalReason.LONG_GAP, "a gap", "none")
        for index in range(6)
    ]
    refusals.append(MarketRefusal("N/USDT", RefusalReason.CONSTANT, "1 throughout", "should move"))
    report = a_report(universe=a_universe(("AAA/USDT", "BBB/USDT"), refusals=refusals))
    assert refusal_counts(report) == (
        ("long gap", 6, "M0/USDT, M1/USDT, M2/USDT, M3/USDT, … 2 more (a gap; none)"),
        ("constant price", 1, "N/USDT (1 throughout; should move)"),
    )
    assert treatment_counts(hostile_report("M"))[0][1] == 1


def test_a_card_without_optional_tests_says_so():
    card = replace(a_card(), johansen=None, bootstrap_pvalue=None)
    facts = {fact.label: fact.value for fact in card_facts(card, a_report())}
    assert facts["Johansen trace"] == facts["bootstrap p"] == "–"
    assert facts["half-life"] == "12.5 candles (12.5 h)"
    assert facts["expected trades a month"] == "9.5"
    assert facts["β and its stability"].endswith("(largest change 8%)")
    assert "Hurst –" in facts["for sizes and exits, no proof"]


# The terminal


def test_names_are_no_markup_of_the_terminal():
    evil, harmless = "[red]x[/red]", "plain"
    text = printed(print_report, hostile_report(evil))
    assert text.count(evil) == printed(print_report, hostile_report(harmless)).count(harmless) > 9


def a_row(leg_a, leg_b):
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    return SpreadSpec(
        spread_id=f"{leg_a[0]}{leg_b[0]}",
        leg_a=leg_a,
        leg_b=leg_b,
        hedge_ratio=1.0,
        intercept=0.0,
        cointegration_stat=-4.0,
        pvalue=0.01,
        half_life=9.0,
        fit_start=moment,
        fit_end=moment.replace(day=2),
        last_updated=moment.replace(day=2),
    )


def test_the_present_book_is_judged_row_by_row():
    legs = [("AAA/USDT", "BBB/USDT"), ("C/USDT", "D/USDT"), ("E/USDT", "F/USDT"), ("G/X", "H/X")]
    numbers = {"stat": -3.0, "hedge_ratio": 1.0, "intercept": 0.0, "half_life": 9.0}
    retests = (
        Retest(*legs[0], pvalue=0.2, **numbers),
        Retest(*legs[1], pvalue=0.05, **numbers),
        Retest(*legs[2], pvalue=0.051, **numbers),
        Retest(*legs[3], *[math.nan] * 5, "was not among the histories"),
    )
    book = SpreadBook(
        created_at=datetime(2024, 1, 3, tzinfo=UTC),
        timeframe="1h",
        spreads=tuple(a_row(*both) for both in legs),
    )
    report = a_report(cards=(a_card(),), retests=retests)
    lines = printed(print_retests, report, book).splitlines()
    verdicts = [line.strip("│ ").split("│")[-1].strip() for line in lines if line.startswith("│")]
    assert verdicts == [
        "chosen again",
        "passes, not chosen",
        "fails: p above 0.05",
        "not tested: was not among the histories",
    ]
    empty = book.model_copy(update={"spreads": ()})
    assert printed(print_retests, replace(report, retests=()), empty) == ""
