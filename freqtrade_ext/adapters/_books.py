"""Freqtrade's trades and orders as the books that the domain observes."""

import math
from decimal import Decimal
from typing import Any

from freqtrade_ext.spreads import BookedOrder, LegBook, to_quantity

__all__ = ["counted_orders", "leg_book"]


def leg_book(trade: Any, *, in_callback: bool = False) -> LegBook:
    """
    Read the books of one leg from its Freqtrade trade.

    Parameters
    ----------
    trade : Trade or LocalTrade
        The trade with its orders.
    in_callback : bool
        Inside ``order_filled`` Freqtrade has not closed its books yet, so only orders count.
    """
    sign = -1 if trade.is_short else 1
    orders = []
    for order in trade.orders:
        entering = order.ft_order_side == trade.entry_side
        filled = to_quantity(order.safe_filled or 0.0)
        if order.ft_order_side == "stoploss" and not filled:
            continue  # a stop waiting on the exchange is protection, not an order of the spread
        direction = sign if entering else -sign
        orders.append(
            BookedOrder(
                order_id=str(order.order_id),
                quantity=to_quantity(order.safe_amount) * direction,
                filled=filled * direction,
                # A row may stay open in a trade that has been closed: nothing more comes of it.
                is_open=bool(order.ft_is_open) and trade.is_open,
            )
        )
    held = None
    if not in_callback:
        held = to_quantity(trade.amount or 0.0) * sign if trade.is_open else Decimal(0)
    return LegBook(orders=tuple(orders), held=held)


def counted_orders(trade: Any) -> dict[str, Decimal]:
    """
    Find the orders whose fills are in the amount of a trade for certain.

    Freqtrade commits an order with its fill before it books the fill, and counts an order when it
    has ended. So only ended rows count, and only where they add up to the amount.

    Parameters
    ----------
    trade : Trade or LocalTrade
        An open trade with its orders.

    Returns
    -------
    dict
        Filled quantity, positive base units, by the exchange's order id.
    """
    ended = [order for order in trade.orders if order.safe_filled and not order.ft_is_open]
    total = sum(
        order.safe_filled * (1 if order.ft_order_side == trade.entry_side else -1)
        for order in ended
    )
    if not math.isclose(total, trade.amount or 0.0, rel_tol=1e-9, abs_tol=1e-12):
        return {}
    return {str(order.order_id): to_quantity(order.safe_filled) for order in ended}
