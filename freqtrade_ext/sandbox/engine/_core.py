"""State of the exchange and the few steps that change money: booking a fill, ending an order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from freqtrade_ext.sandbox.engine._account import Account, Position
from freqtrade_ext.sandbox.engine._margin import (
    bracket_of,
    liquidation_price,
    maintenance_margin,
    order_margin,
)
from freqtrade_ext.sandbox.engine._matching import Execution
from freqtrade_ext.sandbox.engine._order_book import OrderBook
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._reports import Reports
from freqtrade_ext.sandbox.engine._types import (
    ZERO,
    Fill,
    Order,
    OrderScript,
    OrderStatus,
    Trigger,
    TriggerStatus,
)
from freqtrade_ext.sandbox.journal import (
    Event,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    TriggerEnded,
)
from freqtrade_ext.sandbox.market import Instrument, Market


@dataclass(slots=True)
class Core:
    """Everything the exchange remembers, at the time `now_ms`."""

    market: Market
    record: Callable[[Event], None]
    now_ms: int
    account: Account = field(default_factory=Account)
    book: OrderBook = field(default_factory=OrderBook)
    next_script: OrderScript | None = None  # how the client's next order goes wrong
    reports: Reports = field(init=False)
    price_seen_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reports = Reports(self.book)

    def take_script(self) -> OrderScript | None:
        """Script of the client's next order, once."""
        script, self.next_script = self.next_script, None
        return script

    def instrument(self, symbol: str) -> Instrument:
        """Instrument by symbol; refuses an unknown one."""
        try:
            return self.market.instruments[symbol]
        except KeyError:
            raise Rejection(Reason.INSTRUMENT_UNKNOWN, symbol) from None

    def position(self, symbol: str) -> Position:
        """Position and settings of an instrument; refuses an unknown one."""
        self.instrument(symbol)
        return self.account.position(symbol)

    def mark(self, symbol: str) -> Decimal:
        """Mark price now."""
        return self.market.mark_price(symbol, self.now_ms)

    def marks(self) -> dict[str, Decimal]:
        """Mark prices of everything held."""
        return {p.symbol: self.mark(p.symbol) for p in self.account.held}

    def maintenance(self, position: Position) -> Decimal:
        """Maintenance margin of a position at the current mark price."""
        notional = abs(position.quantity) * self.mark(position.symbol)
        return maintenance_margin(self.instrument(position.symbol).brackets, notional)

    def orders_margin(self, symbol: str) -> Decimal:
        """Initial margin tied up by the open orders of an instrument."""
        position = self.account.position(symbol)
        return order_margin(position.quantity, self.book.working(symbol), position.leverage)

    def available_balance(self) -> Decimal:
        """Money that new orders may use."""
        marks = self.marks()
        symbols = {order.symbol for order in self.book.working()}
        tied_up = sum((self.orders_margin(symbol) for symbol in symbols), ZERO)
        return (
            self.account.cross_wallet
            + self.account.cross_unrealized_pnl(marks)
            - self.account.cross_initial_margin(marks)
            - tied_up
        )

    def liquidation_price(self, position: Position) -> Decimal | None:
        """Mark price at which a position is liquidated, if any."""
        if not position.quantity:
            return None
        notional = abs(position.quantity) * self.mark(position.symbol)
        margin = position.isolated_wallet if position.is_isolated else self._cross_margin(position)
        return liquidation_price(
            quantity=position.quantity,
            entry_price=position.entry_price,
            margin=margin,
            bracket=bracket_of(self.instrument(position.symbol).brackets, notional),
        )

    def _cross_margin(self, position: Position) -> Decimal:
        others = [p for p in self.account.held if not p.is_isolated and p is not position]
        profit = sum((p.unrealized_pnl(self.mark(p.symbol)) for p in others), ZERO)
        return self.account.cross_wallet + profit - sum((self.maintenance(p) for p in others), ZERO)

    def accept(self, order: Order) -> Order:
        """Take an order into the book."""
        self.record(
            OrderAccepted(
                time_ms=self.now_ms,
                symbol=order.symbol,
                side=order.side.value,
                order_type=order.order_type.value,
                quantity=order.quantity,
                price=order.price,
                reduce_only=order.reduce_only,
                venue_order_id=order.venue_order_id,
                client_order_id=order.client_order_id,
                origin=order.origin,
            )
        )
        return self.book.add(order)

    def execute(
        self, order: Order, executions: Iterable[Execution], *, is_maker: bool
    ) -> list[Fill]:
        """Book executions of an order and withdraw what they leave without meaning."""
        fills = [self._execute_one(order, execution, is_maker) for execution in executions]
        if fills and not self.account.position(order.symbol).quantity:
            self._withdraw_reducers(order.symbol)
        return fills

    def _execute_one(self, order: Order, execution: Execution, is_maker: bool) -> Fill:
        position = self.account.position(order.symbol)
        instrument = self.instrument(order.symbol)
        pnl = position.apply(order.side, execution.quantity, execution.price)
        position.updated_ms = order.updated_ms = self.now_ms
        fill_id = self.book.next_fill_id()
        rate = instrument.maker_fee if is_maker else instrument.taker_fee
        fee = execution.quantity * execution.price * rate
        booked = self.account.book("commission", -fee, self.now_ms, order.symbol, fill_id)
        self.account.book("realized_pnl", pnl, self.now_ms, order.symbol, fill_id)
        order.filled_quantity += execution.quantity
        order.filled_notional += execution.quantity * execution.price
        complete = not order.leaves_quantity
        order.status = OrderStatus.FILLED if complete else OrderStatus.PARTIALLY_FILLED
        fill = Fill(
            fill_id=fill_id,
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            price=execution.price,
            quantity=execution.quantity,
            fee=-booked,
            realized_pnl=pnl,
            is_maker=is_maker,
            time_ms=self.now_ms,
        )
        self.book.fills.append(fill)
        self._record_fill(order, fill)
        if complete:
            self.close_trigger_of(order)
        return fill

    def _record_fill(self, order: Order, fill: Fill) -> None:
        self.record(
            OrderFilled(
                time_ms=self.now_ms,
                symbol=fill.symbol,
                side=fill.side.value,
                price=fill.price,
                quantity=fill.quantity,
                fee=fill.fee,
                realized_pnl=fill.realized_pnl,
                position=self.account.position(fill.symbol).quantity,
                reduce_only=order.reduce_only,
                is_maker=fill.is_maker,
                fill_id=fill.fill_id,
                venue_order_id=fill.venue_order_id,
                client_order_id=fill.client_order_id,
                origin=order.origin,
            )
        )

    def end(self, order: Order, status: OrderStatus) -> None:
        """Take an order out of the book, canceled or expired."""
        order.status = status
        order.updated_ms = self.now_ms
        self.close_trigger_of(order)
        self.record(
            OrderEnded(
                time_ms=self.now_ms,
                symbol=order.symbol,
                venue_order_id=order.venue_order_id,
                client_order_id=order.client_order_id,
                status=status.value,
                filled_quantity=order.filled_quantity,
            )
        )

    def end_trigger(self, trigger: Trigger, status: TriggerStatus) -> None:
        """Withdraw a conditional order that still waits."""
        trigger.status = status
        trigger.updated_ms = self.now_ms
        self.record(
            TriggerEnded(
                time_ms=self.now_ms,
                symbol=trigger.symbol,
                trigger_id=trigger.trigger_id,
                client_order_id=trigger.client_order_id,
                status=status.value,
            )
        )

    def close_trigger_of(self, order: Order) -> None:
        """Let a conditional order follow the end of the order it became."""
        if order.trigger is not None and not order.is_open:
            order.trigger.status = TriggerStatus.FINISHED
            order.trigger.updated_ms = self.now_ms

    def _withdraw_reducers(self, symbol: str) -> None:
        """Without a position nothing can be reduced: those orders expire, as on Binance."""
        for order in self.book.working(symbol):
            if order.reduce_only:
                self.end(order, OrderStatus.EXPIRED)
        for trigger in self.book.waiting(symbol):
            if trigger.close_position:
                self.end_trigger(trigger, TriggerStatus.EXPIRED)
