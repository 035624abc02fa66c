"""Account endpoints: balances, positions, settings, income."""

import pytest

from .doubles import BRACKETS, HOUR_MS, START_MS, Client, Desk

BTC = {"symbol": "BTCUSDT"}
BUY = BTC | {"side": "BUY", "type": "MARKET", "quantity": "10"}


@pytest.fixture
def client() -> Client:
    return Client(Desk(BTCUSDT=100, ETHUSDT=50))


@pytest.fixture
def holder(client) -> Client:
    """Ten at 100.1, isolated, 10x, marked at 100."""
    client.ok("POST /fapi/v1/marginType", **BTC, marginType="ISOLATED")
    client.ok("POST /fapi/v1/leverage", **BTC, leverage=10)
    client.ok("POST /fapi/v1/order", **BUY)
    return client


class TestBalances:
    def test_of_a_fresh_account(self, client):
        account = client.ok("GET /fapi/v3/account")
        [asset] = account["assets"]
        assert asset["walletBalance"] == asset["availableBalance"] == "10000.00000000"
        assert asset["asset"] == "USDT"
        assert account["positions"] == []
        # ccxt skips an asset that was never updated
        assert asset["updateTime"] > 0

    def test_with_a_position(self, holder):
        [asset] = holder.ok("GET /fapi/v3/account")["assets"]
        expected = {
            "walletBalance": "9999.49950000",  # fee 10 * 100.1 * 0.0005
            "unrealizedProfit": "-1.00000000",  # 10 * (100 - 100.1)
            "marginBalance": "9998.49950000",
            "maintMargin": "10.00000000",  # 10 * 100 * 1 %
            "initialMargin": "100.00000000",  # 10 * 100 / 10
            "positionInitialMargin": "100.00000000",
            "openOrderInitialMargin": "0.00000000",
            "crossWalletBalance": "9899.39950000",  # less 10 * 100.1 / 10
            "crossUnPnl": "0.00000000",
            "availableBalance": "9899.39950000",
        }
        assert {key: asset[key] for key in expected} == expected

    @pytest.mark.parametrize("version", ["v2", "v3"])
    def test_alone(self, holder, version):
        [row] = holder.ok(f"GET /fapi/{version}/balance")
        assert (row["balance"], row["availableBalance"]) == ("9999.49950000", "9899.39950000")


