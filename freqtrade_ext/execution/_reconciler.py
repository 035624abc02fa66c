"""Looks at the account, compares it with the books, and repairs what policy or a person says."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution._books import AccountBooks, BookKeeper
from freqtrade_ext.execution._differences import (
    CLOSINGS,
    EXCESSES,
    ORDER_KINDS,
    Difference,
    DifferenceKind,
    compare,
    markets_apart,
    plain,
    positions_of_others,
)
from freqtrade_ext.execution._in_flight import GRACE_MS, InFlight, in_flight
from freqtrade_ext.execution._inbox import Decision, Inbox, InboxItem
from freqtrade_ext.execution._intents import Intent, IntentPurpose
from freqtrade_ext.execution._pass_report import Action, PassReport, PassReports
from freqtrade_ext.execution._ports import Clock, OrderReport, PositionReport, Venue
from freqtrade_ext.execution._repairs import Done, Guard, Repairs
from freqtrade_ext.execution._snapshot import AccountSnapshot, take_snapshot
from freqtrade_ext.settings import PolicySettings

__all__ = ["Reconciler"]

_LOOKS: Final = 2  # a difference must be seen so often before anything is done about it
_LOOK_BACK_MS: Final = 86_400_000
_LOST_MS: Final = 600_000  # after that, an order that the venue has forgotten will not come back
_ASK_AGAIN_MS: Final = 60_000
_ASK_AT_ONCE: Final = 3  # times that a cause is asked for at every look: orders are listed late
_PAUSE_SECONDS: Final = 0.7

_REPORT_ONLY: Final = frozenset(
    {
        DifferenceKind.SETTINGS_MISMATCH,
        DifferenceKind.PNL_MISMATCH,
        DifferenceKind.UNKNOWN,
    }
)


@dataclass(slots=True)
class _Seen:
    """How often in a row a difference was seen, and since when."""

    kind: DifferenceKind
    market: str
    first_ms: int
    looks: int = 0


@dataclass(slots=True)
class _Cause:
    """The orders that a market was last asked for, while its difference was `gap`."""

    gap: Decimal
    asked_ms: int
    times: int
    orders: tuple[OrderReport, ...]


@dataclass(slots=True)
class _Work:
    """One pass while it runs."""

    snapshot: AccountSnapshot
    grace_ms: int
    differences: tuple[Difference, ...] = ()
    causes: dict[str, Sequence[OrderReport]] = field(default_factory=dict)
    refused: list[Difference] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    adopted: list[OrderReport] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    flying: Mapping[str, InFlight] = field(default_factory=dict)
    unasked: set[str] = field(default_factory=set)  # markets whose orders could not be asked for
    deferred: tuple[InFlight, ...] = ()
    others: tuple[PositionReport, ...] = ()

    def note(self, market: str, key: str, done: Done) -> None:
        self.actions.append(Action(market, key, done.text, done.is_done))
        self.adopted.extend(done.adopted)

    def report(self) -> PassReport:
        return PassReport(
            taken_ms=self.snapshot.taken_ms,
            differences=self.differences,
            actions=tuple(self.actions),
            adopted=tuple(self.adopted),
            errors=tuple(self.errors),
            deferred=self.deferred,
            others=self.others,
        )


class Reconciler:
    """
    Keeps venue and books the same.

    Parameters
    ----------
    venue : Venue
    guard : Guard
        Sends repairs, and knows what was ever sent.
    keeper : BookKeeper
    policies : PolicySettings
        What is done about each class of differences, unless a person decides otherwise.
    inbox : Inbox
    clock : Clock
    lots : callable
        Smallest step of a quantity of a market.
    settling_seconds : float
        How long a recovery waits for orders with an unknown outcome.

    Notes
    -----
    `look` only asks the venue and may run in any thread. Everything else belongs to the one thread
    that may change the books.
    """

    def __init__(
        self,
        venue: Venue,
        guard: Guard,
        keeper: BookKeeper,
        policies: PolicySettings,
        inbox: Inbox,
        clock: Clock,
        lots: Callable[[str], Decimal],
        *,
        settling_seconds: float = 35.0,
    ) -> None:
        self._venue = venue
        self._guard = guard
        self._keeper = keeper
        self._policies = policies
        self._inbox = inbox
        self._clock = clock
        self._lots = lots
        self._settling_seconds = settling_seconds
        self._repairs = Repairs(venue, guard, keeper, clock, lots)
        self._seen: dict[str, _Seen] = {}
        self._causes: dict[str, _Cause] = {}
        self._last_taken_ms = -1

    def look(self, markets: Collection[str] | None = None) -> AccountSnapshot:
        """
        Ask the venue for positions and open orders, of all markets or of some.

        Raises
        ------
        VenueError
            If it does not answer: that is not a flat account.
        """
        return take_snapshot(self._venue, self._clock, markets)

    def act(self, snapshot: AccountSnapshot) -> PassReport:
        """
        Take up found orders, compare, and repair what two looks in a row have shown.

        Parameters
        ----------
        snapshot : AccountSnapshot
            A new one for each call: the same look twice is one look.
        """
        return self._pass(snapshot, looks=_LOOKS, grace_ms=GRACE_MS)

    def catch_up(self) -> PassReport:
        """Take up found orders without a look at the account; for every loop of the bot."""
        now_ms = self._clock.now_ms()
        work = _Work(AccountSnapshot(now_ms, {}, (), frozenset()), grace_ms=0)
        try:
            self._take_up_orders(work)
        except (VenueError, StoreError) as error:
            work.errors.append(str(error))
        return work.report()

    def run_until_quiet(self, max_passes: int = 5) -> PassReports:
        """
        Resolve what is unknown, then look and repair until there is nothing more to do.

        For a time when nobody trades: one look is enough, and the books are at rest.
        """
        self._resolve()
        passes: list[PassReport] = []
        snapshot: AccountSnapshot | None = None
        for number in range(max_passes):
            if number:
                self._clock.sleep(_PAUSE_SECONDS)
            try:
                snapshot = self.look()
            except VenueError as error:
                passes.append(PassReport(self._clock.now_ms(), errors=(str(error),)))
                continue
            passes.append(self._pass(snapshot, looks=1, grace_ms=0))
            if _is_over(passes[-1]):
                break
        return PassReports(
            passes=tuple(passes),
            snapshot=snapshot,
            unresolved=tuple(self._guard.open_questions()),
            is_quiet=bool(passes) and _is_over(passes[-1]),
        )

    def _resolve(self) -> None:
        """Ask for the orders of which nobody knows whether they exist."""
        until_ms = self._clock.now_ms() + int(self._settling_seconds * 1000)
        while self._guard.open_questions() and self._clock.now_ms() < until_ms:
            self._guard.ask()
            if self._guard.open_questions():
                self._clock.sleep(_PAUSE_SECONDS)

    def _pass(self, snapshot: AccountSnapshot, *, looks: int, grace_ms: int) -> PassReport:
        work = _Work(snapshot, grace_ms)
        try:
            self._take_up_orders(work)
            self._compare(work)
            self._count_looks(work)
            self._handle(work, looks)
        except (VenueError, StoreError) as error:
            work.errors.append(str(error))
        return work.report()

    # Orders that the venue has and the books do not.

    def _take_up_orders(self, work: _Work) -> None:
        found = {outcome.intent.client_order_id: outcome.report for outcome in self._guard.ask()}
        now_ms = self._clock.now_ms()
        for intent in self._guard.unbooked():
            is_found = intent.client_order_id in found
            if not is_found and now_ms - (intent.settled_ms or 0) < work.grace_ms:
                continue  # another thread has its answer and may be about to book it
            try:
                self._take_up(intent, found.get(intent.client_order_id), work)
            except VenueError as error:
                work.errors.append(str(error))

    def _take_up(self, intent: Intent, report: OrderReport | None, work: _Work) -> None:
        if intent.venue_order_id and self._keeper.has_order(intent.market, intent.venue_order_id):
            self._guard.mark_booked(intent.client_order_id)
            return
        report = report or self._venue.look_up(intent)
        if report is None:
            if self._clock.now_ms() - (intent.settled_ms or 0) > _LOST_MS:
                work.refused.append(_refused(intent, "the exchange does not know it any more"))
        elif intent.purpose is IntentPurpose.REPAIR:
            self._repairs.settle(intent, report)
        elif self._keeper.has_order(intent.market, report.venue_order_id):
            self._guard.mark_booked(intent.client_order_id)
        elif report.status.is_final and report.filled_quantity == 0:
            self._guard.mark_booked(intent.client_order_id)  # nothing of it is left to book
        elif self._keeper.adopt(report, intent):
            self._guard.mark_booked(intent.client_order_id)
            text = f"adopted order {report.venue_order_id} ({intent.client_order_id})"
            done = Done(f"{text} into the books", is_done=True, adopted=(report,))
            work.note(intent.market, intent.client_order_id, done)
        else:
            work.refused.append(_refused(intent, "the books have no trade that it belongs to"))

    # Comparing.

    def _compare(self, work: _Work) -> None:
        books, snapshot = self._keeper.read(), work.snapshot
        now_ms = self._clock.now_ms()
        lots = self._lots_of(books, snapshot)
        apart = markets_apart(books, snapshot, lots)
        flying = in_flight(
            books, snapshot, self._intents(work), {}, now_ms=now_ms, grace_ms=work.grace_ms
        )
        for market in apart:
            if market not in flying:
                self._ask_for_cause(market, books, work)
        self._causes = {name: cause for name, cause in self._causes.items() if name in apart}
        work.flying = in_flight(
            books, snapshot, self._intents(work), work.causes, now_ms=now_ms, grace_ms=work.grace_ms
        )
        work.deferred = tuple(work.flying[market] for market in apart if market in work.flying)
        work.others = positions_of_others(books, snapshot)
        found = compare(
            books,
            snapshot,
            self._intents(work),
            work.causes,
            lots,
            now_ms,
            grace_ms=work.grace_ms,
        )
        work.differences = (*work.refused, *found)

    def _ask_for_cause(self, market: str, books: AccountBooks, work: _Work) -> None:
        now_ms = self._clock.now_ms()
        position = work.snapshot.positions.get(market)
        gap = (position.quantity if position else Decimal(0)) - books.held(market)
        known = self._causes.get(market)
        if known is not None and known.gap != gap:
            known = None
        # A difference that is only reported lasts for days: its cause does not change.
        is_fresh = known is not None and now_ms - known.asked_ms < _ASK_AGAIN_MS
        if known is not None and is_fresh and known.times >= _ASK_AT_ONCE:
            work.causes[market] = known.orders
            return
        try:
            orders = self._orders_of(market, books, now_ms)
        except VenueError as error:
            work.unasked.add(market)
            work.errors.append(str(error))
            return
        self._causes[market] = _Cause(gap, now_ms, 1 + (known.times if known else 0), orders)
        work.causes[market] = orders

    def _orders_of(self, market: str, books: AccountBooks, now_ms: int) -> tuple[OrderReport, ...]:
        """Return orders since the trade was opened; without those of trades that are closed."""
        trades = books.of(market)
        opened_ms = min((trade.opened_ms for trade in trades), default=0)
        since_ms = max(opened_ms, now_ms - _LOOK_BACK_MS)
        in_trades = {ref.venue_order_id for trade in trades for ref in trade.orders}
        return tuple(
            order
            for order in self._venue.orders(market, since_ms)
            if order.venue_order_id in in_trades
            or not self._keeper.has_order(market, order.venue_order_id)
        )

    def _intents(self, work: _Work) -> tuple[Intent, ...]:
        refused = {difference.key for difference in work.refused}
        named = [
            *work.snapshot.open_orders,
            *(order for orders in work.causes.values() for order in orders),
        ]
        ids = {order.client_order_id for order in named if order.client_order_id}
        found = [self._guard.find(name) for name in sorted(ids)]
        intents = {
            intent.client_order_id: intent
            for intent in (
                *(each for each in found if each is not None),
                *self._guard.open_questions(),
                *self._guard.unbooked(),
                *self._repairs.recent(),
            )
        }
        # What the books have refused explains nothing any more.
        return tuple(
            replace(intent, is_booked=True) if _refused_key(intent) in refused else intent
            for intent in intents.values()
        )

    def _lots_of(self, books: AccountBooks, snapshot: AccountSnapshot) -> dict[str, Decimal]:
        traded = {trade.market for trade in books.trades}
        ours = (books.markets & {*snapshot.positions}) | traded
        return {market: self._lots(market) for market in ours}

    def _count_looks(self, work: _Work) -> None:
        snapshot = work.snapshot
        is_new = snapshot.taken_ms > self._last_taken_ms
        self._last_taken_ms = max(self._last_taken_ms, snapshot.taken_ms)
        current = {difference.key for difference in work.differences}
        for difference in work.differences:
            new = _Seen(difference.kind, difference.market, snapshot.taken_ms)
            self._seen.setdefault(difference.key, new).looks += is_new
        self._seen = {
            key: seen
            for key, seen in self._seen.items()
            if key in current or _was_not_looked_at(seen, work.snapshot)
        }

    # Repairing.

    def _handle(self, work: _Work, looks: int) -> None:
        items = {item.key: item for item in self._inbox.open_items()}
        self._close_items(items, work)
        for difference in work.differences:
            if self._seen[difference.key].looks < looks:
                continue
            item = items.get(difference.key) or self._open_item(difference)
            done = self._repair(difference, item, work)
            if done is None:
                continue
            work.note(difference.market, difference.key, done)
            if done.text != item.action_taken:
                self._inbox.save(replace(item, action_taken=done.text))

    def _open_item(self, difference: Difference) -> InboxItem:
        return self._inbox.save(
            InboxItem(
                key=difference.key,
                opened_ms=self._clock.now_ms(),
                kind=difference.kind,
                market=difference.market,
                text=difference.text,
                policy=self._policy(difference.kind),
            )
        )

    def _close_items(self, items: dict[str, InboxItem], work: _Work) -> None:
        """Close the items whose difference is gone, not those that are hidden for now."""
        current = {difference.key for difference in work.differences}
        for item in items.values():
            is_hidden = (
                item.market in work.flying
                or item.market in work.unasked
                or _was_not_looked_at(item, work.snapshot)
            )
            if item.key not in current and not is_hidden:
                self._inbox.save(replace(item, closed_ms=self._clock.now_ms()))

    def _policy(self, kind: DifferenceKind) -> str:
        return "report" if kind in _REPORT_ONLY else str(getattr(self._policies, kind.value))

    def _repair(self, difference: Difference, item: InboxItem, work: _Work) -> Done | None:
        """Do what a person or the policy says; None: nothing is to be done."""
        wish = self._policy(difference.kind)
        if item.decision is not None:
            wish = {Decision.ADOPT: "adopt", Decision.CLOSE: "flatten"}.get(item.decision, "ignore")
        if wish not in {"adopt", "flatten"} or difference.kind in _REPORT_ONLY:
            return None
        try:
            if difference.kind not in ORDER_KINDS:
                return self._repair_position(difference, wish, work)
            if wish == "adopt":
                return self._repairs.adopt_order(difference)
            return self._repairs.cancel(difference)
        except VenueError as error:
            work.errors.append(f"{difference.market}: {error}")
            return Done(f"not done yet, the exchange did not answer: {error}", is_done=False)

    def _repair_position(self, difference: Difference, wish: str, work: _Work) -> Done:
        snapshot = self.look({difference.market})
        books = self._keeper.read()
        # What is repaired is what is there now, not what was there when the watcher looked.
        now = self._still_there(difference, books, snapshot, work)
        if now is None:
            return Done("it changed while it was looked at; looking again", is_done=False)
        first_ms = self._seen[difference.key].first_ms
        if wish == "flatten" and now.kind in EXCESSES:
            return self._repairs.flatten(now, now.gap, first_ms)
        if wish == "flatten" and now.kind in CLOSINGS and now.actual != 0:
            # A leg that somebody has cut is closed for good; the books follow once it is flat.
            return self._repairs.flatten(now, now.actual, first_ms)
        return self._repairs.adopt_position(now, books, snapshot)

    def _still_there(
        self, difference: Difference, books: AccountBooks, snapshot: AccountSnapshot, work: _Work
    ) -> Difference | None:
        found = compare(
            books,
            snapshot,
            self._intents(work),
            work.causes,
            self._lots_of(books, snapshot),
            self._clock.now_ms(),
            grace_ms=work.grace_ms,
        )
        return next((each for each in found if each.key == difference.key), None)


def _is_over(report: PassReport) -> bool:
    """Whether another pass would see the same."""
    return report.is_idle and all(reason.until_ms is None for reason in report.deferred)


def _was_not_looked_at(seen: _Seen | InboxItem, snapshot: AccountSnapshot) -> bool:
    return seen.kind in ORDER_KINDS and not snapshot.asked_orders_of(seen.market)


def _refused_key(intent: Intent) -> str:
    return f"{DifferenceKind.UNKNOWN}:{intent.market}:{intent.client_order_id}"


def _refused(intent: Intent, reason: str) -> Difference:
    return Difference(
        kind=DifferenceKind.UNKNOWN,
        market=intent.market,
        booked=intent.held_before,
        actual=intent.held_before,
        trade_id=None,
        text=(
            f"{intent.market}: order {intent.client_order_id} ({intent.purpose}, {intent.side} "
            f"{plain(intent.quantity)}) reached the exchange and is not in the books: {reason}."
        ),
        key=_refused_key(intent),
    )
