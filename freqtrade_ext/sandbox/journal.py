"""The journal of a rehearsal: an append-only list of everything that happened.

It is the only witness an audit accepts; a client's own books are what is being tested.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar

__all__ = [
    "Event",
    "FaultFired",
    "FaultMissed",
    "FundingPaid",
    "Journal",
    "OrderAccepted",
    "OrderAmended",
    "OrderEnded",
    "OrderFilled",
    "OrderRejected",
    "PositionClosedExternally",
    "PositionLiquidated",
    "PriceSeen",
    "RequestAnswered",
    "TriggerAccepted",
    "TriggerEnded",
    "TriggerFired",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at a time (milliseconds since the epoch, UTC)."""

    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered(Event):
    """A request and how it was answered; `status` 0 means that the client got no answer."""

    method: str
    path: str
    params: Mapping[str, str]
    status: int
    code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccepted(Event):
    """An ordinary order entered the book."""

    symbol: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    venue_order_id: int
    client_order_id: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected(Event):
    """A command was refused; nothing changed."""

    symbol: str
    command: str
    reason: str
    client_order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAmended(Event):
    """An open order got another quantity and price."""

    symbol: str
    venue_order_id: int
    client_order_id: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(Event):
    """An execution; `position` is the signed quantity held after it."""

    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realized_pnl: Decimal
    position: Decimal
    reduce_only: bool
    is_maker: bool
    fill_id: int
    venue_order_id: int
    client_order_id: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEnded(Event):
    """An order left the book without being filled completely (canceled or expired)."""

    symbol: str
    venue_order_id: int
    client_order_id: str
    status: str
    filled_quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerAccepted(Event):
    """A conditional order waits for its price."""

    symbol: str
    side: str
    trigger_type: str
    trigger_price: Decimal
    quantity: Decimal
    trigger_id: int
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerFired(Event):
    """A conditional order became an ordinary one (or was refused: no `venue_order_id`)."""

    symbol: str
    trigger_id: int
    client_order_id: str
    venue_order_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEnded(Event):
    """A conditional order was withdrawn before its price came."""

    symbol: str
    trigger_id: int
    client_order_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPaid(Event):
    """A funding payment; negative when the account paid."""

    symbol: str
    amount: Decimal
    rate: Decimal
    position: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLiquidated(Event):
    """The exchange closed a position for want of margin."""

    symbol: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionClosedExternally(Event):
    """Another hand closed (part of) a position."""

    symbol: str
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSeen(Event):
    """Mark price of an instrument that is held, about once a second."""

    symbol: str
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFired(Event):
    """A scripted fault took effect."""

    endpoint: str
    effect: str
    occurrence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMissed(Event):
    """A scripted fault found nothing to act on; it counts as not fired and waits for another."""

    endpoint: str
    effect: str
    reason: str


E_ = TypeVar("E_", bound=Event)


class Journal:
    """
    Append-only list of events.

    Parameters
    ----------
    path : Path, optional
        File that receives every event as one line of JSON as it happens.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._events: list[Event] = []
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def append(self, event: Event) -> None:
        """Add an event at the end."""
        self._events.append(event)
        if self._file is not None:
            self._file.write(json.dumps(as_json(event)) + "\n")
            self._file.flush()

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._events))

    def __len__(self) -> int:
        return len(self._events)

    @property
    def events(self) -> Sequence[Event]:
        """Everything so far, oldest first."""
        return tuple(self._events)

    def of(self, kind: type[E_]) -> list[E_]:
        """Events of one kind, oldest first."""
        return [event for event in self._events if isinstance(event, kind)]

    def close(self) -> None:
        """Close the file, if there is one; the list stays readable."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def as_json(event: Event) -> dict[str, Any]:
    """Render an event as plain JSON values, decimals as strings, with its `event` name first."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return {"event": type(event).__name__} | {
        name: str(value) if isinstance(value, Decimal) else value for name, value in fields.items()
    }
