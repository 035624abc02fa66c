"""The augmented Dickey-Fuller test against algebra, statsmodels and its own symmetries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.stattools import adfuller

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import adf

TRENDS = ("n", "c", "ct")
SEEDS = st.integers(0, 2**32 - 1)


def reference(series, trend, **options):
    return adfuller(series, regression=trend, result_object=False, **options)


def assert_equals_statsmodels(series, trend, tolerance=1e-9):
    stat, pvalue, lags, nobs, critical_values, _ = reference(series, trend)
    result = adf(series, trend=trend)
    assert (result.lags, result.nobs) == (lags, nobs)
    assert result.stat == pytest.approx(stat, abs=tolerance)
    assert result.pvalue == pytest.approx(pvalue, abs=tolerance)
    np.testing.assert_allclose(
        list(result.critical_values.values()), list(critical_values.values()), rtol=1e-12
    )


def test_statistic_of_five_values_by_hand():
    """
    s = (1, 0, 1, 0, 2), no constant, no lag: differences (-1, 1, -1, 2) on levels (1, 0, 1, 0).

    gamma = -2/2 = -1, residuals (0, 1, 0, 2), RSS 5, s² = 5/3, t = -1 / sqrt(5/3 / 2).
    """
    result = adf([1.0, 0.0, 1.0, 0.0, 2.0], trend="n", lags=0)
    assert result.stat == pytest.approx(-1.0 / np.sqrt(5 / 6), rel=1e-14)
    assert (result.lags, result.nobs) == (0, 4)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("seed", range(12))
def test_walks_equal_statsmodels(walks, seed, trend):
    series, _ = walks(seed, 40 + 70 * seed)
    assert_equals_statsmodels(series, trend)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("seed", range(8))
def test_autocorrelated_differences_choose_the_same_lags(seed, trend):
    steps = np.random.default_rng(seed).standard_normal(407)
    smooth = np.convolve(steps, [1.0, 0.6, -0.3, 0.5, 0.2, -0.4, 0.1, 0.3], "valid")
    series = smooth.cumsum()
    assert adf(series, trend=trend).lags > 0
    assert_equals_statsmodels(series, trend)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize(
    "shape",
    ["stationary", "trending", "large offset", "twice integrated", "wave", "stale"],
)
def test_awkward_series_equal_statsmodels(walks, shape, trend):
    walk, other = walks(5, 400)
    time = np.arange(400.0)
    series = {
        "stationary": np.diff(other, prepend=0.0),
        "trending": 5.0 * time + 0.1 * walk,
        "large offset": walk + 1e6,
        "twice integrated": walk.cumsum(),
        "wave": np.sin(time / 9.0) + 1e-3 * np.diff(other, prepend=0.0),
        "stale": np.repeat(walk[::20], 20),
    }[shape]
    assert_equals_statsmodels(series, trend)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("nobs", [21, 22, 23, 24, 30])
def test_short_series_equal_statsmodels(walks, nobs, trend):
    """At 21 to 24 values, half the sample bounds the lags, not Schwert's rule."""
    series, _ = walks(17, nobs)
    assert_equals_statsmodels(series, trend)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("max_lag", [0, 1, 7])
def test_given_max_lag_equals_statsmodels(walks, max_lag, trend):
    series, _ = walks(2, 90)
    result = adf(series, trend=trend, max_lag=max_lag)
    stat, _, lags, *_ = reference(series, trend, maxlag=max_lag)
    assert result.lags == lags
    assert result.stat == pytest.approx(stat, abs=1e-9)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("lags", [0, 1, 5, 12])
def test_fixed_lags_equal_statsmodels(walks, lags, trend):
    series, _ = walks(3, 200)
    result = adf(series, trend=trend, lags=lags)
    expected = reference(series, trend, maxlag=lags, autolag=None)
    assert result.stat == pytest.approx(expected[0], abs=1e-9)
    assert (result.lags, result.nobs) == (lags, 199 - lags)


@pytest.mark.parametrize("trend", TRENDS)
def test_prices_of_a_millionth_keep_their_digits(walks, trend):
    """statsmodels' pseudo-inverse cuts by absolute size and loses digits here."""
    prices = walks(5, 400)[0] + 100.0
    assert adf(1e-6 * prices, trend=trend).stat == pytest.approx(
        adf(prices, trend=trend).stat, abs=1e-9
    )


def test_small_moves_on_a_large_level_keep_their_digits(walks):
    """Walks of 1e-9 around 1: statsmodels loses eight digits here, centring does not."""
    walk, _ = walks(1, 400)
    assert adf(1e-9 * walk + 1.0).stat == pytest.approx(adf(walk).stat, abs=1e-5)
    assert adf(walk + 1e6).stat == pytest.approx(adf(walk).stat, abs=1e-8)


