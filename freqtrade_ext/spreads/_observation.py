"""From what Freqtrade's books show of two legs to the events that the coordinator understands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from freqtrade_ext.spreads._coordinator import decide
from freqtrade_ext.spreads._events import (
    Alert,
    Event,
    LegName,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    PositionReported,
)
from freqtrade_ext.spreads._position import WorkingOrder
from freqtrade_ext.spreads._record import SpreadRecord

__all__ = ["BookedOrder", "LegBook", "apply_event", "observe_leg"]


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """
    One of Freqtrade's orders; quantities are signed base units.

    `name` is the client order id that the coordinator gave it, where the order guard knows that.
    """

    order_id: str
    quantity: Decimal
    filled: Decimal
    is_open: bool
    name: str | None = None


@dataclass(frozen=True, slots=True)
class LegBook:
    """
    What Freqtrade's books show of one leg.

    `held` is the position that Freqtrade believes in, or None where only the orders are known
    (inside a fill's callback, before the books are closed).
    """

    orders: tuple[BookedOrder, ...] = ()
    held: Decimal | None = None


def apply_event(record: SpreadRecord, event: Event) -> tuple[SpreadRecord, list[Alert]]:
    """Let the coordinator decide; its orders wait in the position, its alerts are returned."""
    position, commands = decide(record.position, event)
    alerts = [command for command in commands if isinstance(command, Alert)]
    return replace(record, position=position), alerts


def observe_leg(
    record: SpreadRecord,
    leg: LegName,
    book: LegBook,
    now_ms: int,
    *,
    settled: bool,
    signal_over: bool = False,
) -> tuple[SpreadRecord, list[Alert]]:
    """
    Report everything that is new in the books of one leg to the coordinator.

    Parameters
    ----------
    record : SpreadRecord
        The spread so far.
    leg : LegName
        Which leg the books are of.
    book : LegBook
        Every order of the leg's trade, oldest first, and the position.
    now_ms : int
        Time of the observation.
    settled : bool
        Whether Freqtrade has finished the loop in which it was told to send orders: an order that
        it does not show by then did not come about.
    signal_over : bool
        Whether the candle on which Freqtrade would enter has passed: an entry order of a leg
        without a trade can no longer be sent.

    Returns
    -------
    tuple
        The record after all events, and the alerts that they raised.
    """
    alerts: list[Alert] = []
    if any(order.is_open for order in book.orders):
        # Freqtrade counts the fills of an order into its position only when the order has ended.
        book = replace(book, held=None)
    for order in book.orders:
        record, raised = _observe_order(record, leg, order, now_ms)
        alerts += raised
    for event in _missing(record, leg, book, now_ms, settled, signal_over):
        record = replace(record, sent=_without(record.sent, event.client_order_id))
        record, raised = apply_event(record, event)
        alerts += raised
    held = record.position.leg(leg).held
    if book.held is not None and abs(book.held - held) >= _lot(record, leg):
        record, raised = apply_event(
            record, PositionReported(leg=leg, held=book.held, now_ms=now_ms)
        )
        alerts += raised
    return record, alerts


def _observe_order(
    record: SpreadRecord, leg: LegName, order: BookedOrder, now_ms: int
) -> tuple[SpreadRecord, list[Alert]]:
    key = f"{leg}:{order.order_id}"  # the venue numbers the orders of each market on their own
    name = record.names.get(key)
    events: list[Event] = []
    if name is None:
        name = _name_for(record, leg, order)
        if name != order.order_id:
            events.append(OrderAccepted(leg=leg, client_order_id=name, now_ms=now_ms))
        record = replace(
            record,
            names={**record.names, key: name},
            sent=_without(record.sent, name),
        )
    new = order.filled - record.filled.get(key, Decimal(0))
    if new:
        events.append(_fill(record, leg, order, name, new, now_ms))
        record = replace(record, filled={**record.filled, key: order.filled})
    if not order.is_open:
        events.append(OrderCanceled(leg=leg, client_order_id=name, now_ms=now_ms))
    return _apply_all(record, leg, events)


def _fill(
    record: SpreadRecord, leg: LegName, order: BookedOrder, name: str, new: Decimal, now_ms: int
) -> OrderFilled | PositionReported:
    if name == order.order_id:  # a stop on the exchange, a forced exit: not an order of ours
        held = record.position.leg(leg).held + new
        return PositionReported(leg=leg, held=held, now_ms=now_ms)
    return OrderFilled(
        leg=leg,
        client_order_id=name,
        fill_id=f"{leg}:{order.order_id}@{order.filled}",
        quantity=new,
        now_ms=now_ms,
    )


def _apply_all(
    record: SpreadRecord, leg: LegName, events: list[Event]
) -> tuple[SpreadRecord, list[Alert]]:
    alerts: list[Alert] = []
    for event in events:
        if isinstance(event, OrderCanceled) and not _works(record, leg, event.client_order_id):
            continue  # it was filled, which ended it
        record, raised = apply_event(record, event)
        alerts += raised
    return record, alerts


def _name_for(record: SpreadRecord, leg: LegName, order: BookedOrder) -> str:
    """Find the order of ours that this is, else keep the venue's own id (a foreign order)."""
    if order.name is not None:
        return order.name
    working = record.position.leg(leg).working
    if working is None or working.client_order_id in record.names.values():
        return order.order_id
    same_side = working.quantity * order.quantity > 0
    return working.client_order_id if same_side else order.order_id


def _missing(
    record: SpreadRecord,
    leg: LegName,
    book: LegBook,
    now_ms: int,
    settled: bool,
    signal_over: bool,
) -> Iterator[OrderCanceled | OrderRejected]:
    """Yield the end of a working order that Freqtrade does not show."""
    working: WorkingOrder | None = record.position.leg(leg).working
    if working is None:
        return
    shown = {record.names.get(f"{leg}:{order.order_id}") for order in book.orders}
    if working.client_order_id in shown:
        return
    name = working.client_order_id
    if name in record.names.values():  # Freqtrade deleted the trade of an order without fills
        yield OrderCanceled(leg=leg, client_order_id=name, now_ms=now_ms)
    elif name in record.sent:
        if settled:  # until then its outcome is unknown
            text = "no order came of the request"
            yield OrderRejected(leg=leg, client_order_id=name, now_ms=now_ms, text=text)
    elif signal_over and not working.reduce_only and not book.orders:
        yield OrderRejected(
            leg=leg, client_order_id=name, now_ms=now_ms, text="Freqtrade did not enter in time"
        )
    elif working.cancel_requested_ms is not None or _nothing_to_close(record, leg, book, working):
        # never sent, and now it never will be
        yield OrderCanceled(leg=leg, client_order_id=name, now_ms=now_ms)


def _nothing_to_close(
    record: SpreadRecord, leg: LegName, book: LegBook, working: WorkingOrder
) -> bool:
    """Whether Freqtrade has no position that it could ask the closing order for."""
    if book.held is None or not working.reduce_only:
        return False
    return abs(book.held) < _lot(record, leg)


def _works(record: SpreadRecord, leg: LegName, name: str) -> bool:
    working = record.position.leg(leg).working
    return working is not None and working.client_order_id == name


def _lot(record: SpreadRecord, leg: LegName) -> Decimal:
    return max(record.position.leg(leg).lot, Decimal("1e-12"))


def _without(sent: Mapping[str, int], name: str) -> dict[str, int]:
    return {key: value for key, value in sent.items() if key != name}
