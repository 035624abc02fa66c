"""What our own books say, for comparison with the venue; and the port through which they change."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from freqtrade_ext.execution._intents import Intent
from freqtrade_ext.execution._ports import OrderReport

__all__ = ["AccountBooks", "BookKeeper", "BookedOrderRef", "BookedTrade"]


@dataclass(frozen=True, slots=True)
class BookedOrderRef:
    """An order that the books show; `is_stop`: a conditional order kept apart by the venue."""

    venue_order_id: str
    market: str
    is_open: bool
    is_stop: bool


@dataclass(frozen=True, slots=True)
class BookedTrade:
    """
    A trade that the books show as open.

    Attributes
    ----------
    trade_id : int
    market : str
    quantity : Decimal
        Signed base units; zero while its entry has not filled.
    entry_price : Decimal
    leverage : float
    margin_mode : str
    opened_ms : int
    changed_ms : int
        Latest time at which one of its orders was created, updated or filled.
    orders : tuple of BookedOrderRef
        All its orders, ended ones too.
    owner, leg : str, optional
        Spread and leg, from its entry tag.
    """

    trade_id: int
    market: str
    quantity: Decimal
    entry_price: Decimal
    leverage: float
    margin_mode: str
    opened_ms: int
    changed_ms: int
    orders: tuple[BookedOrderRef, ...] = ()
    owner: str | None = None
    leg: str | None = None


@dataclass(frozen=True, slots=True)
class AccountBooks:
    """Every open trade, and the markets that this bot may trade at all."""

    trades: tuple[BookedTrade, ...]
    markets: frozenset[str]

    def of(self, market: str) -> tuple[BookedTrade, ...]:
        """Open trades of one market."""
        return tuple(trade for trade in self.trades if trade.market == market)

    def held(self, market: str) -> Decimal:
        """Signed quantity that the books hold of a market."""
        return sum((trade.quantity for trade in self.of(market)), Decimal(0))


class BookKeeper(Protocol):
    """Reads and repairs the books. Calls are made by one thread at a time."""

    def read(self) -> AccountBooks:
        """Read the books as they are committed now."""

    def has_order(self, market: str, venue_order_id: str) -> bool:
        """Whether any trade, open or closed, shows this order."""

    def adopt(self, report: OrderReport, intent: Intent | None) -> bool:
        """
        Enter an order that the venue has into the books, as a new trade or in an open one.

        The books follow the order's fills from then on. False where the books cannot take it (no
        trade that it could belong to, and no intent that says what it is).
        """

    def write_off(self, trade: BookedTrade, quantity: Decimal, price: Decimal, text: str) -> bool:
        """Take a quantity (positive) out of a trade for which no order can be found."""

    def flattening_intents(self, market: str) -> Sequence[Intent]:
        """Intents of purpose REPAIR on this market that have not settled."""
