"""Every refusal in Binance's words: code, rendered text and HTTP status.

Source of codes and texts: https://developers.binance.com/docs/derivatives/usds-margined-futures/
error-code; those of HTTP 401, 408, 429, 418, 503 from its "General Info" page.
"""

import hashlib
import hmac
import re

import pytest

from freqtrade_ext.sandbox import Credentials
from freqtrade_ext.sandbox.engine import Reason
from freqtrade_ext.sandbox.wire import (
    BANNED,
    ROUTES,
    SERVER_BUSY,
    TIMEOUT,
    TOO_MANY_REQUESTS,
    UNKNOWN_ERROR,
    Request,
    known_errors,
)
from freqtrade_ext.sandbox.wire._auth import signature
from freqtrade_ext.sandbox.wire._errors import OF_REASON

from .doubles import START_MS, Client, D, Desk

ORDER = "POST /fapi/v1/order"
ALGO = "POST /fapi/v1/algoOrder"
KEY = {"x-mbx-apikey": "sandbox-key"}
BUY_LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "90",
}
BUY_MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
SELL_STOP = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "algoType": "CONDITIONAL",
    "triggerPrice": "90",
    "quantity": "1",
    "reduceOnly": "true",
}


@pytest.fixture
def client() -> Client:
    return Client(Desk(4_000))


def refused(client: Client, endpoint: str, **params: object) -> tuple[int, int, str]:
    answer = client.call(endpoint, **params)
    return answer.status, answer.body["code"], answer.body["msg"]


MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
INVALID = "Data sent for parameter '{}' is not valid."
PRECISION = "Precision is over the maximum defined for this asset."
USE_ALGO = (
    "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
)
NOT_RECORDED = "The order will not be recorded in the order history."
FILL_OR_KILL = (
    "Due to the order could not be filled immediately, the FOK order has been rejected. "
    + NOT_RECORDED
)
POST_ONLY = (
    "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    + NOT_RECORDED
)
TOO_SMALL = "Order's notional must be no smaller than 5 (unless you choose reduce only)."
WRONG_SIDE = "Order's position side does not match user's setting."

REFUSED_ORDERS = [
    ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ({"symbol": None}, -1102, MANDATORY.format("symbol")),
    ({"price": None}, -1102, MANDATORY.format("price")),
    ({"quantity": ""}, -1102, MANDATORY.format("quantity")),
    ({"timeInForce": None}, -1102, MANDATORY.format("timeInForce")),
    ({"quantity": "one"}, -1130, INVALID.format("quantity")),
    ({"quantity": "NaN"}, -1130, INVALID.format("quantity")),
    ({"quantity": "Infinity"}, -1130, INVALID.format("quantity")),
    ({"quantity": "1.00001"}, -1111, PRECISION),
    ({"price": "90.001"}, -1111, PRECISION),
    ({"timeInForce": "GTW"}, -1115, "Invalid timeInForce."),
    ({"type": "ICEBERG"}, -1116, "Invalid orderType."),
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"quantity": "10000", "price": "99.9"}, -4005, "Quantity greater than max quantity."),
    ({"quantity": "999"}, -2019, "Margin is insufficient."),
    ({"reduceOnly": "true"}, -2022, "ReduceOnly Order is rejected."),
    ({"price": "0"}, -4001, "Price less than or equal to zero."),
    ({"quantity": "0"}, -4003, "Quantity less than or equal to zero."),
    ({"newClientOrderId": "a b"}, -4015, "Client order id is not valid."),
    ({"positionSide": "LONG"}, -4061, WRONG_SIDE),
    ({"type": "STOP_MARKET"}, -4120, USE_ALGO),
    ({"type": "TRAILING_STOP_MARKET"}, -4120, USE_ALGO),
    ({"quantity": "0.01"}, -4164, TOO_SMALL),
    ({"timeInForce": "FOK"}, -5021, FILL_OR_KILL),
    ({"timeInForce": "GTX", "price": "101"}, -5022, POST_ONLY),
]


