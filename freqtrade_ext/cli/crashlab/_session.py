"""A bot on a stage, as a scenario sees it: arm, trade, wait, kill, restart, look."""

import json
import os
import signal
import threading
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from freqtrade_ext.cli.crashlab._judge import Difference, ExchangeView, differences, is_naked
from freqtrade_ext.cli.crashlab._other_hands import left_to_others, without_others
from freqtrade_ext.cli.crashlab._stage import CrashStage
from freqtrade_ext.errors import ExtensionError
from freqtrade_ext.sandbox import Event, Fault, FaultPlan, SpreadLegs
from freqtrade_ext.sandbox.engine import (
    CancelAllOrders,
    CancelAllTriggers,
    CloseExternally,
    Exchange,
)
from freqtrade_ext.sandbox.journal import RequestAnswered
from freqtrade_ext.sandbox.server import wall_clock
from freqtrade_ext.spreads import load_book

__all__ = ["NotFiredError", "NotTradedError", "Sample", "Session", "StoppedError", "exchange_view"]

START_SECONDS: Final = 60.0
ENTRY_SECONDS: Final = 200.0
FIRE_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.3


class NotTradedError(ExtensionError):
    """The strategy sent no order within the patience: nothing was rehearsed."""


class StoppedError(ExtensionError):
    """The rehearsal was interrupted."""


class NotFiredError(ExtensionError):
    """The fault did not happen within the patience: nothing was rehearsed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Exchange and books at a moment; `differences` None: the database could not be read."""

    time_ms: int
    view: ExchangeView
    differences: tuple[Difference, ...] | None
    open_trades: int
    naked: bool

    @property
    def is_well(self) -> bool:
        """Books and exchange agree, no leg is naked, nothing is on its way."""
        return self.differences == () and not self.naked and not self.view.working

    @property
    def has_unknown(self) -> bool:
        """The exchange has something that the books do not know."""
        return any(one.is_orphan for one in self.differences or ())

    @property
    def is_pristine(self) -> bool:
        """Flat, and no order of another hand is left either."""
        return self.is_flat and not self.view.foreign

    @property
    def is_flat(self) -> bool:
        """Nothing of the bot's is held, ordered or booked."""
        return not (self.view.held or self.view.orders or self.open_trades)


