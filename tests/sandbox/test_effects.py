"""What each effect does to a request, an order, the account and the market data.

Planted bugs, by the test that turned red:

- test_a_dropped_request_never_reached_the_exchange: a request is dropped after the exchange acted
- test_a_time_out_acts_at_once_and_answers_never: a time-out answers in the end
- test_a_cancel_that_canceled_nothing_is_not_lost_and_the_fault_waits: a lost cancel is lost
  though nothing was canceled; a fault that missed counts as fired
- test_repeated_fills_are_the_same_rows_twice: rows repeated only once
- test_callbacks_see_the_exchange_before_and_after_it_acts: the second callback is not called
- test_the_position_shows_what_no_order_query_does: a hidden order is found by its id; a hidden
  order's fills show; the script of the first order is lost
- test_an_open_one_is_not_listed: a hidden open order is listed
- test_a_stop_hides_too: a hidden stop is listed; a stop's script is left for the next order
- test_it_appears_everywhere_when_the_time_is_over: hiding ends a millisecond late
- test_a_late_report_says_new_first_and_filled_later: an order whose fills are late is not open;
  late fills show the quote filled
- test_a_stalled_market_order_stays_open_and_fills_later: a stall never ends; a stalled market
  order expires; a stalled market order is not filled afterwards
- test_the_exchange_cancels_what_it_accepted: the exchange never cancels what it should
- test_a_person_adds_to_a_position: a person adds on the other side
- test_auto_deleveraging_is_told_by_its_name: ADL has the name of a liquidation
- test_a_person_closes_a_part_right_after_the_order: other is own
- test_refusals_last_and_say_for_how_long: a lasting effect does not last; a lasting effect never
  ends; a refused request reaches the script; Retry-After is the whole time
- test_one_that_spares_begins_with_the_next_request: spare spares nothing
- test_a_skewed_exchange_refuses_until_its_time_is_taken_over: the skew has no effect on
  signatures; the clock shows the true time
- test_stale_ones_stand_still_while_the_market_moves: stale prices stop the clock
- test_candles_lack_the_newest_and_the_price_of_the_one_before: the newest candle is not missing
"""

import pytest

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox import Effect, Fault
from freqtrade_ext.sandbox.journal import (
    FaultFired,
    FaultMissed,
    OrderFilled,
    PositionClosedExternally,
    PositionLiquidated,
)

from .doubles import D, Line

BTC, ETH = "BTCUSDT", "ETHUSDT"
PLACE, QUERY, CANCEL = "POST /fapi/v1/order", "GET /fapi/v1/order", "DELETE /fapi/v1/order"
OPEN, ALL, TRADES = "GET /fapi/v1/openOrders", "GET /fapi/v1/allOrders", "GET /fapi/v1/userTrades"
STOP, QUERY_STOP = "POST /fapi/v1/algoOrder", "GET /fapi/v1/algoOrder"
RISK, DEPTH, TIME = "GET /fapi/v3/positionRisk", "GET /fapi/v1/depth", "GET /fapi/v1/time"


def order(symbol: str = BTC, side: str = "BUY", quantity: object = 1, **more: object) -> dict:
    base = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": quantity}
    return base | {"newOrderRespType": "RESULT", "newClientOrderId": "mine"} | more


def limit(price: object = 90, **more: object) -> dict:
    return order(type="LIMIT", timeInForce="GTC", price=price, **more)


MINE = {"symbol": BTC, "origClientOrderId": "mine"}
STOP_LOSS = {
    "symbol": BTC,
    "side": "SELL",
    "type": "STOP_MARKET",
    "algoType": "CONDITIONAL",
    "quantity": 1,
    "triggerPrice": 90,
    "reduceOnly": "true",
    "clientAlgoId": "stop",
}


def names_in(rows: list[dict]) -> list[str]:
    return [row["clientOrderId"] for row in rows]


