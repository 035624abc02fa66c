"""The bot's own closed trades of one market, counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["ClosedTrade", "OwnRecord", "WinCount", "own_record"]

_BAND = 10.0  # width of a band of scores


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One closed trade.

    Attributes
    ----------
    direction : int
        1 long, -1 short.
    opened_at : datetime
        Time of the entry, with time zone.
    profit : float
        In any unit, fees included; above 0 is a win.
    score : float or None
        Score of the signal that opened it.
    """

    direction: int
    opened_at: datetime
    profit: float
    score: float | None = None


@dataclass(frozen=True, slots=True)
class WinCount:
    """Closed trades, and how many of them were won."""

    trades: int = 0
    wins: int = 0

    @property
    def win_rate(self) -> float:
        """Share of the trades that were won; NaN without trades."""
        return self.wins / self.trades if self.trades else float("nan")

    def plus(self, won: bool) -> "WinCount":
        """Count one trade more."""
        return WinCount(self.trades + 1, self.wins + won)


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """
    Closed trades of one market.

    Attributes
    ----------
    as_of : datetime
        When it was counted, with time zone. It is used for candles whose successor closes after
        that, so that no older candle is judged by trades that came after it.
    total, long, short : WinCount
        All trades; by side.
    by_hour : mapping of int to WinCount
        By the hour of the entry (UTC). Reported, not scored.
    by_score : mapping of int to WinCount
        By the score of the entry, in bands of ten named by their lower end. Reported, not scored.
    """

    as_of: datetime
    total: WinCount
    long: WinCount
    short: WinCount
    by_hour: Mapping[int, WinCount]
    by_score: Mapping[int, WinCount]


def own_record(trades: Iterable[ClosedTrade], as_of: datetime) -> OwnRecord:
    """
    Count the closed trades of one market.

    Parameters
    ----------
    trades : iterable of ClosedTrade
        Closed by `as_of`.
    as_of : datetime
        Time of the count, with time zone.

    Returns
    -------
    OwnRecord
        For `MarketInputs.record`. A live bot may keep it for an hour.

    Raises
    ------
    ValueError
        If `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of has no time zone")
    total, sides = WinCount(), {1: WinCount(), -1: WinCount()}
    by_hour: dict[int, WinCount] = {}
    by_score: dict[int, WinCount] = {}
    for trade in trades:
        won = trade.profit > 0.0
        total = total.plus(won)
        sides[trade.direction] = sides[trade.direction].plus(won)
        hour = trade.opened_at.astimezone(UTC).hour
        by_hour[hour] = by_hour.get(hour, WinCount()).plus(won)
        if trade.score is not None:
            band = int(trade.score // _BAND * _BAND)
            by_score[band] = by_score.get(band, WinCount()).plus(won)
    return OwnRecord(as_of, total, sides[1], sides[-1], by_hour, by_score)
