"""One market as the layers see it: arrays, indicators, the direction asked for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import CandleArrays
from freqtrade_ext.signals._indicators import Indicators
from freqtrade_ext.signals._inputs import MarketInputs
from freqtrade_ext.signals._macro import MacroContext

__all__ = ["MarketView"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MarketView:
    """
    What a layer may look at; all arrays have one value a candle.

    Attributes
    ----------
    inputs : MarketInputs
        As given.
    candles : CandleArrays
        Checked candles.
    indicators : Indicators
        Those that more than one part reads.
    hurst : ndarray
        Hurst exponent, 0.15 to 0.85; NaN in the warm-up.
    direction : ndarray
        1 long, -1 short, 0 none.
    mode : ndarray
        1: the market trends. -1: it reverts. 0: neither, or unknown.
    macro : MacroContext or None
        What Bitcoin and Ether say.
    """

    inputs: MarketInputs
    candles: CandleArrays
    indicators: Indicators
    hurst: FloatArray
    direction: FloatArray
    mode: FloatArray
    macro: MacroContext | None
