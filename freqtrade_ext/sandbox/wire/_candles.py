"""Public endpoints for candles, and the spans that Binance's candle parameters mean."""

from typing import Any

from freqtrade_ext.sandbox.engine._filters import decimals
from freqtrade_ext.sandbox.market import Candle, Instrument, PriceKind
from freqtrade_ext.sandbox.wire._call import DAY_MS, Call
from freqtrade_ext.sandbox.wire._errors import BAD_INTERVAL, ApiFailure

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
    interval_ms = interval_of(call, "interval")
    limit = call.params.limit(500, 1500)
    start_ms, end_ms = kline_span(call, one, interval_ms, limit)
    candles = call.market.candles(one.symbol, interval_ms, start_ms, end_ms, call.now_ms, kind)
    return [_kline(candle, one, interval_ms) for candle in candles]


def kline_span(call: Call, one: Instrument, interval_ms: int, limit: int) -> tuple[int, int]:
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


def interval_of(call: Call, name: str) -> int:
    """Read an interval; answers its length in milliseconds."""
    interval_ms = INTERVALS.get(call.params.text(name))
    if interval_ms is None:
        raise ApiFailure(BAD_INTERVAL)
    return interval_ms
