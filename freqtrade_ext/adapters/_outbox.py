"""Messages to a person that survive a kill between being said and being sent."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from freqtrade_ext.adapters.risk_store import RiskStore
from freqtrade_ext.errors import CorruptStateError

__all__ = ["MESSAGES", "Outbox"]

MESSAGES: Final = "messages"  # {"texts": [str, ...]}: said, and perhaps not sent


class Outbox:
    """
    Says everything at least once.

    Freqtrade collects a strategy's messages and sends them when the loop is over; what it has
    collected is gone with its process. So a text is written down before it is handed over, and
    struck out when a later loop finds that Freqtrade has sent it. What is still written down at a
    start is said again: a kill at the end of a loop can make a person read a message twice.

    Parameters
    ----------
    store : RiskStore
        Where the texts are written down.
    send : callable
        Hands a text over to Freqtrade.
    waiting : callable
        Returns the texts that Freqtrade has collected and not sent yet.

    Raises
    ------
    CorruptStateError
        If what is written down cannot be read.
    """

    def __init__(
        self,
        store: RiskStore,
        send: Callable[[str], None],
        waiting: Callable[[], Collection[str]],
    ) -> None:
        self._store = store
        self._send = send
        self._waiting = waiting
        self._texts: tuple[str, ...] = _read(store)

    def resume(self) -> None:
        """Say again what an earlier run may not have sent."""
        for text in self._texts:
            self._send(text)

    def settle(self, now_ms: int) -> None:
        """Strike out what has been sent since; once a loop."""
        waiting = set(self._waiting())
        texts = tuple(text for text in self._texts if text in waiting)
        if texts != self._texts:
            self._store.save({MESSAGES: _document(texts)}, now_ms)
            self._texts = texts

    def say(self, text: str) -> None:
        """Hand a text over that cannot be written down."""
        self._send(text)

    def tell(self, text: str, now_ms: int) -> None:
        """Write a text down, then hand it over."""
        self.tell_with({}, [text], now_ms)

    def tell_with(
        self, documents: Mapping[str, Mapping[str, Any] | None], texts: Sequence[str], now_ms: int
    ) -> None:
        """
        Save documents and the texts that tell of them, both or neither; then hand the texts over.

        A text that is written down already is not said again.

        Raises
        ------
        StoreError
            If the database does not take it; nothing is said then.
        """
        new = [text for text in texts if text not in self._texts]
        pending = (*self._texts, *new)
        changed = dict(documents)
        if new:
            changed[MESSAGES] = _document(pending)
        if not changed:
            return
        self._store.save(changed, now_ms)
        self._texts = pending
        for text in new:
            self._send(text)


def _document(texts: Sequence[str]) -> dict[str, list[str]] | None:
    return {"texts": list(texts)} if texts else None


def _read(store: RiskStore) -> tuple[str, ...]:
    document = store.read(MESSAGES)
    if document is None:
        return ()
    texts = document.get("texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise CorruptStateError(
            f"table ext_risk, row {MESSAGES!r}: it holds no list of texts; delete the row: only "
            "messages that were not sent are in it"
        )
    return tuple(texts)
