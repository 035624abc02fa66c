"""Finding and reading Freqtrade's data files, and what the operator is told when one is bad."""

import re

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.market._files import find, read, read_opens, timeframe_ms

HOUR = 3_600_000
START = 1_704_067_200_000


def symbols(files):
    return [file.symbol for file in files]


@pytest.mark.parametrize(
    ("text", "expected"), [("1m", 60_000), ("5m", 300_000), ("1h", HOUR), ("1d", 24 * HOUR)]
)
def test_timeframes_in_milliseconds(text, expected):
    assert timeframe_ms(text) == expected


@pytest.mark.parametrize("text", ["", "h", "0m", "5", "1s", "1M", "m5", "-1h", "1h "])
def test_other_texts_are_no_timeframe(text):
    with pytest.raises(ConfigError, match=re.escape(f"timeframe {text!r} is none")):
        timeframe_ms(text)


def test_futures_come_with_their_mark_and_funding_files(folder, frame_of):
    folder.futures("BTC_USDT_USDT-5m-futures", frame_of(3))
    mark = folder.futures("BTC_USDT_USDT-1h-mark", frame_of(3))
    funding = folder.futures("BTC_USDT_USDT-8h-funding_rate", frame_of(3))
    (file,) = find(folder.path, "5m", None)
    assert (file.base, file.quote, file.symbol) == ("BTC", "USDT", "BTCUSDT")
    assert (file.mark, file.funding) == (mark, funding)


def test_companions_of_the_candles_timeframe_win(folder, frame_of):
    folder.futures("BTC_USDT_USDT-5m-futures", frame_of(3))
    mark = folder.futures("BTC_USDT_USDT-5m-mark", frame_of(3))
    folder.futures("BTC_USDT_USDT-1h-mark", frame_of(3))
    assert find(folder.path, "5m", None)[0].mark == mark


def test_spot_files_are_found_and_futures_win_over_them(folder, frame_of):
    folder.spot("BTC_USDT-5m", frame_of(3))
    spot = folder.spot("ETH_USDT-5m", frame_of(3))
    futures = folder.futures("BTC_USDT_USDT-5m-futures", frame_of(3))
    files = find(folder.path, "5m", None)
    assert symbols(files) == ["BTCUSDT", "ETHUSDT"]
    assert [file.candles for file in files] == [futures, spot]
    assert files[1].mark is None


def test_markets_come_in_the_order_asked_for_and_once(folder, frame_of):
    for name in ("BTC", "ETH", "LTC"):
        folder.spot(f"{name}_USDT-1h", frame_of(3))
    assert symbols(find(folder.path, "1h", ["LTCUSDT", "BTCUSDT", "LTCUSDT"])) == [
        "LTCUSDT",
        "BTCUSDT",
    ]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere is not a folder: want a Freqtrade data folder"):
        find(tmp_path / "nowhere", "1h", None)


def test_an_empty_folder_says_which_files_it_wants(tmp_path):
    with pytest.raises(ConfigError, match=r"want futures/BTC_USDT_USDT-1h-futures\.feather or"):
        find(tmp_path, "1h", None)


def test_other_timeframes_are_offered(folder, frame_of):
    folder.spot("BTC_USDT-5m", frame_of(3))
    folder.futures("BTC_USDT_USDT-15m-futures", frame_of(3))
    with pytest.raises(ConfigError, match="there are candles of 15m, 5m"):
        find(folder.path, "1h", None)


def test_a_missing_market_is_named_beside_those_there(folder, frame_of):
    folder.spot("BTC_USDT-1h", frame_of(3))
    with pytest.raises(ConfigError, match=r"no 1h candles of XUSDT, YUSDT in .*there are BTCUSDT"):
        find(folder.path, "1h", ["BTCUSDT", "XUSDT", "YUSDT"])


def test_asking_for_no_market_is_an_error(folder, frame_of):
    folder.spot("BTC_USDT-1h", frame_of(3))
    with pytest.raises(ConfigError, match="no 1h candles of no symbol at all"):
        find(folder.path, "1h", [])


def test_a_good_file_is_read_as_it_is(folder, frame_of):
    frame = frame_of(50)
    columns = read(folder.spot("BTC_USDT-1h", frame), HOUR)
    assert columns.open_ms.tolist() == [START + index * HOUR for index in range(50)]
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(columns, name), frame[name])


def test_times_in_nanoseconds_and_other_zones_are_understood(folder, frame_of):
    frame = frame_of(3)
    frame["date"] = frame["date"].astype("datetime64[ns, UTC]").dt.tz_convert("Asia/Tokyo")
    assert read(folder.spot("BTC_USDT-1h", frame), HOUR).open_ms[0] == START


def spoil(frame, column, row, value):
    frame.loc[row, column] = value
    return frame


HIGH_BELOW = "a high below or a low above the open or close"
BAD_PRICE = "a price that is not finite and positive in column"
BAD_VOLUME = "a volume that is not finite or is negative"

