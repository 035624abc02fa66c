r"""
The Dickey-Fuller regressions of many residuals at once, from moments, compiled by Numba.

A *lane* is one ordered combination of markets; its residual is :math:`e = y - \beta x`. Work
arrays hold one quantity a row and one lane a column, `LANES` lanes at a time, so that every
inner loop runs along the lanes and the work stays in the processor's cache.

With :math:`d_t = e_{t+1} - e_t` and a regression on rows :math:`t = p \ldots n - 1`,
:math:`g(a, b) = \sum_t d_{t-a} d_{t-b}` and :math:`m(a) = \sum_t e_t d_{t-a}`:

.. math::
    g(a + 1, b + 1) &= g(a, b) + h_a h_b - z_a z_b, \\
    m(0) &= (e_n^2 - e_p^2 - g(0, 0)) / 2, \\
    m(a + 1) &= m(a) + g(a, 0) + e_p h_a - e_n z_a,

with the changes before the first row, :math:`h_a = d_{p-1-a}`, and the last ones,
:math:`z_a = d_{n-1-a}`. So :math:`g(a, 0)` and the edges are all that has to be known.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.stats._compiling import entry, part
from freqtrade_ext.stats._lagged_moments import BlockMoments, MarketMoments

__all__ = ["LANES", "Lanes", "choose_lags", "level_ratios"]

LANES = 128


class Lanes(NamedTuple):
    """What the lanes are of: markets y and x by place, the cell of both, and the ratio."""

    markets: MarketMoments
    block: BlockMoments
    y: NDArray[np.int32]
    x: NDArray[np.int32]
    cell: NDArray[np.int32]
    beta: NDArray[np.float64]


class _Work(NamedTuple):
    """Scratch memory, one lane a column."""

    changes: NDArray[np.float64]  # g(a, 0)
    heads: NDArray[np.float64]  # h_a
    tails: NDArray[np.float64]  # z_a
    level: NDArray[np.float64]  # m(a)
    level_square: NDArray[np.float64]  # sum of e_t squared
    edges: NDArray[np.float64]  # e before the first row, e after the last one
    column: NDArray[np.float64]  # g(., k + 1) of the step
    factor: NDArray[np.float64]  # unscaled; rows: lags 1 to p, response, level
    scaled: NDArray[np.float64]  # the row of the step, divided by the pivots
    inverse: NDArray[np.float64]  # of the pivots
    left: NDArray[np.float64]  # of response, level and their product, after k lags
    worst: NDArray[np.float64]  # smallest share of a variable that others left unexplained


@part
def _workspace(bound: int) -> _Work:
    size = bound + 1
    return _Work(
        np.ones((size, LANES)),  # ones, not rubbish: lanes beyond the last one are worked on too
        np.ones((size, LANES)),
        np.ones((size, LANES)),
        np.ones((size, LANES)),
        np.ones(LANES),
        np.ones((2, LANES)),
        np.ones((size, LANES)),
        np.ones((size + 1, size, LANES)),
        np.ones((size, LANES)),
        np.ones((size, LANES)),
        np.ones((3, LANES)),
        np.ones(LANES),
    )


@part
def _some(lanes: Lanes, begin: int, end: int) -> Lanes:
    some = slice(begin, end)
    y, x, cell, beta = lanes.y[some], lanes.x[some], lanes.cell[some], lanes.beta[some]
    return Lanes(lanes.markets, lanes.block, y, x, cell, beta)


@part
def _load_edges(lanes: Lanes, work: _Work) -> None:
    """Residual at the edges, on the rows that the largest number of lags leaves."""
    markets, block, y, x, cell, beta = lanes
    for lane in range(y.size):
        i, j, b = y[lane], x[lane], beta[lane]
        work.edges[0, lane] = markets.level_first[i] - b * markets.level_first[j]
        work.edges[1, lane] = markets.level_last[i] - b * markets.level_last[j]
        cross = 2.0 * block.level_late[cell[lane]] - b * markets.level_late[j]
        work.level_square[lane] = markets.level_late[i] - b * cross
    for a in range(markets.heads.shape[0]):
        head, tail = markets.heads[a], markets.tails[a]
        for lane in range(y.size):
            work.heads[a, lane] = head[y[lane]] - beta[lane] * head[x[lane]]
            work.tails[a, lane] = tail[y[lane]] - beta[lane] * tail[x[lane]]


@part
def _load_changes(lanes: Lanes, lags: int, work: _Work) -> None:
    """Products of the residual's changes with its changes 0 to `lags` before."""
    markets, block, y, x, cell, beta = lanes
    shifted = work.left[0]
    for lane in range(y.size):
        i, j, b = y[lane], x[lane], beta[lane]
        shifted[lane] = block.changes[cell[lane]]
        cross = 2.0 * shifted[lane] - b * markets.lagged[0, j]
        work.changes[0, lane] = markets.lagged[0, i] - b * cross
    for k in range(1, lags + 1):
        head, tail, own = markets.heads[k - 1], markets.tails[k - 1], markets.lagged[k]
        for lane in range(y.size):
            i, j, b, at = y[lane], x[lane], beta[lane], cell[lane]
            shifted[lane] += head[i] * head[j] - tail[i] * tail[j]
            cross = block.sums[k - 1, at] - block.changes[at] - shifted[lane] - b * own[j]
            work.changes[k, lane] = own[i] - b * cross


