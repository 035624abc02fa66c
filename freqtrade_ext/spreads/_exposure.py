"""How much of a spread is not hedged."""

from collections.abc import Mapping

from freqtrade_ext.spreads._events import LegName
from freqtrade_ext.spreads._position import SpreadPosition


def naked_exposure(position: SpreadPosition, prices: Mapping[LegName, float]) -> float:
    r"""
    Measure what is not hedged: :math:`|\beta`-weighted net notional\ :math:`|`.

    Parameters
    ----------
    position : SpreadPosition
    prices : mapping
        Price of each leg, in the settlement currency per base unit.

    Returns
    -------
    float
        In the settlement currency, as notional of leg B: what a move of B's market earns or
        loses per unit of return although the spread does not move. In log space
        :math:`|\beta q_a p_a + q_b p_b|`, in price space :math:`|\beta q_a + q_b| p_b`.
        Without a plan no hedge is known, so both notionals count in full.
    """
    quantity_a, quantity_b = float(position.leg_a.held), float(position.leg_b.held)
    price_a, price_b = prices[LegName.A], prices[LegName.B]
    plan = position.plan
    if plan is None:
        return abs(quantity_a) * price_a + abs(quantity_b) * price_b
    if plan.hedge_space == "price":
        return abs(plan.hedge_ratio * quantity_a + quantity_b) * price_b
    return abs(plan.hedge_ratio * quantity_a * price_a + quantity_b * price_b)
