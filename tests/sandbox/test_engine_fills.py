"""Known answers of the engine, computed by hand in each test."""

from decimal import Decimal

import pytest

from freqtrade_ext.sandbox.engine import (
    MarginMode,
    OrderScript,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Reason,
    Rejection,
    SetLeverage,
    SetMarginMode,
    Side,
    TimeInForce,
)

from .doubles import D, Desk

BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
BTC = "BTCUSDT"


def market(side: Side, quantity: object, **more: object) -> PlaceOrder:
    return PlaceOrder(BTC, side, MARKET, D(str(quantity)), **more)


def limit(side: Side, quantity: object, price: object, **more: object) -> PlaceOrder:
    return PlaceOrder(BTC, side, LIMIT, D(str(quantity)), D(str(price)), **more)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.do(SetMarginMode(BTC, MarginMode.ISOLATED))
    desk.do(SetLeverage(BTC, 5))
    return desk


def reason_of(desk: Desk, command: object) -> Reason:
    before = desk.wallet, len(desk.exchange.book.orders)
    with pytest.raises(Rejection) as caught:
        desk.do(command)
    assert (desk.wallet, len(desk.exchange.book.orders)) == before
    return caught.value.reason


class TestMarketOrders:
    def test_a_buy_pays_the_ask_and_the_taker_fee(self, desk):
        order = desk.do(market(BUY, 2))
        assert order.status is OrderStatus.FILLED
        assert order.average_price == D("100.1")
        # 2 * 100.1 * 0.0005
        assert desk.wallet == D("10000") - D("0.1001")

    def test_a_sell_gets_the_bid(self, desk):
        assert desk.do(market(SELL, 2)).average_price == D("100.0")
        assert desk.exchange.position(BTC).quantity == -2

    def test_depth_is_walked_level_by_level(self, desk):
        desk.market.level_quantity = D(1)
        order = desk.do(market(BUY, "2.5"))
        # the mean of three levels is (100.1 + 100.2 + 0.5 * 100.3) / 2.5
        assert order.average_price == D("100.18")
        assert [fill.quantity for fill in desk.exchange.book.fills] == [1, 1, D("0.5")]

    def test_what_the_book_cannot_fill_expires(self, desk):
        desk.market.level_quantity, desk.market.levels = D(1), 2
        order = desk.do(market(BUY, 5))
        assert order.status is OrderStatus.EXPIRED
        assert order.filled_quantity == 2

    def test_an_empty_book_refuses(self, desk):
        desk.market.levels = 0
        assert reason_of(desk, market(BUY, 5)) is Reason.NO_LIQUIDITY

    def test_a_round_trip_realizes_price_difference_minus_two_fees(self, desk):
        desk.do(market(BUY, 2))
        desk.move(BTC, 110)
        desk.do(market(SELL, 2))
        # 2 * (110 - 100.1) = 19.8; fees 2 * 100.1 * 0.0005 + 2 * 110 * 0.0005 = 0.2101
        assert desk.wallet == D("10000") + D("19.8") - D("0.2101")
        assert desk.exchange.position(BTC).quantity == 0
        assert desk.exchange.position(BTC).isolated_wallet == 0

    def test_a_short_gains_when_the_price_falls(self, desk):
        desk.do(market(SELL, 1))
        desk.move(BTC, 90)
        desk.do(market(BUY, 1))
        # 100 - 90.1 = 9.9; fees (100 + 90.1) * 0.0005 = 0.09505
        assert desk.wallet == D("10000") + D("9.9") - D("0.09505")

    def test_adding_averages_the_entry_price(self, desk):
        desk.do(market(BUY, 1))
        desk.move(BTC, 110)
        desk.do(market(BUY, 3))
        # the mean of both entries is (100.1 + 3 * 110.1) / 4
        assert desk.exchange.position(BTC).entry_price == D("107.6")

    def test_reducing_keeps_the_entry_price_and_releases_margin_in_proportion(self, desk):
        desk.do(market(BUY, 4))
        # 4 * 100.1 / 5
        assert desk.exchange.position(BTC).isolated_wallet == D("80.08")
        desk.do(market(SELL, 1))
        assert desk.exchange.position(BTC).entry_price == D("100.1")
        assert desk.exchange.position(BTC).isolated_wallet == D("60.06")

    def test_a_bigger_opposite_order_turns_the_position(self, desk):
        desk.do(market(BUY, 1))
        desk.do(market(SELL, 3))
        position = desk.exchange.position(BTC)
        assert (position.quantity, position.entry_price) == (-2, D(100))
        # 2 * 100 / 5
        assert position.isolated_wallet == 40


