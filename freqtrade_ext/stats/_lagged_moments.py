r"""
Moments of many markets from which the Dickey-Fuller regressions of all their residuals follow.

Every sum in such a regression of :math:`y - \beta x` is a quadratic form in
:math:`(1, -\beta)` of cross-moments of the two markets. The changes need one matrix product a
lag, because :math:`\sum_t (d_t + d_{t-k})(d_t + d_{t-k})'` holds both orders of the lag at once
(so a block and its mirror image cost one product), and moments of two lagged terms differ from
those of one by the edges only. Products with the level follow from those of the changes (see
`_adf_lanes`), so the level costs one product more.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BlockMoments", "Levels", "MarketMoments", "block_moments", "levels", "market_moments"]

Floats = NDArray[np.float64]


class Levels(NamedTuple):
    """Log prices prepared for products: one market a row, centred, scaled by a power of two."""

    level: Floats  # (n_markets, nobs)
    changes: Floats  # (n_markets, nobs - 1)
    mean: Floats  # (n_markets,), of the log prices
    scale: Floats  # (n_markets,), level * scale + mean are the log prices


# Compiled code (see `_adf_lanes`) reads the next two by place and is kept on disk until that
# module changes: after a change of fields here, touch it too.


class MarketMoments(NamedTuple):
    """Moments of each market with itself, and its edges; rows as of the largest lag."""

    level_all: Floats  # (n_markets,), squares of the level, all observations
    level_late: Floats  # (n_markets,), squares of the level, rows of the regressions
    lagged: Floats  # (max_lag + 1, n_markets), changes times those k before
    heads: Floats  # (max_lag, n_markets), changes before the first row, latest first
    tails: Floats  # (max_lag, n_markets), changes of the last rows, latest first
    level_first: Floats  # (n_markets,), level of the first row
    level_last: Floats  # (n_markets,), level after the last row


class BlockMoments(NamedTuple):
    """Moments of some markets (rows) with others (columns), flattened to cells."""

    level_all: Floats  # (n_cells,)
    level_late: Floats  # (n_cells,)
    changes: Floats  # (n_cells,), changes times changes
    sums: Floats  # (max_lag, n_cells), sums of a change and the one k before, multiplied


def levels(log_prices: Floats) -> Levels:
    """Prepare finite log prices of shape (nobs, n_markets), none of them constant."""
    mean = log_prices.mean(axis=0)
    level = np.ascontiguousarray((log_prices - mean).T)
    level -= level.mean(axis=1, keepdims=True)  # what rounding of the mean left
    # A power of two changes no digit and keeps squares away from the ends of the range.
    scale = np.ldexp(1.0, np.frexp(np.abs(level).max(axis=1))[1])
    level /= scale[:, None]
    return Levels(level, np.diff(level, axis=1), mean, scale)


def market_moments(prepared: Levels, max_lag: int) -> MarketMoments:
    """Compute what each market contributes alone."""
    level, changes = prepared.level, prepared.changes
    n = changes.shape[1]
    late = changes[:, max_lag:]
    lagged = [
        np.einsum("ij,ij->i", late, changes[:, max_lag - k : n - k]) for k in range(max_lag + 1)
    ]
    rows = level[:, max_lag:-1]
    return MarketMoments(
        level_all=np.einsum("ij,ij->i", level, level),
        level_late=np.einsum("ij,ij->i", rows, rows),
        lagged=np.array(lagged),
        heads=np.ascontiguousarray(changes[:, :max_lag].T[::-1]),
        tails=np.ascontiguousarray(changes[:, n - max_lag :].T[::-1]),
        level_first=level[:, max_lag].copy(),
        level_last=level[:, -1].copy(),
    )


def block_moments(prepared: Levels, rows: slice, columns: slice, max_lag: int) -> BlockMoments:
    """Compute the moments of the markets in `rows` with those in `columns`."""
    level_rows, level_columns = prepared.level[rows], prepared.level[columns]
    level_all = level_rows @ level_columns.T
    # The level off the rows of the regressions: the first `max_lag` values and the last one.
    early = level_rows[:, :max_lag] @ level_columns[:, :max_lag].T
    last = np.multiply.outer(level_rows[:, -1], level_columns[:, -1])
    sums = np.empty((max_lag + 1, *level_all.shape))
    _products_of_sums(prepared.changes, rows, columns, sums)
    cells = level_all.size
    return BlockMoments(
        level_all=level_all.reshape(cells),
        level_late=(level_all - early - last).reshape(cells),
        changes=sums[0].reshape(cells) / 4.0,
        sums=sums[1:].reshape(max_lag, cells),
    )


def _products_of_sums(changes: Floats, rows: slice, columns: slice, products: Floats) -> None:
    """Fill ``products[k]`` with the moments of changes plus those `k` before."""
    max_lag, n = products.shape[0] - 1, changes.shape[1]
    parts = [changes[rows]] if rows == columns else [changes[rows], changes[columns]]
    sums = [np.empty((part.shape[0], n - max_lag)) for part in parts]
    for k, product in enumerate(products):
        for part, added in zip(parts, sums, strict=True):
            np.add(part[:, max_lag:], part[:, max_lag - k : n - k], out=added)
        np.matmul(sums[0], sums[-1].T, out=product)  # one array twice: half the work
