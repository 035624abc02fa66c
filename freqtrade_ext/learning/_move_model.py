"""A regressor of the next move, and how sure its direction is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning._boosting import BASELINE, boost, contributions, predict_scores
from freqtrade_ext.learning._calibration import Calibration, fit_calibration

__all__ = ["MoveModel", "MoveScores", "fit_move_model"]

FloatArray = npt.NDArray[np.float64]

# Held-out rows below which a calibration is noise.
_MIN_HELD_OUT = 30


@dataclass(frozen=True)
class MoveScores:
    """
    How the held-out rows were predicted.

    `hit_rate` is the share of right directions among moves that were not zero, `correlation` that
    of predicted and true move, `r_squared` against predicting the training mean.
    """

    rows: int
    hit_rate: float
    correlation: float
    r_squared: float
    rmse: float


@dataclass(frozen=True)
class MoveModel:
    """
    A trained regressor; moves in the units of its labels.

    `errors` has shape (k,): 1 for each held-out row whose direction was wrong, 0 for a right one,
    oldest first; moves of zero are left out.
    """

    booster: Any
    calibration: Calibration
    deviation: float
    names: tuple[str, ...]
    held_out: MoveScores
    threads: int
    errors: FloatArray

    def predict(self, features: Any) -> FloatArray:
        """Predict moves, shape (n,)."""
        return predict_scores(self.booster, np.asarray(features), self.threads)

    def probability_up(self, moves: FloatArray) -> FloatArray:
        """
        Probability that the target rises, given predicted `moves`; shape (n,).

        Calibrated on rows that the model was not trained on.
        """
        return self.calibration(_raw(moves, self.deviation))[:, 1] if len(moves) else moves

    def contributions(self, features: Any) -> FloatArray:
        """Attribute predictions to features: shape (n, 1, f + 1); see `learning.contributions`."""
        return contributions(self.booster, np.asarray(features), self.threads)

    @property
    def importance(self) -> dict[str, float]:
        """Total gain of each feature, as a share of all."""
        gains = np.asarray(self.booster.feature_importance("gain"), dtype=np.float64)
        shares = gains / gains.sum() if gains.sum() > 0 else gains
        return dict(zip(self.names, shares.tolist(), strict=True))


def fit_move_model(
    features: npt.NDArray[Any],
    moves: FloatArray,
    *,
    names: Sequence[str],
    horizon: int,
    held_out_share: float = 0.1,
    threads: int = 1,
    parameters: Mapping[str, Any] = BASELINE,
    weights: FloatArray | None = None,
) -> MoveModel:
    """
    Train on the earlier rows, calibrate and judge on the later ones.

    Parameters
    ----------
    features : ndarray of shape (n, f)
        Oldest first.
    moves : ndarray of shape (n,)
        Labels, any unit.
    horizon : int
        Rows between the two parts that are left out: their labels reach into the later part.
    held_out_share : float
        Share of the rows in the later part, in (0, 0.5].

    Raises
    ------
    InfeasibleError
        If the later part has fewer than 30 rows, or the earlier none.
    """
    cut = round(len(moves) * (1 - held_out_share))
    train = cut - horizon
    if train < 1 or len(moves) - cut < _MIN_HELD_OUT:
        raise InfeasibleError(
            f"{len(moves)} labelled rows leave {max(train, 0)} to train on and "
            f"{len(moves) - cut} to judge with; at least 1 and {_MIN_HELD_OUT} are needed"
        )
    booster = boost(
        features[:train],
        moves[:train],
        objective="regression",
        threads=threads,
        parameters=parameters,
        weights=None if weights is None else weights[:train],
    )
    predicted = predict_scores(booster, features[cut:], threads)
    truth = moves[cut:]
    deviation = float(np.std(truth - predicted)) or 1.0
    return MoveModel(
        booster=booster,
        calibration=_direction(predicted, truth, deviation),
        deviation=deviation,
        names=tuple(names),
        held_out=_scores(predicted, truth, float(np.mean(moves[:train]))),
        threads=threads,
        errors=(np.sign(predicted) != np.sign(truth))[truth != 0].astype(np.float64),
    )


def _direction(predicted: FloatArray, truth: FloatArray, deviation: float) -> Calibration:
    """
    Calibrate the direction, both ways alike.

    Each row counts once as it is and once mirrored: that the held-out days happened to fall must
    not become an opinion about later days. A move of 0 is predicted to go either way.
    """
    moved = truth != 0
    raw = _raw(predicted[moved], deviation)
    rose = (truth[moved] > 0).astype(np.int64)
    if not len(rose):
        raw, rose = np.full((1, 2), 0.5), np.zeros(1, dtype=np.int64)
    return fit_calibration(np.vstack([raw, raw[:, ::-1]]), np.concatenate([rose, 1 - rose]))


def _raw(moves: FloatArray, deviation: float) -> FloatArray:
    """Probability of falling and rising if errors were normal; the calibration corrects it."""
    up = np.asarray(ndtr(np.asarray(moves) / deviation), dtype=np.float64)
    return np.column_stack([1 - up, up])


def _scores(predicted: FloatArray, truth: FloatArray, mean: float) -> MoveScores:
    moved = truth != 0
    error = np.square(truth - predicted).mean()
    constant = np.square(truth - mean).mean()
    spread = predicted.std() * truth.std()
    centred = (predicted - predicted.mean()) * (truth - truth.mean())
    return MoveScores(
        rows=len(truth),
        hit_rate=float(np.mean(np.sign(predicted[moved]) == np.sign(truth[moved])))
        if moved.any()
        else float("nan"),
        correlation=float(centred.mean() / spread) if spread > 0 else 0.0,
        r_squared=float(1 - error / constant) if constant > 0 else 0.0,
        rmse=float(np.sqrt(error)),
    )
