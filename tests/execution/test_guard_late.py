"""Asking from the bot loop: ghosts, proof of absence, and orders that surface late.

The bugs that these tests caught are listed in test_guard.py.
Those of an outage: a question that fails does not end the round (first_question_that_is_not); a
late one does not (late_look_that_fails); settled orders starve behind it (fails_in_every_round).
"""

from dataclasses import replace

import pytest

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import GuardPolicy, IntentState, OrderGuard, OrderSide, OrderStatus

from .doubles import (
    BTC,
    ETH,
    START_MS,
    D,
    ManualClock,
    MemoryStore,
    SimpleVenue,
    ask_for,
    exit_of,
    intent,
    report_of,
    states,
)

S = IntentState
MINUTE = 60_000


class Desk:
    def __init__(self, **policy: int) -> None:
        self.clock = ManualClock()
        self.venue = SimpleVenue(self.clock)
        self.store = MemoryStore()
        self.guard = OrderGuard(self.venue, self.store, self.clock, GuardPolicy(**policy))

    def restart(self) -> OrderGuard:
        self.guard = OrderGuard(self.venue, self.store, self.clock)
        self.guard.restore()
        return self.guard

    def ask_until(self, ms: int, *, every_ms: int = 500) -> list:
        """Ask until this time after the start."""
        return ask_for(self.guard, self.clock, START_MS + ms - self.clock.ms, every_ms=every_ms)

    @property
    def looks(self) -> int:
        return self.venue.asked("look_up")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def ghost() -> Desk:
    """An order that did not arrive, five seconds later."""
    desk = Desk()
    desk.venue.fates = {"x-1": "drop"}
    assert desk.guard.send([intent()])[0].intent.is_ghost
    return desk


def test_a_ghost_is_asked_for_every_two_seconds_at_most(ghost):
    before = ghost.looks
    ask_for(ghost.guard, ghost.clock, 10_000, every_ms=100)
    assert 5 <= ghost.looks - before <= 6


def test_asking_never_sleeps(ghost):
    slept = len(ghost.clock.slept)
    ghost.ask_until(40_000)
    assert len(ghost.clock.slept) == slept


def test_a_ghost_that_shows_is_confirmed(desk, caplog):
    desk.venue.fates, desk.venue.hidden_ms = {"x-1": "lose"}, {"x-1": 20_000}
    desk.guard.send([intent()])
    (outcome,) = desk.ask_until(25_000)
    assert (outcome.intent.state, outcome.intent.is_ghost) == (S.CONFIRMED, False)
    assert outcome.report.venue_order_id == "1000"
    assert desk.store.state("x-1") is S.CONFIRMED
    assert "[SAFETY] eth-btc leg A x-1: found, it was unknown: order 1000" in caplog.text


def test_a_ghost_is_absent_after_the_settling_time_and_not_before(ghost):
    assert ghost.ask_until(30_000) == []
    (outcome,) = ghost.ask_until(33_000)
    assert outcome.intent.state is S.ABSENT
    assert str(outcome.error) == "-1007"
    assert ghost.store.state("x-1") is S.ABSENT
    assert ghost.guard.open_questions() == []


def test_denials_before_an_outage_and_one_after_it_are_enough_but_an_outage_alone_is_nothing():
    desk = Desk()
    desk.venue.fates, desk.venue.failing = {"x-1": "lose"}, {"look_up"}
    desk.venue.hidden_ms = {"x-1": 95_000}
    desk.guard.send([intent()])
    assert desk.ask_until(90_000) == []
    desk.venue.failing = set()
    assert states(desk.ask_until(100_000)) == [S.CONFIRMED]


def test_few_denials_far_apart_prove_nothing(ghost):
    """A bot loop that stalls has asked for a long time, but not often."""
    desk = Desk(min_denials=9)
    desk.venue.fates = {"x-1": "drop"}
    desk.guard.send([intent()])
    asked = desk.looks
    assert states(ask_for(desk.guard, desk.clock, 20 * MINUTE, every_ms=MINUTE)) == [S.ABSENT]
    assert asked == 6
    late = desk.store.intents["x-1"].settled_ms
    assert late == START_MS + 5_000 + 3 * MINUTE


def test_a_position_that_moved_unexplained_keeps_asking(ghost):
    ghost.venue.held = {"ETH/USDT:USDT": D(2)}
    assert ghost.ask_until(120_000) == []
    assert [meant.is_ghost for meant in ghost.guard.open_questions()] == [True]
    ghost.venue.held = {}
    assert states(ghost.ask_until(125_000)) == [S.ABSENT]


def test_a_position_that_a_closing_order_may_have_moved_keeps_asking_for_as_long(desk):
    """It is absent sooner than others only where the position says that nothing has happened."""
    closing = exit_of("exit", held_before=D(2))
    desk.venue.fates, desk.venue.held = {"exit": "drop"}, {closing.market: D(0)}
    desk.guard.send([closing])
    assert desk.ask_until(295_000) == []
    assert states(desk.ask_until(310_000)) == [S.ABSENT]


