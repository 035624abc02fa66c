"""The sandbox engine behind the port `Venue`, with an answer that may be lost on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import (
    Accepted,
    Answer,
    FillReport,
    Intent,
    OrderKind,
    OrderOrigin,
    OrderReport,
    OrderSide,
    OrderStatus,
    PositionReport,
    Rejected,
    Unanswered,
)
from freqtrade_ext.sandbox.engine import (
    CancelOrder,
    CancelTrigger,
    FillAtOnce,
    Order,
    OrderType,
    PlaceOrder,
    PlaceTrigger,
    Rejection,
    Side,
    Trigger,
    TriggerStatus,
    TriggerType,
)
from freqtrade_ext.sandbox.engine import OrderStatus as EngineStatus
from freqtrade_ext.sandbox.engine._rejections import Reason
from rehearsals.simulation._weather import Weather
from rehearsals.simulation._world import LEVERAGE, World

__all__ = ["NoSuchOrder", "SimulatedVenue", "TurnedAway"]

_STATUSES = {
    EngineStatus.NEW: OrderStatus.OPEN,
    EngineStatus.PARTIALLY_FILLED: OrderStatus.OPEN,
    EngineStatus.FILLED: OrderStatus.FILLED,
    EngineStatus.CANCELED: OrderStatus.CANCELED,
    EngineStatus.EXPIRED: OrderStatus.EXPIRED,
}
# As ccxt reads them: a conditional order that has become another order is closed, with no fills.
_TRIGGER_STATUSES = {
    TriggerStatus.NEW: OrderStatus.OPEN,
    TriggerStatus.TRIGGERED: OrderStatus.FILLED,
    TriggerStatus.FINISHED: OrderStatus.FILLED,
    TriggerStatus.CANCELED: OrderStatus.CANCELED,
    TriggerStatus.REJECTED: OrderStatus.REJECTED,
    TriggerStatus.EXPIRED: OrderStatus.EXPIRED,
}
_SIDES = {OrderSide.BUY: Side.BUY, OrderSide.SELL: Side.SELL}


class NoSuchOrder(VenueError):  # noqa: N818 - an answer
    """The exchange says that it does not know the order."""


class TurnedAway(Exception):  # noqa: N818 - an answer
    """The exchange counts the request and does nothing with it."""


class SimulatedVenue:
    """
    One connection to the exchange.

    Parameters
    ----------
    world : World
    weather : Weather
    batch : bool
        Whether several orders go in one request.
    """

    def __init__(self, world: World, weather: Weather, *, batch: bool) -> None:
        self._world = world
        self._weather = weather
        self._batch = batch
        self._exchange = world.exchange

    # Sending

    def submit(self, intents: Sequence[Intent]) -> Sequence[Answer]:
        """Send orders; in one request where that is possible."""
        if self._batch and all(intent.kind is not OrderKind.STOP for intent in intents):
            return self._send(intents)
        return [answer for intent in intents for answer in self._send([intent])]

    def _send(self, intents: Sequence[Intent]) -> list[Answer]:
        self._begin()
        self._world.reach("before_send")
        weather = self._weather
        if weather.is_limited():
            return [Rejected("429 too many requests", TurnedAway("429"))] * len(intents)
        if weather.is_out() or weather.fires("lost_before"):
            return [Unanswered("no connection")] * len(intents)
        if weather.fires("busy"):
            if self._world.rng.random() < 0.5:
                self._execute_all(intents)
            return [Unanswered("-1007 status unknown")] * len(intents)
        answers = self._execute_all(intents)
        self._world.reach("after_send")
        self._world.advance(weather.latency_ms() // 2)
        if weather.fires("lost_after"):
            return [Unanswered("connection reset")] * len(intents)
        return [
            Unanswered("unreadable")
            if len(intents) > 1 and weather.fires("lost_in_batch")
            else answer
            for answer in answers
        ]

    def _execute_all(self, intents: Sequence[Intent]) -> list[Answer]:
        return [self._execute(intent) for intent in intents]

    def _execute(self, intent: Intent) -> Answer:
        if self._weather.fires("reject"):
            return Rejected("-2019 margin is insufficient")
        is_stop = intent.kind is OrderKind.STOP
        self._exchange.rehearse_next_order(self._weather.script(is_stop=is_stop))
        try:
            outcome = self._world.command(_command(intent))
        except Rejection as rejection:
            if rejection.reason is Reason.CLIENT_ORDER_ID_DUPLICATED:
                return Unanswered("an order of this id is open")
            return Rejected(str(rejection))
        finally:
            self._exchange.rehearse_next_order(None)
        if isinstance(outcome, Trigger):
            return Accepted(_trigger_report(outcome))
        assert isinstance(outcome, Order)  # noqa: S101 - for the types
        return Accepted(_report(self._exchange.reports.shown(outcome, self._world.now)))

    def cancel(self, order: OrderReport) -> None:
        """Take an order off the book; one that has ended is no error."""
        try:
            self.cancel_named(order.market, order.venue_order_id, is_stop=order.is_conditional)
        except NoSuchOrder:
            return

    def cancel_named(self, market: str, venue_order_id: str, *, is_stop: bool) -> None:
        """Take an order off the book; `NoSuchOrder` if it has ended."""
        self._begin_query()
        number = int(venue_order_id)
        if not is_stop and self._weather.fires("cancel_race"):
            self._world.try_command(FillAtOnce(market, number))
        command = CancelTrigger(number) if is_stop else CancelOrder(market, number)
        try:
            self._world.command(command)
        except Rejection as rejection:
            raise NoSuchOrder(str(rejection)) from rejection
        self._world.note(f"  canceled {venue_order_id} of {market}")
        if self._weather.fires("lost_cancel"):
            raise VenueError("connection reset")

    # Asking

    def look_up(self, intent: Intent) -> OrderReport | None:
        """Ask for an order by its client order id."""
        self._begin_query()
        return self._found(intent.market, None, intent.client_order_id, intent.kind)

    def order(self, market: str, venue_order_id: str, *, is_stop: bool) -> OrderReport | None:
        """Ask for an order by the venue's id; None: no such order."""
        self._begin_query()
        kind = OrderKind.STOP if is_stop else OrderKind.MARKET
        return self._found(market, int(venue_order_id), None, kind)

    def _found(
        self, market: str, number: int | None, name: str | None, kind: OrderKind
    ) -> OrderReport | None:
        reports, now_ms = self._exchange.reports, self._world.now
        try:
            if kind is OrderKind.STOP:
                return _trigger_report(reports.find_trigger(number, name, now_ms))
            return _report(reports.find(market, number, name, now_ms))
        except Rejection:
            return None

    def order_of_stop(self, market: str, trigger_id: str) -> OrderReport | None:
        """Ask for the order that a stop has become, as two requests; None: it has become none."""
        self._begin_query()
        found = self._exchange.reports.find_trigger(int(trigger_id), None, self._world.now)
        if found.order is None:
            return None
        report = _report(self._exchange.reports.shown(found.order, self._world.now))
        return replace(report, venue_order_id=trigger_id, kind=OrderKind.STOP)

    def open_orders(self, market: str | None = None) -> Sequence[OrderReport]:
        """Return open orders, conditional ones too."""
        self._begin_query()
        reports, now_ms = self._exchange.reports, self._world.now
        plain = [_report(order) for order in reports.working(market, now_ms)]
        self._begin_query()
        return plain + [_trigger_report(one) for one in reports.waiting(market, now_ms)]

    def orders(self, market: str, since_ms: int) -> Sequence[OrderReport]:
        """Return orders since a time, oldest first."""
        self._begin_query()
        return [
            _report(order)
            for order in self._exchange.reports.orders(self._world.now)
            if order.symbol == market and order.created_ms >= since_ms
        ]

    def fills(self, market: str, since_ms: int) -> Sequence[FillReport]:
        """Return executions since a time, oldest first."""
        self._begin_query()
        return [
            FillReport(
                fill_id=str(fill.fill_id),
                venue_order_id=str(fill.venue_order_id),
                market=market,
                side=OrderSide(fill.side.value),
                quantity=fill.quantity,
                price=fill.price,
                time_ms=fill.time_ms,
            )
            for fill in self._exchange.reports.fills(self._world.now)
            if fill.symbol == market and fill.time_ms >= since_ms
        ]

    def positions(self) -> Mapping[str, PositionReport]:
        """Return every position that is not flat."""
        self._begin_query()
        found = {}
        rng = self._world.rng
        lag_ms = rng.randrange(200, 2_500) if self._weather.fires("lag") else 0
        for position in self._exchange.account.positions.values():
            held = self._world.position_at(position.symbol, self._world.now - lag_ms)
            if not held:
                continue
            mark = self._exchange.mark_price(position.symbol)
            is_missing = self._weather.fires("not_a_number")
            found[position.symbol] = PositionReport(
                market=position.symbol,
                quantity=held,
                entry_price=position.entry_price or mark,
                mark_price=Decimal("NaN") if is_missing else mark,
                unrealized_pnl=position.unrealized_pnl(mark),
                leverage=float(LEVERAGE),
                margin_mode="isolated",
            )
        return found

    def _begin(self) -> None:
        world = self._world
        world.reach("request")
        if world.phase == "recovery":
            world.reach("in_recovery")
        world.advance(self._weather.latency_ms())

    def _begin_query(self) -> None:
        self._begin()
        weather = self._weather
        if weather.is_limited():
            raise VenueError("429 too many requests")
        if weather.is_out() or weather.fires("query"):
            raise VenueError("no connection")


