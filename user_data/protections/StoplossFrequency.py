"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.protections import StoplossFrequencyGuard


class StoplossFrequency(StoplossFrequencyGuard):
    """Three losing stops in 60 minutes lock entries for 30 minutes."""
