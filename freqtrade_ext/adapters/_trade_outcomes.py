"""What became of the bot's own entries, and what the outcome model says of the next one."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.errors import StoreError
from freqtrade_ext.learning import (
    OUTCOME_FEATURES,
    LearningSettings,
    OutcomeLearner,
    TradeOutcome,
    Verdict,
    load_learner,
    outcome_features,
    save_learner,
)

__all__ = ["TradeOutcomes", "entry_features", "outcome_path"]

logger = logging.getLogger(__name__)

# Candles that the indicators of the features need to settle.
_WARM_UP = 300
_UNKNOWN = tuple([float("nan")] * len(OUTCOME_FEATURES))


def outcome_path(config: dict[str, Any]) -> Path:
    """Where the closed trades of this bot are remembered."""
    name = str(config.get("bot_name") or "freqtrade")
    plain = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)
    return Path(config["user_data_dir"]) / "models" / "outcomes" / f"{plain}.json"


def entry_features(
    frame: DataFrame, time_ms: int, known: dict[str, float]
) -> tuple[float, ...] | None:
    """Sixteen features of an entry after the candle that opened at `time_ms`; None without it."""
    if frame.empty:
        return None
    times = epoch_ms(frame["date"])
    last = int(np.searchsorted(times, time_ms))
    if last >= len(frame) or times[last] != time_ms:
        return None
    recent = frame.iloc[max(0, last + 1 - _WARM_UP) : last + 1]
    given = {name: [value] for name, value in known.items()}
    return tuple(outcome_features(recent, [len(recent) - 1], given)[0].tolist())


class TradeOutcomes:
    """
    The outcome model of one run.

    Parameters
    ----------
    settings : LearningSettings
        When it is trained and what a low confidence means.
    path : Path or None
        Where it is remembered; None for a backtest, which begins with nothing and learns from its
        own trades as they are closed, so that none of them is known before its time.

    Raises
    ------
    StoreError
        If the file is damaged.
    """

    def __init__(self, settings: LearningSettings, path: Path | None) -> None:
        self._settings = settings
        self._path = path
        self.learner = (
            load_learner(path, settings.outcome, threads=settings.threads)
            if path is not None
            else OutcomeLearner(settings.outcome, threads=settings.threads)
        )

    def features(
        self, frame: DataFrame, time_ms: int, known: dict[str, float]
    ) -> tuple[float, ...]:
        """Describe an entry after the candle that opened at `time_ms`; NaN where not known."""
        return entry_features(frame, time_ms, known) or _UNKNOWN

    def verdict(self, features: tuple[float, ...]) -> Verdict:
        """Judge an entry; a model that has not learned yet has no say, and the reason says so."""
        confidence = float(self.learner.confidence([features])[0])
        wanted = self._settings.outcome.min_confidence
        if np.isnan(confidence) and wanted > 0:
            return Verdict(
                1.0,
                f"the outcome model has not learned yet ({len(self.learner.outcomes)} closed "
                f"trades, {self._settings.outcome.min_trades} are needed): it has no say",
            )
        if not confidence < wanted:
            return Verdict(1.0)
        return Verdict(
            0.0,
            f"the outcome model gives it {confidence:.0%}, {wanted:.0%} is wanted "
            "(ext.learning.outcome.min_confidence)",
        )

    def entered(self, key: str, features: tuple[float, ...]) -> None:
        """Remember what an entry looked like, over a restart too."""
        self.learner.pending[key] = features
        self._save()

    def closed(self, key: str, net: float, closed_ms: int) -> None:
        """Learn what became of an entry; one that was not seen teaches nothing."""
        features = self.learner.pending.pop(key, None)
        if features is None or features == _UNKNOWN:
            return
        if self.learner.add([TradeOutcome(key, closed_ms, net, features)]):
            model = self.learner.model
            logger.info(
                "[MODEL] outcome model trained on %d trades%s",
                len(self.learner.outcomes),
                f" ({model.kind}, {model.accuracy:.0%} of the later ones right)" if model else "",
            )
        self._save()

    def forget(self, key: str) -> None:
        """Forget an entry that was never filled."""
        if self.learner.pending.pop(key, None) is not None:
            self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            save_learner(self._path, self.learner)
        except StoreError as error:
            logger.error("[MODEL] %s", error)
