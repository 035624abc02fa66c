"""Orders that nobody can answer for, as cards of the inbox."""

from dataclasses import replace

from freqtrade_ext.execution._differences import DifferenceKind, plain
from freqtrade_ext.execution._inbox import Inbox, InboxItem
from freqtrade_ext.execution._intents import Intent
from freqtrade_ext.execution._ports import Clock
from freqtrade_ext.execution._repairs import Guard

__all__ = ["Ghosts", "is_of_ghost"]

_MARK = ":ghost:"


class Ghosts:
    """
    Opens an item for an order that has become a ghost, and closes it once that is known.

    Parameters
    ----------
    guard, inbox, clock :
        As of the reconciler.
    """

    def __init__(self, guard: Guard, inbox: Inbox, clock: Clock) -> None:
        self._guard = guard
        self._inbox = inbox
        self._clock = clock
        self._shown: set[str] | None = None  # None: an earlier run may have left items

    def show(self) -> None:
        """
        Bring the inbox up to date.

        Raises
        ------
        StoreError
            If it takes nothing now; the next call tries again.
        """
        ghosts = {_key(each): each for each in self._guard.open_questions() if each.is_ghost}
        if self._shown == {*ghosts}:
            return
        self._shown = None
        items = {item.key: item for item in self._inbox.open_items() if is_of_ghost(item)}
        for key in sorted({*ghosts} - {*items}):
            self._inbox.save(_item(ghosts[key], key, self._clock.now_ms()))
        for key in sorted({*items} - {*ghosts}):
            self._close(items[key])
        self._shown = {*ghosts}

    def _close(self, item: InboxItem) -> None:
        intent = self._guard.find(item.key.partition(_MARK)[2])
        state = intent.state if intent is not None else "forgotten"
        text = f"it is {state} now"
        self._inbox.save(replace(item, action_taken=text, closed_ms=self._clock.now_ms()))


def is_of_ghost(item: InboxItem) -> bool:
    """Whether an item is about a ghost, and not about a difference."""
    return _MARK in item.key


def _key(intent: Intent) -> str:
    return f"{DifferenceKind.UNKNOWN}:{intent.market}{_MARK}{intent.client_order_id}"


def _item(intent: Intent, key: str, now_ms: int) -> InboxItem:
    return InboxItem(
        key=key,
        opened_ms=now_ms,
        kind=DifferenceKind.UNKNOWN,
        market=intent.market,
        text=(
            f"{intent.market}: whether {intent.client_order_id} ({intent.purpose}, {intent.side} "
            f"{plain(intent.quantity)}) reached the exchange is not known. The bot goes on asking; "
            "do not send it by hand."
        ),
        policy="report",
    )
