"""Candles as arrays, checked once at the door."""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freqtrade_ext.errors import InfeasibleError

__all__ = ["CandleArrays", "candle_arrays", "milliseconds_of", "times_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_COLUMNS = ("open", "high", "low", "close", "volume")


@lru_cache(maxsize=64)
def milliseconds_of(timeframe: str) -> int:
    """
    Length of a timeframe such as ``5m`` in milliseconds.

    Raises
    ------
    ValueError
        If it is no number and ``m``, ``h``, ``d`` or ``w``.
    """
    if re.fullmatch(r"[1-9]\d*[mhdw]", timeframe) is None:
        raise ValueError(f"timeframe {timeframe!r} is none: want a number and m, h, d or w (5m)")
    return int(pd.Timedelta(timeframe) // pd.Timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True)
class CandleArrays:
    """
    Candles of one market, oldest first.

    Attributes
    ----------
    opened_ms, closed_ms : ndarray of int
        Time of the open, and of the close: the open plus the timeframe (ms since 1970 UTC).
    open, high, low, close : ndarray
        Prices: positive, finite.
    volume : ndarray
        Base currency; 0 where nobody traded.
    """

    opened_ms: IntArray
    closed_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return self.close.size


def times_of(frame: pd.DataFrame, name: str) -> IntArray:
    """
    Times of a frame's ``date`` column in ms since 1970 UTC.

    Raises
    ------
    InfeasibleError
        If they do not ascend.
    """
    times: IntArray = frame["date"].to_numpy(dtype="datetime64[ms]").view(np.int64)
    if times.size > 1 and (np.diff(times) <= 0).any():
        first = int(np.flatnonzero(np.diff(times) <= 0)[0]) + 1
        raise InfeasibleError(f"{name}: the dates do not ascend, first at row {first}")
    return times


def candle_arrays(frame: pd.DataFrame, timeframe: str, name: str = "candles") -> CandleArrays:
    """
    Read a frame of candles.

    Parameters
    ----------
    frame : DataFrame
        Columns ``date``, ``open``, ``high``, ``low``, ``close``, ``volume``.
    timeframe : str
        Length of a candle.
    name : str
        What the frame is, for the messages.

    Raises
    ------
    InfeasibleError
        If there is no candle, a price is not finite and positive, a volume is not finite, or the
        dates do not ascend.
    KeyError
        If a column is missing.
    """
    if len(frame) == 0:
        raise InfeasibleError(f"{name}: no candles")
    opened = times_of(frame, name)
    columns = [
        np.ascontiguousarray(frame[column].to_numpy(), dtype=np.float64) for column in _COLUMNS
    ]
    for column, values in zip(_COLUMNS, columns, strict=True):
        bad = ~np.isfinite(values)
        if column != "volume":
            bad |= values <= 0.0
        if bad.any():
            raise InfeasibleError(
                f"{name}: {column} has {int(bad.sum())} value(s) that are no price or volume, "
                f"first at row {int(np.flatnonzero(bad)[0])}"
            )
    return CandleArrays(opened, opened + milliseconds_of(timeframe), *columns)
