"""Probabilities that mean what they say: a model's scores, corrected on rows it has not seen."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning._libraries import library

__all__ = ["Calibration", "fit_calibration"]

FloatArray = npt.NDArray[np.float64]

_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """
    Curves from raw to calibrated probability, one for each class.

    Attributes
    ----------
    method : {"sigmoid", "isotonic"}
        What the curves are.
    curves : tuple
        For each class the abscissae and the ordinates of its curve: for ``sigmoid`` the slope and
        the intercept on the log-odds scale, for ``isotonic`` the steps' corners.
    """

    method: Literal["sigmoid", "isotonic"]
    curves: tuple[tuple[FloatArray, FloatArray], ...]

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """
        Correct probabilities of shape (n, k); each row sums to 1 again.

        Each class is corrected alone, then the row is scaled. A row whose corrected
        probabilities are all 0 becomes uniform.
        """
        columns = [
            self._of_class(probabilities[:, index], *curve)
            for index, curve in enumerate(self.curves)
        ]
        corrected = np.column_stack(columns)
        total = corrected.sum(axis=1, keepdims=True)
        uniform = np.full_like(corrected, 1 / corrected.shape[1])
        return np.where(total > 0, corrected / np.where(total > 0, total, 1), uniform)

    def _of_class(self, raw: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
        if self.method == "isotonic":
            return np.interp(raw, first, second)
        return np.asarray(1 / (1 + np.exp(-(first[0] * _log_odds(raw) + second[0]))))


def fit_calibration(
    probabilities: FloatArray,
    classes: npt.NDArray[np.int64],
    *,
    method: Literal["sigmoid", "isotonic"] = "sigmoid",
) -> Calibration:
    """
    Fit the correction on rows that the model was not trained on.

    Parameters
    ----------
    probabilities : ndarray of shape (n, k)
        Of each class, as the model says.
    classes : ndarray of shape (n,)
        Column of the class that came true.
    method : {"sigmoid", "isotonic"}
        ``sigmoid`` (Platt, on log-odds) needs few rows; ``isotonic`` assumes no shape and needs
        about a thousand.

    Returns
    -------
    Calibration
        A sigmoid never turns a model's order around: where its best slope is negative, the model
        knows nothing, and the curve is the class's share.

    Raises
    ------
    InfeasibleError
        If there are no rows.
    ValueError
        If the method is unknown.
    """
    if method not in ("sigmoid", "isotonic"):
        raise ValueError(f"method must be 'sigmoid' or 'isotonic', got {method!r}")
    if not len(classes):
        raise InfeasibleError("there are no rows to calibrate on")
    fit = _sigmoid if method == "sigmoid" else _isotonic
    return Calibration(
        method,
        tuple(
            fit(probabilities[:, index], (classes == index).astype(np.float64))
            for index in range(probabilities.shape[1])
        ),
    )


def _sigmoid(raw: FloatArray, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
    # Platt's targets: a class that never (or always) came true still gets a finite curve.
    share = (truth.sum() + 1) / (len(truth) + 2)
    flat = (np.zeros(1), np.array([np.log(share / (1 - share))]))
    scores = _log_odds(raw)
    if truth.min() == truth.max() or np.ptp(scores) < _EDGE:
        return flat
    linear = library("sklearn.linear_model", "calibration")
    # C=1: a weak prior against certainty, without which a few dozen rows can give 0 % and 100 %.
    # Newton's steps: with one feature a handful of them, to more digits than the default's many.
    logistic = linear.LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-6)
    model = logistic.fit(scores[:, None], truth)
    slope = float(model.coef_[0, 0])
    return (np.array([slope]), model.intercept_.astype(np.float64)) if slope > 0 else flat


def _isotonic(raw: FloatArray, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
    isotonic = library("sklearn.isotonic", "calibration")
    model = isotonic.IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    model.fit(raw, truth)
    return (
        np.asarray(model.X_thresholds_, dtype=np.float64),
        np.asarray(model.y_thresholds_, dtype=np.float64),
    )


def _log_odds(raw: FloatArray) -> FloatArray:
    inside = np.clip(raw, _EDGE, 1 - _EDGE)
    return np.log(inside / (1 - inside))
