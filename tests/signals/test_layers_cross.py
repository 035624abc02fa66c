"""
Layers 19 to 22: they add in the signal's direction, and never take.

Mutants, each red here: points taken, the other direction accepted, a cross that has gone back,
one that is too old, a state that never crossed, the other band, %K ignored or at the wrong
extreme, two lines at rest taken for a cross, averages of 9 and 21, a MACD of 12, 26 and 8.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.signals import SignalSettings, score_market
from freqtrade_ext.signals._layers_cross import (
    bollinger_position,
    ema_cross,
    fresh_cross,
    macd_cross,
    stochastic_rsi_cross,
)

from .doubles import LIVELY, frame, rich_inputs, view_of, walk

SETTINGS = SignalSettings()
TALLY = ("macd_cross", "bollinger_position", "stochastic_rsi_cross", "ema_cross")


def crossing(fast, direction, fresh=2):
    fast = np.array(fast, dtype=float)
    told = fresh_cross(fast, np.zeros(fast.size), np.full(fast.size, direction), fresh)
    return told.astype(int).tolist()


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_cross_counts_while_it_is_fresh_and_stands(side):
    line = side * np.array([-1.0, 1.0, 1.0, 1.0, -1.0, 1.0, -1.0])
    assert crossing(line, side) == [0, 1, 1, 0, 0, 1, 0]
    assert crossing(line, side, fresh=1) == [0, 1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_cross_against_the_direction_or_without_one_does_not_count(side):
    line = side * np.array([-1.0, 1.0, 1.0])
    assert crossing(line, -side) == [0, 0, 0]
    assert crossing(line, 0.0) == [0, 0, 0]


def test_a_touch_is_no_cross_until_the_line_is_beyond():
    assert crossing([-1.0, 0.0, 0.5], 1.0) == [0, 0, 1]


def test_the_first_known_value_is_no_cross():
    assert crossing([np.nan, 1.0, 1.0], 1.0) == [0, 0, 0]
    assert crossing([1.0], 1.0) == [0]


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(
    ("layer", "points", "n_up"), [(ema_cross, 5.0, 8), (macd_cross, 8.0, 6)], ids=["ema", "macd"]
)
def test_a_turn_of_the_price_gives_the_points_once(layer, points, n_up, side):
    """Sixty candles ever faster to one side, then back: the lines cross there, and stay."""
    path = np.r_[-0.01 * np.arange(60) ** 2, -35.0 + 3.0 * np.arange(1, n_up + 1)]
    candles = frame(200.0 + side * path)
    found = layer(view_of(candles=candles, direction=side), SETTINGS).points
    assert found[:60].max() == 0.0
    assert set(found[60:]) == {0.0, points}
    assert (found[60:] == points).sum() <= 3
    against = view_of(candles=candles, direction=-side)
    assert not layer(against, SETTINGS).points[60:].any()


def ema(values, period):
    """Exponential average that begins as the plain mean of its first `period` values."""
    average = np.full(len(values), np.nan)
    average[period - 1] = np.mean(values[:period])
    for row in range(period, len(values)):
        average[row] = average[row - 1] + 2.0 / (period + 1) * (values[row] - average[row - 1])
    return average


def test_ema_cross_happens_where_the_averages_of_8_and_21_cross():
    close = walk(2, 300)["close"].to_numpy()
    fast, slow = ema(close, 8), ema(close, 21)
    crossed = np.zeros(300, bool)
    crossed[1:] = (fast[1:] > slow[1:]) & (fast[:-1] <= slow[:-1])
    settings = SignalSettings.model_validate({"ema_cross": {"fresh": 1}})
    found = ema_cross(view_of(candles=frame(close), direction=1.0), settings).points > 0.0
    assert crossed.sum() > 5
    np.testing.assert_array_equal(found, crossed)


def test_macd_cross_happens_where_the_line_crosses_its_average():
    """12, 26 and 9; TA-Lib starts the fast average where the slow one starts."""
    close = walk(8, 300)["close"].to_numpy()
    fast = np.r_[np.full(14, np.nan), ema(close[14:], 12)]
    line = fast - ema(close, 26)
    signal = np.r_[np.full(25, np.nan), ema(line[25:], 9)]
    crossed = np.zeros(300, bool)
    crossed[1:] = (line[1:] > signal[1:]) & (line[:-1] <= signal[:-1])
    settings = SignalSettings.model_validate({"macd_cross": {"fresh": 1}})
    found = macd_cross(view_of(candles=frame(close), direction=1.0), settings).points > 0.0
    assert crossed.sum() > 5
    np.testing.assert_array_equal(found, crossed)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(
    ("position", "points"), [(-0.79, 0.0), (-0.81, 8.0), (-2.0, 8.0), (0.9, 0.0)]
)
def test_bollinger_position_by_hand(side, position, points):
    """Twenty closes; the last one is chosen so that its own bands put it where it is wanted."""
    close = 100.0 + np.where(np.arange(40) % 2, 1.0, -1.0)

    def place(last):
        window = np.r_[close[-20:-1], last]
        return (last - window.mean()) / (2.0 * window.std())

    low, high = 60.0, 140.0
    for _ in range(100):  # the position rises with the close
        middle = (low + high) / 2.0
        low, high = (middle, high) if place(middle) < side * position else (low, middle)
    close[-1] = (low + high) / 2.0
    output = bollinger_position(view_of(candles=frame(close), direction=side), SETTINGS)
    assert output.points[-1] == points
    assert output.known.tolist() == [False] * 19 + [True] * 21


def test_bands_without_width_say_nothing():
    output = bollinger_position(view_of(candles=frame(np.full(40, 5.0))), SETTINGS)
    assert not output.points.any()
    assert not output.known.any()


def stochastic(rsi, period=14):
    """%K and %D as printed: the place in the range of `period` values, averaged over 3, twice."""
    raw = np.full(rsi.size, np.nan)
    for row in range(period - 1, rsi.size):
        window = rsi[row - period + 1 : row + 1]
        raw[row] = 100.0 * (rsi[row] - window.min()) / (window.max() - window.min())
    k = np.convolve(raw, np.full(3, 1 / 3))[: rsi.size]
    return k, np.convolve(k, np.full(3, 1 / 3))[: rsi.size]


def test_stochastic_rsi_at_rest_at_its_end_does_not_cross():
    """
    An RSI that rises on and on holds %K and %D at 100, whatever was before it.

    TA-Lib's running sums leave 100 - 1e-14 of some histories, and a cross in the last bits.
    """
    rng = np.random.default_rng(0)
    rising = np.linspace(75.0, 90.0, 30)
    for count in range(100, 300):
        rsi = np.r_[rng.uniform(20.0, 70.0, count), rising]
        view = view_of(rsi.size, rsi=rsi, direction=-1.0)
        resting = stochastic_rsi_cross(view, SETTINGS).points[-25:]  # 3 and 3 candles later
        assert not resting.any()


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_stochastic_rsi_crosses_at_the_extreme_of_the_side(side):
    rsi = 50.0 + 10.0 * np.random.default_rng(1).standard_normal(400).cumsum() / 10.0
    k, d = stochastic(rsi)
    crossed = np.zeros(400, bool)
    crossed[1:] = (side * (k - d)[1:] > 0.0) & (side * (k - d)[:-1] <= 0.0)
    expected = crossed & (k < 20.0 if side > 0.0 else k > 80.0)
    settings = SignalSettings.model_validate({"stochastic_rsi_cross": {"fresh": 1}})
    view = view_of(400, direction=side, rsi=rsi)
    found = stochastic_rsi_cross(view, settings).points
    assert expected.sum() > 2
    np.testing.assert_array_equal(found, np.where(expected, 8.0, 0.0))


def test_too_few_candles_for_the_rsi_are_said():
    output = stochastic_rsi_cross(view_of(5, rsi=np.nan), SETTINGS)
    assert output.neutral == "fewer candles than the RSI needs"


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_these_layers_never_take_points(seed):
    columns = score_market(rich_inputs(seed, 200), LIVELY).columns
    for name in TALLY:
        assert (columns[f"layer_{name}"] >= 0.0).all()
