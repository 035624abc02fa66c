"""The random processes of the synthetic market, laid out around the anchor.

Minute 0 is the anchor. A process starts there and runs both ways, so that its value at a minute
does not depend on how many others are asked for.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from freqtrade_ext.sandbox.market._noise import normal

__all__ = ["reverting", "walk"]

Floats = NDArray[np.float64]


def walk(key: int, minutes: NDArray[np.int64]) -> Floats:
    """Random walk of unit steps, 0 at minute 0; `minutes` are consecutive and include 0."""
    steps = normal(key, minutes)
    origin = -int(minutes[0])
    backwards = -np.cumsum(steps[origin:0:-1])
    return np.concatenate([backwards[::-1], [0.0], np.cumsum(steps[origin + 1 :])])


def reverting(key: int, minutes: NDArray[np.int64], half_life: float) -> Floats:
    """
    Stationary Ornstein-Uhlenbeck process of unit variance at consecutive minutes around 0.

    It starts at minute 0 in its stationary law and runs forwards and backwards from there; being
    Gaussian it is reversible, so both halves together are one stationary process. Started at the
    oldest minute instead, it would change with the length of history.
    """
    phi = 2.0 ** (-1.0 / half_life)
    scale = math.sqrt(-math.expm1(2.0 * math.log(phi)))
    origin = -int(minutes[0])
    shocks = normal(key, minutes) * scale
    shocks[origin] /= scale
    forwards = lfilter([1.0], [1.0, -phi], shocks[origin:])
    backwards = lfilter([1.0], [1.0, -phi], shocks[origin::-1])
    return np.concatenate([backwards[:0:-1], forwards])
