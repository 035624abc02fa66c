"""
The null scan's data: every market as it was, nothing between them.

Planted bugs that turn this file red: one order of blocks for all markets; single returns instead
of blocks; returns resampled instead of permuted; the first price lost.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.scanner._classes import return_correlations
from freqtrade_ext.scanner._shuffle import shuffled_prices

from .doubles import planted_world


@given(seed=st.integers(0, 100), block=st.integers(1, 150))
def test_every_market_keeps_its_ends_and_its_returns(seed, block):
    prices = planted_world(nobs=100, n_markets=4)
    shuffled = shuffled_prices(prices, block, np.random.default_rng(seed))
    np.testing.assert_allclose(shuffled[[0, -1]], prices[[0, -1]], atol=1e-9)
    for before, after in zip(prices.T, shuffled.T, strict=True):
        np.testing.assert_allclose(np.sort(np.diff(after)), np.sort(np.diff(before)), atol=1e-9)


def test_blocks_stay_whole():
    prices = np.cumsum(np.arange(61.0))[:, None]  # returns 1, 2, ..., 60
    steps = np.diff(shuffled_prices(prices, 10, np.random.default_rng(1))[:, 0])
    blocks = steps.reshape(6, 10)
    np.testing.assert_allclose(np.diff(blocks, axis=1), 1.0, atol=1e-9)
    assert sorted(blocks[:, 0]) == pytest.approx([1, 11, 21, 31, 41, 51])
    assert not np.allclose(blocks[:, 0], [1, 11, 21, 31, 41, 51])


def test_what_tied_markets_together_is_gone():
    prices = planted_world()
    shuffled = shuffled_prices(prices, 24, np.random.default_rng(1))
    off = ~np.eye(prices.shape[1], dtype=bool)
    assert np.abs(return_correlations(prices)[off]).mean() > 0.25
    assert np.abs(return_correlations(shuffled)[off]).mean() < 0.05


def test_the_seed_decides():
    prices = planted_world()
    one, again, other = (
        shuffled_prices(prices, 24, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
