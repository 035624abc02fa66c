"""Results of trades, split by what each layer said of them.

Bugs planted by hand, each caught by the test named:

1. punished trades count as silent -> test_trades_are_split_by_the_sign_of_the_points
2. the population's deviation -> test_a_sum_by_hand
3. one trade has an error -> test_a_single_trade_has_no_error
4. a verdict within the errors -> test_a_verdict_needs_two_standard_errors
5. a layer that only punishes is judged the wrong way round -> test_a_layer_that_only_punishes
6. the correlation of values, not of ranks -> test_the_correlation_is_that_of_ranks
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.signals import layer_earnings, result_sum


def only(points, results):
    (found,) = layer_earnings({"rsi": points}, results)
    return found


def test_trades_are_split_by_the_sign_of_the_points():
    found = only([5, -2, 0, 8, 0], [10.0, -20.0, 1.0, 30.0, -3.0])
    assert (found.rewarded.trades, found.rewarded.total) == (2, 40.0)
    assert (found.punished.trades, found.punished.total) == (1, -20.0)
    assert (found.silent.trades, found.silent.won, found.silent.total) == (2, 1, -2.0)


def test_a_sum_by_hand():
    found = result_sum([1.0, 3.0, 5.0])  # deviations -2, 0, 2: variance 8 / 2
    assert (found.trades, found.won, found.total, found.mean) == (3, 3, 9.0, 3.0)
    assert found.standard_error == pytest.approx(2.0 / math.sqrt(3), rel=1e-12)


def test_a_single_trade_has_no_error():
    assert math.isnan(result_sum([4.0]).standard_error)
    assert math.isnan(result_sum([]).mean)
    assert result_sum([]).total == 0.0


def test_the_correlation_is_that_of_ranks():
    """Monotonous, not linear: ranks agree completely."""
    assert only([1, 2, 3, 4], [0.0, 1.0, 10.0, 1e6]).rank_correlation == pytest.approx(1.0)
    assert only([1, 2, 3, 4], [4.0, 3.0, 2.0, 1.0]).rank_correlation == pytest.approx(-1.0)


@pytest.mark.parametrize("points", [[0, 0, 0, 0], [1, 2]])
def test_points_that_say_nothing_have_no_correlation(points):
    assert math.isnan(only(points, [1.0, 2.0, 3.0, 4.0][: len(points)]).rank_correlation)


def trades(mean, count=50, spread=10.0, seed=1):
    return mean + np.random.default_rng(seed).normal(0, spread, count)


def test_a_verdict_needs_two_standard_errors():
    points = [8] * 50 + [-8] * 50
    assert only(points, np.r_[trades(30), trades(0, seed=2)]).verdict == "earns"
    assert only(points, np.r_[trades(-30), trades(0, seed=2)]).verdict == "costs"
    assert only(points, np.r_[trades(1), trades(0, seed=2)]).verdict == "?"


def test_a_layer_that_only_punishes():
    """It earns if what it punished does worse than what it let be."""
    points = [0] * 50 + [-8] * 50
    assert only(points, np.r_[trades(30), trades(0, seed=2)]).verdict == "earns"
    assert only(points, np.r_[trades(0), trades(30, seed=2)]).verdict == "costs"


def test_a_layer_that_only_rewards_is_compared_with_the_silent_trades():
    points = [8] * 50 + [0] * 50
    assert only(points, np.r_[trades(30), trades(0, seed=2)]).verdict == "earns"


def test_a_layer_that_was_silent_has_no_verdict():
    assert only([0] * 50, trades(30)).verdict == "?"
    assert only([], []).verdict == "?"


@given(st.lists(st.tuples(st.integers(-9, 9), st.floats(-1e3, 1e3)), max_size=30))
def test_no_trade_is_lost(rows):
    found = only([points for points, _ in rows], [result for _, result in rows])
    sides = (found.rewarded, found.punished, found.silent)
    assert sum(side.trades for side in sides) == len(rows)
    total = math.fsum(result for _, result in rows)
    assert sum(side.total for side in sides) == pytest.approx(total, abs=1e-6)


def test_input_is_checked_at_the_door():
    with pytest.raises(InfeasibleError, match="points of rsi: 2 for 3 trades"):
        only([1, 2], [1.0, 2.0, 3.0])
    with pytest.raises(InfeasibleError, match="results: a value is not finite"):
        only([1], [math.nan])
