"""Engle-Granger tests of the markets of one tile with those of another, both directions."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._cointegration import engle_granger
from freqtrade_ext.stats._lagged_moments import (
    BlockMoments,
    Levels,
    MarketMoments,
    block_moments,
    levels,
    market_moments,
)

__all__ = ["Block", "BlockResult", "Scan", "prepare", "run_block"]

# Least share of a variable that the others may leave unexplained for the moments to be trusted;
# the sines of `triangular_factor` squared. Anything closer is computed again from the prices.
_MIN_SHARE = 1e-3

Floats = NDArray[np.float64]


class Block(NamedTuple):
    """Two tiles of markets, each a range of columns; the second is not before the first."""

    rows: slice
    columns: slice


@dataclass(frozen=True, slots=True)
class Scan:
    """What every block of a scan shares."""

    log_prices: Floats  # (nobs, n_markets), finite and moving
    requested: NDArray[np.bool_]  # (n_markets, n_markets)
    max_lag: int
    prepared: Levels
    markets: MarketMoments


class BlockResult(NamedTuple):
    """Tests of one block, one entry a requested ordered combination."""

    y: NDArray[np.int32]
    x: NDArray[np.int32]
    stat: Floats  # -inf for twins, NaN where there is no noise to test against
    hedge_ratio: Floats
    intercept: Floats
    lags: NDArray[np.int16]


def prepare(log_prices: Floats, requested: NDArray[np.bool_], max_lag: int) -> Scan:
    """Compute what every block of a scan shares."""
    prepared = levels(log_prices)
    return Scan(log_prices, requested, max_lag, prepared, market_moments(prepared, max_lag))


def run_block(scan: Scan, block: Block) -> BlockResult:
    """Test the requested combinations of a block."""
    y, x, cell = _lanes(scan.requested, block)
    if not y.size:
        nothing = np.empty(0)
        return BlockResult(y, x, nothing, nothing, nothing, np.empty(0, np.int16))
    moments = block_moments(scan.prepared, block.rows, block.columns, scan.max_lag)
    beta = moments.level_all[cell] / scan.markets.level_all[x]
    unexplained = 1.0 - beta * moments.level_all[cell] / scan.markets.level_all[y]
    stat, lags, worst = _statistics(scan, moments, y, x, cell, beta)
    ratio = beta * scan.prepared.scale[y] / scan.prepared.scale[x]
    intercept = scan.prepared.mean[y] - ratio * scan.prepared.mean[x]
    result = BlockResult(y, x, stat, ratio, intercept, lags)
    trusted = (np.minimum(worst, unexplained) >= _MIN_SHARE) & np.isfinite(stat)
    for lane in np.flatnonzero(~trusted):
        _test_again(scan, result, int(lane))
    return result


def _lanes(
    requested: NDArray[np.bool_], block: Block
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """List the requested combinations of a block: y, x and their cell in its moments."""
    rows, columns = block
    width = columns.stop - columns.start
    i, j = np.nonzero(requested[rows, columns])
    lanes = [(rows.start + i, columns.start + j, i * width + j)]
    if rows != columns:
        i, j = np.nonzero(requested[columns, rows].T)
        lanes.append((columns.start + j, rows.start + i, i * width + j))
    y, x, cell = (np.concatenate(parts).astype(np.int32) for parts in zip(*lanes, strict=True))
    return y, x, cell


def _statistics(
    scan: Scan,
    moments: BlockMoments,
    y: NDArray[np.int32],
    x: NDArray[np.int32],
    cell: NDArray[np.int32],
    beta: Floats,
) -> tuple[Floats, NDArray[np.int16], Floats]:
    """Return t-ratios, lags, and the least share of any variable left unexplained."""
    from freqtrade_ext.stats._adf_lanes import Lanes, choose_lags, level_ratios  # the compiler

    n_changes = scan.prepared.changes.shape[1]
    lags, worst = np.empty(y.size, np.int16), np.empty(y.size)
    stat = np.empty(y.size)
    lanes = Lanes(scan.markets, moments, y, x, cell, beta)
    choose_lags(lanes, n_changes - scan.max_lag, lags, worst)
    order = np.argsort(lags, kind="stable")
    ends = np.searchsorted(lags[order], np.arange(scan.max_lag + 2))
    for used in np.unique(lags).tolist():
        same = order[ends[used] : ends[used + 1]]
        ratios, shares = np.empty(same.size), worst[same]
        chosen = Lanes(scan.markets, moments, y[same], x[same], cell[same], beta[same])
        level_ratios(chosen, used, n_changes, ratios, shares)
        stat[same], worst[same] = ratios, shares
    return stat, lags, worst


def _test_again(scan: Scan, result: BlockResult, lane: int) -> None:
    """Replace a lane that its moments cannot carry by the test of the two series themselves."""
    y, x = scan.log_prices[:, result.y[lane]], scan.log_prices[:, result.x[lane]]
    try:
        fit = engle_granger(y, x, max_lag=scan.max_lag)
    except InfeasibleError:
        result.stat[lane] = np.nan
        return
    result.stat[lane], result.lags[lane] = fit.stat, fit.lags
    result.hedge_ratio[lane], result.intercept[lane] = fit.hedge_ratio, fit.intercept
