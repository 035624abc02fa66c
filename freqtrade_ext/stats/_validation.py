"""Validate input once, at the door; errors give rule, value and place."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError

__all__ = ["check_choice", "finite_series", "is_constant", "same_length", "series"]

# A range below this many units of rounding of the largest magnitude is noise, not movement.
_CONSTANT_ULPS = 16


def series(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """
    Return `values` as a float64 vector; NaN and infinities are let through.

    Raises
    ------
    ValueError
        If `values` is not one-dimensional.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    return array


def finite_series(values: ArrayLike, name: str, *, min_nobs: int) -> NDArray[np.float64]:
    """
    Return `values` as a finite float64 vector of at least `min_nobs` observations.

    Raises
    ------
    ValueError
        If `values` is not one-dimensional.
    InfeasibleError
        If it is too short or has NaN or infinite values.
    """
    array = series(values, name)
    if array.size < min_nobs:
        raise InfeasibleError(f"{name} has {array.size} observation(s), needs at least {min_nobs}")
    finite = np.isfinite(array)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InfeasibleError(f"{name} has {bad.size} non-finite value(s), first at index {bad[0]}")
    return array


def same_length(y: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """
    Refuse two series that cannot be aligned.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if y.size != x.size:
        raise ValueError(f"y has {y.size} observation(s) and x has {x.size}: align them first")


def is_constant(values: NDArray[np.float64]) -> bool:
    """Tell whether `values` do not move beyond the rounding of their own magnitude."""
    low, high = values.min(), values.max()
    magnitude = max(abs(low), abs(high))
    return bool(high - low <= _CONSTANT_ULPS * np.finfo(np.float64).eps * magnitude)


def check_choice(value: object, name: str, valid: Sequence[object]) -> None:
    """
    Refuse a value outside the valid ones, never fall back to a default.

    Raises
    ------
    ValueError
        Listing the valid choices.
    """
    if value not in valid:
        choices = ", ".join(repr(choice) for choice in valid)
        raise ValueError(f"unknown {name} {value!r}: expected one of {choices}")