SPOILED = [
    pytest.param(lambda f: f.drop(columns=["low", "volume"]),
                 "lacks column(s) low, volume: want date, open, high, low, close, volume",
                 id="columns"),
    pytest.param(lambda f: f.iloc[:0], "has no rows: download the data again", id="empty"),
    pytest.param(lambda f: f.assign(date=np.arange(len(f))),
                 "has dates of type int64: want times with a zone (UTC)", id="numbers"),
    pytest.param(lambda f: f.assign(date=f["date"].dt.tz_localize(None)),
                 "has dates of type datetime64[ms]: want times with a zone", id="no zone"),
    pytest.param(lambda f: spoil(f, "date", 4, pd.NaT), "has 1 row(s) without a date", id="nat"),
    pytest.param(lambda f: f.iloc[[0, 1, 3, 2, 4]].reset_index(drop=True),
                 "has a date earlier than the one before (want oldest first): 1 row(s), "
                 "first row 3 (2024-01-01T02:00:00+00:00)", id="unsorted"),
    pytest.param(lambda f: f.iloc[[0, 1, 1, 2]].reset_index(drop=True),
                 "has a duplicate date: 1 row(s), first row 2 (2024-01-01T01:00:00+00:00)",
                 id="duplicate"),
    pytest.param(lambda f: f.assign(date=f["date"] + pd.Timedelta(minutes=7)),
                 "has a date off the timeframe's grid: 9 row(s), first row 0", id="grid"),
    pytest.param(lambda f: spoil(f, "open", 2, np.nan),
                 f"has {BAD_PRICE} 'open': 1 row(s), first row 2", id="nan"),
    pytest.param(lambda f: spoil(f, "high", 3, np.inf),
                 f"has {BAD_PRICE} 'high': 1 row(s), first row 3", id="infinite"),
    pytest.param(lambda f: spoil(f, "low", 1, 0.0),
                 f"has {BAD_PRICE} 'low': 1 row(s), first row 1", id="zero"),
    pytest.param(lambda f: spoil(f, "close", 1, -3.0),
                 f"has {BAD_PRICE} 'close': 1 row(s), first row 1", id="negative"),
    pytest.param(lambda f: spoil(f, "high", 5, f["close"][5] - 1),
                 f"has {HIGH_BELOW}: 1 row(s), first row 5", id="high"),
    pytest.param(lambda f: spoil(f, "low", 5, f["open"][5] + 0.01),
                 f"has {HIGH_BELOW}: 1 row(s), first row 5", id="low"),
    pytest.param(lambda f: spoil(f, "volume", 0, -1.0),
                 f"has {BAD_VOLUME}: 1 row(s), first row 0", id="volume"),
    pytest.param(lambda f: spoil(f, "volume", 0, np.nan),
                 f"has {BAD_VOLUME}: 1 row(s), first row 0", id="nan volume"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), SPOILED)
def test_a_bad_file_is_refused_with_its_name_the_row_and_the_reason(
    folder, frame_of, change, message
):
    path = folder.spot("BTC_USDT-1h", change(frame_of(9)))
    with pytest.raises(ConfigError) as caught:
        read(path, HOUR)
    assert str(caught.value).startswith(f"{path} {message}")


def test_what_is_no_feather_file_is_refused(folder):
    folder.path.mkdir()
    path = folder.path / "BTC_USDT-1h.feather"
    path.write_text("date,open")
    with pytest.raises(ConfigError, match=r"BTC_USDT-1h\.feather cannot be read as a feather file"):
        read(path, HOUR)


def test_text_in_place_of_prices_is_refused(folder, frame_of):
    path = folder.spot("BTC_USDT-1h", frame_of(3).assign(close=["a", "b", "c"]))
    with pytest.raises(ConfigError, match="has a column 'close' that is no column of numbers"):
        read(path, HOUR)


def test_jitter_is_rounded_to_the_minute(folder):
    times = [START + 3, START + 8 * HOUR - 17, START + 16 * HOUR + 999]
    path = folder.futures(
        "BTC_USDT_USDT-1h-funding_rate", folder.funding(times, [1e-4, 0.0, -1e-4])
    )
    times, rates = read_opens(path, positive=False)
    assert ((times - START) / HOUR).tolist() == [0, 8, 16]
    assert rates.tolist() == [1e-4, 0.0, -1e-4]


def test_two_payments_in_one_minute_are_refused(folder):
    path = folder.futures(
        "BTC_USDT_USDT-1h-funding_rate", folder.funding([START, START + 5], [1e-4, 1e-4])
    )
    with pytest.raises(ConfigError, match="has a duplicate date: 1 row"):
        read_opens(path, positive=False)


@pytest.mark.parametrize(
    ("positive", "value", "message"),
    [
        (False, np.nan, "a rate that is not finite in column 'open'"),
        (True, np.inf, "a price that is not finite and positive in column 'open'"),
        (True, 0.0, "a price that is not finite and positive in column 'open'"),
    ],
)
def test_bad_rates_and_marks_are_refused(folder, positive, value, message):
    path = folder.futures(
        "BTC_USDT_USDT-1h-mark", folder.funding([START, START + HOUR], [1, value])
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_opens(path, positive=positive)
