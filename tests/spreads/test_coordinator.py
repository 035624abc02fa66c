"""The coordinator's rules, one sentence each."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    LEGAL_TRANSITIONS,
    Alert,
    AlertReason,
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

A, B = LegName.A, LegName.B
START = 1_700_000_000_000
D = Decimal


def plan(
    quantity_a: str = "10",
    quantity_b: str = "-20",
    *,
    lot_a: str = "1",
    lot_b: str = "1",
    min_entry_b: str = "0",
) -> EntryPlan:
    return EntryPlan(
        direction=Direction.LONG if D(quantity_a) > 0 else Direction.SHORT,
        leg_a=LegPlan(D(quantity_a), D(lot_a)),
        leg_b=LegPlan(D(quantity_b), D(lot_b), D(min_entry_b)),
        hedge_space="log",
        hedge_ratio=1.0,
        intercept=0.0,
        z_at_entry=-2.0,
    )


class Story:
    """Tells events to one spread and remembers what it answered."""

    def __init__(self, policy: CoordinatorPolicy | None = None) -> None:
        self.position = SpreadPosition("BTC-ETH", policy=policy or CoordinatorPolicy())
        self.now_ms = START
        self.fills = 0
        self.last: list[Command] = []

    def tell(self, event: Event) -> list[Command]:
        self.position, self.last = decide(self.position, event)
        return self.last

    @property
    def state(self) -> SpreadState:
        return self.position.state

    @property
    def orders(self) -> list[SubmitOrder]:
        return [command for command in self.last if isinstance(command, SubmitOrder)]

    @property
    def cancels(self) -> list[CancelOrder]:
        return [command for command in self.last if isinstance(command, CancelOrder)]

    @property
    def alerts(self) -> list[AlertReason]:
        return [command.reason for command in self.last if isinstance(command, Alert)]

    def working_id(self, leg: LegName) -> str:
        order = self.position.leg(leg).working
        assert order is not None
        return order.client_order_id

    def enter(self, wanted: EntryPlan | None = None) -> "Story":
        self.tell(EntryRequested(now_ms=self.now_ms, plan=wanted or plan()))
        return self

    def exit(self, reason: CloseReason = CloseReason.MEAN_REVERSION) -> list[Command]:
        return self.tell(ExitRequested(now_ms=self.now_ms, reason=reason))

    def fill(
        self,
        leg: LegName,
        quantity: str,
        *,
        order_id: str | None = None,
        fill_id: str | None = None,
    ) -> list[Command]:
        self.fills += 1
        return self.tell(
            OrderFilled(
                now_ms=self.now_ms,
                leg=leg,
                client_order_id=order_id or self.working_id(leg),
                fill_id=fill_id or f"fill-{self.fills}",
                quantity=D(quantity),
            )
        )

    def end(
        self, leg: LegName, kind: type[OrderCanceled | OrderExpired | OrderRejected]
    ) -> list[Command]:
        order_id = self.working_id(leg)
        return self.tell(kind(now_ms=self.now_ms, leg=leg, client_order_id=order_id))

    def report(self, leg: LegName, held: str) -> list[Command]:
        return self.tell(PositionReported(now_ms=self.now_ms, leg=leg, held=D(held)))

    def wait(self, milliseconds: int) -> list[Command]:
        self.now_ms += milliseconds
        return self.tell(TimePassed(now_ms=self.now_ms))

    def held(self) -> tuple[Decimal, Decimal]:
        return self.position.leg_a.held, self.position.leg_b.held


def opened(wanted: EntryPlan | None = None, policy: CoordinatorPolicy | None = None) -> Story:
    story = Story(policy).enter(wanted)
    for leg in LegName:
        story.fill(leg, str(story.position.leg(leg).aim))
    assert story.state is SpreadState.OPEN
    return story


def leg_b_ends_short(filled: str = "-8", policy: CoordinatorPolicy | None = None) -> Story:
    """Leg A is filled; leg B's first order is not, and has ended."""
    story = Story(policy).enter()
    story.fill(A, "10")
    if D(filled):
        story.fill(B, filled)
    story.end(B, OrderExpired)
    return story