class TestOnTheWay:
    def test_a_dropped_request_never_reached_the_exchange(self):
        line = Line(Fault(PLACE, effect=Effect.DROP_REQUEST))
        assert line.send(PLACE, **order()) is None
        assert line.desk.exchange.book.orders == {}
        line.plan.assert_exhausted()

    def test_a_time_out_acts_at_once_and_answers_never(self):
        line = Line(Fault(PLACE, effect=Effect.TIME_OUT(30)))
        assert line.send(PLACE, **order()) is None
        assert line.waits == [30.0]
        assert line.held(BTC) == 1

    @pytest.mark.parametrize(("code", "status"), [(-1007, 408), (-1006, 500), (-1008, 503)])
    def test_an_unknown_outcome_has_acted_and_has_the_code(self, code, status):
        line = Line(Fault(PLACE, effect=Effect.UNKNOWN(code)))
        answer = line.send(PLACE, **order())
        assert (answer.status, answer.code) == (status, code)
        assert line.held(BTC) == 1

    def test_a_garbled_answer_has_acted_and_is_not_json(self):
        line = Line(Fault(PLACE, effect=Effect.GARBLED))
        answer = line.send(PLACE, **order())
        assert (answer.status, answer.body[:6]) == (200, "<html>")
        assert line.held(BTC) == 1

    def test_a_lost_cancel_has_canceled(self):
        line = Line(Fault(CANCEL, effect=Effect.LOST_CANCEL))
        line.ok(PLACE, **limit())
        assert line.send(CANCEL, **MINE) is None
        assert line.ok(QUERY, **MINE)["status"] == "CANCELED"
        line.plan.assert_exhausted()

    def test_a_cancel_that_canceled_nothing_is_not_lost_and_the_fault_waits(self):
        line = Line(Fault(CANCEL, effect=Effect.LOST_CANCEL))
        assert line.send(CANCEL, **MINE).code == -2011
        assert len(line.plan.pending) == 1
        line.ok(PLACE, **limit())
        assert line.send(CANCEL, **MINE) is None
        line.plan.assert_exhausted()

    def test_repeated_fills_are_the_same_rows_twice(self):
        line = Line(Fault(TRADES, effect=Effect.REPEAT_FILLS))
        line.ok(PLACE, **order())
        line.ok(PLACE, **order(quantity=2))
        ids = [row["id"] for row in line.ok(TRADES, symbol=BTC)]
        assert ids == [3_000_001, 3_000_001, 3_000_002, 3_000_002]
        assert len(line.ok(TRADES, symbol=BTC)) == 2

    def test_no_fills_cannot_be_repeated(self):
        line = Line(Fault(TRADES, effect=Effect.REPEAT_FILLS))
        assert line.ok(TRADES, symbol=BTC) == []
        with pytest.raises(AssertionError, match=r"REPEAT_FILLS at .* \(matching requests seen: 1"):
            line.plan.assert_exhausted()

    def test_callbacks_see_the_exchange_before_and_after_it_acts(self):
        seen = []

        def look(call) -> None:
            seen.append((call.params["symbol"], call.exchange.position(BTC).quantity))

        line = Line(Fault(PLACE, effect=Effect.CALL(look, look)))
        line.ok(PLACE, **order())
        assert seen == [(BTC, 0), (BTC, 1)]


class TestHiddenOrders:
    def hidden(self, *, lost: bool = True, **sent: object) -> Line:
        line = Line(Fault(PLACE, effect=Effect.HIDE_ORDER(20, lost)))
        answer = line.send(PLACE, **(sent or order()))
        assert (answer is None) == lost
        return line

    def test_the_position_shows_what_no_order_query_does(self):
        line = self.hidden()
        assert line.ok(RISK)[0]["positionAmt"] == "1"
        assert line.send(QUERY, **MINE).code == -2013
        assert line.send("GET /fapi/v1/openOrder", **MINE).code == -2013
        assert line.ok(ALL, symbol=BTC) == []
        assert line.ok(TRADES, symbol=BTC) == []

    def test_an_open_one_is_not_listed(self):
        line = self.hidden(**limit())
        assert line.ok(OPEN, symbol=BTC) == line.ok(OPEN) == []

    def test_it_appears_everywhere_when_the_time_is_over(self):
        line = self.hidden()
        line.desk.wait(19_999)
        assert line.send(QUERY, **MINE).code == -2013
        line.desk.wait(1)
        assert line.ok(QUERY, **MINE)["status"] == "FILLED"
        assert names_in(line.ok(ALL, symbol=BTC)) == ["mine"]
        assert len(line.ok(TRADES, symbol=BTC)) == 1

    def test_the_answer_may_arrive_all_the_same(self):
        line = self.hidden(lost=False)
        assert line.send(QUERY, **MINE).code == -2013

    def test_a_cancel_finds_it(self):
        line = self.hidden(**limit())
        assert line.ok(CANCEL, **MINE)["status"] == "CANCELED"

    def test_other_orders_stay_visible(self):
        line = self.hidden()
        line.ok(PLACE, **order(newClientOrderId="other"))
        assert names_in(line.ok(ALL, symbol=BTC)) == ["other"]

    def test_a_stop_hides_too(self):
        line = Line(Fault(STOP, effect=Effect.HIDE_ORDER(20)))
        line.ok(PLACE, **order())
        assert line.send(STOP, **STOP_LOSS) is None
        assert line.send(QUERY_STOP, clientAlgoId="stop").code == -2013
        assert line.ok("GET /fapi/v1/openAlgoOrders") == []
        assert line.ok("GET /fapi/v1/allAlgoOrders", symbol=BTC) == []
        line.desk.wait(20_000)
        assert line.ok(QUERY_STOP, clientAlgoId="stop")["algoStatus"] == "NEW"


