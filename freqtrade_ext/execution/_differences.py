"""Where the venue and the books disagree, and what that is called. Pure: no question is asked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from freqtrade_ext.execution._books import AccountBooks, BookedTrade
from freqtrade_ext.execution._in_flight import GRACE_MS, in_flight, is_own_stop_fill
from freqtrade_ext.execution._intents import Intent, IntentPurpose
from freqtrade_ext.execution._ports import OrderOrigin, OrderReport, PositionReport
from freqtrade_ext.execution._snapshot import AccountSnapshot

__all__ = [
    "CLOSINGS",
    "EXCESSES",
    "ORDER_KINDS",
    "Difference",
    "DifferenceKind",
    "compare",
    "markets_apart",
    "plain",
    "positions_of_others",
]

PNL_TOLERANCE: Final = Decimal("0.005")  # share of the notional
LEVERAGE_STEP: Final = 1.0  # exchanges round leverage to whole numbers
MARGIN_TOLERANCE: Final = Decimal("0.5")  # share of our own figure: fees and funding are paid of it


class DifferenceKind(StrEnum):
    """Classes of differences; each has its policy."""

    EXTERNAL_CLOSE = "external_close"
    LIQUIDATION = "liquidation"
    ADL = "adl"  # auto-deleveraging
    MANUAL_ADD = "manual_add"
    QUANTITY_MISMATCH = "quantity_mismatch"
    FOREIGN_ORDER = "foreign_order"
    STALE_ORDER = "stale_order"
    UNKNOWN_POSITION = "unknown_position"
    SETTINGS_MISMATCH = "settings_mismatch"
    PNL_MISMATCH = "pnl_mismatch"
    UNKNOWN = "unknown"


CLOSINGS: Final = frozenset(  # the venue holds less than the books
    {
        DifferenceKind.EXTERNAL_CLOSE,
        DifferenceKind.LIQUIDATION,
        DifferenceKind.ADL,
        DifferenceKind.QUANTITY_MISMATCH,
    }
)
EXCESSES: Final = frozenset({DifferenceKind.MANUAL_ADD, DifferenceKind.UNKNOWN_POSITION})
ORDER_KINDS: Final = frozenset({DifferenceKind.FOREIGN_ORDER, DifferenceKind.STALE_ORDER})


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One disagreement between venue and books.

    Attributes
    ----------
    kind : DifferenceKind
    market : str
    booked, actual : Decimal
        Signed base units in the books and on the venue.
    trade_id : int, optional
        Trade of the books that it concerns.
    text : str
        What a person woken at night needs to know.
    key : str
        The same difference seen again has the same key, also after the trade itself has grown.
    orders : tuple of OrderReport
        The order itself; of a position: the orders that make up the difference, oldest first.
    """

    kind: DifferenceKind
    market: str
    booked: Decimal
    actual: Decimal
    trade_id: int | None
    text: str
    key: str
    orders: tuple[OrderReport, ...] = field(default=(), compare=False)

    @property
    def order(self) -> OrderReport | None:
        """The first order that it is about."""
        return self.orders[0] if self.orders else None

    @property
    def gap(self) -> Decimal:
        """What the venue holds beyond the books, signed."""
        return self.actual - self.booked

    @property
    def is_explained(self) -> bool:
        """Whether the fills of its orders make up all of a position's difference, to the digit."""
        return self.gap != 0 and sum(order.signed_filled for order in self.orders) == self.gap


