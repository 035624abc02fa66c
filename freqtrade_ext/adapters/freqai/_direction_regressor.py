"""How far, and in which direction."""

from dataclasses import asdict
from typing import Any

import numpy as np

from freqtrade_ext.adapters.freqai._learning_model import LearningModel
from freqtrade_ext.adapters.freqai._training_set import TrainingSet
from freqtrade_ext.learning import MoveModel, fit_move_model

__all__ = ["DirectionRegressor"]

_DEFAULT_HELD_OUT = 0.1


class DirectionRegressor(LearningModel):
    """
    Predicts the next move, in volatilities, and how probable its direction is.

    The probability of a rise is in ``probability_buy``, that of a fall in ``probability_sell``;
    ``probability_hold`` is 0.
    """

    def learn(self, data: TrainingSet) -> MoveModel:
        """Train on the earlier rows, calibrate and judge on the later ones."""
        share = float(self.data_split_parameters.get("test_size", _DEFAULT_HELD_OUT))
        return fit_move_model(
            data.rows.features,
            data.scaled,
            names=data.names,
            horizon=self.learning.labels.horizon,
            held_out_share=share if 0 < share <= 0.5 else _DEFAULT_HELD_OUT,
            threads=self.learning.threads,
            parameters=self.parameters,
            weights=data.weights,
        )

    def metrics(self, model: MoveModel) -> dict[str, Any]:
        """Scores on the later rows."""
        return {"held_out": asdict(model.held_out)}

    def errors(self, model: MoveModel) -> np.ndarray:
        """Return which directions were wrong on the later rows."""
        return model.errors

    def answer(self, model: MoveModel, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Answer the move and the probabilities of its directions."""
        moves = model.predict(features)
        up = model.probability_up(moves)
        return moves, np.column_stack([1 - up, np.zeros(len(up)), up])
