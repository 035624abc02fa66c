"""An exit waits for what became of the other leg's; both are then sent together.

Planted bugs, each found by the test in brackets (M: also by the machine in
tests/stateful/test_two_exits_machine.py): nothing ever waits (M, waits_while_the_others); it waits
although nobody awaits the other (nobody_awaits); a first exit does not wait (first_exit); one that
was sent itself waits (asked_again); one that was about to be sent does not (about_to_send); it
waits for an accepted order (is_known_to_work); for a leg that is gone (leg_that_is_gone); for one
that holds little, or not for one that holds more than half (more_than_half); for a trim
(order_that_is_no_exit); what waits is forgotten (pending_all_the_same); a spread without a plan
waits (without_a_plan).
"""

from dataclasses import replace

import pytest

from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import LegName, Purpose, SpreadDesk, SpreadState

from .doubles import HOUR, START, A, B, D, FakeStore, book, done, spread_settings
from .test_desk import ENTRIES, ID, opened

NOW = START + 6 * HOUR


class Stage:
    """An open spread that is asked to leave; both exits are sent, and nothing is known of them."""

    def __init__(self) -> None:
        self.awaited: set[str] = set()
        self.desk = SpreadDesk(
            spread_settings(), FakeStore(), HOUR, lambda name: name in self.awaited
        )
        opened(self.desk)
        self.desk.request_exit(ID, CloseReason.MANUAL, NOW)
        self.first = {leg: self.send(leg) for leg in LegName}

    def send(self, leg: LegName) -> str:
        """Have the pending order of a leg sent; its outcome is open."""
        order = self.desk.pending_order(ID, leg)
        assert order is not None
        self.desk.mark_sent(ID, order, NOW)
        self.awaited.add(order.client_order_id)
        return order.client_order_id

    def show(self, leg: LegName, *orders, held=None, settled=True) -> None:
        self.desk.observe(ID, leg, book(*orders, held=held), NOW + 6_000, settled=settled)

    def absent(self, leg: LegName) -> None:
        """The exit of a leg is proven never to have arrived."""
        self.awaited.discard(self.first[leg])
        self.show(leg, ENTRIES[leg])

    def edit(self, leg: LegName, **changes) -> None:
        """Change what the record says of a leg."""
        record = self.desk.records[ID]
        changed = replace(record.position.leg(leg), **changes)
        self.desk._records[ID] = replace(record, position=record.position.with_leg(leg, changed))

    def ready(self) -> set[LegName]:
        return {leg for leg in LegName if self.desk.ready_order(ID, leg) is not None}

    def names(self) -> dict[LegName, str]:
        orders = {leg: self.desk.ready_order(ID, leg) for leg in LegName}
        return {leg: order.client_order_id for leg, order in orders.items() if order}


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("leg", LegName)
def test_an_exit_waits_while_the_others_outcome_is_open_and_both_leave_together(stage, leg):
    stage.absent(leg)
    assert stage.ready() == {leg.other}  # which is asked for, not sent again
    stage.absent(leg.other)
    assert stage.ready() == {A, B}
    assert set(stage.names().values()).isdisjoint(stage.first.values())


def test_it_goes_when_nobody_awaits_the_other_any_more(stage):
    """Found, likely, or open for too long: the guard says so, see test_guard_awaited.py."""
    stage.absent(A)
    stage.awaited.clear()
    assert stage.ready() == {A, B}


def test_it_goes_when_the_other_is_known_to_work(stage):
    stage.absent(A)
    working = stage.desk.records[ID].position.leg(B).working
    assert working is not None
    stage.edit(B, working=replace(working, accepted=True))
    assert A in stage.ready()


def test_it_is_asked_again_when_its_own_outcome_is_open(stage):
    stage.absent(A)
    stage.send(A)
    assert A in stage.ready()


def test_an_exit_that_a_dead_process_was_about_to_send_waits(stage):
    """Marked, but not written down: it would be sent, not asked for, while the other's is open."""
    stage.awaited.discard(stage.first[A])
    assert stage.ready() == {B}


def test_a_first_exit_waits_as_well(stage):
    """By limit orders the legs leave one after the other; the first one's answer was lost."""
    stage.awaited.discard(stage.first[A])
    record = stage.desk.records[ID]
    stage.desk._records[ID] = replace(record, sent={stage.first[B]: NOW})
    assert stage.ready() == {B}


@pytest.mark.parametrize("held", ["0", "-0.4"])
def test_it_goes_at_once_from_a_leg_that_is_gone_elsewhere(stage, held):
    """Liquidated, or closed by another hand: its exit may be open all the same."""
    stage.absent(A)
    stage.edit(B, held=D(held))
    assert A in stage.ready()


@pytest.mark.parametrize(
    ("held", "waits"), [("-20", True), ("-11", True), ("-10", False), ("-3", False)]
)
def test_it_waits_for_a_leg_that_hedges_more_than_half_of_it(stage, held, waits):
    """10 and -20 are whole. At -11 going alone bares 55 %, staying 45 %; at -10 either 50 %."""
    stage.absent(A)
    stage.edit(B, held=D(held))
    assert (A not in stage.ready()) is waits


@pytest.mark.parametrize("purpose", [Purpose.TRIM, Purpose.ENTRY])
def test_it_does_not_wait_for_an_order_that_is_no_exit(stage, purpose):
    stage.absent(A)
    working = stage.desk.records[ID].position.leg(B).working
    assert working is not None
    stage.edit(B, working=replace(working, purpose=purpose))
    assert A in stage.ready()


def test_what_waits_is_pending_all_the_same(stage):
    """A leg that somebody else closes meanwhile is known by it."""
    stage.absent(A)
    order = stage.desk.pending_order(ID, A)
    assert order is not None
    assert order.reduce_only
    assert A not in stage.ready()


def test_nothing_waits_without_a_plan(stage):
    """What is held of a spread that is flat has no hedge."""
    stage.absent(A)
    record = stage.desk.records[ID]
    stage.desk._records[ID] = replace(record, position=replace(record.position, plan=None))
    assert A in stage.ready()


def test_a_filled_leg_holds_nothing_back(stage):
    stage.absent(A)
    stage.show(B, ENTRIES[B], done("4", "20"), held="0")
    assert stage.desk.records[ID].position.state is SpreadState.CLOSING
    assert stage.ready() == {A}


def test_a_desk_without_a_guard_waits_for_nothing():
    desk = opened(SpreadDesk(spread_settings(), FakeStore(), HOUR))
    desk.request_exit(ID, CloseReason.MANUAL, NOW)
    for leg in LegName:
        order = desk.pending_order(ID, leg)
        assert order is not None
        desk.mark_sent(ID, order, NOW)
    desk.observe(ID, A, book(ENTRIES[A]), NOW + 6_000, settled=True)
    assert desk.ready_order(ID, A) is not None
    assert desk.ready_order("another spread", A) is None
