"""Selections through time.

Planted bugs that these tests have caught: the candle that opens at the moment is looked at, a
window that is not full is used, history before the window changes a selection, a selection is
taken from the cache although its candles differ, moments that depend on where the data begin.
"""

from dataclasses import replace

import numpy as np
import pytest

from freqtrade_ext.scanner import (
    BootstrapSettings,
    MarketHistory,
    ScanSettings,
    SelectionCache,
    SelectionPlan,
    UniverseSettings,
    scan,
    select_through_time,
    walk_profile,
)

from .walking_doubles import (
    DAY_MS,
    HOUR_MS,
    START_MS,
    WINDOW,
    histories_of,
    legs_of,
    plan_of,
    settings_of,
)

COUNT = 900
PLANTED = frozenset(("AAA", "BBB"))


def cut(history, low=0, high=None):
    rows = slice(low, high)
    return replace(
        history,
        time_ms=history.time_ms[rows],
        close=history.close[rows],
        quote_volume=history.quote_volume[rows],
    )


@pytest.fixture(scope="module")
def whole():
    return list(select_through_time(histories_of(COUNT), plan_of()))


def test_a_planted_spread_is_selected(whole):
    assert all(legs_of(each.cards) <= {PLANTED} for each in whole)
    assert sum(bool(each.cards) for each in whole) > len(whole) / 2


def test_moments_are_whole_multiples_with_a_full_window_and_a_candle(whole):
    moments = [each.time_ms for each in whole]
    assert moments[0] == START_MS + 21 * DAY_MS  # 500 candles are 20.8 days
    assert np.diff(moments).tolist() == [DAY_MS] * (len(moments) - 1)
    assert moments[-1] <= START_MS + (COUNT - 1) * HOUR_MS < moments[-1] + DAY_MS


def test_moments_do_not_depend_on_where_the_data_begin(whole):
    late = [cut(each, 5) for each in histories_of(COUNT)]
    moments = [each.time_ms for each in select_through_time(late, plan_of())]
    assert moments == [each.time_ms for each in whole if each.time_ms >= moments[0]]


@pytest.mark.parametrize("now", [505, 600, 672, 673, 777])
def test_a_selection_does_not_look_ahead(whole, now):
    known = [cut(each, 0, now) for each in histories_of(COUNT)]
    before = list(select_through_time(known, plan_of()))
    assert before == whole[: len(before)]
    assert all(each.time_ms <= START_MS + now * HOUR_MS for each in before)


@pytest.mark.parametrize("now", [600, 672, 800])
def test_what_comes_after_changes_nothing(whole, now):
    """Prices a hundred times as high, a market less, another volume: from `now` on."""
    changed = []
    for history in histories_of(COUNT):
        close, volume = history.close.copy(), history.quote_volume.copy()
        close[now:] *= np.linspace(1.0, 100.0, COUNT - now)
        volume[now:] = 0.0
        changed.append(replace(history, close=close, quote_volume=volume))
    moment = START_MS + now * HOUR_MS
    after = [each for each in select_through_time(changed, plan_of()) if each.time_ms <= moment]
    assert after == whole[: len(after)]
    assert after


def test_what_was_loaded_before_the_window_changes_nothing(whole):
    reach = plan_of().reach
    last = whole[-1]
    first = (last.time_ms - START_MS) // HOUR_MS - reach
    late = [cut(each, first) for each in histories_of(COUNT)]
    assert list(select_through_time(late, plan_of()))[-1] == last


def test_a_selection_is_what_a_scan_of_the_data_before_it_finds(whole):
    plan = plan_of()
    for selection in whole[::5]:
        rows = (selection.time_ms - START_MS) // HOUR_MS
        known = [cut(each, 0, rows) for each in histories_of(COUNT)]
        report = scan(known, plan.settings, timeframe="1h", seed=99)
        assert report.cards == selection.cards
        assert report.family_size == selection.family_size


def test_a_relation_that_ends_is_not_selected_for_long():
    selections = list(select_through_time(histories_of(1_800, until=900, seed=3), plan_of()))
    end = START_MS + 900 * HOUR_MS
    late = [each for each in selections if each.time_ms > end + WINDOW * HOUR_MS]
    assert any(each.cards for each in selections if each.time_ms <= end)
    assert not any(each.cards for each in late)


def test_a_market_that_is_listed_late_waits_for_its_own_window():
    histories = histories_of(COUNT)
    histories[0] = cut(histories[0], 200)
    selections = list(select_through_time(histories, plan_of()))
    listed = START_MS + 200 * HOUR_MS
    for each in selections:
        full = each.time_ms - WINDOW * HOUR_MS >= listed
        assert each.markets == (5 if full else 4)
        assert full or not each.cards