@pytest.mark.parametrize(
    ("change", "code", "text"), REFUSED_ORDERS, ids=[f"{c} {d}" for d, c, _ in REFUSED_ORDERS]
)
def test_an_order_is_refused_in_binances_words(client, change, code, text):
    assert refused(client, ORDER, **BUY_LIMIT | change) == (400, code, text)
    assert client.desk.exchange.book.orders == {}


class TestOrderState:
    def test_a_duplicated_client_id(self, client):
        client.ok(ORDER, **BUY_LIMIT, newClientOrderId="a")
        answer = refused(client, ORDER, **BUY_LIMIT, newClientOrderId="a")
        assert answer == (400, -4116, "ClientOrderId is duplicated.")

    def test_a_second_reducing_order_beyond_the_position(self, client):
        client.ok(ORDER, **BUY_MARKET)
        sell = BUY_LIMIT | {"side": "SELL", "price": "110", "reduceOnly": "true"}
        client.ok(ORDER, **sell)
        text = "ReduceOnly Order Failed. Please check your existing position and open orders."
        assert refused(client, ORDER, **sell) == (400, -4118, text)

    def test_a_market_without_a_book(self, client):
        client.desk.market.levels = 0
        assert refused(client, ORDER, **BUY_MARKET) == (400, -2020, "Unable to fill.")

    def test_a_closed_instrument(self, client):
        client.desk.market.closed.add("BTCUSDT")
        assert refused(client, ORDER, **BUY_MARKET) == (400, -4141, "Symbol is closed.")

    def test_asking_for_an_unknown_order(self, client):
        answer = refused(client, "GET /fapi/v1/order", symbol="BTCUSDT", orderId=7)
        assert answer == (400, -2013, "Order does not exist.")

    def test_canceling_an_unknown_order(self, client):
        answer = refused(client, "DELETE /fapi/v1/order", symbol="BTCUSDT", orderId=7)
        assert answer == (400, -2011, "Unknown order sent.")

    def test_asking_for_an_open_order_that_has_ended(self, client):
        order = client.ok(ORDER, **BUY_MARKET)
        asked = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
        answer = refused(client, "GET /fapi/v1/openOrder", **asked)
        assert answer == (400, -2011, "Unknown order sent.")

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_an_order_has_to_be_named(self, client, method):
        text = "Param 'orderid' or 'origclientorderid' must be sent, but both were empty/null!"
        answer = refused(client, f"{method} /fapi/v1/order", symbol="BTCUSDT")
        assert answer == (400, -1102, text)

    def test_an_amendment_that_changes_nothing(self, client):
        order = client.ok(ORDER, **BUY_LIMIT)
        same = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "1", "price": "90"}
        answer = refused(client, "PUT /fapi/v1/order", orderId=order["orderId"], **same)
        assert answer == (400, -5027, "No need to modify the order.")


class TestConditionalOrders:
    def test_would_fire_at_once(self, client):
        client.ok(ORDER, **BUY_MARKET)
        answer = refused(client, ALGO, **SELL_STOP | {"triggerPrice": "100"})
        assert answer == (400, -2021, "Order would immediately trigger.")

    def test_an_off_grid_trigger_price(self, client):
        client.ok(ORDER, **BUY_MARKET)
        answer = refused(client, ALGO, **SELL_STOP | {"triggerPrice": "90.01"})
        assert answer == (400, -1111, "Precision is over the maximum defined for this asset.")

    def test_close_position_without_one(self, client):
        params = SELL_STOP | {"closePosition": "true", "quantity": None, "reduceOnly": None}
        text = (
            "Time in Force (TIF) GTE can only be used with open positions. "
            "Please ensure that positions are available."
        )
        assert refused(client, ALGO, **params) == (400, -4509, text)

    def test_close_position_together_with_a_quantity(self, client):
        status, code, text = refused(client, ALGO, **SELL_STOP | {"closePosition": "true"})
        assert (status, code) == (400, -1130)
        assert text == "Data sent for parameter 'closePosition' is not valid."

    def test_another_kind_of_algo(self, client):
        answer = refused(client, ALGO, **SELL_STOP | {"algoType": "VP"})
        assert answer == (400, -1130, "Data sent for parameter 'algoType' is not valid.")

    def test_unknown_ones(self, client):
        answer = refused(client, "GET /fapi/v1/algoOrder", algoId=1)
        assert answer == (400, -2013, "Order does not exist.")
        answer = refused(client, "DELETE /fapi/v1/algoOrder", algoId=1)
        assert answer == (400, -2011, "Unknown order sent.")

    def test_have_to_be_named(self, client):
        text = "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!"
        assert refused(client, "GET /fapi/v1/algoOrder") == (400, -1102, text)


