r"""
Choose which combinations are tested, by information that is independent of the p-value.

Correcting for 124 750 tests costs power; a smaller family costs less. It may be made smaller only
by what says nothing about the test's outcome when there is no cointegration, or the p-values of
the remaining ones are too small and the control of false discoveries is void.

Under the null hypothesis the Engle-Granger statistic is, in the limit, a functional of two
standard Brownian motions that does not depend on the covariance of the returns [1]_. Return
correlations estimate that covariance from increments; their error is asymptotically independent
of the path. So whatever is computed from the covariance matrix of one-candle returns alone leaves
the null distribution alone [2]_, while the legs of a true spread, who share returns that no other
market has, pass it.

The best such quantity we know is the *partial* correlation given all other markets: plain
correlation is high between any two markets that follow the market as a whole, the partial one
only between markets that have something of their own in common. docs/scanner.md has the numbers.

References
----------
.. [1] Phillips, P. C. B. and Ouliaris, S. (1990). Asymptotic properties of residual based tests for
   cointegration. Econometrica 58(1), 165-193.
.. [2] Bourgon, R., Gentleman, R. and Huber, W. (2010). Independent filtering increases detection
   power for high-throughput experiments. PNAS 107(21), 9546-9551.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from freqtrade_ext.scanner._settings import FamilySettings

__all__ = ["Family", "choose_family"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Weight of the identity in the correlation matrix before it is inverted: it keeps the inverse
# defined with more markets than candles. Among 0.02, 0.1, 0.3 and 0.6 it kept most planted spreads
# at 400 to 2 160 candles; with many candles the weight hardly matters.
_RIDGE: Final = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Combinations to test: a symmetric mask, how many there were before, and how chosen."""

    wanted: BoolArray
    combinations: int
    sentence: str

    @property
    def size(self) -> int:
        """Unordered combinations to test."""
        return int(np.count_nonzero(self.wanted)) // 2


def choose_family(
    correlations: FloatArray, daily_volume: FloatArray, allowed: BoolArray, settings: FamilySettings
) -> Family:
    """
    Choose the combinations to test.

    Parameters
    ----------
    correlations : array of shape (n_markets, n_markets)
        Of one-candle returns on the discovery part.
    daily_volume : array of shape (n_markets,)
        Turnover of 24 hours.
    allowed : array of bool, shape (n_markets, n_markets)
        Symmetric; false on the diagonal, for stationary markets and for twins.
    settings : FamilySettings
        Screen and size.

    Returns
    -------
    Family
        All allowed combinations where there are no more than ``settings.size``.
    """
    combinations = int(np.count_nonzero(allowed)) // 2
    if settings.screen == "none" or combinations <= settings.size:
        return Family(allowed, combinations, f"all {combinations} combinations")
    match settings.screen:
        case "partial":
            wanted = _highest(_partial_correlations(correlations), allowed, settings.size)
            how = "with the highest partial correlation of returns given all other markets"
        case "nearest":
            wanted = _highest(correlations, allowed, settings.size)
            how = "with the highest correlation of returns"
        case "clusters":
            wanted = allowed & _same(_clusters(correlations, settings.size))
            how = "within the same cluster of return correlations"
        case "liquidity":
            wanted = allowed & _same(_tiers(daily_volume, settings.size))
            how = "within the same tier of turnover"
    family = Family(wanted, combinations, "")
    sentence = f"{family.size} of {combinations} combinations, those {how}"
    return Family(wanted, combinations, sentence)


def _same(labels: npt.NDArray[np.int64]) -> BoolArray:
    return np.equal.outer(labels, labels)


def _highest(scores: FloatArray, allowed: BoolArray, size: int) -> BoolArray:
    """Mark the `size` allowed combinations with the highest score."""
    rows, columns = np.nonzero(np.triu(allowed, k=1))
    best = np.argsort(-scores[rows, columns], kind="stable")[:size]
    wanted = np.zeros_like(allowed)
    wanted[rows[best], columns[best]] = True
    return wanted | wanted.T


def _partial_correlations(correlations: FloatArray) -> FloatArray:
    """Correlation of two markets given all others, from the inverse of the shrunk matrix."""
    identity = np.eye(len(correlations))
    precision = np.linalg.inv((1.0 - _RIDGE) * correlations + _RIDGE * identity)
    scale = np.sqrt(precision.diagonal())
    result: FloatArray = -precision / np.multiply.outer(scale, scale)
    np.fill_diagonal(result, 1.0)
    return result


def _clusters(correlations: FloatArray, size: int) -> npt.NDArray[np.int64]:
    """
    Merge the nearest clusters (Ward) while the combinations inside clusters are at most `size`.

    The distance is that of standardised return vectors, sqrt(2 (1 - correlation)).
    """
    distance = np.sqrt(np.clip(2.0 * (1.0 - correlations), 0.0, None))
    np.fill_diagonal(distance, 0.0)
    merges = linkage(squareform(distance, checks=False), method="ward")
    n_markets = len(correlations)
    members = {index: [index] for index in range(n_markets)}
    inside = 0
    for step, (first, second, *_) in enumerate(merges):
        left, right = members[int(first)], members[int(second)]
        inside += len(left) * len(right)
        if inside > size:
            break
        members[n_markets + step] = members.pop(int(first)) + members.pop(int(second))
    labels = np.empty(n_markets, dtype=np.int64)
    for label, markets in members.items():
        labels[markets] = label
    return labels


def _tiers(daily_volume: FloatArray, size: int) -> npt.NDArray[np.int64]:
    """Cut the markets, ordered by turnover, into the fewest equal tiers that fit."""
    n_markets = len(daily_volume)
    rank = np.argsort(np.argsort(-daily_volume, kind="stable"), kind="stable")
    for tiers in range(1, n_markets + 1):
        labels = rank * tiers // n_markets
        counts = np.bincount(labels)
        if int((counts * (counts - 1) // 2).sum()) <= size:
            break
    return labels
