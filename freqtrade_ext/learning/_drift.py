"""Whether the market's features are still those that a model learned.

Features are compared with the training data by two distances. Neighbouring candles resemble each
other and volatility comes in clusters, so a day of candles differs from 45 days much more than the
textbook limits (0.25 for the population stability index, a p-value for Kolmogorov-Smirnov) allow.
So the limits come from the training data itself: how far do its own days lie from all of it, and
how far would the worst day of `quiet_windows` days lie? The answer is the return level of a Gumbel
distribution, as hydrologists compute the flood of a thousand years from fifty annual ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning._settings import DriftSettings

__all__ = [
    "DriftReference",
    "DriftReport",
    "feature_drift",
    "ks_distance",
    "population_stability",
    "reference_of",
]

FloatArray = npt.NDArray[np.float64]

# Deciles, and finer where it matters: a wild day lies in the tails of the training data.
_SHARES = np.array([0.002, 0.01, 0.03, *np.arange(1, 10) / 10, 0.97, 0.99, 0.998])
# The whole window tells a wild hour from a wild market; five sixths of it are full of new candles
# four hours of a day earlier.
_PARTS = ((5, 6), (1, 1))
_LOOKS = 24  # windows of the training data begin at each 24th of a window
_MIN_WINDOWS = 5
# What no table calls a change; a feature that hardly ever moves needs a floor.
_PSI_FLOOR, _KS_FLOOR = 0.25, 0.1
# The hour of the day repeats itself: its worst windows are all alike, but live looks fall between
# those of the training.
_SCALE_FLOOR = 0.02
_EULER = 0.5772156649015329


@dataclass(frozen=True)
class DriftReference:
    """
    The training data of f features, as far as drift needs it.

    Attributes
    ----------
    names : tuple of str
        Of the features.
    lengths : tuple of int
        Candles of the windows that are compared, ascending.
    cuts : tuple of ndarray
        For each feature, ascending values between its bins.
    counts : tuple of ndarray
        For each feature, training values in each bin.
    psi_limits, ks_limits : ndarray of shape (lengths, f)
        Distances above which a feature has drifted.
    """

    names: tuple[str, ...]
    lengths: tuple[int, ...]
    cuts: tuple[FloatArray, ...]
    counts: tuple[FloatArray, ...]
    psi_limits: FloatArray
    ks_limits: FloatArray


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What was found; `reasons` are sentences for a person, empty when nothing has changed."""

    reasons: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether the model should be trained again."""
        return bool(self.reasons)


def population_stability(expected: FloatArray, found: FloatArray) -> FloatArray:
    r"""
    Compute population stability indices of samples.

    Parameters
    ----------
    expected : ndarray of shape (b,)
        Training values in each bin.
    found : ndarray of shape (..., b)
        Values of each sample in the same bins.

    Returns
    -------
    ndarray of shape (...)
        :math:`\sum_i (q_i - p_i) \ln (q_i / p_i)` of the shares; half a value is added to each
        bin, so that an empty one is not infinite.
    """
    bins = len(expected)
    p = (expected + 0.5) / (expected.sum() + 0.5 * bins)
    q = (found + 0.5) / (found.sum(axis=-1, keepdims=True) + 0.5 * bins)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def ks_distance(expected: FloatArray, found: FloatArray) -> FloatArray:
    """
    Compute two-sample Kolmogorov-Smirnov distances, 0 to 1, as far as the bins resolve them.

    Shapes as in `population_stability`.
    """
    p = expected.cumsum() / expected.sum()
    q = found.cumsum(axis=-1) / found.sum(axis=-1, keepdims=True)
    return np.asarray(np.abs(q - p).max(axis=-1))


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
    step = max(1, settings.window // _LOOKS)
    whole = settings.window // step
    sizes = sorted({max(1, whole * part // of) for part, of in _PARTS})
    cuts = tuple(_cuts(column) for column in features.T)
    # Two distances of each window of each feature: so often may chance show itself.
    trials = settings.quiet_windows * 2 * len(sizes) * len(cuts)
    limits = [
        _limits(_block_counts(column, cut, step), sizes, step, trials)
        for column, cut in zip(features.T, cuts, strict=True)
    ]
    return DriftReference(
        names=tuple(names),
        lengths=tuple(size * step for size in sizes),
        cuts=cuts,
        counts=tuple(_counts(column, cut) for column, cut in zip(features.T, cuts, strict=True)),
        psi_limits=np.array([each[0] for each in limits]).T,
        ks_limits=np.array([each[1] for each in limits]).T,
    )


def _cuts(values: FloatArray) -> FloatArray:
    """Cuts between the bins; values outside the training's range have bins of their own."""
    ordered = np.sort(values)
    inner = ordered[np.ceil(_SHARES * len(ordered)).astype(np.int64) - 1]
    return np.unique([np.nextafter(ordered[0], -np.inf), *inner, ordered[-1]])


