"""One number for a set of trades: by hand, by its laws, and at its edges.

Bugs planted by hand, each caught by the test named:

1. population instead of sample deviation -> test_it_is_the_formula_by_hand
2. Sharpe ratio not a year's -> test_half_the_time_is_a_better_sharpe_ratio
3. log(profit factor) instead of log(1 + ...) -> test_it_is_the_formula_by_hand
4. no cap -> test_without_a_loss_the_profit_factor_is_ten
5. ten trades are too few -> test_fewer_than_ten_trades_are_no_evidence
6. break-even trades count as losses -> test_a_trade_of_zero_neither_gains_nor_loses
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import trade_objective

profit = st.floats(-0.5, 0.5).filter(lambda value: value == 0 or abs(value) > 1e-6)


def test_it_is_the_formula_by_hand():
    # Mean 0.01; deviations 0.02 and -0.02, eight and eight: variance 16 * 0.0004 / 15.
    profits = [0.03] * 8 + [-0.01] * 8
    sharpe = 0.01 / math.sqrt(16 * 0.0004 / 15) * math.sqrt(16 * 365 / 73)
    by_hand = sharpe + math.log(1 + 0.24 / 0.08) + 0.1 * 4
    assert trade_objective(profits, days=73) == pytest.approx(by_hand, rel=1e-12)


def test_half_the_time_is_a_better_sharpe_ratio():
    profits = [0.02, -0.01] * 10
    rest = math.log(3) + 0.1 * math.sqrt(20)
    year, half = (trade_objective(profits, days=days) - rest for days in (365, 182.5))
    assert half == pytest.approx(year * math.sqrt(2), rel=1e-12)


def test_fewer_than_ten_trades_are_no_evidence():
    assert trade_objective([0.5] * 9, days=1) == -100.0
    assert trade_objective([], days=1) == -100.0
    assert trade_objective([0.01] * 10, days=1) > 0


def test_without_a_loss_the_profit_factor_is_ten():
    gains_only = trade_objective([0.01] * 9 + [0.0100001], days=365)
    tenth = trade_objective([0.01] * 100, days=365)
    assert tenth == pytest.approx(math.log(11) + 1, rel=1e-12)  # equal profits: no Sharpe ratio
    assert gains_only > math.log(11)


def test_trades_that_all_lose_have_no_profit_factor():
    assert trade_objective([-0.01] * 25, days=365) == pytest.approx(0.5, rel=1e-12)
    assert trade_objective([0.0] * 25, days=365) == pytest.approx(0.5, rel=1e-12)


def test_a_trade_of_zero_neither_gains_nor_loses():
    with_zero = trade_objective([0.02, -0.01, 0.0] * 12, days=365)
    sharpe = np.mean([0.02, -0.01, 0.0] * 12) / np.std([0.02, -0.01, 0.0] * 12, ddof=1) * 6
    assert with_zero == pytest.approx(sharpe + math.log(3) + 0.6, rel=1e-12)


@given(st.lists(profit, min_size=10, max_size=60), st.permutations(range(10)))
def test_the_order_of_the_trades_does_not_matter(profits, order):
    shuffled = [profits[index] for index in order] + profits[10:]
    assert trade_objective(shuffled, days=30) == pytest.approx(
        trade_objective(profits, days=30), rel=1e-9, abs=1e-9
    )


@given(st.lists(profit, min_size=10, max_size=60))
def test_a_size_does_not_matter(profits):
    """The Sharpe ratio and the profit factor have no unit."""
    doubled = [2 * value for value in profits]
    assert trade_objective(doubled, days=30) == pytest.approx(
        trade_objective(profits, days=30), rel=1e-9, abs=1e-9
    )


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_profit_that_is_no_number_is_refused(wrong):
    with pytest.raises(InfeasibleError, match="profits have a value that is not finite"):
        trade_objective([0.1] * 20 + [wrong], days=1)


@pytest.mark.parametrize("days", [0, -1, math.nan])
def test_a_period_without_length_is_refused(days):
    with pytest.raises(InfeasibleError, match="days must be above 0, not"):
        trade_objective([0.1] * 20, days=days)
