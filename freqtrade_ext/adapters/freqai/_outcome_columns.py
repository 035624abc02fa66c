"""The sixteen features of the outcome model as FreqAI's columns."""

from collections.abc import Mapping

import numpy as np
from pandas import DataFrame

from freqtrade_ext.learning import OUTCOME_FEATURES, outcome_features

__all__ = ["OUTCOME_COLUMNS", "add_outcome_features"]

OUTCOME_COLUMNS = tuple(f"%-{name}" for name in OUTCOME_FEATURES)


def add_outcome_features(
    frame: DataFrame, known: Mapping[str, np.ndarray] | None = None
) -> DataFrame:
    """
    Add what a trade entered after each candle would look like; NaN where candles do not tell.

    What is `known` beside them (``signal_score``, ``leverage``), one value a candle, is taken over,
    and so is a column of the frame with a feature's own name.
    """
    given = {name: frame[name].to_numpy() for name in OUTCOME_FEATURES if name in frame}
    table = outcome_features(frame, range(len(frame)), given | dict(known or {}))
    return frame.assign(
        **{name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(OUTCOME_COLUMNS)}
    )
