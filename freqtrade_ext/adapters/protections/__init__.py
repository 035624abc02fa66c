"""Freqtrade protections; `user_data/protections` holds the subclasses that Freqtrade loads."""

from freqtrade_ext.adapters.protections._kill_switch import KillSwitchLock
from freqtrade_ext.adapters.protections._stoploss_frequency import StoplossFrequencyGuard

__all__ = ["KillSwitchLock", "StoplossFrequencyGuard"]
