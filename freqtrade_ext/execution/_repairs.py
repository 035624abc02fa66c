"""What is done about a difference: adopt it into the books, close the excess, cancel the order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import blake2s
from typing import Final, Protocol

from freqtrade_ext.execution._books import AccountBooks, BookKeeper
from freqtrade_ext.execution._differences import CLOSINGS, Difference, plain
from freqtrade_ext.execution._intents import (
    Intent,
    IntentPurpose,
    IntentState,
    OrderKind,
    OrderSide,
)
from freqtrade_ext.execution._ports import Clock, OrderReport, Venue
from freqtrade_ext.execution._snapshot import AccountSnapshot

__all__ = ["Done", "Guard", "Outcome", "Repairs", "repair_id"]

MAX_ATTEMPTS: Final = 5
_OLDEST_SNAPSHOT_MS: Final = 60_000
_STALLED_MS: Final = 30_000  # a market order that is still open then is not going to fill
_DAY_MS: Final = 86_400_000


class Outcome(Protocol):
    """What the guard says became of an order."""

    @property
    def intent(self) -> Intent:
        """The order; its state says what is known."""

    @property
    def report(self) -> OrderReport | None:
        """What the venue has just said of it."""


class Guard(Protocol):
    """What reconciliation needs of the order guard."""

    def send(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Send orders, each at most once; one outcome for each, in order."""

    def ask(self) -> Sequence[Outcome]:
        """Ask for open questions whose time has come; return those that changed."""

    def find(self, client_order_id: str) -> Intent | None:
        """Return an intent."""

    def open_questions(self, market: str | None = None) -> Sequence[Intent]:
        """Return orders that may be on the venue or not."""

    def unbooked(self) -> Sequence[Intent]:
        """Return orders that the venue has and the books do not show."""

    def mark_booked(self, client_order_id: str) -> object:
        """Note that the books need nothing more of an order."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a repair; `is_done`: something was changed, in the books or on the venue."""

    text: str
    is_done: bool
    adopted: tuple[OrderReport, ...] = ()


def repair_id(market: str, first_seen_ms: int, attempt: int) -> str:
    """
    Name a repair order: one name for each market, episode and attempt.

    Examples
    --------
    >>> len(repair_id("1000000BOB/USDT:USDT", 1_900_000_000_000, 5))
    32
    """
    # Markets have names of any length; the venue allows 36 characters.
    name = blake2s(market.encode(), digest_size=4).hexdigest()
    return f"repair-{name}-{first_seen_ms}-{attempt}"


