"""Sending through the order guard: written down first, sent once, asked for when unanswered.

Bugs that were planted in `_guard` and `_intent_ledger`, one at a time, and the test that turned
red (M: tests/stateful/test_guard_machine.py; L: test_guard_late.py; T: test_guard_threads.py):

- an intent is not saved before it is sent: M, test_an_order_is_saved_as_written_before_it_is_sent
- an order that cannot be saved is sent all the same:
  M, test_an_order_that_cannot_be_written_down_is_not_sent
- with a full disk reduce-only orders are not sent either: test_closing_works_with_a_full_disk
- only the leg that cannot be saved is denied:
  test_if_one_leg_cannot_be_written_down_neither_is_sent
- the store is not asked whether an order is known:
  M, test_a_confirmed_and_booked_order_is_not_sent_again
- memory is not asked whether an order is known:
  M, test_what_was_sent_with_a_full_disk_is_not_sent_again_and_saved_later
- an unknown order is taken for rejected: M, L test_a_ghost_is_asked_for_every_two_seconds_at_most
- an error of `submit` is not caught: M, test_an_order_whose_answer_is_lost_is_found
- an interruption leaves the order as written: test_a_client_order_id_never_means_another_order
- an interruption while sending denies the order:
  test_an_interruption_while_sending_leaves_an_open_question
- after a restart what was written is not asked for:
  M, test_a_crash_at_any_step_of_a_sending_loses_and_doubles_nothing
- settled orders are not watched after a restart: L test_an_absent_order_that_surfaces_is_confirmed
- patience has no end: test_an_open_question_that_is_found_when_it_is_to_be_sent_again_is_confirmed
- a ghost is said again in every round:
  test_after_patience_the_order_is_a_ghost_and_a_person_is_told_once
- pauses do not grow: test_pauses_double_up_to_the_longest_and_end_with_patience
- pauses grow without end: M, test_an_unknown_order_that_the_books_show_leaves_when_it_is_found
- a round asks for everything that is due:
  L test_not_more_orders_are_asked_for_in_a_round_than_the_policy_allows
- the oldest are asked for always, the youngest never:
  L test_no_open_question_starves_however_many_there_are
- settled orders are asked for before open questions:
  L test_settled_orders_wait_behind_open_questions
- a rejected order is not looked up again:
  L test_a_rejected_order_that_exists_all_the_same_is_confirmed
- an absent order is not looked up again: L test_an_absent_order_that_surfaces_is_confirmed
- settled orders are watched forever:
  M, L test_after_ten_minutes_and_a_last_look_a_settled_order_is_forgotten
- a late look takes a rejected order for a found one:
  L test_a_rejected_order_that_the_exchange_lists_as_rejected_stays_rejected
- outcomes that were not saved are not saved later:
  M, test_what_was_sent_with_a_full_disk_is_not_sent_again_and_saved_later
- an entry leaves memory although it is not saved:
  M, test_a_booked_order_leaves_memory_only_after_it_is_saved
- nothing ever leaves memory: M, test_a_booked_order_leaves_memory_only_after_it_is_saved
- one lock for all spreads: T test_two_spreads_do_not_wait_for_each_other
- no lock per spread: T test_two_threads_with_one_order_send_it_once
- locks are taken in the order of the intents:
  T test_threads_that_take_two_spreads_in_opposite_order_do_not_lock_each_other_out
- an order of another market under the same id is returned as ours:
  test_a_client_order_id_never_means_another_order
- a confirmed order is not looked up when it is sent again:
  test_a_confirmed_order_is_looked_up_instead_of_sent_again
- an open question is not asked for when it is sent again:
  test_an_order_written_by_a_dead_process_is_asked_for_and_not_sent
- the id of the exchange is not kept:
  test_a_confirmed_order_has_the_id_of_the_exchange_and_its_report
- an order that is being sent can be marked as unsent:
  test_an_order_that_is_being_sent_can_be_booked_but_not_marked_as_unsent
- any order can be marked as unsent:
  test_an_order_that_may_have_been_sent_cannot_be_marked_as_unsent
- a failed question of a round counts as no objection:
  test_absence_is_not_said_while_a_question_fails
- a failed look up counts as a denial:
  L test_denials_before_an_outage_and_one_after_it_are_enough_but_an_outage_alone_is_nothing
- the order lists are not asked: test_a_list_of_orders_may_show_it_before_the_look_up_does
- restoring disturbs an order that is being sent:
  T test_restoring_while_an_order_is_being_sent_leaves_it_alone
- a short list of answers fails: test_answers_that_are_missing_are_lost_answers
- an unreadable store lets the order overwrite what it has:
  test_what_the_store_has_is_not_overwritten_when_it_could_not_be_read
- a closing order is not looked for after a restart:
  test_a_closing_order_that_an_earlier_process_sent_unwritten_is_not_sent_again
- it is sent when it cannot be looked for:
  test_while_nobody_says_whether_it_was_sent_neither_leg_leaves
- every order is looked for, always: test_other_orders_are_not_looked_for_first
- a closing order whose position moved is absent after ten of its own, shorter settling times:
  L test_a_position_that_a_closing_order_may_have_moved_keeps_asking_for_as_long
- settled orders that are not due take places of a round:
  L test_open_questions_whose_time_has_not_come_take_no_place_in_a_round
"""

