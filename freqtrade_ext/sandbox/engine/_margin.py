"""Margin arithmetic of a linear contract: maintenance, liquidation price, what an order ties up.

Formulas: Binance, "Leverage and Margin of USD-M Futures" and "How to Calculate Liquidation Price
of USD-M Futures Contracts" (FAQ 360033162192 and b3c689c1f50a44cabb3a84e663b81d93).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from freqtrade_ext.sandbox.engine._types import ZERO, Order, Side
from freqtrade_ext.sandbox.market import LeverageBracket


def bracket_of(brackets: Sequence[LeverageBracket], notional: Decimal) -> LeverageBracket:
    """Row of the leverage table for a notional; the last one for anything beyond it."""
    return next((row for row in brackets if notional < row.notional_cap), brackets[-1])


def max_notional(brackets: Sequence[LeverageBracket], leverage: int) -> Decimal:
    """Largest position, in quote currency, that `leverage` allows."""
    return max((row.notional_cap for row in brackets if row.max_leverage >= leverage), default=ZERO)


def max_leverage(brackets: Sequence[LeverageBracket]) -> int:
    """Highest leverage of the smallest positions."""
    return max(row.max_leverage for row in brackets)


def maintenance_margin(brackets: Sequence[LeverageBracket], notional: Decimal) -> Decimal:
    """Margin below which a position of this (absolute) notional is liquidated."""
    row = bracket_of(brackets, notional)
    return max(ZERO, notional * row.maintenance_margin_rate - row.maintenance_amount)


def liquidation_price(
    *,
    quantity: Decimal,
    entry_price: Decimal,
    margin: Decimal,
    bracket: LeverageBracket,
) -> Decimal | None:
    """
    Mark price at which a position is liquidated.

    Parameters
    ----------
    quantity : Decimal
        Signed, negative for a short.
    entry_price : Decimal
        Average entry price.
    margin : Decimal
        What stands behind the position: its isolated wallet; for cross margin the cross wallet
        plus other positions' unrealized profit minus their maintenance margin.
    bracket : LeverageBracket
        Row of the leverage table that applies.

    Returns
    -------
    Decimal or None
        None when no positive price liquidates it, or nothing is held.
    """
    divisor = abs(quantity) * bracket.maintenance_margin_rate - quantity
    if not quantity or not divisor:
        return None
    price = (margin + bracket.maintenance_amount - quantity * entry_price) / divisor
    return price if price > 0 else None


def order_margin(held: Decimal, orders: Iterable[Order], leverage: int) -> Decimal:
    """
    Initial margin that open orders tie up beside a position of signed quantity `held`.

    Only what would open or turn a position counts, and of buys and sells only the dearer side,
    because in one-way mode both can never be held together.
    """
    asked = list(orders)
    return max(_side_margin(held, asked, side) for side in Side) / leverage


def _side_margin(held: Decimal, orders: list[Order], side: Side) -> Decimal:
    """Notional that would be opened if every order of one side were filled."""
    mine = [o for o in orders if o.side is side and not o.reduce_only]
    closing = max(ZERO, -held * side.sign)
    opening = ZERO
    for order in mine:
        closed = min(closing, order.leaves_quantity)
        closing -= closed
        opening += (order.leaves_quantity - closed) * (order.price or ZERO)
    return opening
