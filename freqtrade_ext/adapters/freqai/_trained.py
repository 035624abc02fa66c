"""What FreqAI stores as its model: everything that a later prediction needs, in one object."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from freqtrade_ext.learning import DriftReference, ErrorReference

__all__ = ["ANSWERS", "Answering", "TrainedModel"]

# Columns that every model of ours returns beside its label. Not ``sell`` and ``buy``: Freqtrade
# takes columns of these names for signals of an old interface, and acts on them.
ANSWERS = ("probability_sell", "probability_hold", "probability_buy")

_NOT_KNOWN = ErrorReference()


class Answering(Protocol):
    """What answers for rows of features."""

    @property
    def importance(self) -> dict[str, float]:
        """Share of each feature in what was learned."""

    def contributions(self, features: Any) -> Any:
        """Attribute raw scores to features."""


@dataclass(frozen=True)
class TrainedModel:
    """
    A model and its circumstances.

    Attributes
    ----------
    model : object
        Of `freqtrade_ext.learning`.
    label : str
        Column of the frame that it was trained on; it says which market or spread.
    trained_ms : int
        End of its data, UTC milliseconds; what its age is counted from.
    expected : ErrorReference
        Its errors on candles that it had not seen.
    reference : DriftReference or None
        The training data as far as drift needs it.
    """

    model: Any
    label: str
    trained_ms: int
    expected: ErrorReference = _NOT_KNOWN
    reference: DriftReference | None = None

    @property
    def feature_importances_(self) -> npt.NDArray[np.float64]:
        """Shares of the gain, for FreqAI's own plot."""
        return np.array(list(self.model.importance.values()))
