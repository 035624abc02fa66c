"""Margin, leverage, funding and liquidation, with each number computed by hand."""

from decimal import Decimal

import pytest

from freqtrade_ext.sandbox.engine import (
    AdjustIsolatedMargin,
    CancelAllOrders,
    CloseExternally,
    MarginMode,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Reason,
    Rejection,
    SetLeverage,
    SetMarginMode,
    Side,
    liquidation_price,
    maintenance_margin,
)
from freqtrade_ext.sandbox.journal import (
    FundingPaid,
    PositionClosedExternally,
    PositionLiquidated,
)

from .doubles import BRACKETS, HOUR_MS, START_MS, D, Desk

BUY, SELL = Side.BUY, Side.SELL
BTC, ETH = "BTCUSDT", "ETHUSDT"
BINANCE = "Binance FAQ b3c689c1f50a44cabb3a84e663b81d93, isolated, one-way"


def buy(symbol: str, quantity: object, price: object = None) -> PlaceOrder:
    return order(BUY, symbol, quantity, price)


def sell(symbol: str, quantity: object, price: object = None) -> PlaceOrder:
    return order(SELL, symbol, quantity, price)


def order(side: Side, symbol: str, quantity: object, price: object) -> PlaceOrder:
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    limit = None if price is None else D(str(price))
    return PlaceOrder(symbol, side, kind, D(str(quantity)), limit)


def isolated_desk(leverage: int = 10, wallet: object = 10_000, **prices: object) -> Desk:
    desk = Desk(wallet, **(prices or {BTC: 100}))
    for symbol in desk.market.instruments:
        desk.do(SetMarginMode(symbol, MarginMode.ISOLATED))
        desk.do(SetLeverage(symbol, leverage))
    return desk


def reason_of(desk: Desk, command: object) -> Reason:
    with pytest.raises(Rejection) as caught:
        desk.do(command)
    return caught.value.reason


class TestMaintenanceMargin:
    @pytest.mark.parametrize(
        ("notional", "expected"),
        [
            pytest.param(0, 0, id="nothing held"),
            pytest.param(10_000, 100, id="first row: 10 000 x 1 %"),
            pytest.param(49_999, D("499.99"), id="just below the second row"),
            pytest.param(50_000, 500, id="rows meet: 50 000 x 2 % - 500"),
            pytest.param(100_000, 1_500, id="second row: 100 000 x 2 % - 500"),
            pytest.param(2_000_000, 39_500, id="beyond the table the last row holds"),
        ],
    )
    def test_follows_the_brackets(self, notional, expected):
        assert maintenance_margin(BRACKETS, D(notional)) == expected


class TestLiquidationPrice:
    """Formula: (wallet + cum - side * q * entry) / (q * mmr - side * q)."""

    def test_of_a_long(self):
        # (1000 + 0 - 100 * 100) / (100 * 0.01 - 100) = -9000 / -99
        price = liquidation_price(
            quantity=D(100), entry_price=D(100), margin=D(1_000), bracket=BRACKETS[0]
        )
        assert price == D(9_000) / D(99), BINANCE

    def test_of_a_short(self):
        # (1000 + 0 + 100 * 100) / (100 * 0.01 + 100) = 11000 / 101
        price = liquidation_price(
            quantity=D(-100), entry_price=D(100), margin=D(1_000), bracket=BRACKETS[0]
        )
        assert price == D(11_000) / D(101), BINANCE

    def test_counts_the_maintenance_amount(self):
        # (10000 + 500 - 1000 * 100) / (1000 * 0.02 - 1000) = -89500 / -980
        price = liquidation_price(
            quantity=D(1_000), entry_price=D(100), margin=D(10_000), bracket=BRACKETS[1]
        )
        assert price == D(89_500) / D(980), BINANCE

    def test_does_not_exist_without_a_position(self):
        assert (
            liquidation_price(quantity=D(0), entry_price=D(0), margin=D(10), bracket=BRACKETS[0])
            is None
        )

    def test_does_not_exist_for_a_long_that_is_paid_in_full(self):
        assert (
            liquidation_price(quantity=D(1), entry_price=D(100), margin=D(150), bracket=BRACKETS[0])
            is None
        )

    def test_is_where_equity_meets_maintenance(self):
        desk = isolated_desk(leverage=10)
        desk.do(sell(BTC, 100))
        price = desk.exchange.liquidation_price(BTC)
        position = desk.exchange.position(BTC)
        equity = position.isolated_wallet + position.unrealized_pnl(price)
        assert equity == pytest.approx(maintenance_margin(BRACKETS, 100 * price))


