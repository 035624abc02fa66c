"""The Engle-Granger test on windows that move through history, for walk-forward use."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._cointegration import CointegrationResult, engle_granger
from freqtrade_ext.stats._hurst import hurst
from freqtrade_ext.stats._mean_reversion import half_life
from freqtrade_ext.stats._regression import HedgeTrend
from freqtrade_ext.stats._unit_root import Lags, check_lags, lag_bound
from freqtrade_ext.stats._validation import check_choice, same_length, series

__all__ = ["RollingCointegrationResult", "engle_granger_rolling"]


@dataclass(frozen=True, slots=True, eq=False)
class RollingCointegrationResult:
    """One Engle-Granger test a window; every array has the shape of `ends`."""

    ends: NDArray[np.int64]  # exclusive: window i is [ends[i] - window, ends[i])
    stat: NDArray[np.float64]  # NaN where the window has missing values or allows no test
    pvalue: NDArray[np.float64]
    hedge_ratio: NDArray[np.float64]
    intercept: NDArray[np.float64]
    resid_std: NDArray[np.float64]  # ddof 1
    half_life: NDArray[np.float64]  # bars; inf where nothing reverts
    near_collinear: NDArray[np.bool_]  # one market twice: stat is -inf and pvalue 0
    hurst: NDArray[np.float64] | None  # None unless asked for
    window: int


def engle_granger_rolling(
    y: ArrayLike,
    x: ArrayLike,
    *,
    window: int,
    ends: Sequence[int] | NDArray[np.integer],
    trend: HedgeTrend = "c",
    lags: Lags = "aic",
    max_lag: int | None = None,
    with_hurst: bool = False,
) -> RollingCointegrationResult:
    """
    Test two series for cointegration on each of several trailing windows.

    Parameters
    ----------
    y, x : array-like of shape (nobs,)
        Log prices (or prices) of leg A and leg B, same candles, oldest first. NaN and infinite
        values mean missing.
    window : int
        Observations a fit.
    ends : sequence of int, shape (n_ends,)
        Strictly increasing, each in [0, nobs]; exclusive, so that a fit for use at candle t
        has end t and has not seen it.
    trend, lags, max_lag
        As in `engle_granger`.
    with_hurst : bool, default False
        Estimate the Hurst exponent of each residual too (about four times as slow).

    Returns
    -------
    RollingCointegrationResult
        NaN where a window is not full, has a missing value, or allows no test (a market that
        does not move). Each entry depends on its own window only.

    Raises
    ------
    InfeasibleError
        If `window` is too short for the lags, or for Hurst when asked for.
    ValueError
        If `ends`, `trend` or `lags` are wrong or the lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(7)
    >>> x = rng.standard_normal(500).cumsum()
    >>> fits = engle_granger_rolling(0.5 * x + rng.standard_normal(500), x, window=200,
    ...                              ends=range(100, 501, 200))
    >>> fits.hedge_ratio.round(1)
    array([nan, 0.5, 0.5])
    """
    check_choice(trend, "trend", ("n", "c"))
    check_lags(lags, max_lag)
    lag_bound(window, "n", lags, max_lag)
    if with_hurst and window < 30:
        raise InfeasibleError(f"window of {window} observations is too short for hurst, needs 30")
    y_array, x_array = series(y, "y"), series(x, "x")
    same_length(y_array, x_array)
    end_array = _checked_ends(ends, y_array.size)
    rows = []
    for end in end_array.tolist():
        within = slice(end - window, end)
        full = end >= window
        fit = _fit(y_array[within], x_array[within], trend, lags, max_lag) if full else None
        rows.append(_row(fit, with_hurst))
    stat, pvalue, ratio, intercept, resid_std, halves, collinear, hursts = (
        np.array(rows, dtype=np.float64).reshape(-1, 8).T
    )
    return RollingCointegrationResult(
        ends=end_array,
        stat=stat,
        pvalue=pvalue,
        hedge_ratio=ratio,
        intercept=intercept,
        resid_std=resid_std,
        half_life=halves,
        near_collinear=collinear == 1.0,
        hurst=hursts if with_hurst else None,
        window=window,
    )


def _checked_ends(ends: Sequence[int] | NDArray[np.integer], nobs: int) -> NDArray[np.int64]:
    given = np.asarray(ends)
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"ends must be integers, got {given.dtype}")
    array = given.astype(np.int64).reshape(-1)
    if np.any(np.diff(array) <= 0):
        raise ValueError("ends must be strictly increasing")
    if array.size and not (array[0] >= 0 and array[-1] <= nobs):
        raise ValueError(f"ends must lie in [0, {nobs}], got {array[0]} to {array[-1]}")
    return array


def _fit(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    trend: HedgeTrend,
    lags: Lags,
    max_lag: int | None,
) -> CointegrationResult | None:
    try:
        return engle_granger(y, x, trend=trend, lags=lags, max_lag=max_lag)
    except InfeasibleError:  # of this window only: a gap, or a market that stood still
        return None


def _row(fit: CointegrationResult | None, with_hurst: bool) -> tuple[float, ...]:
    if fit is None:
        return (math.nan,) * 6 + (0.0, math.nan)
    # The residual of twins is rounding noise, which would look like a perfect spread.
    measurable = not fit.near_collinear
    return (
        fit.stat,
        fit.pvalue,
        fit.hedge_ratio,
        fit.intercept,
        fit.resid_std,
        _or_nan(half_life, fit.resid) if measurable else math.nan,
        float(fit.near_collinear),
        _or_nan(hurst, fit.resid) if measurable and with_hurst else math.nan,
    )


def _or_nan(estimate: Callable[[NDArray[np.float64]], float], resid: NDArray[np.float64]) -> float:
    try:
        return estimate(resid)
    except InfeasibleError:
        return math.nan
