"""The states of a spread and the table of legal transitions."""

from enum import StrEnum
from typing import Final


class SpreadState(StrEnum):
    """Where a spread stands."""

    FLAT = "flat"  # nothing held, nothing working
    OPENING = "opening"  # both legs on their way to the plan
    TRIMMING = "trimming"  # legs are being brought back in line; nothing is added
    OPEN = "open"  # hedged, nothing working
    CLOSING = "closing"  # a spread that had been open is being closed
    UNWINDING = "unwinding"  # an entry that failed, or a surprise, is being cleared away


LEGAL_TRANSITIONS: Final = frozenset(
    {
        (SpreadState.FLAT, SpreadState.OPENING),
        (SpreadState.FLAT, SpreadState.UNWINDING),  # something is held after all
        (SpreadState.OPENING, SpreadState.OPEN),
        (SpreadState.OPENING, SpreadState.TRIMMING),  # one leg stayed short
        (SpreadState.OPENING, SpreadState.UNWINDING),
        (SpreadState.OPENING, SpreadState.FLAT),  # given up before anything was filled
        (SpreadState.TRIMMING, SpreadState.OPEN),
        (SpreadState.TRIMMING, SpreadState.CLOSING),
        (SpreadState.TRIMMING, SpreadState.UNWINDING),  # trimming failed too often
        (SpreadState.TRIMMING, SpreadState.FLAT),  # a leg vanished, the other is below a lot
        (SpreadState.OPEN, SpreadState.TRIMMING),  # the venue holds more or less than we thought
        (SpreadState.OPEN, SpreadState.CLOSING),
        (SpreadState.OPEN, SpreadState.FLAT),  # a leg vanished, the other is below a lot
        (SpreadState.CLOSING, SpreadState.FLAT),
        (SpreadState.UNWINDING, SpreadState.FLAT),
    }
)


def state_diagram() -> str:
    """Render `LEGAL_TRANSITIONS` as a Mermaid state diagram."""
    states = list(SpreadState)
    rows = sorted(LEGAL_TRANSITIONS, key=lambda row: (states.index(row[0]), states.index(row[1])))
    lines = [f"    {before.name} --> {after.name}" for before, after in rows]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {SpreadState.FLAT.name}", *lines])
