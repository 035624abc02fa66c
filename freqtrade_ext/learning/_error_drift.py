"""Whether a model errs more often than it did on candles that it had not seen.

Two tests. One knows what to expect, from the training; it adds up, candle by candle, how much
better the errors are explained by a worse model that began at any time. The other (ADWIN) knows
nothing and looks for a rise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.learning._drift import DriftReport
from freqtrade_ext.learning._libraries import library
from freqtrade_ext.learning._settings import DriftSettings

__all__ = ["ErrorReference", "error_drift", "error_reference", "error_rise"]

FloatArray = npt.NDArray[np.float64]

_MIN_ROWS = 30
# Worse models: this share of what was right goes wrong.
_WORSE = np.array([0.2, 0.4, 0.6])
# A model that is wrong as often as this can hardly get worse.
_HOPELESS = 0.95
_ADWIN_DELTA = 0.002  # river's own


@dataclass(frozen=True, slots=True)
class ErrorReference:
    """
    What errors a model makes while nothing has changed.

    Attributes
    ----------
    share : float
        Wrong predictions among unseen ones, a ratio; NaN where not known.
    inflation : float
        Consecutive predictions that tell as much as one independent one, at least 1.
    rows : int
        Predictions that both were measured on.
    """

    share: float = float("nan")
    inflation: float = 1.0
    rows: int = 0


def error_reference(errors: npt.ArrayLike, horizon: int) -> ErrorReference:
    r"""
    Measure errors on candles that a model has not seen.

    Parameters
    ----------
    errors : array-like of shape (n,)
        1 for a wrong prediction, 0 for a right one, one a candle, oldest first.
    horizon : int
        Candles that a label looks ahead: labels of neighbours share candles.

    Returns
    -------
    ErrorReference
        `inflation` is :math:`1 + 2 \sum_k w_k \rho_k`, the variance of a mean of neighbours over
        that of independent ones; autocorrelations count fully up to the horizon (or the cube root
        of n, if larger) and fade out until twice that, a flat-top kernel [1]_. Share not known
        below 30 rows.

    References
    ----------
    .. [1] Politis, D. N. and Romano, J. P. (1995). Bias-corrected nonparametric spectral
       estimation. Journal of Time Series Analysis 16, 67-103.
    """
    values = np.asarray(errors, dtype=np.float64)
    if len(values) < _MIN_ROWS:
        return ErrorReference(rows=len(values))
    centred = values - values.mean()
    variance = float(centred @ centred)
    flat = max(horizon, round(len(values) ** (1 / 3)))
    inflation = 1.0
    for lag in range(1, min(2 * flat, len(values) // 2)) if variance > 0 else ():
        weight = min(1.0, 2 - lag / flat)
        inflation += 2 * weight * float(centred[lag:] @ centred[:-lag]) / variance
    return ErrorReference(float(values.mean()), max(1.0, inflation), len(values))


def error_drift(
    errors: npt.ArrayLike, reference: ErrorReference, settings: DriftSettings
) -> DriftReport:
    r"""
    Compare the errors of live predictions with what to expect.

    Parameters
    ----------
    errors : array-like of shape (n,)
        1 for a wrong prediction, 0 for a right one, one a candle, oldest first.

    Returns
    -------
    DriftReport
        Drifted when the Shiryaev-Roberts statistic has reached ``quiet_windows * window``.

    Notes
    -----
    :math:`R_n = (1 + R_{n-1}) \Lambda_n`, with the likelihood ratio :math:`\Lambda` of a worse
    share of errors over the expected one; the mean over three worse shares counts. While errors
    are independent and not more frequent than expected, :math:`R_n - n` never rises on average, so
    the mean time to a false alarm is at least the limit [1]_. Neighbours are not independent:
    :math:`\ln \Lambda` is divided by `inflation`. The expected share is one standard error above
    the measured one.

    References
    ----------
    .. [1] Pollak, M. (1985). Optimal detection of a change in distribution. Annals of Statistics
       13, 206-227.
    """
    values = np.asarray(errors, dtype=np.float64)
    expected = _expected(reference)
    if not len(values) or not expected < _HOPELESS:
        return DriftReport()
    evidence = _evidence(values, expected) / reference.inflation
    # R of each worse share: a sum over all candles at which it may have begun.
    sums = evidence.cumsum(axis=0)
    before = np.concatenate([np.zeros((1, len(_WORSE))), sums[:-1]])
    logs = sums + np.logaddexp.accumulate(-before, axis=0)
    level = np.logaddexp.reduce(logs, axis=1) - np.log(len(_WORSE))
    reached = np.flatnonzero(level >= np.log(settings.quiet_windows * settings.window))
    if not len(reached):
        return DriftReport()
    alarm = int(reached[-1])
    began = int(before[: alarm + 1, logs[alarm].argmax()].argmin())
    since = values[began : alarm + 1]
    return DriftReport(
        (
            f"{since.mean():.0%} of {len(since)} live predictions were wrong, "
            f"{reference.share:.0%} in training",
        )
    )


def _expected(reference: ErrorReference) -> float:
    """Share of errors to expect, one standard error above the measured one; NaN: not known."""
    if not np.isfinite(reference.share):
        return float("nan")
    count = reference.rows / reference.inflation
    # Nobody is always right: half an error is added on either side.
    share = (reference.share * count + 0.5) / (count + 1)
    return float(share + np.sqrt(share * (1 - share) / count))


def _evidence(values: FloatArray, expected: float) -> FloatArray:
    """Log likelihood ratio of each worse share at each prediction, shape (n, 3)."""
    worse = expected + _WORSE * (1 - expected)
    wrong, right = np.log(worse / expected), np.log((1 - worse) / (1 - expected))
    return np.asarray(np.where(values[:, None] > 0, wrong, right))


def error_rise(errors: npt.ArrayLike, horizon: int) -> DriftReport:
    """
    Look for a rise of the errors, whatever was to be expected.

    Parameters
    ----------
    errors : array-like of shape (n,)
        As in `error_drift`.
    horizon : int
        Predictions whose mean is one observation of ADWIN (river), which wants independent ones.

    Returns
    -------
    DriftReport
        Drifted when ADWIN has seen the mean rise.

    Raises
    ------
    ConfigError
        If river is not installed.
    """
    values = np.asarray(errors, dtype=np.float64)
    whole = len(values) // horizon * horizon
    means = values[len(values) - whole :].reshape(-1, horizon).mean(axis=1)
    detector = library("river.drift", "the test on the live error").ADWIN(delta=_ADWIN_DELTA)
    for mean in means.tolist():
        before = detector.estimation
        detector.update(mean)
        if detector.drift_detected and detector.estimation > before:
            return DriftReport(
                (f"the share of wrong predictions has risen within {len(values)} predictions",)
            )
    return DriftReport()
