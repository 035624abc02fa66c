"""What became of the bot's own scored entries, for the model that learns from them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.adapters._trade_outcomes import TradeOutcomes

__all__ = ["RegimeOutcomes"]


class RegimeOutcomes:
    """
    Remembers scored entries as they are filled, and learns when they are closed.

    Parameters
    ----------
    outcomes : TradeOutcomes
        What is learned, and where it is kept.
    frame_of : callable
        ``pair -> DataFrame``: the frame as the strategy has analysed it.
    candle_ms : int
        Length of a candle.
    """

    def __init__(
        self, outcomes: TradeOutcomes, frame_of: Callable[[str], DataFrame], candle_ms: int
    ) -> None:
        self._outcomes = outcomes
        self._frame_of = frame_of
        self._candle_ms = candle_ms

    def filled(self, trade: Any, order: Any) -> None:
        """Take note of a filled order; a person's entries teach nothing about scores."""
        if ScoreTag.parse(trade.enter_tag) is None:
            return
        signal_ms = self._signal_ms(trade)
        key = f"{trade.pair} {signal_ms}"
        if order.ft_order_side == trade.entry_side:
            frame = self._frame_of(trade.pair)
            known = {"leverage": _leverage(trade)} | _score_without_model(frame, signal_ms)
            self._outcomes.entered(key, self._outcomes.features(frame, signal_ms, known))
        elif not trade.is_open:
            notional = float(trade.max_stake_amount or trade.stake_amount) * _leverage(trade)
            closed_ms = to_ms(trade.close_date_utc)
            self._outcomes.closed(key, float(trade.close_profit_abs or 0.0) / notional, closed_ms)

    def _signal_ms(self, trade: Any) -> int:
        """Return the opening time of the candle whose close gave the signal."""
        opened_ms = to_ms(trade.open_date_utc)
        return opened_ms // self._candle_ms * self._candle_ms - self._candle_ms


def _leverage(trade: Any) -> float:
    return float(trade.leverage or 1.0)


def _score_without_model(frame: DataFrame, signal_ms: int) -> dict[str, float]:
    """Return the score of a candle as `trade_columns` gives it to the model."""
    if frame.empty or "pre_score" not in frame:
        return {}
    row = int(np.searchsorted(epoch_ms(frame["date"]), signal_ms))
    if row >= len(frame):
        return {}
    values = frame.iloc[row]
    score = float(values["pre_score"]) - float(values["layer_model_confidence"])
    return {"signal_score": float(np.floor(np.clip(score, 0.0, 100.0)))}
