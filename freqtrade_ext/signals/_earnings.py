"""Which layers earn and which cost: the results of trades by what each layer said of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from freqtrade_ext.errors import InfeasibleError

__all__ = ["LayerEarnings", "ResultSum", "layer_earnings", "result_sum"]

FloatArray = NDArray[np.float64]
_FEWEST = 3  # trades below which a rank correlation means nothing


@dataclass(frozen=True, slots=True)
class ResultSum:
    """
    Results of some trades.

    Attributes
    ----------
    trades, won : int
        How many; how many of them with a result above 0.
    total, mean : float
        Sum and mean in the unit of the results; the mean of none is NaN.
    standard_error : float
        Of the mean; NaN for fewer than two.
    """

    trades: int
    won: int
    total: float
    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class LayerEarnings:
    """
    What one layer said of trades, and what became of them.

    Attributes
    ----------
    name : str
        The layer.
    rewarded, punished, silent : ResultSum
        Trades to which it gave points; from which it took some; of which it said nothing.
    rank_correlation : float
        Spearman's between its points and the results: above 0 the layer knows something. NaN where
        its points, or the results, are all the same, or trades are fewer than three.
    """

    name: str
    rewarded: ResultSum
    punished: ResultSum
    silent: ResultSum
    rank_correlation: float

    @property
    def verdict(self) -> str:
        """``earns`` or ``costs`` where both sides are seen by two standard errors, else ``?``."""
        spoken, other = self._sides()
        error = math.hypot(spoken.standard_error, other.standard_error)
        gap = spoken.mean - other.mean
        if math.isnan(gap) or math.isnan(error) or abs(gap) < 2 * error:
            return "?"
        return "earns" if gap > 0 else "costs"

    def _sides(self) -> tuple[ResultSum, ResultSum]:
        """Those it preferred, and the rest: a layer that only punishes prefers the silent ones."""
        if self.rewarded.trades:
            others = self.punished if self.punished.trades >= 2 else self.silent
            return self.rewarded, others
        return self.silent, self.punished


def layer_earnings(
    points: Mapping[str, ArrayLike], results: ArrayLike
) -> tuple[LayerEarnings, ...]:
    """
    Split the results of trades by the points of each layer.

    Parameters
    ----------
    points : mapping of str to array-like of shape (ntrades,)
        Points of each layer at the signal that opened each trade; finite.
    results : array-like of shape (ntrades,)
        Results of the trades, e.g. net profit in basis points of the notional; finite.

    Returns
    -------
    tuple of LayerEarnings
        In the order of `points`.

    Raises
    ------
    InfeasibleError
        If lengths differ or a number is not finite.

    Notes
    -----
    The trades are those that came about: a layer that keeps bad signals away is not seen, since
    the trades it prevented have no result. Layers speak at the same time, so their shares do not
    add up; compare a backtest with the layer against one without it before you believe a row.
    """
    earned = _finite(results, "results")
    found = []
    for name, values in points.items():
        given = _finite(values, f"points of {name}")
        if given.size != earned.size:
            raise InfeasibleError(f"points of {name}: {given.size} for {earned.size} trades")
        found.append(
            LayerEarnings(
                name,
                result_sum(earned[given > 0]),
                result_sum(earned[given < 0]),
                result_sum(earned[given == 0]),
                _rank_correlation(given, earned),
            )
        )
    return tuple(found)


def result_sum(results: ArrayLike) -> ResultSum:
    """
    Sum the results of some trades.

    Parameters
    ----------
    results : array-like of shape (n,)
        Result of each trade, in any one unit; finite.

    Returns
    -------
    ResultSum

    Raises
    ------
    InfeasibleError
        If a result is not finite.

    Examples
    --------
    >>> result_sum([2.0, -1.0, 2.0]).total
    3.0
    """
    earned = _finite(results, "results")
    count = int(earned.size)
    error = float(np.std(earned, ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    mean = float(earned.mean()) if count else math.nan
    return ResultSum(count, int((earned > 0).sum()), float(earned.sum()), mean, error)


def _rank_correlation(points: FloatArray, results: FloatArray) -> float:
    if points.size < _FEWEST or np.ptp(points) == 0 or np.ptp(results) == 0:
        return math.nan
    return float(stats.spearmanr(points, results).statistic)


def _finite(values: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InfeasibleError(f"{name}: a value is not finite")
    return array
