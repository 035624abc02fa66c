"""A market whose position met the kill switch is locked, also where the exchange's stop did it."""

from datetime import datetime

from freqtrade.plugins.protections import ProtectionReturn

from freqtrade_ext.adapters._closed_trades import trades_closed_since
from freqtrade_ext.adapters._exit_reasons import close_reason_of
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters.protections._rule_protection import RuleProtection, locked
from freqtrade_ext.risk import Lock, kill_switch_lock

__all__ = ["KillSwitchLock"]


class KillSwitchLock(RuleProtection):
    """
    Locks a market after a close by the kill switch.

    The strategy locks when it decides; this one also sees a stop on the exchange that carried the
    kill switch's price, and prolongs the lock from the close on.
    """

    has_global_stop = False
    has_local_stop = True

    def short_desc(self) -> str:
        """Say what it does, for the message at the start."""
        rule = self.settings().kill_switch
        if not rule.enabled:
            return f"{self.name} - off (ext.risk.kill_switch.enabled)"
        return (
            f"{self.name} - a market whose position lost {rule.full_loss:.0%} of its margin is "
            f"locked for {rule.lock_hours:g} hours"
        )

    def stop_per_pair(
        self, pair: str, date_now: datetime, side: str, starting_balance: float
    ) -> ProtectionReturn | None:
        """Lock the market of a trade that was closed by the kill switch."""
        rule = self.settings().kill_switch
        found: list[Lock] = []
        for trade in trades_closed_since(date_now, rule.lock_hours, pair):
            reason = close_reason_of(trade.exit_reason)
            if reason is None:
                continue
            closed_ms = to_ms(trade.close_date_utc)
            loss = -float(trade.close_profit or 0.0)
            lock = kill_switch_lock(pair, reason, closed_ms, rule, margin_loss=loss)
            found += [lock] if lock is not None else []
        return locked(max(found, key=lambda lock: lock.until_ms, default=None))
