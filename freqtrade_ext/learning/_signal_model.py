"""A classifier of candles: sell, hold or buy, with probabilities that mean what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from freqtrade_ext.learning._boosting import BASELINE, boost, contributions, predict_scores
from freqtrade_ext.learning._calibration import Calibration, fit_calibration
from freqtrade_ext.learning._folds import Fold, purged_folds
from freqtrade_ext.learning._scores import Scores, score_predictions
from freqtrade_ext.learning._weights import class_weights

__all__ = ["CLASSES", "SignalModel", "TrainingRows", "fit_signal_model"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CLASSES = ("sell", "hold", "buy")


@dataclass(frozen=True)
class TrainingRows:
    """
    Labelled rows, oldest first.

    Attributes
    ----------
    features : ndarray of shape (n, f)
        Known at the close of the candle.
    side : ndarray of shape (n,)
        Label: -1, 0 or 1.
    moves : ndarray of shape (n,)
        Log return over the horizon; what a trade would have made.
    start, end : ndarray of shape (n,)
        Candle of the row, and the candle at which its label is known.
    """

    features: npt.NDArray[Any]
    side: IntArray
    moves: FloatArray
    start: IntArray
    end: IntArray

    @property
    def classes(self) -> IntArray:
        """Column of each row's class in `CLASSES`."""
        return np.asarray(self.side, dtype=np.int64) + 1


@dataclass(frozen=True)
class SignalModel:
    """
    A trained classifier.

    Attributes
    ----------
    folds : tuple of Scores
        How each walk-forward fold was predicted, oldest first. Each fold's probabilities are
        calibrated on the folds before it; the first one's are raw.
    errors : ndarray of shape (k,)
        1 for each row of the calibrated folds whose class was wrong, 0 for a right one, oldest
        first.
    """

    booster: Any
    calibration: Calibration
    names: tuple[str, ...]
    folds: tuple[Scores, ...]
    threads: int
    errors: FloatArray
    classes_: tuple[str, ...] = CLASSES

    def predict_proba(self, features: Any) -> FloatArray:
        """Predict probabilities of shape (n, 3), in the order of `CLASSES`."""
        raw = predict_scores(self.booster, np.asarray(features), self.threads)
        return self.calibration(raw) if len(raw) else raw

    def predict(self, features: Any) -> npt.NDArray[np.object_]:
        """Predict the most probable class of each row."""
        names: npt.NDArray[np.object_] = np.array(CLASSES, dtype=object)
        chosen: npt.NDArray[np.object_] = names[self.predict_proba(features).argmax(axis=1)]
        return chosen

    def contributions(self, features: Any) -> FloatArray:
        """Attribute raw scores to features: shape (n, 3, f + 1); see `learning.contributions`."""
        return contributions(self.booster, np.asarray(features), self.threads)

    @property
    def importance(self) -> dict[str, float]:
        """Total gain of each feature, as a share of all."""
        gains = np.asarray(self.booster.feature_importance("gain"), dtype=np.float64)
        shares = gains / gains.sum() if gains.sum() > 0 else gains
        return dict(zip(self.names, shares.tolist(), strict=True))


def fit_signal_model(
    rows: TrainingRows,
    *,
    names: Sequence[str],
    horizon: int,
    cost: float,
    n_folds: int = 5,
    calibration: Literal["sigmoid", "isotonic"] = "sigmoid",
    threads: int = 1,
    parameters: Mapping[str, Any] = BASELINE,
    weights: FloatArray | None = None,
) -> SignalModel:
    """
    Judge, calibrate and train a classifier.

    Parameters
    ----------
    rows : TrainingRows
        What to learn.
    names : sequence of str
        Of the features.
    horizon : int
        Candles that a position is held; also the embargo around each fold.
    cost : float
        Of a round trip, a ratio; for the scores.
    n_folds : int
        Walk-forward folds.
    weights : ndarray of shape (n,), optional
        Times the weights that make the classes count alike.

    Returns
    -------
    SignalModel
        Trained on all rows; calibrated on the predictions of the folds, which were made by models
        that had not seen them.

    Raises
    ------
    InfeasibleError
        If there are too few rows for the folds.
    """
    folds = purged_folds(rows.start, rows.end, n_folds=n_folds, embargo=horizon)

    def train(chosen: "IntArray | slice") -> Any:
        weight = class_weights(rows.side[chosen])
        return boost(
            rows.features[chosen],
            rows.classes[chosen],
            objective="multiclass",
            threads=threads,
            parameters=parameters,
            weights=weight if weights is None else weight * weights[chosen],
        )

    raw = [predict_scores(train(fold.train), rows.features[fold.test], threads) for fold in folds]
    answers = [_calibrated(rows, folds, raw, number, calibration) for number in range(len(folds))]
    scores = tuple(
        _score(rows, fold, answer, horizon, cost)
        for fold, answer in zip(folds, answers, strict=True)
    )
    wrong = [
        answer.argmax(axis=1) != rows.classes[fold.test]
        for fold, answer in zip(folds[1:], answers[1:], strict=True)
    ]
    truth = np.concatenate([rows.classes[fold.test] for fold in folds])
    return SignalModel(
        booster=train(slice(None)),
        calibration=fit_calibration(np.concatenate(raw), truth, method=calibration),
        names=tuple(names),
        folds=scores,
        threads=threads,
        errors=np.concatenate(wrong).astype(np.float64),
    )


def _calibrated(
    rows: TrainingRows,
    folds: list[Fold],
    raw: list[FloatArray],
    number: int,
    method: Literal["sigmoid", "isotonic"],
) -> FloatArray:
    if number == 0:
        return raw[0]
    # Labels of the fold before may end inside this one; they were not known at its start.
    begins = rows.start[folds[number].test[0]]
    past = np.concatenate([fold.test for fold in folds[:number]])
    known = rows.end[past] < begins
    correct = fit_calibration(
        np.concatenate(raw[:number])[known], rows.classes[past][known], method=method
    )
    return correct(raw[number])


def _score(
    rows: TrainingRows, fold: Fold, probabilities: FloatArray, horizon: int, cost: float
) -> Scores:
    chosen = probabilities.argmax(axis=1)
    return score_predictions(
        rows.classes[fold.test],
        probabilities,
        chosen,
        moves=rows.moves[fold.test],
        positions=chosen - 1,
        start=rows.start[fold.test],
        horizon=horizon,
        cost=cost,
    )
