"""The coordinator against a venue that is too simple to be wrong, in any order of events."""

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    LEGAL_TRANSITIONS,
    CancelOrder,
    Command,
    CoordinatorPolicy,
    Direction,
    EntryPlan,
    EntryRequested,
    Event,
    ExitRequested,
    LegName,
    LegPlan,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    PositionReported,
    Purpose,
    Side,
    SpreadPosition,
    SpreadState,
    SubmitOrder,
    TimePassed,
    decide,
    from_dict,
    outstanding,
    to_dict,
)

CLIENT_ORDER_ID = re.compile(r"^[.A-Z:/a-z0-9_-]{1,36}$")
LEGS = list(LegName)
LEAVING = (SpreadState.FLAT, SpreadState.CLOSING, SpreadState.UNWINDING)
SELDOM = st.integers(0, 5).map(lambda number: number == 5)


@dataclass
class VenueOrder:
    command: SubmitOrder
    live: bool = True
    accepted: bool = False
    filled: Decimal = Decimal(0)

    @property
    def remaining(self) -> Decimal:
        sign = 1 if self.command.side is Side.BUY else -1
        return self.command.quantity * sign - self.filled


@dataclass
class Venue:
    """Obeys in its own time; what it has to say waits in `inbox` until somebody delivers it."""

    now_ms: int = 1_700_000_000_000
    held: dict[LegName, Decimal] = field(default_factory=lambda: dict.fromkeys(LEGS, Decimal(0)))
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    inbox: list[Event] = field(default_factory=list)
    cancels: list[CancelOrder] = field(default_factory=list)

    def tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def live(self, leg: LegName | None = None) -> list[VenueOrder]:
        orders = [order for order in self.orders.values() if order.live]
        return [order for order in orders if leg is None or order.command.leg is leg]

    def submit(self, command: SubmitOrder) -> None:
        assert command.client_order_id not in self.orders, "each order is sent once"
        self.orders[command.client_order_id] = VenueOrder(command)

    def accept(self, order: VenueOrder) -> None:
        order.accepted = True
        self._say(OrderAccepted, order)

    def fill(self, order: VenueOrder, quantity: Decimal) -> None:
        leg = order.command.leg
        if order.command.reduce_only:
            room = abs(self.held[leg]) if self.held[leg] * quantity < 0 else Decimal(0)
            quantity = min(abs(quantity), room).copy_sign(quantity)
        if quantity:
            order.filled += quantity
            self.held[leg] += quantity
            self._say(OrderFilled, order, quantity=quantity, fill_id=str(self.now_ms))
        elif order.live:
            self.end(order, OrderExpired)
        if not order.remaining:
            order.live = False

    def end(self, order: VenueOrder, kind: type[Any]) -> None:
        order.live = False
        self._say(kind, order)

    def obey_cancel(self, index: int) -> None:
        order = self.orders[self.cancels.pop(index).client_order_id]
        if order.live:
            self.end(order, OrderCanceled)

    def report(self, leg: LegName) -> None:
        self.inbox.append(
            PositionReported(now_ms=self.tick(), leg=leg, held=self.held[leg]),
        )

    def _say(self, kind: type[Any], order: VenueOrder, **more: object) -> None:
        name = order.command.client_order_id
        event = kind(now_ms=self.tick(), leg=order.command.leg, client_order_id=name, **more)
        self.inbox.append(event)


def hedge_errors(held: dict[LegName, Decimal], plan: EntryPlan) -> dict[LegName, Decimal]:
    """How far each leg is, in lots, from the exact hedge of the other."""
    result = {}
    for leg in LEGS:
        own, other = plan.leg(leg), plan.leg(leg.other)
        exact = held[leg.other] / other.quantity * own.quantity
        result[leg] = abs(held[leg] - exact) / own.lot
    return result


