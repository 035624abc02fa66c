"""Orders and questions over real ccxt on a served exchange: refused, unknown, found, gone.

Bugs planted by hand, each caught by the test named:

1. answers of a batch are taken in ccxt's order, which is by time ->
   test_a_refused_leg_of_a_batch_is_the_refused_one
2. an unknown code counts as a refusal -> test_an_error_is_a_refusal_or_unknown
3. every error without a code is a refusal -> test_an_error_is_a_refusal_or_unknown
4. a duplicate id is a refusal -> test_an_error_is_a_refusal_or_unknown
5. a rate limit is unknown -> test_an_error_is_a_refusal_or_unknown
6. -1021 is not sent again -> test_a_wrong_clock_is_read_again_and_the_order_sent_once
7. a lost batch is a refusal -> test_a_batch_whose_answer_is_lost_is_unknown_in_all_its_orders
8. conditional orders are looked up among plain ones -> test_a_stop_is_found_by_its_name
9. shorts are positive -> test_positions_have_the_sign_of_their_side
10. conditional orders are left out of open orders -> test_open_orders_of_one_market_and_of_all
11. all markets are asked as spot -> test_open_orders_of_one_market_and_of_all
12. a cancel of an ended order raises -> test_an_order_that_has_ended_is_canceled_without_an_error
13. a web page is read as an empty answer ->
    test_a_question_without_a_readable_answer_is_an_error_of_the_venue
14. "no such order" is a VenueError -> test_an_order_that_was_never_sent_is_not_found
15. reduce-only is not passed on -> test_an_own_order_only_reduces
16. a prepared call is sent twice -> test_what_was_prepared_is_for_one_order
17. repeated fills count twice -> test_repeated_fills_count_once
18. liquidations are a person's orders -> test_forced_orders_are_told_by_their_names
19. the wrapped method is called -> test_wrapped_methods_are_not_asked
20. a batch with a name that nobody gave is believed ->
    test_answers_that_cannot_be_told_apart_are_unknown
21. an order without an id is accepted -> test_the_answer_to_an_order_may_have_the_wrong_shape
"""

import ccxt
import pytest

from freqtrade_ext.adapters._ccxt_venue import CcxtVenue, OrderCall, _answer_of, unsupported_reason
from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import (
    Accepted,
    OrderKind,
    OrderOrigin,
    OrderSide,
    OrderStatus,
    Rejected,
    Unanswered,
)
from freqtrade_ext.sandbox import Effect
from freqtrade_ext.sandbox.engine import AutoDeleverage, LiquidateByForce

from .execution_doubles import ALGO, BATCH, BTC, ETH, IDS, ORDER, D, fresh, intent, serve

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)


@pytest.fixture
def venue(bench):
    return bench.venue()


def all_of(kind):
    """A class of ccxt's errors and everything derived from it."""
    return {kind} | {one for child in kind.__subclasses__() for one in all_of(child)}


# Errors

REFUSED = {
    kind
    for base in (
        ccxt.AuthenticationError, ccxt.ArgumentsRequired, ccxt.BadRequest, ccxt.OperationRejected,
        ccxt.InsufficientFunds, ccxt.InvalidAddress, ccxt.InvalidOrder, ccxt.NotSupported,
        ccxt.RateLimitExceeded, ccxt.DDoSProtection, ccxt.InvalidNonce,
    )
    for kind in all_of(base)
} - {ccxt.DuplicateOrderId}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(all_of(ccxt.BaseError), key=lambda kind: kind.__name__))
def test_every_error_of_ccxt_is_a_refusal_or_unknown(kind):
    answer = _answer_of(kind("binance said something"))
    assert type(answer) is (Rejected if kind in REFUSED else Unanswered)
    assert isinstance(answer.error, kind)


