"""Cards for a person: opened once, closed when the difference is gone, and decided upon.

Planted bugs, each found by the test in brackets: an item for each pass (opened_once); an item after
one look (seen_only_once); an item is closed while an order hides its difference
(hidden_by_an_order); an item is closed where its orders were not asked for (not_asked_for); a
decision is only obeyed where the policy acts anyway (decides_to_close); `ignore` falls back to the
policy (ignored_position); the item does not say what was done (says_what_was_done); a ghost is
shown in every loop, or is closed as a difference that is gone (a_card_once_and_until_it_is_known);
each open question is shown (only_being_asked_for); the items of an earlier process are not read
(outlives_a_restart); a failed write counts as shown
(takes_no_card, just_before_the_inbox_failed).
"""

from dataclasses import replace

import pytest

from freqtrade_ext.errors import StoreError
from freqtrade_ext.execution import Decision, DifferenceKind, IntentState, OrderOrigin
from freqtrade_ext.settings import PolicySettings

from .reconcile_doubles import BTC, ETH, D, World


@pytest.fixture
def world():
    return World()


def test_a_difference_is_opened_once_however_often_it_is_seen(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act(6)
    (item,) = world.inbox.items
    assert (item.kind, item.market, item.policy) == (
        DifferenceKind.UNKNOWN_POSITION,
        BTC,
        "report",
    )
    assert item.opened_ms == world.clock.ms - 4 * 5_000
    assert "the exchange holds 1, the books 0 (no trade)" in item.text


def test_a_difference_seen_only_once_is_shown_to_nobody(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act()
    world.exchange.trade(BTC, "-1")
    world.look_and_act(3)
    assert world.inbox.items == []


def test_an_item_is_closed_when_its_difference_is_gone_and_opened_anew_when_it_is_back(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    world.exchange.trade(BTC, "-1")
    world.look_and_act()
    assert [item.closed_ms for item in world.inbox.items] == [world.clock.ms]
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    first, second = world.inbox.items
    assert first.key == second.key
    assert second.closed_ms is None


def test_an_item_survives_a_restart(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    world.restart()
    world.look_and_act(3)
    assert len(world.inbox.items) == 1


def test_an_item_hidden_by_an_order_in_flight_stays_open_with_its_decision(world):
    world.policies = PolicySettings(manual_add="report")
    world.restart()
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    (item,) = world.inbox.open_items()
    world.inbox.decide(item.id, Decision.IGNORE)
    world.exchange.next_answers = ["dropped"]
    world.send(BTC, "1")
    world.look_and_act(2)
    (same,) = world.inbox.open_items()
    assert (same.id, same.decision) == (item.id, Decision.IGNORE)


def test_an_order_that_nobody_answers_for_is_a_card_once_and_until_it_is_known(world):
    ghost = a_ghost(world)
    world.reconciler.catch_up()
    world.look_and_act(3)
    (item,) = world.inbox.items
    assert (item.kind, item.market, item.policy) == (DifferenceKind.UNKNOWN, BTC, "report")
    assert f"whether {ghost.client_order_id} (entry, buy 1) reached the exchange" in item.text
    assert item.closed_ms is None
    world.look_and_act(6)  # half a minute: it is proven absent
    (item,) = world.inbox.items
    assert (item.action_taken, item.closed_ms is None) == ("it is absent now", False)


def test_an_order_that_is_only_being_asked_for_is_no_card(world):
    world.exchange.next_answers = ["dropped"]
    world.send(BTC, "1")
    world.look_and_act(2)
    assert world.inbox.items == []


def test_the_card_of_a_ghost_outlives_a_restart_and_is_closed_by_the_next_process(world):
    ghost = a_ghost(world)
    world.look_and_act(2)
    world.restart()
    world.look_and_act(1)
    assert len(world.inbox.open_items()) == 1
    world.restart()
    world.guard.intents[ghost.client_order_id] = ghost.step(IntentState.ABSENT, world.clock.ms)
    world.reconciler.catch_up()
    assert world.inbox.open_items() == []
    assert len(world.inbox.items) == 1


def test_an_inbox_that_takes_no_card_is_offered_it_again(world, monkeypatch):
    a_ghost(world)
    with monkeypatch.context() as broken:
        broken.setattr(world.inbox, "save", full)
        assert world.reconciler.catch_up().errors == ("disk full",)
    world.reconciler.catch_up()
    assert len(world.inbox.open_items()) == 1


def test_a_card_written_just_before_the_inbox_failed_is_closed_too(world, monkeypatch):
    world.reconciler.catch_up()
    ghosts = [a_ghost(world), a_ghost(world, ETH)]
    save, left = world.inbox.save, [1]
    with monkeypatch.context() as broken:
        broken.setattr(world.inbox, "save", lambda item: save(item) if left.pop() else None)
        with pytest.raises(IndexError):
            world.reconciler.catch_up()
    for ghost in ghosts:
        absent = ghost.step(IntentState.ABSENT, world.clock.ms)
        world.guard.intents[ghost.client_order_id] = absent
    world.reconciler.catch_up()
    assert world.inbox.open_items() == []
    assert len(world.inbox.items) == 1


def a_ghost(world, market=BTC):
    world.exchange.next_answers = ["dropped"]
    sent = world.send(market, "1")
    ghost = replace(world.guard.intents[sent.client_order_id], is_ghost=True)
    world.guard.intents[ghost.client_order_id] = ghost
    return ghost


def full(_item):
    raise StoreError("disk full")


def test_an_order_not_asked_for_is_not_gone(world):
    world.exchange.place(BTC, "1")
    world.look_and_act(2)
    world.look_and_act(2, markets={ETH})
    (item,) = world.inbox.open_items()
    assert item.kind is DifferenceKind.FOREIGN_ORDER
    world.look_and_act(1, markets={BTC})
    assert world.inbox.open_items() == [item]


def test_a_look_at_other_markets_does_not_make_an_order_new_again(world):
    world.exchange.place(BTC, "1")
    world.look_and_act()
    world.look_and_act(markets={ETH})
    world.look_and_act()
    assert len(world.inbox.items) == 1


def test_an_item_of_a_market_that_did_not_answer_stays_open(world):
    world.policies = PolicySettings(liquidation="report")
    world.restart()
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-1", OrderOrigin.LIQUIDATION)
    world.look_and_act(2)
    world.exchange.failing = {"orders"}
    world.look_and_act(seconds=100)
    kinds = [item.kind for item in world.inbox.open_items()]
    assert DifferenceKind.LIQUIDATION in kinds


def test_an_item_says_what_was_done(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    (item,) = world.inbox.items
    assert item.action_taken.startswith("closed the excess: sell 0.5, reduce-only (repair-")


def test_a_person_decides_to_close_what_the_policy_only_reports(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act(3)
    assert world.repairs == []
    world.inbox.decide(world.inbox.items[0].id, "close")
    world.look_and_act()
    assert world.exchange.held[BTC] == 0
    world.look_and_act()
    assert world.inbox.open_items() == []


def test_a_person_decides_to_keep_an_order_or_to_cancel_it(world):
    kept, canceled = world.exchange.place(BTC, "1"), world.exchange.place(BTC, "2")
    world.holds(BTC, "1")
    world.look_and_act(2)
    ids = {item.key.rsplit(":", 1)[1]: item.id for item in world.inbox.items}
    world.inbox.decide(ids[kept.venue_order_id], "adopt")
    world.inbox.decide(ids[canceled.venue_order_id], "close")
    world.look_and_act()
    assert world.exchange.canceled == [canceled.venue_order_id]
    assert world.books.adopted == [kept]
    assert world.look_and_act().is_silent


def test_an_ignored_position_is_left_alone_although_the_policy_would_close_it(world):
    world.policies = PolicySettings(manual_add="report")
    world.restart()
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    world.inbox.decide(world.inbox.items[0].id, Decision.IGNORE)
    world.policies = PolicySettings(manual_add="flatten")
    world.restart()
    world.look_and_act(4)
    assert world.repairs == []
    assert world.exchange.held[BTC] == 2


def test_an_ignored_excess_stays_ignored_when_the_trade_itself_grows(world):
    world.policies = PolicySettings(manual_add="report")
    world.restart()
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    world.inbox.decide(world.inbox.items[0].id, "ignore")
    sent = world.send(BTC, "3")
    world.look_and_act(4)
    assert world.books.read().held(BTC) == D(4)
    assert sent.venue_order_id in {each.venue_order_id for each in world.books.adopted}
    assert [item.decision for item in world.inbox.open_items()] == ["ignore"]
    assert world.repairs == []


def test_adopting_an_added_quantity_makes_it_part_of_the_trade(world):
    world.policies = PolicySettings(manual_add="report")
    world.restart()
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.25")
    world.look_and_act(2)
    world.inbox.decide(world.inbox.items[0].id, "adopt")
    world.look_and_act()
    assert world.books.read().held(BTC) == D("1.25")


def test_a_position_that_no_trade_can_take_says_so(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act(2)
    world.inbox.decide(world.inbox.items[0].id, "adopt")
    report = world.look_and_act()
    assert report.is_idle
    assert world.inbox.items[0].action_taken == ("not adopted: no order that the books could take")
