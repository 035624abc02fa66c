"""Whose the orders of positions in single markets are: what each is for, and what it says."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._booked_positions import (
    booked_orders,
    booked_quantity,
    open_trade_id,
)
from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.adapters._order_words import OrderWords
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.execution import Intent, IntentPurpose, OrderOutcome
from freqtrade_ext.risk import CloseReason

__all__ = ["PositionOrders"]


class PositionOrders:
    """
    The owner of orders that belong to no spread.

    The order guard names and sends them one by one; this only says what they are for, so that an
    order whose answer was lost is entered in the books with its tag or its reason.

    Parameters
    ----------
    words : OrderWords
        Written by the strategy whenever it decides.
    markets : callable
        Returns the markets that this bot may trade.
    places_stops : bool
        Whether Freqtrade keeps a stop of every position on the exchange.
    """

    def __init__(
        self, words: OrderWords, markets: Callable[[], frozenset[str]], *, places_stops: bool
    ) -> None:
        self._words = words
        self._markets = markets
        self._places_stops = places_stops

    def claim(self, asked: AskedOrder) -> Sequence[Intent]:
        """Claim nothing: no other order has to leave with one of a single market."""
        return ()

    def react(self, outcomes: Sequence[OrderOutcome]) -> Sequence[Intent]:
        """Let nothing follow: there is no partner that could be left alone."""
        return ()

    def purpose_of(self, asked: AskedOrder) -> IntentPurpose:
        """Say why an order is sent: what adds enters; a part of a position is trimmed."""
        if not asked.reduce_only:
            known = asked.market in self._words.entry_tags
            return IntentPurpose.ENTRY if known else IntentPurpose.FORCED
        if asked.market not in self._words.closes:
            return IntentPurpose.FORCED
        whole = asked.quantity >= abs(booked_quantity(asked.market))
        return IntentPurpose.EXIT if whole else IntentPurpose.TRIM

    def held(self, market: str) -> Decimal:
        """Return the signed position of a market by the books."""
        return booked_quantity(market)

    def counted(self, market: str) -> Mapping[str, Decimal]:
        """Return the ended orders that make up `held`: filled quantity by the venue's id."""
        return booked_orders(market)

    def trade_of(self, market: str) -> int | None:
        """Return the open trade of a market by the books."""
        return open_trade_id(market)

    def markets(self) -> frozenset[str]:
        """Return the markets that this bot may trade."""
        return self._markets()

    def said_of(self, market: str, *, reduce_only: bool) -> str:
        """Return the entry tag or the close reason that was decided last; a person's is MANUAL."""
        if reduce_only:
            return self._words.closes.get(market, CloseReason.MANUAL.value)
        return self._words.entry_tags.get(market, "")

    def is_at_rest(self) -> bool:
        """Whether no entry or exit is on its way and every position has its stop."""
        trades = Trade.get_open_trades()
        return all(self._is_whole(trade) for trade in trades if not EntryTag.parse(trade.enter_tag))

    def _is_whole(self, trade: Trade) -> bool:
        if trade.has_open_orders:
            return False
        return trade.has_open_sl_orders or not self._places_stops
