"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.protections import KillSwitchLock


class KillSwitch(KillSwitchLock):
    """A market whose position met the kill switch is locked for 24 hours."""
