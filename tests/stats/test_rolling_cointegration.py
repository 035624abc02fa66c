"""The walk-forward form is the single test, window by window, and sees no future."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import engle_granger, engle_granger_rolling, half_life, hurst

COLUMNS = ("stat", "pvalue", "hedge_ratio", "intercept", "resid_std", "half_life")


def assert_same(one, other):
    for name in (*COLUMNS, "near_collinear"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("trend", ["c", "n"])
@pytest.mark.parametrize("lags", ["aic", 2])
def test_each_window_is_the_single_test(spread_legs, trend, lags):
    y, x = spread_legs(1, 400)
    fits = engle_granger_rolling(
        y, x, window=150, ends=[150, 223, 400], trend=trend, lags=lags, with_hurst=True
    )
    for place, end in enumerate((150, 223, 400)):
        single = engle_granger(y[end - 150 : end], x[end - 150 : end], trend=trend, lags=lags)
        for name in COLUMNS[:5]:
            assert getattr(fits, name)[place] == getattr(single, name)
        assert fits.half_life[place] == half_life(single.resid)
        assert fits.hurst[place] == hurst(single.resid)
        assert not fits.near_collinear[place]


def test_max_lag_is_passed_on(walks):
    noise, x = walks(14, 500)
    y = x + np.convolve(np.diff(noise, prepend=0.0), [1.0, 0.0, 0.0, 0.0, 0.0, 0.9], "same")
    bound = engle_granger_rolling(y, x, window=400, ends=[500], max_lag=1)
    assert bound.stat[0] == engle_granger(y[100:], x[100:], max_lag=1).stat
    assert bound.stat[0] != engle_granger(y[100:], x[100:]).stat


@given(st.integers(0, 2**32 - 1), st.integers(60, 119))
def test_rolling_fits_do_not_look_ahead(seed, now):
    y, x = np.random.default_rng(seed).standard_normal((2, 120)).cumsum(axis=1)
    ends = np.arange(0, now + 1, 10)
    full = engle_granger_rolling(y, x, window=50, ends=ends)
    known = engle_granger_rolling(y[:now], x[:now], window=50, ends=ends)
    assert_same(full, known)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_history_before_the_window_does_not_matter(seed, dropped):
    y, x = np.random.default_rng(seed).standard_normal((2, 120)).cumsum(axis=1)
    ends = np.array([90, 105, 120])
    full = engle_granger_rolling(y, x, window=50, ends=ends)
    shorter = engle_granger_rolling(y[dropped:], x[dropped:], window=50, ends=ends - dropped)
    assert_same(full, shorter)


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("leg", ["y", "x"])
def test_exactly_the_windows_with_a_missing_value_are_nan(walks, leg, missing):
    y, x = walks(3, 200)
    (y if leg == "y" else x)[100] = missing
    ends = np.arange(40, 201)
    fits = engle_granger_rolling(y, x, window=40, ends=ends)
    touched = (ends - 40 <= 100) & (ends > 100)
    for name in COLUMNS:
        assert_array_equal(np.isnan(getattr(fits, name)), touched, err_msg=name)


def test_windows_that_are_not_full_are_nan(walks):
    y, x = walks(4, 100)
    fits = engle_granger_rolling(y, x, window=60, ends=[0, 59, 60, 100])
    assert_array_equal(np.isnan(fits.stat), [True, True, False, False])
    assert fits.hurst is None
    assert fits.window == 60


def test_history_shorter_than_the_window_is_nan_not_a_shorter_fit(walks):
    """A negative start would count from the end of the array."""
    fits = engle_granger_rolling(*walks(4, 500), window=600, ends=[400, 500])
    assert np.isnan(fits.stat).all()


def test_a_market_that_stood_still_spoils_its_windows_only(walks):
    y, x = walks(5, 300)
    x[100:200] = x[100]
    fits = engle_granger_rolling(y, x, window=50, ends=[100, 160, 200, 300])
    assert_array_equal(np.isnan(fits.pvalue), [False, True, True, False])


def test_twins_are_flagged_and_their_rounding_noise_is_not_measured(walks):
    y, x = walks(6, 300)
    twin = np.where(np.arange(300) < 150, 3.0 * x, y)
    fits = engle_granger_rolling(twin, x, window=100, ends=[120, 300], with_hurst=True)
    assert_array_equal(fits.near_collinear, [True, False])
    assert_array_equal(fits.pvalue == 0.0, [True, False])
    assert_array_equal(np.isnan(fits.half_life), [True, False])
    assert_array_equal(np.isnan(fits.hurst), [True, False])


def test_no_ends_give_empty_arrays(walks):
    fits = engle_granger_rolling(*walks(7, 100), window=50, ends=[])
    assert fits.stat.shape == fits.half_life.shape == fits.ends.shape == (0,)


def test_result_is_frozen(walks):
    fits = engle_granger_rolling(*walks(7, 100), window=50, ends=range(50, 101, 25))
    assert_array_equal(fits.ends, [50, 75, 100])
    with pytest.raises(dataclasses.FrozenInstanceError):
        fits.window = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ends": [60, 60]}, "ends must be strictly increasing"),
        ({"ends": [80, 60]}, "ends must be strictly increasing"),
        ({"ends": [50, 101]}, "ends must lie in [0, 100], got 50 to 101"),
        ({"ends": [-1, 50]}, "ends must lie in [0, 100], got -1 to 50"),
        ({"ends": [50.5]}, "ends must be integers, got float64"),
        ({"trend": "ct"}, "unknown trend 'ct': expected one of 'n', 'c'"),
        ({"lags": "bic"}, "unknown lags 'bic': expected 'aic' or a non-negative integer"),
        ({"x": np.ones(99)}, "y has 100 observation(s) and x has 99: align them first"),
    ],
)
def test_wrong_calls_are_refused_and_not_answered_with_nan(walks, change, message):
    y, x = walks(8, 100)
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        engle_granger_rolling(**({"y": y, "x": x, "window": 50, "ends": [60]} | change))
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 20}, "20 observation(s) are too few for 9 lag(s) with trend 'n'"),
        ({"lags": 30}, "50 observation(s) are too few for 30 lag(s) with trend 'n'"),
        (
            {"window": 25, "with_hurst": True},
            "window of 25 observations is too short for hurst, needs 30",
        ),
    ],
)
def test_windows_that_can_never_work_are_refused(walks, change, message):
    y, x = walks(8, 100)
    with pytest.raises(InfeasibleError) as refusal:
        engle_granger_rolling(y, x, **({"window": 50, "ends": [60]} | change))
    assert str(refusal.value) == message
