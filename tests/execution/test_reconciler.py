"""Looking, adopting, repairing; twice, late, and while the exchange does not answer.

Planted bugs, each found by the test in brackets: act after one look (one_look_is_not_enough,
although_it_is_explained); two looks for what is proven (close_by_others_is_adopted); an order of
ours is a stranger's (by_an_order_of_ours); any fitting order is proof (no_execution_makes_up); the
same snapshot counts twice (the_same_snapshot); repair what the old snapshot showed
(what_is_there_now); repair without reduce-only (reduce_only); repair in parts of lots
(whole_lots); a second repair while one is unsettled (keeper_says_is_being_repaired); a second
repair while positions lag (positions_lag); the repair is booked as a trade (is_no_trade); attempts
without end
(gives_up); attempt numbers start anew after a restart (after_a_restart); an order is adopted while
another thread books it (another_thread); a failed cause is a missing quantity
(did_not_answer_for_its_orders); written off at a price of nothing (last_execution,
entry_price); the whole trade is written off for a part (only_what_is_missing); a resting repair is
settled (fills_later); the closing order of an earlier trade is adopted (before_the_trade); an
order that ended unfilled becomes a trade (ended_unfilled); a refused order hides its market
(refused_order); a recovery writes off on one look what has only just changed
(lags_behind_a_fresh_fill); it waits everywhere (nothing_has_changed_of_late); passes that wait are
counted (does_not_count); it waits without end (never_rest) or in vain (longer_than_it_may); a
closed trade's orders explain nothing (only_just_closed); an addition is booked with our stop
(not_booked_with_our_stop), or never (took_away_again), or alone where more is held
(where_more_is_held_than_before); orders without a name are looked for (nobodys_stop).
"""

import re
from dataclasses import replace

import pytest

from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    BookedOrderRef,
    DifferenceKind,
    IntentPurpose,
    IntentState,
    OrderGuard,
    OrderKind,
    OrderOrigin,
    OrderSide,
    OrderStatus,
    Reconciler,
)
from freqtrade_ext.settings import PolicySettings

from .doubles import MemoryStore
from .reconcile_doubles import BTC, ETH, LOTS, OWN, START_MS, D, World, intent

CLIENT_ORDER_ID = re.compile(r"^[.A-Z:/a-z0-9_-]{1,36}$")


@pytest.fixture
def world():
    return World()


def world_with(**policies):
    return World(PolicySettings(**policies))


# Orders that were found.


def test_an_order_whose_answer_was_lost_becomes_a_trade(world):
    world.exchange.next_answers = ["lost"]
    sent = world.send(BTC, "1")
    report = world.look_and_act()
    assert [each.client_order_id for each in report.adopted] == [sent.client_order_id]
    assert report.differences == ()
    assert world.books.read().held(BTC) == 1
    assert world.guard.unbooked() == []
    assert world.look_and_act().is_silent


def test_an_order_that_the_books_have_already_is_not_entered_twice(world):
    sent = world.send(BTC, "1")
    world.books.adopt(world.exchange.history[0], sent)
    report = world.look_and_act()
    assert report.is_silent
    assert world.books.read().held(BTC) == 1
    assert world.guard.unbooked() == []


def test_an_order_that_another_thread_is_about_to_book_is_left_to_it(world):
    world.send(BTC, "1")
    assert world.look_and_act(seconds=1).is_silent
    assert world.books.adopted == []
    world.look_and_act(seconds=2)
    assert len(world.books.adopted) == 1


def test_an_order_that_ended_unfilled_needs_no_booking(world):
    world.exchange.next_answers = ["resting"]
    sent = world.send(BTC, "1")
    resting = world.exchange.resting.pop()
    ended = {"status": OrderStatus.EXPIRED}
    world.exchange.history.append(type(resting)(**{**_fields(resting), **ended}))
    assert world.look_and_act().is_silent
    assert world.guard.find(sent.client_order_id).is_booked
    assert world.books.trades == []


def _fields(report):
    return {name: getattr(report, name) for name in report.__slots__}


