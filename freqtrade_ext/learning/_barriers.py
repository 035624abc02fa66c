"""Triple-barrier labels: which of profit, loss and time comes first after a candle."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.learning._labels import FloatArray

__all__ = ["BarrierLabels", "triple_barrier"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BarrierLabels:
    """
    Labels of n candles.

    Attributes
    ----------
    side : ndarray of shape (n,)
        1 if the upper barrier is touched first, -1 if the lower, 0 if neither within the time or
        both in one candle; NaN where the data ends too early.
    end : ndarray of shape (n,)
        Candle at which the label is known; -1 where it is NaN.
    """

    side: FloatArray
    end: IntArray


def triple_barrier(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    upper: FloatArray,
    lower: FloatArray,
    timeout: int,
) -> BarrierLabels:
    """
    Label each candle by the barrier that the following candles touch first.

    Parameters
    ----------
    high, low, close : ndarray of shape (n,)
        Candles in log prices (or a spread's path, three times the same). A candle with NaN touches
        nothing.
    upper, lower : ndarray of shape (n,)
        Distance of the barriers from the close of the candle, in log price, positive; the label
        is NaN where one is not finite.
    timeout : int
        Candles after which the position is left anyway.

    Returns
    -------
    BarrierLabels
        The candle itself counts for nothing, only the `timeout` candles after it. Reaching a
        barrier exactly is a touch. Where one candle touches both, nobody can tell which came
        first, and either trade may have been stopped: hold.

    Raises
    ------
    ValueError
        If `timeout` is below 1.

    Notes
    -----
    The last `timeout` candles have no label, even where a barrier was touched: keeping only those
    of them that ended early would teach a model that moves are larger than they are. Method of
    [1]_, with symmetrical treatment of the two sides.

    References
    ----------
    .. [1] López de Prado, M. (2018). Advances in Financial Machine Learning. Wiley, section 3.4.
    """
    if timeout < 1:
        raise ValueError(f"timeout must be at least 1, got {timeout}")
    size = len(close)
    labelled = np.maximum(size - timeout, 0)
    known = np.isfinite(close) & np.isfinite(upper) & np.isfinite(lower)
    known[labelled:] = False
    side = np.where(known, 0.0, np.nan)
    end = np.where(known, np.arange(size) + timeout, -1)
    waiting = known.copy()
    ceiling, floor = close + upper, close - lower
    for ahead in range(1, timeout + 1):
        rows = np.flatnonzero(waiting)
        with np.errstate(invalid="ignore"):
            above, below = high[rows + ahead] >= ceiling[rows], low[rows + ahead] <= floor[rows]
        side[rows[above & ~below]] = 1.0
        side[rows[below & ~above]] = -1.0
        touched = rows[above | below]
        end[touched] = touched + ahead
        waiting[touched] = False
    return BarrierLabels(side, end)
