"""Whose the orders are in a bot that trades spreads and single markets: one owner for the guard."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.adapters._position_orders import PositionOrders
from freqtrade_ext.adapters._spread_orders import SpreadOrders
from freqtrade_ext.execution import Intent, IntentPurpose, OrderOutcome

__all__ = ["CombinedOrders"]


class CombinedOrders:
    """
    The owner of all orders; each is judged by the owner of its market.

    Parameters
    ----------
    spreads : SpreadOrders
    positions : PositionOrders
    holds_leg : callable
        Whether a spread that is not flat has a leg in a market.
    """

    def __init__(
        self, spreads: SpreadOrders, positions: PositionOrders, holds_leg: Callable[[str], bool]
    ) -> None:
        self._spreads = spreads
        self._positions = positions
        self._holds_leg = holds_leg

    def _of(self, market: str) -> SpreadOrders | PositionOrders:
        return self._spreads if self._holds_leg(market) else self._positions

    def claim(self, asked: AskedOrder) -> Sequence[Intent]:
        """Find the order of a spread, and its partner; an order of a single market stays alone."""
        return self._of(asked.market).claim(asked)

    def react(self, outcomes: Sequence[OrderOutcome]) -> Sequence[Intent]:
        """Close what is left of a spread whose entry has failed; orders that leave are of one."""
        return self._spreads.react(outcomes)

    def held(self, market: str) -> Decimal:
        """Return the signed position of a market by the books."""
        return self._of(market).held(market)

    def counted(self, market: str) -> Mapping[str, Decimal]:
        """Return the ended orders that make up `held`: filled quantity by the venue's id."""
        return self._of(market).counted(market)

    def trade_of(self, market: str) -> int | None:
        """Return the open trade of a market by the books."""
        return self._of(market).trade_of(market)

    def purpose_of(self, asked: AskedOrder) -> IntentPurpose:
        """Say why an order is sent that no spread has asked for."""
        return self._of(asked.market).purpose_of(asked)

    def said_of(self, market: str, *, reduce_only: bool) -> str:
        """Return the entry tag or the close reason of an order that no spread has asked for."""
        return self._of(market).said_of(market, reduce_only=reduce_only)

    def markets(self) -> frozenset[str]:
        """Return the markets that this bot may trade."""
        return self._spreads.markets() | self._positions.markets()

    def is_at_rest(self) -> bool:
        """Whether every spread is whole and every position has its stop, without an order."""
        return self._spreads.is_at_rest() and self._positions.is_at_rest()