# Entry


def test_entry_sends_both_legs_at_once():
    story = Story().enter()
    legs = [(o.leg, o.side, o.quantity, o.purpose, o.reduce_only) for o in story.orders]
    assert legs == [
        (A, Side.BUY, D(10), Purpose.ENTRY, False),
        (B, Side.SELL, D(20), Purpose.ENTRY, False),
    ]
    assert story.state is SpreadState.OPENING


def test_short_spread_sells_leg_a_and_buys_leg_b():
    story = Story().enter(plan("-10", "20"))
    assert [order.side for order in story.orders] == [Side.SELL, Side.BUY]


def test_spread_is_open_once_both_legs_are_filled():
    story = Story().enter()
    story.fill(A, "10")
    assert story.state is SpreadState.OPENING
    story.fill(B, "-20")
    assert story.state is SpreadState.OPEN
    assert story.held() == (D(10), D(-20))


def test_leg_is_filled_by_several_fills():
    story = Story().enter()
    story.fill(A, "10")
    for quantity in ("-1", "-12", "-7"):
        assert story.fill(B, quantity) == []
    assert story.state is SpreadState.OPEN


def test_nothing_is_trimmed_while_the_lagging_order_works():
    story = Story().enter()
    story.fill(A, "10")
    story.fill(B, "-2")
    assert story.wait(29_999) == []


@pytest.mark.parametrize("state", [s for s in SpreadState if s is not SpreadState.FLAT])
def test_entry_is_refused_unless_flat(state):
    position = replace(opened().position, state=state)
    with pytest.raises(IllegalRequest, match=f"BTC-ETH: entry requested while {state}"):
        decide(position, EntryRequested(now_ms=START, plan=plan()))


@pytest.mark.parametrize(
    "state", [SpreadState.FLAT, SpreadState.CLOSING, SpreadState.UNWINDING], ids=str
)
def test_exit_is_refused_when_there_is_nothing_to_leave_or_it_is_left_already(state):
    position = replace(opened().position, state=state)
    with pytest.raises(IllegalRequest, match=f"exit requested while {state}"):
        decide(position, ExitRequested(now_ms=START, reason=CloseReason.MANUAL))


@pytest.mark.parametrize(
    ("quantities", "message"),
    [
        (("10", "20"), "opposite sides"),
        (("-10", "-20"), "opposite sides"),
        (("0.5", "-20"), "below the smallest order"),
    ],
)
def test_plan_that_is_no_hedge_is_refused(quantities, message):
    with pytest.raises(IllegalRequest, match=message):
        plan(*quantities)


def test_plan_without_lot_is_refused():
    with pytest.raises(IllegalRequest, match="lot must be greater than 0, not 0"):
        LegPlan(D(1), D(0))


def test_plan_with_negative_hedge_ratio_is_refused():
    with pytest.raises(IllegalRequest, match=r"hedge_ratio must be greater than 0, not -1\.0"):
        replace(plan(), hedge_ratio=-1.0)


# A leg that stays behind


def test_leg_that_ended_short_is_sent_again_after_the_interval_for_its_rest():
    story = leg_b_ends_short("-8")
    assert story.last == []
    assert story.wait(1_999) == []
    story.wait(1)
    (order,) = story.orders
    assert (order.leg, order.side, order.quantity) == (B, Side.SELL, D(12))
    assert order.purpose is Purpose.ENTRY
    assert order.attempt == 2


def test_retry_that_fills_opens_the_spread_at_full_size():
    story = leg_b_ends_short("-8")
    story.wait(2_000)
    story.fill(B, "-12")
    assert story.state is SpreadState.OPEN
    assert story.held() == (D(10), D(-20))


