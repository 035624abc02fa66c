"""The section ``ext.learning`` of a configuration: what models learn, and what follows from it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "DriftSettings",
    "Effect",
    "LabelSettings",
    "LearningSettings",
    "OutcomeSettings",
    "RegistrySettings",
]

Effect = Literal["no_veto", "veto", "smaller_size"]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LabelSettings(_Section):
    """What counts as a move worth a trade.

    Attributes
    ----------
    kind : {"threshold", "barriers"}
        Label by the move at the horizon, or by the barrier touched first.
    horizon : int
        Candles ahead; with barriers the time after which a position is left.
    volatility_window : int
        Candles that the volatility is measured on.
    multiple : float
        Threshold, or distance of the barriers, in volatilities of the horizon.
    fallback : float
        Threshold where the volatility is unknown, a ratio.
    round_trip_cost : float
        Cost of a round trip in the reported profit factor, a ratio.
    """

    kind: Literal["threshold", "barriers"] = "threshold"
    horizon: Annotated[int, Field(ge=1, le=1000)] = 5
    volatility_window: Annotated[int, Field(ge=10, le=10_000)] = 288
    multiple: Annotated[float, Field(gt=0, le=10)] = 0.5
    fallback: Annotated[float, Field(gt=0, le=0.5)] = 0.002
    round_trip_cost: Annotated[float, Field(ge=0, le=0.1)] = 0.0012


class OutcomeSettings(_Section):
    """The model of the bot's own trades.

    Attributes
    ----------
    enabled : bool
        Record entries and learn from them, with or without FreqAI; the model answers nothing
        until it has learned.
    min_trades : int
        Closed trades before it is trained for the first time.
    retrain_every : int
        Closed trades between two trainings.
    keep : int
        Closed trades that it learns from, the last ones.
    min_confidence : float
        Entries with a lower confidence are refused. 0: only recorded.
    """

    enabled: bool = False
    min_trades: Annotated[int, Field(ge=30, le=100_000)] = 30
    retrain_every: Annotated[int, Field(ge=1, le=10_000)] = 50
    keep: Annotated[int, Field(ge=50, le=100_000)] = 1000
    min_confidence: Probability = 0.0

    @model_validator(mode="after")
    def _remembers_enough(self) -> Self:
        if self.keep < self.min_trades:
            raise ValueError(
                f"keep ({self.keep}) must not be below min_trades ({self.min_trades}): "
                "the model would never be trained"
            )
        return self


class DriftSettings(_Section):
    """When the market no longer is the one that a model learned.

    Attributes
    ----------
    enabled : bool
        Watch live candles at all.
    window : int
        Candles that are compared with the training window.
    check_every : int
        Candles between two comparisons.
    quiet_windows : int
        Windows that should pass, on average, between two false alarms in a market that does not
        change; larger is quieter and slower.
    """

    enabled: bool = True
    window: Annotated[int, Field(ge=50, le=10_000)] = 288
    check_every: Annotated[int, Field(ge=1, le=1000)] = 12
    quiet_windows: Annotated[int, Field(ge=30, le=1_000_000)] = 3000


class RegistrySettings(_Section):
    """What is kept of every training.

    Attributes
    ----------
    keep : int
        Versions of each market whose files are kept, for a rollback. What was learned (the card)
        is kept for ever.
    mlflow : str or None
        Folder of an MLflow file store that also gets every training, relative to ``user_data``.
    """

    keep: Annotated[int, Field(ge=1, le=1000)] = 10
    mlflow: Annotated[str, Field(min_length=1)] | None = None


class LearningSettings(_Section):
    """Everything that governs models.

    Attributes
    ----------
    entries : bool
        Let a model have a say in entries while FreqAI is enabled.
    min_confidence : float
        Probability of the entry's direction that counts as agreement.
    when_missing, when_stale, when_drifted : {"veto", "no_veto", "smaller_size"}
        What follows where there is no model, where it has expired (``freqai.expiration_hours``)
        or cannot judge the candle, and where it has drifted and is not trained again yet.
    smaller_size : float
        Factor on the size where the effect is ``smaller_size``.
    folds : int
        Walk-forward folds that a classifier is judged and calibrated with, at least 2.
    calibration : {"sigmoid", "isotonic"}
        How its probabilities are corrected.
    threads : int
        Threads that LightGBM may use; 2 vCPU with a trading bot: 1.
    """

    entries: bool = True
    min_confidence: Probability = 0.5
    when_missing: Effect = "veto"
    when_stale: Effect = "veto"
    when_drifted: Effect = "smaller_size"
    smaller_size: Annotated[float, Field(gt=0, lt=1)] = 0.5
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    calibration: Literal["sigmoid", "isotonic"] = "sigmoid"
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    labels: LabelSettings = LabelSettings()
    outcome: OutcomeSettings = OutcomeSettings()
    drift: DriftSettings = DriftSettings()
    registry: RegistrySettings = RegistrySettings()
