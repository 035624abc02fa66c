"""
Screens: what they leave, and that they say nothing about the p-value under the null.

Planted bugs that turn this file red: the lowest instead of the highest correlations; plain instead
of partial correlation; clusters larger than the size; tiers cut by name instead of turnover; a
screen that takes a combination that is not allowed; a screen by the p-value itself.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.scanner import FamilySettings
from freqtrade_ext.scanner._classes import return_correlations
from freqtrade_ext.scanner._family import choose_family
from freqtrade_ext.stats import engle_granger_matrix

SCREENS = ["partial", "nearest", "clusters", "liquidity"]


def everything(n_markets: int) -> np.ndarray:
    return ~np.eye(n_markets, dtype=bool)


def factor_prices(seed: int, nobs: int = 600, n_markets: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((nobs, 1)) * rng.uniform(0.5, 1.5, n_markets)
    return (factor + rng.standard_normal((nobs, n_markets))).cumsum(axis=0)


def chosen(prices: np.ndarray, screen: str, size: int, **options) -> set[tuple[int, int]]:
    n_markets = prices.shape[1]
    volume = options.get("volume", np.linspace(2.0, 1.0, n_markets))
    allowed = options.get("allowed", everything(n_markets))
    family = choose_family(
        return_correlations(prices), volume, allowed, FamilySettings(screen=screen, size=size)
    )
    assert np.array_equal(family.wanted, family.wanted.T)
    return {(int(i), int(j)) for i, j in np.argwhere(np.triu(family.wanted))}


def test_no_screen_tests_everything_that_is_allowed():
    allowed = everything(20)
    allowed[3, :] = allowed[:, 3] = False
    assert len(chosen(factor_prices(0), "none", 1, allowed=allowed)) == 19 * 18 // 2


@pytest.mark.parametrize("screen", SCREENS)
def test_a_family_that_is_small_already_is_not_screened(screen):
    assert len(chosen(factor_prices(0), screen, 190)) == 190


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("size", [1, 17, 100])
def test_a_screen_leaves_at_most_the_size(screen, size):
    left = chosen(factor_prices(1), screen, size)
    assert len(left) <= size
    assert len(left) == size or screen in {"clusters", "liquidity"}


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_never_takes_what_is_not_allowed(screen):
    prices = factor_prices(2)
    allowed = everything(20)
    for row, column in chosen(prices, screen, 60):
        allowed[row, column] = allowed[column, row] = False
    assert not any(not allowed[i, j] for i, j in chosen(prices, screen, 60, allowed=allowed))


def test_the_sentence_says_how_many_and_how():
    family = choose_family(
        return_correlations(factor_prices(1)),
        np.ones(20),
        everything(20),
        FamilySettings(screen="nearest", size=17),
    )
    assert (family.size, family.combinations) == (17, 190)
    assert (
        family.sentence == "17 of 190 combinations, those with the highest correlation of returns"
    )


def test_nearest_takes_the_highest_correlations():
    prices = factor_prices(3)
    correlations = return_correlations(prices)
    left = chosen(prices, "nearest", 5)
    rest = {(i, j) for i in range(20) for j in range(i)} - {(j, i) for i, j in left}
    assert min(correlations[i, j] for i, j in left) > max(correlations[i, j] for i, j in rest)


def test_partial_correlation_sees_what_two_markets_have_of_their_own():
    """Markets 0 and 1 share little with the factor, all others follow it closely."""
    rng = np.random.default_rng(4)
    factor = rng.standard_normal((600, 1)) * np.linspace(2.0, 4.0, 20)
    factor[:, :2] *= 0.1
    steps = factor + rng.standard_normal((600, 20))
    steps[:, 1] = 0.7 * steps[:, 0] + 0.7 * rng.standard_normal(600)
    prices = steps.cumsum(axis=0)
    assert chosen(prices, "partial", 1) == {(0, 1)}
    assert (0, 1) not in chosen(prices, "nearest", 20)


def test_partial_correlation_is_defined_with_more_markets_than_candles():
    assert len(chosen(factor_prices(5, nobs=30, n_markets=60), "partial", 40)) == 40


def test_clusters_are_groups_of_markets_that_move_together():
    rng = np.random.default_rng(6)
    groups = rng.standard_normal((600, 2)).repeat(5, axis=1)
    prices = (groups + 0.5 * rng.standard_normal((600, 10))).cumsum(axis=0)
    expected = {(i, j) for i in range(10) for j in range(i + 1, 10) if i // 5 == j // 5}
    assert chosen(prices, "clusters", 20) == expected
    assert chosen(prices, "clusters", 19) < expected


def test_tiers_hold_markets_of_similar_turnover():
    volume = np.array([1.0, 100.0, 2.0, 90.0, 3.0, 80.0])
    assert chosen(factor_prices(7, n_markets=6), "liquidity", 6, volume=volume) == {
        (0, 2),
        (0, 4),
        (2, 4),
        (1, 3),
        (1, 5),
        (3, 5),
    }


@given(seed=st.integers(0, 50), screen=st.sampled_from(SCREENS))
def test_relabelled_markets_give_the_same_family(seed, screen):
    prices = factor_prices(seed, nobs=200, n_markets=12)
    order = np.random.default_rng(seed).permutation(12)
    volume = np.random.default_rng(seed + 1).uniform(1.0, 2.0, 12)
    plain = chosen(prices, screen, 20, volume=volume)
    other = chosen(prices[:, order], screen, 20, volume=volume[order])
    assert {tuple(sorted((int(order[i]), int(order[j])))) for i, j in other} == plain


@pytest.mark.parametrize("screen", ["partial", "nearest", "clusters"])
def test_the_size_of_the_test_holds_after_the_screen(screen):
    """
    Nothing is cointegrated; the weaker of two directions is at most nominal, screened or not.

    3 000 screened p-values, dependent: the bounds are wide, yet a screen that looked at levels
    (the lowest p-values, say) would put all of them below 0.05.
    """
    screened, all_of_them = [], []
    for seed in range(6):
        prices = factor_prices(100 + seed, nobs=500, n_markets=80)
        tests = engle_granger_matrix(prices, max_lag=4)
        pvalues = np.maximum(tests.pvalue, tests.pvalue.T)
        family = choose_family(
            return_correlations(prices),
            np.ones(80),
            everything(80),
            FamilySettings(screen=screen, size=500),
        )
        screened.append(pvalues[np.triu(family.wanted)])
        all_of_them.append(pvalues[np.triu(everything(80))])
    rate, base = (np.mean(np.concatenate(each) <= 0.05) for each in (screened, all_of_them))
    assert rate <= 0.05
    assert rate <= 2.0 * base + 0.01