import logging
from dataclasses import replace

import pytest

from freqtrade_ext.errors import IllegalRequest, StoreError, VenueError
from freqtrade_ext.execution import (
    GuardPolicy,
    Intent,
    IntentState,
    OrderGuard,
    OrderKind,
    OrderSide,
    Rejected,
)

from .doubles import (
    BTC,
    ETH,
    START_MS,
    CrashError,
    D,
    Fuse,
    ManualClock,
    MemoryStore,
    SimpleVenue,
    exit_of,
    fill,
    intent,
    report_of,
    states,
)

S = IntentState
LEG_A, LEG_B = intent("a"), intent("b", market=BTC, leg="B", side=OrderSide.SELL)


class Desk:
    """A guard with everything that it needs."""

    def __init__(self, **policy: int) -> None:
        self.clock = ManualClock()
        self.fuse = Fuse()
        self.venue = SimpleVenue(self.clock, self.fuse)
        self.store = MemoryStore(self.fuse)
        self.policy = GuardPolicy(**policy)
        self.guard = self.new_guard()

    def new_guard(self) -> OrderGuard:
        return OrderGuard(self.venue, self.store, self.clock, self.policy)

    def restart(self) -> OrderGuard:
        self.fuse.rebirth()
        self.guard = self.new_guard()
        self.guard.restore()
        return self.guard


@pytest.fixture
def desk() -> Desk:
    return Desk()


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


# Sending.


def test_an_order_is_saved_as_written_before_it_is_sent(desk):
    seen = []
    submit = desk.venue.submit
    desk.venue.submit = lambda intents: (seen.append(dict(desk.store.intents)), submit(intents))[1]
    desk.guard.send([LEG_A])
    assert seen[0]["a"].state is S.WRITTEN
    assert seen[0]["a"].sent_ms == START_MS


def test_both_legs_leave_in_one_request_and_come_back_in_order(desk):
    outcomes = desk.guard.send([LEG_B, LEG_A])
    assert desk.venue.submits == [["b", "a"]]
    assert [outcome.intent.client_order_id for outcome in outcomes] == ["b", "a"]
    assert states(outcomes) == [S.CONFIRMED, S.CONFIRMED]


def test_a_confirmed_order_has_the_id_of_the_exchange_and_its_report(desk):
    (outcome,) = desk.guard.send([LEG_A])
    assert outcome.report.filled_quantity == D(2)
    assert outcome.intent.venue_order_id == "1000"
    assert outcome.intent.settled_ms == START_MS
    assert outcome.error is None
    assert desk.store.intents["a"] == outcome.intent
    assert not desk.clock.slept


def test_a_rejected_order_is_rejected_with_the_error_to_raise(desk):
    desk.venue.fates = {"b": "reject"}
    first, second = desk.guard.send([LEG_A, LEG_B])
    assert states([first, second]) == [S.CONFIRMED, S.REJECTED]
    assert second.intent.text == "margin is insufficient"
    assert str(second.error) == "-2019"
    assert desk.store.state("b") is S.REJECTED


def test_sending_nothing_asks_the_exchange_for_nothing(desk):
    assert desk.guard.send([]) == []
    assert desk.venue.submits == []


def test_an_accepted_order_under_another_name_is_accepted_and_said(desk, caplog):
    desk.venue.renames = {"a": "broker-a"}
    (outcome,) = desk.guard.send([LEG_A])
    assert outcome.intent.state is S.CONFIRMED
    assert "[EXECUTION] eth-btc leg A a: the exchange calls it 'broker-a'" in caplog.text


def test_answers_that_are_missing_are_lost_answers(desk):
    submit = desk.venue.submit
    desk.venue.submit = lambda intents: submit(intents)[:1]
    assert states(desk.guard.send([LEG_A, LEG_B])) == [S.CONFIRMED, S.CONFIRMED]
    assert [name for query, name in desk.venue.queries if query == "look_up"] == ["b"]


# Sent once.


@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_confirmed_order_is_looked_up_instead_of_sent_again(desk, restart):
    desk.guard.send([LEG_A])
    if restart:
        desk.restart()
    (outcome,) = desk.guard.send([LEG_A])
    assert outcome.report.venue_order_id == "1000"
    assert outcome.intent.state is S.CONFIRMED
    assert desk.venue.count("a") == 1


