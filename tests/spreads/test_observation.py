"""From Freqtrade's books to the coordinator: late, twice, in part, foreign, never."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    Alert,
    AlertReason,
    BookedOrder,
    Direction,
    EntryRequested,
    ExitRequested,
    LegBook,
    LegName,
    SpreadRecord,
    SpreadState,
    SubmitOrder,
    TimePassed,
    observe_leg,
    outstanding,
    record_from_dict,
    record_to_dict,
)
from freqtrade_ext.spreads._observation import apply_event

from .doubles import START, A, B, D, blank_record, book, booked, done, entry_plan

T0 = START + 3_600_000


def after(record: SpreadRecord, event: Any) -> SpreadRecord:
    return apply_event(record, event)[0]


def opening(quantity_a: str = "10", quantity_b: str = "-20") -> SpreadRecord:
    """Both entry orders are wanted and not sent: 10 of A, -20 of B, lot 1."""
    plan = entry_plan(quantity_a, quantity_b)
    return after(blank_record(), EntryRequested(plan=plan, now_ms=T0))


def sent(record: SpreadRecord, *legs: LegName) -> SpreadRecord:
    """Freqtrade has been told to send the pending orders of these legs."""
    names = {pending(record, leg).client_order_id: T0 for leg in legs}
    return replace(record, sent={**record.sent, **names})


def pending(record: SpreadRecord, leg: LegName) -> SubmitOrder:
    [order] = [
        command
        for command in outstanding(record.position)
        if isinstance(command, SubmitOrder) and command.leg is leg
    ]
    return order


def has_pending(record: SpreadRecord, leg: LegName) -> bool:
    return any(
        isinstance(command, SubmitOrder) and command.leg is leg
        for command in outstanding(record.position)
    )


def seen(
    record: SpreadRecord,
    leg: LegName,
    *orders: BookedOrder,
    held: str | None = None,
    at: int = 1,
    settled: bool = True,
    signal_over: bool = False,
) -> SpreadRecord:
    """Observe books that show these orders, `at` seconds after the request."""
    return told(record, leg, book(*orders, held=held), at, settled, signal_over)[0]


def told(
    record: SpreadRecord,
    leg: LegName,
    books: LegBook,
    at: int = 1,
    settled: bool = True,
    signal_over: bool = False,
) -> tuple[SpreadRecord, list[Alert]]:
    now_ms = T0 + at * 1000
    return observe_leg(record, leg, books, now_ms, settled=settled, signal_over=signal_over)


def opened() -> SpreadRecord:
    """Both legs are filled by Freqtrade's orders 1 and 2."""
    record = sent(opening(), A, B)
    record = seen(record, A, done("1", "10"), held="10")
    return seen(record, B, done("2", "-20"), held="-20")


def leaving() -> SpreadRecord:
    """An open spread is told to leave; no exit order has been asked for."""
    return after(opened(), ExitRequested(reason=CloseReason.MEAN_REVERSION, now_ms=T0 + 2000))


def held(record: SpreadRecord) -> tuple[int, int]:
    return int(record.position.leg_a.held), int(record.position.leg_b.held)


def state(record: SpreadRecord) -> SpreadState:
    return record.position.state


def works(record: SpreadRecord, leg: LegName) -> bool:
    return record.position.leg(leg).working is not None


# Our own orders


def test_an_order_of_ours_is_recognised_and_named() -> None:
    record = sent(opening(), A)
    name = pending(record, A).client_order_id
    record = seen(record, A, booked("77", "10"), held="10")
    assert record.names == {"A:77": name}
    assert record.sent == {}
    assert not has_pending(record, A)
    working = record.position.leg_a.working
    assert working is not None
    assert working.accepted


def test_both_legs_filled_is_open() -> None:
    record = opened()
    assert state(record) is SpreadState.OPEN
    assert held(record) == (10, -20)
    assert record.filled == {"A:1": D(10), "B:2": D(-20)}


def test_a_short_spread_is_observed_with_the_other_signs() -> None:
    record = sent(opening("-10", "20"), A, B)
    assert record.position.plan is not None
    assert record.position.plan.direction is Direction.SHORT
    record = seen(record, A, done("1", "-10"), held="-10")
    record = seen(record, B, done("2", "20"), held="20")
    assert (state(record), held(record)) == (SpreadState.OPEN, (-10, 20))


