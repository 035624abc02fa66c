"""Deterministic simulation: guard, coordinator, watcher and recovery against the sandbox engine.

One process, a virtual clock, and a seed from which everything random comes; see
docs/simulation.md.
"""

from rehearsals.simulation._episode import Outcome, fault_of, run_episode
from rehearsals.simulation._faults import FaultClass
from rehearsals.simulation._summary import Summary

__all__ = ["FaultClass", "Outcome", "Summary", "fault_of", "run_episode"]
