"""Candles found by time: never one that is still running.

Bugs planted by hand, each caught by the test named:

1. the running candle counts -> test_a_candle_counts_from_its_close_on
2. the row after -> test_it_is_the_last_one
3. NaN is a value -> test_an_unknown_value_is_none
"""

import numpy as np
import pytest

from freqtrade_ext.adapters._market_track import MarketTrack

from .doubles import HOUR_MS, START_MS, candles


@pytest.fixture
def track():
    frame = candles([10.0, 20.0, 30.0]).assign(atr=[np.nan, 0.2, 0.3])
    return MarketTrack(frame, HOUR_MS, ["atr"])


@pytest.mark.parametrize(
    ("now_ms", "close"),
    [
        pytest.param(START_MS, None, id="nothing-has-closed"),
        pytest.param(START_MS + HOUR_MS - 1, None, id="a-millisecond-before"),
        pytest.param(START_MS + HOUR_MS, 10.0, id="at-the-close"),
        pytest.param(START_MS + 2 * HOUR_MS - 1, 10.0, id="while-the-next-runs"),
    ],
)
def test_a_candle_counts_from_its_close_on(track, now_ms, close):
    found = track.last_closed(now_ms)
    assert (found and found.close) == close


def test_it_is_the_last_one(track):
    found = track.last_closed(START_MS + 99 * HOUR_MS)
    assert (found.opened_ms, found.close) == (START_MS + 2 * HOUR_MS, 30.0)
    assert (found.high, found.low) == pytest.approx((30.03, 29.97))
    assert found.value("atr") == 0.3


def test_an_unknown_value_is_none(track):
    first = track.last_closed(START_MS + HOUR_MS)
    assert first.value("atr") is None
    assert np.isnan(first.values["atr"])


def test_later_candles_change_nothing():
    frame = candles([10.0, 20.0, 30.0, 40.0]).assign(atr=1.0)
    long, short = (MarketTrack(each, HOUR_MS, ["atr"]) for each in (frame, frame.head(2)))
    for minutes in range(0, 180, 7):
        now_ms = START_MS + minutes * 60_000
        if now_ms < START_MS + 3 * HOUR_MS:
            a, b = long.last_closed(now_ms), short.last_closed(now_ms)
            assert (a and a.close) == (b and b.close)
