"""The Engle-Granger test against statsmodels, its symmetries and its size."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tools.sm_exceptions import CollinearityWarning
from statsmodels.tsa.stattools import coint

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import (
    adf,
    engle_granger,
    engle_granger_critical_values,
    half_life,
    hedge_ratio,
)

SEEDS = st.integers(0, 2**32 - 1)


def assert_equals_statsmodels(y, x, trend="c"):
    stat, pvalue, critical_values = coint(y, x, trend=trend)
    result = engle_granger(y, x, trend=trend)
    assert result.stat == pytest.approx(stat, abs=1e-9)
    assert result.pvalue == pytest.approx(pvalue, abs=1e-9)
    if trend == "c":
        # The 1 % value differs on purpose, see test_mackinnon.
        np.testing.assert_allclose(list(result.critical_values.values())[1:], critical_values[1:])
    return result


@pytest.mark.parametrize("trend", ["c", "n"])
@pytest.mark.parametrize("seed", range(12))
def test_independent_walks_equal_statsmodels(walks, seed, trend):
    y, x = walks(seed, 30 + 70 * seed)
    assert_equals_statsmodels(y, x, trend)


@pytest.mark.parametrize("seed", range(6))
def test_cointegrated_series_equal_statsmodels(spread_legs, seed):
    y, x = spread_legs(seed, 720)
    result = assert_equals_statsmodels(y, x)
    assert result.rejects_at(0.01)


@pytest.mark.parametrize("nobs", [21, 22, 25, 40])
def test_short_series_equal_statsmodels(walks, nobs):
    assert_equals_statsmodels(*walks(8, nobs))


def test_price_level_of_thousands_equals_statsmodels(walks):
    y, x = walks(9, 300)
    assert_equals_statsmodels(y + 1e3, x + 1e3)


def test_price_level_of_a_million_keeps_the_statistic(walks):
    """Equal to ourselves without the level; statsmodels' pseudo-inverse loses six digits here."""
    y, x = walks(9, 300)
    plain, moved = engle_granger(y, x), engle_granger(y + 1e6, x + 1e6)
    assert moved.stat == pytest.approx(plain.stat, abs=1e-8)
    assert moved.stat == pytest.approx(coint(y + 1e6, x + 1e6)[0], abs=1e-5)


@pytest.mark.parametrize("drift", [0.5, 5.0])
def test_trending_series_equal_statsmodels(walks, drift):
    y, x = walks(10, 300)
    time = np.arange(300.0)
    assert_equals_statsmodels(y + drift * time, x + 2.0 * drift * time)


@pytest.mark.parametrize("noise", [1e-1, 3e-2])
def test_close_twins_still_equal_statsmodels(walks, noise):
    y, x = walks(11, 400)
    assert_equals_statsmodels(2.0 * x + noise * np.diff(y, prepend=0.0), x)


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-4])
def test_one_market_twice_is_flagged_with_the_statistic_of_statsmodels(walks, noise):
    y, x = walks(12, 400)
    twin = 1000.0 * (x + noise * y)
    with pytest.warns(CollinearityWarning):
        expected = coint(twin, x)
    result = engle_granger(twin, x)
    assert result.near_collinear
    assert (result.stat, result.pvalue) == (expected[0], expected[1]) == (-math.inf, 0.0)
    assert result.hedge_ratio == pytest.approx(1000.0, rel=1e-3)


@pytest.mark.parametrize(("unexplained", "collinear"), [(1.4e-6, True), (1.6e-6, False)])
def test_the_bound_of_collinearity_is_that_of_statsmodels(walks, unexplained, collinear):
    """100 * sqrt(2^-52) = 1.49e-6 of the variance, made exact by an orthogonal noise."""
    noise, x = walks(15, 400)
    noise = hedge_ratio(np.diff(noise, prepend=0.0), x).spread(np.diff(noise, prepend=0.0), x)
    share = np.sqrt(unexplained / (1.0 - unexplained)) * x.std() / noise.std()
    result = engle_granger(x + share * noise, x)
    assert 1.0 - result.r_squared == pytest.approx(unexplained, rel=1e-6)
    assert result.near_collinear == collinear
    if not collinear:
        assert_equals_statsmodels(x + share * noise, x)


