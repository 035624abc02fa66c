"""How good a set of closed trades is, as one number for an optimiser."""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from freqtrade_ext.errors import InfeasibleError

__all__ = ["trade_objective"]

MIN_TRADES: Final = 10
_TOO_FEW_TRADES: Final = -100.0
# A set without a single loss has an infinite profit factor and would end every search.
_LARGEST_PROFIT_FACTOR: Final = 10.0
_YEAR_DAYS: Final = 365.0


def trade_objective(profits: ArrayLike, *, days: float) -> float:
    r"""
    Score closed trades: the Sharpe ratio of the trades, their profit factor and their number.

    Parameters
    ----------
    profits : array-like of shape (ntrades,)
        Net profit of each trade as a ratio of its stake, fees and funding included; finite.
    days : float
        Length of the period in which they were made, in days.

    Returns
    -------
    float
        Higher is better; -100 for fewer than ten trades.

    Raises
    ------
    InfeasibleError
        If a profit is not finite, or `days` is not above 0.

    Notes
    -----
    .. math:: S + \ln(1 + F) + 0.1 \sqrt{n}

    with :math:`S` the mean of the profits over their standard deviation (``ddof=1``) times the
    root of the number of trades a year, 0 when all are equal [1]_; :math:`F` the profit factor,
    the sum of the gains over the sum of the losses, at most 10; :math:`n` the number of trades.

    The last term pays for trades whether or not they earn: 400 of them are worth a Sharpe ratio
    of 2. It is there to keep a search away from a handful of lucky trades; look at the profit of
    what it finds as well.

    References
    ----------
    .. [1] Sharpe, W. F. (1994). The Sharpe ratio. Journal of Portfolio Management 21(1), 49-58.

    Examples
    --------
    >>> round(trade_objective([0.02, -0.01] * 50, days=365.0), 3)
    5.415
    """
    values = np.asarray(profits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InfeasibleError("profits have a value that is not finite")
    if not days > 0:
        raise InfeasibleError(f"days must be above 0, not {days}")
    count = values.size
    if count < MIN_TRADES:
        return _TOO_FEW_TRADES
    return _sharpe(values, days) + math.log1p(_profit_factor(values)) + 0.1 * math.sqrt(count)


def _sharpe(profits: np.ndarray, days: float) -> float:
    deviation = float(np.std(profits, ddof=1))
    if np.ptp(profits) == 0.0:
        return 0.0
    return float(np.mean(profits)) / deviation * math.sqrt(profits.size * _YEAR_DAYS / days)


def _profit_factor(profits: np.ndarray) -> float:
    gains = float(profits[profits > 0].sum())
    losses = float(-profits[profits < 0].sum())
    if losses == 0.0:
        return _LARGEST_PROFIT_FACTOR if gains > 0 else 0.0
    return min(gains / losses, _LARGEST_PROFIT_FACTOR)
