"""What goes into a scan: one market's history each; and what is said about those left out."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

__all__ = [
    "MarketHistory",
    "MarketRefusal",
    "RefusalReason",
    "Span",
    "StationaryMarket",
    "Treatment",
    "TreatmentKind",
    "Twin",
    "TwinKind",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MarketHistory:
    """
    Closed candles of one market, as they were found: any order, gaps and repeats allowed.

    Parameters
    ----------
    market : str
        Name, e.g. ``BTC/USDT:USDT``.
    time_ms : array of int64, shape (n_candles,)
        Open times in milliseconds since 1970, UTC.
    close : array of float64, shape (n_candles,)
        Closes; NaN counts as a missing candle.
    quote_volume : array of float64, shape (n_candles,)
        Turnover in quote currency; a candle with zero or NaN counts as missing (nobody traded).
    listed_ms : int, optional
        When the market was listed, if known; by default its first candle.
    """

    market: str
    time_ms: IntArray
    close: FloatArray
    quote_volume: FloatArray
    listed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Stretch of candles [start_ms, end_ms): open of the first, close of the last."""

    start_ms: int
    end_ms: int
    candles: int

    @property
    def start(self) -> datetime:
        """Open of the first candle, UTC."""
        return datetime.fromtimestamp(self.start_ms / 1000, UTC)

    @property
    def end(self) -> datetime:
        """Close of the last candle, UTC."""
        return datetime.fromtimestamp(self.end_ms / 1000, UTC)


class RefusalReason(StrEnum):
    """Why a market takes no part in a scan."""

    MALFORMED = "malformed"  # arrays of unequal length or of more than one dimension
    REPEATED_MARKET = "repeated market"  # the second history of the same name
    NO_DATA = "no data"  # not one usable candle up to the end of the window
    TOO_SHORT = "too little history"  # the window itself has too few candles
    OFF_GRID = "off grid"  # open times are not multiples of the timeframe
    CONFLICTING_CANDLES = "conflicting candles"  # two closes for one candle
    NON_POSITIVE_PRICE = "non-positive price"
    LATE_LISTING = "late listing"  # begins inside the window
    DELISTED = "delisted"  # ends before the window does
    TOO_YOUNG = "too young"
    TOO_MANY_MISSING = "too many missing candles"
    LONG_GAP = "long gap"
    CONSTANT = "constant price"
    LOW_VOLUME = "low volume"
    EXCLUDED = "excluded"  # by the caller: flagged, about to be delisted, locked


@dataclass(frozen=True, slots=True)
class MarketRefusal:
    """A market that takes no part: which rule, which value, what would be right."""

    market: str
    reason: RefusalReason
    value: str
    right: str

    def __str__(self) -> str:
        return f"{self.market}: {self.reason}: {self.value}; {self.right}"


class TreatmentKind(StrEnum):
    """What was done to a history that takes part."""

    SORTED = "sorted"
    REPEATS_DROPPED = "repeated candles dropped"
    CARRIED_FORWARD = "last close carried forward"
    CUT = "candles after the common end left out"


@dataclass(frozen=True, slots=True)
class Treatment:
    """How many candles of a market were treated, and how."""

    market: str
    kind: TreatmentKind
    candles: int


@dataclass(frozen=True, slots=True)
class StationaryMarket:
    """A market that reverts on its own (or is pegged): reported, not traded."""

    market: str
    stat: float
    pvalue: float
    pegged: bool  # hardly moves at all; `stat` is NaN if it does not move enough to be tested


class TwinKind(StrEnum):
    """Why two markets are one market twice."""

    SAME_PRICE = "same price"  # collinear log prices: other units, the same token
    WRAPPED = "wrapped"  # returns correlate nearly perfectly
    PEGGED = "pegged"  # the ratio of their prices hardly moves


@dataclass(frozen=True, slots=True)
class Twin:
    """Two markets that are one market twice: reported, not traded against each other."""

    market_a: str
    market_b: str
    kind: TwinKind
    return_correlation: float