def test_a_confirmed_and_booked_order_is_not_sent_again(desk):
    desk.guard.send([LEG_A])
    desk.guard.mark_booked("a")
    assert desk.guard.send([LEG_A])[0].report.venue_order_id == "1000"
    assert desk.venue.submits == [["a"]]


def test_a_confirmed_order_that_cannot_be_looked_up_stays_confirmed(desk):
    desk.guard.send([LEG_A])
    desk.venue.failing = {"look_up"}
    (outcome,) = desk.guard.send([LEG_A])
    assert (outcome.intent.state, outcome.report) == (S.CONFIRMED, None)
    assert str(outcome.error) == "look_up timed out"


@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_rejected_order_is_returned_as_it_is(desk, restart):
    desk.venue.fates = {"a": "reject"}
    desk.guard.send([LEG_A])
    if restart:
        desk.restart()
    assert states(desk.guard.send([LEG_A])) == [S.REJECTED]
    assert desk.venue.submits == [["a"]]


def test_an_absent_order_is_returned_as_it_is(desk):
    desk.store.intents["a"] = replace(LEG_A, state=S.ABSENT, settled_ms=START_MS)
    assert states(desk.guard.send([LEG_A])) == [S.ABSENT]
    assert desk.venue.submits == []


def test_a_denied_order_is_returned_as_it_is(desk):
    desk.store.intents["a"] = replace(LEG_A, state=S.DENIED, settled_ms=START_MS)
    assert states(desk.guard.send([LEG_A])) == [S.DENIED]
    assert desk.venue.submits == []


def test_an_order_written_by_a_dead_process_is_asked_for_and_not_sent(desk):
    """Even where nobody called `restore`."""
    desk.store.intents["a"] = LEG_A
    (outcome,) = desk.guard.send([LEG_A])
    assert (outcome.intent.state, outcome.intent.is_ghost) == (S.UNKNOWN, True)
    assert desk.venue.submits == []


def test_an_open_question_is_asked_for_and_not_sent(desk):
    desk.venue.fates = {"a": "drop"}
    desk.guard.send([LEG_A])
    asked, slept = desk.venue.asked("look_up"), len(desk.clock.slept)
    assert states(desk.guard.send([LEG_A])) == [S.UNKNOWN]
    assert desk.venue.asked("look_up") == asked + 1
    assert len(desk.clock.slept) == slept
    assert desk.venue.submits == [["a"]]


def test_an_open_question_that_is_found_when_it_is_to_be_sent_again_is_confirmed(desk):
    desk.venue.fates, desk.venue.hidden_ms = {"a": "lose"}, {"a": 5_001}
    assert states(desk.guard.send([LEG_A])) == [S.UNKNOWN]
    desk.clock.pass_ms(1)
    (outcome,) = desk.guard.send([LEG_A])
    assert (outcome.intent.state, outcome.report.venue_order_id) == (S.CONFIRMED, "1000")


def test_the_same_order_twice_in_one_call_is_sent_once(desk):
    outcomes = desk.guard.send([LEG_A, LEG_A])
    assert desk.venue.submits == [["a"]]
    assert outcomes[0] == outcomes[1]


def test_a_known_order_does_not_keep_a_new_one_from_being_sent(desk):
    desk.guard.send([LEG_A])
    assert states(desk.guard.send([LEG_A, LEG_B])) == [S.CONFIRMED, S.CONFIRMED]
    assert desk.venue.submits == [["a"], ["b"]]


@pytest.mark.parametrize("other", [{"market": BTC}, {"side": OrderSide.SELL}])
def test_a_client_order_id_never_means_another_order(desk, other):
    desk.guard.send([LEG_A])
    with pytest.raises(IllegalRequest, match="a client order id means one order"):
        desk.guard.send([LEG_B, replace(LEG_A, **other)])
    assert desk.venue.submits == [["a"]]
    assert desk.guard.find("b").state is S.DENIED


# Lost answers.


@pytest.mark.parametrize("fate", ["lose", "raise"])
def test_an_order_whose_answer_is_lost_is_found(desk, fate):
    desk.venue.fates = {"a": fate}
    (outcome,) = desk.guard.send([LEG_A])
    assert (outcome.intent.state, outcome.report.venue_order_id) == (S.CONFIRMED, "1000")
    assert outcome.intent.venue_order_id == "1000"
    assert desk.clock.slept == [0.2]


def test_when_sending_raises_every_order_of_the_call_is_asked_for(desk):
    desk.venue.fates = {"a": "raise"}
    assert states(desk.guard.send([LEG_A, LEG_B])) == [S.CONFIRMED, S.CONFIRMED]
    assert [name for query, name in desk.venue.queries if query == "look_up"] == ["a", "b"]


