"""Columns of bars and their aggregation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.market._bars import Bars, aggregate, join

MINUTE = 60_000


def rows(bars):
    """Bars as a list of tuples."""
    columns = (bars.open_ms, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return [tuple(int(value) for value in row) for row in zip(*columns, strict=True)]


def test_five_minutes_by_hand():
    bars = Bars(
        open_ms=np.array([0, 1, 2, 5]) * MINUTE,
        open=np.array([10, 12, 11, 20]),
        high=np.array([13, 12, 15, 21]),
        low=np.array([9, 10, 11, 19]),
        close=np.array([12, 11, 14, 20]),
        volume=np.array([1, 2, 3, 4]),
        buy_volume=np.array([1, 0, 2, 4]),
    )
    five = aggregate(bars, 5 * MINUTE)
    assert rows(five) == [(0, 10, 15, 9, 14, 6), (5 * MINUTE, 20, 21, 19, 20, 4)]
    assert five.buy_volume.tolist() == [3, 4]


def test_intervals_without_bars_are_left_out(bars_of):
    bars = bars_of(10)
    gappy = join(bars.slice(0, 2), bars.slice(8, 10))
    assert aggregate(gappy, 2 * MINUTE).open_ms.tolist() == [
        bars.open_ms[0],
        bars.open_ms[8],
    ]


def test_a_bar_is_named_by_its_grid_even_when_its_first_part_is_missing(bars_of):
    bars = bars_of(10).slice(3, 10)
    assert aggregate(bars, 5 * MINUTE).open_ms[0] == bars_of(1).open_ms[0]


def test_aggregating_nothing_gives_nothing(bars_of):
    assert len(aggregate(bars_of(3).slice(0, 0), 5 * MINUTE)) == 0


@pytest.mark.parametrize(("inner", "outer"), [(3, 15), (5, 60), (15, 30)])
@given(seed=st.integers(0, 50), drop=st.sets(st.integers(0, 119), max_size=40))
def test_aggregating_in_two_stages_is_aggregating_once(bars_of, inner, outer, seed, drop):
    bars = bars_of(120, seed=seed)
    kept = [bars.slice(index, index + 1) for index in range(120) if index not in drop]
    gappy = join(*kept)
    staged = aggregate(aggregate(gappy, inner * MINUTE), outer * MINUTE)
    assert rows(staged) == rows(aggregate(gappy, outer * MINUTE))


@given(seed=st.integers(0, 50), minutes=st.sampled_from([3, 5, 7, 60]))
def test_aggregation_keeps_volume_and_extremes(bars_of, seed, minutes):
    bars = bars_of(100, seed=seed)
    coarse = aggregate(bars, minutes * MINUTE)
    assert coarse.volume.sum() == bars.volume.sum()
    assert coarse.buy_volume.sum() == bars.buy_volume.sum()
    assert coarse.high.max() == bars.high.max()
    assert coarse.low.min() == bars.low.min()


def test_joined_slices_are_the_whole(bars_of):
    bars = bars_of(9)
    assert rows(join(bars.slice(0, 4), bars.slice(4, 9))) == rows(bars)
