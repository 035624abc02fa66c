"""What a journal proves: orphaned legs, duplicated entries, naked exposure, costs.

Pure functions over recorded events. Durations are milliseconds, exposure is quote currency times
seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.journal import (
    Event,
    FundingPaid,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    PriceSeen,
)

__all__ = [
    "AuditReport",
    "Duplicate",
    "Orphan",
    "SpreadLegs",
    "audit",
    "naked_exposure",
]

ZERO = Decimal(0)
DUPLICATE_WINDOW_MS = 60_000


@dataclass(frozen=True, slots=True)
class SpreadLegs:
    """Two legs that belong together: long one unit of `leg_a`, short `hedge_ratio` of `leg_b`.

    `hedge_ratio` weighs notionals: net exposure is notional_a + notional_b * hedge_ratio, the
    notionals signed; a hedge ratio of 1 is a dollar-neutral spread.
    """

    leg_a: str
    leg_b: str
    hedge_ratio: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "SpreadLegs":
        """
        Read ``LEG_A:LEG_B`` or ``LEG_A:LEG_B:RATIO``.

        Raises
        ------
        ConfigError
            If the text has another form.
        """
        parts = text.split(":")
        try:
            leg_a, leg_b = parts[0], parts[1]
            ratio = float(parts[2]) if len(parts) > 2 else 1.0
        except (IndexError, ValueError):
            raise ConfigError(f"a spread is LEG_A:LEG_B or LEG_A:LEG_B:RATIO, got {text!r}") from None
        return cls(leg_a, leg_b, ratio)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A position nobody closed, or a leg without its counterpart; still so if `until_ms` is None."""

    symbol: str
    quantity: Decimal
    since_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same intention filled twice."""

    symbol: str
    side: str
    quantity: Decimal
    client_order_ids: tuple[str, str]
    time_ms: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What happened, judged."""

    positions: Mapping[str, Decimal]
    orphans: tuple[Orphan, ...]
    longest_orphan_ms: int
    duplicates: tuple[Duplicate, ...]
    open_orders: tuple[str, ...]
    naked_exposure: Mapping[str, float]
    fees: Decimal
    funding: Decimal
    realized_pnl: Mapping[str, Decimal]

    @property
    def is_clean(self) -> bool:
        """Nothing orphaned at the end, nothing sent twice, nothing left in the book."""
        standing = any(orphan.until_ms is None for orphan in self.orphans)
        return not (standing or self.duplicates or self.open_orders)

    def as_json(self) -> dict[str, Any]:
        """Render as plain JSON values, decimals as strings."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain | {"is_clean": self.is_clean}


def audit(
    journal: Iterable[Event],
    *,
    spreads: Sequence[SpreadLegs] = (),
    duplicate_window_ms: int = DUPLICATE_WINDOW_MS,
) -> AuditReport:
    """
    Judge a journal.

    Parameters
    ----------
    journal : iterable of Event
        Events, oldest first.
    spreads : sequence of SpreadLegs
        Legs that must be held together: one without the other is an orphan for as long as that
        lasts. A position of any instrument at the end is an orphan unless both legs of its spread
        are held.
    duplicate_window_ms : int
        Two filled entries of one symbol, side and quantity within this time, with no exit between
        them, count as duplicates.
    """
    events = list(journal)
    end_ms = events[-1].time_ms if events else 0
    fills = [event for event in events if isinstance(event, OrderFilled)]
    orphans = (*_lonely_legs(fills, spreads), *_left_over(fills, spreads))
    return AuditReport(
        positions={s: q for s, q in _positions(fills).items() if q},
        orphans=orphans,
        longest_orphan_ms=max(
            ((end_ms if o.until_ms is None else o.until_ms) - o.since_ms for o in orphans),
            default=0,
        ),
        duplicates=(*_repeated_entries(fills, duplicate_window_ms), *_reused_ids(fills)),
        open_orders=_open_orders(events),
        naked_exposure={f"{s.leg_a}:{s.leg_b}": naked_exposure(events, s) for s in spreads},
        fees=sum((fill.fee for fill in fills), ZERO),
        funding=sum((e.amount for e in events if isinstance(e, FundingPaid)), ZERO),
        realized_pnl=_sum_by_symbol(fills),
    )


def naked_exposure(events: Iterable[Event], spread: SpreadLegs) -> float:
    """
    Integrate the absolute net notional of a spread over time, in quote currency times seconds.

    The last known prices and positions hold until the next event.
    """
    quantities = {spread.leg_a: 0.0, spread.leg_b: 0.0}
    prices = {spread.leg_a: 0.0, spread.leg_b: 0.0}
    total, last_ms = 0.0, None
    for event in events:
        if last_ms is not None:
            total += _net(quantities, prices, spread) * (event.time_ms - last_ms) / 1_000
        last_ms = event.time_ms
        if isinstance(event, OrderFilled | PriceSeen) and event.symbol in prices:
            prices[event.symbol] = float(event.price)
        if isinstance(event, OrderFilled) and event.symbol in quantities:
            quantities[event.symbol] = float(event.position)
    return total


def _net(
    quantities: Mapping[str, float], prices: Mapping[str, float], spread: SpreadLegs
) -> float:
    notional_a = quantities[spread.leg_a] * prices[spread.leg_a]
    notional_b = quantities[spread.leg_b] * prices[spread.leg_b]
    return abs(notional_a + spread.hedge_ratio * notional_b)


def _positions(fills: Iterable[OrderFilled]) -> dict[str, Decimal]:
    return {fill.symbol: fill.position for fill in fills}


def _lonely_legs(
    fills: Sequence[OrderFilled], spreads: Sequence[SpreadLegs]
) -> tuple[Orphan, ...]:
    """Spans in which one leg of a spread was held without the other."""
    return tuple(orphan for spread in spreads for orphan in _lonely_spans(fills, spread))


def _lonely_spans(fills: Sequence[OrderFilled], spread: SpreadLegs) -> list[Orphan]:
    held = {spread.leg_a: ZERO, spread.leg_b: ZERO}
    spans: list[Orphan] = []
    lonely: Orphan | None = None
    for fill in fills:
        if fill.symbol not in held:
            continue
        held[fill.symbol] = fill.position
        alone = [symbol for symbol, quantity in held.items() if quantity]
        symbol = alone[0] if len(alone) == 1 else None
        if lonely is not None and lonely.symbol != symbol:
            spans.append(Orphan(lonely.symbol, lonely.quantity, lonely.since_ms, fill.time_ms))
            lonely = None
        if symbol is not None:
            since_ms = lonely.since_ms if lonely else fill.time_ms
            lonely = Orphan(symbol, held[symbol], since_ms, None)
    return [*spans, lonely] if lonely else spans


def _left_over(
    fills: Sequence[OrderFilled], spreads: Sequence[SpreadLegs]
) -> tuple[Orphan, ...]:
    """Positions at the end that belong to no spread."""
    legs = {leg for spread in spreads for leg in (spread.leg_a, spread.leg_b)}
    return tuple(
        Orphan(symbol, quantity, _opened_ms(fills, symbol), None)
        for symbol, quantity in _positions(fills).items()
        if quantity and symbol not in legs
    )


def _opened_ms(fills: Sequence[OrderFilled], symbol: str) -> int:
    """Time since when the position of an instrument has not been flat."""
    since_ms, previous = 0, ZERO
    for fill in fills:
        if fill.symbol == symbol:
            since_ms = fill.time_ms if not previous else since_ms
            previous = fill.position
    return since_ms


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


def _repeated_entries(fills: Sequence[OrderFilled], window_ms: int) -> list[Duplicate]:
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


def _reused_ids(fills: Sequence[OrderFilled]) -> list[Duplicate]:
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


def _open_orders(events: Sequence[Event]) -> tuple[str, ...]:
    """Client order ids of orders that are neither filled nor ended."""
    leaves: dict[int, Decimal] = {}
    names: dict[int, str] = {}
    for event in events:
        if isinstance(event, OrderAccepted):
            leaves[event.venue_order_id] = event.quantity
            names[event.venue_order_id] = event.client_order_id
        elif isinstance(event, OrderFilled):
            leaves[event.venue_order_id] -= event.quantity
        elif isinstance(event, OrderEnded):
            leaves[event.venue_order_id] = ZERO
    return tuple(names[key] for key, quantity in leaves.items() if quantity > 0)


def _sum_by_symbol(fills: Iterable[OrderFilled]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for fill in fills:
        sums[fill.symbol] = sums.get(fill.symbol, ZERO) + fill.realized_pnl
    return sums


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
