"""Public endpoint that lists the instruments and their filters."""

from typing import Any

from freqtrade_ext.sandbox.engine import OrderType
from freqtrade_ext.sandbox.engine._filters import decimals
from freqtrade_ext.sandbox.engine._order_book import MAX_OPEN_ORDERS
from freqtrade_ext.sandbox.market import Instrument
from freqtrade_ext.sandbox.wire._call import Call
from freqtrade_ext.sandbox.wire._words import TIMES_IN_FORCE, TRIGGER_TYPES, number

PERPETUAL_DELIVERY_MS = 4_133_404_800_000  # "never": ccxt and Freqtrade compare with this value
RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]


def exchange_info(call: Call) -> Any:
    """Instruments and their filters; what is not listed yet is not there."""
    listed = [i for i in call.market.instruments.values() if i.listed_at_ms <= call.now_ms]
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": RATE_LIMITS,
        "exchangeFilters": [],
        "assets": [
            {"asset": quote, "marginAvailable": True, "autoAssetExchange": "0"}
            for quote in sorted({one.quote for one in listed})
        ],
        "symbols": [_symbol(call, one) for one in listed],
    }


def _symbol(call: Call, one: Instrument) -> dict[str, Any]:
    trading = call.market.is_trading(one.symbol, call.now_ms)
    return {
        "symbol": one.symbol,
        "pair": one.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": one.listed_at_ms,
        "status": "TRADING" if trading else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": one.base,
        "quoteAsset": one.quote,
        "marginAsset": one.quote,
        "pricePrecision": decimals(one.tick_size),
        "quantityPrecision": decimals(one.step_size),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": _filters(one),
        "orderTypes": [*(kind.value.upper() for kind in OrderType), *TRIGGER_TYPES],
        "timeInForce": list(TIMES_IN_FORCE),
    }


def _filters(one: Instrument) -> list[dict[str, Any]]:
    lot = {"stepSize": number(one.step_size), "minQty": number(one.min_quantity)}
    tick = number(one.tick_size)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": "10000000",
            "tickSize": tick,
        },
        {"filterType": "LOT_SIZE", "maxQty": number(one.max_quantity)} | lot,
        {"filterType": "MARKET_LOT_SIZE", "maxQty": number(one.max_market_quantity)} | lot,
        {"filterType": "MAX_NUM_ORDERS", "limit": MAX_OPEN_ORDERS},
        {"filterType": "MIN_NOTIONAL", "notional": number(one.min_notional)},
    ]