class Session:
    """
    A running bot and what has been seen of it.

    Parameters
    ----------
    stage : CrashStage
        Prepared, its server running.
    stopping : threading.Event
        Set when the rehearsal is to end.
    """

    def __init__(self, stage: CrashStage, stopping: threading.Event) -> None:
        self.stage, self.stopping = stage, stopping
        self.bot = stage.bot()
        self.rehearsal = stage.stage.rehearsal
        self.spreads = _legs_of(stage)
        self.intents = stage.settings.execution.guard
        self.samples: list[Sample] = []
        self.notes: list[str] = []
        self.fired = False
        self.fault_end_ms = 0
        self.begin_ms = 0

    def now_ms(self) -> int:
        """Time on the exchange's and everybody's clock."""
        return wall_clock()

    # The bot

    def start_bot(self) -> None:
        """Start the bot and wait until it runs."""
        self.bot.start()
        self.bot.wait_until_running(START_SECONDS)

    def kill_now(self) -> None:
        """Kill -9; from any thread."""
        self.bot.send(signal.SIGKILL)

    def wait_dead(self, seconds: float = FIRE_SECONDS) -> None:
        """Wait until the bot is dead, by its own hand or the lab's."""
        self.wait("the bot's death", lambda: not self.bot.is_alive, seconds)
        self.mark_fired()

    def restart(self) -> None:
        """Start a bot that was killed; what was armed is armed no more."""
        self.disarm()
        self.start_bot()

    def keep_alive(self) -> None:
        """Start a bot that has ended by itself again, as a container would."""
        if not self.bot.is_alive:
            self.notes.append("the bot ended by itself and was started again")
            self.restart()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the bot's REST API; None if it does not answer: a rehearsal may be the reason."""
        try:
            return self.bot.call(method, path, body)
        except (urllib.error.URLError, ConnectionError, TimeoutError, json.JSONDecodeError):
            return None

    def trade(self) -> None:
        """Allow entries."""
        self.ask("POST", "start")

    def stop_entries(self) -> None:
        """Allow no more entries."""
        self.ask("POST", "stopentry")

    # Faults

    def inject(self, *faults: Fault) -> None:
        """Let requests go wrong from now on."""
        plan = self.rehearsal.server.faults
        self.rehearsal.server.call(lambda: _add(plan, faults))

    def pending(self) -> list[Fault]:
        """Faults that are still to come."""
        return self.rehearsal.server.call(lambda: self.rehearsal.server.faults.pending)

    def wait_fired(self, seconds: float = FIRE_SECONDS) -> None:
        """Wait until every fault has happened."""
        self.wait(lambda: f"fault: {self.pending()}", lambda: not self.pending(), seconds)
        self.mark_fired()

    def mark_fired(self) -> None:
        """Note that the fault has happened and is over."""
        self.fired = True
        self.fault_end_ms = wall_clock()

    def drop_faults(self) -> None:
        """Take back the faults that are still to come."""
        self.rehearsal.server.faults = FaultPlan()

    def orders_sent(self) -> int:
        """Number of order requests since the run began."""
        return sum(_sends_order(event) for event in self.events() if event.time_ms >= self.begin_ms)

    def arm(self, step: str, **order: Any) -> None:
        """Arm a place in the bot, see `freqtrade_ext.adapters.lab_crash_points`."""
        self.fired_file.unlink(missing_ok=True)
        document = {"step": step, "intents": self.intents, "fired": str(self.fired_file)} | order
        document["serial"] = time.monotonic_ns()  # arming the same again is another order
        temporary = self.stage.armed_file.with_suffix(".new")
        temporary.write_text(json.dumps(document), "utf-8")
        os.replace(temporary, self.stage.armed_file)

    def disarm(self) -> None:
        """Take back what is armed."""
        self.stage.armed_file.unlink(missing_ok=True)

    def wait_marked(self, seconds: float = FIRE_SECONDS) -> None:
        """Wait until the bot has reached what was armed."""
        self.wait("what was armed in the bot", self.fired_file.exists, seconds)
        self.mark_fired()

    @property
    def fired_file(self) -> Path:
        """File that the bot writes when it reaches the place."""
        return self.stage.folder / "fired.txt"

    # Looking

    def on_exchange(self, function: Callable[[Exchange], Any]) -> Any:
        """Look into the exchange, in the thread that owns it."""
        exchange = self.rehearsal.exchange
        return self.rehearsal.server.call(lambda: function(exchange))

    def look(self) -> Sample:
        """Compare exchange and books now, and remember it."""
        from freqtrade_ext.adapters.lab_books import read_bot_books

        now_ms = wall_clock()
        view: ExchangeView = self.on_exchange(exchange_view)
        books = read_bot_books(self.stage.stage.database)
        if books is not None:
            view = without_others(view, self._left_to_others, books.held, books.reported)
        found = None if books is None else tuple(differences(view, books.held, books.known_orders))
        trades = 0 if books is None else books.open_trades
        sample = Sample(now_ms, view, found, trades, is_naked(view, self.spreads))
        self.samples.append(sample)
        return sample

    def _left_to_others(self) -> Mapping[str, float]:
        return left_to_others(self.events(), self.begin_ms)

    def known_orders(self) -> frozenset[str]:
        """Venue ids that the bot's database shows."""
        from freqtrade_ext.adapters.lab_books import read_bot_books

        books = read_bot_books(self.stage.stage.database)
        return frozenset() if books is None else books.known_orders

    def events(self) -> tuple[Event, ...]:
        """The exchange's journal."""
        return self.rehearsal.server.call(lambda: tuple(self.rehearsal.journal.events))

    def held(self) -> Mapping[str, float]:
        """Positions on the exchange."""
        view: ExchangeView = self.on_exchange(exchange_view)
        return view.held

    def wait(self, what: str | Callable[[], str], done: Callable[[], bool], seconds: float) -> None:
        """
        Wait until something is so, looking at exchange and books all the while.

        Raises
        ------
        NotFiredError
            If it takes too long.
        """
        if not self.waits(done, seconds):
            text = what if isinstance(what, str) else what()
            raise NotFiredError(f"waited {seconds:.0f} s in vain for {text}")

    def waits(self, done: Callable[[], bool], seconds: float) -> bool:
        """
        Wait until something is so; whether it became so in time.

        Raises
        ------
        StoppedError
            If the rehearsal is interrupted.
        """
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                return False
            self.look()
            if self.stopping.wait(_LOOK_SECONDS):
                raise StoppedError("interrupted")
        return True

    def pause(self, seconds: float) -> None:
        """Let time pass, looking."""
        self.waits(lambda: False, seconds)

    def wait_open(self, seconds: float = ENTRY_SECONDS) -> None:
        """
        Wait until a spread is open and hedged, and the books know it.

        Raises
        ------
        NotTradedError
            If that does not happen.
        """
        if not self.waits(lambda: len(self.held()) >= 2 and self.look().is_well, seconds):
            raise NotTradedError(f"no spread was opened within {seconds:.0f} s")

    def wait_order(self, seconds: float = ENTRY_SECONDS) -> None:
        """
        Wait until the bot has sent an order in this run, or has died of wanting to.

        Raises
        ------
        NotTradedError
            If it does not.
        """
        if not self.waits(self._has_ordered, seconds):
            raise NotTradedError(f"no order was sent within {seconds:.0f} s")

    def _has_ordered(self) -> bool:
        if not self.bot.is_alive:
            return True
        journal = self.rehearsal.journal

        def ordered() -> bool:
            return any(
                event.time_ms >= self.begin_ms and _sends_order(event)
                for event in reversed(journal.events[-3_000:])
            )

        return self.rehearsal.server.call(ordered)

    # The end of a run

    def end_spread(self, seconds: float, natural_seconds: float = 12.0) -> bool:
        """End what is open, by the strategy or by /forceexit; whether all is flat in time."""
        self.stop_entries()
        if self.waits(lambda: self.look().is_flat, natural_seconds):
            return True
        self.ask("POST", "forceexit", {"tradeid": "all"})
        if not self.look().open_trades:  # nobody is there who could end anything
            seconds = min(seconds, natural_seconds)
        return self.waits(lambda: self.look().is_flat, seconds)

    def clean_up(self) -> None:
        """Bring a stage that a run has left dirty back to the beginning."""
        self.disarm()
        self.bot.send(signal.SIGKILL)
        self.bot.kill()
        self.rehearsal.server.call(lambda: _flatten(self.rehearsal.exchange))
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.stage.stage.database}{suffix}").unlink(missing_ok=True)

    def begin(self) -> None:
        """Begin a run: nothing seen, nothing armed, the bot running and not entering yet."""
        self.disarm()
        if not self.bot.is_alive:
            self.start_bot()
        self.stop_entries()
        self.samples.clear()
        self.notes.clear()
        self.fired = False
        self.begin_ms = self.fault_end_ms = wall_clock()


