"""Time-series folds whose training rows know nothing of their test rows.

A label looks ahead, so the label of a row just before a test block is made of the block's prices.
Such rows are purged. Rows just after a block are correlated with it: an embargo leaves them out.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError

__all__ = ["Fold", "purged_folds"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of the training and the test rows, ascending."""

    train: IntArray
    test: IntArray


def purged_folds(
    start: npt.ArrayLike,
    end: npt.ArrayLike,
    *,
    n_folds: int = 5,
    embargo: int = 0,
    training: Literal["before", "around"] = "before",
) -> list[Fold]:
    """
    Split labelled rows into folds.

    Parameters
    ----------
    start, end : array-like of shape (n,)
        Candle of each row and the candle at which its label is known, as integers on one scale;
        `start` ascending, ``end >= start``.
    n_folds : int
        Test blocks, contiguous and equally long, at least 2.
    embargo : int
        Candles beyond the overlap that also stay out of training, on both sides of a block.
    training : {"before", "around"}
        ``before``: walk-forward, each block is predicted from what lies before it; the first of
        ``n_folds + 1`` blocks only trains. ``around``: also from what lies after it, as in
        cross-validation.

    Returns
    -------
    list of Fold
        No training row's label ends after its test block starts, and none starts before the last
        label of the block is known (plus the embargo).

    Raises
    ------
    InfeasibleError
        If a fold would have no training or no test rows.
    ValueError
        If an option is out of range or a label ends before it starts.
    """
    first, last = np.asarray(start, dtype=np.int64), np.asarray(end, dtype=np.int64)
    _check(first, last, n_folds, embargo, training)
    n_blocks = n_folds + (training == "before")
    blocks = np.array_split(np.arange(len(first)), n_blocks)
    folds = [_fold(first, last, block, embargo, training) for block in blocks[n_blocks - n_folds :]]
    for number, fold in enumerate(folds, start=1):
        if not len(fold.train) or not len(fold.test):
            raise InfeasibleError(
                f"fold {number} of {n_folds} has {len(fold.train)} training and "
                f"{len(fold.test)} test rows: {len(first)} labelled rows are too few"
            )
    return folds


def _fold(first: IntArray, last: IntArray, block: IntArray, embargo: int, training: str) -> Fold:
    if not len(block):
        return Fold(block, block)
    before = np.arange(len(first)) < block[0]
    keep = before & (last < first[block[0]] - embargo)
    if training == "around":
        keep |= first > last[block].max() + embargo
    return Fold(np.flatnonzero(keep), block)


def _check(first: IntArray, last: IntArray, n_folds: int, embargo: int, training: str) -> None:
    if training not in ("before", "around"):
        raise ValueError(f"training must be 'before' or 'around', got {training!r}")
    if n_folds < 2:
        raise ValueError(f"n_folds must be at least 2, got {n_folds}")
    if embargo < 0:
        raise ValueError(f"embargo must not be negative, got {embargo}")
    if first.shape != last.shape or np.any(last < first):
        raise ValueError("every label must end at or after its start")
    if np.any(np.diff(first) < 0):
        raise ValueError("rows must be in the order of time")
