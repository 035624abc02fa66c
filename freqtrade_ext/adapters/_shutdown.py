"""SIGTERM without half a spread: the bot goes on until its legs are at rest, then it ends.

Freqtrade answers SIGTERM with KeyboardInterrupt wherever it stands, even between an exchange's
answer and the database. Here the interrupt is raised at one of two places only: while the bot
sleeps between two loops, or at the start of a loop.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["OrderlyStop"]

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class OrderlyStop:
    """
    Puts off the end of a bot until nothing is in flight.

    Parameters
    ----------
    at_rest : callable
        Whether no order is in flight and every spread is whole or flat.
    is_running : callable
        Whether the bot still loops; a stopped bot would never come to rest.
    patience_seconds : float
        After this the bot ends as it is.
    """

    def __init__(
        self,
        at_rest: Callable[[], bool],
        is_running: Callable[[], bool],
        patience_seconds: float,
    ) -> None:
        self._at_rest = at_rest
        self._is_running = is_running
        self._patience_seconds = patience_seconds
        self._earlier: dict[int, Any] = {}
        self._timer: threading.Timer | None = None
        self.is_asked = False

    def install(self) -> bool:
        """Take over the signals; False outside the main thread, where that is not possible."""
        if threading.current_thread() is not threading.main_thread():
            return False
        for number in _SIGNALS:
            self._earlier[number] = signal.signal(number, self._handle)
        return True

    def remove(self) -> None:
        """Give the signals back."""
        if self._timer is not None:
            self._timer.cancel()
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._earlier.items():
                signal.signal(number, handler)
        self._earlier = {}

    def check(self) -> None:
        """End the bot if it was asked to end and nothing is in flight; for the start of a loop."""
        if self.is_asked and self._at_rest():
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked:  # a second signal, or the end of the patience
            raise KeyboardInterrupt
        self.is_asked = True
        if _is_idle(frame) and (not self._is_running() or self._at_rest()):
            raise KeyboardInterrupt
        logger.warning(
            "[SAFETY] asked to end; orders are in flight, so the bot goes on for up to %.0f s "
            "to bring its legs to rest",
            self._patience_seconds,
        )
        self._timer = threading.Timer(self._patience_seconds, os.kill, (os.getpid(), number))
        self._timer.daemon = True
        self._timer.start()


def _is_idle(frame: FrameType | None) -> bool:
    """Whether the interrupted code is Freqtrade's sleep between two loops."""
    while frame is not None:
        if frame.f_code.co_name == "_sleep" and frame.f_globals["__name__"] == "freqtrade.worker":
            return True
        frame = frame.f_back
    return False
