"""Freqtrade's own exchange object sends its orders through the guard, to a served exchange.

Bugs planted by hand, each caught by the test named:

1. the companion is sent by itself -> test_the_companion_leaves_in_the_same_request
2. the companion's leverage is not set -> test_the_companion_gets_its_leverage_and_margin_mode
3. a companion without leverage goes along -> test_a_companion_whose_leverage_fails_stays
4. a forced order is named anew while its earlier one is open ->
   test_a_forced_order_with_an_open_question_is_not_sent_twice
5. orders of a spread are taken for forced ones -> test_an_order_of_a_spread_is_not_a_forced_one
6. the error of ccxt is replaced -> test_freqtrade_gets_the_errors_that_it_knows
7. an unknown outcome is reported as a refusal ->
   test_an_order_that_an_earlier_process_may_have_sent_is_a_time_out
8. an error of the owner's store ends the bot -> test_an_owner_that_cannot_save_sends_nothing
9. an accepted order that is denied is gone -> test_an_accepted_order_that_is_denied_is_not_gone
10. it is never gone -> test_after_three_days_a_denial_is_believed
11. an order of somebody else that is denied is kept -> test_other_orders_may_be_gone
12. leverage is sent every time -> test_leverage_and_margin_mode_are_set_once
13. leverage is remembered although it failed -> test_a_setting_that_failed_is_sent_again
14. a margin mode that was set already is asked for again ->
    test_a_margin_mode_that_was_set_already_is_known_from_then_on
15. `remove` forgets a method -> test_a_removed_gate_leaves_nothing_behind
16. a stop is a market order -> test_a_stop_is_written_down_with_its_trigger
17. the serial number stands still -> test_two_forced_orders_are_two_orders
18. the exchange's leverages are not learnt -> test_what_is_set_already_is_not_sent
19. an order that was accepted and never booked is sent again ->
    test_an_accepted_order_that_never_reached_the_books_is_the_same_order
21. an order is booked twice ->
    test_an_order_that_the_books_show_is_never_the_answer_to_another_request
20. Freqtrade's own search for lost orders is answered ->
    test_freqtrades_own_search_for_lost_orders_finds_none_and_reconciliation_does
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import ccxt
import pytest
from freqtrade.enums import MarginMode
from freqtrade.exceptions import (
    DDosProtection,
    ExchangeError,
    InsufficientFundsError,
    InvalidOrderException,
    TemporaryError,
)
from freqtrade.persistence import Trade
from sqlalchemy.exc import OperationalError

from freqtrade_ext.adapters._order_gate import OrderGate
from freqtrade_ext.adapters.execution_store import IntentTable
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import IntentPurpose, IntentState, OrderKind, OrderSide
from freqtrade_ext.sandbox import Effect

from .execution_doubles import (
    ALGO,
    BATCH,
    BTC,
    ETH,
    ORDER,
    PATIENCE,
    D,
    ManualClock,
    fresh,
    intent,
    serve,
)

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)

LEVERAGE, MARGIN = "POST /fapi/v1/leverage", "POST /fapi/v1/marginType"
DAY_MS = 86_400_000


class Owner:
    """Claims what a test tells it to claim, and remembers what it was asked."""

    def __init__(self):
        self.claims = []
        self.following = []
        self.outcomes = []
        self.asked = []
        self.error = None
        self.purpose = IntentPurpose.FORCED

    def claim(self, asked):
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return self.claims

    def react(self, outcomes):
        self.outcomes.append(outcomes)
        return self.following

    def held(self, market):
        return D("0.7")

    def counted(self, market):
        return {"41": D("0.7")}

    def trade_of(self, market):
        return 12

    def purpose_of(self, asked):
        return self.purpose

    def said_of(self, market, *, reduce_only):
        return "MANUAL" if reduce_only else ""


class Stage:
    def __init__(self, bench):
        from freqtrade_ext.execution import OrderGuard

        self.bench, self.owner, self.clock = bench, Owner(), ManualClock()
        self.booked = set()
        self.exchange, self.api = bench.exchange, bench.api
        self.store = IntentTable(Trade.session.get_bind())
        self.venue = bench.venue()
        self.guard = OrderGuard(self.venue, self.store, self.clock, PATIENCE)
        self.gate = OrderGate(
            self.exchange, self.venue, self.guard, self.owner, self.store.by_venue_order,
            lambda market, order_id: order_id in self.booked, self.clock,
        )  # fmt: skip
        self.gate.install([BTC, ETH])

    def order(self, market=BTC, side="buy", amount=0.1, **more):
        """Let Freqtrade's exchange object send an order."""
        fields = {"ordertype": "market", "rate": 100.0, "leverage": 2.0}
        return self.exchange.create_order(pair=market, side=side, amount=amount, **(fields | more))

    def stop(self, trigger=50.0, amount=0.1):
        return self.exchange.create_stoploss(
            BTC, amount, trigger, {"stoploss": "market"}, "sell", 2.0
        )

    @property
    def intents(self):
        return self.store.since(0)


