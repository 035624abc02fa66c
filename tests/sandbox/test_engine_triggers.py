"""Conditional orders: when they fire, what they become, and what ends them."""

import pytest

from freqtrade_ext.sandbox.engine import (
    CancelAllTriggers,
    CancelTrigger,
    OrderStatus,
    OrderType,
    PlaceOrder,
    PlaceTrigger,
    PriceSource,
    Reason,
    Rejection,
    Side,
    TriggerStatus,
    TriggerType,
)
from freqtrade_ext.sandbox.journal import TriggerFired

from .doubles import D, Desk

BUY, SELL = Side.BUY, Side.SELL
BTC = "BTCUSDT"
STOP, STOP_LIMIT = TriggerType.STOP_MARKET, TriggerType.STOP_LIMIT
PROFIT, PROFIT_LIMIT = TriggerType.TAKE_PROFIT_MARKET, TriggerType.TAKE_PROFIT_LIMIT


def trigger(side: Side, kind: TriggerType, at: object, **more: object) -> PlaceTrigger:
    values = {"quantity": D(1), "reduce_only": True} | more
    return PlaceTrigger(BTC, side, kind, D(str(at)), **values)


def holding(side: Side, quantity: object = 1) -> Desk:
    desk = Desk()
    desk.do(PlaceOrder(BTC, side, OrderType.MARKET, D(str(quantity))))
    return desk


def reason_of(desk: Desk, command: object) -> Reason:
    with pytest.raises(Rejection) as caught:
        desk.do(command)
    return caught.value.reason


class TestFiring:
    @pytest.mark.parametrize(
        ("held", "side", "kind", "at", "quiet", "firing"),
        [
            pytest.param(BUY, SELL, STOP, 95, "95.1", 95, id="stop of a long"),
            pytest.param(SELL, BUY, STOP, 105, "104.9", 105, id="stop of a short"),
            pytest.param(BUY, SELL, PROFIT, 105, "104.9", 105, id="profit of a long"),
            pytest.param(SELL, BUY, PROFIT, 95, "95.1", 95, id="profit of a short"),
        ],
    )
    def test_happens_when_the_price_is_reached(self, held, side, kind, at, quiet, firing):
        desk = holding(held)
        placed = desk.do(trigger(side, kind, at))
        desk.move(BTC, quiet)
        assert placed.status is TriggerStatus.NEW
        desk.move(BTC, firing)
        assert placed.status is TriggerStatus.FINISHED
        assert placed.order.status is OrderStatus.FILLED
        assert desk.exchange.position(BTC).quantity == 0

    def test_meets_the_book_as_it_stood_at_the_trigger_price(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, STOP, 95))
        desk.market.set_price(BTC, 90, desk.clock.now_ms + 100)
        desk.market.set_price(BTC, 99, desk.clock.now_ms + 200)
        desk.wait(1_000)
        assert placed.order.average_price == 95

    def test_on_the_mark_price_ignores_the_last_price(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, STOP, 95, price_source=PriceSource.MARK))
        desk.market.set_mark(BTC, 97)
        desk.move(BTC, 90)
        assert placed.status is TriggerStatus.NEW
        desk.market.set_mark(BTC, 95)
        desk.wait(100)
        assert placed.status is TriggerStatus.FINISHED
        assert placed.order.average_price == 90

    def test_one_on_the_mark_price_does_not_blind_one_on_the_last_price(self):
        desk = holding(BUY, 2)
        desk.market.set_mark(BTC, 100)
        desk.do(trigger(SELL, STOP, 95, price_source=PriceSource.MARK))
        on_last = desk.do(trigger(SELL, STOP, 95))
        desk.move(BTC, 94)
        assert on_last.status is TriggerStatus.FINISHED

    def test_the_order_carries_the_triggers_client_id(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, STOP, 95, client_order_id="stop-1"))
        desk.move(BTC, 95)
        assert placed.order.client_order_id == "stop-1"
        assert placed.order.trigger is placed
        assert placed.order.origin == "trigger"

    def test_a_stop_limit_becomes_a_limit_order_and_is_finished_with_it(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, STOP_LIMIT, 95, price=D(96)))
        desk.move(BTC, 95)
        assert placed.status is TriggerStatus.TRIGGERED
        assert placed.order.status is OrderStatus.NEW
        desk.move(BTC, 96)
        assert placed.status is TriggerStatus.FINISHED
        assert placed.order.average_price == 96

    def test_a_take_profit_limit_takes_what_crosses(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, PROFIT_LIMIT, 105, price=D(104)))
        desk.move(BTC, 105)
        assert placed.order.average_price == 105

    def test_without_a_position_to_reduce_is_rejected(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, STOP, 95))
        desk.do(PlaceOrder(BTC, SELL, OrderType.MARKET, D(1)))
        desk.move(BTC, 95)
        assert placed.status is TriggerStatus.REJECTED
        assert placed.order is None
        assert desk.journal.of(TriggerFired)[0].venue_order_id is None
        assert desk.exchange.position(BTC).quantity == 0

    def test_happens_once(self):
        desk = holding(BUY, 3)
        desk.do(trigger(SELL, STOP, 95))
        for price in (95, 94, 93):
            desk.move(BTC, price)
        assert desk.exchange.position(BTC).quantity == 2

    def test_may_open_a_position(self):
        desk = Desk()
        desk.do(trigger(BUY, STOP, 105, reduce_only=False))
        desk.move(BTC, 106)
        assert desk.exchange.position(BTC).quantity == 1


