"""The order guard against a venue, a store and a process that fail in any order."""

from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from freqtrade_ext.execution import (
    GuardPolicy,
    Intent,
    IntentState,
    OrderGuard,
    OrderOutcome,
    OrderSide,
)
from tests.execution.doubles import (
    BTC,
    ETH,
    QUERIES,
    CrashError,
    D,
    Fuse,
    ManualClock,
    MemoryStore,
    SimpleVenue,
    fill,
    intent,
    reachable,
    report_of,
)

S = IntentState
FATES = st.sampled_from(["accept", "lose", "drop", "reject", "raise"])
SOMETIMES = st.integers(0, 3).map(lambda number: number == 3)
FUSES = st.none() | st.integers(0, 25)
HIDDEN_MS = st.sampled_from([0, 0, 150, 1_500, 7_000, 20_000, 25_000])
LEGS = st.fixed_dictionaries(
    {
        "fate": FATES,
        "hidden_ms": HIDDEN_MS,
        "rests": SOMETIMES,
        "reduce_only": SOMETIMES,
        "market": st.sampled_from([ETH, BTC]),
        "side": st.sampled_from(OrderSide),
    }
)


# The venue here hides positions as long as orders, which no exchange was seen to do: the shorter
# proof for closing orders, which rests on the position, has tests of its own in test_guard.py.
POLICY = GuardPolicy(closing_settling_ms=GuardPolicy().settling_ms)


