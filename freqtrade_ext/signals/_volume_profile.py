"""The level of most volume in every window, compiled by Numba."""

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.stats._compiling import entry

__all__ = ["points_of_control"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@entry
def points_of_control(
    high: FloatArray,
    low: FloatArray,
    typical: FloatArray,
    volume: FloatArray,
    window: int,
    bins: int,
    rows: IntArray,
) -> FloatArray:
    """Compute `point_of_control_price` at some rows, each from its own window alone."""
    result = np.full(typical.size, np.nan)
    profile = np.empty(bins)
    for now in rows:
        if now < window - 1:
            continue
        begin = now - window + 1
        bottom, top = low[begin], high[begin]
        for row in range(begin + 1, now + 1):
            bottom = min(bottom, low[row])
            top = max(top, high[row])
        if top <= bottom:
            continue
        profile[:] = 0.0
        scale = bins / (top - bottom)
        for row in range(begin, now + 1):
            level = min(int((typical[row] - bottom) * scale), bins - 1)
            profile[level] += volume[row]
        best = np.argmax(profile)
        if profile[best] > 0.0:
            result[now] = bottom + (best + 0.5) / scale
    return result
