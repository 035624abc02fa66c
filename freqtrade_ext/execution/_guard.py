"""Every order is written down before it is sent, and asked for until its outcome is known."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from freqtrade_ext.errors import IllegalRequest, StoreError, VenueError
from freqtrade_ext.execution._guard_policy import GuardPolicy
from freqtrade_ext.execution._intent_ledger import Entry, IntentLedger, Watch, log_line
from freqtrade_ext.execution._intents import Intent, IntentState
from freqtrade_ext.execution._ports import (
    Accepted,
    Answer,
    Clock,
    IntentStore,
    OrderReport,
    OrderStatus,
    Rejected,
    Unanswered,
    Venue,
)
from freqtrade_ext.execution._resolution import (
    LONG_SETTLINGS,
    SLACK_MS,
    Absent,
    Evidence,
    Found,
    StillUnknown,
    judge,
)

__all__ = ["OrderGuard", "OrderOutcome"]

_LATE_MS = 600_000  # how long a settled order may still surface
_LATE_FIRST_MS = 10_000
_LATE_LONGEST_MS = 60_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """
    What became of an order.

    Attributes
    ----------
    intent : Intent
        Its state says what is known.
    report : OrderReport, optional
        What the venue said of the order, where it has just said something.
    error : Exception, optional
        What the sender may raise: of a rejection, of a lost answer, of the store.
    """

    intent: Intent
    report: OrderReport | None = None
    error: Exception | None = None


class OrderGuard:
    """
    Sends orders, each at most once, and finds out what became of those without an answer.

    Parameters
    ----------
    venue : Venue
    store : IntentStore
    clock : Clock
    policy : GuardPolicy

    Notes
    -----
    Safe to use from several threads: orders of one owner (of one market, for orders without an
    owner) are sent one call after the other, those of different owners do not wait for each
    other. Call `restore` once, before anything else.
    """

    def __init__(
        self,
        venue: Venue,
        store: IntentStore,
        clock: Clock,
        policy: GuardPolicy | None = None,
    ) -> None:
        self._venue = venue
        self._store = store
        self._clock = clock
        self._policy = policy or GuardPolicy()
        self._ledger = IntentLedger(store)
        self._restored_ms: int | None = None

    def restore(self) -> None:
        """
        Take up what an earlier process left; what it had written may have been sent.

        Raises
        ------
        StoreError
            If the store cannot be read: without it no order may be sent.
        """
        now_ms = self._clock.now_ms()
        self._restored_ms = now_ms
        for intent in self._ledger.load(now_ms - _DAY_MS):
            entry = self._ledger.enter(intent)
            intent = entry.intent  # noqa: PLW2901 - what memory has is newer
            if entry.watch or entry.is_being_sent:
                continue
            ended_ms = intent.settled_ms or intent.created_ms
            if intent.state.is_open_question:
                text = intent.text or "found after a restart"
                head_start_ms = now_ms - (intent.sent_ms or intent.created_ms)
                self._open_question(entry, text, None, 0, head_start_ms)
            elif intent.state is not IntentState.CONFIRMED and now_ms < ended_ms + _LATE_MS:
                entry.watch = _late_watch(ended_ms, now_ms)
            self._ledger.drop_if_done(entry)

    def send(self, intents: Sequence[Intent]) -> list[OrderOutcome]:
        """
        Send orders that have not been sent before, in one request where the venue can.

        Returns
        -------
        list of OrderOutcome
            One for each intent, in order. An intent whose client order id is known is not sent
            again: what is known of it is returned, after asking for it where that is open.

        Raises
        ------
        IllegalRequest
            If a client order id is known as an order of another market or side.
        """
        with self._ledger.locked(intents):
            sending = _Sending()
            try:
                self._claim(sending, intents)
                self._look_first(sending)
                self._write_down(sending)
                self._submit(sending)
            finally:
                self._after_interruption(sending)
            self._pursue(sending)
            return [sending.outcomes[intent.client_order_id] for intent in intents]

    def ask(self) -> list[OrderOutcome]:
        """
        Ask once for each order whose time has come; never waits.

        The first question that is not answered ends the round: in an outage each would cost a
        time-out. The others come first in the next round.

        Returns
        -------
        list of OrderOutcome
            Those of which something became known, and those that have just become ghosts.
        """
        self._ledger.save_leftovers()
        changed = []
        for entry in self._due():
            asked = _Asked(None)
            with self._ledger.locked_if_free(entry.intent) as is_free:
                # A thread that is sending for this spread asks by itself.
                if is_free and entry.watch and entry.watch.next_ms <= self._clock.now_ms():
                    asked = self._ask_for(entry)
            changed += [asked.outcome] if asked.outcome else []
            if not asked.is_answered:
                break
        return changed

    def find(self, client_order_id: str) -> Intent | None:
        """Return an intent by its client order id."""
        return self._ledger.find(client_order_id)

    def is_awaited(self, client_order_id: str) -> bool:
        """Whether an order was sent and its outcome is worth waiting for; from memory alone."""
        entry = self._ledger.get(client_order_id)
        longest_ms = self._policy.awaited_ms
        return entry is not None and entry.is_awaited(self._clock.now_ms(), longest_ms)

    def open_questions(self, market: str | None = None) -> list[Intent]:
        """Return the orders of a market, or of all, that may be on the venue or not."""
        return self._select(lambda intent: intent.state.is_open_question, market)

    def unbooked(self) -> list[Intent]:
        """Return the orders that the venue has and the books do not show."""
        return self._select(lambda intent: intent.is_unbooked)

    def mark_booked(self, client_order_id: str) -> Intent | None:
        """Note that the books show the order; None where no such intent was ever written."""
        return self._mark(client_order_id, lambda intent: replace(intent, is_booked=True))

    def mark_unsent(self, client_order_id: str, text: str) -> Intent | None:
        """
        Note that an order that is still only written was never sent, and never will be.

        Any other intent stays as it is; None where no such intent was ever written.

        Raises
        ------
        IllegalRequest
            If it is being sent at this moment.
        """
        now_ms = self._clock.now_ms()
        entry = self._ledger.get(client_order_id)
        if entry and entry.is_being_sent:
            raise IllegalRequest(f"{client_order_id} is being sent: wait for its outcome")

        def deny(intent: Intent) -> Intent:
            if intent.state is not IntentState.WRITTEN:
                return intent
            return intent.step(IntentState.DENIED, now_ms, text=text)

        return self._mark(client_order_id, deny)

    def _mark(self, client_order_id: str, change: Callable[[Intent], Intent]) -> Intent | None:
        intent = self._ledger.find(client_order_id)
        if intent is None:
            return None
        entry = self._ledger.enter(intent)
        return self._ledger.change(entry, change)

    def _select(self, wanted: Callable[[Intent], bool], market: str | None = None) -> list[Intent]:
        intents = [entry.intent for entry in self._ledger.entries()]
        return [intent for intent in intents if wanted(intent) and market in {None, intent.market}]

    # Sending.

    def _claim(self, sending: "_Sending", intents: Sequence[Intent]) -> None:
        """Part the intents into those to send and those that are known."""
        for intent in {intent.client_order_id: intent for intent in intents}.values():
            entry, is_new = self._ledger.reserve(intent)
            if is_new:
                sending.fresh.append(entry)
                try:
                    if not self._ledger.recall(entry):
                        continue
                except StoreError as error:
                    sending.trouble = error
                    continue
                sending.fresh.remove(entry)
            self._take_up(sending, intent, entry)

    def _take_up(self, sending: "_Sending", intent: Intent, entry: Entry) -> None:
        known = entry.intent
        if (known.market, known.side) != (intent.market, intent.side):
            self._ledger.drop_if_done(entry)
            raise IllegalRequest(
                f"{intent.client_order_id} is {known.side} {known.market}, "
                f"not {intent.side} {intent.market}: a client order id means one order"
            )
        text = f"not sent again: it is {known.state}"
        log_line(logging.INFO, "EXECUTION", known, text)
        sending.outcomes[known.client_order_id] = OrderOutcome(known)
        if entry.is_being_sent:
            return
        if known.state is IntentState.CONFIRMED:
            sending.outcomes[known.client_order_id] = self._report_again(known)
        elif known.state.is_open_question:
            if entry.watch is None:
                self._open_question(entry, "written by an earlier process", None, 0)
            assert entry.watch is not None  # noqa: S101 - just set
            entry.watch.next_ms = self._clock.now_ms()
            sending.unknown.append(entry)
        self._ledger.drop_if_done(entry)

    def _look_first(self, sending: "_Sending") -> None:
        """
        Look for closing orders that the process before this one may have sent.

        They leave even when they cannot be written down, and the next process gives them the same
        names. Where the venue does not answer, none of them is sent: both legs or neither.
        """
        since_ms = self._restored_ms
        if since_ms is None or self._clock.now_ms() >= since_ms + _LATE_MS:
            return
        closing = [e for e in sending.fresh if e.intent.reduce_only and e.intent.owner]
        try:
            reports = [self._venue.look_up(entry.intent) for entry in closing]
        except VenueError as error:
            self._withhold(sending, closing, error)
            return
        for entry, report in zip(closing, reports, strict=True):
            if report is None or report.status is OrderStatus.REJECTED:
                continue
            outcome = self._confirm(entry, report)
            sending.outcomes[entry.intent.client_order_id] = outcome
            entry.is_being_sent = False
            sending.fresh.remove(entry)

    def _withhold(self, sending: "_Sending", entries: Sequence[Entry], error: VenueError) -> None:
        """Leave orders unsent and unknown: who wants them asks again."""
        for entry in entries:
            text = f"not sent yet, whether an earlier process sent it is not known: {error}"
            log_line(logging.WARNING, "EXECUTION", entry.intent, text)
            sending.outcomes[entry.intent.client_order_id] = OrderOutcome(entry.intent, error=error)
            sending.fresh.remove(entry)
            entry.is_being_sent = False
            self._ledger.forget(entry)

    def _report_again(self, intent: Intent) -> OrderOutcome:
        try:
            return OrderOutcome(intent, report=self._venue.look_up(intent))
        except VenueError as error:
            return OrderOutcome(intent, error=error)

    def _write_down(self, sending: "_Sending") -> None:
        """Save what is to be sent; an order that cannot be saved may only reduce."""
        now_ms = self._clock.now_ms()
        for entry in sending.fresh:
            entry.intent = replace(entry.intent, sent_ms=now_ms)
            try:
                # What the store has, if it has something, is not to be overwritten unseen.
                if not entry.is_unread:
                    self._ledger.save(entry)
            except StoreError as error:
                sending.trouble = error
        if sending.trouble is None:
            return
        for entry in list(sending.fresh):
            if not entry.intent.reduce_only:
                sending.fresh.remove(entry)
                self._deny(sending, entry, f"not written down: {sending.trouble}")
            elif entry.is_unsaved or entry.is_unread:
                entry.is_unsaved = True
                text = f"sent without being written down, it only reduces: {sending.trouble}"
                log_line(logging.ERROR, "SAFETY", entry.intent, text)

    def _deny(self, sending: "_Sending", entry: Entry, text: str) -> None:
        intent = self._drop_unsent(entry, text)
        log_line(logging.ERROR, "EXECUTION", intent, f"not sent: {text}")
        sending.outcomes[intent.client_order_id] = OrderOutcome(intent, error=sending.trouble)

    def _drop_unsent(self, entry: Entry, text: str) -> Intent:
        entry.is_being_sent = False
        if not entry.is_unread:
            return self._step(entry, IntentState.DENIED, text)
        self._ledger.forget(entry)
        return entry.intent.step(IntentState.DENIED, self._clock.now_ms(), text=text)

    def _submit(self, sending: "_Sending") -> None:
        if not sending.fresh:
            return
        intents = [entry.intent for entry in sending.fresh]
        for intent in intents:
            log_line(logging.INFO, "EXECUTION", intent, f"sending {_in_words(intent)}")
        sending.is_submitted = True
        try:
            answers = list(self._venue.submit(intents))
        except VenueError as error:
            answers = [Unanswered(str(error), error)] * len(intents)
        answers += [Unanswered("the answer names fewer orders than were sent")] * len(intents)
        while sending.fresh:
            entry = sending.fresh[0]
            self._take_answer(sending, entry, answers.pop(0))
            entry.is_being_sent = False
            self._ledger.drop_if_done(entry)
            sending.fresh.pop(0)

    def _take_answer(self, sending: "_Sending", entry: Entry, answer: Answer) -> None:
        client_order_id = entry.intent.client_order_id
        match answer:
            case Accepted(report):
                sending.outcomes[client_order_id] = self._confirm(entry, report)
            case Rejected(text, error):
                now_ms = self._clock.now_ms()
                entry.watch = _late_watch(now_ms, now_ms)
                intent = self._step(entry, IntentState.REJECTED, text)
                log_line(logging.WARNING, "EXECUTION", intent, f"rejected: {text}")
                sending.outcomes[client_order_id] = OrderOutcome(intent, error=error)
            case Unanswered(text, error):
                self._open_question(entry, text, error, self._policy.first_ask_ms)
                sending.unknown.append(entry)

    def _after_interruption(self, sending: "_Sending") -> None:
        """Leave nothing behind as merely written when an exception ends the sending."""
        for entry in sending.fresh:
            entry.is_being_sent = False
            if entry.intent.state is not IntentState.WRITTEN:
                self._ledger.drop_if_done(entry)
                continue
            if sending.is_submitted:
                text = "interrupted while it was being sent"
                self._open_question(entry, text, None, self._policy.first_ask_ms)
            else:
                self._drop_unsent(entry, "interrupted before it was sent")

    def _pursue(self, sending: "_Sending") -> None:
        """Ask for the unknown orders of this call until they are found or patience is over."""
        while sending.unknown:
            waits = [entry.watch.next_ms for entry in sending.unknown if entry.watch]
            wait_ms = min(waits) - self._clock.now_ms()
            if wait_ms > 0:
                self._clock.sleep(wait_ms / 1000)
            for entry in list(sending.unknown):
                if entry.watch and entry.watch.next_ms > self._clock.now_ms():
                    continue
                error = entry.watch.error if entry.watch else None
                asked = self._ask_for(entry)
                outcome = asked.outcome or OrderOutcome(entry.intent, error=error)
                sending.outcomes[entry.intent.client_order_id] = outcome
                if entry.intent.is_ghost or not entry.intent.state.is_open_question:
                    sending.unknown.remove(entry)

    # Asking.

    def _open_question(
        self,
        entry: Entry,
        text: str,
        error: Exception | None,
        ask_in_ms: int,
        head_start_ms: int = 0,
    ) -> None:
        now_ms, pause_ms = self._clock.now_ms(), self._policy.first_ask_ms
        entry.watch = Watch(now_ms, now_ms + ask_in_ms, pause_ms, error=error)
        entry.watch.head_start_ms = max(head_start_ms, 0)
        intent = self._step(entry, IntentState.UNKNOWN, text)
        log_line(logging.WARNING, "SAFETY", intent, f"outcome unknown, asking for it: {text}")

    def _due(self) -> list[Entry]:
        """
        Entries to ask for in this round: open questions first, the longest due at the front.

        A settled order that has waited for a minute goes before them: a question that fails in
        every round would keep it waiting for ever.
        """
        now_ms = self._clock.now_ms()
        due = [
            (entry.watch.next_ms + entry.watch.is_late * _LATE_LONGEST_MS, number, entry)
            for number, entry in enumerate(self._ledger.entries())
            if entry.watch and entry.watch.next_ms <= now_ms
        ]
        return [entry for *_, entry in sorted(due)][: self._policy.asks_per_round]

    def _ask_for(self, entry: Entry) -> "_Asked":
        """Ask for one order; return its outcome when that has changed."""
        watch = entry.watch
        if watch is None:
            return _Asked(None)
        if watch.is_late:
            return self._ask_late(entry, watch)
        now_ms = self._clock.now_ms()
        policy = self._policy
        settling_ms = policy.settling_of(entry.intent, watch.head_start_ms)
        proof = {"settling_ms": settling_ms, "min_denials": policy.min_denials}
        others = None
        if watch.denials.and_one(now_ms).suffice(now_ms, **proof):
            others = self._ledger.others(entry.intent, entry.intent.created_ms - _DAY_MS)
        evidence = self._gather(entry.intent, others)
        if evidence.is_denied:
            watch.denials = watch.denials.and_one(now_ms)
        found_ms = _found_ms(others or [])
        # A shorter settling time shortens the proof, not how long a queer position counts: an order
        # hidden from every list still shows there.
        proof["long_ms"] = LONG_SETTLINGS * policy.settling_ms
        match judge(entry.intent, evidence, watch.denials, now_ms, **proof, found_ms=found_ms):
            case Found(report):
                return _Asked(self._confirm(entry, report))
            case Absent():
                return _Asked(self._give_up(entry, watch))
            case StillUnknown(text, is_likely):
                watch.is_likely = watch.is_likely or is_likely
                return _Asked(self._go_on(entry, watch, text), is_answered=not evidence.failure)

    def _gather(self, intent: Intent, others: Sequence[Intent] | None) -> Evidence:
        """Ask the venue; fills and position, which cost more, only where `others` are given."""
        since_ms = intent.created_ms - SLACK_MS
        # An older order may have filled since then: its name explains the fill.
        orders_since_ms = since_ms if others is None else since_ms - _DAY_MS
        is_denied = False
        try:
            report = self._venue.look_up(intent)
            if report is not None:
                return Evidence(looked_up=report)
            is_denied = True
            orders = (
                *self._venue.open_orders(intent.market),
                *self._venue.orders(intent.market, orders_since_ms),
            )
            if others is None:
                return Evidence(is_denied=True, orders=orders)
            # Of an order that was found after this one was written, every fill counts.
            found = _found_ms(others, after_ms=intent.created_ms)
            written = (other.created_ms for other in others if other.venue_order_id in found)
            since_ms = min([since_ms, *(ms - SLACK_MS for ms in written)])
            fills = tuple(self._venue.fills(intent.market, since_ms))
            position = self._venue.positions().get(intent.market)
        except VenueError as error:
            return Evidence(is_denied=is_denied, failure=f"the exchange did not answer: {error}")
        held = position.quantity if position else Decimal(0)
        return Evidence(is_denied=True, orders=orders, fills=fills, position=held)

    def _confirm(self, entry: Entry, report: OrderReport) -> OrderOutcome:
        before, entry.watch = entry.intent, None
        if report.client_order_id != before.client_order_id:
            text = f"the exchange calls it {report.client_order_id!r}"
            log_line(logging.WARNING, "EXECUTION", before, text)
        now_ms = self._clock.now_ms()

        def confirm(intent: Intent) -> Intent:
            intent = intent.step(IntentState.CONFIRMED, now_ms)
            return replace(intent, venue_order_id=report.venue_order_id)

        intent = self._ledger.change(entry, confirm)
        text = f"order {report.venue_order_id}, {report.status}, filled {report.filled_quantity}"
        if before.state is IntentState.WRITTEN:
            log_line(logging.INFO, "EXECUTION", intent, f"confirmed: {text}")
        else:
            log_line(logging.WARNING, "SAFETY", intent, f"found, it was {before.state}: {text}")
        return OrderOutcome(intent, report=report)

    def _give_up(self, entry: Entry, watch: Watch) -> OrderOutcome:
        now_ms = self._clock.now_ms()
        entry.watch = _late_watch(now_ms, now_ms)
        asked_ms = now_ms - (watch.denials.first_ms or now_ms)
        text = f"no such order, said {watch.denials.count} times in {asked_ms} ms"
        intent = self._step(entry, IntentState.ABSENT, text)
        log_line(logging.WARNING, "SAFETY", intent, f"absent: {text}; watched for 10 more minutes")
        return OrderOutcome(intent, error=watch.error)

    def _go_on(self, entry: Entry, watch: Watch, text: str) -> OrderOutcome | None:
        now_ms = self._clock.now_ms()
        watch.next_ms = now_ms + watch.pause_ms
        watch.pause_ms = min(watch.pause_ms * 2, self._policy.longest_ask_ms)
        if entry.intent.is_ghost:
            return None
        over_ms = watch.since_ms + self._policy.patience_ms
        if now_ms < over_ms:
            watch.next_ms = min(watch.next_ms, over_ms)
            return None
        intent = self._ledger.change(entry, lambda intent: replace(intent, is_ghost=True))
        message = (
            f"GHOST: still unknown after {now_ms - watch.since_ms} ms ({text}); it is asked for "
            f"until it is found or proven absent, do not send {_in_words(intent)} by hand"
        )
        log_line(logging.CRITICAL, "SAFETY", intent, message)
        return OrderOutcome(intent, error=watch.error)

    def _ask_late(self, entry: Entry, watch: Watch) -> "_Asked":
        """Look for an order that has settled as absent or rejected."""
        now_ms = self._clock.now_ms()
        over_ms, is_answered = watch.since_ms + _LATE_MS, True
        try:
            report = self._venue.look_up(entry.intent)
            is_last = now_ms >= over_ms
        except VenueError:
            report, is_answered = None, False
            is_last = now_ms >= over_ms + _LATE_MS
        if report is not None and report.status is not OrderStatus.REJECTED:
            return _Asked(self._confirm(entry, report))
        watch.next_ms = now_ms + watch.pause_ms
        if now_ms < over_ms:
            watch.next_ms = min(watch.next_ms, over_ms)
        watch.pause_ms = min(watch.pause_ms * 2, _LATE_LONGEST_MS)
        if is_last:
            entry.watch = None
            self._ledger.drop_if_done(entry)
        return _Asked(None, is_answered)

    def _step(self, entry: Entry, state: IntentState, text: str) -> Intent:
        now_ms = self._clock.now_ms()
        return self._ledger.change(entry, lambda intent: intent.step(state, now_ms, text=text))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one question came to; `outcome`: what has changed."""

    outcome: OrderOutcome | None
    is_answered: bool = True


class _Sending:
    """One call of `OrderGuard.send` while it runs."""

    def __init__(self) -> None:
        self.fresh: list[Entry] = []  # to send, or sent and without an answer taken
        self.unknown: list[Entry] = []
        self.outcomes: dict[str, OrderOutcome] = {}
        self.trouble: StoreError | None = None
        self.is_submitted = False


def _late_watch(settled_ms: int, now_ms: int) -> Watch:
    return Watch(settled_ms, now_ms + _LATE_FIRST_MS, _LATE_FIRST_MS, is_late=True)


def _found_ms(intents: Sequence[Intent], *, after_ms: int = 0) -> dict[str, int]:
    return {
        intent.venue_order_id: intent.settled_ms
        for intent in intents
        if intent.venue_order_id and intent.settled_ms and intent.settled_ms >= after_ms
    }


def _in_words(intent: Intent) -> str:
    price = "" if intent.price is None else f" at {intent.price}"
    only = " reduce-only" if intent.reduce_only else ""
    return f"{intent.side} {intent.quantity} {intent.market} {intent.kind}{price}{only}"