class Repairs:
    """
    Carries out one repair at a time; each may be tried again as long as its difference lasts.

    Parameters
    ----------
    venue, guard, keeper, clock :
        As of the reconciler.
    lots : callable
        Smallest step of a quantity of a market.
    """

    def __init__(
        self,
        venue: Venue,
        guard: Guard,
        keeper: BookKeeper,
        clock: Clock,
        lots: Callable[[str], Decimal],
    ) -> None:
        self._venue = venue
        self._guard = guard
        self._keeper = keeper
        self._clock = clock
        self._lots = lots
        self._settled_ms: dict[str, int] = {}  # when the last repairs could fill no more

    def recent(self) -> tuple[Intent, ...]:
        """Return the repairs whose effect a snapshot may not show yet, with their latest time."""
        oldest_ms = self._clock.now_ms() - _OLDEST_SNAPSHOT_MS
        self._settled_ms = {
            name: settled for name, settled in self._settled_ms.items() if settled >= oldest_ms
        }
        found = ((self._guard.find(name), settled) for name, settled in self._settled_ms.items())
        return tuple(
            replace(intent, settled_ms=settled) for intent, settled in found if intent is not None
        )

    def settle(self, intent: Intent, report: OrderReport | None) -> None:
        """End a repair that can fill no more; its fills are no trade of the books."""
        self._settled_ms[intent.client_order_id] = self._clock.now_ms()
        if report is None:
            return
        if report.status.is_final:
            self._guard.mark_booked(intent.client_order_id)
        elif self._clock.now_ms() - report.time_ms > _STALLED_MS:
            # It hides every difference of its market; what is left gets another repair.
            self._venue.cancel(report)

    def cancel(self, difference: Difference) -> Done:
        """Take an order off the venue."""
        for order in difference.orders:
            self._venue.cancel(order)
        named = ", ".join(
            f"{order.kind} order {order.venue_order_id} ({order.side} {plain(order.quantity)}, "
            f"{order.client_order_id or 'no client id'})"
            for order in difference.orders
        )
        return Done(f"canceled {named}: {difference.kind}", is_done=True)

    def adopt_order(self, difference: Difference) -> Done:
        """Let the books follow an order that is open on the venue."""
        adopted, known = self._adopt(difference.orders)
        if adopted:
            return Done("adopted the order into the books", is_done=True, adopted=adopted)
        reason = "show it as ended" if known else "have no trade that it belongs to"
        return Done(f"not adopted: the books {reason}; cancel it instead", is_done=False)

    def adopt_position(
        self, difference: Difference, books: AccountBooks, snapshot: AccountSnapshot
    ) -> Done:
        """Let the books follow a position: enter its orders, else write off what is missing."""
        adopted, known = self._adopt(self._bookable(difference))
        if adopted:
            names = ", ".join(order.venue_order_id for order in adopted)
            return Done(f"adopted order {names} into the books", is_done=True, adopted=adopted)
        if known:
            return Done("waiting for the bot to book an order that it knows", is_done=False)
        if difference.kind not in CLOSINGS:
            return Done("not adopted: no order that the books could take", is_done=False)
        return self._write_off(difference, books, snapshot)

    def flatten(self, difference: Difference, excess: Decimal, first_seen_ms: int) -> Done:
        """Close an excess with a reduce-only market order, never more than whole lots of it."""
        market = difference.market
        waiting = self._unsettled(market)
        if waiting:
            return Done(f"waiting for repair order {waiting[0].client_order_id}", is_done=False)
        lot = self._lots(market)
        quantity = abs(excess) // lot * lot if lot > 0 else abs(excess)
        names = (repair_id(market, first_seen_ms, n) for n in range(1, MAX_ATTEMPTS + 1))
        fresh = enumerate((self._guard.find(name) is None, name) for name in names)
        attempt, name = next(((n, name) for n, (is_new, name) in fresh if is_new), (0, None))
        if name is None:
            text = f"{MAX_ATTEMPTS} repair orders did not help: close {plain(excess)} by hand"
            return Done(text, is_done=False)
        intent = Intent(
            client_order_id=name,
            market=market,
            side=OrderSide.SELL if excess > 0 else OrderSide.BUY,
            kind=OrderKind.MARKET,
            quantity=quantity,
            reduce_only=True,
            purpose=IntentPurpose.REPAIR,
            attempt=attempt + 1,
            created_ms=self._clock.now_ms(),
            tag=f"repair_{difference.kind}",
            held_before=difference.booked,
        )
        return self._send(intent)

    def _send(self, intent: Intent) -> Done:
        outcome = self._guard.send([intent])[0]
        known = outcome.intent
        words = f"{intent.side} {plain(intent.quantity)}, reduce-only ({intent.client_order_id})"
        if known.state is IntentState.CONFIRMED:
            self.settle(known, outcome.report)
            return Done(f"closed the excess: {words}", is_done=True)
        if known.state.is_open_question:
            return Done(f"sent {words}; no answer yet, asking for it", is_done=True)
        return Done(f"could not {words}: {known.state}, {known.text}", is_done=True)

    def _unsettled(self, market: str) -> list[Intent]:
        intents: Iterable[Intent] = (
            *self._keeper.flattening_intents(market),
            *self._guard.open_questions(market),
            *self._guard.unbooked(),
        )
        return [
            intent
            for intent in intents
            if intent.market == market and intent.purpose is IntentPurpose.REPAIR
        ]

    def _bookable(self, difference: Difference) -> tuple[OrderReport, ...]:
        """
        Return the orders that the books are to take.

        Freqtrade closes a trade as a whole when its stop fills. What others had added would be
        booked as sold with it although it is still held: it stays a difference of its own. Where
        more is held than the books show, a stop is a part of the sum like any other order.
        """
        names = (order.client_order_id for order in difference.orders)
        intents = (self._guard.find(name) for name in names if name)
        has_stop = any(intent and intent.purpose is IntentPurpose.STOP for intent in intents)
        if difference.kind not in CLOSINGS or not has_stop:
            return difference.orders
        return tuple(
            order for order in difference.orders if order.signed_filled * difference.gap > 0
        )

    def _adopt(self, orders: Iterable[OrderReport]) -> tuple[tuple[OrderReport, ...], bool]:
        """Adopt what the books can take; also say whether they have some of it already."""
        adopted, known = [], False
        for order in orders:
            if self._keeper.has_order(order.market, order.venue_order_id):
                known = True
                continue
            intent = self._guard.find(order.client_order_id) if order.client_order_id else None
            if self._keeper.adopt(order, intent):
                adopted.append(order)
                if intent is not None:
                    self._guard.mark_booked(intent.client_order_id)
        return tuple(adopted), known

    def _write_off(
        self, difference: Difference, books: AccountBooks, snapshot: AccountSnapshot
    ) -> Done:
        missing = min(abs(difference.gap), abs(difference.booked))
        price, source = self._price(difference, books, snapshot)
        text = f"wrote off {plain(missing)} at {plain(price)} ({source}): no order explains it"
        done = Decimal(0)
        for trade in reversed(books.of(difference.market)):
            share = min(missing - done, abs(trade.quantity))
            if share <= 0 or trade.quantity * difference.booked < 0:
                continue
            if self._keeper.write_off(trade, share, price, text):
                done += share
        if done == missing:
            return Done(text, is_done=True)
        return Done(f"only {plain(done)} could be written off; {text}", is_done=done > 0)

    def _price(
        self, difference: Difference, books: AccountBooks, snapshot: AccountSnapshot
    ) -> tuple[Decimal, str]:
        position = snapshot.positions.get(difference.market)
        if position is not None and position.mark_price.is_finite() and position.mark_price > 0:
            return position.mark_price, "mark price"
        # A position that is gone has no mark price any more.
        fills = self._venue.fills(difference.market, self._clock.now_ms() - _DAY_MS)
        if fills:
            return fills[-1].price, "price of the last own execution"
        return books.of(difference.market)[0].entry_price, "entry price, for want of another"
