"""
The scan of all ordered combinations: against statsmodels and against bare matrix products.

Walks with a seed, so every run tests the same numbers. Ratios are of one run, sides in turn.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from statsmodels.tsa.stattools import coint
from threadpoolctl import threadpool_limits

from benchmarks._timing import side_by_side, spread, timed
from freqtrade_ext.stats import engle_granger_matrix

CORES = os.cpu_count() or 1
Product = Callable[[np.ndarray, int, int], np.ndarray]
LOOP_TESTS = 24  # of statsmodels, timed in one go


def main() -> None:
    """Print ratios, the large scans with their memory, and the growth."""
    compile_seconds = timed(lambda: engle_granger_matrix(_walks(100, 3))).wall
    print(f"Scan of all ordered combinations, AIC lags; first call {compile_seconds:.1f} s")
    print(f"  {CORES} core(s), load {os.getloadavg()[0]:.1f} before")
    _against_the_loop(544, 720)
    _against_products(544, 720)
    for n_markets, nobs in ((544, 8_640), (1_000, 2_160)):
        print(f"  {n_markets} markets x {nobs} candles: {_alone(n_markets, nobs)}")
    _growth()
    print(f"  load {os.getloadavg()[0]:.1f} after")


def _walks(nobs: int, n_markets: int) -> np.ndarray:
    steps = np.random.default_rng(7).standard_normal((nobs, n_markets))
    return 0.01 * steps.cumsum(axis=0)


def _against_the_loop(n_markets: int, nobs: int) -> None:
    log_prices = _walks(nobs, n_markets)
    sample = np.random.default_rng(8).permutation(n_markets)[: 2 * LOOP_TESTS].reshape(-1, 2)
    expected = [coint(log_prices[:, i], log_prices[:, j], autolag="aic")[0] for i, j in sample]
    matrix = engle_granger_matrix(log_prices, jobs=CORES)
    difference = np.abs(matrix.stat[sample[:, 0], sample[:, 1]] - expected).max()
    with threadpool_limits(limits=1, user_api="blas"):  # the best case of the loop
        comparison = side_by_side(
            lambda: engle_granger_matrix(log_prices) and None,
            lambda: [coint(log_prices[:, i], log_prices[:, j]) for i, j in sample] and None,
            runs=5,
        )
    share = matrix.n_tested / LOOP_TESTS
    for what, name in (("cpu", "processor"), ("wall", "elapsed")):
        times = [share / ratio for ratio in comparison.ratios(what)]
        print(f"  {name} time a test: {spread(times)} times faster than statsmodels coint")
    print(
        f"  {matrix.n_tested} tests of {n_markets} x {nobs} on one core: "
        f"processor {spread([run.cpu for run in comparison.ours], ' s')}, "
        f"elapsed {spread([run.wall for run in comparison.ours], ' s')}; "
        f"largest difference {difference:.1e}"
    )


def _against_products(n_markets: int, nobs: int) -> None:
    """
    Compare with the products of a scan and nothing else, on as many threads.

    Each thread has a single-threaded BLAS, on both sides: a threaded one waits for itself where
    the machine is busy, which would flatter us.
    """
    log_prices = _walks(nobs, n_markets)
    max_lag = engle_granger_matrix(log_prices[:, :2]).max_lag
    changes = np.ascontiguousarray(np.diff(log_prices, axis=0).T)
    for jobs in sorted({1, CORES}):
        for name, product in (("plain", _plain), ("halved by symmetry", _halved)):
            comparison = side_by_side(
                lambda jobs=jobs: engle_granger_matrix(log_prices, jobs=jobs) and None,
                lambda jobs=jobs, product=product: _products(product, changes, max_lag, jobs),
                runs=7,
            )
            print(
                f"  {jobs} core(s), {max_lag + 2} products, {name}: "
                f"processor {spread(comparison.ratios('cpu'))}, "
                f"elapsed {spread(comparison.ratios('wall'))} times their time"
            )


def _products(product: Product, changes: np.ndarray, max_lag: int, jobs: int) -> None:
    """One product a lag, and one for the levels."""
    lags = (*range(max_lag + 1), max_lag)
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda k: product(changes, max_lag, k).shape, lags))


def _plain(changes: np.ndarray, max_lag: int, k: int) -> np.ndarray:
    """All markets with all markets `k` before."""
    return changes[:, max_lag:] @ changes[:, max_lag - k : changes.shape[1] - k].T


def _halved(changes: np.ndarray, max_lag: int, k: int) -> np.ndarray:
    """All sums with all sums: symmetric, so that BLAS does half the work."""
    sums = changes[:, max_lag:] + changes[:, max_lag - k : changes.shape[1] - k]
    return sums @ sums.T


def _alone(n_markets: int, nobs: int) -> str:
    """Scan in a process of its own: seconds and peak memory, without this process' past."""
    command = [sys.executable, "-m", "benchmarks.scan_engine", str(n_markets), str(nobs)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _scan_alone(n_markets: int, nobs: int) -> None:
    log_prices = _walks(nobs, n_markets)
    engle_granger_matrix(log_prices[:100, :3])
    before = _memory("VmRSS")
    start = time.perf_counter()
    matrix = engle_granger_matrix(log_prices, jobs=CORES)
    seconds = time.perf_counter() - start
    peak = _memory("VmHWM")
    print(
        f"{seconds:.1f} s for {matrix.n_tested} tests (max_lag {matrix.max_lag}), "
        f"peak {peak / 1024:.0f} MB, of it the scan {(peak - before) / 1024:.0f} MB"
    )


def _memory(field: str) -> int:
    """Kilobytes of this process, as the kernel counts them."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


def _growth() -> None:
    print(f"  growth, {CORES} core(s): elapsed seconds (microseconds a test)")
    for nobs in (720, 2_160, 8_640):
        cells = []
        for n_markets in (100, 200, 400, 800):
            log_prices = _walks(nobs, n_markets)
            seconds = min(
                timed(lambda p=log_prices: engle_granger_matrix(p, jobs=CORES) and None).wall
                for _ in range(2)
            )
            per_test = 1e6 * seconds / (n_markets * (n_markets - 1))
            cells.append(f"{n_markets}: {seconds:.3g} ({per_test:.2g})")
        print(f"    {nobs} candles  " + "  ".join(cells))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _scan_alone(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
