"""What execution needs of the world: a venue, a store, a clock; and what the venue reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from freqtrade_ext.execution._intents import Intent, OrderKind, OrderSide

__all__ = [
    "Accepted",
    "Answer",
    "Clock",
    "FillReport",
    "IntentStore",
    "OrderOrigin",
    "OrderReport",
    "OrderStatus",
    "PositionReport",
    "Rejected",
    "Unanswered",
    "Venue",
]


class OrderStatus(StrEnum):
    """Status of an order on the venue."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can fill."""
        return self is not OrderStatus.OPEN


class OrderOrigin(StrEnum):
    """Who sent an order, as far as its client order id tells."""

    ACCOUNT = "account"  # we, another program, or a person
    LIQUIDATION = "liquidation"
    ADL = "adl"  # auto-deleveraging


@dataclass(frozen=True, slots=True)
class OrderReport:
    """
    What the venue says about one order.

    Quantities are positive base units. `is_conditional`: a stop that has not become an order yet;
    the venue keeps such orders apart. `raw` is the venue's (ccxt's) own record.
    """

    venue_order_id: str
    client_order_id: str
    market: str
    side: OrderSide
    kind: OrderKind
    quantity: Decimal
    filled_quantity: Decimal
    status: OrderStatus
    reduce_only: bool
    time_ms: int
    average_price: Decimal | None = None
    is_conditional: bool = False
    origin: OrderOrigin = OrderOrigin.ACCOUNT
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def signed_filled(self) -> Decimal:
        """Filled quantity with the sign of the side."""
        return self.filled_quantity * self.side.sign


@dataclass(frozen=True, slots=True)
class FillReport:
    """One execution; quantity is positive base units."""

    fill_id: str
    venue_order_id: str
    market: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class PositionReport:
    """A position on the venue; `quantity` is signed base units, money is quote currency."""

    market: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_pnl: Decimal
    leverage: float | None = None
    margin_mode: str | None = None
    isolated_margin: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue has the order."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue refused the order, definitely; `error` is what the sender may raise."""

    text: str
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nothing that can be trusted came back: the order may or may not exist."""

    text: str
    error: Exception | None = None


Answer = Accepted | Rejected | Unanswered


class Venue(Protocol):
    """
    The exchange. A query that fails raises `VenueError`: it is never an empty answer.

    Calls do not retry; whoever asks decides that.
    """

    def submit(self, intents: Sequence[Intent]) -> Sequence[Answer]:
        """Send orders, in one request where the venue can; one answer for each, in order."""

    def look_up(self, intent: Intent) -> OrderReport | None:
        """Ask for an order by its client order id; None: the venue knows no such order."""

    def open_orders(self, market: str | None = None) -> Sequence[OrderReport]:
        """Return open orders, conditional ones included, of one market or of all."""

    def fills(self, market: str, since_ms: int) -> Sequence[FillReport]:
        """Return own executions since a time, oldest first."""

    def orders(self, market: str, since_ms: int) -> Sequence[OrderReport]:
        """Return own orders of every status since a time, oldest first; not conditional ones."""

    def positions(self) -> Mapping[str, PositionReport]:
        """Return every position that is not flat, by market."""

    def cancel(self, order: OrderReport) -> None:
        """Take an order off the book; an order that has ended already is no error."""


class IntentStore(Protocol):
    """Where intents survive a crash; durable when `save` returns."""

    def save(self, intent: Intent) -> None:
        """Write or overwrite one intent; StoreError when it cannot be."""

    def find(self, client_order_id: str) -> Intent | None:
        """Read one intent."""

    def pending(self) -> Sequence[Intent]:
        """Read the intents that are an open question, or confirmed and not booked, oldest first."""

    def since(self, time_ms: int) -> Sequence[Intent]:
        """Read every intent created at or after a time, oldest first."""


class Clock(Protocol):
    """Time, as an argument."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970, UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
