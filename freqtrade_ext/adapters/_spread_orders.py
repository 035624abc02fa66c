"""Which of the desk's orders Freqtrade is sending, and which leave with it: both legs at once."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._booked_positions import (
    booked_orders,
    booked_quantity,
    open_trade_id,
)
from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.execution import (
    Intent,
    IntentPurpose,
    IntentState,
    OrderKind,
    OrderOutcome,
    OrderSide,
)
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    BookedOrder,
    LegBook,
    LegName,
    Purpose,
    SpreadDesk,
    SpreadRecord,
    SpreadState,
    SubmitOrder,
)

__all__ = ["SpreadOrders"]

IsHeld = Callable[[str, LegName, str], bool]  # spread, leg, market
Send = Callable[[Sequence[Intent]], Sequence[OrderOutcome]]
_PURPOSES = {
    Purpose.ENTRY: IntentPurpose.ENTRY,
    Purpose.TRIM: IntentPurpose.TRIM,
    Purpose.EXIT: IntentPurpose.EXIT,
    Purpose.UNWIND: IntentPurpose.UNWIND,
}
_FAILED = {IntentState.REJECTED, IntentState.DENIED, IntentState.ABSENT}


class SpreadOrders:
    """
    The owner of the orders of spreads.

    Parameters
    ----------
    desk : callable
        Returns the desk of this run.
    markets : callable
        Returns the markets of the book.
    leverage : float
        Leverage of every leg.
    now_ms : callable
        The clock.
    held : callable
        Signed position of a market by the books; Freqtrade's by default.
    counted : callable
        Ended orders that make up `held`; Freqtrade's by default.
    has_trade : callable
        Whether the books have an open trade of a spread's leg; Freqtrade's by default.
    """

    def __init__(
        self,
        desk: Callable[[], SpreadDesk],
        markets: Callable[[], frozenset[str]],
        leverage: float,
        now_ms: Callable[[], int],
        held: Callable[[str], Decimal] | None = None,
        counted: Callable[[str], Mapping[str, Decimal]] | None = None,
        has_trade: IsHeld | None = None,
    ) -> None:
        self._desk = desk
        self._markets = markets
        self._leverage = leverage
        self._now_ms = now_ms
        self._held = held or booked_quantity
        self._counted = counted or booked_orders
        self._has_trade = has_trade or _has_freqtrade_trade

    def claim(self, asked: AskedOrder) -> Sequence[Intent]:
        """
        Find the desk's order that this is; the partner's order leaves with it.

        Raises
        ------
        IllegalRequest
            If the order waits for the other leg's: whoever forces it now would bare that leg. The
            spread leaves without being asked again.
        """
        if asked.kind is OrderKind.STOP:
            return ()
        for record in self._desk().records.values():
            for leg in LegName:
                order = self._pending(record, leg)
                if order is not None and _is(asked, record, leg, order):
                    return self._with_partner(asked, record, leg, order)
        return ()

    def _with_partner(
        self, asked: AskedOrder, record: SpreadRecord, leg: LegName, order: SubmitOrder
    ) -> Sequence[Intent]:
        spread_id = record.position.spread_id
        if self._ready(record, leg) is None:
            raise IllegalRequest(
                f"{spread_id} leg {leg} leaves together with leg {leg.other}, as soon as it is "
                f"known what became of the order that was sent for that one"
            )
        if order.reduce_only and order.client_order_id not in record.sent:
            # A person or a stop closes this leg, and nobody was told before.
            self._desk().mark_sent(spread_id, order, self._now_ms())
        first = self._intent(record, leg, order, asked.kind, asked.quantity, asked.price)
        partner = self._ready(record, leg.other)
        # A limit order's price is Freqtrade's to say, so only market orders go in twos.
        together = {Purpose.ENTRY, Purpose.EXIT, Purpose.UNWIND}
        if partner is None or asked.kind is not OrderKind.MARKET:
            return (first,)
        if order.purpose not in together or partner.reduce_only != order.reduce_only:
            return (first,)
        self._desk().mark_sent(record.position.spread_id, partner, self._now_ms())
        quantity = partner.quantity
        return first, self._intent(record, leg.other, partner, OrderKind.MARKET, quantity, None)

    def _pending(self, record: SpreadRecord, leg: LegName) -> SubmitOrder | None:
        return self._desk().pending_order(record.position.spread_id, leg)

    def _ready(self, record: SpreadRecord, leg: LegName) -> SubmitOrder | None:
        return self._desk().ready_order(record.position.spread_id, leg)

    def _intent(
        self,
        record: SpreadRecord,
        leg: LegName,
        order: SubmitOrder,
        kind: OrderKind,
        quantity: Decimal,
        price: Decimal | None,
    ) -> Intent:
        market = record.market(leg)
        return Intent(
            client_order_id=order.client_order_id,
            market=market,
            side=OrderSide(order.side.value),
            kind=kind,
            quantity=quantity,
            price=price,
            reduce_only=order.reduce_only,
            purpose=_PURPOSES[order.purpose],
            attempt=order.attempt,
            created_ms=self._now_ms(),
            owner=record.position.spread_id,
            leg=leg.value,
            trade_id=record.trade_ids.get(leg),
            leverage=self._leverage,
            tag=_said(record, leg, order),
            # An entry of this very call is not in the books yet; the desk has heard of it.
            held_before=self.held(market) or record.position.leg(leg).held,
            counted=self.counted(market),
        )

    @answer_on_error(())
    def react(self, outcomes: Sequence[OrderOutcome]) -> Sequence[Intent]:
        """
        Close what is left of a spread as soon as an entry order has failed for good.

        The coordinator hears of it now instead of in the next loop, seconds later. Exits are left
        to the books: Freqtrade has to ask for both of them before the spread may be forgotten.
        """
        failed = [o.intent for o in outcomes if o.intent.state in _FAILED and _is_entry(o.intent)]
        record = self._desk().records.get(failed[0].owner or "") if failed else None
        if record is None:
            return ()
        for outcome in outcomes:
            self._report(record.position.spread_id, outcome)
        return self._closing(record.position.spread_id)

    def unwind_left_over(self, send: Send) -> None:
        """
        Go on with what an earlier run was unwinding when it died: such a leg is held alone.

        It need not wait for candles. An order that was sent keeps its name, so that it is asked
        for and not sent again; one that is proven never to have arrived is repeated at once. A leg
        without a trade of its own is left alone: what stands in its market is somebody else's.
        Exits are left to Freqtrade: their spread is hedged, and they may be limit orders.

        Parameters
        ----------
        send : callable
            Sends orders through the guard and returns what became of them.
        """
        records = list(self._desk().records.items())
        unwinding = [
            name for name, record in records if record.position.state is SpreadState.UNWINDING
        ]
        for spread_id in unwinding:
            closing = self._closing(spread_id, self._has_trade)
            outcomes = send(closing) if closing else ()
            absent = [each for each in outcomes if each.intent.state is IntentState.ABSENT]
            for outcome in absent:
                self._report(spread_id, outcome)
            asked = {each.intent.client_order_id for each in outcomes}
            again = self._closing(spread_id, self._has_trade) if absent else ()
            if fresh := [each for each in again if each.client_order_id not in asked]:
                send(fresh)

    def _report(self, spread_id: str, outcome: OrderOutcome) -> None:
        """Tell the desk what became of an order, as the books will tell it later."""
        intent, report = outcome.intent, outcome.report
        if intent.leg is None or intent.state.is_open_question:
            return
        orders: tuple[BookedOrder, ...] = ()
        if report is not None:
            sign = report.side.sign
            order = BookedOrder(
                order_id=report.venue_order_id,
                quantity=report.quantity * sign,
                filled=report.signed_filled,
                is_open=not report.status.is_final,
                name=intent.client_order_id,
            )
            orders = (order,)
        self._desk().observe(
            spread_id,
            LegName(intent.leg),
            LegBook(orders=orders),
            self._now_ms(),
            settled=intent.state in _FAILED,
        )

    def _closing(self, spread_id: str, is_held: IsHeld = lambda *_: True) -> Sequence[Intent]:
        """Every reducing order that the spread wants now on legs that are held, marked as sent."""
        intents = []
        for leg in LegName:
            record = self._desk().records.get(spread_id)
            order = self._ready(record, leg) if record is not None else None
            if record is None or order is None or not order.reduce_only:
                continue
            if not is_held(spread_id, leg, record.market(leg)):
                continue
            self._desk().mark_sent(spread_id, order, self._now_ms())
            intents.append(self._intent(record, leg, order, OrderKind.MARKET, order.quantity, None))
        return intents

    def held(self, market: str) -> Decimal:
        """Return the signed position of a market by the books."""
        return self._held(market)

    def counted(self, market: str) -> Mapping[str, Decimal]:
        """Return the ended orders that make up `held`: filled quantity by the venue's id."""
        return self._counted(market)

    def trade_of(self, market: str) -> int | None:
        """Return the open trade of a market by the books."""
        return open_trade_id(market)

    def markets(self) -> frozenset[str]:
        """Return the markets that this bot may trade."""
        return self._markets()

    def is_at_rest(self) -> bool:
        """Whether every spread is whole and waits for nothing."""
        return self._desk().is_at_rest

    def purpose_of(self, asked: AskedOrder) -> IntentPurpose:
        """Say why an order is sent that the desk did not ask for: somebody has forced it."""
        return IntentPurpose.FORCED

    def said_of(self, market: str, *, reduce_only: bool) -> str:
        """Return the close reason of an order that a person forces; forced entries have no tag."""
        return CloseReason.MANUAL.value if reduce_only else ""


def _has_freqtrade_trade(spread_id: str, leg: LegName, market: str) -> bool:
    trades = Trade.get_trades_proxy(pair=market, is_open=True)
    return any(EntryTag.marks(trade, spread_id, leg) for trade in trades)


def _is_entry(intent: Intent) -> bool:
    return intent.purpose is IntentPurpose.ENTRY and intent.owner is not None


def _is(asked: AskedOrder, record: SpreadRecord, leg: LegName, order: SubmitOrder) -> bool:
    same = (asked.market, asked.side.value, asked.reduce_only) == (
        record.market(leg),
        order.side.value,
        order.reduce_only,
    )
    lot = record.position.leg(leg).lot
    return same and abs(asked.quantity - order.quantity) < max(lot, Decimal("1e-12"))


def _said(record: SpreadRecord, leg: LegName, order: SubmitOrder) -> str:
    """What the books will say: the entry tag of what adds, the close reason of what reduces."""
    if order.reduce_only:
        return (order.reason or CloseReason.ORPHAN_LEG).value
    plan = record.position.plan
    if plan is None:
        return ""
    return str(EntryTag(record.position.spread_id, plan.direction, leg))