class TestSettings:
    def test_margin_type(self, client):
        endpoint, btc = "POST /fapi/v1/marginType", {"symbol": "BTCUSDT"}
        answer = refused(client, endpoint, **btc, marginType="CROSSED")
        assert answer == (400, -4046, "No need to change margin type.")
        client.ok(ORDER, **BUY_LIMIT)
        text = "Margin type cannot be changed if there exists open orders."
        assert refused(client, endpoint, **btc, marginType="ISOLATED") == (400, -4047, text)
        client.ok("DELETE /fapi/v1/allOpenOrders", **btc)
        client.ok(ORDER, **BUY_MARKET)
        text = "Margin type cannot be changed if there exists position."
        assert refused(client, endpoint, **btc, marginType="ISOLATED") == (400, -4048, text)
        text = "Data sent for parameter 'marginType' is not valid."
        assert refused(client, endpoint, **btc, marginType="BOTH") == (400, -1130, text)

    def test_leverage(self, client):
        answer = refused(client, "POST /fapi/v1/leverage", symbol="BTCUSDT", leverage=200)
        assert answer == (400, -4028, "Leverage 200 is not valid")

    def test_position_mode(self, client):
        endpoint = "POST /fapi/v1/positionSide/dual"
        answer = refused(client, endpoint, dualSidePosition="false")
        assert answer == (400, -4059, "No need to change position side.")
        assert refused(client, endpoint, dualSidePosition="true")[1] == -1130

    def test_position_margin(self, client):
        endpoint = "POST /fapi/v1/positionMargin"
        asked = {"symbol": "BTCUSDT", "amount": "1", "type": 1}
        text = "Add margin only support for isolated position."
        assert refused(client, endpoint, **asked) == (400, -4049, text)
        client.ok("POST /fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
        client.ok(ORDER, **BUY_MARKET)
        answer = refused(client, endpoint, **asked | {"amount": "100000"})
        assert answer == (400, -4051, "Isolated balance insufficient.")

    def test_leverage_beyond_the_bracket_and_reduction(self, client):
        client.ok("POST /fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
        client.ok(ORDER, **BUY_MARKET)
        text = "Leverage reduction is not supported in Isolated Margin Mode with open positions."
        answer = refused(client, "POST /fapi/v1/leverage", symbol="BTCUSDT", leverage=3)
        assert answer == (400, -4161, text)

    def test_a_position_beyond_its_bracket(self):
        client = Client(Desk(100_000))
        client.ok("POST /fapi/v1/leverage", symbol="BTCUSDT", leverage=50)
        answer = refused(client, ORDER, **BUY_LIMIT | {"quantity": "600"})
        text = "Exceeded the maximum allowable position at current leverage."
        assert answer == (400, -2027, text)


class TestCandles:
    def test_an_unknown_interval(self, client):
        asked = {"symbol": "BTCUSDT", "interval": "7m"}
        answer = refused(client, "GET /fapi/v1/klines", signed=False, **asked)
        assert answer == (400, -1120, "Invalid interval.")

    def test_an_instrument_that_is_not_listed_yet(self, client):
        old = client.desk.market.instruments["BTCUSDT"]
        fields = {name: getattr(old, name) for name in old.__dataclass_fields__}
        new = type(old)(**fields | {"listed_at_ms": START_MS + 1})
        client.desk.market.instruments = {"BTCUSDT": new}
        asked = {"symbol": "BTCUSDT", "interval": "1m"}
        assert refused(client, "GET /fapi/v1/klines", signed=False, **asked)[1] == -1121


class TestTheDoor:
    ACCOUNT = "GET /fapi/v2/account"

    def test_a_missing_key(self, client):
        answer = refused(client, self.ACCOUNT, signed=False)
        assert answer == (401, -2014, "API-key format invalid.")

    def test_a_malformed_key(self, client):
        client.credentials = Credentials(key="not a key")
        assert refused(client, self.ACCOUNT) == (401, -2014, "API-key format invalid.")

    def test_an_unknown_key(self, client):
        client.credentials = Credentials(key="somebody")
        text = "Invalid API-key, IP, or permissions for action."
        assert refused(client, self.ACCOUNT) == (401, -2015, text)

    def test_a_wrong_secret(self, client):
        client.credentials = Credentials(secret="wrong")
        text = "Signature for this request is not valid."
        assert refused(client, self.ACCOUNT) == (400, -1022, text)

    def test_a_request_that_was_changed_on_the_way(self, client):
        request = client.request(ORDER, **BUY_MARKET)
        forged = Request(
            request.method,
            request.path,
            request.query,
            request.body.replace("quantity=1", "quantity=9"),
            request.headers,
        )
        assert client.api.answer(forged, START_MS).body["code"] == -1022

    def test_a_missing_signature(self, client):
        request = Request("GET", "/fapi/v2/account", f"timestamp={START_MS}", headers=KEY)
        assert client.api.answer(request, START_MS).body["code"] == -1102

    def test_a_missing_time(self, client):
        text = "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."
        assert refused(client, self.ACCOUNT, timestamp=None) == (400, -1102, text)

    def test_a_clock_that_is_behind(self, client):
        text = "Timestamp for this request is outside of the recvWindow."
        client.ok(self.ACCOUNT, timestamp=START_MS - 5_000)
        late = START_MS - 5_001
        assert refused(client, self.ACCOUNT, timestamp=late) == (400, -1021, text)
        client.ok(self.ACCOUNT, timestamp=late, recvWindow=10_000)

    def test_a_clock_that_is_ahead(self, client):
        text = "Timestamp for this request was 1000ms ahead of the server's time."
        client.ok(self.ACCOUNT, timestamp=START_MS + 999)
        early = START_MS + 1_000
        assert refused(client, self.ACCOUNT, timestamp=early) == (400, -1021, text)

    def test_an_endpoint_that_does_not_exist(self, client):
        answer = refused(client, "GET /fapi/v1/nothing", signed=False)
        assert answer == (404, -5000, "Path /fapi/v1/nothing, Method is invalid")

    def test_historical_trades_need_a_key_but_no_signature(self, client):
        asked = {"symbol": "BTCUSDT", "limit": 5}
        endpoint = "GET /fapi/v1/historicalTrades"
        assert refused(client, endpoint, signed=False, **asked)[1] == -2014
        request = Request(*endpoint.split(), "symbol=BTCUSDT&limit=5", headers=KEY)
        assert client.api.answer(request, START_MS).status == 200


class TestSignature:
    """The example of Binance's "General Info" page, recomputed with the standard library."""

    SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    PAYLOAD = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
        "&recvWindow=5000&timestamp=1591702613943"
    )
    EXPECTED = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"

    @pytest.mark.parametrize(
        ("query", "body"),
        [
            pytest.param(PAYLOAD, "", id="query"),
            pytest.param("", PAYLOAD, id="body"),
            pytest.param(PAYLOAD[:60], PAYLOAD[60:], id="both"),
            pytest.param(PAYLOAD + "&signature=x", "", id="without itself"),
        ],
    )
    def test_covers_query_and_body(self, query, body):
        request = Request("POST", "/fapi/v1/order", query, body)
        assert signature(request, Credentials(secret=self.SECRET)) == self.EXPECTED

    def test_is_plain_hmac_sha256(self):
        digest = hmac.new(self.SECRET.encode(), self.PAYLOAD.encode(), hashlib.sha256)
        assert digest.hexdigest() == self.EXPECTED


class TestWeight:
    def test_is_counted_per_minute(self, client):
        headers = client.call("GET /fapi/v1/ticker/24hr", signed=False).headers
        assert headers["X-MBX-USED-WEIGHT-1M"] == "40"
        asked = {"symbol": "BTCUSDT"}
        headers = client.call("GET /fapi/v1/ticker/24hr", signed=False, **asked).headers
        assert headers["X-MBX-USED-WEIGHT-1M"] == "41"
        client.desk.wait(60_000)
        headers = client.call("GET /fapi/v1/ping", signed=False).headers
        assert headers["X-MBX-USED-WEIGHT-1M"] == "1"

    def test_orders_are_counted(self, client):
        client.call(ORDER, **BUY_LIMIT)
        assert client.call(ORDER, **BUY_LIMIT).headers["X-MBX-ORDER-COUNT-1M"] == "2"

    def test_too_much_of_it_is_refused(self, client):
        for _ in range(60):
            client.ok("GET /fapi/v1/ticker/24hr", signed=False)
        status, code, text = refused(client, "GET /fapi/v1/ping", signed=False)
        assert (status, code) == (429, -1003)
        assert text.startswith("Too many requests; current limit of IP(127.0.0.1) is 2400")


class TestTheTable:
    def test_every_reason_has_words(self):
        assert set(OF_REASON) == set(Reason)

    def test_every_code_that_clients_must_handle_is_there(self):
        wanted = {
            -1003, -1007, -1013, -1021, -1022, -1102, -1111, -1121, -2010, -2011, -2013, -2014,
            -2015, -2019, -2021, -2022, -4003, -4005, -4014, -4046, -4047, -4116, -4118, -4164,
            -5022,
        }  # fmt: skip
        assert wanted <= set(known_errors())

    @pytest.mark.parametrize("error", OF_REASON.values(), ids=lambda error: str(error.code))
    def test_no_placeholder_reaches_a_client(self, error):
        text = str(error.body(detail="7")["msg"])
        assert not re.search(r"[{}%]|None", text)

    @pytest.mark.parametrize(
        ("error", "status", "code", "start"),
        [
            (TIMEOUT, 408, -1007, "Timeout waiting for response from backend server. Send status"),
            (UNKNOWN_ERROR, 503, -1000, "Unknown error, please check your request or try again"),
            (TOO_MANY_REQUESTS, 429, -1003, "Too many requests; current limit"),
            (BANNED, 418, -1003, "Way too many requests; IP banned until"),
            (SERVER_BUSY, 503, -1008, "Server is currently overloaded"),
        ],
    )
    def test_trouble_of_the_exchange_itself(self, error, status, code, start):
        assert (error.status, error.code) == (status, code)
        assert error.body()["msg"].startswith(start)

    def test_every_route_says_method_and_path(self):
        for endpoint in ROUTES:
            assert re.fullmatch(r"(GET|POST|PUT|DELETE) /(fapi/v[123]|futures/data)/\S+", endpoint)


def test_grid_errors_differ_from_precision_errors():
    client = Client(Desk())
    old = client.desk.market.instruments["BTCUSDT"]
    fields = {name: getattr(old, name) for name in old.__dataclass_fields__}
    coarse = {"tick_size": D("0.5"), "step_size": D(5), "min_quantity": D(10)}
    client.desk.market.instruments = {"BTCUSDT": type(old)(**fields | coarse)}
    many = BUY_LIMIT | {"quantity": "10"}
    assert refused(client, ORDER, **many | {"price": "90.3"})[1:] == (
        -4014,
        "Price not increased by tick size.",
    )
    assert refused(client, ORDER, **many | {"quantity": "12"})[1:] == (
        -4023,
        "Quantity not increased by step size.",
    )
    assert refused(client, ORDER, **many | {"quantity": "5"})[1:] == (
        -4004,
        "Quantity less than min quantity.",
    )
