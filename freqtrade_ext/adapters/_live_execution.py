"""Execution of one live bot: guard, gate, watcher, reconciliation, lease, orderly end."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from freqtrade.enums import State
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._account import Account
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._ccxt_venue import CcxtVenue
from freqtrade_ext.adapters._lease import LeaseHealth
from freqtrade_ext.adapters._order_gate import OrderGate, OrderOwner
from freqtrade_ext.adapters._pass_diary import PassDiary
from freqtrade_ext.adapters._shutdown import OrderlyStop
from freqtrade_ext.adapters._watcher import Watcher, own_connection
from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import DifferenceKind, RecoveryReport, RequestBudget
from freqtrade_ext.settings import ExecutionSettings

_LOCK_SECONDS: Final = 5.0
# A stop that comes back at once has another reason; a person is needed then.
_PUT_OFFS: Final = 12
_LEARN_EVERY_MS: Final = 60_000
_SETTINGS_WEIGHT: Final = 5  # of Binance's symbolConfig
_HELD_BACK: Final = {
    LeaseHealth.SUSPENDED: "the database takes no heartbeat",
    LeaseHealth.LOST: "another bot has taken this account",
}

__all__ = ["ExecutionOwner", "LiveExecution"]

logger = logging.getLogger(__name__)


class ExecutionOwner(OrderOwner, Protocol):
    """The strategy's side: whose orders they are, and whether its positions are whole."""

    def markets(self) -> frozenset[str]:
        """Return the markets that this bot may trade."""

    def is_at_rest(self) -> bool:
        """Whether no position is on its way from one state to another."""


