"""What a model's opinion means for an entry; a missing opinion has a stated meaning too."""

import math
from dataclasses import dataclass
from enum import StrEnum

from freqtrade_ext.learning._settings import LearningSettings

__all__ = ["ModelState", "Opinion", "Verdict", "judge_entry", "judge_gain", "state_verdict"]


class ModelState(StrEnum):
    """Whether a model can be asked."""

    READY = "ready"
    MISSING = "missing"
    STALE = "stale"
    DRIFTED = "drifted"


@dataclass(frozen=True, slots=True)
class Opinion:
    """
    What a model says at one candle.

    `probability_up` is that of the target rising (buy), `probability_down` that of it falling
    (sell); what is left is neither. NaN where the model is missing.
    """

    state: ModelState
    probability_up: float = math.nan
    probability_down: float = math.nan


@dataclass(frozen=True, slots=True)
class Verdict:
    """Factor on the size of an entry, 0 for a veto, and why it is not 1."""

    size_factor: float
    reason: str = ""

    @property
    def vetoes(self) -> bool:
        """Whether there must be no entry."""
        return self.size_factor <= 0


def judge_entry(opinion: Opinion, sign: int, settings: LearningSettings) -> Verdict:
    """
    Judge an entry in a direction.

    Parameters
    ----------
    opinion : Opinion
        Of the candle that gave the signal.
    sign : int
        1 for an entry that gains when the target rises, -1 for one that gains when it falls.
    settings : LearningSettings
        The effects of a missing, stale or drifted model.

    Returns
    -------
    Verdict
        A drifted model has no vote: only its effect counts. A ready model agrees when the
        direction is at least `min_confidence` probable and more probable than the other one; a
        model that sees no difference does not agree.
    """
    state = _state(opinion)
    if state is not ModelState.READY:
        return state_verdict(state, settings)
    up, down = opinion.probability_up, opinion.probability_down
    return _vote(*((up, down) if sign > 0 else (down, up)), settings)


def judge_gain(opinion: Opinion, settings: LearningSettings) -> Verdict:
    """
    Judge an entry by a model of trades, whose probabilities both are that of a gain.

    Which direction the entry has is in the signal already; the model says whether it gains. It
    agrees from `min_confidence` on. Parameters and states as in `judge_entry`.
    """
    state = _state(opinion)
    if state is not ModelState.READY:
        return state_verdict(state, settings)
    gain, wanted = opinion.probability_up, settings.min_confidence
    if gain >= wanted:
        return Verdict(1.0)
    return Verdict(
        0.0,
        f"the model disagrees: it gives a gain {gain:.0%}, {wanted:.0%} is wanted "
        "(ext.learning.min_confidence)",
    )


def _state(opinion: Opinion) -> ModelState:
    """Return the state of a model; one that is ready but has no numbers is missing."""
    told = math.isfinite(opinion.probability_up) and math.isfinite(opinion.probability_down)
    return ModelState.MISSING if opinion.state is ModelState.READY and not told else opinion.state


def state_verdict(state: ModelState, settings: LearningSettings) -> Verdict:
    """Judge by the state of a model alone: the stated effect of one that cannot be asked."""
    if state is ModelState.READY:
        return Verdict(1.0)
    effects = {
        ModelState.MISSING: settings.when_missing,
        ModelState.STALE: settings.when_stale,
        ModelState.DRIFTED: settings.when_drifted,
    }
    effect = effects[state]
    if effect == "no_veto":
        return Verdict(1.0, f"the model is {state}: it has no say")
    if effect == "veto":
        return Verdict(0.0, f"the model is {state} (ext.learning.when_{state} is 'veto')")
    return Verdict(
        settings.smaller_size, f"the model is {state}: size times {settings.smaller_size:g}"
    )


def _vote(wanted: float, other: float, settings: LearningSettings) -> Verdict:
    if wanted >= settings.min_confidence and wanted > other:
        return Verdict(1.0)
    return Verdict(
        0.0,
        f"the model disagrees: it gives this direction {wanted:.0%} and the other {other:.0%}, "
        f"{settings.min_confidence:.0%} is wanted (ext.learning.min_confidence)",
    )
