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
    positions_of_others,
)
from freqtrade_ext.execution._ghosts import Ghosts, is_of_ghost
from freqtrade_ext.execution._in_flight import (
    GRACE_MS,
    REPORT_GRACE_MS,
    InFlight,
    in_flight,
    late_report,
)
from freqtrade_ext.execution._inbox import Decision, Inbox, InboxItem
from freqtrade_ext.execution._intents import Intent
from freqtrade_ext.execution._pass_report import Action, PassReport, PassReports
from freqtrade_ext.execution._ports import Clock, OrderReport, PositionReport, Venue
from freqtrade_ext.execution._repairs import Done, Guard, Repairs
from freqtrade_ext.execution._snapshot import AccountSnapshot, take_snapshot
from freqtrade_ext.execution._unbooked import UnbookedOrders, refused_key
from freqtrade_ext.settings import PolicySettings

__all__ = ["Reconciler"]

_LOOKS: Final = 2  # a difference must be seen so often before anything is done about it
_LOOK_BACK_MS: Final = 86_400_000
_ASK_AGAIN_MS: Final = 60_000
_ASK_AT_ONCE: Final = 3  # times that a cause is asked for at every look: orders are listed late
_PAUSE_SECONDS: Final = 0.7
_WAIT_MS: Final = 3_500  # how long a recovery takes its time for what has only just changed
_LATE_MS: Final = 60_000

_OF_POSITIONS: Final = CLOSINGS | EXCESSES | {DifferenceKind.UNKNOWN}
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
    since_ms: int  # when nothing explained this gap for the first time
    apart_ms: int  # when nothing explained any gap of the market for the first time
    asked_ms: int = 0
    times: int = 0
    orders: tuple[OrderReport, ...] = ()