@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-100.0, 100.0), st.floats(-2.0, 2.0))
def test_statistic_ignores_unit_origin_and_slope_that_the_trend_absorbs(seed, scale, shift, slope):
    walk = np.random.default_rng(seed).standard_normal(80).cumsum()
    line = slope * np.arange(80.0)
    for trend, moved in (
        ("n", scale * walk),
        ("c", scale * walk + shift),
        ("ct", scale * (walk + line) + shift),
    ):
        plain, other = adf(walk, trend=trend, lags=3), adf(moved, trend=trend, lags=3)
        assert other.stat == pytest.approx(plain.stat, abs=1e-6)


@given(SEEDS)
def test_statistic_of_the_negated_series_is_the_same(seed):
    walk = np.random.default_rng(seed).standard_normal(80).cumsum()
    assert adf(-walk).stat == pytest.approx(adf(walk).stat, abs=1e-10)


def test_lags_are_compared_on_common_rows_and_refitted_on_all_their_own(walks):
    series, _ = walks(4, 300)
    result = adf(series, max_lag=10)
    again = adf(series, lags=result.lags)
    assert result.lags < 10
    assert (result.stat, result.nobs) == (again.stat, 299 - result.lags)


def test_size_under_the_null_is_the_nominal_level():
    rng = np.random.default_rng(2024)
    walks = rng.standard_normal((1_000, 250)).cumsum(axis=1)
    rejected = sum(adf(walk, lags=0).rejects_at(0.05) for walk in walks)
    assert 30 <= rejected <= 71  # 99.8 % of Binomial(1000, 0.05)


def test_rejects_compares_with_the_critical_value_of_the_level(walks):
    result = adf(np.diff(walks(1, 300)[0]))
    assert all(result.rejects_at(level) for level in (0.01, 0.05, 0.10))
    with pytest.raises(
        ValueError, match=r"unknown level 0\.025: expected one of 0\.01, 0\.05, 0\.1"
    ):
        result.rejects_at(0.025)


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        ([1.0, 2.0, 1.0], {}, "series has 3 observation(s), needs at least 4"),
        ([2.5] * 30, {}, "series is constant (2.5)"),
        (
            [1.0] * 17 + [np.nan, np.inf] + [2.0] * 9,
            {},
            "series has 2 non-finite value(s), first at index 17",
        ),
        (
            [1.0, 2.0] * 10,
            {"lags": 9},
            "20 observation(s) are too few for 9 lag(s) with trend 'c'",
        ),
        (
            [1.0, 2.0] * 10,
            {"max_lag": 15},
            "20 observation(s) are too few for 15 lag(s) with trend 'c'",
        ),
        (
            [1.0, 2.0] * 10,
            {"trend": "n"},
            "20 observation(s) are too few for 9 lag(s) with trend 'n'",
        ),
        (
            np.arange(31.0) ** 2,
            {"trend": "ct", "lags": 13},
            "31 observation(s) are too few for 13 lag(s) with trend 'ct'",
        ),
        (
            [1.0, 3.0, 2.0, 5.0],
            {"trend": "ct"},
            "4 observation(s) are too few for 0 lag(s) with trend 'ct'",
        ),
        (
            np.arange(50.0),
            {"lags": 0},
            "the changes of the series follow exactly from its past: no noise to test against",
        ),
        (
            np.r_[np.arange(3.0), np.full(60, 2.0)],
            {"lags": 5},
            # Regressor 0 is the constant, 1 the first lag: no move is left in its rows.
            "regressor 1 is a combination of those before it: the series hardly moves",
        ),
    ],
)
def test_infeasible_data_is_refused_with_rule_value_and_place(series, options, message):
    with pytest.raises(InfeasibleError) as refusal:
        adf(series, **options)
    assert str(refusal.value) == message


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("nobs", [30, 31])
def test_the_largest_number_of_lags_is_that_of_statsmodels(walks, nobs, trend):
    """But for the even sample without trend, where statsmodels returns a fit without error."""
    series, _ = walks(21, nobs)
    most = nobs // 2 - 1 - (0 if trend == "n" else len(trend))
    allowed = most - (trend == "n" and nobs % 2 == 0)
    expected = reference(series, trend, maxlag=allowed, autolag=None)
    assert adf(series, trend=trend, lags=allowed).stat == pytest.approx(expected[0], rel=1e-8)
    with pytest.raises(InfeasibleError, match="too few"):
        adf(series, trend=trend, lags=allowed + 1)
    with pytest.raises(ValueError, match="maxlag must be less"):
        reference(series, trend, maxlag=most + 1, autolag=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trend": "ctt"}, "unknown trend 'ctt': expected one of 'n', 'c', 'ct'"),
        ({"lags": "bic"}, "unknown lags 'bic': expected 'aic' or a non-negative integer"),
        ({"lags": -1}, "unknown lags -1: expected 'aic' or a non-negative integer"),
        ({"lags": True}, "unknown lags True: expected 'aic' or a non-negative integer"),
        ({"max_lag": 2.5}, "unknown max_lag 2.5: expected a non-negative integer"),
        (
            {"lags": 1, "max_lag": 5},
            "max_lag (5) bounds lags='aic' and contradicts lags=1",
        ),
    ],
)
def test_wrong_options_are_refused_with_the_valid_ones(options, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        adf(np.arange(30.0), **options)
    assert str(refusal.value) == message