@part
def _derive_level(work: _Work, lags: int) -> None:
    """Products of the level with changes 0 to `lags` before."""
    first, last = work.edges
    for lane in range(LANES):
        squares = last[lane] * last[lane] - first[lane] * first[lane]
        work.level[0, lane] = 0.5 * (squares - work.changes[0, lane])
    for a in range(lags):
        for lane in range(LANES):
            edge = first[lane] * work.heads[a, lane] - last[lane] * work.tails[a, lane]
            work.level[a + 1, lane] = work.level[a, lane] + work.changes[a, lane] + edge


@part
def _next_column(work: _Work, k: int, lags: int) -> None:
    """Move from the products with the change `k` before to those with the one before it."""
    shift = 0 if k == 0 else 1
    heads, tails, column = work.heads, work.tails, work.column
    before = work.changes if k == 0 else column
    for row in range(lags - 1, k - 1, -1):
        old = before[row - shift]
        for lane in range(LANES):
            head = heads[row, lane] * heads[k, lane]
            column[row, lane] = old[lane] + (head - tails[row, lane] * tails[k, lane])


@part
def _scale_pivots(work: _Work, k: int) -> None:
    """Divide the earlier entries of the row of lag ``k + 1`` by their pivots."""
    row = work.factor[k]
    for m in range(k):
        for lane in range(LANES):
            work.scaled[m, lane] = row[m, lane] * work.inverse[m, lane]


@part
def _begin_entry(
    a: NDArray[np.float64], b: NDArray[np.float64], start: NDArray[np.float64], k: int
) -> None:
    """Take the last ``k % 4`` of the `k` products from `start`."""
    target, m = a[k], k - k % 4
    if k % 4 == 0:
        for lane in range(LANES):
            target[lane] = start[lane]
    elif k % 4 == 1:
        for lane in range(LANES):
            target[lane] = start[lane] - a[m, lane] * b[m, lane]
    elif k % 4 == 2:
        for lane in range(LANES):
            both = a[m, lane] * b[m, lane] + a[m + 1, lane] * b[m + 1, lane]
            target[lane] = start[lane] - both
    else:
        for lane in range(LANES):
            both = a[m, lane] * b[m, lane] + a[m + 1, lane] * b[m + 1, lane]
            target[lane] = start[lane] - (both + a[m + 2, lane] * b[m + 2, lane])


@part
def _fill_entry(
    a: NDArray[np.float64], b: NDArray[np.float64], start: NDArray[np.float64], k: int
) -> None:
    """
    Compute ``a[k]``, what lags 1 to `k` leave of the product `start`, with pivots `b`.

    Four products at a time halve the traffic to memory. Only the arrays that are needed are
    passed: all of the workspace as arguments took longer than the arithmetic.
    """
    _begin_entry(a, b, start, k)
    target = a[k]
    for m in range(0, k - k % 4, 4):
        a0, a1, a2, a3 = a[m], a[m + 1], a[m + 2], a[m + 3]
        b0, b1, b2, b3 = b[m], b[m + 1], b[m + 2], b[m + 3]
        for lane in range(LANES):
            target[lane] -= (a0[lane] * b0[lane] + a1[lane] * b1[lane]) + (
                a2[lane] * b2[lane] + a3[lane] * b3[lane]
            )


@part
def _invert(
    pivot: NDArray[np.float64],
    whole: NDArray[np.float64],
    inverse: NDArray[np.float64],
    worst: NDArray[np.float64],
) -> None:
    for lane in range(LANES):
        inverse[lane] = 1.0 / pivot[lane]
    for lane in range(LANES):
        share = pivot[lane] / whole[lane]
        share = share if share >= 0.0 else 0.0  # NaN too
        worst[lane] = share if share < worst[lane] else worst[lane]


@part
def _explain(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    inverse: NDArray[np.float64],
    left: NDArray[np.float64],
) -> None:
    for lane in range(LANES):
        left[lane] -= a[lane] * b[lane] * inverse[lane]