def compare(
    books: AccountBooks,
    snapshot: AccountSnapshot,
    intents: Iterable[Intent],
    recent_orders: Mapping[str, Sequence[OrderReport]],
    lots: Mapping[str, Decimal],
    now_ms: int,
    *,
    grace_ms: int = GRACE_MS,
) -> tuple[Difference, ...]:
    """
    Find and classify every difference that nothing in flight explains.

    Parameters
    ----------
    books, snapshot :
        The two sides.
    intents : iterable of Intent
        Intents that are open questions or not booked, and those of every order in `snapshot` and
        `recent_orders` that has one.
    recent_orders : mapping
        Orders of every status, oldest first, of each market of `markets_apart`. A market that is
        missing could not be asked about: its difference is of kind UNKNOWN.
    lots : mapping
        Smallest step of a quantity; positions closer than that are equal.
    now_ms : int
        Time, ms since 1970.
    grace_ms : int
        How long the books may be ahead of the venue or behind it.
    """
    by_id = {intent.client_order_id: intent for intent in intents}
    flying = in_flight(
        books, snapshot, by_id.values(), recent_orders, now_ms=now_ms, grace_ms=grace_ms
    )
    found: list[Difference] = []
    for market in markets_apart(books, snapshot, lots):
        if market not in flying:
            found.append(_of_position(books, snapshot, market, by_id, recent_orders, lots))
    for order in snapshot.open_orders:
        if order.market in _ours(books) and order.market not in flying:
            found.extend(_of_order(order, books, by_id))
    apart = set(markets_apart(books, snapshot, lots))
    for market, position in snapshot.positions.items():
        trades = books.of(market)
        if trades and market not in flying:
            found.extend(_of_settings(position, trades[0]))
            if market not in apart:
                found.extend(_of_pnl(position, trades))
    return tuple(found)


def markets_apart(
    books: AccountBooks, snapshot: AccountSnapshot, lots: Mapping[str, Decimal]
) -> tuple[str, ...]:
    """Markets of ours in which venue and books hold different quantities, by name."""
    return tuple(
        market
        for market in sorted(_ours(books) & ({*snapshot.positions} | _traded(books)))
        if not _equal(_held(snapshot, market), books.held(market), lots.get(market))
    )


def positions_of_others(
    books: AccountBooks, snapshot: AccountSnapshot
) -> tuple[PositionReport, ...]:
    """Positions that are the account owner's: in markets that this bot never trades."""
    ours = _ours(books)
    return tuple(snapshot.positions[name] for name in sorted({*snapshot.positions} - ours))


def _traded(books: AccountBooks) -> set[str]:
    return {trade.market for trade in books.trades}


def _ours(books: AccountBooks) -> set[str]:
    return {*books.markets} | _traded(books)  # a market taken off the list while it is traded


def _held(snapshot: AccountSnapshot, market: str) -> Decimal:
    position = snapshot.positions.get(market)
    return position.quantity if position else Decimal(0)


def _equal(one: Decimal, other: Decimal, lot: Decimal | None) -> bool:
    return one == other or abs(one - other) < (lot or 0)


def _of_position(
    books: AccountBooks,
    snapshot: AccountSnapshot,
    market: str,
    intents: Mapping[str, Intent],
    recent_orders: Mapping[str, Sequence[OrderReport]],
    lots: Mapping[str, Decimal],
) -> Difference:
    booked, actual = books.held(market), _held(snapshot, market)
    trades = books.of(market)
    shrinks = booked != 0 and (actual - booked) * booked < 0
    # On the other side the trade is gone; what is held there is the next pass's difference.
    target = -booked if shrinks and actual * booked < 0 else actual - booked
    flow = _since_repair(_unbooked(recent_orders.get(market, ()), trades, intents), intents)
    orders = _explaining(flow, target, lots.get(market, Decimal(0)))
    if market not in recent_orders:
        kind = DifferenceKind.UNKNOWN
    elif shrinks:
        suspects = orders or [order for order in flow if order.signed_filled * target > 0]
        kind = _kind_of_closing(suspects, nothing_left=actual * booked <= 0)
    else:
        kind = DifferenceKind.MANUAL_ADD if trades else DifferenceKind.UNKNOWN_POSITION
    return Difference(
        kind=kind,
        market=market,
        booked=booked,
        actual=actual,
        trade_id=trades[0].trade_id if trades else None,
        text=_text_of_position(kind, market, booked, actual, trades, orders),
        key=f"{kind}:{market}:{plain(actual - booked)}",
        orders=orders,
    )