class TestLimitOrders:
    def test_a_limit_below_the_market_rests_and_is_filled_as_maker(self, desk):
        order = desk.do(limit(BUY, 1, 99))
        assert order.status is OrderStatus.NEW
        desk.move(BTC, "98.5")
        assert order.status is OrderStatus.FILLED
        assert order.average_price == 99
        # 99 * 0.0002
        assert desk.wallet == D("10000") - D("0.0198")
        assert desk.exchange.book.fills[0].is_maker

    def test_a_price_that_only_touches_fills(self, desk):
        order = desk.do(limit(SELL, 1, 101))
        desk.move(BTC, 101)
        assert order.status is OrderStatus.FILLED

    def test_a_price_that_does_not_reach_leaves_it(self, desk):
        order = desk.do(limit(SELL, 1, 101))
        desk.move(BTC, "100.9")
        assert order.status is OrderStatus.NEW

    def test_a_wick_between_two_looks_fills(self, desk):
        order = desk.do(limit(BUY, 1, 95))
        desk.market.set_price(BTC, 94, desk.clock.now_ms + 100)
        desk.market.set_price(BTC, 100, desk.clock.now_ms + 200)
        desk.wait(1_000)
        assert order.status is OrderStatus.FILLED

    def test_a_limit_above_the_ask_takes_at_better_prices(self, desk):
        order = desk.do(limit(BUY, 1, 105))
        assert (order.average_price, order.status) == (D("100.1"), OrderStatus.FILLED)

    def test_a_crossing_limit_takes_up_to_its_price_and_rests(self, desk):
        desk.market.level_quantity = D(1)
        order = desk.do(limit(BUY, 5, "100.2"))
        assert (order.filled_quantity, order.status) == (2, OrderStatus.PARTIALLY_FILLED)
        desk.move(BTC, 100)
        assert order.status is OrderStatus.FILLED
        assert [f.is_maker for f in desk.exchange.book.fills] == [False, False, True]

    def test_ioc_expires_what_is_not_filled_at_once(self, desk):
        desk.market.level_quantity = D(1)
        order = desk.do(limit(BUY, 5, "100.2", time_in_force=TimeInForce.IOC))
        assert (order.filled_quantity, order.status) == (2, OrderStatus.EXPIRED)

    def test_ioc_that_meets_nothing_expires_unfilled(self, desk):
        order = desk.do(limit(BUY, 5, 99, time_in_force=TimeInForce.IOC))
        assert (order.filled_quantity, order.status) == (0, OrderStatus.EXPIRED)

    def test_fok_is_filled_completely_or_refused(self, desk):
        desk.market.level_quantity = D(1)
        command = limit(BUY, 2, "100.2", time_in_force=TimeInForce.FOK)
        assert desk.do(command).status is OrderStatus.FILLED
        too_much = limit(BUY, 3, "100.2", time_in_force=TimeInForce.FOK)
        assert reason_of(desk, too_much) is Reason.FILL_OR_KILL_UNFILLABLE

    def test_post_only_rests_or_is_refused(self, desk):
        resting = limit(BUY, 1, 100, time_in_force=TimeInForce.POST_ONLY)
        assert desk.do(resting).status is OrderStatus.NEW
        taking = limit(BUY, 1, "100.1", time_in_force=TimeInForce.POST_ONLY)
        assert reason_of(desk, taking) is Reason.POST_ONLY_WOULD_TAKE


