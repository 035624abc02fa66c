"""What Freqtrade's books hold of one market."""

from collections.abc import Mapping
from decimal import Decimal

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._books import counted_orders

__all__ = ["booked_orders", "booked_quantity", "open_trade_id"]


def booked_quantity(market: str) -> Decimal:
    """Return the signed position of a market by the books, in base units."""
    trades = Trade.get_trades_proxy(pair=market, is_open=True)
    return sum(
        (Decimal(str(t.amount or 0.0)) * (-1 if t.is_short else 1) for t in trades), Decimal(0)
    )


def booked_orders(market: str) -> Mapping[str, Decimal]:
    """Return the ended orders that make up that position: filled quantity by the venue's id."""
    trades = Trade.get_trades_proxy(pair=market, is_open=True)
    return {name: filled for trade in trades for name, filled in counted_orders(trade).items()}


def open_trade_id(market: str) -> int | None:
    """Return the number of the open trade of a market; None where there is none."""
    trade = next(iter(Trade.get_trades_proxy(pair=market, is_open=True)), None)
    return None if trade is None else int(trade.id)
