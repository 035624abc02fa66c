"""What a person is told about a difference, and what the person decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from freqtrade_ext.execution._differences import DifferenceKind

__all__ = ["Decision", "Inbox", "InboxItem"]


class Decision(StrEnum):
    """What a person wants done; it overrides the policy for as long as the difference lasts."""

    ADOPT = "adopt"  # the books follow the exchange
    CLOSE = "close"  # the exchange follows the books: the excess is closed, the order canceled
    IGNORE = "ignore"  # leave both alone


@dataclass(frozen=True, slots=True)
class InboxItem:
    """
    A difference as a card: opened once, closed when the difference is gone.

    Attributes
    ----------
    key : str
        Key of the difference. A difference that comes back has the same key and a new item.
    opened_ms : int
        When it was opened, ms since 1970.
    kind, market, text :
        What it is.
    policy : str
        ``adopt``, ``flatten`` or ``report``: what is done unless a person decides.
    action_taken : str
        What was done, or why it could not be; empty: nothing.
    decision : Decision, optional
        What a person decided.
    closed_ms : int, optional
        When the difference was gone; None while it lasts.
    id : int
        The inbox gives it; 0: not kept yet.
    """

    key: str
    opened_ms: int
    kind: DifferenceKind
    market: str
    text: str
    policy: str
    action_taken: str = ""
    decision: Decision | None = None
    closed_ms: int | None = None
    id: int = 0


class Inbox(Protocol):
    """Keeps items; persons read and decide from other processes."""

    def open_items(self) -> Sequence[InboxItem]:
        """Return the items that are not closed, oldest first, with the decisions made so far."""

    def save(self, item: InboxItem) -> InboxItem:
        """Keep a new item, or a changed one; never its decision, which is a person's."""

    def decide(self, item_id: int, decision: str) -> None:
        """Write down a person's decision about an open item."""
