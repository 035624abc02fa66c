"""The columns that models learn from, of a market or of a spread: one function for both."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.learning._barriers import triple_barrier
from freqtrade_ext.learning._labels import (
    FloatArray,
    Target,
    candle_moves,
    forward_move,
    move_threshold,
    rolling_volatility,
    sides,
)
from freqtrade_ext.learning._settings import LabelSettings

__all__ = ["TargetLabels", "label_target"]


@dataclass(frozen=True, slots=True)
class TargetLabels:
    """
    Labels of n candles; NaN (or 0 candles) where the data ends too early.

    Attributes
    ----------
    move : ndarray of shape (n,)
        Log return over the horizon, of a spread on leg A's notional.
    scaled : ndarray of shape (n,)
        The same in volatilities of the horizon: comparable between markets and times.
    side : ndarray of shape (n,)
        -1, 0 or 1.
    ahead : ndarray of shape (n,)
        Candles until `side` is known.
    """

    move: FloatArray
    scaled: FloatArray
    side: FloatArray
    ahead: npt.NDArray[np.int64]


def label_target(
    target: Target,
    settings: LabelSettings,
    *,
    high: FloatArray | None = None,
    low: FloatArray | None = None,
) -> TargetLabels:
    """
    Label the candles of a market or a spread.

    Parameters
    ----------
    target : ndarray of shape (n,), or three of them
        As in `forward_move`.
    high, low : ndarray of shape (n,), optional
        Of a market, for its barriers; a spread is judged by its closes, because its legs' extremes
        were not reached at the same moment.

    Returns
    -------
    TargetLabels
        Every row's label uses candles up to ``row + ahead`` and no later one.
    """
    move = forward_move(target, horizon=settings.horizon)
    volatility = rolling_volatility(candle_moves(target), settings.volatility_window)
    unit = move_threshold(
        volatility, horizon=settings.horizon, multiple=1.0, fallback=settings.fallback
    )
    threshold = move_threshold(
        volatility,
        horizon=settings.horizon,
        multiple=settings.multiple,
        fallback=settings.fallback,
    )
    if settings.kind == "threshold":
        side = sides(move, threshold)
        ahead = np.where(np.isfinite(side), settings.horizon, 0)
    elif isinstance(target, tuple):
        side, ahead = _spread_barriers(target, threshold, settings.horizon)
    else:
        side, ahead = _market_barriers(target, high, low, threshold, settings.horizon)
    return TargetLabels(move, move / unit, side, np.asarray(ahead, dtype=np.int64))


def _market_barriers(
    close: FloatArray,
    high: FloatArray | None,
    low: FloatArray | None,
    distance: FloatArray,
    timeout: int,
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    logs, highs, lows = (np.log(close if each is None else each) for each in (close, high, low))
    labels = triple_barrier(highs, lows, logs, upper=distance, lower=distance, timeout=timeout)
    rows = np.arange(len(close))
    return labels.side, np.where(labels.end >= 0, labels.end - rows, 0)


def _spread_barriers(
    target: tuple[FloatArray, FloatArray, FloatArray], distance: FloatArray, timeout: int
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Find the first touch of a spread's path, each candle with its own hedge ratio."""
    size = len(target[0])
    moves = [forward_move(target, horizon=ahead) for ahead in range(1, timeout + 1)]
    known = np.isfinite(moves[-1]) & np.isfinite(distance)
    side = np.where(known, 0.0, np.nan)
    ahead = np.where(known, timeout, 0)
    waiting = known.copy()
    for number, move in enumerate(moves, start=1):
        with np.errstate(invalid="ignore"):
            touched = waiting & (np.abs(move) >= distance)
        side[touched] = np.sign(move[touched])
        ahead[touched] = number
        waiting &= ~touched
    return side, np.asarray(ahead[:size], dtype=np.int64)