@pytest.fixture
def stage(bench, database):
    stage = Stage(bench)
    yield stage
    stage.gate.remove()


# Names


def test_a_claimed_order_is_sent_under_its_name(stage):
    meant = intent(BTC, "0.1", owner="ETH-BTC", leg="B")
    stage.owner.claims = [meant]
    order = stage.order()
    assert (order["status"], order["filled"]) == ("closed", 0.1)
    assert order["clientOrderId"] == meant.client_order_id
    assert stage.bench.accepted(meant.client_order_id) == 1
    (asked,) = stage.owner.asked
    assert (asked.market, asked.side, asked.kind, asked.quantity, asked.price) == (
        BTC, OrderSide.BUY, OrderKind.MARKET, D("0.1"), None,
    )  # fmt: skip
    (saved,) = stage.intents
    assert (saved.state, saved.venue_order_id) == (IntentState.CONFIRMED, order["id"])


def test_it_is_written_down_before_it_is_sent(stage):
    stage.owner.claims = [intent(BTC, "0.1", client_order_id="x-first")]
    found = []
    stage.bench.fault(ORDER, Effect.CALL(before=lambda call: found.append(
        IntentTable(Trade.session.get_bind()).find("x-first")
    )))  # fmt: skip
    stage.order()
    assert [one.state for one in found] == [IntentState.WRITTEN]


def test_an_unclaimed_order_gets_a_name_of_its_own(stage):
    order = stage.order(side="sell", amount=0.2)
    (saved,) = stage.intents
    assert saved.client_order_id == order["clientOrderId"]
    assert saved.client_order_id.startswith("fx-")
    assert len(saved.client_order_id) <= 36
    assert (saved.purpose, saved.owner, saved.tag) == (IntentPurpose.FORCED, None, "")
    assert (saved.held_before, saved.quantity, saved.side) == (D("0.7"), D("0.2"), OrderSide.SELL)
    assert saved.counted == {"41": D("0.7")}
    assert saved.leverage == 2.0


@pytest.mark.parametrize(
    ("purpose", "letter"),
    [(IntentPurpose.ENTRY, "-e"), (IntentPurpose.TRIM, "-t"), (IntentPurpose.EXIT, "-x")],
)
def test_an_unclaimed_order_is_what_its_owner_says(stage, purpose, letter):
    stage.owner.purpose = purpose
    stage.order(side="sell", amount=0.2)
    (saved,) = stage.intents
    assert saved.purpose is purpose
    assert letter in saved.client_order_id
    stage.stop(50.0)  # nobody is asked about a stop
    assert {one.kind: one.purpose for one in stage.intents}[OrderKind.STOP] is IntentPurpose.STOP


def test_a_limit_order_keeps_its_price(stage):
    order = stage.order(ordertype="limit", rate=60.0)
    (asked,) = stage.owner.asked
    assert (asked.kind, asked.price) == (OrderKind.LIMIT, D("60.0"))
    assert (order["status"], order["price"]) == ("open", 60.0)


