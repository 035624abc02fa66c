"""Why a model says what it says, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Driver", "Explanation", "TradeLevels", "explain"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Driver:
    """One feature's value and its exact share of the raw score (TreeSHAP)."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class TradeLevels:
    """Prices (or spread values) of a trade; the side follows from stop and target."""

    entry: float
    stop: float
    target: float

    @property
    def side(self) -> Literal["long", "short"]:
        """Direction of the trade."""
        return "long" if self.target > self.entry else "short"

    @property
    def risk_reward(self) -> float:
        """Gain at the target over loss at the stop; NaN where the stop is not on the other side."""
        gain, loss = self.target - self.entry, self.entry - self.stop
        return gain / loss if gain * loss > 0 else float("nan")

    def text(self) -> str:
        """Return one sentence."""
        ratio = self.risk_reward
        if not np.isfinite(ratio):
            return (
                f"Stop {self.stop:.6g} and target {self.target:.6g} are on the same side of the "
                f"entry {self.entry:.6g}: no risk/reward."
            )
        return (
            f"{self.side.capitalize()} from {self.entry:.6g}: stop {self.stop:.6g}, target "
            f"{self.target:.6g}, risk/reward 1:{ratio:.2f}."
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    A prediction taken apart.

    `drivers` are sorted by the size of their contribution; `base` plus all contributions is the
    raw score.
    """

    answer: str
    base: float
    drivers: tuple[Driver, ...]
    trade: TradeLevels | None = None

    @property
    def score(self) -> float:
        """The model's raw score."""
        return self.base + sum(driver.contribution for driver in self.drivers)

    def text(self, top: int = 3) -> str:
        """Return the strongest drivers for and against, and the trade, in words."""
        moving = [driver for driver in self.drivers if driver.contribution != 0]
        named = moving[:top]
        parts = [f"{self.answer}."]
        for word, sign in (("For it", 1), ("Against it", -1)):
            drivers = [each for each in named if each.contribution * sign > 0]
            if drivers:
                listed = ", ".join(
                    f"{each.name} at {each.value:.4g} ({each.contribution:+.3f})"
                    for each in drivers
                )
                parts.append(f"{word}: {listed}.")
        if not moving:
            parts.append("No feature speaks for or against it.")
        elif rest := moving[top:]:
            total = sum(each.contribution for each in rest)
            parts.append(f"{len(rest)} other features together: {total:+.3f}.")
        if self.trade is not None:
            parts.append(self.trade.text())
        return " ".join(parts)


def explain(
    contributions: FloatArray,
    names: Sequence[str],
    values: npt.ArrayLike,
    *,
    answer: str,
    trade: TradeLevels | None = None,
) -> Explanation:
    """
    Explain one prediction.

    Parameters
    ----------
    contributions : ndarray of shape (f + 1,)
        Of each feature, and last the expected value, as `contributions` of a model returns them.
    names : sequence of str
        Of the f features.
    values : array-like of shape (f,)
        Of the features.
    answer : str
        What the score speaks for, e.g. ``buy, 61% probable``.
    trade : TradeLevels, optional
        Added to the words.

    Raises
    ------
    ValueError
        If the lengths do not fit.
    """
    given = np.asarray(values, dtype=np.float64)
    if len(contributions) != len(names) + 1 or len(given) != len(names):
        raise ValueError(
            f"{len(names)} names need {len(names)} values and {len(names) + 1} contributions, "
            f"got {len(given)} and {len(contributions)}"
        )
    order = np.argsort(-np.abs(contributions[:-1]), kind="stable")
    drivers = tuple(
        Driver(names[index], float(given[index]), float(contributions[index]))
        for index in order.tolist()
    )
    return Explanation(answer, float(contributions[-1]), drivers, trade)
