"""Funding and mark prices of a replay."""

from decimal import Decimal

import numpy as np
import pytest

from freqtrade_ext.sandbox.market import ReplayMarket

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_704_067_200_000
NOW = 1_780_000_000_000 // HOUR * HOUR


@pytest.fixture
def hourly(folder, frame_of):
    folder.futures("BTC_USDT_USDT-1h-futures", frame_of(100, seed=2))
    return folder


def with_funding(folder, hours, rates, jitter=0):
    times = [START + hour * HOUR + jitter for hour in hours]
    folder.futures("BTC_USDT_USDT-1h-funding_rate", folder.funding(times, rates))
    return ReplayMarket(folder.path, "1h", moment=None)


def paid(market, shift=0):
    return [
        ((event.time_ms - START - shift) / HOUR, event.rate)
        for event in market.funding_events("BTCUSDT", 0, NOW * 2)
    ]


@pytest.mark.parametrize("jitter", [0, 7, -12, 999])
def test_payments_are_those_of_the_file_to_the_minute(hourly, jitter):
    market = with_funding(hourly, [8, 16, 24], [1e-4, -2e-4, 3.333e-5], jitter)
    assert paid(market) == [
        (8, Decimal("0.0001")),
        (16, Decimal("-0.0002")),
        (24, Decimal("0.00003333")),
    ]


def test_payments_move_with_the_candles(hourly):
    with_funding(hourly, [8, 16], [1e-4, 2e-4], jitter=4)
    market = ReplayMarket(hourly.path, "1h", moment=START + 12 * HOUR, anchor_ms=NOW)
    assert paid(market, market.shift_ms) == [(8, Decimal("0.0001")), (16, Decimal("0.0002"))]
    coming = market.next_funding("BTCUSDT", NOW)
    assert coming.time_ms == NOW + 4 * HOUR
    assert coming.rate == Decimal("0.0001")


def test_intervals_may_change(hourly):
    market = with_funding(hourly, [8, 16, 20, 24, 25, 26], [1e-4] * 6)
    coming = [
        (market.next_funding("BTCUSDT", START + hour * HOUR).time_ms - START) // HOUR
        for hour in (7, 8, 16, 20, 24, 25, 26, 27)
    ]
    assert coming == [8, 16, 20, 24, 25, 26, 27, 28]


@pytest.mark.parametrize(
    ("hours", "interval"),
    [([0, 8, 16, 24], 8), ([0, 4, 8, 12, 20], 4), ([0, 1, 2, 3], 1), ([8], 8)],
)
def test_the_usual_interval_is_told(hourly, hours, interval):
    market = with_funding(hourly, hours, [1e-4] * len(hours))
    assert market.instruments["BTCUSDT"].funding_interval_hours == interval


def test_payments_outside_the_candles_are_left_out_but_inform_the_forecast(hourly):
    market = with_funding(hourly, [-8, 8, 96, 104], [5e-4, 1e-4, 2e-4, 3e-4])
    assert [hour for hour, _ in paid(market)] == [8, 96]
    assert market.next_funding("BTCUSDT", START).rate == Decimal("0.0005")


def test_a_long_rests_on_the_mark_price_of_the_payment(hourly):
    market = with_funding(hourly, [8], [1e-4])
    (event,) = market.funding_events("BTCUSDT", 0, NOW)
    assert event.mark_price == market.mark_price("BTCUSDT", START + 8 * HOUR)


def test_without_a_file_nothing_is_paid(hourly):
    market = ReplayMarket(hourly.path, "1h", moment=None)
    assert paid(market) == []
    coming = market.next_funding("BTCUSDT", START + HOUR)
    assert (coming.time_ms, coming.rate) == (START + 8 * HOUR, 0)


def test_without_a_mark_file_the_mark_is_the_last_price(hourly):
    market = ReplayMarket(hourly.path, "1h", moment=None)
    for after in range(0, 3 * HOUR, 77_777):
        assert market.mark_price("BTCUSDT", START + after) == market.price("BTCUSDT", START + after)


def test_marks_of_the_candles_length_are_replayed_exactly(hourly, frame_of):
    marks = frame_of(100, seed=9)
    hourly.futures("BTC_USDT_USDT-1h-mark", marks)
    market = ReplayMarket(hourly.path, "1h", moment=None)
    candles = market.candles("BTCUSDT", HOUR, 0, NOW, NOW, "mark")
    assert [(c.open, c.high, c.low, c.close) for c in candles] == [
        tuple(row) for row in marks[["open", "high", "low", "close"]].to_numpy()
    ]
    assert {candle.volume for candle in candles} == {0.0}
    fine = market.candles("BTCUSDT", MINUTE, START, START + HOUR - 1, NOW, "mark")
    assert max(candle.high for candle in fine) == marks["high"][0]


def test_sparse_marks_give_a_premium_that_holds_until_the_next(hourly, frame_of):
    candles = frame_of(100, seed=2)
    marks = candles.iloc[::8].copy()
    premium = 1 + np.arange(len(marks)) / 1_000
    marks["open"] *= premium
    marks["high"] *= 3  # a bar of eight hours: its range is not the hour's
    hourly.futures("BTC_USDT_USDT-1h-mark", marks)
    market = ReplayMarket(hourly.path, "1h", moment=None)
    for hour in range(100):
        opened = START + hour * HOUR
        mark, last = (
            market.candles("BTCUSDT", HOUR, opened, opened, NOW, kind)[0]
            for kind in ("mark", "last")
        )
        for name in ("open", "high", "low", "close"):
            expected = getattr(last, name) * premium[hour // 8]
            assert getattr(mark, name) == pytest.approx(expected, abs=0.0051)


def test_marks_finer_apart_than_the_candles_or_jittered_still_fit(folder, frame_of):
    folder.futures("BTC_USDT_USDT-5m-futures", frame_of(400, step_ms=5 * MINUTE))
    marks = frame_of(34, step_ms=HOUR, start_ms=START + 3, seed=4)
    folder.futures("BTC_USDT_USDT-1h-mark", marks)
    market = ReplayMarket(folder.path, "5m", moment=None)
    for hour in range(33):
        mark = market.mark_price("BTCUSDT", START + hour * HOUR)
        assert float(mark) == pytest.approx(marks["open"][hour], abs=0.0051)


def test_before_the_first_mark_the_premium_is_none(hourly, frame_of):
    marks = frame_of(100, seed=2).iloc[16::8].copy()
    marks["open"] *= 1.01
    hourly.futures("BTC_USDT_USDT-1h-mark", marks.reset_index(drop=True))
    market = ReplayMarket(hourly.path, "1h", moment=None)
    early, late = START + 15 * HOUR, START + 16 * HOUR
    assert market.mark_price("BTCUSDT", early) == market.price("BTCUSDT", early)
    assert float(market.mark_price("BTCUSDT", late)) == pytest.approx(
        float(market.price("BTCUSDT", late)) * 1.01, abs=0.0051
    )
