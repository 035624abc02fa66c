"""What the callbacks of a strategy need of a market's candles, found by time and never ahead of it.

Freqtrade shows a callback at most the last 1000 rows, and copies them; these are plain arrays.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms

__all__ = ["LastCandle", "MarketTrack"]

_PRICES = ("high", "low", "close")


@dataclass(frozen=True, slots=True)
class LastCandle:
    """One closed candle: when it opened (ms), its extremes, and a strategy's columns of it."""

    opened_ms: int
    high: float
    low: float
    close: float
    values: Mapping[str, float]

    def value(self, name: str) -> float | None:
        """Return a column's value; None where it is not known."""
        value = self.values[name]
        return value if math.isfinite(value) else None


class MarketTrack:
    """
    Closed candles of one market.

    Parameters
    ----------
    frame : DataFrame
        Freqtrade's frame with columns ``date``, ``high``, ``low``, ``close`` and those named.
    candle_ms : int
        Length of a candle.
    columns : sequence of str
        Numeric columns that are kept beside the prices.
    """

    def __init__(self, frame: DataFrame, candle_ms: int, columns: Sequence[str]) -> None:
        self._opened_ms = epoch_ms(frame["date"])
        self._candle_ms = candle_ms
        self._prices = {name: frame[name].to_numpy(dtype=np.float64) for name in _PRICES}
        self._columns = {name: frame[name].to_numpy(dtype=np.float64) for name in columns}

    def last_closed(self, now_ms: int) -> LastCandle | None:
        """Return the last candle that had closed by `now_ms`; None before the first."""
        row = int(np.searchsorted(self._opened_ms, now_ms - self._candle_ms, side="right")) - 1
        if row < 0:
            return None
        prices = {name: float(values[row]) for name, values in self._prices.items()}
        columns = {name: float(values[row]) for name, values in self._columns.items()}
        return LastCandle(int(self._opened_ms[row]), **prices, values=columns)
