"""What can happen to a spread (events), and what it asks for in answer (commands)."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads._spec import HedgeSpace

ZERO = Decimal(0)


class LegName(StrEnum):
    """Leg A is the dependent market of the regression, leg B the regressor."""

    A = "A"
    B = "B"

    @property
    def other(self) -> "LegName":
        """The partner leg."""
        return LegName.B if self is LegName.A else LegName.A


class Direction(StrEnum):
    """Long the spread holds leg A long and leg B short."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short: the sign of leg A."""
        return 1 if self is Direction.LONG else -1


class Side(StrEnum):
    """Side of an order."""

    BUY = "buy"
    SELL = "sell"


class Purpose(StrEnum):
    """Why an order exists; the only purpose that may increase a leg is ENTRY."""

    ENTRY = "entry"
    TRIM = "trim"  # bring the fuller leg down to the hedged share
    EXIT = "exit"  # close a spread that had been open
    UNWIND = "unwind"  # close what an entry that failed, or a surprise, has left behind


class AlertReason(StrEnum):
    """Things that a person should hear about."""

    LEG_REJECTED = "leg_rejected"
    ORPHAN_LEG = "orphan_leg"
    LEG_VANISHED = "leg_vanished"
    UNEXPECTED_HOLDING = "unexpected_holding"
    EXIT_STUCK = "exit_stuck"
    CANCEL_STUCK = "cancel_stuck"


def to_quantity(number: float | int | str | Decimal) -> Decimal:
    """
    Convert a number to an exact quantity: the decimal that a person would read.

    Examples
    --------
    >>> to_quantity(0.1)
    Decimal('0.1')
    """
    quantity = Decimal(str(number))
    if not quantity.is_finite():
        raise IllegalRequest(f"a quantity must be finite, not {number!r}")
    return quantity


@dataclass(frozen=True, slots=True)
class LegPlan:
    """
    What an entry wants of one leg.

    Parameters
    ----------
    quantity : Decimal
        Signed quantity in base units; positive is long.
    lot : Decimal
        Smallest quantity the venue trades; orders are whole lots. Smaller remainders count as
        zero.
    min_entry : Decimal
        Smallest quantity an order that *adds* may have (minimum notional). Reduce-only orders
        are exempt from it at the venue, so only `lot` limits them.
    """

    quantity: Decimal
    lot: Decimal
    min_entry: Decimal = ZERO

    def __post_init__(self) -> None:
        if self.lot <= 0:
            raise IllegalRequest(f"lot must be greater than 0, not {self.lot}")
        if abs(self.quantity) < max(self.lot, self.min_entry):
            raise IllegalRequest(
                f"planned quantity {self.quantity} is below the smallest order "
                f"({max(self.lot, self.min_entry)})"
            )


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """An entry, as decided by the strategy; frozen until the spread is flat again."""

    direction: Direction
    leg_a: LegPlan
    leg_b: LegPlan
    hedge_space: HedgeSpace
    hedge_ratio: float
    intercept: float
    z_at_entry: float

    def __post_init__(self) -> None:
        if self.hedge_ratio <= 0:
            raise IllegalRequest(f"hedge_ratio must be greater than 0, not {self.hedge_ratio}")
        sign = self.direction.sign
        if self.leg_a.quantity * sign <= 0 or self.leg_b.quantity * sign >= 0:
            raise IllegalRequest(
                f"{self.direction} the spread needs leg A and leg B on opposite sides, "
                f"not {self.leg_a.quantity} and {self.leg_b.quantity}"
            )

    def leg(self, name: LegName) -> LegPlan:
        """Return the plan of one leg."""
        return self.leg_a if name is LegName.A else self.leg_b


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Base of all events."""

    now_ms: int  # when it happened: bot clock for requests and TimePassed, else venue clock


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRequested(Happening):
    """Request: open the spread. Refused unless it is flat."""

    plan: EntryPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRequested(Happening):
    """Request: close the spread. Refused when it is flat or already leaving."""

    reason: CloseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(Happening):
    """Base of what the venue says about one order."""

    leg: LegName
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccepted(OrderEvent):
    """Fact: the order is in the venue's book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(OrderEvent):
    """
    Fact: an execution, of any order on this market, even one that we do not know.

    `quantity` is signed: what it adds to the leg. `now_ms` is the time of the execution, by the
    clock of `PositionReported`. Reports of the same `fill_id` count once.
    """

    fill_id: str
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCanceled(OrderEvent):
    """Fact: the order is off the book, or was never sent; nothing more will fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExpired(OrderEvent):
    """Fact: the venue ended the order (immediate-or-cancel, self-trade prevention, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected(OrderEvent):
    """
    Fact: the venue refused the order *definitely* (margin, minimum notional, delisted).

    An order whose outcome is unknown is not rejected; report nothing until it is known.
    """

    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed(Happening):
    """Fact: it is `now_ms`. Time-outs and retries act on this event alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReported(Happening):
    """
    Fact: the venue held `held` (signed) of this leg at `now_ms`, by the venue's clock.

    Every fill executed before `now_ms` is taken to be contained in `held`. A failed query is not
    a flat account: report nothing then. A difference that the leg's working order may explain is
    not acted upon: the reports of that order will tell.
    """

    leg: LegName
    held: Decimal


Event = (
    EntryRequested
    | ExitRequested
    | OrderAccepted
    | OrderFilled
    | OrderCanceled
    | OrderExpired
    | OrderRejected
    | TimePassed
    | PositionReported
)


@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """
    Command: send this order. The same `client_order_id` always means the same order.

    Parameters
    ----------
    quantity : Decimal
        Base units, positive, a multiple of the leg's lot.
    attempt : int
        Serial number of the order on this leg since the spread was last flat, from 1.
    reason : CloseReason, optional
        Why the leg is closed; None for entries and trims.
    """

    leg: LegName
    side: Side
    quantity: Decimal
    reduce_only: bool
    purpose: Purpose
    attempt: int
    client_order_id: str
    reason: CloseReason | None = None


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """
    Command: take this order off the book; safe to repeat.

    An order that has not been sent yet must not be sent any more; answer `OrderCanceled`.
    """

    leg: LegName
    client_order_id: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Command: tell a person."""

    reason: AlertReason
    text: str


Command = SubmitOrder | CancelOrder | Alert
