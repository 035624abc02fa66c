"""Execution of one live bot: guard, gate, watcher, reconciliation, lease, orderly end."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Protocol

from freqtrade.enums import State
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_minutes
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._book_keeper import BotSide, FreqtradeBooks
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._ccxt_venue import CcxtVenue, unsupported_reason
from freqtrade_ext.adapters._lease import AccountLease
from freqtrade_ext.adapters._order_gate import OrderGate, OrderOwner
from freqtrade_ext.adapters._shutdown import OrderlyStop
from freqtrade_ext.adapters._watcher import Watcher, own_connection
from freqtrade_ext.adapters.execution_store import InboxTable, IntentTable
from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import GuardPolicy, IntentState, OrderGuard, Reconciler, RequestBudget
from freqtrade_ext.settings import ExecutionSettings

__all__ = ["ExecutionOwner", "LiveExecution", "SystemClock"]

logger = logging.getLogger(__name__)


class SystemClock:
    """The real time."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""
        return int(time.time() * 1000)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


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
        reason = unsupported_reason(exchange.id)
        if reason is not None:
            raise OperationalException(
                f"ext.execution.guard: {reason}; set it to false to trade without protection "
                "against lost orders"
            )
        self.clock = SystemClock()
        engine = Trade.session.get_bind()
        self._store = IntentTable(engine)
        self._venue = CcxtVenue(exchange, batch=settings.batch_orders)
        policy = GuardPolicy(
            patience_ms=round(settings.patience_seconds * 1000),
            settling_ms=round(settings.settling_seconds * 1000),
        )
        self.guard = OrderGuard(self._venue, self._store, self.clock, policy)
        self.gate = OrderGate(
            exchange, self._venue, self.guard, owner, self._store.by_venue_order, self.clock
        )
        books = FreqtradeBooks(bot_side(self._bot, strategy), owner.markets, self.guard)
        self.reconciler = Reconciler(
            self._venue,
            self.guard,
            books,
            settings.policies,
            InboxTable(engine),
            self.clock,
            lambda market: Decimal(str(exchange.get_precision_amount(market) or 0)),
        )
        self._lease = AccountLease(self._bot.config, engine, self.clock)
        self._watcher = Watcher(
            CcxtVenue(exchange, own_connection(exchange._api)),
            RequestBudget(settings.watch_weight_per_minute),
            self._busy_markets,
            self._beat,
            self.clock,
            settings.watch_every_seconds,
        )
        self.stop = OrderlyStop(
            self.is_at_rest, lambda: self._bot.state != State.STOPPED, settings.shutdown_seconds
        )
        self._lease_is_lost = False
        self._active: frozenset[str] = frozenset()

    def start(self) -> None:
        """Take the account, learn what became of earlier orders, and guard what is sent now."""
        self._lease.take()
        self.guard.restore()
        self.gate.install(sorted(self._owner.markets()))
        self.stop.install()
        self._active = self._owner.markets()

    def recover(self) -> Any:
        """Reconcile with the exchange before the first loop."""
        return self.reconciler.run_until_quiet()

    def watch(self) -> None:
        """Watch the account from now on."""
        self._watcher.start()
        logger.info(
            "[SAFETY] order guard is on: every order is written down before it is sent, unknown "
            "outcomes are looked up, the account is watched"
        )

    def loop(self) -> None:
        """Do what is due at the start of a loop of the bot."""
        self.stop.check()
        if self._lease_is_lost:
            self._bot.state = State.STOPPED
            raise VenueError("the account is traded by another bot; this one has stopped")
        with self._books():
            self._reconcile()

    @contextmanager
    def _books(self) -> Iterator[None]:
        """Keep the REST interface and Telegram from changing the books meanwhile."""
        with self._bot._exit_lock:
            yield

    @answer_on_error(None)
    def _reconcile(self) -> None:
        snapshot = self._watcher.take()
        if snapshot is None:
            self.reconciler.catch_up()
        else:
            self.reconciler.act(snapshot)

    def is_at_rest(self) -> bool:
        """Whether no order is in flight and every position is whole."""
        questions = self.guard.open_questions() or self.guard.unbooked()
        return not questions and self._owner.is_at_rest()

    def is_unsettled(self, client_order_id: str) -> bool:
        """Whether an order may be on the exchange without being in the books."""
        intent = self.guard.find(client_order_id)
        if intent is None:
            return False
        on_exchange = intent.state is IntentState.CONFIRMED and not intent.is_booked
        return intent.state.is_open_question or on_exchange

    def name_of(self, market: str, venue_order_id: str) -> str | None:
        """Return the client order id of a spread's order; None for every other order."""
        intent = self._store.by_venue_order(market, venue_order_id)
        return intent.client_order_id if intent is not None and intent.owner else None

    def unsettled_markets(self) -> frozenset[str]:
        """Markets with an order whose outcome is unknown, or that the books do not show."""
        intents = (*self.guard.open_questions(), *self.guard.unbooked())
        return frozenset(intent.market for intent in intents)

    def end(self) -> None:
        """Stop watching and give the account back."""
        self._watcher.stop()
        self.stop.remove()
        self.gate.remove()
        self._lease.release()

    def note_active(self, markets: frozenset[str]) -> None:
        """Say which markets have something going on."""
        self._active = markets

    def _busy_markets(self) -> frozenset[str]:
        return self._active | self.unsettled_markets()

    def _beat(self) -> None:
        if not self._lease.heartbeat() and not self._lease_is_lost:
            self._lease_is_lost = True
            logger.critical("[SAFETY] another bot has taken this account: no more orders")


def bot_of(strategy: Any) -> Any:
    """Return the running FreqtradeBot of a strategy; see docs/architecture.md."""
    return strategy.dp._DataProvider__rpc._rpc._freqtrade


def bot_side(bot: Any, strategy: Any) -> BotSide:
    """Gather what an adopted trade needs to know of the bot."""
    return BotSide(
        exchange=bot.exchange,
        strategy_name=strategy.get_strategy_name(),
        stoploss=float(strategy.stoploss),
        stake_currency=bot.config["stake_currency"],
        timeframe_minutes=timeframe_to_minutes(bot.config["timeframe"]),
        trading_mode=bot.trading_mode,
        margin_mode=str(getattr(bot.margin_mode, "value", bot.margin_mode) or "").lower(),
    )