def test_fills_are_counted_as_they_come() -> None:
    record = sent(opening(), A, B)
    for total in ("0", "3", "3", "7"):
        record = seen(record, A, booked("1", "10", total))
        assert held(record) == (int(total), 0)
        assert works(record, A)
    record = seen(record, A, done("1", "10"))
    assert held(record) == (10, 0)
    assert not works(record, A)


def test_an_order_that_ended_with_a_part_is_followed_by_one_for_the_rest() -> None:
    record = sent(opening(), A, B)
    record = seen(record, B, done("2", "-20"), held="-20")
    record = seen(record, A, booked("1", "10", "4", is_open=False), held="4")
    assert not works(record, A)
    record = after(record, TimePassed(now_ms=T0 + 4000))
    order = pending(record, A)
    assert (order.quantity, order.attempt, order.reduce_only) == (D(6), 2, False)
    record = seen(sent(record, A), A, booked("1", "10", "4", is_open=False), done("3", "6"), at=5)
    assert (state(record), held(record)) == (SpreadState.OPEN, (10, -20))


def test_the_books_need_not_say_that_an_order_was_open_before_it_ended() -> None:
    record = seen(sent(opening(), A), A, booked("1", "10", "10", is_open=False))
    assert held(record) == (10, 0)


def test_an_order_of_the_other_side_is_not_ours() -> None:
    record = seen(sent(opening(), A), A, booked("9", "-10"), settled=False)
    assert record.names == {"A:9": "9"}
    assert has_pending(record, A)
    assert record.sent


def test_a_second_order_is_not_taken_for_the_one_that_is_known() -> None:
    record = seen(sent(opening(), A), A, booked("1", "10"))
    record = seen(record, A, booked("1", "10"), booked("9", "10"))
    assert record.names["A:9"] == "9"


def test_the_venue_may_give_orders_of_both_markets_the_same_number() -> None:
    record = sent(opening("10", "-10"), A, B)
    record = seen(record, A, done("1", "10"), held="10")
    record = seen(record, B, done("1", "-10"), held="-10")
    assert (state(record), held(record)) == (SpreadState.OPEN, (10, -10))
    record = seen(leaving_of(record), A, done("1", "10"), done("2", "-10"), held="0", at=3)
    record = seen(record, B, done("1", "-10"), done("2", "10"), held="0", at=3)
    assert (state(record), held(record)) == (SpreadState.FLAT, (0, 0))


def test_fills_of_both_markets_with_one_number_and_quantity_count_on_both_legs() -> None:
    record = sent(opening("10", "-10"), A, B)
    record = seen(record, A, done("1", "10"), held="10")
    record = seen(record, B, done("2", "-10"), held="-10")
    record = leaving_of(record)
    record = seen(record, B, done("2", "-10"), done("1", "10"), held=None, at=3)
    assert held(record) == (10, 0)


def leaving_of(record: SpreadRecord) -> SpreadRecord:
    reason = CloseReason.MEAN_REVERSION
    return sent(after(record, ExitRequested(reason=reason, now_ms=T0 + 2000)), A, B)


# Late and twice


def test_a_fill_after_the_cancel_is_booked_and_repaired() -> None:
    record = sent(opening(), A, B)
    record = seen(record, B, done("2", "-20"), held="-20")
    record = seen(record, A, booked("1", "10", "0", is_open=False), held="0")
    assert held(record) == (0, -20)
    record = seen(record, A, done("1", "10"), held="10", at=2)
    assert (state(record), held(record)) == (SpreadState.OPEN, (10, -20))


@pytest.mark.parametrize("leg", [A, B])
def test_an_order_that_is_shown_again_and_again_counts_once(leg: LegName) -> None:
    record = opened()
    order = done("1", "10") if leg is A else done("2", "-20")
    for at in range(2, 6):
        record = seen(record, leg, order, at=at)
    assert (state(record), held(record)) == (SpreadState.OPEN, (10, -20))


def test_a_fill_that_is_taken_back_is_taken_back() -> None:
    record = seen(sent(opening(), A), A, booked("1", "10", "5"))
    record = seen(record, A, booked("1", "10", "4"))
    assert held(record) == (4, 0)


# Foreign orders