def test_a_forced_exit_says_so(stage):
    stage.order()
    stage.order(side="sell", reduceOnly=True)
    assert stage.owner.asked[-1].reduce_only
    assert stage.intents[-1].tag == "MANUAL"
    assert stage.bench.held(BTC) == 0


def test_a_stop_is_written_down_with_its_trigger(stage):
    stage.order()
    with stage.bench.requests() as seen:
        order = stage.stop(50.0)
    assert ALGO in seen
    (asked,) = stage.owner.asked[1:]
    assert (asked.kind, asked.price, asked.reduce_only) == (OrderKind.STOP, D("50.0"), True)
    saved = stage.intents[-1]
    assert (saved.purpose, saved.kind) == (IntentPurpose.STOP, OrderKind.STOP)
    assert (saved.venue_order_id, saved.price) == (order["id"], D("50.0"))
    assert "-s" in saved.client_order_id


def test_two_forced_orders_are_two_orders(stage):
    for _ in range(2):
        stage.order()
        stage.guard.mark_booked(stage.intents[-1].client_order_id)
    names = {one.client_order_id for one in stage.intents}
    assert len(names) == 2
    assert stage.bench.held(BTC) == D("0.2")


# Two legs


def pair_of_legs():
    return [
        intent(BTC, "0.1", owner="ETH-BTC", leg="B"),
        intent(ETH, "-0.4", owner="ETH-BTC", leg="A", leverage=3.0),
    ]


def test_the_companion_leaves_in_the_same_request(stage):
    stage.order()  # settings are known from here on
    stage.order(market=ETH, amount=0.4, leverage=3.0)
    legs = stage.owner.claims = pair_of_legs()
    with stage.bench.requests() as seen:
        order = stage.order()
    assert seen == [BATCH]
    assert order["clientOrderId"] == legs[0].client_order_id
    assert all(stage.bench.accepted(leg.client_order_id) == 1 for leg in legs)


def test_the_companion_gets_its_leverage_and_margin_mode(stage):
    stage.owner.claims = pair_of_legs()
    stage.order()
    position = stage.bench.server.call(lambda: stage.bench.server.exchange.position("ETHUSDT"))
    assert position.leverage == 3
    assert stage.gate._margin_mode[ETH] == "isolated"


def test_the_second_ask_of_an_order_is_not_sent_again(stage):
    legs = stage.owner.claims = pair_of_legs()
    stage.order()
    stage.owner.claims = [legs[1]]
    with stage.bench.requests() as seen:
        order = stage.order(market=ETH, side="sell", amount=0.4, leverage=3.0)
    assert seen == ["GET /fapi/v1/order"]
    assert (order["clientOrderId"], order["filled"]) == (legs[1].client_order_id, 0.4)
    assert stage.bench.accepted(legs[1].client_order_id) == 1
    assert stage.bench.held(ETH) == D("-0.4")


def test_the_error_is_the_asked_orders_own(stage):
    """Not the companion's, which has arrived."""
    legs = stage.owner.claims = pair_of_legs()
    stage.bench.fault("ORDER", Effect.REJECT(-2019), match={"symbol": "BTCUSDT"})
    with pytest.raises(InsufficientFundsError):
        stage.order()
    assert [one.state for one in map(stage.store.find, [leg.client_order_id for leg in legs])] == [
        IntentState.REJECTED, IntentState.CONFIRMED,
    ]  # fmt: skip


def test_a_companion_whose_leverage_fails_stays(stage, caplog):
    stage.gate.forget_settings(ETH)
    stage.owner.claims = legs = pair_of_legs()
    # Freqtrade tries a leverage five times.
    stage.bench.fault(LEVERAGE, Effect.REJECT(-4028), match={"symbol": "ETHUSDT"}, times=5)
    order = stage.order()
    assert order["clientOrderId"] == legs[0].client_order_id
    assert stage.bench.accepted(legs[1].client_order_id) == 0
    assert "does not go along" in caplog.text


