"""Moments and milliseconds.

Bugs planted by hand, each caught by the test named:

1. seconds for milliseconds, or the machine's own zone -> test_there_and_back
2. a moment without a zone is taken for the machine's -> test_a_column_means_utc
"""

from datetime import UTC, datetime, timedelta, timezone

from freqtrade_ext.adapters._moments import as_utc, from_ms, to_ms


def test_there_and_back():
    """2024-01-01 is 19 723 days after 1970-01-01."""
    assert to_ms(datetime(2024, 1, 1, tzinfo=UTC)) == 19_723 * 86_400_000
    assert from_ms(19_723 * 86_400_000) == datetime(2024, 1, 1, tzinfo=UTC)
    assert from_ms(0).tzinfo is UTC
    assert to_ms(from_ms(1_700_000_000_123)) == 1_700_000_000_123


def test_a_column_means_utc():
    assert as_utc(datetime(2024, 1, 1)) == datetime(2024, 1, 1, tzinfo=UTC)  # noqa: DTZ001
    east = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert as_utc(east) is east
