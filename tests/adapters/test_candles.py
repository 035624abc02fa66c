"""Candle frames as arrays."""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters._candles import epoch_ms, leg_candles

from .doubles import HOUR_MS, START_MS, candles


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_of_any_resolution_become_milliseconds(unit):
    dates = pd.Series(pd.to_datetime([START_MS, START_MS + 1], unit="ms", utc=True))
    dates = dates.astype(f"datetime64[{unit}, UTC]")
    expected = [START_MS, START_MS if unit == "s" else START_MS + 1]
    assert epoch_ms(dates).tolist() == expected
    assert epoch_ms(dates).dtype == np.int64


def test_no_dates_become_no_milliseconds():
    assert epoch_ms(pd.Series([], dtype="datetime64[ms, UTC]")).tolist() == []


def test_a_frame_becomes_open_times_closes_and_trades():
    legs = leg_candles(candles([10.0, 11.0, 12.0]))
    assert legs.time_ms.tolist() == [START_MS, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS]
    assert legs.close.tolist() == [10.0, 11.0, 12.0]
    assert legs.close.dtype == np.float64
    assert legs.traded.tolist() == [True, True, True]


def test_a_candle_without_volume_is_not_traded():
    assert leg_candles(candles([1, 2, 3], volume=[5, 0, 1])).traded.tolist() == [True, False, True]


def test_a_candle_of_unknown_volume_is_not_traded():
    assert leg_candles(candles([1, 2], volume=[np.nan, 1])).traded.tolist() == [False, True]


def test_what_freqtrade_fills_a_gap_with_is_not_traded(provider, store_candles):
    frame = candles(np.arange(1.0, 9.0)).drop(index=[3, 4]).reset_index(drop=True)
    store_candles("ETH/USDT:USDT", frame)
    legs = leg_candles(provider.get_pair_dataframe("ETH/USDT:USDT", "1h"))
    assert legs.traded.tolist() == [True, True, True, False, False, True, True, True]


def test_the_frame_is_not_changed():
    frame = candles([1, 2])
    before = frame.copy()
    leg_candles(frame)
    pd.testing.assert_frame_equal(frame, before)
