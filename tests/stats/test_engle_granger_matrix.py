"""
The scan of all ordered combinations against statsmodels, the test of two series, and its laws.

Mutants that went red here: edge products of the wrong sign or left out, the level's recursion
without its changes, rows of the refit not added, a penalty of k instead of 2 k, the last lag never
compared, one degree of freedom too many, a line divided by the wrong market, the mirror direction
transposed or forgotten, no second look at what moments cannot carry (as a whole, for lags, for R²),
twins kept as -inf, a block lost between jobs, BLAS left threaded, an interrupt that waits.
"""

import math
import subprocess
import sys
import tracemalloc
import types
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.stattools import coint
from threadpoolctl import threadpool_info, threadpool_limits

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import (
    EngleGrangerReason,
    _engle_granger_workers,
    engle_granger,
    engle_granger_matrix,
    mackinnon_pvalue,
)
from freqtrade_ext.stats._engle_granger_blocks import Block, run_block
from freqtrade_ext.stats._engle_granger_matrix import _blocks

ARRAYS = ("stat", "pvalue", "hedge_ratio", "intercept", "lags", "reason")
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def _single_threaded_blas():
    """The small products of statsmodels gain nothing from threads that wait for each other."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def walks(seed, nobs, n_markets):
    steps = np.random.default_rng(seed).standard_normal((nobs, n_markets))
    return 0.01 * steps.cumsum(axis=0) + np.arange(n_markets)


def mean_reverting(seed, nobs, coefficients):
    """Markets on one factor, each with an AR(1) of its own."""
    rng = np.random.default_rng(seed)
    noise = 0.01 * rng.standard_normal((nobs, len(coefficients)))
    for now in range(1, nobs):
        noise[now] += np.array(coefficients) * noise[now - 1]
    factor = 0.01 * rng.standard_normal(nobs).cumsum()
    return 4.0 + factor[:, None] * np.linspace(0.3, 2.0, len(coefficients)) + noise


def smooth(seed, nobs, n_markets):
    """Levels whose changes are walks themselves: the worst conditioned regressions."""
    return walks(seed, nobs, n_markets).cumsum(axis=0) * 0.01


def ticking(seed, nobs, n_markets):
    """Prices on a coarse grid that often stand still."""
    return np.log(np.round(np.exp(walks(seed, nobs, n_markets) / 20.0), 2))


def near_twins(seed, nobs, noises):
    """One market in several units with a little of another one, down to R² at the bound."""
    base, *others = walks(seed, nobs, len(noises) + 1).T
    return np.column_stack(
        [base] + [3.0 * base + s * o for s, o in zip(noises, others, strict=True)]
    )


def assert_equals_statsmodels(log_prices, n_samples, max_lag=None, seed=0):
    """
    Compare a random sample of the tests.

    In saturated regressions t can be in the hundreds; there the bar is relative.
    """
    matrix = engle_granger_matrix(log_prices, max_lag=max_lag)
    tested = np.argwhere(matrix.reason == EngleGrangerReason.TESTED)
    sample = np.random.default_rng(seed).permutation(tested)[:n_samples]
    assert len(sample)
    for i, j in sample:
        stat, pvalue, _ = coint(log_prices[:, i], log_prices[:, j], maxlag=max_lag)
        assert matrix.stat[i, j] == pytest.approx(stat, abs=1e-6, rel=1e-8)
        assert matrix.pvalue[i, j] == pytest.approx(pvalue, abs=1e-7)
    return matrix


def assert_equals_two_series(log_prices, max_lag=None, **options):
    """Compare every entry with the test of its two series."""
    matrix = engle_granger_matrix(log_prices, max_lag=max_lag, **options)
    for i, j in np.ndindex(matrix.stat.shape):
        if matrix.reason[i, j] != EngleGrangerReason.TESTED:
            continue
        fit = engle_granger(log_prices[:, i], log_prices[:, j], max_lag=max_lag)
        assert matrix.lags[i, j] == fit.lags
        assert matrix.stat[i, j] == pytest.approx(fit.stat, abs=1e-8, rel=1e-9)
        assert matrix.pvalue[i, j] == pytest.approx(fit.pvalue, rel=1e-7, abs=1e-12)
        assert matrix.hedge_ratio[i, j] == pytest.approx(fit.hedge_ratio, rel=1e-10, abs=1e-12)
        assert matrix.intercept[i, j] == pytest.approx(fit.intercept, rel=1e-10, abs=1e-12)
    return matrix


def assert_same(one, other, places=Ellipsis):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name)[places], getattr(other, name)[places])


WORLDS = {
    "independent walks": lambda: walks(1, 720, 12),
    "a year of days": lambda: walks(2, 365, 12),
    "spreads of every speed": lambda: mean_reverting(3, 720, [0.0, 0.5, 0.9, 0.97, -0.5, 0.99]),
    "smooth": lambda: smooth(4, 400, 6),
    "coarse ticks": lambda: ticking(5, 400, 6),
    "near twins": lambda: near_twins(6, 400, [1.0, 0.3, 0.1, 0.03, 0.01, 5e-3]),
    "trends": lambda: walks(7, 300, 6) + 0.05 * np.arange(300)[:, None],
    "short": lambda: walks(8, 60, 12),
    "one degree of freedom": lambda: walks(9, 21, 8),
    "large level": lambda: walks(10, 300, 6) + 1e3,
}


@pytest.mark.parametrize("world", WORLDS)
def test_statistics_equal_statsmodels(world):
    assert_equals_statsmodels(WORLDS[world](), 25)


@pytest.mark.parametrize("world", WORLDS)
def test_every_entry_equals_the_test_of_its_two_series(world):
    assert_equals_two_series(WORLDS[world](), tile=5)


@pytest.mark.parametrize("max_lag", [0, 1, 2, 7])
def test_given_max_lag_binds_and_equals_statsmodels(max_lag):
    log_prices = mean_reverting(3, 200, [0.2, -0.7, 0.9, 0.5])
    matrix = assert_equals_statsmodels(log_prices, 12, max_lag)
    assert_equals_two_series(log_prices, max_lag)
    assert matrix.max_lag == max_lag >= matrix.lags.max()


def test_all_numbers_of_lags_are_exercised():
    """Markets averaged over 1 to 9 candles spread the choice over all of its range."""
    raw = walks(11, 320, 18)
    averaged = [
        np.convolve(market, np.ones(width) / width, "full")[20:300]
        for width, market in zip(np.arange(18) // 2 + 1, raw.T, strict=True)
    ]
    matrix = assert_equals_two_series(np.column_stack(averaged))
    assert set(matrix.lags[matrix.lags >= 0].tolist()) == set(range(matrix.max_lag + 1))


def log_closes(folder, pattern, nobs):
    files = sorted(folder.glob(pattern))
    assert files, f"no {pattern} in {folder}"
    closes = [pd.read_feather(file).set_index("date")["close"] for file in files]
    return np.log(pd.concat(closes, axis=1).to_numpy()[-nobs:])


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "pattern", "nobs"),
    [
        ("A2_spot_1h_2024", "*-1h.feather", 720),
        ("C_futures_5m_2023Jul", "futures/*-5m-futures.feather", 720),
        ("B_futures_1h_2024_2025", "futures/*-1h-futures.feather", 2_160),
    ],
)
def test_real_markets_equal_statsmodels(shared_data, folder, pattern, nobs):
    assert_equals_statsmodels(log_closes(shared_data / folder, pattern, nobs), 12)


@settings(max_examples=40)
@given(SEEDS, st.integers(24, 90), st.integers(2, 5))
def test_any_walks_equal_the_test_of_two_series(seed, nobs, n_markets):
    assert_equals_two_series(walks(seed, nobs, n_markets))


@settings(max_examples=40)
@given(SEEDS, st.permutations(range(6)))
def test_relabelling_markets_permutes_the_result(seed, order):
    log_prices = walks(seed, 80, 6)
    plain, moved = (engle_granger_matrix(p) for p in (log_prices, log_prices[:, order]))
    places = np.ix_(order, order)
    np.testing.assert_array_equal(moved.lags, plain.lags[places])
    np.testing.assert_allclose(moved.stat, plain.stat[places], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.hedge_ratio, plain.hedge_ratio[places], rtol=1e-9)


@settings(max_examples=40)
@given(SEEDS, st.lists(st.sampled_from([-40, -3, 0, 9, 60]), min_size=4, max_size=4))
def test_scale_of_a_market_changes_the_line_only(seed, powers):
    """Powers of two, so that not a digit may differ."""
    log_prices, scale = walks(seed, 80, 4), 2.0 ** np.array(powers)
    plain, scaled = (engle_granger_matrix(p) for p in (log_prices, log_prices * scale))
    np.testing.assert_array_equal(scaled.stat, plain.stat)
    np.testing.assert_array_equal(scaled.lags, plain.lags)
    ratio = plain.hedge_ratio * scale[:, None] / scale
    np.testing.assert_allclose(scaled.hedge_ratio, ratio, rtol=1e-13)


@settings(max_examples=40)
@given(SEEDS, st.floats(-7.0, 7.0), st.floats(-7.0, 7.0))
def test_price_units_do_not_matter_in_log_space(seed, unit_y, unit_x):
    log_prices = walks(seed, 80, 3)
    units = np.array([unit_y, unit_x, 0.0])
    plain, moved = (engle_granger_matrix(p, max_lag=2) for p in (log_prices, log_prices + units))
    np.testing.assert_allclose(moved.hedge_ratio, plain.hedge_ratio, rtol=1e-7)
    same = moved.lags == plain.lags  # a tie in AIC may fall either way
    np.testing.assert_allclose(moved.stat[same], plain.stat[same], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("order", ["C", "F"])
def test_window_of_a_longer_history_is_tested_as_if_alone(order):
    """Neither candles before or after the window nor the layout in memory matter."""
    history = np.asarray(walks(29, 500, 4), order=order)
    window = history[100:400]
    assert_same(engle_granger_matrix(window), engle_granger_matrix(window.copy()))
    repainted = history.copy()
    repainted[:100], repainted[400:] = 1.0, np.nan
    assert_same(engle_granger_matrix(repainted[100:400]), engle_granger_matrix(window))


def test_result_depends_on_its_two_markets_only():
    log_prices = walks(12, 200, 7)
    whole = engle_granger_matrix(log_prices)
    changed = log_prices.copy()
    changed[:, 3:] = walks(13, 200, 4)
    other = engle_granger_matrix(changed)
    corner = np.ix_(range(3), range(3))
    np.testing.assert_allclose(other.stat[corner], whole.stat[corner], rtol=1e-9)
    np.testing.assert_array_equal(other.lags[corner], whole.lags[corner])


@pytest.mark.parametrize("jobs", [2, 3, 8])
def test_any_number_of_jobs_gives_the_same_digits(jobs):
    log_prices = walks(14, 300, 40)
    log_prices[:, 7] = 2.0 * log_prices[:, 3]  # twins are tested again, on whichever thread
    one = engle_granger_matrix(log_prices, tile=11)
    assert_same(engle_granger_matrix(log_prices, tile=11, jobs=jobs), one)


@pytest.mark.parametrize("tile", [1, 2, 7, 19, 100])
def test_tiles_of_any_size_give_the_same_result(tile):
    log_prices = walks(15, 120, 20)
    one, tiled = (engle_granger_matrix(log_prices, tile=size) for size in (20, tile))
    np.testing.assert_array_equal(tiled.lags, one.lags)
    np.testing.assert_allclose(tiled.stat, one.stat, rtol=1e-9, atol=1e-9)


def test_shards_of_markets_add_up_to_the_whole():
    log_prices = walks(16, 200, 15)
    whole = engle_granger_matrix(log_prices, tile=4)
    for rows in (range(6), range(6, 7), range(7, 15)):
        asked = np.zeros((15, 15), dtype=bool)
        asked[rows] = True
        shard = engle_granger_matrix(log_prices, tile=4, candidates=asked)
        assert_same(shard, whole, list(rows))
        others = np.setdiff1d(np.arange(15), rows)
        unasked = shard.reason[others][~np.eye(15, dtype=bool)[others]]
        assert set(unasked) == {EngleGrangerReason.NOT_REQUESTED}
        assert np.isnan(shard.stat[others]).all()


def test_candidates_are_tested_in_the_direction_asked_for():
    log_prices = walks(17, 150, 9)
    asked = np.random.default_rng(17).random((9, 9)) < 0.3
    matrix = assert_equals_two_series(log_prices, candidates=asked, tile=4)
    off_diagonal = asked & ~np.eye(9, dtype=bool)
    np.testing.assert_array_equal(np.isfinite(matrix.stat), off_diagonal)
    assert matrix.n_tested == off_diagonal.sum()


def test_refusals_have_reasons_and_leave_the_others_alone():
    log_prices = walks(18, 120, 8)
    sound = engle_granger_matrix(log_prices[:, :4])
    log_prices[5, 4] = np.nan
    log_prices[:50, 5] = np.nan  # listed late
    log_prices[9, 6] = np.inf
    log_prices[:, 7] = 3.25
    matrix = engle_granger_matrix(log_prices)
    assert_same_reasons(matrix)
    corner = np.ix_(range(4), range(4))
    np.testing.assert_allclose(matrix.stat[corner], sound.stat, rtol=1e-9)
    refused = matrix.reason != EngleGrangerReason.TESTED
    for name in ("stat", "pvalue", "hedge_ratio", "intercept"):
        np.testing.assert_array_equal(np.isnan(getattr(matrix, name)), refused)
    np.testing.assert_array_equal(matrix.lags == -1, refused)


def assert_same_reasons(matrix):
    """Markets 4 to 6 miss values, market 7 stands still; what is missing is said first."""
    expected = np.full((8, 8), EngleGrangerReason.TESTED)
    expected[7], expected[:, 7] = EngleGrangerReason.CONSTANT, EngleGrangerReason.CONSTANT
    expected[4:7], expected[:, 4:7] = (EngleGrangerReason.MISSING_VALUES,) * 2
    np.fill_diagonal(expected, EngleGrangerReason.DIAGONAL)
    np.testing.assert_array_equal(matrix.reason, expected)


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-4])
def test_twins_are_no_discovery(noise):
    base, other, third = walks(19, 300, 3).T
    twin = 7.0 + base + noise * other
    matrix = engle_granger_matrix(np.column_stack([base, twin, third]))
    for i, j in ((0, 1), (1, 0)):
        assert matrix.reason[i, j] == EngleGrangerReason.NEAR_COLLINEAR
        assert math.isnan(matrix.stat[i, j])
        assert math.isnan(matrix.pvalue[i, j])
        assert matrix.lags[i, j] == -1
        assert matrix.hedge_ratio[i, j] == pytest.approx(1.0, rel=1e-3)
    assert matrix.intercept[1, 0] == pytest.approx(7.0, abs=1e-2)
    assert matrix.n_tested == 4


@pytest.mark.parametrize("share", [1.3e-6, 1.6e-6, 1e-5, 9e-4, 1.1e-3])
def test_the_bound_of_twins_is_that_of_the_test_of_two_series(share):
    noise, base = walks(20, 300, 2).T
    line = engle_granger(noise, base)
    scale = np.sqrt(share / (1.0 - share)) * base.std() / line.resid.std()
    matrix = assert_equals_two_series(np.column_stack([base + scale * line.resid, base]))
    twins = matrix.reason[0, 1] == EngleGrangerReason.NEAR_COLLINEAR
    assert twins == (share < 1.49e-6)


def test_residual_without_noise_is_refused():
    """Two periods of one wave: the residual is a wave and follows from its own past."""
    time = np.arange(200.0)
    matrix = engle_granger_matrix(np.column_stack([np.sin(time / 9.0), np.cos(time / 9.0)]))
    assert matrix.reason[0, 1] == EngleGrangerReason.NO_NOISE
    assert math.isnan(matrix.stat[0, 1])
    with pytest.raises(InfeasibleError):
        engle_granger(np.sin(time / 9.0), np.cos(time / 9.0))


def test_market_that_moves_once_equals_the_test_of_two_series():
    log_prices = walks(21, 150, 3)
    log_prices[:, 1] = np.where(np.arange(150) < 140, 1.0, 1.5)
    log_prices[:, 2] = np.where(np.arange(150) < 3, 1.0, 1.5)
    assert_equals_two_series(log_prices)


def test_lags_that_predict_each_other_are_taken_from_the_series():
    """Waves with a jump at the end: the lags are nearly dependent, the response is not."""
    time, market = np.arange(300.0)[:, None], np.arange(4)
    waves = np.sin(time / (20 + 7 * market) + market) + 0.3 * np.sin(time / (9 + market))
    waves += 1e-4 * (walks(1, 300, 4) - market)
    waves[-1] += 1.0 + market
    assert_equals_two_series(waves)


def test_pvalues_are_those_of_the_scalar_surface():
    matrix = engle_granger_matrix(mean_reverting(22, 300, [0.0, 0.9, 0.99, 1.0]))
    for i, j in np.argwhere(matrix.reason == EngleGrangerReason.TESTED):
        expected = mackinnon_pvalue(matrix.stat[i, j], n_series=2, trend="c")
        assert matrix.pvalue[i, j] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_markets", [0, 1])
def test_fewer_than_two_markets_give_an_empty_scan(n_markets):
    matrix = engle_granger_matrix(walks(23, 100, n_markets))
    assert matrix.stat.shape == (n_markets, n_markets)
    assert matrix.n_tested == 0


def test_nothing_requested_gives_nothing():
    matrix = engle_granger_matrix(walks(23, 100, 3), candidates=np.zeros((3, 3), dtype=bool))
    assert matrix.n_tested == 0


def test_result_is_read_only_and_input_is_left_alone():
    log_prices = walks(24, 100, 3)
    copy = log_prices.copy()
    matrix = engle_granger_matrix(log_prices)
    np.testing.assert_array_equal(log_prices, copy)
    for name in ARRAYS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(matrix, name)[0, 0] = 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_counts_tests_up_to_all_of_them(jobs):
    calls = []
    engle_granger_matrix(
        walks(25, 100, 10), tile=3, jobs=jobs, progress=lambda *seen: calls.append(seen)
    )
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert calls[-1] == (90, 90)
    assert len(calls) == 10


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_scan_does_not_finish_its_work_first(jobs, monkeypatch):
    finished = []

    def counted(scan, block):
        finished.append(block)
        return run_block(scan, block)

    def interrupt(done, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(_engle_granger_workers, "run_block", counted)
    with pytest.raises(KeyboardInterrupt):
        engle_granger_matrix(walks(26, 100, 40), tile=1, jobs=jobs, progress=interrupt)
    assert len(finished) < len(_blocks(40, 1)) / 2


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("fails", [True, False])
def test_blas_has_one_thread_in_a_scan_and_its_own_number_after(jobs, fails):
    during = []

    def look(done, total):
        during.extend(blas_threads())
        if fails:
            raise KeyboardInterrupt

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(KeyboardInterrupt) if fails else nullcontext():
            engle_granger_matrix(walks(26, 100, 6), jobs=jobs, progress=look)
        assert set(during) == {1}
        assert blas_threads() == before


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@given(st.integers(1, 40), st.integers(1, 12))
def test_blocks_cover_every_combination_once(n_markets, tile):
    seen = np.zeros((n_markets, n_markets), dtype=int)
    for rows, columns in _blocks(n_markets, tile):
        seen[rows, columns] += 1
        if rows != columns:
            seen[columns, rows] += 1
        assert rows.stop - rows.start <= tile
    assert (seen == 1).all()
    assert all(isinstance(block, Block) for block in _blocks(n_markets, tile))


@pytest.mark.parametrize("tile", [20, 60])
def test_memory_stays_within_the_bound_of_the_tile(tile):
    n_markets, nobs = 180, 2_000
    log_prices = walks(27, nobs, n_markets)
    engle_granger_matrix(log_prices[:, :3])  # compiled and loaded
    tracemalloc.start()
    matrix = engle_granger_matrix(log_prices, tile=tile)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    block = 8 * tile * (matrix.max_lag * tile + 2 * nobs)
    shared = 5 * log_prices.nbytes + 60 * n_markets**2
    lanes = 200 * tile**2
    assert peak < block + shared + lanes


class RayDouble(types.ModuleType):
    """The five calls of Ray that are used, run where they stand."""

    def __init__(self):
        super().__init__("ray")
        self.started = False
        self.most_running = 0

    def is_initialized(self):
        return self.started

    def init(self):
        self.started = True

    def put(self, value):
        return value

    def remote(self, function):
        return types.SimpleNamespace(remote=lambda *args: (function, args))

    def wait(self, running):
        self.most_running = max(self.most_running, len(running))
        return running[:1], running[1:]

    def get(self, done):
        return [function(*args) for function, args in done]


def test_ray_runs_the_same_blocks(monkeypatch):
    """A double stands in: this shows the calls, not a cluster."""
    ray = RayDouble()
    monkeypatch.setitem(sys.modules, "ray", ray)
    log_prices = walks(28, 100, 12)
    remote = engle_granger_matrix(log_prices, tile=4, jobs=3, backend="ray")
    assert_same(remote, engle_granger_matrix(log_prices, tile=4))
    assert ray.started
    assert ray.most_running == 3


def test_missing_ray_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InfeasibleError) as refusal:
        engle_granger_matrix(walks(28, 100, 3), backend="ray")
    assert str(refusal.value) == (
        "backend 'ray' needs Ray, which is not installed: pip install 'freqtrade-ext[ray]'"
    )


def test_inner_loops_compile_where_machine_code_cannot_be_kept():
    """Code without a file has no folder for a cache either."""
    from freqtrade_ext.stats._adf_lanes import entry

    namespace = {}
    exec("def double(number):\n    return 2 * number", namespace)
    assert entry(namespace["double"])(21) == 42


def test_compiler_is_loaded_by_a_scan_only():
    code = "import sys, freqtrade_ext.stats; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"jobs": 0}, ValueError, "jobs must be at least 1, got 0"),
        ({"tile": 0}, ValueError, "tile must be at least 1, got 0"),
        (
            {"backend": "dask"},
            ValueError,
            "unknown backend 'dask': expected one of 'threads', 'ray'",
        ),
        ({"max_lag": -1}, ValueError, "unknown max_lag -1: expected a non-negative integer"),
        (
            {"log_prices": np.zeros(9)},
            ValueError,
            "log_prices must be of shape (nobs, n_markets), got (9,)",
        ),
        (
            {"candidates": np.ones((2, 3), dtype=bool)},
            ValueError,
            "candidates must be bool of shape (3, 3), got bool of shape (2, 3)",
        ),
        (
            {"candidates": np.ones((3, 3))},
            ValueError,
            "candidates must be bool of shape (3, 3), got float64 of shape (3, 3)",
        ),
        (
            {"log_prices": walks(1, 3, 3)},
            InfeasibleError,
            "log_prices has 3 observation(s), needs at least 4",
        ),
        (
            {"max_lag": 30},
            InfeasibleError,
            "40 observation(s) are too few for 30 lag(s) with trend 'n'",
        ),
    ],
)
def test_wrong_arguments_are_refused_with_the_valid_ones(change, error, message):
    with pytest.raises(error) as refusal:
        engle_granger_matrix(**({"log_prices": walks(1, 40, 3)} | change))
    assert str(refusal.value) == message
