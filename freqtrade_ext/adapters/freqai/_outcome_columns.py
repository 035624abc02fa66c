"""The sixteen features of the outcome model as FreqAI's columns."""

import numpy as np
from pandas import DataFrame

from freqtrade_ext.learning import OUTCOME_FEATURES, outcome_features

__all__ = ["OUTCOME_COLUMNS", "add_outcome_features"]

OUTCOME_COLUMNS = tuple(f"%-{name}" for name in OUTCOME_FEATURES)


def add_outcome_features(frame: DataFrame) -> DataFrame:
    """
    Add what a trade entered after each candle would look like; NaN where candles do not tell.

    A column of the frame with a feature's own name (``signal_score``, ``leverage``) is taken over.
    """
    known = {name: frame[name].to_numpy() for name in OUTCOME_FEATURES if name in frame}
    table = outcome_features(frame, range(len(frame)), known)
    return frame.assign(
        **{name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(OUTCOME_COLUMNS)}
    )
