"""Scans of a bot that trades: when, on what, and what travels between the processes.

Planted bugs that these tests have caught: a scan that is due twice for one moment, older candles
that win over newer ones, stale data that fail the whole book, NaN that does not survive the way,
a retired spread that comes back after a restart.
"""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import (
    Cooling,
    MarketHistory,
    ScanAnswer,
    ScanOutcome,
    ScanSection,
    ScanSettings,
    UniverseSettings,
    build_universe,
    cooling_spreads,
    due_moment,
    merge_histories,
    parse_cooling,
    render_cooling,
    review_book,
    scan,
    to_book,
    why_unusable,
)
from freqtrade_ext.settings import load_part

from .walking_doubles import HOUR_MS, START_MS, WINDOW, histories_of, settings_of

NOW = datetime(2026, 1, 10, tzinfo=UTC)
STANDING = (("AAA/USDT:USDT", "BBB/USDT:USDT"), ("CCC/USDT:USDT", "XXX/USDT:USDT"))


@pytest.fixture(scope="module")
def report():
    return scan(histories_of(WINDOW), settings_of(), timeframe="1h", seed=0, standing=STANDING)


@pytest.fixture(scope="module")
def outcome(report):
    return ScanOutcome.of(report)


def test_an_answer_survives_the_way(outcome):
    answer = ScanAnswer(due_ms=START_MS, outcome=outcome)
    read = ScanAnswer.parse(answer.render())
    assert read.render() == answer.render()
    assert read.outcome.cards == outcome.cards
    assert read.outcome.settings == outcome.settings
    assert read.outcome.funnel == outcome.funnel


def test_a_test_that_could_not_be_made_survives_the_way(outcome):
    read = ScanAnswer.parse(ScanAnswer(due_ms=0, outcome=outcome).render())
    untested = read.outcome.retests[1]
    assert math.isnan(untested.pvalue)
    assert untested.reason == "XXX/USDT:USDT: was not among the histories"


def test_what_the_null_scan_chose_survives_the_way(report):
    assert ScanOutcome.of(report).chosen_by_chance == 0
    found = ScanOutcome.of(replace(report, null_funnel=report.funnel))
    read = ScanAnswer.parse(ScanAnswer(due_ms=0, outcome=found).render()).outcome
    assert read.chosen_by_chance == len(report.cards) == 1
    assert read.report().null_funnel == report.funnel


def test_a_refusal_survives_the_way():
    read = ScanAnswer.parse(ScanAnswer(due_ms=7, refused="no data").render())
    assert (read.due_ms, read.outcome, read.refused) == (7, None, "no data")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"due_ms": 1, "outcome": {}}', "Killed"])
def test_anything_else_is_no_answer(text):
    with pytest.raises(ConfigError, match="unreadable answer of the scan: "):
        ScanAnswer.parse(text)


def test_a_rebuilt_report_means_the_same_for_a_book(report, outcome):
    book = to_book(report, now=NOW)
    read = ScanAnswer.parse(ScanAnswer(due_ms=0, outcome=outcome).render()).outcome
    assert report.cards
    assert review_book(book, read.report(), now=NOW) == review_book(book, report, now=NOW)
    assert to_book(read.report(), now=NOW) == book


def test_an_outcome_knows_what_it_has_tested(report, outcome):
    (row,) = to_book(report, now=NOW).spreads
    assert outcome.knows(row)
    swapped = row.model_copy(update={"leg_a": row.leg_b, "leg_b": row.leg_a})
    assert outcome.knows(swapped)
    other = row.model_copy(update={"leg_b": "DDD/USDT:USDT"})
    assert not outcome.knows(other)
    tested_again = row.model_copy(update={"leg_a": STANDING[1][0], "leg_b": STANDING[1][1]})
    assert outcome.knows(tested_again)


# When


@given(st.integers(0, 10**13), st.integers(1, 10**9))
def test_a_scan_is_due_once_a_moment(now_ms, every_ms):
    moment = due_moment(now_ms, every_ms=every_ms, done_ms=-1)
    assert moment % every_ms == 0
    assert moment <= now_ms < moment + every_ms
    assert due_moment(now_ms, every_ms=every_ms, done_ms=moment) is None
    assert due_moment(moment + every_ms, every_ms=every_ms, done_ms=moment) == moment + every_ms


def test_a_book_made_after_the_moment_needs_no_scan():
    assert due_moment(250, every_ms=100, done_ms=230) is None
    assert due_moment(300, every_ms=100, done_ms=230) == 300


# On what


def history(times, close, market="A/B"):
    times = np.asarray(times, dtype=np.int64) * HOUR_MS
    return MarketHistory(market, times, np.asarray(close, float), np.ones(len(times)))


