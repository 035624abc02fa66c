r"""
MacKinnon's response surfaces for unit-root and Engle-Granger tests, one and two series.

P-values [1]_ are asymptotic: :math:`p = \Phi(\gamma_0 + \gamma_1 \tau + \gamma_2 \tau^2 +
\gamma_3 \tau^3)`, one polynomial for the left tail up to :math:`\tau^*`, another one above.
Critical values [2]_ are for finite samples: :math:`\beta_\infty + \beta_1 / T + \beta_2 / T^2 +
\beta_3 / T^3`. The two are different simulations: next to a threshold, believe the critical value.

Every coefficient is checked against the table of statsmodels 0.15 in
``tests/stats/test_mackinnon.py``, with one named exception: for two series, constant, 1 %,
the paper's table 2 prints :math:`\beta_2 = -22.527`, and Stata's ``egranger`` uses it.
statsmodels, and arch after it, carry -33.527 (statsmodels #10271, arch #864).

References
----------
.. [1] MacKinnon, J. G. (1994). Approximate asymptotic distribution functions for unit-root and
   cointegration tests. Journal of Business & Economic Statistics 12(2), 167-176, tables 3 and 4.
.. [2] MacKinnon, J. G. (2010). Critical values for cointegration tests. Queen's Economics
   Department Working Paper 1227, tables 1 to 3. https://hdl.handle.net/10419/67744
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.stats._validation import check_choice

__all__ = [
    "LEVELS",
    "Trend",
    "adf_critical_values",
    "engle_granger_critical_values",
    "mackinnon_pvalue",
    "mackinnon_pvalues",
]

Trend = Literal["n", "c", "ct"]

Number = TypeVar("Number", float, NDArray[np.float64])

LEVELS: Final = (0.01, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class _PvalueSurface:
    """Polynomials in the statistic, lowest power first, and the range where they hold."""

    lowest: float  # below: p-value 0
    left_tail_end: float
    highest: float  # above: p-value 1
    left_tail: tuple[float, ...]
    right_tail: tuple[float, ...]


_PVALUE_SURFACES: Final[dict[tuple[int, Trend], _PvalueSurface]] = {
    (1, "n"): _PvalueSurface(
        -19.04,
        -1.04,
        math.inf,
        (0.6344, 1.2378, 0.032496),
        (0.4797, 0.93557, -0.06999, 0.033066),
    ),
    (2, "n"): _PvalueSurface(
        -19.62,
        -1.53,
        1.51,
        (1.9129, 1.3857, 0.035322),
        (1.5578, 0.8558, -0.2083, -0.033549),
    ),
    (1, "c"): _PvalueSurface(
        -18.83,
        -1.61,
        2.74,
        (2.1659, 1.4412, 0.038269),
        (1.7339, 0.93202, -0.12745, -0.010368),
    ),
    (2, "c"): _PvalueSurface(
        -18.86,
        -2.62,
        0.92,
        (2.92, 1.5012, 0.039796),
        (2.1945, 0.64695, -0.29198, -0.042377),
    ),
    (1, "ct"): _PvalueSurface(
        -16.18,
        -2.89,
        0.7,
        (3.2512, 1.6047, 0.049588),
        (2.5261, 0.61654, -0.37956, -0.060285),
    ),
    (2, "ct"): _PvalueSurface(
        -21.15,
        -3.19,
        0.63,
        (3.6646, 1.5419, 0.036448),
        (2.85, 0.5272, -0.36622, -0.051695),
    ),
}

# Rows follow LEVELS; coefficients of 1, 1/T, 1/T^2, 1/T^3.
_CRITICAL_VALUE_SURFACES: Final[dict[tuple[int, Trend], tuple[tuple[float, ...], ...]]] = {
    (1, "n"): (
        (-2.56574, -2.2358, -3.627, 0.0),
        (-1.94100, -0.2686, -3.365, 31.223),
        (-1.61682, 0.2656, -2.714, 25.364),
    ),
    (1, "c"): (
        (-3.43035, -6.5393, -16.786, -79.433),
        (-2.86154, -2.8903, -4.234, -40.040),
        (-2.56677, -1.5384, -2.809, 0.0),
    ),
    (1, "ct"): (
        (-3.95877, -9.0531, -28.428, -134.155),
        (-3.41049, -4.3904, -9.036, -45.374),
        (-3.12705, -2.5856, -3.925, -22.380),
    ),
    (2, "c"): (
        (-3.89644, -10.9519, -22.527, 0.0),
        (-3.33613, -6.1101, -6.823, 0.0),
        (-3.04445, -4.2412, -2.720, 0.0),
    ),
    (2, "ct"): (
        (-4.32762, -15.4387, -35.679, 0.0),
        (-3.78057, -9.5106, -12.074, 0.0),
        (-3.49631, -7.0815, -7.538, 21.892),
    ),
}


def mackinnon_pvalue(stat: float, *, n_series: Literal[1, 2], trend: Trend) -> float:
    """
    Return the asymptotic p-value of a Dickey-Fuller t-statistic.

    Parameters
    ----------
    stat : float
        t-statistic of the lagged level. NaN gives NaN.
    n_series : {1, 2}
        1 for a unit-root test of an observed series, 2 for the residual of a regression of one
        series on one other. The residual was fitted to look stationary, so 1 would be too small.
    trend : {"n", "c", "ct"}
        Deterministic terms: of the test regression for one series, of the cointegrating
        regression for two.

    Returns
    -------
    float
        Probability in [0, 1]; exactly 0 or 1 outside the range of the surface.

    Raises
    ------
    ValueError
        If `n_series` or `trend` is unknown.

    Examples
    --------
    >>> round(mackinnon_pvalue(-2.86154, n_series=1, trend="c"), 3)  # 5 % of the 2010 table
    0.05
    >>> round(mackinnon_pvalue(-2.86154, n_series=2, trend="c"), 2)
    0.15
    """
    check_choice(n_series, "n_series", (1, 2))
    check_choice(trend, "trend", ("n", "c", "ct"))
    surface = _PVALUE_SURFACES[n_series, trend]
    if stat > surface.highest:
        return 1.0
    if stat < surface.lowest:
        return 0.0
    tail = surface.left_tail if stat <= surface.left_tail_end else surface.right_tail
    return 0.5 * math.erfc(-_polynomial(tail, stat) / math.sqrt(2.0))


def mackinnon_pvalues(
    stats: ArrayLike, *, n_series: Literal[1, 2], trend: Trend
) -> NDArray[np.float64]:
    """
    Return the asymptotic p-values of many Dickey-Fuller t-statistics.

    Parameters
    ----------
    stats : array-like of any shape
        t-statistics of the lagged level. NaN gives NaN at its place.
    n_series, trend
        As in `mackinnon_pvalue`.

    Returns
    -------
    ndarray of the shape of `stats`
        As `mackinnon_pvalue` of each.

    Raises
    ------
    ValueError
        If `n_series` or `trend` is unknown.

    Examples
    --------
    >>> mackinnon_pvalues([-3.33613, float("nan"), 2.0], n_series=2, trend="c").round(2)
    array([0.05,  nan, 1.  ])
    """
    from scipy.special import erfc  # scans only: the scalar needs no SciPy

    check_choice(n_series, "n_series", (1, 2))
    check_choice(trend, "trend", ("n", "c", "ct"))
    surface = _PVALUE_SURFACES[n_series, trend]
    values = np.asarray(stats, dtype=np.float64)
    within = np.clip(values, surface.lowest, surface.highest)
    left, right = (_polynomial(at, within) for at in (surface.left_tail, surface.right_tail))
    quantile = np.where(values <= surface.left_tail_end, left, right)
    pvalue = 0.5 * erfc(-quantile / math.sqrt(2.0))
    pvalue = np.where(values > surface.highest, 1.0, pvalue)
    return np.asarray(np.where(values < surface.lowest, 0.0, pvalue), dtype=np.float64)


def adf_critical_values(nobs: float, trend: Trend) -> dict[float, float]:
    """
    Return critical values of the augmented Dickey-Fuller test of an observed series.

    Parameters
    ----------
    nobs : float
        Observations in the test regression (after differences and lags); ``math.inf`` for the
        asymptotic values.
    trend : {"n", "c", "ct"}
        Deterministic terms of the test regression.

    Returns
    -------
    dict of float to float
        Level (0.01, 0.05, 0.10) to critical value.

    Raises
    ------
    ValueError
        If `trend` is unknown or `nobs` is not positive.

    Examples
    --------
    >>> adf_critical_values(float("inf"), "c")
    {0.01: -3.43035, 0.05: -2.86154, 0.1: -2.56677}
    """
    check_choice(trend, "trend", ("n", "c", "ct"))
    return _critical_values(1, nobs, trend)


def engle_granger_critical_values(
    nobs: float, trend: Literal["c", "ct"] = "c"
) -> dict[float, float]:
    """
    Return critical values of the Engle-Granger test of two series.

    Parameters
    ----------
    nobs : float
        The T of the surface; ``math.inf`` for the asymptotic values. Stata's ``egranger`` and
        statsmodels' ``coint`` put in the number of price observations less one.
    trend : {"c", "ct"}, default "c"
        Deterministic terms of the cointegrating regression. MacKinnon (2010) tabulates no
        values without a constant.

    Returns
    -------
    dict of float to float
        Level (0.01, 0.05, 0.10) to critical value.

    Raises
    ------
    ValueError
        If `trend` is unknown or `nobs` is not positive.

    Examples
    --------
    >>> round(engle_granger_critical_values(199)[0.01], 12)  # Stata prints -3.952043522638
    -3.952043522638
    """
    check_choice(trend, "trend", ("c", "ct"))
    return _critical_values(2, nobs, trend)


def _critical_values(n_series: int, nobs: float, trend: Trend) -> dict[float, float]:
    if not nobs > 0:
        raise ValueError(f"nobs must be positive, got {nobs}")
    surface = _CRITICAL_VALUE_SURFACES[n_series, trend]
    rows = zip(LEVELS, surface, strict=True)
    return {level: _polynomial(coefficients, 1.0 / nobs) for level, coefficients in rows}


def _polynomial(coefficients: tuple[float, ...], at: Number) -> Number:
    """Evaluate by Horner's rule, lowest power first; at least a line."""
    *lower, last_but_one, last = coefficients
    value = last * at + last_but_one
    for coefficient in reversed(lower):
        value = value * at + coefficient
    return value
