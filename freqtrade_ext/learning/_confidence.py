"""A model's confidence as other rules read it: a number from 0 to 100 for each candle."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["ConfidenceSource", "side_confidence"]

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
