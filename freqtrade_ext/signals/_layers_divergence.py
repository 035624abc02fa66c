"""Divergence of two markets at an extreme."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.signals._layer import LayerOutput
from freqtrade_ext.signals._macro import MacroContext, ReferenceView, aligned, new_extremes
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView

__all__ = ["disagreement", "smt_divergence"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


def smt_divergence(view: MarketView, settings: SignalSettings) -> LayerOutput:
    """
    Reward a signal to the side of the reversal when two markets disagree at an extreme.

    One market makes a new low (below the lows of the last ``lookback`` candles) in the same candle
    in which the other does not: bullish. A new high that the other does not make: bearish. The
    comparisons are the coin with Bitcoin, and Bitcoin with Ether. A disagreement counts for
    ``fresh`` candles; bullish and bearish at once cancel each other.

    Notes
    -----
    Non-confirmation of two averages is Dow's oldest reversal sign [1]_; day traders call the
    two-market form SMT divergence.

    References
    ----------
    .. [1] Rhea, R. (1932). The Dow Theory. Barron's.
    """
    part = settings.smt_divergence
    if view.macro is None:
        return LayerOutput(neutral="no candles of Bitcoin")
    comparisons = _comparisons(view, view.macro, part.lookback)
    if not comparisons:
        return LayerOutput(neutral="no candles of Ether to compare Bitcoin with")
    sides = [disagreement(own, other) for own, other in comparisons]
    bullish = _recent(any_of([bull for bull, _ in sides]), part.fresh)
    bearish = _recent(any_of([bear for _, bear in sides]), part.fresh)
    rewarded = np.where(view.direction > 0.0, bullish & ~bearish, bearish & ~bullish)
    known = any_of([bull >= 0.0 for bull, _ in sides])
    return LayerOutput(
        points=np.where(rewarded, part.points, 0.0),
        known=known,
        neutral="" if known.any() else "Bitcoin's candles are not of the same times",
    )


Extremes = tuple[FloatArray, FloatArray]  # new low, new high


def _comparisons(
    view: MarketView, macro: MacroContext, lookback: int
) -> list[tuple[Extremes, Extremes]]:
    times = view.candles.opened_ms
    btc = _at(macro.btc, times)
    found = []
    if view.inputs.coin != "BTC":
        found.append((new_extremes(view.candles, lookback), btc))
    if macro.eth is not None and view.inputs.coin != "ETH":
        found.append((btc, _at(macro.eth, times)))
    return found


def _at(reference: ReferenceView, times: IntArray) -> Extremes:
    own = reference.opened_ms
    return aligned(reference.new_low, own, times), aligned(reference.new_high, own, times)


def disagreement(one: Extremes, other: Extremes) -> tuple[FloatArray, FloatArray]:
    """
    Tell where exactly one of two markets makes a new extreme.

    Returns
    -------
    tuple of ndarray
        Bullish (one new low), bearish (one new high): 1 yes, 0 no, NaN where either is unknown.
    """
    return np.abs(one[0] - other[0]), np.abs(one[1] - other[1])


def any_of(flags: Sequence[FloatArray | BoolArray]) -> BoolArray:
    """Tell where any of the flags is 1; unknown is not."""
    found = flags[0] > 0.0
    for each in flags[1:]:
        found = found | (each > 0.0)
    return found


def _recent(flags: BoolArray, fresh: int) -> BoolArray:
    recent = flags.copy()
    for back in range(1, min(fresh, flags.size)):
        recent[back:] |= flags[:-back]
    return recent