def _command(intent: Intent) -> PlaceOrder | PlaceTrigger:
    side = _SIDES[intent.side]
    if intent.kind is OrderKind.STOP:
        return PlaceTrigger(
            symbol=intent.market,
            side=side,
            trigger_type=TriggerType.STOP_MARKET,
            trigger_price=intent.price or Decimal(0),
            quantity=intent.quantity,
            reduce_only=intent.reduce_only,
            client_order_id=intent.client_order_id,
        )
    is_limit = intent.kind is OrderKind.LIMIT
    return PlaceOrder(
        symbol=intent.market,
        side=side,
        order_type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        quantity=intent.quantity,
        price=intent.price if is_limit else None,
        reduce_only=intent.reduce_only,
        client_order_id=intent.client_order_id,
    )


def _report(order: Order) -> OrderReport:
    return OrderReport(
        venue_order_id=str(order.venue_order_id),
        client_order_id=order.client_order_id,
        market=order.symbol,
        side=OrderSide(order.side.value),
        kind=OrderKind.LIMIT if order.order_type is OrderType.LIMIT else OrderKind.MARKET,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        status=_STATUSES[order.status],
        reduce_only=order.reduce_only,
        time_ms=order.created_ms,
        average_price=order.average_price or None,
        origin=_origin(order.client_order_id),
    )


def _trigger_report(trigger: Trigger) -> OrderReport:
    return OrderReport(
        venue_order_id=str(trigger.trigger_id),
        client_order_id=trigger.client_order_id,
        market=trigger.symbol,
        side=OrderSide(trigger.side.value),
        kind=OrderKind.STOP,
        quantity=trigger.quantity,
        filled_quantity=Decimal(0),
        status=_TRIGGER_STATUSES[trigger.status],
        reduce_only=trigger.reduce_only,
        time_ms=trigger.created_ms,
        is_conditional=True,
    )


def _origin(client_order_id: str) -> OrderOrigin:
    if client_order_id.startswith("adl_autoclose"):
        return OrderOrigin.ADL
    if client_order_id.startswith("autoclose-"):
        return OrderOrigin.LIQUIDATION
    return OrderOrigin.ACCOUNT
