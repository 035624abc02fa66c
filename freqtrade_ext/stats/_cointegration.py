"""The Engle-Granger test of no cointegration between two series."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._mackinnon import engle_granger_critical_values, mackinnon_pvalue
from freqtrade_ext.stats._regression import HedgeTrend, fit_line, two_series
from freqtrade_ext.stats._unit_root import Lags, adf_statistic, check_lags, check_level
from freqtrade_ext.stats._validation import check_choice

__all__ = ["CointegrationResult", "engle_granger"]

# The bound of statsmodels' coint: beyond it, the residual is mostly rounding of the prices.
_COLLINEAR_R_SQUARED = 1.0 - 100.0 * math.sqrt(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class CointegrationResult:
    """Engle-Granger test of the null hypothesis of no cointegration."""

    stat: float  # -inf when near_collinear
    pvalue: float
    critical_values: Mapping[float, float]  # level -> value, e.g. 0.05 -> -3.367
    hedge_ratio: float  # units of x sold per unit of y bought (in the space of the input)
    intercept: float
    resid_std: float  # ddof 1
    r_squared: float
    lags: int
    nobs: int  # observations of the two series
    trend: HedgeTrend
    near_collinear: bool  # twins (pegged, wrapped, 1000x units): the test says nothing
    resid: NDArray[np.float64] = field(repr=False, compare=False)  # the spread value, read-only

    def rejects_at(self, level: float) -> bool:
        """
        Tell whether no cointegration is rejected at a level of 0.01, 0.05 or 0.10.

        Raises
        ------
        InfeasibleError
            For trend "n", which has no tabulated critical values: use `pvalue`.
        ValueError
            If `level` is not tabulated.
        """
        if not self.critical_values:
            raise InfeasibleError("no critical values exist for trend 'n': use pvalue")
        return self.stat < check_level(level, self.critical_values)


def engle_granger(
    y: ArrayLike,
    x: ArrayLike,
    *,
    trend: HedgeTrend = "c",
    lags: Lags = "aic",
    max_lag: int | None = None,
) -> CointegrationResult:
    r"""
    Test two series for cointegration (augmented Engle-Granger, two steps).

    Parameters
    ----------
    y, x : array-like of shape (nobs,)
        Log prices (or prices) of leg A (regressed) and leg B (regressor), same candles, oldest
        first, equally spaced. Finite.
    trend : {"c", "n"}, default "c"
        Constant in the regression of `y` on `x`, or none.
    lags : "aic" or int, default "aic"
        Lagged differences in the test of the residual, as in `adf`.
    max_lag : int, optional
        Bound of the choice by AIC, as in `adf`.

    Returns
    -------
    CointegrationResult
        With the hedge ratio and the residual. The direction matters: test both, and report the
        weaker one.

    Raises
    ------
    InfeasibleError
        If a series is constant, not finite, or too short for the lags.
    ValueError
        If `trend` or `lags` is unknown or the lengths differ.

    Notes
    -----
    Fits :math:`y_t = \alpha + \beta x_t + e_t` by least squares and takes the t-ratio of an
    augmented Dickey-Fuller regression of :math:`e_t` without constant [1]_. The p-value is
    MacKinnon's for two series, the critical values are evaluated at ``nobs - 1`` as Stata's
    ``egranger`` does. Equal to statsmodels' ``coint`` but for the corrected 1 % value
    (see `engle_granger_critical_values`).

    When R² exceeds 1 - 1.5e-6 the two series are one market twice. As statsmodels does, the
    result is then ``stat = -inf, pvalue = 0``, and `near_collinear` says why: not a discovery.

    References
    ----------
    .. [1] Engle, R. F. and Granger, C. W. J. (1987). Co-integration and error correction.
       Econometrica 55, 251-276.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(7)
    >>> x = rng.standard_normal(500).cumsum()
    >>> result = engle_granger(1.0 + 0.5 * x + rng.standard_normal(500), x)
    >>> result.rejects_at(0.01), round(result.hedge_ratio, 1)
    (True, 0.5)
    """
    check_choice(trend, "trend", ("n", "c"))
    check_lags(lags, max_lag)
    y_array, x_array = two_series(y, x, min_nobs=4)
    line, resid = fit_line(y_array, x_array, trend)
    resid.setflags(write=False)
    near_collinear = line.r_squared >= _COLLINEAR_R_SQUARED
    if near_collinear:
        stat, used = -math.inf, 0
    else:
        stat, used, _ = adf_statistic(resid, "n", lags, max_lag)
    return CointegrationResult(
        stat=stat,
        pvalue=mackinnon_pvalue(stat, n_series=2, trend=trend),
        critical_values=engle_granger_critical_values(line.nobs - 1) if trend == "c" else {},
        hedge_ratio=line.hedge_ratio,
        intercept=line.intercept,
        resid_std=line.resid_std,
        r_squared=line.r_squared,
        lags=used,
        nobs=line.nobs,
        trend=trend,
        near_collinear=near_collinear,
        resid=resid,
    )
