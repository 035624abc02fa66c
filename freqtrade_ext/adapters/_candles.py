"""Freqtrade's candle frames as the arrays that the domain works on."""

import numpy as np
import pandas as pd

from freqtrade_ext.scanner import MarketHistory
from freqtrade_ext.spreads import LegCandles

__all__ = ["epoch_ms", "leg_candles", "market_history"]


def epoch_ms(dates: pd.Series) -> np.ndarray:
    """Convert a column of UTC dates to int64 milliseconds since the epoch."""
    return dates.to_numpy(dtype="datetime64[ms]").astype(np.int64)


def leg_candles(frame: pd.DataFrame) -> LegCandles:
    """
    Convert a Freqtrade candle frame.

    A candle with zero volume counts as not traded: that is what Freqtrade fills a gap with.
    """
    return LegCandles(
        time_ms=epoch_ms(frame["date"]),
        close=frame["close"].to_numpy(dtype=np.float64),
        traded=frame["volume"].to_numpy(dtype=np.float64) > 0,
    )


def market_history(market: str, frame: pd.DataFrame) -> MarketHistory:
    """Convert a Freqtrade candle frame for a scan; turnover is close times volume."""
    close = frame["close"].to_numpy(dtype=np.float64)
    volume = frame["volume"].to_numpy(dtype=np.float64)
    return MarketHistory(market, epoch_ms(frame["date"]), close, close * volume)
