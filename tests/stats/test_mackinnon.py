"""MacKinnon's surfaces: every coefficient against statsmodels, and their shape."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa import adfvalues

from freqtrade_ext.stats import (
    adf_critical_values,
    engle_granger_critical_values,
    mackinnon_pvalue,
    mackinnon_pvalues,
)
from freqtrade_ext.stats._mackinnon import _CRITICAL_VALUE_SURFACES, _PVALUE_SURFACES

CASES = [(n_series, trend) for n_series in (1, 2) for trend in ("n", "c", "ct")]


@pytest.mark.parametrize(("n_series", "trend"), CASES)
def test_every_pvalue_coefficient_is_statsmodels_one(n_series, trend):
    surface = _PVALUE_SURFACES[n_series, trend]
    row = n_series - 1
    np.testing.assert_allclose(surface.left_tail, adfvalues._tau_smallps[trend][row], rtol=1e-15)
    np.testing.assert_allclose(surface.right_tail, adfvalues._tau_largeps[trend][row], rtol=1e-15)
    assert surface.lowest == adfvalues._tau_mins[trend][row]
    assert surface.left_tail_end == adfvalues._tau_stars[trend][row]
    assert surface.highest == adfvalues._tau_maxs[trend][row]


def test_critical_value_coefficients_differ_from_statsmodels_in_one_known_place():
    """
    MacKinnon (2010), table 2, N = 2, 1 %: the paper prints -22.527, statsmodels -33.527.

    statsmodels #10271, arch #864. When statsmodels is corrected, no difference remains.
    """
    ours, theirs = _CRITICAL_VALUE_SURFACES, adfvalues.tau_2010s
    differences = {
        (n_series, trend, row, power): (value, theirs[trend][n_series - 1][row][power])
        for (n_series, trend), rows in ours.items()
        for row, coefficients in enumerate(rows)
        for power, value in enumerate(coefficients)
        if value != theirs[trend][n_series - 1][row][power]
    }
    one_percent_square = (2, "c", 0, 2)
    assert ours[2, "c"][0][2] == -22.527
    assert differences in ({}, {one_percent_square: (-22.527, -33.527)})


def test_the_table_covers_what_mackinnon_tabulates_for_one_and_two_series():
    assert set(_PVALUE_SURFACES) == set(CASES)
    assert set(_CRITICAL_VALUE_SURFACES) == set(CASES) - {(2, "n")}


@pytest.mark.parametrize(("n_series", "trend"), CASES)
@pytest.mark.parametrize("stat", [-30.0, -5.0, -3.0, -2.0, -1.0, 0.0, 0.5, 3.0])
def test_pvalue_equals_statsmodels(stat, n_series, trend):
    expected = adfvalues.mackinnonp(stat, regression=trend, N=n_series)
    assert mackinnon_pvalue(stat, n_series=n_series, trend=trend) == pytest.approx(
        expected, rel=1e-13, abs=1e-300
    )


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("nobs", [25, 199, 720, math.inf])
def test_adf_critical_values_equal_statsmodels(nobs, trend):
    expected = adfvalues.mackinnoncrit(N=1, regression=trend, nobs=nobs)
    np.testing.assert_allclose(list(adf_critical_values(nobs, trend).values()), expected)


@pytest.mark.parametrize(("n_series", "trend"), CASES)
@given(stats=st.lists(st.floats(-25.0, 5.0), min_size=2, max_size=2))
def test_a_lower_statistic_never_has_a_higher_pvalue(n_series, trend, stats):
    low, high = sorted(stats)
    p_low = mackinnon_pvalue(low, n_series=n_series, trend=trend)
    p_high = mackinnon_pvalue(high, n_series=n_series, trend=trend)
    # The two polynomials of a surface meet with a step of less than 0.001.
    assert 0.0 <= p_low <= p_high + 1e-3 <= 1.001


@given(st.floats(-6.0, 0.5))
def test_a_fitted_residual_needs_a_lower_statistic_than_an_observed_series(stat):
    observed = mackinnon_pvalue(stat, n_series=1, trend="c")
    assert mackinnon_pvalue(stat, n_series=2, trend="c") >= observed


@pytest.mark.parametrize(("n_series", "trend"), sorted(_CRITICAL_VALUE_SURFACES))
def test_pvalue_at_an_asymptotic_critical_value_is_its_level(n_series, trend):
    """Two papers, two simulations: they agree to a few per cent of the level, not better."""
    table = engle_granger_critical_values if n_series == 2 else adf_critical_values
    for level, value in table(math.inf, trend).items():
        assert mackinnon_pvalue(value, n_series=n_series, trend=trend) == pytest.approx(
            level, rel=0.06
        )


@pytest.mark.parametrize(("n_series", "trend"), sorted(_CRITICAL_VALUE_SURFACES))
@given(nobs=st.integers(25, 100_000))
def test_critical_values_are_ordered_by_level(n_series, trend, nobs):
    table = engle_granger_critical_values if n_series == 2 else adf_critical_values
    values = list(table(nobs, trend).values())
    assert values == sorted(values)


@pytest.mark.parametrize(("n_series", "trend"), CASES)
def test_many_pvalues_are_those_of_each(n_series, trend):
    surface = _PVALUE_SURFACES[n_series, trend]
    bounds = np.array([surface.lowest, surface.left_tail_end, min(surface.highest, 9.0)])
    special = [
        -np.inf,
        np.inf,
        np.nan,
        *bounds,
        *np.nextafter(bounds, -99),
        *np.nextafter(bounds, 9),
    ]
    stats = np.array([*special, *np.linspace(-25.0, 5.0, 108)]).reshape(6, 20)
    expected = [mackinnon_pvalue(at, n_series=n_series, trend=trend) for at in stats.ravel()]
    pvalues = mackinnon_pvalues(stats, n_series=n_series, trend=trend)
    np.testing.assert_allclose(pvalues, np.reshape(expected, (6, 20)), rtol=1e-13)


def test_nan_statistic_has_nan_pvalue():
    assert math.isnan(mackinnon_pvalue(math.nan, n_series=2, trend="c"))


def test_infinite_statistics_have_certain_pvalues():
    assert mackinnon_pvalue(-math.inf, n_series=2, trend="c") == 0.0
    assert mackinnon_pvalue(math.inf, n_series=2, trend="c") == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mackinnon_pvalue(-3.0, n_series=3, trend="c"),
            "unknown n_series 3: expected one of 1, 2",
        ),
        (
            lambda: mackinnon_pvalues([-3.0], n_series=3, trend="c"),
            "unknown n_series 3: expected one of 1, 2",
        ),
        (
            lambda: mackinnon_pvalue(-3.0, n_series=2, trend="ctt"),
            "unknown trend 'ctt': expected one of 'n', 'c', 'ct'",
        ),
        (
            lambda: engle_granger_critical_values(100, "n"),
            "unknown trend 'n': expected one of 'c', 'ct'",
        ),
        (lambda: adf_critical_values(0, "c"), "nobs must be positive, got 0"),
        (lambda: adf_critical_values(math.nan, "c"), "nobs must be positive, got nan"),
    ],
)
def test_wrong_arguments_are_refused_with_the_valid_ones(call, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        call()
    assert str(refusal.value) == message