def test_a_reducing_companion_needs_no_leverage(stage):
    stage.order()
    stage.order(market=ETH, side="sell", amount=0.4)
    stage.gate.forget_settings(ETH)
    stage.owner.claims = [
        intent(BTC, "-0.1", reduce_only=True), intent(ETH, "0.4", reduce_only=True),
    ]  # fmt: skip
    with stage.bench.requests() as seen:
        stage.order(side="sell", reduceOnly=True)
    assert seen == [BATCH]
    assert (stage.bench.held(BTC), stage.bench.held(ETH)) == (0, 0)


def test_orders_that_must_follow_leave_at_once(stage):
    """The first leg failed, the second has arrived: it is closed before Freqtrade hears of it."""
    stage.owner.claims = legs = pair_of_legs()
    close = intent(ETH, "0.4", reduce_only=True, owner="ETH-BTC", leg="A")
    stage.owner.following = [close]
    stage.bench.fault("ORDER", Effect.REJECT(-2019), match={"symbol": "BTCUSDT"})
    with pytest.raises(InsufficientFundsError):
        stage.order()
    ((first, second),) = stage.owner.outcomes
    assert (first.intent.state, second.intent.state) == (
        IntentState.REJECTED, IntentState.CONFIRMED,
    )  # fmt: skip
    assert second.report.client_order_id == legs[1].client_order_id
    assert stage.bench.accepted(close.client_order_id) == 1
    assert stage.bench.held(ETH) == 0


# Lost answers and refusals


def test_a_lost_answer_is_found_and_freqtrade_notices_nothing(stage):
    stage.owner.claims = [meant] = [intent(BTC, "0.1")]
    stage.bench.fault(ORDER, Effect.LOSE_RESPONSE)
    order = stage.order()
    assert (order["filled"], order["clientOrderId"]) == (0.1, meant.client_order_id)
    assert stage.bench.accepted(meant.client_order_id) == 1


def test_an_order_that_stays_unknown_is_a_time_out(stage):
    stage.owner.claims = [meant] = [intent(BTC, "0.1")]
    stage.bench.fault(ORDER, Effect.DROP_REQUEST)
    with pytest.raises(TemporaryError):
        stage.order()
    assert stage.store.find(meant.client_order_id).state is IntentState.UNKNOWN


def test_an_order_that_an_earlier_process_may_have_sent_is_a_time_out(stage):
    """There is no error of ccxt to raise, but it is no refusal."""
    stage.owner.claims = [meant] = [intent(BTC, "0.1", state=IntentState.UNKNOWN)]
    stage.store.save(meant)
    with stage.bench.requests() as seen, pytest.raises(TemporaryError, match="is unknown"):
        stage.order()
    assert ORDER not in seen


def test_a_forced_order_with_an_open_question_is_not_sent_twice(stage):
    stage.bench.fault(ORDER, Effect.DROP_REQUEST)
    for _ in range(2):
        with stage.bench.requests() as seen, pytest.raises(TemporaryError):
            stage.order()
    assert ORDER not in seen
    assert len(stage.intents) == 1
    assert stage.order(amount=0.3)["filled"] == 0.3  # another quantity is another order
    assert len(stage.intents) == 2


def test_once_it_is_proven_absent_it_may_be_sent(stage):
    stage.bench.fault(ORDER, Effect.DROP_REQUEST)
    with pytest.raises(TemporaryError):
        stage.order()
    while stage.guard.open_questions():
        stage.clock.sleep(2)
        stage.guard.ask()
    assert stage.order()["filled"] == 0.1
    assert [one.state for one in stage.intents] == [IntentState.ABSENT, IntentState.CONFIRMED]


def test_an_accepted_order_that_never_reached_the_books_is_the_same_order(stage):
    """Freqtrade failed between the answer and its commit, and asks again."""
    first = stage.order()
    again = stage.order()
    assert again["id"] == first["id"]
    assert stage.bench.held(BTC) == D("0.1")


