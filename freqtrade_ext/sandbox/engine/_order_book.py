"""Our own orders: open ones, history, and look-up by either id."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import Fill, Order, Trigger

MAX_OPEN_ORDERS = 200  # per instrument, Binance's MAX_NUM_ORDERS
FIRST_ORDER_ID = 1_000_001
FIRST_TRIGGER_ID = 2_000_001
FIRST_FILL_ID = 3_000_001
FORGOTTEN_AFTER_MS = 3 * 86_400_000  # ended without a fill: gone three days after its creation


class _Identified(Protocol):
    symbol: str
    client_order_id: str

    @property
    def is_open(self) -> bool: ...


T = TypeVar("T", bound=_Identified)


@dataclass(slots=True)
class OrderBook:
    """Every order, conditional order and fill of the account, oldest first."""

    orders: dict[int, Order] = field(default_factory=dict)
    triggers: dict[int, Trigger] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    _working: dict[int, Order] = field(default_factory=dict)
    _waiting: dict[int, Trigger] = field(default_factory=dict)

    def next_order_id(self) -> int:
        """Next id of an ordinary order; ids only grow."""
        return FIRST_ORDER_ID + len(self.orders)

    def next_trigger_id(self) -> int:
        """Next id of a conditional order; ids only grow."""
        return FIRST_TRIGGER_ID + len(self.triggers)

    def next_fill_id(self) -> int:
        """Next id of a fill; ids only grow."""
        return FIRST_FILL_ID + len(self.fills)

    def add(self, order: Order) -> Order:
        """Take an order into the book."""
        self.orders[order.venue_order_id] = order
        self._working[order.venue_order_id] = order
        return order

    def add_trigger(self, trigger: Trigger) -> Trigger:
        """Take a conditional order into the book."""
        self.triggers[trigger.trigger_id] = trigger
        self._waiting[trigger.trigger_id] = trigger
        return trigger

    def working(self, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first."""
        self._working = {key: order for key, order in self._working.items() if order.is_open}
        return _of(self._working.values(), symbol)

    def waiting(self, symbol: str | None = None) -> list[Trigger]:
        """Conditional orders that wait for their price, oldest first."""
        self._waiting = {key: trigger for key, trigger in self._waiting.items() if trigger.is_open}
        return _of(self._waiting.values(), symbol)

    def check_new_order(self, symbol: str, client_order_id: str) -> None:
        """Refuse an id that an open order has, or an order too many."""
        open_orders = self.working()
        if any(order.client_order_id == client_order_id for order in open_orders):
            raise Rejection(Reason.CLIENT_ORDER_ID_DUPLICATED, client_order_id)
        if sum(order.symbol == symbol for order in open_orders) >= MAX_OPEN_ORDERS:
            raise Rejection(Reason.TOO_MANY_ORDERS)

    def check_new_trigger(self, client_order_id: str) -> None:
        """Refuse an id that a waiting conditional order has."""
        if any(trigger.client_order_id == client_order_id for trigger in self.waiting()):
            raise Rejection(Reason.CLIENT_ORDER_ID_DUPLICATED, client_order_id)

    def find(
        self, symbol: str, order_id: int | None, client_order_id: str | None, now_ms: int
    ) -> Order:
        """
        Find an order by either id, the latest one if a client id was used again.

        Raises
        ------
        Rejection
            If there is none, or it ended unfilled and was created three days ago.
        """
        for order in reversed(self.orders.values()):
            named = order.venue_order_id == order_id if order_id is not None else None
            if named is None:
                named = order.client_order_id == client_order_id
            if named and order.symbol == symbol and not _is_forgotten(order, now_ms):
                return order
        raise Rejection(Reason.ORDER_NOT_FOUND)

    def find_trigger(self, trigger_id: int | None, client_order_id: str | None) -> Trigger:
        """Find a conditional order by either id, the latest one if a client id was used again."""
        for trigger in reversed(self.triggers.values()):
            named = trigger.trigger_id == trigger_id if trigger_id is not None else None
            if named is None:
                named = trigger.client_order_id == client_order_id
            if named:
                return trigger
        raise Rejection(Reason.ORDER_NOT_FOUND)


def _of(entries: Iterable[T], symbol: str | None) -> list[T]:
    return [entry for entry in entries if symbol is None or entry.symbol == symbol]


def _is_forgotten(order: Order, now_ms: int) -> bool:
    unfilled = not order.is_open and not order.filled_quantity
    return unfilled and now_ms - order.created_ms > FORGOTTEN_AFTER_MS
