"""Public endpoints: instruments, candles, tickers, book, funding, open interest."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from freqtrade_ext.sandbox.engine import OrderType
from freqtrade_ext.sandbox.engine._filters import decimals
from freqtrade_ext.sandbox.engine._order_book import MAX_OPEN_ORDERS
from freqtrade_ext.sandbox.market import Candle, Instrument, PriceKind
from freqtrade_ext.sandbox.wire._call import DAY_MS, Call
from freqtrade_ext.sandbox.wire._errors import BAD_INTERVAL, ApiFailure
from freqtrade_ext.sandbox.wire._words import TIMES_IN_FORCE, TRIGGER_TYPES, amount, number

PERPETUAL_DELIVERY_MS = 4_133_404_800_000  # "never": ccxt and Freqtrade compare with this value
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
INTERVALS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}
RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]


def ping(call: Call) -> Any:
    """Answer that the exchange is there."""
    return {}


def time(call: Call) -> Any:
    """Time of the exchange."""
    return {"serverTime": call.now_ms}


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


def klines(call: Call) -> Any:
    """Candles of traded prices."""
    return _klines(call, call.instrument(), "last")


def mark_price_klines(call: Call) -> Any:
    """Candles of mark prices."""
    return _klines(call, call.instrument(), "mark")


def index_price_klines(call: Call) -> Any:
    """Candles of index prices; the instrument is called `pair` here."""
    return _klines(call, call.instrument("pair"), "index")


def _klines(call: Call, one: Instrument, kind: PriceKind) -> list[list[Any]]:
    interval_ms = INTERVALS.get(call.params.text("interval"))
    if interval_ms is None:
        raise ApiFailure(BAD_INTERVAL)
    limit = call.params.limit(500, 1500)
    start_ms, end_ms = _kline_span(call, one, interval_ms, limit)
    candles = call.market.candles(one.symbol, interval_ms, start_ms, end_ms, call.now_ms, kind)
    return [_kline(candle, one, interval_ms) for candle in candles]


def _kline_span(call: Call, one: Instrument, interval_ms: int, limit: int) -> tuple[int, int]:
    """Opening times of the first and the last candle: `limit` from the start, or up to the end."""
    asked_start, end_ms = call.params.span(call.now_ms)
    last_ms = end_ms - end_ms % interval_ms
    if call.params.get("startTime"):
        start_ms = max(asked_start, one.listed_at_ms - one.listed_at_ms % interval_ms)
        first_ms = -(-start_ms // interval_ms) * interval_ms
        return first_ms, min(last_ms, first_ms + (limit - 1) * interval_ms)
    return last_ms - (limit - 1) * interval_ms, last_ms


def _kline(candle: Candle, one: Instrument, interval_ms: int) -> list[Any]:
    digits = decimals(one.tick_size)
    taker_quote = candle.taker_buy_volume * (candle.open + candle.close) / 2
    return [
        candle.open_ms,
        f"{candle.open:.{digits}f}",
        f"{candle.high:.{digits}f}",
        f"{candle.low:.{digits}f}",
        f"{candle.close:.{digits}f}",
        f"{candle.volume:.8f}",
        candle.open_ms + interval_ms - 1,
        f"{candle.quote_volume:.8f}",
        candle.trade_count,
        f"{candle.taker_buy_volume:.8f}",
        f"{taker_quote:.8f}",
        "0",
    ]


def ticker_24hr(call: Call) -> Any:
    """Change over the last 24 hours."""
    return call.one_or_all([_ticker(call, one) for one in call.instruments()])


def _ticker(call: Call, one: Instrument) -> dict[str, Any]:
    start_ms = call.now_ms - DAY_MS
    hours: Sequence[Candle] = call.market.candles(
        one.symbol, HOUR_MS, start_ms - start_ms % HOUR_MS, call.now_ms, call.now_ms
    )
    digits = decimals(one.tick_size)
    last = call.market.price(one.symbol, call.now_ms)
    opened = Decimal(f"{hours[0].open:.{digits}f}") if hours else last
    volume = sum(hour.volume for hour in hours)
    quote_volume = sum(hour.quote_volume for hour in hours)
    return {
        "symbol": one.symbol,
        "priceChange": number(last - opened),
        "priceChangePercent": f"{(last / opened - 1) * 100:.3f}",
        "weightedAvgPrice": f"{quote_volume / volume if volume else last:.{digits}f}",
        "lastPrice": number(last),
        "lastQty": number(one.min_quantity),
        "openPrice": number(opened),
        "highPrice": f"{max((hour.high for hour in hours), default=float(last)):.{digits}f}",
        "lowPrice": f"{min((hour.low for hour in hours), default=float(last)):.{digits}f}",
        "volume": f"{volume:.3f}",
        "quoteVolume": f"{quote_volume:.2f}",
        "openTime": start_ms,
        "closeTime": call.now_ms,
        "firstId": 1,
        "lastId": 1 + sum(hour.trade_count for hour in hours),
        "count": sum(hour.trade_count for hour in hours),
    }


def ticker_price(call: Call) -> Any:
    """Last price."""
    return call.one_or_all(
        [
            {
                "symbol": one.symbol,
                "price": number(call.market.price(one.symbol, call.now_ms)),
                "time": call.now_ms,
            }
            for one in call.instruments()
        ]
    )


def book_ticker(call: Call) -> Any:
    """Best bid and ask."""
    return call.one_or_all([_book_ticker(call, one) for one in call.instruments()])


def _book_ticker(call: Call, one: Instrument) -> dict[str, Any]:
    depth = call.market.depth(one.symbol, call.now_ms, 1)
    nothing = (Decimal(0), Decimal(0))
    bid = depth.bids[0] if depth.bids else nothing
    ask = depth.asks[0] if depth.asks else nothing
    return {
        "symbol": one.symbol,
        "bidPrice": number(bid[0]),
        "bidQty": number(bid[1]),
        "askPrice": number(ask[0]),
        "askQty": number(ask[1]),
        "time": call.now_ms,
        "lastUpdateId": call.now_ms,
    }


def depth(call: Call) -> Any:
    """Order book."""
    one = call.instrument()
    book = call.market.depth(one.symbol, call.now_ms, call.params.limit(500, 1000))
    return {
        "lastUpdateId": call.now_ms,
        "E": call.now_ms,
        "T": call.now_ms,
        "bids": [[number(price), number(quantity)] for price, quantity in book.bids],
        "asks": [[number(price), number(quantity)] for price, quantity in book.asks],
    }


def premium_index(call: Call) -> Any:
    """Mark price, index price and the coming funding payment."""
    return call.one_or_all([_premium(call, one) for one in call.instruments()])


def _premium(call: Call, one: Instrument) -> dict[str, Any]:
    mark = number(call.market.mark_price(one.symbol, call.now_ms))
    coming = call.market.next_funding(one.symbol, call.now_ms)
    return {
        "symbol": one.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": amount(coming.rate),
        "interestRate": "0.00010000",
        "nextFundingTime": coming.time_ms,
        "time": call.now_ms,
    }


def funding_rate(call: Call) -> Any:
    """Past funding payments: the first `limit` of the span, or the latest without a start."""
    limit = call.params.limit(100, 1000)
    start_ms, end_ms = call.params.span(call.now_ms)
    rows = [
        {
            "symbol": one.symbol,
            "fundingTime": event.time_ms,
            "fundingRate": amount(event.rate),
            "markPrice": amount(event.mark_price),
        }
        for one in call.instruments()
        for event in call.market.funding_events(
            one.symbol, max(start_ms, one.listed_at_ms) - 1, end_ms
        )
    ]
    rows.sort(key=lambda row: (row["fundingTime"], row["symbol"]))
    return rows[:limit] if call.params.get("startTime") else rows[-limit:]


def funding_info(call: Call) -> Any:
    """Instruments whose funding interval is not the usual eight hours."""
    return [
        {
            "symbol": one.symbol,
            "adjustedFundingRateCap": "0.03000000",
            "adjustedFundingRateFloor": "-0.03000000",
            "fundingIntervalHours": one.funding_interval_hours,
            "disclaimer": False,
        }
        for one in call.instruments()
    ]


def open_interest(call: Call) -> Any:
    """Open contracts now."""
    one = call.instrument()
    return {
        "symbol": one.symbol,
        "openInterest": number(call.market.open_interest(one.symbol, call.now_ms)),
        "time": call.now_ms,
    }


def open_interest_history(call: Call) -> Any:
    """Open contracts at the end of past periods."""
    one = call.instrument()
    interval_ms = INTERVALS.get(call.params.text("period"))
    if interval_ms is None:
        raise ApiFailure(BAD_INTERVAL)
    limit = call.params.limit(30, 500)
    first_ms, last_ms = _kline_span(call, one, interval_ms, limit)
    first_ms = max(first_ms, one.listed_at_ms)
    return [
        {
            "symbol": one.symbol,
            "sumOpenInterest": amount(call.market.open_interest(one.symbol, at_ms)),
            "sumOpenInterestValue": amount(
                call.market.open_interest(one.symbol, at_ms)
                * call.market.mark_price(one.symbol, at_ms)
            ),
            "timestamp": at_ms,
        }
        for at_ms in range(-(-first_ms // interval_ms) * interval_ms, last_ms + 1, interval_ms)
    ]
