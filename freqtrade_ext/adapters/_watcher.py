"""A thread that looks at the account every few seconds, over a connection of its own.

It never touches the books and never sends an order: it leaves what it has seen for the bot's loop.
"""

import copy
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

import requests

from freqtrade_ext.adapters._callbacks import answer_on_error
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    AccountSnapshot,
    Clock,
    RequestBudget,
    Venue,
    WatchPlan,
    take_snapshot,
)

__all__ = ["Watcher", "own_connection"]

logger = logging.getLogger(__name__)

_SAY_AGAIN_MS: Final = 60_000
_MISSED_BEATS: Final = 6
_SILENT_MS: Final = 60_000  # a look may take long: some exchanges answer only after a time-out


def own_connection(api: Any) -> Any:
    """
    Copy a ccxt object so that another thread can use it.

    Markets are shared; the session, the options and the throttling are the copy's own.
    """
    own = copy.copy(api)
    own.options = copy.deepcopy(api.options)
    own.session = requests.Session()
    own.session.trust_env = api.session.trust_env
    own.last_response_headers = None
    return own


class Watcher:
    """
    Looks at the account in the background.

    Parameters
    ----------
    venue : Venue
        On its own connection.
    budget : RequestBudget
        Request weight that it may spend.
    markets : callable
        Markets with something going on: their open orders are asked for at each look.
    beat : callable
        Called at each look, e.g. to keep the lease. Its errors do not stop the looks, nor the other
        way round.
    clock : Clock
    every_seconds : float
    """

    def __init__(
        self,
        venue: Venue,
        budget: RequestBudget,
        markets: Callable[[], frozenset[str]],
        beat: Callable[[], None],
        clock: Clock,
        every_seconds: float,
    ) -> None:
        self._venue = venue
        self._plan = WatchPlan(budget)
        self._markets = markets
        self._beat = beat
        self._clock = clock
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._latest: AccountSnapshot | None = None
        self._said_ms = 0
        self._beaten_ms = 0

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs, is to run on, and its last successful beat is not long ago."""
        if self._thread is None or not self._thread.is_alive() or self._stopping.is_set():
            return False
        allowed_ms = max(_SILENT_MS, _MISSED_BEATS * self._every_seconds * 1000)
        return self._clock.now_ms() - self._beaten_ms < allowed_ms

    def start(self) -> None:
        """Look from now on; also after `stop`."""
        # An event of its own: a thread that hangs in a request must still end later.
        self._stopping = threading.Event()
        self._beaten_ms = self._clock.now_ms()
        self._thread = threading.Thread(
            target=self._run, args=(self._stopping,), name="ext-watcher", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns when the thread has ended, or its last request hangs."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def take(self) -> AccountSnapshot | None:
        """Hand over what was seen since the last call, once."""
        seen, self._latest = self._latest, None
        return seen

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self.look()
            stopping.wait(self._every_seconds)

    def look(self) -> None:
        """Beat, and look once; a failed look leaves nothing, which is no flat account."""
        self._keep_beating()
        if not self._see():
            self._latest = None

    @answer_on_error(None)
    def _keep_beating(self) -> None:
        self._beat()
        self._beaten_ms = self._clock.now_ms()

    @answer_on_error(False)
    def _see(self) -> bool:
        """Leave what is seen, if the budget allows a look; False if the look failed."""
        try:
            asked = self._plan.next(self._markets(), self._clock.now_ms())
            if asked is not None:
                self._latest = take_snapshot(self._venue, self._clock, asked.markets)
        except (VenueError, StoreError) as error:
            now_ms = self._clock.now_ms()
            if now_ms - self._said_ms >= _SAY_AGAIN_MS:
                self._said_ms = now_ms
                logger.warning("[SAFETY] the watcher could not look at the account: %s", error)
            return False
        return True
