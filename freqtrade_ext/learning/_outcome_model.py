"""Will this trade gain? A model that learns from the bot's own closed trades (a meta-label)."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning._boosting import boost, contributions, predict_scores
from freqtrade_ext.learning._libraries import library
from freqtrade_ext.learning._outcome_features import OUTCOME_FEATURES
from freqtrade_ext.learning._settings import OutcomeSettings

__all__ = ["OutcomeLearner", "OutcomeModel", "TradeOutcome", "fit_outcome_model"]

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

PARAMETERS: Mapping[str, Any] = {
    "n_estimators": 300,
    "num_leaves": 31,
    "learning_rate": 0.05,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 5,
}
_EARLY_STOPPING = 10
_TRAIN_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class TradeOutcome:
    """
    One closed trade (or spread: both legs count as one).

    Attributes
    ----------
    key : str
        Names the trade; a trade that is reported again replaces itself.
    closed_ms : int
        UTC milliseconds.
    net : float
        Net return on what was put in, a ratio.
    features : tuple of float
        In the order of `OUTCOME_FEATURES`; NaN where not known.
    """

    key: str
    closed_ms: int
    net: float
    features: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.features) != len(OUTCOME_FEATURES):
            raise ValueError(
                f"{len(OUTCOME_FEATURES)} features are needed, got {len(self.features)}"
            )


@dataclass(frozen=True)
class OutcomeModel:
    """
    A trained model.

    Attributes
    ----------
    kind : {"lightgbm", "random_forest"}
        The fallback where LightGBM is absent or finds nothing to split.
    trained_on, tested_on : int
        Trades in the earlier and in the later part.
    accuracy, base_rate, brier : float
        On the later part; `base_rate` is its share of gains, `brier` the mean squared error.
    """

    kind: Literal["lightgbm", "random_forest"]
    model: Any
    trained_on: int
    tested_on: int
    accuracy: float
    base_rate: float
    brier: float

    def confidence(self, features: npt.ArrayLike) -> FloatArray:
        """Predict the probability of a gain, 0 to 1; (n, 16) -> (n,)."""
        table = np.atleast_2d(np.asarray(features, dtype=np.float64))
        return _confidence(self.kind, self.model, table)

    @property
    def importance(self) -> dict[str, float]:
        """Share of each feature in what was learned: of the gain, or of the purity in a forest."""
        if self.kind == "lightgbm":
            raw = self.model.feature_importance("gain")
        else:
            raw = self.model.feature_importances_
        gains = np.asarray(raw, dtype=np.float64)
        shares = gains / gains.sum() if gains.sum() > 0 else gains
        return dict(zip(OUTCOME_FEATURES, shares.tolist(), strict=True))

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the training."""
        return dict(PARAMETERS) if self.kind == "lightgbm" else dict(self.model.get_params())

    def contributions(self, features: npt.ArrayLike) -> FloatArray | None:
        """Attribute raw scores, shape (n, 17); None where the fallback is in use."""
        table = np.atleast_2d(np.asarray(features, dtype=np.float64))
        return contributions(self.model, table, 1)[:, 0] if self.kind == "lightgbm" else None


def fit_outcome_model(outcomes: Sequence[TradeOutcome], *, threads: int = 1) -> OutcomeModel | None:
    """
    Train on the earlier 80 % of the trades, judge on the later 20 %.

    Parameters
    ----------
    outcomes : sequence of TradeOutcome
        In any order; sorted by the time at which they were closed.

    Returns
    -------
    OutcomeModel or None
        None where the earlier part has gains only or losses only: there is nothing to tell apart.
    """
    ordered = sorted(outcomes, key=lambda each: (each.closed_ms, each.key))
    table = np.array([each.features for each in ordered], dtype=np.float64)
    gains = np.array([each.net > 0 for each in ordered], dtype=np.int64)
    cut = int(len(ordered) * _TRAIN_SHARE)
    if cut < 1 or gains[:cut].min() == gains[:cut].max():
        return None
    kind, model = _train(table, gains, cut, threads)
    predicted = _confidence(kind, model, table[cut:])
    truth = gains[cut:]
    return OutcomeModel(
        kind=kind,
        model=model,
        trained_on=cut,
        tested_on=len(truth),
        accuracy=float(np.mean((predicted >= 0.5) == truth)) if len(truth) else math.nan,
        base_rate=float(truth.mean()) if len(truth) else math.nan,
        brier=float(np.square(predicted - truth).mean()) if len(truth) else math.nan,
    )