class TestFills:
    def test_a_late_report_says_new_first_and_filled_later(self):
        line = Line(Fault(PLACE, effect=Effect.LATE_FILL_REPORT(10)))
        assert line.ok(PLACE, **order())["executedQty"] == "0"
        for shown in (line.ok(QUERY, **MINE), line.ok(OPEN)[0], line.ok(ALL, symbol=BTC)[0]):
            assert (shown["status"], shown["executedQty"], shown["cumQuote"]) == ("NEW", "0", "0")
        assert line.ok(TRADES, symbol=BTC) == []
        assert line.held(BTC) == 1
        line.desk.wait(10_000)
        assert line.ok(QUERY, **MINE)["executedQty"] == "1"
        assert line.ok(OPEN) == []
        assert len(line.ok(TRADES, symbol=BTC)) == 1

    def test_a_stalled_market_order_stays_open_and_fills_later(self):
        line = Line(Fault(PLACE, effect=Effect.STALL("0.4", 30)))
        answer = line.ok(PLACE, **order(quantity=5))
        assert (answer["status"], answer["executedQty"]) == ("PARTIALLY_FILLED", "2")
        line.desk.wait(29_999)
        assert line.held(BTC) == 2
        line.desk.wait(1_001)
        assert line.held(BTC) == 5
        assert line.ok(QUERY, **MINE)["status"] == "FILLED"

    def test_a_stalled_limit_order_is_not_filled_though_the_market_is_there(self):
        line = Line(Fault(PLACE, effect=Effect.STALL(0, 30)))
        line.ok(PLACE, **limit())
        line.desk.move(BTC, 80, 20_000)
        assert line.held(BTC) == 0
        line.desk.move(BTC, 80, 11_000)
        assert line.held(BTC) == 1

    def test_the_rest_of_a_stalled_order_can_be_canceled(self):
        line = Line(Fault(PLACE, effect=Effect.STALL("0.4", 30)))
        line.ok(PLACE, **order(quantity=5))
        assert line.ok(CANCEL, **MINE)["executedQty"] == "2"
        line.desk.wait(60_000)
        assert line.held(BTC) == 2

    def test_a_stop_that_triggers_may_not_fill_for_a_while(self):
        line = Line(Fault(STOP, effect=Effect.STALL(0, 30)))
        line.ok(PLACE, **order())
        line.ok(STOP, **STOP_LOSS)
        line.desk.wait(60_000)  # the stall counts from the trigger, not from the order
        line.desk.move(BTC, 89)
        stop = line.ok(QUERY_STOP, clientAlgoId="stop")
        assert (stop["algoStatus"], stop["actualQty"]) == ("TRIGGERED", "0")
        became = line.ok(QUERY, symbol=BTC, orderId=stop["actualOrderId"])
        assert (became["status"], became["clientOrderId"]) == ("NEW", "stop")
        assert stop["actualOrderId"] != str(stop["algoId"])
        assert line.held(BTC) == 1
        line.desk.wait(31_000)
        assert line.held(BTC) == 0
        assert line.ok(QUERY_STOP, clientAlgoId="stop")["algoStatus"] == "FINISHED"

    def test_the_exchange_cancels_what_it_accepted(self):
        line = Line(Fault(PLACE, effect=Effect.CANCEL_ORDER("0.25")))
        assert line.ok(PLACE, **order())["status"] == "PARTIALLY_FILLED"
        line.desk.wait(1)
        shown = line.ok(QUERY, **MINE)
        assert (shown["status"], shown["executedQty"]) == ("CANCELED", "0.25")

    def test_the_exchange_cancels_a_stop(self):
        line = Line(Fault(STOP, effect=Effect.CANCEL_ORDER()))
        line.ok(PLACE, **order())
        assert line.ok(STOP, **STOP_LOSS)["algoStatus"] == "NEW"
        line.desk.wait(1)
        assert line.ok(QUERY_STOP, clientAlgoId="stop")["algoStatus"] == "CANCELED"

    def test_a_cancel_finds_the_order_filled(self):
        line = Line(Fault(CANCEL, effect=Effect.FILL_DURING_CANCEL))
        line.ok(PLACE, **limit())
        assert line.send(CANCEL, **MINE).code == -2011
        assert line.ok(QUERY, **MINE)["status"] == "FILLED"
        assert line.desk.journal.of(OrderFilled)[-1].price == 90
        line.plan.assert_exhausted()

    def test_a_cancel_by_the_exchanges_own_id_races_too(self):
        line = Line(Fault("CANCEL", effect=Effect.FILL_DURING_CANCEL))
        number = line.ok(PLACE, **limit())["orderId"]
        assert line.send(CANCEL, symbol=BTC, orderId=number).code == -2011
        assert line.held(BTC) == 1

    def test_a_cancel_of_nothing_cannot_race(self):
        line = Line(Fault(CANCEL, effect=Effect.FILL_DURING_CANCEL))
        assert line.send(CANCEL, **MINE).code == -2011
        [missed] = line.desk.journal.of(FaultMissed)
        assert (missed.effect, missed.reason) == ("FILL_DURING_CANCEL", "order_not_open")
        assert len(line.plan.pending) == 1

    def test_an_order_that_the_exchange_refuses_does_not_use_a_script_up(self):
        line = Line(Fault(PLACE, effect=Effect.PARTIAL_FILL("0.5")))
        assert line.send(PLACE, **order(quantity="0.0001")).code == -1111
        [missed] = line.desk.journal.of(FaultMissed)
        assert missed.reason == "the exchange did not take the order"
        assert not line.desk.exchange.waits_for_an_order
        line.ok(PLACE, **order())
        assert line.held(BTC) == D("0.5")
        line.plan.assert_exhausted()


