"""Our answers have every field of Binance's own examples, with values of the same JSON type.

The examples are those of https://developers.binance.com/docs/derivatives/usds-margined-futures
(pages named in each case), which ccxt 4.5.90 repeats in the comments of its ``binance.py``.
"""

import pytest

from .doubles import Client, Desk

BTC = {"symbol": "BTCUSDT"}
KLINE = [1499040000000, "0.01", "0.8", "0.01", "0.01", "148976.1", 1499644799999, "2434.1", 308, "1756.8", "28.4", "17928.8"]  # fmt: skip  # noqa: E501

ORDER = {
    "avgPrice": "0.00000",
    "clientOrderId": "abc",
    "cumQuote": "0",
    "executedQty": "0",
    "orderId": 1917641,
    "origQty": "0.40",
    "origType": "LIMIT",
    "price": "0",
    "reduceOnly": False,
    "side": "BUY",
    "positionSide": "BOTH",
    "status": "NEW",
    "stopPrice": "9300",
    "closePosition": False,
    "symbol": "BTCUSDT",
    "time": 1579276756075,
    "timeInForce": "GTC",
    "type": "LIMIT",
    "updateTime": 1579276756075,
    "workingType": "CONTRACT_PRICE",
    "priceProtect": False,
    "priceMatch": "NONE",
    "selfTradePreventionMode": "NONE",
    "goodTillDate": 0,
}
ALGO_ORDER = {
    "algoId": 2146760,
    "clientAlgoId": "6B2I9XVcJpCjqPAJ4YoFX7",
    "algoType": "CONDITIONAL",
    "orderType": "TAKE_PROFIT",
    "symbol": "BNBUSDT",
    "side": "SELL",
    "positionSide": "BOTH",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "algoStatus": "CANCELED",
    "actualOrderId": "",
    "actualPrice": "0.00000",
    "triggerPrice": "750.000",
    "price": "750.000",
    "icebergQuantity": None,
    "tpTriggerPrice": "0.000",
    "tpPrice": "0.000",
    "slTriggerPrice": "0.000",
    "slPrice": "0.000",
    "tpOrderType": "",
    "selfTradePreventionMode": "EXPIRE_MAKER",
    "workingType": "CONTRACT_PRICE",
    "priceMatch": "NONE",
    "closePosition": False,
    "priceProtect": False,
    "reduceOnly": False,
    "createTime": 1750485492076,
    "updateTime": 1750514545091,
    "triggerTime": 0,
    "goodTillDate": 0,
}
USER_TRADE = {
    "buyer": False,
    "commission": "-0.07819010",
    "commissionAsset": "USDT",
    "id": 698759,
    "maker": False,
    "orderId": 25851813,
    "price": "7819.01",
    "qty": "0.002",
    "quoteQty": "15.63802",
    "realizedPnl": "-0.91539999",
    "side": "SELL",
    "positionSide": "BOTH",
    "symbol": "BTCUSDT",
    "time": 1569514978020,
}
POSITION = {
    "symbol": "ADAUSDT",
    "positionSide": "BOTH",
    "positionAmt": "30",
    "entryPrice": "0.385",
    "breakEvenPrice": "0.385077",
    "markPrice": "0.41047590",
    "unRealizedProfit": "0.76427700",
    "liquidationPrice": "0",
    "isolatedMargin": "0",
    "notional": "12.31427700",
    "marginAsset": "USDT",
    "isolatedWallet": "0",
    "initialMargin": "0.61571385",
    "maintMargin": "0.08004280",
    "positionInitialMargin": "0.61571385",
    "openOrderInitialMargin": "0",
    "adl": 2,
    "bidNotional": "0",
    "askNotional": "0",
    "updateTime": 1720736417660,
}
ASSET = {
    "asset": "USDT",
    "walletBalance": "23.72469206",
    "unrealizedProfit": "0.00000000",
    "marginBalance": "23.72469206",
    "maintMargin": "0.00000000",
    "initialMargin": "0.00000000",
    "positionInitialMargin": "0.00000000",
    "openOrderInitialMargin": "0.00000000",
    "crossWalletBalance": "23.72469206",
    "crossUnPnl": "0.00000000",
    "availableBalance": "23.72469206",
    "maxWithdrawAmount": "23.72469206",
    "updateTime": 1625474304765,
}
ACCOUNT_POSITION = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "1.000",
    "unrealizedProfit": "0.00000000",
    "isolatedMargin": "0.00000000",
    "notional": "0",
    "isolatedWallet": "0",
    "initialMargin": "0",
    "maintMargin": "0",
    "updateTime": 0,
}
ACCOUNT = {
    "totalInitialMargin": "0.00000000",
    "totalMaintMargin": "0.00000000",
    "totalWalletBalance": "103.12345678",
    "totalUnrealizedProfit": "0.00000000",
    "totalMarginBalance": "103.12345678",
    "totalPositionInitialMargin": "0.00000000",
    "totalOpenOrderInitialMargin": "0.00000000",
    "totalCrossWalletBalance": "103.12345678",
    "totalCrossUnPnl": "0.00000000",
    "availableBalance": "103.12345678",
    "maxWithdrawAmount": "103.12345678",
    "assets": [ASSET],
    "positions": [ACCOUNT_POSITION],
}
BALANCE = {
    "accountAlias": "SgsR",
    "asset": "USDT",
    "balance": "122607.35137903",
    "crossWalletBalance": "23.72469206",
    "crossUnPnl": "0.00000000",
    "availableBalance": "23.72469206",
    "maxWithdrawAmount": "23.72469206",
    "marginAvailable": True,
    "updateTime": 1617939110373,
}
INCOME = {
    "symbol": "BTCUSDT",
    "incomeType": "COMMISSION",
    "income": "-0.01000000",
    "asset": "USDT",
    "info": "COMMISSION",
    "time": 1570636800000,
    "tranId": 9689322392,
    "tradeId": "2059192",
}
PREMIUM_INDEX = {
    "symbol": "BTCUSDT",
    "markPrice": "11793.63104562",
    "indexPrice": "11781.80495970",
    "estimatedSettlePrice": "11781.16138815",
    "lastFundingRate": "0.00038246",
    "interestRate": "0.00010000",
    "nextFundingTime": 1597392000000,
    "time": 1597370495002,
}
TICKER = {
    "symbol": "BTCUSDT",
    "priceChange": "-94.99999800",
    "priceChangePercent": "-95.960",
    "weightedAvgPrice": "0.29628482",
    "lastPrice": "4.00000200",
    "lastQty": "200.00000000",
    "openPrice": "99.00000000",
    "highPrice": "100.00000000",
    "lowPrice": "0.10000000",
    "volume": "8913.30000000",
    "quoteVolume": "15.30000000",
    "openTime": 1499783499040,
    "closeTime": 1499869899040,
    "firstId": 28385,
    "lastId": 28460,
    "count": 76,
}
SYMBOL_CONFIG = {
    "symbol": "BTCUSDT",
    "marginType": "CROSSED",
    "isAutoAddMargin": False,
    "leverage": 21,
    "maxNotionalValue": "1000000",
}
SYMBOL = {
    "symbol": "BLZUSDT",
    "pair": "BLZUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1598252400000,
    "status": "TRADING",
    "maintMarginPercent": "2.5000",
    "requiredMarginPercent": "5.0000",
    "baseAsset": "BLZ",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 5,
    "quantityPrecision": 0,
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "underlyingType": "COIN",
    "triggerProtect": "0.15",
    "liquidationFee": "0.010000",
    "marketTakeBound": "0.30",
}

