"""What Bitcoin and Ether say about the whole market; prepared once for all markets of a pass."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import talib
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import CandleArrays, candle_arrays, milliseconds_of
from freqtrade_ext.signals._higher import higher_closes, trend
from freqtrade_ext.signals._settings import SignalSettings

__all__ = [
    "MacroContext",
    "ReferenceView",
    "aligned",
    "macro_context",
    "mean_of_known",
    "new_extremes",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReferenceView:
    """
    One leading coin, candle by candle.

    Attributes
    ----------
    opened_ms : ndarray of int
        Time of the open (ms since 1970 UTC).
    new_low, new_high : ndarray
        1 where the candle passed the extreme of the candles before, 0 where not, NaN in the
        warm-up.
    """

    opened_ms: IntArray
    new_low: FloatArray
    new_high: FloatArray


@dataclass(frozen=True, slots=True)
class MacroContext:
    """
    Bitcoin and Ether, candle by candle.

    Attributes
    ----------
    btc : ReferenceView
        Bitcoin.
    eth : ReferenceView or None
        Ether, where it was given.
    btc_trend : ndarray
        Mean trend of Bitcoin over the higher timeframes, -1 to 1; NaN where none is known.
    volatility_ratio : ndarray
        Bitcoin's short volatility divided by its long one; NaN in the warm-up.
    """

    btc: ReferenceView
    eth: ReferenceView | None
    btc_trend: FloatArray
    volatility_ratio: FloatArray

    def at(self, values: FloatArray, opened_ms: IntArray) -> FloatArray:
        """Return values of Bitcoin's candles at the candles of a market; NaN where it has none."""
        return aligned(values, self.btc.opened_ms, opened_ms)


def aligned(values: FloatArray, own_ms: IntArray, opened_ms: IntArray) -> FloatArray:
    """Return the value of the candle that opened at each of `opened_ms`; NaN where there is none.

    Candles of one timeframe that open together close together, so nothing is known too early.
    """
    if np.array_equal(own_ms, opened_ms):
        return values
    index = np.minimum(np.searchsorted(own_ms, opened_ms), own_ms.size - 1)
    return np.where(own_ms[index] == opened_ms, values[index], np.nan)


def macro_context(
    btc: pd.DataFrame,
    eth: pd.DataFrame | None,
    timeframe: str,
    settings: SignalSettings,
) -> MacroContext:
    r"""
    Prepare what the layers read from Bitcoin and Ether.

    Parameters
    ----------
    btc, eth : DataFrame
        Closed candles, oldest first, as `MarketInputs.candles`. Without Ether, Bitcoin itself has
        nothing to diverge from.
    timeframe : str
        Of both.
    settings : SignalSettings
        Timeframes and averages of the trend, hours of the volatility, look-back of the extremes.

    Returns
    -------
    MacroContext
        For `MarketInputs.macro` of every market on that timeframe.

    Raises
    ------
    InfeasibleError
        If candles are not usable.

    Notes
    -----
    The macro regime is the ratio of two realised volatilities [1]_ of Bitcoin, each the root mean
    square of the log returns of its last hours, :math:`\sqrt{\tfrac1n \sum r^2}`: above
    ``volatile_ratio`` the market is volatile, up to ``calm_ratio`` it is calm. A ratio needs no
    level, which has changed tenfold over the years.

    References
    ----------
    .. [1] Andersen, T. G., Bollerslev, T., Diebold, F. X. and Labys, P. (2003). Modeling and
       forecasting realized volatility. Econometrica 71, 579-625.
    """
    candles = candle_arrays(btc, timeframe, "candles of BTC")
    lookback = settings.smt_divergence.lookback
    other = None if eth is None else candle_arrays(eth, timeframe, "candles of ETH")
    return MacroContext(
        btc=_reference(candles, lookback),
        eth=None if other is None else _reference(other, lookback),
        btc_trend=_mean_trend(candles, settings),
        volatility_ratio=_volatility_ratio(candles, timeframe, settings),
    )


def new_extremes(candles: CandleArrays, lookback: int) -> tuple[FloatArray, FloatArray]:
    """
    Tell where a candle passes the lowest low, or the highest high, of the candles before it.

    Returns
    -------
    tuple of ndarray
        New low, new high: 1 yes, 0 no, NaN until there are `lookback` candles before.
    """
    low = np.full(len(candles), np.nan)
    high = np.full(len(candles), np.nan)
    if len(candles) > lookback:
        floor = talib.MIN(candles.low, lookback)[lookback - 1 : -1]
        ceiling = talib.MAX(candles.high, lookback)[lookback - 1 : -1]
        low[lookback:] = candles.low[lookback:] < floor
        high[lookback:] = candles.high[lookback:] > ceiling
    return low, high


def _reference(candles: CandleArrays, lookback: int) -> ReferenceView:
    return ReferenceView(candles.opened_ms, *new_extremes(candles, lookback))


def _mean_trend(candles: CandleArrays, settings: SignalSettings) -> FloatArray:
    part = settings.multi_timeframe
    trends = [
        trend(higher_closes(candles, timeframe), candles.closed_ms, fast=part.fast, slow=part.slow)
        for timeframe in part.timeframes
    ]
    return mean_of_known(np.array(trends).reshape(-1, len(candles)))


def mean_of_known(rows: FloatArray) -> FloatArray:
    """Mean of each column over its values that are not NaN; NaN where there is none."""
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    mean = np.full(count.size, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _volatility_ratio(
    candles: CandleArrays, timeframe: str, settings: SignalSettings
) -> FloatArray:
    part = settings.volatile_market
    hours = milliseconds_of(timeframe) / 3_600_000
    short = max(2, round(part.short_hours / hours))
    long = max(short + 1, round(part.long_hours / hours))
    ratio = np.full(len(candles), np.nan)
    if len(candles) > long:
        squares = np.square(np.diff(np.log(candles.close)))
        brief = talib.SMA(squares, short)
        wide = talib.SMA(squares, long)
        moving = wide > 1e-12 * np.maximum.accumulate(squares)
        np.divide(brief, wide, out=ratio[1:], where=moving)
    root: FloatArray = np.sqrt(np.maximum(ratio, 0.0))
    return root
