"""
What Bitcoin and Ether say, by hand.

Mutants, each red here: the ratio upside down, hours read as candles, an extreme that counts the
candle itself, low and high exchanged, times that are not matched exactly, the next candle's
value.
"""

import numpy as np
import pytest

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.signals import SignalSettings, macro_context
from freqtrade_ext.signals._candles import candle_arrays
from freqtrade_ext.signals._macro import aligned, mean_of_known, new_extremes

from .doubles import frame, walk

HOURLY = SignalSettings.model_validate(
    {"volatile_market": {"short_hours": 2.0, "long_hours": 4.0}}
)  # two and four returns


def test_volatility_ratio_by_hand():
    """Returns 1, 1, 3, 4 (in ln units / 100): sqrt((9 + 16) / 2) / sqrt(27 / 4)."""
    log_close = np.array([0.0, 0.01, 0.02, 0.05, 0.01])  # the last return is -4
    macro = macro_context(frame(np.exp(log_close), timeframe="1h"), None, "1h", HOURLY)
    expected = np.sqrt((9.0 + 16.0) / 2.0) / np.sqrt(27.0 / 4.0)
    assert np.isnan(macro.volatility_ratio[:4]).all()
    assert macro.volatility_ratio[4] == pytest.approx(expected, rel=1e-9)


def test_hours_are_hours_on_every_timeframe():
    """The same path, hourly and with each hour cut into twelve equal steps of 5 minutes."""
    rng = np.random.default_rng(6)
    hourly = rng.normal(0.0, 0.01, 40).cumsum()
    minutes = np.interp(np.arange(0, 39.001, 1 / 12), np.arange(40), hourly)
    slow = macro_context(frame(np.exp(hourly), timeframe="1h"), None, "1h", HOURLY)
    fast = macro_context(frame(np.exp(minutes)), None, "5m", HOURLY)
    np.testing.assert_allclose(
        fast.volatility_ratio[::12][5:], slow.volatility_ratio[5:], rtol=1e-6
    )


def test_a_market_that_stands_still_has_no_volatility_ratio():
    macro = macro_context(frame(np.full(30, 50.0), timeframe="1h"), None, "1h", HOURLY)
    assert np.isnan(macro.volatility_ratio).all()


def test_new_extremes_by_hand():
    candles = candle_arrays(
        frame(
            [10.0] * 6,
            low=np.array([9.0, 8.0, 8.5, 7.9, 7.9, 7.8]),
            high=np.array([11.0, 12.0, 11.0, 12.0, 12.1, 12.0]),
        ),
        "5m",
    )
    low, high = new_extremes(candles, 2)
    np.testing.assert_array_equal(low, [np.nan, np.nan, 0.0, 1.0, 0.0, 1.0])
    np.testing.assert_array_equal(high, [np.nan, np.nan, 0.0, 0.0, 1.0, 0.0])


def test_too_few_candles_have_no_extremes():
    low, high = new_extremes(candle_arrays(frame([1.0, 2.0]), "5m"), 2)
    assert np.isnan([low, high]).all()


def test_bitcoin_is_matched_by_the_time_of_the_candle():
    values = aligned(
        np.array([1.0, 2.0, 3.0]), np.array([10, 20, 30]), np.array([5, 20, 25, 30, 40])
    )
    np.testing.assert_array_equal(values, [np.nan, 2.0, np.nan, 3.0, np.nan])


def test_mean_leaves_out_what_is_unknown():
    rows = np.array([[1.0, np.nan, np.nan], [0.0, -1.0, np.nan]])
    np.testing.assert_array_equal(mean_of_known(rows), [0.5, -1.0, np.nan])


def test_trend_of_bitcoin_is_the_mean_over_the_timeframes():
    """A rise over 48 hours, then a steeper fall over 8; log prices by hand.

    Hours: the last is 0.23, the mean of 8 is 0.335, of 21 it is 0.381: down. Two hours: 0.23, 0.38
    and 0.312: the averages still rise, undecided. The mean is -1/2.
    """
    settings = SignalSettings.model_validate({"multi_timeframe": {"timeframes": ["1h", "2h"]}})
    log_close = np.r_[0.01 * np.arange(48.0), 0.47 - 0.03 * np.arange(1.0, 9.0)]
    macro = macro_context(frame(np.exp(log_close), timeframe="1h"), None, "1h", settings)
    assert np.isnan(macro.btc_trend[:20]).all()
    assert macro.btc_trend[20] == 1.0
    assert macro.btc_trend[47] == 1.0
    assert macro.btc_trend[55] == pytest.approx(-0.5)  # 1 h falls, 2 h is undecided


def test_ether_is_optional_and_bitcoin_must_be_usable():
    assert macro_context(walk(1, 60), None, "5m", SignalSettings()).eth is None
    with pytest.raises(InfeasibleError, match="candles of BTC: no candles"):
        macro_context(walk(1, 60).head(0), None, "5m", SignalSettings())
