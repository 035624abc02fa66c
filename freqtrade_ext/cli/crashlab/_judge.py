"""What the exchange's journal and the bot's database prove about one run. Pure functions.

Durations are milliseconds unless the name says otherwise, exposure is quote currency times
seconds.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from freqtrade_ext.sandbox import Event, SpreadLegs, audit, hedge_spans
from freqtrade_ext.sandbox.journal import (
    OrderAccepted,
    OrderFilled,
    TriggerAccepted,
    TriggerFired,
)

__all__ = [
    "NAKED_SHARE",
    "Difference",
    "ExchangeView",
    "NakedTime",
    "Verdict",
    "differences",
    "duplicates",
    "is_naked",
    "judge",
    "longest_span",
    "lost_orders",
    "naked_time",
    "recovered_at",
]

NAKED_SHARE: Final = 0.05
_LOT_ROOM: Final = 1.01
_RUN_MS: Final = 3_600_000  # longer than any run


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """
    The exchange's own state at a moment.

    Attributes
    ----------
    held : mapping of str to float
        Signed quantities by symbol; flat ones are left out.
    lots : mapping of str to float
        Smallest quantity of each symbol.
    prices : mapping of str to float
        Mark prices of what is held.
    orders : mapping of str to str
        Orders that work or wait for their price: venue id to symbol.
    working : int
        How many of them are ordinary orders.
    foreign : int
        Orders of another hand, and positions that are left alone rightly; they are none of the
        bot's business.
    """

    held: Mapping[str, float] = field(default_factory=dict)
    lots: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    orders: Mapping[str, str] = field(default_factory=dict)
    working: int = 0
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """
    Something on which exchange and books do not agree.

    `is_orphan`: the exchange has more than the books know; else the books believe in something
    that the exchange does not have.
    """

    symbol: str
    text: str
    is_orphan: bool


def differences(
    view: ExchangeView, held: Mapping[str, float], known_orders: Collection[str]
) -> list[Difference]:
    """
    Compare the exchange with a bot's books.

    Parameters
    ----------
    view : ExchangeView
        The truth.
    held : mapping of str to float
        Signed quantities that the books hold open.
    known_orders : collection of str
        Venue ids that the books show.
    """
    found = []
    for symbol in sorted({*view.held, *held}):
        there, here = view.held.get(symbol, 0.0), held.get(symbol, 0.0)
        if abs(there - here) > _LOT_ROOM * view.lots.get(symbol, 0.0):
            orphan = abs(there) > abs(here) or there * here < 0
            text = f"{symbol}: exchange holds {there:g}, books {here:g}"
            found.append(Difference(symbol, text, orphan))
    for order_id, symbol in view.orders.items():
        if order_id not in known_orders:
            found.append(Difference(symbol, f"{symbol}: order {order_id} unknown to books", True))
    return found


def is_naked(view: ExchangeView, spreads: Iterable[SpreadLegs]) -> bool:
    """Whether more than `NAKED_SHARE` of any spread that is held has no hedge."""
    for spread in spreads:
        sides = [
            ratio * view.held.get(leg, 0.0) * view.prices.get(leg, 0.0)
            for leg, ratio in ((spread.leg_a, spread.hedge_ratio), (spread.leg_b, 1.0))
        ]
        if abs(sum(sides)) > NAKED_SHARE * sum(map(abs, sides)):
            return True
    return False


@dataclass(frozen=True, slots=True)
class NakedTime:
    """
    Exposure of a spread without hedge.

    Attributes
    ----------
    exposure : float
        Integral of the net notional while it was naked, USDT·s.
    longest_ms : int
        Longest time in a row.
    longest_alone_ms : int
        Longest time in a row with one leg only.
    notional : float
        The spread's largest gross notional: twice its larger side.
    """

    exposure: float = 0.0
    longest_ms: int = 0
    longest_alone_ms: int = 0
    notional: float = 0.0


class _Longest:
    """Longest time in a row in which something was so."""

    def __init__(self) -> None:
        self.longest_ms = self._running_ms = 0

    def add(self, elapsed_ms: int, holds: bool) -> None:
        self._running_ms = self._running_ms + elapsed_ms if holds else 0
        self.longest_ms = max(self.longest_ms, self._running_ms)


def naked_time(
    events: Iterable[Event], spread: SpreadLegs, since_ms: int, until_ms: int
) -> NakedTime:
    """
    Measure how long and how much of a spread was naked within a time.

    The last known prices and positions hold until the next event. A spread is naked while more
    than `NAKED_SHARE` of ``hedge_ratio * notional_a + notional_b`` is not hedged.
    """
    exposure = notional = 0.0
    naked, alone = _Longest(), _Longest()
    for span in hedge_spans(events, spread, until_ms=until_ms):
        elapsed_ms = span.ms_since(since_ms)
        if not elapsed_ms:
            continue
        bare = span.net > NAKED_SHARE * span.gross
        exposure += span.net * elapsed_ms / 1_000 if bare else 0.0
        notional = max(notional, 2 * abs(span.side_a), 2 * abs(span.side_b))
        naked.add(elapsed_ms, bare)
        alone.add(elapsed_ms, (span.side_a == 0) != (span.side_b == 0))
    return NakedTime(exposure, naked.longest_ms, alone.longest_ms, notional)


def lost_orders(events: Iterable[Event], known_orders: Collection[str], since_ms: int) -> list[str]:
    """
    Orders of the client's that the exchange accepted and the books never show.

    A stop that became an order is known by either id.
    """
    born: dict[str, str] = {}
    accepted: dict[str, str] = {}
    for event in events:
        if event.time_ms < since_ms:
            continue
        if isinstance(event, TriggerAccepted):
            accepted[str(event.trigger_id)] = f"{event.symbol} stop {event.trigger_id}"
        elif isinstance(event, OrderAccepted) and event.origin == "client":
            accepted[str(event.venue_order_id)] = (
                f"{event.symbol} {event.side} {event.quantity.normalize():f} "
                f"({event.venue_order_id})"
            )
        elif isinstance(event, TriggerFired) and event.venue_order_id is not None:
            born[str(event.trigger_id)] = str(event.venue_order_id)
    return [
        text
        for order_id, text in accepted.items()
        if order_id not in known_orders and born.get(order_id) not in known_orders
    ]


def duplicates(events: Iterable[Event], since_ms: int) -> list[str]:
    """Entries of the client's that were filled twice within a run, with no exit between them."""
    own = [
        event
        for event in events
        if isinstance(event, OrderAccepted)  # the audit wants to know every order that fills
        or (isinstance(event, OrderFilled) and event.time_ms >= since_ms)
    ]
    return [
        f"{one.symbol} {one.side} {one.quantity.normalize():f} ({', '.join(one.client_order_ids)})"
        for one in audit(own, duplicate_window_ms=_RUN_MS).duplicates
    ]


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What became of one run.

    Attributes
    ----------
    orphans : tuple of str
        What the exchange has at the end and the books do not know, or one leg without the other.
    phantoms : tuple of str
        What the books believe in at the end and the exchange does not have.
    duplicates, lost : tuple of str
        Entries filled twice; orders that the books never showed.
    longest_orphan_s : float
        Longest time in a row with a position or order that the books did not know, or one leg.
    naked_per_1000 : float
        USDT·s of naked exposure per 1 000 USDT of spread notional.
    longest_naked_s : float
        Longest time in a row in which a spread was naked.
    """

    orphans: tuple[str, ...] = ()
    phantoms: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    longest_orphan_s: float = 0.0
    naked_per_1000: float = 0.0
    longest_naked_s: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Nothing orphaned, invented, sent twice or lost."""
        return not (self.orphans or self.phantoms or self.duplicates or self.lost)


