"""What the exchange tells of its orders; a rehearsal can make it lag behind what happened."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from freqtrade_ext.sandbox.engine._order_book import OrderBook
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import ZERO, Fill, Order, OrderStatus, Trigger


@dataclass(slots=True)
class Reports:
    """
    The order book as queries see it: without hidden orders, and with fills only when they show.

    Positions, balances and cancels know the truth all the while, as on an exchange whose order
    queries are answered from a copy that lags behind.
    """

    book: OrderBook
    _hidden_until_ms: dict[int, int] = field(default_factory=dict)
    _fills_from_ms: dict[int, int] = field(default_factory=dict)

    def hide(self, number: int, until_ms: int) -> None:
        """Do not know an order or a conditional order before a time."""
        self._hidden_until_ms[number] = until_ms

    def delay_fills(self, venue_order_id: int, until_ms: int) -> None:
        """Do not know the fills of an order before a time."""
        self._fills_from_ms[venue_order_id] = until_ms

    def find(
        self, symbol: str, order_id: int | None, client_order_id: str | None, now_ms: int
    ) -> Order:
        """
        Find an order by either id; see `OrderBook.find`.

        Raises
        ------
        Rejection
            If there is none, or it is hidden.
        """
        order = self.book.find(symbol, order_id, client_order_id, now_ms)
        if self._is_hidden(order.venue_order_id, now_ms):
            raise Rejection(Reason.ORDER_NOT_FOUND)
        return self.shown(order, now_ms)

    def shown(self, order: Order, now_ms: int) -> Order:
        """Render an order without the fills that do not show yet."""
        if not self._is_late(order.venue_order_id, now_ms):
            return order
        return replace(order, status=OrderStatus.NEW, filled_quantity=ZERO, filled_notional=ZERO)

    def orders(self, now_ms: int) -> list[Order]:
        """Every order, oldest first."""
        every = self.book.orders.values()
        return [
            self.shown(order, now_ms)
            for order in every
            if not self._is_hidden(order.venue_order_id, now_ms)
        ]

    def working(self, symbol: str | None, now_ms: int) -> list[Order]:
        """Open orders, oldest first, those whose fills do not show yet among them."""
        late = [self.book.orders[key] for key, end in self._fills_from_ms.items() if end > now_ms]
        every = {order.venue_order_id: order for order in (*self.book.working(), *late)}
        found = [
            self.shown(order, now_ms)
            for key, order in sorted(every.items())
            if symbol in (None, order.symbol) and not self._is_hidden(key, now_ms)
        ]
        return [order for order in found if order.is_open]

    def fills(self, now_ms: int) -> list[Fill]:
        """Executions, oldest first."""
        return [
            fill
            for fill in self.book.fills
            if not self._is_hidden(fill.venue_order_id, now_ms)
            and not self._is_late(fill.venue_order_id, now_ms)
        ]

    def find_trigger(
        self, trigger_id: int | None, client_order_id: str | None, now_ms: int
    ) -> Trigger:
        """
        Find a conditional order by either id; see `OrderBook.find_trigger`.

        Raises
        ------
        Rejection
            If there is none, or it is hidden.
        """
        trigger = self.book.find_trigger(trigger_id, client_order_id)
        if self._is_hidden(trigger.trigger_id, now_ms):
            raise Rejection(Reason.ORDER_NOT_FOUND)
        return trigger

    def triggers(self, now_ms: int) -> list[Trigger]:
        """Every conditional order, oldest first."""
        return self._visible_triggers(self.book.triggers.values(), now_ms)

    def waiting(self, symbol: str | None, now_ms: int) -> list[Trigger]:
        """Conditional orders that wait for their price, oldest first."""
        return self._visible_triggers(self.book.waiting(symbol), now_ms)

    def _visible_triggers(self, triggers: Iterable[Trigger], now_ms: int) -> list[Trigger]:
        return [one for one in triggers if not self._is_hidden(one.trigger_id, now_ms)]

    def _is_hidden(self, number: int, now_ms: int) -> bool:
        return now_ms < self._hidden_until_ms.get(number, 0)

    def _is_late(self, venue_order_id: int, now_ms: int) -> bool:
        return now_ms < self._fills_from_ms.get(venue_order_id, 0)
