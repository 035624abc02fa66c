"""What reconciliation sees and does, as log lines: each difference once, not at every look."""

import logging
from typing import Final

from freqtrade_ext.execution import Difference, DifferenceKind, PassReport

__all__ = ["PassDiary"]

logger = logging.getLogger(__name__)

# Not every look asks for the orders of every market; what is canceled is told by its action.
_OF_ORDERS: Final = frozenset({DifferenceKind.FOREIGN_ORDER, DifferenceKind.STALE_ORDER})


class PassDiary:
    """Writes what is new in a pass."""

    def __init__(self) -> None:
        self._last: frozenset[str] = frozenset()
        self._said: dict[str, Difference] = {}
        self._errors: frozenset[str] = frozenset()

    def write_look(self, report: PassReport) -> None:
        """
        Log what a look at the account has shown.

        A difference that only one look shows is as a rule an order between that look and the books:
        nothing is done about it, and nobody is told.
        """
        seen = {each.key: each for each in report.differences}
        hidden = {each.market for each in report.deferred}
        for key, difference in list(self._said.items()):
            if key not in seen and difference.market not in hidden:
                del self._said[key]
                self._write_settled(difference)
        for key, difference in seen.items():
            told = self._said.get(key)
            if key in self._last and (told is None or told.text != difference.text):
                self._said[key] = difference
                logger.warning("[SAFETY] %s: %s", difference.kind, difference.text)
        self._last = frozenset(seen)
        self.write(report)

    def _write_settled(self, difference: Difference) -> None:
        if difference.kind in _OF_ORDERS:
            return
        left = f"{len(self._said)} still open" if self._said else "none is open"
        logger.info("[SAFETY] settled: %s of %s (%s)", difference.kind, difference.market, left)

    def write(self, report: PassReport) -> None:
        """Log actions, and errors that the last pass did not have."""
        for action in report.actions:
            level = logging.WARNING if action.is_done else logging.INFO
            logger.log(level, "[SAFETY] %s: %s", action.market, action.text)
        for error in report.errors:
            if error not in self._errors:
                logger.warning("[SAFETY] reconciliation could not be finished: %s", error)
        self._errors = frozenset(report.errors)
