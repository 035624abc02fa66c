"""Data that the tests of the statistics share: seeded walks and hypothesis strategies."""

from collections.abc import Callable

import numpy as np
import pytest

Walks = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def walks() -> Walks:
    """Two independent random walks from a seed."""

    def make(seed: int, nobs: int) -> tuple[np.ndarray, np.ndarray]:
        steps = np.random.default_rng(seed).standard_normal((2, nobs))
        y, x = steps.cumsum(axis=1)
        return y, x

    return make


@pytest.fixture
def spread_legs() -> Walks:
    """Two cointegrated series: ``y = 1 + 0.5 x`` plus an AR(1) of coefficient 0.9."""

    def make(seed: int, nobs: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(nobs).cumsum()
        noise = rng.standard_normal(nobs)
        for now in range(1, nobs):
            noise[now] += 0.9 * noise[now - 1]
        return 1.0 + 0.5 * x + noise, x

    return make