@pytest.mark.parametrize(("leg", "partner", "quantity"), [(A, B, "-10"), (B, A, "20")])
def test_a_stop_on_the_exchange_closes_the_partner(
    leg: LegName, partner: LegName, quantity: str
) -> None:
    entry = done("1", "10") if leg is A else done("2", "-20")
    record, alerts = told(opened(), leg, book(entry, done("stop", quantity), held="0"), at=5)
    assert state(record) is SpreadState.CLOSING
    assert [alert.reason for alert in alerts] == [AlertReason.LEG_VANISHED]
    assert record.position.leg(leg).close_reason is CloseReason.EXTERNAL
    order = pending(record, partner)
    assert order.reduce_only
    assert order.reason is CloseReason.PARTNER_CLOSED
    assert not has_pending(record, leg)


def test_a_stop_inside_a_callback_is_seen_before_the_books_are_closed() -> None:
    record = seen(opened(), A, done("1", "10"), done("stop", "-10"), settled=False)
    assert (state(record), held(record)) == (SpreadState.CLOSING, (0, -20))


def test_a_forced_exit_that_is_still_open_changes_nothing() -> None:
    record = seen(opened(), A, done("1", "10"), booked("forced", "-10"), held="10")
    assert (state(record), held(record)) == (SpreadState.OPEN, (10, -20))


def test_a_forced_exit_in_part_trims_the_partner() -> None:
    books = (done("1", "10"), booked("forced", "-10", "-5", is_open=False))
    record = seen(opened(), A, *books, held="5")
    assert (state(record), held(record)) == (SpreadState.TRIMMING, (5, -20))
    order = pending(record, B)
    assert (order.quantity, order.reduce_only) == (D(10), True)


def test_a_forced_exit_counts_each_fill_once() -> None:
    record = seen(opened(), A, done("1", "10"), booked("forced", "-10", "-4"))
    assert held(record)[0] == 6
    record = seen(record, A, done("1", "10"), booked("forced", "-10", "-4"))
    assert held(record)[0] == 6
    record = seen(record, A, done("1", "10"), done("forced", "-10"), at=2)
    assert held(record)[0] == 0


def test_a_stop_that_is_filled_while_our_exit_waits_ends_the_exit() -> None:
    record = seen(leaving(), A, done("1", "10"), done("stop", "-10"), held="0", at=3)
    assert held(record) == (0, -20)
    assert not works(record, A)
    record = seen(sent(record, B), B, done("2", "-20"), done("3", "20"), held="0", at=4)
    assert state(record) is SpreadState.FLAT


# Never sent


def test_an_order_that_freqtrade_was_told_to_send_and_does_not_show_was_rejected() -> None:
    record, alerts = told(sent(opening(), A), A, book(held="0"))
    assert state(record) is SpreadState.UNWINDING
    assert state(seen(record, B, held="0")) is SpreadState.FLAT
    assert [alert.reason for alert in alerts] == [AlertReason.LEG_REJECTED]
    assert "leg A was rejected (no order came of the request)" in alerts[0].text


def test_a_rejected_leg_closes_the_partner_that_is_filled() -> None:
    record = seen(sent(opening(), A, B), A, done("1", "10"), held="10")
    record = seen(record, B, held="0")
    assert state(record) is SpreadState.UNWINDING
    assert pending(record, A).reason is CloseReason.ORPHAN_LEG
    assert record.sent == {}


def test_before_freqtrade_has_finished_its_loop_an_absent_order_is_unknown() -> None:
    record = sent(opening(), A)
    assert seen(record, A, settled=False) == record
    assert seen(record, A, settled=False, signal_over=True) == record


def test_an_order_to_be_canceled_that_is_just_being_sent_is_unknown_too() -> None:
    record = sent(opening(), A, B)
    record = seen(record, B, held="0")  # rejected: leg A is to be canceled
    assert state(record) is SpreadState.UNWINDING
    waiting = seen(record, A, settled=False, at=2)
    assert works(waiting, A)
    late = seen(waiting, A, done("1", "10"), settled=False, at=2)
    assert held(late) == (10, 0)
    assert pending(late, A).reduce_only


def test_an_order_that_nobody_asked_freqtrade_for_keeps_waiting() -> None:
    record = opening()
    assert seen(record, A, held="0") == record
    assert has_pending(record, A)


