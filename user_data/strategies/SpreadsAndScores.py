"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.strategies import CombinedStrategy


class SpreadsAndScores(CombinedStrategy):
    """The spreads in pairs_config.json, and scored positions in all other markets."""
