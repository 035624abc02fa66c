"""Configuration and candles as Freqtrade reads them."""

import json
import logging
from pathlib import Path

import pytest

from freqtrade_ext.adapters.market_data import (
    last_backtest,
    load_bot_configuration,
    load_leg_candles,
)
from freqtrade_ext.errors import ConfigError

from .doubles import ETH, HOUR_MS, START_MS, candles


@pytest.fixture
def config(tmp_path, store_candles):
    """A configuration file and 48 candles."""
    store_candles(ETH, candles(range(1, 49)))
    document = {
        "user_data_dir": str(tmp_path),
        "timeframe": "1h",
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "exchange": {"name": "binance", "pair_whitelist": [ETH]},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def configuration(config, tmp_path):
    return load_bot_configuration([str(config)], datadir=str(tmp_path / "data"))


def test_the_configuration_says_where_everything_is(config, tmp_path):
    configuration = load_bot_configuration([str(config)])
    assert configuration.user_data == tmp_path
    assert configuration.data == tmp_path / "data" / "binance"  # Freqtrade's own default
    assert configuration.timeframe == "1h"
    assert configuration.markets == (ETH,)


def test_later_files_and_arguments_win(config, tmp_path):
    later = tmp_path / "later.json"
    later.write_text(json.dumps({"timeframe": "5m", "exchange": {"pair_whitelist": ["X/Y:Y"]}}))
    (tmp_path / "elsewhere").mkdir()
    files = [str(config), str(later)]
    configuration = load_bot_configuration(files, datadir=str(tmp_path / "elsewhere"))
    assert configuration.timeframe == "5m"
    assert configuration.markets == ("X/Y:Y",)
    assert configuration.data == tmp_path / "elsewhere"
    assert load_bot_configuration(files, timeframe="4h").timeframe == "4h"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        load_bot_configuration([str(tmp_path / "nowhere.json")])


def test_a_file_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"broken\.json|onfig"):
        load_bot_configuration([str(path)])


def test_logging_works_again_after_reading(config, caplog):
    load_bot_configuration([str(config)])
    with pytest.raises(ConfigError):
        load_bot_configuration(["/nowhere.json"])
    with caplog.at_level(logging.INFO):
        logging.getLogger("somebody").info("heard")
    assert "heard" in caplog.text


def test_candles_are_those_of_the_file(configuration):
    legs = load_leg_candles(configuration, ETH)
    assert legs.close.tolist() == [float(i) for i in range(1, 49)]
    assert legs.time_ms[0] == START_MS


def test_a_time_range_cuts_both_ends(configuration):
    begin, end = START_MS // 1000 + 10 * 3600, START_MS // 1000 + 20 * 3600
    legs = load_leg_candles(configuration, ETH, timerange=f"{begin}-{end}")
    assert legs.time_ms[0] == START_MS + 10 * HOUR_MS
    assert legs.time_ms[-1] <= START_MS + 20 * HOUR_MS


def test_candles_that_are_not_there_are_named_with_the_way_to_get_them(configuration, tmp_path):
    with pytest.raises(ConfigError) as error:
        load_leg_candles(configuration, "XRP/USDT:USDT")
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'data'}: no 1h candles of XRP/USDT:USDT; get them with: ")
    assert "freqtrade download-data -c config.json" in text
    with pytest.raises(ConfigError, match="no 1h candles of ETH/USDT:USDT in 20200101-20200201"):
        load_leg_candles(configuration, ETH, timerange="20200101-20200201")


def test_a_time_range_that_is_none_is_an_error_of_the_person(configuration):
    with pytest.raises(ConfigError, match=r'--timerange: .*"last week".*20240101-20240601'):
        load_leg_candles(configuration, ETH, timerange="last week")


def test_a_folder_without_backtests(tmp_path):
    with pytest.raises((ValueError, OSError, ConfigError)):
        last_backtest(Path(tmp_path))
