"""What explains a difference for now: orders on their way, fills that the books have yet to see."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from freqtrade_ext.execution._books import AccountBooks, BookedTrade
from freqtrade_ext.execution._intents import Intent, IntentPurpose, IntentState
from freqtrade_ext.execution._ports import OrderReport
from freqtrade_ext.execution._snapshot import AccountSnapshot

__all__ = [
    "GRACE_MS",
    "REPORT_GRACE_MS",
    "STOP_GRACE_MS",
    "InFlight",
    "in_flight",
    "is_own_stop_fill",
    "late_report",
]

GRACE_MS = 3_000  # positions lag behind fills, and the books behind both
REPORT_GRACE_MS = 30_000  # fills show in positions before they show in orders
STOP_GRACE_MS = 30_000  # time for the bot to notice that its stop on the exchange has filled


@dataclass(frozen=True, slots=True)
class InFlight:
    """
    Why a difference in a market means nothing yet.

    `until_ms`: when this reason passes by itself; None: it ends with an event.
    """

    market: str
    text: str
    until_ms: int | None = None


def in_flight(
    books: AccountBooks,
    snapshot: AccountSnapshot,
    intents: Iterable[Intent],
    recent_orders: Mapping[str, Sequence[OrderReport]],
    *,
    now_ms: int,
    grace_ms: int = GRACE_MS,
) -> Mapping[str, InFlight]:
    """
    Find the markets where books and venue may differ without anything being wrong.

    Parameters
    ----------
    books, snapshot :
        The two sides.
    intents : iterable of Intent
        Open questions, confirmed intents that are not booked, and repairs of late.
    recent_orders : mapping
        Orders of every status by market, where they were asked for.
    now_ms, grace_ms : int
        Time, and how long the books may be ahead of the venue or behind it.
    """
    by_id = {intent.client_order_id: intent for intent in intents}
    reasons: list[InFlight] = []
    for intent in by_id.values():
        reasons.extend(_of_intent(intent, snapshot.taken_ms, grace_ms))
    for trade in books.trades:
        reasons.extend(_of_trade(trade, snapshot, grace_ms))
        for order in recent_orders.get(trade.market, ()):
            if not is_own_stop_fill(order, trade, by_id):
                continue
            if not order.status.is_final:
                # The bot counts it with its stop when it has ended: adopted, it would count twice.
                text = f"our stop {order.venue_order_id} is filling"
                reasons.append(InFlight(trade.market, text))
            elif now_ms < order.time_ms + STOP_GRACE_MS:
                text = f"our stop {order.venue_order_id} has filled and is about to be booked"
                reasons.append(InFlight(trade.market, text, order.time_ms + STOP_GRACE_MS))
    found: dict[str, InFlight] = {}
    for reason in reasons:
        found.setdefault(reason.market, reason)
    return found


def _of_intent(intent: Intent, taken_ms: int, grace_ms: int) -> Iterator[InFlight]:
    name = f"{intent.purpose} order {intent.client_order_id}"
    if intent.state.is_open_question:
        yield InFlight(intent.market, f"{name} is being asked for")
    elif intent.state is IntentState.CONFIRMED:
        # Where nobody trades the books are at rest, but a position still lags behind our repair:
        # a second repair of the same excess would close what is ours.
        lag = max(grace_ms, GRACE_MS) if intent.purpose is IntentPurpose.REPAIR else grace_ms
        until_ms = (intent.settled_ms or 0) + lag
        if not intent.is_booked:
            yield InFlight(intent.market, f"{name} is not booked yet")
        elif taken_ms < until_ms:
            yield InFlight(intent.market, f"{name} has only just been settled", until_ms)


def _of_trade(trade: BookedTrade, snapshot: AccountSnapshot, grace_ms: int) -> Iterator[InFlight]:
    until_ms = trade.changed_ms + grace_ms
    if snapshot.taken_ms < until_ms:
        text = f"trade {trade.trade_id} has only just changed in the books"
        yield InFlight(trade.market, text, until_ms)
    for ref in trade.orders:
        if not ref.is_open or ref.is_stop:
            continue
        seen = snapshot.order(ref.venue_order_id, trade.market)
        # An order that rests untouched explains nothing, or a take-profit order would hide a
        # liquidation for days; a young one may have filled without its report saying so yet.
        is_young = seen is not None and snapshot.taken_ms < seen.time_ms + REPORT_GRACE_MS
        if seen is None or seen.filled_quantity > 0 or is_young:
            text = f"order {ref.venue_order_id} of trade {trade.trade_id} may be filling"
            yield InFlight(trade.market, text)


def late_report(
    market: str,
    gap: Decimal,
    since_ms: int,
    books: AccountBooks,
    snapshot: AccountSnapshot,
    intents: Mapping[str, Intent],
) -> InFlight | None:
    """
    Find orders of ours that are still shown as open, and may have made a gap already.

    Parameters
    ----------
    gap : Decimal
        What the venue holds beyond the books, signed base units.
    since_ms : int
        When this gap was first seen. `REPORT_GRACE_MS` later such orders explain it no more: one
        that stalls must not hide what somebody else has closed.
    intents : mapping
        Intents of the open orders, by client order id.

    Returns
    -------
    InFlight, optional
        None unless what is left of the orders in the gap's direction covers it. A stop that waits
        for its price is none of them: it cannot fill.
    """
    known = {ref.venue_order_id for trade in books.of(market) for ref in trade.orders}
    able = [
        order
        for order in snapshot.open_orders
        if order.market == market
        and not order.is_conditional
        and order.side.sign * gap > 0
        and (order.client_order_id in intents or order.venue_order_id in known)
    ]
    left = sum((order.quantity - order.filled_quantity for order in able), Decimal(0))
    until_ms = since_ms + REPORT_GRACE_MS
    if not able or left < abs(gap) or snapshot.taken_ms >= until_ms:
        return None
    names = ", ".join(order.venue_order_id for order in able)
    text = f"our order {names} is shown as open, and may have filled"
    return InFlight(market, text, until_ms)


def is_own_stop_fill(order: OrderReport, trade: BookedTrade, intents: Mapping[str, Intent]) -> bool:
    """Whether an order is a fill of a stop that the books still show as waiting."""
    stops = {ref.venue_order_id for ref in trade.orders if ref.is_stop and ref.is_open}
    if not stops or order.filled_quantity == 0:
        return False
    # A conditional order that triggers may become another order with the same client order id.
    intent = intents.get(order.client_order_id)
    is_stop_intent = intent is not None and intent.purpose is IntentPurpose.STOP
    # Of a stop that the books show as ended they have the fills already.
    is_waiting = intent is not None and intent.venue_order_id in stops
    return order.venue_order_id in stops or (is_stop_intent and is_waiting)
