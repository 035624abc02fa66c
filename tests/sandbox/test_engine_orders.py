"""Filters, ids, canceling, amending, looking up, and the passing of time."""

import itertools

import pytest

from freqtrade_ext.sandbox import Exchange
from freqtrade_ext.sandbox.engine import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Reason,
    Rejection,
    Side,
    TimeInForce,
)
from freqtrade_ext.sandbox.engine._order_book import FORGOTTEN_AFTER_MS, MAX_OPEN_ORDERS
from freqtrade_ext.sandbox.journal import (
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderFilled,
    OrderRejected,
    PriceSeen,
)

from .doubles import HOUR_MS, START_MS, D, Desk, FakeMarket

BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
BTC = "BTCUSDT"


def limit(quantity: object, price: object, side: Side = BUY, **more: object) -> PlaceOrder:
    return PlaceOrder(BTC, side, LIMIT, D(str(quantity)), D(str(price)), **more)


def market(quantity: object, side: Side = BUY, **more: object) -> PlaceOrder:
    return PlaceOrder(BTC, side, MARKET, D(str(quantity)), **more)


def reason_of(desk: Desk, command: object) -> Reason:
    with pytest.raises(Rejection) as caught:
        desk.do(command)
    return caught.value.reason


class TestFilters:
    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            (limit(0, 90), Reason.QUANTITY_NOT_POSITIVE),
            (limit(-1, 90), Reason.QUANTITY_NOT_POSITIVE),
            (limit("1.0001", 90), Reason.PRECISION_EXCEEDED),
            (limit(1_001, 90), Reason.QUANTITY_TOO_LARGE),
            (market(101), Reason.QUANTITY_TOO_LARGE),
            (limit(1, 0), Reason.PRICE_NOT_POSITIVE),
            (limit(1, -1), Reason.PRICE_NOT_POSITIVE),
            (limit(1, "90.05"), Reason.PRECISION_EXCEEDED),
            (limit("0.05", 90), Reason.NOTIONAL_TOO_SMALL),
            (market("0.049"), Reason.NOTIONAL_TOO_SMALL),
            (limit(1, 90, client_order_id="has space"), Reason.CLIENT_ORDER_ID_INVALID),
            (limit(1, 90, client_order_id="x" * 37), Reason.CLIENT_ORDER_ID_INVALID),
            (limit(1, 90, client_order_id="ü"), Reason.CLIENT_ORDER_ID_INVALID),
        ],
        ids=str,
    )
    def test_refuse(self, command, reason):
        desk = Desk()
        assert reason_of(desk, command) is reason
        assert desk.journal.of(OrderRejected)[0].reason == reason.value

    @pytest.mark.parametrize(
        "command",
        [
            limit("0.056", 90),
            limit(100, 90),
            market(100),
            limit(1, "90.1"),
            limit(1, 90, client_order_id="a.B:/c_d-1"),
            limit(1, 90, client_order_id="x" * 36),
        ],
        ids=str,
    )
    def test_accept(self, command):
        assert Desk().do(command).venue_order_id

    def test_coarse_grids_are_checked_beyond_their_digits(self):
        desk = Desk()
        coarse = {"tick_size": D("0.5"), "step_size": D(5), "min_quantity": D(5)}
        old = desk.market.instruments[BTC]
        fields = {name: getattr(old, name) for name in old.__dataclass_fields__}
        desk.market.instruments = {BTC: type(old)(**fields | coarse)}
        assert reason_of(desk, limit(7, 90)) is Reason.QUANTITY_NOT_ON_STEP
        assert reason_of(desk, limit(5, "90.2")) is Reason.PRICE_NOT_ON_TICK

    def test_less_than_the_minimum_lot_is_refused(self):
        desk = Desk()
        old = desk.market.instruments[BTC]
        fields = {name: getattr(old, name) for name in old.__dataclass_fields__}
        desk.market.instruments = {BTC: type(old)(**fields | {"min_quantity": D("0.01")})}
        assert reason_of(desk, limit("0.009", 90)) is Reason.QUANTITY_TOO_SMALL

    def test_an_unknown_instrument_is_refused(self):
        command = PlaceOrder("XUSDT", BUY, MARKET, D(1))
        assert reason_of(Desk(), command) is Reason.INSTRUMENT_UNKNOWN

    def test_a_closed_instrument_is_refused(self):
        desk = Desk()
        desk.market.closed.add(BTC)
        assert reason_of(desk, market(1)) is Reason.INSTRUMENT_NOT_TRADING

    def test_open_orders_are_limited(self):
        desk = Desk(1_000_000)
        for _ in range(MAX_OPEN_ORDERS):
            desk.do(limit("0.1", 90))
        assert reason_of(desk, limit("0.1", 90)) is Reason.TOO_MANY_ORDERS


