"""What a model of FreqAI says at each candle of a frame, and what state it is in there."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.learning import ModelState, Opinion

__all__ = ["STATES", "ModelAnswers", "label_of", "market_target"]

# FreqAI's do_predict: the model has judged the candle; it has expired.
_JUDGED, _EXPIRED = 1, 2
_UP, _DOWN = "probability_buy", "probability_sell"
STATES: Final = tuple(ModelState)
_CODES: Final = {state: code for code, state in enumerate(STATES)}


def market_target(pair: str) -> str:
    """Name the target of a model that predicts the market itself."""
    return pair.replace("/", "_").replace(":", "_")  # FreqAI would drop the colon


def label_of(target: str) -> str:
    """Name the column in which a model of ours answers about a market or a spread."""
    return f"&-{target}"


@dataclass(frozen=True, slots=True)
class ModelAnswers:
    """
    Answers of one model, candle by candle.

    Attributes
    ----------
    times_ms : ndarray of int
        Opening times of the candles.
    state : ndarray of int
        Place in `STATES`.
    up, down : ndarray of float
        Probabilities; they mean something only where the state is `READY`.
    """

    times_ms: np.ndarray
    state: np.ndarray
    up: np.ndarray
    down: np.ndarray

    @classmethod
    def of(cls, frame: DataFrame, target: str) -> Self | None:
        """Read a frame that FreqAI has completed; None without the answers of such a model."""
        if not {label_of(target), _UP, _DOWN, "do_predict"} <= set(frame.columns):
            return None
        up, down = (frame[name].to_numpy(dtype=np.float64) for name in (_UP, _DOWN))
        judged = frame["do_predict"].to_numpy(dtype=np.float64)
        drifted = np.zeros(len(frame))
        if "drifted" in frame:
            drifted = frame["drifted"].to_numpy(dtype=np.float64)
        told = (judged == _JUDGED) & np.isfinite(up) & np.isfinite(down)
        state = np.select(
            [drifted > 0, judged == _EXPIRED, told],
            [_CODES[each] for each in (ModelState.DRIFTED, ModelState.STALE, ModelState.READY)],
            _CODES[ModelState.MISSING],
        )
        return cls(epoch_ms(frame["date"]), state.astype(np.int8), up, down)

    def opinion(self, time_ms: int) -> Opinion:
        """Return what the model says at the candle that opened then; missing without it."""
        row = int(np.searchsorted(self.times_ms, time_ms))
        if row >= len(self.times_ms) or self.times_ms[row] != time_ms:
            return Opinion(ModelState.MISSING)
        state = STATES[self.state[row]]
        if state is not ModelState.READY:
            return Opinion(state)
        return Opinion(state, float(self.up[row]), float(self.down[row]))
