"""What FreqAI asks every strategy of ours for: features, labels, and what they mean."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from freqtrade.exceptions import OperationalException
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from freqtrade_ext.adapters._model_answers import market_target
from freqtrade_ext.adapters._trade_outcomes import TradeOutcomes, outcome_path
from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.learning import LearningSettings
from freqtrade_ext.settings import load_part

__all__ = ["ModelStrategy"]


class ModelStrategy(IStrategy):
    """
    Base of strategies whose markets may have models.

    A market's model predicts the market itself, unless it is the host of a spread.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        try:
            self.learning = load_part(
                config.get("ext"), "learning", LearningSettings, source="configuration"
            )
        except ConfigError as error:
            raise OperationalException(str(error)) from error
        self._remembered: TradeOutcomes | None = None

    def remembered_outcomes(self) -> TradeOutcomes:
        """
        Return what a trading bot remembers of its own trades: one object for the bot's file.

        Each of two would write what the other does not know away.

        Raises
        ------
        OperationalException
            If the file cannot be read; the bot does not start.
        """
        if self._remembered is None:
            try:
                self._remembered = TradeOutcomes(self.learning, outcome_path(self.config))
            except (ConfigError, StoreError) as error:
                raise OperationalException(str(error)) from error
        return self._remembered

    @property
    def has_models(self) -> bool:
        """Whether FreqAI is enabled."""
        return bool(self.config.get("freqai", {}).get("enabled", False))

    @property
    def judges_trades(self) -> bool:
        """Whether the model has learned from closed trades, not from candles."""
        return bool(getattr(getattr(self, "freqai", None), "judges_trades", False))

    def require_probabilities(self, user: str) -> None:
        """
        Refuse a model that says nothing an entry could be judged by.

        Parameters
        ----------
        user : str
            What would ask it, for the message.

        Raises
        ------
        OperationalException
            If FreqAI's model is not one of ours; the bot does not start.
        """
        if getattr(self.freqai, "judges_trades", None) is None:
            raise OperationalException(
                f"freqaimodel {self.config.get('freqaimodel')}: gives no probabilities that "
                f"{user} could use. Take SignalClassifier, SpreadDirectionRegressor or "
                "TradeOutcomeModel, or set ext.learning.entries or freqai.enabled to false."
            )

    def model_target(self, pair: str) -> str:
        """Name what a market's model predicts: the market, unless it is a spread's host."""
        return market_target(pair)

    def modelled_markets(self) -> Collection[str]:
        """Return markets whose model predicts the market itself and is asked about entries."""
        return ()

    def spread_columns(self, pair: str, dataframe: DataFrame) -> Mapping[str, np.ndarray] | None:
        """Return the spread that a market's model predicts, candle by candle; None: no spread."""
        return None

    def trade_columns(self, pair: str, dataframe: DataFrame) -> Mapping[str, np.ndarray]:
        """Tell what candles do not of a trade entered after each of them: score, leverage."""
        return {}

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs: Any
    ) -> DataFrame:
        """Add the features; FreqAI calls this for training and for prediction alike."""
        # FreqAI needs LightGBM; a strategy without models must start without it.
        from freqtrade_ext.adapters.freqai._frames import add_features
        from freqtrade_ext.adapters.freqai._outcome_columns import add_outcome_features

        if self.judges_trades:
            known = self.trade_columns(metadata["pair"], dataframe)
            return add_outcome_features(dataframe, known)
        return add_features(dataframe, self.spread_columns(metadata["pair"], dataframe))

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs: Any) -> DataFrame:
        """Add the labels."""
        from freqtrade_ext.adapters.freqai._frames import add_labels

        name = self.model_target(metadata["pair"])
        return add_labels(dataframe, name, self.learning.labels)

    def with_predictions(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Let FreqAI add the label's column, the probabilities and ``do_predict``."""
        from freqtrade_ext.adapters.freqai._frames import OWN_COLUMNS

        frame = self.freqai.start(dataframe, metadata, self)
        return frame.drop(columns=[name for name in OWN_COLUMNS if name in frame])