def test_after_the_second_short_end_the_other_leg_is_trimmed_to_the_filled_share():
    story = leg_b_ends_short("-8")
    story.wait(2_000)
    story.fill(B, "-2")
    story.end(B, OrderExpired)
    assert story.state is SpreadState.TRIMMING
    (order,) = story.orders
    assert (order.leg, order.side, order.quantity) == (A, Side.SELL, D(5))
    assert order.purpose is Purpose.TRIM
    assert order.reduce_only
    assert order.reason is None
    story.fill(A, "-5")
    assert story.state is SpreadState.OPEN
    assert story.held() == (D(5), D(-10))


def test_trimmed_spread_never_buys_back():
    story = leg_b_ends_short("-10", CoordinatorPolicy(retries_before_trim=0))
    story.fill(A, "-5")
    assert story.state is SpreadState.OPEN
    assert story.wait(60_000) == []


def test_trim_can_be_told_to_start_with_the_first_short_end():
    story = leg_b_ends_short("-10", CoordinatorPolicy(retries_before_trim=0))
    assert [(o.leg, o.quantity) for o in story.orders] == [(A, D(5))]


def test_trim_can_be_told_to_wait_for_all_retries():
    story = leg_b_ends_short("-10", CoordinatorPolicy(max_retries=2, retries_before_trim=2))
    for _ in range(2):
        story.wait(2_000)
        assert [o.leg for o in story.orders] == [B]
        story.end(B, OrderExpired)
    assert story.state is SpreadState.TRIMMING


def test_gap_below_one_lot_is_not_trimmed():
    """Leg B has 9.5 of 10 in lots of 0.5: leg A would have to sell half a lot."""
    story = Story(CoordinatorPolicy(retries_before_trim=0))
    story.enter(plan("10", "-10", lot_b="0.5"))
    story.fill(A, "10")
    story.fill(B, "-9.5")
    assert story.end(B, OrderExpired) == []
    assert story.state is SpreadState.OPEN
    assert story.held() == (D(10), D("-9.5"))


def test_rest_below_the_minimum_notional_is_not_retried_but_trimmed_at_once():
    story = Story().enter(plan(min_entry_b="5"))
    story.fill(A, "10")
    story.fill(B, "-16")
    story.end(B, OrderCanceled)
    assert [(o.leg, o.quantity, o.purpose) for o in story.orders] == [(A, D(2), Purpose.TRIM)]


def test_rest_below_the_minimum_notional_without_a_tradable_share_unwinds():
    story = Story().enter(plan("1", "-20", min_entry_b="18"))
    story.fill(A, "1")
    story.fill(B, "-5")  # a quarter of leg A is no lot
    story.end(B, OrderCanceled)
    assert story.state is SpreadState.UNWINDING
    assert story.alerts == [AlertReason.ORPHAN_LEG]


def test_leg_without_any_fill_is_retried_five_times_then_both_are_closed_as_orphan():
    story = leg_b_ends_short("0")
    for attempt in range(2, 7):
        story.wait(2_000)
        (order,) = story.orders
        assert (order.leg, order.quantity, order.attempt) == (B, D(20), attempt)
        story.end(B, OrderExpired)
    assert story.state is SpreadState.UNWINDING
    assert story.alerts == [AlertReason.ORPHAN_LEG]
    (order,) = story.orders
    assert (order.leg, order.side, order.quantity) == (A, Side.SELL, D(10))
    assert order.reduce_only
    assert order.purpose is Purpose.UNWIND
    assert order.reason is CloseReason.ORPHAN_LEG
    story.fill(A, "-10")
    assert story.state is SpreadState.FLAT
    assert story.position.reason is CloseReason.ORPHAN_LEG


def test_entry_that_nobody_fills_ends_flat():
    story = Story(CoordinatorPolicy(max_retries=0, retries_before_trim=0)).enter()
    story.end(A, OrderExpired)
    assert story.state is SpreadState.UNWINDING
    story.end(B, OrderCanceled)
    assert story.state is SpreadState.FLAT


