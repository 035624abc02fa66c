"""
Confirmation on later data, with coefficients that those data did not choose.

Planted bugs that turn this file red: coefficients fitted again; a constant in the test (any mean
would do); Engle-Granger's critical values (too strict); the level not divided by the survivors;
data that allow no test counted as confirmed; the smaller p-value of the two tests; the level of the
value lost when its volatility is made steady.
"""

import numpy as np
import pytest

from freqtrade_ext.scanner._confirmation import confirm
from freqtrade_ext.scanner._steady_volatility import steady_value
from freqtrade_ext.stats import adf, mackinnon_pvalue

from .doubles import fit, reverting

NOBS = 500
LINE = fit(hedge_ratio=0.7, intercept=0.3)


def legs(seed: int, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_b = np.random.default_rng(seed).standard_normal(len(value)).cumsum()
    return 0.3 + 0.7 * log_b + value, log_b


def confirmed(value: np.ndarray, *, survivors: int = 1, bandwidth: float | None = None):
    return confirm(LINE, *legs(1, value), level=0.05, survivors=survivors, bandwidth=bandwidth)


def test_a_value_that_goes_on_reverting_is_confirmed():
    value = reverting(np.random.default_rng(1), NOBS, 6.0, 0.01)
    test = confirmed(value)
    assert test.passed
    assert test.nobs == NOBS
    expected = adf(value, trend="n")
    assert test.stat == pytest.approx(expected.stat, rel=1e-6)
    assert test.pvalue == pytest.approx(mackinnon_pvalue(expected.stat, n_series=1, trend="n"))


def test_the_level_is_shared_by_the_survivors():
    value = reverting(np.random.default_rng(1), NOBS, 6.0, 0.01)
    assert confirmed(value, survivors=10).level == pytest.approx(0.005)
    assert confirmed(value, survivors=0).level == pytest.approx(0.05)


def test_reverting_to_another_mean_is_no_confirmation():
    value = reverting(np.random.default_rng(1), NOBS, 6.0, 0.01)
    assert confirmed(value).passed
    assert not confirmed(value + 0.2).passed


def test_another_hedge_ratio_is_no_confirmation():
    value = reverting(np.random.default_rng(1), NOBS, 6.0, 0.01)
    log_b = np.random.default_rng(3).standard_normal(NOBS).cumsum()
    test = confirm(LINE, 0.3 + 0.9 * log_b + value, log_b, level=0.05, survivors=1)
    assert not test.passed


def test_data_that_allow_no_test_do_not_confirm():
    log_b = np.random.default_rng(1).standard_normal(NOBS).cumsum()
    test = confirm(
        fit(hedge_ratio=0.0, intercept=0.0), np.zeros(NOBS), log_b, level=1.0, survivors=1
    )
    assert test.pvalue == 1.0
    assert np.isnan(test.stat)


@pytest.mark.parametrize("start", [0.0, 20.0])
def test_size_holds_wherever_a_random_walk_starts(start):
    """400 walks: the level is 5 %, and less from far away; 99.9 % of the binomial is at most 36."""
    rng = np.random.default_rng(4)
    hits = sum(confirmed(start + rng.standard_normal(200).cumsum()).passed for _ in range(400))
    assert hits <= 36
    assert hits >= (6 if start == 0.0 else 0)


def test_the_weaker_of_the_plain_and_the_steady_test_counts():
    rng = np.random.default_rng(6)
    deviation = np.exp(np.sin(np.arange(NOBS) / 40.0))
    weaker = set()
    for _ in range(20):
        value = (deviation * rng.standard_normal(NOBS)).cumsum()
        plain = adf(value, trend="n").pvalue
        steady = adf(steady_value(value, 50.0), trend="n").pvalue
        assert confirmed(value, bandwidth=50.0).pvalue == pytest.approx(max(plain, steady))
        assert confirmed(value).pvalue == pytest.approx(plain)
        weaker.add(steady > plain)
    assert weaker == {True, False}


def test_clustered_volatility_no_longer_confirms():
    """400 walks that revert to nothing, with nominal 1 %."""
    rng = np.random.default_rng(7)
    plain, both = [], []
    for _ in range(400):
        deviation = np.ones(NOBS)
        start = rng.integers(0, NOBS - 60)
        deviation[start : start + 60] = 12.0
        value = (deviation * rng.standard_normal(NOBS)).cumsum()
        plain.append(confirmed(value).pvalue)
        both.append(confirmed(value, bandwidth=15.0).pvalue)
    assert np.mean(np.array(plain) <= 0.01) > 0.03
    assert np.mean(np.array(both) <= 0.01) <= 0.025


def test_steady_volatility_does_not_forgive_another_mean():
    value = reverting(np.random.default_rng(1), NOBS, 6.0, 0.01)
    assert confirmed(value, bandwidth=50.0).passed
    assert not confirmed(value + 0.2, bandwidth=50.0).passed
    steady = steady_value(value + 0.2, 1e5)
    np.testing.assert_allclose(steady / steady[0], (value + 0.2) / (value[0] + 0.2), rtol=1e-2)


def test_a_value_that_stands_still_for_long_is_not_confirmed():
    value = reverting(np.random.default_rng(1), NOBS, 6.0, 0.01)
    value[100:400] = value[100]
    test = confirmed(value, bandwidth=5.0)
    assert not test.passed
