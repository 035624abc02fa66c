"""Features and labels as FreqAI's columns: the same for training and for prediction."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pandas import DataFrame

from freqtrade_ext.adapters.freqai._training_set import AHEAD, MOVE, SIDE
from freqtrade_ext.learning import (
    LabelSettings,
    candle_features,
    label_target,
    spread_features,
)

__all__ = ["OWN_COLUMNS", "add_features", "add_labels"]

# What labels are made of, kept in the frame between FreqAI's two calls.
_DEPENDENT, _REGRESSOR, _HEDGE = "target_dependent", "target_regressor", "target_hedge_ratio"
# Columns that are of no use to a strategy.
OWN_COLUMNS = (_DEPENDENT, _REGRESSOR, _HEDGE, MOVE, SIDE, AHEAD)


def add_features(frame: DataFrame, spread: Mapping[str, np.ndarray] | None = None) -> DataFrame:
    """
    Add the features, as FreqAI's ``%-`` columns.

    Parameters
    ----------
    frame : DataFrame
        Candles of the market.
    spread : mapping, optional
        Of the spread that the market's model predicts, one value a candle: what
        `spread_features` needs, and the closes ``dependent`` and ``regressor``.
    """
    features = candle_features(frame).add_prefix("%-")
    added: dict[str, Any] = {str(name): values for name, values in features.items()}
    if spread is not None:
        added |= {f"%-{name}": values for name, values in spread_features(spread).items()}
        added[_DEPENDENT] = spread["dependent"]
        added[_REGRESSOR] = spread["regressor"]
        added[_HEDGE] = spread["hedge_ratio"]
    return frame.assign(**added)


def add_labels(frame: DataFrame, target: str, settings: LabelSettings) -> DataFrame:
    """
    Add the label ``&-<target>`` (the move in volatilities) and what else models learn from.

    Only candles of `frame` are read: FreqAI cuts it where the training ends.
    """
    if _HEDGE in frame:
        values = (_numbers(frame, _DEPENDENT), _numbers(frame, _REGRESSOR), _numbers(frame, _HEDGE))
        labels = label_target(values, settings)
    else:
        close, high, low = (_numbers(frame, name) for name in ("close", "high", "low"))
        labels = label_target(close, settings, high=high, low=low)
    return frame.assign(
        **{
            f"&-{target}": labels.scaled,
            MOVE: labels.move,
            SIDE: labels.side,
            AHEAD: labels.ahead,
        }
    )


def _numbers(frame: DataFrame, name: str) -> np.ndarray:
    return frame[name].to_numpy(dtype=np.float64)
