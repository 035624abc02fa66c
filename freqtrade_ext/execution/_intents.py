"""An order as it is meant, written down before it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from freqtrade_ext.errors import IllegalRequest

__all__ = ["LEGAL_STEPS", "Intent", "IntentPurpose", "IntentState", "OrderKind", "OrderSide"]


class OrderSide(StrEnum):
    """Side of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is OrderSide.BUY else -1


class OrderKind(StrEnum):
    """How an order is executed; a stop waits on the exchange until its price is reached."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class IntentPurpose(StrEnum):
    """Why an order is sent."""

    ENTRY = "entry"
    TRIM = "trim"
    EXIT = "exit"
    UNWIND = "unwind"
    STOP = "stop"  # the stop on the exchange, for when the bot is down
    FORCED = "forced"  # a person, or a rule of Freqtrade's, asked for it
    REPAIR = "repair"  # reconciliation closes what the books do not explain


class IntentState(StrEnum):
    """What is known about an order; only UNKNOWN is to be asked about."""

    WRITTEN = "written"  # saved; about to be sent. After a restart: unknown
    CONFIRMED = "confirmed"  # the venue has it, or had it
    REJECTED = "rejected"  # the venue refused it, definitely
    DENIED = "denied"  # never sent: refused on our side
    UNKNOWN = "unknown"  # sent, and no answer that can be trusted
    ABSENT = "absent"  # asked for until it was certain that it never arrived

    @property
    def is_open_question(self) -> bool:
        """Whether the order may be on the venue without our knowing."""
        return self in {IntentState.WRITTEN, IntentState.UNKNOWN}


# Facts win: an order that turns up after all is CONFIRMED, whatever was believed before.
LEGAL_STEPS: Final = frozenset(
    {
        (IntentState.WRITTEN, IntentState.CONFIRMED),
        (IntentState.WRITTEN, IntentState.REJECTED),
        (IntentState.WRITTEN, IntentState.DENIED),
        (IntentState.WRITTEN, IntentState.UNKNOWN),
        (IntentState.UNKNOWN, IntentState.CONFIRMED),
        (IntentState.UNKNOWN, IntentState.ABSENT),
        (IntentState.ABSENT, IntentState.CONFIRMED),
        (IntentState.REJECTED, IntentState.CONFIRMED),
    }
)


@dataclass(frozen=True, slots=True)
class Intent:
    """
    One order, from the decision to its end.

    Attributes
    ----------
    client_order_id : str
        Ours, deterministic, 36 characters at most; the same id never means another order.
    market, side, kind, quantity, price, reduce_only :
        The order; `quantity` in base units, positive; `price` is the limit, or the trigger of a
        stop; None for a market order.
    purpose : IntentPurpose
    owner, leg : str, optional
        Spread and leg ("A" or "B"); None for an order of no spread.
    trade_id : int, optional
        The books' trade that it belongs to; None for an entry, whose trade is still to come.
    attempt : int
        Serial number on this leg, from 1.
    leverage : float
        Leverage that the position is to have.
    tag : str
        What the books will say: the entry tag of an entry, the exit reason of an exit.
    created_ms : int
        When it was written, ms since 1970.
    held_before : Decimal
        Signed position of the market, by our books, before the order.
    counted : mapping
        Ended orders whose fills are in `held_before` for certain: filled quantity, positive, by the
        venue's order id. Where the books do not add up it is empty: then nothing is certain.
    state : IntentState
    sent_ms, settled_ms : int, optional
        When it was first sent; when its outcome was known.
    venue_order_id : str, optional
        The venue's own id, once confirmed.
    is_ghost : bool
        Still unknown after the guard's patience; a person has been told.
    is_booked : bool
        Freqtrade's books show it.
    text : str
        Why it was rejected, denied, or is unknown.
    """

    client_order_id: str
    market: str
    side: OrderSide
    kind: OrderKind
    quantity: Decimal
    reduce_only: bool
    purpose: IntentPurpose
    attempt: int
    created_ms: int
    price: Decimal | None = None
    owner: str | None = None
    leg: str | None = None
    trade_id: int | None = None
    leverage: float = 1.0
    tag: str = ""
    held_before: Decimal = Decimal(0)
    counted: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    state: IntentState = IntentState.WRITTEN
    sent_ms: int | None = None
    settled_ms: int | None = None
    venue_order_id: str | None = None
    is_ghost: bool = False
    is_booked: bool = False
    text: str = ""

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise IllegalRequest(f"quantity must be greater than 0, not {self.quantity}")
        if self.kind is not OrderKind.MARKET and self.price is None:
            raise IllegalRequest(f"{self.client_order_id}: a {self.kind} order needs a price")

    @property
    def signed_quantity(self) -> Decimal:
        """Quantity with the sign of its side."""
        return self.quantity * self.side.sign

    @property
    def is_unbooked(self) -> bool:
        """Whether the venue has the order and the books do not show it."""
        return self.state is IntentState.CONFIRMED and not self.is_booked

    @property
    def is_unsettled(self) -> bool:
        """Whether the order may be on the venue without being in the books."""
        return self.state.is_open_question or self.is_unbooked

    def step(self, state: IntentState, now_ms: int, *, text: str = "") -> "Intent":
        """
        Move to another state.

        Raises
        ------
        IllegalRequest
            If `LEGAL_STEPS` has no such step.
        """
        if state is self.state:
            return replace(self, text=text or self.text)
        if (self.state, state) not in LEGAL_STEPS:
            raise IllegalRequest(f"{self.client_order_id}: {self.state} to {state} is no step")
        settled = None if state.is_open_question else now_ms
        ghost = self.is_ghost and state.is_open_question
        return replace(self, state=state, settled_ms=settled, is_ghost=ghost, text=text)