def judge(
    events: Sequence[Event],
    spreads: Sequence[SpreadLegs],
    *,
    since_ms: int,
    until_ms: int,
    last: Sequence[Difference],
    alone: Sequence[str],
    known_orders: Collection[str],
    unknown_ms: int,
) -> Verdict:
    """
    Judge one run.

    Parameters
    ----------
    events : sequence of Event
        The exchange's journal.
    since_ms, until_ms : int
        Begin and end of the run.
    last, alone : sequence
        At the end: where exchange and books differ, and symbols held without their other leg.
    unknown_ms : int
        Longest time in a row in which the exchange was seen to have what the books did not know.
    """
    times = [naked_time(events, spread, since_ms, until_ms) for spread in spreads]
    orphans = {one.symbol: one.text for one in last if one.is_orphan}
    orphans |= {symbol: f"{symbol}: without its other leg" for symbol in alone} | orphans
    longest_ms = max((one.longest_alone_ms for one in times), default=0)
    per_1000 = sum(1_000 * one.exposure / one.notional for one in times if one.notional)
    return Verdict(
        orphans=tuple(orphans.values()),
        phantoms=tuple(one.text for one in last if not one.is_orphan),
        duplicates=tuple(duplicates(events, since_ms)),
        lost=tuple(lost_orders(events, known_orders, since_ms)),
        longest_orphan_s=max(longest_ms, unknown_ms) / 1_000,
        naked_per_1000=per_1000,
        longest_naked_s=max((one.longest_ms for one in times), default=0) / 1_000,
    )


def longest_span(samples: Iterable[tuple[int, bool]]) -> int:
    """Longest time in a row in which samples (time, whether it was so) say yes."""
    span, last_ms, was = _Longest(), 0, False
    for now_ms, holds in samples:
        if was:
            span.add(now_ms - last_ms, True)
        if not holds:
            span.add(0, False)
        last_ms, was = now_ms, holds
    return span.longest_ms


def recovered_at(samples: Iterable[tuple[int, bool]], settle_ms: int) -> int | None:
    """First moment from which samples (time, whether all was well) stay well for `settle_ms`."""
    begin: int | None = None
    for now_ms, well in samples:
        if not well:
            begin = None
        elif begin is None:
            begin = now_ms
        if begin is not None and now_ms - begin >= settle_ms:
            return begin
    return None
