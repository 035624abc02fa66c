"""Effects as unmodified ccxt sees them, over the HTTPS proxy with Binance's own error table."""

import ccxt
import httpx
import pytest

from freqtrade_ext.sandbox import Effect, Fault

from .test_ccxt import BTC, ETH, config_of

PLACE = "POST /fapi/v1/order"
POSITIONS = "GET /fapi/v3/positionRisk"
MINE = {"clientOrderId": "mine"}


@pytest.fixture
def binance(stage):
    client = ccxt.binance(config_of(stage, "proxy"))
    client.load_markets()
    client.load_leverage_brackets()
    client.options["recvWindow"] = 60_000  # the stage's clock goes ahead of the client's
    yield client
    client.session.close()


def inject(stage, effect: object, endpoint: str = "ORDER", **more: object) -> None:
    fault = Fault(endpoint, effect=effect, **more)
    stage.server.call(lambda: stage.server.faults.add(fault))


def later(stage, seconds: float) -> None:
    stage.server.call(lambda: stage.desk.wait(round(seconds * 1_000)))


def buy(binance, **params: object) -> dict:
    return binance.create_order(BTC, "market", "buy", 1, params=MINE | params)


def held(stage, symbol: str = "BTCUSDT") -> object:
    return stage.server.call(lambda: stage.desk.exchange.position(symbol).quantity)


