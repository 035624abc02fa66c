"""
Layers of price and volume: their steps as documented, their measures by hand or another program.

Mutants, each red here: RSI not turned for a short, its two readings exchanged, its deep step
removed; volume of the candle before, its thin step removed, its sign turned; the side of the
trend turned; VWAP of the close; the profile unweighted, at the lower end of its level, over a
candle more; distances with the sign turned, read the same in both regimes, without `near`.
"""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.signals import SignalSettings
from freqtrade_ext.signals._candles import candle_arrays
from freqtrade_ext.signals._indicators import indicators_of
from freqtrade_ext.signals._layers_price import (
    point_of_control,
    point_of_control_price,
    rsi_momentum,
    volume_spike,
    vwap,
    vwap_distance,
)

from .doubles import frame, view_of, walk

SETTINGS = SignalSettings()


@pytest.mark.parametrize(
    ("rsi", "mode", "points"),
    [
        pytest.param(29.0, -1.0, 8.0, id="reverting, deep"),
        pytest.param(30.0, -1.0, 4.0, id="reverting, low"),
        pytest.param(40.0, -1.0, 0.0, id="reverting, middle"),
        pytest.param(60.0, -1.0, 0.0, id="reverting, not yet high"),
        pytest.param(61.0, -1.0, -4.0, id="reverting, high"),
        pytest.param(76.0, 1.0, -4.0, id="trending, exhausted"),
        pytest.param(75.0, 1.0, 4.0, id="trending, strong"),
        pytest.param(50.0, 1.0, 4.0, id="trending, just strong"),
        pytest.param(49.0, 1.0, 0.0, id="trending, middle"),
        pytest.param(44.0, 1.0, -4.0, id="trending, weak"),
        pytest.param(44.0, 0.0, -4.0, id="order book, weak"),
        pytest.param(np.nan, -1.0, 0.0, id="warm-up"),
    ],
)
def test_rsi_is_read_for_the_side_and_the_regime(rsi, mode, points):
    long = rsi_momentum(view_of(direction=1.0, mode=mode, rsi=rsi), SETTINGS)
    short = rsi_momentum(view_of(direction=-1.0, mode=mode, rsi=100.0 - rsi), SETTINGS)
    assert long.points.tolist() == short.points.tolist() == [points]
    assert long.known.tolist() == [not np.isnan(rsi)]


@pytest.mark.parametrize(
    ("ratio", "points"),
    [(3.0, 8.0), (2.0, 5.0), (1.99, 0.0), (0.5, 0.0), (0.49, -5.0), (np.nan, 0.0)],
)
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_volume_confirms_either_side(ratio, points, direction):
    output = volume_spike(view_of(direction=direction, volume_ratio=ratio), SETTINGS)
    assert output.points.tolist() == [points]
    assert output.known.tolist() == [not np.isnan(ratio)]


def test_volume_is_compared_with_the_candles_before_it():
    """Twenty candles of 10, then one of 50: five times their mean."""
    candles = candle_arrays(frame(np.full(22, 9.0), volume=[10.0] * 20 + [50.0, 12.0]), "5m")
    ratio = indicators_of(candles, SETTINGS).volume_ratio
    assert np.isnan(ratio[:20]).all()
    assert ratio[20] == pytest.approx(5.0)
    assert ratio[21] == pytest.approx(12.0 / 12.0)  # nineteen of 10 and one of 50: 240 / 20


def test_volume_after_a_silence_is_not_compared():
    candles = candle_arrays(frame(np.full(45, 9.0), volume=[1.1e9] * 20 + [0.0] * 24 + [1.0]), "5m")
    assert np.isnan(indicators_of(candles, SETTINGS).volume_ratio[-1])


