"""An intent and the steps of its life.

Bugs that were planted in `_intents`, one at a time, and the test that turned red:

- a step that the table does not have is taken: test_a_step_that_the_table_lacks_is_refused
- a final state does not say when: test_a_final_state_says_when_and_an_open_question_does_not
- a ghost stays one when found: test_an_order_that_is_found_is_no_ghost_any_more
- WRITTEN is no open question: test_only_what_may_be_on_the_venue_unseen_is_an_open_question
- the sign of a sale is forgotten: test_a_sale_has_a_negative_signed_quantity
- a stop needs no price: test_an_order_with_a_price_in_its_kind_needs_one
"""

import itertools
from dataclasses import replace

import pytest

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.execution import LEGAL_STEPS, IntentState, OrderKind, OrderSide, OrderStatus

from .doubles import START_MS, D, exit_of, intent, report_of

S = IntentState


@pytest.mark.parametrize(("before", "after"), sorted(LEGAL_STEPS))
def test_a_step_of_the_table_is_taken(before, after):
    moved = replace(intent(), state=before).step(after, START_MS + 5, text="why")
    assert (moved.state, moved.text) == (after, "why")


@pytest.mark.parametrize(
    ("before", "after"),
    sorted((a, b) for a, b in itertools.product(S, S) if a is not b and (a, b) not in LEGAL_STEPS),
)
def test_a_step_that_the_table_lacks_is_refused(before, after):
    with pytest.raises(IllegalRequest, match=f"^x-1: {before} to {after} is no step$"):
        replace(intent(), state=before).step(after, START_MS)


def test_a_final_state_says_when_and_an_open_question_does_not():
    unknown = intent().step(S.UNKNOWN, START_MS + 1)
    assert unknown.settled_ms is None
    assert unknown.step(S.CONFIRMED, START_MS + 9).settled_ms == START_MS + 9


def test_an_order_that_is_found_is_no_ghost_any_more():
    ghost = replace(intent(state=S.UNKNOWN), is_ghost=True)
    assert not ghost.step(S.CONFIRMED, START_MS).is_ghost
    assert ghost.step(S.UNKNOWN, START_MS).is_ghost


def test_staying_in_a_state_keeps_the_text_unless_there_is_a_new_one():
    unknown = intent().step(S.UNKNOWN, START_MS, text="timed out")
    assert unknown.step(S.UNKNOWN, START_MS).text == "timed out"
    assert unknown.step(S.UNKNOWN, START_MS, text="again").text == "again"


def test_what_was_confirmed_stays_confirmed():
    assert not [step for step in LEGAL_STEPS if step[0] is S.CONFIRMED]


def test_an_order_that_was_never_sent_is_never_confirmed():
    assert not [step for step in LEGAL_STEPS if step[0] is S.DENIED]


def test_only_what_may_be_on_the_venue_unseen_is_an_open_question():
    assert {state for state in S if state.is_open_question} == {S.WRITTEN, S.UNKNOWN}


def test_a_sale_has_a_negative_signed_quantity():
    assert intent().signed_quantity == D(2)
    assert exit_of().signed_quantity == D(-2)
    assert report_of(exit_of(), filled_quantity=D(1)).signed_filled == D(-1)


def test_signs_of_the_sides():
    assert (OrderSide.BUY.sign, OrderSide.SELL.sign) == (1, -1)


def test_only_an_open_order_can_still_fill():
    assert [status for status in OrderStatus if not status.is_final] == [OrderStatus.OPEN]


@pytest.mark.parametrize("quantity", [D(0), D(-1)])
def test_a_quantity_is_positive(quantity):
    with pytest.raises(IllegalRequest, match="greater than 0, not"):
        intent(quantity=quantity)


@pytest.mark.parametrize("kind", [OrderKind.LIMIT, OrderKind.STOP])
def test_an_order_with_a_price_in_its_kind_needs_one(kind):
    with pytest.raises(IllegalRequest, match=f"x-1: a {kind} order needs a price"):
        intent(kind=kind)
    assert intent(kind=kind, price=D(90)).price == D(90)