class TestOrders:
    @pytest.mark.parametrize(
        ("effect", "error", "quantity"),
        [
            (Effect.DROP_REQUEST, ccxt.NetworkError, 0),
            (Effect.LOSE_RESPONSE, ccxt.NetworkError, 1),
            (Effect.UNKNOWN(-1007), ccxt.RequestTimeout, 1),
            (Effect.UNKNOWN(-1006), ccxt.OperationFailed, 1),
            (Effect.UNKNOWN_STATUS, ccxt.OperationFailed, 1),
            (Effect.HIDE_ORDER(20), ccxt.NetworkError, 1),
            (Effect.REJECT(-2019), ccxt.InsufficientFunds, 0),
        ],
        ids=repr,
    )
    def test_no_good_answer_says_whether_the_order_exists(
        self, stage, binance, effect, error, quantity
    ):
        inject(stage, effect)
        with pytest.raises(error):
            buy(binance)
        assert held(stage) == quantity
        stage.server.faults.assert_exhausted()

    def test_a_garbled_answer_is_an_order_without_an_id(self, stage, binance):
        inject(stage, Effect.GARBLED)
        order = buy(binance)  # ccxt does not complain
        assert (order["id"], order["status"]) == (None, None)
        assert held(stage) == 1

    def test_the_clients_own_time_out_strikes(self, stage, binance):
        binance.timeout = 200
        inject(stage, Effect.TIME_OUT(30))
        with pytest.raises(ccxt.RequestTimeout):
            buy(binance)
        assert held(stage) == 1
        assert binance.fetch_order("", BTC, {"origClientOrderId": "mine"})["status"] == "closed"

    def test_a_hidden_order_is_there_in_the_position_only(self, stage, binance):
        inject(stage, Effect.HIDE_ORDER(20, lost=False))
        order = buy(binance)
        for ask in (binance.fetch_order, binance.fetch_open_order):
            with pytest.raises(ccxt.OrderNotFound):
                ask(order["id"], BTC)
        assert binance.fetch_orders(BTC) == binance.fetch_my_trades(BTC) == []
        assert binance.fetch_positions([BTC])[0]["contracts"] == 1
        later(stage, 20)
        assert binance.fetch_order(order["id"], BTC)["filled"] == 1

    def test_fills_are_reported_late(self, stage, binance):
        inject(stage, Effect.LATE_FILL_REPORT(5))
        order = buy(binance)
        assert (order["status"], order["filled"]) == ("open", 0)
        assert binance.fetch_open_orders(BTC)[0]["id"] == order["id"]
        later(stage, 5)
        assert binance.fetch_order(order["id"], BTC)["status"] == "closed"
        assert binance.fetch_open_orders(BTC) == []

    def test_fills_are_reported_twice(self, stage, binance):
        buy(binance)
        inject(stage, Effect.REPEAT_FILLS, "GET /fapi/v1/userTrades")
        first, second = binance.fetch_my_trades(BTC)
        assert first["id"] == second["id"]

    def test_an_order_stalls(self, stage, binance):
        inject(stage, Effect.STALL("0.4", 20))
        order = buy(binance)
        assert (order["status"], order["filled"], order["remaining"]) == ("open", 0.4, 0.6)
        later(stage, 21)
        assert binance.fetch_order(order["id"], BTC)["status"] == "closed"

    def test_the_exchange_cancels_an_order(self, stage, binance):
        inject(stage, Effect.CANCEL_ORDER())
        order = buy(binance)
        assert order["status"] == "open"
        later(stage, 1)
        assert binance.fetch_order(order["id"], BTC)["status"] == "canceled"

    def test_a_cancel_races_with_a_fill(self, stage, binance):
        order = binance.create_order(BTC, "limit", "buy", 1, 90)
        inject(stage, Effect.FILL_DURING_CANCEL, "CANCEL")
        with pytest.raises(ccxt.OrderNotFound, match="Unknown order sent"):
            binance.cancel_order(order["id"], BTC)
        assert binance.fetch_order(order["id"], BTC)["status"] == "closed"

    def test_a_stop_becomes_another_order_that_does_not_fill(self, stage, binance):
        buy(binance)
        inject(stage, Effect.STALL(0, 20), "POST /fapi/v1/algoOrder")
        params = {"stopLossPrice": 90, "reduceOnly": True}
        stop = binance.create_order(BTC, "market", "sell", 1, params=params)
        stage.set_price("BTCUSDT", 89)
        fetched = binance.fetch_order(stop["id"], BTC, {"trigger": True})
        became = fetched["info"]["actualOrderId"]
        assert became not in ("", stop["id"])
        assert binance.fetch_order(became, BTC)["status"] == "open"
        later(stage, 21)
        assert binance.fetch_order(became, BTC)["status"] == "closed"

    def test_a_batch_loses_one_leg(self, stage, binance):
        inject(stage, Effect.REJECT(-2019), occurrence=2)
        legs = [
            {"symbol": BTC, "type": "market", "side": "buy", "amount": 1},
            {"symbol": ETH, "type": "market", "side": "sell", "amount": 2},
        ]
        answered = {one["symbol"]: one for one in binance.create_orders(legs)}
        assert answered[BTC]["status"] == "closed"
        # ccxt sorts the answers by time: the refused leg comes first and has no name
        assert answered[None]["info"]["code"] == -2019
        assert (held(stage), held(stage, "ETHUSDT")) == (1, 0)


class TestAccount:
    @pytest.mark.parametrize(
        ("effect", "prefix", "left"),
        [
            (Effect.LIQUIDATE(), "autoclose-", 0),
            (Effect.ADL("0.5"), "adl_autoclose", 1),
            (Effect.CLOSE_POSITION("0.5"), "web_", 1),
            (Effect.ADD_POSITION("0.5"), "web_", 3),
        ],
        ids=repr,
    )
    def test_what_another_hand_did_has_its_name_and_its_fills(
        self, stage, binance, effect, prefix, left
    ):
        inject(stage, effect)
        mine = binance.create_order(BTC, "market", "buy", 2)
        foreign = binance.fetch_orders(BTC)[-1]
        assert foreign["clientOrderId"].startswith(prefix)
        fills = [trade["order"] for trade in binance.fetch_my_trades(BTC)]
        assert fills == [mine["id"], foreign["id"]]
        assert held(stage) == left

    def test_a_foreign_order_is_listed(self, stage, binance):
        inject(stage, Effect.FOREIGN_ORDER("ETHUSDT"), POSITIONS)
        assert binance.fetch_positions([BTC]) == []
        assert len(binance.fetch_open_orders(ETH)) == 1