def test_an_unknown_order_is_saved_as_unknown_while_it_is_asked_for(desk):
    desk.venue.fates = {"a": "lose"}
    desk.guard.send([LEG_A])
    assert [saved.state for saved in desk.store.saves] == [S.WRITTEN, S.UNKNOWN, S.CONFIRMED]
    assert desk.store.saves[1].text == "timed out"


def test_pauses_double_up_to_the_longest_and_end_with_patience(desk):
    desk.venue.fates = {"a": "drop"}
    desk.guard.send([LEG_A])
    # Questions at 0.2, 0.4, 0.8, 1.6 and 3.2 s, and when patience ends.
    assert desk.clock.slept == [0.2, 0.2, 0.4, 0.8, 1.6, 1.8]
    assert desk.clock.ms == START_MS + 5_000


def test_an_order_hidden_at_first_is_found_when_it_shows(desk):
    desk.venue.fates, desk.venue.hidden_ms = {"a": "lose"}, {"a": 1_000}
    assert states(desk.guard.send([LEG_A])) == [S.CONFIRMED]
    assert desk.clock.ms == START_MS + 1_600


def test_a_list_of_orders_may_show_it_before_the_look_up_does(desk):
    desk.venue.fates, desk.venue.resting = {"a": "lose"}, {"a"}
    desk.venue.look_up = lambda meant: None
    desk.venue.orders = lambda market, since_ms: []
    assert states(desk.guard.send([LEG_A])) == [S.CONFIRMED]


def test_the_list_of_ended_orders_may_show_it(desk):
    desk.venue.fates = {"a": "lose"}
    desk.venue.look_up = lambda meant: None
    assert states(desk.guard.send([LEG_A])) == [S.CONFIRMED]


def test_after_patience_the_order_is_a_ghost_and_a_person_is_told_once(desk, caplog):
    desk.venue.fates = {"a": "drop"}
    (outcome,) = desk.guard.send([LEG_A])
    assert (outcome.intent.state, outcome.intent.is_ghost) == (S.UNKNOWN, True)
    assert str(outcome.error) == "-1007"
    assert desk.store.intents["a"].is_ghost
    desk.clock.pass_ms(2_000)
    assert desk.guard.ask() == []
    desk.guard.send([LEG_A])
    (ghost,) = lines(caplog, logging.CRITICAL)
    assert ghost.startswith("[SAFETY] eth-btc leg A a: GHOST: still unknown after 5000 ms")
    assert "do not send buy 2 ETH/USDT:USDT market by hand" in ghost


def test_the_other_leg_is_confirmed_while_one_is_a_ghost(desk):
    desk.venue.fates = {"a": "drop"}
    first, second = desk.guard.send([LEG_A, LEG_B])
    assert first.intent.is_ghost
    assert second.intent.state is S.CONFIRMED


def test_absence_may_be_proven_within_patience_where_the_settings_say_so():
    desk = Desk(patience_ms=20_000, settling_ms=6_000)
    desk.venue.fates = {"a": "drop"}
    (outcome,) = desk.guard.send([LEG_A])
    assert outcome.intent.state is S.ABSENT
    assert desk.clock.ms < START_MS + 20_000


def test_an_exchange_that_answers_nothing_does_not_hold_the_bot_longer_than_patience(desk):
    desk.venue.fates, desk.venue.failing = {"a": "lose"}, {"look_up"}
    assert desk.guard.send([LEG_A])[0].intent.is_ghost
    assert desk.clock.ms == START_MS + 5_000


# A store that fails.


def test_an_order_that_cannot_be_written_down_is_not_sent(desk):
    desk.store.is_broken = True
    (outcome,) = desk.guard.send([LEG_A])
    assert outcome.intent.state is S.DENIED
    assert isinstance(outcome.error, StoreError)
    assert outcome.intent.text == "not written down: disk full"
    assert desk.venue.submits == []


def test_if_one_leg_cannot_be_written_down_neither_is_sent(desk):
    save = desk.store.save

    def save_a_only(meant):
        if meant.client_order_id == "b":
            raise StoreError("disk full")
        save(meant)

    desk.store.save = save_a_only
    assert states(desk.guard.send([LEG_A, LEG_B])) == [S.DENIED, S.DENIED]
    assert desk.venue.submits == []
    assert desk.store.state("a") is S.DENIED


def test_closing_works_with_a_full_disk(desk, caplog):
    desk.store.is_broken = True
    outcomes = desk.guard.send([LEG_A, exit_of()])
    assert states(outcomes) == [S.DENIED, S.CONFIRMED]
    assert desk.venue.submits == [["x-9"]]
    assert "sent without being written down, it only reduces: disk full" in caplog.text


