"""How much of a spread is not hedged, and for how long it was not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from freqtrade_ext.spreads._events import EntryPlan, LegName
from freqtrade_ext.spreads._position import SpreadPosition

# Fits and lots leave a few percent unhedged in normal times.
_NORMAL_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class LegFill:
    """A fill of one leg; `quantity` is signed base units, `time_ms` the venue's."""

    leg: LegName
    quantity: float
    price: float
    time_ms: int


@dataclass(frozen=True, slots=True)
class NakedTime:
    """`exposure`: naked notional times seconds, settlement currency; `seconds`: time with any."""

    exposure: float = 0.0
    seconds: float = 0.0


def naked_time(fills: Iterable[LegFill], plan: EntryPlan) -> NakedTime:
    """
    Measure from the fills of an episode how much was not hedged, between the first and the last.

    Net notional counts where it is more than 5 % of the gross notional of both legs. Prices are
    those of each leg's latest fill; before a leg has one, it holds nothing.
    """
    ordered = sorted(fills, key=lambda fill: fill.time_ms)
    held, prices = dict.fromkeys(LegName, 0.0), dict.fromkeys(LegName, 0.0)
    exposure = seconds = 0.0
    for fill, following in pairwise(ordered):
        held[fill.leg] += fill.quantity
        prices[fill.leg] = fill.price
        lasted = (following.time_ms - fill.time_ms) / 1000
        net = abs(_signed(held, prices, plan, LegName.A) + _signed(held, prices, plan, LegName.B))
        gross = sum(abs(_signed(held, prices, plan, leg)) for leg in LegName)
        if net > _NORMAL_SHARE * gross:
            exposure += net * lasted
            seconds += lasted
    return NakedTime(exposure, seconds)


def _signed(
    held: Mapping[LegName, float], prices: Mapping[LegName, float], plan: EntryPlan, leg: LegName
) -> float:
    """Notional of a leg in terms of leg B's, signed; the two cancel out in a hedged spread."""
    if leg is LegName.B:
        return held[leg] * prices[leg]
    price = prices[LegName.B] if plan.hedge_space == "price" else prices[leg]
    # Before leg B has a price, price space has none to measure leg A by: its own is near enough.
    return plan.hedge_ratio * held[leg] * (price or prices[leg])


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
    held = {leg: float(position.leg(leg).held) for leg in LegName}
    plan = position.plan
    if plan is None:
        return sum(abs(held[leg]) * prices[leg] for leg in LegName)
    return abs(sum(_signed(held, prices, plan, leg) for leg in LegName))