@pytest.mark.parametrize("lags", [0, 1, 4])
def test_fixed_lags_equal_statsmodels(walks, lags):
    y, x = walks(13, 150)
    expected = coint(y, x, maxlag=lags, autolag=None)
    result = engle_granger(y, x, lags=lags)
    assert result.stat == pytest.approx(expected[0], abs=1e-9)
    assert result.lags == lags


def test_given_max_lag_binds_and_equals_statsmodels(walks):
    noise, x = walks(14, 500)
    y = x + np.convolve(np.diff(noise, prepend=0.0), [1.0, 0.0, 0.0, 0.0, 0.0, 0.9], "same")
    result = engle_granger(y, x, max_lag=3)
    assert engle_granger(y, x).lags > 3 >= result.lags
    assert result.stat == pytest.approx(coint(y, x, maxlag=3)[0], abs=1e-9)


def test_result_carries_the_line_and_its_residual(spread_legs):
    y, x = spread_legs(1, 300)
    result, line = engle_granger(y, x), hedge_ratio(y, x)
    assert (result.hedge_ratio, result.intercept) == (line.hedge_ratio, line.intercept)
    assert (result.resid_std, result.r_squared) == (line.resid_std, line.r_squared)
    np.testing.assert_allclose(result.resid, line.spread(y, x), atol=1e-12)
    assert result.resid.mean() == pytest.approx(0.0, abs=1e-12)
    assert (result.nobs, result.trend, result.near_collinear) == (300, "c", False)


def test_the_residual_is_tested_without_a_constant(spread_legs):
    y, x = spread_legs(2, 300)
    result = engle_granger(y, x)
    assert result.stat == pytest.approx(adf(result.resid, trend="n").stat, abs=1e-12)
    assert result.pvalue > adf(result.resid, trend="n").pvalue


def test_critical_values_are_taken_one_observation_short(walks):
    y, x = walks(1, 200)
    assert engle_granger(y, x).critical_values == engle_granger_critical_values(199)


def test_result_is_read_only_and_survives_pickling(walks):
    result = engle_granger(*walks(2, 100))
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    np.testing.assert_array_equal(again.resid, result.resid)
    with pytest.raises(ValueError, match="read-only"):
        result.resid[0] = 1.0


def test_inputs_are_left_alone(walks):
    y, x = walks(3, 100)
    copies = y.copy(), x.copy()
    engle_granger(y, x)
    np.testing.assert_array_equal(np.array([y, x]), np.array(copies))


def test_without_constant_no_critical_value_exists(walks):
    result = engle_granger(*walks(4, 100), trend="n")
    assert result.critical_values == {}
    with pytest.raises(InfeasibleError, match="no critical values exist for trend 'n': use pvalue"):
        result.rejects_at(0.05)


def test_rejects_at_lists_the_levels_that_exist(walks):
    result = engle_granger(*walks(4, 100))
    with pytest.raises(ValueError, match=r"unknown level 5: expected one of 0\.01, 0\.05, 0\.1"):
        result.rejects_at(5)