class TestClosePosition:
    def test_closes_whatever_is_held_when_it_fires(self):
        desk = holding(BUY)
        desk.do(trigger(SELL, STOP, 95, quantity=D(0), close_position=True))
        desk.do(PlaceOrder(BTC, BUY, OrderType.MARKET, D(4)))
        desk.move(BTC, 95)
        assert desk.exchange.position(BTC).quantity == 0

    def test_expires_with_the_position(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, STOP, 95, quantity=D(0), close_position=True))
        desk.do(PlaceOrder(BTC, SELL, OrderType.MARKET, D(1)))
        assert placed.status is TriggerStatus.EXPIRED

    def test_needs_a_position(self):
        command = trigger(SELL, STOP, 95, quantity=D(0), close_position=True)
        assert reason_of(Desk(), command) is Reason.CLOSE_POSITION_WITHOUT_POSITION


class TestAcceptance:
    @pytest.mark.parametrize(
        ("side", "kind", "at"),
        [
            pytest.param(SELL, STOP, 100, id="stop of a long at the market"),
            pytest.param(SELL, STOP, 101, id="stop of a long above it"),
            pytest.param(BUY, STOP, 100, id="stop of a short at the market"),
            pytest.param(SELL, PROFIT, 99, id="profit of a long below the market"),
            pytest.param(BUY, PROFIT, 101, id="profit of a short above it"),
        ],
    )
    def test_one_that_would_fire_at_once_is_refused(self, side, kind, at):
        desk = holding(side.opposite)
        assert reason_of(desk, trigger(side, kind, at)) is Reason.WOULD_TRIGGER_AT_ONCE

    def test_the_trigger_price_lies_on_the_tick_grid(self):
        desk = holding(BUY)
        assert reason_of(desk, trigger(SELL, STOP, "95.05")) is Reason.PRECISION_EXCEEDED

    def test_a_limit_needs_a_price(self):
        desk = holding(BUY)
        assert reason_of(desk, trigger(SELL, STOP_LIMIT, 95)) is Reason.PRICE_NOT_POSITIVE

    def test_an_opening_one_has_a_minimum_notional(self):
        command = trigger(BUY, STOP, 105, quantity=D("0.001"), reduce_only=False)
        assert reason_of(Desk(), command) is Reason.NOTIONAL_TOO_SMALL

    def test_a_waiting_client_id_is_not_given_twice(self):
        desk = holding(BUY)
        desk.do(trigger(SELL, STOP, 95, client_order_id="s"))
        command = trigger(SELL, STOP, 94, client_order_id="s")
        assert reason_of(desk, command) is Reason.CLIENT_ORDER_ID_DUPLICATED

    def test_a_client_id_is_free_again_after_the_end(self):
        desk = holding(BUY)
        first = desk.do(trigger(SELL, STOP, 95, client_order_id="s"))
        desk.do(CancelTrigger(trigger_id=first.trigger_id))
        second = desk.do(trigger(SELL, STOP, 95, client_order_id="s"))
        assert desk.exchange.book.find_trigger(None, "s") is second


class TestCanceling:
    def test_by_either_id(self):
        desk = holding(BUY)
        first = desk.do(trigger(SELL, STOP, 95))
        second = desk.do(trigger(SELL, STOP, 94, client_order_id="s"))
        desk.do(CancelTrigger(trigger_id=first.trigger_id))
        desk.do(CancelTrigger(client_order_id="s"))
        assert (first.status, second.status) == (TriggerStatus.CANCELED,) * 2
        desk.move(BTC, 90)
        assert desk.exchange.position(BTC).quantity == 1

    def test_one_that_fired_is_not_open(self):
        desk = holding(BUY)
        placed = desk.do(trigger(SELL, STOP, 95))
        desk.move(BTC, 95)
        command = CancelTrigger(trigger_id=placed.trigger_id)
        assert reason_of(desk, command) is Reason.ORDER_NOT_OPEN

    def test_an_unknown_one_is_not_open(self):
        assert reason_of(Desk(), CancelTrigger(trigger_id=7)) is Reason.ORDER_NOT_OPEN

    def test_all_of_an_instrument(self):
        desk = Desk(BTCUSDT=100, ETHUSDT=100)
        desk.do(trigger(BUY, STOP, 105, reduce_only=False))
        other = PlaceTrigger("ETHUSDT", BUY, STOP, D(105), D(1))
        desk.do(other)
        desk.do(CancelAllTriggers(BTC))
        assert [one.symbol for one in desk.exchange.book.waiting()] == ["ETHUSDT"]
