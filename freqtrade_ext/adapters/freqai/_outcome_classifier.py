"""Would a trade entered now gain? The outcome model as a FreqAI model."""

from typing import Any

import numpy as np
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.adapters._trade_outcomes import outcome_path
from freqtrade_ext.adapters.freqai._learning_model import LearningModel
from freqtrade_ext.adapters.freqai._outcome_columns import OUTCOME_COLUMNS
from freqtrade_ext.adapters.freqai._trained import ANSWERS, TrainedModel
from freqtrade_ext.adapters.freqai._training_set import TrainingSet
from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import (
    OUTCOME_FEATURES,
    ModelCard,
    OutcomeModel,
    OutcomeSettings,
    explain,
    fit_outcome_model,
    load_learner,
)

__all__ = ["OutcomeClassifier"]


class OutcomeClassifier(LearningModel):
    """
    Learns from the bot's closed trades (primed or its own), not from candles.

    ``probability_buy`` and ``probability_sell`` both are the probability that a trade entered now
    gains; whether there is a signal, and in which direction, the strategy knows.
    """

    judges_trades = True

    def learn(self, data: TrainingSet) -> OutcomeModel:
        """Not used; see `train`."""
        raise NotImplementedError

    def train(
        self, unfiltered_df: DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedModel:
        """Train on the trades that were closed before the end of the data."""
        times = epoch_ms(unfiltered_df["date"])
        settings: OutcomeSettings = self.learning.outcome
        known = load_learner(outcome_path(self.config), settings).outcomes
        past = [each for each in known if each.closed_ms <= times[-1]]
        if len(past) < settings.min_trades:
            raise InfeasibleError(
                f"{len(past)} closed trades are known before {unfiltered_df['date'].iloc[-1]}, "
                f"{settings.min_trades} are needed: prime the model, freqtrade-ext models prime"
            )
        model = fit_outcome_model(past[-settings.keep :], threads=self.learning.threads)
        if model is None:
            raise InfeasibleError("the closed trades are all gains or all losses")
        features = unfiltered_df[list(OUTCOME_COLUMNS)]
        labels = unfiltered_df[[dk.label_list[0]]].fillna(0.0)
        dk.data_dictionary = {
            "train_features": features,
            "train_labels": labels,
            "train_dates": unfiltered_df["date"],
        }
        self._fit_labels(dk)
        trained = TrainedModel(model, dk.label_list[0], int(times[-1]))
        self.dd.describe(pair, self._outcome_card(trained, pair, times))
        return trained

    def predict(
        self, unfiltered_df: DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[DataFrame, np.ndarray]:
        """Predict; an unknown feature is a value of its own, so every candle can be judged."""
        trained: TrainedModel = self.model
        dk.find_features(unfiltered_df)
        features = unfiltered_df[list(OUTCOME_COLUMNS)].to_numpy(dtype=np.float64)
        label, answers = self.answer(trained.model, features)
        dk.DI_values = np.zeros(len(features))
        told = np.isfinite(features[:, OUTCOME_COLUMNS.index("%-rsi")])
        dk.do_predict = (told & (trained.label in dk.label_list)).astype(int)
        frame = DataFrame(answers, columns=list(ANSWERS))
        frame.insert(0, dk.label_list[0], label)
        frame["drifted"] = 0.0
        if self.live and len(frame):
            self._explain_newest(dk.pair, trained, features[-1], float(label[-1]))
        return frame, dk.do_predict

    def _explain_newest(
        self, pair: str, trained: TrainedModel, row: np.ndarray, gain: float
    ) -> None:
        """Take the newest prediction apart; a random forest has no exact shares to tell."""
        shares = trained.model.contributions(row)
        if shares is None:
            self.explanations.pop(pair, None)
            return
        target = trained.label.removeprefix("&-")
        answer = f"{target}: a trade entered now gains, {gain:.0%} probable"
        self.explanations[pair] = explain(shares[0], OUTCOME_FEATURES, row, answer=answer)

    def metrics(self, model: OutcomeModel) -> dict[str, Any]:
        """Scores on the later fifth of the trades."""
        names = ("kind", "trained_on", "tested_on", "accuracy", "base_rate", "brier")
        return {name: getattr(model, name) for name in names}

    def errors(self, model: OutcomeModel) -> np.ndarray:
        """Return nothing: trades are not candles, their errors are not watched."""
        return np.empty(0)

    def answer(self, model: OutcomeModel, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Answer the probability of a gain, for either direction."""
        gain = model.confidence(features)
        return gain, np.column_stack([gain, 1 - gain, gain])

    def _outcome_card(self, trained: TrainedModel, pair: str, times: np.ndarray) -> ModelCard:
        model: OutcomeModel = trained.model
        return ModelCard(
            market=pair,
            target=trained.label.removeprefix("&-"),
            kind=type(self).__name__,
            trained_ms=self._now_ms(),
            data_start_ms=int(times[0]),
            data_end_ms=int(times[-1]),
            rows=model.trained_on + model.tested_on,
            parameters=model.parameters,
            metrics=self.metrics(model),
            importance={f"%-{name}": share for name, share in model.importance.items()},
        )