CODES = [
    *((code, ccxt.OperationFailed, Unanswered) for code in (-1000, -1001, -1006, -1007, -1016)),
    (-1000, ccxt.ExchangeError, Unanswered),  # as ccxt says it where the address is not Binance's
    (-1007, ccxt.ExchangeError, Unanswered),
    (-1010, ccxt.ExchangeError, Unanswered),
    (-1007, ccxt.InvalidOrder, Unanswered),  # the code is Binance's, the class is ccxt's guess
    (-4116, ccxt.ExchangeError, Unanswered),
    (-4116, ccxt.InvalidOrder, Unanswered),
    (-2019, ccxt.ExchangeError, Rejected),
    (-2019, ccxt.InsufficientFunds, Rejected),
    (-4164, ccxt.InvalidOrder, Rejected),
    (-2022, ccxt.OrderImmediatelyFillable, Rejected),
    (-1003, ccxt.DDoSProtection, Rejected),
    (-1015, ccxt.RateLimitExceeded, Rejected),
    (-1008, ccxt.OperationFailed, Rejected),  # turned away by an overloaded exchange
    (-2010, ccxt.InvalidOrder, Rejected),
    (-2015, ccxt.DDoSProtection, Rejected),
]


@pytest.mark.parametrize(("code", "kind", "expected"), CODES)
def test_an_error_is_a_refusal_or_unknown(code, kind, expected):
    for text in (f'{{"code":{code},"msg":"x"}}', f'{{"msg":"x", "code" : "{code}"}}'):
        answer = _answer_of(kind(f"binance {text}"))
        assert type(answer) is expected
        assert str(code) in answer.text or code == -4116


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ccxt.RequestTimeout, "no answer in time"),
        (ccxt.OnMaintenance, "maintenance"),
        (ccxt.ExchangeNotAvailable, "not available"),
        (ccxt.BadResponse, "cannot be read"),
        (ccxt.NetworkError, "connection broke"),
        (ccxt.OperationFailed, "OperationFailed"),
    ],
)
def test_a_missing_answer_has_a_cause_in_words(kind, words):
    """ccxt's own text of a broken connection is the method and the address."""
    address = "binance POST https://fapi.binance.com/fapi/v1/order"
    cause, _, rest = _answer_of(kind(address)).text.partition(": ")
    assert words in cause
    assert rest == address


FATES = [
    (Effect.UNKNOWN_STATUS, Unanswered, True),
    (Effect.UNKNOWN(-1007), Unanswered, True),
    (Effect.UNKNOWN(-1006), Unanswered, True),
    (Effect.LOSE_RESPONSE, Unanswered, True),
    (Effect.GARBLED, Unanswered, True),
    (Effect.DROP_REQUEST, Unanswered, False),
    (Effect.REJECT(-2019), Rejected, False),
    (Effect.REJECT(-4164), Rejected, False),
    (Effect.REJECT(-2022), Rejected, False),
    (Effect.REJECT(-1008), Rejected, False),
    (Effect.REJECT(-1003), Rejected, False),
]


@pytest.mark.parametrize(("effect", "expected", "arrives"), FATES, ids=lambda value: str(value))
def test_what_goes_wrong_on_the_way_is_judged_rightly(bench, venue, effect, expected, arrives):
    meant = intent(BTC, "0.1")
    bench.fault(ORDER, effect)
    (answer,) = venue.submit([meant])
    assert type(answer) is expected
    assert isinstance(answer.error, ccxt.BaseError)
    assert bench.accepted(meant.client_order_id) == arrives
    assert (venue.look_up(meant) is not None) == arrives


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (Effect.RATE_LIMIT(60), Rejected),  # 429
        (Effect.BAN(60), Rejected),  # 418
        (Effect.MAINTENANCE(60), Unanswered),  # 503 and a web page
        (Effect.OUTAGE(60), Unanswered),
    ],
    ids=str,
)
def test_an_exchange_that_answers_nobody(bench, venue, effect, expected):
    bench.fault(ORDER, effect)
    meant = intent(BTC, "0.1")
    assert type(venue.submit([meant])[0]) is expected
    with pytest.raises(VenueError):
        venue.look_up(meant)


def test_an_answer_that_does_not_come_in_time_is_unknown(bench, venue):
    meant = intent(BTC, "0.1")
    bench.fault(ORDER, Effect.TIME_OUT(30))
    bench.api.timeout = 200
    try:
        (answer,) = venue.submit([meant])
    finally:
        bench.api.timeout = 2_000
    assert isinstance(answer, Unanswered)
    assert isinstance(answer.error, ccxt.RequestTimeout)
    assert bench.accepted(meant.client_order_id) == 1


