"""Whether the market is still the one that a model learned.

Features are compared with the training data by two distances. Neighbouring candles resemble each
other, so a day of candles differs from 45 days much more than the textbook limits (0.25 for the
population stability index, a p-value for Kolmogorov-Smirnov) allow. The limit of each feature is
therefore measured: how much do windows of the training data itself differ from all of it?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning._libraries import library
from freqtrade_ext.learning._settings import DriftSettings

__all__ = [
    "DriftReference",
    "DriftReport",
    "error_drift",
    "feature_drift",
    "ks_distance",
    "population_stability",
    "reference_of",
]

FloatArray = npt.NDArray[np.float64]

_BINS = 10
_GRID = 401
_MIN_WINDOWS = 5
_RECENT = 50  # about a day of predictions, one in five candles of five minutes
# The textbook's "significant change"; a feature that hardly ever moves needs a floor.
_PSI_FLOOR, _KS_FLOOR = 0.25, 0.1


@dataclass(frozen=True)
class DriftReference:
    """
    The training data of f features, as far as drift needs it.

    `grid` has shape (f, 401): quantiles of each feature; the limits have shape (f,).
    """

    names: tuple[str, ...]
    grid: FloatArray
    psi_limit: FloatArray
    ks_limit: FloatArray

    def as_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {
            "names": list(self.names),
            "grid": self.grid.tolist(),
            "psi_limit": self.psi_limit.tolist(),
            "ks_limit": self.ks_limit.tolist(),
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> "DriftReference":
        """Read what `as_json` returned."""
        arrays = {
            name: np.asarray(document[name], dtype=np.float64)
            for name in ("grid", "psi_limit", "ks_limit")
        }
        return DriftReference(names=tuple(document["names"]), **arrays)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What was found; `reasons` are sentences for a person, empty when nothing has changed."""

    reasons: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether the model should be trained again."""
        return bool(self.reasons)


def population_stability(reference: FloatArray, sample: FloatArray) -> float:
    r"""
    Compute the population stability index of a sample.

    Parameters
    ----------
    reference : ndarray of shape (m,)
        Quantiles of the training data, equally spaced from the smallest to the largest value.
    sample : ndarray of shape (n,)
        Finite values.

    Returns
    -------
    float
        :math:`\sum_i (q_i - p_i) \ln (q_i / p_i)` over ten bins of equal training share; half a
        value is added to each bin, so that an empty one is not infinite. Bins that fall together
        because many values are equal are merged.
    """
    return float(_stability(reference, sample[None, :])[0])


def _stability(reference: FloatArray, windows: FloatArray) -> FloatArray:
    """Stability index of each row of `windows`."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, _BINS + 1)[1:-1]))
    expected, found = _shares(reference[None, :], edges), _shares(windows, edges)
    return np.asarray(((found - expected) * np.log(found / expected)).sum(axis=1))


def _shares(windows: FloatArray, edges: FloatArray) -> FloatArray:
    """Share of each row's values in each bin, half a value added."""
    n_bins = len(edges) + 1
    bins = np.searchsorted(edges, windows, side="left")
    bins += n_bins * np.arange(len(windows))[:, None]
    counts = np.bincount(bins.ravel(), minlength=n_bins * len(windows)).reshape(-1, n_bins)
    return np.asarray((counts + 0.5) / (windows.shape[1] + 0.5 * n_bins))


def ks_distance(reference: FloatArray, sample: FloatArray) -> float:
    """Compute the two-sample Kolmogorov-Smirnov distance, 0 to 1."""
    return float(_distance(np.sort(reference), sample[None, :])[0])


def _distance(reference: FloatArray, windows: FloatArray) -> FloatArray:
    """
    Kolmogorov-Smirnov distance of each row of `windows` from a sorted reference.

    Between two values of the row only the reference's distribution rises, so the distance is
    largest at a value of the row, or just before one.
    """
    ordered = np.sort(windows, axis=1)
    count, size = ordered.shape[1], len(reference)
    step = np.arange(count + 1) / count
    at = np.searchsorted(reference, ordered, side="right") / size
    before = np.searchsorted(reference, ordered, side="left") / size
    above, below = (step[1:] - at).max(axis=1), (before - step[:-1]).max(axis=1)
    return np.asarray(np.maximum(above, below))