class TestAccount:
    def both_legs(self, effect: object, **more: object) -> Line:
        """Buy two BTC, then sell two ETH under the effect."""
        line = Line(Fault("ORDER", occurrence=2, effect=effect))
        line.ok(PLACE, **order(quantity=2))
        line.ok(PLACE, **order(ETH, "SELL", 2) | more)
        return line

    @pytest.mark.parametrize(
        ("symbol", "left"), [("own", (2, -1)), ("other", (1, -2)), (BTC, (1, -2))]
    )
    def test_a_person_closes_a_part_right_after_the_order(self, symbol, left):
        line = self.both_legs(Effect.CLOSE_POSITION("0.5", symbol))
        assert (line.held(BTC), line.held(ETH)) == left
        [event] = line.desk.journal.of(PositionClosedExternally)
        assert event.quantity == 1

    def test_a_person_adds_to_a_position(self):
        line = self.both_legs(Effect.ADD_POSITION("0.5"))
        assert (line.held(BTC), line.held(ETH)) == (2, -3)
        added = line.ok(ALL, symbol=ETH)[-1]
        assert (added["clientOrderId"][:4], added["executedQty"]) == ("web_", "1")

    def test_a_liquidation_is_told_by_its_name(self):
        line = self.both_legs(Effect.LIQUIDATE("other"))
        assert (line.held(BTC), line.held(ETH)) == (0, -2)
        forced = line.ok(ALL, symbol=BTC)[-1]
        assert forced["clientOrderId"].startswith("autoclose-")
        assert line.ok(TRADES, symbol=BTC)[-1]["orderId"] == forced["orderId"]
        assert len(line.desk.journal.of(PositionLiquidated)) == 1

    def test_auto_deleveraging_is_told_by_its_name(self):
        line = self.both_legs(Effect.ADL("0.5"))
        assert (line.held(BTC), line.held(ETH)) == (2, -1)
        forced = line.ok(ALL, symbol=ETH)[-1]
        assert forced["clientOrderId"].startswith("adl_autoclose")
        assert (forced["side"], forced["status"]) == ("BUY", "FILLED")
        assert line.ok(TRADES, symbol=ETH)[-1]["orderId"] == forced["orderId"]
        assert line.desk.journal.of(OrderFilled)[-1].origin == "adl"

    def test_a_foreign_order_rests_far_from_the_market(self):
        line = self.both_legs(Effect.FOREIGN_ORDER())
        [foreign] = line.ok(OPEN)
        assert (foreign["symbol"], foreign["price"]) == (ETH, "50")
        assert foreign["clientOrderId"].startswith("web_")
        line.desk.wait(60_000)
        assert line.ok(OPEN)[0]["status"] == "NEW"

    @pytest.mark.parametrize(
        "effect", [Effect.CLOSE_POSITION(), Effect.ADD_POSITION(), Effect.LIQUIDATE(), Effect.ADL()]
    )
    def test_without_a_position_nothing_happens_and_the_fault_waits(self, effect):
        line = Line(Fault("ORDER", effect=effect))
        line.ok(PLACE, **limit())
        assert len(line.plan.pending) == 1
        line.ok(PLACE, **order(newClientOrderId="second"))
        line.plan.assert_exhausted()
        assert len(line.desk.journal.of(FaultFired)) == 2
        assert len(line.desk.journal.of(FaultMissed)) == 1

    def test_without_another_position_the_other_one_cannot_be_closed(self):
        line = Line(Fault("ORDER", effect=Effect.CLOSE_POSITION(1, "other")))
        line.ok(PLACE, **order())
        [missed] = line.desk.journal.of(FaultMissed)
        assert missed.reason == "there is no other instrument"


