"""Stand-in for the adapter's broker: the host asks, the desk answers; nothing is decided here."""

from collections.abc import Callable, Collection
from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.execution import OrderGuard
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    CancelOrder,
    LegBook,
    LegName,
    SpreadDesk,
    SpreadRecord,
    SubmitOrder,
    outstanding,
)
from rehearsals.simulation._books import HostBooks, HostTrade, leg_book
from rehearsals.simulation._stage import Signal, tag_parts
from rehearsals.simulation._stores import Intents
from rehearsals.simulation._world import World

__all__ = ["Broker"]


class Broker:
    """The host's callbacks about spreads."""

    def __init__(
        self,
        world: World,
        desk: SpreadDesk,
        guard: OrderGuard,
        books: HostBooks,
        intents: Intents,
        wallet: Callable[[], Collection[str]],
    ) -> None:
        self._world = world
        self._desk = desk
        self._wallet = wallet
        self._guard = guard
        self._books = books
        self._intents = intents
        self._asked: dict[tuple[str, LegName], str] = {}
        self._seen: dict[tuple[str, LegName], tuple[object, ...]] = {}

    # What the books show

    def loop(self) -> None:
        """Tell the desk what the books show of every leg, then the time."""
        now_ms = self._world.now
        if self._desk.records:
            for spread_id in list(self._desk.records):
                for leg in LegName:
                    self._observe(spread_id, leg, now_ms)
            self._desk.tick(now_ms)
        for closed in self._desk.take_closed():
            self._world.note(f"  {closed.record.position.spread_id} is flat: {closed.reason}")
            self._desk.forget(closed)

    def _observe(self, spread_id: str, leg: LegName, now_ms: int) -> None:
        record = self._desk.records.get(spread_id)
        if record is None:
            return
        trade = self._trade_of(record, leg)
        settled = not self._is_unsettled(record, leg)
        if trade is None:
            nothing = LegBook(held=Decimal(0))
            self._desk.observe(spread_id, leg, nothing, now_ms, settled=settled)
            return
        self._desk.link_trade(spread_id, leg, trade.trade_id)
        seen = (trade.trade_id, trade.amount, trade.is_open, len(trade.orders))
        at_rest = record.position.leg(leg).working is None and not trade.open_orders
        if at_rest and self._seen.get((spread_id, leg)) == seen:
            return
        book = self._named(record, leg, leg_book(trade))
        self._desk.observe(spread_id, leg, book, now_ms, settled=settled)
        self._seen[spread_id, leg] = seen

    def filled(self, trade: HostTrade) -> None:
        """Tell the desk about a fill at once."""
        spread_id, leg = _owner(trade)
        if spread_id not in self._desk.records:
            return
        self._desk.link_trade(spread_id, leg, trade.trade_id)
        record = self._desk.records[spread_id]
        book = self._named(record, leg, leg_book(trade, in_callback=True))
        self._desk.observe(spread_id, leg, book, self._world.now, settled=False)

    def _trade_of(self, record: SpreadRecord, leg: LegName) -> HostTrade | None:
        for trade in self._books.open_trades():
            if tag_parts(trade.tag) == (record.position.spread_id, leg.value):
                return trade
        trade_id = record.trade_ids.get(leg)
        closed = (trade for trade in self._books.trades if not trade.is_open)
        return next((trade for trade in closed if trade.trade_id == trade_id), None)

    def _is_unsettled(self, record: SpreadRecord, leg: LegName) -> bool:
        working = record.position.leg(leg).working
        if working is None:
            return False
        intent = self._guard.find(working.client_order_id)
        return intent is not None and intent.is_unsettled

    def _named(self, record: SpreadRecord, leg: LegName, book: LegBook) -> LegBook:
        market = record.market(leg)
        orders = tuple(
            order
            if f"{leg}:{order.order_id}" in record.names
            else replace(order, name=self._name_of(market, order.order_id))
            for order in book.orders
        )
        return replace(book, orders=orders)

    def _name_of(self, market: str, order_id: str) -> str | None:
        intent = self._intents.by_venue_order(market, order_id)
        return intent.client_order_id if intent is not None and intent.owner else None

    # Entry

    def entry(self, signal: Signal, leg: LegName) -> SubmitOrder | None:
        """Return the entry order that the desk wants on this leg now."""
        spread_id = signal.spread.spread_id
        if spread_id not in self._desk.records:
            self._ask_to_open(signal)
        order = self._entry_order(spread_id, leg)
        if order is None or self._partner_failed(spread_id, leg):
            return None
        self._asked[spread_id, leg] = order.client_order_id
        self._desk.mark_sent(spread_id, order, self._world.now)
        return order

    def _entry_order(self, spread_id: str, leg: LegName) -> SubmitOrder | None:
        order = self._desk.pending_order(spread_id, leg)
        return None if order is None or order.reduce_only else order

    def _partner_failed(self, spread_id: str, leg: LegName) -> bool:
        partner = leg.other
        order = self._desk.pending_order(spread_id, partner)
        if order is None or self._asked.get((spread_id, partner)) != order.client_order_id:
            return False
        return self._trade_of(self._desk.records[spread_id], partner) is None

    def _ask_to_open(self, signal: Signal) -> None:
        legs = set(signal.spread.legs.values())
        if legs & self._taken() or legs & self._desk.markets_left_since(signal.at_ms):
            return
        self._world.note(f"  signal: {signal.spread.spread_id}")
        signal.open_on(self._desk, self._world.now)

    def _taken(self) -> set[str]:
        promised = {record.market(leg) for record in self._desk.records.values() for leg in LegName}
        traded = {trade.market for trade in self._books.open_trades()}
        unsettled = (*self._guard.open_questions(), *self._guard.unbooked())
        return promised | traded | {*self._wallet()} | {intent.market for intent in unsettled}

    # Exit and repair

    def exit_reason(self, trade: HostTrade) -> CloseReason | None:
        """Answer the reason to close this trade now."""
        spread_id, leg = _owner(trade)
        record = self._desk.records.get(spread_id)
        if record is None or record.trade_ids.get(leg, trade.trade_id) != trade.trade_id:
            return CloseReason.ORPHAN_LEG
        order = self._desk.ready_order(spread_id, leg)
        if order is None or not self._closes(spread_id, leg, order):
            return None
        self._desk.mark_sent(spread_id, order, self._world.now)
        return order.reason or CloseReason.ORPHAN_LEG

    def forced_exit(self, trade: HostTrade) -> None:
        """Note that something other than the desk closes a leg now."""
        spread_id, leg = _owner(trade)
        record = self._desk.records.get(spread_id)
        if record is None or record.trade_ids.get(leg) != trade.trade_id:
            return
        order = self._desk.pending_order(spread_id, leg)
        if order is None or not self._closes(spread_id, leg, order):
            self._desk.request_exit(spread_id, CloseReason.MANUAL, self._world.now)

    def adjustment(self, trade: HostTrade) -> SubmitOrder | None:
        """Return the order that adds to a leg or takes a part of it away."""
        spread_id, leg = _owner(trade)
        order = self._desk.pending_order(spread_id, leg)
        if order is None or self._closes(spread_id, leg, order) or not trade.amount:
            return None
        self._desk.mark_sent(spread_id, order, self._world.now)
        return order

    def wants_adjustment(self) -> bool:
        """Whether any leg needs position adjustment."""
        for spread_id, record in self._desk.records.items():
            for leg in LegName:
                order = self._desk.pending_order(spread_id, leg)
                if order is None or not record.position.leg(leg).held:
                    continue
                if not order.reduce_only or order.quantity < abs(record.position.leg(leg).held):
                    return True
        return False

    def wants_cancel(self, trade: HostTrade) -> bool:
        """Whether the working order of this leg is to be taken off the book."""
        spread_id, leg = _owner(trade)
        record = self._desk.records.get(spread_id)
        if record is None:
            return False
        return any(
            isinstance(command, CancelOrder) and command.leg is leg
            for command in outstanding(record.position)
        )

    def _closes(self, spread_id: str, leg: LegName, order: SubmitOrder) -> bool:
        state = self._desk.records[spread_id].position.leg(leg)
        return order.reduce_only and order.quantity > abs(state.held) - state.lot


def _owner(trade: HostTrade) -> tuple[str, LegName]:
    """Spread and leg of a trade; every trade of the stand-in has a tag."""
    spread_id, _, leg = trade.tag.split(" ")
    return spread_id, LegName(leg)
