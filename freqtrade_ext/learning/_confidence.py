"""A model's confidence as other rules read it: a number from 0 to 100 for each candle."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["ConfidenceSource", "long_confidence", "side_confidence"]

FloatArray = npt.NDArray[np.float64]


class ConfidenceSource(Protocol):
    """Whatever can say how likely a trade with these sixteen features is to gain."""

    def confidence(self, features: npt.ArrayLike) -> FloatArray:
        """Predict probabilities, (n, 16) -> (n,), 0 to 1; NaN where there is no model."""


def side_confidence(
    probability: npt.ArrayLike, answered: npt.ArrayLike | None = None
) -> FloatArray:
    """
    Turn probabilities into confidence from 0 to 100.

    Parameters
    ----------
    probability : array-like of shape (n,)
        Of the side in question (buy for a long, sell for a short), or of a gain.
    answered : array-like of shape (n,), optional
        FreqAI's ``do_predict``: 1 where the model has judged the candle. Everything else, an
        expired model included, is no confidence; FreqAI writes zeros there.

    Returns
    -------
    ndarray of shape (n,)
        NaN where no model has answered.
    """
    values = 100 * np.asarray(probability, dtype=np.float64)
    if answered is not None:
        values = np.where(np.asarray(answered) == 1, values, np.nan)
    return np.where(np.isfinite(values), np.clip(values, 0, 100), np.nan)


def long_confidence(up: npt.ArrayLike, down: npt.ArrayLike) -> FloatArray:
    r"""
    Turn the probabilities of a rise and of a fall into the confidence in a long.

    Parameters
    ----------
    up, down : array-like of shape (n,)
        Probabilities; what is left to 1 is neither (hold).

    Returns
    -------
    ndarray of shape (n,)
        0 to 1, where 0.5 says nothing; that of a short is 1 less it. NaN where one is NaN.

    Notes
    -----
    :math:`p_{up} + p_{hold} / 2 = (1 + p_{up} - p_{down}) / 2`: neither counts half for each side.
    So models of two and of three classes are on one scale: one that knows nothing says 0.5 however
    seldom the market moves, and one that expects no move says nothing of its direction.

    Examples
    --------
    >>> long_confidence([0.25, 0.75, 0.5], [0.25, 0.25, 0.0]).tolist()
    [0.5, 0.75, 0.75]
    """
    rise, fall = (np.asarray(each, dtype=np.float64) for each in (up, down))
    return np.asarray((1.0 + rise - fall) / 2.0)