def test_a_name_that_is_open_already_is_unknown_and_found(bench, venue):
    """Binance keeps names apart among open orders only."""
    resting = intent(BTC, "0.1", kind=OrderKind.LIMIT, price=D(60))
    assert isinstance(venue.submit([resting])[0], Accepted)
    (again,) = venue.submit([resting])
    assert isinstance(again, Unanswered)
    assert "already" in again.text
    assert venue.look_up(resting).status is OrderStatus.OPEN
    assert bench.accepted(resting.client_order_id) == 1


def test_a_wrong_clock_is_read_again_and_the_order_sent_once(bench, venue, caplog):
    bench.fault(ORDER, Effect.CLOCK_SKEW(15_000))
    meant = intent(BTC, "0.1")
    with bench.requests() as seen:
        (answer,) = venue.submit([meant])
    try:
        assert isinstance(answer, Accepted)
        assert seen == [ORDER, "GET /fapi/v1/time", ORDER]
        assert bench.accepted(meant.client_order_id) == 1
        assert "clock differs" in caplog.text
        assert venue.look_up(meant) is not None  # questions are on time as well
    finally:
        bench.api.options["timeDifference"] = 0


def test_a_clock_that_stays_wrong_is_tried_twice_and_refused(bench, venue):
    bench.fault(ORDER, Effect.REJECT(-1021), times=2)
    with bench.requests() as seen:
        (answer,) = venue.submit([intent(BTC, "0.1")])
    assert isinstance(answer, Rejected)
    assert seen.count(ORDER) == 2


# Two orders in one request


def test_both_legs_leave_in_one_request(bench, venue):
    legs = [intent(BTC, "0.1"), intent(ETH, "-0.2")]
    with bench.requests() as seen:
        answers = venue.submit(legs)
    assert seen == [BATCH]
    assert [answer.report.client_order_id for answer in answers] == [
        leg.client_order_id for leg in legs
    ]
    assert [answer.report.market for answer in answers] == [BTC, ETH]
    assert (bench.held(BTC), bench.held(ETH)) == (D("0.1"), D("-0.2"))


@pytest.mark.parametrize("bad", [0, 1])
def test_a_refused_leg_of_a_batch_is_the_refused_one(bench, venue, bad):
    sizes = ["0.1", "0.2"]
    sizes[bad] = "0.001"  # below the smallest notional
    legs = [intent(BTC, sizes[0]), intent(ETH, sizes[1])]
    answers = venue.submit(legs)
    assert [type(answer) for answer in answers] == [
        Rejected if place == bad else Accepted for place in (0, 1)
    ]
    good = 1 - bad
    assert answers[good].report.client_order_id == legs[good].client_order_id
    assert answers[good].report.market == legs[good].market
    assert "-4164" in answers[bad].text
    assert isinstance(answers[bad].error, ccxt.InvalidOrder)


def test_two_refusals_of_a_batch_keep_their_orders(bench, venue):
    bench.fault("ORDER", Effect.REJECT(-2019), match={"symbol": "ETHUSDT"})
    answers = venue.submit([intent(BTC, "0.001"), intent(ETH, "0.2")])
    assert isinstance(answers[0].error, ccxt.InvalidOrder)
    assert isinstance(answers[1].error, ccxt.InsufficientFunds)


@pytest.mark.parametrize("effect", [Effect.LOSE_RESPONSE, Effect.GARBLED, Effect.UNKNOWN(-1007)])
def test_a_batch_whose_answer_is_lost_is_unknown_in_all_its_orders(bench, venue, effect):
    legs = [intent(BTC, "0.1"), intent(ETH, "-0.2")]
    bench.fault(BATCH, effect)
    answers = venue.submit(legs)
    assert [type(answer) for answer in answers] == [Unanswered, Unanswered]
    assert [venue.look_up(leg).status for leg in legs] == [OrderStatus.FILLED] * 2


def test_answers_that_cannot_be_told_apart_are_unknown(venue):
    legs = [intent(BTC), intent(ETH)]
    own = {"id": "1", "clientOrderId": legs[1].client_order_id, "status": "open"}
    strange = {"id": "2", "clientOrderId": "somebody's", "status": "open"}
    answers = venue._batch_answers(legs, [strange, own])
    assert [type(answer) for answer in answers] == [Unanswered, Accepted]
    assert answers[1].report.venue_order_id == "1"
    assert [type(a) for a in venue._batch_answers(legs, [own])] == [Unanswered, Accepted]
    refusal = {"info": {"code": -2019, "msg": "no"}}
    assert [type(a) for a in venue._batch_answers(legs, [refusal, own])] == [Rejected, Accepted]


