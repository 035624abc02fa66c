"""The intents that the guard still has to do with: in memory, and in the store when it can."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from freqtrade_ext.errors import StoreError
from freqtrade_ext.execution._intents import Intent, IntentState
from freqtrade_ext.execution._ports import IntentStore
from freqtrade_ext.execution._resolution import Denials

__all__ = ["Entry", "IntentLedger", "Watch", "log_line"]

logger = logging.getLogger(__name__)


def log_line(level: int, category: str, intent: Intent, text: str) -> None:
    """Log a line about an order, with the fields that a JSON formatter puts apart."""
    names = [
        intent.owner,
        f"leg {intent.leg}" if intent.leg else None,
        f"trade {intent.trade_id}" if intent.trade_id is not None else None,
        intent.client_order_id,
    ]
    logger.log(
        level,
        "[%s] %s: %s",
        category,
        " ".join(name for name in names if name),
        text,
        extra={
            "spread": intent.owner,
            "leg": intent.leg,
            "trade": intent.trade_id,
            "client_order_id": intent.client_order_id,
        },
    )


@dataclass(slots=True)
class Watch:
    """
    When to ask for an order next, and what was answered so far.

    Attributes
    ----------
    since_ms : int
        When its outcome became unknown; for one that had settled, when it settled.
    next_ms, pause_ms : int
        When to ask next; how long to wait after that.
    is_late : bool
        It has settled as absent or rejected, and may surface all the same.
    is_likely : bool
        A fill or the position has spoken for it; where that passes, it is found or absent.
    head_start_ms : int
        How long before that an earlier process wrote it down.
    """

    since_ms: int
    next_ms: int
    pause_ms: int
    is_late: bool = False
    is_likely: bool = False
    head_start_ms: int = 0
    denials: Denials = field(default_factory=Denials)
    error: Exception | None = None


@dataclass(slots=True)
class Entry:
    """
    An intent in memory; it leaves once it `is_done` and the store has its latest state.

    `is_unread`: whether the store has an intent of this name already could not be learned yet.
    """

    intent: Intent
    watch: Watch | None = None
    is_unsaved: bool = False
    is_being_sent: bool = False
    is_unread: bool = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to ask or to book."""
        return not (self.is_being_sent or self.watch or self.intent.is_unsettled)

    def is_awaited(self, now_ms: int, longest_ms: int) -> bool:
        """
        Whether it is worth waiting for what became of the order.

        It is while that is open and nothing speaks for the order; then, once it has failed, until
        its sender has heard of it. `longest_ms` after either it is not.
        """
        if self.watch is None:  # what is confirmed is not watched
            return self.is_being_sent
        return not self.watch.is_likely and now_ms < self.watch.since_ms + longest_ms


