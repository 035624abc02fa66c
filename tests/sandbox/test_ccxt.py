"""Unmodified ccxt, synchronous and asynchronous, trades on the sandbox over both ways in."""

import asyncio

import ccxt
import ccxt.async_support
import pytest

from freqtrade_ext.sandbox import Effect, Fault, connection_settings

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
ORDER = "POST /fapi/v1/order"


def config_of(stage, way: str, **change: object) -> dict[str, object]:
    """Configure ccxt from what the sandbox says, as Freqtrade does."""
    section = connection_settings(stage.server, way)
    config = section["ccxt_config"] | {"apiKey": section["key"], "secret": section["secret"]}
    config["options"] = config["options"] | {"defaultType": "swap"}
    # The rehearsal's clock stands still, so the client's own pace must not count.
    return config | {"enableRateLimit": False, "timeout": 5_000} | change


@pytest.fixture(params=["http", "proxy"])
def way(request) -> str:
    return request.param


@pytest.fixture
def binance(stage, way):
    client = ccxt.binance(config_of(stage, way))
    client.options["recvWindow"] = 60_000
    client.load_markets()
    yield client
    client.session.close()


@pytest.fixture
def faithful(stage):
    client = ccxt.binance(config_of(stage, "proxy"))
    client.options["recvWindow"] = 60_000
    yield client
    client.session.close()


class TestMarketData:
    def test_markets(self, binance):
        market = binance.market(BTC)
        assert (market["active"], market["swap"], market["linear"]) == (True, True, True)
        assert market["precision"]["price"] == 0.1
        assert market["precision"]["amount"] == 0.001
        assert market["limits"]["amount"] == {"min": 0.001, "max": 1_000.0}
        assert market["limits"]["market"] == {"min": 0.001, "max": 100.0}
        assert market["limits"]["cost"]["min"] == 5.0

    def test_tickers(self, binance):
        assert binance.fetch_ticker(BTC)["last"] == 100.0
        assert set(binance.fetch_tickers()) == {BTC, ETH}
        assert binance.fetch_bids_asks([BTC, ETH])[ETH]["ask"] == 50.1
        assert binance.fetch_last_prices([BTC])[BTC]["price"] == 100.0
        assert binance.fetch_mark_price(BTC)["markPrice"] == 100.0

    def test_candles(self, binance, stage):
        rows = binance.fetch_ohlcv(BTC, "5m", limit=3)
        assert len(rows) == 3
        assert rows[-1][1:] == [99.0, 102.0, 98.0, 100.0, 10.0]
        for price, close in (("mark", 101.0), ("index", 102.0)):
            row = binance.fetch_ohlcv(BTC, "1h", limit=1, params={"price": price})[0]
            assert row[4] == close

    def test_book_and_trades(self, binance):
        book = binance.fetch_l2_order_book(BTC, 5)
        assert (book["bids"][0], book["asks"][0]) == ([100.0, 100.0], [100.1, 100.0])
        trades = binance.fetch_trades(BTC, limit=2)
        assert trades[0]["amount"] == 0.5
        assert {trade["side"] for trade in trades} == {"buy", "sell"}

    def test_funding_and_open_interest(self, binance, stage):
        now_ms = stage.desk.clock.now_ms
        stage.desk.market.pay_funding("BTCUSDT", "0.0003", now_ms - 1_000, mark=100)
        [past] = binance.fetch_funding_rate_history(BTC, since=now_ms - 5_000)
        assert past["fundingRate"] == 0.0003
        assert binance.fetch_funding_rate(BTC)["fundingRate"] == 0.0001
        assert binance.fetch_funding_rates()[ETH]["markPrice"] == 50.0
        assert binance.fetch_funding_intervals([BTC])[BTC]["interval"] == "8h"
        assert binance.fetch_open_interest(BTC)["openInterestAmount"] == 1_234.0
        since = now_ms - 3_600_000
        history = binance.fetch_open_interest_history(BTC, "5m", since=since, limit=2)
        assert [row["openInterestAmount"] for row in history] == [1_234.0] * 2

    def test_time(self, binance, stage):
        assert binance.fetch_time() == stage.desk.clock.now_ms