class TestPositions:
    def test_the_third_version_shows_those_in_use(self, holder):
        [row] = holder.ok("GET /fapi/v3/positionRisk")
        assert row == {
            "symbol": "BTCUSDT",
            "positionSide": "BOTH",
            "positionAmt": "10",
            "entryPrice": "100.1",
            "breakEvenPrice": "100.1",
            "markPrice": "100.00000000",
            "unRealizedProfit": "-1.00000000",
            "liquidationPrice": "91.00000000",
            "isolatedMargin": "99.10000000",
            "isolatedWallet": "100.10000000",
            "notional": "1000.00000000",
            "marginAsset": "USDT",
            "initialMargin": "100.00000000",
            "maintMargin": "10.00000000",
            "positionInitialMargin": "100.00000000",
            "openOrderInitialMargin": "0.00000000",
            "adl": 1,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": START_MS,
        }

    def test_an_open_order_counts_as_use(self, client):
        limit = BTC | {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        client.ok("POST /fapi/v1/order", **limit, quantity="1", price="90")
        [row] = client.ok("GET /fapi/v3/positionRisk")
        assert (row["positionAmt"], row["openOrderInitialMargin"]) == ("0", "4.50000000")
        assert row["liquidationPrice"] == "0"

    def test_can_be_asked_for_one_instrument(self, holder):
        assert len(holder.ok("GET /fapi/v3/positionRisk", **BTC)) == 1
        assert holder.ok("GET /fapi/v3/positionRisk", symbol="ETHUSDT") == []
        assert len(holder.ok("GET /fapi/v2/positionRisk", symbol="ETHUSDT")) == 1

    def test_the_second_version_shows_all_with_their_settings(self, holder):
        held, flat = holder.ok("GET /fapi/v2/positionRisk")
        assert (held["leverage"], held["marginType"], held["isolated"]) == ("10", "isolated", True)
        assert (flat["leverage"], flat["marginType"], flat["positionAmt"]) == ("20", "cross", "0")
        # at 10x the largest bracket that allows it ends at 1 000 000
        assert held["maxNotionalValue"] == "1000000"

    def test_the_account_shows_them_too(self, holder):
        [row] = holder.ok("GET /fapi/v3/account")["positions"]
        assert (row["positionAmt"], row["isolatedMargin"]) == ("10", "99.10000000")
        held, flat = holder.ok("GET /fapi/v2/account")["positions"]
        assert (held["entryPrice"], held["isolated"]) == ("100.1", True)
        assert flat["positionAmt"] == "0"

    def test_a_short_is_negative(self, client):
        client.ok("POST /fapi/v1/order", **BUY | {"side": "SELL"})
        [row] = client.ok("GET /fapi/v3/positionRisk")
        assert (row["positionAmt"], row["notional"]) == ("-10", "-1000.00000000")
        # cross margin shows no margin of its own; ccxt tells the mode by that
        assert (row["isolatedMargin"], row["isolatedWallet"]) == ("0", "0")


class TestSettings:
    def test_modes(self, client):
        assert client.ok("GET /fapi/v1/positionSide/dual") == {"dualSidePosition": False}
        assert client.ok("GET /fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}
        config = client.ok("GET /fapi/v1/accountConfig")
        assert (config["feeTier"], config["canTrade"]) == (0, True)

    def test_leverage_and_margin_type(self, client):
        answer = client.ok("POST /fapi/v1/leverage", **BTC, leverage=50)
        assert answer == {"symbol": "BTCUSDT", "leverage": 50, "maxNotionalValue": "50000"}
        answer = client.ok("POST /fapi/v1/marginType", **BTC, marginType="ISOLATED")
        assert answer == {"code": 200, "msg": "success"}
        btc, eth = client.ok("GET /fapi/v1/symbolConfig")
        assert (btc["marginType"], btc["leverage"]) == ("ISOLATED", 50)
        assert (eth["marginType"], eth["leverage"]) == ("CROSSED", 20)

    def test_leverage_brackets(self, client):
        [answer] = client.ok("GET /fapi/v1/leverageBracket", **BTC)
        first = answer["brackets"][0]
        assert first == {
            "bracket": 1,
            "initialLeverage": 50,
            "notionalCap": 50_000.0,
            "notionalFloor": 0.0,
            "maintMarginRatio": 0.01,
            "cum": 0.0,
        }
        assert len(answer["brackets"]) == len(BRACKETS)
        assert len(client.ok("GET /fapi/v1/leverageBracket")) == 2

    def test_fees(self, client):
        assert client.ok("GET /fapi/v1/commissionRate", **BTC) == {
            "symbol": "BTCUSDT",
            "makerCommissionRate": "0.0002",
            "takerCommissionRate": "0.0005",
        }

    def test_isolated_margin(self, holder):
        path = "POST /fapi/v1/positionMargin"
        answer = holder.ok(path, **BTC, amount="25", type=1)
        assert answer["code"] == 200
        [row] = holder.ok("GET /fapi/v3/positionRisk")
        assert row["isolatedWallet"] == "125.10000000"
        holder.ok(path, **BTC, amount="5", type=2)
        [row] = holder.ok("GET /fapi/v3/positionRisk")
        assert row["isolatedWallet"] == "120.10000000"

    def test_forced_orders_are_not_kept(self, client):
        assert client.ok("GET /fapi/v1/forceOrders") == []


class TestIncome:
    def test_is_the_ledger(self, holder):
        holder.desk.market.pay_funding("BTCUSDT", "0.0001", START_MS + HOUR_MS, mark=100)
        holder.desk.wait(2 * HOUR_MS)
        rows = holder.ok("GET /fapi/v1/income")
        assert [(row["incomeType"], row["income"]) for row in rows] == [
            ("TRANSFER", "10000.00000000"),
            ("COMMISSION", "-0.50050000"),
            ("FUNDING_FEE", "-0.10000000"),
        ]
        assert rows[2]["time"] == START_MS + HOUR_MS
        assert [row["tranId"] for row in rows] == [1, 2, 3]

    def test_can_be_filtered(self, holder):
        holder.ok("POST /fapi/v1/order", **BUY | {"side": "SELL"})

        def kinds(**params: object) -> list[str]:
            return [row["incomeType"] for row in holder.ok("GET /fapi/v1/income", **params)]

        assert kinds(**BTC) == ["COMMISSION", "COMMISSION", "REALIZED_PNL"]
        assert kinds(incomeType="REALIZED_PNL") == ["REALIZED_PNL"]
        assert kinds(symbol="ETHUSDT") == []
        assert kinds(limit=1) == ["TRANSFER"]
        assert kinds(endTime=START_MS - 1) == []
        assert len(kinds(startTime=START_MS)) == 4