class TestLasting:
    @pytest.mark.parametrize(
        ("effect", "error"),
        [
            (Effect.RATE_LIMIT(20), ccxt.DDoSProtection),
            (Effect.BAN(20), ccxt.DDoSProtection),
            (Effect.OUTAGE(20), ccxt.NetworkError),
            (Effect.MAINTENANCE(20), ccxt.NetworkError),
            (Effect.CLOCK_SKEW(15_000, 20), ccxt.InvalidNonce),
            (Effect.CLOCK_SKEW(-15_000, 20), ccxt.InvalidNonce),
        ],
        ids=repr,
    )
    def test_every_request_suffers_until_it_ends(self, stage, binance, effect, error):
        binance.options["recvWindow"] = 5_000
        inject(stage, effect)
        with pytest.raises(error):
            buy(binance)
        with pytest.raises(error):
            binance.fetch_balance()
        later(stage, 20)
        binance.options["recvWindow"] = 60_000
        binance.fetch_balance()
        assert held(stage) == 0

    def test_a_clock_that_is_taken_over_is_believed(self, stage, binance):
        binance.options["recvWindow"] = 5_000
        inject(stage, Effect.CLOCK_SKEW(15_000), POSITIONS)
        with pytest.raises(ccxt.InvalidNonce):
            binance.fetch_positions([BTC])
        binance.load_time_difference()
        assert binance.fetch_positions([BTC]) == []

    def test_stale_prices(self, stage, binance):
        inject(stage, Effect.STALE_PRICES(600), "GET /fapi/v1/klines")
        before = binance.fetch_ohlcv(BTC, "1m", limit=2)
        stage.set_price("BTCUSDT", 50)
        later(stage, 300)
        assert binance.fetch_ohlcv(BTC, "1m", limit=2) == before
        assert binance.fetch_ticker(BTC)["last"] == 100

    def test_missing_prices(self, stage, binance):
        inject(stage, Effect.NAN_PRICES(60, "NaN"), "GET /fapi/v1/depth")
        book = binance.fetch_order_book(BTC, 5)
        assert book["bids"] == book["asks"] == []
        last = binance.fetch_ohlcv(BTC, "1m", limit=3)[-1]
        assert last[4] is None or last[4] != last[4]


class TestServer:
    def test_a_constant_latency_costs_every_request(self, stage, binance):
        stage.server._latency_seconds = 0.05
        mark = stage.server.request_count
        binance.fetch_positions([BTC])
        binance.fetch_positions([BTC])
        first, second = stage.server.requests_since(mark)
        assert second.time_ms - first.time_ms >= 50
        assert first.endpoint == POSITIONS

    def test_requests_are_kept_with_what_they_name(self, stage, binance):
        mark = stage.server.request_count
        buy(binance)
        [seen] = stage.server.requests_since(mark)
        assert seen.endpoint == PLACE
        assert (seen.symbols, seen.client_order_ids) == (("BTCUSDT",), ("mine",))
        assert seen.number == mark

    def test_a_server_that_stops_does_not_wait_for_a_held_answer(self, stage):
        inject(stage, Effect.TIME_OUT(600), "GET /fapi/v1/ping")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{stage.server.url}/fapi/v1/ping", timeout=0.2)
        stage.server.stop()
        assert stage.server.faults.pending == []

    def test_an_effect_that_lasts_is_shown_and_may_be_added_by_control(self, stage):
        asked = {"endpoint": "ORDER", "effect": "OUTAGE", "seconds": 20, "spare": True}
        answer = httpx.post(f"{stage.server.url}/sandbox/faults", json=asked)
        assert answer.json() == {"added": "OUTAGE(20.0, True) at ORDER #1"}
        state = httpx.get(f"{stage.server.url}/sandbox/state").json()
        assert state["standing_faults"] == []

    def test_a_wrong_control_request_is_explained(self, stage):
        asked = {"endpoint": "ORDER", "effect": "CALL"}
        answer = httpx.post(f"{stage.server.url}/sandbox/faults", json=asked)
        assert answer.status_code == 400
        assert "unknown effect 'CALL'" in answer.json()["error"]