def test_rsi_adx_and_atr_by_their_printed_recursion():
    """Wilder (1978): averages that begin as plain means, then move by a 14th of the difference."""
    data = walk(3, 80)
    found = indicators_of(candle_arrays(data, "5m"), SETTINGS)
    high, low, close = (data[name].to_numpy() for name in ("high", "low", "close"))
    change = np.diff(close)
    up, down = change.clip(min=0.0), -change.clip(max=0.0)
    rise, fall = up[:14].mean(), down[:14].mean()
    ranges = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    average = ranges[:14].mean()
    for row in range(14, 79):
        rise += (up[row] - rise) / 14
        fall += (down[row] - fall) / 14
        average += (ranges[row] - average) / 14
    assert found.rsi[-1] == pytest.approx(100.0 * rise / (rise + fall), rel=1e-9)
    assert found.atr[-1] == pytest.approx(average, rel=1e-9)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_steady_move_has_an_adx_of_100_and_its_side(side):
    """Only moves to one side: DX is 100 at each candle, and so is its average."""
    found = indicators_of(candle_arrays(frame(100.0 + side * np.arange(60.0)), "5m"), SETTINGS)
    assert found.adx[-1] == pytest.approx(100.0)
    assert found.trend_side[-1] == side


def test_vwap_by_hand():
    """Typical prices 2, 4, 6 with volumes 1, 3, 0: (2 + 12) / 4, then 12 / 3."""
    data = frame(
        [2.0, 4.0, 6.0],
        high=np.array([3.0, 5.0, 7.0]),
        low=np.array([1.0, 3.0, 5.0]),
        volume=[1.0, 3.0, 0.0],
    )
    np.testing.assert_allclose(vwap(candle_arrays(data, "5m"), 2), [np.nan, 3.5, 4.0])


@pytest.mark.parametrize("window", [5, 96])
def test_vwap_agrees_with_technical(window):
    """The package that comes with Freqtrade, 1.7.0; volumes over seven orders of magnitude."""
    qtpylib = pytest.importorskip("technical.qtpylib")
    data = walk(5, 400)
    data["volume"] = np.random.default_rng(2).lognormal(0.0, 4.0, 400)
    expected = qtpylib.rolling_vwap(data, window)
    np.testing.assert_allclose(vwap(candle_arrays(data, "5m"), window), expected, rtol=1e-8)


def test_vwap_of_a_window_without_trades_is_unknown():
    """So is one with less than a billionth of the largest volume so far: rounding of the sums."""
    volume = [7.7, 1e9, 3.3, 0.0, 0.0, 0.0, 0.5, 2.0, 0.0, 0.0, 0.0]
    found = vwap(candle_arrays(frame(np.full(11, 4.0), volume=volume), "5m"), 3)
    known = [False, False, True, True, True, False, False, True, True, True, False]
    assert (~np.isnan(found)).tolist() == known


def with_close(last, n_candles, **kwargs):
    """Closes that alternate by one about 100, and a last one; deviation and VWAP are computed."""
    close = 100.0 + np.where(np.arange(n_candles) % 2, 1.0, -1.0)
    close[-1] = last
    return view_of(candles=frame(close, **kwargs), direction=1.0)


def test_distance_from_vwap_in_standard_deviations():
    settings = SignalSettings.model_validate(
        {"vwap_distance": {"window": 10, "near": 0.5, "far": 2.5, "points": 8.0}}
    )
    view = with_close(97.0, 40)
    candles = view.candles
    typical = ((candles.high + candles.low + candles.close) / 3.0)[-10:]
    distance = (97.0 - typical.mean()) / candles.close[-10:].std()
    assert -2.5 < distance < -1.5  # between near and far, so that the slope is tested
    share = (abs(distance) - 0.5) / 2.0
    long_back = vwap_distance(view, settings)
    assert long_back.points[-1] == pytest.approx(8.0 * share, rel=1e-6)
    assert long_back.known.tolist() == [False] * 9 + [True] * 31


CASES = [
    pytest.param(-9.0, 1.0, -1.0, 1.0, id="below value, long back to it"),
    pytest.param(9.0, -1.0, -1.0, 1.0, id="above value, short back to it"),
    pytest.param(9.0, 1.0, -1.0, -1.0, id="above value, long although it reverts"),
    pytest.param(9.0, 1.0, 1.0, 1.0, id="above value, long with the trend"),
    pytest.param(-9.0, -1.0, 1.0, 1.0, id="below value, short with the trend"),
    pytest.param(-9.0, 1.0, 1.0, -1.0, id="below value, long although it trends down"),
    pytest.param(9.0, 1.0, 0.0, 0.0, id="the order book alone"),
    pytest.param(0.0, 1.0, -1.0, 0.0, id="at value"),
]


