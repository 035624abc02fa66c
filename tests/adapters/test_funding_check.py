"""What a backtest will leave out of funding, said before it runs."""

import pandas as pd
import pytest

from freqtrade_ext.adapters._funding_check import funding_gaps

from .doubles import BTC, ETH, HOUR_MS, START_MS, candles


@pytest.fixture
def store(store_candles):
    def stored(name, *, events=9, marks=73, jitter_ms=0, mark_jitter_ms=0):
        if events:
            times = [START_MS + 8 * HOUR_MS * i + jitter_ms for i in range(events)]
            frame = pd.DataFrame({"date": pd.to_datetime(times, unit="ms", utc=True)})
            store_candles(name, frame.assign(funding_rate=0.0001), "funding_rate")
        if marks:
            frame = candles([100.0] * marks, start_ms=START_MS + mark_jitter_ms)
            store_candles(name, frame, "mark")

    return stored


def test_complete_data_has_no_gaps(provider, store):
    store(ETH)
    store(BTC)
    assert list(funding_gaps(provider, [ETH, BTC])) == []


def test_a_missing_funding_file_is_said(provider, store):
    store(ETH, events=0)
    assert list(funding_gaps(provider, [ETH])) == [
        f"{ETH} has no funding rates: its funding counts as zero"
    ]


def test_a_missing_mark_file_is_said(provider, store):
    store(ETH, marks=0)
    (gap,) = funding_gaps(provider, [ETH])
    assert gap.startswith(f"{ETH}: 9 of 9 funding events have no mark price at exactly their time")


def test_marks_that_end_too_early_are_counted(provider, store):
    store(ETH, marks=33)
    (gap,) = funding_gaps(provider, [ETH])
    assert gap.startswith(f"{ETH}: 4 of 9 ")


def test_milliseconds_in_the_files_are_repaired_by_freqtrade(provider, store):
    store(ETH, jitter_ms=3)
    store(BTC, mark_jitter_ms=3)
    assert list(funding_gaps(provider, [ETH, BTC])) == []


def test_only_the_markets_with_gaps_are_named(provider, store):
    store(ETH)
    store(BTC, events=0)
    assert [gap.split(" ")[0] for gap in funding_gaps(provider, [ETH, BTC])] == [BTC]