def test_neither_an_order_nor_an_error_is_unknown(venue):
    assert isinstance(venue._refusal({"info": {}}), Unanswered)


@pytest.mark.parametrize("batch", [True, False])
def test_orders_leave_one_by_one_where_they_must(bench, batch):
    venue = bench.venue(batch=batch)
    venue.submit([intent(BTC, "0.1")])
    stop = intent(BTC, "-0.1", kind=OrderKind.STOP, price=D(50), reduce_only=True)
    venue.prepare(stop.client_order_id, stop_call("0.1", 50))
    with bench.requests() as seen:
        answers = venue.submit([intent(ETH, "0.2"), *([stop] if batch else [intent(BTC, "0.1")])])
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert seen == [ORDER, ALGO if batch else ORDER]


# What is sent


def stop_call(amount, trigger):
    return OrderCall("stop_market", float(amount), None, {"stopPrice": trigger, "reduceOnly": True})


def test_an_own_order_only_reduces(bench, venue):
    (answer,) = venue.submit([intent(BTC, "-0.1", reduce_only=True)])
    assert isinstance(answer, Rejected)
    assert "-2022" in answer.text
    venue.submit([intent(BTC, "0.1")])
    (answer,) = venue.submit([intent(BTC, "-0.3", reduce_only=True)])
    assert answer.report.reduce_only
    assert bench.held(BTC) == 0


def test_an_own_limit_order_has_its_price(venue):
    meant = intent(BTC, "0.1004", kind=OrderKind.LIMIT, price=D("60.04"))
    (answer,) = venue.submit([meant])
    assert answer.report.kind is OrderKind.LIMIT
    assert answer.report.quantity == D("0.1")  # whole lots
    assert answer.report.raw["price"] == 60.0  # whole ticks
    assert answer.report.status is OrderStatus.OPEN


def test_an_own_stop_is_refused_before_it_is_sent(bench, venue):
    with bench.requests() as seen, pytest.raises(VenueError, match="as Freqtrade asks"):
        venue.submit([intent(BTC, "-0.1", kind=OrderKind.STOP, price=D(50))])
    assert seen == []


def test_what_was_prepared_is_for_one_order(bench, venue):
    meant = intent(BTC, "0.1")
    venue.prepare(meant.client_order_id, OrderCall("limit", 0.2, 60.0, {"timeInForce": "GTC"}))
    (answer,) = venue.submit([meant])
    assert (answer.report.kind, answer.report.quantity) == (OrderKind.LIMIT, D("0.2"))
    (answer,) = venue.submit([intent(BTC, "0.1", client_order_id=f"{meant.client_order_id}-b")])
    assert answer.report.kind is OrderKind.MARKET
    assert venue._calls == {}