@pytest.mark.parametrize(("offset", "direction", "mode", "share"), CASES)
def test_far_from_value_gives_or_takes_all_points(offset, direction, mode, share):
    """Ninety-six candles at 100 and one far away; the profile's level and VWAP stay near 100."""
    close = 100.0 + np.where(np.arange(240) % 2, 0.01, -0.01)
    close[-1] = 100.0 + offset
    view = view_of(candles=frame(close), direction=direction, mode=mode, atr=1.0)
    assert vwap_distance(view, SETTINGS).points[-1] == pytest.approx(5.0 * share)
    assert point_of_control(view, SETTINGS).points[-1] == pytest.approx(5.0 * share)


def test_distance_from_the_point_of_control_in_ranges():
    """2.5 ATR away, between 1 and 4: half of the points."""
    close = np.r_[np.full(239, 100.0), 90.0]
    candles = frame(close, high=close + 0.0, low=close - 0.0)
    level = point_of_control_price(candle_arrays(candles, "5m"), 200, 24, np.array([239]))[-1]
    view = view_of(candles=candles, direction=1.0, mode=-1.0, atr=(level - 90.0) / 2.5)
    assert point_of_control(view, SETTINGS).points[-1] == pytest.approx(2.5)


def test_a_market_that_stands_still_has_no_value_to_be_far_from():
    close = np.full(240, 100.0)
    view = view_of(candles=frame(close, high=close, low=close), atr=0.0)
    for layer in (vwap_distance, point_of_control):
        output = layer(view, SETTINGS)
        assert not output.points.any()
        assert not output.known[-1]


def profile(typical, volume, *, window, bins):
    """Candles without range at given prices."""
    price = np.asarray(typical, dtype=float)
    candles = candle_arrays(frame(price, high=price, low=price, volume=volume), "5m")
    return point_of_control_price(candles, window, bins, np.arange(price.size))


def test_point_of_control_by_hand():
    """From 10 to 20 in five levels of 2; most volume, 7, lies from 14 to 16: the middle is 15."""
    found = profile([10, 14, 15, 20, 12], [5, 3, 4, 6, 1], window=5, bins=5)
    assert np.isnan(found[:4]).all()
    assert found[4] == pytest.approx(15.0)


def test_what_has_left_the_window_is_not_in_the_profile():
    """The first candle has most volume, and a price far away, but is the sixth of five."""
    found = profile([90, 10, 14, 15, 20, 12], [99, 5, 3, 4, 6, 1], window=5, bins=5)
    assert found[5] == pytest.approx(15.0)


def test_the_top_of_the_range_belongs_to_the_highest_level():
    assert profile([10, 20], [1, 2], window=2, bins=5)[-1] == pytest.approx(19.0)


def test_of_equal_levels_the_lowest_one_counts():
    assert profile([10, 20], [2, 2], window=2, bins=5)[-1] == pytest.approx(11.0)


def test_the_profile_agrees_with_a_histogram():
    data = walk(9, 120)
    candles = candle_arrays(data, "5m")
    typical = ((candles.high + candles.low + candles.close) / 3.0)[-50:]
    volume, edges = np.histogram(
        typical,
        24,
        (candles.low[-50:].min(), candles.high[-50:].max()),
        weights=candles.volume[-50:],
    )
    best = int(np.argmax(volume))
    found = point_of_control_price(candles, 50, 24, np.array([119]))
    assert found[119] == pytest.approx((edges[best] + edges[best + 1]) / 2.0)
    assert np.isnan(found[:119]).all()


def test_a_profile_without_trades_or_range_has_no_point_of_control():
    assert np.isnan(profile([10, 20], [0, 0], window=2, bins=5)).all()
    assert np.isnan(profile([10, 10], [1, 1], window=2, bins=5)).all()


def test_vwap_is_a_price_within_the_range_of_its_window():
    candles = candle_arrays(walk(4, 300), "5m")
    found = vwap(candles, 20)
    frame_ = pd.DataFrame({"low": candles.low, "high": candles.high}).rolling(20)
    inside = (found >= frame_["low"].min()) & (found <= frame_["high"].max())
    assert inside[19:].all()
