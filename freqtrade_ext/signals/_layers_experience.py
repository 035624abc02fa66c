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
    Layer 23: confidence of a model in the signal's direction, scaled; below the floor a veto.

    Points run linearly from minus ``points`` at 0 over nothing at ``neutral`` to ``points`` at 1.
    A model that cannot be asked gives no points; what follows from its state (nothing, a smaller
    size, a veto) comes with the advice.

    Raises
    ------
    ValueError
        If a confidence is outside 0 to 1, or there is not one for each candle.
    """
    part = settings.model_confidence
    advice = view.inputs.advice
    if advice is None:
        return LayerOutput(neutral="no model")
    advice.check(view.direction.size)
    confidence = np.where(view.direction > 0.0, advice.long, advice.short)
    answered = ~np.isnan(confidence)
    span = np.where(confidence >= part.neutral, 1.0 - part.neutral, part.neutral)
    size = advice.size_factor
    refused = size <= 0.0
    known = answered | (size < 1.0)
    return LayerOutput(
        points=np.where(answered, part.points * (confidence - part.neutral) / span, 0.0),
        veto=refused | (answered & (confidence < part.floor)),
        size_factor=np.where(refused, 1.0, size),
        known=known,
        neutral="" if known.any() else advice.reason(-1) or "the model has answered nothing",
        reading=confidence,
        remark=lambda row: advice.reason(row) or _confidence_text(confidence[row]),
    )


def _confidence_text(confidence: float) -> str:
    return "no answer" if np.isnan(confidence) else f"confidence {confidence:.2f}"
