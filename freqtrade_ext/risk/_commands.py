"""What the risk rules ask for: closing, reducing, locking, telling; no rule is decided here."""

from dataclasses import dataclass

from freqtrade_ext.risk._close_reasons import CloseReason

__all__ = ["Close", "CloseAll", "Command", "ExitAction", "Lock", "Notify", "Reduce", "StopEntries"]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the whole position now."""

    reason: CloseReason


@dataclass(frozen=True, slots=True)
class Reduce:
    """
    Close a part of the position now.

    Attributes
    ----------
    share : float
        Part of the quantity *held now* that is to be closed; above 0, below 1.
    reason : CloseReason
        Why.
    """

    share: float
    reason: CloseReason


ExitAction = Close | Reduce


@dataclass(frozen=True, slots=True)
class Lock:
    """
    No entries for a while.

    Attributes
    ----------
    market : str or None
        The market that is locked; None: all of them.
    until_ms : int
        First moment at which entries are allowed again, ms since 1970 UTC.
    reason : str
        One sentence for a person.
    """

    market: str | None
    until_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class CloseAll:
    """Close every position; repeated in every look until none is left."""

    reason: CloseReason


@dataclass(frozen=True, slots=True)
class StopEntries:
    """
    Enter nothing; repeated in every look while it holds.

    `until_ms` is None where only a person allows entries again.
    """

    until_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell a person, once."""

    text: str


Command = CloseAll | StopEntries | Notify
