"""Layers 19 to 22: crosses and bands in the signal's direction; they only ever add."""

import numpy as np
import talib
from numpy.typing import NDArray

from freqtrade_ext.signals._layer import LayerOutput
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView

__all__ = ["bollinger_position", "ema_cross", "fresh_cross", "macd_cross", "stochastic_rsi_cross"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_EMA_FAST, _EMA_SLOW = 8, 21
_MACD_FAST, _MACD_SLOW, _MACD_SIGNAL = 12, 26, 9  # Appel's
_STOCHASTIC_SMOOTHING = 3
_STOCHASTIC_DIGITS = 9  # of lines from 0 to 100


def macd_cross(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Layer 19: the MACD line has crossed its signal line in the signal's direction.

    References
    ----------
    .. [1] Appel, G. (2005). Technical Analysis: Power Tools for Active Investors. FT Press; 12, 26
       and 9 candles.
    """
    line, signal, _ = talib.MACD(view.candles.close, _MACD_FAST, _MACD_SLOW, _MACD_SIGNAL)
    part = settings.macd_cross
    return _crossed(view, line, signal, part.fresh, part.points)


def bollinger_position(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Layer 20: the close is near, or beyond, the band that the signal leads away from.

    The position is (close - middle) / (upper band - middle): -1 on the lower band, 1 on the upper.

    References
    ----------
    .. [1] Bollinger, J. (2001). Bollinger on Bollinger Bands. McGraw-Hill.
    """
    part = settings.bollinger_position
    close = view.candles.close
    deviations = part.deviations
    upper, middle, _ = talib.BBANDS(close, part.period, deviations, deviations)
    position = np.full(close.size, np.nan)
    moving = upper - middle > 1e-12 * close
    np.divide(close - middle, upper - middle, out=position, where=moving)
    return LayerOutput(
        points=np.where(-position * view.direction > part.position, part.points, 0.0),
        known=~np.isnan(position),
    )


def stochastic_rsi_cross(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Layer 21: %K of the stochastic RSI has crossed %D at an extreme, in the signal's direction.

    %K is the stochastic of the RSI over ``period`` values, smoothed over 3; %D is %K smoothed over
    3, as in [1]_ (TA-Lib's own STOCHRSI leaves the first smoothing out).

    References
    ----------
    .. [1] Chande, T. S. and Kroll, S. (1994). The New Technical Trader. Wiley, chapter 7.
    """
    part = settings.stochastic_rsi_cross
    rsi = view.indicators.rsi
    if np.isnan(rsi).all():
        return LayerOutput(neutral="fewer candles than the RSI needs")
    smoothing = _STOCHASTIC_SMOOTHING
    k, d = talib.STOCH(
        rsi, rsi, rsi, fastk_period=part.period, slowk_period=smoothing, slowd_period=smoothing
    )
    # TA-Lib keeps running sums: where both lines rest at 100, what is left of earlier candles in
    # their last bits would decide which is above.
    k, d = np.round(k, _STOCHASTIC_DIGITS), np.round(d, _STOCHASTIC_DIGITS)
    extreme = np.where(view.direction > 0.0, k < part.low, k > 100.0 - part.low)
    crossed = fresh_cross(k, d, view.direction, part.fresh)
    return LayerOutput(points=np.where(extreme & crossed, part.points, 0.0), known=~np.isnan(d))


def ema_cross(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """Layer 22: the exponential average of 8 closes has crossed that of 21 in the direction."""
    close = view.candles.close
    fast, slow = talib.EMA(close, _EMA_FAST), talib.EMA(close, _EMA_SLOW)
    part = settings.ema_cross
    return _crossed(view, fast, slow, part.fresh, part.points)


def _crossed(
    view: MarketView, fast: FloatArray, slow: FloatArray, fresh: int, points: float
) -> LayerOutput:
    crossed = fresh_cross(fast, slow, view.direction, fresh)
    return LayerOutput(points=np.where(crossed, points, 0.0), known=~np.isnan(fast - slow))


def fresh_cross(fast: FloatArray, slow: FloatArray, direction: FloatArray, fresh: int) -> BoolArray:
    """
    Tell where `fast` lies beyond `slow` in the direction, and came there recently.

    Parameters
    ----------
    fast, slow : ndarray
        Two lines; NaN in the warm-up.
    direction : ndarray
        1: above; -1: below; 0: nowhere.
    fresh : int
        Candles, the current one included, within which the cross must lie.
    """
    above = fast > slow
    below = fast < slow
    known = ~np.isnan(fast) & ~np.isnan(slow)
    recent_up = _within(above[1:] & ~above[:-1] & known[:-1], fresh)
    recent_down = _within(below[1:] & ~below[:-1] & known[:-1], fresh)
    return np.where(direction > 0.0, above & recent_up, below & recent_down & (direction < 0.0))


def _within(crossed: BoolArray, fresh: int) -> BoolArray:
    """Whether any of the last `fresh` candles crossed; `crossed` lacks the first candle."""
    count = np.concatenate(([0, 0], np.cumsum(crossed)))
    rows = np.arange(1, count.size)
    recent: BoolArray = count[1:] > count[np.maximum(rows - fresh, 0)]
    return recent
