"""What a person sees and wishes of the risk rules of a bot, through its database."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, inspect, text

from freqtrade_ext.adapters._account_watch import ACCOUNT, RECOVERY, WISH, read_state
from freqtrade_ext.adapters.checks import open_database
from freqtrade_ext.adapters.market_data import load_bot_configuration
from freqtrade_ext.adapters.risk_settings import change_stoploss_guard, stoploss_guard_of
from freqtrade_ext.adapters.risk_store import RiskTable
from freqtrade_ext.risk import (
    AccountState,
    RecoveryState,
    RiskSettings,
    StoplossGuardSettings,
)
from freqtrade_ext.settings import load_part

__all__ = ["ActiveLock", "RiskControl", "risk_control"]


@dataclass(frozen=True, slots=True)
class ActiveLock:
    """A lock of Freqtrade's that holds now; the market ``*`` is all of them."""

    market: str
    until: datetime
    reason: str


class RiskControl:
    """
    The risk rules of one bot.

    Parameters
    ----------
    engine : Engine
        Of the bot's database.
    settings : RiskSettings
        Of its configuration.
    """

    def __init__(self, engine: Engine, settings: RiskSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._table = RiskTable(engine)

    @property
    def account(self) -> AccountState:
        """Return the state of the account kill switch; raises CorruptStateError."""
        return read_state(self._table, ACCOUNT, AccountState)

    @property
    def recovery(self) -> RecoveryState:
        """Return the state of the portfolio recovery; raises CorruptStateError."""
        return read_state(self._table, RECOVERY, RecoveryState)

    @property
    def wish(self) -> Mapping[str, Any] | None:
        """Return what a person has asked for and the bot has not done yet."""
        return self._table.read(WISH)

    def reset_account(self) -> None:
        """Ask the bot to trade again; it obeys in its next loop, or at its next start."""
        self._table.save({WISH: {"kind": "reset"}}, _now_ms())

    def stop_account(self, reason: str) -> None:
        """Ask the bot to close everything and to enter nothing until a reset."""
        self._table.save({WISH: {"kind": "stop", "reason": reason}}, _now_ms())

    @property
    def guard(self) -> StoplossGuardSettings:
        """Return the settings of the stop-loss guard that hold now; raises ConfigError."""
        return stoploss_guard_of(self._settings, self._table)

    def change_guard(self, values: Mapping[str, Any] | None) -> StoplossGuardSettings:
        """Change settings of the guard, or take all changes back; raises ConfigError."""
        return change_stoploss_guard(self._settings, self._table, values, _now_ms())

    def locks(self, now: datetime) -> list[ActiveLock]:
        """Return Freqtrade's locks that hold now, the longest last."""
        if not inspect(self._engine).has_table("pairlocks"):
            return []
        query = text("SELECT pair, lock_end_time, reason FROM pairlocks WHERE active = :active")
        with self._engine.connect() as connection:
            rows = connection.execute(query, {"active": True}).all()
        locks = [ActiveLock(pair, _utc(until), reason or "") for pair, until, reason in rows]
        return sorted((lock for lock in locks if lock.until > now), key=lambda lock: lock.until)


@contextmanager
def risk_control(files: list[str]) -> Iterator[RiskControl]:
    """
    Open the risk rules of a bot that has run.

    Raises
    ------
    ConfigError
        If the configuration is wrong, or there is no database yet.
    """
    raw = load_bot_configuration(files).raw
    settings = load_part(raw.get("ext"), "risk", RiskSettings, source=", ".join(files))
    with open_database(files) as engine:
        yield RiskControl(engine, settings)


def _utc(moment: datetime | str) -> datetime:
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found if found.tzinfo else found.replace(tzinfo=UTC)  # columns have no zone: UTC


def _now_ms() -> int:
    return int(time.time() * 1000)