def test_an_order_restored_as_unknown_becomes_a_ghost_while_asking(desk, caplog):
    desk.store.intents["x-1"] = intent()
    desk.restart()
    changed = desk.ask_until(8_000)
    assert [outcome.intent.is_ghost for outcome in changed] == [True]
    assert caplog.text.count("GHOST") == 1


def test_after_a_restart_the_settling_time_begins_again(ghost):
    ghost.ask_until(29_000)
    ghost.restart()
    assert ghost.ask_until(58_500) == []
    (still,) = ghost.guard.open_questions()
    assert (still.is_ghost, still.text) == (True, "timed out")
    assert states(ghost.ask_until(63_000)) == [S.ABSENT]


def test_not_more_orders_are_asked_for_in_a_round_than_the_policy_allows(desk):
    for number in range(10):
        meant = intent(f"x-{number}", created_ms=START_MS - number)
        desk.store.intents[meant.client_order_id] = meant
    desk.restart()
    desk.guard.ask()
    names = [name for query, name in desk.venue.queries if query == "look_up"]
    assert names == ["x-9", "x-8", "x-7", "x-6"]


def test_no_open_question_starves_however_many_there_are(desk):
    for number in range(10):
        meant = intent(f"x-{number}", created_ms=START_MS + number)
        desk.store.intents[meant.client_order_id] = meant
    desk.restart()
    ask_for(desk.guard, desk.clock, 15_000, every_ms=5_000)
    names = {name for query, name in desk.venue.queries if query == "look_up"}
    assert len(names) == 10


def test_settled_orders_wait_behind_open_questions(desk):
    for number in range(4):
        meant = intent(f"r-{number}")
        desk.venue.fates[meant.client_order_id] = "reject"
        desk.guard.send([meant])
    desk.clock.pass_ms(30_000)
    for number in range(4):
        desk.store.intents[f"x-{number}"] = intent(f"x-{number}", created_ms=START_MS + 1)
    desk.guard.restore()
    desk.guard.ask()
    names = [name for query, name in desk.venue.queries if query == "look_up"]
    assert names == ["x-0", "x-1", "x-2", "x-3"]


def outage_of(desk, *names, query="look_up"):
    """Let a query fail for these orders only; return the names that were asked for."""
    asked, answer = [], getattr(desk.venue, query)

    def ask(meant):
        asked.append(meant.client_order_id)
        if meant.client_order_id in names:
            raise VenueError("timed out")
        return answer(meant)

    setattr(desk.venue, query, ask)
    return asked


def test_a_round_ends_at_the_first_question_that_is_not_answered(desk):
    for number in range(3):
        desk.store.intents[f"x-{number}"] = intent(f"x-{number}", created_ms=START_MS + number)
    desk.restart()
    asked = outage_of(desk, "x-0", "x-1", "x-2")
    for _ in range(4):
        desk.guard.ask()
        desk.clock.pass_ms(5_000)
    assert asked == ["x-0", "x-1", "x-2", "x-0"]


def test_a_list_that_is_not_answered_ends_the_round_too(desk):
    for number in range(3):
        desk.store.intents[f"x-{number}"] = intent(f"x-{number}", created_ms=START_MS + number)
    desk.restart()
    desk.venue.failing = {"open_orders"}
    desk.guard.ask()
    assert desk.looks == 1


def test_an_order_that_is_never_answered_for_keeps_no_other_from_being_found(desk):
    for number in range(3):
        desk.store.intents[f"x-{number}"] = intent(f"x-{number}", created_ms=START_MS + number)
    desk.restart()
    outage_of(desk, "x-0")
    desk.venue._arrive(intent("x-1"))
    desk.venue._arrive(intent("x-2"))
    found = []
    for _ in range(3):
        found += [outcome.intent.client_order_id for outcome in desk.guard.ask()]
        desk.clock.pass_ms(5_000)
    assert [name for name in found if name != "x-0"] == ["x-1", "x-2"]


def test_a_settled_order_is_looked_up_though_an_open_question_fails_in_every_round(desk):
    desk.venue.fates = {"r": "reject"}
    desk.guard.send([intent("r")])
    desk.store.intents["x"] = intent("x")
    desk.guard.restore()
    asked = outage_of(desk, "x")
    for _ in range(20):
        desk.guard.ask()
        desk.clock.pass_ms(5_000)
    assert asked.count("r") == 1
    assert asked.index("r") == 15  # a minute after its time has come


def test_a_late_look_that_fails_ends_the_round(desk):
    desk.venue.fates = {"r": "reject", "s": "reject"}
    desk.guard.send([intent("r")])
    desk.guard.send([intent("s")])
    asked = outage_of(desk, "r", "s")
    desk.clock.pass_ms(10_000)
    desk.guard.ask()
    assert asked == ["r"]
    desk.guard.ask()
    assert asked == ["r", "s"]


def test_open_questions_whose_time_has_not_come_take_no_place_in_a_round(desk):
    desk.venue.fates = {"r": "reject"}
    desk.guard.send([intent("r")])
    for number in range(4):
        desk.store.intents[f"x-{number}"] = intent(f"x-{number}")
    desk.clock.pass_ms(10_000)
    desk.guard.restore()
    desk.guard.ask()
    desk.guard.ask()
    names = [name for query, name in desk.venue.queries if query == "look_up"]
    assert names == ["x-0", "x-1", "x-2", "x-3", "r"]


