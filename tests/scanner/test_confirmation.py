"""
Confirmation on later data, with coefficients that those data did not choose.

Planted bugs that turn this file red: coefficients fitted again; a constant in the test (any mean
would do); Engle-Granger's critical values (too strict); the level not divided by the survivors;
data that allow no test counted as confirmed.
"""

import numpy as np
import pytest

from freqtrade_ext.scanner._confirmation import confirm
from freqtrade_ext.stats import adf, mackinnon_pvalue

from .doubles import fit, reverting

NOBS = 500
LINE = fit(hedge_ratio=0.7, intercept=0.3)


def legs(seed: int, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_b = np.random.default_rng(seed).standard_normal(len(value)).cumsum()
    return 0.3 + 0.7 * log_b + value, log_b


def confirmed(value: np.ndarray, *, survivors: int = 1):
    return confirm(LINE, *legs(1, value), level=0.05, survivors=survivors)


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
