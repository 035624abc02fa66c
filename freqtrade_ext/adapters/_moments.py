"""Moments as Freqtrade has them, and as the domain counts them: milliseconds since 1970 UTC."""

from datetime import UTC, datetime

__all__ = ["as_utc", "from_ms", "to_ms"]


def to_ms(moment: datetime) -> int:
    """Count the milliseconds since 1970 UTC of a moment with a zone."""
    return int(moment.timestamp() * 1000)


def from_ms(time_ms: float) -> datetime:
    """Return the moment in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def as_utc(moment: datetime) -> datetime:
    """Give a moment of Freqtrade's database its zone: the columns have none, and mean UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
