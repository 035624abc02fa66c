"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.strategies import SpreadStrategy


class SpreadArbitrage(SpreadStrategy):
    """Market-neutral trading of the cointegrated spreads in pairs_config.json."""