class TestAvailableBalance:
    def test_an_isolated_position_sets_its_margin_aside(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 100))
        balances = desk.exchange.balances()
        # margin 100 * 100.1 / 10 = 1001; fee 100 * 100.1 * 0.0005 = 5.005
        assert balances.wallet == D("9994.995")
        assert balances.cross_wallet == D("8993.995")
        assert balances.available == D("8993.995")
        # marked at 100: 100 * (100 - 100.1)
        assert balances.unrealized_pnl == -10

    def test_an_isolated_loss_does_not_touch_it(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 100))
        desk.move(BTC, 95)
        assert desk.exchange.balances().available == D("8993.995")

    def test_a_cross_position_ties_up_margin_and_shares_its_profit(self):
        desk = Desk()
        desk.do(SetLeverage(BTC, 10))
        desk.do(buy(BTC, 100))
        desk.move(BTC, 110)
        balances = desk.exchange.balances()
        # wallet, profit, margin: 9994.995 + 100 * (110 - 100.1) - 100 * 110 / 10
        assert balances.available == D("9884.995")
        assert balances.position_initial_margin == 1_100
        assert balances.cross_wallet == balances.wallet

    def test_a_resting_order_ties_up_its_margin(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10, 90))
        assert desk.exchange.balances().order_initial_margin == 90
        assert desk.exchange.balances().available == 9_910
        desk.do(CancelAllOrders(BTC))
        assert desk.exchange.balances().available == 10_000

    def test_of_buys_and_sells_the_dearer_side_counts(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10, 90))
        desk.do(sell(BTC, 10, 110))
        assert desk.exchange.balances().order_initial_margin == 110

    def test_an_order_that_only_closes_ties_up_nothing(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10))
        desk.do(sell(BTC, 10, 110))
        assert desk.exchange.balances().order_initial_margin == 0

    def test_of_a_turning_order_only_the_opening_part_counts(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10))
        desk.do(sell(BTC, 30, 110))
        # only what opens: (30 - 10) * 110 / 10
        assert desk.exchange.balances().order_initial_margin == 220


class TestMarginCheck:
    def test_an_order_needs_margin_fee_and_the_loss_on_opening(self):
        # 9 * 100.1 / 10 = 90.09 margin, 0.45045 fee, 9 * 0.1 = 0.9 loss against the mark of 100
        enough = D("90.09") + D("0.45045") + D("0.9")
        assert isolated_desk(wallet=enough).do(buy(BTC, 9)).status is OrderStatus.FILLED
        poor = isolated_desk(wallet=enough - D("0.00001"))
        assert reason_of(poor, buy(BTC, 9)) is Reason.MARGIN_INSUFFICIENT

    def test_resting_orders_count(self):
        desk = isolated_desk(wallet=100)
        desk.do(buy(BTC, 9, 90))
        assert reason_of(desk, buy(BTC, 9, 90)) is Reason.MARGIN_INSUFFICIENT

    def test_closing_needs_no_margin(self):
        desk = isolated_desk(wallet=101)
        desk.do(buy(BTC, "9.9"))
        assert desk.do(sell(BTC, "9.9")).status is OrderStatus.FILLED

    def test_a_position_may_not_exceed_the_bracket_of_its_leverage(self):
        desk = isolated_desk(leverage=50, wallet=100_000)
        desk.market.level_quantity = D(1_000)
        desk.do(buy(BTC, 100))
        # at 50x at most 50 000: 100 + 399 at 100.1 are 49 949.9, 100 + 400 are 50 050
        assert reason_of(desk, order(BUY, BTC, 400, "100.1")) is Reason.POSITION_TOO_LARGE
        assert desk.do(order(BUY, BTC, 399, "100.1")).status is OrderStatus.FILLED


