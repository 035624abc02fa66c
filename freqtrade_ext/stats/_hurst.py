"""The Hurst exponent of a series."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._validation import finite_series

__all__ = ["hurst"]


def hurst(series: ArrayLike, *, max_lag: int | None = None) -> float:
    r"""
    Estimate the Hurst exponent from the variance of differences.

    Parameters
    ----------
    series : array-like of shape (nobs,)
        Spread or log prices (a level, not returns), oldest first, equally spaced. Finite.
    max_lag : int, optional
        Longest difference, at least 2 and below ``nobs - 1``. Default ``nobs // 10 - 1``, which
        needs 30 observations.

    Returns
    -------
    float
        0.5 for a random walk, below for mean reversion, above for a trend; 0 for white noise.
        Not clipped: an estimate may lie outside [0, 1].

    Raises
    ------
    InfeasibleError
        If `series` is too short, not finite, or does not change at some lag.
    ValueError
        If `max_lag` is below 2.

    Notes
    -----
    Half the least-squares slope of :math:`\ln \operatorname{Var}(s_{t+\tau} - s_t)` on
    :math:`\ln \tau`, :math:`\tau = 1, \dots,` `max_lag`, the method of [1]_.

    Biased downwards: over 4 000 simulated random walks of 720 values it averages 0.474 with a
    standard deviation of 0.060, over walks of 100 values 0.465 and 0.080. The residual of a
    regression of one random walk on another lies lower still (0.462 at 720 values) although
    nothing reverts. It describes a spread; it is no protection against a false discovery.

    References
    ----------
    .. [1] Chan, E. P. (2013). Algorithmic Trading. Wiley, chapter 2.

    Examples
    --------
    >>> import numpy as np
    >>> steps = np.random.default_rng(0).standard_normal(5_000)
    >>> round(hurst(steps), 1), round(hurst(steps.cumsum()), 1)
    (0.0, 0.5)
    """
    values = finite_series(series, "series", min_nobs=30 if max_lag is None else 4)
    bound = values.size // 10 - 1 if max_lag is None else max_lag
    if bound < 2:
        raise ValueError(f"max_lag must be at least 2, got {bound}")
    if bound >= values.size - 1:
        raise InfeasibleError(f"{values.size} observation(s) are too few for max_lag {bound}")
    lags = np.arange(1, bound + 1)
    variances = np.array([_variance(values[lag:] - values[:-lag]) for lag in lags.tolist()])
    noise = (16.0 * np.finfo(np.float64).eps * np.abs(values).max()) ** 2
    if variances.min() <= noise:
        lag = lags[variances <= noise][0]
        raise InfeasibleError(f"series has constant differences at lag {lag}")
    log_lag = np.log(lags)
    log_lag -= log_lag.mean()
    return float(log_lag @ np.log(variances)) / float(log_lag @ log_lag) / 2.0


def _variance(differences: NDArray[np.float64]) -> float:
    """Compute the population variance; ``np.var`` spends most of its time on dispatch here."""
    centred = differences - differences.mean()
    return float(centred @ centred / centred.size)
