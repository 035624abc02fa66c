"""
Every rule of `RegimeScore` is taken out once, and a named test has to turn red.

``python -m rehearsals.planted_bugs`` copies the repository to a temporary folder, changes one text
at a time there, runs the one test that is named beside it, and prints what was caught. Exit code 1
if a bug lives, if a text is no longer found exactly once, or if a test fails without any bug.
"""

from rehearsals.planted_bugs._bug import PlantedBug
from rehearsals.planted_bugs._leverage import LEVERAGE_BUGS
from rehearsals.planted_bugs._positions import POSITION_BUGS
from rehearsals.planted_bugs._records import RECORD_BUGS
from rehearsals.planted_bugs._runner import Outcome, Verdict, misplaced, run
from rehearsals.planted_bugs._signals import SIGNAL_BUGS
from rehearsals.planted_bugs._wiring import WIRING_BUGS

__all__ = ["BUGS", "Outcome", "PlantedBug", "Verdict", "misplaced", "run"]

BUGS: tuple[PlantedBug, ...] = (
    *SIGNAL_BUGS, *LEVERAGE_BUGS, *POSITION_BUGS, *RECORD_BUGS, *WIRING_BUGS,
)  # fmt: skip
