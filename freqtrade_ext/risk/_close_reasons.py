"""Why a position was closed: one vocabulary for exits, guards, statistics and messages."""

from enum import StrEnum
from typing import NamedTuple

from freqtrade_ext.errors import ConfigError


class CloseCategory(StrEnum):
    """What guards and statistics need to know about a close reason."""

    STOP = "stop"  # a limit on losses was reached
    TRAILING = "trailing"  # a stop that had followed the price
    TARGET = "target"  # the expected gain was reached
    TIME = "time"  # the position had its time
    SIGNAL = "signal"  # the strategy changed its mind
    RELATION = "relation"  # the two markets of a spread no longer belong together
    ORPHAN = "orphan"  # a leg could not be completed
    PARTNER = "partner"  # the other leg disappeared
    EXTERNAL = "external"  # somebody or something else closed it on the exchange
    MANUAL = "manual"  # a person asked us to close it
    END = "end"  # the run ended


class _Meaning(NamedTuple):
    category: CloseCategory
    emoji: str
    sentence: str


class CloseReason(StrEnum):
    """
    Reason for closing a position; the value is used as Freqtrade's exit reason.

    Every member has a `category` for machines, a `sentence` and an `emoji` for people.
    """

    SL = "SL"
    SL_HIT = "SL_HIT"
    EMERGENCY_SL = "EMERGENCY_SL"
    TP = "TP"
    TP_HIT = "TP_HIT"
    TP1 = "TP1"
    TRAILING = "TRAILING"
    BREAKEVEN = "BREAKEVEN"
    KILL_SWITCH_PARTIAL = "KILL_SWITCH_PARTIAL"
    KILL_SWITCH_FULL = "KILL_SWITCH_FULL"
    TIME_GRADUAL = "TIME_GRADUAL"
    TIME_FORCE = "TIME_FORCE"
    TIME_REDUCE_4H = "TIME_REDUCE_4H"
    TIME_REDUCE_8H = "TIME_REDUCE_8H"
    RECOVERY_EXIT = "RECOVERY_EXIT"
    ADVERSE_TIME_EXIT = "ADVERSE_TIME_EXIT"
    EXTERNAL = "EXTERNAL"
    MANUAL = "MANUAL"
    SIGNAL = "SIGNAL"
    END = "END"
    MEAN_REVERSION = "MEAN_REVERSION"
    SPREAD_STOP = "SPREAD_STOP"
    SPREAD_TIME = "SPREAD_TIME"
    RELATION_BROKEN = "RELATION_BROKEN"
    ORPHAN_LEG = "ORPHAN_LEG"
    PARTNER_CLOSED = "PARTNER_CLOSED"

    @property
    def category(self) -> CloseCategory:
        """Machine category, for guards and statistics."""
        return _MEANINGS[self].category

    @property
    def emoji(self) -> str:
        """One pictogram for Telegram and the UI."""
        return _MEANINGS[self].emoji

    @property
    def sentence(self) -> str:
        """One English sentence for a person who does not know the code."""
        return _MEANINGS[self].sentence

    @property
    def label(self) -> str:
        """Emoji and name, as shown in lists; `from_text` reads it back."""
        return f"{self.emoji} {self.value}"

    @property
    def is_stop_like(self) -> bool:
        """
        Whether a *losing* close for this reason counts for the stop-loss frequency guard.

        Trailing and break-even stops are stop-like too: usually they end in profit, but when
        they do not (a gap, costs), the market has stopped us out like any other stop.
        """
        return self.category in (CloseCategory.STOP, CloseCategory.TRAILING)

    @classmethod
    def from_text(cls, text: str) -> "CloseReason":
        """
        Read a reason as people and databases write it.

        Parameters
        ----------
        text : str
            Name of a reason in any case, with ``_``, ``-`` or blanks between words; an emoji
            in front is ignored.

        Returns
        -------
        CloseReason

        Raises
        ------
        ConfigError
            If no reason has this name; the message lists the valid ones.

        Examples
        --------
        >>> CloseReason.from_text("spread stop").value
        'SPREAD_STOP'
        """
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in text).split()
        name = "_".join(words).upper()
        if name not in cls.__members__:
            valid = ", ".join(cls.__members__)
            raise ConfigError(f"close reason {text!r} is unknown; valid reasons are {valid}")
        return cls[name]


