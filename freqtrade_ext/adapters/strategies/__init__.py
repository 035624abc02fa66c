"""Freqtrade strategies; `user_data/strategies` holds the subclasses that Freqtrade loads."""

from freqtrade_ext.adapters.strategies._combined_strategy import CombinedStrategy
from freqtrade_ext.adapters.strategies._guarded_strategy import GuardedStrategy
from freqtrade_ext.adapters.strategies._model_strategy import ModelStrategy
from freqtrade_ext.adapters.strategies._regime_strategy import RegimeStrategy
from freqtrade_ext.adapters.strategies._spread_strategy import SpreadStrategy

__all__ = [
    "CombinedStrategy",
    "GuardedStrategy",
    "ModelStrategy",
    "RegimeStrategy",
    "SpreadStrategy",
]
