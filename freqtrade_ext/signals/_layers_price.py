"""Layers that read price and volume of the market itself."""

import numpy as np
import talib
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import CandleArrays
from freqtrade_ext.signals._layer import LayerOutput, first_match
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView

__all__ = [
    "point_of_control",
    "point_of_control_price",
    "rsi_momentum",
    "volume_spike",
    "vwap",
    "vwap_distance",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SURGE = 1.6  # a surge of volume gives this many times the points of a spike
_HALF = 0.5


def rsi_momentum(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Read the relative strength index for the side of the signal (for a short, 100 - RSI).

    A mean-reversion signal wants an exhausted opponent: all points below ``deep``, half below
    ``low``, minus half above ``high``. A trend signal, or one of the order book, wants strength
    that is not spent: half the points between ``strong`` and ``exhausted``, minus half above
    ``exhausted`` or below ``weak``.

    References
    ----------
    .. [1] Wilder, J. W. (1978). New Concepts in Technical Trading Systems. Trend Research.
    """
    part = settings.rsi_momentum
    rsi = view.indicators.rsi
    side = np.where(view.direction < 0.0, 100.0 - rsi, rsi)
    reverting = first_match(
        [side < part.deep, side < part.low, side > part.high], [1.0, _HALF, -_HALF], 0.0
    )
    trending = first_match(
        [side > part.exhausted, side >= part.strong, side < part.weak], [-_HALF, _HALF, -_HALF], 0.0
    )
    return LayerOutput(
        points=part.points * np.where(view.mode < 0.0, reverting, trending), known=~np.isnan(rsi)
    )


def volume_spike(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """Reward a signal on much volume, punish one on little, against the mean of before."""
    part = settings.volume_spike
    ratio = view.indicators.volume_ratio
    shares = first_match(
        [ratio >= part.surge, ratio >= part.spike, ratio < part.thin], [_SURGE, 1.0, -1.0], 0.0
    )
    return LayerOutput(points=part.points * shares, known=~np.isnan(ratio))


def vwap_distance(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Reward a reversion back to the average price paid, or a trend away from it.

    The distance is (close - VWAP) / standard deviation of the last closes, both over ``window``
    candles. Up to ``near`` it says nothing, from ``far`` on it gives all points.
    """
    part = settings.vwap_distance
    close = view.candles.close
    deviation = talib.STDDEV(close, part.window)
    distance = np.full(close.size, np.nan)
    moving = deviation > 1e-9 * close
    np.divide(close - vwap(view.candles, part.window), deviation, out=distance, where=moving)
    return LayerOutput(
        points=part.points * _with_mode(view, distance, part.near, part.far),
        known=~np.isnan(distance),
    )


def vwap(candles: CandleArrays, window: int) -> FloatArray:
    """
    Volume-weighted average price of the last candles.

    Returns
    -------
    ndarray
        NaN in the warm-up, and where (almost) nobody traded in the whole window.

    Notes
    -----
    A rolling average, not one anchored to a session: crypto markets have no session. Each candle
    counts with its typical price, (high + low + close) / 3. The quotient of two of TA-Lib's sums;
    ``technical.qtpylib.rolling_vwap`` gives the same by way of pandas, in a quarter of the time of
    the whole pass.

    References
    ----------
    .. [1] Berkowitz, S. A., Logue, D. E. and Noser, E. A. (1988). The total cost of transactions
       on the NYSE. Journal of Finance 43, 97-112.
    """
    typical = (candles.high + candles.low + candles.close) / 3.0
    traded = talib.SUM(candles.volume, window)
    # A running sum leaves rubbish of the size of its rounding where the volumes are 0.
    some = traded > 1e-9 * np.maximum.accumulate(candles.volume)
    average = np.full(typical.size, np.nan)
    np.divide(talib.SUM(typical * candles.volume, window), traded, out=average, where=some)
    return average


def point_of_control(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Reward a reversion back to the price of most volume, or a trend away from it.

    The distance is (close - point of control) / average true range. Up to ``near`` it says
    nothing, from ``far`` on it gives all points.
    """
    part = settings.point_of_control
    rows = np.flatnonzero(view.direction)  # nobody asks at the other candles
    level = point_of_control_price(view.candles, part.window, part.bins, rows)
    distance = np.full(level.size, np.nan)
    atr = view.indicators.atr
    np.divide(view.candles.close - level, atr, out=distance, where=atr > 0.0)
    return LayerOutput(
        points=part.points * _with_mode(view, distance, part.near, part.far),
        known=~np.isnan(distance),
    )


def point_of_control_price(
    candles: CandleArrays, window: int, bins: int, rows: IntArray
) -> FloatArray:
    """
    Price at which most volume was traded in the last candles.

    Parameters
    ----------
    candles : CandleArrays
        Of the market.
    window : int
        Candles of the profile, the current one included.
    bins : int
        Equal price levels from the lowest low to the highest high of the window.
    rows : ndarray of int
        Candles at which it is asked.

    Returns
    -------
    ndarray
        Middle of the level with most volume, the lowest of several; NaN until the window is full,
        where the price does not move or nobody traded, and at candles that are not asked.

    Notes
    -----
    The point of control of the volume profile [1]_. The whole volume of a candle counts at its
    typical price, (high + low + close) / 3.

    References
    ----------
    .. [1] Steidlmayer, J. P. and Hawkins, S. B. (2003). Steidlmayer on Markets: Trading with
       Market Profile. Wiley, 2nd edition.
    """
    from freqtrade_ext.signals._volume_profile import points_of_control  # loads the compiler

    typical = (candles.high + candles.low + candles.close) / 3.0
    return points_of_control(
        candles.high, candles.low, typical, candles.volume, window, bins, rows.astype(np.int64)
    )


def _with_mode(view: MarketView, distance: FloatArray, near: float, far: float) -> FloatArray:
    """
    Share of the points of a distance from value, -1 to 1.

    A mean-reversion signal leads back to value, so the distance should be on its other side; a
    trend signal leads away from it. Without either the distance says nothing.
    """
    share = np.sign(distance) * np.clip((np.abs(distance) - near) / (far - near), 0.0, 1.0)
    return np.where(np.isnan(share), 0.0, share) * view.direction * view.mode