class GuardMachine(RuleBasedStateMachine):
    """
    Random walks through lost answers, hidden orders, crashes and a store that fails.

    The bugs that this machine found, of those planted, are marked M in
    tests/execution/test_guard.py.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.fuse = Fuse()
        self.venue = SimpleVenue(self.clock, self.fuse)
        self.store = MemoryStore(self.fuse)
        self.guard = OrderGuard(self.venue, self.store, self.clock, POLICY)
        self.meant: dict[str, Intent] = {}
        self.forgotten: set[str] = set()  # sent with a full disk, then the process died
        self.seen: dict[str, IntentState] = {}
        self.foreign = 0

    # What the bot does.

    @rule(
        legs=st.lists(LEGS, min_size=1, max_size=2),
        owner=st.sampled_from(["one", None]),
        fuse=FUSES,
    )
    def send(self, legs: list[dict[str, Any]], owner: str | None, fuse: int | None) -> None:
        """A new order, or the two legs of a spread."""
        intents = []
        for leg in legs:
            name = f"n-{len(self.meant)}"
            self.venue.fates[name] = leg["fate"]
            self.venue.hidden_ms[name] = leg["hidden_ms"]
            if leg["rests"]:
                self.venue.resting.add(name)
            self.meant[name] = intent(
                name,
                market=leg["market"],
                side=leg["side"],
                reduce_only=leg["reduce_only"],
                owner=owner,
                created_ms=self.clock.ms,
                held_before=self.held_by_the_books(leg["market"]),
            )
            intents.append(self.meant[name])
        self.run(lambda: self.guard.send(intents), fuse)

    @precondition(lambda self: self.meant)
    @rule(data=st.data(), fuse=FUSES)
    def send_again(self, data: st.DataObject, fuse: int | None) -> None:
        """The same order once more, by a loop or a process that does not know better."""
        name = data.draw(st.sampled_from(sorted(self.meant)))
        # A reduce-only order is sent again where the store cannot say that it was sent before.
        is_doubled = self.meant[name].reduce_only and self.store.is_unreadable
        if name not in self.forgotten and not is_doubled:
            self.run(lambda: self.guard.send([self.meant[name]]), fuse)

    @rule(ms=st.sampled_from([100, 1_000, 5_000, 20_000, 60_000]), fuse=FUSES)
    def ask(self, ms: int, fuse: int | None) -> None:
        self.clock.pass_ms(ms)
        self.run(self.guard.ask, fuse)

    @rule()
    def ask_for_half_a_minute(self) -> None:
        """Long enough for a proof; single rounds seldom get there."""
        for _ in range(20):
            self.clock.pass_ms(1_700)
            self.run(self.guard.ask, None)

    @rule()
    def book(self) -> None:
        for confirmed in self.guard.unbooked():
            self.guard.mark_booked(confirmed.client_order_id)

    # What happens to it.

    @rule()
    def die_and_start_again(self) -> None:
        self.restart()

    @rule(is_broken=st.booleans(), is_unreadable=SOMETIMES)
    def the_disk_is_full_or_not(self, is_broken: bool, is_unreadable: bool) -> None:
        self.store.is_broken = is_broken
        self.store.is_unreadable = is_unreadable

    @rule(failing=st.sets(st.sampled_from(QUERIES), max_size=2))
    def queries_fail_or_not(self, failing: set[str]) -> None:
        self.venue.failing = failing

    @rule(moves_late=st.booleans())
    def positions_lag_or_not(self, moves_late: bool) -> None:
        self.venue.moves_late = moves_late

    @rule(market=st.sampled_from([ETH, BTC]), side=st.sampled_from(OrderSide))
    def a_person_trades_by_hand(self, market: str, side: OrderSide) -> None:
        self.foreign += 1
        name = f"hand-{self.foreign}"
        execution = fill(name, market=market, side=side, time_ms=self.clock.ms)
        self.venue.fill_list.append(execution)
        by_hand = intent(name, market=market, side=side, created_ms=self.clock.ms)
        self.venue.foreign_orders.append(report_of(by_hand, venue_order_id=name))
        held = self.venue.held.get(market, D(0))
        self.venue.held[market] = held + execution.quantity * side.sign

    # What must always be true.

    @invariant()
    def no_order_is_executed_twice(self) -> None:
        for name in set(self.meant) - self.forgotten:
            assert self.venue.count(name) <= 1, name

    @invariant()
    def absent_and_denied_orders_are_not_on_the_venue(self) -> None:
        for known in self.known():
            if known.state in {S.ABSENT, S.DENIED, S.REJECTED}:
                assert not self.venue.has(known.client_order_id), known

    @invariant()
    def confirmed_orders_are_on_the_venue_under_their_id(self) -> None:
        for known in self.known():
            if known.state is S.CONFIRMED:
                (order,) = self.arrived(known.client_order_id)
                assert order.venue_order_id == known.venue_order_id

    @invariant()
    def only_legal_steps_are_taken(self) -> None:
        """A step that the store missed may be gone after a crash: then its state counts."""
        for known in self.known():
            before = self.seen.get(known.client_order_id, S.WRITTEN)
            assert known.state in reachable(before), (before, known)
            self.seen[known.client_order_id] = known.state

    @invariant()
    def nothing_that_was_sent_is_unknown_to_guard_and_store(self) -> None:
        known = {intent.client_order_id for intent in self.known()}
        on_the_venue = {order.report.client_order_id for order in self.venue.arrived}
        assert on_the_venue <= known | self.forgotten

    @invariant()
    def nothing_is_left_as_being_sent(self) -> None:
        assert not [entry for entry in self.guard._ledger.entries() if entry.is_being_sent]

    @invariant()
    def memory_holds_only_what_is_unfinished(self) -> None:
        for entry in self.guard._ledger.entries():
            assert entry.is_unsaved or not entry.is_done, entry

    def teardown(self) -> None:
        """A fair venue and a store that works: every question ends, and nothing is lost."""
        self.store.is_broken = self.store.is_unreadable = False
        self.venue.failing = set()
        for _ in range(100 + 20 * len(self.meant)):
            self.clock.pass_ms(2_000)
            self.keep(self.guard.ask())
        assert self.guard.open_questions() == []
        for name in set(self.meant) - self.forgotten:
            known = self.guard.find(name)
            is_confirmed = known is not None and known.state is S.CONFIRMED
            assert is_confirmed is self.venue.has(name), (name, known)
            assert known is None or self.store.intents[name] == known
        self.no_order_is_executed_twice()
        self.absent_and_denied_orders_are_not_on_the_venue()
        self.book()
        for _ in range(30):
            self.clock.pass_ms(60_000)
            self.guard.ask()
        assert len(self.guard._ledger) == 0

    # How it is done.

    def run(self, call: Any, fuse: int | None) -> None:
        self.fuse.steps_left = fuse
        try:
            self.keep(call())
        except CrashError:
            self.restart()
        self.fuse.steps_left = None

    def keep(self, outcomes: list[OrderOutcome]) -> None:
        for outcome in outcomes:
            name = outcome.intent.client_order_id
            if outcome.report:
                assert outcome.intent.state is S.CONFIRMED
                assert outcome.report.client_order_id == name
            if outcome.intent.state is S.ABSENT:
                assert not self.venue.has(name)

    def restart(self) -> None:
        self.fuse.rebirth()
        self.store.is_unreadable = False  # or the bot does not start
        self.forgotten |= {
            name
            for name, meant in self.meant.items()
            if meant.reduce_only and name not in self.store.intents
        }
        self.seen = {name: intent.state for name, intent in self.store.intents.items()}
        self.guard = OrderGuard(self.venue, self.store, self.clock, POLICY)
        self.guard.restore()

    def known(self) -> list[Intent]:
        memory = {
            entry.intent.client_order_id: entry.intent for entry in self.guard._ledger.entries()
        }
        return list((self.store.intents | memory).values())

    def arrived(self, name: str) -> list[Any]:
        return [
            order.report for order in self.venue.arrived if order.report.client_order_id == name
        ]

    def held_by_the_books(self, market: str) -> Decimal:
        """By hand, and what the guard has confirmed; a ghost's fill is in no book."""
        known = {item.client_order_id for item in self.known() if item.state is S.CONFIRMED}
        own = (order.report for order in self.venue.arrived if order.report.market == market)
        filled = (
            report.signed_filled
            for report in own
            if report.client_order_id in known | self.forgotten  # the watcher adopts these
        )
        return self.venue.held.get(market, D(0)) + sum(filled, D(0))


GuardMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestGuardMachine = GuardMachine.TestCase
