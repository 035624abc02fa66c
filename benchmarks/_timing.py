"""Side-by-side timing: A B A B ..., so that a drift of the machine hits both."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Wall-clock and processor seconds of one run (children included)."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Runs of two alternatives, taken in turn."""

    ours: list[Sample]
    peer: list[Sample]

    def ratios(self, what: str) -> list[float]:
        """Ratio ours / peer, pair by pair."""
        return [
            getattr(a, what) / getattr(b, what) for a, b in zip(self.ours, self.peer, strict=True)
        ]

    def differences(self, what: str) -> list[float]:
        """Difference ours - peer in seconds, pair by pair."""
        return [
            getattr(a, what) - getattr(b, what) for a, b in zip(self.ours, self.peer, strict=True)
        ]


def side_by_side(ours: Callable[[], None], peer: Callable[[], None], runs: int) -> Comparison:
    """Time both in turn after one uncounted run of each."""
    ours()
    peer()
    pairs = [(timed(ours), timed(peer)) for _ in range(runs)]
    return Comparison([a for a, _ in pairs], [b for _, b in pairs])


def timed(run: Callable[[], None]) -> Sample:
    """Time one run."""
    cpu, wall = _cpu(), time.perf_counter()
    run()
    return Sample(time.perf_counter() - wall, _cpu() - cpu)


def spread(values: list[float], unit: str = "") -> str:
    """Say median, minimum and maximum."""
    return (
        f"{statistics.median(values):.3g}{unit} "
        f"(min {min(values):.3g}{unit}, max {max(values):.3g}{unit}, n={len(values)})"
    )


def _cpu() -> float:
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total
