"""What a model says of the signals of one market, as layer 23 reads it."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ModelAdvice", "ModelEffect"]


@dataclass(frozen=True, slots=True)
class ModelEffect:
    """
    What follows from the state that a model is in, whatever it answers.

    Attributes
    ----------
    size_factor : float
        Factor on the size of an entry, 0 for a veto; 0 to 1.
    reason : str
        The state and its effect in words; empty where the model can be asked.
    """

    size_factor: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModelAdvice:
    """
    Confidence in a signal of each candle, for either direction, and the state of the model.

    Attributes
    ----------
    long, short : ndarray of shape (candles,)
        Confidence that a long (a short) entered after the candle gains, 0 to 1; 0.5 says nothing.
        NaN where the model has no say.
    state : ndarray of int, shape (candles,)
        Place in `effects` of what holds at the candle.
    effects : tuple of ModelEffect
        One for each state.
    """

    long: NDArray[np.float64]
    short: NDArray[np.float64]
    state: NDArray[np.int8]
    effects: tuple[ModelEffect, ...] = (ModelEffect(),)

    @classmethod
    def silent(cls, n_candles: int, reason: str) -> Self:
        """Return the advice of no model at all, which changes nothing, and why there is none."""
        nothing = np.full(n_candles, np.nan)
        state = np.zeros(n_candles, dtype=np.int8)
        return cls(nothing, nothing, state, (ModelEffect(reason=reason),))

    @property
    def size_factor(self) -> NDArray[np.float64]:
        """Factor on the size at each candle, by the state alone."""
        return np.array([effect.size_factor for effect in self.effects])[self.state]

    def reason(self, row: int) -> str:
        """Say what state the model is in at a candle; empty where it can be asked."""
        return self.effects[int(self.state[row])].reason

    def check(self, n_candles: int) -> None:
        """
        Check shapes and ranges.

        Raises
        ------
        ValueError
            If a confidence is outside 0 to 1, or there is not one for each candle.
        """
        for name in ("long", "short", "state"):
            shape = getattr(self, name).shape
            if shape != (n_candles,):
                raise ValueError(f"{name} has shape {shape}, the candles are {n_candles}")
        for name in ("long", "short"):
            values = getattr(self, name)
            known = values[~np.isnan(values)]
            if ((known < 0.0) | (known > 1.0)).any():
                raise ValueError(f"confidence of a {name} must be from 0 to 1")
