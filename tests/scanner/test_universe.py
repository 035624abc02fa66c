"""
Unequal histories on one grid: a named treatment or a named refusal for each kind of bad input.

Planted bugs that turn this file red: an interpolated gap; a gap filled backwards; a gap one candle
longer than allowed; a candle at `end_ms` that is looked at; conflicting candles let through; zero
turnover taken for a trade; listing age counted from the window instead of the listing; turnover
summed over the window instead of a day; the order of the histories left in the columns; the
end of the latest candle taken for the end of all; many delisted markets that outvote the living.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import (
    MarketHistory,
    RefusalReason,
    Treatment,
    TreatmentKind,
    Universe,
    UniverseSettings,
    build_universe,
    timeframe_ms,
)

from .doubles import DAY_MS, HOUR_MS, START_MS, grid, history

WINDOW = 400
LIMITS = {
    "window": WINDOW,
    "min_candles": 300,
    "min_daily_volume": 1e6,
    "min_listing_days": 0.0,
    "max_carry_candles": 3,
    "max_missing_share": 0.05,
}


def walk(seed: int = 0, candles: int = WINDOW) -> np.ndarray:
    return 2.0 + 0.01 * np.random.default_rng(seed).standard_normal(candles).cumsum()


GOOD = history("GOOD/USDT", walk())


def built(*histories: MarketHistory, end_ms=None, excluded=None, **limits) -> Universe:
    return build_universe(
        histories,
        UniverseSettings(**(LIMITS | limits)),
        timeframe="1h",
        end_ms=end_ms,
        excluded=excluded,
    )


def bad(**changes) -> MarketHistory:
    return history("BAD/USDT", changes.pop("log_prices", walk(1)), **changes)


def without(each: MarketHistory, *rows: int) -> MarketHistory:
    keep = np.setdiff1d(np.arange(len(each.time_ms)), rows)
    return MarketHistory(
        each.market, each.time_ms[keep], each.close[keep], each.quote_volume[keep], each.listed_ms
    )


def only_refusal(*histories: MarketHistory, **options):
    universe = built(GOOD, *histories, **options)
    assert universe.markets == ("GOOD/USDT",)
    (refusal,) = universe.refusals
    return refusal


def test_clean_histories_are_taken_as_they_are():
    other = history("ALSO/USDT", walk(3))
    universe = built(GOOD, other)
    assert universe.markets == ("ALSO/USDT", "GOOD/USDT")
    assert (universe.refusals, universe.treatments) == ((), ())
    np.testing.assert_allclose(universe.log_price("GOOD/USDT"), walk(), rtol=1e-14)
    np.testing.assert_array_equal(universe.time_ms, grid(WINDOW))
    assert universe.daily_volume == pytest.approx([1.2e7, 1.2e7])
    assert not universe.log_prices.flags.writeable


def test_a_market_that_takes_no_part_has_no_prices():
    with pytest.raises(KeyError, match="NOBODY"):
        built(GOOD).log_price("NOBODY/USDT")


def test_nothing_at_all_is_an_empty_universe():
    universe = built()
    assert (universe.markets, universe.refusals) == ((), ())
    assert universe.log_prices.shape == (0, 0)


@pytest.mark.parametrize(
    ("broken", "reason", "value", "right"),
    [
        (
            MarketHistory("BAD/USDT", grid(3), np.ones(4), np.ones(3)),
            RefusalReason.MALFORMED,
            "arrays of shapes (3,), (4,)",
            "should be vectors of one length",
        ),
        (
            MarketHistory("BAD/USDT", np.ones((2, 2), int), np.ones((2, 2)), np.ones((2, 2))),
            RefusalReason.MALFORMED,
            "arrays of shapes (2, 2)",
            "should be vectors of one length",
        ),
        (
            MarketHistory("BAD/USDT", grid(0), np.empty(0), np.empty(0)),
            RefusalReason.NO_DATA,
            "an empty history",
            "should have candles",
        ),
        (
            bad(quote_volume=np.zeros(WINDOW)),
            RefusalReason.NO_DATA,
            "no candle with turnover from 2024-01-01 00:00 to 2024-01-17 16:00",
            "should have traded in the window",
        ),
        (
            bad(time_ms=grid(WINDOW) + np.where(np.arange(WINDOW) == 7, 1, 0)),
            RefusalReason.OFF_GRID,
            "1 open time(s) between two candles, first 2024-01-01 07:00",
            "should be whole multiples of 3600000 ms",
        ),
        (
            bad(time_ms=grid(WINDOW) - HOUR_MS * (np.arange(WINDOW) == 9)),
            RefusalReason.CONFLICTING_CANDLES,
            "2024-01-01 08:00 closes at",
            "should have one close a candle",
        ),
        (
            bad(log_prices=np.where(np.arange(WINDOW) == 5, -np.inf, walk())),
            RefusalReason.NON_POSITIVE_PRICE,
            "1 close(s), first 0 at 2024-01-01 05:00",
            "should be above 0 and finite",
        ),
        (
            bad(log_prices=np.full(WINDOW, 0.0)),
            RefusalReason.CONSTANT,
            "1 throughout",
            "should move within the window",
        ),
        (
            bad(quote_volume=np.full(WINDOW, 4e4)),
            RefusalReason.LOW_VOLUME,
            "median turnover 960,000 a day",
            "should be at least 1,000,000",
        ),
        (
            without(bad(), *range(40)),
            RefusalReason.LATE_LISTING,
            "first candle 2024-01-02 16:00",
            "should be there from 2024-01-01 00:00 on, or the window be shorter",
        ),
        (
            without(bad(), *range(396, 400)),
            RefusalReason.DELISTED,
            "last traded candle 2024-01-17 11:00",
            "should trade up to 2024-01-17 16:00",
        ),
        (
            without(bad(), *range(50, 350, 14)),
            RefusalReason.TOO_MANY_MISSING,
            "22 of 400 candles (5.5%)",
            "should be at most 5.0%",
        ),
        (
            without(bad(), *range(100, 104)),
            RefusalReason.LONG_GAP,
            "more than 3 missing candles in a row up to 2024-01-05 07:00",
            "should be at most 3",
        ),
    ],
    ids=lambda each: str(each) if isinstance(each, RefusalReason) else None,
)
def test_a_history_that_does_not_fit_is_refused_by_name(broken, reason, value, right):
    refusal = only_refusal(broken)
    assert (refusal.market, refusal.reason) == ("BAD/USDT", reason)
    assert refusal.value.startswith(value)
    assert refusal.right == right


def test_a_refusal_is_a_sentence():
    refusal = only_refusal(bad(quote_volume=np.full(WINDOW, 4e4)))
    assert str(refusal) == (
        "BAD/USDT: low volume: median turnover 960,000 a day; should be at least 1,000,000"
    )


def test_a_negative_or_infinite_price_is_refused():
    for price in (-1.0, np.inf):
        close = np.exp(walk())
        close[5] = price
        broken = MarketHistory("BAD/USDT", grid(WINDOW), close, np.full(WINDOW, 5e5))
        assert only_refusal(broken).reason is RefusalReason.NON_POSITIVE_PRICE


def test_the_second_history_of_a_name_is_refused():
    universe = built(GOOD, history("GOOD/USDT", walk(9)))
    assert universe.markets == ("GOOD/USDT",)
    np.testing.assert_allclose(universe.log_price("GOOD/USDT"), walk(), rtol=1e-14)
    assert universe.refusals[0].reason is RefusalReason.REPEATED_MARKET


def test_an_excluded_market_says_why():
    refusal = only_refusal(bad(), excluded={"BAD/USDT": "to be delisted on 2024-02-01"})
    assert refusal.reason is RefusalReason.EXCLUDED
    assert refusal.value == "to be delisted on 2024-02-01"


def test_one_bad_history_does_not_end_the_scan_of_the_others():
    ugly = [MarketHistory(f"U{k}/USDT", grid(k), np.full(k, np.nan), np.ones(k)) for k in range(4)]
    universe = built(*ugly, GOOD)
    assert universe.markets == ("GOOD/USDT",)
    assert len(universe.refusals) == 4


def test_a_short_window_refuses_every_market():
    universe = built(history("A/USDT", walk(0, 299)), history("B/USDT", walk(1, 299)))
    assert universe.markets == ()
    assert {each.reason for each in universe.refusals} == {RefusalReason.TOO_SHORT}
    assert universe.refusals[0].value == "a window of 299 candle(s)"


def test_age_counts_from_the_listing_where_it_is_known():
    young = bad(listed_ms=START_MS + 10 * DAY_MS)
    refusal = only_refusal(young, min_listing_days=10.0)
    assert refusal.reason is RefusalReason.TOO_YOUNG
    assert refusal.value == "6.7 day(s) old, first known 2024-01-11 00:00"


def test_age_counts_from_the_first_candle_before_the_window():
    old = history("OLD/USDT", walk(4, 800), time_ms=grid(800))
    late = history("LATE/USDT", walk(5, 500), time_ms=grid(500, START_MS + 300 * HOUR_MS))
    universe = built(old, late, min_listing_days=30.0)
    assert universe.markets == ("OLD/USDT",)
    assert universe.refusals[0].reason is RefusalReason.TOO_YOUNG
    assert built(old, late, min_listing_days=20.0).markets == ("LATE/USDT", "OLD/USDT")


def test_a_short_gap_carries_the_last_close_forward():
    gappy = without(bad(), 100, 101, 102)
    universe = built(GOOD, gappy)
    expected = walk(1)
    expected[100:103] = expected[99]
    np.testing.assert_allclose(universe.log_price("BAD/USDT"), expected, rtol=1e-14)
    assert universe.treatments == (Treatment("BAD/USDT", TreatmentKind.CARRIED_FORWARD, 3),)


@pytest.mark.parametrize("nothing", [0.0, np.nan])
def test_a_candle_without_turnover_is_missing(nothing):
    volume = np.full(WINDOW, 5e5)
    volume[200] = nothing
    universe = built(GOOD, bad(quote_volume=volume))
    assert universe.log_price("BAD/USDT")[200] == pytest.approx(walk(1)[199])


def test_a_candle_without_a_close_is_missing():
    prices = walk(1)
    prices[200] = np.nan
    universe = built(GOOD, bad(log_prices=prices))
    assert universe.log_price("BAD/USDT")[200] == pytest.approx(walk(1)[199])


def test_a_gap_at_the_start_is_filled_from_before_the_window():
    longer = history("BAD/USDT", walk(1, 500), time_ms=grid(500))
    gappy = without(longer, 100, 101)
    universe = built(history("GOOD/USDT", walk(0, 500)), gappy)
    assert universe.time_ms[0] == START_MS + 100 * HOUR_MS
    np.testing.assert_allclose(universe.log_price("BAD/USDT")[:2], walk(1, 500)[99], rtol=1e-14)


def test_nothing_is_filled_backwards():
    universe = built(GOOD, without(bad(), 0))
    assert universe.refusals[0].reason is RefusalReason.LATE_LISTING


def test_unsorted_candles_are_sorted_and_repeats_dropped():
    order = np.concatenate([np.arange(WINDOW)[::-1], [17, 17]])
    good = bad()
    messy = MarketHistory(
        "BAD/USDT", good.time_ms[order], good.close[order], good.quote_volume[order]
    )
    universe = built(GOOD, messy)
    np.testing.assert_allclose(universe.log_price("BAD/USDT"), walk(1), rtol=1e-14)
    kinds = {each.kind: each.candles for each in universe.treatments}
    assert kinds[TreatmentKind.REPEATS_DROPPED] == 2
    assert set(kinds) == {TreatmentKind.REPEATS_DROPPED, TreatmentKind.SORTED}
    assert universe.daily_volume == pytest.approx([1.2e7, 1.2e7])


def test_turnover_is_the_median_day():
    volume = np.full(WINDOW, 5e5)
    volume[:48] = 1e12  # two days of frenzy
    universe = built(bad(quote_volume=volume))
    assert universe.daily_volume == pytest.approx([1.2e7])


def test_turnover_of_daily_candles_is_one_candle():
    times = START_MS + DAY_MS * np.arange(300, dtype=np.int64)
    daily = MarketHistory("D/USDT", times, np.exp(walk(0, 300)), np.full(300, 2e6))
    limits = UniverseSettings(**LIMITS)
    assert build_universe([daily], limits, timeframe="1d").daily_volume == pytest.approx([2e6])


def test_candles_from_the_end_on_are_not_looked_at():
    changed = walk(1)
    changed[350:] += 5.0
    end_ms = START_MS + 350 * HOUR_MS + 59 * 60_000  # inside a candle that is not closed yet
    kept = built(GOOD, bad(), end_ms=end_ms)
    again = built(GOOD, bad(log_prices=changed), end_ms=end_ms)
    assert kept.time_ms[-1] == START_MS + 349 * HOUR_MS
    np.testing.assert_array_equal(kept.log_prices, again.log_prices)


@given(later=st.integers(0, 60), seed=st.integers(0, 1000))
def test_later_candles_do_not_change_a_fixed_window(later, seed):
    prices = walk(seed, WINDOW + later)
    end_ms = START_MS + WINDOW * HOUR_MS
    short = built(history("A/USDT", prices[:WINDOW]), end_ms=end_ms)
    long = built(history("A/USDT", prices), end_ms=end_ms)
    np.testing.assert_array_equal(short.log_prices, long.log_prices)
    np.testing.assert_array_equal(short.daily_volume, long.daily_volume)


@given(gaps=st.sets(st.integers(1, WINDOW - 1), max_size=19), seed=st.integers(0, 1000))
def test_a_filled_candle_repeats_a_price_from_before_it(gaps, seed):
    prices = walk(seed)
    universe = built(GOOD, without(bad(log_prices=prices), *gaps))
    if "BAD/USDT" not in universe.markets:
        assert universe.refusals[0].reason in {RefusalReason.LONG_GAP, RefusalReason.DELISTED}
        return
    filled = universe.log_price("BAD/USDT")
    for place in range(1, WINDOW):
        expected = filled[place - 1] if place in gaps else prices[place]
        assert filled[place] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("timeframe", "length"), [("1s", 1000), ("5m", 300_000), ("4h", 14_400_000), ("1d", DAY_MS)]
)
def test_timeframes_have_a_length(timeframe, length):
    assert timeframe_ms(timeframe) == length


@pytest.mark.parametrize("timeframe", ["1w", "1M", "h", "0h", "1.5h", ""])
def test_a_timeframe_without_a_fixed_length_is_refused(timeframe):
    with pytest.raises(ConfigError, match=r"cannot be scanned; should be e\.g\. 5m, 1h or 1d"):
        timeframe_ms(timeframe)


def test_a_span_knows_its_dates():
    span = built(GOOD).span(0, 24)
    assert (span.start.isoformat(), span.end.isoformat(), span.candles) == (
        "2024-01-01T00:00:00+00:00",
        "2024-01-02T00:00:00+00:00",
        24,
    )


# Where the grid ends


def several(count: int, candles: int = WINDOW) -> list[MarketHistory]:
    return [history(f"M{k}/USDT", walk(k, candles)) for k in range(count)]


def moved_last(each: MarketHistory, by: int) -> MarketHistory:
    """Its last candle has a date that many candles too late."""
    times = each.time_ms.copy()
    times[-1] += by * HOUR_MS
    return MarketHistory(each.market, times, each.close, each.quote_volume)


@pytest.mark.parametrize("others", [1, 2, 5])
@pytest.mark.parametrize("by", [4, 14, 720, 20_000])
def test_one_wrong_date_refuses_that_market_and_nobody_else(others, by):
    universe = built(*several(others), moved_last(bad(), by))
    assert universe.markets == tuple(f"M{k}/USDT" for k in range(others))
    assert universe.time_ms[-1] == grid(WINDOW)[-1]
    (refusal,) = universe.refusals
    assert (refusal.market, refusal.reason) == ("BAD/USDT", RefusalReason.LONG_GAP)
    assert "after the common end 2024-01-17 16:00" in refusal.value


def test_one_wrong_date_between_candles_without_turnover_is_seen_too():
    fresh = bad(log_prices=walk(1, WINDOW + 50), quote_volume=np.full(WINDOW + 50, 5e5))
    fresh.quote_volume[WINDOW:-1] = 0.0
    refusal = only_refusal(fresh)
    assert refusal.reason is RefusalReason.LONG_GAP


def test_a_moment_given_by_the_caller_cuts_a_wrong_date():
    end_ms = START_MS + WINDOW * HOUR_MS
    universe = built(GOOD, moved_last(bad(), 720), end_ms=end_ms)
    assert universe.markets == ("BAD/USDT", "GOOD/USDT")
    assert universe.treatments == (Treatment("BAD/USDT", TreatmentKind.CARRIED_FORWARD, 1),)


def test_an_old_moment_or_a_late_one_does_not_make_anybody_delisted():
    late = START_MS + 3 * WINDOW * HOUR_MS
    assert built(*several(3), end_ms=late).time_ms[-1] == grid(WINDOW)[-1]


@pytest.mark.parametrize("more", [1, 3, 14, 100])
def test_one_fresher_market_is_cut_and_nobody_refused(more):
    fresh = bad(log_prices=walk(1, WINDOW + more))
    universe = built(*several(3), fresh)
    assert len(universe.markets) == 4
    assert universe.refusals == ()
    assert universe.time_ms[-1] == grid(WINDOW)[-1]
    assert universe.treatments == (Treatment("BAD/USDT", TreatmentKind.CUT, more),)
    np.testing.assert_allclose(universe.log_price("BAD/USDT"), walk(1, WINDOW + more)[:WINDOW])


@pytest.mark.parametrize(("fresher", "carried"), [(1, 0), (2, 2), (3, 1)])
def test_a_candle_more_or_less_refuses_nobody(fresher, carried):
    """A download in progress: four markets, some of them one candle fresher."""
    markets = several(4, WINDOW + 1)
    stale = [without(each, WINDOW) for each in markets[fresher:]]
    universe = built(*markets[:fresher], *stale)
    assert (len(universe.markets), universe.refusals) == (4, ())
    kinds = [each.kind for each in universe.treatments]
    assert kinds.count(TreatmentKind.CARRIED_FORWARD) == carried


def test_an_interrupted_download_does_not_make_the_others_delisted():
    """One of five was loaded anew, after a hole."""
    holed = without(bad(log_prices=walk(1, WINDOW + 200)), *range(WINDOW, WINDOW + 100))
    universe = built(*several(4), holed)
    assert len(universe.markets) == 4
    assert universe.refusals[0].reason is RefusalReason.LONG_GAP


def test_delisted_markets_are_still_refused_however_many_they_are():
    living = several(3, 2 * WINDOW)
    dead = [history(f"D{k}/USDT", walk(k, WINDOW + 20 * k)) for k in range(9)]
    universe = built(*dead, *living)
    assert universe.markets == ("M0/USDT", "M1/USDT", "M2/USDT")
    assert {each.reason for each in universe.refusals} <= {
        RefusalReason.DELISTED,
        RefusalReason.NO_DATA,
    }
    assert len(universe.refusals) == 9


def test_the_earlier_of_two_markets_is_delisted():
    refusal = only_refusal(without(bad(), *range(380, 400)))
    assert refusal.reason is RefusalReason.DELISTED


def test_one_market_alone_ends_where_it_ends():
    assert built(GOOD).time_ms[-1] == grid(WINDOW)[-1]
    gap = without(bad(), *range(200, 210))
    assert built(gap).refusals[0].reason is RefusalReason.LONG_GAP


def test_a_gap_of_all_living_markets_does_not_hand_the_end_to_a_delisted_one():
    living = [without(each, *range(700, 710)) for each in several(3, 2 * WINDOW)]
    universe = built(bad(), *living)
    assert universe.markets == ()
    reasons = {each.market: each.reason for each in universe.refusals}
    assert reasons.pop("BAD/USDT") in {RefusalReason.DELISTED, RefusalReason.NO_DATA}
    assert set(reasons.values()) == {RefusalReason.LONG_GAP}


def test_a_wrong_first_date_does_not_make_the_others_late():
    times = grid(WINDOW)
    times[0] -= 500 * HOUR_MS
    early = MarketHistory("BAD/USDT", times, np.exp(walk(1)), np.full(WINDOW, 5e5))
    universe = built(*several(2), early, window=1000)
    assert universe.markets[-2:] == ("M0/USDT", "M1/USDT")
    assert universe.time_ms[0] == START_MS


def test_one_market_with_more_history_does_not_make_the_others_late():
    longer = history("OLD/USDT", walk(4, 800), time_ms=grid(800, START_MS - 400 * HOUR_MS))
    universe = built(*several(2), longer, window=1000)
    assert (len(universe.markets), len(universe.time_ms)) == (3, WINDOW)


def test_markets_without_any_turnover_have_no_data():
    universe = built(bad(quote_volume=np.zeros(WINDOW)))
    assert universe.refusals[0].reason is RefusalReason.NO_DATA


@given(
    by=st.integers(1, 50_000), place=st.integers(0, 4), count=st.integers(3, 6), first=st.booleans()
)
def test_no_single_history_ends_the_scan_of_the_others(by, place, count, first):
    """Whatever one market's first or last date says, every other market takes part."""
    markets = several(count)
    victim = place % count
    times = markets[victim].time_ms.copy()
    times[0 if first else -1] += (-by if first else by) * HOUR_MS
    wrong = markets[victim]
    markets[victim] = MarketHistory(wrong.market, times, wrong.close, wrong.quote_volume)
    universe = built(*markets, window=3_000)
    assert {f"M{k}/USDT" for k in range(count)} - {wrong.market} <= set(universe.markets)