def test_wrapped_methods_are_not_asked(bench, venue, monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("a method of the object was called")

    for name in ("create_order", "create_orders", "fetch_order", "fetch_positions"):
        monkeypatch.setattr(bench.api, name, refuse)
    meant = intent(BTC, "0.1")
    venue.submit([meant])
    assert venue.look_up(meant).filled_quantity == D("0.1")
    assert set(venue.positions()) == {BTC}


# Questions


def test_an_order_is_found_by_its_name(venue):
    meant = intent(ETH, "-0.4")
    (answer,) = venue.submit([meant])
    found = venue.look_up(meant)
    assert found == answer.report
    assert (found.side, found.filled_quantity, found.average_price) == (
        OrderSide.SELL, D("0.4"), D("50.0"),
    )  # fmt: skip
    assert (found.status, found.is_conditional) == (OrderStatus.FILLED, False)
    assert found.signed_filled == D("-0.4")


def test_an_order_that_was_never_sent_is_not_found(venue):
    assert venue.look_up(intent(BTC)) is None
    stop = intent(BTC, "-1", kind=OrderKind.STOP, price=D(50))
    assert venue.look_up(stop) is None


def waiting_stop(venue, trigger=50):
    venue.submit([intent(BTC, "0.1")])
    stop = intent(BTC, "-0.1", kind=OrderKind.STOP, price=D(trigger), reduce_only=True)
    venue.prepare(stop.client_order_id, stop_call("0.1", trigger))
    (answer,) = venue.submit([stop])
    return stop, answer.report


def test_a_stop_is_found_by_its_name(bench, venue):
    stop, sent = waiting_stop(venue)
    with bench.requests() as seen:
        found = venue.look_up(stop)
    assert seen == ["GET /fapi/v1/algoOrder"]
    assert found.is_conditional
    assert (found.venue_order_id, found.kind, found.status) == (
        sent.venue_order_id, OrderKind.STOP, OrderStatus.OPEN,
    )  # fmt: skip


def test_open_orders_of_one_market_and_of_all(bench, venue):
    stop, _ = waiting_stop(venue)
    limit = intent(ETH, "0.2", kind=OrderKind.LIMIT, price=D(30))
    venue.submit([limit])
    names = {
        market: {order.client_order_id: order.is_conditional for order in venue.open_orders(market)}
        for market in (BTC, ETH, None)
    }
    assert names[BTC] == {stop.client_order_id: True}
    assert names[ETH] == {limit.client_order_id: False}
    assert names[None] == names[BTC] | names[ETH]
    assert {order.market for order in venue.open_orders()} == {BTC, ETH}


def test_open_orders_of_all_markets_are_asked_for_after_the_options_were_replaced(bench, venue):
    """Freqtrade replaces them when it loads the markets again."""
    bench.exchange.reload_markets(True, load_leverage_tiers=False)
    assert venue.open_orders() == []


def test_positions_have_the_sign_of_their_side(venue):
    assert venue.positions() == {}
    venue.submit([intent(BTC, "0.1"), intent(ETH, "-0.2")])
    found = venue.positions()
    assert {market: one.quantity for market, one in found.items()} == {
        BTC: D("0.1"), ETH: D("-0.2"),
    }  # fmt: skip
    assert found[BTC].entry_price == D("100.1")
    assert found[ETH].mark_price == D("50.0")
    assert found[BTC].margin_mode in {"isolated", "cross"}


def test_fills_and_orders_since_a_time_are_in_their_order(bench, venue):
    first, second = intent(BTC, "0.1"), intent(BTC, "-0.1", reduce_only=True)
    since_ms = first.created_ms - 1_000
    venue.submit([first])
    venue.submit([second])
    names = {first.client_order_id, second.client_order_id}
    orders = [one for one in venue.orders(BTC, since_ms) if one.client_order_id in names]
    fills = [f for f in venue.fills(BTC, since_ms) if f.venue_order_id in
             {one.venue_order_id for one in orders}]  # fmt: skip
    assert [one.side for one in orders] == [OrderSide.BUY, OrderSide.SELL]
    assert [(one.side, one.quantity) for one in fills] == [
        (OrderSide.BUY, D("0.1")), (OrderSide.SELL, D("0.1")),
    ]  # fmt: skip
    assert venue.orders(BTC, first.created_ms + 3_600_000) == []


def test_repeated_fills_count_once(bench, venue):
    meant = intent(BTC, "0.1")
    venue.submit([meant])
    own = venue.look_up(meant).venue_order_id
    bench.fault("GET /fapi/v1/userTrades", Effect.REPEAT_FILLS)
    fills = venue.fills(BTC, meant.created_ms - 1_000)
    assert sum(fill.venue_order_id == own for fill in fills) == 1


def test_forced_orders_are_told_by_their_names(bench, venue):
    meant = intent(BTC, "0.2")
    venue.submit([meant])
    bench.do(AutoDeleverage(IDS[BTC], D("0.5")))
    bench.do(LiquidateByForce(IDS[BTC]))
    origins = [one.origin for one in venue.orders(BTC, meant.created_ms - 1_000)]
    assert origins[-3:] == [OrderOrigin.ACCOUNT, OrderOrigin.ADL, OrderOrigin.LIQUIDATION]


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("autoclose-1700000000", OrderOrigin.LIQUIDATION),
        ("settlement_autoclose-1", OrderOrigin.LIQUIDATION),
        ("adl_autoclose", OrderOrigin.ADL),
        ("my-autoclose-1", OrderOrigin.ACCOUNT),
        ("", OrderOrigin.ACCOUNT),
    ],
)
def test_names_of_forced_orders(venue, name, origin):
    assert venue._origin(name) is origin


