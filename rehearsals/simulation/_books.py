"""The host's trades and orders, as Freqtrade keeps them; and the port through which they change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal

from freqtrade_ext.execution import (
    AccountBooks,
    BookedOrderRef,
    BookedTrade,
    Intent,
    IntentPurpose,
    OrderGuard,
    OrderReport,
    OrderSide,
    OrderStatus,
)
from freqtrade_ext.spreads import BookedOrder, LegBook
from rehearsals.simulation._market import MARKETS
from rehearsals.simulation._stores import Database
from rehearsals.simulation._world import LEVERAGE, World

__all__ = ["HostBooks", "HostOrder", "HostTrade", "Keeper", "leg_book"]

ZERO = Decimal(0)


@dataclass(slots=True)
class HostOrder:
    """A row of the orders' table; `role`: entry, exit or stop."""

    order_id: str
    side: OrderSide
    role: str
    quantity: Decimal
    price: Decimal
    created_ms: int
    changed_ms: int
    filled: Decimal = ZERO
    status: OrderStatus = OrderStatus.OPEN

    @property
    def is_open(self) -> bool:
        """Whether the host goes on asking for it."""
        return self.status is OrderStatus.OPEN


@dataclass(slots=True)
class HostTrade:
    """A row of the trades' table; `amount` is positive, as Freqtrade's."""

    trade_id: int
    market: str
    is_short: bool
    tag: str
    opened_ms: int
    open_rate: Decimal
    amount: Decimal = ZERO
    is_open: bool = True
    orders: list[HostOrder] = field(default_factory=list)

    @property
    def entry_side(self) -> OrderSide:
        """Side of what adds."""
        return OrderSide.SELL if self.is_short else OrderSide.BUY

    @property
    def exit_side(self) -> OrderSide:
        """Side of what reduces."""
        return OrderSide.BUY if self.is_short else OrderSide.SELL

    @property
    def held(self) -> Decimal:
        """Signed amount."""
        return -self.amount if self.is_short else self.amount

    @property
    def open_orders(self) -> list[HostOrder]:
        """Open orders without stops."""
        return [order for order in self.orders if order.is_open and order.role != "stop"]

    @property
    def open_stops(self) -> list[HostOrder]:
        """Open stops."""
        return [order for order in self.orders if order.is_open and order.role == "stop"]

    @property
    def entries(self) -> int:
        """How many entry orders have filled, wholly or in part."""
        ended = (order for order in self.orders if order.role == "entry" and not order.is_open)
        return sum(order.filled > 0 for order in ended)

    def order(self, order_id: str) -> HostOrder | None:
        """Find an order."""
        return next((order for order in self.orders if order.order_id == order_id), None)

    def recount(self) -> None:
        """Add up the ended orders; Freqtrade leaves the amount alone where nothing is left."""
        amount = stake = average = ZERO
        for order in self.orders:
            if order.is_open or not order.filled:
                continue
            if order.role == "entry":
                amount += order.filled
                stake += order.filled * order.price
                average = stake / amount if amount > 0 else average
            else:
                amount -= order.filled
                stake -= order.filled * average
        if amount > 0:
            self.amount = amount
            self.open_rate = stake / amount

    def count(self, order: HostOrder, *, recalculating: bool = False) -> None:
        """Count an ended order into the trade, as ``Trade.update_trade`` does."""
        if order.is_open:
            return
        if order.role == "entry":
            self.amount = order.filled
            self.recount()
        elif order.filled == self.amount or (not recalculating and order.filled > self.amount):
            self.is_open = False
            self.recount()
        else:
            self.recount()


class HostBooks:
    """
    The host's database: what is committed outlives the process.

    Parameters
    ----------
    world : World
    database : Database
    """

    def __init__(self, world: World, database: Database) -> None:
        self._world = world
        self._database = database
        self._durable: list[HostTrade] = []
        self.trades: list[HostTrade] = []
        self._serial = 0
        self.is_dirty = False

    def reopen(self) -> None:
        """Read what an earlier process has committed."""
        self.trades = _copies(self._durable)
        self.is_dirty = False

    def commit(self) -> None:
        """Make everything durable; a database that fails ends the process, as it ends Freqtrade."""
        self._world.alive()
        if not self.is_dirty:
            return
        self._world.reach("before_commit")
        if self._database.is_down:
            self._world.die("database fails at commit")
        self._durable = _copies(self.trades)
        self.is_dirty = False
        self._world.reach("after_commit")

    def open_trades(self, market: str | None = None) -> list[HostTrade]:
        """Open trades, oldest first."""
        return [t for t in self.trades if t.is_open and market in (None, t.market)]

    def new_trade(self, market: str, side: OrderSide, tag: str, price: Decimal) -> HostTrade:
        """Open a trade."""
        self._serial += 1
        short = side is OrderSide.SELL
        trade = HostTrade(self._serial, market, short, tag, self._world.now, price)
        self.trades.append(trade)
        self.is_dirty = True
        return trade

    def delete(self, trade: HostTrade) -> None:
        """Remove a trade with all its orders, as Freqtrade does with one that never filled."""
        self.trades.remove(trade)
        self.is_dirty = True
        self.commit()

    def orders(self) -> Iterator[tuple[HostTrade, HostOrder]]:
        """Every order of every trade."""
        for trade in self.trades:
            for order in trade.orders:
                yield trade, order

    def held(self, market: str) -> Decimal:
        """Signed position by the books."""
        return sum((trade.held for trade in self.open_trades(market)), ZERO)

    def counted(self, market: str) -> Mapping[str, Decimal]:
        """Ended orders that make up what is held, as the adapter finds them."""
        found: dict[str, Decimal] = {}
        for trade in self.open_trades(market):
            ended = [order for order in trade.orders if order.filled and not order.is_open]
            total = sum(o.filled * (1 if o.role == "entry" else -1) for o in ended)
            if total == trade.amount:
                found |= {order.order_id: order.filled for order in ended}
        return found


