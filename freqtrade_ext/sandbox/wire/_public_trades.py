"""Public endpoints for trades between strangers: the latest ones, and pages by time or by id."""

from collections.abc import Sequence
from typing import Any

from freqtrade_ext.sandbox.market import Instrument, PublicTrade
from freqtrade_ext.sandbox.wire._call import Call
from freqtrade_ext.sandbox.wire._words import number

FIRST_WINDOW_MS = 60_000
LONGEST_WINDOW_MS = 3_600_000


def trades(call: Call) -> Any:
    """Latest trades, or (as `historicalTrades`) a page from an id on."""
    one = call.instrument()
    return [
        {
            "id": trade.trade_id,
            "price": number(trade.price),
            "qty": number(trade.quantity),
            "quoteQty": number(trade.price * trade.quantity),
            "time": trade.time_ms,
            "isBuyerMaker": trade.buyer_is_maker,
        }
        for trade in _page(call, one)
    ]


def aggregate_trades(call: Call) -> Any:
    """Trades as Binance aggregates them; here every trade is its own aggregate."""
    one = call.instrument()
    return [
        {
            "a": trade.trade_id,
            "p": number(trade.price),
            "q": number(trade.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.buyer_is_maker,
        }
        for trade in _page(call, one)
    ]


def _page(call: Call, one: Instrument) -> Sequence[PublicTrade]:
    limit = call.params.limit(500, 1000)
    from_id = call.params.optional_integer("fromId")
    if from_id is not None:
        start_ms = _time_before(call, one, from_id)
        found = _forward(call, one, start_ms, call.now_ms + 1, limit, from_id)
        return found[:limit]
    start_ms, end_ms = call.params.span(call.now_ms)
    if call.params.get("startTime"):
        return _forward(call, one, max(start_ms, one.listed_at_ms), end_ms + 1, limit)[:limit]
    return _backward(call, one, end_ms + 1, limit)[-limit:]


def _forward(
    call: Call, one: Instrument, start_ms: int, end_ms: int, limit: int, from_id: int = 0
) -> list[PublicTrade]:
    """Collect trades in growing windows until there are enough."""
    found: list[PublicTrade] = []
    window_ms = FIRST_WINDOW_MS
    while start_ms < end_ms and len(found) < limit:
        until_ms = min(end_ms, start_ms + window_ms)
        page = call.market.trades(one.symbol, start_ms, until_ms)
        found += [trade for trade in page if trade.trade_id >= from_id]
        start_ms, window_ms = until_ms, min(2 * window_ms, LONGEST_WINDOW_MS)
    return found


def _backward(call: Call, one: Instrument, end_ms: int, limit: int) -> list[PublicTrade]:
    found: list[PublicTrade] = []
    window_ms = FIRST_WINDOW_MS
    while end_ms > one.listed_at_ms and len(found) < limit:
        start_ms = max(one.listed_at_ms, end_ms - window_ms)
        found = [*call.market.trades(one.symbol, start_ms, end_ms), *found]
        end_ms, window_ms = start_ms, min(2 * window_ms, LONGEST_WINDOW_MS)
    return found


def _time_before(call: Call, one: Instrument, trade_id: int) -> int:
    """Bisect for a time at or before the trade of an id; ids grow with time."""
    low, high = one.listed_at_ms, call.now_ms
    while high - low > FIRST_WINDOW_MS:
        middle = (low + high) // 2
        ahead = _forward(call, one, middle, high, 1)
        if ahead and ahead[0].trade_id <= trade_id:
            low = middle
        else:
            high = middle
    return low
