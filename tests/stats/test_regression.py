"""Hedge ratio and the triangular factor behind the nested regressions."""

import dataclasses
import pickle

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import hedge_ratio
from freqtrade_ext.stats._regression import triangular_factor

SEEDS = st.integers(0, 2**32 - 1)


def test_line_through_four_points_by_hand():
    """y = (1, 2, 2, 3) on x = (0, 1, 2, 3): Sxy = 3, Sxx = 5, Syy = 2, RSS = 2 - 9/5."""
    result = hedge_ratio([1.0, 2.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0])
    assert result.hedge_ratio == pytest.approx(3 / 5, rel=1e-15)
    assert result.intercept == pytest.approx(2.0 - 3 / 5 * 1.5, rel=1e-15)
    assert result.r_squared == pytest.approx(0.9, rel=1e-15)
    assert result.resid_std == pytest.approx(np.sqrt(0.2 / 3), rel=1e-14)
    assert (result.nobs, result.trend) == (4, "c")


def test_line_through_the_origin_by_hand():
    """y = (1, 2, 2) on x = (1, 1, 2): Sxy = 7, Sxx = 6; residuals -1/6, 5/6, -1/3."""
    result = hedge_ratio([1.0, 2.0, 2.0], [1.0, 1.0, 2.0], trend="n")
    residuals = np.array([-1 / 6, 5 / 6, -1 / 3])
    assert result.hedge_ratio == pytest.approx(7 / 6, rel=1e-15)
    assert result.intercept == 0.0
    assert result.resid_std == pytest.approx(residuals.std(ddof=1), rel=1e-14)
    assert result.r_squared == pytest.approx(1.0 - residuals @ residuals / 9.0, rel=1e-14)


@pytest.mark.parametrize("trend", ["c", "n"])
@pytest.mark.parametrize("seed", range(5))
def test_equals_statsmodels_ols(walks, seed, trend):
    y, x = walks(seed, 50 + 100 * seed)
    expected = sm.OLS(y, sm.add_constant(x) if trend == "c" else x).fit()
    result = hedge_ratio(y, x, trend=trend)
    assert result.hedge_ratio == pytest.approx(expected.params[-1], abs=1e-12)
    assert result.r_squared == pytest.approx(expected.rsquared, abs=1e-12)
    assert result.resid_std == pytest.approx(expected.resid.std(ddof=1), rel=1e-12)
    np.testing.assert_allclose(result.spread(y, x), expected.resid, atol=1e-11)


@given(SEEDS, st.floats(0.01, 100.0), st.floats(-1e3, 1e3))
def test_hedge_ratio_scales_with_y_and_ignores_origins(seed, scale, shift):
    y, x = np.random.default_rng(seed).standard_normal((2, 60)).cumsum(axis=1)
    plain = hedge_ratio(y, x)
    moved = hedge_ratio(scale * y + shift, x + shift)
    assert moved.hedge_ratio == pytest.approx(scale * plain.hedge_ratio, rel=1e-8, abs=1e-9 * scale)
    assert moved.r_squared == pytest.approx(plain.r_squared, abs=1e-9)


@given(SEEDS)
def test_the_two_directions_multiply_to_r_squared(seed):
    y, x = np.random.default_rng(seed).standard_normal((2, 60)).cumsum(axis=1)
    forth, back = hedge_ratio(y, x), hedge_ratio(x, y)
    assert forth.hedge_ratio * back.hedge_ratio == pytest.approx(forth.r_squared, rel=1e-10)
    assert forth.r_squared == pytest.approx(back.r_squared, abs=1e-12)


def test_price_level_of_a_million_costs_no_digits(walks):
    y, x = walks(3, 500)
    moved = hedge_ratio(y + 1e6, x + 1e6)
    assert moved.hedge_ratio == pytest.approx(hedge_ratio(y, x).hedge_ratio, abs=1e-9)


def test_spread_of_later_prices_uses_the_frozen_line_and_keeps_gaps():
    line = hedge_ratio([3.0, 5.0, 7.0], [1.0, 2.0, 3.0])
    spread = line.spread([10.0, np.nan, 12.0], [4.0, 4.0, np.nan])
    np.testing.assert_allclose(spread, [1.0, np.nan, np.nan], atol=1e-12)


def test_result_is_frozen_and_survives_pickling():
    result = hedge_ratio([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    assert pickle.loads(pickle.dumps(result)) == result
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.hedge_ratio = 2.0


@pytest.mark.parametrize(
    ("y", "x", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "y has 2 observation(s), needs at least 3"),
        ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], "x is constant (5.0)"),
        ([7.0, 7.0, 7.0], [1.0, 2.0, 3.0], "y is constant (7.0)"),
        (
            [1.0, 2.0, 3.0, 4.0],
            [1.0, np.nan, np.inf, 4.0],
            "x has 2 non-finite value(s), first at index 1",
        ),
    ],
)
def test_infeasible_data_is_refused_with_rule_value_and_place(y, x, message):
    with pytest.raises(InfeasibleError) as refusal:
        hedge_ratio(y, x)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("y", "x", "trend", "message"),
    [
        ([1.0] * 4, [1.0] * 3, "c", "y has 4 observation(s) and x has 3: align them first"),
        ([1.0] * 3, [[1.0]] * 3, "c", "x must be one-dimensional, got shape (3, 1)"),
        ([1.0] * 3, [1.0] * 3, "ct", "unknown trend 'ct': expected one of 'n', 'c'"),
    ],
)
def test_wrong_calls_are_refused(y, x, trend, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        hedge_ratio(y, x, trend=trend)
    assert str(refusal.value) == message


@pytest.mark.parametrize("closeness", [1.0, 1e-3, 1e-6], ids=["cholesky", "qr", "qr-closer"])
def test_factor_gives_every_nested_residual_sum_of_squares(closeness):
    rng = np.random.default_rng(11)
    base = rng.standard_normal((2, 80))
    near = base[0] + closeness * rng.standard_normal(80)
    variables = np.vstack([base[0], near, base[1], rng.standard_normal(80)])
    factor = triangular_factor(variables)
    np.testing.assert_allclose(factor @ factor.T, variables @ variables.T, rtol=1e-9, atol=1e-9)
    assert (factor.diagonal() > 0.0).all()
    for k in range(4):
        coefficients = np.linalg.lstsq(variables[:k].T, variables[-1], rcond=None)[0]
        residual = variables[-1] - variables[:k].T @ coefficients
        assert np.sum(factor[-1, k:] ** 2) == pytest.approx(residual @ residual, rel=1e-9)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.0] * 5, [1, 2, 3, 4, 6]], "regressor 0 is a combination of those before it"),
        ([[1, 2, 3, 4, 6], [2, 4, 6, 8, 12], [1, 0, 1, 0, 1]], "regressor 1 is a combination"),
        ([[1, 2, 3, 4, 6], [2, 4, 6, 8, 12]], "no noise to test against"),
    ],
)
def test_dependent_variables_are_refused(rows, message):
    with pytest.raises(InfeasibleError, match=message):
        triangular_factor(np.array(rows, dtype=float))
