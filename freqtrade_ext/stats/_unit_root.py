"""The augmented Dickey-Fuller test of a unit root."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._mackinnon import Trend, adf_critical_values, mackinnon_pvalue
from freqtrade_ext.stats._regression import triangular_factor
from freqtrade_ext.stats._validation import check_choice, finite_series, is_constant

__all__ = ["AdfResult", "Lags", "adf", "adf_statistic", "check_lags", "check_level", "lag_bound"]

Lags = Literal["aic"] | int


def check_level(level: float, critical_values: Mapping[float, float]) -> float:
    """Return the critical value of a level, or list the levels that exist."""
    check_choice(level, "level", tuple(critical_values))
    return critical_values[level]


@dataclass(frozen=True, slots=True)
class AdfResult:
    """Augmented Dickey-Fuller test of the null hypothesis of a unit root."""

    stat: float
    pvalue: float
    critical_values: Mapping[float, float]  # level -> value, e.g. 0.05 -> -2.862
    lags: int
    nobs: int  # observations in the test regression
    trend: Trend

    def rejects_at(self, level: float) -> bool:
        """Tell whether the unit root is rejected at a level of 0.01, 0.05 or 0.10."""
        return self.stat < check_level(level, self.critical_values)


def adf(
    series: ArrayLike,
    *,
    trend: Trend = "c",
    lags: Lags = "aic",
    max_lag: int | None = None,
) -> AdfResult:
    r"""
    Test a series for a unit root (augmented Dickey-Fuller).

    Parameters
    ----------
    series : array-like of shape (nobs,)
        Prices, log prices or another level, oldest first, equally spaced. Finite.
    trend : {"n", "c", "ct"}, default "c"
        Deterministic terms: none, a constant, a constant and a linear trend.
    lags : "aic" or int, default "aic"
        Lagged differences: chosen by Akaike's criterion from 0 to `max_lag`, or a number.
    max_lag : int, optional
        Bound of the choice. Default: Schwert's :math:`\lceil 12 (n/100)^{1/4} \rceil`, at most
        ``nobs // 2 - terms - 1`` with `terms` 0, 1 or 2 for the three trends.

    Returns
    -------
    AdfResult
        ``nobs`` counts the rows of the final regression, ``len(series) - 1 - lags``.

    Raises
    ------
    InfeasibleError
        If `series` is constant, not finite, too short for the lags, or follows its own past
        without noise.
    ValueError
        If `trend` or `lags` is unknown.

    Notes
    -----
    Fits :math:`\Delta s_t = d_t + \gamma s_{t-1} + \sum_i \delta_i \Delta s_{t-i} +
    \varepsilon_t`; `stat` is the t-ratio of :math:`\gamma` [1]_. As in statsmodels' ``adfuller``,
    the candidates are compared on the rows that `max_lag` leaves, and the winner is refitted on
    all rows that it leaves itself. All candidates come out of one triangular factor.

    For a regression residual use `engle_granger`: critical values of this test reject there
    two to three times too often.

    References
    ----------
    .. [1] Said, S. E. and Dickey, D. A. (1984). Testing for unit roots in autoregressive-moving
       average models of unknown order. Biometrika 71, 599-607.

    Examples
    --------
    >>> adf([1.0, 3.0, 2.0, 4.0, 1.0, 2.0, 3.0, 1.0, 4.0, 2.0], lags=0).rejects_at(0.05)
    True
    """
    check_choice(trend, "trend", ("n", "c", "ct"))
    check_lags(lags, max_lag)
    array = finite_series(series, "series", min_nobs=4)
    if is_constant(array):
        raise InfeasibleError(f"series is constant ({array[0]})")
    stat, used, nobs = adf_statistic(array, trend, lags, max_lag)
    return AdfResult(
        stat=stat,
        pvalue=mackinnon_pvalue(stat, n_series=1, trend=trend),
        critical_values=adf_critical_values(nobs, trend),
        lags=used,
        nobs=nobs,
        trend=trend,
    )


def check_lags(lags: Lags, max_lag: int | None) -> None:
    """
    Refuse lags and bounds that mean nothing.

    Raises
    ------
    ValueError
        Saying what is valid.
    """
    if not _is_count(lags) and lags != "aic":
        raise ValueError(f"unknown lags {lags!r}: expected 'aic' or a non-negative integer")
    if max_lag is None:
        return
    if not _is_count(max_lag):
        raise ValueError(f"unknown max_lag {max_lag!r}: expected a non-negative integer")
    if lags != "aic":
        raise ValueError(f"max_lag ({max_lag}) bounds lags='aic' and contradicts lags={lags}")


def _is_count(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return bool(value >= 0)


def adf_statistic(
    array: NDArray[np.float64], trend: Trend, lags: Lags, max_lag: int | None
) -> tuple[float, int, int]:
    """Return t-ratio, lags and rows of the final regression for validated input."""
    bound = lag_bound(array.size, trend, lags, max_lag)
    # With a constant in the regression, the origin of the level is free: keep its digits.
    level = array if trend == "n" else array - array.mean()
    changes = np.diff(array)
    used = _lags_by_aic(level, changes, trend, bound) if lags == "aic" else bound
    return _t_ratio(level, changes, trend, used)


def lag_bound(nobs: int, trend: Trend, lags: Lags, max_lag: int | None) -> int:
    """
    Return the largest number of lags to fit, by statsmodels' rule.

    Raises
    ------
    InfeasibleError
        If `nobs` observations cannot carry that many.
    """
    most = nobs // 2 - _n_terms(trend) - 1
    requested = max_lag if lags == "aic" else lags
    schwert = math.ceil(12.0 * (nobs / 100.0) ** 0.25)
    bound = min(schwert, most) if requested is None else requested
    freedom = nobs - 2 * bound - _n_terms(trend) - 2
    if not 0 <= bound <= most or freedom < 1:
        raise InfeasibleError(
            f"{nobs} observation(s) are too few for {max(bound, 0)} lag(s) with trend {trend!r}"
        )
    return int(bound)


def _n_terms(trend: Trend) -> int:
    return 0 if trend == "n" else len(trend)


def _lags_by_aic(
    level: NDArray[np.float64], changes: NDArray[np.float64], trend: Trend, bound: int
) -> int:
    """Minimise Akaike's criterion over 0 to `bound` lags on the rows common to all of them."""
    terms = _n_terms(trend)
    rows = changes.size - bound
    factor = triangular_factor(_design(level, changes, trend, bound))
    rss = np.cumsum(factor[-1, ::-1] ** 2)[::-1][terms + 1 :]
    aic = rows * np.log(rss) + 2.0 * np.arange(bound + 1)
    return int(aic.argmin())