@pytest.mark.parametrize("change", [{"side": "sell"}, {"amount": 0.2}, {"ordertype": "limit"}])
def test_another_order_is_not_the_same_order(stage, change):
    first = stage.order()
    assert stage.order(**change)["id"] != first["id"]


def test_an_order_of_a_spread_is_not_a_forced_one(stage):
    stage.owner.claims = [intent(BTC, "0.1", owner="ETH-BTC", leg="B")]
    stage.order()
    stage.owner.claims = []
    stage.order()
    assert stage.bench.held(BTC) == D("0.2")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (-2019, InsufficientFundsError),
        (-4164, InvalidOrderException),
        (-2022, InvalidOrderException),
        (-1003, DDosProtection),
        (-1008, TemporaryError),
    ],
)
def test_freqtrade_gets_the_errors_that_it_knows(stage, code, error):
    stage.bench.fault(ORDER, Effect.REJECT(code))
    with pytest.raises(ExchangeError) as caught:
        stage.order()
    assert type(caught.value) is error
    assert stage.intents[0].state is IntentState.REJECTED


class Full(IntentTable):
    """A disk that takes nothing more."""

    def save(self, intent):
        raise StoreError("disk full")


def test_an_entry_that_cannot_be_written_down_is_refused(stage, monkeypatch):
    monkeypatch.setattr(IntentTable, "save", Full.save)
    with stage.bench.requests() as seen, pytest.raises(InvalidOrderException, match="disk full"):
        stage.order()
    assert ORDER not in seen


def test_an_owner_that_cannot_save_sends_nothing(stage):
    stage.owner.error = StoreError("disk full")
    with stage.bench.requests() as seen, pytest.raises(InvalidOrderException, match="disk full"):
        stage.order()
    assert ORDER not in seen


# Questions about orders


DENIED = {"effect": Effect.REJECT(-2013)}


def test_an_accepted_order_that_is_denied_is_not_gone(stage):
    """Freqtrade takes an order that is not found for canceled."""
    order = stage.order()
    stage.bench.fault("GET /fapi/v1/order", **DENIED)
    with pytest.raises(ccxt.NetworkError, match="which it has accepted"):
        stage.api.fetch_order(order["id"], BTC)
    assert stage.api.fetch_order(order["id"], BTC)["filled"] == 0.1


@pytest.mark.parametrize(("days", "gone"), [(2.9, False), (3.1, True)])
def test_after_three_days_a_denial_is_believed(stage, days, gone):
    order = stage.order()
    stage.clock.ms += int(days * DAY_MS)
    stage.bench.fault("GET /fapi/v1/order", **DENIED)
    with pytest.raises(ccxt.OrderNotFound if gone else ccxt.NetworkError):
        stage.api.fetch_order(order["id"], BTC)


def test_other_orders_may_be_gone(stage):
    order = stage.order()
    with pytest.raises(ccxt.OrderNotFound):
        stage.api.fetch_order("12345", BTC)
    saved = stage.intents[0]
    stage.store.save(replace(saved, state=IntentState.REJECTED))
    stage.bench.fault("GET /fapi/v1/order", **DENIED)
    with pytest.raises(ccxt.OrderNotFound):
        stage.api.fetch_order(order["id"], BTC)


def test_a_stop_that_is_denied_soon_after_its_acceptance_waits(stage):
    """An error would keep Freqtrade from closing the trade (exit_positions leaves it out)."""
    stage.order()
    order = stage.stop()
    stage.bench.fault("GET /fapi/v1/algoOrder", **DENIED)
    shown = stage.api.fetch_order(order["id"], BTC, {"stop": True})
    assert (shown["id"], shown["status"], shown["filled"]) == (order["id"], "open", 0.0)
    assert shown["stopPrice"] == float(stage.intents[-1].price)


