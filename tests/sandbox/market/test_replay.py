"""Replay of small made-up data folders."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.errors import ConfigError, IllegalRequest
from freqtrade_ext.sandbox.market import Market, ReplayMarket
from freqtrade_ext.sandbox.market._replay import _shift

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_704_067_200_000  # 2024-01-01T00:00Z
NOW = 1_780_000_000_000 // HOUR * HOUR


def replay(folder, timeframe="1h", **changes) -> ReplayMarket:
    return ReplayMarket(folder.path, timeframe, **{"moment": None, "anchor_ms": NOW, **changes})


def prices(candle):
    return candle.open, candle.high, candle.low, candle.close


def file_rows(frame):
    return [tuple(row) for row in frame[["open", "high", "low", "close"]].to_numpy()]


@pytest.fixture
def hourly(folder, frame_of):
    """A folder with BTC and ETH, 100 hours each."""
    for seed, name in enumerate(("BTC", "ETH")):
        folder.futures(f"{name}_USDT_USDT-1h-futures", frame_of(100, seed=seed))
    return folder


def test_it_is_a_market(hourly):
    checked: Market = replay(hourly)
    assert list(checked.instruments) == ["BTCUSDT", "ETHUSDT"]
    terms = checked.instruments["BTCUSDT"]
    assert (terms.base, terms.quote, terms.listed_at_ms) == ("BTC", "USDT", START)
    assert (terms.tick_size, terms.step_size) == (Decimal("0.01"), Decimal("0.001"))


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m", "1h", "4h", "1d"])
def test_bars_of_the_file_appear_exactly(folder, frame_of, timeframe):
    minutes = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1_440}[timeframe]
    frame = frame_of(60, step_ms=minutes * MINUTE)
    folder.spot(f"BTC_USDT-{timeframe}", frame)
    market = replay(folder, timeframe)
    candles = market.candles("BTCUSDT", minutes * MINUTE, 0, NOW, NOW)
    assert [prices(candle) for candle in candles] == file_rows(frame)
    assert [candle.volume for candle in candles] == frame["volume"].tolist()


@pytest.mark.parametrize("minutes", [1, 3, 5, 15, 30])
def test_finer_candles_give_the_bar_of_the_file_when_put_together(hourly, frame_of, minutes):
    frame, market = frame_of(100, seed=0), replay(hourly)
    for row in range(0, 100, 7):
        opened = START + row * HOUR
        fine = market.candles("BTCUSDT", minutes * MINUTE, opened, opened + HOUR - 1, NOW)
        assert len(fine) == 60 // minutes
        put_together = (
            fine[0].open,
            max(candle.high for candle in fine),
            min(candle.low for candle in fine),
            fine[-1].close,
        )
        assert put_together == file_rows(frame)[row]
        volume = sum(candle.volume for candle in fine)
        assert volume == pytest.approx(frame["volume"][row], rel=1e-12)


@pytest.mark.parametrize("hours", [2, 4, 6, 8, 12, 24])
def test_coarser_candles_are_the_files_bars_put_together(hourly, frame_of, hours):
    frame, market = frame_of(100, seed=0), replay(hourly)
    candles = market.candles("BTCUSDT", hours * HOUR, 0, NOW, NOW)
    assert len(candles) == -(-100 // hours)
    for index, candle in enumerate(candles):
        part = frame.iloc[index * hours : (index + 1) * hours]
        assert candle.open_ms == START + index * hours * HOUR
        assert prices(candle) == (
            part["open"].iloc[0],
            part["high"].max(),
            part["low"].min(),
            part["close"].iloc[-1],
        )


def test_seed_decides_the_path_but_not_the_bars(hourly):
    one, other = replay(hourly), replay(hourly, seed=1)
    hour = ("BTCUSDT", HOUR, 0, NOW, NOW)
    minute = ("BTCUSDT", MINUTE, START, START + DAY, NOW)
    assert [prices(c) for c in one.candles(*hour)] == [prices(c) for c in other.candles(*hour)]
    assert one.candles(*minute) != other.candles(*minute)
    assert one.candles(*minute) == replay(hourly).candles(*minute)


@settings(max_examples=40)
@given(after=st.integers(0, 100 * HOUR - 1))
def test_other_data_after_the_current_bar_changes_no_answer(tmp_path_factory, frame_of, after):
    known = after // HOUR + 1
    path = tmp_path_factory.mktemp("causal")
    frame, now = frame_of(100, seed=3), START + after
    other = frame.copy()
    other.loc[known:, ["open", "high", "low", "close"]] = (
        frame.loc[known:, ["open", "high", "low", "close"]] * 1.37
    ).round(2)
    other.loc[known:, "volume"] = (frame.loc[known:, "volume"] * 3).round(3)
    other = other.iloc[: max(known, 100 - after % 17)]
    rates = frame_of(100, seed=8)["open"].to_numpy() / 1e6
    markets = []
    for name, candles, factor in (("one", frame, 1.0), ("two", other, 2.0)):
        target = path / name / "futures"
        target.mkdir(parents=True)
        candles.to_feather(target / "BTC_USDT_USDT-1h-futures.feather")
        eighth = frame.iloc[::8].assign(open=rates[::8])
        later = eighth["date"].astype("int64") > now
        eighth.loc[later, "open"] *= factor
        eighth.to_feather(target / "BTC_USDT_USDT-1h-funding_rate.feather")
        marks = frame.iloc[::8].copy()
        marks.loc[later, "open"] *= factor
        marks.to_feather(target / "BTC_USDT_USDT-1h-mark.feather")
        markets.append(ReplayMarket(path / name, "1h", moment=None))
    one, two = markets
    for kind in ("last", "mark"):
        for interval in (MINUTE, HOUR, 8 * HOUR):
            ask = ("BTCUSDT", interval, now - 20 * HOUR, now, now, kind)
            assert one.candles(*ask) == two.candles(*ask)
    assert one.mark_price("BTCUSDT", now) == two.mark_price("BTCUSDT", now)
    assert one.depth("BTCUSDT", now, 20) == two.depth("BTCUSDT", now, 20)
    assert one.open_interest("BTCUSDT", now) == two.open_interest("BTCUSDT", now)
    assert one.next_funding("BTCUSDT", now) == two.next_funding("BTCUSDT", now)
    assert one.funding_events("BTCUSDT", 0, now) == two.funding_events("BTCUSDT", 0, now)
    assert one.trades("BTCUSDT", now - HOUR, now) == two.trades("BTCUSDT", now - HOUR, now)


def test_the_chosen_moment_is_now(hourly):
    plain = replay(hourly)
    moment = START + 50 * HOUR
    shifted = replay(hourly, moment=moment)
    assert shifted.shift_ms == NOW - moment
    for after in (0, 1, 30 * MINUTE, 5 * HOUR, -7 * HOUR):
        assert shifted.price("BTCUSDT", NOW + after) == plain.price("BTCUSDT", moment + after)
        assert shifted.depth("BTCUSDT", NOW + after, 9) == plain.depth("BTCUSDT", moment + after, 9)
    assert [prices(c) for c in shifted.candles("BTCUSDT", MINUTE, NOW - DAY, NOW, NOW)] == [
        prices(c) for c in plain.candles("BTCUSDT", MINUTE, moment - DAY, moment, moment)
    ]


@given(minutes=st.integers(0, 100 * 60 - 1), late=st.integers(0, DAY))
def test_shift_is_whole_bars_and_hours_and_never_skips_the_moment(minutes, late):
    span, moment, anchor = (START, START + 100 * HOUR), START + minutes * MINUTE, NOW + late
    for base_ms in (MINUTE, 5 * MINUTE, HOUR, 4 * HOUR, DAY):
        shift = _shift(moment, anchor, base_ms, span, Path("data"))
        assert shift % base_ms == 0
        assert shift % HOUR == 0
        assert 0 <= moment + shift - anchor < max(base_ms, HOUR)


@pytest.mark.parametrize(
    "moment",
    [
        START + 50 * HOUR,
        "2024-01-03T02:00",
        "2024-01-03T02:00:00Z",
        "2024-01-03T04:00+02:00",
        datetime(2024, 1, 3, 2, tzinfo=UTC),
        datetime(2024, 1, 2, 21, tzinfo=timezone(timedelta(hours=-5))),
    ],
    ids=str,
)
def test_a_moment_may_be_said_in_many_ways(hourly, moment):
    assert replay(hourly, moment=moment).shift_ms == NOW - START - 50 * HOUR


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"moment": "soon"}, "moment 'soon' is no date: want 2024-01-31T12:00"),
        ({"moment": datetime(2024, 1, 3)}, "has no time zone"),  # noqa: DTZ001
        ({"moment": START, "anchor_ms": None}, "a moment without anchor_ms"),
        (
            {"moment": START - 1},
            "want one from 2024-01-01T00:00:00+00:00 to before 2024-01-05T04:00:00+00:00",
        ),
        ({"moment": START + 100 * HOUR}, "moment 2024-01-05T04:00:00+00:00 is not in the data of"),
        ({"symbols": ["XUSDT"]}, "no 1h candles of XUSDT in"),
        ({"timeframe": "7x"}, "timeframe '7x' is none"),
    ],
)
def test_what_cannot_be_replayed_is_refused(hourly, changes, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        replay(hourly, **changes)


def test_a_missing_folder_is_refused(folder):
    with pytest.raises(ConfigError, match="is not a folder"):
        replay(folder)


def test_missing_bars_stay_missing_and_the_price_holds(folder, frame_of):
    frame = frame_of(48)
    folder.spot("BTC_USDT-1h", frame.drop(index=[10, 11, 12]).reset_index(drop=True))
    market = replay(folder)
    opens = [c.open_ms for c in market.candles("BTCUSDT", HOUR, 0, NOW, NOW)]
    assert [(moment - START) // HOUR for moment in opens] == [*range(10), *range(13, 48)]
    close = Decimal(str(frame["close"][9]))
    inside = START + 11 * HOUR + 5
    assert market.price("BTCUSDT", inside) == close
    assert market.price_range("BTCUSDT", inside - HOUR, inside) == (close, close)
    assert market.is_trading("BTCUSDT", inside)
    assert market.trades("BTCUSDT", START + 10 * HOUR, START + 13 * HOUR) == []
    assert market.candles("BTCUSDT", MINUTE, inside - 30 * MINUTE, inside, inside) == []
    (four,) = market.candles("BTCUSDT", 4 * HOUR, START + 8 * HOUR, START + 8 * HOUR, NOW)
    assert four.close == frame["close"][9]


def test_a_late_listing_does_not_trade_before_its_first_bar(folder, frame_of):
    folder.spot("BTC_USDT-1h", frame_of(100))
    folder.spot("NEW_USDT-1h", frame_of(40, start_ms=START + 60 * HOUR))
    market, first = replay(folder), START + 60 * HOUR
    assert not market.is_trading("NEWUSDT", first - 1)
    assert market.is_trading("NEWUSDT", first)
    assert market.instruments["NEWUSDT"].listed_at_ms == first
    assert market.candles("NEWUSDT", HOUR, 0, first - 1, first - 1) == []
    for ask in (market.price, market.mark_price, market.open_interest, market.next_funding):
        with pytest.raises(IllegalRequest, match=f"NEWUSDT has no price at {first - 1} ms"):
            ask("NEWUSDT", first - 1)
    with pytest.raises(IllegalRequest, match="NEWUSDT has no price"):
        market.depth("NEWUSDT", first - 1, 5)


def test_a_range_leaves_out_its_start_and_holds_its_end(hourly, frame_of):
    frame, market = frame_of(100, seed=0), replay(hourly)
    for row in range(1, 100):
        opened = START + row * HOUR
        first = Decimal(str(frame["open"][row]))
        assert market.price("BTCUSDT", opened - 1) == Decimal(str(frame["close"][row - 1]))
        assert market.price_range("BTCUSDT", opened - 1, opened) == (first, first)


def test_a_range_that_reaches_before_the_listing_is_cut_there(hourly):
    market = replay(hourly)
    now = START + 3 * HOUR
    assert market.price_range("BTCUSDT", 0, now) == market.price_range("BTCUSDT", START - 1, now)


def test_an_empty_range_is_the_price_at_its_end(hourly):
    market = replay(hourly)
    price = market.price("BTCUSDT", START + 12_345)
    assert market.price_range("BTCUSDT", START + 12_345, START + 12_345) == (price, price)


def test_a_market_silent_for_a_day_while_others_go_on_is_delisted(folder, frame_of):
    folder.spot("BTC_USDT-1h", frame_of(100))
    folder.spot("OLD_USDT-1h", frame_of(40))
    folder.spot("LAG_USDT-1h", frame_of(90))
    market = replay(folder)
    silent = START + 64 * HOUR
    assert market.is_trading("OLDUSDT", silent - 1)
    assert not market.is_trading("OLDUSDT", silent)
    assert market.price("OLDUSDT", silent) == market.price("OLDUSDT", START + 40 * HOUR)
    assert market.is_trading("LAGUSDT", NOW)
    assert market.is_trading("BTCUSDT", NOW)


def test_bars_without_volume_are_shown_and_have_no_trades(folder, frame_of):
    frame = frame_of(20)
    frame.loc[5, "volume"] = 0.0
    folder.spot("BTC_USDT-1h", frame)
    market, opened = replay(folder), START + 5 * HOUR
    (candle,) = market.candles("BTCUSDT", HOUR, opened, opened, NOW)
    assert (candle.volume, candle.trade_count, candle.taker_buy_volume) == (0, 0, 0)
    assert prices(candle) == file_rows(frame)[5]
    assert market.trades("BTCUSDT", opened, opened + HOUR) == []


def test_taker_buy_volume_leans_with_the_bar(folder, frame_of):
    frame = frame_of(400)
    folder.spot("BTC_USDT-1h", frame)
    candles = replay(folder).candles("BTCUSDT", HOUR, 0, NOW, NOW)
    share = np.array([candle.taker_buy_volume / candle.volume for candle in candles])
    rising = (frame["close"] > frame["open"]).to_numpy()
    assert ((share >= 0) & (share <= 1)).all()
    assert share[rising].mean() > 0.52 > 0.48 > share[~rising].mean()


def test_quote_volume_lies_within_the_prices_of_the_bar(hourly):
    for candle in replay(hourly).candles("BTCUSDT", HOUR, 0, NOW, NOW):
        low, high = candle.low * candle.volume, candle.high * candle.volume
        assert low * (1 - 1e-12) <= candle.quote_volume <= high * (1 + 1e-12)


def test_averaged_prices_are_rounded_to_a_sensible_tick(folder, frame_of):
    frame = frame_of(30)
    for name in ("open", "high", "low", "close"):
        frame[name] = frame[name] / 7
    folder.spot("BTC_USDT-1h", frame)
    market = replay(folder)
    tick = market.instruments["BTCUSDT"].tick_size
    assert tick == Decimal("0.000001")
    for candle, row in zip(
        market.candles("BTCUSDT", HOUR, 0, NOW, NOW), file_rows(frame), strict=True
    ):
        assert prices(candle) == pytest.approx(row, abs=float(tick) / 2 + 1e-12)
        assert candle.low <= min(candle.open, candle.close)


def test_unknown_symbols_intervals_and_kinds_are_refused(hourly):
    market = replay(hourly)
    with pytest.raises(IllegalRequest, match="unknown symbol 'X'; this market has BTCUSDT, ETHUSD"):
        market.price("X", NOW)
    with pytest.raises(IllegalRequest, match="candles of 90000 ms: want a whole number of minutes"):
        market.candles("BTCUSDT", 90_000, 0, NOW, NOW)
    with pytest.raises(IllegalRequest, match="candles of 'premium': want one of"):
        market.candles("BTCUSDT", HOUR, 0, NOW, NOW, "premium")