def test_an_outage_of_all_markets_selects_nothing():
    histories = [
        replace(each, quote_volume=np.where(np.arange(COUNT) // 60 == 11, 0.0, 1e8))
        for each in histories_of(COUNT)
    ]
    low, high = START_MS + 672 * HOUR_MS, START_MS + 720 * HOUR_MS  # 12 candles are carried
    inside = [
        each for each in select_through_time(histories, plan_of()) if low < each.time_ms <= high
    ]
    assert len(inside) == 2
    assert all((each.markets, each.family_size, each.cards) == (0, 0, ()) for each in inside)


def test_a_window_with_a_hole_at_its_end_is_not_full():
    """Candles of all markets are absent: the window would begin earlier, or be shorter."""
    rows = np.r_[0:660, 720:COUNT]
    holed = [
        replace(
            each,
            time_ms=each.time_ms[rows],
            close=each.close[rows],
            quote_volume=each.quote_volume[rows],
        )
        for each in histories_of(COUNT)
    ]
    short = plan_of(universe=UniverseSettings(window=WINDOW, min_candles=300, min_listing_days=0.0))
    selections = {each.time_ms: each for each in select_through_time(holed, short)}
    assert selections[START_MS + 672 * HOUR_MS].family_size > 0
    for hour in (696, 720):
        assert selections[START_MS + hour * HOUR_MS].family_size == 0


def test_unsorted_candles_are_sorted(whole):
    order = np.random.default_rng(1).permutation(COUNT)
    shuffled = [
        replace(
            each,
            time_ms=each.time_ms[order],
            close=each.close[order],
            quote_volume=each.quote_volume[order],
        )
        for each in histories_of(COUNT)
    ]
    assert list(select_through_time(shuffled, plan_of())) == whole


def test_too_little_history_gives_no_selection():
    assert list(select_through_time([], plan_of())) == []
    empty = MarketHistory("A/B", np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    assert list(select_through_time([empty], plan_of())) == []
    short = [cut(each, 0, WINDOW) for each in histories_of(COUNT)]
    assert list(select_through_time(short, plan_of())) == []


def test_the_cache_answers_for_the_same_candles_only(whole):
    cache = SelectionCache()
    assert list(select_through_time(histories_of(COUNT), plan_of(), cache)) == whole
    made = cache.made
    assert list(select_through_time(histories_of(COUNT), plan_of(), cache)) == whole
    assert cache.made == made
    changed = histories_of(COUNT)
    changed[2].close[600] *= 1.01
    list(select_through_time(changed, plan_of(), cache))
    moment = START_MS + 601 * HOUR_MS
    reach = plan_of().reach * HOUR_MS
    touched = sum(moment <= each.time_ms < moment + reach for each in whole)
    assert cache.made == made + touched
    list(select_through_time(histories_of(COUNT), plan_of(max_spreads=1), cache))
    assert cache.made == made + touched + len(whole)


def test_the_cache_is_bounded(whole):
    cache = SelectionCache(most=3)
    list(select_through_time(histories_of(COUNT), plan_of(), cache))
    assert len(cache._known) == 3


def test_startup_covers_window_carry_and_refit():
    assert plan_of().startup_candles == WINDOW + 12 + 24
    assert plan_of(HOUR_MS).startup_candles == WINDOW + 12 + 1


def test_the_profile_leaves_out_what_selects_nothing():
    full = ScanSettings(bootstrap=BootstrapSettings(replications=499), confirm_level=0.01)
    profile = walk_profile(full, timeframe="1h", window=2160)
    assert profile.bootstrap.replications == 0
    assert not profile.null_scan
    assert profile.universe.window == 2160
    assert profile.confirm_level == 0.01
    assert profile.family == full.family


@pytest.mark.parametrize(("timeframe", "days"), [("1h", 500 / 24), ("1d", 30.0), ("5m", 500 / 288)])
def test_a_full_window_makes_a_market_old_enough(timeframe, days):
    profile = walk_profile(ScanSettings(), timeframe=timeframe, window=500)
    assert profile.universe.min_listing_days == pytest.approx(days)


def test_a_window_below_the_fewest_candles_wins():
    demanding = settings_of(universe=UniverseSettings(window=2000, min_candles=1000))
    profile = walk_profile(demanding, timeframe="1h", window=600)
    assert (profile.universe.window, profile.universe.min_candles) == (600, 600)
    plan = SelectionPlan("1h", DAY_MS, profile)
    assert plan.window == 600
