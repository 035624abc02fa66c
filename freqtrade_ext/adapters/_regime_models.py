"""The models of single markets as layer 23 of their scores reads them."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from freqtrade.enums import TRADE_MODES
from pandas import DataFrame

from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._model_answers import STATES, ModelAnswers, market_target
from freqtrade_ext.learning import (
    LearningSettings,
    ModelState,
    TradeLevels,
    long_confidence,
    side_confidence,
    state_verdict,
)
from freqtrade_ext.signals import ModelAdvice, ModelEffect, ScoredMarket, SignalSettings

if TYPE_CHECKING:
    from freqtrade_ext.adapters.strategies._model_strategy import ModelStrategy

__all__ = ["LAYER", "RegimeModels", "advice_of", "why_silent"]

logger = logging.getLogger(__name__)

LAYER = "model_confidence"
_READY = STATES.index(ModelState.READY)


def advice_of(
    answers: ModelAnswers | None, n_candles: int, settings: LearningSettings, *, judges_trades: bool
) -> ModelAdvice:
    """
    Turn the answers of a market's model into advice.

    Parameters
    ----------
    answers : ModelAnswers or None
        None where the model could not be asked: it is missing at every candle.
    n_candles : int
        Candles of the frame.
    settings : LearningSettings
        What follows from a model that is missing, stale or drifted.
    judges_trades : bool
        Whether both probabilities are that of a gain, whatever the direction.
    """
    effects = tuple(
        ModelEffect(verdict.size_factor, verdict.reason)
        for verdict in (state_verdict(state, settings) for state in STATES)
    )
    if answers is None:
        nothing = np.full(n_candles, np.nan)
        missing = np.full(n_candles, STATES.index(ModelState.MISSING), dtype=np.int8)
        return ModelAdvice(nothing, nothing, missing, effects)
    gain = answers.up if judges_trades else long_confidence(answers.up, answers.down)
    long = side_confidence(gain, answers.state == _READY) / 100.0
    return ModelAdvice(long, long if judges_trades else 1.0 - long, answers.state, effects)


def why_silent(config: dict[str, Any], learning: LearningSettings, signals: SignalSettings) -> str:
    """Say why no model is asked about scores; empty where one is."""
    if not config.get("freqai", {}).get("enabled", False):
        return "FreqAI is off"
    if not learning.entries:
        return "ext.learning.entries is false"
    if not signals.layers.of(LAYER).enabled:
        return f"ext.signals.layers.{LAYER} is off"
    return ""


class RegimeModels:
    """
    The models of one run.

    Parameters
    ----------
    strategy : ModelStrategy
        Gives access to FreqAI and to the settings of models.
    signals : SignalSettings
        Where the layer can be switched off.
    """

    def __init__(self, strategy: "ModelStrategy", signals: SignalSettings) -> None:
        self._strategy = strategy
        self._silent = why_silent(strategy.config, strategy.learning, signals)
        self._told: dict[str, tuple[Any, str]] = {}

    @property
    def is_silent(self) -> bool:
        """Whether no model is asked about scores; none is trained for them then."""
        return bool(self._silent)

    def start(self) -> None:
        """
        Say whose word layer 23 is.

        Raises
        ------
        OperationalException
            If the model is one that gives no probabilities; the bot does not start.
        """
        name = self._strategy.config.get("freqaimodel")
        if self._silent:
            logger.info("[MODEL] layer 23 is neutral: %s", self._silent)
            return
        self._strategy.require_probabilities("a score")
        logger.info("[MODEL] layer 23 is the word of %s", name)

    def predict(self, frame: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """
        Let FreqAI add its answers, where a model is asked.

        The host of a spread has been asked already, for its spread.

        An error of FreqAI ends a backtest. In a trading bot it is logged, and the model is missing
        on that candle, which has its stated effect.
        """
        if self._silent or metadata["pair"] not in self._strategy.modelled_markets():
            return frame
        if self._strategy.dp.runmode not in TRADE_MODES:
            return self._strategy.with_predictions(frame, metadata)
        predicted = self._predicted(frame, metadata)
        return frame if predicted is None else predicted

    @answer_on_error(None)
    def _predicted(self, frame: DataFrame, metadata: dict[str, Any]) -> DataFrame | None:
        return self._strategy.with_predictions(frame, metadata)

    def advice(self, pair: str, frame: DataFrame) -> ModelAdvice:
        """Say what the model of a market means for its signals."""
        if self._silent:
            return ModelAdvice.silent(len(frame), self._silent)
        # A market that is the host of a spread has a model of the spread, which says nothing here.
        answers = ModelAnswers.of(frame, market_target(pair))
        judges_trades = self._strategy.judges_trades
        return advice_of(answers, len(frame), self._strategy.learning, judges_trades=judges_trades)

    def entered(self, pair: str, levels: TradeLevels | None) -> None:
        """Log what the model's newest answer was made of, at an entry of a trading bot."""
        explanations = getattr(self._strategy.freqai, "explanations", {})
        if pair in explanations and not self._silent:
            text = replace(explanations[pair], trade=levels).text()
            logger.info("[MODEL] %s: %s", pair, text)

    def tell(self, scored: ScoredMarket) -> None:
        """Log what the model does to the newest candle, where it rejects or halves a direction."""
        last = scored.columns.iloc[-1]
        remark = scored.remarks.get(LAYER)
        if remark is None or self._silent or not last["direction"]:
            return
        text = remark(-1)
        if last[f"veto_{LAYER}"]:
            text = f"veto: {text}"
        elif np.isfinite(last[LAYER]):
            return
        side = "long" if last["direction"] > 0 else "short"
        told = (last["date"], text)
        if self._told.get(scored.market) != told:
            self._told[scored.market] = told
            logger.info("[MODEL] %s %s: %s", scored.market, side, text)
