"""A layer that fails in a trading bot: its market has no signal, and a person is told, once."""

import logging
from collections import Counter
from collections.abc import Callable

from freqtrade_ext.errors import ExtensionError

__all__ = ["LayerAlarm"]

logger = logging.getLogger(__name__)


class LayerAlarm:
    """
    Counts the failures of each market and tells of the first in a row.

    Parameters
    ----------
    tell : callable
        Sends a message to the person.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._failing: set[str] = set()
        self.failures: Counter[str] = Counter()

    def failed(self, market: str, error: ExtensionError) -> None:
        """Note a failure: the market has no signal on this candle."""
        self.failures[market] += 1
        logger.error("[STRATEGY] %s has no signal: %s", market, error, exc_info=error)
        if market not in self._failing:
            self._failing.add(market)
            self._tell(f"⚠️ {market} has no signals: {error}")

    def worked(self, market: str) -> None:
        """Note that a market has a score; the next failure is told again."""
        if market in self._failing:
            self._failing.discard(market)
            self._tell(f"{market} has signals again after {self.failures[market]} failures")