class TestSettings:
    def test_an_account_starts_in_cross_margin_at_20x(self):
        position = Desk().exchange.position(BTC)
        assert (position.margin_mode, position.leverage) == (MarginMode.CROSS, 20)

    @pytest.mark.parametrize("leverage", [0, 51, -1])
    def test_leverage_outside_the_table_is_refused(self, leverage):
        assert reason_of(Desk(), SetLeverage(BTC, leverage)) is Reason.LEVERAGE_INVALID

    def test_an_isolated_position_keeps_at_least_its_leverage(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10))
        desk.do(SetLeverage(BTC, 10))
        desk.do(SetLeverage(BTC, 11))
        command = SetLeverage(BTC, 9)
        assert reason_of(desk, command) is Reason.LEVERAGE_REDUCTION_WITH_POSITION

    def test_a_large_position_may_not_be_levered_beyond_its_bracket(self):
        desk = isolated_desk(leverage=10, wallet=100_000)
        desk.market.level_quantity = D(1_000)
        for _ in range(6):
            desk.do(buy(BTC, 100))
        assert reason_of(desk, SetLeverage(BTC, 50)) is Reason.POSITION_TOO_LARGE

    def test_the_same_margin_mode_is_refused(self):
        desk = isolated_desk()
        command = SetMarginMode(BTC, MarginMode.ISOLATED)
        assert reason_of(desk, command) is Reason.MARGIN_MODE_UNCHANGED

    def test_the_margin_mode_is_fixed_by_orders_and_positions(self):
        desk = isolated_desk()
        desk.do(buy(BTC, 1, 90))
        command = SetMarginMode(BTC, MarginMode.CROSS)
        assert reason_of(desk, command) is Reason.MARGIN_MODE_WITH_OPEN_ORDERS
        desk.do(CancelAllOrders(BTC))
        desk.do(buy(BTC, 1))
        assert reason_of(desk, command) is Reason.MARGIN_MODE_WITH_POSITION

    def test_isolated_margin_can_be_added_and_taken_back(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10))
        desk.do(AdjustIsolatedMargin(BTC, D(50)))
        assert desk.exchange.position(BTC).isolated_wallet == D("150.1")
        # needed: 10 * 100 / 10 = 100 and the loss of 10 * 0.1 = 1; so 49.1 may go
        too_much = AdjustIsolatedMargin(BTC, D("-49.2"))
        assert reason_of(desk, too_much) is Reason.ISOLATED_MARGIN_INSUFFICIENT
        desk.do(AdjustIsolatedMargin(BTC, D("-49.1")))
        assert desk.exchange.position(BTC).isolated_wallet == D("101.0")

    def test_more_than_is_free_cannot_be_added(self):
        desk = isolated_desk()
        desk.do(buy(BTC, 1))
        command = AdjustIsolatedMargin(BTC, D(10_000))
        assert reason_of(desk, command) is Reason.ISOLATED_MARGIN_INSUFFICIENT

    def test_a_cross_position_has_no_margin_of_its_own(self):
        desk = Desk()
        desk.do(buy(BTC, 1))
        command = AdjustIsolatedMargin(BTC, D(1))
        assert reason_of(desk, command) is Reason.ISOLATED_MARGIN_ON_CROSS


