"""
The test with volatility made steady.

Planted bugs that turn this file red: each leg divided by its own volatility (the relation breaks);
volatility instead of its square root; the stronger direction; the standardisation left out.
"""

import numpy as np
import pytest

from freqtrade_ext.scanner._steady_volatility import steady_pvalue
from freqtrade_ext.stats import engle_granger

from .doubles import reverting

NOBS = 600


def weaker(y: np.ndarray, x: np.ndarray) -> float:
    return max(engle_granger(y, x).pvalue, engle_granger(x, y).pvalue)


def calm_then_wild(rng: np.random.Generator) -> np.ndarray:
    """Deviation of the increments: long quiet, one tenth of the time very loud."""
    deviation = np.ones(NOBS)
    start = rng.integers(0, NOBS - 60)
    deviation[start : start + 60] = 12.0
    return deviation


def test_steady_prices_are_tested_as_they_are():
    """A very wide kernel divides by a constant, which the test does not see."""
    x, y = np.random.default_rng(1).standard_normal((2, NOBS)).cumsum(axis=1)
    assert steady_pvalue(y, x, 1e5) == pytest.approx(weaker(y[1:], x[1:]), rel=1e-3)


def test_volatility_is_taken_out_exactly_once():
    """Loud and quiet months of the same walk: their p-value is that of the walk without them."""
    rng = np.random.default_rng(6)
    deviation = np.exp(1.2 * np.sin(np.arange(NOBS) / 60.0))
    gaps = []
    for _ in range(40):
        steps = rng.standard_normal((2, NOBS))
        plain = weaker(*steps.cumsum(axis=1))
        steady = steady_pvalue(*(deviation * steps).cumsum(axis=1), 20.0)
        gaps.append(abs(np.log(steady) - np.log(plain)))
    assert np.median(gaps) < 0.25


def test_a_spread_survives():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(NOBS).cumsum()
    assert steady_pvalue(0.8 * x + reverting(rng, NOBS, 5.0, 1.0), x, 50.0) < 1e-6


def test_a_spread_survives_loud_days_that_both_legs_share():
    rng = np.random.default_rng(3)
    deviation = calm_then_wild(rng)
    x = (deviation * rng.standard_normal(NOBS)).cumsum()
    spread = reverting(rng, NOBS, 5.0, 1.0)
    assert steady_pvalue(0.8 * x + spread, x, 20.0) < 0.01


def test_both_legs_are_divided_by_the_same_volatility():
    """Only one leg has loud months, the spread has not: divided apart, the relation is gone."""
    rng = np.random.default_rng(7)
    deviation = np.exp(1.5 * np.sin(np.arange(NOBS) / 40.0))
    x = (deviation * rng.standard_normal(NOBS)).cumsum()
    y = 0.8 * x + reverting(rng, NOBS, 3.0, 3.0)
    assert steady_pvalue(y, x, 20.0) < 1e-4


def test_the_weaker_direction_counts():
    x, y = np.random.default_rng(4).standard_normal((2, NOBS)).cumsum(axis=1)
    assert steady_pvalue(y, x, 50.0) == pytest.approx(steady_pvalue(x, y, 50.0), rel=0.2)


def test_prices_that_allow_no_test_do_not_pass():
    assert steady_pvalue(np.zeros(NOBS), np.arange(NOBS) + 0.0, 50.0) == 1.0


def test_clustered_volatility_no_longer_makes_discoveries():
    """400 combinations without any relation: the raw test rejects far too often, this one not."""
    rng = np.random.default_rng(5)
    raw, steady = [], []
    for _ in range(400):
        deviation = calm_then_wild(rng)
        x, y = (deviation * rng.standard_normal((2, NOBS))).cumsum(axis=1)
        raw.append(weaker(y, x))
        steady.append(steady_pvalue(y, x, 15.0))
    assert np.mean(np.array(raw) <= 0.01) > 0.03
    assert np.mean(np.array(steady) <= 0.01) <= 0.025