EXAMPLES = [
    pytest.param("/fapi/v1/order", BTC | {"origClientOrderId": "entry"}, ORDER, id="Query-Order"),
    pytest.param("/fapi/v1/openOrders", {}, [ORDER], id="Current-All-Open-Orders"),
    pytest.param("/fapi/v1/allOrders", BTC, [ORDER], id="All-Orders"),
    pytest.param("/fapi/v1/algoOrder", {"clientAlgoId": "s"}, ALGO_ORDER, id="Query-Algo-Order"),
    pytest.param("/fapi/v1/openAlgoOrders", {}, [ALGO_ORDER], id="Current-All-Algo-Open-Orders"),
    pytest.param("/fapi/v1/allAlgoOrders", BTC, [ALGO_ORDER], id="Query-All-Algo-Orders"),
    pytest.param("/fapi/v1/userTrades", BTC, [USER_TRADE], id="Account-Trade-List"),
    pytest.param("/fapi/v3/positionRisk", {}, [POSITION], id="Position-Information-V3"),
    pytest.param("/fapi/v3/account", {}, ACCOUNT, id="Account-Information-V3"),
    pytest.param("/fapi/v2/account", {}, ACCOUNT, id="Account-Information-V2"),
    pytest.param("/fapi/v3/balance", {}, [BALANCE], id="Futures-Account-Balance-V3"),
    pytest.param("/fapi/v1/income", {}, [INCOME], id="Get-Income-History"),
    pytest.param("/fapi/v1/symbolConfig", {}, [SYMBOL_CONFIG], id="Symbol-Config"),
    pytest.param("/fapi/v1/premiumIndex", BTC, PREMIUM_INDEX, id="Mark-Price"),
    pytest.param("/fapi/v1/premiumIndex", {}, [PREMIUM_INDEX], id="Mark-Price of all"),
    pytest.param("/fapi/v1/ticker/24hr", BTC, TICKER, id="24hr-Ticker"),
    pytest.param("/fapi/v1/ticker/24hr", {}, [TICKER], id="24hr-Ticker of all"),
    pytest.param("/fapi/v1/klines", BTC | {"interval": "1m"}, [KLINE], id="Kline"),
    pytest.param("/fapi/v1/exchangeInfo", {}, {"symbols": [SYMBOL]}, id="Exchange-Information"),
]


