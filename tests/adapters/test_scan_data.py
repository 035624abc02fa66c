"""Many markets from Freqtrade's data files: all layouts, all kinds of damage.

Bugs that were planted in the code, each of which a test here found: volume not turned into quote
currency; the mark price files taken for candles; trimming from the front of the file instead of the
end; trimming that forgets the candles to be carried; the end of the range included; times read as
nanoseconds; the listing taken from the trimmed history; a market without a file left out silently;
a pattern of the whitelist taken for a name; a blacklist that refuses markets which are not there;
dates without a time zone taken.
"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType
from pyarrow import feather

from freqtrade_ext.adapters.market_data import load_bot_configuration
from freqtrade_ext.adapters.scan_data import (
    Stretch,
    all_markets,
    blacklisted,
    load_histories,
    moments,
    named_markets,
    whitelisted,
)
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import RefusalReason, UniverseSettings, build_universe

HOUR_MS = 3_600_000
START = pd.Timestamp("2024-01-01", tz="UTC")
START_MS = START.value // 1_000_000
ALL = Stretch(HOUR_MS, 10_000)
LAYOUTS = [("spot", "feather"), ("futures", "feather"), ("futures", "parquet"), ("spot", "jsongz")]


def candles(closes, *, volume=2.0):
    closes = np.asarray(closes, dtype=float)
    dates = pd.date_range(START, periods=len(closes), freq="h").as_unit("ms")
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    return pd.DataFrame({"date": dates, **prices, "volume": volume})


@pytest.fixture
def configure(tmp_path):
    """A configuration of a trading mode and a file format, with any further keys."""

    def configured(mode="futures", data_format="feather", **keys):
        (tmp_path / "data").mkdir(exist_ok=True)
        document = {
            "user_data_dir": str(tmp_path),
            "timeframe": "1h",
            "trading_mode": mode,
            "margin_mode": "isolated" if mode == "futures" else "",
            "stake_currency": "USDT",
            "dataformat_ohlcv": data_format,
            "exchange": {"name": "binance", "pair_whitelist": []} | keys,
        }
        path = tmp_path / "config.json"
        path.write_text(json.dumps(document))
        return load_bot_configuration([str(path)], datadir=str(tmp_path / "data"))

    return configured


def store(configuration, market, frame, *, timeframe="1h", kind=None):
    """Write candles as Freqtrade itself does."""
    mode = configuration.raw["trading_mode"]
    get_datahandler(configuration.data, configuration.raw["dataformat_ohlcv"]).ohlcv_store(
        market, timeframe, frame, kind or CandleType.get_default(mode)
    )


def file_of(configuration, coin="AAA"):
    return configuration.data / "futures" / f"{coin}_USDT_USDT-1h-futures.feather"


def refusal_of(configuration, market="AAA/USDT:USDT", stretch=ALL):
    data = load_histories(configuration, [market], stretch)
    assert data.histories == ()
    (refusal,) = data.refusals
    assert refusal.market == market
    return refusal


# Layouts


@pytest.mark.parametrize(("mode", "data_format"), LAYOUTS)
def test_candles_are_those_that_freqtrade_wrote(configure, mode, data_format):
    configuration = configure(mode, data_format)
    market = "AAA/USDT" if mode == "spot" else "AAA/USDT:USDT"
    store(configuration, market, candles([10.0, 11.0, 12.5]))
    assert all_markets(configuration) == (market,)
    data = load_histories(configuration, [market], ALL)
    (history,) = data.histories
    assert data.refusals == ()
    assert history.market == market
    assert history.time_ms.tolist() == [START_MS, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS]
    assert history.close.tolist() == [10.0, 11.0, 12.5]
    assert history.quote_volume.tolist() == [20.0, 22.0, 25.0]
    assert history.listed_ms == START_MS
    assert (history.time_ms.dtype, history.close.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_resolution_are_the_same_times(configure, unit):
    configuration = configure()
    store(configuration, "AAA/USDT:USDT", candles([1.0, 2.0]))
    frame = candles([1.0, 2.0])
    frame["date"] = frame["date"].dt.as_unit(unit)
    frame.to_feather(file_of(configuration))
    (history,) = load_histories(configuration, ["AAA/USDT:USDT"], ALL).histories
    assert history.time_ms.tolist() == [START_MS, START_MS + HOUR_MS]


def test_other_timeframes_and_mark_prices_are_no_markets(configure):
    configuration = configure()
    for kind in (CandleType.FUTURES, CandleType.MARK):
        store(configuration, "AAA/USDT:USDT", candles([1.0]), kind=kind)
    store(configuration, "BBB/USDT:USDT", candles([1.0]), kind=CandleType.MARK)
    store(configuration, "CCC/USDT:USDT", candles([1.0]), timeframe="5m")
    assert all_markets(configuration) == ("AAA/USDT:USDT",)


def test_files_are_told_done_one_by_one(configure):
    configuration = configure()
    markets = [f"{coin}/USDT:USDT" for coin in ("AAA", "BBB", "CCC")]
    store(configuration, markets[1], candles([1.0]))
    heard = []
    data = load_histories(configuration, markets, ALL, heard=lambda *each: heard.append(each))
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert [each.market for each in data.histories] == [markets[1]]
    assert [each.market for each in data.refusals] == [markets[0], markets[2]]


# What is kept


def test_only_the_newest_candles_are_kept_and_the_listing_is_remembered(configure):
    configuration = configure()
    store(configuration, "AAA/USDT:USDT", candles(range(1, 101)))
    (history,) = load_histories(configuration, ["AAA/USDT:USDT"], Stretch(HOUR_MS, 30)).histories
    assert history.close.tolist() == [float(each) for each in range(71, 101)]
    assert history.listed_ms == START_MS


def test_an_end_is_left_out_and_counted_back_from(configure):
    configuration = configure()
    store(configuration, "AAA/USDT:USDT", candles(range(1, 101)))
    stretch = Stretch(HOUR_MS, 5, end_ms=START_MS + 50 * HOUR_MS)
    (history,) = load_histories(configuration, ["AAA/USDT:USDT"], stretch).histories
    assert history.close.tolist() == [46.0, 47.0, 48.0, 49.0, 50.0]


def test_a_start_keeps_what_is_needed_to_carry_a_close(configure):
    configuration = configure()
    store(configuration, "AAA/USDT:USDT", candles(range(1, 101)))
    stretch = Stretch(HOUR_MS, 3, start_ms=START_MS + 60 * HOUR_MS)
    (history,) = load_histories(configuration, ["AAA/USDT:USDT"], stretch).histories
    assert history.close[0] == 58.0
    assert history.close[-1] == 100.0


def test_rows_in_any_order_are_kept_by_their_time(configure):
    configuration = configure()
    frame = candles(range(1, 101)).sample(frac=1, random_state=3)
    store(configuration, "AAA/USDT:USDT", frame)
    (history,) = load_histories(configuration, ["AAA/USDT:USDT"], Stretch(HOUR_MS, 10)).histories
    assert sorted(history.close) == [float(each) for each in range(91, 101)]
    assert history.listed_ms == START_MS


@pytest.mark.parametrize("seed", range(5))
def test_a_scan_sees_the_same_with_and_without_what_is_not_kept(configure, seed):
    rng = np.random.default_rng(seed)
    configuration = configure()
    markets = [f"{coin}/USDT:USDT" for coin in ("AAA", "BBB", "CCC", "DDD")]
    for market in markets:
        closes = np.exp(np.cumsum(rng.normal(0, 0.01, 900)))
        frame = candles(closes, volume=1e9).drop(index=rng.choice(899, 15, replace=False))
        store(configuration, market, frame.iloc[: 900 - 15 - 3 * (market == markets[0])])
    settings = UniverseSettings(window=400, min_candles=300, min_listing_days=20)
    reach = settings.window + settings.max_carry_candles
    end_ms = START_MS + int(rng.integers(820, 900)) * HOUR_MS
    universes = [
        build_universe(
            load_histories(configuration, markets, stretch).histories,
            settings,
            timeframe="1h",
            end_ms=end_ms,
        )
        for stretch in (ALL, Stretch(HOUR_MS, reach, end_ms=end_ms))
    ]
    assert universes[0] == universes[1]
    np.testing.assert_array_equal(universes[0].log_prices, universes[1].log_prices)
    np.testing.assert_array_equal(universes[0].time_ms, universes[1].time_ms)
    assert len(universes[0].markets) >= 2


# Damage


def damaged(kind, path):
    """Damage a file of 500 candles."""
    table = feather.read_table(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 3])
    elif kind == "other format":
        path.write_text("date,close\n2024-01-01,3\n")
    elif kind == "noise at the end":
        path.write_bytes(content[:-300] + rng.integers(0, 256, 300, dtype=np.uint8).tobytes())
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "no close":
        feather.write_feather(table.drop_columns(["close"]), path)
    elif kind == "no date":
        feather.write_feather(table.rename_columns(["time", *table.column_names[1:]]), path)


@pytest.mark.parametrize(
    "kind", ["empty", "cut", "other format", "noise at the end", "folder", "no close", "no date"]
)
def test_a_damaged_file_is_a_refusal_that_names_it(configure, kind):
    configuration = configure()
    closes = np.random.default_rng(1).lognormal(size=5000)
    store(configuration, "AAA/USDT:USDT", candles(closes))
    damaged(kind, file_of(configuration))
    refusal = refusal_of(configuration)
    assert refusal.reason is RefusalReason.MALFORMED
    assert "AAA_USDT_USDT-1h-futures.feather cannot be read (" in refusal.value
    assert "should be a feather file with the columns date, close, volume" in refusal.right
    assert "\n" not in str(refusal)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"date": pa.array([1, 2])}, "the column date holds int64"),
        ({"date": pa.array(["2024", "2025"])}, "the column date holds string"),
        ({"date": pa.array([1, 2], pa.timestamp("ms"))}, "the column date holds timestamp[ms]"),
        ({"date": pa.array([1, None], pa.timestamp("ms", "UTC"))}, "1 of 2 dates are missing"),
        ({"close": pa.array(["1.0", "2.0"])}, "the column close holds string"),
        ({"volume": pa.array([True, False])}, "the column volume holds bool"),
    ],
)
def test_an_odd_column_is_a_refusal_that_names_it(configure, change, says):
    configuration = configure()
    store(configuration, "AAA/USDT:USDT", candles([1.0, 2.0]))
    table = feather.read_table(file_of(configuration))
    for name, column in change.items():
        table = table.set_column(table.column_names.index(name), name, column)
    feather.write_feather(table, file_of(configuration))
    refusal = refusal_of(configuration)
    assert refusal.reason is RefusalReason.MALFORMED
    assert refusal.value == f"AAA_USDT_USDT-1h-futures.feather: {says}"


def test_whole_numbers_and_missing_values_are_numbers(configure):
    configuration = configure()
    store(configuration, "AAA/USDT:USDT", candles([1.0, 2.0, 3.0]))
    table = feather.read_table(file_of(configuration))
    table = table.set_column(4, "close", pa.array([1, None, 3], pa.int64()))
    feather.write_feather(table, file_of(configuration))
    (history,) = load_histories(configuration, ["AAA/USDT:USDT"], ALL).histories
    np.testing.assert_array_equal(history.close, [1.0, np.nan, 3.0])


def test_no_file_no_rows_and_nothing_before_the_end_are_no_data(configure):
    configuration = configure()
    missing = refusal_of(configuration, "XXX/USDT:USDT")
    assert missing.reason is RefusalReason.NO_DATA
    assert missing.value == "XXX_USDT_USDT-1h-futures.feather does not exist"
    assert "freqtrade download-data --timeframes 1h --pairs XXX/USDT:USDT" in missing.right
    store(configuration, "AAA/USDT:USDT", candles([]))
    assert refusal_of(configuration).value == "AAA_USDT_USDT-1h-futures.feather has no rows"
    store(configuration, "AAA/USDT:USDT", candles([1.0]))
    late = refusal_of(configuration, stretch=replace(ALL, end_ms=START_MS))
    assert late.value == "AAA_USDT_USDT-1h-futures.feather begins 2024-01-01 00:00"


@pytest.mark.parametrize("data_format", ["json", "jsongz"])
def test_a_damaged_json_file_is_a_refusal(configure, data_format, caplog):
    configuration = configure(data_format=data_format)
    store(configuration, "AAA/USDT:USDT", candles([1.0, 2.0]))
    (path,) = (configuration.data / "futures").iterdir()
    path.write_bytes(path.read_bytes()[:10])
    assert path.name in refusal_of(configuration).value
    assert caplog.text == ""


def test_a_format_that_freqtrade_does_not_know_is_named(configure):
    configuration = configure()
    odd = replace(configuration, raw=configuration.raw | {"dataformat_ohlcv": "xlsx"})
    with pytest.raises(ConfigError, match=r"dataformat_ohlcv: .*xlsx"):
        all_markets(odd)


# Which markets


def test_no_market_at_all_says_what_there_is(configure):
    configuration = configure()
    with pytest.raises(ConfigError, match="no feather candle file at all"):
        all_markets(configuration)
    store(configuration, "AAA/USDT:USDT", candles([1.0]), timeframe="5m")
    with pytest.raises(ConfigError, match=r"no 1h candles of futures markets .*1 of 5m futures"):
        all_markets(configuration)


AVAILABLE = ("AAA/USDT:USDT", "ABC/USDT:USDT", "BBB/USDT:USDT")


@pytest.mark.parametrize(
    ("whitelist", "expected"),
    [
        ([], AVAILABLE),
        (["BBB/USDT:USDT", "AAA/USDT:USDT"], ("BBB/USDT:USDT", "AAA/USDT:USDT")),
        (["XXX/USDT:USDT", "AAA/USDT:USDT"], ("XXX/USDT:USDT", "AAA/USDT:USDT")),
        ([".*/USDT:USDT"], AVAILABLE),
        (["A.*", "AAA/USDT:USDT"], ("AAA/USDT:USDT", "ABC/USDT:USDT")),
        (["Z.*", "(BBB|CCC)/USDT:USDT"], ("BBB/USDT:USDT",)),
    ],
)
def test_the_whitelist_has_names_and_patterns(configure, whitelist, expected):
    assert whitelisted(configure(pair_whitelist=whitelist), AVAILABLE) == expected


@pytest.mark.parametrize(
    ("whitelist", "says"),
    [
        (["Z.*"], "match none of the 3 markets"),
        (["*/USDT"], r"exchange\.pair_whitelist: '\*/USDT' is no pattern"),
    ],
)
def test_a_whitelist_that_cannot_be_meant_is_named(configure, whitelist, says):
    with pytest.raises(ConfigError, match=says):
        whitelisted(configure(pair_whitelist=whitelist), AVAILABLE)


def test_the_blacklist_has_names_and_patterns_and_only_what_is_there(configure):
    configuration = configure(pair_blacklist=["AB.*", "BBB/USDT:USDT", "XXX/USDT:USDT"])
    assert blacklisted(configuration, AVAILABLE) == {
        "ABC/USDT:USDT": "on the blacklist",
        "BBB/USDT:USDT": "on the blacklist",
    }


def test_a_typed_name_must_have_candles(configure):
    configuration = configure()
    assert named_markets(["ABC/USDT:USDT"] * 2, configuration, AVAILABLE) == ("ABC/USDT:USDT",)
    with pytest.raises(ConfigError) as error:
        named_markets(["ABC/USDT", "QQQQQ"], configuration, AVAILABLE)
    first, second = str(error.value).splitlines()
    assert first.endswith("did you mean ABC/USDT:USDT?")
    assert second.startswith("--markets: 'QQQQQ' has no 1h candles in ")
    assert "there are 3, e.g. AAA/USDT:USDT" in second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, (None, None)),
        ("20240101-", (START_MS, None)),
        ("-20240101", (None, START_MS)),
        ("20240101-20240102", (START_MS, START_MS + 24 * HOUR_MS)),
    ],
)
def test_a_time_range_is_two_moments(text, expected):
    assert moments(text) == expected


@pytest.mark.parametrize("text", ["yesterday", "20240102-20240101", "20240101-20240101"])
def test_a_time_range_that_is_none_or_empty_is_named(text):
    with pytest.raises(ConfigError, match="--timerange: "):
        moments(text)
