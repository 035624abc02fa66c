"""A stand-in for Freqtrade: its real order of doing things, and its real weaknesses.

Each method is named after what it stands for in ``freqtrade/freqtradebot.py``. An order is sent,
and only then is its row written; what the host cannot query it leaves for the next loop; what it
cannot find at its start it takes for canceled.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import OrderKind, OrderReport, OrderSide, OrderStatus
from freqtrade_ext.spreads import LegName
from rehearsals.simulation._books import HostBooks, HostOrder, HostTrade
from rehearsals.simulation._broker import Broker
from rehearsals.simulation._gate import Gate, HostError, InvalidOrder
from rehearsals.simulation._stage import Signal
from rehearsals.simulation._venue import SimulatedVenue
from rehearsals.simulation._world import World

__all__ = ["Host"]

ZERO = Decimal(0)
_STOP_SHARE = Decimal("0.2")  # distance of the stop from the entry price
_SMALLEST_REST = Decimal("7.5")  # quote currency: Freqtrade leaves no smaller rest behind


class Host:
    """
    One process of the host.

    Parameters
    ----------
    world, books, gate, broker, venue :
        What it works on.
    signals : sequence of Signal
        What its candles say.
    is_limit : bool
        Whether it sends limit orders.
    has_stops : bool
        Whether it keeps a stop on the exchange for each leg.
    """

    def __init__(
        self,
        world: World,
        books: HostBooks,
        gate: Gate,
        broker: Broker,
        venue: SimulatedVenue,
        signals: Sequence[Signal],
        *,
        is_limit: bool,
        has_stops: bool,
    ) -> None:
        self._world = world
        self._books = books
        self._gate = gate
        self._broker = broker
        self._venue = venue
        self._signals = signals
        self._kind = OrderKind.LIMIT if is_limit else OrderKind.MARKET
        self._has_stops = has_stops
        self._reasons: set[tuple[int, str]] = set()
        self.wallet: dict[str, Decimal] = {}

    def startup_update_open_orders(self) -> None:
        """Look every open order up, and take for canceled what cannot be found."""
        for trade, order in list(self._books.orders()):
            if not order.is_open:
                continue
            is_stop = order.role == "stop"
            try:
                try:
                    report = self._gate.fetch_order(trade.market, order.order_id, is_stop=is_stop)
                    self._update_trade_state(trade, order, report)
                except InvalidOrder:
                    gone = _made_up(trade, order, OrderStatus.CANCELED)
                    gone = replace(gone, filled_quantity=order.filled)
                    self._handle_cancel_order(trade, order, gone)
            except HostError:
                continue
        self._books.commit()

    def loop(self, *, adjusts: bool) -> None:
        """Do one loop, after ``bot_loop_start``."""
        self._manage_open_orders()
        self._exit_positions()
        self._books.commit()
        if adjusts:
            self._process_open_trade_positions()
        self._enter_positions()
        self._books.commit()

    # Open orders

    def _manage_open_orders(self) -> None:
        for trade in self._books.open_trades():
            for order in trade.open_orders:
                try:
                    self._manage(trade, order)
                except HostError:
                    continue

    def _manage(self, trade: HostTrade, order: HostOrder) -> None:
        report = self._gate.fetch_order(trade.market, order.order_id)
        fully_canceled = self._update_trade_state(trade, order, report)
        if not (report.status is OrderStatus.OPEN or fully_canceled):
            return
        if fully_canceled or self._broker.wants_cancel(trade):
            self._handle_cancel_order(trade, order, report)

    def _handle_cancel_order(self, trade: HostTrade, order: HostOrder, report: OrderReport) -> bool:
        if order.side is trade.entry_side:
            return self._handle_cancel_enter(trade, order, report)
        return self._handle_cancel_exit(trade, order, report)

    def _handle_cancel_enter(
        self, trade: HostTrade, order: HostOrder, report: OrderReport, *, replacing: bool = False
    ) -> bool:
        if report.status is OrderStatus.OPEN:
            kept = (trade.amount + report.filled_quantity) * trade.open_rate
            if report.filled_quantity > 0 and kept < _SMALLEST_REST:
                return False
            canceled = self._gate.cancel_order(trade.market, order.order_id, trade.amount)
            report = canceled or _made_up(trade, order, OrderStatus.CANCELED)
            if report.status is OrderStatus.OPEN:
                return False
        if report.filled_quantity == 0:
            others = [one for one in trade.orders if one.is_open and one is not order]
            if not others and not trade.entries and not replacing:
                self._books.delete(trade)
            else:
                self._update_trade_state(trade, order, report)
            self._update_wallets()
            return True
        self._update_trade_state(trade, order, report)
        self._update_wallets()
        return False

    def _handle_cancel_exit(self, trade: HostTrade, order: HostOrder, report: OrderReport) -> bool:
        canceled = False
        if report.status is OrderStatus.OPEN:
            rest = (trade.amount - report.filled_quantity) * trade.open_rate
            if report.filled_quantity > 0 and rest < _SMALLEST_REST:
                return False
            answer = self._gate.cancel_order(trade.market, order.order_id, trade.amount)
            report = answer or _made_up(trade, order, OrderStatus.CANCELED)
            canceled = True
        self._update_trade_state(trade, order, report)
        return canceled

    def _update_trade_state(
        self,
        trade: HostTrade,
        order: HostOrder,
        report: OrderReport,
        *,
        recalculating: bool = False,
    ) -> bool:
        """Count an order; whether it ended without a fill."""
        self._apply(order, report)
        if not order.is_open and order.filled == 0:
            return True
        trade.count(order, recalculating=recalculating)
        self._books.commit()
        self._update_trade_after_fill(trade, order, is_recovery=recalculating)
        self._books.commit()
        return False

    def _apply(self, order: HostOrder, report: OrderReport) -> None:
        new = (report.status, report.filled_quantity)
        if new == (order.status, order.filled):
            return
        order.status, order.filled = new
        order.price = report.average_price or order.price
        if not order.is_open:  # of an open order the adapter reads only when it was created
            order.changed_ms = self._world.now
        self._books.is_dirty = True

    def _update_trade_after_fill(
        self, trade: HostTrade, order: HostOrder, *, is_recovery: bool
    ) -> None:
        if order.is_open:
            return
        with suppress(StoreError):  # `answer_on_error`
            self._broker.filled(trade)
        if order.role == "entry" and not is_recovery:
            self._cancel_stops(trade)
        if not trade.is_open:
            self._cancel_stops(trade)
        self._update_wallets()

    def _update_wallets(self) -> None:
        try:
            positions = self._venue.positions()
        except VenueError as error:
            raise HostError(str(error)) from error
        self.wallet = {name: report.quantity for name, report in positions.items()}

    # Stops on the exchange

    def _cancel_stops(self, trade: HostTrade) -> None:
        for stop in trade.open_stops:
            try:
                report = self._gate.cancel_stop(trade.market, stop.order_id)
            except InvalidOrder:
                continue
            report = report or _made_up(trade, stop, OrderStatus.CANCELED)
            self._update_trade_state(trade, stop, report)

    def _handle_stoploss_on_exchange(self, trade: HostTrade) -> bool:
        """Look at the stops, put one where there is none; whether one has closed the trade."""
        reports: list[OrderReport] = []
        for stop in trade.open_stops:
            try:
                report = self._gate.fetch_order(trade.market, stop.order_id, is_stop=True)
            except InvalidOrder:
                continue
            reports.append(report)
            self._update_trade_state(trade, stop, report)
            if report.status is OrderStatus.FILLED:
                return True
        if not trade.amount or not trade.is_open:
            return False
        canceled = [one for one in reports if one.status is OrderStatus.CANCELED]
        if not reports or len(canceled) == len(reports):
            self._create_stoploss_order(trade)
        return False

    def _create_stoploss_order(self, trade: HostTrade) -> None:
        away = -1 if trade.exit_side is OrderSide.SELL else 1
        price = (trade.open_rate * (1 + away * _STOP_SHARE)).quantize(Decimal("0.01"))
        asked = AskedOrder(trade.market, trade.exit_side, OrderKind.STOP, trade.amount, price, True)
        try:
            report = self._gate.create_order(asked)
        except InvalidOrder:
            self._emergency_exit(trade)
        except HostError:
            return
        else:
            trade.orders.append(self._row(report, "stop", trade.amount, price))
            self._books.is_dirty = True

    def _emergency_exit(self, trade: HostTrade) -> None:
        try:
            self._execute_trade_exit(trade, "emergency_exit")
        except HostError:
            return

    # Exits

    def _exit_positions(self) -> None:
        for trade in self._books.open_trades():
            try:
                if self._has_stops and self._handle_stoploss_on_exchange(trade):
                    self._books.commit()
                    continue
            except InvalidOrder:
                pass
            except HostError:
                continue
            try:
                if trade.amount and trade.is_open:
                    self._handle_trade(trade)
            except HostError:
                continue

    def _handle_trade(self, trade: HostTrade) -> None:
        try:
            reason = self._broker.exit_reason(trade)
        except StoreError:  # `answer_on_error`
            reason = None
        if reason is None:
            return
        if trade.open_orders and (trade.trade_id, reason.value) in self._reasons:
            return
        self._execute_trade_exit(trade, reason.value)

    def _execute_trade_exit(
        self, trade: HostTrade, reason: str, part: Decimal | None = None
    ) -> bool:
        self._update_wallets()
        if part is None:
            self._broker.forced_exit(trade)
        if trade.open_orders and self._handle_similar_open_order(trade):
            return False
        quantity = part or trade.amount
        asked = self._asked(trade.market, trade.exit_side, quantity, reduce_only=True)
        report = self._gate.create_order(asked)
        self._reasons.add((trade.trade_id, reason))
        order = self._row(report, "exit", quantity, trade.open_rate)
        trade.orders.append(order)
        self._books.is_dirty = True
        if report.status in {OrderStatus.FILLED, OrderStatus.EXPIRED}:
            self._update_trade_state(trade, order, report)
        self._books.commit()
        return True

    def _handle_similar_open_order(self, trade: HostTrade) -> bool:
        """Cancel the open orders of a trade before another one; whether one is left."""
        for order in trade.open_orders:
            try:
                report = self._gate.fetch_order(trade.market, order.order_id)
            except HostError:
                continue
            if order.side is trade.entry_side:
                self._handle_cancel_enter(trade, order, report, replacing=True)
            else:
                self._handle_cancel_exit(trade, order, report)
        self._books.commit()
        return bool(trade.open_orders)

    def force_exit(self, trade: HostTrade) -> None:
        """A person closes a trade, by ``/forceexit``."""
        self._world.note(f"  a person closes trade {trade.trade_id} ({trade.market})")
        try:
            entries_ended = False
            for order in trade.open_orders:
                report = self._gate.fetch_order(trade.market, order.order_id)
                if order.side is trade.entry_side:
                    entries_ended |= self._handle_cancel_enter(trade, order, report)
                else:
                    self._handle_cancel_exit(trade, order, report)
            if not entries_ended and not trade.open_orders and trade.is_open:
                self._execute_trade_exit(trade, "force_exit")
        except HostError as error:
            self._world.note(f"  which fails: {error}")
        self._books.commit()

    # Entries

    def _process_open_trade_positions(self) -> None:
        for trade in self._books.open_trades():
            try:
                order = self._broker.adjustment(trade)
            except StoreError:  # `answer_on_error`
                continue
            if order is None:
                continue
            try:
                if order.reduce_only:
                    rest = (trade.amount - order.quantity) * trade.open_rate
                    if rest == 0 or rest >= _SMALLEST_REST:
                        self._execute_trade_exit(trade, "partial_exit", order.quantity)
                else:
                    self._add_to(trade, order.quantity)
            except HostError:
                continue

    def _add_to(self, trade: HostTrade, quantity: Decimal) -> None:
        if trade.open_orders and self._handle_similar_open_order(trade):
            return
        asked = self._asked(trade.market, trade.entry_side, quantity, reduce_only=False)
        self._book_entry(self._gate.create_order(asked), quantity, trade, trade.tag)

    def _enter_positions(self) -> None:
        for signal in self._signals:
            if not signal.lasts(self._world.now):
                continue
            for leg in LegName:
                market = signal.spread.market(leg)
                if self._books.open_trades(market):
                    continue
                try:
                    order = self._broker.entry(signal, leg)
                except StoreError:  # `answer_on_error`
                    continue
                if order is None:
                    continue
                side = signal.spread.side(leg)
                try:
                    asked = self._asked(market, side, order.quantity, reduce_only=False)
                    report = self._gate.create_order(asked)
                    self._book_entry(report, order.quantity, None, signal.spread.tag(leg))
                except HostError:
                    continue

    def _book_entry(
        self, report: OrderReport, quantity: Decimal, trade: HostTrade | None, tag: str
    ) -> None:
        ended_badly = report.status in {OrderStatus.EXPIRED, OrderStatus.REJECTED}
        if ended_badly and report.filled_quantity == 0:
            return
        is_new = trade is None
        if trade is None:
            price = report.average_price or self._price(report.market)
            trade = self._books.new_trade(report.market, report.side, tag, price)
        order = self._row(report, "entry", quantity, trade.open_rate)
        trade.orders.append(order)
        trade.recount()
        self._books.is_dirty = True
        self._books.commit()
        self._update_wallets()
        if not is_new and report.status is OrderStatus.FILLED:
            self._cancel_stops(trade)
        if report.status is not OrderStatus.OPEN and self._update_trade_state(trade, order, report):
            self._handle_cancel_enter(trade, order, report)

    def _asked(
        self, market: str, side: OrderSide, quantity: Decimal, *, reduce_only: bool
    ) -> AskedOrder:
        price = self._price(market) if self._kind is OrderKind.LIMIT else None
        return AskedOrder(market, side, self._kind, quantity, price, reduce_only)

    def _price(self, market: str) -> Decimal:
        return self._world.market.price(market, self._world.now)

    def _row(self, report: OrderReport, role: str, quantity: Decimal, price: Decimal) -> HostOrder:
        return HostOrder(
            order_id=report.venue_order_id,
            side=report.side,
            role=role,
            quantity=quantity,
            price=report.average_price or price,
            created_ms=report.time_ms,
            changed_ms=self._world.now,
            filled=report.filled_quantity,
            status=report.status,
        )


def _made_up(trade: HostTrade, order: HostOrder, status: OrderStatus) -> OrderReport:
    """Freqtrade's own idea of an order that it cannot find."""
    return OrderReport(
        venue_order_id=order.order_id,
        client_order_id="",
        market=trade.market,
        side=order.side,
        kind=OrderKind.MARKET,
        quantity=order.quantity,
        filled_quantity=ZERO,
        status=status,
        reduce_only=order.role != "entry",
        time_ms=order.created_ms,
    )
