"""Layers 18 and 23: what the bot's own trades and the outcome model say."""

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.signals._layer import LayerOutput
from freqtrade_ext.signals._layer_settings import RecordSettings
from freqtrade_ext.signals._record import OwnRecord
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView

__all__ = ["model_confidence", "own_record_layer"]

FloatArray = NDArray[np.float64]


def own_record_layer(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Layer 18: the win rate of the bot's own closed trades of this market.

    It counts for candles whose successor closes after the record was made, the last one live, so
    that no candle is judged by trades that came after it.
    """
    part = settings.own_record
    record = view.inputs.record
    if record is None:
        return LayerOutput(neutral="no record of own trades")
    if record.total.trades < part.min_trades:
        return LayerOutput(
            neutral=f"{record.total.trades} closed trade(s), needs {part.min_trades}"
        )
    closed = view.candles.closed_ms
    length = closed[0] - view.candles.opened_ms[0]
    known = closed + length > record.as_of.timestamp() * 1_000
    weaker = part.weaker_points * (view.direction == _weaker_side(record, part))
    points = _coin_points(record.total.win_rate, part) - weaker
    return LayerOutput(
        points=np.where(known, points, 0.0),
        known=known,
        neutral="" if known.any() else "the record was made after all candles",
    )


def _coin_points(win_rate: float, part: RecordSettings) -> float:
    if win_rate < part.worst:
        return -part.worst_points
    if win_rate < part.bad:
        return -part.bad_points
    if win_rate < part.poor:
        return -part.poor_points
    return part.good_points if win_rate >= part.good else 0.0


def _weaker_side(record: OwnRecord, part: RecordSettings) -> float:
    """Say which side wins less often: 1 long, -1 short, NaN neither."""
    if min(record.long.trades, record.short.trades) < part.weaker_min_trades:
        return float("nan")
    gap = record.long.win_rate - record.short.win_rate
    if abs(gap) < part.weaker_gap:
        return float("nan")
    return -1.0 if gap > 0.0 else 1.0


def model_confidence(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Layer 23: the confidence of the outcome model, scaled; below the floor the signal is rejected.

    Points run linearly from minus ``points`` at 0 over nothing at ``neutral`` to ``points`` at 1.

    Raises
    ------
    ValueError
        If a confidence is outside 0 to 1, or there is not one for each candle.
    """
    part = settings.model_confidence
    if view.inputs.confidence is None:
        return LayerOutput(neutral="no outcome model")
    confidence = np.asarray(view.inputs.confidence, dtype=np.float64)
    if confidence.shape != view.direction.shape:
        raise ValueError(
            f"confidence has shape {confidence.shape}, the candles are {view.direction.size}"
        )
    known = ~np.isnan(confidence)
    if (known & ((confidence < 0.0) | (confidence > 1.0))).any():
        raise ValueError("confidence must be from 0 to 1")
    span = np.where(confidence >= part.neutral, 1.0 - part.neutral, part.neutral)
    return LayerOutput(
        points=np.where(known, part.points * (confidence - part.neutral) / span, 0.0),
        veto=known & (confidence < part.floor),
        known=known,
        neutral="" if known.any() else "the outcome model has no confidence for any candle",
    )
