"""
The bootstrap of finalists: its null, its size, its power.

Planted bugs that turn this file red: the null not imposed (phi kept); differences of the residual
resampled instead of its innovations; both series resampled apart; the p-value without its 1; the
stronger direction; the lower tail taken for the upper.
"""

import numpy as np
import pytest

from freqtrade_ext.scanner import _bootstrap
from freqtrade_ext.scanner._bootstrap import bootstrap_pvalue, weaker_statistic
from freqtrade_ext.stats import engle_granger

from .doubles import reverting

NOBS = 300


def walks(rng: np.random.Generator) -> np.ndarray:
    shocks = rng.standard_normal((NOBS, 2))
    shocks[:, 1] = 0.8 * shocks[:, 0] + 0.6 * shocks[:, 1]
    return shocks.cumsum(axis=0).T


def spread(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = rng.standard_normal(NOBS).cumsum()
    return 0.7 * x + reverting(rng, NOBS, 4.0, 0.8), x


def test_the_statistic_is_the_weaker_directions():
    y, x = walks(np.random.default_rng(1))
    both = engle_granger(y, x).stat, engle_granger(x, y).stat
    assert weaker_statistic(y, x) == max(both) > min(both)


def test_a_spread_gets_the_smallest_pvalue_that_is_possible():
    rng = np.random.default_rng(2)
    assert bootstrap_pvalue(*spread(rng), replications=49, rng=rng, max_lag=2) == 1 / 50


def test_the_pvalue_counts_the_sample_itself():
    rng = np.random.default_rng(3)
    pvalue = bootstrap_pvalue(*walks(rng), replications=19, rng=rng, max_lag=0)
    assert round(pvalue * 20) == pytest.approx(pvalue * 20)
    assert pvalue >= 1 / 20


def test_the_seed_decides():
    y, x = walks(np.random.default_rng(4))
    one, again = (
        bootstrap_pvalue(y, x, replications=29, rng=np.random.default_rng(7), max_lag=0)
        for _ in range(2)
    )
    assert one == again


def test_size_holds_where_nothing_is_cointegrated():
    """160 samples at 10 %: 99.9 % of Binomial(160, 0.1) is at most 29."""
    rng = np.random.default_rng(5)
    pvalues = [
        bootstrap_pvalue(*walks(rng), replications=39, rng=rng, max_lag=1) for _ in range(160)
    ]
    rejected = sum(pvalue <= 0.10 for pvalue in pvalues)
    assert 4 <= rejected <= 29


def test_pseudo_samples_are_not_cointegrated_although_the_data_are(monkeypatch):
    """Their residual wanders: with phi kept, or over-differenced, it would revert like the data."""
    rng = np.random.default_rng(6)
    y, x = spread(rng)
    seen: list[float] = []

    def spy(a: np.ndarray, b: np.ndarray, observed: float, max_lag: int | None) -> bool:
        seen.append(weaker_statistic(a, b, max_lag=max_lag))
        return False

    monkeypatch.setattr(_bootstrap, "_as_low", spy)
    bootstrap_pvalue(y, x, replications=60, rng=rng, max_lag=0)
    assert weaker_statistic(y, x, max_lag=0) < -5.0
    assert -2.8 < np.median(seen) < -1.2  # the median under the null is about -2


def test_pseudo_residuals_wander_as_far_as_their_shocks_take_them(monkeypatch):
    """A white-noise spread: resampled differences would add up to about half of that."""
    rng = np.random.default_rng(9)
    x = rng.standard_normal(NOBS).cumsum()
    y = 0.7 * x + rng.standard_normal(NOBS)
    ratio = engle_granger(y, x).hedge_ratio
    ends: list[float] = []

    def spy(a: np.ndarray, b: np.ndarray, observed: float, max_lag: int | None) -> bool:
        ends.append((a - ratio * b)[-1])
        return False

    monkeypatch.setattr(_bootstrap, "_as_low", spy)
    bootstrap_pvalue(y, x, replications=300, rng=rng, max_lag=0)
    assert np.std(ends) == pytest.approx(np.sqrt(NOBS), rel=0.25)


def test_both_series_are_resampled_together(monkeypatch):
    rng = np.random.default_rng(7)
    y, x = walks(rng)
    kept: list[float] = []

    def spy(a: np.ndarray, b: np.ndarray, observed: float, max_lag: int | None) -> bool:
        kept.append(np.corrcoef(np.diff(a), np.diff(b))[0, 1])
        return False

    monkeypatch.setattr(_bootstrap, "_as_low", spy)
    bootstrap_pvalue(y, x, replications=20, rng=rng, max_lag=0)
    assert np.mean(kept) == pytest.approx(np.corrcoef(np.diff(y), np.diff(x))[0, 1], abs=0.05)


def test_progress_is_told():
    rng = np.random.default_rng(8)
    heard: list[tuple[int, int]] = []
    bootstrap_pvalue(
        *walks(rng),
        replications=3,
        rng=rng,
        max_lag=0,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(1, 3), (2, 3), (3, 3)]
