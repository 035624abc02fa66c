"""What the watcher may ask, and what it asks.

Planted bugs, each found by the test in brackets: a minute begins anew at each full minute
(no_minute_ever); a refused request is paid for (what_is_refused); a clock that is set back empties
the budget (a_clock_that_is_set_back); a full pass is not remembered (all_markets_are_seen_rarely);
a full pass that cannot be afforded is counted as made (is_made_up_for).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.execution import RequestBudget, WatchPlan

from .reconcile_doubles import BTC, ETH

ACTIVE = frozenset({BTC, ETH})


@given(
    limit=st.integers(1, 300),
    requests=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 100)), max_size=40),
)
def test_no_minute_ever_holds_more_than_its_weight(limit, requests):
    budget, now, spent = RequestBudget(limit), 0, []
    for pause, weight in requests:
        now += pause
        room = limit - sum(each for at, each in spent if at > now - 60_000)
        assert budget.afford(weight, now) == (weight <= room)
        if weight <= room:
            spent.append((now, weight))


def test_what_is_refused_is_not_paid_for():
    budget = RequestBudget(60)
    assert budget.afford(50, 0)
    assert not budget.afford(11, 1_000)
    assert budget.afford(10, 1_000)


def test_a_clock_that_is_set_back_frees_nothing_and_blocks_nothing_for_long():
    budget = RequestBudget(60)
    assert budget.afford(60, 3_600_000)
    assert not budget.afford(1, 0)
    assert not budget.afford(1, 59_999)
    assert budget.afford(60, 60_000)


@pytest.mark.parametrize("limit", [0, -5])
def test_a_budget_of_nothing_is_a_mistake(limit):
    with pytest.raises(IllegalRequest, match=f"must be above 0, not {limit}"):
        RequestBudget(limit)


def test_a_negative_weight_is_a_mistake():
    with pytest.raises(IllegalRequest, match="must not be negative: -1"):
        RequestBudget(60).afford(-1, 0)


def test_all_markets_are_seen_rarely_and_active_ones_on_every_pass():
    plan = WatchPlan(RequestBudget(300), full_every_ms=60_000)
    passes = [plan.next(ACTIVE, now) for now in range(0, 70_000, 5_000)]
    assert [each.weight for each in passes] == [85, *[9] * 11, 85, 9]
    assert [each.markets for each in passes[:2]] == [None, ACTIVE]


def test_without_anything_active_only_positions_are_asked_for():
    plan = WatchPlan(RequestBudget(300))
    plan.next(frozenset(), 0)
    again = plan.next(frozenset(), 5_000)
    assert (again.markets, again.weight) == (frozenset(), 5)


def test_forty_active_markets_are_asked_for_in_one_request():
    plan = WatchPlan(RequestBudget(300))
    plan.next(frozenset(), 0)
    assert plan.next(frozenset(map(str, range(39))), 5_000).weight == 83
    assert plan.next(frozenset(map(str, range(40))), 10_000).markets is None


def test_when_little_is_left_positions_come_first():
    budget = RequestBudget(300)
    plan = WatchPlan(budget)
    plan.next(ACTIVE, 0)
    budget.afford(300 - 85 - 8, 1_000)
    assert plan.next(ACTIVE, 5_000).markets == frozenset()
    assert plan.next(ACTIVE, 10_000) is None


def test_a_full_pass_that_could_not_be_afforded_is_made_up_for():
    budget = RequestBudget(100)
    budget.afford(50, 0)
    plan = WatchPlan(budget)
    assert plan.next(ACTIVE, 0).markets == ACTIVE
    assert plan.next(ACTIVE, 60_000).markets is None
