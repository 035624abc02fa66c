"""Orders that the venue has and the books refuse: none may keep its market busy for ever.

Planted bugs, each found by the test in brackets: one flat look lets go (two_looks); the same look
counts twice (the_same_look); a loop without a look counts as one (without_a_look); an order that
still rests is let go of (can_still_fill); a position is no reason to wait (still_held); nor is an
open trade (open_trade); a look from before the fill counts (from_before); the item stays open
(closed_with_a_note); a refused order is asked for in every loop (every_ten_seconds); it is never
asked for again (once_the_books_take_it); a final report is forgotten with the order (forgets_it);
a decision is not read (as_decided), or read in looks only (without_a_look_too); every decision
lets go (adopt_is_tried); an outage asks for every order (first_that_is_not_answered); the failing
order always comes first (keeps_no_other); the refusal of an order whose turn does not come is
dropped (stays_reported).
"""

from dataclasses import replace

import pytest

from freqtrade_ext.errors import StoreError
from freqtrade_ext.execution import Decision, DifferenceKind, IntentPurpose

from .reconcile_doubles import BTC, ETH, D, World


@pytest.fixture
def world():
    return World()


def lost_exit(world, market=BTC):
    """Let an exit fill whose trade the books do not have any more."""
    world.exchange.trade(market, "1")
    world.books.known = {each.venue_order_id for each in world.exchange.history}
    return world.send(market, "-1", reduce_only=True, purpose=IntentPurpose.EXIT)


def is_booked(world, sent):
    return world.guard.find(sent.client_order_id).is_booked


def unknown_items(world):
    return [item for item in world.inbox.items if item.kind is DifferenceKind.UNKNOWN]


def looks_up(world):
    return world.exchange.asked.count("look_up")


# Letting go.


def test_an_exit_without_a_trade_is_let_go_of_after_two_looks_at_a_flat_market(world):
    sent = lost_exit(world)
    world.look_and_act()
    assert not is_booked(world, sent)
    report = world.look_and_act()
    assert is_booked(world, sent)
    assert world.guard.unbooked() == []
    assert [action.is_done for action in report.actions] == [True]
    assert "no trade is open and nothing is held" in report.actions[0].text
    assert world.look_and_act().is_silent


def test_an_order_that_is_let_go_of_leaves_an_item_that_is_closed_with_a_note(world):
    lost_exit(world)
    world.look_and_act(2)
    (item,) = unknown_items(world)
    assert item.closed_ms == world.clock.ms
    assert "fx-1 (exit, sell 1) reached the exchange and is not in the books" in item.text
    assert item.action_taken == "order fx-1 has ended, no trade is open and nothing is held: " + (
        "let go of"
    )
    world.look_and_act(2)
    assert len(unknown_items(world)) == 1


def test_the_same_look_at_a_flat_market_twice_is_one_look(world):
    sent = lost_exit(world)
    world.clock.sleep(5)
    seen = world.reconciler.look()
    for _ in range(3):
        world.reconciler.act(seen)
    assert not is_booked(world, sent)


def test_a_loop_without_a_look_at_the_account_lets_nothing_go(world):
    sent = lost_exit(world)
    for _ in range(5):
        world.clock.sleep(5)
        report = world.reconciler.catch_up()
        assert [each.kind for each in report.differences] == []
        assert report.is_idle
    assert not is_booked(world, sent)


def test_a_look_from_before_the_fill_says_nothing(world):
    early = world.reconciler.look()
    world.clock.sleep(1)
    sent = lost_exit(world)
    world.clock.sleep(5)
    world.reconciler.act(early)
    world.look_and_act()
    assert not is_booked(world, sent)
    world.look_and_act()
    assert is_booked(world, sent)


def test_an_order_whose_market_is_still_held_is_not_let_go_of(world):
    sent = lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(4)
    assert not is_booked(world, sent)
    assert [item.closed_ms for item in unknown_items(world)] == [None]
    world.exchange.trade(BTC, "-0.5")
    world.look_and_act(2)
    assert is_booked(world, sent)
    (item,) = unknown_items(world)
    assert item.closed_ms is not None
    assert item.action_taken.endswith("let go of")


def test_looks_at_a_flat_market_count_only_in_a_row(world):
    sent = lost_exit(world)
    world.look_and_act()
    world.exchange.trade(BTC, "0.5")
    world.look_and_act()
    world.exchange.trade(BTC, "-0.5")
    world.look_and_act()
    assert not is_booked(world, sent)
    world.look_and_act()
    assert is_booked(world, sent)


def test_an_order_beside_an_open_trade_is_not_let_go_of(world):
    sent = lost_exit(world)
    world.books.refusing = {sent.client_order_id}
    world.holds(BTC, "0", booked="0")
    world.look_and_act(4)
    assert not is_booked(world, sent)
    world.books.trades.clear()
    world.look_and_act(2)
    assert is_booked(world, sent)


def test_an_order_that_can_still_fill_is_not_let_go_of(world):
    world.exchange.next_answers = ["resting"]
    sent = world.send(BTC, "-1", reduce_only=True, purpose=IntentPurpose.EXIT)
    world.look_and_act(4)
    assert not is_booked(world, sent)


def test_a_recovery_lets_go_after_one_look(world):
    sent = lost_exit(world)
    world.clock.sleep(5)
    reports = world.reconciler.run_until_quiet(3)
    assert is_booked(world, sent)
    assert reports.is_quiet
    assert reports.last.is_silent


def test_an_order_that_ended_is_let_go_of_though_the_exchange_forgets_it(world):
    sent = lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    world.exchange.hidden = {sent.client_order_id}
    world.look_and_act(2, seconds=600)
    world.exchange.trade(BTC, "-0.5")
    world.look_and_act(2)
    assert is_booked(world, sent)