def test_a_stop_that_is_denied_for_long_is_gone(stage):
    stage.order()
    order = stage.stop()
    stage.clock.sleep(61)
    stage.bench.fault("GET /fapi/v1/algoOrder", **DENIED)
    with pytest.raises(ccxt.OrderNotFound):
        stage.api.fetch_order(order["id"], BTC, {"stop": True})


def test_freqtrades_own_search_for_lost_orders_finds_none_and_reconciliation_does(stage):
    """It would count known orders again, and close a trade of which the exchange holds a part."""
    order_id = stage.order()["id"]
    since = datetime.now(UTC) - timedelta(days=1)
    assert stage.exchange.fetch_orders(BTC, since) == []
    assert order_id in {order.venue_order_id for order in stage.venue.orders(BTC, 0)}
    stage.gate.remove()
    assert order_id in {order["id"] for order in stage.exchange.fetch_orders(BTC, since)}


def test_a_denied_order_is_not_gone_while_the_database_cannot_be_asked(stage, monkeypatch):
    order = stage.order()
    stage.bench.fault("GET /fapi/v1/order", **DENIED)

    def locked(market, order_id):
        raise StoreError("database is locked")

    monkeypatch.setattr(stage.gate, "_by_venue_order", locked)
    with pytest.raises(ccxt.NetworkError, match="database is locked"):
        stage.api.fetch_order(order["id"], BTC)


# What does not get as far as the exchange


def test_an_amount_below_the_smallest_order_is_refused_as_ccxt_refuses_it(stage):
    with stage.bench.requests() as seen, pytest.raises(InvalidOrderException):
        stage.order(amount=0.00001)
    assert ORDER not in seen


@pytest.mark.parametrize("error", [OperationalError("x", {}, Exception()), VenueError("x")])
def test_an_owner_that_fails_does_not_end_the_bot(stage, error):
    stage.owner.error = error
    with stage.bench.requests() as seen, pytest.raises(InvalidOrderException, match="not sent"):
        stage.order()
    assert ORDER not in seen


def test_an_order_that_the_books_show_is_never_the_answer_to_another_request(stage):
    meant = intent(BTC, "0.1", owner="ETH-BTC", leg="B")
    stage.owner.claims = [meant]
    stage.booked.add(stage.order()["id"])
    with pytest.raises(TemporaryError, match="in the books already"):
        stage.order()
    assert stage.guard.unbooked() == []
    assert stage.bench.accepted(meant.client_order_id) == 1


def test_an_answer_reaches_freqtrade_though_its_books_cannot_be_read(stage, monkeypatch):
    def locked(market, order_id):
        raise StoreError("locked")

    monkeypatch.setattr(stage.gate, "_has_order", locked)
    assert stage.order()["status"] == "closed"


def test_a_second_forced_order_like_the_first_is_another_order(stage):
    """The first is in Freqtrade's books: a person has asked twice."""
    stage.order(amount=0.4)
    first = stage.order(side="sell", reduceOnly=True)
    stage.booked.add(first["id"])
    second = stage.order(side="sell", reduceOnly=True)
    assert second["id"] != first["id"]
    assert stage.bench.held(BTC) == D("0.2")


def test_orders_that_add_are_held_back_and_those_that_close_are_not(stage):
    stage.order(amount=0.2)
    stage.gate.hold_back("the database takes no heartbeat")
    with pytest.raises(InvalidOrderException, match="takes no heartbeat"):
        stage.order()
    stage.order(side="sell", amount=0.2, reduceOnly=True)
    assert stage.bench.held(BTC) == 0
    stage.gate.hold_back("")
    stage.order()
    assert stage.bench.held(BTC) == D("0.1")


def test_a_closed_gate_lets_nothing_through(stage):
    stage.order()
    stage.gate.close("the bot ends")
    with pytest.raises(InvalidOrderException, match="the bot ends"):
        stage.order(side="sell", reduceOnly=True)
    assert stage.bench.held(BTC) == D("0.1")