def test_what_was_sent_with_a_full_disk_is_not_sent_again_and_saved_later(desk):
    desk.store.is_broken = True
    desk.guard.send([exit_of()])
    desk.guard.send([exit_of()])
    assert desk.venue.submits == [["x-9"]]
    desk.guard.ask()
    assert desk.store.intents == {}
    desk.store.is_broken = False
    desk.guard.ask()
    assert desk.store.state("x-9") is S.CONFIRMED
    assert desk.store.intents["x-9"].venue_order_id == "1000"


def unwritten(desk: Desk, name: str = "x-9") -> Intent:
    """A closing order that left with a full disk, and whose process died."""
    desk.store.is_broken = True
    desk.guard.send([exit_of(name)])
    desk.store.is_broken = False
    desk.restart()
    return exit_of(name)


def test_a_closing_order_that_an_earlier_process_sent_unwritten_is_not_sent_again(desk):
    closing = unwritten(desk)
    (outcome,) = desk.guard.send([closing])
    assert (outcome.intent.state, outcome.report.venue_order_id) == (S.CONFIRMED, "1000")
    assert desk.venue.submits == [["x-9"]]
    assert desk.store.state("x-9") is S.CONFIRMED
    assert desk.guard.unbooked() == [outcome.intent]


def test_while_nobody_says_whether_it_was_sent_neither_leg_leaves(desk):
    closing, other = unwritten(desk), exit_of("x-b", market=BTC, leg="B")
    desk.venue.failing = {"look_up"}
    outcomes = desk.guard.send([other, closing])
    assert [type(each.error) for each in outcomes] == [VenueError] * 2
    assert desk.venue.submits == [["x-9"]]
    assert desk.guard.open_questions() == []
    desk.venue.failing = set()
    assert states(desk.guard.send([other, closing])) == [S.CONFIRMED] * 2
    assert desk.venue.submits == [["x-9"], ["x-b"]]


def test_two_legs_that_wait_for_an_answer_leave_together(desk):
    desk.restart()
    legs = [exit_of("x-a"), exit_of("x-b", market=BTC, leg="B")]
    desk.venue.failing = {"look_up"}
    desk.guard.send(legs)
    desk.venue.failing = set()
    desk.guard.send(legs)
    assert desk.venue.submits == [["x-a", "x-b"]]


def test_a_closing_order_that_was_not_sent_leaves_after_a_restart(desk):
    desk.restart()
    assert states(desk.guard.send([exit_of()])) == [S.CONFIRMED]
    assert desk.venue.submits == [["x-9"]]
    assert desk.venue.asked("look_up") == 1


@pytest.mark.parametrize(
    ("order", "minutes"),
    [
        pytest.param(LEG_A, 0, id="an order that adds is never sent unwritten"),
        pytest.param(exit_of(owner=None), 0, id="an order of no spread has a name of its own"),
        pytest.param(exit_of(), 10, id="long after the restart"),
    ],
)
def test_other_orders_are_not_looked_for_first(desk, order, minutes):
    desk.restart()
    desk.clock.pass_ms(minutes * 60_000)
    desk.guard.send([order])
    assert desk.venue.asked("look_up") == 0


def test_a_store_that_cannot_say_whether_it_knows_an_order_denies_it(desk):
    desk.store.is_unreadable = True
    assert states(desk.guard.send([LEG_A, exit_of()])) == [S.DENIED, S.CONFIRMED]
    assert desk.venue.submits == [["x-9"]]


def test_what_the_store_has_is_not_overwritten_when_it_could_not_be_read(desk):
    desk.guard.send([LEG_A])
    desk.guard.mark_booked("a")
    before = desk.store.intents["a"]
    desk.store.is_unreadable = True
    (outcome,) = desk.guard.send([LEG_A])
    assert outcome.intent.state is S.DENIED
    assert len(desk.guard._ledger) == 0
    assert desk.store.intents["a"] == before
    desk.store.is_unreadable = False
    assert desk.guard.send([LEG_A])[0].report.venue_order_id == "1000"


def test_an_outcome_that_cannot_be_saved_is_kept_and_saved_when_asking(desk, caplog):
    submit = desk.venue.submit

    def submit_and_break(intents):
        desk.store.is_broken = True
        return submit(intents)

    desk.venue.submit = submit_and_break
    assert states(desk.guard.send([LEG_A])) == [S.CONFIRMED]
    assert desk.store.state("a") is S.WRITTEN
    assert desk.guard.find("a").state is S.CONFIRMED
    assert "confirmed, but it could not be saved and is kept in memory: disk full" in caplog.text
    desk.store.is_broken = False
    desk.guard.ask()
    assert desk.store.state("a") is S.CONFIRMED


def test_a_booked_order_leaves_memory_only_after_it_is_saved(desk):
    desk.guard.send([LEG_A])
    desk.store.is_broken = True
    desk.guard.mark_booked("a")
    assert len(desk.guard._ledger) == 1
    desk.store.is_broken = False
    desk.guard.ask()
    assert len(desk.guard._ledger) == 0
    assert desk.store.intents["a"].is_booked


