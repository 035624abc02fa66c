"""Indicators that several layers, or the features of the outcome model, read: TA-Lib."""

from dataclasses import dataclass

import numpy as np
import talib
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import CandleArrays
from freqtrade_ext.signals._settings import SignalSettings

__all__ = ["Indicators", "indicators_of"]

FloatArray = NDArray[np.float64]

_ATR_PERIOD = 14  # Wilder's
_ADX_PERIOD = 14


@dataclass(frozen=True, slots=True)
class Indicators:
    """
    One value a candle each; NaN in the warm-up.

    Attributes
    ----------
    rsi : ndarray
        Relative strength index, 0 to 100 (Wilder 1978).
    adx, trend_side : ndarray
        Average directional index, 0 to 100; 1 where +DI is above -DI, -1 where it is below.
    atr : ndarray
        Average true range, in price (Wilder 1978).
    volume_ratio : ndarray
        Volume divided by the mean volume of the candles before.
    """

    rsi: FloatArray
    adx: FloatArray
    trend_side: FloatArray
    atr: FloatArray
    volume_ratio: FloatArray


def indicators_of(candles: CandleArrays, settings: SignalSettings) -> Indicators:
    """Compute the shared indicators of a market."""
    high, low, close = candles.high, candles.low, candles.close
    plus = talib.PLUS_DI(high, low, close, _ADX_PERIOD)
    minus = talib.MINUS_DI(high, low, close, _ADX_PERIOD)
    return Indicators(
        rsi=talib.RSI(close, settings.rsi_momentum.period),
        adx=talib.ADX(high, low, close, _ADX_PERIOD),
        trend_side=np.sign(plus - minus),
        atr=talib.ATR(high, low, close, _ATR_PERIOD),
        volume_ratio=_volume_ratio(candles.volume, settings.volume_spike.window),
    )


def _volume_ratio(volume: FloatArray, window: int) -> FloatArray:
    ratio = np.full(volume.size, np.nan)
    if volume.size > window:
        before = talib.SMA(volume, window)[:-1]
        # A running sum leaves rubbish of the size of its rounding where the volumes are 0.
        traded = before > 1e-12 * np.maximum.accumulate(volume)[:-1]
        np.divide(volume[1:], before, out=ratio[1:], where=traded)
    return ratio