def test_nothing_that_was_prepared_is_left_behind(stage):
    legs = stage.owner.claims = pair_of_legs()
    stage.order()
    stage.owner.claims = [legs[1]]
    stage.order(market=ETH, side="sell", amount=0.4, leverage=3.0)
    assert stage.venue._calls == {}


# Settings of a market


def test_leverage_and_margin_mode_are_set_once(stage):
    stage.gate.forget_settings(BTC)
    with stage.bench.requests() as seen:
        stage.order(leverage=4.0)
    assert (seen.count(LEVERAGE), seen.count(MARGIN)) == (1, 1)
    with stage.bench.requests() as seen:
        stage.order(amount=0.2, leverage=4.0)
    assert seen == [ORDER]
    with stage.bench.requests() as seen:
        stage.order(amount=0.3, leverage=5.0)
    assert seen == [LEVERAGE, ORDER]
    stage.gate.forget_settings(BTC)
    with stage.bench.requests() as seen:
        stage.order(amount=0.4, leverage=5.0)
    assert set(seen) == {LEVERAGE, MARGIN, ORDER}


def test_what_is_set_already_is_not_sent(stage):
    stage.order(leverage=4.0)
    stage.gate.remove()
    gate = Stage(stage.bench).gate
    with stage.bench.requests() as seen:
        stage.exchange._lev_prep(BTC, 4.0, "buy")
    assert seen == []
    gate.remove()


def test_a_gate_that_cannot_learn_the_settings_sends_them(stage, caplog):
    stage.gate._leverage.clear()
    stage.gate._margin_mode.clear()
    stage.bench.fault("GET /fapi/v1/symbolConfig", Effect.DROP_REQUEST)
    stage.gate.install([BTC, ETH])
    with stage.bench.requests() as seen:
        stage.order(leverage=4.0)
    assert set(seen) == {LEVERAGE, MARGIN, ORDER}


def test_a_setting_that_failed_is_sent_again(stage):
    stage.bench.fault(LEVERAGE, Effect.REJECT(-1008))
    with pytest.raises(ccxt.BaseError):
        stage.api.set_leverage(7, BTC)
    with stage.bench.requests() as seen:
        stage.api.set_leverage(7, BTC)
        stage.api.set_leverage(7, BTC)
    assert seen == [LEVERAGE]


def test_a_lost_answer_to_a_setting_is_not_believed(stage):
    """From 5 to 6 and back: what the exchange has is not known in between."""
    stage.api.set_leverage(5, BTC)
    stage.bench.fault(LEVERAGE, Effect.LOSE_RESPONSE)
    with pytest.raises(ccxt.BaseError):
        stage.api.set_leverage(6, BTC)
    with stage.bench.requests() as seen:
        stage.api.set_leverage(5, BTC)
    assert seen == [LEVERAGE]


def test_a_margin_mode_that_was_set_already_is_known_from_then_on(stage):
    stage.exchange.set_margin_mode(BTC, MarginMode.ISOLATED)
    stage.gate.forget_settings(BTC)
    with pytest.raises(ccxt.MarginModeAlreadySet):
        stage.api.set_margin_mode("isolated", BTC)
    with stage.bench.requests() as seen:
        stage.api.set_margin_mode("isolated", BTC)
    assert seen == []


def test_a_removed_gate_leaves_nothing_behind(stage):
    wrapped = {"create_order", "fetch_order", "fetch_orders", "set_leverage", "set_margin_mode"}
    assert wrapped <= set(vars(stage.api))
    stage.gate.remove()
    assert not wrapped & set(vars(stage.api))
    stage.order()
    assert stage.intents == []
    stage.gate.remove()


def test_quantities_of_contracts_are_asked_for_in_base_units(stage, monkeypatch):
    monkeypatch.setattr(stage.exchange, "get_contract_size", lambda market: 10.0)
    asked = stage.gate._asked(BTC, "market", "buy", 0.5, None, {})
    assert asked.quantity == Decimal("5.0")