def test_an_order_that_cannot_be_looked_up_is_tried_again(world):
    world.send(BTC, "1")
    world.exchange.failing = {"look_up"}
    report = world.look_and_act()
    assert report.errors == ("look_up: no answer",)
    assert report.differences == ()
    world.exchange.failing.clear()
    assert world.look_and_act().adopted != ()


def test_a_refused_order_is_shown_and_hides_its_market_no_longer(world):
    world.exchange.next_answers = ["lost"]
    sent = world.send(BTC, "1")
    world.books.refusing = {sent.client_order_id}
    report = world.look_and_act(2)
    assert {each.kind for each in report.differences} == {
        DifferenceKind.UNKNOWN,
        DifferenceKind.UNKNOWN_POSITION,
    }
    texts = " ".join(item.text for item in world.inbox.open_items())
    assert "fx-1 (entry, buy 1) reached the exchange and is not in the books" in texts
    world.books.refusing.clear()
    world.look_and_act()
    assert world.look_and_act().is_silent
    assert world.inbox.open_items() == []


def test_an_order_that_the_exchange_has_forgotten_is_shown_after_a_while(world):
    sent = world.send(BTC, "1")
    world.exchange.hidden = {sent.client_order_id}
    assert world.look_and_act(seconds=599).differences == ()
    report = world.look_and_act(seconds=2)
    assert "the exchange does not know it any more" in report.differences[0].text


# When to act.


