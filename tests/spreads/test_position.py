"""What a position says of itself: names of orders, restarts, exposure, the diagram."""

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    LEGAL_TRANSITIONS,
    CancelOrder,
    CoordinatorPolicy,
    Direction,
    EntryPlan,
    EntryRequested,
    ExitRequested,
    LegName,
    LegPlan,
    LegPosition,
    OrderAccepted,
    OrderFilled,
    Purpose,
    SpreadPosition,
    SpreadState,
    SubmitOrder,
    TimePassed,
    WorkingOrder,
    client_order_id,
    decide,
    from_dict,
    naked_exposure,
    outstanding,
    state_diagram,
    to_dict,
    to_quantity,
)

D = Decimal
START = 1_700_000_000_000
PLAN = EntryPlan(
    direction=Direction.LONG,
    leg_a=LegPlan(D(10), D("0.001")),
    leg_b=LegPlan(D(-20), D("0.01"), D("0.05")),
    hedge_space="log",
    hedge_ratio=0.5,
    intercept=0.1,
    z_at_entry=-2.25,
)
PRICES = {LegName.A: 100.0, LegName.B: 25.0}


def opening() -> SpreadPosition:
    position, _ = decide(SpreadPosition("BTC-ETH"), EntryRequested(now_ms=START, plan=PLAN))
    return position


def holding(quantity_a: str, quantity_b: str) -> SpreadPosition:
    position = SpreadPosition("BTC-ETH", plan=PLAN)
    return replace(
        position, leg_a=LegPosition(held=D(quantity_a)), leg_b=LegPosition(held=D(quantity_b))
    )


# Client order ids

names = st.builds(
    client_order_id,
    st.text(min_size=1, max_size=64),
    st.sampled_from(LegName),
    st.sampled_from(Purpose),
    st.integers(1, 10_000),
    st.integers(0, 10**13),
)


@given(names)
def test_client_order_id_is_what_the_exchange_accepts(name):
    assert re.fullmatch(r"[.A-Z:/a-z0-9_-]{1,36}", name)


WORDS = st.tuples(
    st.sampled_from(["BTC-ETH", "BTC-ETC", "1000PEPE-1000SHIB-a", "1000PEPE-1000SHIB-b"]),
    st.sampled_from(LegName),
    st.sampled_from(Purpose),
    st.integers(1, 50),
    st.integers(START, START + 50),
)


@given(WORDS, WORDS)
def test_client_order_ids_differ_unless_everything_is_the_same(one, other):
    assert (client_order_id(*one) == client_order_id(*other)) == (one == other)


def test_client_order_id_shows_spread_leg_purpose_and_attempt():
    name = client_order_id("BTC-ETH", LegName.B, Purpose.EXIT, 11, START)
    assert re.fullmatch(r"BTC-ETH\.[0-9a-f]{6}-Bxb-loyw3v28", name)


def test_epoch_in_the_client_order_id_is_base_36():
    name = client_order_id("BTC-ETH", LegName.A, Purpose.ENTRY, 1, START)
    assert int(name.rsplit("-", 1)[1], 36) == START


# What should be on the wire


def test_flat_spread_has_nothing_outstanding():
    assert outstanding(SpreadPosition("BTC-ETH")) == ()


def test_accepted_order_is_no_longer_outstanding():
    position = opening()
    order = position.leg_a.working
    accepted = OrderAccepted(now_ms=START, leg=LegName.A, client_order_id=order.client_order_id)
    position, _ = decide(position, accepted)
    assert [command.leg for command in outstanding(position)] == [LegName.B]


def test_order_filled_in_part_is_no_longer_outstanding():
    position = opening()
    fill = OrderFilled(
        now_ms=START,
        leg=LegName.A,
        client_order_id=position.leg_a.working.client_order_id,
        fill_id="1",
        quantity=D(1),
    )
    position, _ = decide(position, fill)
    assert [command.leg for command in outstanding(position)] == [LegName.B]


def test_order_to_be_canceled_is_outstanding_only_as_its_cancel():
    position, commands = decide(opening(), ExitRequested(now_ms=START, reason=CloseReason.MANUAL))
    assert outstanding(position) == tuple(commands)
    assert all(isinstance(command, CancelOrder) for command in commands)


def test_asking_what_is_outstanding_is_not_an_event():
    position = opening()
    assert outstanding(position) == outstanding(position)
    assert all(isinstance(command, SubmitOrder) for command in outstanding(position))


# Restart

quantities = st.decimals(-1000, 1000, allow_nan=False, places=8)
orders = st.builds(
    WorkingOrder,
    client_order_id=st.text(min_size=1),
    purpose=st.sampled_from(Purpose),
    attempt=st.integers(1, 99),
    quantity=quantities,
    reduce_only=st.booleans(),
    submitted_ms=st.integers(0, 10**13),
    filled_quantity=quantities,
    accepted=st.booleans(),
    cancel_requested_ms=st.none() | st.integers(0, 10**13),
    reason=st.none() | st.sampled_from(CloseReason),
)
legs = st.builds(
    LegPosition,
    aim=quantities,
    held=quantities,
    lot=st.decimals(0, 10, places=4),
    min_entry=st.decimals(0, 10, places=4),
    working=st.none() | orders,
    orders_sent=st.integers(0, 99),
    short_ends=st.integers(0, 99),
    retry_at_ms=st.integers(0, 10**13),
    last_fill_ms=st.integers(-1, 10**13),
    reported_ms=st.integers(-1, 10**13),
    close_reason=st.none() | st.sampled_from(CloseReason),
)
positions = st.builds(
    SpreadPosition,
    spread_id=st.text(min_size=1),
    policy=st.builds(
        CoordinatorPolicy,
        retry_interval_ms=st.integers(1, 10**6),
        max_retries=st.integers(1, 20),
        alert_after=st.integers(1, 20),
    ),
    state=st.sampled_from(SpreadState),
    plan=st.none() | st.just(PLAN),
    leg_a=legs,
    leg_b=legs,
    reason=st.none() | st.sampled_from(CloseReason),
    clock_ms=st.integers(0, 10**13),
    episode_ms=st.integers(0, 10**13),
    seen_fills=st.lists(st.text(), max_size=5).map(tuple),
)