# Asking again.


def test_a_refused_order_is_looked_up_every_ten_seconds_at_most(world):
    lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    for _ in range(60):
        world.clock.sleep(1)
        world.reconciler.catch_up()
    assert looks_up(world) == 6


def test_a_refused_order_is_adopted_once_the_books_take_it(world):
    sent = lost_exit(world)
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    world.holds(BTC, "1")
    report = world.look_and_act()
    assert [each.client_order_id for each in report.adopted] == [sent.client_order_id]
    assert is_booked(world, sent)


def test_a_refused_order_that_filled_on_is_adopted_with_its_new_fill(world):
    world.exchange.next_answers = ["resting"]
    sent = world.send(BTC, "-1", reduce_only=True, purpose=IntentPurpose.EXIT)
    world.books.refusing = {sent.client_order_id}
    world.look_and_act()
    world.exchange.held[BTC] = D(1)
    world.exchange.fill_resting(sent.client_order_id)
    world.holds(BTC, "1")
    world.look_and_act(3)
    world.books.refusing.clear()
    world.look_and_act()
    assert [each.filled_quantity for each in world.books.adopted] == [D(1)]


def test_a_refused_order_stays_reported_between_two_look_ups(world):
    lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    for _ in range(8):
        report = world.look_and_act(seconds=3)
        assert DifferenceKind.UNKNOWN in {each.kind for each in report.differences}
    assert [item.closed_ms for item in unknown_items(world)] == [None]


# What a person says.


@pytest.mark.parametrize("decision", [Decision.IGNORE, Decision.CLOSE])
def test_a_refused_order_is_let_go_of_as_decided(world, decision):
    sent = lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    (item,) = unknown_items(world)
    world.inbox.decide(item.id, str(decision))
    world.look_and_act()
    assert is_booked(world, sent)
    (item,) = unknown_items(world)
    assert item.action_taken == f"order fx-1 stays out of the books, as decided: {decision}"
    assert (item.closed_ms, item.decision) == (world.clock.ms, decision)


def test_a_decision_is_followed_without_a_look_too(world):
    sent = lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    world.inbox.decide(unknown_items(world)[0].id, "ignore")
    assert [action.is_done for action in world.reconciler.catch_up().actions] == [True]
    assert is_booked(world, sent)


def test_a_decision_to_adopt_is_tried_again_and_again(world):
    sent = lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    world.inbox.decide(unknown_items(world)[0].id, "adopt")
    world.look_and_act(3)
    assert not is_booked(world, sent)


def test_an_order_that_the_exchange_has_forgotten_is_let_go_of_as_decided(world):
    sent = world.send(BTC, "1")
    world.exchange.hidden = {sent.client_order_id}
    world.look_and_act(3, seconds=400)
    assert not is_booked(world, sent)
    world.inbox.decide(unknown_items(world)[0].id, "ignore")
    world.look_and_act()
    assert is_booked(world, sent)


def test_an_order_that_is_let_go_of_while_it_rests_is_shown_as_stale(world):
    world.exchange.next_answers = ["resting"]
    sent = world.send(BTC, "-1", reduce_only=True, purpose=IntentPurpose.EXIT)
    world.look_and_act(2)
    world.inbox.decide(unknown_items(world)[0].id, "close")
    world.look_and_act(3)
    assert is_booked(world, sent)
    assert len(world.exchange.canceled) == 1
    assert world.look_and_act().is_silent


def test_a_decision_that_cannot_be_noted_is_followed_all_the_same(world):
    sent = lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    world.inbox.decide(unknown_items(world)[0].id, "ignore")

    def refuse(item):
        raise StoreError("disk full")

    save, world.inbox.save = world.inbox.save, refuse
    assert "disk full" in world.look_and_act().errors
    world.inbox.save = save
    assert is_booked(world, sent)
    world.look_and_act(2)
    assert unknown_items(world)[0].closed_ms is not None


# Outages.


def test_a_round_ends_with_the_first_order_that_is_not_answered_for(world):
    for market in (BTC, ETH):
        world.exchange.next_answers = ["filled", "filled"]
        world.send(market, "1")
        world.send(market, "1")
    world.exchange.failing = {"look_up"}
    world.clock.sleep(5)
    report = world.reconciler.catch_up()
    assert looks_up(world) == 1
    assert report.errors == ("look_up: no answer",)
    world.exchange.failing.clear()
    assert len(world.reconciler.catch_up().adopted) == 4


def test_an_order_that_is_never_answered_for_keeps_no_other_from_the_books(world):
    world.send(BTC, "1")
    other = world.send(ETH, "1")
    adopt = world.books.adopt

    def failing(report, meant):
        if report.market == BTC:
            return world.exchange.look_up(replace(meant, client_order_id=_fail(world)))
        return adopt(report, meant)

    world.books.adopt = failing
    world.look_and_act()
    assert not is_booked(world, other)
    world.exchange.failing.clear()
    world.look_and_act()
    assert is_booked(world, other)


def _fail(world):
    world.exchange.failing = {"look_up"}
    return "fx-1"


def test_a_refused_order_stays_reported_while_others_are_not_answered_for(world):
    lost_exit(world)
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    world.send(ETH, "1")
    world.exchange.failing = {"look_up"}
    report = world.look_and_act(3)
    assert DifferenceKind.UNKNOWN in {each.kind for each in report.differences}
    assert report.errors == ("look_up: no answer",)
    assert [item.closed_ms for item in unknown_items(world)] == [None]
