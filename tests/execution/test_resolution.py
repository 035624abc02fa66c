"""The rule that says found, absent or still unknown.

Bugs that were planted in `_resolution`, one at a time, and the test that turned red:

- one denial proves absence: test_too_few_denials_prove_nothing
- the settling time is not waited for: test_denials_within_less_than_the_settling_time_prove_nothing
- a failed question is ignored: test_a_round_in_which_a_question_failed_proves_nothing
- a round without a denial counts: test_a_round_without_a_denial_proves_nothing
- fills and position are not asked for: test_absence_needs_the_fills_and_the_position
- the order lists are not looked at:
  test_an_order_that_a_list_shows_is_found_although_the_look_up_denies_it
- an unexplained fill is ignored: test_a_fill_that_nobody_else_claims_keeps_the_question_open
- a fill of the other side may be its own: test_a_fill_that_cannot_be_its_own_explains_itself
- a fill that is too large may be its own: test_a_fill_that_cannot_be_its_own_explains_itself
- an old fill may be its own: test_a_fill_from_long_before_it_is_not_its_own
- known orders explain nothing: test_a_fill_of_another_intent_is_explained
- another client order id explains nothing:
  test_a_fill_of_an_order_with_another_client_order_id_is_explained
- the order that a stop has become is taken for the stop:
  test_the_order_that_a_stop_has_become_is_not_the_stop
- another client order id explains the fill of a stop:
  test_a_stop_may_have_filled_as_an_order_with_another_client_order_id
- an empty client order id explains a fill:
  test_a_fill_of_an_order_without_a_client_order_id_is_not_explained
- a liquidation explains nothing: test_a_liquidation_is_explained_without_a_client_order_id
- the move of the position is ignored: test_a_position_that_moved_its_way_keeps_the_question_open
- the position is looked at without its sign:
  test_a_position_that_moved_its_way_keeps_the_question_open
- fills since then are not counted:
  test_a_fill_the_other_way_does_not_cover_a_position_that_moved_its_way
- a fill at the time of writing counts always:
  test_a_fill_at_the_time_of_writing_may_be_part_of_what_was_held_or_not
- a fill at the time of writing counts never: test_a_fill_that_cannot_be_its_own_explains_itself
- an order found later is not counted:
  test_an_old_fill_of_an_order_that_was_found_later_was_not_part_of_what_was_held
- what the books had counted is in doubt all the same, or the other way round, is counted twice, or
  for another order: test_a_fill_that_the_books_had_counted_explains_nothing_more,
  test_no_more_of_a_fill_is_certain_than_the_books_had_counted,
  test_an_order_counted_with_several_fills_is_certain_as_a_whole,
  test_what_was_counted_is_certain_once
- an old fill leaves what was counted to the others:
  test_an_old_fill_uses_up_what_the_books_had_counted
- a later fill takes of it: test_a_fill_that_came_after_the_order_uses_up_nothing
- a fill or a moved position does not speak for the order:
  test_a_fill_that_nobody_else_claims_keeps_the_question_open,
  test_a_position_that_moved_its_way_keeps_the_question_open
- the first denial's time is lost: test_denials_keep_the_time_of_the_first
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.execution import OrderKind, OrderOrigin, OrderSide
from freqtrade_ext.execution._resolution import (
    Absent,
    Denials,
    Evidence,
    Found,
    StillUnknown,
    judge,
)

from .doubles import BTC, START_MS, D, exit_of, fill, intent, report_of

LATER = START_MS + 60_000
ENOUGH = Denials(4, START_MS + 200)
NOTHING = Evidence(is_denied=True, fills=(), position=D(0))


def verdict(evidence, denials=ENOUGH, meant=None, now_ms=LATER, known=frozenset(), later=None):
    return judge(
        meant or intent(),
        evidence,
        denials,
        now_ms,
        settling_ms=30_000,
        long_ms=300_000,
        min_denials=4,
        found_ms=dict.fromkeys(known, START_MS - 60_000) | (later or {}),
    )


def seen(**more):
    return Evidence(**({"is_denied": True, "fills": (), "position": D(0)} | more))


def test_an_order_that_the_look_up_shows_is_found():
    report = report_of(intent())
    assert verdict(Evidence(looked_up=report), Denials()) == Found(report)


def test_an_order_that_a_list_shows_is_found_although_the_look_up_denies_it():
    report = report_of(intent())
    other = report_of(intent("x-2"), venue_order_id="7")
    assert verdict(seen(orders=(other, report))) == Found(report)


def test_finding_counts_even_if_another_question_failed():
    report = report_of(intent())
    assert verdict(Evidence(looked_up=report, failure="timed out")) == Found(report)


def test_an_order_of_another_intent_is_not_taken_for_it():
    assert verdict(seen(orders=(report_of(intent("x-2")),))) == Absent()


def test_enough_denials_over_the_settling_time_prove_absence():
    assert verdict(NOTHING) == Absent()


def test_too_few_denials_prove_nothing():
    answer = verdict(NOTHING, Denials(3, START_MS))
    assert answer == StillUnknown("no such order, said 3 time(s)")


def test_denials_within_less_than_the_settling_time_prove_nothing():
    first = LATER - 29_999
    assert isinstance(verdict(NOTHING, Denials(50, first)), StillUnknown)
    assert verdict(NOTHING, Denials(50, first - 1)) == Absent()


def test_a_round_in_which_a_question_failed_proves_nothing():
    assert verdict(seen(failure="positions timed out")) == StillUnknown("positions timed out")


def test_a_round_without_a_denial_proves_nothing():
    answer = verdict(Evidence(fills=(), position=D(0)))
    assert answer == StillUnknown("the exchange was not asked for the order itself")


@pytest.mark.parametrize("missing", [{"fills": None}, {"position": None}])
def test_absence_needs_the_fills_and_the_position(missing):
    assert isinstance(verdict(seen(**missing)), StillUnknown)


def test_a_fill_that_nobody_else_claims_keeps_the_question_open():
    answer = verdict(seen(fills=(fill("55"),), position=D(0)))
    assert answer == StillUnknown("fill f55 of order 55 may be its own", is_likely=True)


def test_a_part_of_it_may_be_its_own_too():
    part = fill("55", quantity=D("0.5"))
    assert isinstance(verdict(seen(fills=(part,), position=D(0))), StillUnknown)


def test_a_fill_stamped_by_a_clock_that_runs_behind_may_be_its_own():
    early = fill("55", time_ms=START_MS - 900)
    assert isinstance(verdict(seen(fills=(early,), position=D(0))), StillUnknown)


def test_a_fill_from_long_before_it_is_not_its_own():
    old = fill("55", time_ms=START_MS - 5_001)
    assert verdict(seen(fills=(old,), position=D(0))) == Absent()
    near = fill("55", time_ms=START_MS - 5_000)
    assert isinstance(verdict(seen(fills=(near,), position=D(0))), StillUnknown)


@pytest.mark.parametrize(
    "other", [{"quantity": D("2.1")}, {"side": OrderSide.SELL}], ids=["too much", "other side"]
)
def test_a_fill_that_cannot_be_its_own_explains_itself(other):
    execution = fill("55", **other)
    position = execution.quantity * execution.side.sign
    assert verdict(seen(fills=(execution,), position=position)) == Absent()


def test_a_fill_of_another_intent_is_explained():
    answer = verdict(seen(fills=(fill("55"),), position=D(2)), known=frozenset({"55"}))
    assert answer == Absent()


def test_a_fill_of_an_order_with_another_client_order_id_is_explained():
    other = report_of(intent("by-hand"), venue_order_id="55")
    assert verdict(seen(orders=(other,), fills=(fill("55"),), position=D(2))) == Absent()


def test_a_fill_of_an_order_without_a_client_order_id_is_not_explained():
    other = report_of(intent(""), venue_order_id="55")
    answer = verdict(seen(orders=(other,), fills=(fill("55"),), position=D(2)))
    assert isinstance(answer, StillUnknown)


@pytest.mark.parametrize("origin", [OrderOrigin.LIQUIDATION, OrderOrigin.ADL])
def test_a_liquidation_is_explained_without_a_client_order_id(origin):
    meant = exit_of(held_before=D(2))
    other = report_of(exit_of(""), venue_order_id="55", origin=origin)
    sold = fill("55", side=OrderSide.SELL)
    evidence = seen(orders=(other,), fills=(sold,), position=D(0))
    assert verdict(evidence, meant=meant) == Absent()


@pytest.mark.parametrize(
    ("denied_ms", "expected"), [(299_999, StillUnknown), (300_000, Found)], ids=["soon", "long"]
)
def test_the_order_that_a_stop_has_become_is_not_the_stop(denied_ms, expected):
    """The books would ask for a stop under the number of that order, and never find one."""
    stop = exit_of(kind=OrderKind.STOP, price=D(90), held_before=D(2))
    became = report_of(stop, venue_order_id="77", kind=OrderKind.MARKET)
    denials = Denials(count=100, first_ms=LATER - denied_ms)
    found = verdict(seen(orders=(became,)), denials, meant=stop)
    assert isinstance(found, expected)


def test_a_stop_in_a_list_is_found():
    stop = exit_of(kind=OrderKind.STOP, price=D(90))
    waiting = report_of(stop, kind=OrderKind.STOP, is_conditional=True)
    assert verdict(seen(orders=(waiting,)), meant=stop) == Found(waiting)


def test_a_stop_may_have_filled_as_an_order_with_another_client_order_id():
    stop = exit_of(kind=OrderKind.STOP, price=D(90), held_before=D(2))
    other = report_of(exit_of("by the exchange"), venue_order_id="55")
    sold = fill("55", side=OrderSide.SELL)
    evidence = seen(orders=(other,), fills=(sold,), position=D(0))
    assert isinstance(verdict(evidence, meant=stop), StillUnknown)
    assert verdict(evidence, meant=stop, known=frozenset({"55"})) == Absent()


@pytest.mark.parametrize(
    ("meant", "position"),
    [
        (intent(), D("0.1")),
        (intent(held_before=D(3)), D(5)),
        (intent(held_before=D(-2)), D(0)),
        (exit_of(held_before=D(2)), D(0)),
        (exit_of(held_before=D(0)), D(-2)),
    ],
)
def test_a_position_that_moved_its_way_keeps_the_question_open(meant, position):
    answer = verdict(seen(position=position), meant=meant)
    assert answer == StillUnknown(
        f"the position is {position}, {meant.held_before} is explained without it",
        is_likely=True,
    )


@pytest.mark.parametrize(
    ("meant", "position"),
    [(intent(held_before=D(2)), D(0)), (exit_of(held_before=D(2)), D(3)), (intent(), D(0))],
)
def test_a_position_that_did_not_move_its_way_says_nothing_of_it(meant, position):
    assert verdict(seen(position=position), meant=meant) == Absent()


def test_a_fill_the_other_way_does_not_cover_a_position_that_moved_its_way():
    """Bought unseen 2, sold by hand 2: the position is where it was, and is not explained."""
    sold = fill("55", side=OrderSide.SELL, time_ms=START_MS + 2_000)
    assert isinstance(verdict(seen(fills=(sold,), position=D(0))), StillUnknown)


def test_what_was_filled_before_the_intent_is_part_of_what_was_held():
    before = fill("55", time_ms=START_MS - 5_001)
    evidence = seen(fills=(before,), position=D(4))
    answer = verdict(evidence, meant=intent(held_before=D(2)), known=frozenset({"55"}))
    assert answer == StillUnknown("the position is 4, 2 is explained without it", is_likely=True)


def test_what_was_filled_since_then_is_not_part_of_what_was_held():
    after = fill("55", time_ms=START_MS + 1_001)
    known = frozenset({"55"})
    assert verdict(seen(fills=(after,), position=D(2)), known=known) == Absent()
    meant = intent(side=OrderSide.SELL, held_before=D(2))
    evidence = seen(fills=(after,), position=D(2))
    assert isinstance(verdict(evidence, meant=meant, known=known), StillUnknown)


@pytest.mark.parametrize("ms", [-5_000, -1, 0, 1_000])
@pytest.mark.parametrize("was_booked", [False, True])
@pytest.mark.parametrize("side", OrderSide)
def test_a_fill_at_the_time_of_writing_may_be_part_of_what_was_held_or_not(ms, was_booked, side):
    """Or an order that never arrived would stay a ghost whenever the books lag."""
    near = fill("55", time_ms=START_MS + ms)
    meant = intent(side=side, held_before=D(2) if was_booked else D(0))
    evidence = seen(fills=(near,), position=D(2))
    assert verdict(evidence, meant=meant, known=frozenset({"55"})) == Absent()


def retry(**counted):
    """The rest of an exit: 7.2 of 12 are bought and booked, 4.8 are still held short."""
    known = {order_id.strip("_"): D(filled) for order_id, filled in counted.items()}
    return intent(quantity=D("4.8"), held_before=D("-4.8"), counted=known)


def bought(quantity, order_id="55", ms=-3_800, **more):
    return fill(order_id, quantity=D(quantity), time_ms=START_MS + ms, **more)


def judged(meant, position, *fills):
    known = frozenset(each.venue_order_id for each in fills)
    return verdict(seen(fills=fills, position=D(position)), meant=meant, known=known)


def test_a_fill_that_the_books_had_counted_explains_nothing_more():
    """Seed 5048860: the rest was executed and hidden, and counted as absent after 4 s."""
    answer = judged(retry(_55="7.2"), 0, bought("7.2"))
    assert answer == StillUnknown("the position is 0, -4.8 is explained without it", is_likely=True)


def test_an_order_that_never_arrived_is_absent_though_its_predecessor_was_counted():
    assert judged(retry(_55="7.2"), "-4.8", bought("7.2")) == Absent()


def test_a_fill_of_an_order_that_the_books_had_not_counted_is_in_doubt():
    assert judged(retry(_54="7.2"), 0, bought("7.2")) == Absent()
    assert judged(retry(), 0, bought("7.2")) == Absent()


def test_no_more_of_a_fill_is_certain_than_the_books_had_counted():
    """The books ended the order at 5; the other 2.2 came late and may be missing in them."""
    late = bought("2.2", fill_id="f2")
    assert judged(retry(_55="5"), "-2.6", bought("5"), late) == Absent()
    assert isinstance(judged(retry(_55="5"), "-2.5", bought("5"), late), StillUnknown)
    assert judged(retry(_55="5"), "-2.6", bought("7.2")) == Absent()


def test_an_old_fill_uses_up_what_the_books_had_counted():
    """The same order with its first fill 6 s ago: or the next exit would be in question for 300 s.

    5 counted, 2.2 late: -4.8 by the books, -2.6 held, and the exit never arrived.
    """
    old = bought("5", ms=-6_000)
    late = bought("2.2", fill_id="f2")
    assert judged(retry(_55="5"), "-2.6", old, late) == Absent()
    assert isinstance(judged(retry(_55="5"), "-2.5", old, late), StillUnknown)


def test_a_fill_that_came_after_the_order_uses_up_nothing():
    """Of what was counted, all was filled before: 7.2 of the first fill, though it is listed last.

    Its 4.8 of later are explained by themselves; nothing more is.
    """
    later, first = bought("4.8", ms=1_500, fill_id="f2"), bought("7.2")
    assert judged(retry(_55="7.2"), 0, later, first) == Absent()
    assert isinstance(judged(retry(_55="7.2"), "0.1", later, first), StillUnknown)


def test_an_order_counted_with_several_fills_is_certain_as_a_whole():
    fills = bought("5"), bought("2.2", fill_id="f2")
    assert judged(retry(_55="7.2"), "-4.8", *fills) == Absent()
    assert isinstance(judged(retry(_55="7.2"), "-2.6", *fills), StillUnknown)


def test_what_was_counted_is_certain_once():
    first, second = bought("7.2"), bought("4.8", "56", ms=500)
    assert judged(retry(_55="7.2"), 0, first, second) == Absent()
    same = bought("4.8", ms=500, fill_id="f2")
    assert judged(retry(_55="7.2"), 0, first, same) == Absent()


def test_a_fill_of_the_other_side_is_no_doubt_anyway():
    sold = bought("7.2", side=OrderSide.SELL)
    assert isinstance(judged(retry(_55="7.2"), 0, sold), StillUnknown)
    assert isinstance(judged(retry(), 0, sold), StillUnknown)


def test_a_fill_at_the_time_of_writing_explains_no_more_than_itself():
    near = fill("55", time_ms=START_MS)
    evidence = seen(fills=(near,), position=D("2.5"))
    answer = verdict(evidence, known=frozenset({"55"}))
    assert answer == StillUnknown("the position is 2.5, 2 is explained without it", is_likely=True)


def test_an_old_fill_of_an_order_that_was_found_later_was_not_part_of_what_was_held():
    """Or an order that never arrived would stay a ghost because of an earlier ghost."""
    evidence = seen(fills=(fill("55", time_ms=START_MS - 20_000),), position=D(2))
    assert verdict(evidence, later={"55": START_MS + 1}) == Absent()
    assert isinstance(verdict(evidence, later={"55": START_MS - 1}), StillUnknown)
    assert isinstance(verdict(evidence), StillUnknown)
    sale = intent(side=OrderSide.SELL, held_before=D(2))
    assert isinstance(verdict(evidence, meant=sale, later={"55": START_MS + 1}), StillUnknown)


@pytest.mark.parametrize("held", [D(0), D(2)])
def test_an_order_found_at_the_time_of_writing_may_have_been_part_of_what_was_held(held):
    evidence = seen(fills=(fill("55", time_ms=START_MS - 20_000),), position=D(2))
    meant = intent(held_before=held)
    assert verdict(evidence, meant=meant, later={"55": START_MS}) == Absent()


def test_denials_keep_the_time_of_the_first():
    assert Denials().and_one(5).and_one(9) == Denials(2, 5)
    assert not Denials().suffice(10**9, settling_ms=1, min_denials=1)


reports = st.sampled_from(
    [report_of(intent("x-2")), report_of(intent("x-3", market=BTC), venue_order_id="8")]
)
evidences = st.builds(
    Evidence,
    is_denied=st.booleans(),
    failure=st.sampled_from(["", "", "timed out"]),
    orders=st.lists(reports, max_size=2).map(tuple),
    fills=st.none() | st.lists(st.sampled_from([fill("55"), fill("1000")])).map(tuple),
    position=st.none() | st.sampled_from([D(0), D(2), D(-2)]),
)
denial_counts = st.builds(Denials, st.integers(0, 6), st.integers(START_MS, LATER))


@given(evidences, denial_counts, st.integers(0, 60_000))
def test_absence_is_never_said_without_every_part_of_the_proof(evidence, denials, ms):
    now_ms = START_MS + ms
    if verdict(evidence, denials, now_ms=now_ms) == Absent():
        assert evidence.is_denied
        assert not evidence.failure
        assert denials.count >= 4
        assert now_ms - denials.first_ms >= 30_000
        assert evidence.position is not None
        assert all(item.venue_order_id == "1000" for item in evidence.fills)


@given(evidences, denial_counts)
def test_more_trouble_never_turns_a_question_into_absence(evidence, denials):
    if verdict(evidence, denials) != Absent():
        worse = Evidence(
            is_denied=evidence.is_denied,
            failure="timed out",
            orders=evidence.orders,
            fills=evidence.fills,
            position=evidence.position,
        )
        assert verdict(worse, denials) != Absent()
