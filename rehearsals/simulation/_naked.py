"""How long, and with how much, a spread stood on one leg."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from freqtrade_ext.sandbox.journal import OrderFilled
from freqtrade_ext.spreads import LegName
from rehearsals.simulation._market import PRICES
from rehearsals.simulation._stage import Spread

__all__ = ["Naked", "naked"]

ZERO = Decimal(0)
_SHARE = 0.05  # of the planned notional of a leg: lots and trims leave that much


@dataclass(frozen=True, slots=True)
class Naked:
    """USDT·s per 1000 USDT of planned notional (both legs), and the longest time in seconds."""

    exposure: float
    longest_seconds: float


def naked(fills: Sequence[OrderFilled], spread: Spread, until_ms: int) -> Naked:
    """Integrate the net notional of two legs beyond a share of the planned one."""
    leg_a = spread.market(LegName.A)
    notional = float(abs(spread.plan.leg(LegName.A).quantity) * PRICES[leg_a])
    exposure = longest = 0.0
    since_ms: int | None = None
    for begin_ms, end_ms, net in _spans(fills, spread, until_ms):
        beyond = abs(net) - _SHARE * notional
        if beyond <= 0:
            since_ms = None
            continue
        since_ms = begin_ms if since_ms is None else since_ms
        exposure += beyond * (end_ms - begin_ms) / 1000
        longest = max(longest, (end_ms - since_ms) / 1000)
    return Naked(exposure * 1000 / (2 * notional), longest)


def _spans(
    fills: Sequence[OrderFilled], spread: Spread, until_ms: int
) -> Iterator[tuple[int, int, float]]:
    """Yield begin, end and signed net notional between any two fills of the spread's legs."""
    held = dict.fromkeys(spread.legs.values(), ZERO)
    ours: list[OrderFilled] = []
    for fill in fills:
        is_own = fill.client_order_id.startswith(f"{spread.spread_id}.")
        # What a stranger does to a market shared with another spread is that spread's.
        if is_own or held.get(fill.symbol):
            held[fill.symbol] += fill.quantity if fill.side == "buy" else -fill.quantity
            ours.append(fill)
    held = dict.fromkeys(held, ZERO)
    ends = [*(fill.time_ms for fill in ours[1:]), until_ms][: len(ours)]
    for fill, end_ms in zip(ours, ends, strict=True):
        held[fill.symbol] += fill.quantity if fill.side == "buy" else -fill.quantity
        yield fill.time_ms, end_ms, float(sum(held[name] * PRICES[name] for name in held))