def test_after_the_candle_of_the_signal_an_entry_that_was_not_sent_is_given_up() -> None:
    record = seen(sent(opening(), A), A, done("1", "10"), held="10")
    record, alerts = told(record, B, book(held="0"), signal_over=True)
    assert state(record) is SpreadState.UNWINDING
    assert "leg B was rejected (Freqtrade did not enter in time)" in alerts[0].text
    assert pending(record, A).reduce_only


def test_after_the_candle_of_the_signal_a_leg_with_a_trade_may_still_be_topped_up() -> None:
    record = sent(opening(), A, B)
    record = seen(record, B, done("2", "-20"), held="-20")
    first = booked("1", "10", "4", is_open=False)
    record = after(seen(record, A, first, held="4"), TimePassed(now_ms=T0 + 4000))
    assert has_pending(record, A)
    assert seen(record, A, first, held="4", at=5, signal_over=True) == record


def test_after_the_candle_of_the_signal_an_exit_is_still_wanted() -> None:
    record = leaving()
    assert seen(record, A, done("1", "10"), held="10", signal_over=True) == record


def test_an_entry_that_was_canceled_before_it_was_sent_is_over() -> None:
    record = after(opening(), TimePassed(now_ms=T0 + 30_000))  # time-out of both legs
    assert not has_pending(record, A)
    record = seen(record, A, held="0", at=31)
    assert not works(record, A)
    assert record.position.leg_a.short_ends == 1
    assert works(record, B)


def test_a_trade_that_freqtrade_deleted_ends_its_order() -> None:
    record = seen(sent(opening(), A, B), A, booked("1", "10"), held="10")
    record = seen(record, A, held="0", at=2)
    assert not works(record, A)
    assert record.position.leg_a.short_ends == 1
    assert state(record) is SpreadState.OPENING


def test_an_exit_that_was_refused_is_asked_for_again() -> None:
    record = sent(leaving(), A, B)
    record = seen(record, A, done("1", "10"), held="10", at=3)
    assert not works(record, A)
    assert state(record) is SpreadState.CLOSING
    record = after(record, TimePassed(now_ms=T0 + 6000))
    assert pending(record, A).attempt == 3  # the entry was 1, the refused exit 2


# What Freqtrade holds


def test_a_leg_that_freqtrade_does_not_hold_any_more_is_gone() -> None:
    record, alerts = told(opened(), A, book(held="0"), at=5)
    assert (state(record), held(record)) == (SpreadState.CLOSING, (0, -20))
    assert [alert.reason for alert in alerts] == [AlertReason.LEG_VANISHED]


@pytest.mark.parametrize(
    ("amount", "booked_amount"), [("10.4", 10), ("9.6", 10), ("11", 11), ("9", 9), ("12.5", 12)]
)
def test_a_difference_of_a_lot_is_reported_and_less_is_rounding(
    amount: str, booked_amount: int
) -> None:
    record = seen(opened(), A, done("1", "10"), held=amount, at=5)
    assert held(record)[0] == booked_amount


def test_too_much_is_sold_off() -> None:
    record, alerts = told(opened(), A, book(done("1", "10"), held="13"), at=5)
    assert [alert.reason for alert in alerts] == [AlertReason.UNEXPECTED_HOLDING]
    order = pending(record, A)
    assert (order.side, order.quantity, order.reduce_only) == ("sell", D(3), True)


def test_while_only_orders_are_known_no_position_is_compared() -> None:
    assert seen(opened(), A, done("1", "10"), held=None) == opened()


def test_an_entry_that_works_is_not_a_position_although_freqtrade_counts_it() -> None:
    record = seen(sent(opening(), A, B), A, booked("1", "10", "2"), held="10")
    assert held(record) == (2, 0)
    assert state(record) is SpreadState.OPENING


def test_an_exit_filled_in_part_is_not_undone_by_a_position_that_still_counts_all() -> None:
    # Freqtrade takes the fills of an order off its amount only when the order has ended.
    record = sent(leaving(), A, B)
    record = seen(record, A, done("1", "10"), booked("3", "-10", "-4"), held="10", at=3)
    assert held(record) == (6, -20)
    record = seen(record, A, done("1", "10"), done("3", "-10"), held="0", at=4)
    assert held(record) == (0, -20)
    assert not works(record, A)


