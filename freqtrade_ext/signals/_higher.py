"""Higher timeframes: what of them was known at the close of each candle, and their trend."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import talib
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import CandleArrays, candle_arrays, milliseconds_of

__all__ = ["HigherCloses", "higher_closes", "known_at", "last_known", "trend"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HigherCloses:
    """
    Closes of a higher timeframe, oldest first.

    Attributes
    ----------
    closed_ms : ndarray of int
        When each became known.
    close : ndarray
        The price.
    """

    closed_ms: IntArray
    close: FloatArray


def higher_closes(
    candles: CandleArrays, timeframe: str, frame: pd.DataFrame | None = None
) -> HigherCloses:
    """
    Return the closes of a higher timeframe.

    Parameters
    ----------
    candles : CandleArrays
        Of the market, on its own timeframe.
    timeframe : str
        The higher one.
    frame : DataFrame, optional
        Its candles. Absent: the last close of `candles` before each whole multiple of `timeframe`
        since 1970 UTC; a multiple without any candle in its time has no close.

    Returns
    -------
    HigherCloses
        Without any close where `timeframe` is shorter than that of `candles`: nothing is known of
        it.
    """
    length = milliseconds_of(timeframe)
    absent = frame is not None and len(frame) == 0
    if absent or length < candles.closed_ms[0] - candles.opened_ms[0]:
        return HigherCloses(np.empty(0, np.int64), np.empty(0))
    if frame is not None:
        given = candle_arrays(frame, timeframe, f"candles of {timeframe}")
        return HigherCloses(given.closed_ms, given.close)
    number = (candles.closed_ms - 1) // length  # of the multiple that the candle's close is in
    last = np.flatnonzero(np.diff(number, append=number[-1] + 1))
    closed = (number[last] + 1) * length
    # The last multiple may still be running.
    complete = closed <= candles.closed_ms[-1]
    return HigherCloses(closed[complete], candles.close[last[complete]])


def last_known(known_ms: IntArray, times_ms: IntArray) -> IntArray:
    """Return at each time the place of the last thing known by then; -1 before the first."""
    return np.searchsorted(known_ms, times_ms, side="right") - 1


def known_at(values: FloatArray, known_ms: IntArray, times_ms: IntArray) -> FloatArray:
    """Return at each time the last value known by then; NaN before the first."""
    index = last_known(known_ms, times_ms)
    if values.size == 0:
        return np.full(times_ms.size, np.nan)
    return np.where(index >= 0, values[np.maximum(index, 0)], np.nan)


def trend(closes: HigherCloses, times_ms: IntArray, *, fast: int, slow: int) -> FloatArray:
    """
    Say which way a higher timeframe goes.

    Parameters
    ----------
    closes : HigherCloses
        Of that timeframe.
    times_ms : ndarray of int
        When it is asked: the closes of the candles on the lower timeframe.
    fast, slow : int
        Closes of the two averages.

    Returns
    -------
    ndarray
        1 where the close is above the fast simple average and that is above the slow one, -1 where
        both are below, 0 where they disagree, NaN where the slow average is not full.

    Notes
    -----
    The order of price and two moving averages is the trend filter of [1]_. Simple averages, not
    exponential ones: the history of a higher timeframe is short, and they forget what is outside
    it.

    References
    ----------
    .. [1] Murphy, J. J. (1999). Technical Analysis of the Financial Markets. New York Institute of
       Finance, chapter 9.
    """
    if closes.close.size < slow:
        return np.full(times_ms.size, np.nan)
    quick = talib.SMA(closes.close, fast)
    calm = talib.SMA(closes.close, slow)
    above = np.sign(closes.close - quick)
    side = np.where(above == np.sign(quick - calm), above, 0.0)
    side[np.isnan(calm)] = np.nan
    return known_at(side, closes.closed_ms, times_ms)