def reference_of(
    features: FloatArray, names: Sequence[str], settings: DriftSettings
) -> DriftReference:
    """
    Summarise training data.

    Parameters
    ----------
    features : ndarray of shape (n, f)
        Finite, oldest first, at least five windows long.

    Raises
    ------
    InfeasibleError
        If there are fewer rows.
    """
    count = len(features) // settings.window
    if count < _MIN_WINDOWS:
        raise InfeasibleError(
            f"{len(features)} training rows are {count} windows of {settings.window} candles; "
            f"drift needs {_MIN_WINDOWS} to learn how much windows differ: "
            "lower ext.learning.drift.window or train on more days"
        )
    grid = np.quantile(features, np.linspace(0, 1, _GRID), axis=0).T
    # Half-overlapping windows: a live window begins anywhere. And the newest one: it is what live
    # windows will resemble first, and a model that was trained on it knows it.
    newest = len(features) - settings.window
    starts = np.union1d(np.arange(0, newest + 1, max(1, settings.window // 2)), newest)
    index = starts[:, None] + np.arange(settings.window)
    columns = [(grid[column], features[:, column][index]) for column in range(features.shape[1])]
    psi = np.array([_stability(*each).max() for each in columns])
    ks = np.array([_distance(*each).max() for each in columns])
    return DriftReference(
        names=tuple(names),
        grid=grid,
        psi_limit=np.maximum(psi * settings.tolerance, _PSI_FLOOR),
        # A distance cannot exceed 1: at most half of what is left above the largest one.
        ks_limit=np.maximum(np.minimum(ks * np.sqrt(settings.tolerance), (1 + ks) / 2), _KS_FLOOR),
    )


def feature_drift(
    reference: DriftReference, features: FloatArray, settings: DriftSettings
) -> DriftReport:
    """
    Compare the last window of live candles with the training data.

    Parameters
    ----------
    features : ndarray of shape (n, f)
        Oldest first, columns as in `reference`; rows with a missing value are left out.

    Returns
    -------
    DriftReport
        Empty until a whole window is there. A feature has drifted when both distances exceed
        their limits; `min_features` must have.
    """
    window = features[np.isfinite(features).all(axis=1)][-settings.window :]
    if len(window) < settings.window:
        return DriftReport()
    found = []
    for column, name in enumerate(reference.names):
        ks = ks_distance(reference.grid[column], window[:, column])
        if ks <= reference.ks_limit[column]:
            continue
        psi = population_stability(reference.grid[column], window[:, column])
        if psi > reference.psi_limit[column]:
            found.append(
                f"{name} is distributed differently (stability index {psi:.2f}, limit "
                f"{reference.psi_limit[column]:.2f}; KS distance {ks:.2f}, limit "
                f"{reference.ks_limit[column]:.2f})"
            )
    return DriftReport(tuple(found) if len(found) >= settings.min_features else ())


def error_drift(
    errors: npt.ArrayLike, training_error: float, settings: DriftSettings
) -> DriftReport:
    """
    Judge the errors since the training.

    Parameters
    ----------
    errors : array-like of shape (n,)
        1 for a wrong prediction, 0 for a right one, oldest first; of non-overlapping horizons,
        because neighbouring labels share candles.
    training_error : float
        Expected share of errors, from the training's later, unseen part.

    Returns
    -------
    DriftReport
        Drifted when ADWIN sees the errors rise, or when their share, of all or of the last 50, is
        `decay_z` standard errors above the training's.
    """
    values = np.asarray(errors, dtype=np.float64)
    reasons = []
    if _adwin_sees_a_rise(values, settings.adwin_delta):
        reasons.append(f"the share of wrong predictions has risen within {len(values)} predictions")
    # Of all predictions a slow decay is seen, of the last ones a sudden one.
    for part in (values, values[-_RECENT:]):
        if decay := _decay(part, training_error, settings.decay_z):
            reasons.append(decay)
            break
    return DriftReport(tuple(reasons))


def _decay(errors: FloatArray, expected: float, limit: float) -> str:
    """Say that errors are more frequent than expected; nothing if they are not, or too few."""
    # The normal law is not yet good for a handful of predictions; NaN: not known what to expect.
    if not len(errors) * min(expected, 1 - expected) >= 5:
        return ""
    excess = (errors.mean() - expected) / np.sqrt(expected * (1 - expected) / len(errors))
    if excess <= limit:
        return ""
    return (
        f"{errors.mean():.0%} of {len(errors)} live predictions were wrong, "
        f"{expected:.0%} in training"
    )


def _adwin_sees_a_rise(errors: FloatArray, delta: float) -> bool:
    drift = library("river.drift", "the test on the live error")
    detector = drift.ADWIN(delta=delta)
    before = 0.0
    for error in errors.tolist():
        before = detector.estimation
        detector.update(error)
        if detector.drift_detected and detector.estimation > before:
            return True
    return False
