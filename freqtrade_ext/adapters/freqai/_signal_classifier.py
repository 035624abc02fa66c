"""Buy, hold or sell."""

from typing import Any

import numpy as np

from freqtrade_ext.adapters.freqai._learning_model import LearningModel
from freqtrade_ext.adapters.freqai._training_set import TrainingSet
from freqtrade_ext.learning import SignalModel, fit_signal_model

__all__ = ["CandleClassifier"]


class CandleClassifier(LearningModel):
    """
    Classifies candles; answers calibrated probabilities.

    The label's column becomes the expected side: the probability of buy less that of sell.
    """

    def learn(self, data: TrainingSet) -> SignalModel:
        """Judge in walk-forward folds, calibrate on their predictions, train on all rows."""
        return fit_signal_model(
            data.rows,
            names=data.names,
            horizon=self.learning.labels.horizon,
            cost=self.learning.labels.round_trip_cost,
            n_folds=self.learning.folds,
            calibration=self.learning.calibration,
            threads=self.learning.threads,
            parameters=self.parameters,
            weights=data.weights,
        )

    def metrics(self, model: SignalModel) -> dict[str, Any]:
        """Scores of each fold."""
        return {"folds": [_finite(fold.as_dict()) for fold in model.folds]}

    def errors(self, model: SignalModel) -> np.ndarray:
        """Return which classes were wrong over the calibrated folds."""
        return model.errors

    def answer(self, model: SignalModel, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Answer the expected side and the probabilities of sell, hold, buy."""
        probabilities = model.predict_proba(features)
        return probabilities[:, 2] - probabilities[:, 0], probabilities


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    """JSON has no infinity; a profit factor without a loss, or without a trade, is null."""
    return {name: value if np.isfinite(value) else None for name, value in scores.items()}
