"""Stop-loss frequency guard: three losing stops within an hour let entries rest for half an hour.

Planted bugs, each of which turns a test red: every reason counted, winners counted, legs counted
one by one, a leg's own loss instead of the spread's, spreads counted before they are complete, the
window or the lock off by its bound, the future counted, the lock counted from now, the scope
ignored.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.risk import ClosedTrade, CloseReason, StoplossGuardSettings, stoploss_lock

MINUTE = 60_000
DEFAULT = StoplossGuardSettings()
PER_MARKET = StoplossGuardSettings(scope="market")


def trade(minute, *, market="A", reason=CloseReason.SL, profit=-1.0, owner=None, legs=1):
    return ClosedTrade(market, minute * MINUTE, reason, profit, owner, legs)


def spread(minute, owner, profits=(-3.0, 1.0), *, reason=CloseReason.SPREAD_STOP, later=1):
    return [
        trade(minute, market="A", reason=reason, profit=profits[0], owner=owner, legs=2),
        trade(minute + later, market="B", reason=reason, profit=profits[1], owner=owner, legs=2),
    ]


def until(closed, minute, settings=DEFAULT, market=None):
    """Return the minute up to which entries rest, or None."""
    lock = stoploss_lock(closed, minute * MINUTE, settings, market=market)
    return None if lock is None else lock.until_ms / MINUTE


def test_three_stops_in_an_hour_lock_for_half_an_hour_after_the_last():
    stops = [trade(0), trade(30), trade(60)]
    assert until(stops[:1], 1) is None
    assert until(stops[:2], 31) is None
    assert until(stops, 60) == 90
    assert until(stops, 89) == 90
    assert until(stops, 90) is None


def test_stops_further_apart_than_the_window_do_not_lock():
    assert until([trade(0), trade(30), trade(61)], 61) is None


def test_the_lock_stands_though_the_first_stop_leaves_the_window():
    """At 80 minutes only two stops are within the last hour; the lock of 60 still holds."""
    assert until([trade(0), trade(30), trade(60)], 80) == 90


def test_a_fourth_stop_prolongs_the_lock():
    assert until([trade(0), trade(30), trade(60), trade(70)], 75) == 100


def test_the_order_in_which_they_are_told_does_not_matter():
    assert until([trade(60), trade(0), trade(30)], 61) == 90


def test_the_future_is_not_known():
    """A backtest hands over all trades; each moment sees its past."""
    assert until([trade(0), trade(30), trade(60)], 59) is None


@pytest.mark.parametrize("reason", CloseReason, ids=str)
def test_every_stop_like_reason_counts_and_no_other(reason):
    """Kill switch, spread stop, emergency, trailing and break-even too."""
    stops = [trade(minute, reason=reason) for minute in (0, 1, 2)]
    assert (until(stops, 3) == 32) == reason.is_stop_like


def test_a_stop_in_profit_does_not_count():
    stops = [trade(0), trade(1), trade(2, reason=CloseReason.TRAILING, profit=0.0)]
    assert until(stops, 3) is None


def test_two_legs_are_one_stop():
    """Two spreads have four legs and two stops."""
    closed = [*spread(0, "s1@0"), *spread(10, "s2@10")]
    assert until(closed, 12) is None
    assert until([*closed, trade(12)], 12) == 42


def test_a_spread_loses_if_the_sum_of_its_legs_does():
    """One leg lost 3, the other won 4."""
    singles = [trade(0), trade(1)]
    assert until([*singles, *spread(2, "s", (-3.0, 4.0))], 5) is None
    assert until([*singles, *spread(2, "s", (-3.0, 2.9))], 5) == 33


def test_a_spread_counts_when_its_last_leg_is_closed():
    singles = [trade(0), trade(1)]
    legs = spread(2, "s", (-3.0, 2.0), later=3)
    assert until([*singles, *legs], 4) is None
    assert until([*singles, *legs], 5) == 35


def test_one_stopped_leg_makes_the_spread_a_stop():
    legs = [
        trade(2, market="A", reason=CloseReason.SL_HIT, owner="s", legs=2),
        trade(2, market="B", reason=CloseReason.PARTNER_CLOSED, owner="s", legs=2),
    ]
    assert until([trade(0), trade(1), *legs], 3) == 32


def test_an_orphan_counts_alone():
    """Its partner was never entered."""
    orphan = trade(2, reason=CloseReason.SL_HIT, owner="s", legs=1)
    assert until([trade(0), trade(1), orphan], 3) == 32


def test_per_market_counts_and_locks_each_market_for_itself():
    closed = [trade(0, market="A"), trade(1, market="A"), trade(2, market="B")]
    assert until(closed, 3, PER_MARKET, "A") is None
    closed.append(trade(3, market="A"))
    assert until(closed, 4, PER_MARKET, "A") == 33
    assert until(closed, 4, PER_MARKET, "B") is None


def test_a_spread_counts_for_both_of_its_markets():
    closed = [*spread(0, "s1"), *spread(5, "s2"), *spread(10, "s3")]
    assert until(closed, 12, PER_MARKET, "A") == 41
    assert until(closed, 12, PER_MARKET, "B") == 41
    assert until(closed, 12, PER_MARKET, "C") is None


def test_each_scope_answers_its_own_question_only():
    stops = [trade(0), trade(1), trade(2)]
    assert until(stops, 3, DEFAULT, "A") is None
    assert until(stops, 3, PER_MARKET) is None


def test_a_lock_says_why_and_for_what():
    stops = [trade(0), trade(1), trade(2)]
    lock = stoploss_lock(stops, 3 * MINUTE, DEFAULT)
    assert lock is not None
    assert (lock.market, lock.reason) == (None, "3 losing stops within 60 minutes")
    lock = stoploss_lock(stops, 3 * MINUTE, PER_MARKET, market="A")
    assert lock is not None
    assert lock.market == "A"


def test_settings_count():
    stops = [trade(0), trade(9)]
    once = StoplossGuardSettings(stops=1, window_minutes=1, lock_minutes=5)
    assert until(stops, 9, once) == 14
    assert until(stops, 8, once) is None
    twice = StoplossGuardSettings(stops=2, window_minutes=9, lock_minutes=1)
    assert until(stops, 9, twice) == 10
    assert until(stops, 9, StoplossGuardSettings(enabled=False, stops=1)) is None
    assert until([], 9) is None


@given(
    st.lists(st.integers(0, 300), max_size=25),
    st.integers(0, 330),
    st.integers(1, 5),
    st.integers(1, 90),
    st.integers(1, 90),
)
def test_it_is_what_somebody_would_see_who_watched_every_minute(
    minutes, now, stops, window, lock_for
):
    """Watch minute by minute, as a bot does: a count within the window, a lock that runs out."""
    rules = StoplossGuardSettings(stops=stops, window_minutes=window, lock_minutes=lock_for)
    ends = 0
    for minute in range(now + 1):
        recent = [each for each in minutes if minute - window <= each <= minute]
        if minute in minutes and len(recent) >= stops:
            ends = minute + lock_for
    closed = [trade(minute) for minute in minutes]
    assert until(closed, now, rules) == (ends if now < ends else None)


@given(st.lists(st.integers(0, 120), max_size=12), st.integers(0, 120))
def test_spreads_lock_as_single_positions_with_the_same_result_would(minutes, now):
    singles = [trade(minute, profit=-2.0) for minute in minutes]
    legs = [
        leg
        for number, minute in enumerate(minutes)
        for leg in spread(minute, f"s{number}", (-3.0, 1.0), later=0)
    ]
    assert until(legs, now) == until(singles, now)
