"""Books, public trades and open interest."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.market._bars import Bars
from freqtrade_ext.sandbox.market._filters import Step
from freqtrade_ext.sandbox.market._liquidity import Liquidity
from freqtrade_ext.sandbox.market._tape import Tape

MINUTE = 60_000
START = 1_704_067_200_000
TICK, STEP = Step(2), Step(3)


@pytest.fixture(scope="module")
def tape(tape_of):
    return tape_of(300)


@pytest.fixture(scope="module")
def liquidity(tape):
    return Liquidity(tape, tick=TICK, step=STEP, spread_bps=4.0)


@given(after=st.integers(0, 400 * MINUTE), levels=st.integers(1, 60))
def test_bids_lie_below_the_price_and_asks_above_in_order(liquidity, tape, after, levels):
    book = liquidity.depth(START + after, levels)
    price = TICK.decimal(tape.tick(START + after))
    bids, asks = [level[0] for level in book.bids], [level[0] for level in book.asks]
    assert bids[0] < price < asks[0]
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert len(bids) == len(asks) == levels


@given(after=st.integers(0, 400 * MINUTE))
def test_book_is_on_the_grids_and_has_no_empty_level(liquidity, after):
    book = liquidity.depth(START + after, 50)
    for price, quantity in book.bids + book.asks:
        assert price % TICK.size == 0
        assert quantity % STEP.size == 0
        assert quantity > 0


def test_spread_is_the_one_asked_for(liquidity):
    book = liquidity.depth(START, 1)
    # 4 bps of 100.00 are 4 ticks of 0.01.
    assert book.asks[0][0] - book.bids[0][0] == Decimal("0.04")


def test_spread_is_never_less_than_two_ticks(tape):
    book = Liquidity(tape, tick=TICK, step=STEP, spread_bps=0.0).depth(START, 1)
    assert book.asks[0][0] - book.bids[0][0] == Decimal("0.02")


def test_levels_grow_on_average(liquidity):
    sizes = np.mean(
        [
            [float(quantity) for _, quantity in liquidity.depth(START + second * 1_000, 40).bids]
            for second in range(200)
        ],
        axis=0,
    )
    assert sizes[-10:].mean() > 2 * sizes[:10].mean()


def test_book_is_the_same_whenever_asked_and_differs_from_second_to_second(liquidity):
    assert liquidity.depth(START + 5_000, 20) == liquidity.depth(START + 5_000, 20)
    sizes = {liquidity.depth(START + second * 1_000, 1).bids[0][1] for second in range(30)}
    assert len(sizes) > 20


def test_fewer_levels_are_the_top_of_more(liquidity):
    few, many = liquidity.depth(START, 5), liquidity.depth(START, 1_000)
    assert many.bids[:5] == few.bids
    assert many.asks[:5] == few.asks


def test_levels_are_bounded_on_both_sides(liquidity):
    assert len(liquidity.depth(START, 0).asks) == 1
    assert len(liquidity.depth(START, 10**6).asks) == 1_000


def test_bids_of_a_market_of_a_few_ticks_stay_positive():
    ones = np.ones(3, dtype=np.int64)
    bars = Bars(START + MINUTE * np.arange(3), ones * 8, ones * 9, ones * 7, ones * 8, ones, ones)
    tape = Tape(bars, base_ms=MINUTE, key=1, origin_ms=START)
    book = Liquidity(tape, tick=Step(8), step=Step(0), spread_bps=2.0).depth(START, 1_000)
    assert 1 <= len(book.bids) <= 8
    assert min(price for price, _ in book.bids) > 0
    assert len(book.asks) == 1_000


@given(first=st.integers(0, 299), minutes=st.integers(1, 20))
def test_trades_sum_to_the_volume_of_the_candles(liquidity, tape, first, minutes):
    start, end = START + first * MINUTE, START + (first + minutes) * MINUTE
    trades = liquidity.trades(start, end)
    shown = tape.shown(start, end - 1)
    bought = sum(trade.quantity for trade in trades if not trade.buyer_is_maker)
    assert sum(trade.quantity for trade in trades) == STEP.decimal(int(shown.volume[0]))
    assert bought == STEP.decimal(int(shown.buy_volume[0]))


@given(cuts=st.lists(st.integers(0, 20 * MINUTE), min_size=2, max_size=6))
def test_adjoining_spans_report_each_trade_once(liquidity, cuts):
    cuts = [START + cut for cut in sorted(cuts)]
    pieces = [
        trade for start, end in itertools.pairwise(cuts) for trade in liquidity.trades(start, end)
    ]
    assert pieces == liquidity.trades(cuts[0], cuts[-1])


def test_a_span_holds_the_trade_at_its_start_and_not_the_one_at_its_end(liquidity):
    trades = liquidity.trades(START, START + 10 * MINUTE)
    times = [trade.time_ms for trade in trades]
    for index in range(1, len(trades), 17):
        same = times.index(times[index])
        assert liquidity.trades(START, times[index]) == trades[:same]
        assert liquidity.trades(times[index], START + 10 * MINUTE) == trades[same:]


def test_trades_happen_at_the_price_of_their_time_in_order_of_their_numbers(liquidity, tape):
    trades = liquidity.trades(START, START + 60 * MINUTE)
    assert len(trades) > 500
    for trade in trades:
        assert trade.price == TICK.decimal(tape.tick(trade.time_ms))
        assert trade.quantity > 0
    numbers = [trade.trade_id for trade in trades]
    times = [trade.time_ms for trade in trades]
    assert numbers == sorted(set(numbers))
    assert times == sorted(times)


def test_both_sides_are_aggressors(liquidity):
    sides = {trade.buyer_is_maker for trade in liquidity.trades(START, START + 10 * MINUTE)}
    assert sides == {True, False}


def test_no_more_than_48_trades_a_minute(liquidity):
    for minute in range(100):
        start = START + minute * MINUTE
        assert len(liquidity.trades(start, start + MINUTE)) <= 48


def test_nobody_trades_before_the_listing_in_a_gap_after_the_end_or_without_volume(tape_of):
    tape = tape_of(300, drop=[4, 5])
    market = Liquidity(tape, tick=TICK, step=STEP, spread_bps=2.0)
    assert market.trades(START - 10 * MINUTE, START) == []
    assert market.trades(START + 4 * MINUTE, START + 6 * MINUTE) == []
    assert market.trades(tape.end_ms, tape.end_ms + 10 * MINUTE) == []
    quiet = tape.bars.open_ms[tape.bars.volume == 0]
    assert quiet.size > 5
    for start in quiet.tolist():
        assert market.trades(start, start + MINUTE) == []


def test_open_interest_is_positive_and_moves_by_little(liquidity):
    series = [liquidity.open_interest(START + 100 * MINUTE + step * MINUTE) for step in range(200)]
    changes = np.abs(np.diff(np.log(series)))
    assert min(series) > 0
    assert changes.max() < 0.02
    assert len(set(series)) > 100


def test_open_interest_exists_before_the_first_bar_is_finished(liquidity):
    assert liquidity.open_interest(START) > 0
