"""
The Hurst exponent of every window against `hurst` of that window.

Mutants, each red here: the variance that is never computed anew, a difference less in the window,
the difference that leaves taken one row late, no allowance for rounding.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import hurst, rolling_hurst


def window_by_window(series, window, max_lag):
    found = np.full(len(series), np.nan)
    for now in range(window - 1, len(series)):
        try:
            found[now] = hurst(series[now - window + 1 : now + 1], max_lag=max_lag)
        except InfeasibleError:
            found[now] = np.nan
    return found


@given(st.integers(0, 2**32 - 1), st.integers(12, 80), st.integers(2, 10))
def test_every_window_is_the_exponent_of_that_window(seed, window, max_lag):
    series = np.random.default_rng(seed).standard_normal(120).cumsum() / 100.0 + 4.0
    found = rolling_hurst(series, window, max_lag=max_lag)
    np.testing.assert_allclose(found, window_by_window(series, window, max_lag), atol=1e-8)


@pytest.mark.parametrize("jump", [1.0, 50.0])
def test_a_jump_leaves_no_trace_behind(jump):
    """A thousandfold wick, then a market that hardly moves."""
    rng = np.random.default_rng(4)
    series = 1e-4 * rng.standard_normal(400).cumsum() + 3.0
    series[100] += jump
    found = rolling_hurst(series, 60, max_lag=10)
    np.testing.assert_allclose(found, window_by_window(series, 60, 10), atol=1e-8)


def test_a_price_that_stands_still_after_a_jump_has_no_exponent():
    series = np.r_[np.random.default_rng(1).standard_normal(50).cumsum(), np.full(50, 3.3)]
    found = rolling_hurst(series, 20, max_lag=5)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(window_by_window(series, 20, 5)))
    assert np.isnan(found[70:]).all()


def test_a_steady_drift_has_no_exponent():
    assert np.isnan(rolling_hurst(0.1 * np.arange(100.0), 30, max_lag=5)).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 119))
def test_the_past_is_as_it_was(seed, now):
    series = np.random.default_rng(seed).standard_normal(120).cumsum()
    np.testing.assert_array_equal(
        rolling_hurst(series, 40, max_lag=6)[:now], rolling_hurst(series[:now], 40, max_lag=6)
    )


def test_too_short_a_series_has_no_exponent():
    assert np.isnan(rolling_hurst([1.0, 2.0], 30, max_lag=5)).all()


@pytest.mark.parametrize("max_lag", [1, 29])
def test_a_lag_that_does_not_fit_is_refused(max_lag):
    with pytest.raises(ValueError, match=r"max_lag must be from 2 to window - 2 \(28\), got"):
        rolling_hurst(np.zeros(40), 30, max_lag=max_lag)


def test_missing_values_are_refused():
    with pytest.raises(InfeasibleError, match="series has 1 non-finite value"):
        rolling_hurst([1.0, np.nan, 2.0], 30, max_lag=5)
