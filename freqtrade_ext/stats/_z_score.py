"""Causal standard scores of a spread."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._validation import check_choice, series

__all__ = ["formation_z_score", "rolling_z_score"]


def rolling_z_score(values: ArrayLike, window: int, *, ddof: int = 1) -> NDArray[np.float64]:
    r"""
    Score each value against the window that ends with it.

    Parameters
    ----------
    values : array-like of shape (nobs,)
        Spread values, oldest first. Infinite values count as missing.
    window : int
        Number of values, the current one included; more than `ddof`, at least 2.
    ddof : {0, 1}, default 1
        1 for the sample deviation, as pandas; 0 for the population's.

    Returns
    -------
    ndarray of shape (nobs,)
        NaN until the window is full, where a value in the window is missing, and where the
        window does not move.

    Raises
    ------
    ValueError
        If `window` is too small or `ddof` is unknown.

    Notes
    -----
    :math:`z_t = (s_t - \bar s_t) / \hat\sigma_t` over :math:`s_{t-w+1}, \dots, s_t`, bounded by
    :math:`(w-1)/\sqrt{w}` for ddof 1. Each score is computed from its own window alone, from
    differences to the current value, in a fixed order: price level costs no digits, and more
    history, before or after, changes no bit of it (a restarted bot continues with the same
    numbers). Cost: O(nobs · window).

    Examples
    --------
    >>> rolling_z_score([1.0, 2.0, 3.0, 3.0], window=3)
    array([       nan,        nan, 1.        , 0.57735027])
    """
    check_choice(ddof, "ddof", (0, 1))
    if window < 2:
        raise ValueError(f"window must be at least 2, got {window}")
    array = series(values, "values")
    scores = np.full(array.size, np.nan)
    n_windows = array.size - window + 1
    if n_windows < 1:
        return scores
    array = np.where(np.isfinite(array), array, np.nan)
    current = array[window - 1 :]
    offsets = [array[start : start + n_windows] for start in range(window)]
    mean = np.zeros(n_windows)  # of the window, relative to the current value
    for past in offsets:
        mean += past - current
    mean /= window
    squares = np.zeros(n_windows)
    for past in offsets:
        squares += np.square(past - current - mean)
    deviation = np.sqrt(squares / (window - ddof))
    deviation[deviation == 0.0] = np.nan
    scores[window - 1 :] = -mean / deviation
    return scores


def formation_z_score(values: ArrayLike, mean: float, std: float) -> NDArray[np.float64]:
    """
    Score values against the mean and deviation of an earlier formation window.

    Parameters
    ----------
    values : array-like of shape (nobs,)
        Spread values after the formation. NaN gives NaN at its place.
    mean, std : float
        Of the spread in the formation window; ``resid_std`` of the fit, and 0 for a fit with
        constant.

    Returns
    -------
    ndarray of shape (nobs,)
        ``(values - mean) / std``.

    Raises
    ------
    InfeasibleError
        If `std` is not positive and finite or `mean` is not finite.

    Examples
    --------
    >>> formation_z_score([1.0, 3.0], mean=2.0, std=0.5)
    array([-2.,  2.])
    """
    array = series(values, "values")
    if not np.isfinite(mean):
        raise InfeasibleError(f"mean of the formation is not finite ({mean})")
    if not (np.isfinite(std) and std > 0.0):
        raise InfeasibleError(f"std of the formation must be positive and finite, got {std}")
    return (array - mean) / std
