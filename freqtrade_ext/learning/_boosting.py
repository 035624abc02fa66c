"""LightGBM as this package trains it: reproducible, quiet, and on a bounded number of threads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from freqtrade_ext.learning._libraries import let_threads_sleep, library

__all__ = ["BASELINE", "boost", "contributions", "predict_scores"]

FloatArray = npt.NDArray[np.float64]

# Parameters that a configuration may replace (freqai.model_training_parameters).
BASELINE: Mapping[str, Any] = {"n_estimators": 300, "learning_rate": 0.05, "max_depth": 6}

_ROUNDS = ("n_estimators", "num_iterations", "num_boost_round", "num_trees", "n_iter", "max_iter")
_THREADS = ("n_jobs", "nthread", "nthreads", "num_thread", "num_threads")


def boost(
    features: npt.NDArray[Any],
    labels: npt.ArrayLike,
    *,
    objective: str,
    threads: int,
    parameters: Mapping[str, Any] = BASELINE,
    weights: npt.ArrayLike | None = None,
    held_out: "tuple[npt.NDArray[Any], npt.ArrayLike] | None" = None,
    early_stopping: int | None = None,
    names: Sequence[str] | None = None,
    passing: bool = False,
) -> Any:
    """
    Train a LightGBM booster.

    Parameters
    ----------
    features : ndarray of shape (n, f)
        NaN is a value of its own to LightGBM.
    labels : array-like of shape (n,)
        Real numbers, or class numbers from 0.
    objective : str
        LightGBM's, e.g. ``regression``, ``binary``, ``multiclass``.
    threads : int
        Upper bound; a number of threads in `parameters` is not obeyed beyond it.
    parameters : mapping
        LightGBM's parameters by any of its names.
    held_out : (features, labels), optional
        For early stopping after `early_stopping` rounds without progress.
    names : sequence of str, optional
        Of the features, for messages of LightGBM only.
    passing : bool
        For a booster that is asked once and forgotten: it holds on to its training data, which
        saves LightGBM from writing its trees as text and reading them again.

    Returns
    -------
    lightgbm.Booster

    Raises
    ------
    ConfigError
        If LightGBM is not installed.
    """
    let_threads_sleep()
    lightgbm = library("lightgbm", "a model")
    given = dict(parameters)
    rounds = [int(given.pop(name)) for name in _ROUNDS if name in given]
    asked = [int(given.pop(name)) for name in _THREADS if name in given]
    options = {
        "seed": 0,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
        **given,
        "objective": objective,
        "num_threads": max(1, min([threads, *(n for n in asked if n > 0)])),
    }
    if objective == "multiclass":
        options.setdefault("num_class", 3)
    data = lightgbm.Dataset(
        features,
        label=labels,
        weight=weights,
        feature_name=list(names) if names else "auto",
        params=options,
        free_raw_data=True,
    )
    watched = [] if held_out is None else [data.create_valid(held_out[0], label=held_out[1])]
    stop = early_stopping if watched else None
    callbacks = [lightgbm.early_stopping(stop, verbose=False)] if stop else []
    return lightgbm.train(
        options,
        data,
        num_boost_round=rounds[0] if rounds else 300,
        valid_sets=watched,
        callbacks=callbacks,
        keep_training_booster=passing,
    )


def predict_scores(booster: Any, features: npt.NDArray[Any], threads: int) -> FloatArray:
    """Predict: shape (n,) for a regression or two classes, (n, k) for more."""
    if len(features) == 0:
        k = booster.num_model_per_iteration()
        return np.empty((0, k) if k > 1 else 0)
    return np.asarray(booster.predict(features, num_threads=threads), dtype=np.float64)


def contributions(booster: Any, features: npt.NDArray[Any], threads: int) -> FloatArray:
    """
    Compute exact TreeSHAP values with LightGBM's own ``pred_contrib``.

    Returns
    -------
    ndarray of shape (n, k, f + 1)
        For each output its features' contributions, and last the expected value; they sum to the
        raw score. k is 1 for a regression or two classes.
    """
    outputs = int(booster.num_model_per_iteration())
    flat = booster.predict(features, pred_contrib=True, num_threads=threads)
    return np.asarray(flat, dtype=np.float64).reshape(len(features), outputs, -1)
