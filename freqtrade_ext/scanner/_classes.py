"""Markets and combinations that are no spreads: stationary, pegged, the same market twice."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner._histories import StationaryMarket, Twin, TwinKind
from freqtrade_ext.scanner._settings import UniverseSettings
from freqtrade_ext.stats import adf

__all__ = ["find_stationary", "find_twins", "return_correlations", "twin_groups"]

FloatArray = npt.NDArray[np.float64]

# Where Engle-Granger itself gives up: the residual is mostly rounding of the prices.
_SAME_PRICE: Final = math.sqrt(1.0 - 100.0 * math.sqrt(np.finfo(np.float64).eps))


def find_stationary(
    markets: tuple[str, ...], log_prices: FloatArray, settings: UniverseSettings
) -> tuple[StationaryMarket, ...]:
    """
    Find markets that revert on their own: they are cointegrated with everything, trivially.

    Parameters
    ----------
    markets : tuple of str
        Names of the columns.
    log_prices : array of shape (nobs, n_markets)
        The discovery part.
    settings : UniverseSettings
        Level of the augmented Dickey-Fuller test, range of a peg.
    """
    found = []
    for market, prices in zip(markets, log_prices.T, strict=True):
        pegged = bool(np.ptp(prices) <= settings.pegged_range)
        try:
            test = adf(prices)
            stat, pvalue = test.stat, test.pvalue
        except InfeasibleError:  # constant, or without noise to test against
            stat, pvalue = math.nan, math.nan
        if pegged or not pvalue > settings.stationary_level:
            found.append(StationaryMarket(market, stat, pvalue, pegged))
    return tuple(found)


def return_correlations(log_prices: FloatArray) -> FloatArray:
    """
    Correlate the one-candle returns of all markets.

    Returns
    -------
    array of shape (n_markets, n_markets)
        1 on the diagonal; 0 for a market without returns.
    """
    returns = np.diff(log_prices, axis=0)
    return _correlations(returns)


def _correlations(columns: FloatArray) -> FloatArray:
    centred = columns - columns.mean(axis=0)
    norms = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    norms[norms == 0.0] = np.inf
    scaled = centred / norms
    result: FloatArray = scaled.T @ scaled
    np.fill_diagonal(result, 1.0)
    return result


def find_twins(
    markets: tuple[str, ...],
    log_prices: FloatArray,
    correlations: FloatArray,
    settings: UniverseSettings,
) -> tuple[Twin, ...]:
    """
    Find combinations that are one market twice.

    Parameters
    ----------
    markets, log_prices :
        As in `find_stationary`.
    correlations : array of shape (n_markets, n_markets)
        Of the returns.
    settings : UniverseSettings
        Correlation and range of a twin.
    """
    levels = _correlations(log_prices)
    same = levels >= _SAME_PRICE
    wrapped = correlations >= settings.twin_correlation
    pegged = _pegged(log_prices, settings.pegged_range)
    twins = []
    for row, column in np.argwhere(np.triu(same | wrapped | pegged, k=1)):
        kind = TwinKind.WRAPPED
        if same[row, column]:
            kind = TwinKind.SAME_PRICE
        elif pegged[row, column]:
            kind = TwinKind.PEGGED
        correlation = float(correlations[row, column])
        twins.append(Twin(markets[row], markets[column], kind, correlation))
    return tuple(twins)


def _pegged(log_prices: FloatArray, peg: float) -> npt.NDArray[np.bool_]:
    """Combinations whose log price ratio stays within a range."""
    centred = log_prices - log_prices.mean(axis=0)
    moments = centred.T @ centred / len(centred)
    variances = moments.diagonal()
    ratio = variances[:, None] + variances[None, :] - 2.0 * moments
    # The deviation of a variable is at most half its range (Popoviciu), so only these can be.
    found = np.zeros(moments.shape, dtype=bool)
    for row, column in np.argwhere(np.triu(ratio <= (peg / 2.0) ** 2 + 1e-12, k=1)):
        found[row, column] = np.ptp(centred[:, row] - centred[:, column]) <= peg
    return found | found.T


@dataclass(frozen=True, slots=True)
class _Groups:
    leader: dict[str, str]

    def of(self, market: str) -> str:
        while market in self.leader:
            market = self.leader[market]
        return market


def twin_groups(twins: tuple[Twin, ...]) -> dict[str, str]:
    """
    Map every market that has a twin to one name for all of them.

    Examples
    --------
    >>> twin_groups((Twin("A", "B", TwinKind.WRAPPED, 1.0), Twin("B", "C", TwinKind.WRAPPED, 1.0)))
    {'A': 'A', 'B': 'A', 'C': 'A'}
    """
    groups = _Groups({})
    for twin in twins:
        first, second = sorted((groups.of(twin.market_a), groups.of(twin.market_b)))
        if first != second:
            groups.leader[second] = first
    markets = sorted({name for twin in twins for name in (twin.market_a, twin.market_b)})
    return {market: groups.of(market) for market in markets}
