"""Both exits of a spread through the real guard and the real desk, whatever becomes of either.

The host is as simple as it can be: it books what the guard has confirmed, tells the desk what the
books show, and sends what the desk has ready, both legs in one call where both are. Planted bugs
that it found: nothing ever waits; what has just failed is not awaited (the other leg leaves before
the desk hears of it).
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from freqtrade_ext.execution import (
    GuardPolicy,
    Intent,
    IntentPurpose,
    IntentState,
    OrderGuard,
    OrderKind,
    OrderSide,
)
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import BookedOrder, LegBook, LegName, SpreadDesk, SubmitOrder
from tests.execution.doubles import BTC, ETH, D, ManualClock, MemoryStore, SimpleVenue
from tests.spreads.doubles import HOUR, START, FakeStore, done, spread_settings
from tests.spreads.test_desk import ID, opened

MARKETS = {LegName.A: ETH, LegName.B: BTC}
ENTRIES = {LegName.A: done("1", "10"), LegName.B: done("2", "-20")}
FATES = st.sampled_from(["accept", "lose", "drop", "drop", "reject"])
# An order may be hidden; the position is not, and a reduce-only order cannot fill twice.
HIDDEN_MS = st.sampled_from([0, 0, 0, 1_500, 10_000, 45_000])
ORDERS = st.permutations(list(LegName))


class TwoExits(RuleBasedStateMachine):
    """A hedged spread that must leave; its exits are lost, dropped, refused and hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START + 6 * HOUR)
        self.venue = SimpleVenue(self.clock, moves_late=False)
        self.venue.held = {ETH: D(10), BTC: D(-20)}
        self.intents, self.records = MemoryStore(), FakeStore()
        self.alone: list[str] = []
        self.start()
        opened(self.desk)

    def start(self) -> None:
        """Begin a process: a guard and a desk that know what is saved."""
        self.guard = OrderGuard(self.venue, self.intents, self.clock, GuardPolicy())
        self.guard.restore()
        self.desk = SpreadDesk(spread_settings(), self.records, HOUR, self.guard.is_awaited)
        self.desk.restore()

    @initialize(
        fates=st.lists(FATES, min_size=2, max_size=2),
        hidden=HIDDEN_MS,
        written=st.none() | st.sampled_from([[], [LegName.A], [LegName.B], list(LegName)]),
    )
    def leave(self, fates, hidden, written):
        """Both exits are sent; or the process dies, when these were written down or sent."""
        self.desk.request_exit(ID, CloseReason.MANUAL, self.clock.ms)
        orders = {leg: self.ready(leg) for leg in LegName}
        for leg, fate in zip(LegName, fates, strict=True):
            self.venue.fates[orders[leg].client_order_id] = fate
            self.venue.hidden_ms[orders[leg].client_order_id] = hidden
        intents = {leg: self.intent(leg, order) for leg, order in orders.items()}
        if written is None:
            self.guard.send(list(intents.values()))
            return
        for leg in written:
            self.intents.save(intents[leg])
            if len(written) == len(LegName) and fates[list(LegName).index(leg)] != "drop":
                self.venue.submit([intents[leg]])
        self.start()

    @rule(
        seconds=st.integers(1, 6), order=ORDERS, fates=st.lists(FATES, min_size=2, max_size=2),
        hidden=HIDDEN_MS, fails=st.booleans(),
    )  # fmt: skip
    def loop(self, seconds, order, fates, hidden, fails):
        self.clock.pass_ms(seconds * 1000)
        self.venue.failing = {"look_up"} if fails else set()
        self._loop(order, dict(zip(LegName, fates, strict=True)), hidden)

    @precondition(lambda self: ID in self.desk.records)
    @rule()
    def kill(self):
        self.start()

    def _loop(self, order, fates, hidden):
        self.guard.ask()
        self._book()
        for leg in order:
            if ID not in self.desk.records or self.ready(leg) is None:
                continue
            self._send(leg, fates, hidden)

    def _send(self, leg, fates, hidden):
        intents = []
        for name in (leg, leg.other):
            wanted = self.ready(name)
            if wanted is None:
                continue
            self.desk.mark_sent(ID, wanted, self.clock.ms)
            self.venue.fates.setdefault(wanted.client_order_id, fates[name])
            self.venue.hidden_ms.setdefault(wanted.client_order_id, hidden)
            intents.append(self.intent(name, wanted))
        self._judge(intents)
        self.guard.send(intents)

    def _judge(self, intents):
        """Note a leg that is about to leave alone though the venue still holds the other one."""
        fresh = {each.leg for each in intents if self.guard.find(each.client_order_id) is None}
        if len(fresh) != 1:
            return
        other = LegName(fresh.pop()).other
        working = self.desk.records[ID].position.leg(other).working
        if working is None or not self.venue.position_of(MARKETS[other]):
            return
        known = self.guard._ledger.get(working.client_order_id)
        is_open = known is not None and known.watch is not None and not known.watch.is_likely
        if is_open and self.clock.ms < known.watch.since_ms + GuardPolicy().awaited_ms:
            self.alone.append(working.client_order_id)

    def _book(self):
        """Book what the guard has confirmed, and tell the desk what the books show."""
        for each in self.guard.unbooked():
            self.guard.mark_booked(each.client_order_id)
        for leg in LegName:
            if ID not in self.desk.records:
                return
            booked = [
                BookedOrder(f"9{each.venue_order_id}", each.signed_quantity, each.signed_quantity,
                            False, each.client_order_id)
                for each in self.intents.intents.values()
                if each.leg == leg.value and each.state is IntentState.CONFIRMED
            ]  # fmt: skip
            held = ENTRIES[leg].filled + sum((each.filled for each in booked), D(0))
            working = self.desk.records[ID].position.leg(leg).working
            found = self.guard.find(working.client_order_id) if working else None
            settled = found is None or not found.is_unsettled
            book = LegBook(orders=(ENTRIES[leg], *booked), held=held)
            self.desk.observe(ID, leg, book, self.clock.ms, settled=settled)
        self.desk.tick(self.clock.ms)

    def ready(self, leg: LegName) -> SubmitOrder | None:
        return self.desk.ready_order(ID, leg)

    def intent(self, leg: LegName, order: SubmitOrder) -> Intent:
        self.desk.mark_sent(ID, order, self.clock.ms)
        return Intent(
            client_order_id=order.client_order_id, market=MARKETS[leg],
            side=OrderSide(order.side.value), kind=OrderKind.MARKET, quantity=order.quantity,
            reduce_only=True, purpose=IntentPurpose.EXIT, attempt=order.attempt,
            created_ms=self.clock.ms, owner=ID, leg=leg.value,
            held_before=self.venue.held[MARKETS[leg]],
        )  # fmt: skip

    @invariant()
    def no_leg_leaves_alone_while_the_other_may_be_there(self):
        assert self.alone == []

    @invariant()
    def nothing_is_closed_twice(self):
        for leg, market in MARKETS.items():
            held = self.venue.position_of(market) * self.venue.held[market]
            assert held >= 0, leg

    def teardown(self):
        """A fair venue brings both legs out."""
        self.venue.failing = set()
        for _ in range(400):
            if ID not in self.desk.records:
                break
            self.clock.pass_ms(2_000)
            self._loop(list(LegName), dict.fromkeys(LegName, "accept"), 0)
        assert ID not in self.desk.records
        assert {self.venue.position_of(market) for market in MARKETS.values()} == {D(0)}
        assert self.alone == []


TwoExits.TestCase.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
TestTwoExits = TwoExits.TestCase
