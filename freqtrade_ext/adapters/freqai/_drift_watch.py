"""A look at live candles and predictions now and then: has the market left what was learned."""

import logging
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters.freqai._trained import ANSWERS, TrainedModel
from freqtrade_ext.adapters.freqai._training_set import MOVE, SIDE
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import LearningSettings, error_drift, error_rise, feature_drift

__all__ = ["DriftWatch", "live_errors"]

logger = logging.getLogger(__name__)


class DriftWatch:
    """
    Which models have drifted; each is reported once, and forgotten when it is replaced.

    What outlasts a restart is in the predictions that FreqAI stores: each candle's column
    ``drifted`` says whether the model of that candle had drifted.
    """

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._looked_ms: dict[str, int] = {}
        self._drifted: dict[str, int] = {}
        self._has_river = True

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
        restarted = pair not in self._looked_ms
        self._looked_ms[pair] = int(times[-1])
        if restarted and _ended_drifted(predictions, trained):
            reasons: tuple[str, ...] = ("found before the bot was restarted",)
        else:
            reasons = self._features(trained, frame) + self._errors(trained, frame, predictions)
        if reasons:
            self._drifted[pair] = trained.trained_ms
        return reasons

    def _features(self, trained: TrainedModel, frame: DataFrame) -> tuple[str, ...]:
        reference = trained.reference
        if reference is None or not set(reference.names) <= set(frame.columns):
            return ()
        recent = frame[list(reference.names)].tail(2 * reference.lengths[-1])
        return feature_drift(reference, recent.to_numpy(dtype=np.float64)).reasons

    def _errors(
        self, trained: TrainedModel, frame: DataFrame, predictions: DataFrame | None
    ) -> tuple[str, ...]:
        if predictions is None or not {MOVE, SIDE} <= set(frame.columns):
            return ()
        errors = live_errors(frame, predictions)
        reasons = error_drift(errors, trained.expected, self._settings.drift).reasons
        if not self._has_river:
            return reasons
        try:
            return reasons + error_rise(errors, self._settings.labels.horizon).reasons
        except ConfigError as error:  # said once; the other tests go on
            logger.warning("[MODEL] a rise of live errors is not looked for: %s", error)
            self._has_river = False
            return reasons


def _ended_drifted(predictions: DataFrame | None, trained: TrainedModel) -> bool:
    """Whether the last stored prediction was made by this model, known to have drifted."""
    if predictions is None:
        return False
    made = predictions[predictions["do_predict"].eq(1) | predictions["drifted"].gt(0)].iloc[-1:]
    by_this = made["drifted"].gt(0) & (epoch_ms(made["date_pred"]) >= trained.trained_ms)
    return bool(by_this.any())


def live_errors(frame: DataFrame, predictions: DataFrame) -> np.ndarray:
    """
    Find which live predictions were wrong, 1 or 0, oldest first.

    A prediction that allows for holding is wrong in its class, another one in its direction, where
    a move of zero counts for neither. Models that were replaced by the clock count as the one in
    force: they learned nearly the same candles. What was predicted up to a drift does not count.
    """
    drifted = np.flatnonzero(predictions["drifted"].gt(0))
    since = predictions.iloc[drifted[-1] + 1 :] if len(drifted) else predictions
    # FreqAI fills the candles before its start, and those that the bot missed, with a 0 here.
    since = since[since["do_predict"].eq(1)]
    columns: list[Any] = ["date_pred", *ANSWERS]
    both = frame[["date", MOVE, SIDE]].merge(since[columns], left_on="date", right_on="date_pred")
    rows = both[both[SIDE].notna()]
    answers = rows[list(ANSWERS)].to_numpy(dtype=np.float64)
    if (answers[:, 1] > 0).any():
        wrong = answers.argmax(axis=1) - 1 != rows[SIDE].to_numpy()
    else:
        moves = rows[MOVE].to_numpy(dtype=np.float64)
        wrong = (np.sign(answers[:, 2] - answers[:, 0]) != np.sign(moves))[moves != 0]
    return wrong.astype(float)
