"""Variances of differences of every window, and their slope, compiled by Numba."""

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.stats._compiling import entry, part

__all__ = ["exponents"]

# Below this share of the largest square that has passed, a running variance is computed anew.
_REFRESH = 1e-4


@part
def _sums(
    values: NDArray[np.float64], now: int, lag: int, count: int
) -> tuple[float, float, float, float]:
    """Sum, sum of squares, largest square and variance of the differences of one window."""
    total, squares, peak = 0.0, 0.0, 0.0
    for row in range(now - count + 1, now + 1):
        difference = values[row] - values[row - lag]
        total += difference
        squares += difference * difference
        peak = max(peak, difference * difference)
    mean = total / count
    deviations = 0.0
    for row in range(now - count + 1, now + 1):
        deviations += (values[row] - values[row - lag] - mean) ** 2
    return total, squares, peak, deviations / count


@part
def _noise(values: NDArray[np.float64], now: int, window: int) -> float:
    """Variance that is only the rounding of the values of a window."""
    top = 0.0
    for row in range(now - window + 1, now + 1):
        top = max(top, abs(values[row]))
    return (16.0 * 2.220446049250313e-16 * top) ** 2


@entry
def exponents(values: NDArray[np.float64], window: int, max_lag: int) -> NDArray[np.float64]:
    """Compute the exponents for `rolling_hurst`, which has checked its arguments."""
    nobs = values.size
    result = np.full(nobs, np.nan)
    if nobs < window:
        return result
    log_lag = np.log(np.arange(1.0, max_lag + 1.0))
    log_lag -= log_lag.mean()
    spread = (log_lag * log_lag).sum()
    slope = np.zeros(nobs)
    ceiling = _noise(values, nobs - 1, nobs)  # at least that of every window
    for lag in range(1, max_lag + 1):
        count = window - lag
        total, squares, peak = 0.0, 0.0, 0.0
        for now in range(window - 1, nobs):
            fresh = values[now] - values[now - lag]
            if now >= window:
                gone = values[now - count] - values[now - count - lag]
                total += fresh - gone
                squares += fresh * fresh - gone * gone
                peak = max(peak, fresh * fresh)
            variance = (squares - total * total / count) / count
            if now < window or variance <= _REFRESH * peak:
                total, squares, peak, variance = _sums(values, now, lag, count)
            if variance <= ceiling and variance <= _noise(values, now, window):
                slope[now] = np.nan
            else:
                slope[now] += log_lag[lag - 1] * np.log(variance)
    result[window - 1 :] = slope[window - 1 :] / spread / 2.0
    return result
