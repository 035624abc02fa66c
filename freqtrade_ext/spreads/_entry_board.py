"""Which spreads ask to be entered on each candle: ranked, and no market claimed twice.

Freqtrade gives a market one entry signal a candle. Spreads that share a market therefore compete:
on each candle they are taken in the order of their expected edge, and a spread whose market has
been taken is left out of that candle.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.spreads._events import Direction, LegName
from freqtrade_ext.spreads._spec import SpreadSpec
from freqtrade_ext.spreads._walk_forward import SpreadTrack

__all__ = ["Candidate", "EntryBoard", "rank_entries"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A spread that asks to be entered after the candle that opened at `time_ms` has closed."""

    time_ms: int
    spread_id: str
    leg_a: str
    leg_b: str
    direction: Direction
    z_score: float
    edge: float


@dataclass(frozen=True, slots=True)
class EntryBoard:
    """Candidates by candle, best edge first, leg-disjoint within a candle."""

    by_time: Mapping[int, tuple[Candidate, ...]]

    def at(self, time_ms: int) -> tuple[Candidate, ...]:
        """Candidates of the candle that opened at `time_ms`."""
        return self.by_time.get(time_ms, ())

    def of_market(self, market: str) -> list[tuple[Candidate, LegName]]:
        """Every candidate that has `market` as a leg, with that leg's name."""
        return [
            (candidate, LegName.A if candidate.leg_a == market else LegName.B)
            for candidates in self.by_time.values()
            for candidate in candidates
            if market in (candidate.leg_a, candidate.leg_b)
        ]


def rank_entries(
    requests: Iterable[tuple[SpreadSpec, SpreadTrack, npt.NDArray[np.int8], float]],
) -> EntryBoard:
    """
    Rank the entries that spreads ask for.

    Parameters
    ----------
    requests : iterable of (spec, track, directions, exit_z)
        For each spread its track and the directions from `entry_directions`.

    Returns
    -------
    EntryBoard
        The edge that ranks is the distance to the exit band as a ratio of leg A's notional, so
        that spreads of log prices and of prices compare.
    """
    asked: defaultdict[int, list[Candidate]] = defaultdict(list)
    for spec, track, directions, exit_z in requests:
        for row in np.flatnonzero(directions):
            time_ms, z_score = int(track.time_ms[row]), float(track.z_score[row])
            unit = track.dependent_at(time_ms) if spec.hedge_space == "price" else 1.0
            asked[time_ms].append(
                Candidate(
                    time_ms=time_ms,
                    spread_id=spec.spread_id,
                    leg_a=spec.leg_a,
                    leg_b=spec.leg_b,
                    direction=Direction.LONG if directions[row] > 0 else Direction.SHORT,
                    z_score=z_score,
                    edge=(abs(z_score) - exit_z) * float(track.scale[row]) / unit,
                )
            )
    return EntryBoard({time_ms: _disjoint(asked[time_ms]) for time_ms in sorted(asked)})


def _disjoint(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    taken: set[str] = set()
    chosen = []
    for candidate in sorted(candidates, key=lambda c: (-c.edge, c.spread_id)):
        if candidate.leg_a not in taken and candidate.leg_b not in taken:
            chosen.append(candidate)
            taken |= {candidate.leg_a, candidate.leg_b}
    return tuple(chosen)