def _train(
    table: FloatArray, gains: npt.NDArray[np.int64], cut: int, threads: int
) -> tuple[Literal["lightgbm", "random_forest"], Any]:
    # LightGBM wants 20 trades in a leaf; with 24 trades to learn from it would never split.
    leaf = max(3, min(20, cut // 10))
    try:
        booster = boost(
            table[:cut],
            gains[:cut],
            objective="binary",
            threads=threads,
            parameters={**PARAMETERS, "min_data_in_leaf": leaf},
            held_out=(table[cut:], gains[cut:]),
            early_stopping=_EARLY_STOPPING,
        )
    except ConfigError:
        booster = None
    if booster is not None and np.any(booster.feature_importance("split") > 0):
        return "lightgbm", booster
    ensemble = library("sklearn.ensemble", "the outcome model")
    forest = ensemble.RandomForestClassifier(
        n_estimators=200, min_samples_leaf=leaf, random_state=0, n_jobs=threads
    )
    # A feature that was never known carries nothing; scikit-learn warns about such columns.
    return "random_forest", forest.fit(_without_gaps(table[:cut]), gains[:cut])


def _confidence(kind: str, model: Any, table: FloatArray) -> FloatArray:
    if not len(table):
        return np.empty(0)
    if kind == "lightgbm":
        return predict_scores(model, table, 1)
    return np.asarray(model.predict_proba(_without_gaps(table))[:, 1], dtype=np.float64)


def _without_gaps(table: FloatArray) -> FloatArray:
    """Give an unknown value a number that no feature has, so that a tree can split it off."""
    return np.where(np.isfinite(table), table, -1e6)


class OutcomeLearner:
    """
    Remembers closed trades, and trains when it is time.

    The model is a function of the remembered trades and of how many there were at the last
    training: a restarted bot, which remembers both, continues with the same model.
    """

    def __init__(
        self,
        settings: OutcomeSettings,
        outcomes: Sequence[TradeOutcome] = (),
        trained_at: int = 0,
        seen: int = 0,
        threads: int = 1,
    ) -> None:
        self.settings = settings
        self._threads = threads
        self._outcomes = {each.key: each for each in outcomes}
        self.seen = max(seen, len(self._outcomes))
        self.trained_at = trained_at
        self.pending: dict[str, tuple[float, ...]] = {}  # features of entries not closed yet
        self.model: OutcomeModel | None = None
        self._trim()
        if trained_at:
            self._fit()

    @property
    def outcomes(self) -> list[TradeOutcome]:
        """What is remembered, oldest first."""
        return sorted(self._outcomes.values(), key=lambda each: (each.closed_ms, each.key))

    def add(self, outcomes: Sequence[TradeOutcome]) -> bool:
        """Remember closed trades; whether a model was trained."""
        for each in outcomes:
            self.seen += each.key not in self._outcomes
            self._outcomes[each.key] = each
        is_due = self._is_due()
        if is_due:
            self.trained_at = self.seen
        self._trim()
        if is_due:
            self._fit()
        return is_due

    @property
    def _newer(self) -> int:
        """Trades since the last training."""
        return self.seen - self.trained_at if self.trained_at else 0

    def _trim(self) -> None:
        # What the model has learned from stays until the next training: a restart needs it.
        kept = self.outcomes[-(self.settings.keep + self._newer) :]
        self._outcomes = {each.key: each for each in kept}

    def _is_due(self) -> bool:
        if self.seen < self.settings.min_trades:
            return False
        return self.trained_at == 0 or self.seen - self.trained_at >= self.settings.retrain_every

    def _fit(self) -> None:
        known = self.outcomes
        learned = known[: max(len(known) - self._newer, 0)][-self.settings.keep :]
        model = fit_outcome_model(learned, threads=self._threads)
        if model is None:
            logger.info("[MODEL] %d closed trades: all of one kind, nothing to learn", len(known))
        self.model = model

    def confidence(self, features: npt.ArrayLike) -> FloatArray:
        """Predict the probability of a gain, (n, 16) -> (n,); NaN while there is no model."""
        table = np.atleast_2d(np.asarray(features, dtype=np.float64))
        if self.model is None:
            return np.full(len(table), np.nan)
        return self.model.confidence(table)