# Interruptions and crashes.


def test_an_interruption_while_sending_leaves_an_open_question(desk):
    def interrupt(intents):
        desk.venue._arrive(intents[0])
        raise KeyboardInterrupt

    desk.venue.submit = interrupt
    with pytest.raises(KeyboardInterrupt):
        desk.guard.send([LEG_A])
    assert desk.store.state("a") is S.UNKNOWN
    desk.clock.pass_ms(200)
    assert states(desk.guard.ask()) == [S.CONFIRMED]


def test_an_interruption_with_a_full_disk_is_still_an_open_question_in_memory(desk):
    def interrupt(intents):
        desk.store.is_broken = True
        raise KeyboardInterrupt

    desk.venue.submit = interrupt
    with pytest.raises(KeyboardInterrupt):
        desk.guard.send([LEG_A])
    assert [meant.state for meant in desk.guard.open_questions()] == [S.UNKNOWN]


def test_an_interruption_before_sending_denies_the_order(desk):
    def interrupt(client_order_id):
        raise KeyboardInterrupt

    desk.store.find = interrupt
    with pytest.raises(KeyboardInterrupt):
        desk.guard.send([LEG_A])
    assert len(desk.guard._ledger) == 0
    assert desk.store.intents == {}
    assert desk.venue.submits == []


def test_an_interruption_between_two_legs_denies_both(desk):
    save = desk.store.save

    def interrupt(meant):
        if meant.client_order_id == "b" and meant.state is S.WRITTEN:
            raise KeyboardInterrupt
        save(meant)

    desk.store.save = interrupt
    with pytest.raises(KeyboardInterrupt):
        desk.guard.send([LEG_A, LEG_B])
    assert [desk.store.state(name) for name in "ab"] == [S.DENIED, S.DENIED]
    assert desk.venue.submits == []


@pytest.mark.parametrize("step", range(12))
def test_a_crash_at_any_step_of_a_sending_loses_and_doubles_nothing(desk, step):
    desk.fuse.steps_left = step
    try:
        desk.guard.send([LEG_A, LEG_B])
    except CrashError:
        guard = desk.restart()
        guard.send([LEG_A, LEG_B])
        for _ in range(100):
            desk.clock.pass_ms(1_000)
            guard.ask()
    for name in "ab":
        assert desk.venue.count(name) <= 1
        assert (desk.guard.find(name).state is S.CONFIRMED) is desk.venue.has(name)
        assert not desk.guard.find(name).state.is_open_question


def test_what_was_written_is_unknown_after_a_restart(desk, caplog):
    desk.store.intents["a"] = LEG_A
    guard = desk.restart()
    assert [meant.state for meant in guard.open_questions()] == [S.UNKNOWN]
    assert desk.store.state("a") is S.UNKNOWN
    assert "[SAFETY] eth-btc leg A a: outcome unknown, asking for it: found after" in caplog.text
    guard.ask()
    assert desk.venue.asked("look_up") == 1


def test_restoring_keeps_what_is_confirmed_and_not_booked(desk):
    desk.guard.send([LEG_A, LEG_B])
    desk.guard.mark_booked("a")
    guard = desk.restart()
    assert [meant.client_order_id for meant in guard.unbooked()] == ["b"]
    assert guard.ask() == []


def test_restoring_twice_changes_nothing(desk):
    desk.venue.fates = {"a": "drop"}
    desk.guard.send([LEG_A])
    before = desk.guard.open_questions()
    desk.guard.restore()
    assert desk.guard.open_questions() == before
    assert desk.guard.ask() == []


def test_restoring_again_believes_memory_more_than_the_store(desk):
    save = desk.store.save
    desk.store.save = lambda meant: save(replace(meant, state=S.WRITTEN, settled_ms=None))
    desk.guard.send([LEG_A])
    desk.guard.restore()
    assert desk.guard.find("a").state is S.CONFIRMED


def test_a_store_that_cannot_be_read_stops_the_start(desk):
    desk.store.is_unreadable = True
    with pytest.raises(StoreError, match="locked"):
        desk.restart()


# Books.


def test_confirmed_orders_are_unbooked_until_they_are_marked(desk):
    desk.guard.send([LEG_A, LEG_B])
    assert [meant.client_order_id for meant in desk.guard.unbooked()] == ["a", "b"]
    booked = desk.guard.mark_booked("a")
    assert booked.is_booked
    assert [meant.client_order_id for meant in desk.guard.unbooked()] == ["b"]
    assert desk.store.intents["a"].is_booked
    assert desk.guard.find("a") == booked