class TestReduceOnly:
    def test_nothing_to_reduce_is_refused(self, desk):
        command = market(SELL, 1, reduce_only=True)
        assert reason_of(desk, command) is Reason.REDUCE_ONLY_WITHOUT_POSITION

    def test_the_same_direction_is_refused(self, desk):
        desk.do(market(BUY, 1))
        command = market(BUY, 1, reduce_only=True)
        assert reason_of(desk, command) is Reason.REDUCE_ONLY_WITHOUT_POSITION

    def test_it_never_turns_the_position(self, desk):
        desk.do(market(BUY, 1))
        order = desk.do(market(SELL, 3, reduce_only=True))
        assert desk.exchange.position(BTC).quantity == 0
        assert (order.filled_quantity, order.status) == (1, OrderStatus.EXPIRED)

    def test_a_resting_one_is_filled_with_what_is_held_and_expires(self, desk):
        desk.do(market(BUY, 1))
        order = desk.do(limit(SELL, 3, 101, reduce_only=True))
        desk.move(BTC, 102)
        assert desk.exchange.position(BTC).quantity == 0
        assert (order.filled_quantity, order.status) == (1, OrderStatus.EXPIRED)

    def test_a_second_resting_one_beyond_the_position_is_refused(self, desk):
        desk.do(market(BUY, 1))
        desk.do(limit(SELL, 1, 101, reduce_only=True))
        command = limit(SELL, 1, 102, reduce_only=True)
        assert reason_of(desk, command) is Reason.REDUCE_ONLY_ALREADY_COVERED

    def test_a_market_order_may_overtake_a_resting_one_which_then_expires(self, desk):
        desk.do(market(BUY, 1))
        resting = desk.do(limit(SELL, 1, 101, reduce_only=True))
        desk.do(market(SELL, 1, reduce_only=True))
        assert resting.status is OrderStatus.EXPIRED

    def test_a_small_one_is_exempt_from_the_minimum_notional(self, desk):
        desk.do(market(BUY, 1))
        assert desk.do(market(SELL, "0.001", reduce_only=True)).status is OrderStatus.FILLED


class TestPartialFillRehearsal:
    def test_a_market_order_fills_its_share_and_expires(self, desk):
        desk.exchange.rehearse_next_order(OrderScript(D("0.4")))
        order = desk.do(market(BUY, 5))
        assert (order.filled_quantity, order.status) == (2, OrderStatus.EXPIRED)

    def test_a_limit_order_fills_its_share_and_stalls(self, desk):
        desk.exchange.rehearse_next_order(OrderScript(D("0.4")))
        order = desk.do(limit(BUY, 5, 105))
        desk.move(BTC, 90)
        assert (order.filled_quantity, order.status) == (2, OrderStatus.PARTIALLY_FILLED)

    def test_a_resting_limit_is_given_its_share_at_its_own_price(self, desk):
        desk.exchange.rehearse_next_order(OrderScript(D("0.5")))
        order = desk.do(limit(BUY, 5, 99))
        assert (order.filled_quantity, order.average_price) == (D("2.5"), 99)

    def test_the_share_is_rounded_down_to_the_lot(self, desk):
        desk.exchange.rehearse_next_order(OrderScript(D("0.3333")))
        assert desk.do(market(BUY, "0.1")).filled_quantity == D("0.033")

    def test_only_the_next_order_is_hit(self, desk):
        desk.exchange.rehearse_next_order(OrderScript(D("0.4")))
        desk.do(market(BUY, 5))
        assert desk.do(market(BUY, 5)).status is OrderStatus.FILLED

    def test_a_refused_order_does_not_use_it_up(self, desk):
        desk.exchange.rehearse_next_order(OrderScript(D("0.4")))
        reason_of(desk, market(BUY, "0.0001"))
        assert desk.do(market(BUY, 5)).filled_quantity == 2


def test_fees_are_rounded_to_the_wallets_smallest_unit():
    desk = Desk(BTCUSDT="33333.3")
    desk.do(market(BUY, "0.001"))
    # 0.001 * 33333.4 * 0.0005 = 0.0166667
    assert desk.wallet == D("10000") - Decimal("0.01666670")
