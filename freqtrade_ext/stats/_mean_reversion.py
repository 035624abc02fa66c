"""How fast a spread returns to its mean."""

import math

import numpy as np
from numpy.typing import ArrayLike

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._validation import finite_series, is_constant

__all__ = ["half_life", "mean_crossings"]


def half_life(spread: ArrayLike) -> float:
    r"""
    Estimate the half-life of mean reversion of a spread.

    Parameters
    ----------
    spread : array-like of shape (nobs,)
        Spread in price or log-price units, oldest first, equally spaced.
        Finite; at least 3 observations.

    Returns
    -------
    float
        Half-life in bars. ``math.inf`` when the fitted AR(1) coefficient is
        1 or more (no mean reversion); 0.0 when it is 0 or less.

    Raises
    ------
    InfeasibleError
        If `spread` is too short, not finite, or constant.

    Notes
    -----
    Fits :math:`s_t = a + \phi s_{t-1} + \varepsilon_t` by ordinary least
    squares and returns :math:`-\ln 2 / \ln \phi`, biased towards fast
    reversion in short samples [1]_. A fitted residual has a finite half-life
    even where nothing reverts: use it for sizing and exits, not as a filter.

    References
    ----------
    .. [1] Kendall, M. G. (1954). Note on bias in the estimation of
       autocorrelation. Biometrika 41, 403-404.

    Examples
    --------
    >>> half_life([8.0, 4.0, 2.0, 1.0, 0.5])
    1.0
    """
    values = finite_series(spread, "spread", min_nobs=3)
    before, after = values[:-1], values[1:]
    if is_constant(before):
        raise InfeasibleError(f"spread is constant ({values[0]})")
    deviation = before - before.mean()
    phi = float(deviation @ (after - after.mean())) / float(deviation @ deviation)
    if phi >= 1.0:
        return math.inf
    return -math.log(2.0) / math.log(phi) if phi > 0.0 else 0.0


def mean_crossings(spread: ArrayLike) -> int:
    """
    Count how often a spread crosses its own mean.

    Parameters
    ----------
    spread : array-like of shape (nobs,)
        Oldest first. Finite; at least 2 observations.

    Returns
    -------
    int
        Changes of side; touching the mean without leaving its side is none.

    Raises
    ------
    InfeasibleError
        If `spread` is too short or not finite.

    Notes
    -----
    The mean is that of the whole sample: a description, not a causal indicator.

    Examples
    --------
    >>> mean_crossings([1.0, -1.0, 1.0, 1.0, -2.0])
    3
    """
    values = finite_series(spread, "spread", min_nobs=2)
    if is_constant(values):
        return 0
    sides = np.sign(values - values.mean())
    sides = sides[sides != 0.0]
    return int(np.count_nonzero(sides[1:] != sides[:-1]))
