"""Order endpoints: what is sent, what is answered, field by field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.engine import OrderType, PlaceOrder, Side, TimeInForce
from freqtrade_ext.sandbox.wire import Params
from freqtrade_ext.sandbox.wire._call import Call
from freqtrade_ext.sandbox.wire._orders import parse_order
from freqtrade_ext.sandbox.wire._words import (
    ORDER_TYPES,
    SIDES,
    TIMES_IN_FORCE,
    amount,
    number,
    word_of,
)

from .doubles import START_MS, Client, D, Desk

BTC = {"symbol": "BTCUSDT"}
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
LIMIT = BTC | {
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "2",
    "price": "90",
    "newOrderRespType": "RESULT",
}
MARKET = BTC | {"side": "BUY", "type": "MARKET", "quantity": "2", "newOrderRespType": "RESULT"}
STOP = BTC | {
    "side": "SELL",
    "type": "STOP_MARKET",
    "algoType": "CONDITIONAL",
    "triggerPrice": "95",
    "quantity": "2",
    "reduceOnly": "true",
}


@pytest.fixture
def client() -> Client:
    return Client(Desk(BTCUSDT=100, ETHUSDT=50))


class TestPlacing:
    def test_a_resting_limit(self, client):
        answer = client.ok(f"POST {ORDER}", **LIMIT, newClientOrderId="mine")
        assert answer == {
            "orderId": 1_000_001,
            "symbol": "BTCUSDT",
            "status": "NEW",
            "clientOrderId": "mine",
            "price": "90",
            "avgPrice": "0.00",
            "origQty": "2",
            "executedQty": "0",
            "cumQty": "0",
            "cumQuote": "0",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "reduceOnly": False,
            "closePosition": False,
            "side": "BUY",
            "positionSide": "BOTH",
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": "LIMIT",
            "priceMatch": "NONE",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "goodTillDate": 0,
            "updateTime": START_MS,
        }

    def test_a_filled_market_order(self, client):
        answer = client.ok(f"POST {ORDER}", **MARKET)
        expected = {
            "status": "FILLED",
            "executedQty": "2",
            "cumQty": "2",
            "cumQuote": "200.2",
            "avgPrice": "100.1",
            "price": "0",
        }
        assert {key: answer[key] for key in expected} == expected

    def test_an_acknowledgement_tells_nothing_of_the_fill(self, client):
        answer = client.ok(f"POST {ORDER}", **MARKET | {"newOrderRespType": None})
        assert (answer["status"], answer["executedQty"], answer["cumQuote"]) == ("NEW", "0", "0")
        told = client.ok(f"GET {ORDER}", **BTC, orderId=answer["orderId"])
        assert told["status"] == "FILLED"

    def test_a_batch_answers_one_by_one(self, client):
        bad = LIMIT | {"quantity": "0.001"}
        batch = json.dumps([LIMIT, bad, MARKET | {"reduceOnly": False}, BTC | {"type": "STOP"}])
        first, second, third, fourth = client.ok("POST /fapi/v1/batchOrders", batchOrders=batch)
        assert first["status"] == "NEW"
        assert second["code"] == -4164
        assert third["status"] == "FILLED"
        assert fourth["code"] == -4120

    @pytest.mark.parametrize("batch", ["no json", "[]", "{}", json.dumps([LIMIT] * 6)])
    def test_a_batch_has_one_to_five_orders(self, client, batch):
        answer = client.call("POST /fapi/v1/batchOrders", batchOrders=batch)
        assert answer.body["code"] == -1130


class TestAsking:
    def test_by_either_id(self, client):
        placed = client.ok(f"POST {ORDER}", **LIMIT, newClientOrderId="mine")
        by_id = client.ok(f"GET {ORDER}", **BTC, orderId=placed["orderId"])
        by_name = client.ok(f"GET {ORDER}", **BTC, origClientOrderId="mine")
        still_open = client.ok("GET /fapi/v1/openOrder", **BTC, origClientOrderId="mine")
        assert by_id == by_name == still_open
        assert by_id["time"] == START_MS

    def test_open_orders_of_one_or_all(self, client):
        client.ok(f"POST {ORDER}", **LIMIT)
        client.ok(f"POST {ORDER}", **LIMIT | {"symbol": "ETHUSDT", "price": "40"})
        assert len(client.ok("GET /fapi/v1/openOrders", **BTC)) == 1
        assert len(client.ok("GET /fapi/v1/openOrders")) == 2

    def test_history_by_time_by_id_and_by_number(self, client):
        ids = []
        for _ in range(4):
            ids.append(client.ok(f"POST {ORDER}", **LIMIT)["orderId"])
            client.desk.wait(1_000)

        def history(**params: object) -> list[int]:
            rows = client.ok("GET /fapi/v1/allOrders", **BTC, **params)
            return [row["orderId"] for row in rows]

        assert history() == ids
        assert history(limit=2) == ids[-2:]
        assert history(orderId=ids[1], limit=2) == ids[1:3]
        assert history(startTime=START_MS + 1_000, endTime=START_MS + 2_000) == ids[1:3]
        assert history(startTime=START_MS, limit=1) == ids[:1]

    def test_history_without_times_is_that_of_a_week(self, client):
        client.ok(f"POST {ORDER}", **MARKET)
        client.desk.wait(8 * 86_400_000)
        assert client.ok("GET /fapi/v1/allOrders", **BTC) == []

    def test_fills(self, client):
        order = client.ok(f"POST {ORDER}", **MARKET)
        client.desk.move("BTCUSDT", 110)
        client.ok(f"POST {ORDER}", **MARKET | {"side": "SELL"})
        first, second = client.ok("GET /fapi/v1/userTrades", **BTC)
        assert first == {
            "symbol": "BTCUSDT",
            "id": 3_000_001,
            "orderId": order["orderId"],
            "side": "BUY",
            "price": "100.1",
            "qty": "2",
            "realizedPnl": "0.00000000",
            "quoteQty": "200.20000000",
            "commission": "0.10010000",
            "commissionAsset": "USDT",
            "time": START_MS,
            "positionSide": "BOTH",
            "buyer": True,
            "maker": False,
        }
        # the price difference twice is 2 * (110 - 100.1)
        assert second["realizedPnl"] == "19.80000000"
        of_order = client.ok("GET /fapi/v1/userTrades", **BTC, orderId=order["orderId"])
        assert of_order == [first]
        from_second = client.ok("GET /fapi/v1/userTrades", **BTC, fromId=second["id"])
        assert from_second == [second]


class TestChanging:
    def test_cancel(self, client):
        placed = client.ok(f"POST {ORDER}", **LIMIT)
        answer = client.ok(f"DELETE {ORDER}", **BTC, orderId=placed["orderId"])
        assert (answer["status"], answer["executedQty"], answer["cumQty"]) == ("CANCELED", "0", "0")

    def test_cancel_several(self, client):
        first = client.ok(f"POST {ORDER}", **LIMIT)["orderId"]
        client.ok(f"POST {ORDER}", **LIMIT, newClientOrderId="b")
        path = "DELETE /fapi/v1/batchOrders"
        answers = client.ok(path, **BTC, orderidlist=f"[{first},99]")
        assert [row.get("status", row.get("code")) for row in answers] == ["CANCELED", -2011]
        answers = client.ok(path, **BTC, origclientorderidlist='["b"]')
        assert answers[0]["status"] == "CANCELED"

    @pytest.mark.parametrize(
        ("params", "code"), [({}, -1102), ({"orderIdList": "nonsense"}, -1130)]
    )
    def test_cancel_several_needs_a_list(self, client, params, code):
        answer = client.call("DELETE /fapi/v1/batchOrders", **BTC, **params)
        assert answer.body["code"] == code

    def test_cancel_all(self, client):
        client.ok(f"POST {ORDER}", **LIMIT)
        answer = client.ok("DELETE /fapi/v1/allOpenOrders", **BTC)
        assert answer["code"] == 200
        assert client.ok("GET /fapi/v1/openOrders") == []

    def test_amend(self, client):
        placed = client.ok(f"POST {ORDER}", **LIMIT)
        change = BTC | {"side": "BUY", "quantity": "3", "price": "91.5"}
        answer = client.ok(f"PUT {ORDER}", **change, orderId=placed["orderId"])
        assert (answer["origQty"], answer["price"]) == ("3", "91.5")
        assert answer["orderId"] == placed["orderId"]


class TestConditional:
    def test_a_new_one(self, client):
        client.ok(f"POST {ORDER}", **MARKET)
        answer = client.ok(f"POST {ALGO}", **STOP, clientAlgoId="stop")
        assert answer == {
            "algoId": 2_000_001,
            "clientAlgoId": "stop",
            "algoType": "CONDITIONAL",
            "orderType": "STOP_MARKET",
            "symbol": "BTCUSDT",
            "side": "SELL",
            "positionSide": "BOTH",
            "timeInForce": "GTC",
            "quantity": "2",
            "algoStatus": "NEW",
            "triggerPrice": "95",
            "price": "0",
            "icebergQuantity": None,
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "workingType": "CONTRACT_PRICE",
            "priceMatch": "NONE",
            "closePosition": False,
            "priceProtect": False,
            "reduceOnly": True,
            "createTime": START_MS,
            "updateTime": START_MS,
            "triggerTime": 0,
            "goodTillDate": 0,
        }

    def test_waits_and_is_found_by_either_id(self, client):
        client.ok(f"POST {ORDER}", **MARKET)
        placed = client.ok(f"POST {ALGO}", **STOP, clientAlgoId="stop")
        by_id = client.ok(f"GET {ALGO}", algoId=placed["algoId"])
        assert by_id == client.ok(f"GET {ALGO}", clientAlgoId="stop")
        assert (by_id["algoStatus"], by_id["actualOrderId"]) == ("NEW", "")
        assert client.ok("GET /fapi/v1/openAlgoOrders", **BTC) == [by_id]
        assert client.ok("GET /fapi/v1/openAlgoOrders") == [by_id]
        assert client.ok("GET /fapi/v1/allAlgoOrders", **BTC) == [by_id]
        assert client.ok("GET /fapi/v1/openOrders") == []

    def test_names_the_order_it_became(self, client):
        client.ok(f"POST {ORDER}", **MARKET)
        placed = client.ok(f"POST {ALGO}", **STOP | {"workingType": "CONTRACT_PRICE"})
        client.desk.move("BTCUSDT", 95)
        told = client.ok(f"GET {ALGO}", algoId=placed["algoId"])
        assert (told["algoStatus"], told["actualPrice"], told["actualQty"]) == (
            "FINISHED",
            "95",
            "2",
        )
        assert told["triggerTime"] == START_MS + 1_000
        became = client.ok(f"GET {ORDER}", **BTC, orderId=told["actualOrderId"])
        expected = {
            "status": "FILLED",
            "type": "MARKET",
            "origType": "STOP_MARKET",
            "stopPrice": "95",
            "reduceOnly": True,
            "clientOrderId": placed["clientAlgoId"],
        }
        assert {key: became[key] for key in expected} == expected
        assert client.ok("GET /fapi/v1/openAlgoOrders") == []

    def test_a_stop_limit_is_triggered_until_its_order_ends(self, client):
        client.ok(f"POST {ORDER}", **MARKET)
        params = STOP | {"type": "STOP", "price": "97", "timeInForce": "GTC"}
        placed = client.ok(f"POST {ALGO}", **params)
        client.desk.move("BTCUSDT", 95)
        told = client.ok(f"GET {ALGO}", algoId=placed["algoId"])
        assert (told["algoStatus"], told["actualPrice"]) == ("TRIGGERED", "0.00000")
        client.ok(f"DELETE {ORDER}", **BTC, orderId=told["actualOrderId"])
        assert client.ok(f"GET {ALGO}", algoId=placed["algoId"])["algoStatus"] == "FINISHED"

    def test_close_position(self, client):
        client.ok(f"POST {ORDER}", **MARKET)
        params = STOP | {"quantity": None, "reduceOnly": None, "closePosition": "true"}
        placed = client.ok(f"POST {ALGO}", **params, workingType="MARK_PRICE")
        assert (placed["closePosition"], placed["quantity"]) == (True, "0")
        assert placed["workingType"] == "MARK_PRICE"
        client.desk.move("BTCUSDT", 94)
        assert client.desk.exchange.account.held == []

    def test_cancel_one_and_all(self, client):
        client.ok(f"POST {ORDER}", **MARKET)
        first = client.ok(f"POST {ALGO}", **STOP)
        client.ok(f"POST {ALGO}", **STOP)
        answer = client.ok(f"DELETE {ALGO}", algoId=first["algoId"])
        assert answer == {
            "algoId": first["algoId"],
            "clientAlgoId": first["clientAlgoId"],
            "code": "200",
            "msg": "success",
        }
        assert client.ok("DELETE /fapi/v1/algoOpenOrders", **BTC)["code"] == 200
        assert client.ok("GET /fapi/v1/openAlgoOrders") == []
        told = client.ok(f"GET {ALGO}", algoId=first["algoId"])
        assert told["algoStatus"] == "CANCELED"


decimals = st.decimals(min_value="0.001", max_value=1_000, places=3, allow_nan=False)
limits = st.builds(
    PlaceOrder,
    st.just("BTCUSDT"),
    st.sampled_from(Side),
    st.just(OrderType.LIMIT),
    decimals,
    decimals,
    st.sampled_from(TimeInForce),
    st.booleans(),
    st.from_regex(r"[.A-Z:/a-z0-9_-]{1,36}", fullmatch=True),
)


def as_params(command: PlaceOrder) -> Params:
    """Write an order as ccxt sends it."""
    return Params(
        symbol=command.symbol,
        side=word_of(SIDES, command.side),
        type=word_of(ORDER_TYPES, command.order_type),
        quantity=number(command.quantity),
        price=number(command.price),
        timeInForce=word_of(TIMES_IN_FORCE, command.time_in_force),
        reduceOnly=str(command.reduce_only).lower(),
        newClientOrderId=command.client_order_id,
    )


@given(limits)
def test_an_order_survives_the_wire(command):
    params = as_params(command)
    assert parse_order(Call(Desk().exchange, params, START_MS), params) == command


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=8, allow_nan=False))
def test_numbers_are_written_without_exponent_and_read_back(value):
    for text in (number(value), amount(value)):
        assert "E" not in text
        assert D(text) == value


@pytest.mark.parametrize(
    ("value", "text"), [("0", "0"), ("1E+3", "1000"), ("1.500", "1.5"), ("-0.10", "-0.1")]
)
def test_numbers_are_written_plainly(value, text):
    assert number(D(value)) == text
