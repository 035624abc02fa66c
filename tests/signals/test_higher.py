"""
Higher timeframes: which closes, from when on, and which trend.

Mutants, each red here: a running higher candle used, a close known with the candle before it or
only with the one after it, from the open of a given candle, a bin that ends one candle off, the
trend of price and slow average alone.
"""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.signals._candles import candle_arrays
from freqtrade_ext.signals._higher import HigherCloses, higher_closes, known_at, trend

from .doubles import START, frame

MINUTE_MS = 60_000
START_MS = int(START.timestamp() * 1000)


def arrays(n_candles, *, start=START, timeframe="5m"):
    return candle_arrays(frame(np.arange(1.0, n_candles + 1), start=start), timeframe)


def test_closes_of_whole_hours_are_the_last_closes_before_them():
    """Twelve candles an hour: the hours close with candles 12, 24 and 36; the fourth is running."""
    closes = higher_closes(arrays(40), "1h")
    assert closes.close.tolist() == [12.0, 24.0, 36.0]
    assert ((closes.closed_ms - START_MS) // MINUTE_MS).tolist() == [60, 120, 180]


def test_hours_are_counted_from_1970_not_from_the_first_candle():
    closes = higher_closes(arrays(40, start=START + pd.Timedelta(minutes=40)), "1h")
    assert closes.close.tolist() == [4.0, 16.0, 28.0, 40.0]


def test_an_hour_without_candles_has_no_close():
    candles = frame(np.arange(1.0, 37.0))
    kept = candles.drop(index=range(12, 24)).reset_index(drop=True)
    closes = higher_closes(candle_arrays(kept, "5m"), "1h")
    assert closes.close.tolist() == [12.0, 36.0]


def test_a_close_is_known_from_the_moment_of_the_close_on():
    candles = arrays(40)
    seen = known_at(*known(higher_closes(candles, "1h")), candles.closed_ms)
    assert np.isnan(seen[:11]).all()
    assert seen[11:].tolist() == [12.0] * 12 + [24.0] * 12 + [36.0] * 5


def known(closes):
    return closes.close, closes.closed_ms


def test_given_candles_are_known_from_their_close_on():
    candles = arrays(40)
    hours = frame([7.0, 8.0, 9.0, 10.0], timeframe="1h")
    seen = known_at(*known(higher_closes(candles, "1h", hours)), candles.closed_ms)
    assert np.isnan(seen[:11]).all()
    assert seen[11:].tolist() == [7.0] * 12 + [8.0] * 12 + [9.0] * 5


def test_the_same_hours_given_or_taken_from_the_candles_agree():
    candles = arrays(480)
    taken = higher_closes(candles, "1h")
    given = higher_closes(candles, "1h", frame(np.arange(12.0, 481.0, 12.0), timeframe="1h"))
    np.testing.assert_array_equal(taken.close, given.close)
    np.testing.assert_array_equal(taken.closed_ms, given.closed_ms)


@pytest.mark.parametrize("hours", [None, frame([1.0], timeframe="1m").head(0)])
def test_nothing_is_known_of_a_shorter_timeframe_or_without_candles(hours):
    timeframe = "1m" if hours is None else "1h"
    closes = higher_closes(arrays(40), timeframe, hours)
    assert closes.close.size == 0
    times = arrays(40).closed_ms
    assert np.isnan(trend(closes, times, fast=2, slow=3)).all()
    assert np.isnan(known_at(*known(closes), times)).all()


@pytest.mark.parametrize(
    ("closes", "side"),
    [
        pytest.param([1.0, 2.0, 4.0], 1.0, id="4 above 3 above 7/3"),
        pytest.param([4.0, 2.0, 1.0], -1.0, id="1 below 1.5 below 7/3"),
        pytest.param([1.0, 5.0, 4.0], 0.0, id="4 below 4.5 above 10/3"),
        pytest.param([5.0, 1.0, 2.0], 0.0, id="2 above 1.5 below 8/3"),
        pytest.param([2.0, 2.0, 2.0], 0.0, id="flat"),
        pytest.param([2.0, 3.0], np.nan, id="the slow average is not full"),
    ],
)
def test_trend_is_the_order_of_price_and_two_averages(closes, side):
    """Averages of 2 and 3 closes by hand."""
    times = np.arange(1, len(closes) + 1)
    found = trend(HigherCloses(times, np.array(closes)), times, fast=2, slow=3)
    np.testing.assert_equal(found[-1], side)
