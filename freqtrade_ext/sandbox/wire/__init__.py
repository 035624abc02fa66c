"""Binance's USD-M futures REST protocol: the only place that knows its names and error codes."""

from freqtrade_ext.sandbox.wire._api import BinanceApi
from freqtrade_ext.sandbox.wire._auth import Credentials
from freqtrade_ext.sandbox.wire._call import Circumstances
from freqtrade_ext.sandbox.wire._disturbed import (
    GARBLED,
    MAINTENANCE,
    banned,
    rate_limited,
    without_prices,
)
from freqtrade_ext.sandbox.wire._errors import (
    BANNED,
    SERVER_BUSY,
    TIMEOUT,
    TOO_MANY_REQUESTS,
    UNKNOWN_ERROR,
    ApiError,
    ApiFailure,
    known_errors,
)
from freqtrade_ext.sandbox.wire._messages import Answer, Params, Request
from freqtrade_ext.sandbox.wire._parts import (
    CARRIERS,
    client_order_id_of,
    parts_of,
    venue_order_id_of,
)
from freqtrade_ext.sandbox.wire._routes import ROUTES

__all__ = [
    "BANNED",
    "CARRIERS",
    "GARBLED",
    "MAINTENANCE",
    "ROUTES",
    "SERVER_BUSY",
    "TIMEOUT",
    "TOO_MANY_REQUESTS",
    "UNKNOWN_ERROR",
    "Answer",
    "ApiError",
    "ApiFailure",
    "BinanceApi",
    "Circumstances",
    "Credentials",
    "Params",
    "Request",
    "banned",
    "client_order_id_of",
    "known_errors",
    "parts_of",
    "rate_limited",
    "venue_order_id_of",
    "without_prices",
]
