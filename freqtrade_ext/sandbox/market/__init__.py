"""Simulated markets: a seeded synthetic one, and a replay of recorded candles."""

from freqtrade_ext.sandbox.market._replay import ReplayMarket
from freqtrade_ext.sandbox.market._synthetic import SyntheticMarket
from freqtrade_ext.sandbox.market._synthetic_spec import PlantedSpread, SyntheticSpec
from freqtrade_ext.sandbox.market._types import (
    Candle,
    Depth,
    FundingEvent,
    Instrument,
    LeverageBracket,
    Market,
    PriceKind,
    PublicTrade,
)

__all__ = [
    "Candle",
    "Depth",
    "FundingEvent",
    "Instrument",
    "LeverageBracket",
    "Market",
    "PlantedSpread",
    "PriceKind",
    "PublicTrade",
    "ReplayMarket",
    "SyntheticMarket",
    "SyntheticSpec",
]
