"""Rows with a planted signal, or with none."""

import numpy as np

from freqtrade_ext.learning import TrainingRows

__all__ = ["NAMES", "rows_with_signal", "small_trees"]

NAMES = tuple(f"f{number}" for number in range(6))

# Enough for a planted signal, in a second.
small_trees = {"n_estimators": 40, "learning_rate": 0.1, "max_depth": 4}


def rows_with_signal(seed: int, strength: float, size: int = 1500) -> TrainingRows:
    """Moves of 1 % noise plus `strength` % of a known function of two of six features."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((size, 6))
    signal = np.tanh(features[:, 0] * features[:, 1] + features[:, 2])
    moves = 0.01 * (rng.standard_normal(size) + strength * signal)
    side = np.where(moves > 0.005, 1, np.where(moves < -0.005, -1, 0))
    start = np.arange(size)
    return TrainingRows(features, side, moves, start, start + 5)
