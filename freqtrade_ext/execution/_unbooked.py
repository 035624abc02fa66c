"""Orders that the venue has and the books do not show: they are taken up, or let go of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution._books import AccountBooks, BookKeeper
from freqtrade_ext.execution._differences import Difference, DifferenceKind, plain
from freqtrade_ext.execution._in_flight import GRACE_MS
from freqtrade_ext.execution._inbox import Decision, Inbox, InboxItem
from freqtrade_ext.execution._intents import Intent, IntentPurpose
from freqtrade_ext.execution._ports import Clock, OrderReport, Venue
from freqtrade_ext.execution._repairs import Done, Guard, Repairs
from freqtrade_ext.execution._snapshot import AccountSnapshot

__all__ = ["TakenUp", "UnbookedOrders", "refused_key"]

_LOST_MS: Final = 600_000  # after that, an order that the venue has forgotten will not come back
_ASK_AGAIN_MS: Final = 10_000  # what the books have refused is not asked for in every loop
_LETS_GO: Final = frozenset({Decision.IGNORE, Decision.CLOSE})


@dataclass(slots=True)
class TakenUp:
    """
    What one round came to.

    `done`: orders that were entered, or let go of. `refused`: those that the books cannot take.
    `errors`: what was not answered; it ended the round.
    """

    done: list[tuple[Intent, Done]] = field(default_factory=list)
    refused: list[Difference] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Refusal:
    """Why the books do not have an order, and how often its market was seen flat since."""

    reason: str
    asked_ms: int
    report: OrderReport | None
    flat_looks: int = 0
    looked_ms: int = -1


class UnbookedOrders:
    """
    Brings orders that were found into the books, and ends what can never be entered.

    An order that is not booked keeps its market busy and puts off the end of the bot, so none may
    stay so for ever.

    Parameters
    ----------
    venue, guard, keeper, inbox, clock :
        As of the reconciler.
    repairs : Repairs
        Settles its own orders, which are no trade of the books.
    """

    def __init__(
        self,
        venue: Venue,
        guard: Guard,
        keeper: BookKeeper,
        repairs: Repairs,
        inbox: Inbox,
        clock: Clock,
    ) -> None:
        self._venue = venue
        self._guard = guard
        self._keeper = keeper
        self._repairs = repairs
        self._inbox = inbox
        self._clock = clock
        self._refusals: dict[str, _Refusal] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0

    def take_up(self, snapshot: AccountSnapshot | None, *, grace_ms: int, looks: int) -> TakenUp:
        """
        Ask for open questions, enter what was found, let go of what is over.

        Parameters
        ----------
        snapshot : AccountSnapshot, optional
            The account; None: it was not looked at, and no position is known to be flat.
        grace_ms : int
            How long an order is left to another thread that may be about to book it.
        looks : int
            How many looks in a row must have shown a market flat.
        """
        found = {outcome.intent.client_order_id: outcome.report for outcome in self._guard.ask()}
        taken = TakenUp()
        for intent in self._in_turn(found, grace_ms):
            self._turn += 1
            self._turns[intent.client_order_id] = self._turn
            try:
                self._take_up(intent, found.get(intent.client_order_id), taken)
            except VenueError as error:
                # In an outage each of the others would wait for a time-out too; they come first
                # in the next round.
                taken.errors.append(str(error))
                break
        self._judge_refused(snapshot, looks, taken)
        return taken

    def _in_turn(self, found: Mapping[str, object], grace_ms: int) -> list[Intent]:
        """Return the orders to take up, those that have waited longest first."""
        unbooked = {intent.client_order_id: intent for intent in self._guard.unbooked()}
        self._turns = {name: turn for name, turn in self._turns.items() if name in unbooked}
        self._refusals = {name: each for name, each in self._refusals.items() if name in unbooked}
        now_ms = self._clock.now_ms()
        due = [
            intent
            for name, intent in unbooked.items()
            # Another thread has the answer of a new one and may be about to book it.
            if name in found or now_ms - (intent.settled_ms or 0) >= grace_ms
        ]
        return sorted(due, key=lambda intent: self._turns.get(intent.client_order_id, 0))

    def _take_up(self, intent: Intent, report: OrderReport | None, taken: TakenUp) -> None:
        if intent.venue_order_id and self._keeper.has_order(intent.market, intent.venue_order_id):
            self._guard.mark_booked(intent.client_order_id)
            return
        report = report or self._look_up(intent)
        if report is None:
            if self._clock.now_ms() - (intent.settled_ms or 0) > _LOST_MS:
                self._refuse(intent, None, "the exchange does not know it any more")
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
            taken.done.append((intent, done))
        else:
            self._refuse(intent, report, "the books have no trade that it belongs to")

    def _look_up(self, intent: Intent) -> OrderReport | None:
        refusal = self._refusals.get(intent.client_order_id)
        if refusal is None:
            return self._venue.look_up(intent)
        now_ms = self._clock.now_ms()
        if now_ms - refusal.asked_ms >= _ASK_AGAIN_MS:
            refusal.asked_ms = now_ms
            refusal.report = self._venue.look_up(intent) or refusal.report
        return refusal.report

    def _refuse(self, intent: Intent, report: OrderReport | None, reason: str) -> None:
        new = _Refusal(reason, self._clock.now_ms(), report)
        known = self._refusals.setdefault(intent.client_order_id, new)
        known.reason, known.report = reason, report

    # What the books have refused.

    def _judge_refused(self, snapshot: AccountSnapshot | None, looks: int, taken: TakenUp) -> None:
        refused = [
            (intent, self._refusals[intent.client_order_id])
            for intent in self._guard.unbooked()
            if intent.client_order_id in self._refusals
        ]
        if not refused:
            return
        items = {item.key: item for item in self._inbox.open_items()}
        books = self._keeper.read()
        for intent, refusal in refused:
            item = items.get(refused_key(intent))
            name = intent.client_order_id
            if item is not None and item.decision in _LETS_GO:
                text = f"order {name} stays out of the books, as decided: {item.decision}"
            elif snapshot is not None and _is_over(intent, refusal, books, snapshot, looks):
                text = f"order {name} has ended, no trade is open and nothing is held: let go of"
            else:
                taken.refused.append(_difference(intent, refusal.reason))
                continue
            self._guard.mark_booked(name)
            self._close(item or self._new_item(intent, refusal.reason), text)
            taken.done.append((intent, Done(text, is_done=True)))

    def _new_item(self, intent: Intent, reason: str) -> InboxItem:
        return InboxItem(
            key=refused_key(intent),
            opened_ms=self._clock.now_ms(),
            kind=DifferenceKind.UNKNOWN,
            market=intent.market,
            text=_difference(intent, reason).text,
            policy="report",
        )

    def _close(self, item: InboxItem, text: str) -> None:
        self._inbox.save(replace(item, action_taken=text, closed_ms=self._clock.now_ms()))


def _is_over(
    intent: Intent,
    refusal: _Refusal,
    books: AccountBooks,
    snapshot: AccountSnapshot,
    looks: int,
) -> bool:
    """Whether an order can fill no more, and neither side holds anything of its market."""
    if refusal.report is None or not refusal.report.status.is_final:
        return False
    if snapshot.taken_ms > refusal.looked_ms:  # the same look twice is one look
        refusal.looked_ms = snapshot.taken_ms
        is_flat = intent.market not in snapshot.positions and not books.of(intent.market)
        is_late = snapshot.taken_ms >= (intent.settled_ms or 0) + GRACE_MS
        refusal.flat_looks = refusal.flat_looks + 1 if is_flat and is_late else 0
    return refusal.flat_looks >= looks


def refused_key(intent: Intent) -> str:
    """Name the difference that an order makes which the books do not take."""
    return f"{DifferenceKind.UNKNOWN}:{intent.market}:{intent.client_order_id}"


def _difference(intent: Intent, reason: str) -> Difference:
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
        key=refused_key(intent),
    )
