"""Binance's words for the exchange's nouns, in both directions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from freqtrade_ext.sandbox.engine import (
    MarginMode,
    OrderStatus,
    OrderType,
    PriceSource,
    Side,
    TimeInForce,
    TriggerStatus,
    TriggerType,
)
from freqtrade_ext.sandbox.wire._errors import (
    BAD_ORDER_TYPE,
    BAD_PARAMETER,
    BAD_SIDE,
    BAD_TIME_IN_FORCE,
    ApiError,
    ApiFailure,
)

V = TypeVar("V")

ASSET = "USDT"  # the wallet's only currency

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
ORDER_TYPES = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
TRIGGER_TYPES = {
    "STOP": TriggerType.STOP_LIMIT,
    "STOP_MARKET": TriggerType.STOP_MARKET,
    "TAKE_PROFIT": TriggerType.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": TriggerType.TAKE_PROFIT_MARKET,
}
TIMES_IN_FORCE = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.POST_ONLY,
}
MARGIN_TYPES = {"ISOLATED": MarginMode.ISOLATED, "CROSSED": MarginMode.CROSS}
WORKING_TYPES = {"CONTRACT_PRICE": PriceSource.LAST, "MARK_PRICE": PriceSource.MARK}
ORDER_STATUSES = {status: status.value.upper() for status in OrderStatus}
TRIGGER_STATUSES = {status: status.value.upper() for status in TriggerStatus}


def side_of(word: str) -> Side:
    """Read a side."""
    return _read(SIDES, word, BAD_SIDE)


def time_in_force_of(word: str | None) -> TimeInForce:
    """Read a time in force; GTC when absent."""
    return _read(TIMES_IN_FORCE, word or "GTC", BAD_TIME_IN_FORCE)


def trigger_type_of(word: str) -> TriggerType:
    """Read the type of a conditional order."""
    return _read(TRIGGER_TYPES, word, BAD_ORDER_TYPE)


def margin_mode_of(word: str) -> MarginMode:
    """Read a margin type."""
    return _read(MARGIN_TYPES, word, BAD_PARAMETER, "marginType")


def price_source_of(word: str | None) -> PriceSource:
    """Read a working type; the contract price when absent."""
    return _read(WORKING_TYPES, word or "CONTRACT_PRICE", BAD_PARAMETER, "workingType")


def word_of(table: Mapping[str, V], value: V) -> str:
    """Say a value in Binance's words."""
    return next(word for word, meaning in table.items() if meaning == value)


def number(value: Decimal) -> str:
    """Render a decimal without exponent and without superfluous digits."""
    return f"{value.normalize():f}" if value else "0"


def amount(value: Decimal) -> str:
    """Render money with the eight digits that Binance prints."""
    return f"{value:.8f}"


def _read(table: Mapping[str, V], word: str, error: ApiError, detail: str = "") -> V:
    try:
        return table[word.upper()]
    except KeyError:
        raise ApiFailure(error, detail) from None
