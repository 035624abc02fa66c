"""Several losing stops in a short time let entries rest."""

from datetime import datetime
from typing import Any

from freqtrade.plugins.protections import ProtectionReturn

from freqtrade_ext.adapters._closed_trades import closed_since
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters.protections._rule_protection import RuleProtection, locked
from freqtrade_ext.risk import stoploss_lock

__all__ = ["StoplossFrequencyGuard"]


class StoplossFrequencyGuard(RuleProtection):
    """
    Counts every losing stop-like exit; the two legs of a spread are one.

    Freqtrade's own StoplossGuard counts Freqtrade's own reasons only, and each leg.
    """

    has_global_stop = True
    has_local_stop = True

    def short_desc(self) -> str:
        """Say what it does, for the message at the start."""
        guard = self.settings().stoploss_guard
        if not guard.enabled:
            return f"{self.name} - off (ext.risk.stoploss_guard.enabled)"
        return (
            f"{self.name} - {guard.stops} losing stops within {guard.window_minutes} minutes lock "
            f"entries for {guard.lock_minutes} minutes, scope {guard.scope}"
        )

    def global_stop(
        self, date_now: datetime, side: str, starting_balance: float
    ) -> ProtectionReturn | None:
        """Lock all markets under scope ``global``."""
        return self._lock(date_now, None)

    def stop_per_pair(
        self, pair: str, date_now: datetime, side: str, starting_balance: float
    ) -> ProtectionReturn | None:
        """Lock a market under scope ``market``."""
        return self._lock(date_now, pair)

    def _lock(self, now: datetime, pair: str | None) -> ProtectionReturn | None:
        guard: Any = self.settings().stoploss_guard
        closed = closed_since(now, guard.window_minutes + guard.lock_minutes)
        return locked(stoploss_lock(closed, to_ms(now), guard, market=pair))