@pytest.mark.parametrize("pause", [0, 10_000])
def test_a_rejected_trim_waits_for_its_pause(pause):
    """Whenever it was sent: nothing is held alone that must go, and its attempts are counted."""
    story = leg_b_ends_short("-10", CoordinatorPolicy(max_retries=2, retries_before_trim=0))
    assert [o.purpose for o in story.orders] == [Purpose.TRIM]
    story.now_ms += pause
    story.end(A, OrderRejected)
    assert story.last == []
    assert story.wait(1_999) == []
    story.wait(1)
    assert [o.purpose for o in story.orders] == [Purpose.TRIM]


def test_both_legs_short_by_the_same_share_are_open_at_that_share():
    story = Story(CoordinatorPolicy(retries_before_trim=0)).enter()
    story.fill(A, "5")
    story.fill(B, "-10")
    story.end(A, OrderExpired)
    assert story.state is SpreadState.TRIMMING  # leg B's order is being canceled
    assert [cancel.leg for cancel in story.cancels] == [B]
    story.end(B, OrderCanceled)
    assert story.state is SpreadState.OPEN
    assert story.held() == (D(5), D(-10))


def test_trim_that_fails_too_often_closes_both_legs():
    story = leg_b_ends_short("-10", CoordinatorPolicy(max_retries=1, retries_before_trim=0))
    story.end(A, OrderRejected)
    story.wait(2_000)
    assert [o.purpose for o in story.orders] == [Purpose.TRIM]
    story.end(A, OrderRejected)
    assert story.state is SpreadState.UNWINDING
    assert [(o.leg, o.quantity) for o in story.orders] == [(A, D(10)), (B, D(10))]


# Time-outs


def test_entry_order_that_works_too_long_is_canceled_and_sent_again():
    story = Story().enter()
    story.fill(A, "10")
    entry = story.working_id(B)
    assert story.wait(29_999) == []
    assert story.wait(1) == [CancelOrder(B, entry)]
    story.end(B, OrderCanceled)
    story.wait(2_000)
    assert [o.leg for o in story.orders] == [B]
    assert story.working_id(B) != entry


def test_retry_has_less_time_than_the_first_order():
    story = leg_b_ends_short("0")
    story.wait(2_000)
    assert story.wait(9_999) == []
    assert [cancel.leg for cancel in (story.wait(1) and story.cancels)] == [B]


def test_fill_during_the_cancel_counts():
    story = Story().enter()
    story.fill(A, "10")
    story.wait(30_000)
    story.fill(B, "-20")
    assert story.state is SpreadState.OPEN


def test_unanswered_cancel_is_repeated_with_an_alert():
    story = Story().enter()
    story.fill(A, "10")
    (cancel,) = story.wait(30_000)
    assert story.wait(29_999) == []
    story.wait(1)
    assert story.cancels == [cancel]
    assert story.alerts == [AlertReason.CANCEL_STUCK]


def test_order_is_never_sent_again_before_its_end_is_known():
    story = Story().enter()
    story.fill(A, "10")
    for _ in range(20):
        story.wait(30_000)
        assert story.orders == []


# Rejection


def test_rejected_leg_cancels_the_other_before_any_fill():
    story = Story().enter()
    other = story.working_id(A)
    story.end(B, OrderRejected)
    assert story.state is SpreadState.UNWINDING
    assert story.cancels == [CancelOrder(A, other)]
    assert story.orders == []
    assert story.alerts == [AlertReason.LEG_REJECTED]
    story.end(A, OrderCanceled)
    assert story.state is SpreadState.FLAT


def test_rejected_leg_unwinds_what_the_other_has_filled_at_once():
    story = Story().enter()
    story.fill(A, "10")
    story.end(B, OrderRejected)
    (order,) = story.orders
    assert (order.leg, order.side, order.quantity, order.reduce_only) == (A, Side.SELL, D(10), True)


