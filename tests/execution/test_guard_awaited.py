"""Which outcomes are worth waiting for, and how soon a dead process's closing order is settled.

Planted bugs, each found by the test in brackets: a found order is watched on
(found_is_awaited_no_more); an order that the position speaks for is awaited
(a_fill_or_the_position); a failed round forgets what spoke for it (a_round_that_fails); a question
is awaited for ever (longest); an absent order is awaited no more (until_its_sender); a stranger's
name is awaited (never_sent); the head start counts for entries (only_closing); it counts without
denials (asked_as_often); it shortens how long a moved position counts (as_long_as_ever); it counts
from the restart (settled_by_its_age); a clock that went back lengthens it (clock_that_went_back).
"""

import pytest

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.execution import GuardPolicy, Intent, IntentState, OrderGuard, OrderKind

from .doubles import START_MS, D, ManualClock, MemoryStore, SimpleVenue, ask_for, exit_of, intent

S = IntentState
LONGEST_MS = GuardPolicy().awaited_ms


class Desk:
    """A guard that took up what an earlier process had written `ago_ms` before its start."""

    def __init__(self, *written: Intent, ago_ms: int = 0) -> None:
        self.clock = ManualClock(START_MS + ago_ms)
        self.venue = SimpleVenue(self.clock)
        self.store = MemoryStore(intents={each.client_order_id: each for each in written})
        self.guard = OrderGuard(self.venue, self.store, self.clock)
        self.guard.restore()
        self.begun_ms = self.clock.ms

    def ask_for(self, ms: int) -> int:
        """Ask every half second for so long; return when the last question was settled (ms)."""
        until_ms = self.clock.ms + ms
        while self.guard.open_questions() and self.clock.ms < until_ms:
            self.guard.ask()
            if self.guard.open_questions():
                self.clock.pass_ms(500)
        return self.clock.ms - self.begun_ms

    def state(self, name: str) -> IntentState:
        found = self.guard.find(name)
        assert found is not None
        return found.state


def test_an_open_question_is_awaited_and_what_is_found_is_awaited_no_more() -> None:
    desk = Desk(exit_of("exit"))
    assert desk.guard.is_awaited("exit")
    desk.venue.held = {exit_of().market: D(1)}
    desk.venue.submit([exit_of("exit")])
    desk.guard.ask()
    assert desk.state("exit") is S.CONFIRMED
    assert not desk.guard.is_awaited("exit")


def test_an_order_that_was_never_sent_is_not_awaited() -> None:
    assert not Desk().guard.is_awaited("exit")


def test_what_failed_is_awaited_until_its_sender_has_heard_of_it() -> None:
    desk = Desk(exit_of("exit"), ago_ms=6_000)
    desk.ask_for(10_000)
    assert desk.state("exit") is S.ABSENT
    assert desk.guard.is_awaited("exit")
    ask_for(desk.guard, desk.clock, LONGEST_MS)
    assert not desk.guard.is_awaited("exit")


def test_an_order_is_not_awaited_when_a_fill_or_the_position_speaks_for_it() -> None:
    """Hidden from every query, but its leg is gone: the other one is alone meanwhile."""
    desk = Desk(exit_of("exit", held_before=D(2)), ago_ms=6_000)
    desk.ask_for(1_000)
    assert desk.guard.is_awaited("exit")  # denied, but not often enough to look at the position
    desk.ask_for(2_000)
    assert desk.state("exit") is S.UNKNOWN
    assert not desk.guard.is_awaited("exit")


def test_a_round_that_fails_does_not_forget_what_spoke_for_the_order() -> None:
    desk = Desk(exit_of("exit", held_before=D(2)), ago_ms=6_000)
    desk.ask_for(4_000)
    desk.venue.failing = {"look_up"}
    desk.ask_for(4_000)
    assert not desk.guard.is_awaited("exit")
    desk.venue.failing = set()
    desk.venue.held = {exit_of().market: D(2)}  # the position had been shown wrong
    desk.ask_for(4_000)
    assert desk.state("exit") is S.ABSENT
    assert desk.guard.is_awaited("exit")


def test_a_question_that_nobody_answers_is_awaited_for_its_longest_time() -> None:
    desk = Desk(exit_of("exit"))
    desk.venue.failing = {"look_up"}
    desk.ask_for(LONGEST_MS - 500)
    assert desk.guard.is_awaited("exit")
    desk.ask_for(1_000)
    assert not desk.guard.is_awaited("exit")


def test_the_longest_time_begins_with_the_process() -> None:
    """A bot that was down for an hour has not waited for an hour."""
    assert Desk(exit_of("exit"), ago_ms=3_600_000).guard.is_awaited("exit")


def test_it_has_no_longest_time_of_nothing() -> None:
    with pytest.raises(IllegalRequest, match="awaited_ms"):
        GuardPolicy(awaited_ms=0)


# A closing order of a dead process: the time since it was written counts.


@pytest.mark.parametrize(
    ("ago_ms", "soonest_ms"), [(0, 4_000), (2_500, 1_500), (6_000, 0), (86_000_000, 0)]
)
def test_a_closing_order_of_a_dead_process_is_settled_by_its_age(ago_ms, soonest_ms) -> None:
    desk = Desk(exit_of("exit"), ago_ms=ago_ms)
    took_ms = desk.ask_for(10_000)
    assert desk.state("exit") is S.ABSENT
    assert soonest_ms <= took_ms <= max(soonest_ms, 1_500) + 1_000


def test_it_is_asked_for_as_often_as_any_other() -> None:
    desk = Desk(exit_of("exit"), ago_ms=60_000)
    desk.ask_for(10_000)
    assert desk.venue.asked("look_up") == GuardPolicy().min_denials


@pytest.mark.parametrize(
    "order",
    [intent("x"), exit_of("x", kind=OrderKind.STOP, price=D(90))],
    ids=["entry", "stop"],
)
def test_only_closing_market_orders_have_a_head_start(order: Intent) -> None:
    desk = Desk(order, ago_ms=60_000)
    assert desk.ask_for(60_000) >= GuardPolicy().settling_ms


def test_a_moved_position_counts_as_long_as_ever() -> None:
    """Five minutes of answers, not five minutes in which nobody asked."""
    desk = Desk(exit_of("exit", held_before=D(2)), ago_ms=3_600_000)
    assert 300_000 <= desk.ask_for(400_000) <= 305_000


def test_a_clock_that_went_back_lengthens_nothing() -> None:
    desk = Desk(exit_of("exit", created_ms=START_MS + 600_000))
    assert desk.ask_for(20_000) <= 5_000
    assert desk.state("exit") is S.ABSENT