@pytest.fixture(scope="module")
def trader() -> Client:
    """A client with a position, a resting order and a waiting stop."""
    client = Client(Desk())
    buy = BTC | {"side": "BUY", "quantity": "2"}
    client.ok("POST /fapi/v1/order", **buy, type="MARKET", newClientOrderId="entry")
    resting = buy | {"type": "LIMIT", "timeInForce": "GTC", "price": "90"}
    client.ok("POST /fapi/v1/order", **resting)
    stop = BTC | {"side": "SELL", "type": "STOP_MARKET", "algoType": "CONDITIONAL"}
    stop |= {"quantity": "2", "triggerPrice": "80", "reduceOnly": "true", "clientAlgoId": "s"}
    client.ok("POST /fapi/v1/algoOrder", **stop)
    return client


def differences(told: object, example: object, where: str = "answer") -> list[str]:
    """Places at which an answer lacks what the example has, or says it in another type."""
    if isinstance(example, dict):
        if not isinstance(told, dict):
            return [f"{where} is no object"]
        missing = [f"{where}.{key} is missing" for key in example if key not in told]
        shared = [key for key in example if key in told]
        return missing + [
            d for k in shared for d in differences(told[k], example[k], f"{where}.{k}")
        ]
    if isinstance(example, list):
        if not isinstance(told, list) or not told:
            return [f"{where} is no list with entries"]
        if len(example) > 1:
            pairs = zip(told, example, strict=True)
            return [d for i, (t, e) in enumerate(pairs) for d in differences(t, e, f"{where}[{i}]")]
        return [
            d for i, one in enumerate(told) for d in differences(one, example[0], f"{where}[{i}]")
        ]
    if example is None or type(told) is type(example):
        return []
    return [f"{where} is {told!r}, the example has {example!r}"]


@pytest.mark.parametrize(("path", "params", "example"), EXAMPLES)
def test_an_answer_looks_like_binances_example(trader, path, params, example):
    assert differences(trader.ok(f"GET {path}", **params), example) == []


class TestDifferences:
    def test_see_what_is_missing_or_of_another_type(self):
        told = {"a": 1, "c": [{"d": "x"}, {"d": 2}]}
        example = {"a": "1", "b": True, "c": [{"d": "y"}]}
        assert differences(told, example) == [
            "answer.b is missing",
            "answer.a is 1, the example has '1'",
            "answer.c[1].d is 2, the example has 'y'",
        ]

    def test_do_not_mind_more_than_the_example(self):
        assert differences({"a": 1, "z": 2}, {"a": 5}) == []
