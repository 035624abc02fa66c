"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.freqai import OutcomeClassifier


class TradeOutcomeModel(OutcomeClassifier):
    """Says how probable a gain is, learned from closed trades."""