def _t_ratio(
    level: NDArray[np.float64], changes: NDArray[np.float64], trend: Trend, lags: int
) -> tuple[float, int, int]:
    """Fit with `lags` on all rows they leave; the level enters last, next to the response."""
    variables = _design(level, changes, trend, lags)
    terms = _n_terms(trend)
    rows = variables.shape[1]
    freedom = rows - terms - 1 - lags
    variables[terms : terms + lags + 1] = np.roll(variables[terms : terms + lags + 1], -1, axis=0)
    factor = triangular_factor(variables)
    stat = float(factor[-1, -2] / factor[-1, -1] * math.sqrt(freedom))
    return stat, lags, rows


def _design(
    level: NDArray[np.float64], changes: NDArray[np.float64], trend: Trend, lags: int
) -> NDArray[np.float64]:
    """Stack deterministic terms, the level, lags 1 to `lags`, and the response, one a row."""
    terms = _n_terms(trend)
    rows = changes.size - lags
    variables = np.empty((terms + lags + 2, rows))
    if terms > 0:
        variables[0] = 1.0
    if terms > 1:
        variables[1] = np.linspace(-1.0, 1.0, rows)
    variables[terms] = level[lags:-1]
    for lag in range(1, lags + 1):
        variables[terms + lag] = changes[lags - lag : lags - lag + rows]
    variables[-1] = changes[lags:]
    return variables
