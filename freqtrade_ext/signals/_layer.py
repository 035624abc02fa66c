"""What a layer is, what it answers, and the error when it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.errors import ExtensionError
from freqtrade_ext.signals._settings import SignalSettings
from freqtrade_ext.signals._view import MarketView

__all__ = ["Layer", "LayerError", "LayerOutput", "failing_as", "first_match"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class LayerError(ExtensionError):
    """
    A layer failed: the market has no score, and nothing of it may be traded.

    Attributes
    ----------
    layer : str
        Name of the layer in the registry, or ``gate`` or ``indicators``.
    market : str
        Name of the market.
    """

    def __init__(self, layer: str, market: str, cause: BaseException) -> None:
        super().__init__(f"layer {layer} failed for {market}: {type(cause).__name__}: {cause}")
        self.layer = layer
        self.market = market


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """
    Answer of a layer, candle by candle; what is None is neutral.

    Attributes
    ----------
    points : ndarray of shape (candles,), optional
        Points before the layer's weight.
    veto : ndarray of bool, optional
        True rejects the signal.
    size_factor, leverage_factor, score_factor : ndarray, optional
        Factors of the position's size, of the leverage, of the required score.
    known : ndarray of bool, optional
        False where the layer is neutral for want of data.
    neutral : str
        Why the layer is neutral at every candle; empty where it is not.
    reading : ndarray, optional
        The number that was judged, for a column of its own (`Layer.measures`).
    remark : callable, optional
        ``remark(row)``: what the trace says of the layer at a candle.
    """

    points: FloatArray | None = None
    veto: BoolArray | None = None
    size_factor: FloatArray | None = None
    leverage_factor: FloatArray | None = None
    score_factor: FloatArray | None = None
    known: BoolArray | None = None
    neutral: str = ""
    reading: FloatArray | None = None
    remark: Callable[[int], str] | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """
    One entry of the registry.

    Attributes
    ----------
    name : str
        Its name in the settings and in the columns.
    judge : callable
        ``judge(view, settings) -> LayerOutput``; pure, causal.
    reads : str
        What it reads; without that it is neutral.
    number : int or None
        Its number in the description of the system, where it has one.
    vetoes : bool
        Whether it can reject a signal.
    measures : bool
        Whether the number that it judges has a column of its own, with the layer's name.
    """

    name: str
    judge: Callable[[MarketView, SignalSettings], LayerOutput]
    reads: str
    number: int | None = None
    vetoes: bool = False
    measures: bool = False


def first_match(
    conditions: Sequence[BoolArray], values: Sequence[float], default: float
) -> FloatArray:
    """Return at each candle the value of the first condition that holds: a fast ``np.select``."""
    result = np.full(conditions[0].size, default)
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        result[condition] = value
    return result


class failing_as:  # noqa: N801 - reads as a statement: `with failing_as(...)`
    """Give an error inside the block the name of the layer and of the market."""

    def __init__(self, layer: str, market: str) -> None:
        self._layer = layer
        self._market = market

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise `LayerError` for any error of the block; let an interruption pass."""
        if isinstance(error, Exception):
            raise LayerError(self._layer, self._market, error) from error