def test_partial_fill_before_the_cancel_is_unwound_without_a_pause():
    story = Story().enter()
    story.end(B, OrderRejected)
    story.fill(A, "4")
    story.end(A, OrderCanceled)
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(A, Side.SELL, D(4))]


def test_rejection_says_why():
    story = Story().enter()
    event = OrderRejected(
        now_ms=START, leg=B, client_order_id=story.working_id(B), text="-2019 margin"
    )
    alert = story.tell(event)[0]
    assert isinstance(alert, Alert)
    assert alert.text == ("BTC-ETH: leg B was rejected (-2019 margin); both legs are being closed")


def test_rejection_of_an_order_that_has_ended_changes_nothing():
    story = opened()
    before = story.position
    story.tell(OrderRejected(now_ms=START, leg=A, client_order_id="of-yesterday"))
    assert story.position == before


def test_entry_rejected_while_unwinding_is_only_its_end():
    story = Story().enter()
    story.end(B, OrderRejected)
    story.end(A, OrderRejected)
    assert story.state is SpreadState.FLAT
    assert story.last == []


# Exit


def test_exit_closes_both_legs_reduce_only_with_its_reason():
    story = opened()
    story.exit(CloseReason.SPREAD_STOP)
    assert story.state is SpreadState.CLOSING
    rows = [(o.leg, o.side, o.quantity, o.reduce_only, o.purpose) for o in story.orders]
    assert rows == [
        (A, Side.SELL, D(10), True, Purpose.EXIT),
        (B, Side.BUY, D(20), True, Purpose.EXIT),
    ]
    assert {o.reason for o in story.orders} == {CloseReason.SPREAD_STOP}
    story.fill(A, "-10")
    story.fill(B, "20")
    assert story.state is SpreadState.FLAT
    assert story.position.reason is CloseReason.SPREAD_STOP


def test_exit_is_retried_without_limit_reduce_only_with_alerts():
    story = opened(policy=CoordinatorPolicy(alert_after=3))
    story.exit()
    story.fill(A, "-10")
    alerts = []
    for _ in range(12):
        story.end(B, OrderExpired)
        alerts += story.alerts
        story.wait(2_000)
        (order,) = story.orders
        assert (order.leg, order.quantity, order.reduce_only) == (B, D(20), True)
    assert alerts == [AlertReason.EXIT_STUCK] * 4


def test_exit_order_that_works_too_long_is_replaced():
    story = opened()
    story.exit()
    story.wait(30_000)
    assert [cancel.leg for cancel in story.cancels] == [A, B]


def test_rejected_exit_is_retried():
    story = opened()
    story.exit()
    story.end(A, OrderRejected)
    story.wait(2_000)
    assert [(o.leg, o.purpose) for o in story.orders] == [(A, Purpose.EXIT)]


@pytest.mark.parametrize(("proof_ms", "pause_ms"), [(4_000, 0), (2_000, 0), (500, 1_500)])
def test_the_pause_after_a_rejected_exit_counts_from_when_it_was_sent(proof_ms, pause_ms):
    """An order is proven absent seconds after it was sent; its leg is held alone meanwhile."""
    story = opened()
    story.exit()
    story.fill(A, "-10")
    story.wait(proof_ms)
    story.end(B, OrderRejected)
    if pause_ms:
        assert story.orders == []
        story.wait(pause_ms - 1)
        assert story.orders == []
        story.wait(1)
    assert [(o.leg, o.quantity, o.reduce_only) for o in story.orders] == [(B, D(20), True)]


@pytest.mark.parametrize("end", [OrderCanceled, OrderExpired])
def test_an_exit_that_ended_otherwise_may_still_fill_late_and_is_paused_after(end):
    story = opened()
    story.exit()
    story.fill(A, "-10")
    story.wait(4_000)
    story.end(B, end)
    assert story.orders == []
    story.wait(2_000)
    assert [o.leg for o in story.orders] == [B]