def _unbooked(
    orders: Sequence[OrderReport], trades: Sequence[BookedTrade], intents: Mapping[str, Intent]
) -> tuple[OrderReport, ...]:
    """Return filled orders whose fills the books do not have; our repairs among them."""
    booked = {ref.venue_order_id for trade in trades for ref in trade.orders}
    return tuple(
        order
        for order in orders
        if order.filled_quantity > 0
        and (
            order.venue_order_id not in booked
            or any(is_own_stop_fill(order, trade, intents) for trade in trades)
        )
    )


def _since_repair(
    flow: Sequence[OrderReport], intents: Mapping[str, Intent]
) -> tuple[OrderReport, ...]:
    """Leave out what a repair of ours has already answered, and the repair."""
    kept: list[OrderReport] = []
    for order in flow:
        intent = intents.get(order.client_order_id)
        if intent is not None and intent.purpose is IntentPurpose.REPAIR:
            kept.clear()
        else:
            kept.append(order)
    return tuple(kept)


def _explaining(flow: Sequence[OrderReport], gap: Decimal, lot: Decimal) -> tuple[OrderReport, ...]:
    """Return the latest orders that add up to the gap; else those towards it that fit into it."""
    total = Decimal(0)
    for count, order in enumerate(reversed(flow), start=1):
        total += order.signed_filled
        if _equal(total, gap, lot):
            return tuple(flow[-count:])
    fitting: list[OrderReport] = []
    for order in reversed(flow):
        left = gap - order.signed_filled
        if order.signed_filled * gap > 0 and left * gap >= 0:
            fitting.append(order)
            gap = left
    return tuple(reversed(fitting))


def _kind_of_closing(suspects: Iterable[OrderReport], *, nothing_left: bool) -> DifferenceKind:
    origins = {order.origin for order in suspects}
    if OrderOrigin.LIQUIDATION in origins:
        return DifferenceKind.LIQUIDATION
    if OrderOrigin.ADL in origins:
        return DifferenceKind.ADL
    if origins or nothing_left:
        return DifferenceKind.EXTERNAL_CLOSE
    return DifferenceKind.QUANTITY_MISMATCH


def _of_order(
    order: OrderReport, books: AccountBooks, intents: Mapping[str, Intent]
) -> Iterator[Difference]:
    trades = books.of(order.market)
    refs = {ref.venue_order_id: ref for trade in trades for ref in trade.orders}
    ref = refs.get(order.venue_order_id)
    if ref is not None and ref.is_open:
        return
    is_ours = ref is not None or order.client_order_id in intents
    kind = DifferenceKind.STALE_ORDER if is_ours else DifferenceKind.FOREIGN_ORDER
    what = (
        f"{order.kind} order {order.venue_order_id} ({order.client_order_id or 'no client id'}): "
        f"{order.side} {plain(order.quantity)}"
    )
    why = "the books show it as ended or not at all" if is_ours else "this bot did not send it"
    yield Difference(
        kind=kind,
        market=order.market,
        booked=books.held(order.market),
        actual=books.held(order.market),
        trade_id=trades[0].trade_id if trades else None,
        text=f"{order.market}: {what} is open on the exchange, but {why}.",
        key=f"{kind}:{order.market}:{order.venue_order_id}",
        orders=(order,),
    )


def _of_settings(position: PositionReport, trade: BookedTrade) -> Iterator[Difference]:
    problems = []
    leverage = position.leverage
    if leverage is not None and abs(leverage - trade.leverage) >= LEVERAGE_STEP:
        problems.append(f"leverage {leverage:g}x on the exchange, {trade.leverage:g}x in the books")
    mode = position.margin_mode
    if mode and trade.margin_mode and mode.lower() != trade.margin_mode.lower():
        problems.append(f"margin mode {mode} on the exchange, {trade.margin_mode} in the books")
    if margin := _margin_apart(position, trade):
        problems.append(margin)
    if problems:
        yield _report_only(
            DifferenceKind.SETTINGS_MISMATCH,
            position,
            trade,
            f"{'; '.join(problems)}. The liquidation price is not where the bot computes it.",
        )


