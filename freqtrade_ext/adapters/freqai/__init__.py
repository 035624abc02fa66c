"""Models for FreqAI: training, retraining, storage and backtesting stay Freqtrade's own."""

from freqtrade_ext.adapters.freqai._direction_regressor import DirectionRegressor
from freqtrade_ext.adapters.freqai._outcome_classifier import OutcomeClassifier
from freqtrade_ext.adapters.freqai._signal_classifier import CandleClassifier

__all__ = ["CandleClassifier", "DirectionRegressor", "OutcomeClassifier"]