class TestFunding:
    def test_a_long_pays_a_positive_rate_on_its_marked_notional(self):
        desk = isolated_desk()
        desk.do(buy(BTC, 10))
        before = desk.wallet
        desk.market.pay_funding(BTC, "0.0001", START_MS + HOUR_MS, mark=102)
        desk.wait(2 * HOUR_MS)
        # 10 * 102 * 0.0001
        assert desk.wallet - before == D("-0.102")
        [paid] = desk.journal.of(FundingPaid)
        assert (paid.amount, paid.position, paid.time_ms) == (
            D("-0.102"),
            10,
            START_MS + HOUR_MS,
        )

    def test_a_short_receives_it_and_a_negative_rate_turns_it(self):
        desk = isolated_desk()
        desk.do(sell(BTC, 10))
        before = desk.wallet
        desk.market.pay_funding(BTC, "0.0001", START_MS + HOUR_MS, mark=100)
        desk.market.pay_funding(BTC, "-0.0003", START_MS + 2 * HOUR_MS, mark=100)
        desk.wait(3 * HOUR_MS)
        assert desk.wallet - before == D("0.1") - D("0.3")

    def test_nobody_pays_without_a_position(self):
        desk = isolated_desk()
        desk.do(buy(BTC, 1, 50))
        desk.market.pay_funding(BTC, "0.0001", START_MS + HOUR_MS, mark=100)
        desk.wait(2 * HOUR_MS)
        assert desk.journal.of(FundingPaid) == []

    def test_a_position_opened_at_funding_time_does_not_pay(self):
        desk = isolated_desk()
        desk.market.pay_funding(BTC, "0.0001", START_MS, mark=100)
        desk.do(buy(BTC, 1))
        desk.wait(HOUR_MS)
        assert desk.journal.of(FundingPaid) == []

    def test_each_payment_falls_due_once_however_often_time_is_asked(self):
        desk = isolated_desk()
        desk.do(buy(BTC, 10))
        desk.market.pay_funding(BTC, "0.0001", START_MS + 500, mark=100)
        for _ in range(10):
            desk.wait(100)
        assert len(desk.journal.of(FundingPaid)) == 1

    def test_what_the_free_wallet_cannot_pay_comes_out_of_the_position(self):
        desk = isolated_desk(leverage=1, wallet=1_003)
        desk.do(buy(BTC, 10))
        free = desk.exchange.balances().cross_wallet
        # margin 1001, fee 0.5005: 1.4995 are free
        assert free == D("1.4995")
        desk.market.pay_funding(BTC, "0.01", START_MS + 500, mark=100)
        desk.wait(1_000)
        # 10 are due; 1.4995 from the free wallet, 8.5005 from the margin
        assert desk.exchange.position(BTC).isolated_wallet == D("992.4995")
        assert desk.exchange.balances().cross_wallet == 0


class TestIsolatedLiquidation:
    def test_happens_at_the_mark_price_and_costs_exactly_the_margin(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10))
        before, margin = desk.wallet, desk.exchange.position(BTC).isolated_wallet
        # (100.1 - 10 * 100.1) / (10 * 0.01 - 10) = 91.0
        assert desk.exchange.liquidation_price(BTC) == 91
        desk.move(BTC, "91.1")
        assert desk.exchange.position(BTC).quantity == 10
        desk.move(BTC, 91)
        assert desk.exchange.position(BTC).quantity == 0
        assert desk.wallet == before - margin
        [event] = desk.journal.of(PositionLiquidated)
        assert (event.symbol, event.quantity, event.price) == (BTC, 10, 91)

    def test_watches_the_mark_not_the_last_price(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10))
        desk.market.set_mark(BTC, 95)
        desk.move(BTC, 80)
        assert desk.exchange.position(BTC).quantity == 10

    def test_a_gap_beyond_bankruptcy_costs_no_more_than_the_margin(self):
        desk = isolated_desk(leverage=10)
        desk.do(sell(BTC, 10))
        before, margin = desk.wallet, desk.exchange.position(BTC).isolated_wallet
        desk.move(BTC, 200)
        assert desk.wallet == before - margin
        assert desk.exchange.account.ledger[-1].kind == "insurance"

    def test_cancels_the_instruments_orders_and_spares_the_others(self):
        desk = isolated_desk(leverage=10, **{BTC: 100, ETH: 50})
        desk.do(buy(BTC, 10))
        desk.do(buy(ETH, 10))
        doomed, spared = desk.do(buy(BTC, 1, 50)), desk.do(buy(ETH, 1, 40))
        desk.move(BTC, 85)
        assert doomed.status is OrderStatus.CANCELED
        assert spared.status is OrderStatus.NEW
        assert desk.exchange.position(ETH).quantity == 10

    def test_leaves_a_forced_order_in_the_history(self):
        desk = isolated_desk(leverage=10)
        desk.do(buy(BTC, 10))
        desk.move(BTC, 85)
        forced = list(desk.exchange.book.orders.values())[-1]
        assert forced.client_order_id.startswith("autoclose-")
        assert (forced.origin, forced.side) == ("liquidation", SELL)


