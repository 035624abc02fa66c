"""A look at live candles and predictions now and then: has the market left what was learned."""

import logging
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters.freqai._trained import ANSWERS, TrainedModel
from freqtrade_ext.adapters.freqai._training_set import MOVE, SIDE
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import LearningSettings, error_drift, feature_drift, non_overlapping

__all__ = ["DriftWatch", "live_errors"]

logger = logging.getLogger(__name__)


class DriftWatch:
    """Which models have drifted; each is reported once, and forgotten when it is replaced."""

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._looked_ms: dict[str, int] = {}
        self._drifted: dict[str, int] = {}

    def has_drifted(self, pair: str, trained: TrainedModel) -> bool:
        """Whether this model of the market has been found to have drifted."""
        return self._drifted.get(pair) == trained.trained_ms

    def look(
        self, pair: str, trained: TrainedModel, frame: DataFrame, predictions: DataFrame | None
    ) -> tuple[str, ...]:
        """
        Compare, if it is time to.

        Parameters
        ----------
        frame : DataFrame
            Features and labels of the newest candles.
        predictions : DataFrame or None
            What was predicted live, with ``date_pred``.

        Returns
        -------
        tuple of str
            Why the model has drifted; empty if it has not, or if that is known already.
        """
        drift = self._settings.drift
        times = epoch_ms(frame["date"].iloc[-2:])
        due_ms = self._looked_ms.get(pair, 0) + drift.check_every * int(times[-1] - times[0])
        if not drift.enabled or self.has_drifted(pair, trained) or times[-1] < due_ms:
            return ()
        self._looked_ms[pair] = int(times[-1])
        reasons = self._features(trained, frame) + self._errors(trained, frame, predictions)
        if reasons:
            self._drifted[pair] = trained.trained_ms
        return reasons

    def _features(self, trained: TrainedModel, frame: DataFrame) -> tuple[str, ...]:
        reference = trained.reference
        if reference is None or not set(reference.names) <= set(frame.columns):
            return ()
        recent = frame[list(reference.names)].tail(2 * self._settings.drift.window)
        values = recent.to_numpy(dtype=np.float64)
        return feature_drift(reference, values, self._settings.drift).reasons

    def _errors(
        self, trained: TrainedModel, frame: DataFrame, predictions: DataFrame | None
    ) -> tuple[str, ...]:
        if predictions is None or not {MOVE, SIDE} <= set(frame.columns):
            return ()
        horizon = self._settings.labels.horizon
        errors = live_errors(frame, predictions, trained, horizon)
        try:
            return error_drift(errors, trained.expected_error, self._settings.drift).reasons
        except ConfigError as error:  # river is not installed: said once, features are compared
            logger.warning("[MODEL] live errors are not watched: %s", error)
            self._settings = self._settings.model_copy(
                update={"drift": self._settings.drift.model_copy(update={"enabled": False})}
            )
            return ()


def live_errors(
    frame: DataFrame, predictions: DataFrame, trained: TrainedModel, horizon: int
) -> np.ndarray:
    """
    Find which live predictions since the training were wrong, oldest first.

    A prediction that allows for holding is wrong in its class, another one in its direction.
    One in `horizon` candles counts: neighbours share the move that they predict.
    """
    columns: list[Any] = ["date_pred", "do_predict", *ANSWERS]
    both = frame[["date", MOVE, SIDE]].merge(
        predictions[columns], left_on="date", right_on="date_pred"
    )
    times = epoch_ms(both["date"])
    known = both["do_predict"].eq(1) & both[SIDE].notna() & (times >= trained.trained_ms)
    rows = both[known]
    if rows.empty:
        return np.empty(0)
    answers = rows[list(ANSWERS)].to_numpy(dtype=np.float64)
    if (answers[:, 1] > 0).any():
        wrong = answers.argmax(axis=1) - 1 != rows[SIDE].to_numpy()
    else:
        wrong = np.sign(answers[:, 2] - answers[:, 0]) != np.sign(rows[MOVE].to_numpy())
    candle = times[-1] - times[-2] if len(times) > 1 else 1
    start = (times[known.to_numpy()] // max(int(candle), 1)).astype(np.int64)
    return wrong[non_overlapping(np.ones(len(rows), dtype=np.int64), start, horizon)].astype(float)