def test_one_look_is_not_enough_to_act(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    report = world.look_and_act()
    assert [each.kind for each in report.differences] == [DifferenceKind.MANUAL_ADD]
    assert report.actions == ()
    assert world.repairs == []


def test_the_same_snapshot_twice_is_one_look(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    seen = world.reconciler.look()
    for _ in range(3):
        world.reconciler.act(seen)
    assert world.repairs == []


def test_a_difference_that_comes_and_goes_is_never_acted_on(world):
    world.holds(BTC, "1")
    for _ in range(3):
        world.exchange.trade(BTC, "0.5")
        world.look_and_act()
        world.exchange.trade(BTC, "-0.5")
        world.look_and_act()
    assert world.repairs == []


def test_what_is_repaired_is_what_is_there_now(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.look_and_act()
    world.clock.sleep(5)
    old = world.reconciler.look()
    world.exchange.trade(BTC, "-0.5")
    report = world.reconciler.act(old)
    assert world.repairs == []
    assert report.actions[0].text == "it changed while it was looked at; looking again"


# Excess.


def test_an_added_quantity_is_closed_by_a_reduce_only_order_and_the_next_pass_is_silent(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    report = world.look_and_act(2)
    (repair,) = world.repairs
    assert (repair.side, repair.quantity, repair.kind) == (
        OrderSide.SELL,
        D("0.5"),
        OrderKind.MARKET,
    )
    assert repair.reduce_only
    assert repair.purpose is IntentPurpose.REPAIR
    assert CLIENT_ORDER_ID.match(repair.client_order_id)
    assert [action.is_done for action in report.actions] == [True]
    assert world.look_and_act().is_silent
    assert world.books.read().held(BTC) == world.exchange.held[BTC] == 1


def test_the_excess_of_a_short_is_bought_back(world):
    world.holds(BTC, "-1")
    world.exchange.trade(BTC, "-0.5")
    world.look_and_act(2)
    assert [(each.side, each.quantity) for each in world.repairs] == [(OrderSide.BUY, D("0.5"))]
    assert world.look_and_act().is_silent


def test_only_whole_lots_are_closed(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5009")
    world.look_and_act(2)
    assert world.repairs[0].quantity == D("0.5")
    assert world.look_and_act().differences == ()


def test_a_repair_is_no_trade_of_the_books(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(2)
    assert world.books.adopted == []
    assert world.guard.unbooked() == []


def test_no_second_repair_while_the_outcome_of_the_first_is_unknown(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.exchange.next_answers = ["dropped"]
    world.look_and_act(4)
    assert len(world.repairs) == 1
    world.look_and_act(1, seconds=40)  # given up by the guard
    world.look_and_act(2)
    assert len(world.repairs) == 2
    assert len({each.client_order_id for each in world.repairs}) == 2
    assert world.look_and_act().is_silent


def test_no_second_repair_of_a_market_that_keeper_says_is_being_repaired_is_being_repaired(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.books.flattening_intents = lambda market: [
        world.guard.find("r") or _repair_in_flight(market)
    ]
    report = world.look_and_act(2)
    assert report.actions[0].text == "waiting for repair order r"
    assert world.repairs == []


def _repair_in_flight(market):
    return intent(market, "-1", client_order_id="r", purpose=IntentPurpose.REPAIR)


def test_no_second_repair_while_positions_lag_behind_the_first(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.look_and_act()
    world.exchange.stale_positions = dict(world.exchange.held)
    world.look_and_act()
    world.exchange.history.clear()  # orders are listed late too
    for _ in range(4):
        world.look_and_act(seconds=0.7)
    assert len(world.repairs) == 1
    world.exchange.stale_positions = None
    assert world.look_and_act().is_silent


def test_a_repair_whose_answer_was_lost_is_settled_when_it_is_found(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.exchange.next_answers = ["lost"]
    world.look_and_act(2)
    world.look_and_act(2)
    assert len(world.repairs) == 1
    assert world.books.adopted == []
    assert world.look_and_act().is_silent


def test_a_repair_that_fills_later_is_in_flight_until_then(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.exchange.next_answers = ["resting"]
    world.look_and_act(5)
    (repair,) = world.repairs
    assert [each.client_order_id for each in world.guard.unbooked()] == [repair.client_order_id]
    world.exchange.fill_resting(repair.client_order_id)
    world.look_and_act()
    assert world.guard.unbooked() == []
    assert world.look_and_act().is_silent


def test_a_repair_that_is_rejected_is_tried_again_and_gives_up_after_five(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.exchange.next_answers = ["rejected"] * 20
    report = world.look_and_act(12)
    assert [each.attempt for each in world.repairs] == [1, 2, 3, 4, 5]
    assert report.is_idle
    assert report.actions[0].text == "5 repair orders did not help: close 0.5 by hand"
    assert world.inbox.open_items()[0].action_taken == report.actions[0].text


def test_after_a_restart_a_repair_does_not_reuse_a_name(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.exchange.next_answers = ["rejected"]
    world.clock.sleep(5)
    world.reconciler.run_until_quiet(1)
    world.clock.ms = START_MS + 5_000
    world.restart()
    world.reconciler.run_until_quiet(1)
    assert [each.attempt for each in world.repairs] == [1, 2]
    assert world.exchange.held[BTC] == 1


def test_an_unknown_position_is_only_reported_unless_the_policy_says_so(world):
    world.exchange.trade(BTC, "1")
    assert world.look_and_act(3).is_idle
    closing = world_with(unknown_position="flatten")
    closing.exchange.trade(BTC, "1")
    closing.look_and_act(2)
    assert closing.exchange.held[BTC] == 0
    assert world.exchange.held[BTC] == 1


def test_positions_of_the_owner_are_never_touched(world):
    closing = world_with(unknown_position="flatten", foreign_order="flatten")
    closing.exchange.trade(OWN, "500")
    closing.exchange.place(OWN, "5")
    report = closing.look_and_act(3)
    assert report.is_silent
    assert [each.market for each in report.others] == [OWN]
    assert (closing.exchange.held[OWN], closing.exchange.canceled) == (D(500), [])


# Smaller on the exchange.


@pytest.mark.parametrize("origin", list(OrderOrigin))
@pytest.mark.parametrize("part", ["-1", "-0.4"])
def test_a_close_by_others_is_adopted_into_the_books(world, origin, part):
    world.holds(BTC, "1")
    closing = world.exchange.trade(BTC, part, origin)
    report = world.look_and_act()  # one look: the execution is there, to the digit
    assert report.adopted == (closing,)
    assert world.books.written_off == []
    assert world.books.read().held(BTC) == 1 + D(part)
    assert world.look_and_act().is_silent


def test_a_close_that_no_execution_makes_up_takes_two_looks(world):
    """The order fits, and something else is missing too: it may be on its way."""
    world.holds(BTC, "0.9", booked="1")
    closing = world.exchange.trade(BTC, "-0.4")
    assert world.look_and_act().actions == ()
    assert closing in world.look_and_act().adopted


def test_what_others_added_is_not_booked_with_our_stop_that_closes_the_trade(world):
    """Freqtrade closes the whole trade at the stop's price; the addition is still held."""
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    name = world.exchange.trade(BTC, "-1").client_order_id
    stop = intent(BTC, "-1", client_order_id=name, purpose=IntentPurpose.STOP, reduce_only=True)
    world.guard.intents[name] = stop
    world.look_and_act(2)
    assert [each.signed_filled for each in world.books.adopted] == [D(-1)]
    assert world.books.read().held(BTC) == 0
    (left,) = world.look_and_act().differences
    assert (left.kind, left.gap) == (DifferenceKind.UNKNOWN_POSITION, D("0.5"))


def test_a_stop_is_booked_with_what_others_added_where_more_is_held_than_before():
    """Books 10; a person bought 13, our stop sold 10: 13 are held, and both orders say why."""
    world = world_with(manual_add="adopt")
    world.holds(BTC, "10")
    world.exchange.trade(BTC, "13")
    name = world.exchange.trade(BTC, "-10").client_order_id
    stop = intent(BTC, "-10", client_order_id=name, purpose=IntentPurpose.STOP, reduce_only=True)
    world.guard.intents[name] = stop
    world.look_and_act(2)
    assert [each.signed_filled for each in world.books.adopted] == [D(13), D(-10)]
    assert world.books.read().held(BTC) == 13


def test_an_order_without_a_client_order_id_is_nobodys_stop(world, monkeypatch):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-0.4")
    world.exchange.history[0] = replace(world.exchange.history[0], client_order_id="")
    asked, find = [], world.guard.find
    monkeypatch.setattr(world.guard, "find", lambda name: asked.append(name) or find(name))
    world.look_and_act(2)
    assert [each.signed_filled for each in world.books.adopted] == [D("-0.4")]
    assert "" not in asked


def test_what_others_added_and_took_away_again_is_booked(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.exchange.trade(BTC, "-1")
    world.look_and_act(2)
    assert [each.signed_filled for each in world.books.adopted] == [D("0.5"), D(-1)]
    assert world.books.read().held(BTC) == D("0.5")


def test_a_close_by_an_order_of_ours_takes_two_looks(world):
    """Its trade may only be late to book it."""
    world.holds(BTC, "1")
    name = world.exchange.trade(BTC, "-0.4").client_order_id
    world.guard.intents[name] = intent(BTC, "-0.4", client_order_id=name, reduce_only=True)
    assert world.look_and_act().actions == ()
    assert world.look_and_act().actions != ()


def test_what_somebody_added_takes_two_looks_although_it_is_explained(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.4")
    assert world.look_and_act().actions == ()
    assert world.look_and_act().actions != ()


def test_only_what_is_missing_is_written_off_at_the_mark_price(world):
    world.holds(BTC, "0.7", booked="1")
    world.exchange.mark = D(104)
    world.look_and_act(2)
    assert world.books.written_off == [(world.books.trades[0].trade_id, D("0.3"), D(104))]
    world.exchange.mark = D(100)
    assert world.look_and_act().is_silent


def test_a_trade_that_is_gone_is_written_off_at_the_price_of_the_last_execution(world):
    world.holds(BTC, "0", booked="1")
    large = world.exchange.trade(BTC, "-5")
    world.exchange.trade(BTC, "5")
    world.exchange.history[:] = [type(large)(**{**_fields(large), "average_price": D(90)})]
    world.look_and_act(2)
    assert [(quantity, price) for _, quantity, price in world.books.written_off] == [(D(1), D(90))]


def test_without_any_price_a_trade_is_written_off_at_its_entry_price(world):
    world.holds(BTC, "0", booked="-1")
    report = world.look_and_act(2)
    assert [(quantity, price) for _, quantity, price in world.books.written_off] == [(D(1), D(100))]
    assert "entry price, for want of another" in report.actions[0].text
    assert world.look_and_act().is_silent


def test_a_write_off_that_the_books_refuse_is_said(world):
    world.holds(BTC, "0.7", booked="1")
    world.books.takes_write_offs = False
    report = world.look_and_act(2)
    assert report.is_idle
    assert report.actions[0].text.startswith("only 0 could be written off")


def test_orders_before_the_trade_was_opened_are_not_adopted(world):
    world.exchange.trade(BTC, "-0.3")
    world.clock.sleep(10)
    world.exchange.next_answers = ["lost"]
    world.exchange.held[BTC] = D(0)
    world.send(BTC, "1")
    world.look_and_act()
    world.exchange.held[BTC] = D("0.7")
    world.look_and_act(2)
    assert [quantity for _, quantity, _ in world.books.written_off] == [D("0.3")]


def test_orders_of_trades_that_are_closed_are_not_adopted(world):
    world.holds(BTC, "1")
    known = world.exchange.trade(BTC, "-0.3")
    world.books.known.add(known.venue_order_id)
    world.look_and_act(2)
    assert known not in world.books.adopted
    assert [quantity for _, quantity, _ in world.books.written_off] == [D("0.3")]


def test_a_trade_on_the_other_side_is_closed_in_the_books_and_the_rest_is_unknown(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-1.5")
    world.look_and_act(4)
    assert world.books.trades == []
    assert world.look_and_act().differences[0].kind is DifferenceKind.UNKNOWN_POSITION
    assert world.exchange.held[BTC] == D("-0.5")


def test_flatten_after_a_partial_close_ends_the_leg_and_the_books_follow():
    world = world_with(external_close="flatten")
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-0.4")
    world.look_and_act(2)
    assert [(each.side, each.quantity) for each in world.repairs] == [(OrderSide.SELL, D("0.6"))]
    world.look_and_act(4)
    assert world.books.trades == []
    assert world.exchange.held[BTC] == 0
    assert world.look_and_act().is_silent


def test_an_external_close_after_a_repair_is_told_from_what_was_repaired(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.look_and_act(3)
    closing = world.exchange.trade(BTC, "-0.25")
    world.look_and_act(2)
    assert world.books.adopted == [closing]
    assert world.look_and_act().is_silent


# Orders.


def test_a_foreign_order_is_reported_or_canceled_by_policy(world):
    world.exchange.place(BTC, "1")
    world.look_and_act(3)
    assert world.exchange.canceled == []
    canceling = world_with(foreign_order="flatten")
    placed = canceling.exchange.place(BTC, "1")
    canceling.look_and_act(2)
    assert canceling.exchange.canceled == [placed.venue_order_id]
    assert canceling.look_and_act().is_silent


def stale_order(world):
    sent = world.send(BTC, "1")
    world.guard.mark_booked(sent.client_order_id)
    world.exchange.held[BTC] = D(0)
    world.exchange.history.clear()
    world.clock.sleep(60)
    return world.exchange.place(BTC, "1", sent.client_order_id)


def test_a_stale_order_of_ours_is_canceled(world):
    placed = stale_order(world)
    report = world.look_and_act(2)
    assert [each.kind for each in report.differences] == [DifferenceKind.STALE_ORDER]
    assert world.exchange.canceled == [placed.venue_order_id]
    assert world.look_and_act().is_silent


def test_a_stale_order_is_adopted_by_policy():
    world = world_with(stale_order="adopt")
    placed = stale_order(world)
    world.look_and_act(2)
    assert world.books.adopted == [placed]
    assert world.look_and_act().is_silent


def test_a_stale_order_that_the_books_have_ended_cannot_be_adopted():
    world = world_with(stale_order="adopt")
    placed = stale_order(world)
    world.books.known.add(placed.venue_order_id)
    report = world.look_and_act(3)
    assert report.actions[0].text == ("not adopted: the books show it as ended; cancel it instead")
    assert report.is_idle


# Failures.


@pytest.mark.parametrize("query", ["positions", "open_orders"])
def test_a_look_that_fails_raises_and_changes_nothing(world, query):
    world.holds(BTC, "1")
    world.exchange.failing = {query}
    with pytest.raises(VenueError, match="no answer"):
        world.look_and_act()


def test_a_market_that_did_not_answer_for_its_orders_is_left_as_it_is(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-1", OrderOrigin.LIQUIDATION)
    world.exchange.failing = {"orders"}
    report = world.look_and_act(3)
    assert [each.kind for each in report.differences] == [DifferenceKind.UNKNOWN]
    assert report.errors == ("orders: no answer",)
    assert world.books.written_off == world.books.adopted == []
    world.exchange.failing.clear()
    world.look_and_act(2)
    assert len(world.books.adopted) == 1


def test_an_added_quantity_is_not_closed_while_its_orders_cannot_be_asked_for(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "1")
    world.exchange.failing = {"orders"}
    world.look_and_act(4)
    assert world.repairs == []


def test_a_repair_that_fails_is_tried_again_in_the_next_pass():
    world = world_with(foreign_order="flatten")
    world.exchange.place(BTC, "1")
    world.exchange.failing = {"cancel"}
    report = world.look_and_act(2)
    assert report.errors == (f"{BTC}: cancel: no answer",)
    assert not report.is_idle
    world.exchange.failing.clear()
    world.look_and_act()
    assert world.look_and_act().is_silent


def test_a_failing_repair_does_not_stop_the_others():
    world = world_with(foreign_order="flatten")
    world.exchange.place(BTC, "1")
    world.holds(ETH, "1")
    world.exchange.trade(ETH, "1")
    cancel, world.exchange.cancel = world.exchange.cancel, _no_answer
    report = world.look_and_act(2)
    assert len(report.errors) == 1
    assert world.exchange.held[ETH] == 1
    world.exchange.cancel = cancel


def _no_answer(order):
    raise VenueError("no answer")


def test_a_store_that_fails_ends_the_pass_with_an_error(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "1")
    world.look_and_act()

    def refuse(intents):
        raise StoreError("disk full")

    world.guard.send = refuse
    report = world.look_and_act()
    assert report.errors == ("disk full",)
    assert not report.is_silent


def test_a_reported_difference_is_not_asked_about_at_every_look(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act(20)
    # 100 s of looks: three at once, then one a minute.
    assert world.exchange.asked.count("orders") == 4


def test_a_reported_difference_that_has_changed_is_asked_about_at_once(world):
    world.exchange.trade(BTC, "1")
    world.look_and_act(5)
    assert world.exchange.asked.count("orders") == 3
    world.exchange.trade(BTC, "1")
    world.look_and_act()
    assert world.exchange.asked.count("orders") == 4


# Recovery.


def test_recovery_takes_up_a_lost_order_and_is_quiet(world):
    world.exchange.next_answers = ["lost"]
    world.send(BTC, "1")
    reports = world.reconciler.run_until_quiet()
    assert reports.is_quiet
    assert reports.unresolved == ()
    assert world.books.read().held(BTC) == 1


def test_recovery_waits_until_an_order_is_proven_absent(world):
    world.exchange.next_answers = ["dropped"]
    world.send(BTC, "1")
    reports = world.reconciler.run_until_quiet()
    assert reports.is_quiet
    assert world.guard.find("fx-1").state is IntentState.ABSENT
    assert 30_000 <= world.clock.ms - START_MS < 35_000


@pytest.mark.parametrize("seconds", [2.5, 1.0])
def test_recovery_asks_no_longer_than_it_may_and_the_loop_goes_on(seconds):
    """Seconds of a start, however long absence takes to prove; its market is in flight by then."""
    world = World()
    world.restart(settling_seconds=seconds)
    world.holds(BTC, "1")
    world.exchange.next_answers = ["dropped"]
    sent = world.send(BTC, "-1", reduce_only=True, purpose=IntentPurpose.UNWIND)
    world.exchange.trade(ETH, "1")
    reports = world.reconciler.run_until_quiet()
    assert world.clock.ms - START_MS == seconds * 1000
    assert [each.client_order_id for each in reports.unresolved] == [sent.client_order_id]
    world.look_and_act(6)
    assert world.guard.find(sent.client_order_id).state is IntentState.ABSENT


def test_recovery_takes_its_time_from_its_beginning(world):
    """What it has asked for so long is not waited for again."""
    world.restart(settling_seconds=2.5)
    world.exchange.next_answers = ["dropped"]
    world.send(ETH, "1")
    just_filled(world, BTC, "1")
    shows_at(world, 60_000, {})
    begun_ms = world.clock.ms
    world.books.trades[:] = [replace(world.books.trades[0], changed_ms=begun_ms + 1_000)]
    reports = world.reconciler.run_until_quiet()
    assert [each.market for each in reports.last.deferred] == [BTC]
    assert world.clock.ms - begun_ms <= 2_500


def test_recovery_does_not_wait_for_ever(world):
    world.exchange.next_answers = ["dropped"]
    world.send(BTC, "1")
    world.exchange.failing = {"look_up"}
    reports = world.reconciler.run_until_quiet()
    assert [each.client_order_id for each in reports.unresolved] == ["fx-1"]
    assert world.clock.ms - START_MS < 40_000


def test_recovery_repairs_after_one_look_and_waits_for_the_positions(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.holds(ETH, "1")
    world.exchange.trade(ETH, "-1")
    reports = world.reconciler.run_until_quiet()
    assert reports.is_quiet
    assert len(world.repairs) == 1
    assert [each.market for each in world.books.adopted] == [ETH]
    assert reports.last.differences == ()
    assert world.clock.ms - START_MS <= 5_000


def test_recovery_waits_until_positions_show_its_repair(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    before, ask = dict(world.exchange.held), world.exchange.positions

    def lagging():
        is_late = world.clock.ms < START_MS + 2_500
        world.exchange.stale_positions = before if is_late else None
        return ask()

    world.exchange.positions = lagging
    reports = world.reconciler.run_until_quiet()
    assert len(world.repairs) == 1
    assert reports.is_quiet
    assert reports.last.deferred == ()


def just_filled(world, market, quantity):
    """Let a trade be entered a moment ago, which the position does not show yet."""
    world.holds(market, quantity)
    (held,) = world.books.trades
    world.books.trades[:] = [replace(held, changed_ms=world.clock.ms)]
    world.clock.sleep(1)


def shows_at(world, ms, before):
    """Let positions be those of before until so many ms after the start."""
    ask = world.exchange.positions

    def lagging():
        is_late = world.clock.ms < START_MS + ms
        world.exchange.stale_positions = before if is_late else None
        return ask()

    world.exchange.positions = lagging


def test_recovery_waits_for_a_position_that_lags_behind_a_fresh_fill(world):
    just_filled(world, BTC, "1")
    shows_at(world, 2_500, {})
    reports = world.reconciler.run_until_quiet(1)
    assert reports.is_quiet
    assert world.books.written_off == []
    assert reports.last.is_silent
    assert world.clock.ms - START_MS <= 3_500


def test_recovery_decides_when_a_fresh_fill_has_had_its_time(world):
    just_filled(world, BTC, "1")
    world.exchange.held[BTC] = D("0.4")
    reports = world.reconciler.run_until_quiet(2)
    assert reports.is_quiet
    assert [quantity for _, quantity, _ in world.books.written_off] == [D("0.6")]
    assert world.clock.ms - START_MS <= 5_000


def test_recovery_waits_for_nothing_where_nothing_has_changed_of_late(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-1")
    world.reconciler.run_until_quiet()
    assert world.books.trades == []
    assert world.clock.ms - START_MS < 1_000


def test_recovery_does_not_wait_for_a_fresh_fill_that_the_position_shows(world):
    just_filled(world, BTC, "1")
    assert len(world.reconciler.run_until_quiet().passes) == 1


def test_recovery_waits_for_a_position_that_its_trade_has_only_just_closed():
    world = world_with(unknown_position="flatten")
    world.exchange.trade(BTC, "1")
    world.clock.sleep(60)
    before = dict(world.exchange.held)
    sent = world.send(BTC, "-1", reduce_only=True, purpose=IntentPurpose.EXIT)
    world.guard.mark_booked(sent.client_order_id)
    world.books.known = {each.venue_order_id for each in world.exchange.history}
    shows_at(world, 62_000, before)
    reports = world.reconciler.run_until_quiet(1)
    assert world.repairs == []
    assert reports.is_quiet
    assert reports.last.is_silent


def test_recovery_does_not_count_the_passes_in_which_it_only_waits(world):
    just_filled(world, BTC, "1")
    world.holds(ETH, "1")
    world.exchange.trade(ETH, "0.5")
    shows_at(world, 2_500, {ETH: D("1.5")})
    reports = world.reconciler.run_until_quiet(2)
    assert reports.is_quiet
    assert len(reports.passes) > 2


def test_recovery_does_not_wait_for_books_that_never_rest(world):
    just_filled(world, BTC, "1")
    world.exchange.held[BTC] = D(0)
    read = world.books.read

    def changing():
        (held,) = read().trades
        return replace(read(), trades=(replace(held, changed_ms=world.clock.ms),))

    world.books.read = changing
    reports = world.reconciler.run_until_quiet(3)
    assert not reports.is_quiet
    assert world.books.written_off == []
    assert world.clock.ms - START_MS - 1_000 <= 5_000


def test_recovery_does_not_wait_for_what_takes_longer_than_it_may(world):
    stopped = intent(BTC, "-1", client_order_id="s", purpose=IntentPurpose.STOP)
    world.holds(BTC, "1")
    fill = world.exchange._fill(BTC, D(-1), "s")
    ref = BookedOrderRef(fill.venue_order_id, BTC, is_open=True, is_stop=True)
    world.books.trades[:] = [replace(world.books.trades[0], orders=(ref,))]
    world.guard.intents["s"] = replace(stopped, venue_order_id=fill.venue_order_id)
    reports = world.reconciler.run_until_quiet(3)
    assert len(reports.passes) == 1  # the bot books its stop itself
    assert not reports.is_quiet
    assert world.books.written_off == []
    assert world.clock.ms == START_MS


def test_a_second_recovery_is_silent(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.reconciler.run_until_quiet()
    world.restart()
    world.clock.sleep(5)
    (report,) = world.reconciler.run_until_quiet().passes
    assert report.is_silent


def test_recovery_without_an_exchange_says_so_and_changes_nothing(world):
    world.holds(BTC, "1")
    world.exchange.failing = {"positions"}
    reports = world.reconciler.run_until_quiet(3)
    assert reports.snapshot is None
    assert not reports.is_quiet
    assert [each.errors for each in reports.passes] == [("positions: no answer",)] * 3
    assert world.books.read().held(BTC) == 1


def test_recovery_goes_on_when_the_exchange_answers_again(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-1")
    ask, fates = world.exchange.positions, [VenueError("later")]

    def positions():
        if fates:
            raise fates.pop()
        return ask()

    world.exchange.positions = positions
    reports = world.reconciler.run_until_quiet()
    assert reports.is_quiet
    assert world.books.trades == []


def test_recovery_ends_after_its_passes():
    world = world_with(foreign_order="flatten")
    world.exchange.place(BTC, "1")
    world.exchange.cancel = lambda order: None  # never works
    reports = world.reconciler.run_until_quiet(3)
    assert (len(reports.passes), reports.is_quiet) == (3, False)


def test_the_order_guard_of_this_package_fits(world):
    guard = OrderGuard(world.exchange, MemoryStore(), world.clock)
    reconciler = Reconciler(
        world.exchange,
        guard,
        world.books,
        PolicySettings(),
        world.inbox,
        world.clock,
        LOTS.__getitem__,
    )
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    world.exchange.next_answers = ["lost"]
    assert reconciler.run_until_quiet().is_quiet
    assert world.exchange.held[BTC] == 1
    assert guard.unbooked() == []


def test_what_cannot_wait_is_done_once_after_the_first_look_that_succeeds(world):
    """The books have by then what was found; positions may lag behind for seconds more."""
    world.exchange.next_answers = ["lost"]
    world.send(BTC, "1")
    done, ask = [], world.exchange.positions

    def fails_once():
        world.exchange.positions = ask
        raise VenueError("positions: no answer")

    world.exchange.positions = fails_once
    world.reconciler.run_until_quiet(
        then=lambda: done.append((world.books.read().held(BTC), world.clock.ms))
    )
    ((held, done_ms),) = done
    assert held == 1
    assert done_ms < world.clock.ms
