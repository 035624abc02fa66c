"""The account as the venue shows it at one moment."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution._ports import Clock, OrderReport, PositionReport, Venue

__all__ = ["AccountSnapshot", "take_snapshot"]


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """
    Positions of the whole account, and open orders of the markets that were asked for.

    Attributes
    ----------
    taken_ms : int
        When the first question was asked: everything here is at least as new.
    positions : mapping
        Every position that is not flat, by market.
    open_orders : tuple of OrderReport
        Conditional ones included.
    markets : frozenset of str, optional
        Markets whose open orders were asked for; None: all of them.
    """

    taken_ms: int
    positions: Mapping[str, PositionReport]
    open_orders: tuple[OrderReport, ...]
    markets: frozenset[str] | None = None

    def asked_orders_of(self, market: str) -> bool:
        """Whether the absence of an order in this market means anything."""
        return self.markets is None or market in self.markets

    def order(self, venue_order_id: str, market: str) -> OrderReport | None:
        """Find an open order."""
        for order in self.open_orders:
            if order.market == market and order.venue_order_id == venue_order_id:
                return order
        return None


def take_snapshot(
    venue: Venue, clock: Clock, markets: Collection[str] | None = None
) -> AccountSnapshot:
    """
    Ask the venue for positions and open orders.

    Parameters
    ----------
    venue, clock :
        Whom to ask, and the time.
    markets : collection of str, optional
        Markets whose open orders are asked for, one request each; None: all, in one request that
        weighs as much as forty.

    Raises
    ------
    VenueError
        If one question is not answered, or a position is no number: half an account is none.
    """
    taken_ms = clock.now_ms()
    # Positions first: an order that fills in between is then gone from the book while its position
    # is not there yet, which explains itself. The other way round it looks like a foreign position.
    positions = dict(venue.positions())
    for market, position in positions.items():
        if not position.quantity.is_finite():
            raise VenueError(f"{market}: the exchange reports a position of {position.quantity}")
    if markets is None:
        return AccountSnapshot(taken_ms, positions, tuple(venue.open_orders()))
    orders = tuple(order for market in sorted(markets) for order in venue.open_orders(market))
    return AccountSnapshot(taken_ms, positions, orders, frozenset(markets))