class TestTrading:
    def test_a_round_trip(self, binance, stage):
        bought = binance.create_order(BTC, "market", "buy", 2)
        assert (bought["status"], bought["filled"], bought["average"]) == ("closed", 2.0, 100.1)
        assert binance.fetch_order(bought["id"], BTC)["cost"] == 200.2
        stage.set_price("BTCUSDT", 110)
        sold = binance.create_order(BTC, "market", "sell", 2, params={"reduceOnly": True})
        assert (sold["average"], sold["reduceOnly"]) == (110.0, True)
        assert binance.fetch_positions([BTC]) == []
        trades = binance.fetch_my_trades(BTC)
        assert [trade["side"] for trade in trades] == ["buy", "sell"]
        assert (trades[0]["fee"]["cost"], trades[0]["fee"]["currency"]) == (0.1001, "USDT")
        # 2 * 9.9 - 0.1001 - 0.11
        assert binance.fetch_balance()["USDT"]["total"] == pytest.approx(10_000 + 19.8 - 0.2101)

    def test_a_limit_order_lives_until_it_is_canceled(self, binance):
        params = {"clientOrderId": "mine"}
        order = binance.create_order(BTC, "limit", "buy", 1, 90, params=params)
        assert (order["status"], order["clientOrderId"]) == ("open", "mine")
        assert [o["id"] for o in binance.fetch_open_orders(BTC)] == [order["id"]]
        by_name = binance.fetch_order("", BTC, {"origClientOrderId": "mine"})
        assert by_name["id"] == binance.fetch_open_order(order["id"], BTC)["id"] == order["id"]
        canceled = binance.cancel_order(order["id"], BTC)
        assert (canceled["status"], canceled["filled"]) == ("canceled", 0.0)
        assert binance.fetch_orders(BTC)[-1]["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            binance.cancel_order(order["id"], BTC)

    def test_post_only_ioc_and_fok(self, binance):
        resting = binance.create_order(BTC, "limit", "buy", 1, 90, {"timeInForce": "PO"})
        assert resting["timeInForce"] == "PO"
        ioc = binance.create_order(BTC, "limit", "buy", 1, 90, {"timeInForce": "IOC"})
        assert ioc["status"] == "expired"
        fok = binance.create_order(BTC, "limit", "buy", 1, 101, {"timeInForce": "FOK"})
        assert fok["status"] == "closed"

    def test_an_order_is_edited(self, binance):
        order = binance.create_order(BTC, "limit", "buy", 1, 90)
        edited = binance.edit_order(order["id"], BTC, "limit", "buy", 2, 91)
        assert (edited["id"], edited["price"], edited["amount"]) == (order["id"], 91.0, 2.0)

    def test_batches(self, binance):
        orders = [
            {"symbol": BTC, "type": "limit", "side": "buy", "amount": 1, "price": 90},
            {"symbol": ETH, "type": "market", "side": "sell", "amount": 1},
        ]
        first, second = binance.create_orders(orders)
        assert (first["status"], second["status"]) == ("open", "closed")
        [canceled] = binance.cancel_orders([first["id"]], BTC)
        assert canceled["status"] == "canceled"
        binance.create_order(BTC, "limit", "buy", 1, 90)
        binance.cancel_all_orders(BTC)
        assert binance.fetch_open_orders(BTC) == []

    def test_a_position_with_its_liquidation_price(self, binance):
        binance.set_margin_mode("isolated", BTC)
        binance.set_leverage(10, BTC)
        binance.create_order(BTC, "market", "sell", 10)
        [position] = binance.fetch_positions([BTC])
        assert (position["side"], position["contracts"]) == ("short", 10.0)
        assert (position["marginMode"], position["entryPrice"]) == ("isolated", 100.0)
        # Binance's formula: (100 + 10 * 100) / (10 * 0.01 + 10)
        assert position["liquidationPrice"] == pytest.approx(1_100 / 10.1)
        [older] = binance.fetch_positions([BTC], {"useV2": True})
        assert older["leverage"] == 10.0
        [account] = [
            one
            for one in binance.fetch_positions([BTC], {"method": "account", "useV2": True})
            if one["contracts"]
        ]
        assert account["liquidationPrice"] == pytest.approx(1_100 / 10.1, abs=0.06)
        added = binance.add_margin(BTC, 5)
        assert (added["type"], added["amount"]) == ("add", 5.0)

    def test_settings(self, binance):
        binance.set_leverage(7, BTC)
        assert binance.fetch_leverages([BTC])[BTC]["longLeverage"] == 7
        binance.set_margin_mode("isolated", BTC)
        assert binance.fetch_margin_mode(BTC)["marginMode"] == "isolated"
        assert binance.fetch_position_mode(BTC)["hedged"] is False
        fees = binance.fetch_trading_fee(BTC)
        assert (fees["maker"], fees["taker"]) == (0.0002, 0.0005)
        # this one is ccxt's own table; it only needs to know the tier
        assert binance.fetch_trading_fees()[BTC]["info"] == {"feeTier": 0}
        tier = binance.fetch_leverage_tiers([BTC])[BTC][1]
        assert (tier["maxLeverage"], tier["minNotional"]) == (20.0, 50_000.0)
        with pytest.raises(ccxt.MarginModeAlreadySet):
            binance.set_margin_mode("isolated", BTC)

    def test_funding_history(self, binance, stage):
        binance.create_order(BTC, "market", "buy", 10)
        due_ms = stage.desk.clock.now_ms + 1
        stage.desk.market.pay_funding("BTCUSDT", "0.0001", due_ms, mark=100)
        stage.set_price("BTCUSDT", 100)
        [paid] = binance.fetch_funding_history(BTC, since=due_ms - 1_000)
        assert paid["amount"] == -0.1
        kinds = [entry["info"]["incomeType"] for entry in binance.fetch_ledger("USDT")]
        assert kinds == ["COMMISSION", "FUNDING_FEE"]


class TestStopOrders:
    def test_a_stop_waits_at_the_algo_endpoints(self, binance):
        binance.create_order(BTC, "market", "buy", 1)
        params = {"stopPrice": 95, "reduceOnly": True}
        stop = binance.create_order(BTC, "stop_market", "sell", 1, params=params)
        assert (stop["status"], stop["triggerPrice"]) == ("open", 95.0)
        assert [o["id"] for o in binance.fetch_open_orders(BTC, params={"stop": True})] == [
            stop["id"]
        ]
        assert binance.fetch_open_orders(BTC) == []
        assert binance.fetch_order(stop["id"], BTC, {"stop": True})["status"] == "open"
        binance.cancel_order(stop["id"], BTC, {"stop": True})
        assert binance.fetch_order(stop["id"], BTC, {"stop": True})["status"] == "canceled"
        assert binance.fetch_orders(BTC, params={"stop": True})[0]["id"] == stop["id"]

    def test_after_its_trigger_it_names_an_ordinary_order(self, binance, stage):
        binance.create_order(BTC, "market", "buy", 1)
        params = {"stopPrice": 95, "reduceOnly": True, "workingType": "CONTRACT_PRICE"}
        stop = binance.create_order(BTC, "stop_market", "sell", 1, params=params)
        stage.set_price("BTCUSDT", 94)
        told = binance.fetch_order(stop["id"], BTC, {"stop": True})
        assert told["status"] == "closed"
        actual = binance.fetch_order(told["info"]["actualOrderId"], BTC)
        # the price fell through the trigger: the book stood at 95 then
        assert (actual["status"], actual["average"], actual["type"]) == ("closed", 95.0, "market")
        assert binance.fetch_positions([BTC]) == []

    def test_stop_limit_and_take_profit(self, binance, stage):
        binance.create_order(BTC, "market", "sell", 2)
        stop = binance.create_order(BTC, "stop", "buy", 1, 106, {"stopPrice": 105})
        profit = binance.create_order(BTC, "market", "buy", 1, None, {"takeProfitPrice": 95})
        assert profit["takeProfitPrice"] == 95.0
        stage.set_price("BTCUSDT", 95)
        assert binance.fetch_order(profit["id"], BTC, {"trigger": True})["status"] == "closed"
        assert binance.fetch_order(stop["id"], BTC, {"trigger": True})["status"] == "open"
        binance.cancel_all_orders(BTC, {"stop": True})
        assert binance.fetch_open_orders(BTC, params={"stop": True}) == []


class TestErrors:
    def test_a_wrong_secret(self, stage, way):
        client = ccxt.binance(config_of(stage, way, secret="wrong"))
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            client.fetch_balance()
        client.session.close()

    def test_an_unknown_key(self, stage, way):
        client = ccxt.binance(config_of(stage, way, apiKey="somebody"))
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            client.fetch_balance()
        client.session.close()

    def test_a_clock_that_is_off(self, binance, stage):
        stage.desk.clock.forward(120_000)
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            binance.fetch_balance()

    def test_are_unspecific_over_plain_http(self, stage):
        client = ccxt.binance(config_of(stage, "http"))
        client.set_leverage(1, BTC)
        with pytest.raises(ccxt.ExchangeError, match="-2019") as caught:
            client.create_order(BTC, "limit", "buy", 900, 99)
        assert type(caught.value) is ccxt.ExchangeError
        client.session.close()

    @pytest.mark.parametrize(
        ("arguments", "params", "kind", "code"),
        [
            (("limit", "buy", 999, 99), {"leverage": 1}, ccxt.InsufficientFunds, -2019),
            (("market", "sell", 1), {"reduceOnly": True}, ccxt.InvalidOrder, -2022),
            (("limit", "buy", 0.01, 90), {}, ccxt.InvalidOrder, -4164),
            (("limit", "buy", 1, 101), {"timeInForce": "PO"}, ccxt.OrderNotFillable, -5022),
            (("limit", "buy", 9, 90), {"timeInForce": "FOK"}, ccxt.OrderNotFillable, -5021),
            (
                ("market", "sell", 1),
                {"stopPrice": 101, "reduceOnly": True},
                ccxt.OrderImmediatelyFillable,
                -2021,
            ),
        ],
        ids=["margin", "reduce only", "notional", "post only", "fill or kill", "trigger"],
    )
    def test_are_mapped_as_in_reality_over_the_proxy(self, faithful, arguments, params, kind, code):
        faithful.set_leverage(params.pop("leverage", 20), BTC)
        with pytest.raises(kind, match=str(code)):
            faithful.create_order(BTC, *arguments, params=params)

    def test_an_unknown_instrument_over_the_proxy(self, faithful):
        with pytest.raises(ccxt.BadSymbol, match="-1121"):
            faithful.fapiPublicGetKlines({"symbol": "NOPE", "interval": "1m"})

    def test_a_duplicated_client_id_over_the_proxy(self, faithful):
        params = {"newClientOrderId": "same"}
        faithful.create_order(BTC, "limit", "buy", 1, 90, params)
        with pytest.raises(ccxt.InvalidOrder, match="-4116"):
            faithful.create_order(BTC, "limit", "buy", 1, 90, params)

    def test_other_hosts_are_out_of_reach_over_the_proxy(self, stage):
        config = config_of(stage, "proxy")
        config["options"] = config["options"] | {"fetchMarkets": {"types": ["spot"]}}
        client = ccxt.binance(config)
        with pytest.raises(ccxt.NetworkError, match=r"api\.binance\.com"):
            client.load_markets()
        client.session.close()


class TestFaults:
    def test_a_lost_response_is_a_network_error_and_an_order(self, binance, stage):
        stage.server.faults.add(Fault(ORDER, effect=Effect.LOSE_RESPONSE))
        params = {"newClientOrderId": "lost-1"}
        with pytest.raises(ccxt.NetworkError):
            binance.create_order(BTC, "market", "buy", 1, params=params)
        found = binance.fetch_order("", BTC, {"origClientOrderId": "lost-1"})
        assert found["status"] == "closed"
        stage.server.faults.assert_exhausted()

    def test_an_unknown_status_is_an_operation_that_failed_and_an_order(self, binance, stage):
        stage.server.faults.add(Fault(ORDER, effect=Effect.UNKNOWN_STATUS))
        with pytest.raises(ccxt.OperationFailed, match="Unknown error, please check your request"):
            binance.create_order(BTC, "market", "buy", 1)
        assert stage.desk.exchange.position("BTCUSDT").quantity == 1

    def test_a_partial_fill_is_an_expired_order(self, binance, stage):
        stage.server.faults.add(Fault(ORDER, effect=Effect.PARTIAL_FILL("0.3")))
        order = binance.create_order(BTC, "market", "buy", 1)
        assert (order["status"], order["filled"], order["remaining"]) == ("expired", 0.3, 0.7)

    @pytest.mark.parametrize(
        ("code", "kind"),
        [(-1003, ccxt.DDoSProtection), (-1007, ccxt.RequestTimeout), (-1008, ccxt.OperationFailed)],
    )
    def test_troubles_of_the_exchange(self, faithful, stage, code, kind):
        stage.server.faults.add(Fault(ORDER, effect=Effect.REJECT(code)))
        faithful.load_markets()
        with pytest.raises(kind):
            faithful.create_order(BTC, "market", "buy", 1)


def test_asynchronous_trading(stage, way):
    async def trade() -> dict[str, object]:
        client = ccxt.async_support.binance(config_of(stage, way))
        try:
            await client.load_markets()
            orders = await asyncio.gather(
                client.create_order(BTC, "market", "buy", 1),
                client.create_order(ETH, "market", "sell", 2),
            )
            positions = await client.fetch_positions()
            return {"orders": orders, "positions": positions}
        finally:
            await client.close()

    result = asyncio.run(trade())
    assert [order["status"] for order in result["orders"]] == ["closed", "closed"]
    sides = {position["symbol"]: position["side"] for position in result["positions"]}
    assert sides == {BTC: "long", ETH: "short"}


def test_asynchronous_errors(stage, way):
    async def fail() -> None:
        client = ccxt.async_support.binance(config_of(stage, way, secret="wrong"))
        try:
            await client.fetch_balance()
        finally:
            await client.close()

    with pytest.raises(ccxt.AuthenticationError):
        asyncio.run(fail())


def test_a_lost_response_reaches_an_asynchronous_client(stage, way):
    stage.server.faults.add(Fault(ORDER, effect=Effect.LOSE_RESPONSE))

    async def lose() -> None:
        client = ccxt.async_support.binance(config_of(stage, way))
        try:
            await client.create_order(BTC, "market", "buy", 1)
        finally:
            await client.close()

    with pytest.raises(ccxt.NetworkError):
        asyncio.run(lose())
    assert stage.desk.exchange.position("BTCUSDT").quantity == 1
