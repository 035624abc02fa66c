"""The order guard under several threads; a venue holds answers back until it is told to go on.

The bugs that these tests caught are listed in test_guard.py.
"""

import threading
from collections.abc import Callable

import pytest

from freqtrade_ext.execution import IntentState, OrderGuard, OrderOutcome

from .doubles import BTC, ManualClock, MemoryStore, SimpleVenue, intent, states

S = IntentState


class Caller(threading.Thread):
    """Calls something and keeps what it returns."""

    def __init__(self, call: Callable[[], list[OrderOutcome]]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.outcomes: list[OrderOutcome] | None = None

    def run(self) -> None:
        self.outcomes = self._call()

    def result(self) -> list[OrderOutcome]:
        self.join(30)
        assert self.outcomes is not None
        return self.outcomes


def start(call: Callable[[], list[OrderOutcome]]) -> Caller:
    caller = Caller(call)
    caller.start()
    return caller


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.venue = SimpleVenue(self.clock)
        self.store = MemoryStore()
        self.guard = OrderGuard(self.venue, self.store, self.clock)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_two_threads_with_one_order_send_it_once(desk):
    entered, go_on = desk.venue.hold_back("x-1")
    first = start(lambda: desk.guard.send([intent()]))
    assert entered.wait(30)
    second = start(lambda: desk.guard.send([intent()]))
    go_on.set()
    assert states(first.result()) == states(second.result()) == [S.CONFIRMED]
    assert desk.venue.submits == [["x-1"]]
    assert second.result()[0].report.venue_order_id == "1000"


def test_many_threads_with_one_order_send_it_once(desk):
    gun = threading.Barrier(8)

    def send() -> list[OrderOutcome]:
        gun.wait(30)
        return desk.guard.send([intent()])

    callers = [start(send) for _ in range(8)]
    assert {state for caller in callers for state in states(caller.result())} == {S.CONFIRMED}
    assert desk.venue.submits == [["x-1"]]


def test_an_order_under_two_owners_is_sent_once_all_the_same(desk):
    """The owners' locks differ: what is entered first counts."""
    entered, go_on = desk.venue.hold_back("x-1")
    first = start(lambda: desk.guard.send([intent()]))
    assert entered.wait(30)
    second = start(lambda: desk.guard.send([intent(owner="sol-btc")]))
    assert states(second.result()) == [S.WRITTEN]
    go_on.set()
    assert states(first.result()) == [S.CONFIRMED]
    assert desk.venue.submits == [["x-1"]]


def test_two_spreads_do_not_wait_for_each_other(desk):
    entered, go_on = desk.venue.hold_back("x-1")
    first = start(lambda: desk.guard.send([intent()]))
    assert entered.wait(30)
    assert states(desk.guard.send([intent("x-2", owner="sol-btc")])) == [S.CONFIRMED]
    assert desk.venue.submits == [["x-1"], ["x-2"]]
    go_on.set()
    first.result()


def test_orders_of_one_spread_are_sent_one_call_after_the_other(desk):
    entered, go_on = desk.venue.hold_back("x-1")
    first = start(lambda: desk.guard.send([intent()]))
    assert entered.wait(30)
    second = start(lambda: desk.guard.send([intent("x-2", market=BTC, leg="B")]))
    second.join(0.05)
    assert second.is_alive()
    assert desk.venue.submits == [["x-1"]]
    go_on.set()
    first.result()
    assert states(second.result()) == [S.CONFIRMED]


def test_orders_without_an_owner_wait_for_their_market_only(desk):
    entered, go_on = desk.venue.hold_back("x-1")
    first = start(lambda: desk.guard.send([intent(owner=None)]))
    assert entered.wait(30)
    assert states(desk.guard.send([intent("x-2", owner=None, market=BTC)])) == [S.CONFIRMED]
    third = start(lambda: desk.guard.send([intent("x-3", owner=None)]))
    third.join(0.05)
    assert third.is_alive()
    go_on.set()
    first.result()
    assert states(third.result()) == [S.CONFIRMED]


def test_asking_and_reading_do_not_wait_for_an_order_that_is_being_sent(desk):
    desk.store.intents["x-2"] = intent("x-2")
    desk.guard.restore()
    entered, go_on = desk.venue.hold_back("x-1")
    first = start(lambda: desk.guard.send([intent()]))
    assert entered.wait(30)
    assert desk.guard.ask() == []  # x-2 is of the spread whose lock is taken
    assert desk.venue.asked("look_up") == 0
    assert [meant.client_order_id for meant in desk.guard.open_questions()] == ["x-2", "x-1"]
    assert desk.guard.find("x-1").state is S.WRITTEN
    go_on.set()
    first.result()
    desk.guard.ask()
    assert desk.venue.asked("look_up") == 1


def test_restoring_while_an_order_is_being_sent_leaves_it_alone(desk):
    entered, go_on = desk.venue.hold_back("x-1")
    first = start(lambda: desk.guard.send([intent()]))
    assert entered.wait(30)
    desk.guard.restore()
    assert desk.guard.find("x-1").state is S.WRITTEN
    go_on.set()
    assert states(first.result()) == [S.CONFIRMED]


def test_threads_that_take_two_spreads_in_opposite_order_do_not_lock_each_other_out(desk):
    gun = threading.Barrier(4)

    def send(number: int) -> list[OrderOutcome]:
        gun.wait(30)
        done: list[OrderOutcome] = []
        for serial in range(50):
            intents = [
                intent(f"{number}-{serial}-{owner}", owner=owner) for owner in ("one", "two")
            ]
            done += desk.guard.send(intents[:: 1 if number % 2 else -1])
        return done

    callers = [start(lambda number=number: send(number)) for number in range(4)]
    for caller in callers:
        assert states(caller.result()) == [S.CONFIRMED] * 100