@part
def _add_lag(work: _Work, k: int, lags: int) -> None:
    """Add lag ``k + 1`` to the factor, and take out what it explains of response and level."""
    _next_column(work, k, lags)
    _scale_pivots(work, k)
    for row in range(k, lags):
        _fill_entry(work.factor[row], work.scaled, work.column[row], k)
    _fill_entry(work.factor[lags], work.scaled, work.changes[k + 1], k)
    _fill_entry(work.factor[lags + 1], work.scaled, work.level[k + 1], k)
    _invert(work.factor[k, k], work.column[k], work.inverse[k], work.worst)
    response, level, inverse = work.factor[lags, k], work.factor[lags + 1, k], work.inverse[k]
    _explain(response, response, inverse, work.left[0])
    _explain(level, level, inverse, work.left[1])
    _explain(response, level, inverse, work.left[2])


@part
def _start(work: _Work) -> None:
    """Nothing is explained yet."""
    for lane in range(LANES):
        work.worst[lane] = 1.0
        work.left[0, lane] = work.changes[0, lane]
        work.left[1, lane] = work.level_square[lane]
        work.left[2, lane] = work.level[0, lane]


@part
def _residual_square(work: _Work, lane: int) -> float:
    """Sum of squared residuals with the level and the lags so far; notes bad conditioning."""
    response, level, product = work.left[0, lane], work.left[1, lane], work.left[2, lane]
    square: float = response - product * product / level
    share = min(level / work.level_square[lane], square / work.changes[0, lane])
    share = share if share >= 0.0 else 0.0  # NaN too
    work.worst[lane] = min(work.worst[lane], share)
    return square


@part
def _compare(
    work: _Work, k: int, penalty: float, best: NDArray[np.float64], lags: NDArray[np.int16]
) -> None:
    """
    Keep `k` lags where they lower Akaike's criterion.

    The order of ``rows * log(rss) + 2 k`` is that of ``rss * exp(2 k / rows)``: no logarithm.
    """
    for lane in range(LANES):
        criterion = _residual_square(work, lane) * penalty
        better = k == 0 or criterion < best[lane]
        best[lane] = criterion if better else best[lane]
        lags[lane] = k if better else lags[lane]


@entry
def choose_lags(
    lanes: Lanes, rows: int, lags: NDArray[np.int16], worst: NDArray[np.float64]
) -> None:
    """Minimise Akaike's criterion over all lags on the `rows` common to all of them."""
    bound = lanes.markets.heads.shape[0]
    work = _workspace(bound)
    best, chosen = np.empty(LANES), np.empty(LANES, np.int16)
    for begin in range(0, lanes.y.size, LANES):
        end = min(begin + LANES, lanes.y.size)
        some = _some(lanes, begin, end)
        _load_edges(some, work)
        _load_changes(some, bound, work)
        _derive_level(work, bound)
        _start(work)
        _compare(work, 0, 1.0, best, chosen)
        for k in range(bound):
            _add_lag(work, k, bound)
            _compare(work, k + 1, np.exp(2.0 * (k + 1) / rows), best, chosen)
        lags[begin:end] = chosen[: end - begin]
        worst[begin:end] = work.worst[: end - begin]


@part
def _add_rows(work: _Work, lags: int) -> None:
    """Add the rows that fewer lags leave; the edges move to the new first row."""
    bound = work.heads.shape[0] - 1
    first = work.edges[0]
    for a in range(bound - lags):  # change number bound - 1 - a becomes a row
        change = work.heads[a]
        for lane in range(LANES):
            first[lane] -= change[lane]
            work.level_square[lane] += first[lane] * first[lane]
        for k in range(min(lags, bound - 1 - a) + 1):
            before = work.heads[a + k]
            for lane in range(LANES):
                work.changes[k, lane] += change[lane] * before[lane]
    for a in range(lags):
        for lane in range(LANES):
            work.heads[a, lane] = work.heads[a + bound - lags, lane]


@part
def _level_ratio(work: _Work, freedom: int, stat: NDArray[np.float64]) -> None:
    for lane in range(stat.size):
        square = _residual_square(work, lane)
        stat[lane] = work.left[2, lane] / np.sqrt(work.left[1, lane] * square / freedom)


@entry
def level_ratios(
    lanes: Lanes,
    lags: int,
    n_changes: int,
    stat: NDArray[np.float64],
    worst: NDArray[np.float64],
) -> None:
    """t-ratios of the level for lanes of one number of lags, on all rows that it leaves."""
    work = _workspace(lanes.markets.heads.shape[0])
    for begin in range(0, lanes.y.size, LANES):
        end = min(begin + LANES, lanes.y.size)
        some = _some(lanes, begin, end)
        _load_edges(some, work)
        _load_changes(some, lags, work)
        _add_rows(work, lags)
        _derive_level(work, lags)
        _start(work)
        for k in range(lags):
            _add_lag(work, k, lags)
        _level_ratio(work, n_changes - 2 * lags - 1, stat[begin:end])
        worst[begin:end] = np.minimum(worst[begin:end], work.worst[: end - begin])