class TestClientOrderIds:
    def test_are_unique_among_open_orders(self):
        desk = Desk()
        desk.do(limit(1, 90, client_order_id="a"))
        command = limit(1, 91, client_order_id="a")
        assert reason_of(desk, command) is Reason.CLIENT_ORDER_ID_DUPLICATED

    def test_fill_twice_when_sent_again_after_a_fill(self):
        desk = Desk()
        desk.do(market(1, client_order_id="a"))
        desk.do(market(1, client_order_id="a"))
        assert desk.exchange.position(BTC).quantity == 2

    def test_name_the_latest_order(self):
        desk = Desk()
        desk.do(market(1, client_order_id="a"))
        second = desk.do(limit(1, 90, client_order_id="a"))
        assert desk.exchange.book.find(BTC, None, "a", START_MS) is second

    def test_are_given_when_the_client_gives_none(self):
        order = Desk().do(market(1))
        assert order.client_order_id == f"auto-{order.venue_order_id}"


class TestLookUp:
    def test_ids_grow(self):
        desk = Desk()
        ids = [desk.do(limit(1, 90)).venue_order_id for _ in range(5)]
        assert ids == sorted(set(ids))

    def test_the_instrument_has_to_match(self):
        desk = Desk(BTCUSDT=100, ETHUSDT=100)
        order = desk.do(limit(1, 90))
        with pytest.raises(Rejection):
            desk.exchange.book.find("ETHUSDT", order.venue_order_id, None, START_MS)

    def test_an_order_that_ended_unfilled_is_forgotten_after_three_days(self):
        desk = Desk()
        order = desk.do(limit(1, 90))
        desk.do(CancelOrder(BTC, order.venue_order_id))
        book, key = desk.exchange.book, order.venue_order_id
        assert book.find(BTC, key, None, START_MS + FORGOTTEN_AFTER_MS) is order
        with pytest.raises(Rejection):
            book.find(BTC, key, None, START_MS + FORGOTTEN_AFTER_MS + 1)

    def test_a_filled_or_open_order_is_remembered(self):
        desk = Desk()
        later = START_MS + 10 * FORGOTTEN_AFTER_MS
        for order in (desk.do(market(1)), desk.do(limit(1, 90))):
            assert desk.exchange.book.find(BTC, order.venue_order_id, None, later) is order


class TestCanceling:
    def test_ends_an_order_by_either_id(self):
        desk = Desk()
        first, second = desk.do(limit(1, 90)), desk.do(limit(1, 90, client_order_id="b"))
        desk.do(CancelOrder(BTC, venue_order_id=first.venue_order_id))
        desk.do(CancelOrder(BTC, client_order_id="b"))
        assert (first.status, second.status) == (OrderStatus.CANCELED,) * 2
        desk.move(BTC, 80)
        assert desk.exchange.position(BTC).quantity == 0

    def test_keeps_what_was_filled(self):
        desk = Desk()
        desk.market.level_quantity = D(1)
        order = desk.do(limit(3, "100.1"))
        desk.do(CancelOrder(BTC, order.venue_order_id))
        assert desk.exchange.position(BTC).quantity == 1
        [ended] = desk.journal.of(OrderEnded)
        assert (ended.status, ended.filled_quantity) == ("canceled", 1)

    def test_of_an_order_that_has_ended_is_refused(self):
        desk = Desk()
        order = desk.do(market(1))
        command = CancelOrder(BTC, order.venue_order_id)
        assert reason_of(desk, command) is Reason.ORDER_NOT_OPEN

    def test_of_an_order_that_the_price_reached_meanwhile_is_refused(self):
        desk = Desk()
        order = desk.do(limit(1, 90))
        desk.market.set_price(BTC, 89, desk.clock.now_ms + 1)
        desk.clock.forward(10)
        command = CancelOrder(BTC, order.venue_order_id)
        assert reason_of(desk, command) is Reason.ORDER_NOT_OPEN
        assert order.status is OrderStatus.FILLED

    def test_of_an_unknown_order_is_refused(self):
        assert reason_of(Desk(), CancelOrder(BTC, 1)) is Reason.ORDER_NOT_OPEN

    def test_all_orders_of_an_instrument(self):
        desk = Desk(BTCUSDT=100, ETHUSDT=100)
        desk.do(limit(1, 90))
        other = desk.do(PlaceOrder("ETHUSDT", BUY, LIMIT, D(1), D(90)))
        desk.do(CancelAllOrders(BTC))
        assert desk.exchange.book.working() == [other]


