"""What reconciliation sees and does, as log lines: each difference once, not at every look."""

import logging

from freqtrade_ext.execution import PassReport

__all__ = ["PassDiary"]

logger = logging.getLogger(__name__)


class PassDiary:
    """Writes what is new in a pass."""

    def __init__(self) -> None:
        self._last: frozenset[str] = frozenset()
        self._said: dict[str, tuple[str, str]] = {}  # market and text by key
        self._errors: frozenset[str] = frozenset()

    def write_look(self, report: PassReport) -> None:
        """
        Log what a look at the account has shown.

        A difference that only one look shows is as a rule an order between that look and the books:
        nothing is done about it, and nobody is told.
        """
        seen = {each.key: each for each in report.differences}
        hidden = {each.market for each in report.deferred}
        for key, (market, _) in list(self._said.items()):
            if key not in seen and market not in hidden:
                del self._said[key]
                left = f"{len(self._said)} still there" if self._said else "nothing is left of any"
                logger.info("[SAFETY] settled: %s (%s)", key, left)
        for key, difference in seen.items():
            told = (difference.market, difference.text)
            if key in self._last and self._said.get(key) != told:
                self._said[key] = told
                logger.warning("[SAFETY] %s: %s", difference.kind, difference.text)
        self._last = frozenset(seen)
        self.write(report)

    def write(self, report: PassReport) -> None:
        """Log actions, and errors that the last pass did not have."""
        for action in report.actions:
            level = logging.WARNING if action.is_done else logging.INFO
            logger.log(level, "[SAFETY] %s: %s", action.market, action.text)
        for error in report.errors:
            if error not in self._errors:
                logger.warning("[SAFETY] reconciliation could not be finished: %s", error)
        self._errors = frozenset(report.errors)
