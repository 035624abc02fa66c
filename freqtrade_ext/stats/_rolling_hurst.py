"""The Hurst exponent of every window of a series."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.stats._validation import finite_series

__all__ = ["rolling_hurst"]


def rolling_hurst(series: ArrayLike, window: int, *, max_lag: int) -> NDArray[np.float64]:
    r"""
    Estimate the Hurst exponent of each window by the variance of differences.

    Parameters
    ----------
    series : array-like of shape (nobs,)
        Log prices (a level, not returns), oldest first, equally spaced. Finite.
    window : int
        Values of each window, the current one included.
    max_lag : int
        Longest difference, at least 2 and at most ``window - 2``.

    Returns
    -------
    ndarray of shape (nobs,)
        `hurst` of the window that ends with each value. NaN until it is full, and where it does
        not change at some lag. Not clipped.

    Raises
    ------
    InfeasibleError
        If `series` is not finite.
    ValueError
        If `window` and `max_lag` do not fit.

    Notes
    -----
    The sums of each lag run along the series, so that the cost is O(nobs · max_lag) and does not
    depend on the window. A sum from which something much larger has been taken out is computed
    anew from its window: it agrees with `hurst` to 1e-8, whatever came before.

    Examples
    --------
    >>> rolling_hurst([0.0, 1.0, 0.0, 2.0], 4, max_lag=2).round(2)  # ln(9/56) / ln 2 / 2
    array([  nan,   nan,   nan, -1.32])
    """
    if max_lag < 2 or max_lag > window - 2:
        raise ValueError(f"max_lag must be from 2 to window - 2 ({window - 2}), got {max_lag}")
    values = finite_series(series, "series", min_nobs=1)
    from freqtrade_ext.stats._hurst_windows import exponents  # loads the compiler

    return exponents(values, window, max_lag)
