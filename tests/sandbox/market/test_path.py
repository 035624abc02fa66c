"""The way of the price inside a bar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.market._bars import Bars, aggregate
from freqtrade_ext.sandbox.market._noise import keys_at
from freqtrade_ext.sandbox.market._path import (
    KNOT_MS,
    price_at,
    price_knots,
    slots,
    volume_at,
    volume_knots,
)

BASES = [60_000, 180_000, 300_000, 3_600_000, 14_400_000]


@st.composite
def one_bar(draw):
    """Any possible bar, flat ones and ones that open or close at an extreme included."""
    low = draw(st.integers(1, 10**7))
    high = low + draw(st.integers(0, 5_000))
    open_, close = (draw(st.integers(low, high)) for _ in range(2))
    volume = draw(st.integers(0, 10**9))
    bought = draw(st.integers(0, volume))
    return Bars(*(np.array([value]) for value in (0, open_, high, low, close, volume, bought)))


@pytest.mark.parametrize("base_ms", BASES)
@given(bar=one_bar(), place=st.integers(0, 10**6))
def test_path_opens_closes_and_turns_where_the_bar_says(base_ms, bar, place):
    knots = price_knots(bar, keys_at(1, place), base_ms)[0]
    assert knots.size == base_ms // KNOT_MS + 1
    assert (knots[0], knots[-1]) == (bar.open[0], bar.close[0])
    assert (knots.min(), knots.max()) == (bar.low[0], bar.high[0])


@pytest.mark.parametrize("base_ms", BASES)
@given(bar=one_bar(), place=st.integers(0, 10**6))
def test_slots_aggregate_to_the_bar_exactly(base_ms, bar, place):
    cut = slots(bar, keys_at(1, place), base_ms)
    assert len(cut) == base_ms // KNOT_MS
    again = aggregate(cut, base_ms)
    for name in ("open_ms", "open", "high", "low", "close", "volume", "buy_volume"):
        assert getattr(again, name).tolist() == getattr(bar, name).tolist(), name


@given(bar=one_bar(), place=st.integers(0, 10**6))
def test_slots_never_buy_more_than_they_trade(bar, place):
    cut = slots(bar, keys_at(1, place), 300_000)
    assert (cut.volume >= 0).all()
    assert ((cut.buy_volume >= 0) & (cut.buy_volume <= cut.volume)).all()


@given(bar=one_bar(), offset=st.integers(0, 5), start=st.integers(0, 9_000))
def test_price_is_monotone_between_knots(bar, offset, start):
    knots = price_knots(bar, keys_at(1, 3), 60_000)[0]
    first = offset * KNOT_MS + start
    seen = [price_at(knots, first + step) for step in range(0, 900, 90)]
    assert seen in (sorted(seen), sorted(seen, reverse=True))


def wild_bars(count):
    """Bars that move by many ticks in a millisecond, so that one too few shows."""
    rng = np.random.default_rng(4)
    low, high = np.full(count, 10**6), np.full(count, 10**9)
    open_, close = rng.integers(10**6, 10**9, (2, count))
    volume = np.full(count, 10**6)
    return Bars(60_000 * np.arange(count), open_, high, low, close, volume, volume // 3)


def test_the_last_millisecond_is_the_close():
    bars = wild_bars(40)
    knots = price_knots(bars, keys_at(1, np.arange(40)), 60_000)
    assert [price_at(row, 59_999) for row in knots] == bars.close.tolist()


def test_slots_end_where_the_price_is_in_their_last_millisecond():
    bars, keys = wild_bars(5), keys_at(1, np.arange(5))
    knots = price_knots(bars, keys, 60_000)
    ends = [price_at(row, (slot + 1) * KNOT_MS - 1) for row in knots for slot in range(6)]
    assert slots(bars, keys, 60_000).close.tolist() == ends


def test_every_knot_is_hit(bars_of):
    knots = price_knots(bars_of(1), keys_at(1, 0), 300_000)[0]
    hit = [price_at(knots, index * KNOT_MS) for index in range(knots.size - 1)]
    assert hit == knots[:-1].tolist()


def test_a_flat_bar_stands_still(bars_of):
    flat = np.array([77])
    bar = Bars(np.array([0]), flat, flat, flat, flat, np.array([0]), np.array([0]))
    assert set(price_knots(bar, keys_at(4, 4), 3_600_000)[0].tolist()) == {77}
    assert volume_knots(bar.volume, keys_at(4, 4), 3_600_000).sum() == 0


def test_paths_of_a_batch_are_the_paths_one_by_one(bars_of):
    bars = bars_of(12)
    keys = keys_at(8, np.arange(12))
    batch = price_knots(bars, keys, 300_000)
    for index in range(12):
        alone = price_knots(bars.slice(index, index + 1), keys[index : index + 1], 300_000)
        assert alone[0].tolist() == batch[index].tolist()


def test_long_bars_do_not_stick_to_their_extremes():
    low, high = np.array([10_000]), np.array([12_000])
    bar = Bars(np.array([0]), low, high, low, high, np.array([9]), np.array([3]))
    knots = price_knots(bar, keys_at(2, 0), 3_600_000)[0]
    assert np.isin(knots, [10_000, 12_000]).mean() < 0.05


def test_both_orders_of_the_extremes_happen_and_the_usual_one_more_often():
    count = 400
    ones = np.ones(count, dtype=np.int64)
    bars = Bars(ones, ones * 100, ones * 200, ones * 50, ones * 120, ones, ones)
    knots = price_knots(bars, keys_at(2, np.arange(count)), 60_000)
    low_first = (knots.argmin(axis=1) < knots.argmax(axis=1)).mean()
    assert 0.6 < low_first < 0.8  # rising bars go down first in 70 % of cases


@given(
    total=st.integers(0, 10**9),
    one=st.integers(0, 300_000),
    other=st.integers(0, 300_000),
)
def test_volume_only_grows_and_ends_at_the_total(total, one, other):
    knots = volume_knots(np.array([total]), keys_at(1, 1), 300_000)[0]
    early, late = sorted((one, other))
    assert 0 <= volume_at(knots, early) <= volume_at(knots, late) <= total
    assert volume_at(knots, 300_000) == total
    assert volume_at(knots, 0) == 0
