"""Known answers that need no file: printed tables and other programs' unedited output."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from statsmodels.datasets import macrodata
from statsmodels.tsa.adfvalues import mackinnoncrit

from freqtrade_ext.stats import (
    adf,
    adf_critical_values,
    engle_granger,
    engle_granger_critical_values,
)


@dataclass(frozen=True)
class KnownAnswer:
    """A value, the tolerance that its digits allow, and where it comes from."""

    value: float
    tolerance: float
    source: str

    def assert_equals(self, value: float) -> None:
        assert value == pytest.approx(self.value, rel=0, abs=self.tolerance), self.source


EGRANGER = "Stata egranger, T=199, constant, N=2, lags(4); output in statsmodels PR #3146"
STATA = "Stata dfuller; values in statsmodels tsa/tests/test_stattools.py, classes CheckADF"
MACKINNON = "MacKinnon (2010), QED working paper 1227, table {}: asymptotic values"


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0.01, KnownAnswer(-3.952043522638, 1e-12, EGRANGER)),
        (0.05, KnownAnswer(-3.367006313729, 1e-12, EGRANGER)),
        (0.10, KnownAnswer(-3.065831247948, 1e-12, EGRANGER)),
    ],
)
def test_critical_value_agrees_with_stata(level, expected):
    expected.assert_equals(engle_granger_critical_values(199)[level])


def test_statas_one_percent_value_belongs_to_the_printed_coefficient():
    """
    By hand at T = 199: -3.89644 - 10.9519/199 + b/199², with b = -22.527 or -33.527.

    Only the first is what Stata prints; statsmodels' test replaced that figure by the second.
    """
    stem = -3.89644 - 10.9519 / 199
    assert stem - 22.527 / 199**2 == pytest.approx(-3.952043522638, abs=1e-12)
    assert stem - 33.527 / 199**2 == pytest.approx(-3.952321293402, abs=1e-12)
    assert mackinnoncrit(N=2, regression="c", nobs=199)[0] == pytest.approx(
        -3.952321293402, abs=1e-12
    ) or mackinnoncrit(N=2, regression="c", nobs=199)[0] == pytest.approx(
        -3.952043522638, abs=1e-12
    )


def test_statistic_and_critical_values_agree_with_stata_egranger():
    """The data of statsmodels PR #3146, drawn with numpy's frozen legacy generator."""
    generator = np.random.RandomState(123)
    unit = generator.randn(200).cumsum()
    noise = generator.randn(200, 4)
    y, x = np.round(unit[:, None] + noise[:, :2] + [1.0, 0.0], 4).T
    result = engle_granger(y, x, lags=4)
    KnownAnswer(-5.760696844656, 5e-12, EGRANGER).assert_equals(result.stat)
    KnownAnswer(-3.952043522638, 1e-12, EGRANGER).assert_equals(result.critical_values[0.01])


@pytest.mark.parametrize(
    ("column", "trend", "lags", "stat", "pvalue"),
    [
        ("realgdp", "c", 4, 0.97505319, 0.99399563),
        ("realgdp", "ct", 4, -1.8566374, 0.67682968),
        ("realgdp", "n", 4, 3.5227498, None),
        ("infl", "c", 1, -4.3346988, 0.00038661),
        ("infl", "ct", 1, -4.425093, 0.00199633),
        ("infl", "n", 1, -2.4511596, None),
    ],
)
def test_adf_agrees_with_stata_on_us_macro_data(column, trend, lags, stat, pvalue):
    """Stata's default storage is single precision: six digits of the statistic."""
    result = adf(macrodata.load_pandas().data[column], trend=trend, lags=lags)
    KnownAnswer(stat, 5e-6, STATA).assert_equals(result.stat)
    if pvalue is not None:  # Stata prints none without a constant
        KnownAnswer(pvalue, 1e-6, STATA).assert_equals(result.pvalue)


def test_engle_granger_agrees_with_stata_on_us_macro_data():
    data = macrodata.load_pandas().data
    result = engle_granger(data["realcons"], data["realgdp"], lags=0)
    source = "Stata egranger; statsmodels tsa/tests/test_stattools.py, TestCoint_t"
    KnownAnswer(-1.830170986148, 5e-12, source).assert_equals(result.stat)


@pytest.mark.parametrize(
    ("trend", "printed"),
    [
        ("c", (-3.476, -2.883, -2.573)),
        ("ct", (-4.007, -3.437, -3.137)),
        ("n", (-2.587, -1.950, -1.617)),
    ],
)
def test_adf_critical_values_agree_with_fullers_table(trend, printed):
    """Another simulation (Fuller 1976, interpolated by Stata): two decimals at T = 198."""
    values = adf_critical_values(198, trend).values()
    for value, expected in zip(values, printed, strict=True):
        KnownAnswer(expected, 0.015, STATA).assert_equals(value)


@pytest.mark.parametrize(
    ("function", "trend", "printed", "number"),
    [
        (adf_critical_values, "n", (-2.56574, -1.94100, -1.61682), 1),
        (adf_critical_values, "c", (-3.43035, -2.86154, -2.56677), 2),
        (adf_critical_values, "ct", (-3.95877, -3.41049, -3.12705), 3),
        (engle_granger_critical_values, "c", (-3.89644, -3.33613, -3.04445), 2),
        (engle_granger_critical_values, "ct", (-4.32762, -3.78057, -3.49631), 3),
    ],
)
def test_asymptotic_critical_values_are_mackinnons(function, trend, printed, number):
    values = function(math.inf, trend).values()
    for value, expected in zip(values, printed, strict=True):
        KnownAnswer(expected, 0.0, MACKINNON.format(number)).assert_equals(value)


@pytest.mark.parametrize(
    ("nobs", "by_hand"),
    [
        (100, -3.89644 - 0.109519 - 0.0022527),
        (1_000, -3.89644 - 0.0109519 - 0.000022527),
    ],
)
def test_finite_sample_value_by_hand(nobs, by_hand):
    assert engle_granger_critical_values(nobs)[0.01] == pytest.approx(by_hand, abs=1e-14)