def test_an_order_that_nobody_knows_cannot_be_booked_or_unsent(desk):
    assert desk.guard.mark_booked("by hand") is None
    assert desk.guard.mark_unsent("by hand", "why") is None
    assert desk.guard.find("by hand") is None


def test_an_unknown_order_that_the_books_show_leaves_when_it_is_found(desk):
    desk.venue.fates, desk.venue.hidden_ms = {"a": "lose"}, {"a": 6_000}
    desk.guard.send([LEG_A])
    desk.guard.mark_booked("a")
    assert desk.guard.open_questions()
    desk.clock.pass_ms(2_000)
    assert states(desk.guard.ask()) == [S.CONFIRMED]
    assert desk.guard.unbooked() == []
    assert len(desk.guard._ledger) == 0


def test_an_order_that_is_only_written_can_be_marked_as_unsent(desk):
    desk.store.intents["a"] = LEG_A
    denied = desk.guard.mark_unsent("a", "leg B has no price")
    assert (denied.state, denied.text) == (S.DENIED, "leg B has no price")
    assert desk.store.state("a") is S.DENIED
    assert len(desk.guard._ledger) == 0


def test_an_order_that_may_have_been_sent_cannot_be_marked_as_unsent(desk):
    desk.venue.fates = {"a": "drop"}
    desk.guard.send([LEG_A])
    assert desk.guard.mark_unsent("a", "never mind").state is S.UNKNOWN
    assert desk.store.state("a") is S.UNKNOWN


def test_an_order_that_is_being_sent_can_be_booked_but_not_marked_as_unsent(desk):
    submit = desk.venue.submit

    def submit_and_mark(intents):
        desk.guard.mark_booked("a")
        with pytest.raises(IllegalRequest, match="a is being sent: wait for its outcome"):
            desk.guard.mark_unsent("a", "never mind")
        return submit(intents)

    desk.venue.submit = submit_and_mark
    (outcome,) = desk.guard.send([LEG_A])
    assert (outcome.intent.state, outcome.intent.is_booked) == (S.CONFIRMED, True)
    assert len(desk.guard._ledger) == 0


def test_open_questions_of_one_market(desk):
    desk.venue.fates = {"a": "drop", "b": "drop"}
    desk.guard.send([LEG_A, LEG_B])
    assert [meant.client_order_id for meant in desk.guard.open_questions()] == ["a", "b"]
    assert [meant.client_order_id for meant in desk.guard.open_questions(BTC)] == ["b"]
    assert [meant.market for meant in desk.guard.open_questions(ETH)] == [ETH]


# Log lines.


def test_every_line_names_its_category_spread_leg_and_order(desk, caplog):
    caplog.set_level(logging.DEBUG)
    desk.venue.fates = {"a": "lose", "b": "reject", "c": "drop"}
    desk.guard.send([LEG_A, LEG_B])
    desk.guard.send([intent("c")])
    assert len(caplog.records) >= 6
    for record in caplog.records:
        names = f"{record.spread} leg {record.leg} {record.client_order_id}: "
        assert record.getMessage().startswith(("[EXECUTION] " + names, "[SAFETY] " + names))


def test_an_order_of_no_spread_is_named_by_its_client_order_id(desk, caplog):
    caplog.set_level(logging.INFO)
    desk.guard.send([intent("c", owner=None, leg=None)])
    assert caplog.messages[0] == "[EXECUTION] c: sending buy 2 ETH/USDT:USDT market"
    assert (caplog.records[0].spread, caplog.records[0].leg) == (None, None)


def test_an_order_of_a_trade_names_it(desk, caplog):
    caplog.set_level(logging.INFO)
    desk.guard.send([intent("c", trade_id=12)])
    assert caplog.messages[0].startswith("[EXECUTION] eth-btc leg A trade 12 c: sending")
    assert caplog.records[0].trade == 12


def test_a_reduce_only_limit_order_in_words(desk, caplog):
    caplog.set_level(logging.INFO)
    desk.guard.send([exit_of(kind="limit", price=D(90))])
    assert "sending sell 2 ETH/USDT:USDT limit at 90 reduce-only" in caplog.messages[0]


# Policy.


@pytest.mark.parametrize("name", GuardPolicy.__slots__)
def test_a_policy_has_no_zero(name):
    with pytest.raises(IllegalRequest, match=f"{name} must be at least 1, not 0"):
        GuardPolicy(**{name: 0})


def test_the_first_pause_is_not_longer_than_the_longest():
    with pytest.raises(IllegalRequest, match="first_ask_ms \\(3000\\) must not be above"):
        GuardPolicy(first_ask_ms=3_000)


def test_an_error_of_the_venue_that_is_none_is_not_hidden(desk):
    """A bug in the adapter comes out, and the orders are asked for all the same."""
    desk.venue.submit = lambda intents: {}[intents[0].client_order_id]
    with pytest.raises(KeyError):
        desk.guard.send([LEG_A])
    assert desk.store.state("a") is S.UNKNOWN


