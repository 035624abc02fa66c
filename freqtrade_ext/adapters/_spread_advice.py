"""What models have to say about an entry of a spread, and what they are told about it."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._spread_models import SpreadModels
from freqtrade_ext.adapters._trade_outcomes import TradeOutcomes
from freqtrade_ext.learning import (
    LearningSettings,
    TradeLevels,
    Verdict,
    judge_entry,
    judge_gain,
)
from freqtrade_ext.spreads import Bands, Candidate, SpreadResult

__all__ = ["SpreadAdvice"]

logger = logging.getLogger(__name__)

_FAILED = Verdict(0.0, "the models could not be asked; see the error above")


class SpreadAdvice:
    """
    The models of one run: FreqAI's of the spreads, and that of the bot's own trades.

    Parameters
    ----------
    strategy : IStrategy
        Gives access to analysed frames and to FreqAI.
    models : SpreadModels or None
        None where FreqAI is off or has no say.
    outcomes : TradeOutcomes or None
        None where it is switched off.
    """

    def __init__(
        self,
        strategy: Any,
        settings: LearningSettings,
        models: SpreadModels | None,
        outcomes: TradeOutcomes | None,
    ) -> None:
        self._strategy = strategy
        self._settings = settings
        self._models = models
        self._outcomes = outcomes
        self._asked: dict[str, tuple[int, tuple[float, ...]]] = {}

    @answer_on_error(_FAILED)
    def verdict(self, candidate: Candidate, bands: Mapping[str, Bands]) -> Verdict:
        """Judge an entry; the first model that refuses has the last word."""
        verdict = Verdict(1.0)
        if self._models is not None:
            opinion = self._models.opinion(candidate)
            if self._strategy.judges_trades:
                verdict = judge_gain(opinion, self._settings)
            else:
                verdict = judge_entry(opinion, candidate.direction.sign, self._settings)
        if verdict.vetoes or self._outcomes is None:
            return verdict
        second = self._outcomes.verdict(self._features(candidate, self._outcomes))
        if second.vetoes:
            return second
        reasons = [each.reason for each in (verdict, second) if each.reason]
        return replace(verdict, reason="; ".join(reasons))

    def _features(self, candidate: Candidate, outcomes: TradeOutcomes) -> tuple[float, ...]:
        """Sixteen features, of leg A's frame and of the spread; once a candle."""
        asked = self._asked.get(candidate.spread_id)
        if asked is not None and asked[0] == candidate.time_ms:
            return asked[1]
        frame, _ = self._strategy.dp.get_analyzed_dataframe(
            candidate.leg_a, self._strategy.timeframe
        )
        known = {
            "zscore": candidate.z_score,
            "signal_score": candidate.edge,
            "leverage": self._strategy.asked_leverage,
        }
        features = outcomes.features(frame, candidate.time_ms, known)
        self._asked[candidate.spread_id] = (candidate.time_ms, features)
        return features

    @answer_on_error(None)
    def entered(self, candidate: Candidate, bands: Bands, verdict: Verdict) -> None:
        """Remember an entry that was decided on, and say why the model wanted it."""
        if verdict.reason:
            logger.info("[MODEL] %s: %s", candidate.spread_id, verdict.reason)
        if self._outcomes is not None:
            key = _key(candidate.spread_id, candidate.time_ms)
            self._outcomes.entered(key, self._features(candidate, self._outcomes))
        if self._models is None:
            return
        explanation = self._strategy.explanation_of(candidate.spread_id)
        if explanation is not None:
            side = 1 if candidate.z_score > 0 else -1
            levels = TradeLevels(candidate.z_score, side * bands.stop_z, side * bands.exit_z)
            text = replace(explanation, trade=levels).text()
            logger.info("[MODEL] %s: %s", candidate.spread_id, text)

    @answer_on_error(None)
    def closed(self, result: SpreadResult) -> None:
        """Tell the outcome model what became of an entry."""
        if self._outcomes is not None and result.notional > 0:
            key = _key(result.spread_id, result.signal_ms)
            self._outcomes.closed(key, result.net / result.notional, result.closed_ms)

    @answer_on_error(None)
    def dropped(self, spread_id: str, signal_ms: int) -> None:
        """Forget an entry that ended without a trade."""
        if self._outcomes is not None:
            self._outcomes.forget(_key(spread_id, signal_ms))


def _key(spread_id: str, signal_ms: int) -> str:
    return f"{spread_id} {signal_ms}"
