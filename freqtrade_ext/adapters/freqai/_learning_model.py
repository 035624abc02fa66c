"""What our FreqAI models share: whole storage, a registry, bounded threads, drift."""

import logging
import time
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import datasieve.transforms as transforms
import numpy as np
from datasieve.pipeline import Pipeline
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from pandas import DataFrame

from freqtrade_ext.adapters.freqai._data_drawer import WholeDataDrawer, keep_predictions_whole
from freqtrade_ext.adapters.freqai._drift_watch import DriftWatch
from freqtrade_ext.adapters.freqai._trained import ANSWERS, TrainedModel
from freqtrade_ext.adapters.freqai._training_set import TrainingSet, training_set
from freqtrade_ext.errors import ConfigError, InfeasibleError, StoreError
from freqtrade_ext.learning import (
    BASELINE,
    CLASSES,
    DriftReference,
    Explanation,
    LearningSettings,
    ModelCard,
    ModelRegistry,
    error_reference,
    explain,
    let_threads_sleep,
    log_to_mlflow,
    reference_of,
)
from freqtrade_ext.settings import load_part

__all__ = ["LearningModel"]

logger = logging.getLogger(__name__)

# With one of these FreqAI measures distances, for which features must have one scale.
_NEEDS_SCALING = (
    "principal_component_analysis",
    "use_SVM_to_remove_outliers",
    "DI_threshold",
    "use_DBSCAN_to_remove_outliers",
)