@given(SEEDS, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_price_units_do_not_matter_in_log_space(seed, unit_y, unit_x):
    log_y, log_x = 0.01 * np.random.default_rng(seed).standard_normal((2, 90)).cumsum(axis=1)
    plain = engle_granger(log_y, log_x)
    scaled = engle_granger(
        np.log(unit_y * np.exp(log_y)), np.log(unit_x * np.exp(log_x)), lags=plain.lags
    )
    assert scaled.stat == pytest.approx(plain.stat, abs=1e-7)
    assert scaled.hedge_ratio == pytest.approx(plain.hedge_ratio, abs=1e-7)


@given(SEEDS, st.sampled_from([-1.0, 1.0]), st.floats(0.01, 100.0))
def test_scale_and_sign_of_a_leg_change_the_hedge_ratio_only(seed, sign, scale):
    y, x = np.random.default_rng(seed).standard_normal((2, 90)).cumsum(axis=1)
    plain, other = engle_granger(y, x, lags=2), engle_granger(y, sign * scale * x, lags=2)
    assert other.stat == pytest.approx(plain.stat, abs=1e-8)
    assert other.hedge_ratio * sign * scale == pytest.approx(plain.hedge_ratio, abs=1e-9)


@given(SEEDS, st.floats(-5.0, 5.0))
def test_adding_the_other_leg_shifts_the_hedge_ratio_by_as_much(seed, share):
    """The residual of y + k x on x is that of y on x."""
    y, x = np.random.default_rng(seed).standard_normal((2, 90)).cumsum(axis=1)
    plain, other = engle_granger(y, x, lags=1), engle_granger(y + share * x, x, lags=1)
    if other.near_collinear:
        return
    assert other.stat == pytest.approx(plain.stat, abs=1e-7)
    assert other.hedge_ratio == pytest.approx(plain.hedge_ratio + share, abs=1e-9)


def test_directions_differ(spread_legs):
    y, x = spread_legs(5, 400)
    assert engle_granger(y, x).stat != engle_granger(x, y).stat


def test_size_is_nominal_with_the_surface_for_two_series_and_not_with_plain_adf():
    """
    The reason for MacKinnon's surface: plain ADF values reject 13 to 17 % of unrelated pairs.

    Bounds: 99.9 % of Binomial(400, 0.05) around 20.
    """
    rng = np.random.default_rng(20240601)
    fits = [
        engle_granger(*rng.standard_normal((2, 720)).cumsum(axis=1), lags=0) for _ in range(400)
    ]
    by_pvalue = sum(fit.pvalue < 0.05 for fit in fits)
    by_critical_value = sum(fit.rejects_at(0.05) for fit in fits)
    by_plain_adf = sum(adf(fit.resid, lags=0).rejects_at(0.05) for fit in fits)
    assert 7 <= by_pvalue <= 36
    assert 7 <= by_critical_value <= 36
    assert 0.10 * 400 <= by_plain_adf <= 0.20 * 400


def test_size_with_lags_by_aic_stays_near_nominal():
    rng = np.random.default_rng(7)
    pairs = rng.standard_normal((1_000, 2, 500)).cumsum(axis=2)
    rejected = sum(engle_granger(y, x).pvalue < 0.05 for y, x in pairs)
    assert 30 <= rejected <= 80  # the choice of lags costs about one per cent of size


def test_power_on_a_spread_with_a_half_life_of_a_day(spread_legs):
    fits = [engle_granger(*spread_legs(seed, 720)) for seed in range(20)]
    assert all(fit.rejects_at(0.01) for fit in fits)
    assert np.median([fit.hedge_ratio for fit in fits]) == pytest.approx(0.5, abs=0.02)
    assert np.median([half_life(fit.resid) for fit in fits]) == pytest.approx(6.6, abs=1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [1.0] * 40}, "x is constant (1.0)"),
        ({"y": [np.nan] + [1.0, 2.0] * 19 + [3.0]}, "y has 1 non-finite value(s), first at ind"),
        ({"y": [1.0, 2.0], "x": [1.0, 2.0]}, "y has 2 observation(s), needs at least 4"),
        ({"lags": 30}, "40 observation(s) are too few for 30 lag(s) with trend 'n'"),
    ],
)
def test_infeasible_data_is_refused_with_rule_value_and_place(walks, change, message):
    y, x = walks(1, 40)
    with pytest.raises(InfeasibleError) as refusal:
        engle_granger(**({"y": y, "x": x} | change))
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trend": "ct"}, "unknown trend 'ct': expected one of 'n', 'c'"),
        ({"lags": "AIC"}, "unknown lags 'AIC': expected 'aic' or a non-negative integer"),
    ],
)
def test_wrong_options_are_refused_with_the_valid_ones(walks, options, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        engle_granger(*walks(1, 40), **options)
    assert str(refusal.value) == message