class CoordinatorMachine(RuleBasedStateMachine):
    """
    Random walks through everything that can happen to a spread.

    Bugs that were planted, one at a time, and what turned red. M marks those that this machine
    found by itself; the tests named are in tests/spreads/test_coordinator.py (or
    test_position.py, P).

    - fills are not deduplicated: M, test_repeated_fill_report_counts_once
    - the other leg is never trimmed: M, test_after_the_second_short_end_the_other_leg_is_...
    - the trimmed leg keeps its old aim: M, test_trim_can_be_told_to_start_with_the_first_short_end
    - the fuller leg is taken for the lagging one: M, the same
    - reducing orders have the wrong sign: M, test_overfill_of_an_open_spread_is_sold_off
    - short ends are not counted: test_leg_without_any_fill_is_retried_five_times_...
    - retried exits are not reduce-only: M, test_exit_is_retried_without_limit_reduce_only_...
    - exits give up after the retries: M, the same
    - late fills of unknown orders are ignored: M, test_late_fill_while_flat_unwinds
    - holdings while flat are not noticed: M, the same
    - excess in an open spread is not noticed: M, test_overfill_of_an_open_spread_is_sold_off
    - a rejection is taken for a fill: M, test_rejected_leg_cancels_the_other_before_any_fill
    - a rejected entry is retried: M, the same
    - a restart forgets attempts: M, test_restart_continues_with_the_attempts_already_made
    - a restart forgets the fills seen: M, test_position_survives_json (P)
    - time-outs never fire: M, test_entry_order_that_works_too_long_is_canceled_and_sent_again
    - retries do not wait: M, test_leg_that_ended_short_is_sent_again_after_the_interval_...
    - canceled orders are forgotten before their end is known: M,
      test_order_is_never_sent_again_before_its_end_is_known
    - orders that would go too far stay: M, test_late_fill_cancels_an_order_that_would_now_...
    - a vanished leg leaves its partner's reason alone: M, test_vanished_leg_takes_the_other_...
    - reports count contained fills twice: M, test_fill_older_than_a_booked_report_is_contained_...
    - reports are believed while fills are on the way: test_report_that_a_fill_on_its_way_...
    - stale reports are believed: M, test_report_older_than_the_last_fill_is_ignored
    - order ids repeat: M, test_orders_of_two_entries_in_the_same_millisecond_have_different_ids
    - polls forget cancels: M, test_order_to_be_canceled_is_outstanding_only_as_its_cancel (P)
    - polls repeat accepted orders: M, test_accepted_order_is_no_longer_outstanding (P)
    - any state may add: test_leaving_spread_never_adds_whatever_its_document_says
    - trimming never gives up, or inherits the entry's failures:
      test_trim_that_fails_too_often_closes_both_legs
    - the clock runs backwards: test_fact_from_the_past_does_not_turn_the_clock_back
    - any one row of LEGAL_TRANSITIONS removed (15 mutants): at least one test each
    """

    def __init__(self) -> None:
        super().__init__()
        self.venue = Venue()
        self.position = SpreadPosition("BTC-ETH")
        self.plan: EntryPlan | None = None
        self.delivered_fills: list[OrderFilled] = []
        self.foreign_ms: dict[LegName, int] = {}

    @initialize(
        retries=st.integers(0, 3),
        trim_after=st.integers(0, 3),
    )
    def choose_patience(self, retries: int, trim_after: int) -> None:
        policy = CoordinatorPolicy(
            max_retries=retries, retries_before_trim=min(trim_after, retries), alert_after=2
        )
        self.position = SpreadPosition("BTC-ETH", policy=policy)

    # Plumbing

    def tell(self, event: Event) -> None:
        before = self.position
        self.position, commands = decide(before, event)
        after = self.position
        assert before.state is after.state or (before.state, after.state) in LEGAL_TRANSITIONS
        for command in commands:
            if isinstance(command, SubmitOrder):
                self.check_order(command)
                self.venue.submit(command)
        for command in commands:
            if isinstance(command, CancelOrder):
                assert command.client_order_id in self.venue.orders
                self.venue.cancels.append(command)

    def check_order(self, command: SubmitOrder) -> None:
        assert CLIENT_ORDER_ID.match(command.client_order_id)
        assert command.quantity > 0
        signed = command.quantity * (1 if command.side is Side.BUY else -1)
        held = self.position.leg(command.leg).held
        if command.reduce_only:
            assert signed * held < 0, "a reduce-only order is against the position"
            assert abs(signed) <= abs(held), "a reduce-only order never turns the position"
            assert command.purpose is not Purpose.ENTRY
        else:
            assert command.purpose is Purpose.ENTRY
            assert self.position.state is SpreadState.OPENING, "only an opening spread adds"
            assert self.plan is not None
            assert abs(held + signed) <= abs(self.plan.leg(command.leg).quantity)

    def deliver(self, index: int) -> None:
        event = self.venue.inbox.pop(index)
        before = self.position
        self.tell(event)
        match event:
            case OrderFilled():
                self.delivered_fills.append(event)
            case PositionReported():
                self.note_report(before, event)
            case OrderRejected():
                entry = self.venue.orders[event.client_order_id].command.purpose is Purpose.ENTRY
                assert not entry or self.position.state is not SpreadState.OPENING

    def note_report(self, before: SpreadPosition, event: PositionReported) -> None:
        was_held = before.leg(event.leg).held
        if before.state is SpreadState.OPEN and was_held and self.position.leg(event.leg).held == 0:
            assert self.position.leg(event.leg).close_reason is CloseReason.EXTERNAL
            assert self.position.leg(event.leg.other).close_reason is CloseReason.PARTNER_CLOSED
        fills_on_the_way = any(
            isinstance(other, OrderFilled) and other.leg is event.leg for other in self.venue.inbox
        )
        is_booked = self.position.leg(event.leg).held == event.held
        is_later = event.now_ms > self.foreign_ms.get(event.leg, 0)
        if is_booked and is_later and not fills_on_the_way:
            self.foreign_ms.pop(event.leg, None)

    def pick(self, data: st.DataObject, orders: list[VenueOrder]) -> VenueOrder:
        return orders[data.draw(st.integers(0, len(orders) - 1))]

    # What we ask for

    @precondition(lambda self: self.position.state is SpreadState.FLAT)
    @rule(
        direction=st.sampled_from(Direction),
        lots_a=st.integers(1, 6),
        lots_b=st.integers(1, 9),
        min_lots=st.integers(0, 2),
    )
    def enter(self, direction: Direction, lots_a: int, lots_b: int, min_lots: int) -> None:
        lot_b = Decimal("0.1")
        sign = direction.sign
        self.plan = EntryPlan(
            direction=direction,
            leg_a=LegPlan(Decimal(lots_a * sign), Decimal(1), Decimal(min(min_lots, lots_a))),
            leg_b=LegPlan(lots_b * lot_b * -sign, lot_b, min(min_lots, lots_b) * lot_b),
            hedge_space="log",
            hedge_ratio=1.0,
            intercept=0.0,
            z_at_entry=-2.0 * sign,
        )
        self.tell(EntryRequested(now_ms=self.venue.tick(), plan=self.plan))

    @precondition(lambda self: self.position.state in (SpreadState.OPEN, SpreadState.TRIMMING))
    @rule(reason=st.sampled_from([CloseReason.MEAN_REVERSION, CloseReason.SPREAD_STOP]))
    def leave(self, reason: CloseReason) -> None:
        self.tell(ExitRequested(now_ms=self.venue.tick(), reason=reason))
        assert self.position.reason is reason

    @precondition(lambda self: self.position.state is SpreadState.OPENING)
    @rule(really=SELDOM)
    def leave_before_it_is_open(self, really: bool) -> None:
        if really:
            self.tell(ExitRequested(now_ms=self.venue.tick(), reason=CloseReason.MANUAL))

    @precondition(lambda self: self.position.state in LEAVING)
    @rule()
    def exit_while_leaving_is_refused(self) -> None:
        event = ExitRequested(now_ms=self.venue.tick(), reason=CloseReason.MANUAL)
        with pytest.raises(IllegalRequest):
            decide(self.position, event)

    @precondition(lambda self: self.position.state is not SpreadState.FLAT and self.plan)
    @rule()
    def entry_while_not_flat_is_refused(self) -> None:
        assert self.plan is not None
        with pytest.raises(IllegalRequest):
            decide(self.position, EntryRequested(now_ms=self.venue.tick(), plan=self.plan))

    # What the venue does

    @precondition(lambda self: any(not order.accepted for order in self.venue.live()))
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        waiting = [order for order in self.venue.live() if not order.accepted]
        self.venue.accept(self.pick(data, waiting))

    @precondition(lambda self: self.venue.live())
    @rule(data=st.data())
    def fill_one_lot(self, data: st.DataObject) -> None:
        order = self.pick(data, self.venue.live())
        lot = self.position.leg(order.command.leg).lot
        self.venue.fill(order, lot * (1 if order.remaining > 0 else -1))

    @precondition(lambda self: self.venue.live())
    @rule(data=st.data())
    def fill_one_order(self, data: st.DataObject) -> None:
        order = self.pick(data, self.venue.live())
        self.venue.fill(order, order.remaining)

    @precondition(lambda self: self.venue.live() or self.venue.inbox)
    @rule()
    def fill_everything_and_tell(self) -> None:
        while self.venue.cancels:
            self.venue.obey_cancel(0)
        for order in self.venue.live():
            self.venue.fill(order, order.remaining)
        self.deliver_all()

    @precondition(lambda self: self.venue.live())
    @rule(data=st.data())
    def leave_one_order_short(self, data: st.DataObject) -> None:
        """Everything is filled but the rest of one order, which expires; all of it is told."""
        order = self.pick(data, self.venue.live())
        lot = self.position.leg(order.command.leg).lot
        lots = data.draw(st.integers(0, max(0, int(abs(order.remaining) / lot) - 1)))
        if lots:
            self.venue.fill(order, lots * lot * (1 if order.remaining > 0 else -1))
        if order.live:
            self.venue.end(order, OrderExpired)
        self.fill_everything_and_tell()

    @precondition(lambda self: self.venue.live())
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        self.venue.end(self.pick(data, self.venue.live()), OrderExpired)

    @precondition(lambda self: self.venue.cancels)
    @rule(data=st.data())
    def obey_a_cancel(self, data: st.DataObject) -> None:
        self.venue.obey_cancel(data.draw(st.integers(0, len(self.venue.cancels) - 1)))

    @precondition(lambda self: any(not order.filled for order in self.venue.live()))
    @rule(data=st.data(), really=SELDOM)
    def reject(self, data: st.DataObject, really: bool) -> None:
        if not really:
            return
        untouched = [order for order in self.venue.live() if not order.filled]
        self.venue.end(self.pick(data, untouched), OrderRejected)

    @precondition(lambda self: self.late_candidates())
    @rule(data=st.data(), whole=st.booleans())
    def late_fill(self, data: st.DataObject, whole: bool) -> None:
        """The venue confirmed the end, then fills anyway."""
        order = self.pick(data, self.late_candidates())
        lot = self.position.leg(order.command.leg).lot
        one_lot = lot * (1 if order.remaining > 0 else -1)
        self.venue.fill(order, order.remaining if whole else one_lot)

    def late_candidates(self) -> list[VenueOrder]:
        return [o for o in self.venue.orders.values() if not o.live and o.remaining]

    @rule(leg=st.sampled_from(LEGS), lots=st.integers(-2, 2), really=SELDOM)
    @precondition(lambda self: any(self.venue.held.values()))
    def external_change(self, leg: LegName, lots: int, really: bool) -> None:
        """Somebody buys or sells by hand."""
        if not really:
            return
        self.venue.held[leg] += lots * self.position.leg(leg).lot
        self.foreign_ms[leg] = self.venue.tick()

    @rule(leg=st.sampled_from(LEGS), really=SELDOM)
    @precondition(lambda self: any(self.venue.held.values()))
    def external_close(self, leg: LegName, really: bool) -> None:
        if really and self.venue.held[leg]:
            self.venue.held[leg] = Decimal(0)
            self.foreign_ms[leg] = self.venue.tick()

    @precondition(lambda self: any(self.venue.held.values()) or self.foreign_ms)
    @rule(leg=st.sampled_from(LEGS))
    def report(self, leg: LegName) -> None:
        self.venue.report(leg)

    # What reaches us

    @precondition(lambda self: self.venue.inbox)
    @rule(data=st.data())
    def deliver_one_in_any_order(self, data: st.DataObject) -> None:
        self.deliver(data.draw(st.integers(0, len(self.venue.inbox) - 1)))

    @precondition(lambda self: self.venue.inbox)
    @rule()
    def deliver_all(self) -> None:
        while self.venue.inbox:
            self.deliver(0)

    @precondition(lambda self: len(self.venue.inbox) > 1)
    @rule()
    def deliver_all_backwards(self) -> None:
        while self.venue.inbox:
            self.deliver(len(self.venue.inbox) - 1)

    @precondition(lambda self: self.delivered_fills)
    @rule(data=st.data())
    def repeat_a_fill_report(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.delivered_fills) - 1))
        before = self.position
        self.tell(self.delivered_fills[index])
        assert before.leg_a.held == self.position.leg_a.held
        assert before.leg_b.held == self.position.leg_b.held

    @precondition(lambda self: self.position.state is not SpreadState.FLAT)
    @rule(milliseconds=st.sampled_from([1, 1_000, 2_000, 10_000, 30_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.venue.now_ms += milliseconds
        self.tell(TimePassed(now_ms=self.venue.now_ms))
        for order in (self.position.leg_a.working, self.position.leg_b.working):
            if order is not None and order.cancel_requested_ms is None:
                assert self.venue.now_ms - order.submitted_ms < 30_000

    @precondition(lambda self: self.position.state is not SpreadState.FLAT)
    @rule()
    def restart(self) -> None:
        before = self.position
        self.position = from_dict(json.loads(json.dumps(to_dict(before))))
        assert self.position == before

    # What always holds

    @invariant()
    def flat_means_nothing_held_and_nothing_working(self) -> None:
        if self.position.state is SpreadState.FLAT:
            assert not self.position.leg_a.held
            assert not self.position.leg_b.held
            assert not self.position.has_working_orders
            assert not self.venue.live()

    @invariant()
    def open_means_hedged_within_a_lot(self) -> None:
        if self.position.state is SpreadState.OPEN:
            assert self.plan is not None
            held = {leg: self.position.leg(leg).held for leg in LEGS}
            assert all(held.values())
            assert min(hedge_errors(held, self.plan).values()) < 1
            assert not self.position.has_working_orders

    @invariant()
    def trimming_never_adds(self) -> None:
        if self.position.state is SpreadState.TRIMMING:
            for leg in (self.position.leg_a, self.position.leg_b):
                canceled = leg.working is not None and leg.working.cancel_requested_ms is not None
                assert leg.working is None or leg.working.reduce_only or canceled

    @invariant()
    def books_agree_once_everything_is_told(self) -> None:
        if self.venue.inbox:
            return
        for leg in LEGS:
            if leg not in self.foreign_ms:
                assert self.position.leg(leg).held == self.venue.held[leg]

    @invariant()
    def one_order_works_on_a_leg(self) -> None:
        for leg in LEGS:
            live = self.venue.live(leg)
            working = self.position.leg(leg).working
            assert len(live) <= 1
            for order in live:
                assert working is not None
                assert order.command.client_order_id == working.client_order_id

    @invariant()
    def polls_repeat_what_was_asked_for(self) -> None:
        expected: list[Command] = []
        for leg in LEGS:
            working = self.position.leg(leg).working
            if working is None:
                continue
            if working.cancel_requested_ms is not None:
                expected.append(CancelOrder(leg, working.client_order_id))
            elif not working.accepted:
                expected.append(self.venue.orders[working.client_order_id].command)
        assert list(outstanding(self.position)) == expected

    @invariant()
    def orders_never_lead_past_the_aim(self) -> None:
        for leg in (self.position.leg_a, self.position.leg_b):
            if leg.working is not None and leg.working.cancel_requested_ms is None:
                assert leg.working.leaves_quantity * leg.gap > 0
                assert abs(leg.working.leaves_quantity) <= abs(leg.gap)

    @invariant()
    def lagging_leg_is_not_waited_for_longer_than_allowed(self) -> None:
        if self.position.state is not SpreadState.OPENING or self.plan is None:
            return
        plan, position = self.plan, self.position
        shares = {leg: position.leg(leg).held / plan.leg(leg).quantity for leg in LEGS}
        leg = position.leg(min(LEGS, key=lambda name: shares[name]))
        if leg.working is None and leg.gap:
            assert leg.short_ends <= position.policy.max_retries
            share_is_tradable = all(
                abs(plan.leg(name).quantity) * min(shares.values()) >= plan.leg(name).lot
                for name in LEGS
            )
            patient = leg.short_ends <= position.policy.retries_before_trim
            assert patient or not share_is_tradable

    @invariant()
    def retries_are_counted(self) -> None:
        if self.position.state is SpreadState.OPENING:
            limit = self.position.policy.max_retries + 1
            assert self.position.leg_a.short_ends <= limit
            assert self.position.leg_b.short_ends <= limit

    def teardown(self) -> None:
        """From now on the venue is fair: it fills what is sent and tells everything in order."""
        self.bring_to_rest()
        if self.position.state is SpreadState.OPEN:
            assert self.plan is not None
            assert min(hedge_errors(self.venue.held, self.plan).values()) < 1
            self.tell(ExitRequested(now_ms=self.venue.tick(), reason=CloseReason.END))
            self.bring_to_rest()
        assert self.position.state is SpreadState.FLAT
        assert not any(self.venue.held.values())

    def bring_to_rest(self) -> None:
        for _ in range(40):
            self.deliver_all()
            while self.venue.cancels:
                self.venue.obey_cancel(0)
            for order in self.venue.live():
                self.venue.fill(order, order.remaining)
            self.deliver_all()
            for leg in LEGS:
                self.venue.report(leg)
            self.deliver_all()
            at_rest = self.position.state in (SpreadState.FLAT, SpreadState.OPEN)
            if at_rest and not self.foreign_ms and not self.venue.live():
                return
            self.time_passes(2_000)
        raise AssertionError(f"not at rest: {self.position}")


CoordinatorMachine.TestCase.settings = settings(max_examples=500, stateful_step_count=80)
TestCoordinator = CoordinatorMachine.TestCase