def test_a_top_up_filled_in_part_is_not_undone_either() -> None:
    record = sent(opening(), A, B)
    record = seen(record, B, done("2", "-20"), held="-20")
    first = booked("1", "10", "4", is_open=False)
    record = after(seen(record, A, first, held="4"), TimePassed(now_ms=T0 + 4000))
    record = seen(sent(record, A), A, first, booked("3", "6", "5"), held="4", at=5)
    assert (state(record), held(record)) == (SpreadState.OPENING, (9, -20))
    record = seen(record, A, first, done("3", "6"), held="10", at=6)
    assert (state(record), held(record)) == (SpreadState.OPEN, (10, -20))


def test_a_leg_that_is_gone_before_its_exit_was_asked_for_ends_the_exit() -> None:
    # Without a trade Freqtrade asks for no exit: waiting for one would never end.
    record = seen(leaving(), A, done("1", "10"), held="0", at=3)
    assert held(record) == (0, -20)
    assert not works(record, A)
    assert record.position.leg_a.close_reason is CloseReason.EXTERNAL
    record = seen(sent(record, B), B, done("2", "-20"), done("3", "20"), held="0", at=4)
    assert state(record) is SpreadState.FLAT


def test_a_deleted_trade_of_a_spread_that_leaves_ends_it_too() -> None:
    record = seen(seen(leaving(), A, held="0", at=3), B, held="0", at=3)
    assert (state(record), held(record)) == (SpreadState.FLAT, (0, 0))


def test_an_exit_is_not_given_up_while_freqtrade_holds_the_leg() -> None:
    record = leaving()
    assert seen(record, A, done("1", "10"), held="10", at=3) == record
    assert seen(record, A, done("1", "10"), held=None, at=3, settled=False) == record


# Laws


@st.composite
def books_of_leg_a(draw: st.DrawFn, *, consistent: bool = False) -> LegBook:
    """Orders of either side in any condition, and a position: of the ended orders, or any."""
    orders = []
    for number in range(draw(st.integers(0, 3))):
        quantity = draw(st.sampled_from((10, 6, -10, -3)))
        filled = draw(st.integers(0, abs(quantity))) * (1 if quantity > 0 else -1)
        orders.append(booked(str(number), str(quantity), str(filled), is_open=draw(st.booleans())))
    amount = sum(order.filled for order in orders if not order.is_open)
    amounts = (None, str(amount)) if consistent else (None, "0", "4", "10", "13")
    return book(*orders, held=draw(st.sampled_from(amounts)))


STARTS = (
    opening(),
    sent(opening(), A, B),
    opened(),
    leaving(),
    sent(leaving(), A, B),
    seen(sent(opening(), A, B), B, held="0"),
)


@given(st.sampled_from(STARTS), books_of_leg_a(consistent=True), st.booleans(), st.booleans())
@settings(max_examples=400)
def test_observing_the_same_books_twice_changes_nothing(
    record: SpreadRecord, books: LegBook, settled: bool, signal_over: bool
) -> None:
    record, _ = told(record, A, books, 3, settled, signal_over)
    assert told(record, A, books, 3, settled, signal_over) == (record, [])


@given(
    st.sampled_from(STARTS), st.lists(books_of_leg_a(), max_size=4), st.booleans(), st.booleans()
)
@settings(max_examples=200)
def test_books_that_contradict_themselves_are_taken_in_with_two_looks(
    record: SpreadRecord, history: Sequence[LegBook], settled: bool, signal_over: bool
) -> None:
    # What is held may look like a fill still to come of an order that the second look ends.
    for at, books in enumerate(history, start=3):
        for _ in range(2):
            record, _ = told(record, A, books, at, settled, signal_over)
        assert told(record, A, books, at, settled, signal_over) == (record, [])


@given(st.sampled_from(STARTS), books_of_leg_a())
@settings(max_examples=200)
def test_what_is_observed_is_the_same_after_a_restart(record: SpreadRecord, books: LegBook) -> None:
    restarted = record_from_dict(record_to_dict(record))
    assert told(restarted, A, books, 3) == told(record, A, books, 3)


@given(st.lists(st.integers(0, 10), min_size=1, max_size=6).map(sorted))
def test_however_the_fills_arrive_what_is_held_is_what_was_filled(totals: list[int]) -> None:
    record = sent(opening(), A, B)
    for at, total in enumerate(totals, start=1):
        record = seen(record, A, booked("1", "10", str(total), is_open=total < 10), at=at)
    assert held(record) == (totals[-1], 0)
    assert record.filled.get("A:1", D(0)) == totals[-1]
