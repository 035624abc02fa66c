"""The same intention filled twice: equal entries in a row, or one client order id used twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from freqtrade_ext.sandbox.journal import OrderFilled

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same intention filled twice."""

    symbol: str
    side: str
    quantity: Decimal
    client_order_ids: tuple[str, str]
    time_ms: int


def _is_entry(fill: OrderFilled) -> bool:
    """Tell whether a fill made the position bigger, in either direction."""
    sign = 1 if fill.side == "buy" else -1
    return fill.position * sign > 0


@dataclass(frozen=True, slots=True)
class _Entry:
    venue_order_id: int
    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    time_ms: int


def repeated_entries(fills: Sequence[OrderFilled], window_ms: int) -> list[Duplicate]:
    """Pairs of equal entries within the window and without an exit between them."""
    found: list[Duplicate] = []
    standing: dict[str, list[_Entry]] = {}
    for entry in _entries_and_exits(fills):
        earlier = standing.setdefault(entry.symbol, [])
        if not entry.side:
            earlier.clear()
            continue
        twin = next((one for one in earlier if _are_twins(one, entry, window_ms)), None)
        if twin is not None:
            found.append(_duplicate(twin, entry))
        earlier.append(entry)
    return found


def _entries_and_exits(fills: Sequence[OrderFilled]) -> list[_Entry]:
    """Orders in the order of their first fill, with what they filled; exits have no side."""
    orders: dict[int, _Entry] = {}
    for fill in fills:
        if fill.origin == "external" and _is_entry(fill):
            continue  # what a person adds by hand is no second order of the client's
        known = orders.get(fill.venue_order_id)
        orders[fill.venue_order_id] = _Entry(
            venue_order_id=fill.venue_order_id,
            client_order_id=fill.client_order_id,
            symbol=fill.symbol,
            side=fill.side if _is_entry(fill) else "",
            quantity=fill.quantity + (known.quantity if known else ZERO),
            time_ms=known.time_ms if known else fill.time_ms,
        )
    return list(orders.values())


def _are_twins(one: _Entry, other: _Entry, window_ms: int) -> bool:
    same = (one.side, one.quantity) == (other.side, other.quantity)
    return same and other.time_ms - one.time_ms <= window_ms


def reused_ids(fills: Sequence[OrderFilled]) -> list[Duplicate]:
    """Client order ids that two different orders were filled under."""
    first: dict[str, _Entry] = {}
    found: list[Duplicate] = []
    for entry in _entries_and_exits(fills):
        earlier = first.setdefault(entry.client_order_id, entry)
        if earlier.venue_order_id != entry.venue_order_id:
            found.append(_duplicate(earlier, entry))
    return found


def _duplicate(one: _Entry, other: _Entry) -> Duplicate:
    ids = (one.client_order_id, other.client_order_id)
    return Duplicate(other.symbol, other.side, other.quantity, ids, other.time_ms)