def _copies(trades: Sequence[HostTrade]) -> list[HostTrade]:
    copies = []
    for trade in trades:
        one = copy(trade)
        one.orders = [copy(order) for order in trade.orders]
        copies.append(one)
    return copies


def leg_book(trade: HostTrade, *, in_callback: bool = False) -> LegBook:
    """
    Show a trade to the desk, as the adapter does.

    Freqtrade never asks again for an order of a trade that is closed, so its row may say open for
    ever; to the desk that order has ended.
    """
    orders = tuple(
        BookedOrder(
            order_id=order.order_id,
            quantity=order.quantity * order.side.sign,
            filled=order.filled * order.side.sign,
            is_open=order.is_open and trade.is_open,
        )
        for order in trade.orders
        if order.role != "stop" or order.filled
    )
    if in_callback:
        return LegBook(orders=orders)
    return LegBook(orders=orders, held=trade.held if trade.is_open else ZERO)


class Keeper:
    """The host's books as reconciliation reads and repairs them."""

    def __init__(
        self,
        world: World,
        books: HostBooks,
        guard: OrderGuard,
        tag_of: Callable[[str], tuple[str | None, str | None]],
    ) -> None:
        self._world = world
        self._books = books
        self._guard = guard
        self._tag_of = tag_of

    def read(self) -> AccountBooks:
        """Read every open trade."""
        trades = tuple(self._booked(trade) for trade in self._books.open_trades())
        return AccountBooks(trades=trades, markets=frozenset(MARKETS))

    def _booked(self, trade: HostTrade) -> BookedTrade:
        owner, leg = self._tag_of(trade.tag)
        return BookedTrade(
            trade_id=trade.trade_id,
            market=trade.market,
            quantity=trade.held,
            entry_price=trade.open_rate,
            leverage=float(LEVERAGE),
            margin_mode="isolated",
            opened_ms=trade.opened_ms,
            changed_ms=max((order.changed_ms for order in trade.orders), default=0),
            orders=tuple(
                BookedOrderRef(order.order_id, trade.market, order.is_open, order.role == "stop")
                for order in trade.orders
            ),
            owner=owner,
            leg=leg,
        )

    def has_order(self, market: str, venue_order_id: str) -> bool:
        """Whether any trade shows this order."""
        return any(
            order.order_id == venue_order_id and trade.market == market
            for trade, order in self._books.orders()
        )

    def adopt(self, report: OrderReport, intent: Intent | None) -> bool:
        """Enter an order as an open row."""
        if self.has_order(report.market, report.venue_order_id):
            return True
        trade = self._trade_for(report, intent)
        if trade is None:
            if intent is None or intent.reduce_only or intent.purpose is IntentPurpose.REPAIR:
                return False
            price = report.average_price or intent.price or self._price(report.market)
            trade = self._books.new_trade(report.market, report.side, intent.tag, price)
            trade.opened_ms = report.time_ms
        role = "entry" if report.side is trade.entry_side else "exit"
        trade.orders.append(
            HostOrder(
                order_id=report.venue_order_id,
                side=report.side,
                role="stop" if report.kind.value == "stop" else role,
                quantity=report.quantity,
                price=report.average_price or trade.open_rate,
                created_ms=report.time_ms,
                changed_ms=self._world.now,
            )
        )
        self._books.is_dirty = True
        self._books.commit()
        self._world.note(f"  adopted {report.client_order_id} into trade {trade.trade_id}")
        return True

    def _price(self, market: str) -> Decimal:
        return self._world.market.price(market, self._world.now)

    def _trade_for(self, report: OrderReport, intent: Intent | None) -> HostTrade | None:
        for trade in self._books.open_trades(report.market):
            if self._closes_another(intent, trade):
                continue
            owner, leg = self._tag_of(trade.tag)
            if intent is None or intent.owner is None or not owner:
                return trade
            if (owner, leg) == (intent.owner, intent.leg):
                return trade
        return None

    def _closes_another(self, intent: Intent | None, trade: HostTrade) -> bool:
        """Whether an order was to close an earlier trade of the market."""
        if intent is None or not intent.reduce_only or intent.trade_id in {None, trade.trade_id}:
            return False
        return any(each.trade_id == intent.trade_id for each in self._books.trades)

    def write_off(self, trade: BookedTrade, quantity: Decimal, price: Decimal, text: str) -> bool:
        """Book an exit without an order."""
        for booked in self._books.open_trades(trade.market):
            if booked.trade_id == trade.trade_id:
                break
        else:
            return False
        order = HostOrder(
            order_id=f"ext-{trade.trade_id}-{self._world.now}",
            side=booked.exit_side,
            role="exit",
            quantity=quantity,
            price=price,
            created_ms=self._world.now,
            changed_ms=self._world.now,
            filled=quantity,
            status=OrderStatus.FILLED,
        )
        booked.orders.append(order)
        booked.count(order)
        self._books.is_dirty = True
        self._books.commit()
        self._world.note(f"  wrote off {quantity} of trade {trade.trade_id}: {text}")
        return True

    def flattening_intents(self, market: str) -> Sequence[Intent]:
        """Repairs that have not settled."""
        questions = self._guard.open_questions(market)
        return [intent for intent in questions if intent.purpose is IntentPurpose.REPAIR]
