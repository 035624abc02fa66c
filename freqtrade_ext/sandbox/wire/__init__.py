"""Binance's USD-M futures REST protocol: the only place that knows its names and error codes."""

from freqtrade_ext.sandbox.wire._api import BinanceApi
from freqtrade_ext.sandbox.wire._auth import Credentials
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
from freqtrade_ext.sandbox.wire._routes import ROUTES

__all__ = [
    "BANNED",
    "ROUTES",
    "SERVER_BUSY",
    "TIMEOUT",
    "TOO_MANY_REQUESTS",
    "UNKNOWN_ERROR",
    "Answer",
    "ApiError",
    "ApiFailure",
    "BinanceApi",
    "Credentials",
    "Params",
    "Request",
    "known_errors",
]
