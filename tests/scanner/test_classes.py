"""
Markets and combinations that are no spreads.

Planted bugs that turn this file red: a stationary market kept; a peg decided by the level instead
of the range; twins by correlation alone; a pegged ratio looked for in one direction only; groups
that forget the twin of a twin.
"""

import numpy as np
import pytest

from freqtrade_ext.scanner import Twin, TwinKind, UniverseSettings
from freqtrade_ext.scanner._classes import (
    find_stationary,
    find_twins,
    return_correlations,
    twin_groups,
)

from .doubles import reverting

LIMITS = UniverseSettings()
NOBS = 800


def walk(seed: int, scale: float = 0.01) -> np.ndarray:
    return 3.0 + scale * np.random.default_rng(seed).standard_normal(NOBS).cumsum()


def twins_of(*columns: np.ndarray) -> list[tuple[str, str, TwinKind]]:
    prices = np.column_stack(columns)
    names = tuple("ABCDEFG"[: len(columns)])
    found = find_twins(names, prices, return_correlations(prices), LIMITS)
    return [(twin.market_a, twin.market_b, twin.kind) for twin in found]


def test_a_market_that_reverts_on_its_own_is_found():
    reverts = 3.0 + reverting(np.random.default_rng(1), NOBS, 10.0, 0.01)
    (found,) = find_stationary(("R", "W"), np.column_stack([reverts, walk(1)]), LIMITS)
    assert (found.market, found.pegged) == ("R", False)
    assert found.pvalue <= 0.01
    assert found.stat < -3.4


def test_a_pegged_market_is_found_even_if_it_wanders():
    pegged = 1e-5 * np.random.default_rng(2).standard_normal(NOBS).cumsum()
    (found,) = find_stationary(("P", "W"), np.column_stack([pegged, walk(1)]), LIMITS)
    assert (found.market, found.pegged) == ("P", True)


def test_a_market_at_a_small_price_is_not_pegged():
    assert find_stationary(("W",), walk(1)[:, None] - 20.0, LIMITS) == ()


def test_a_market_that_does_not_move_is_found_without_a_statistic():
    (found,) = find_stationary(("C",), np.full((NOBS, 1), 1.0), LIMITS)
    assert found.pegged
    assert np.isnan(found.stat)
    assert np.isnan(found.pvalue)


def test_a_thousand_units_are_the_same_price():
    assert twins_of(walk(1), walk(1) + np.log(1000.0), walk(2)) == [("A", "B", TwinKind.SAME_PRICE)]


def test_a_wrapped_market_follows_nearly_perfectly():
    noise = 0.0005 * np.random.default_rng(3).standard_normal(NOBS).cumsum()
    assert twins_of(walk(1), walk(2), walk(1) + noise) == [("A", "C", TwinKind.WRAPPED)]


def test_a_pegged_ratio_makes_twins_although_returns_hardly_correlate():
    noise = 0.001 * np.random.default_rng(3).standard_normal((NOBS, 2))
    slow = walk(1, scale=0.0005)
    prices = np.column_stack([slow + noise[:, 0], slow + noise[:, 1]])
    assert return_correlations(prices)[0, 1] < 0.3
    assert twins_of(*prices.T) == [("A", "B", TwinKind.PEGGED)]


def test_a_true_spread_is_not_a_twin():
    spread = reverting(np.random.default_rng(4), NOBS, 10.0, 0.006)
    assert twins_of(walk(1), walk(1) + spread) == []


def test_return_correlations_are_those_of_numpy():
    prices = np.column_stack([walk(1), walk(2), walk(1) + walk(3)])
    expected = np.corrcoef(np.diff(prices, axis=0).T)
    np.testing.assert_allclose(return_correlations(prices), expected, atol=1e-12)


def test_a_market_without_returns_correlates_with_nothing():
    correlations = return_correlations(np.column_stack([walk(1), np.full(NOBS, 2.0)]))
    np.testing.assert_allclose(correlations, np.eye(2))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_twins_of_twins_are_one_group(order):
    twins = [
        Twin("A", "B", TwinKind.WRAPPED, 1.0),
        Twin("C", "D", TwinKind.WRAPPED, 1.0),
        Twin("B", "C", TwinKind.WRAPPED, 1.0),
    ]
    groups = twin_groups(tuple(twins[place] for place in order))
    assert groups == dict.fromkeys("ABCD", "A")


def test_no_twins_no_groups():
    assert twin_groups(()) == {}
