"""The Engle-Granger test of every ordered combination of many markets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._engle_granger_blocks import Block, BlockResult, prepare
from freqtrade_ext.stats._engle_granger_workers import run_on_ray, run_on_threads
from freqtrade_ext.stats._mackinnon import mackinnon_pvalues
from freqtrade_ext.stats._unit_root import check_lags, lag_bound
from freqtrade_ext.stats._validation import check_choice, is_constant

__all__ = [
    "Backend",
    "EngleGrangerMatrix",
    "EngleGrangerReason",
    "Progress",
    "engle_granger_matrix",
]

Backend = Literal["threads", "ray"]
Progress = Callable[[int, int], None]


class EngleGrangerReason(IntEnum):
    """Why an entry of the matrix has a statistic, or has none."""

    TESTED = 0
    NOT_REQUESTED = 1  # outside `candidates`
    DIAGONAL = 2  # a market on itself
    MISSING_VALUES = 3  # one of the two has NaN or infinite values
    CONSTANT = 4  # one of the two does not move
    NEAR_COLLINEAR = 5  # twins (pegged, wrapped, 1000x units): the test says nothing
    NO_NOISE = 6  # the residual follows from its own past without noise to test against


@dataclass(frozen=True, slots=True, eq=False)
class EngleGrangerMatrix:
    """
    Engle-Granger tests; entry [i, j] of each array regresses market i (y) on market j (x).

    Every array has the shape (n_markets, n_markets) and is read-only.
    """

    stat: NDArray[np.float64] = field(repr=False)  # NaN where not tested
    pvalue: NDArray[np.float64] = field(repr=False)  # NaN where not tested
    hedge_ratio: NDArray[np.float64] = field(repr=False)  # NaN where not tested, but for twins
    intercept: NDArray[np.float64] = field(repr=False)  # as hedge_ratio
    lags: NDArray[np.int16] = field(repr=False)  # -1 where not tested
    reason: NDArray[np.int8] = field(repr=False)  # an EngleGrangerReason
    nobs: int  # observations of every market
    max_lag: int  # bound of the choice by AIC

    @property
    def n_tested(self) -> int:
        """Number of directed tests that have a statistic."""
        return int(np.count_nonzero(self.reason == EngleGrangerReason.TESTED))


def engle_granger_matrix(
    log_prices: ArrayLike,
    *,
    max_lag: int | None = None,
    candidates: ArrayLike | None = None,
    jobs: int = 1,
    backend: Backend = "threads",
    tile: int = 144,
    progress: Progress | None = None,
) -> EngleGrangerMatrix:
    r"""
    Test every ordered combination of markets for cointegration.

    Parameters
    ----------
    log_prices : array-like of shape (nobs, n_markets)
        Log prices (or prices), one market a column, same candles, oldest first, equally spaced.
        NaN and infinite values mean missing: a market that has any is not tested at all
        (choose the window or drop candles before).
    max_lag : int, optional
        Bound of the choice of lags by AIC, as in `adf`.
    candidates : array-like of bool, shape (n_markets, n_markets), optional
        Test [i, j] only where true, for instance the rows of a shard or a family that
        clustering has shrunk. Default: all.
    jobs : int, default 1
        Cores to use. The result is the same for any number, to the last digit.
    backend : {"threads", "ray"}, default "threads"
        Where blocks of tests run: on threads (the work holds no interpreter lock), or as tasks
        of a Ray cluster, which takes its own number of `jobs` at a time.
    tile : int, default 144
        Markets along one side of a block of tests: the bound of memory. A block takes about
        ``8 * tile * (max_lag * tile + 2 * nobs)`` bytes a job.
    progress : callable, optional
        Called with (done, total) directed tests after every block, in the calling thread.

    Returns
    -------
    EngleGrangerMatrix
        Same numbers as ``engle_granger(log_prices[:, i], log_prices[:, j])``, with one
        exception: for twins (R² above 1 - 1.5e-6) `stat` and `pvalue` are NaN, not -inf and 0,
        so that nobody ranks them first. Their `reason` is NEAR_COLLINEAR, and hedge ratio and
        intercept are given.

    Raises
    ------
    InfeasibleError
        If `nobs` is too short for the lags, or Ray is wanted and not installed.
    ValueError
        If a shape or an option is wrong.

    Notes
    -----
    All combinations share moments: one matrix product a lag, then for each combination one
    triangular factor in which the regressions of all numbers of lags are nested. Where a
    variable is explained by the others to more than 99.9 %, or R² is above 0.999, moments lose
    digits, and the combination is tested from its two series instead. The first call loads the
    inner loops, and on a new machine compiles them, which takes some ten seconds. While it
    runs, NumPy's BLAS is held to one thread in the whole process: `jobs` alone says how many
    cores are used.

    Examples
    --------
    >>> import numpy as np
    >>> steps = np.random.default_rng(7).standard_normal((500, 3))
    >>> a, b, _ = steps.cumsum(axis=0).T
    >>> found = engle_granger_matrix(np.column_stack([a, 0.5 * a + steps[:, 2], b]))
    >>> (found.pvalue < 1e-6).tolist()
    [[False, True, False], [True, False, False], [False, False, False]]
    """
    check_choice(backend, "backend", ("threads", "ray"))
    check_lags("aic", max_lag)
    for name, value in (("jobs", jobs), ("tile", tile)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    prices = _matrix(log_prices)
    bound = lag_bound(prices.shape[0], "n", "aic", max_lag)
    result = _refused(prices, _mask(candidates, prices.shape[1]), bound)
    usable = _usable(result.reason)
    if usable.size:
        requested = result.reason[np.ix_(usable, usable)] == EngleGrangerReason.TESTED
        scan = prepare(prices[:, usable], requested, bound)
        run = run_on_threads if backend == "threads" else run_on_ray
        blocks = _blocks(usable.size, tile)
        done, total = 0, int(np.count_nonzero(requested))
        for part in run(scan, blocks, jobs):
            _store(result, usable, part)
            done += part.y.size
            if progress is not None:
                progress(done, total)
    _freeze(result)
    return result


def _matrix(log_prices: ArrayLike) -> NDArray[np.float64]:
    prices = np.asfortranarray(log_prices, dtype=np.float64)  # one market after the other
    if prices.ndim != 2:
        raise ValueError(f"log_prices must be of shape (nobs, n_markets), got {prices.shape}")
    if prices.shape[0] < 4:
        raise InfeasibleError(f"log_prices has {prices.shape[0]} observation(s), needs at least 4")
    return prices


def _mask(candidates: ArrayLike | None, n_markets: int) -> NDArray[np.bool_]:
    if candidates is None:
        return np.ones((n_markets, n_markets), dtype=np.bool_)
    mask = np.asarray(candidates)
    if mask.shape != (n_markets, n_markets) or mask.dtype != np.bool_:
        raise ValueError(
            f"candidates must be bool of shape ({n_markets}, {n_markets}), "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    return mask


def _refused(
    prices: NDArray[np.float64], requested: NDArray[np.bool_], max_lag: int
) -> EngleGrangerMatrix:
    """Start a result in which every test that is possible counts as tested."""
    n_markets = prices.shape[1]
    missing = np.array([not np.isfinite(market).all() for market in prices.T], dtype=np.bool_)
    still = np.zeros_like(missing)
    still[~missing] = [is_constant(market) for market in prices.T[~missing]]
    shape = (n_markets, n_markets)
    reason = np.full(shape, EngleGrangerReason.TESTED, dtype=np.int8)
    reason[still[:, None] | still] = EngleGrangerReason.CONSTANT
    reason[missing[:, None] | missing] = EngleGrangerReason.MISSING_VALUES
    reason[~requested] = EngleGrangerReason.NOT_REQUESTED
    np.fill_diagonal(reason, EngleGrangerReason.DIAGONAL)
    stat, pvalue, ratio, intercept = (np.full(shape, np.nan) for _ in range(4))
    return EngleGrangerMatrix(
        stat=stat,
        pvalue=pvalue,
        hedge_ratio=ratio,
        intercept=intercept,
        lags=np.full(shape, -1, dtype=np.int16),
        reason=reason,
        nobs=prices.shape[0],
        max_lag=max_lag,
    )


def _usable(reason: NDArray[np.int8]) -> NDArray[np.intp]:
    """List the markets with any test to do."""
    tested = reason == EngleGrangerReason.TESTED
    return np.flatnonzero(tested.any(axis=0) | tested.any(axis=1))


def _blocks(n_markets: int, tile: int) -> list[Block]:
    """Cover the upper triangle with blocks of even size, the larger ones first."""
    ends = np.linspace(0, n_markets, -(-n_markets // tile) + 1).astype(int).tolist()
    tiles = [slice(start, stop) for start, stop in pairwise(ends)]
    different = [Block(*both) for both in combinations(tiles, 2)]
    return different + [Block(same, same) for same in tiles]


def _store(result: EngleGrangerMatrix, usable: NDArray[np.intp], part: BlockResult) -> None:
    """Enter the tests of a block into the matrices."""
    at = (usable[part.y], usable[part.x])
    tested = np.isfinite(part.stat)
    twins = np.isneginf(part.stat)
    with_line = tested | twins
    result.stat[at] = np.where(tested, part.stat, np.nan)
    result.pvalue[at] = mackinnon_pvalues(result.stat[at], n_series=2, trend="c")
    result.hedge_ratio[at] = np.where(with_line, part.hedge_ratio, np.nan)
    result.intercept[at] = np.where(with_line, part.intercept, np.nan)
    result.lags[at] = np.where(tested, part.lags, -1)
    codes = np.where(twins, EngleGrangerReason.NEAR_COLLINEAR, EngleGrangerReason.NO_NOISE)
    result.reason[at] = np.where(tested, EngleGrangerReason.TESTED, codes)


def _freeze(result: EngleGrangerMatrix) -> None:
    for name in ("stat", "pvalue", "hedge_ratio", "intercept", "lags", "reason"):
        getattr(result, name).setflags(write=False)
