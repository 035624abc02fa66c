"""Moves, thresholds, sides.

Mutants of `_labels.py`, each killed by the test named:
- hedge ratio of the later candle: a_spread_moves_by_the_ratio_in_force_at_its_candle
- `>=` for the threshold: a_move_of_exactly_the_threshold_is_held
- horizon not scaled: the_threshold_grows_with_the_root_of_the_horizon
- last rows filled instead of NaN: the_last_candles_have_no_move
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.learning import (
    candle_moves,
    forward_move,
    move_threshold,
    rolling_volatility,
    sides,
)


def prices(*logs: float) -> np.ndarray:
    return np.exp(np.array(logs))


def test_a_market_moves_by_its_log_return_over_the_horizon():
    moves = forward_move(prices(0.0, 0.1, 0.3, 0.6), horizon=2)
    assert moves[:2] == pytest.approx([0.3, 0.5])


def test_the_last_candles_have_no_move():
    moves = forward_move(prices(0.0, 0.1, 0.3, 0.6), horizon=2)
    assert np.isnan(moves[2:]).all()


def test_a_horizon_longer_than_the_data_gives_no_move():
    assert np.isnan(forward_move(prices(0.0, 0.1), horizon=5)).all()
    assert len(forward_move(np.empty(0), horizon=5)) == 0


def test_a_missing_or_impossible_price_gives_no_move():
    close = np.array([1.0, math.nan, 1.0, 0.0, 1.0])
    assert np.isnan(forward_move(close, horizon=1)).all()


def test_a_spread_moves_by_the_ratio_in_force_at_its_candle():
    """0.05 - 2 * 0.01 at the first candle; the ratio of the second one, 100, must not matter."""
    target = (prices(0.0, 0.05), prices(0.0, 0.01), np.array([2.0, 100.0]))
    assert forward_move(target, horizon=1)[0] == pytest.approx(0.03)


def test_a_candles_own_move_is_known_at_its_close():
    assert candle_moves(prices(0.0, 0.1, 0.3))[1:] == pytest.approx([0.1, 0.2])
    assert math.isnan(candle_moves(prices(0.0, 0.1, 0.3))[0])
    assert len(candle_moves(np.empty(0))) == 0


def test_volatility_is_the_sample_deviation_of_the_window():
    """Deviation of 1, 2, 3, 4 with n - 1: sqrt(5 / 3)."""
    deviation = rolling_volatility(np.array([1.0, 2.0, 3.0, 4.0]), 4)
    assert np.isnan(deviation[:3]).all()
    assert deviation[3] == pytest.approx(math.sqrt(5 / 3))


def test_a_window_with_a_missing_move_has_no_volatility():
    deviation = rolling_volatility(np.array([1.0, math.nan, 3.0, 4.0, 6.0]), 2)
    assert np.isnan(deviation[:3]).all()
    assert deviation[3] == pytest.approx(math.sqrt(0.5))


@given(st.lists(st.floats(-1, 1), min_size=12, max_size=60), st.integers(5, 11))
def test_volatility_does_not_look_ahead(values, now):
    moves = np.array(values)
    whole, part = rolling_volatility(moves, 4)[:now], rolling_volatility(moves[:now], 4)
    np.testing.assert_array_equal(whole, part)


def test_the_threshold_grows_with_the_root_of_the_horizon():
    threshold = move_threshold(np.array([0.01]), horizon=9, multiple=0.5, fallback=0.002)
    assert threshold == pytest.approx([0.015])


@pytest.mark.parametrize("volatility", [math.nan, 0.0, math.inf])
def test_an_unknown_volatility_falls_back_to_the_fixed_threshold(volatility):
    threshold = move_threshold(np.array([volatility]), horizon=9, multiple=0.5, fallback=0.002)
    assert threshold == pytest.approx([0.002])


def test_sides_are_sell_hold_and_buy():
    labels = sides(np.array([-0.03, -0.01, 0.0, 0.01, 0.03]), np.full(5, 0.02))
    assert labels.tolist() == [-1, 0, 0, 0, 1]


def test_a_move_of_exactly_the_threshold_is_held():
    assert sides(np.array([0.02, -0.02]), np.full(2, 0.02)).tolist() == [0, 0]


def test_an_unknown_move_has_no_side():
    assert np.isnan(sides(np.array([math.nan, 0.1]), np.array([0.1, math.nan]))).all()


def test_senseless_windows_are_refused():
    with pytest.raises(ValueError, match=r"^horizon must be at least 1, got 0$"):
        forward_move(np.ones(3), horizon=0)
    with pytest.raises(ValueError, match=r"^window must be at least 2, got 1$"):
        rolling_volatility(np.ones(3), 1)