# Surfacing late.


def surfaces(desk: Desk, meant=None) -> None:
    desk.venue.fates = {}
    desk.venue._arrive(meant or intent())


@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_an_absent_order_that_surfaces_is_confirmed(ghost, restart, caplog):
    ghost.ask_until(40_000)
    assert ghost.store.state("x-1") is S.ABSENT
    if restart:
        ghost.restart()
    ghost.ask_until(300_000)
    surfaces(ghost)
    (outcome,) = ghost.ask_until(400_000)
    assert outcome.intent.state is S.CONFIRMED
    assert ghost.store.state("x-1") is S.CONFIRMED
    assert "found, it was absent" in caplog.text
    assert [meant.client_order_id for meant in ghost.guard.unbooked()] == ["x-1"]


@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_rejected_order_that_exists_all_the_same_is_confirmed(desk, restart):
    desk.venue.fates = {"x-1": "reject"}
    desk.guard.send([intent()])
    if restart:
        desk.restart()
    surfaces(desk)
    assert states(desk.ask_until(15_000)) == [S.CONFIRMED]
    assert desk.store.state("x-1") is S.CONFIRMED


def test_a_rejected_order_that_the_exchange_lists_as_rejected_stays_rejected(desk):
    desk.venue.fates = {"x-1": "reject"}
    desk.guard.send([intent()])
    desk.venue.look_up = lambda meant: report_of(
        meant, status=OrderStatus.REJECTED, filled_quantity=D(0)
    )
    assert desk.ask_until(60_000) == []
    assert desk.store.state("x-1") is S.REJECTED


def test_settled_orders_are_looked_up_at_longer_and_longer_intervals(desk):
    desk.venue.fates = {"x-1": "reject"}
    desk.guard.send([intent()])
    desk.ask_until(9_500)
    assert desk.looks == 0
    desk.ask_until(60_000)
    assert desk.looks == 3  # after 10, 20 and 40 s
    desk.ask_until(10 * MINUTE)
    assert desk.looks <= 15
    assert [query for query, _ in desk.venue.queries] == ["look_up"] * desk.looks


def test_after_ten_minutes_and_a_last_look_a_settled_order_is_forgotten(desk):
    desk.venue.fates = {"x-1": "reject"}
    desk.guard.send([intent()])
    desk.ask_until(10 * MINUTE - 500)
    assert len(desk.guard._ledger) == 1
    looks = desk.looks
    desk.ask_until(20 * MINUTE)
    assert len(desk.guard._ledger) == 0
    assert desk.looks == looks + 1
    assert desk.guard.find("x-1").state is S.REJECTED
    assert states(desk.guard.send([intent()])) == [S.REJECTED]


def test_a_last_look_that_fails_is_made_again_but_not_forever(desk):
    desk.venue.fates = {"x-1": "reject"}
    desk.guard.send([intent()])
    desk.venue.failing = {"look_up"}
    desk.ask_until(15 * MINUTE, every_ms=5_000)
    assert len(desk.guard._ledger) == 1
    desk.ask_until(22 * MINUTE, every_ms=5_000)
    assert len(desk.guard._ledger) == 0


def test_orders_that_ended_long_before_a_restart_are_not_looked_up(desk):
    for name, state in [("x-1", S.ABSENT), ("x-2", S.REJECTED)]:
        ended = replace(intent(name), state=state, settled_ms=START_MS - 11 * MINUTE)
        desk.store.intents[name] = replace(ended, created_ms=START_MS - 60 * MINUTE)
    desk.restart()
    assert len(desk.guard._ledger) == 0


def test_an_old_order_that_has_only_just_ended_is_still_looked_up_after_a_restart(desk):
    ended = replace(intent(), state=S.ABSENT, settled_ms=START_MS - MINUTE)
    desk.store.intents["x-1"] = replace(ended, created_ms=START_MS - 300 * MINUTE)
    desk.restart()
    surfaces(desk)
    assert states(desk.ask_until(MINUTE)) == [S.CONFIRMED]


def test_memory_stays_flat_over_many_orders(desk):
    sizes = set()
    fates = ["accept", "lose", "reject", "drop"]
    for number in range(400):
        meant = exit_of(
            f"n-{number}",
            created_ms=desk.clock.ms,
            market=BTC if number % 2 else ETH,
            side=OrderSide.SELL,
            owner=f"spread-{number}",
            held_before=desk.venue.position_of(BTC if number % 2 else ETH),
        )
        desk.venue.fates = {meant.client_order_id: fates[number % 4]}
        desk.guard.send([meant])
        for found in desk.guard.unbooked():
            desk.guard.mark_booked(found.client_order_id)
        ask_for(desk.guard, desk.clock, 30_000, every_ms=2_500)
        if number >= 200:
            sizes.add(len(desk.guard._ledger))
    # Rejected and absent orders are looked up for ten minutes: ten of twenty sent then.
    assert max(sizes) <= 16
    assert len(desk.guard._ledger._keys) <= 1
