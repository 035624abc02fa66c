"""What reconciliation sees and does, as log lines: each difference once, not at every look."""

import logging

from freqtrade_ext.execution import PassReport

__all__ = ["PassDiary"]

logger = logging.getLogger(__name__)


class PassDiary:
    """Writes what is new in a pass."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._errors: frozenset[str] = frozenset()

    def write_look(self, report: PassReport) -> None:
        """Log what a look at the account has shown."""
        for difference in report.differences:
            if self._seen.get(difference.key) != difference.text:
                logger.warning("[SAFETY] %s: %s", difference.kind, difference.text)
        self._seen = {each.key: each.text for each in report.differences}
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
