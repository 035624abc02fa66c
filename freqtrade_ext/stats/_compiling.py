"""Compilation by Numba, the same way everywhere."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

__all__ = ["entry", "part"]

P = ParamSpec("P")
R = TypeVar("R")


def entry(function: Callable[P, R]) -> Callable[P, R]:
    """Compile without reordering of sums; keep the machine code where that is possible."""
    try:
        return cast(
            Callable[P, R], numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        )
    except RuntimeError:  # no writable folder for the cache: compile again in each process
        return cast(Callable[P, R], numba.njit(nogil=True, error_model="numpy")(function))


def part(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for use by compiled functions only: no wrappers, half the time to compile."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(Callable[P, R], numba.njit(error_model="numpy", **options)(function))
