"""Layers of regime and trend."""

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.signals._higher import higher_closes, known_at, trend
from freqtrade_ext.signals._layer import LayerOutput, first_match
from freqtrade_ext.signals._layer_settings import RegimeVetoSettings
from freqtrade_ext.signals._macro import mean_of_known
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView
from freqtrade_ext.stats import rolling_hurst

__all__ = ["multi_timeframe", "regime_veto", "strong_trend", "volatile_market"]

FloatArray = NDArray[np.float64]

_CHANGE_TIMEFRAME = "4h"


def regime_veto(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Reject a signal against a strong trend of a trending market.

    Against: a long where -DI is above +DI, a short where +DI is above -DI. Strong: ADX beyond its
    threshold. Trending: Hurst exponent beyond its threshold, that of the candles or, where a
    timeframe is set, that of its closes. Unknown while ADX or the candles' exponent warms up.

    References
    ----------
    .. [1] Wilder, J. W. (1978). New Concepts in Technical Trading Systems. Trend Research.
    """
    part = settings.regime_veto
    trending = (view.hurst > part.hurst) | (_higher_hurst(view, part) > part.hurst)
    strong = (view.indicators.adx > part.adx) & trending
    return LayerOutput(
        veto=strong & (view.direction * view.indicators.trend_side < 0.0),
        known=~(np.isnan(view.indicators.adx) | np.isnan(view.hurst)),
    )


def _higher_hurst(view: MarketView, part: RegimeVetoSettings) -> FloatArray:
    """Hurst exponent of the higher closes known at each candle; NaN where there are too few."""
    if part.timeframe is None:
        return np.full(len(view.candles), np.nan)
    given = view.inputs.higher.get(part.timeframe)
    closes = higher_closes(view.candles, part.timeframe, given)
    if closes.close.size < part.closes:
        return np.full(len(view.candles), np.nan)
    # An eighth of the window: there are too few independent differences that are longer.
    exponents = rolling_hurst(np.log(closes.close), part.closes, max_lag=part.closes // 8)
    return known_at(exponents, closes.closed_ms, view.candles.closed_ms)


def multi_timeframe(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Reward agreement of the higher timeframes, punish disagreement.

    The mean of the known trends (`trend`), seen from the signal's side, is the agreement from -1
    to 1: so many times the points, and so many times the change of the leverage. Where all known
    trends and Bitcoin's are against the signal it is rejected.
    """
    part = settings.multi_timeframe
    trends = [
        trend(
            higher_closes(view.candles, timeframe, view.inputs.higher.get(timeframe)),
            view.candles.closed_ms,
            fast=part.fast,
            slow=part.slow,
        )
        for timeframe in part.timeframes
    ]
    mean = mean_of_known(np.array(trends).reshape(-1, len(view.candles)))
    known = ~np.isnan(mean)
    agreement = np.where(known, mean, 0.0) * view.direction
    veto = (agreement <= -1.0) & (_btc_trend(view) * view.direction < 0.0)
    return LayerOutput(
        points=np.where(veto, -part.veto_points, part.points * agreement),
        veto=veto,
        leverage_factor=1.0 + part.leverage_change * agreement,
        known=known,
        neutral="" if known.any() else "no higher timeframe has enough candles",
    )


def _btc_trend(view: MarketView) -> FloatArray:
    """Bitcoin's mean trend at each candle; 0 where it is unknown."""
    if view.macro is None:
        return np.zeros(len(view.candles))
    values = view.macro.at(view.macro.btc_trend, view.candles.opened_ms)
    return np.where(np.isnan(values), 0.0, values)


def strong_trend(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Punish a signal against the change over the last twenty closes of 4 hours.

    The change is last close / first close - 1 of those closes, so over nineteen intervals.
    """
    part = settings.strong_trend
    closes = higher_closes(
        view.candles, _CHANGE_TIMEFRAME, view.inputs.higher.get(_CHANGE_TIMEFRAME)
    )
    change = np.full(closes.close.size, np.nan)
    if closes.close.size >= part.closes:
        span = part.closes - 1
        change[span:] = closes.close[span:] / closes.close[:-span] - 1.0
    seen = known_at(change, closes.closed_ms, view.candles.closed_ms)
    against = -seen * view.direction
    steps = [against > part.extreme, against > part.strong, against > part.mild]
    return LayerOutput(
        points=first_match(
            steps, [-part.extreme_points, -part.strong_points, -part.mild_points], 0.0
        ),
        size_factor=first_match(steps, [part.extreme_size, part.strong_size, part.mild_size], 1.0),
        known=~np.isnan(seen),
        neutral="" if not np.isnan(seen).all() else f"fewer than {part.closes} closes of 4 hours",
    )


def volatile_market(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """Require more in a volatile market, a little less in a calm one (`macro_context`)."""
    part = settings.volatile_market
    if view.macro is None:
        return LayerOutput(neutral="no candles of Bitcoin")
    ratio = view.macro.at(view.macro.volatility_ratio, view.candles.opened_ms)
    factor = first_match(
        [ratio >= part.volatile_ratio, ratio <= part.calm_ratio],
        [part.volatile_factor, part.calm_factor],
        1.0,
    )
    return LayerOutput(score_factor=factor, known=~np.isnan(ratio))