def test_newer_candles_win_and_none_is_lost():
    merged = merge_histories(history([1, 2, 3, 4], [1, 1, 1, 1]), history([3, 4, 5], [2, 2, 2]))
    assert merged.time_ms.tolist() == [hour * HOUR_MS for hour in (1, 2, 3, 4, 5)]
    assert merged.close.tolist() == [1, 1, 2, 2, 2]
    assert len(merged.quote_volume) == 5


@pytest.mark.parametrize("empty", ["older", "newer"])
def test_one_source_alone_is_taken_as_it_is(empty):
    there, nothing = history([1, 2], [1, 2]), history([], [])
    older, newer = (nothing, there) if empty == "older" else (there, nothing)
    merged = merge_histories(older, newer)
    assert merged.close.tolist() == [1, 2]


def test_ragged_histories_are_not_merged():
    ragged = replace(history([1, 2], [1, 2]), close=np.ones(3))
    for sources in ((ragged, history([], [])), (history([], []), ragged)):
        with pytest.raises(ValueError, match="A/B: arrays of different lengths"):
            merge_histories(*sources)


def universe_of(histories, end_ms=None):
    settings = UniverseSettings(window=WINDOW, min_listing_days=0.0)
    return build_universe(histories, settings, timeframe="1h", end_ms=end_ms)


def test_fresh_data_of_several_markets_are_usable():
    universe = universe_of(histories_of(WINDOW))
    due_ms = START_MS + WINDOW * HOUR_MS
    assert why_unusable(universe, due_ms=due_ms, max_age_ms=0) == ""
    assert why_unusable(universe, due_ms=due_ms + HOUR_MS, max_age_ms=HOUR_MS) == ""


def test_stale_data_are_refused():
    universe = universe_of(histories_of(WINDOW))
    due_ms = START_MS + (WINDOW + 9) * HOUR_MS
    assert why_unusable(universe, due_ms=due_ms, max_age_ms=6 * HOUR_MS) == (
        "the newest candle closed 9.0 h before, allowed are 6 h"
    )


def test_data_with_a_hole_in_all_markets_are_refused_with_the_reason():
    """Files that end before the bot began: every market has a gap."""
    rows = np.r_[0:200, 300:500]
    gappy = [
        replace(
            each,
            time_ms=each.time_ms[rows],
            close=each.close[rows],
            quote_volume=each.quote_volume[rows],
        )
        for each in histories_of(WINDOW)
    ]
    reason = why_unusable(
        universe_of(gappy), due_ms=START_MS + WINDOW * HOUR_MS, max_age_ms=HOUR_MS
    )
    assert reason == "0 market(s) can be scanned: too many missing candles (5)"


def test_one_market_is_no_universe():
    universe = universe_of(histories_of(WINDOW)[:1])
    reason = why_unusable(universe, due_ms=START_MS + WINDOW * HOUR_MS, max_age_ms=HOUR_MS)
    assert reason == "1 market(s) can be scanned: no market is named"


# Who is retired


def test_a_retired_spread_is_known_by_its_markets_until_its_time(report):
    (row,) = to_book(report, now=NOW).spreads
    cooling = (Cooling(row.leg_b, row.leg_a, NOW),)
    assert cooling_spreads([row], cooling, NOW - timedelta(seconds=1)) == {row.spread_id}
    assert cooling_spreads([row], cooling, NOW) == frozenset()
    assert cooling_spreads([row], (), NOW) == frozenset()


def test_the_retired_survive_a_restart():
    cooling = (Cooling("A/B", "C/B", NOW), Cooling("D/B", "E/B", NOW + timedelta(days=3)))
    assert parse_cooling(render_cooling(cooling), source="x") == cooling
    assert parse_cooling(render_cooling(()), source="x") == ()


def test_a_damaged_file_of_the_retired_is_named():
    with pytest.raises(ConfigError, match=r"book\.cooling: "):
        parse_cooling("{", source="book.cooling")


def test_the_section_is_a_search_and_its_times():
    section = ScanSection(max_spreads=3, while_trading=True)
    assert section.search == ScanSettings(max_spreads=3)
    assert type(section.search) is ScanSettings
    assert not ScanSection().while_trading


def test_a_mistake_in_the_section_is_one_line():
    with pytest.raises(ConfigError, match=r"ext\.scan\.memory_mb: .*got 700.*from 1024"):
        load_part({"scan": {"memory_mb": 700}}, "scan", ScanSection)
    with pytest.raises(ConfigError, match=r"ext\.scan\.edge\.promise_weight: unknown key"):
        load_part({"scan": {"edge": {"promise_weight": 5.0}}}, "scan", ScanSection)
    with pytest.raises(ConfigError, match=r"ext\.scan\.famly: unknown key .*'family'"):
        load_part({"scan": {"famly": {}}}, "scan", ScanSection)