def _counts(values: FloatArray, cuts: FloatArray) -> FloatArray:
    bins = np.searchsorted(cuts, values, side="left")
    return np.bincount(bins, minlength=len(cuts) + 1).astype(np.float64)


def _block_counts(values: FloatArray, cuts: FloatArray, step: int) -> FloatArray:
    """Values in each bin, of each `step` candles; a last, incomplete block is left out."""
    blocks, bins = len(values) // step, len(cuts) + 1
    index = np.searchsorted(cuts, values[: blocks * step], side="left")
    index += bins * (np.arange(blocks * step) // step)
    return np.bincount(index, minlength=blocks * bins).reshape(blocks, bins).astype(np.float64)


def _limits(
    blocks: FloatArray, sizes: Sequence[int], step: int, trials: int
) -> tuple[list[float], list[float]]:
    """Limits of both distances for each size of a window, in blocks."""
    total, psi, ks = blocks.sum(axis=0), [], []
    summed = np.concatenate([np.zeros((1, blocks.shape[1])), blocks.cumsum(axis=0)])
    for size in sizes:
        windows = summed[size:] - summed[:-size]
        # On these scales the worst windows of clustered data are close to Gumbel's law; KS itself
        # is not: it has an end at 1.
        index = np.log(population_stability(total, windows) + _PSI_FLOOR / 5)
        far = _rareness(ks_distance(total, windows), size * step)
        worst = [_maxima(each, sizes[-1]) for each in (index, far)]
        psi.append(max(float(np.exp(_return_level(worst[0], trials))), _PSI_FLOOR))
        # A window that lies beyond all of the training data always counts.
        ks_level = min(_return_level(worst[1], trials), np.log(size * step))
        ks.append(max(float(1 - np.exp(-ks_level)), _KS_FLOOR))
    return psi, ks


def _rareness(distance: FloatArray, length: int) -> FloatArray:
    """Minus the log of how much of a window can lie where the training data does."""
    return np.asarray(-np.log(np.maximum(1 - distance, 0.5 / length)))


def _maxima(values: FloatArray, size: int) -> FloatArray:
    """Largest value of each `size` looks, newest looks first served."""
    count = len(values) // size
    return np.asarray(values[len(values) - count * size :].reshape(count, size).max(axis=1))


def _return_level(maxima: FloatArray, trials: float) -> float:
    r"""
    Level that a maximum exceeds once in `trials` times.

    Gumbel's law fitted by moments: :math:`\mu - \gamma\beta + \beta \ln T` with
    :math:`\beta = s \sqrt 6 / \pi` [1]_. The scale is known to about :math:`\beta / \sqrt n` from n
    maxima; that standard error is added to it.

    References
    ----------
    .. [1] Gumbel, E. J. (1958). Statistics of Extremes. Columbia University Press, section 6.2.
    """
    scale = max(float(maxima.std(ddof=1)) * np.sqrt(6) / np.pi, _SCALE_FLOOR)
    careful = scale * (1 + 1 / np.sqrt(len(maxima)))
    return float(maxima.mean() - _EULER * scale + careful * np.log(trials))


def feature_drift(reference: DriftReference, features: FloatArray) -> DriftReport:
    """
    Compare the last windows of live candles with the training data.

    Parameters
    ----------
    features : ndarray of shape (n, f)
        Oldest first, columns as in `reference`; rows with a missing value are left out.

    Returns
    -------
    DriftReport
        Empty until the longest window is full. One feature beyond one limit is enough: the limits
        allow for the number of features. The farthest is named first.
    """
    known = features[np.isfinite(features).all(axis=1)]
    if len(known) < reference.lengths[-1]:
        return DriftReport()
    found = []
    for column, name in enumerate(reference.names):
        excess, reason = _compare(reference, column, name, known[:, column])
        if excess > 1:
            found.append((-excess, reason))
    return DriftReport(tuple(reason for _, reason in sorted(found)))


def _compare(
    reference: DriftReference, column: int, name: str, values: FloatArray
) -> tuple[float, str]:
    """How many times the limit the worst distance of a feature is, and a sentence about it."""
    expected, cuts = reference.counts[column], reference.cuts[column]
    worst, reason = 0.0, ""
    for row, length in enumerate(reference.lengths):
        found = _counts(values[-length:], cuts)
        psi, psi_limit = population_stability(expected, found), reference.psi_limits[row, column]
        ks, ks_limit = ks_distance(expected, found), reference.ks_limits[row, column]
        excess = float(max(psi / psi_limit, _rareness(ks, length) / -np.log(1 - ks_limit)))
        if excess > worst:
            worst = excess
            reason = (
                f"{name} is distributed differently over the last {length} candles (stability "
                f"index {psi:.2f}, limit {psi_limit:.2f}; KS distance {ks:.2f}, limit "
                f"{ks_limit:.2f})"
            )
    return worst, reason
