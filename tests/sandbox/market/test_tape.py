"""A price series over time, held against an oracle that looks at it second by second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.market._bars import Bars
from freqtrade_ext.sandbox.market._tape import Tape

MINUTE = 60_000
START = 1_704_067_200_000
COUNT = 60
BASES = [MINUTE, 5 * MINUTE, 15 * MINUTE]


def oracle_candle(tape, interval_ms, open_ms, now_ms):
    """(open, high, low, close) from the price at every second; None when nothing was recorded."""
    last_ms = min(now_ms, open_ms + interval_ms - 1)
    seconds = [*range(open_ms, last_ms + 1, 1_000), last_ms]
    opens = set((tape.bars.open_ms // tape.base_ms).tolist())
    recorded = [moment for moment in seconds if moment // tape.base_ms in opens]
    # The last millisecond of a bar before a gap is off the grid of seconds.
    recorded += [
        end for end in (tape.bars.open_ms + tape.base_ms - 1).tolist() if open_ms <= end <= last_ms
    ]
    prices = [tape.tick(moment) for moment in sorted(recorded)]
    if not prices:
        return None
    return prices[0], max(prices), min(prices), prices[-1]


def rows(bars):
    """Bars as {open_ms: (open, high, low, close)}."""
    columns = (bars.open, bars.high, bars.low, bars.close)
    prices = zip(*(column.tolist() for column in columns), strict=True)
    return dict(zip(bars.open_ms.tolist(), prices, strict=True))


@pytest.mark.parametrize("base_ms", BASES)
@pytest.mark.parametrize("minutes", [1, 3, 5, 15])
@given(
    seed=st.integers(0, 30),
    elapsed=st.integers(0, COUNT * MINUTE),
    drop=st.sets(st.integers(0, COUNT - 1), max_size=12),
)
def test_candles_show_exactly_what_the_price_did(tape_of, base_ms, minutes, seed, elapsed, drop):
    tape = tape_of(COUNT, seed=seed, base_ms=base_ms, drop=sorted(drop))
    interval, now = minutes * MINUTE, START + elapsed
    start = max(START, now // interval * interval - 4 * interval)
    start = -(-start // interval) * interval
    expected = {
        moment: candle
        for moment in range(start, now + 1, interval)
        if (candle := oracle_candle(tape, interval, moment, now)) is not None
    }
    assert rows(tape.candles(interval, start, now, now)) == expected


@given(seed=st.integers(0, 30), first=st.integers(0, 3_000_000), length=st.integers(0, 40_000))
def test_range_is_the_range_of_every_second(tape_of, seed, first, length):
    tape = tape_of(COUNT, seed=seed, drop=[7, 8, 30])
    start, end = START + first, START + first + length
    seconds = [start, *range(-(-start // 1_000) * 1_000, end + 1, 1_000), end]
    seconds += [moment for moment in range(start, end) if (moment + 1) % MINUTE == 0]
    prices = [tape.tick(moment) for moment in seconds]
    assert tape.tick_range(start, end) == (min(prices), max(prices))


def test_range_is_exact_to_the_millisecond(tape_of):
    tape = tape_of(3)
    start = START + MINUTE - 5_000
    prices = [tape.tick(start + after) for after in range(12_000)]
    assert tape.tick_range(start, start + 11_999) == (min(prices), max(prices))


def test_price_holds_through_a_gap_and_after_the_end(tape_of):
    tape = tape_of(10, drop=[4, 5])
    close = int(tape.bars.close[3])
    assert {tape.tick(START + 4 * MINUTE + after) for after in (-1, 0, 70_000, 119_999)} == {close}
    assert tape.tick(tape.end_ms + 10**9) == int(tape.bars.close[-1])


def test_a_gap_shows_no_candle_not_even_a_forming_one(tape_of):
    tape = tape_of(10, drop=[4, 5])
    now = START + 5 * MINUTE + 30_000
    opens = tape.candles(MINUTE, START, now, now).open_ms
    assert ((opens - START) // MINUTE).tolist() == [0, 1, 2, 3]


def test_nothing_new_appears_after_the_end(tape_of):
    tape = tape_of(10)
    late = tape.end_ms + 10**8
    assert len(tape.candles(MINUTE, START, late, late)) == 10
    assert len(tape.candles(60 * MINUTE, START, late, late)) == 1


def test_a_bar_is_finished_with_its_last_millisecond(tape_of):
    tape = tape_of(3)
    before, after = (tape.candles(MINUTE, START, START, START + MINUTE - late) for late in (2, 1))
    assert before.volume[0] <= after.volume[0] == tape.bars.volume[0]
    assert after.close[0] == tape.bars.close[0]


def test_no_candles_before_the_first_bar(tape_of):
    tape = tape_of(3)
    assert len(tape.candles(MINUTE, START - 10**7, START - 1, START - 1)) == 0
    assert len(tape.candles(60 * MINUTE, 0, START + 10**9, START - 1)) == 0


def test_bars_that_have_not_opened_are_not_shown(tape_of):
    tape = tape_of(30)
    now = START + 10 * MINUTE
    opens = tape.candles(MINUTE, START, START + 30 * MINUTE, now).open_ms
    assert opens[-1] == now
    assert len(opens) == 11


def test_the_span_of_opens_is_closed_at_both_ends(tape_of):
    tape = tape_of(30)
    opens = tape.candles(MINUTE, START + 2 * MINUTE, START + 5 * MINUTE, tape.end_ms).open_ms
    assert ((opens - START) // MINUTE).tolist() == [2, 3, 4, 5]


def test_a_forming_bar_outside_the_span_is_left_out(tape_of):
    tape = tape_of(30)
    now = START + 7 * MINUTE + 1
    opens = tape.candles(MINUTE, START, START + 6 * MINUTE, now).open_ms
    assert opens[-1] == START + 6 * MINUTE


@pytest.mark.parametrize("base_ms", BASES)
@given(seed=st.integers(0, 20), elapsed=st.integers(0, 10 * MINUTE))
def test_volume_so_far_never_exceeds_nor_loses_any(tape_of, base_ms, seed, elapsed):
    tape = tape_of(COUNT, seed=seed, base_ms=base_ms)
    early, late = (
        tape.shown(START, START + after).volume[0] for after in (elapsed, elapsed + 7_000)
    )
    assert 0 <= early <= late
    pieces = [tape.shown(START, START + elapsed), tape.shown(START + elapsed + 1, tape.end_ms - 1)]
    assert sum(int(piece.volume[0]) for piece in pieces) == tape.bars.volume.sum()
    assert sum(int(piece.buy_volume[0]) for piece in pieces) == tape.bars.buy_volume.sum()


@given(now=st.integers(0, COUNT * MINUTE - 1), seed=st.integers(0, 20))
def test_bars_to_come_change_nothing(tape_of, now, seed):
    whole = tape_of(COUNT, seed=seed)
    known = now // MINUTE + 1
    cut = Tape(whole.bars.slice(0, known), base_ms=MINUTE, key=5, origin_ms=START)
    moment = START + now
    assert cut.tick(moment) == whole.tick(moment)
    assert cut.tick_range(START, moment) == whole.tick_range(START, moment)
    assert cut.mean_volume(moment) == whole.mean_volume(moment)
    for minutes in (1, 5, 60):
        one, other = (
            tape.candles(minutes * MINUTE, START, moment, moment) for tape in (cut, whole)
        )
        assert rows(one) == rows(other)
        assert one.volume.tolist() == other.volume.tolist()


def test_moving_bars_and_origin_together_changes_nothing_else(tape_of):
    tape = tape_of(20)
    shift = 12_345 * MINUTE
    columns = (getattr(tape.bars, name) for name in ("open", "high", "low", "close", "volume"))
    moved = Tape(
        Bars(tape.bars.open_ms + shift, *columns, tape.bars.buy_volume),
        base_ms=MINUTE,
        key=5,
        origin_ms=START + shift,
    )
    for after in range(0, 20 * MINUTE, 1_777):
        assert moved.tick(START + shift + after) == tape.tick(START + after)


def test_mean_volume_counts_finished_bars_only(tape_of):
    tape = tape_of(10)
    volume = tape.bars.volume
    assert tape.mean_volume(START + MINUTE - 1) == 0.0
    assert tape.mean_volume(START + 3 * MINUTE) == volume[:3].sum() / (3 * MINUTE)
    assert tape.mean_volume(START + 5 * MINUTE, 2) == volume[3:5].sum() / (2 * MINUTE)


def test_slots_cover_the_bars_that_touch_the_span(tape_of):
    tape = tape_of(10)
    picked = tape.slots(START + 90_000, START + 120_000)
    assert picked.open_ms.tolist() == [START + MINUTE + 10_000 * index for index in range(6)]


def test_key_decides_the_path(tape_of):
    one, other = tape_of(30), tape_of(30, key=6)
    moments = range(START, START + 30 * MINUTE, 10_000)
    assert [one.tick(moment) for moment in moments] != [other.tick(moment) for moment in moments]


def test_empty_span_shows_nothing(tape_of):
    assert tape_of(3).shown(START - 10, START - 1) is None


def test_candles_are_integers_all_the_way(tape_of):
    bars = tape_of(5).candles(MINUTE, START, START + 10**7, START + 90_500)
    assert {getattr(bars, name).dtype for name in ("open", "close", "volume")} == {
        np.dtype("int64")
    }