def test_exit_while_opening_unwinds():
    story = Story().enter()
    story.fill(A, "10")
    story.exit(CloseReason.KILL_SWITCH_FULL)
    assert story.state is SpreadState.UNWINDING
    assert [o.leg for o in story.orders] == [A]
    assert [cancel.leg for cancel in story.cancels] == [B]


def test_exit_while_waiting_for_a_retry_with_nothing_filled_is_flat_at_once():
    story = Story().enter()
    story.end(A, OrderExpired)
    story.end(B, OrderExpired)
    story.exit(CloseReason.MANUAL)
    assert story.state is SpreadState.FLAT


def test_exit_while_trimming_closes():
    story = leg_b_ends_short("-10", CoordinatorPolicy(retries_before_trim=0))
    story.exit()
    assert story.state is SpreadState.CLOSING


@pytest.mark.parametrize("state", [SpreadState.CLOSING, SpreadState.UNWINDING])
def test_leaving_spread_never_adds_whatever_its_document_says(state):
    position = replace(opened().position, state=state)
    position = position.with_leg(A, replace(position.leg_a, held=D(4)))
    assert decide(position, TimePassed(now_ms=START))[1] == []


def test_residue_below_the_lot_counts_as_zero():
    story = opened()
    story.exit()
    story.fill(A, "-9.4")
    story.end(A, OrderExpired)
    story.fill(B, "20")
    assert story.state is SpreadState.FLAT
    assert story.position.leg_a.held == D("0.6")


# Facts that nobody expected


def test_repeated_fill_report_counts_once():
    story = Story().enter()
    order_id = story.working_id(A)
    story.fill(A, "4", fill_id="x")
    story.fill(A, "4", order_id=order_id, fill_id="x")
    assert story.position.leg_a.held == D(4)


def test_late_fill_while_flat_unwinds():
    story = Story().enter()
    late = story.working_id(B)
    story.end(A, OrderRejected)
    story.end(B, OrderCanceled)
    assert story.state is SpreadState.FLAT
    story.fill(B, "-3", order_id=late)
    assert story.state is SpreadState.UNWINDING
    assert story.alerts == [AlertReason.UNEXPECTED_HOLDING]
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(B, Side.BUY, D(3))]
    story.fill(B, "3")
    assert story.state is SpreadState.FLAT


def test_late_fill_makes_a_retry_smaller():
    story = leg_b_ends_short("0")
    story.fill(B, "-15", order_id="first order of leg B")
    story.wait(2_000)
    assert [(o.leg, o.quantity) for o in story.orders] == [(B, D(5))]


def test_late_fill_cancels_an_order_that_would_now_go_too_far():
    story = leg_b_ends_short("0")
    story.wait(2_000)
    story.fill(B, "-15", order_id="first order of leg B")
    assert [cancel.leg for cancel in story.cancels] == [B]
    story.end(B, OrderCanceled)
    assert [(o.leg, o.quantity) for o in story.orders] == [(B, D(5))]


def test_overfill_of_an_open_spread_is_sold_off():
    story = opened()
    story.fill(A, "3", order_id="late one")
    assert story.state is SpreadState.TRIMMING
    assert story.alerts == [AlertReason.UNEXPECTED_HOLDING]
    assert [(o.leg, o.side, o.quantity, o.reduce_only) for o in story.orders] == [
        (A, Side.SELL, D(3), True)
    ]
    story.fill(A, "-3")
    assert story.state is SpreadState.OPEN


def test_overfill_while_opening_is_sold_off_after_the_partner_is_complete():
    story = Story().enter()
    story.fill(A, "13")
    assert [(o.leg, o.purpose, o.quantity) for o in story.orders] == [(A, Purpose.TRIM, D(3))]
    story.fill(B, "-20")
    assert story.state is SpreadState.OPENING
    story.end(A, OrderExpired)
    assert story.state is SpreadState.TRIMMING


