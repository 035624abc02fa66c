"""Start and loop of our strategies, in steps that two kinds of positions can take in one bot."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException

from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.adapters._funding_check import funding_gaps
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters.strategies._guarded_strategy import GuardedStrategy
from freqtrade_ext.errors import ConfigError, CorruptStateError, StoreError
from freqtrade_ext.settings import ExecutionSettings

if TYPE_CHECKING:
    from freqtrade_ext.adapters._live_execution import ExecutionOwner, LiveExecution

__all__ = ["StagedStrategy"]

logger = logging.getLogger(__name__)


class StagedStrategy(GuardedStrategy):
    """
    A guarded strategy whose start and loop have steps.

    Each step of a class ends with the same step of the next class (`super`), so that a strategy of
    two kinds of positions takes the steps of both, each once.
    """

    _execution_settings: ExecutionSettings
    _now_ms = 0
    _books_are_read = False

    @property
    def _is_trading(self) -> bool:
        """Whether this is a trading bot, real or dry-run."""
        return self.dp.runmode in TRADE_MODES

    # Steps

    def prepare(self) -> None:
        """
        Read what an earlier run has left; nothing is asked of the account yet.

        Raises
        ------
        ConfigError, CorruptStateError, StoreError
            If a person has to do something first; the bot does not start.
        """

    def traded_markets(self) -> Sequence[str]:
        """Return the markets whose funding a backtest should know."""
        raise NotImplementedError

    def order_owner(self) -> "ExecutionOwner":
        """Say whose the orders of this bot are."""
        raise NotImplementedError

    def unwind(self, execution: "LiveExecution") -> None:
        """Send what cannot wait for the first loop; the books have what the account shows."""

    def take_over(self) -> None:
        """Go on with what an earlier run has left, now that the orders are guarded."""

    def begin_anew(self) -> None:
        """Forget everything: a search starts its next backtest with the same object."""

    def look(self, now_ms: int) -> None:
        """Look at books and account, before anything is decided."""

    # Freqtrade's calls

    def bot_start(self, **kwargs: Any) -> None:
        """
        Continue what an earlier run has left, under the order guard in live mode.

        Raises
        ------
        OperationalException
            If the bot cannot start. Not ConfigurationError: Freqtrade answers that one with exit
            code 0.
        """
        try:
            self.prepare()
        except (ConfigError, CorruptStateError, StoreError) as error:
            raise OperationalException(str(error)) from error
        if self._is_trading:
            self.start_execution(self._execution_settings, self.order_owner(), self.unwind)
            self.take_over()
        elif self.dp.runmode.value == "backtest" and self.config.get("trading_mode") == "futures":
            for gap in funding_gaps(self.dp, self.traded_markets()):
                logger.warning("[STRATEGY] %s", gap)

    @answer_on_error(None)
    def bot_loop_start(self, current_time: datetime, **kwargs: Any) -> None:
        """Look at the books and the account, before anything is decided."""
        now_ms = to_ms(current_time)
        are_read = False
        try:
            # A clock of a trading bot can be set back as well; its positions are still its own.
            if now_ms < self._now_ms and not self._is_trading:
                self.begin_anew()
            self._now_ms = now_ms
            with self.fresh_books():
                self.loop_execution()
                self.look(now_ms)
            are_read = True
        finally:
            # No entries on books that could not be read. Not before: a person's order comes from
            # another thread, and the books may be waiting for it.
            self._books_are_read = are_read