def test_a_rejection_without_an_error_has_none(desk):
    desk.venue.submit = lambda intents: [Rejected("post only")]
    (outcome,) = desk.guard.send([LEG_A])
    assert (outcome.intent.text, outcome.error) == ("post only", None)


def test_a_fill_of_an_earlier_order_does_not_hide_that_this_one_is_absent():
    """The earlier order is booked and forgotten; the store still knows its id."""
    desk = Desk(patience_ms=20_000, settling_ms=6_000)
    desk.guard.send([intent("before", created_ms=START_MS - 9_000)])
    desk.guard.mark_booked("before")
    desk.venue.orders = lambda market, since_ms: []
    desk.venue.fates = {"a": "drop"}
    assert states(desk.guard.send([LEG_A])) == [S.ABSENT]


def test_a_ghost_that_is_found_does_not_keep_a_later_order_unknown():
    """The later order was written when the books knew nothing of what the ghost had filled."""
    desk = Desk()
    desk.venue.fates, desk.venue.hidden_ms = {"a": "lose", "b": "drop"}, {"a": 20_000}
    desk.guard.send([LEG_A])
    later = intent("b", created_ms=desk.clock.ms)
    desk.guard.send([later])
    changed = []
    while desk.clock.ms < START_MS + 45_000:
        desk.clock.pass_ms(1_000)
        changed += desk.guard.ask()
    assert states(changed) == [S.CONFIRMED, S.ABSENT]


def test_an_old_order_of_a_person_that_fills_now_explains_its_fill():
    desk = Desk(patience_ms=20_000, settling_ms=6_000)
    desk.venue.fates = {"a": "drop"}
    by_hand = report_of(intent("by-hand"), venue_order_id="77", time_ms=START_MS - 3_600_000)
    desk.venue.foreign_orders = [by_hand]
    desk.venue.fill_list, desk.venue.held = [fill("77")], {ETH: D(2)}
    assert states(desk.guard.send([LEG_A])) == [S.ABSENT]


def test_a_fill_that_is_not_explained_keeps_the_order_unknown():
    desk = Desk(patience_ms=20_000, settling_ms=6_000)
    desk.venue.fates = {"a": "drop"}
    desk.venue.fill_list = [fill("77")]
    assert states(desk.guard.send([LEG_A])) == [S.UNKNOWN]


@pytest.mark.parametrize("query", ["open_orders", "orders", "fills", "positions"])
def test_absence_is_not_said_while_a_question_fails(query):
    desk = Desk(patience_ms=20_000, settling_ms=6_000)
    desk.venue.fates, desk.venue.failing = {"a": "drop"}, {query}
    (outcome,) = desk.guard.send([LEG_A])
    assert outcome.intent.state is S.UNKNOWN
    assert isinstance(outcome.error, VenueError)
    desk.venue.failing = set()
    desk.clock.pass_ms(2_000)
    assert states(desk.guard.ask()) == [S.ABSENT]


def test_costly_questions_are_asked_only_when_they_could_prove_absence(desk):
    desk.venue.fates = {"a": "drop"}
    desk.guard.send([LEG_A])
    assert desk.venue.asked("look_up") == 6
    assert (desk.venue.asked("fills"), desk.venue.asked("positions")) == (0, 0)


# A market order that only reduces is settled sooner: its position tells, and it cannot fill twice.


@pytest.mark.parametrize(
    ("order", "seconds"),
    [
        pytest.param(exit_of("exit"), 4, id="closing"),
        pytest.param(LEG_A, 30, id="entry"),
        pytest.param(exit_of("exit", kind=OrderKind.STOP, price=D(90)), 30, id="stop"),
    ],
)
def test_only_closing_market_orders_are_settled_sooner(order: Intent, seconds: int) -> None:
    assert GuardPolicy().settling_of(order) == seconds * 1000


def test_a_closing_order_is_never_given_more_time_than_others() -> None:
    assert GuardPolicy(settling_ms=2_000).settling_of(exit_of("exit")) == 2_000


def test_a_closing_order_that_never_arrived_is_absent_within_the_patience(desk: Desk) -> None:
    desk.venue.fates["exit"] = "drop"
    (outcome,) = desk.guard.send([exit_of("exit")])
    assert outcome.intent.state is S.ABSENT
    assert not outcome.intent.is_ghost


def test_a_closing_order_whose_position_moved_is_not_absent(desk: Desk) -> None:
    """Hidden from every order query, but the position is gone: it was filled."""
    closing = exit_of("exit", held_before=D(2))
    desk.venue.fates[closing.client_order_id] = "drop"
    desk.venue.held[closing.market] = D(0)
    (outcome,) = desk.guard.send([closing])
    assert outcome.intent.state is S.UNKNOWN
