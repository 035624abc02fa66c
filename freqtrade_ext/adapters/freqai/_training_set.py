"""FreqAI's frames as the arrays that models learn from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from freqtrade_ext.adapters._candles import epoch_ms
from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import TrainingRows

__all__ = ["AHEAD", "MOVE", "SIDE", "TrainingSet", "training_set"]

# Columns of a frame with labels that FreqAI has no place for.
MOVE, SIDE, AHEAD = "label_move", "label_side", "label_ahead"


@dataclass(frozen=True)
class TrainingSet:
    """Rows to learn from, their labels in volatilities, and their features before the pipeline."""

    rows: TrainingRows
    scaled: np.ndarray
    names: list[str]
    raw: pd.DataFrame
    weights: np.ndarray | None
    start_ms: int
    end_ms: int


def training_set(frame: pd.DataFrame, dk: FreqaiDataKitchen, pipeline: Any) -> TrainingSet:
    """
    Take the rows that have features and a label, in the order of time.

    FreqAI's own split and shuffle are left out: rows are judged by walk-forward folds, which must
    know their time.

    Raises
    ------
    InfeasibleError
        If no row is left.
    """
    label = dk.label_list[0]
    columns = [label, MOVE, SIDE, AHEAD]
    kept, labels = dk.filter_features(frame, dk.training_features_list, columns)
    if kept.empty:
        raise InfeasibleError(f"{dk.pair}: no candle has both all features and a label")
    labels = labels.assign(start=frame.index.get_indexer(kept.index))
    weights = np.ones(len(kept))
    weighted = dk.freqai_config["feature_parameters"].get("weight_factor", 0) > 0
    if weighted:
        weights = np.asarray(dk.set_weights_higher_recent(len(kept)))
    dk.feature_pipeline = pipeline
    features, labels, weights = pipeline.fit_transform(kept, labels, weights)
    dates = frame["date"]
    dk.data_dictionary = {
        "train_features": features,
        "train_labels": labels[[label]],
        "train_dates": dk.train_dates,
    }
    start = labels["start"].to_numpy(dtype=np.int64)
    return TrainingSet(
        rows=TrainingRows(
            features=features.to_numpy(dtype=np.float32),
            side=labels[SIDE].to_numpy(dtype=np.int64),
            moves=labels[MOVE].to_numpy(dtype=np.float64),
            start=start,
            end=start + labels[AHEAD].to_numpy(dtype=np.int64),
        ),
        scaled=labels[label].to_numpy(dtype=np.float64),
        names=[str(name) for name in features.columns],
        raw=kept,
        weights=weights if weighted else None,
        start_ms=int(epoch_ms(dates.iloc[:1])[0]),
        end_ms=int(epoch_ms(dates.iloc[-1:])[0]),
    )