class LiveExecution:
    """
    Everything between a live bot of Freqtrade's and its exchange.

    Parameters
    ----------
    strategy : IStrategy
        Gives access to the bot.
    settings : ExecutionSettings
    owner : ExecutionOwner
    """

    def __init__(self, strategy: Any, settings: ExecutionSettings, owner: ExecutionOwner) -> None:
        self._bot = bot_of(strategy)
        self._owner = owner
        exchange = self._bot.exchange
        self._account = Account.open(exchange, self._bot.config, strategy, settings, owner.markets)
        self.guard = self._account.guard
        self.gate = OrderGate(
            exchange,
            self._account.venue,
            self.guard,
            owner,
            self._account.store.by_venue_order,
            self._account.books.has_order,
            self._account.clock,
        )
        self._own_api = own_connection(exchange._api)
        self._budget = RequestBudget(settings.watch_weight_per_minute)
        self._watcher = Watcher(
            CcxtVenue(exchange, self._own_api),
            self._budget,
            self._busy_markets,
            self._beat,
            self._account.clock,
            settings.watch_every_seconds,
        )
        self.stop = OrderlyStop(
            self.is_at_rest, lambda: self._bot.state != State.STOPPED, settings.shutdown_seconds
        )
        self._diary = PassDiary()
        self._lease_health = LeaseHealth.HELD
        self._stop_is_put_off = 0
        self._learnt_ms = self._account.clock.now_ms()
        self._active: frozenset[str] = frozenset()

    def start(self, then: Callable[[], None] | None = None) -> RecoveryReport:
        """
        Take the account, learn what became of earlier orders, and guard what is sent now.

        Parameters
        ----------
        then : callable, optional
            Called as soon as the books have what was found, before the report is complete.
        """
        self._account.lease.take()
        self.gate.install(sorted(self._owner.markets()))
        self.stop.install()
        return self._account.recover(then)

    def watch(self) -> None:
        """Watch the account from now on."""
        self._watcher.start()
        logger.info(
            "[SAFETY] order guard is on: every order is written down before it is sent, unknown "
            "outcomes are looked up, the account is watched"
        )

    @contextmanager
    def fresh_books(self) -> Iterator[None]:
        """
        Hold the books as they are committed: nobody else changes them meanwhile.

        REST and Telegram change trades in threads of their own, with sessions of their own; the
        commit makes this thread read them again.
        """
        with self._bot._exit_lock:
            Trade.commit()
            yield

    def loop(self) -> None:
        """Do what is due at the start of a loop of the bot; inside `fresh_books`."""
        self.stop.check()
        if self._lease_health is LeaseHealth.LOST:
            self._bot.state = State.STOPPED
            raise VenueError("the account is traded by another bot; this one has stopped")
        if not self._watcher.is_alive:
            logger.error("[SAFETY] the watcher had stopped and is started again")
            self._watcher.stop()
            self._watcher.start()
        if self._stop_is_put_off and self.is_at_rest():
            self._stop_is_put_off = 0
            self._bot.state = State.STOPPED
            logger.info("[SAFETY] every spread is whole or flat: the bot has stopped")
        self._account.books.mend()
        self._account.books.drop_empty()
        self._active = frozenset(trade.pair for trade in Trade.get_open_trades())
        self._reconcile()

    @answer_on_error(None)
    def _reconcile(self) -> None:
        snapshot = self._watcher.take()
        reconciler = self._account.reconciler
        if snapshot is None:
            self._diary.write(reconciler.catch_up())
        else:
            seen = reconciler.act(snapshot)
            self._diary.write_look(seen)
            for difference in seen.differences:
                if difference.kind is DifferenceKind.SETTINGS_MISMATCH:
                    self.gate.forget_settings(difference.market)

    def is_at_rest(self) -> bool:
        """Whether no order is in flight and every position is whole."""
        questions = self.guard.open_questions() or self.guard.unbooked()
        return not questions and self._owner.is_at_rest()

    def is_open_question(self, client_order_id: str) -> bool:
        """Whether an order was sent and its outcome is unknown; says so without the database."""
        # The guard has every open question in memory. Of any other name only the store could tell,
        # and one that cannot be read must not keep an order that reduces.
        questions = self.guard.open_questions()
        return any(intent.client_order_id == client_order_id for intent in questions)

    def is_unsettled(self, client_order_id: str) -> bool:
        """Whether an order may be on the exchange without being in the books."""
        intent = self.guard.find(client_order_id)
        return intent is not None and intent.is_unsettled

    def name_of(self, market: str, venue_order_id: str) -> str | None:
        """Return the client order id of a spread's order; None for every other order."""
        intent = self._account.store.by_venue_order(market, venue_order_id)
        return intent.client_order_id if intent is not None and intent.owner else None

    def unsettled_markets(self) -> frozenset[str]:
        """Markets with an order whose outcome is unknown, or that the books do not show."""
        intents = (*self.guard.open_questions(), *self.guard.unbooked())
        return frozenset(intent.market for intent in intents)

    def end(self) -> None:
        """Stop watching and give the account back; no order leaves this bot any more."""
        self._watcher.stop()
        self.stop.remove()
        # REST still answers for a moment; an order of a person must not go past the guard.
        is_free = self._bot._exit_lock.acquire(timeout=_LOCK_SECONDS)
        try:
            self.gate.close("the bot ends")
        finally:
            if is_free:
                self._bot._exit_lock.release()
        self._account.lease.release()

    def _busy_markets(self) -> frozenset[str]:
        return self._active | self.unsettled_markets()

    def _beat(self) -> None:
        self._keep_lease()
        self._put_off_stop()
        self._learn_settings()

    def _learn_settings(self) -> None:
        """Notice a leverage or margin mode that somebody else has changed, position or not."""
        now_ms = self._account.clock.now_ms()
        is_due = now_ms - self._learnt_ms >= _LEARN_EVERY_MS
        if is_due and self._budget.afford(_SETTINGS_WEIGHT, now_ms):
            self._learnt_ms = now_ms
            self.gate.learn_settings(self._own_api, sorted(self._owner.markets()))

    def _keep_lease(self) -> None:
        """Send nothing that adds unless the account is known to be ours; exits always may leave."""
        before, health = self._lease_health, self._account.lease.heartbeat()
        self._lease_health = health
        self.gate.hold_back(_HELD_BACK.get(health, ""))
        if health is before:
            return
        if health is LeaseHealth.HELD:
            logger.info("[SAFETY] the lease of the account is renewed again")
        else:
            logger.critical("[SAFETY] no order that adds is sent: %s", _HELD_BACK[health])

    def _put_off_stop(self) -> None:
        """
        Go on without entries when a bot is stopped with half a spread.

        A stopped Freqtrade asks its strategy nothing, so nobody would complete or unwind it.
        """
        if self._bot.state != State.STOPPED or self.is_at_rest():
            return
        if self._stop_is_put_off >= _PUT_OFFS or self._lease_health is LeaseHealth.LOST:
            return
        self._stop_is_put_off += 1
        self._bot.state = State.PAUSED
        logger.warning(
            "[SAFETY] the bot was stopped with a spread on its way: it goes on without entries "
            "until every spread is whole or flat, then it stops"
        )


def bot_of(strategy: Any) -> Any:
    """Return the running FreqtradeBot of a strategy; see docs/architecture.md."""
    return strategy.dp._DataProvider__rpc._rpc._freqtrade
