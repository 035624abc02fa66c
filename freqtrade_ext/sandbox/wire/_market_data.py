"""Public endpoints: time, tickers, book, funding, open interest."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from freqtrade_ext.sandbox.engine._filters import decimals
from freqtrade_ext.sandbox.market import Candle, Instrument
from freqtrade_ext.sandbox.wire._call import DAY_MS, Call
from freqtrade_ext.sandbox.wire._candles import HOUR_MS, interval_of, kline_span
from freqtrade_ext.sandbox.wire._words import amount, number


def ping(call: Call) -> Any:
    """Answer that the exchange is there."""
    return {}


def time(call: Call) -> Any:
    """Time of the exchange."""
    return {"serverTime": call.now_ms}


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
    interval_ms = interval_of(call, "period")
    limit = call.params.limit(30, 500)
    first_ms, last_ms = kline_span(call, one, interval_ms, limit)
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
