"""Replay of recorded Binance candles."""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.sandbox.market import ReplayMarket

pytestmark = pytest.mark.real_data

MINUTE = 60_000
HOUR = 60 * MINUTE
FAR = 4_000_000_000_000
OHLC = ["open", "high", "low", "close"]

FOLDERS = [
    pytest.param("C2_futures_1m_2023Jul", "1m", id="C2"),
    pytest.param("B_futures_1h_2024_2025", "1h", id="B"),
    pytest.param("D_futures_5m_2025MarApr", "5m", id="D"),
    pytest.param("E_spot_1h_gappy_2018_2021", "1h", id="E"),
]
LENGTHS = {"1m": MINUTE, "5m": 5 * MINUTE, "1h": HOUR}


def recorded(folder, symbol, timeframe):
    """The file of a symbol and its opens in milliseconds."""
    base = symbol.removesuffix("USDT")
    futures = folder / "futures" / f"{base}_USDT_USDT-{timeframe}-futures.feather"
    path = futures if futures.exists() else folder / f"{base}_USDT-{timeframe}.feather"
    frame = pd.read_feather(path)
    times = frame["date"].dt.tz_localize(None).to_numpy("datetime64[ms]").astype(np.int64)
    return frame, times


def as_rows(candles):
    return np.array([[c.open, c.high, c.low, c.close] for c in candles])


@pytest.mark.parametrize(("name", "timeframe"), FOLDERS)
def test_every_recorded_bar_is_replayed_to_the_last_digit(shared_data, name, timeframe):
    folder = shared_data / name
    market = ReplayMarket(folder, timeframe, moment=None)
    for symbol in list(market.instruments)[:3]:
        frame, times = recorded(folder, symbol, timeframe)
        candles = market.candles(symbol, LENGTHS[timeframe], 0, FAR, FAR)
        assert [candle.open_ms for candle in candles] == times.tolist()
        np.testing.assert_array_equal(as_rows(candles), frame[OHLC].to_numpy())
        np.testing.assert_array_equal([c.volume for c in candles], frame["volume"].to_numpy())


def test_minutes_within_recorded_hours_give_the_hours_again(shared_data):
    folder = shared_data / "B_futures_1h_2024_2025"
    market = ReplayMarket(folder, "1h", moment=None, symbols=["BTCUSDT", "DOGEUSDT"])
    for symbol in market.instruments:
        frame, times = recorded(folder, symbol, "1h")
        for row in range(0, len(frame), 997):
            fine = market.candles(symbol, MINUTE, int(times[row]), int(times[row]) + HOUR - 1, FAR)
            rows = as_rows(fine)
            together = [rows[0, 0], rows[:, 1].max(), rows[:, 2].min(), rows[-1, 3]]
            assert together == frame[OHLC].iloc[row].tolist()


def test_outages_of_the_years_to_2021_stay_outages(shared_data):
    folder = shared_data / "E_spot_1h_gappy_2018_2021"
    market = ReplayMarket(folder, "1h", moment=None, symbols=["BTCUSDT"])
    frame, times = recorded(folder, "BTCUSDT", "1h")
    gaps = np.flatnonzero(np.diff(times) > HOUR)
    assert gaps.size > 10
    for gap in gaps.tolist():
        inside = int(times[gap]) + HOUR + 90_000
        assert float(market.price("BTCUSDT", inside)) == frame["close"][gap]
        assert market.candles("BTCUSDT", MINUTE, inside - MINUTE, inside, inside) == []
        assert market.is_trading("BTCUSDT", inside)
    days = market.candles("BTCUSDT", 24 * HOUR, 0, FAR, FAR)
    assert len(days) == len(set((times // (24 * HOUR)).tolist()))


def test_recorded_funding_is_paid_at_the_recorded_mark(shared_data):
    folder = shared_data / "B_futures_1h_2024_2025"
    market = ReplayMarket(folder, "1h", moment=None, symbols=["BTCUSDT"])
    stem = str(folder / "futures" / "BTC_USDT_USDT-1h-")
    rates, marks = (pd.read_feather(f"{stem}{kind}.feather") for kind in ("funding_rate", "mark"))
    events = market.funding_events("BTCUSDT", 0, FAR)
    assert len(events) == len(rates)
    np.testing.assert_allclose([float(e.rate) for e in events], rates["open"], atol=5e-9)
    tick = float(market.instruments["BTCUSDT"].tick_size)
    np.testing.assert_allclose([float(e.mark_price) for e in events], marks["open"], atol=tick)
    assert market.instruments["BTCUSDT"].funding_interval_hours == 8


def test_the_mark_never_strays_far_from_the_last_price(shared_data):
    market = ReplayMarket(shared_data / "D_futures_5m_2025MarApr", "5m", moment=None)
    for symbol, terms in market.instruments.items():
        start, end = terms.listed_at_ms, market.end_ms
        last, mark = (
            as_rows(market.candles(symbol, HOUR, start, end, end, kind))
            for kind in ("last", "mark")
        )
        assert np.abs(mark / last - 1).max() < 0.02


def test_a_crash_can_be_made_to_happen_now(shared_data):
    folder = shared_data / "D_futures_5m_2025MarApr"
    now = 1_790_000_000_000 // HOUR * HOUR
    market = ReplayMarket(folder, "5m", moment="2025-04-06T18:00", anchor_ms=now)
    plain = ReplayMarket(folder, "5m", moment=None)
    assert market.price("BTCUSDT", now) == plain.price("BTCUSDT", now - market.shift_ms)
    day = market.candles("BTCUSDT", HOUR, now, now + 24 * HOUR, now + 24 * HOUR)
    assert min(candle.low for candle in day) < 0.96 * day[0].open


def test_one_minute_data_has_books_trades_and_zero_volume_minutes(shared_data):
    folder = shared_data / "C2_futures_1m_2023Jul"
    market = ReplayMarket(folder, "1m", moment=None)
    frame, times = recorded(folder, "ETCUSDT", "1m")
    quiet = times[(frame["volume"] == 0).to_numpy()]
    assert quiet.size
    for opened in quiet.tolist():
        assert market.trades("ETCUSDT", opened, opened + MINUTE) == []
    start = int(times[1_000])
    trades = market.trades("ETCUSDT", start, start + 10 * MINUTE)
    total = sum(float(trade.quantity) for trade in trades)
    assert total == pytest.approx(frame["volume"].iloc[1_000:1_010].sum(), rel=1e-9)
    book = market.depth("ETCUSDT", start, 500)
    assert book.bids[0][0] < market.price("ETCUSDT", start) < book.asks[0][0]
    assert book.bids[-1][0] > 0.8 * float(book.bids[0][0])


def test_late_listings_of_2024_start_late(shared_data):
    market = ReplayMarket(shared_data / "A2_spot_1h_2024", "1h", moment=None)
    first = {symbol: terms.listed_at_ms for symbol, terms in market.instruments.items()}
    assert len(set(first.values())) > 5
    late = max(first, key=first.__getitem__)
    assert not market.is_trading(late, first[late] - 1)
    assert market.is_trading(late, first[late])
