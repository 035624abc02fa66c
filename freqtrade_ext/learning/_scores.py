"""How good predictions were, in the field's measures and in money."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Scores", "non_overlapping", "profit_factor", "score_predictions"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """
    Measures of n predictions.

    Attributes
    ----------
    rows, trades : int
        Predictions; trades taken one at a time, each held for the horizon.
    accuracy : float
        Share of right classes.
    precision, recall, f1 : float
        Means over the classes, each class counting alike; 0 for a class never predicted.
    brier : float
        Mean over rows of the sum over classes of squared errors, 0 (perfect) to 2.
    profit_factor : float
        Gains over losses of the trades, net of costs; NaN without trades, infinite without losses.
    net : float
        Sum of the trades' net returns, as a ratio.
    """

    rows: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    brier: float
    trades: int
    profit_factor: float
    net: float

    def as_dict(self) -> dict[str, float]:
        """Return the measures by name."""
        return asdict(self)


def score_predictions(
    truth: IntArray,
    probabilities: FloatArray,
    chosen: IntArray,
    *,
    moves: FloatArray,
    positions: IntArray,
    start: IntArray,
    horizon: int,
    cost: float,
) -> Scores:
    """
    Score predicted classes against what came true.

    Parameters
    ----------
    truth, chosen : ndarray of shape (n,)
        Column of the true and of the predicted class.
    probabilities : ndarray of shape (n, k)
        Of each class.
    moves : ndarray of shape (n,)
        Log return over the horizon after each row.
    positions : ndarray of shape (n,)
        1, -1 or 0: the position that the prediction asks for.
    start : ndarray of shape (n,)
        Candle of each row.
    horizon : int
        Candles that a position is held.
    cost : float
        Cost of a round trip as a ratio.
    """
    n_classes = probabilities.shape[1]
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (truth, chosen), 1)
    right = np.diag(confusion)
    predicted, actual = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(right, predicted, out=np.zeros(n_classes), where=predicted > 0)
    recall = np.divide(right, actual, out=np.zeros(n_classes), where=actual > 0)
    total = predicted + actual
    f1 = np.divide(2 * right, total, out=np.zeros(n_classes), where=total > 0)
    seen = total > 0
    taken = non_overlapping(positions, start, horizon)
    net = positions[taken] * moves[taken] - cost
    return Scores(
        rows=len(truth),
        accuracy=float(np.mean(truth == chosen)),
        precision=float(precision[seen].mean()),
        recall=float(recall[seen].mean()),
        f1=float(f1[seen].mean()),
        brier=float(np.square(probabilities - np.eye(n_classes)[truth]).sum(axis=1).mean()),
        trades=len(taken),
        profit_factor=profit_factor(net),
        net=float(net.sum()),
    )


def profit_factor(net: FloatArray) -> float:
    """
    Divide gains by losses.

    Examples
    --------
    >>> profit_factor(np.array([0.02, 0.01, -0.01]))
    3.0
    """
    if not len(net):
        return float("nan")
    gains, losses = net[net > 0].sum(), -net[net < 0].sum()
    return float(gains / losses) if losses > 0 else float("inf")


def non_overlapping(positions: IntArray, start: IntArray, horizon: int) -> IntArray:
    """
    Choose the rows that are traded when one position at a time is held for the horizon.

    Counting every signal would count one move many times.
    """
    taken, free_from = [], -np.inf
    for row in np.flatnonzero(positions):
        if start[row] >= free_from:
            taken.append(int(row))
            free_from = start[row] + horizon
    return np.array(taken, dtype=np.int64)