class TestLasting:
    """Effects that every request goes through, from the one that sets them off."""

    @pytest.mark.parametrize(
        ("effect", "status", "code"),
        [(Effect.RATE_LIMIT(20), 429, -1003), (Effect.BAN(20), 418, -1003)],
    )
    def test_refusals_last_and_say_for_how_long(self, effect, status, code):
        line = Line(Fault(PLACE, effect=effect))
        assert line.send(PLACE, **order()).headers["Retry-After"] == "20"
        line.desk.wait(15_500)
        answer = line.send(DEPTH, symbol=BTC)
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (status, code, "5")
        line.desk.wait(4_500)
        line.ok(RISK)
        assert line.desk.exchange.book.orders == {}

    def test_a_ban_says_until_when(self):
        line = Line(Fault(PLACE, effect=Effect.BAN(20)))
        until_ms = line.desk.clock.now_ms + 20_000
        assert f"IP banned until {until_ms}." in line.send(PLACE, **order()).body["msg"]

    def test_an_outage_drops_everything_until_it_ends(self):
        line = Line(Fault(RISK, effect=Effect.OUTAGE(60)))
        line.ok(PLACE, **order())
        assert line.send(RISK) is None
        line.desk.wait(59_999)
        assert line.send(PLACE, **order()) is line.send(TIME) is None
        line.desk.wait(1)
        line.ok(TIME)
        assert line.held(BTC) == 1

    def test_one_that_spares_begins_with_the_next_request(self):
        line = Line(Fault(PLACE, effect=Effect.OUTAGE(60, spare=True)))
        line.ok(PLACE, **order())
        assert line.send(PLACE, **order(ETH, "SELL")) is None
        assert (line.held(BTC), line.held(ETH)) == (1, 0)

    def test_maintenance_is_a_page(self):
        line = Line(Fault(PLACE, effect=Effect.MAINTENANCE(20)))
        answer = line.send(PLACE, **order())
        assert (answer.status, answer.body[:6], answer.code) == (503, "<html>", None)
        assert line.held(BTC) == 0

    def test_latency_waits_before_the_exchange_acts(self):
        line = Line(Fault(PLACE, effect=Effect.LATENCY(250, 20)))
        line.ok(PLACE, **order())
        line.ok(RISK)
        assert line.waits == [0.25, 0.25]
        line.desk.wait(20_000)
        line.ok(RISK)
        assert len(line.waits) == 2

    def test_latency_without_an_end_lasts(self):
        line = Line(Fault(PLACE, effect=Effect.LATENCY(250)))
        line.ok(PLACE, **order())
        line.desk.wait(86_400_000)
        line.ok(TIME)
        assert len(line.waits) == 2

    def test_refused_requests_reach_no_fault_of_the_script(self):
        plan = [Fault(RISK, effect=Effect.OUTAGE(5)), Fault(PLACE, effect=Effect.LOSE_RESPONSE)]
        line = Line(*plan)
        line.send(RISK)
        line.send(PLACE, **order())
        assert [str(fault) for fault in line.plan.pending] == [
            "LOSE_RESPONSE at POST /fapi/v1/order #1"
        ]
        line.desk.wait(5_000)
        assert line.send(PLACE, **order()) is None
        assert line.held(BTC) == 1

    def test_what_stands_is_told(self):
        line = Line(Fault(PLACE, effect=Effect.OUTAGE(5)))
        line.send(PLACE, **order())
        now_ms = line.desk.clock.now_ms
        assert [repr(one) for one in line.plan.standing(now_ms)] == ["OUTAGE(5.0, False)"]
        assert line.plan.standing(now_ms + 5_000) == []


