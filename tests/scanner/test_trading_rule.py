"""
Round trips of the fixed rule, by hand.

Planted bugs that turn this file red: an entry at or beyond the stop band; an exit on the same
candle; a second trade while the first is open; a re-entry right after a stop; the sign of a short;
an open trade forgotten at the end; NaN taken for zero.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.scanner._trading_rule import rolling_deviation, round_trips
from freqtrade_ext.spreads import Bands

BANDS = Bands(2.0, 0.5, 4.0)
NAN = np.nan


def trips(*z_score: float, half_life: float = 100.0, bands: Bands = BANDS):
    z = np.array(z_score)
    value = np.nan_to_num(z)
    return [
        (each.entered, each.left, each.direction, each.move, each.ended)
        for each in round_trips(value, z, bands, half_life=half_life)
    ]


def test_a_short_is_left_inside_the_exit_band():
    assert trips(0, 2.0, 1.0, 0.5, 3.0, 1.0) == [(1, 3, -1, 1.5, True), (4, 5, -1, 2.0, False)]


def test_a_long_is_left_beyond_zero():
    assert trips(0, -2.5, -1.0, 0.9, 0.0) == [(1, 3, 1, 3.4, True)]


def test_nothing_is_entered_at_or_beyond_the_stop_band():
    assert trips(0, 4.0, 5.0, -4.0, 1.0) == []


def test_a_stop_is_a_loss_and_needs_a_calm_moment_before_the_next_entry():
    assert trips(0, 3.0, 4.0, 3.5, 3.0) == [(1, 2, -1, -1.0, True)]
    assert trips(0, 3.0, 4.0, 3.5, 1.9, 2.5, 0.0) == [(1, 2, -1, -1.0, True), (5, 6, -1, 2.5, True)]


def test_a_trade_ends_after_the_longest_holding_time():
    assert trips(0, 2.5, 2.4, 2.3, 2.2, 2.1, half_life=1.0) == [(1, 4, -1, 0.3, True)]


def test_a_missing_z_score_means_hold():
    assert trips(NAN, 2.0, NAN, NAN, 1.0, 0.0) == [(1, 5, -1, 2.0, True)]


def test_an_open_trade_is_marked_at_the_end():
    assert trips(0, 2.0, 1.0) == [(1, 2, -1, 1.0, False)]


@given(st.lists(st.floats(-6.0, 6.0), min_size=2, max_size=80))
def test_trades_follow_each_other_and_start_inside_the_bands(z_score):
    found = trips(*z_score)
    for entered, left, direction, _, _ in found:
        assert entered <= left
        assert 2.0 <= abs(z_score[entered]) < 4.0
        assert direction == -np.sign(z_score[entered])
    for before, after in itertools.pairwise(found):
        assert before[1] < after[0]


def test_deviation_within_windows_is_that_of_pandas():
    value = np.random.default_rng(0).standard_normal(300).cumsum()
    windows = [value[k : k + 50].std(ddof=1) for k in range(251)]
    assert rolling_deviation(value, 50) == pytest.approx(np.mean(windows))
    assert rolling_deviation(value[:30], 50) == pytest.approx(value[:30].std(ddof=1))