def exchange_view(exchange: Exchange) -> ExchangeView:
    """Read what the exchange holds and has in its books."""
    held = {one.symbol: float(one.quantity) for one in exchange.account.held}
    working = [order for order in exchange.book.working() if order.origin != "external"]
    waiting = exchange.book.waiting()
    orders = {str(order.venue_order_id): order.symbol for order in working}
    return ExchangeView(
        held=held,
        lots={name: float(one.step_size) for name, one in exchange.market.instruments.items()},
        prices={symbol: float(exchange.mark_price(symbol)) for symbol in held},
        orders=orders | {str(stop.trigger_id): stop.symbol for stop in waiting},
        working=len(working),
        foreign=len(exchange.book.working()) - len(working),
    )


def _add(plan: FaultPlan, faults: Sequence[Fault]) -> None:
    for fault in faults:
        plan.add(fault)


def _sends_order(event: Event) -> bool:
    return (
        isinstance(event, RequestAnswered)
        and event.method == "POST"
        and event.path.endswith(("/order", "/batchOrders"))
    )


def _flatten(exchange: Exchange) -> None:
    now_ms = wall_clock()
    for order in exchange.book.working():
        exchange.handle(CancelAllOrders(order.symbol), now_ms)
    for stop in exchange.book.waiting():
        exchange.handle(CancelAllTriggers(stop.symbol), now_ms)
    for position in list(exchange.account.held):
        exchange.handle(CloseExternally(position.symbol, Decimal(1)), now_ms)


def _legs_of(stage: CrashStage) -> list[SpreadLegs]:
    book = load_book(stage.folder / stage.settings.spreads.book)
    return [
        SpreadLegs(_symbol(spec.leg_a), _symbol(spec.leg_b), spec.hedge_ratio)
        for spec in book.spreads
    ]


def _symbol(market: str) -> str:
    return market.split(":")[0].replace("/", "")
