"""What a journal proves: orphaned legs, duplicated entries, naked exposure, costs.

Pure functions over recorded events. Durations are milliseconds, exposure is quote currency times
seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from freqtrade_ext.sandbox._duplicates import Duplicate, repeated_entries, reused_ids
from freqtrade_ext.sandbox._naked import (
    NakedFigures,
    SpreadLegs,
    hedge_spans,
    naked_exposure,
    naked_figures,
    naked_seconds,
)
from freqtrade_ext.sandbox.journal import (
    Event,
    FundingPaid,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
)

__all__ = [
    "AuditReport",
    "Duplicate",
    "NakedFigures",
    "Orphan",
    "SpreadLegs",
    "audit",
    "hedge_spans",
    "naked_exposure",
    "naked_figures",
    "naked_seconds",
]

ZERO = Decimal(0)
DUPLICATE_WINDOW_MS = 60_000


@dataclass(frozen=True, slots=True)
class Orphan:
    """A position nobody closed, or a leg without its counterpart; `until_ms` None: it still is."""

    symbol: str
    quantity: Decimal
    since_ms: int
    until_ms: int | None


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
    duplicates = [*repeated_entries(fills, duplicate_window_ms), *reused_ids(fills)]
    orphans = (*_lonely_legs(fills, spreads), *_left_over(fills, spreads))
    return AuditReport(
        positions={s: q for s, q in _positions(fills).items() if q},
        orphans=orphans,
        longest_orphan_ms=max(
            ((end_ms if o.until_ms is None else o.until_ms) - o.since_ms for o in orphans),
            default=0,
        ),
        duplicates=tuple(dict.fromkeys(duplicates)),  # one pair may be found both ways
        open_orders=_open_orders(events),
        naked_exposure={f"{s.leg_a}:{s.leg_b}": naked_exposure(events, s) for s in spreads},
        fees=sum((fill.fee for fill in fills), ZERO),
        funding=sum((e.amount for e in events if isinstance(e, FundingPaid)), ZERO),
        realized_pnl=_sum_by_symbol(fills),
    )


def _positions(fills: Iterable[OrderFilled]) -> dict[str, Decimal]:
    return {fill.symbol: fill.position for fill in fills}


def _lonely_legs(fills: Sequence[OrderFilled], spreads: Sequence[SpreadLegs]) -> tuple[Orphan, ...]:
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
            if fill.time_ms > lonely.since_ms:
                spans.append(replace(lonely, until_ms=fill.time_ms))
            lonely = None
        if symbol is not None:
            since_ms = lonely.since_ms if lonely else fill.time_ms
            lonely = Orphan(symbol, held[symbol], since_ms, None)
    return [*spans, lonely] if lonely else spans


def _left_over(fills: Sequence[OrderFilled], spreads: Sequence[SpreadLegs]) -> tuple[Orphan, ...]:
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