class TestCrossLiquidation:
    def test_uses_the_whole_wallet(self):
        desk = Desk(200)
        desk.do(SetLeverage(BTC, 10))
        desk.do(buy(BTC, 10))
        # wallet 199.4995; (199.4995 - 1001) / (0.1 - 10)
        assert desk.exchange.liquidation_price(BTC) == D("801.5005") / D("9.9")
        desk.move(BTC, 85)
        assert desk.exchange.position(BTC).quantity == 10
        desk.move(BTC, "80.9")
        assert desk.exchange.position(BTC).quantity == 0
        assert desk.wallet >= 0

    def test_a_winning_position_carries_a_losing_one(self):
        desk = Desk(200, **{BTC: 100, ETH: 100})
        for symbol in (BTC, ETH):
            desk.do(SetLeverage(symbol, 20))
        desk.do(buy(BTC, 10))
        desk.do(sell(ETH, 10))
        desk.market.set_price(BTC, 70, desk.clock.now_ms + 1)
        desk.move(ETH, 70)
        assert desk.exchange.position(BTC).quantity == 10

    def test_closes_every_cross_position_and_never_goes_below_zero(self):
        desk = Desk(200, **{BTC: 100, ETH: 100})
        for symbol in (BTC, ETH):
            desk.do(SetLeverage(symbol, 20))
        desk.do(buy(BTC, 10))
        desk.do(buy(ETH, 10))
        desk.market.set_price(BTC, 60, desk.clock.now_ms + 1)
        desk.move(ETH, 60)
        assert desk.exchange.account.held == []
        assert desk.wallet == 0

    def test_the_liquidation_price_counts_what_others_hold(self):
        desk = Desk(500, **{BTC: 100, ETH: 100})
        desk.do(buy(BTC, 10))
        alone = desk.exchange.liquidation_price(BTC)
        desk.do(sell(ETH, 10))
        desk.move(ETH, 90)
        # the short's profit of 10 * (100 - 90) pushes the long's price down
        assert desk.exchange.liquidation_price(BTC) < alone


class TestExternalClose:
    def test_takes_the_position_whatever_the_clients_orders_say(self):
        desk = isolated_desk()
        desk.do(buy(BTC, 10))
        resting = desk.do(PlaceOrder(BTC, SELL, OrderType.LIMIT, D(10), D(120), reduce_only=True))
        closed = desk.do(CloseExternally(BTC))
        assert (closed.filled_quantity, closed.origin) == (10, "external")
        assert resting.status is OrderStatus.EXPIRED
        assert desk.journal.of(PositionClosedExternally)[0].quantity == 10

    def test_may_close_a_part(self):
        desk = isolated_desk()
        desk.do(sell(BTC, 10))
        desk.do(CloseExternally(BTC, Decimal("0.25")))
        assert desk.exchange.position(BTC).quantity == D("-7.5")

    def test_needs_a_position(self):
        command = CloseExternally(BTC)
        assert reason_of(isolated_desk(), command) is Reason.REDUCE_ONLY_WITHOUT_POSITION
