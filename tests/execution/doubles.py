"""A venue, a store and a clock that are too simple to be wrong, and fail when they are told to."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    LEGAL_STEPS,
    Accepted,
    Answer,
    FillReport,
    Intent,
    IntentPurpose,
    IntentState,
    OrderGuard,
    OrderKind,
    OrderOutcome,
    OrderReport,
    OrderSide,
    OrderStatus,
    PositionReport,
    Rejected,
    Unanswered,
)

START_MS = 1_700_000_000_000
ETH, BTC = "ETH/USDT:USDT", "BTC/USDT:USDT"
D = Decimal
QUERIES = ("look_up", "open_orders", "orders", "fills", "positions")


class CrashError(BaseException):
    """The process dies here."""


@dataclass
class Fuse:
    """Kills the process at a step of its own choosing; the dead do nothing more."""

    steps_left: int | None = None
    is_dead: bool = False

    def step(self) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            self.is_dead = self.is_dead or self.steps_left < 0
        if self.is_dead:
            raise CrashError

    def rebirth(self) -> None:
        self.steps_left, self.is_dead = None, False


@dataclass
class ManualClock:
    """Time passes when somebody sleeps, or when a test says so."""

    ms: int = START_MS
    slept: list[float] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.ms

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.ms += round(seconds * 1000)

    def pass_ms(self, ms: int) -> None:
        self.ms += ms


@dataclass
class MemoryStore:
    """Survives the guard. `is_broken`: a full disk; `is_unreadable`: also when reading."""

    fuse: Fuse = field(default_factory=Fuse)
    intents: dict[str, Intent] = field(default_factory=dict)
    saves: list[Intent] = field(default_factory=list)
    is_broken: bool = False
    is_unreadable: bool = False

    def save(self, intent: Intent) -> None:
        self.fuse.step()
        if self.is_broken:
            raise StoreError("disk full")
        before = self.intents.get(intent.client_order_id)
        if before is not None:
            assert intent.state in reachable(before.state), (before.state, intent.state)
            assert intent.sent_ms == before.sent_ms
        self.intents[intent.client_order_id] = intent
        self.saves.append(intent)
        self.fuse.step()

    def find(self, client_order_id: str) -> Intent | None:
        self._read()
        return self.intents.get(client_order_id)

    def pending(self) -> Sequence[Intent]:
        self._read()
        return [
            intent
            for intent in self.intents.values()
            if intent.state.is_open_question
            or (intent.state is IntentState.CONFIRMED and not intent.is_booked)
        ]

    def since(self, time_ms: int) -> Sequence[Intent]:
        self._read()
        return [intent for intent in self.intents.values() if intent.created_ms >= time_ms]

    def state(self, client_order_id: str) -> IntentState:
        return self.intents[client_order_id].state

    def _read(self) -> None:
        if self.is_unreadable:
            raise StoreError("database is locked")


def reachable(state: IntentState) -> set[IntentState]:
    """States that legal steps lead to; a store that was broken for a while has missed some."""
    found = {state}
    while more := {after for before, after in LEGAL_STEPS if before in found} - found:
        found |= more
    return found


@dataclass
class VenueOrder:
    """An order that has arrived; nobody sees it before `visible_ms`."""

    report: OrderReport
    visible_ms: int
    moves_ms: int  # when the position shows it

    @property
    def fill(self) -> FillReport:
        report = self.report
        return FillReport(
            fill_id=f"f{report.venue_order_id}",
            venue_order_id=report.venue_order_id,
            market=report.market,
            side=report.side,
            quantity=report.filled_quantity,
            price=D(100),
            time_ms=report.time_ms,
        )


@dataclass
class SimpleVenue:
    """
    Fills every order at once, or leaves it on the book if it `rests`.

    `fates` says what happens to an order, by client order id: "accept" (when it says nothing),
    "reject", "lose" (it arrives, the answer does not), "drop" (it does not arrive), "raise" (it
    arrives, `submit` raises). `hidden_ms`: how long it, its fill and what it does to the position
    are kept back, the position only if it `moves_late`. `failing`: queries that fail.
    """

    clock: ManualClock = field(default_factory=ManualClock)
    fuse: Fuse = field(default_factory=Fuse)
    fates: dict[str, str] = field(default_factory=dict)
    hidden_ms: dict[str, int] = field(default_factory=dict)
    resting: set[str] = field(default_factory=set)
    moves_late: bool = True
    failing: set[str] = field(default_factory=set)
    arrived: list[VenueOrder] = field(default_factory=list)
    submits: list[list[str]] = field(default_factory=list)
    queries: list[tuple[str, str]] = field(default_factory=list)
    fill_list: list[FillReport] = field(default_factory=list)
    foreign_orders: list[OrderReport] = field(default_factory=list)
    held: dict[str, Decimal] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    entered: dict[str, threading.Event] = field(default_factory=dict)

    def submit(self, intents: Sequence[Intent]) -> Sequence[Answer]:
        self.fuse.step()
        self.submits.append([intent.client_order_id for intent in intents])
        for intent in intents:
            if intent.client_order_id in self.gates:
                self.entered[intent.client_order_id].set()
                assert self.gates[intent.client_order_id].wait(30)
        answers = [self._answer(intent) for intent in intents]
        self.fuse.step()
        if any(self._fate(intent) == "raise" for intent in intents):
            raise VenueError("connection reset")
        return answers

    def hold_back(self, client_order_id: str) -> tuple[threading.Event, threading.Event]:
        """Make `submit` wait with this order; return (it has got there, let it go on)."""
        self.entered[client_order_id], self.gates[client_order_id] = (
            threading.Event(),
            threading.Event(),
        )
        return self.entered[client_order_id], self.gates[client_order_id]

    def look_up(self, intent: Intent) -> OrderReport | None:
        self._ask("look_up", intent.client_order_id)
        return next(
            (
                report
                for report in self._visible()
                if report.client_order_id == intent.client_order_id
                and report.market == intent.market
            ),
            None,
        )

    def open_orders(self, market: str | None = None) -> Sequence[OrderReport]:
        self._ask("open_orders", market or "")
        reports = [*self._visible(), *self.foreign_orders]
        return [
            report
            for report in reports
            if not report.status.is_final and market in {None, report.market}
        ]

    def fills(self, market: str, since_ms: int) -> Sequence[FillReport]:
        self._ask("fills", market)
        own = [
            order.fill
            for order in self.arrived
            if order.visible_ms <= self.clock.ms and order.report.filled_quantity
        ]
        return [
            fill
            for fill in [*self.fill_list, *own]
            if fill.market == market and fill.time_ms >= since_ms
        ]

    def orders(self, market: str, since_ms: int) -> Sequence[OrderReport]:
        self._ask("orders", market)
        reports = [*self._visible(), *self.foreign_orders]
        return [
            report for report in reports if report.market == market and report.time_ms >= since_ms
        ]

    def positions(self) -> Mapping[str, PositionReport]:
        self._ask("positions", "")
        markets = {*self.held, *(order.report.market for order in self.arrived)}
        held = {market: self.position_of(market) for market in sorted(markets)}
        return {
            market: PositionReport(market, quantity, D(100), D(100), D(0))
            for market, quantity in held.items()
            if quantity
        }

    def position_of(self, market: str) -> Decimal:
        """Position of a market as it shows now; no query."""
        own = (
            order.report.signed_filled
            for order in self.arrived
            if order.report.market == market and order.moves_ms <= self.clock.ms
        )
        return self.held.get(market, D(0)) + sum(own, D(0))

    def cancel(self, order: OrderReport) -> None:
        raise AssertionError("the guard cancels nothing")

    def count(self, client_order_id: str) -> int:
        """How many orders with this client order id have ever arrived."""
        return sum(1 for order in self.arrived if order.report.client_order_id == client_order_id)

    def has(self, client_order_id: str) -> bool:
        return self.count(client_order_id) > 0

    def asked(self, query: str) -> int:
        return sum(1 for name, _ in self.queries if name == query)

    def _fate(self, intent: Intent) -> str:
        return self.fates.get(intent.client_order_id, "accept")

    def _answer(self, intent: Intent) -> Answer:
        fate = self._fate(intent)
        if fate == "reject":
            return Rejected("margin is insufficient", VenueError("-2019"))
        if fate == "drop":
            return Unanswered("timed out", VenueError("-1007"))
        report = self._arrive(intent)
        if fate == "lose":
            return Unanswered("timed out", VenueError("-1007"))
        return Accepted(
            replace(
                report,
                client_order_id=self.renames.get(report.client_order_id, "")
                or report.client_order_id,
            )
        )

    def _arrive(self, intent: Intent) -> OrderReport:
        name = intent.client_order_id
        rests = name in self.resting
        report = OrderReport(
            venue_order_id=str(1000 + len(self.arrived)),
            client_order_id=name,
            market=intent.market,
            side=intent.side,
            kind=intent.kind,
            quantity=intent.quantity,
            filled_quantity=D(0) if rests else intent.quantity,
            status=OrderStatus.OPEN if rests else OrderStatus.FILLED,
            reduce_only=intent.reduce_only,
            time_ms=self.clock.ms,
        )
        visible_ms = self.clock.ms + self.hidden_ms.get(name, 0)
        moves_ms = visible_ms if self.moves_late else self.clock.ms
        self.arrived.append(VenueOrder(report, visible_ms, moves_ms))
        return report

    def _visible(self) -> list[OrderReport]:
        return [order.report for order in self.arrived if order.visible_ms <= self.clock.ms]

    def _ask(self, query: str, about: str) -> None:
        self.fuse.step()
        self.queries.append((query, about))
        if query in self.failing:
            raise VenueError(f"{query} timed out")


def intent(name: str = "x-1", **changes: Any) -> Intent:
    """Return an entry of leg A of a spread, written at the start."""
    fields: dict[str, Any] = {
        "client_order_id": name,
        "market": ETH,
        "side": OrderSide.BUY,
        "kind": OrderKind.MARKET,
        "quantity": D(2),
        "reduce_only": False,
        "purpose": IntentPurpose.ENTRY,
        "attempt": 1,
        "created_ms": START_MS,
        "owner": "eth-btc",
        "leg": "A",
    }
    return Intent(**(fields | changes))


def exit_of(name: str = "x-9", **changes: Any) -> Intent:
    """Return an order that only reduces."""
    fields = {"side": OrderSide.SELL, "reduce_only": True, "purpose": IntentPurpose.EXIT}
    return intent(name, **(fields | changes))


def report_of(meant: Intent, **changes: Any) -> OrderReport:
    """Return the report of an intent's order, filled."""
    fields: dict[str, Any] = {
        "venue_order_id": "1000",
        "client_order_id": meant.client_order_id,
        "market": meant.market,
        "side": meant.side,
        "kind": meant.kind,
        "quantity": meant.quantity,
        "filled_quantity": meant.quantity,
        "status": OrderStatus.FILLED,
        "reduce_only": meant.reduce_only,
        "time_ms": meant.created_ms,
    }
    return OrderReport(**(fields | changes))


def fill(order_id: str, **changes: Any) -> FillReport:
    """Return an execution of 2 ETH bought, a second after the start."""
    fields: dict[str, Any] = {
        "fill_id": f"f{order_id}",
        "venue_order_id": order_id,
        "market": ETH,
        "side": OrderSide.BUY,
        "quantity": D(2),
        "price": D(100),
        "time_ms": START_MS + 1_000,
    }
    return FillReport(**(fields | changes))


def ask_for(guard: OrderGuard, clock: ManualClock, ms: int, *, every_ms: int = 500) -> list[Any]:
    """Let a bot loop ask for a while; return what changed."""
    changed: list[OrderOutcome] = []
    for _ in range(ms // every_ms):
        clock.pass_ms(every_ms)
        changed += guard.ask()
    return changed


def states(outcomes: Iterable[OrderOutcome]) -> list[IntentState]:
    return [outcome.intent.state for outcome in outcomes]