class IntentLedger:
    """
    Entries by client order id, for several threads.

    What the store does not take stays here, marked, and is offered again by `save_leftovers`.
    """

    def __init__(self, store: IntentStore) -> None:
        self._store = store
        self._entries: dict[str, Entry] = {}
        self._short = threading.Lock()  # held for a look at memory, never for the store
        self._saving = threading.Lock()  # two threads must not overwrite new with old
        self._keys: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._entries)

    @contextmanager
    def locked(self, intents: Iterable[Intent]) -> Iterator[None]:
        """Hold the locks of the intents' spreads (or markets), taken in one order by everybody."""
        with ExitStack() as stack:
            for key in sorted({_key(intent) for intent in intents}):
                stack.enter_context(self._lock_of(key))
            yield

    @contextmanager
    def locked_if_free(self, intent: Intent) -> Iterator[bool]:
        """Hold the lock of the intent's spread unless another thread does; yield whether."""
        lock = self._lock_of(_key(intent))
        taken = lock.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                lock.release()

    def _lock_of(self, key: str) -> threading.RLock:
        with self._short:
            lock = self._keys.get(key)
            if lock is None:
                lock = self._keys[key] = threading.RLock()
            return lock

    def entries(self) -> list[Entry]:
        """Every entry, the intent written first at the front."""
        with self._short:
            entries = list(self._entries.values())
        return sorted(entries, key=lambda entry: entry.intent.created_ms)

    def get(self, client_order_id: str) -> Entry | None:
        """Entry in memory."""
        with self._short:
            return self._entries.get(client_order_id)

    def find(self, client_order_id: str) -> Intent | None:
        """Intent in memory or in the store."""
        entry = self.get(client_order_id)
        return entry.intent if entry else self._store.find(client_order_id)

    def reserve(self, intent: Intent) -> tuple[Entry, bool]:
        """Enter an intent that is to be sent; return its entry, and whether memory had none."""
        entry = Entry(intent, is_being_sent=True, is_unread=True)
        with self._short:
            known = self._entries.setdefault(intent.client_order_id, entry)
        return known, known is entry

    def recall(self, entry: Entry) -> bool:
        """
        Look for a reserved intent in the store; whether it was there, and is not to be sent.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        stored = self._store.find(entry.intent.client_order_id)
        entry.is_unread = False
        if stored is None:
            return False
        entry.intent, entry.is_being_sent = stored, False
        return True

    def forget(self, entry: Entry) -> None:
        """Let a reserved entry go without a trace; its order was never sent."""
        with self._short:
            self._entries.pop(entry.intent.client_order_id, None)

    def enter(self, intent: Intent, watch: Watch | None = None) -> Entry:
        """Enter an intent that the store had; one in memory is newer and stays."""
        with self._short:
            return self._entries.setdefault(intent.client_order_id, Entry(intent, watch))

    def save(self, entry: Entry) -> None:
        """Write the entry's latest state; StoreError when that is impossible for now."""
        with self._saving:
            intent = entry.intent
            entry.is_unsaved = True
            self._store.save(intent)
            entry.is_unsaved = entry.intent is not intent

    def change(self, entry: Entry, change: Callable[[Intent], Intent]) -> Intent:
        """Change an intent; what the store does not take is kept, and said."""
        with self._short:
            entry.intent = change(entry.intent)
        try:
            self.save(entry)
        except StoreError as error:
            log_line(
                logging.ERROR,
                "SAFETY",
                entry.intent,
                f"{entry.intent.state}, but it could not be saved and is kept in memory: {error}",
            )
        self.drop_if_done(entry)
        return entry.intent

    def drop_if_done(self, entry: Entry) -> None:
        """Let an entry go that is finished and saved: memory stays flat in a long run."""
        with self._short:
            if entry.is_done and not entry.is_unsaved:
                self._entries.pop(entry.intent.client_order_id, None)

    def save_leftovers(self) -> None:
        """Offer the store again what it did not take; gives up at its first refusal."""
        for entry in self.entries():
            # An intent that is being sent is saved by the thread that sends it.
            if not entry.is_unsaved or entry.is_being_sent:
                continue
            try:
                self.save(entry)
            except StoreError as error:
                log_line(logging.WARNING, "SAFETY", entry.intent, f"still not saved: {error}")
                return
            self.drop_if_done(entry)

    def others(self, intent: Intent, since_ms: int) -> list[Intent]:
        """Return the market's other intents in memory, and those written since a time."""
        intents = [entry.intent for entry in self.entries()]
        try:
            intents += self._store.since(since_ms)
        except StoreError as error:
            text = f"other orders could not be read, fewer fills are explained: {error}"
            log_line(logging.WARNING, "SAFETY", intent, text)
        return [
            other
            for other in intents
            if other.market == intent.market and other.client_order_id != intent.client_order_id
        ]

    def load(self, recent_ms: int) -> list[Intent]:
        """Read what is pending, and what was written since a time and has settled."""
        pending = list(self._store.pending())
        ended = (IntentState.ABSENT, IntentState.REJECTED)
        return pending + [
            intent for intent in self._store.since(recent_ms) if intent.state in ended
        ]


def _key(intent: Intent) -> str:
    return f"owner {intent.owner}" if intent.owner else f"market {intent.market}"
