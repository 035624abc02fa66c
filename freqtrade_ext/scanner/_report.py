"""The result of a scan."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from freqtrade_ext.scanner._cards import Candidate, Retest, SpreadCard
from freqtrade_ext.scanner._funnel import Funnel, Stage
from freqtrade_ext.scanner._histories import (
    MarketRefusal,
    Span,
    StationaryMarket,
    Treatment,
    Twin,
)
from freqtrade_ext.scanner._settings import ScanSettings

__all__ = ["ScanReport", "Universe"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Universe:
    """
    Markets on one grid of candles: nothing missing, oldest first.

    Parameters
    ----------
    timeframe, candle_ms :
        E.g. ``1h``, and its length in milliseconds.
    markets : tuple of str
        Those that take part, in alphabetical order.
    time_ms : array of int64, shape (n_candles,)
        Open times.
    log_prices : array of shape (n_candles, n_markets)
        Natural logarithms of closes; read-only.
    daily_volume : array of shape (n_markets,)
        Median turnover of 24 hours, quote currency.
    refusals, treatments : tuple
        What was left out, and what was done to the rest.
    """

    timeframe: str
    candle_ms: int
    markets: tuple[str, ...]
    time_ms: IntArray = field(repr=False, compare=False)
    log_prices: FloatArray = field(repr=False, compare=False)
    daily_volume: FloatArray = field(repr=False, compare=False)
    refusals: tuple[MarketRefusal, ...] = ()
    treatments: tuple[Treatment, ...] = ()

    def log_price(self, market: str) -> FloatArray:
        """
        Log prices of one market over the window.

        Raises
        ------
        KeyError
            If it does not take part.
        """
        if market not in self.markets:
            raise KeyError(market)
        column: FloatArray = self.log_prices[:, self.markets.index(market)]
        return column

    def span(self, start: int, stop: int) -> Span:
        """Dates of the candles from index `start` up to `stop`, which is left out."""
        return Span(
            int(self.time_ms[start]), int(self.time_ms[stop - 1]) + self.candle_ms, stop - start
        )


@dataclass(frozen=True, slots=True)
class ScanReport:
    """
    What a scan found, and everything that it left out.

    Parameters
    ----------
    settings : ScanSettings
        Of this scan.
    universe : Universe
        Markets, grid, log prices, refusals and treatments.
    discovery, confirmation : Span or None
        Dates of both parts; None where too little data left nothing to scan.
    stationary, twins : tuple
        Reported, not traded.
    screen : str
        A sentence: how the family was chosen.
    funnel : Funnel
        Survivors of every step.
    null_funnel : Funnel or None
        The same on shuffled data; None if it was not asked for.
    pvalues, qvalues : array of shape (n_markets, n_markets)
        Weaker direction's p-value and its Benjamini-Hochberg q-value, symmetric, rows and
        columns as ``universe.markets``; NaN on the diagonal and outside the family.
    candidates : tuple of Candidate
        Every survivor of false-discovery control, smallest q-value first.
    cards : tuple of SpreadCard
        The chosen spreads, best first. Often none: a valid result.
    retests : tuple of Retest
        One for each spread that the caller asked to test again, in that order.
    """

    settings: ScanSettings
    universe: Universe
    discovery: Span | None
    confirmation: Span | None
    stationary: tuple[StationaryMarket, ...]
    twins: tuple[Twin, ...]
    screen: str
    funnel: Funnel
    null_funnel: Funnel | None
    pvalues: FloatArray = field(repr=False, compare=False)
    qvalues: FloatArray = field(repr=False, compare=False)
    candidates: tuple[Candidate, ...] = ()
    cards: tuple[SpreadCard, ...] = ()
    retests: tuple[Retest, ...] = ()

    @property
    def refusals(self) -> tuple[MarketRefusal, ...]:
        """Markets that take no part, and why."""
        return self.universe.refusals

    @property
    def is_empty(self) -> bool:
        """Whether nothing was chosen."""
        return not self.cards

    @property
    def family_size(self) -> int:
        """Combinations that were tested."""
        return self.funnel.count(Stage.FAMILY)

    @property
    def data_end(self) -> datetime | None:
        """Close of the last candle that was looked at, UTC."""
        return self.confirmation.end if self.confirmation is not None else None
