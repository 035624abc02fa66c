"""Layers 16 and 17: how the others are positioned."""

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import times_of
from freqtrade_ext.signals._higher import last_known
from freqtrade_ext.signals._layer import LayerOutput, first_match
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView

__all__ = ["funding", "imbalance_trend"]

FloatArray = NDArray[np.float64]
_HOUR_MS = 3_600_000


def imbalance_trend(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Layer 16: where the imbalance of the order book moves.

    The mean of the last ``recent`` readings minus the mean of the ``before`` readings before them,
    seen from the signal's side. A window with a missing reading is unknown.

    References
    ----------
    .. [1] Cont, R., Kukanov, A. and Stoikov, S. (2014). The price impact of order book events.
       Journal of Financial Econometrics 12, 47-88.
    """
    part = settings.imbalance_trend
    readings = view.inputs.imbalance
    if readings is None:
        return LayerOutput(neutral="no order-book readings")
    change = _change_of_mean(np.asarray(readings, dtype=np.float64), part.recent, part.before)
    toward = change * view.direction
    points = first_match(
        [toward >= part.strong_change, toward >= part.change, toward <= -part.change],
        [part.strong_points, part.points, -part.against_points],
        0.0,
    )
    known = ~np.isnan(change)
    return LayerOutput(
        points=np.where(known, points, 0.0),
        known=known,
        neutral="" if known.any() else "too few order-book readings",
    )


def _change_of_mean(readings: FloatArray, recent: int, before: int) -> FloatArray:
    change = np.full(readings.size, np.nan)
    if readings.size >= recent + before:
        # A missing reading makes the means of its windows NaN.
        windows = np.lib.stride_tricks.sliding_window_view(readings, recent + before)
        change[recent + before - 1 :] = windows[:, before:].mean(axis=1) - windows[:, :before].mean(
            axis=1
        )
    return change


def funding(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Layer 17: against the crowd's funding is rewarded, with it punished, far with it rejected.

    The rate is that of the last funding event up to the candle's close, as the exchange quotes it
    (not converted to another interval). Positive: longs pay, the crowd is long.
    """
    part = settings.funding
    events = view.inputs.funding
    if events is None or len(events) == 0:
        return LayerOutput(neutral="no funding rates")
    times = times_of(events, "funding")
    closed = view.candles.closed_ms
    last = last_known(times, closed)
    rate = events["rate"].to_numpy(dtype=np.float64)[last]
    recent = closed - times[last] <= part.max_age_hours * _HOUR_MS
    known = (last >= 0) & recent & ~np.isnan(rate)
    with_crowd = np.where(known, rate, 0.0) * view.direction
    points = first_match(
        [
            with_crowd < -part.extreme,
            with_crowd < -part.strong,
            with_crowd < -part.mild,
            with_crowd > part.strong,
        ],
        [part.extreme_points, part.strong_points, part.mild_points, -part.crowd_points],
        0.0,
    )
    return LayerOutput(
        points=points,
        veto=with_crowd > part.extreme,
        known=known,
        neutral="" if known.any() else "no funding rate is recent enough",
    )
