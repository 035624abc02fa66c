"""The Hurst exponent against algebra, its definition and simulated truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import hedge_ratio, hurst

SEEDS = st.integers(0, 2**32 - 1)


def by_definition(series, lags):
    variances = [np.var(series[lag:] - series[:-lag]) for lag in lags]
    return np.polyfit(np.log(lags), np.log(variances), 1)[0] / 2.0


def test_two_lags_by_hand():
    """
    s = (0, 1, 0, 2): differences at lag 1 (1, -1, 2), variance 14/9; at lag 2 (0, 1), 1/4.

    H = ln(1/4 / (14/9)) / ln 2 / 2.
    """
    expected = np.log(9.0 / 56.0) / np.log(2.0) / 2.0
    assert hurst([0.0, 1.0, 0.0, 2.0], max_lag=2) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("nobs", [30, 100, 725])
def test_default_lags_end_before_a_tenth_of_the_sample(nobs):
    series = np.random.default_rng(nobs).standard_normal(nobs).cumsum()
    assert hurst(series) == pytest.approx(by_definition(series, range(1, nobs // 10)), abs=1e-12)


def test_given_lags_end_with_max_lag():
    series = np.random.default_rng(1).standard_normal(100).cumsum()
    assert hurst(series, max_lag=20) == pytest.approx(
        by_definition(series, range(1, 21)), abs=1e-12
    )


def test_theory_noise_is_zero_walk_a_half_trending_walk_more():
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(4_000)
    momentum = np.convolve(rng.standard_normal(5_000), 0.98 ** np.arange(300.0), "valid")
    assert hurst(noise) == pytest.approx(0.0, abs=0.02)
    assert hurst(noise.cumsum()) == pytest.approx(0.5, abs=0.12)
    assert hurst(momentum.cumsum(), max_lag=40) > 0.85


def test_bias_is_as_documented():
    """The docstring: 0.474 over walks of 720 values, deviation 0.060; residuals 0.462."""
    rng = np.random.default_rng(8)
    walks = rng.standard_normal((300, 2, 720)).cumsum(axis=2)
    of_walks = [hurst(y) for y, _ in walks]
    of_residuals = [hurst(hedge_ratio(y, x).spread(y, x)) for y, x in walks]
    assert np.mean(of_walks) == pytest.approx(0.474, abs=4 * 0.060 / np.sqrt(300))
    assert np.std(of_walks) == pytest.approx(0.060, rel=0.2)
    assert np.mean(of_residuals) == pytest.approx(0.462, abs=4 * 0.060 / np.sqrt(300))


@given(SEEDS, st.floats(1e-6, 1e6), st.floats(-100.0, 100.0), st.sampled_from([-1, 1]))
def test_exponent_ignores_unit_origin_sign_drift_and_direction_of_time(seed, scale, slope, step):
    series = np.random.default_rng(seed).standard_normal(60).cumsum()
    moved = scale * (series[::step] + slope * np.arange(60.0) + 7.0)
    assert hurst(moved) == pytest.approx(hurst(series), abs=1e-8)


@pytest.mark.parametrize(
    ("series", "max_lag", "message"),
    [
        (np.arange(29.0), None, "series has 29 observation(s), needs at least 30"),
        (np.zeros(40), None, "series has constant differences at lag 1"),
        (0.1 * np.arange(40.0), None, "series has constant differences at lag 1"),
        (np.tile([0.0, 0.1], 20), 3, "series has constant differences at lag 2"),
        (np.arange(10.0), 9, "10 observation(s) are too few for max_lag 9"),
        ([1.0, np.inf, 2.0, 3.0], 2, "series has 1 non-finite value(s), first at index 1"),
    ],
)
def test_infeasible_series_are_refused_with_rule_value_and_place(series, max_lag, message):
    with pytest.raises(InfeasibleError) as refusal:
        hurst(series, max_lag=max_lag)
    assert str(refusal.value) == message


def test_a_single_lag_has_no_slope():
    with pytest.raises(ValueError, match="max_lag must be at least 2, got 1"):
        hurst(np.arange(10.0), max_lag=1)