def test_fill_that_leaves_all_but_nothing_of_a_leg_closes_the_spread():
    story = opened()
    story.fill(A, "-10", order_id="stop on the exchange")
    assert story.state is SpreadState.CLOSING
    assert story.alerts == [AlertReason.ORPHAN_LEG]


def test_acknowledgement_after_the_fill_is_harmless():
    story = Story().enter()
    order_id = story.working_id(A)
    story.fill(A, "10")
    before = story.position
    story.tell(OrderAccepted(now_ms=START, leg=A, client_order_id=order_id))
    assert story.position == before


def test_fact_from_the_past_does_not_turn_the_clock_back():
    story = Story().enter()
    story.wait(10_000)
    story.now_ms = START + 1
    story.fill(A, "10")
    assert story.position.clock_ms == START + 10_000


# What the venue says it holds


def test_vanished_leg_takes_the_other_with_it():
    story = opened()
    story.report(A, "0")
    assert story.state is SpreadState.CLOSING
    assert story.alerts == [AlertReason.LEG_VANISHED]
    (order,) = story.orders
    assert (order.leg, order.quantity, order.reduce_only) == (B, D(20), True)
    assert order.reason is CloseReason.PARTNER_CLOSED
    assert story.position.leg_a.close_reason is CloseReason.EXTERNAL
    story.fill(B, "20")
    assert story.state is SpreadState.FLAT


def test_leg_turned_around_by_hand_is_closed_with_its_partner():
    story = opened()
    story.report(A, "-2")
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [
        (A, Side.BUY, D(2)),
        (B, Side.BUY, D(20)),
    ]
    assert all(order.reduce_only for order in story.orders)


def test_leg_that_vanishes_while_opening_unwinds():
    story = Story().enter()
    story.fill(A, "10")
    story.report(A, "0")
    assert story.state is SpreadState.UNWINDING
    assert [cancel.leg for cancel in story.cancels] == [B]


def test_leg_that_vanishes_while_closing_is_recorded_as_external():
    story = opened()
    story.exit()
    story.end(A, OrderExpired)
    story.report(A, "0")
    assert story.position.leg_a.close_reason is CloseReason.EXTERNAL
    assert story.position.leg_b.close_reason is CloseReason.MEAN_REVERSION


def test_leg_reduced_by_hand_trims_the_other():
    story = opened()
    story.report(A, "6")
    assert story.state is SpreadState.TRIMMING
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(B, Side.BUY, D(8))]


def test_leg_cut_while_the_other_is_entered_is_not_bought_back():
    story = Story().enter()
    story.fill(A, "10")
    story.report(A, "6")
    assert story.alerts == [AlertReason.LEG_VANISHED]
    assert [cancel.leg for cancel in story.cancels] == [B]  # it would lead past the smaller aim
    story.end(B, OrderCanceled)
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(B, Side.SELL, D(12))]
    story.fill(B, "-12")
    assert story.state is SpreadState.OPEN
    assert story.held() == (D(6), D(-12))


def test_leg_cut_while_the_other_repeats_trims_what_is_held_already():
    story = leg_b_ends_short("-10")
    story.report(A, "4")
    assert story.state is SpreadState.TRIMMING
    story.wait(2_000)
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(B, Side.BUY, D(2))]
    story.fill(B, "2")
    assert story.state is SpreadState.OPEN
    assert story.held() == (D(4), D(-8))


def test_leg_cut_while_it_is_entered_still_gets_what_was_on_its_way():
    story = Story().enter()
    story.fill(A, "4")
    story.report(A, "1")
    assert story.cancels == [CancelOrder(B, story.working_id(B))]
    story.fill(A, "6")
    assert story.held()[0] == D(7)
    story.end(B, OrderCanceled)
    assert [(o.leg, o.quantity) for o in story.orders] == [(B, D(14))]


def test_leg_cut_to_a_share_that_its_partner_cannot_trade_closes_both():
    story = Story().enter(plan("10", "-20", lot_b="20"))
    story.fill(A, "10")
    story.report(A, "2")
    assert story.state is SpreadState.UNWINDING
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(A, Side.SELL, D(2))]