@dataclass(slots=True)
class _Work:
    """One pass while it runs."""

    snapshot: AccountSnapshot
    differences: tuple[Difference, ...] = ()
    causes: dict[str, Sequence[OrderReport]] = field(default_factory=dict)
    refused: list[Difference] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    adopted: list[OrderReport] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    flying: Mapping[str, InFlight] = field(default_factory=dict)
    unasked: set[str] = field(default_factory=set)  # markets whose orders could not be asked for
    ended: list[OrderReport] = field(default_factory=list)  # of late, in trades that are closed
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
        self._unbooked = UnbookedOrders(venue, guard, keeper, self._repairs, inbox, clock)
        self._ghosts = Ghosts(guard, inbox, clock)
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

        One look is enough for a leg that strangers' executions have closed, to the digit.

        Parameters
        ----------
        snapshot : AccountSnapshot
            A new one for each call: the same look twice is one look.
        """
        return self._pass(snapshot, looks=_LOOKS, take_up_after_ms=GRACE_MS)

    def catch_up(self) -> PassReport:
        """Take up found orders without a look at the account; for every loop of the bot."""
        now_ms = self._clock.now_ms()
        work = _Work(AccountSnapshot(now_ms, {}, (), frozenset()))
        try:
            self._take_up_orders(work, None, grace_ms=0, looks=_LOOKS)
            self._ghosts.show()
        except (VenueError, StoreError) as error:
            work.errors.append(str(error))
        return work.report()

    def run_until_quiet(
        self, max_passes: int = 5, then: Callable[[], None] | None = None
    ) -> PassReports:
        """
        Resolve what is unknown, then look and repair until there is nothing more to do.

        For a time when nobody trades: one look is enough, except for what has changed within the
        last moments, as a position may lag behind it. Passes that only wait for that do not count
        towards `max_passes`. What takes longer is left to the passes of the running bot.

        `then` is called once, after the first look at the account has been worked off: the books
        have what was found by then, and what cannot wait need not wait for the other passes.
        """
        wait_until_ms = self._clock.now_ms() + _WAIT_MS
        self._resolve()
        passes: list[PassReport] = []
        snapshot: AccountSnapshot | None = None
        counted = 0
        while counted < max_passes:
            if passes:
                self._clock.sleep(_PAUSE_SECONDS)
            try:
                snapshot = self.look()
            except VenueError as error:
                counted += 1
                passes.append(PassReport(self._clock.now_ms(), errors=(str(error),)))
                continue
            passes.append(self._pass(snapshot, looks=1, take_up_after_ms=0))
            if then is not None:
                then()
                then = None
            if _is_over(passes[-1]):
                break
            if not _only_waits(passes[-1], wait_until_ms):
                counted += 1
                if passes[-1].is_idle:  # it waits for what takes longer: another would see the same
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
            left_seconds = (until_ms - self._clock.now_ms()) / 1000
            if self._guard.open_questions() and left_seconds > 0:
                self._clock.sleep(min(_PAUSE_SECONDS, left_seconds))

    def _pass(self, snapshot: AccountSnapshot, *, looks: int, take_up_after_ms: int) -> PassReport:
        work = _Work(snapshot)
        try:
            self._take_up_orders(work, snapshot, grace_ms=take_up_after_ms, looks=looks)
            self._compare(work)
            self._count_looks(work)
            self._handle(work, looks)
            self._ghosts.show()
        except (VenueError, StoreError) as error:
            work.errors.append(str(error))
        return work.report()

    # Orders that the venue has and the books do not.

    def _take_up_orders(
        self, work: _Work, snapshot: AccountSnapshot | None, *, grace_ms: int, looks: int
    ) -> None:
        taken = self._unbooked.take_up(snapshot, grace_ms=grace_ms, looks=looks)
        for intent, done in taken.done:
            work.note(intent.market, intent.client_order_id, done)
        work.refused.extend(taken.refused)
        work.errors.extend(taken.errors)

    # Comparing.

    def _compare(self, work: _Work) -> None:
        books, snapshot = self._keeper.read(), work.snapshot
        now_ms = self._clock.now_ms()
        lots = self._lots_of(books, snapshot)
        apart = markets_apart(books, snapshot, lots)
        flying = in_flight(books, snapshot, self._intents(work), {}, now_ms=now_ms)
        for market in apart:
            if market not in flying:
                self._ask_for_cause(market, books, work)
        self._causes = {name: cause for name, cause in self._causes.items() if name in apart}
        flying = in_flight(books, snapshot, self._intents(work), work.causes, now_ms=now_ms)
        found, late = self._find(books, snapshot, work)
        for market in late:
            self._causes[market].times = 0  # its report is about to come: ask at every look
        work.flying = {**late, **flying}
        work.deferred = tuple(work.flying[market] for market in apart if market in work.flying)
        work.others = positions_of_others(books, snapshot)
        work.differences = (*work.refused, *found)

    def _find(
        self, books: AccountBooks, snapshot: AccountSnapshot, work: _Work
    ) -> tuple[tuple[Difference, ...], dict[str, InFlight]]:
        """Find the differences, and the markets that an order still open may explain."""
        intents = self._intents(work, snapshot.open_orders)
        lots = self._lots_of(books, snapshot)
        found = compare(books, snapshot, intents, work.causes, lots, self._clock.now_ms())
        by_id = {intent.client_order_id: intent for intent in intents}
        late: dict[str, InFlight] = {}
        for difference in found:
            market, cause = difference.market, self._causes.get(difference.market)
            if difference.kind not in _OF_POSITIONS or cause is None:
                continue
            # A gap that changes has its own time; one that changes at every look hides no longer
            # than twice that.
            gap = difference.gap
            since_ms = min(cause.since_ms, cause.apart_ms + REPORT_GRACE_MS)
            reason = late_report(market, gap, since_ms, books, snapshot, by_id)
            if reason is not None and not self._is_proven(difference):
                late[market] = reason
        return tuple(each for each in found if each.market not in late), late

    def _ask_for_cause(self, market: str, books: AccountBooks, work: _Work) -> None:
        now_ms = self._clock.now_ms()
        position = work.snapshot.positions.get(market)
        gap = (position.quantity if position else Decimal(0)) - books.held(market)
        known = self._causes.get(market)
        if known is None or known.gap != gap:
            taken_ms = work.snapshot.taken_ms
            apart_ms = taken_ms if known is None else known.apart_ms
            known = self._causes[market] = _Cause(gap, taken_ms, apart_ms)
        # A difference that is only reported lasts for days: its cause does not change.
        is_fresh = now_ms - known.asked_ms < _ASK_AGAIN_MS
        if is_fresh and known.times >= _ASK_AT_ONCE:
            work.causes[market] = known.orders
            return
        try:
            orders = self._orders_of(market, books, work)
        except VenueError as error:
            work.unasked.add(market)
            work.errors.append(str(error))
            return
        known.asked_ms, known.times, known.orders = now_ms, known.times + 1, orders
        work.causes[market] = orders

    def _orders_of(self, market: str, books: AccountBooks, work: _Work) -> tuple[OrderReport, ...]:
        """Return orders since the trade was opened; without those of trades that are closed."""
        now_ms = self._clock.now_ms()
        trades = books.of(market)
        opened_ms = min((trade.opened_ms for trade in trades), default=0)
        since_ms = max(opened_ms, now_ms - _LOOK_BACK_MS)
        in_trades = {ref.venue_order_id for trade in trades for ref in trade.orders}
        kept = []
        for order in self._venue.orders(market, since_ms):
            name = order.venue_order_id
            if name in in_trades or not self._keeper.has_order(market, name):
                kept.append(order)
            elif order.time_ms >= now_ms - _LATE_MS:
                work.ended.append(order)  # the position may lag behind the trade that it closed
        return tuple(kept)

    def _intents(self, work: _Work, seen: Sequence[OrderReport] = ()) -> tuple[Intent, ...]:
        refused = {difference.key for difference in work.refused}
        named = [
            *seen,
            *work.snapshot.open_orders,
            *work.ended,
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
            replace(intent, is_booked=True) if refused_key(intent) in refused else intent
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
            if self._seen[difference.key].looks < (1 if self._is_proven(difference) else looks):
                continue
            item = items.get(difference.key) or self._open_item(difference)
            done = self._repair(difference, item, work)
            if done is None:
                continue
            work.note(difference.market, difference.key, done)
            if done.text != item.action_taken:
                self._inbox.save(replace(item, action_taken=done.text))

    def _is_proven(self, difference: Difference) -> bool:
        """
        Whether strangers' orders alone have closed what is missing: each second counts then.

        The other leg is held alone until the books know; they only follow what has been executed.
        """
        if difference.kind not in CLOSINGS or not difference.is_explained:
            return False
        names = (order.client_order_id for order in difference.orders)
        return all(not name or self._guard.find(name) is None for name in names)

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
            if item.key not in current and not is_hidden and not is_of_ghost(item):
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
        found, _ = self._find(books, snapshot, work)
        return next((each for each in found if each.key == difference.key), None)


def _is_over(report: PassReport) -> bool:
    """Whether another pass would see the same."""
    return report.is_idle and all(reason.until_ms is None for reason in report.deferred)


def _only_waits(report: PassReport, until_ms: int) -> bool:
    """Whether a pass had nothing to do but to wait for what passes before a time."""
    ends = [reason.until_ms for reason in report.deferred if reason.until_ms is not None]
    is_worth_it = any(end_ms <= until_ms for end_ms in ends)
    return report.is_idle and is_worth_it and report.taken_ms < until_ms


def _was_not_looked_at(seen: _Seen | InboxItem, snapshot: AccountSnapshot) -> bool:
    return seen.kind in ORDER_KINDS and not snapshot.asked_orders_of(seen.market)
