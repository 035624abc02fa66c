"""How many combinations each step of a scan leaves."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Funnel", "FunnelStep", "Progress", "Stage"]

from typing import Protocol


class Stage(StrEnum):
    """Steps of a scan, in their order; each leaves a part of the one before unless it says so."""

    COMBINATIONS = "combinations"  # of two of the markets that take part
    FAMILY = "family"  # left by the screen and tested
    RAW_ONE = "raw, one direction"  # compared only: p at the raw level in at least one direction
    RAW = "raw"  # compared only: p at the raw level in both directions
    BH = "Benjamini-Hochberg"  # compared only, if Benjamini-Yekutieli is the control
    BY = "Benjamini-Yekutieli"  # compared only, unless it is the control
    VOLATILITY = "steady volatility"  # also with the volatility of both legs made steady
    TRADABLE = "tradable"  # hedge ratio, half-life and expected move within limits
    JOHANSEN = "Johansen"
    BOOTSTRAP = "bootstrap"
    CONFIRMED = "confirmed"  # on later data
    CHOSEN = "chosen"  # no market twice, best first, limited number


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """What one step leaves."""

    stage: Stage
    count: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """
    Counts of all steps of one scan.

    Parameters
    ----------
    steps : tuple of FunnelStep
        One each, in the order of `Stage`.
    untestable : int
        Combinations of the family that could not be tested (not in ``FAMILY``).
    expected_by_chance : float
        Combinations that the raw level would accept in one given direction if nothing were
        cointegrated: family size times level. Both directions at once are fewer.
    """

    steps: tuple[FunnelStep, ...]
    untestable: int
    expected_by_chance: float

    def count(self, stage: Stage) -> int:
        """Combinations that `stage` leaves."""
        return next(step.count for step in self.steps if step.stage is stage)


class Progress(Protocol):
    """
    Hears how far a scan is; whatever it raises ends the scan, which leaves nothing behind.

    `step` names the work, `done` of `total` units of it are finished (`total` at least 1).
    """

    def __call__(self, step: str, done: int, total: int) -> None:
        """Hear that `done` of `total` units of `step` are finished."""
        ...  # pragma: no cover