def test_excess_that_another_hand_closes_while_entering_changes_no_aim():
    story = Story().enter()
    story.fill(A, "10")
    story.report(A, "13")
    assert story.alerts == []
    story.end(A, OrderCanceled)
    story.report(A, "11")
    assert story.position.leg_a.aim == D(10)
    assert story.position.leg_b.aim == D(-20)


def test_leg_increased_by_hand_is_reduced_to_its_aim():
    story = opened()
    story.report(B, "-23")
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(B, Side.BUY, D(3))]


def test_unknown_holding_while_flat_is_unwound():
    story = Story()
    story.report(B, "-3")
    assert story.state is SpreadState.UNWINDING
    assert [(o.leg, o.side, o.quantity) for o in story.orders] == [(B, Side.BUY, D(3))]


def test_report_that_a_fill_on_its_way_may_explain_is_not_acted_upon():
    story = Story().enter()
    assert story.report(A, "10") == []
    story.fill(A, "10")
    assert story.position.leg_a.held == D(10)


def test_report_older_than_the_last_fill_is_ignored():
    story = opened()
    event = PositionReported(now_ms=START - 1, leg=A, held=D(0))
    assert story.tell(event) == []
    assert story.state is SpreadState.OPEN


def test_fill_older_than_a_booked_report_is_contained_in_it():
    story = opened()
    story.now_ms += 1_000
    story.report(A, "6")
    story.now_ms -= 500
    story.fill(A, "-4", order_id="closed by hand")
    assert story.position.leg_a.held == D(6)


def test_leg_vanishing_when_the_other_is_below_a_lot_is_flat_at_once():
    story = opened(plan("10", "-20", lot_b="20"))
    story.position = replace(
        story.position, leg_b=replace(story.position.leg_b, held=D(-19), aim=D(-19))
    )
    story.report(A, "0")
    assert story.state is SpreadState.FLAT


def test_leg_vanishing_while_trimming_when_the_other_is_below_a_lot_is_flat_at_once():
    story = opened(plan("10", "-20", lot_b="20"))
    story.position = replace(
        story.position,
        state=SpreadState.TRIMMING,
        leg_b=replace(story.position.leg_b, held=D(-19), aim=D(-19)),
    )
    story.report(A, "0")
    assert story.state is SpreadState.FLAT


def test_leg_that_vanishes_while_trimming_closes():
    story = leg_b_ends_short("-10", CoordinatorPolicy(retries_before_trim=0))
    story.report(B, "0")
    assert story.state is SpreadState.CLOSING


# Episodes, restarts, transitions


def test_orders_of_two_entries_in_the_same_millisecond_have_different_ids():
    story = Story()
    names = []
    for _ in range(2):
        story.enter()
        names += [order.client_order_id for order in story.orders]
        story.end(A, OrderRejected)
        story.end(B, OrderCanceled)
    assert len(set(names)) == 4


def test_restart_continues_with_the_attempts_already_made():
    story = leg_b_ends_short("0")
    for _ in range(5):
        story.position = from_dict(json.loads(json.dumps(to_dict(story.position))))
        story.wait(2_000)
        story.end(B, OrderExpired)
    assert story.state is SpreadState.UNWINDING


def test_poll_after_a_restart_gets_the_same_answer():
    story = Story().enter()
    asked = tuple(story.orders)
    restored = from_dict(json.loads(json.dumps(to_dict(story.position))))
    assert outstanding(restored) == outstanding(story.position) == asked


def test_transition_outside_the_table_is_refused(monkeypatch):
    remaining = LEGAL_TRANSITIONS - {(SpreadState.FLAT, SpreadState.OPENING)}
    monkeypatch.setattr("freqtrade_ext.spreads._coordinator.LEGAL_TRANSITIONS", remaining)
    with pytest.raises(IllegalRequest, match="BTC-ETH: flat to opening is not a legal transition"):
        Story().enter()
