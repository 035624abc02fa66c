"""What our protections have in common: settings that can change while the bot runs."""

from datetime import datetime
from typing import Any

from freqtrade.exceptions import OperationalException
from freqtrade.persistence import Trade
from freqtrade.plugins.protections import IProtection, ProtectionReturn

from freqtrade_ext.adapters._moments import from_ms
from freqtrade_ext.adapters.risk_settings import risk_settings_of
from freqtrade_ext.adapters.risk_store import RiskStore, RiskTable
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import Lock, RiskSettings

__all__ = ["RuleProtection", "locked"]


class RuleProtection(IProtection):
    """A protection whose rule is a pure function; ``ext.risk`` has its settings."""

    def __init__(self, config: dict[str, Any], protection_config: dict[str, Any]) -> None:
        super().__init__(config, protection_config)
        try:
            self.settings()
        except ConfigError as error:
            raise OperationalException(str(error)) from error

    def settings(self) -> RiskSettings:
        """Return the settings that hold now: a person may have changed them since the start."""
        # Neither a backtest nor the doctor has opened a database.
        session = getattr(Trade, "session", None) if Trade.use_db else None
        store: RiskStore | None = RiskTable(session.get_bind()) if session is not None else None
        return risk_settings_of(self._config, store)

    def global_stop(
        self, date_now: datetime, side: str, starting_balance: float
    ) -> ProtectionReturn | None:
        """Lock all markets; Freqtrade asks at each close."""
        return None

    def stop_per_pair(
        self, pair: str, date_now: datetime, side: str, starting_balance: float
    ) -> ProtectionReturn | None:
        """Lock one market; Freqtrade asks at each close."""
        return None


def locked(lock: Lock | None) -> ProtectionReturn | None:
    """Translate a lock of ours into Freqtrade's."""
    if lock is None:
        return None
    until = from_ms(lock.until_ms)
    return ProtectionReturn(lock=True, until=until, reason=lock.reason)