def test_an_order_is_taken_off_the_book(venue):
    limit = intent(ETH, "0.2", kind=OrderKind.LIMIT, price=D(30))
    venue.submit([limit])
    venue.cancel(venue.look_up(limit))
    assert venue.look_up(limit).status is OrderStatus.CANCELED
    stop, report = waiting_stop(venue)
    venue.cancel(report)
    assert venue.open_orders() == []
    assert venue.look_up(stop).status is OrderStatus.CANCELED


@pytest.mark.parametrize("kind", [OrderKind.MARKET, OrderKind.STOP])
def test_an_order_that_has_ended_is_canceled_without_an_error(venue, kind):
    if kind is OrderKind.STOP:
        meant, report = waiting_stop(venue)
        venue.cancel(report)
    else:
        meant = intent(BTC, "0.1")
        (answer,) = venue.submit([meant])
        report = answer.report
    before = venue.look_up(meant).status
    venue.cancel(report)
    assert venue.look_up(meant).status is before


def test_a_cancel_without_an_answer_is_an_error(bench, venue):
    limit = intent(ETH, "0.2", kind=OrderKind.LIMIT, price=D(30))
    venue.submit([limit])
    bench.fault("DELETE /fapi/v1/order", Effect.DROP_REQUEST)
    with pytest.raises(VenueError):
        venue.cancel(venue.look_up(limit))
    assert len(venue.open_orders(ETH)) == 1


QUERIES = {
    "GET /fapi/v1/order": lambda venue: venue.look_up(intent(BTC)),
    "GET /fapi/v1/openOrders": lambda venue: venue.open_orders(),
    "GET /fapi/v1/openAlgoOrders": lambda venue: venue.open_orders(BTC),
    "GET /fapi/v1/userTrades": lambda venue: venue.fills(BTC, 0),
    "GET /fapi/v1/allOrders": lambda venue: venue.orders(BTC, 0),
    "GET /fapi/v3/positionRisk": lambda venue: venue.positions(),
}


@pytest.mark.parametrize("endpoint", QUERIES)
@pytest.mark.parametrize("effect", [Effect.LOSE_RESPONSE, Effect.GARBLED, Effect.UNKNOWN_STATUS])
def test_a_question_without_a_readable_answer_is_an_error_of_the_venue(
    bench, venue, endpoint, effect
):
    """Never an empty answer: that would be a flat account."""
    venue.submit([intent(BTC, "0.1")])
    bench.fault(endpoint, effect)
    with pytest.raises(VenueError):
        QUERIES[endpoint](venue)


@pytest.mark.parametrize(
    ("method", "ask"),
    [
        ("fetch_order", lambda venue: venue.look_up(intent(BTC))),
        ("fetch_open_orders", lambda venue: venue.open_orders(BTC)),
        ("fetch_my_trades", lambda venue: venue.fills(BTC, 0)),
        ("fetch_orders", lambda venue: venue.orders(BTC, 0)),
        ("fetch_positions", lambda venue: venue.positions()),
    ],
)
@pytest.mark.parametrize("answer", [[{}], "text", [{"symbol": BTC, "contracts": "many"}]])
def test_an_answer_of_the_wrong_shape_is_an_error_of_the_venue(
    bench, venue, monkeypatch, method, ask, answer
):
    monkeypatch.setattr(type(bench.api), method, lambda *arguments, **named: answer)
    with pytest.raises(VenueError):
        ask(venue)


def test_the_answer_to_an_order_may_have_the_wrong_shape(bench, venue, monkeypatch):
    nameless = {"id": None, "side": "buy", "status": "open", "amount": 0.1, "filled": 0.0}
    monkeypatch.setattr(type(bench.api), "create_order", lambda *arguments, **named: nameless)
    monkeypatch.setattr(type(bench.api), "create_orders", lambda *arguments: [{}, {}])
    (answer,) = venue.submit([intent(BTC)])
    assert isinstance(answer, Unanswered)
    assert "without an id" in answer.text
    assert all(isinstance(a, Unanswered) for a in venue.submit([intent(BTC), intent(ETH)]))


def test_exchanges_that_are_not_rehearsed_are_refused_with_a_reason():
    assert unsupported_reason("binance") is None
    for name in ("hyperliquid", "bybit"):  # bybit is not rehearsed
        assert f"not rehearsed on {name!r}, only on binance" in unsupported_reason(name)


def test_the_connection_can_be_another(bench):
    other = CcxtVenue(bench.exchange, api=object.__new__(type(bench.api)))
    assert other._api is not bench.api