def _margin_apart(position: PositionReport, trade: BookedTrade) -> str:
    """Say how the isolated margin differs from what the position took at its entry."""
    mode = position.margin_mode or trade.margin_mode
    margin, pnl = position.isolated_margin, position.unrealized_pnl
    if margin is None or mode.lower() != "isolated" or trade.leverage <= 0:
        return ""
    ours = abs(position.quantity) * trade.entry_price / Decimal(str(trade.leverage))
    if not all(number.is_finite() for number in (margin, pnl, ours)):
        return ""
    # Some exchanges count the unrealised profit to the margin, some do not.
    apart = min(abs(margin - pnl - ours), abs(margin - ours))
    if apart <= ours * MARGIN_TOLERANCE:
        return ""
    return f"isolated margin {plain(margin)} on the exchange, {ours:.2f} at entry by the books"


def _of_pnl(position: PositionReport, trades: Sequence[BookedTrade]) -> Iterator[Difference]:
    numbers = (position.mark_price, position.unrealized_pnl, *(t.entry_price for t in trades))
    if not all(number.is_finite() for number in numbers):
        return  # a missing price says nothing about the books
    ours = sum((t.quantity * (position.mark_price - t.entry_price) for t in trades), Decimal(0))
    tolerance = abs(position.quantity) * position.mark_price * PNL_TOLERANCE
    if abs(position.unrealized_pnl - ours) > tolerance:
        yield _report_only(
            DifferenceKind.PNL_MISMATCH,
            position,
            trades[0],
            f"unrealised P&L {plain(position.unrealized_pnl)} on the exchange, {plain(ours)} by "
            f"the books: the entry price differs (exchange {plain(position.entry_price)}, books "
            f"{plain(trades[0].entry_price)}).",
        )


def _report_only(
    kind: DifferenceKind, position: PositionReport, trade: BookedTrade, text: str
) -> Difference:
    market = position.market
    return Difference(
        kind=kind,
        market=market,
        booked=trade.quantity,
        actual=position.quantity,
        trade_id=trade.trade_id,
        text=f"{market}, trade {trade.trade_id}: {text}",
        key=f"{kind}:{market}:{trade.trade_id}",
    )


def _text_of_position(
    kind: DifferenceKind,
    market: str,
    booked: Decimal,
    actual: Decimal,
    trades: Sequence[BookedTrade],
    orders: Sequence[OrderReport],
) -> str:
    trade = f"trade {trades[0].trade_id}" if trades else "no trade"
    by = ", ".join(
        f"{order.side} {plain(order.filled_quantity)} by order {order.venue_order_id}"
        f" ({order.client_order_id or 'no client id'})"
        for order in orders
    )
    return (
        f"{market}: the exchange holds {plain(actual)}, the books {plain(booked)} ({trade}). "
        f"{_MEANING[kind]} {f'Orders: {by}.' if by else 'No order explains it.'}"
    )


_MEANING: Final[Mapping[DifferenceKind, str]] = {
    DifferenceKind.EXTERNAL_CLOSE: "Somebody else closed it, wholly or in part.",
    DifferenceKind.LIQUIDATION: "The exchange liquidated it: check the margin of the account.",
    DifferenceKind.ADL: "The exchange reduced it by auto-deleveraging.",
    DifferenceKind.QUANTITY_MISMATCH: "A part of it is missing.",
    DifferenceKind.MANUAL_ADD: "Somebody else added to it.",
    DifferenceKind.UNKNOWN_POSITION: "Nobody manages this position: no stop, no exit.",
    DifferenceKind.UNKNOWN: "The exchange did not answer for its orders; nothing is done yet.",
}


def plain(number: Decimal) -> str:
    """Write a number without trailing zeros and without an exponent."""
    return f"{number.normalize():f}" if number.is_finite() else str(number)
