"""
False-discovery control against the papers, and the weaker of two directions.

Planted bugs that turn this file red: the stronger direction's p-value; both halves of the symmetric
matrix corrected (twice the family); Yekutieli's constant left out; NaN counted as a test; limits
of the hedge ratio applied before the correction; the weaker direction traded.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.scanner import FamilySettings
from freqtrade_ext.scanner._discovery import discover, family_qvalues
from freqtrade_ext.scanner._family import Family
from freqtrade_ext.stats import engle_granger

from .doubles import market, planted_world

BH_1995 = "Benjamini and Hochberg (1995), section 3.2: 15 p-values, thrombolysis trial"
PVALUES_BH_1995 = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
    0.5719, 0.6528, 0.7590, 1.0000,
]  # fmt: skip


def as_matrix(pvalues: list[float]) -> np.ndarray:
    """Put p-values into the upper triangle of the smallest symmetric matrix, row by row."""
    n_markets = 2
    while n_markets * (n_markets - 1) // 2 < len(pvalues):
        n_markets += 1
    matrix = np.full((n_markets, n_markets), np.nan)
    rows, columns = np.triu_indices(n_markets, k=1)
    matrix[rows[: len(pvalues)], columns[: len(pvalues)]] = pvalues
    matrix[columns[: len(pvalues)], rows[: len(pvalues)]] = pvalues
    return matrix


def upper(matrix: np.ndarray, count: int) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), k=1)][:count]


def everything(prices: np.ndarray) -> Family:
    n_markets = prices.shape[1]
    return Family(~np.eye(n_markets, dtype=bool), n_markets * (n_markets - 1) // 2, "all")


def test_hochberg_rejects_the_four_hypotheses_of_the_paper():
    qvalues = upper(family_qvalues(as_matrix(PVALUES_BH_1995), "bh"), 15)
    assert np.count_nonzero(qvalues <= 0.05) == 4, BH_1995
    assert qvalues[3] == pytest.approx(0.0095 * 15 / 4), BH_1995  # 0.0095 <= 4/15 * 0.05


def test_yekutieli_is_stricter_by_the_harmonic_sum():
    """Theorem 1.3 of the paper of 2001: the level is divided by 1 + 1/2 + ... + 1/m."""
    bh = upper(family_qvalues(as_matrix(PVALUES_BH_1995), "bh"), 15)
    by = upper(family_qvalues(as_matrix(PVALUES_BH_1995), "by"), 15)
    harmonic = sum(1.0 / k for k in range(1, 16))
    np.testing.assert_allclose(by, np.minimum(1.0, bh * harmonic), rtol=1e-12)
    assert np.count_nonzero(by <= 0.05) == 3


def test_each_combination_counts_once():
    qvalues = family_qvalues(as_matrix([0.01, 0.5, 0.5]), "bh")
    assert qvalues[0, 1] == pytest.approx(0.03)
    np.testing.assert_array_equal(qvalues, qvalues.T)


def test_what_was_not_tested_does_not_count():
    qvalues = family_qvalues(as_matrix([0.01, np.nan, 0.5]), "bh")
    assert qvalues[0, 1] == pytest.approx(0.02)
    assert np.isnan(qvalues[0, 2])
    assert np.isnan(qvalues.diagonal()).all()


def test_no_tests_no_qvalues():
    assert np.isnan(family_qvalues(np.full((3, 3), np.nan), "bh")).all()


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40))
def test_qvalues_are_never_below_their_pvalues_and_keep_their_order(pvalues):
    matrix = as_matrix(pvalues)
    bh, by = (upper(family_qvalues(matrix, each), len(pvalues)) for each in ("bh", "by"))
    assert (bh >= np.array(pvalues) - 1e-15).all()
    assert (by >= bh - 1e-12).all()
    order = np.argsort(pvalues)
    assert (np.diff(bh[order]) >= -1e-12).all()


def test_the_weaker_direction_counts_and_the_stronger_one_is_traded():
    prices = planted_world()
    names = tuple(market(index) for index in range(prices.shape[1]))
    wanted = FamilySettings()
    discovery = discover(prices, everything(prices), wanted)
    fits = discovery.fits(names, prices, wanted)
    assert {frozenset((fit.leg_a, fit.leg_b)) for fit in fits} == {
        frozenset((market(0), market(1))),
        frozenset((market(2), market(3))),
    }
    for fit in fits:
        a, b = names.index(fit.leg_a), names.index(fit.leg_b)
        traded = engle_granger(prices[:, a], prices[:, b])
        other = engle_granger(prices[:, b], prices[:, a])
        assert traded.stat <= other.stat
        assert fit.stat == pytest.approx(other.stat, abs=1e-6)
        assert fit.pvalue == pytest.approx(max(traded.pvalue, other.pvalue), rel=1e-5)
        assert fit.hedge_ratio == pytest.approx(traded.hedge_ratio, rel=1e-9)
        assert fit.intercept == pytest.approx(traded.intercept, rel=1e-9)
        assert fit.resid_std == pytest.approx(traded.resid_std, rel=1e-9)
        assert fit.lags == traded.lags
    assert [fit.pvalue for fit in fits] == sorted(fit.pvalue for fit in fits)


def test_counts_are_of_unordered_combinations():
    prices = planted_world()
    discovery = discover(prices, everything(prices), FamilySettings())
    assert discovery.size == 14 * 13 // 2
    one, both = discovery.raw_hits(0.05)
    tests = discovery.tests.pvalue
    low = [(tests[i, j] <= 0.05, tests[j, i] <= 0.05) for i in range(14) for j in range(i)]
    assert (one, both) == (sum(a or b for a, b in low), sum(a and b for a, b in low))
    assert discovery.survivors(0.05, "bh") == 2
    assert discovery.survivors(0.05, "by") == 2


def test_the_accepted_pvalue_grows_with_the_survivors():
    """Step-up: with R survivors of m tests, p is accepted up to R/m times the level."""
    prices = planted_world()
    discovery = discover(prices, everything(prices), FamilySettings())
    harmonic = sum(1.0 / k for k in range(1, 92))
    assert discovery.accepted_pvalue(0.05, "bh") == pytest.approx(0.05 * 2 / 91)
    assert discovery.accepted_pvalue(0.05, "by") == pytest.approx(0.05 * 2 / 91 / harmonic)
    nothing = discover(prices, Family(np.zeros((14, 14), bool), 91, ""), FamilySettings())
    assert nothing.accepted_pvalue(0.05, "bh") == 0.0


def test_outside_the_family_there_is_no_pvalue():
    prices = planted_world()
    wanted = np.zeros((14, 14), dtype=bool)
    wanted[0, 1] = wanted[1, 0] = wanted[4, 5] = wanted[5, 4] = True
    discovery = discover(prices, Family(wanted, 91, ""), FamilySettings())
    assert (discovery.size, discovery.untestable) == (2, 0)
    assert np.isfinite(discovery.pvalues).sum() == 4
    assert discovery.qvalues[0, 1] == pytest.approx(2 * discovery.pvalues[0, 1])


def test_a_combination_that_cannot_be_tested_is_counted_apart():
    prices = planted_world()
    prices[:, 5] = prices[:, 4] + 1.0  # the same price in other units
    discovery = discover(prices, everything(prices), FamilySettings())
    assert (discovery.size, discovery.untestable) == (90, 1)
    assert np.isnan(discovery.pvalues[4, 5])


def test_yekutieli_can_be_the_control():
    prices = planted_world()
    names = tuple(market(index) for index in range(14))
    discovery = discover(prices, everything(prices), FamilySettings())
    strict = float(np.nanmin(discovery.qvalues)) * 1.01
    for control, expected in (("bh", 1), ("by", 0)):
        wanted = FamilySettings(control=control, max_qvalue=strict)
        assert len(discovery.fits(names, prices, wanted)) == expected
