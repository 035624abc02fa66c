"""What the layers of one market are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freqtrade_ext.signals._macro import MacroContext
from freqtrade_ext.signals._model_advice import ModelAdvice
from freqtrade_ext.signals._record import OwnRecord

__all__ = ["MarketInputs"]


@dataclass(frozen=True, slots=True)
class MarketInputs:
    """
    Everything that one market's score is computed from; only `candles` is needed.

    What is absent makes the layers that read it neutral: no points, no veto, factors of 1. The
    result names those layers (`ScoredMarket.neutral`).

    Attributes
    ----------
    market : str
        Name of the market, e.g. ``SOL/USDT:USDT``.
    timeframe : str
        Of `candles`, e.g. ``5m``.
    candles : DataFrame
        Closed candles, oldest first: ``date`` (UTC, time of the open), ``open``, ``high``,
        ``low``, ``close``, ``volume``. Further columns are ignored.
    higher : mapping of str to DataFrame
        Candles of this market on higher timeframes, by timeframe. A candle is used from its close
        on. Where a timeframe is absent, its closes are taken from `candles` (whole multiples of
        the timeframe since 1970 UTC), as far back as they go.
    benchmark : DataFrame, optional
        Candles of Bitcoin on the same timeframe. Ignored where `macro` is given.
    references : mapping of str to DataFrame
        Candles of other leading coins on the same timeframe: ``{"ETH": ...}``. Ignored where
        `macro` is given.
    macro : MacroContext, optional
        What is read from Bitcoin and Ether, prepared once for all markets of a pass by
        `macro_context`. Absent: prepared from `benchmark` and `references`; absent as well: the
        market is taken to be neither volatile nor calm, no veto by Bitcoin's trend, no divergence.
    funding : DataFrame, optional
        Funding events: ``date`` (UTC), ``rate`` (share of the notional paid by longs at that
        event, 0.0001 is 0.01 %). A candle sees the events up to its close. Absent: neutral.
    imbalance : array of shape (candles,), optional
        Order-book imbalance at the close of each candle, (bids - asks) / (bids + asks), -1 to 1;
        NaN where there was no reading. Live only. Absent: neutral, and a market whose Hurst
        exponent is neutral has no direction.
    record : OwnRecord, optional
        The bot's own closed trades of this market. Absent: neutral.
    advice : ModelAdvice, optional
        What a model says of a signal of each candle, for either direction. Absent: neutral.
    """

    market: str
    timeframe: str
    candles: pd.DataFrame
    higher: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    benchmark: pd.DataFrame | None = None
    references: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    macro: MacroContext | None = None
    funding: pd.DataFrame | None = None
    imbalance: NDArray[np.float64] | None = None
    record: OwnRecord | None = None
    advice: ModelAdvice | None = None

    @property
    def coin(self) -> str:
        """The base currency of the market: ``SOL``."""
        return self.market.split("/")[0]
