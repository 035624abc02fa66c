"""Weights of training rows."""

import numpy as np
import numpy.typing as npt

__all__ = ["class_weights"]


def class_weights(labels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    r"""
    Weight rows so that every class counts alike.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Class of each row.

    Returns
    -------
    ndarray of shape (n,)
        :math:`n / (k \cdot n_c)` for a row of class c of k classes; the weights sum to n. The
        rule of scikit-learn's ``class_weight="balanced"``.

    Examples
    --------
    >>> class_weights(["hold", "hold", "hold", "buy"]).round(3)
    array([0.667, 0.667, 0.667, 2.   ])
    """
    _, codes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    return np.asarray(len(codes) / (len(counts) * counts))[codes]
