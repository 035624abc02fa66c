"""The account-wide risk rules on a bot: kill switch, portfolio recovery, and what a person wishes.

States are loaded once and written whenever they change. A state that cannot be written (a full
disk) is an error, but what it says is obeyed all the same: the way out must not depend on a disk.
"""

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from freqtrade_ext.adapters._outbox import Outbox
from freqtrade_ext.adapters.risk_store import RiskStore
from freqtrade_ext.errors import StoreError
from freqtrade_ext.risk import (
    AccountState,
    CloseAll,
    CloseReason,
    Command,
    Notify,
    RecoveryState,
    RiskSettings,
    StopEntries,
    reset_account,
    stop_account,
    watch_account,
    watch_portfolio,
)

__all__ = ["ACCOUNT", "RECOVERY", "WISH", "AccountLook", "AccountWatch", "read_state"]

logger = logging.getLogger(__name__)

ACCOUNT: Final = "account"
RECOVERY: Final = "recovery"
WISH: Final = "account_wish"  # a person's: {"kind": "reset" | "stop", "reason": str}

State = TypeVar("State", AccountState, RecoveryState)


@dataclass(frozen=True, slots=True)
class AccountLook:
    """
    The account at one moment; NaN where a price is not known.

    Attributes
    ----------
    equity, unrealised : float
        Stake currency.
    atr_btc, atr_eth : float or None
        ATR as a ratio of the price.
    open_positions : int
    now_ms : int
    """

    equity: float
    unrealised: float
    atr_btc: float | None
    atr_eth: float | None
    open_positions: int
    now_ms: int


class AccountWatch:
    """
    Account kill switch and portfolio recovery.

    Parameters
    ----------
    store : RiskStore
        Where states and wishes are.
    settings : callable
        Returns the settings that hold now.
    outbox : Outbox
        Tells a person.

    Raises
    ------
    CorruptStateError
        If a state cannot be read: a person decides how to go on, the bot does not start.
    """

    def __init__(
        self,
        store: RiskStore,
        settings: Callable[[], RiskSettings],
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._settings = settings
        self._outbox = outbox
        self.account = read_state(store, ACCOUNT, AccountState)
        self.recovery = read_state(store, RECOVERY, RecoveryState)
        self._saved = (self.account, self.recovery)
        self.close_reason: CloseReason | None = None
        self.entries: StopEntries | None = None

    def look(self, look: AccountLook) -> None:
        """
        Look at the account; afterwards `close_reason` and `entries` say what holds.

        Raises
        ------
        StoreError
            If the states cannot be written; what holds is said all the same.
        """
        self._take_wish(look)
        settings = self._settings()
        self.account, first = watch_account(
            look.equity, self.account, look.now_ms, settings.account
        )
        self.recovery, second = watch_portfolio(
            look.unrealised,
            look.equity,
            look.atr_btc,
            look.atr_eth,
            self.recovery,
            look.now_ms,
            settings.recovery,
            open_positions=look.open_positions,
        )
        commands = [*first, *second]
        self._obey(commands)
        texts = [each.text for each in commands if isinstance(each, Notify)]
        for text in texts:
            logger.warning("[SAFETY] %s", text)
        self._save(texts, look.now_ms)

    def drawdown(self, equity: float) -> float:
        """Return the loss from the peak of equity as a ratio; NaN for an unknown equity."""
        return self.account.drawdown(equity)

    def _take_wish(self, look: AccountLook) -> None:
        """Do what a person has asked for; the wish is gone when the state is saved."""
        wish = self._store.read(WISH)
        if wish is None:
            return
        if wish.get("kind") == "reset":
            account = reset_account(self.account, look.equity)
            text = "Account kill switch: reset by a person; entries are allowed again."
        else:
            reason = str(wish.get("reason") or "stopped by a person")
            account = stop_account(self.account, look.now_ms, reason)
            text = f"Account kill switch: {reason}. All is closed; entries are stopped."
        documents = {ACCOUNT: _document(account), WISH: None}
        self._outbox.tell_with(documents, [text], look.now_ms)
        self.account, self._saved = account, (account, self._saved[1])

    def _save(self, texts: list[str], now_ms: int) -> None:
        account, recovery = self._saved
        changed: dict[str, Any] = {}
        if account != self.account:
            changed[ACCOUNT] = _document(self.account)
        if recovery != self.recovery:
            changed[RECOVERY] = _document(self.recovery)
        try:
            self._outbox.tell_with(changed, texts, now_ms)
        except StoreError:
            for text in texts:  # they are of this look only
                self._outbox.say(text)
            raise
        self._saved = (self.account, self.recovery)

    def _obey(self, commands: Sequence[Command]) -> None:
        closes = [each.reason for each in commands if isinstance(each, CloseAll)]
        stops = [each for each in commands if isinstance(each, StopEntries)]
        self.close_reason = closes[0] if closes else None
        # Without an end, or the later one.
        self.entries = max(stops, key=_end_of, default=None)


def read_state(store: RiskStore, name: str, kind: type[State]) -> State:
    """
    Read a state; an empty one where there is none.

    Raises
    ------
    CorruptStateError
        If it cannot be read.
    """
    document = store.read(name)
    if document is None:
        return kind()
    return kind.from_json(json.dumps(document), place=f"table ext_risk, row {name!r}")


def _document(state: AccountState | RecoveryState) -> dict[str, Any]:
    return dict(json.loads(state.to_json()))


def _end_of(stop: StopEntries) -> float:
    return math.inf if stop.until_ms is None else float(stop.until_ms)
