"""State of one spread: what is aimed for, what is held, which orders work; no decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads._events import ZERO, EntryPlan, LegName, Purpose
from freqtrade_ext.spreads._states import SpreadState

__all__ = [
    "REMEMBERED_FILLS",
    "CoordinatorPolicy",
    "LegPosition",
    "SpreadPosition",
    "SpreadState",
    "WorkingOrder",
    "from_dict",
    "to_dict",
    "whole_lots",
]

# Late and repeated reports concern the last few orders; a spread has seldom more than ten.
REMEMBERED_FILLS: Final = 500


@dataclass(frozen=True, slots=True)
class CoordinatorPolicy:
    """
    Patience of the coordinator.

    Parameters
    ----------
    retry_interval_ms : int
        Pause between an order that ended short and its successor.
    max_retries : int
        How often a leg of an entry, or a trim, is sent again before both legs are closed.
    retries_before_trim : int
        How many of those retries happen before the other leg is trimmed; see `decide`.
    leg_timeout_ms : int
        How long the first order of a leg may work, and how long a cancel may stay unanswered.
    retry_timeout_ms : int
        How long its successors may work: meanwhile the other leg is naked.
    alert_after : int
        A person is alerted each time this many orders of one exit have ended short.
    """

    retry_interval_ms: int = 2_000
    max_retries: int = 5
    retries_before_trim: int = 1
    leg_timeout_ms: int = 30_000
    retry_timeout_ms: int = 10_000
    alert_after: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.retries_before_trim <= self.max_retries:
            raise IllegalRequest(
                f"retries_before_trim ({self.retries_before_trim}) must be "
                f"between 0 and max_retries ({self.max_retries})"
            )
        times = (self.retry_interval_ms, self.leg_timeout_ms, self.retry_timeout_ms)
        if min(*times, self.alert_after) <= 0:
            raise IllegalRequest("intervals, time-outs and alert_after must be greater than 0")


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that has been asked for and whose end has not been reported."""

    client_order_id: str
    purpose: Purpose
    attempt: int
    quantity: Decimal  # signed: what the leg gains when all of it is filled
    reduce_only: bool
    submitted_ms: int
    filled_quantity: Decimal = ZERO  # signed
    accepted: bool = False
    cancel_requested_ms: int | None = None
    reason: CloseReason | None = None

    @property
    def leaves_quantity(self) -> Decimal:
        """What is still to be filled, signed; zero after an overfill."""
        leaves = self.quantity - self.filled_quantity
        return leaves if leaves * self.quantity > 0 else ZERO


@dataclass(frozen=True, slots=True)
class LegPosition:
    """One leg; quantities are signed base units."""

    aim: Decimal = ZERO
    held: Decimal = ZERO
    lot: Decimal = ZERO
    min_entry: Decimal = ZERO
    working: WorkingOrder | None = None
    orders_sent: int = 0  # since the spread was last flat
    short_ends: int = 0  # orders of the present state that ended before they were filled
    retry_at_ms: int = 0  # no new order before this time
    last_fill_ms: int = -1
    reported_ms: int = -1  # fills up to this time are contained in `held`
    close_reason: CloseReason | None = None

    @property
    def tradable(self) -> Decimal:
        """What is held in whole lots; a remainder below the lot counts as zero."""
        return whole_lots(self.held, self.lot)

    @property
    def is_empty(self) -> bool:
        """Whether nothing tradable is held."""
        return self.tradable == 0

    @property
    def gap(self) -> Decimal:
        """What is missing to the aim, signed, in whole lots."""
        return whole_lots(self.aim, self.lot) - self.tradable

    @property
    def is_settled(self) -> bool:
        """Whether the aim is reached within a lot and no order works."""
        return self.working is None and self.gap == 0


@dataclass(frozen=True, slots=True)
class SpreadPosition:
    """All that the coordinator knows of one spread; `to_dict` is what a restart needs."""

    spread_id: str
    policy: CoordinatorPolicy = field(default_factory=CoordinatorPolicy)
    state: SpreadState = SpreadState.FLAT
    plan: EntryPlan | None = None
    leg_a: LegPosition = field(default_factory=LegPosition)
    leg_b: LegPosition = field(default_factory=LegPosition)
    reason: CloseReason | None = None
    clock_ms: int = 0  # latest time that an event has told
    episode_ms: int = 0  # when the spread last left FLAT; distinguishes its orders
    seen_fills: tuple[str, ...] = ()

    def leg(self, name: LegName) -> LegPosition:
        """Return one leg."""
        return self.leg_a if name is LegName.A else self.leg_b

    def with_leg(self, name: LegName, leg: LegPosition) -> "SpreadPosition":
        """Return a copy with another leg."""
        return replace(self, leg_a=leg) if name is LegName.A else replace(self, leg_b=leg)

    @property
    def has_working_orders(self) -> bool:
        """Whether an order of either leg has not been reported as ended."""
        return self.leg_a.working is not None or self.leg_b.working is not None


def whole_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """Round a signed quantity towards zero to a multiple of `lot` (0: leave it as it is)."""
    return quantity - quantity % lot if lot else quantity


_ADAPTER: Final = TypeAdapter(SpreadPosition)


def to_dict(position: SpreadPosition) -> dict[str, Any]:
    """Express a position in JSON types; quantities become strings, so nothing is rounded."""
    document: dict[str, Any] = _ADAPTER.dump_python(position, mode="json")
    return document


def from_dict(document: Mapping[str, Any]) -> SpreadPosition:
    """
    Restore a position from `to_dict`.

    Raises
    ------
    IllegalRequest
        If the document is not a position; the message lists every problem.
    """
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise IllegalRequest("not a spread position: " + "; ".join(lines)) from error
