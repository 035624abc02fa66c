"""Entry tags: ``<spread id> <direction> <leg>``, e.g. ``ETH-BTC long A``.

The exit reason of a trade is the close reason alone, so that Freqtrade's statistics group by it;
together with the entry tag a trade carries spread, direction, leg and reason.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from freqtrade_ext.spreads import Direction, LegName

__all__ = ["EntryTag"]


@dataclass(frozen=True, slots=True)
class EntryTag:
    """What the entry tag of a trade says."""

    spread_id: str
    direction: Direction
    leg: LegName

    def __str__(self) -> str:
        """Render the tag."""
        return f"{self.spread_id} {self.direction.value} {self.leg.value}"

    @property
    def side(self) -> str:
        """Freqtrade's side of this leg: long or short."""
        is_long = (self.direction is Direction.LONG) == (self.leg is LegName.A)
        return "long" if is_long else "short"

    @staticmethod
    def marks(trade: Any, spread_id: str, leg: str | None) -> bool:
        """
        Whether a trade of Freqtrade's is this leg of this spread.

        Its number does not tell: the database gives the number of a deleted trade out again.
        """
        tag = EntryTag.parse(trade.enter_tag)
        return tag is not None and (tag.spread_id, tag.leg) == (spread_id, leg)

    @staticmethod
    def parse(text: str | None) -> "EntryTag | None":
        """Read a tag; None for a tag that is not ours (a forced entry, another strategy)."""
        return _parse(text)


@lru_cache(maxsize=10_000)
def _parse(text: str | None) -> EntryTag | None:
    words = (text or "").split(" ")
    if len(words) != 3 or words[1] not in set(Direction) or words[2] not in set(LegName):
        return None
    return EntryTag(words[0], Direction(words[1]), LegName(words[2]))