class TestClock:
    @pytest.mark.parametrize("ahead_ms", [15_000, -15_000])
    def test_a_skewed_exchange_refuses_until_its_time_is_taken_over(self, ahead_ms):
        line = Line(Fault(RISK, effect=Effect.CLOCK_SKEW(ahead_ms, 60)))
        assert line.send(RISK).code == -1021
        shown = line.ok(TIME)["serverTime"]
        assert shown == line.desk.clock.now_ms + ahead_ms
        line.ok(RISK, timestamp=shown)

    def test_it_ends(self):
        line = Line(Fault(RISK, effect=Effect.CLOCK_SKEW(15_000, 60)))
        line.send(RISK)
        line.desk.wait(60_000)
        line.ok(RISK)
        assert line.ok(TIME)["serverTime"] == line.desk.clock.now_ms


class TestPrices:
    def test_stale_ones_stand_still_while_the_market_moves(self):
        line = Line(Fault(DEPTH, effect=Effect.STALE_PRICES(600)))
        line.ok(PLACE, **order())
        line.ok(DEPTH, symbol=BTC)
        began_ms = line.desk.clock.now_ms
        line.desk.move(BTC, 50, 300_000)
        assert line.ok(DEPTH, symbol=BTC)["bids"][0][0] == "100"
        assert line.ok("GET /fapi/v1/ticker/price", symbol=BTC)["price"] == "100"
        last = line.ok("GET /fapi/v1/klines", symbol=BTC, interval="1m")[-1]
        assert last[0] == began_ms - began_ms % 60_000
        assert line.ok(RISK)[0]["markPrice"] == "50.00000000"
        assert line.ok(TIME)["serverTime"] == line.desk.clock.now_ms
        line.desk.wait(300_000)
        assert line.ok(DEPTH, symbol=BTC)["bids"][0][0] == "50"

    def test_missing_ones(self):
        line = Line(Fault(DEPTH, effect=Effect.NAN_PRICES(60)))
        assert line.ok(DEPTH, symbol=BTC)["bids"] == []
        assert line.ok(DEPTH, symbol=BTC)["asks"] == []
        assert line.ok("GET /fapi/v1/ticker/bookTicker", symbol=BTC)["bidPrice"] == "0"
        assert {row["price"] for row in line.ok("GET /fapi/v2/ticker/price")} == {"0"}
        assert line.ok("GET /fapi/v1/premiumIndex", symbol=BTC)["markPrice"] == "0"
        line.ok(PLACE, **order())
        assert line.held(BTC) == 1
        line.desk.wait(60_000)
        assert line.ok(DEPTH, symbol=BTC)["bids"][0] == ["100", "100"]

    @pytest.mark.parametrize("price", ["0", "NaN", ""])
    def test_candles_lack_the_newest_and_the_price_of_the_one_before(self, price):
        line = Line(Fault("GET /fapi/v1/klines", occurrence=2, effect=Effect.NAN_PRICES(60, price)))
        asked = {"symbol": BTC, "interval": "1m", "limit": 5}
        whole = line.ok("GET /fapi/v1/klines", **asked)
        holed = line.ok("GET /fapi/v1/klines", **asked)
        assert holed[:3] == whole[:3]
        assert (len(holed), holed[3][1:5]) == (4, [price] * 4)
        assert holed[3][0] == whole[3][0]

    def test_a_refusal_stays_as_it_is(self):
        line = Line(Fault(DEPTH, effect=Effect.NAN_PRICES(60)))
        assert line.send(DEPTH, symbol="X").code == -1121


