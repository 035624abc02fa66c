"""What every strategy of ours has in live mode: orders that cannot be lost."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from freqtrade.exceptions import OperationalException
from freqtrade.strategy import IStrategy

from freqtrade_ext.adapters import _log_format as log_format
from freqtrade_ext.adapters._credentials import with_credentials
from freqtrade_ext.errors import ExtensionError
from freqtrade_ext.settings import ExecutionSettings

if TYPE_CHECKING:
    from freqtrade_ext.adapters._live_execution import ExecutionOwner, LiveExecution

__all__ = ["GuardedStrategy"]

logger = logging.getLogger(__name__)


class GuardedStrategy(IStrategy):
    """Base of strategies whose live orders go through the order guard."""

    # Freqtrade lets these keys of a configuration stand above the strategy, and says so in its log
    # only: false would take exits away.
    exit_switches: ClassVar[tuple[str, ...]] = ("use_exit_signal",)
    _execution: "LiveExecution | None" = None

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        for key in self.exit_switches:
            if not config.get(key, True):
                raise OperationalException(
                    f"{key} is false in the configuration, which takes exits of "
                    f"{type(self).__name__} away; remove the key"
                )

    @property
    def is_live(self) -> bool:
        """Whether real orders are sent; a dry run has no exchange that could lose one."""
        return str(self.dp.runmode.value) == "live"

    def guarded_markets(self) -> frozenset[str]:
        """Return the markets that the strategy may trade: its pairlist, unless it knows better."""
        return frozenset(self.config["exchange"].get("pair_whitelist", ()))

    def start_execution(
        self,
        settings: ExecutionSettings,
        owner: "ExecutionOwner",
        then: "Callable[[LiveExecution], None] | None" = None,
    ) -> None:
        """
        Take the account, recover what an earlier run left, and guard every order from now on.

        Parameters
        ----------
        settings : ExecutionSettings
        owner : ExecutionOwner
        then : callable, optional
            Called with the execution as soon as the books have what was found on the account:
            orders that cannot wait for the first loop may be sent with it.

        Raises
        ------
        OperationalException
            If another bot runs on the account, the exchange cannot be asked, or the guard cannot
            work on it; the bot does not start.
        """
        if str(self.dp.runmode.value) not in {"live", "dry_run"}:
            return
        log_format.install(
            with_credentials(self.config, self.dp._exchange._api), settings.log_format
        )
        if not self.is_live:
            return
        if not settings.guard:
            logger.warning(
                "[SAFETY] order guard is OFF (ext.execution.guard is false): an order whose answer "
                "is lost, or a crash while one is sent, leaves a position that nobody manages"
            )
            return
        # Only a live bot needs it; a backtest must not load it.
        from freqtrade_ext.adapters._live_execution import LiveExecution

        started: LiveExecution | None = None
        execution: LiveExecution | None = None
        try:
            execution = LiveExecution(self, settings, owner)
            execution.start(partial(then, execution) if then else None)
            started = execution
        except ExtensionError as error:
            raise OperationalException(str(error)) from error
        finally:
            if execution is not None and started is None:
                execution.end()
        execution.watch()
        self._execution = execution

    def fresh_books(self) -> AbstractContextManager[None]:
        """Hold the books as they are committed, against REST and Telegram."""
        return self._execution.fresh_books() if self._execution else nullcontext()

    def loop_execution(self) -> None:
        """Do what is due at the start of a loop; inside `fresh_books`."""
        if self._execution is not None:
            self._execution.loop()

    def ft_bot_cleanup(self) -> None:
        """End the watcher and give the account back, when the bot ends or reloads."""
        execution, self._execution = self._execution, None
        if execution is not None:
            execution.end()
        super().ft_bot_cleanup()