@given(positions)
def test_position_survives_json(position):
    text = json.dumps(to_dict(position), allow_nan=False)
    assert from_dict(json.loads(text)) == position


def test_quantities_are_stored_exactly():
    position = holding("0.1000000000000000055", "0")
    assert to_dict(position)["leg_a"]["held"] == "0.1000000000000000055"


def test_document_that_is_no_position_is_refused_with_all_its_problems():
    document = to_dict(opening()) | {"state": "asleep", "clock_ms": "soon"}
    with pytest.raises(IllegalRequest) as caught:
        from_dict(document)
    text = str(caught.value)
    assert text.startswith("not a spread position: ")
    assert "state: Input should be 'flat', 'opening'" in text
    assert "clock_ms: Input should be a valid integer" in text


# Exposure


def test_hedged_spread_has_no_naked_exposure_in_log_space():
    # notional of A 1000, times 0.5: notional of B must be 500 = 20 units at 25
    assert naked_exposure(holding("10", "-20"), PRICES) == 0.0


def test_hedged_spread_has_no_naked_exposure_in_price_space():
    plan = replace(PLAN, hedge_space="price", hedge_ratio=2.0)
    assert naked_exposure(replace(holding("10", "-20"), plan=plan), PRICES) == 0.0


def test_one_leg_alone_is_naked():
    assert naked_exposure(holding("10", "0"), PRICES) == 500.0
    assert naked_exposure(holding("0", "-20"), PRICES) == 500.0


def test_price_space_counts_missing_units_at_the_price_of_leg_b():
    plan = replace(PLAN, hedge_space="price", hedge_ratio=2.0)
    assert naked_exposure(replace(holding("10", "-12"), plan=plan), PRICES) == 8 * 25.0


def test_without_a_plan_both_notionals_count():
    position = replace(holding("1", "-2"), plan=None)
    assert naked_exposure(position, PRICES) == 150.0


# The rest


def test_diagram_shows_every_legal_transition_once():
    lines = state_diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> FLAT"]
    arrows = {f"    {before.name} --> {after.name}" for before, after in LEGAL_TRANSITIONS}
    assert set(lines[2:]) == arrows
    assert len(lines[2:]) == len(arrows)


def test_every_state_can_be_reached_and_left_for_flat():
    reached, frontier = set(), {SpreadState.FLAT}
    while frontier:
        reached |= frontier
        frontier = {after for before, after in LEGAL_TRANSITIONS if before in reached} - reached
    assert reached == set(SpreadState)
    busy = set(SpreadState) - {SpreadState.FLAT}
    assert {before for before, after in LEGAL_TRANSITIONS if after is SpreadState.FLAT} == busy


@pytest.mark.parametrize(
    ("held", "lot", "empty", "gap"),
    [
        ("0.4", "1", True, "0"),
        ("-0.4", "1", True, "0"),
        ("1.4", "1", False, "-1"),
        ("-1.4", "1", False, "1"),
        ("0.4", "0", False, "-0.4"),
    ],
)
def test_remainder_below_the_lot_counts_as_zero(held, lot, empty, gap):
    leg = LegPosition(held=D(held), lot=D(lot))
    assert leg.is_empty is empty
    assert leg.gap == D(gap)


def test_remainder_does_not_stand_in_for_a_planned_lot():
    assert LegPosition(aim=D(1), held=D("0.4"), lot=D(1)).gap == 1


def test_overfilled_order_leaves_nothing():
    order = WorkingOrder("x", Purpose.ENTRY, 1, D(5), False, START, filled_quantity=D(7))
    assert order.leaves_quantity == 0


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"retries_before_trim": 6}, r"retries_before_trim \(6\) must be between 0 and"),
        ({"retries_before_trim": -1}, "must be between 0 and"),
        ({"retry_interval_ms": 0}, "must be greater than 0"),
        ({"leg_timeout_ms": 0}, "must be greater than 0"),
        ({"retry_timeout_ms": 0}, "must be greater than 0"),
        ({"alert_after": 0}, "must be greater than 0"),
    ],
)
def test_impatient_policy_is_refused(choice, message):
    with pytest.raises(IllegalRequest, match=message):
        CoordinatorPolicy(**choice)


def test_quantity_is_the_number_that_a_person_reads():
    assert to_quantity(0.1) == D("0.1")
    assert to_quantity(1e-8) == D("0.00000001")
    assert to_quantity("12.50") == D("12.5")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "-Infinity"])
def test_quantity_that_is_not_finite_is_refused(number):
    with pytest.raises(IllegalRequest, match="a quantity must be finite"):
        to_quantity(number)


def test_time_alone_does_nothing_to_a_flat_spread():
    position, commands = decide(SpreadPosition("BTC-ETH"), TimePassed(now_ms=START))
    assert commands == []
    assert position.state is SpreadState.FLAT


def test_only_the_last_fills_are_remembered():
    position = opening()
    for number in range(600):
        fill = OrderFilled(
            now_ms=START + number,
            leg=LegName.A,
            client_order_id="x",
            fill_id=str(number),
            quantity=D(1) if number % 2 else D(-1),
        )
        position, _ = decide(position, fill)
    assert len(position.seen_fills) == 500
    assert position.seen_fills[-1] == "599"