class TestNames:
    @pytest.mark.parametrize(
        ("name", "given", "shown"),
        [
            ("DROP_REQUEST", {}, "DROP_REQUEST"),
            ("GARBLED", {}, "GARBLED"),
            ("TIME_OUT", {"seconds": 30}, "TIME_OUT(30.0)"),
            ("UNKNOWN", {"code": -1007}, "UNKNOWN(-1007)"),
            ("UNKNOWN_STATUS", {"code": -1006}, "UNKNOWN(-1006)"),
            ("STALL", {"fraction": 0.4, "seconds": 20}, "STALL(0.4, 20)"),
            ("HIDE_ORDER", {"seconds": 20, "lost": False}, "HIDE_ORDER(20, False)"),
            ("LATE_FILL_REPORT", {"seconds": 5}, "LATE_FILL_REPORT(5)"),
            ("CLOSE_POSITION", {"symbol": "other"}, "CLOSE_POSITION(1, other)"),
            ("LATENCY", {"milliseconds": 250}, "LATENCY(250.0, None, False)"),
            ("CLOCK_SKEW", {"milliseconds": -5, "seconds": 3}, "CLOCK_SKEW(-5, 3.0, False)"),
            ("NAN_PRICES", {"seconds": 3, "price": "NaN"}, "NAN_PRICES(NaN, 3.0, False)"),
        ],
    )
    def test_lead_to_effects(self, name, given, shown):
        assert repr(Effect.named(name, **given)) == shown

    def test_every_one_is_reached_by_its_name(self):
        given = {"seconds": 1, "code": -2019, "fraction": "0.5", "milliseconds": 5}
        for name in Effect.names():
            takes = getattr(getattr(Effect, name), "__code__", None)
            wanted = takes.co_varnames if takes else ()
            effect = Effect.named(name, **{k: v for k, v in given.items() if k in wanted})
            assert effect.name == name
            assert repr(effect).startswith(name)

    @pytest.mark.parametrize(
        ("name", "given", "message"),
        [
            ("STALL", {"fraction": 0.5}, "STALL: missing a required .* it takes fraction, seconds"),
            ("GARBLED", {"seconds": 5}, "GARBLED takes nothing, got seconds"),
            ("TIME_OUT", {"seconds": 5, "code": 1}, "TIME_OUT: got an unexpected keyword"),
            ("TIME_OUT", {"seconds": 0}, "seconds must be positive, got 0"),
            ("TIME_OUT", {"seconds": "soon"}, "seconds must be a number, got 'soon'"),
            ("OUTAGE", {"seconds": "NaN"}, "seconds must be finite, got 'NaN'"),
            ("STALL", {"fraction": 1, "seconds": 5}, r"fraction of a stall must be in \[0, 1\)"),
            ("CLOSE_POSITION", {"fraction": 0}, r"position must be in \(0, 1\], got 0"),
            ("UNKNOWN", {"code": -9}, "unknown error code -9"),
        ],
    )
    def test_what_an_effect_does_not_take_is_said(self, name, given, message):
        with pytest.raises(ConfigError, match=message):
            Effect.named(name, **given)


def test_an_effect_that_others_wrote_needs_no_base():
    class Double:
        name = "DOUBLE"

        async def before(self, call):
            return None

        async def after(self, call, answer):
            return None

    line = Line(Fault("ORDER", effect=Double()))
    assert line.send(PLACE, **order()) is None
    assert line.held(BTC) == 1