class LearningModel(IFreqaiModel):
    """
    Base of our models; a subclass fits, scores and answers.

    Attributes
    ----------
    judges_trades : bool
        Whether both probabilities are that of a gain, whatever the direction.
    """

    judges_trades: ClassVar[bool] = False

    def __init__(self, config: dict[str, Any]) -> None:
        let_threads_sleep()  # before a stored model brings LightGBM with it
        try:
            self.learning = load_part(
                config.get("ext"), "learning", LearningSettings, source="configuration"
            )
        except ConfigError as error:
            raise OperationalException(str(error)) from error
        super().__init__(config)
        registry = ModelRegistry(self.full_path / "registry", keep=self.learning.registry.keep)
        registry.sweep()
        self.dd: WholeDataDrawer = WholeDataDrawer(Path(self.full_path), self.config, registry)
        self.dd.current_candle = self.current_candle
        self.dd.on_recorded = self._recorded
        self.dd.on_due = self._put_first
        self.drift = DriftWatch(self.learning)
        self.explanations: dict[str, Explanation] = {}

    # What a subclass adds

    @abstractmethod
    def learn(self, data: TrainingSet) -> Any:
        """Train on the rows; raise InfeasibleError where they do not suffice."""

    @abstractmethod
    def metrics(self, model: Any) -> dict[str, Any]:
        """What is recorded of a model's quality."""

    @abstractmethod
    def errors(self, model: Any) -> np.ndarray:
        """1 for a wrong prediction, 0 for a right one, of candles that the model had not seen."""

    @abstractmethod
    def answer(self, model: Any, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict the label, (n,), and the probabilities of `ANSWERS`, (n, 3)."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the training: the baseline, replaced by the configuration's."""
        return {**BASELINE, **self.model_training_parameters}

    # What FreqAI calls

    def fit(self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any) -> Any:
        """Not used: FreqAI's split into two parts knows nothing of time; see `train`."""
        raise NotImplementedError

    def train(
        self, unfiltered_df: DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedModel:
        """Train a model and say what is known of it."""
        began = time.monotonic()
        logger.info("[MODEL] %s: training begins", pair)
        data = training_set(unfiltered_df, dk, self.define_data_pipeline(dk.thread_count))
        model = self.learn(data)
        self._fit_labels(dk)
        trained = TrainedModel(
            model=model,
            label=dk.label_list[0],
            trained_ms=data.end_ms,
            expected=error_reference(self.errors(model), self.learning.labels.horizon),
            reference=self._reference(data, pair),
        )
        self.dd.describe(pair, self._card(trained, data, pair))
        logger.info(
            "[MODEL] %s: %s trained on %d candles in %.1f s",
            pair,
            type(self).__name__,
            len(data.scaled),
            time.monotonic() - began,
        )
        return trained

    def predict(
        self, unfiltered_df: DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[DataFrame, np.ndarray]:
        """Predict; 1 in the second answer where the model could judge the candle, else 0."""
        trained: TrainedModel = self.model
        dk.find_features(unfiltered_df)
        filtered, _ = dk.filter_features(
            unfiltered_df, dk.training_features_list, training_filter=False
        )
        complete = np.array(dk.do_predict)
        features, inside, _ = dk.feature_pipeline.transform(filtered, outlier_check=True)
        label, answers = self.answer(trained.model, features.to_numpy(dtype=np.float32))
        di = dict(dk.feature_pipeline.steps).get("di")
        dk.DI_values = di.di_values if di else np.zeros(len(filtered))
        # FreqAI forgets here that features were missing; a guess from zeros is no prediction.
        # A model of another spread (the book has changed since) has nothing to say either.
        dk.do_predict = (complete * np.asarray(inside) * (trained.label in dk.label_list)).astype(
            int
        )
        frame = DataFrame(answers, columns=list(ANSWERS))
        frame.insert(0, dk.label_list[0], label)
        frame["drifted"] = float(self.live and self.drift.has_drifted(dk.pair, trained))
        if self.live and len(frame):
            self.explanations[dk.pair] = self._explain(trained, features.tail(1), answers[-1])
        return frame, dk.do_predict

    def _explain(self, trained: TrainedModel, row: DataFrame, answers: np.ndarray) -> Explanation:
        """Take the newest prediction apart; exact, by LightGBM itself."""
        shares = trained.model.contributions(row.to_numpy(dtype=np.float32))[0]
        best, target = int(answers.argmax()), trained.label.removeprefix("&-")
        return explain(
            shares[best % len(shares)],
            [str(name).removeprefix("%-") for name in row.columns],
            row.to_numpy(dtype=np.float64)[0],
            answer=f"{target}: {CLASSES[best]}, {answers[best]:.0%} probable",
        )

    def start_backtesting(
        self, dataframe: DataFrame, metadata: dict, dk: FreqaiDataKitchen, strategy: Any
    ) -> FreqaiDataKitchen:
        """Train and predict window by window, as FreqAI does; what is stored of it is whole."""
        keep_predictions_whole(dk)
        return super().start_backtesting(dataframe, metadata, dk, strategy)

    def define_data_pipeline(self, threads: int = -1) -> Pipeline:
        """Leave features in their own units, unless a step of FreqAI needs one scale."""
        wanted = self.freqai_info["feature_parameters"]
        if any(wanted.get(name) for name in _NEEDS_SCALING):
            return super().define_data_pipeline(threads)
        return Pipeline([("const", transforms.VarianceThreshold(threshold=0))], {})

    def define_label_pipeline(self, threads: int = -1) -> Pipeline:
        """Leave labels as they are."""
        return Pipeline([], {})

    def fit_live_predictions(self, dk: FreqaiDataKitchen, pair: str) -> None:
        """Describe live predictions, as FreqAI does; our further columns have no such figures."""
        super().fit_live_predictions(dk, pair)
        self._complete(dk)

    def extract_data_and_train_model(
        self,
        new_trained_timerange: Any,
        pair: str,
        strategy: Any,
        dk: Any,
        data_load_timerange: Any,
    ) -> None:
        """
        Train, unless a person has gone back to an older version.

        FreqAI sends the head of its queue to the end afterwards. That has to be this market: one
        that was put before it meanwhile would be passed over, until the others are due again.
        """
        try:
            if self.dd.pinned(pair) is None:
                super().extract_data_and_train_model(
                    new_trained_timerange, pair, strategy, dk, data_load_timerange
                )
            else:
                self.dd.pair_dict[pair]["trained_timestamp"] = new_trained_timerange.stopts
        finally:
            self._put_first(pair)

    def build_strategy_return_arrays(
        self, dataframe: DataFrame, dk: FreqaiDataKitchen, pair: str, trained_timestamp: int
    ) -> None:
        """Predict the newest candle, after a look at whether the market is still the same."""
        trained: TrainedModel = self.model
        stored = self.dd.historic_predictions.get(pair)
        if stored is not None and not {*dk.label_list, *ANSWERS, "drifted"} <= set(stored.columns):
            # The market has got another spread since: predictions of the old one end here.
            del self.dd.historic_predictions[pair]
            self.dd.model_return_values.pop(pair, None)
            stored = None
        # Of a model of trades neither features nor errors are watched: trades are not candles.
        reasons = () if self.judges_trades else self.drift.look(pair, trained, dataframe, stored)
        if reasons:
            self._train_soon(pair, reasons)
        self._complete(dk)
        super().build_strategy_return_arrays(dataframe, dk, pair, trained.trained_ms // 1000)

    # Parts

    def _train_soon(self, pair: str, reasons: tuple[str, ...]) -> None:
        pinned = self.dd.pinned(pair) is not None
        what = "its version is pinned, no training" if pinned else "training anew"
        text = f"[MODEL] {pair} has drifted, {what}: {'; '.join(reasons[:3])}"
        logger.warning(text)
        if self.data_provider is not None:
            self.data_provider.send_msg(text, always_send=True)
        if pinned:
            return
        self.dd.pair_dict[pair]["trained_timestamp"] = 0
        self._put_first(pair)

    def _put_first(self, pair: str) -> None:
        # Never empty it, not for a moment: the thread that trains looks at its head.
        if self.train_queue and self.train_queue[0] == pair:
            return
        if pair in self.train_queue:
            self.train_queue.remove(pair)
        self.train_queue.appendleft(pair)

    def _fit_labels(self, dk: FreqaiDataKitchen) -> None:
        dk.unique_class_list = []
        dk.fit_labels()
        self._complete(dk)

    def _complete(self, dk: FreqaiDataKitchen) -> None:
        """FreqAI wants a mean and a deviation of each column that a model returns."""
        for statistic in ("labels_mean", "labels_std"):
            values = dk.data.setdefault(statistic, {})
            for name in (*ANSWERS, "drifted"):
                values.setdefault(name, 0)

    def _reference(self, data: TrainingSet, pair: str) -> DriftReference | None:
        if not self.learning.drift.enabled:
            return None
        try:
            values = data.raw.to_numpy(dtype=np.float64)
            return reference_of(values, list(data.raw.columns), self.learning.drift)
        except InfeasibleError as error:
            logger.warning("[MODEL] %s: its drift is not watched: %s", pair, error)
            return None

    def _card(self, trained: TrainedModel, data: TrainingSet, pair: str) -> ModelCard:
        return ModelCard(
            market=pair,
            target=trained.label.removeprefix("&-"),
            kind=type(self).__name__,
            trained_ms=self._now_ms(),
            data_start_ms=data.start_ms,
            data_end_ms=data.end_ms,
            rows=len(data.scaled),
            parameters=self.parameters,
            metrics=self.metrics(trained.model),
            importance=trained.model.importance,
        )

    @staticmethod
    def _now_ms() -> int:
        return int(time.time() * 1000)

    def _recorded(self, card: ModelCard) -> None:
        logger.info("[MODEL] %s: version %d recorded", card.market, card.version)
        if self.learning.registry.mlflow is None:
            return
        folder = Path(self.config["user_data_dir"]) / self.learning.registry.mlflow
        try:
            log_to_mlflow(card, folder)
        except (ConfigError, StoreError, OSError) as error:
            logger.error("[MODEL] %s: not in MLflow: %s", card.market, error)
