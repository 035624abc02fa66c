"""How much of an order the public order book can fill, and at which prices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from freqtrade_ext.sandbox.engine._types import ZERO, Side
from freqtrade_ext.sandbox.market import Depth

BOOK_LEVELS = 1_000


@dataclass(frozen=True, slots=True)
class Execution:
    """A slice of an order filled at one price."""

    price: Decimal
    quantity: Decimal


def levels_against(depth: Depth, side: Side) -> Sequence[tuple[Decimal, Decimal]]:
    """Side of the book that an order of `side` takes from, best price first."""
    return depth.asks if side is Side.BUY else depth.bids


def walk(
    depth: Depth,
    side: Side,
    quantity: Decimal,
    limit: Decimal | None = None,
    shift: Decimal = ZERO,
) -> list[Execution]:
    """
    Take liquidity level by level, as far as quantity, limit price and book allow.

    `shift` moves the whole book; it serves orders set off between two looks at the market,
    whose book stood elsewhere than now.
    """
    taken: list[Execution] = []
    missing = quantity
    for price, available in levels_against(depth, side):
        at = price + shift
        if missing <= 0 or at <= 0 or (limit is not None and (at - limit) * side.sign > 0):
            break
        piece = min(missing, available)
        if piece > 0:
            taken.append(Execution(at, piece))
            missing -= piece
    return taken


def total_quantity(executions: Iterable[Execution]) -> Decimal:
    """Sum of the quantities."""
    return sum((e.quantity for e in executions), ZERO)


def total_notional(executions: Iterable[Execution]) -> Decimal:
    """Sum of quantity times price."""
    return sum((e.quantity * e.price for e in executions), ZERO)


def cap(executions: list[Execution], quantity: Decimal) -> list[Execution]:
    """Keep the first `quantity` of the executions."""
    kept: list[Execution] = []
    for execution in executions:
        piece = min(execution.quantity, quantity - total_quantity(kept))
        if piece <= 0:
            break
        kept.append(Execution(execution.price, piece))
    return kept


def fraction_on_step(quantity: Decimal, fraction: Decimal, step: Decimal) -> Decimal:
    """Share of a quantity, rounded down to the step grid."""
    return (quantity * fraction / step).to_integral_value(rounding=ROUND_DOWN) * step
