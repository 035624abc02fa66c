"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.freqai import DirectionRegressor


class SpreadDirectionRegressor(DirectionRegressor):
    """Predicts the next move of a spread or a coin, and how probable its direction is."""
