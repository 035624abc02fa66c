"""Answers of an exchange in trouble: maintenance pages, and prices that are not there."""

from collections.abc import Callable
from typing import Any, Final

from freqtrade_ext.sandbox.wire._errors import BANNED, TOO_MANY_REQUESTS
from freqtrade_ext.sandbox.wire._messages import Answer

PAGE: Final = "<html><head><title>{}</title></head><body><h1>{}</h1></body></html>"
MAINTENANCE: Final = Answer(503, PAGE.format(*["503 Service Unavailable"] * 2))
GARBLED: Final = Answer(200, PAGE.format(*["Please wait"] * 2))
KLINE_PRICES: Final = slice(1, 5)
PRICE_FIELDS: Final = frozenset(
    {"price", "lastPrice", "bidPrice", "askPrice", "markPrice", "indexPrice"}
)


def rate_limited(seconds_left: int) -> Answer:
    """Refusal of a client that asked too often; it may ask again after some seconds."""
    return _refused(TOO_MANY_REQUESTS.status, TOO_MANY_REQUESTS.body("127.0.0.1"), seconds_left)


def banned(until_ms: int, seconds_left: int) -> Answer:
    """Refusal of a client that went on asking."""
    return _refused(BANNED.status, BANNED.body(str(until_ms)), seconds_left)


def _refused(status: int, body: Any, seconds_left: int) -> Answer:
    return Answer(status, body, {"Retry-After": str(seconds_left)})


def without_prices(endpoint: str, body: Any, price: str) -> Any:
    """
    Take the prices out of an answer.

    Books are empty; tickers and premium index show `price` instead of every price; of candles the
    one that is forming is missing and the last closed one shows `price`. Other answers, and
    refusals, stay as they are.
    """
    spoil = SPOILED.get(endpoint.rpartition("/")[2])
    return spoil(body, price) if spoil else body


def _book(body: Any, price: str) -> Any:
    return body | {"bids": [], "asks": []} if "bids" in body else body


def _tickers(body: Any, price: str) -> Any:
    if isinstance(body, list):
        return [_tickers(one, price) for one in body]
    return {key: price if key in PRICE_FIELDS else value for key, value in body.items()}


def _candles(body: Any, price: str) -> Any:
    if not isinstance(body, list):
        return body
    rows = [list(row) for row in body[:-1]]
    if rows:
        rows[-1][KLINE_PRICES] = [price] * 4
    return rows


SPOILED: Final[dict[str, Callable[[Any, str], Any]]] = {
    "depth": _book,
    "rpiDepth": _book,
    "24hr": _tickers,
    "price": _tickers,
    "bookTicker": _tickers,
    "premiumIndex": _tickers,
    "klines": _candles,
    "markPriceKlines": _candles,
    "indexPriceKlines": _candles,
}
