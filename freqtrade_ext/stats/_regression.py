"""Least squares: the hedge ratio of two series, and the factor behind nested regressions."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._validation import (
    check_choice,
    finite_series,
    is_constant,
    same_length,
)

__all__ = [
    "HedgeRatioResult",
    "HedgeTrend",
    "fit_line",
    "hedge_ratio",
    "triangular_factor",
    "two_series",
]

HedgeTrend = Literal["n", "c"]

# The error of a Cholesky factor grows with the inverse square of the smallest sine between a
# column and the ones before it: at 0.01 it keeps 11 digits. Below that, QR is worth its price.
_MIN_SINE_CHOLESKY = 1e-2
# Below this, QR too returns rounding noise.
_MIN_SINE = 1e-10


@dataclass(frozen=True, slots=True)
class HedgeRatioResult:
    """Line ``y = intercept + hedge_ratio * x + residual``, fitted by least squares."""

    hedge_ratio: float  # units of x sold per unit of y bought (in the space of the input)
    intercept: float  # 0.0 with trend "n"
    resid_std: float  # sample deviation of the residual about its mean, ddof 1
    r_squared: float  # about the mean with trend "c", about zero with trend "n"
    nobs: int
    trend: HedgeTrend

    def spread(self, y: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
        """
        Return the residual of prices under this line; they may be later than the fit.

        Parameters
        ----------
        y, x : array-like of shape (nobs,)
            In the space of the fit (prices or log prices). NaN gives NaN at its place.

        Returns
        -------
        ndarray of shape (nobs,)
            Same unit as `y`.
        """
        y_array = np.asarray(y, dtype=np.float64)
        return y_array - self.intercept - self.hedge_ratio * np.asarray(x, dtype=np.float64)


def hedge_ratio(y: ArrayLike, x: ArrayLike, *, trend: HedgeTrend = "c") -> HedgeRatioResult:
    """
    Fit the hedge ratio of two series by ordinary least squares.

    Parameters
    ----------
    y, x : array-like of shape (nobs,)
        Prices or log prices of leg A (regressed) and leg B (regressor), same candles, oldest
        first. Finite; at least 3 observations.
    trend : {"c", "n"}, default "c"
        With or without a constant.

    Returns
    -------
    HedgeRatioResult
        In log prices the ratio is by notional, in prices by units.

    Raises
    ------
    InfeasibleError
        If a series is too short, not finite, or constant.
    ValueError
        If `trend` is unknown or the lengths differ.

    Notes
    -----
    Computed from deviations about the mean, so a large price level costs no digits. The ratio
    of `y` on `x` is not the inverse of that of `x` on `y`: their product is R².

    Examples
    --------
    >>> result = hedge_ratio([3.0, 5.0, 7.0, 9.0], [1.0, 2.0, 3.0, 4.0])
    >>> result.hedge_ratio, result.intercept
    (2.0, 1.0)
    """
    check_choice(trend, "trend", ("n", "c"))
    y_array, x_array = two_series(y, x, min_nobs=3)
    return fit_line(y_array, x_array, trend)[0]


def fit_line(
    y: NDArray[np.float64], x: NDArray[np.float64], trend: HedgeTrend
) -> tuple[HedgeRatioResult, NDArray[np.float64]]:
    """Fit validated series; return the line and its residual."""
    y_mean, x_mean = float(y.mean()), float(x.mean())
    y_origin, x_origin = (y_mean, x_mean) if trend == "c" else (0.0, 0.0)
    dy, dx = y - y_origin, x - x_origin
    slope = float(dx @ dy) / float(dx @ dx)
    resid = dy - slope * dx
    rss = float(resid @ resid)
    centred = resid - resid.mean()  # with trend "n" the residual has a mean of its own
    result = HedgeRatioResult(
        hedge_ratio=slope,
        intercept=y_origin - slope * x_origin,
        resid_std=math.sqrt(float(centred @ centred) / (y.size - 1)),
        r_squared=1.0 - rss / float(dy @ dy),
        nobs=y.size,
        trend=trend,
    )
    return result, resid


def two_series(
    y: ArrayLike, x: ArrayLike, *, min_nobs: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both series finite, aligned and moving, or refuse them."""
    y_array = finite_series(y, "y", min_nobs=min_nobs)
    x_array = finite_series(x, "x", min_nobs=min_nobs)
    same_length(y_array, x_array)
    for name, array in (("y", y_array), ("x", x_array)):
        if is_constant(array):
            raise InfeasibleError(f"{name} is constant ({array[0]})")
    return y_array, x_array


def triangular_factor(variables: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""
    Factor the cross products of variables, the source of every nested regression.

    Parameters
    ----------
    variables : ndarray of shape (n_variables, nobs)
        One variable a row: regressors in the order in which they enter, the response last.

    Returns
    -------
    ndarray of shape (n_variables, n_variables)
        Lower triangular :math:`L` with positive diagonal and :math:`L L' = V V'`. In its last
        row, the squares from column k on sum to the residual sum of squares of the response on
        the first k regressors.

    Raises
    ------
    InfeasibleError
        If a variable is, to rounding, a combination of those before it.

    Notes
    -----
    Cholesky where it is accurate (well separated variables, nearly always), otherwise QR:
    on a small server a threaded QR of this size costs ten times the cross products.
    """
    gram = variables @ variables.T
    norms = np.sqrt(gram.diagonal())
    if not norms.all():
        raise InfeasibleError(_dependent(int(np.flatnonzero(norms == 0.0)[0]), norms.size))
    factor = _cholesky(gram / np.multiply.outer(norms, norms))
    if factor is None:
        factor = _qr(variables / norms[:, None])
    return factor * norms[:, None]


def _cholesky(correlations: NDArray[np.float64]) -> NDArray[np.float64] | None:
    try:
        factor: NDArray[np.float64] = np.asarray(np.linalg.cholesky(correlations), np.float64)
    except np.linalg.LinAlgError:
        return None
    return factor if factor.diagonal().min() >= _MIN_SINE_CHOLESKY else None


def _qr(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    upper: NDArray[np.float64] = np.asarray(np.linalg.qr(directions.T, mode="r"), dtype=np.float64)
    sines: NDArray[np.float64] = np.abs(upper.diagonal())
    if sines.min() < _MIN_SINE:
        raise InfeasibleError(_dependent(int(sines.argmin()), sines.size))
    # QR leaves the signs of the rows open.
    factor: NDArray[np.float64] = upper.T * np.sign(upper.diagonal())
    return factor


def _dependent(place: int, n_variables: int) -> str:
    if place == n_variables - 1:
        return "the changes of the series follow exactly from its past: no noise to test against"
    return f"regressor {place} is a combination of those before it: the series hardly moves"