_MEANINGS = {
    CloseReason.SL: _Meaning(CloseCategory.STOP, "🛑", "The stop loss was reached."),
    CloseReason.SL_HIT: _Meaning(
        CloseCategory.STOP, "🛑", "The stop order on the exchange was filled."
    ),
    CloseReason.EMERGENCY_SL: _Meaning(
        CloseCategory.STOP, "🚨", "The price moved against us beyond the emergency limit."
    ),
    CloseReason.TP: _Meaning(CloseCategory.TARGET, "🎯", "The target was reached."),
    CloseReason.TP_HIT: _Meaning(
        CloseCategory.TARGET, "🎯", "The target order on the exchange was filled."
    ),
    CloseReason.TP1: _Meaning(
        CloseCategory.TARGET, "🥇", "The first target was reached; a part was closed."
    ),
    CloseReason.TRAILING: _Meaning(
        CloseCategory.TRAILING, "🪂", "The price turned back to the trailing stop."
    ),
    CloseReason.BREAKEVEN: _Meaning(
        CloseCategory.TRAILING, "⚖️", "The price came back to the break-even stop."
    ),
    CloseReason.KILL_SWITCH_PARTIAL: _Meaning(
        CloseCategory.STOP,
        "🧯",
        "The margin loss reached the first kill-switch level; half was closed.",
    ),
    CloseReason.KILL_SWITCH_FULL: _Meaning(
        CloseCategory.STOP, "☠️", "The margin loss reached the kill-switch limit; all was closed."
    ),
    CloseReason.TIME_GRADUAL: _Meaning(
        CloseCategory.TIME, "⏳", "The position grew old; a part was closed."
    ),
    CloseReason.TIME_FORCE: _Meaning(
        CloseCategory.TIME, "⌛", "The position reached its maximum age."
    ),
    CloseReason.TIME_REDUCE_4H: _Meaning(
        CloseCategory.TIME, "🕓", "The target, lowered after 4 hours, was reached."
    ),
    CloseReason.TIME_REDUCE_8H: _Meaning(
        CloseCategory.TIME, "🕗", "The target, lowered again after 8 hours, was reached."
    ),
    CloseReason.RECOVERY_EXIT: _Meaning(
        CloseCategory.TARGET, "🩹", "A deep loss had recovered; the chance to leave was taken."
    ),
    CloseReason.ADVERSE_TIME_EXIT: _Meaning(
        CloseCategory.TIME, "🥀", "The position was still losing after 8 hours."
    ),
    CloseReason.EXTERNAL: _Meaning(
        CloseCategory.EXTERNAL, "👽", "The position was closed on the exchange, not by this bot."
    ),
    CloseReason.MANUAL: _Meaning(CloseCategory.MANUAL, "✋", "A person asked for the exit."),
    CloseReason.SIGNAL: _Meaning(CloseCategory.SIGNAL, "📡", "The strategy signalled an exit."),
    CloseReason.END: _Meaning(CloseCategory.END, "🏁", "The run ended with the position open."),
    CloseReason.MEAN_REVERSION: _Meaning(
        CloseCategory.TARGET, "🧲", "The spread came back to its mean."
    ),
    CloseReason.SPREAD_STOP: _Meaning(
        CloseCategory.STOP, "💥", "The spread widened to its stop band; it needs a review."
    ),
    CloseReason.SPREAD_TIME: _Meaning(
        CloseCategory.TIME, "⏰", "The spread was held for its maximum time without reverting."
    ),
    CloseReason.RELATION_BROKEN: _Meaning(
        CloseCategory.RELATION, "💔", "The two markets no longer move together."
    ),
    CloseReason.ORPHAN_LEG: _Meaning(
        CloseCategory.ORPHAN, "🪢", "One leg could not be completed, so both were closed."
    ),
    CloseReason.PARTNER_CLOSED: _Meaning(
        CloseCategory.PARTNER, "🔗", "The other leg disappeared, so this one was closed."
    ),
}
