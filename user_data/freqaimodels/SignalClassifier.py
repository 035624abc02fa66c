"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.freqai import CandleClassifier


class SignalClassifier(CandleClassifier):
    """Classifies candles as buy, hold or sell, with calibrated probabilities."""