class TestAmending:
    def test_changes_quantity_and_price(self):
        desk = Desk()
        order = desk.do(limit(1, 90))
        desk.do(AmendOrder(BTC, D(2), D(91), order.venue_order_id))
        assert (order.quantity, order.price, order.status) == (2, 91, OrderStatus.NEW)
        [amended] = desk.journal.of(OrderAmended)
        assert (amended.quantity, amended.price) == (2, 91)

    def test_fills_when_it_crosses(self):
        desk = Desk()
        order = desk.do(limit(1, 90))
        desk.do(AmendOrder(BTC, D(1), D(101), order.venue_order_id))
        assert (order.status, order.average_price) == (OrderStatus.FILLED, D("100.1"))

    def test_to_what_is_filled_already_cancels(self):
        desk = Desk()
        desk.market.level_quantity = D(1)
        order = desk.do(limit(3, "100.1"))
        desk.do(AmendOrder(BTC, D(1), D(90), order.venue_order_id))
        assert (order.status, order.filled_quantity) == (OrderStatus.CANCELED, 1)

    def test_that_changes_nothing_is_refused(self):
        desk = Desk()
        order = desk.do(limit(1, 90))
        command = AmendOrder(BTC, D(1), D(90), order.venue_order_id)
        assert reason_of(desk, command) is Reason.ORDER_UNCHANGED

    @pytest.mark.parametrize(
        ("quantity", "price", "reason"),
        [
            (D("0.001"), D(90), Reason.NOTIONAL_TOO_SMALL),
            (D(1), D("90.05"), Reason.PRECISION_EXCEEDED),
            (D(0), D(90), Reason.QUANTITY_NOT_POSITIVE),
            (D(900), D(99), Reason.MARGIN_INSUFFICIENT),
        ],
    )
    def test_is_checked_like_a_new_order(self, quantity, price, reason):
        desk = Desk(1_000)
        order = desk.do(limit(1, 90))
        command = AmendOrder(BTC, quantity, price, order.venue_order_id)
        assert reason_of(desk, command) is reason
        assert (order.quantity, order.price) == (1, 90)

    def test_to_a_bigger_order_needs_only_the_difference(self):
        desk = Desk(50)
        order = desk.do(limit(10, 90))
        # 11 * 90 / 20 = 49.5 margin and 11 * 90 * 0.0005 fee fit into 50; twice the margin not
        desk.do(AmendOrder(BTC, D(11), D(90), order.venue_order_id))
        assert order.quantity == 11

    def test_keeps_post_only(self):
        desk = Desk()
        order = desk.do(limit(1, 90, time_in_force=TimeInForce.POST_ONLY))
        command = AmendOrder(BTC, D(1), D(101), order.venue_order_id)
        assert reason_of(desk, command) is Reason.POST_ONLY_WOULD_TAKE


class TestTime:
    def test_never_runs_backwards(self):
        desk = Desk()
        desk.wait(1_000)
        order = desk.exchange.handle(limit(1, 90), START_MS)
        assert order.created_ms == START_MS + 1_000

    def test_long_absence_gives_the_same_as_many_looks(self):
        def run(step_ms: int) -> object:
            desk = Desk()
            desk.do(market(10))
            desk.do(limit(5, 110, SELL))
            desk.market.pay_funding(BTC, "0.001", START_MS + HOUR_MS, mark=105)
            for minute, price in enumerate([105, 111, 104, 90, 101], start=1):
                at_ms = START_MS + minute * HOUR_MS // 4
                desk.market.set_price(BTC, price, at_ms)
            while desk.clock.now_ms < START_MS + 2 * HOUR_MS:
                desk.wait(step_ms)
            return desk.wallet, desk.exchange.position(BTC).quantity

        assert run(2 * HOUR_MS) == run(10_000) == run(250)

    def test_a_closed_instrument_stands_still(self):
        desk = Desk()
        order = desk.do(limit(1, 90))
        desk.market.closed.add(BTC)
        desk.move(BTC, 80)
        assert order.status is OrderStatus.NEW

    def test_prices_of_what_is_held_are_noted_once_a_second(self):
        desk = Desk()
        desk.wait(5_000)
        assert desk.journal.of(PriceSeen) == []
        desk.do(market(1))
        for _ in range(12):
            desk.wait(250)
        times = [event.time_ms for event in desk.journal.of(PriceSeen)]
        assert len(times) == 3
        assert min(b - a for a, b in itertools.pairwise(times)) >= 1_000


class TestEvents:
    def test_tell_the_story_of_an_order(self):
        desk = Desk()
        desk.do(limit(1, 99, client_order_id="a"))
        desk.move(BTC, 99)
        kinds = [type(e) for e in desk.journal if not isinstance(e, PriceSeen)]
        assert kinds == [OrderAccepted, OrderFilled]
        filled = desk.journal.of(OrderFilled)[0]
        assert (filled.position, filled.client_order_id, filled.is_maker) == (1, "a", True)

    def test_are_not_needed(self):
        exchange = Exchange(FakeMarket(BTCUSDT=100), now_ms=START_MS)
        exchange.handle(market(1), START_MS)
        assert exchange.account.position(BTC).quantity == 1
