"""What we rely on in how the pinned Freqtrade limits stakes and hands out candles."""

import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from freqtrade.data.dataprovider import DataProvider
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, MarginMode, RunMode, TradingMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade, Trade, init_db
from freqtrade.resolvers import ExchangeResolver
from freqtrade.wallets import Wallets

START = datetime(2024, 1, 1, tzinfo=UTC)
X, Y = "X/USDT:USDT", "Y/USDT:USDT"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "exchange": {"name": "binance", "key": "", "secret": "", "pair_whitelist": []},
        "trading_mode": TradingMode.FUTURES,
        "margin_mode": MarginMode.ISOLATED,
        "candle_type_def": CandleType.FUTURES,
        "runmode": RunMode.BACKTEST,
        "stake_currency": "USDT",
        "tradable_balance_ratio": 1.0,
        "timeframe": "1h",
        "dataformat_ohlcv": "feather",
        "dry_run": True,
        "dry_run_wallet": 1_000,
        "entry_pricing": {},
        "exit_pricing": {},
    }


@pytest.fixture(scope="module")
def exchange(config: dict[str, Any]) -> Iterator[Exchange]:
    exchange = ExchangeResolver.load_exchange(config, validate=False, load_leverage_tiers=False)
    exchange._markets = {
        X: {
            "symbol": X,
            "contractSize": 1.0,
            "limits": {"amount": {"min": 0.01, "max": 40}, "cost": {"min": 5.0, "max": None}},
            "precision": {"amount": 0.01, "price": 0.1},
        }
    }
    exchange._leverage_tiers = {
        X: [
            {"minNotional": 0, "maxNotional": 1_000, "maxLeverage": 20},
            {"minNotional": 1_000, "maxNotional": 9_000, "maxLeverage": 4},
        ]
    }
    yield exchange
    exchange.close()


# Limits of a stake


@pytest.mark.parametrize(
    ("leverage", "largest"), [(1.0, 9_000), (4.0, 9_000), (4.5, 1_000), (20.0, 1_000), (21, None)]
)
def test_the_largest_notional_is_that_of_the_last_bracket_with_the_leverage(
    exchange, leverage, largest
):
    assert exchange._get_max_notional_from_tiers(X, leverage=leverage) == largest


def test_a_market_without_brackets_has_no_largest_notional(exchange):
    assert exchange._get_max_notional_from_tiers(Y, leverage=1.0) is None


def test_the_largest_stake_is_the_tightest_limit_over_the_leverage(exchange):
    assert exchange.get_max_pair_stake_amount(X, 100.0, 2.0) == 40 * 100 / 2  # quantity
    assert exchange.get_max_pair_stake_amount(X, 1_000.0, 2.0) == 9_000 / 2  # bracket
    assert exchange.get_max_pair_stake_amount(X, 1_000.0, 10.0) == 1_000 / 10


def test_the_maximum_of_market_orders_is_not_looked_at(exchange):
    exchange._markets[X]["limits"]["market"] = {"min": None, "max": 1}
    assert exchange.get_max_pair_stake_amount(X, 100.0, 1.0) == 4_000
    del exchange._markets[X]["limits"]["market"]


@pytest.mark.parametrize(
    ("stoploss", "factor"), [(0.0, 1.05), (-0.05, 1.05 / 0.95), (-0.3, 1.5), (-0.8, 1.5)]
)
def test_the_smallest_stake_is_raised_by_the_stop_loss_at_most_by_half(exchange, stoploss, factor):
    smallest = exchange.get_min_pair_stake_amount(X, 100.0, stoploss, 1.0)
    assert smallest == pytest.approx(5.0 * factor)
    assert exchange.get_min_pair_stake_amount(X, 100.0, stoploss, 4.0) == smallest / 4


@pytest.fixture
def wallets(exchange, config):
    Trade.use_db = False
    LocalTrade.reset_trades()
    yield Wallets(config, exchange, is_backtest=True)
    Trade.use_db = True


@pytest.mark.parametrize(
    ("stake", "answer"),
    [
        (100.0, 100.0),
        (501.0, 500.0),  # above the largest: cut
        (9.0, 10.0),  # below the smallest: raised
        (7.0, 0),  # by more than 30 %: refused
        (0, 0),
    ],
)
def test_a_stake_outside_the_limits_is_cut_raised_or_refused(wallets, stake, answer):
    """For one leg only: so a leg is never planned outside the limits."""
    assert wallets.validate_stake_amount(X, stake, 10.0, 500.0, None) == answer


# Candles


def hourly(count: int, value: float = 1.0) -> pd.DataFrame:
    dates = pd.date_range(START, periods=count, freq="h")
    frame = pd.DataFrame({"date": dates, "open": value, "high": value, "low": value})
    return frame.assign(close=value, volume=1.0)


@pytest.fixture
def provider(exchange, config, tmp_path):
    (tmp_path / "futures").mkdir()
    return DataProvider(config | {"datadir": tmp_path}, exchange)


def store(folder: Path, frame: pd.DataFrame, kind: CandleType = CandleType.FUTURES) -> None:
    get_datahandler(folder, "feather").ohlcv_store(X, "1h", frame, kind)


def test_the_first_question_of_a_backtest_answers_with_the_whole_file(provider, tmp_path):
    """Before the first candle: whoever keeps this answer must cut it by time himself."""
    store(tmp_path, hourly(48))
    assert len(provider.get_pair_dataframe(X, "1h")) == 48
    provider._set_dataframe_max_date(START + timedelta(hours=10))
    assert len(provider.get_pair_dataframe(X, "1h")) == 10
    assert len(provider.historic_ohlcv(X, "1h", "")) == 48


def test_every_answer_of_a_backtest_is_a_copy(provider, tmp_path):
    store(tmp_path, hourly(4))
    frame = provider.get_pair_dataframe(X, "1h")
    frame["close"] = 9.0
    assert provider.get_pair_dataframe(X, "1h")["close"].tolist() == [1.0] * 4


def test_live_candles_can_be_read_without_a_copy(exchange, config):
    """And have no others than closed ones, in the candle type of the trading mode."""
    frame = hourly(3)
    exchange._klines[(X, "1h", CandleType.FUTURES)] = frame
    provider = DataProvider(config | {"runmode": RunMode.DRY_RUN}, exchange)
    try:
        assert provider.ohlcv(X, "1h", copy=False) is frame
        assert provider.ohlcv(X, "1h") is not frame
        assert len(provider.ohlcv(Y, "1h", copy=False)) == 0
    finally:
        exchange._klines.clear()


def test_a_gap_is_filled_with_candles_without_volume(provider, tmp_path):
    store(tmp_path, hourly(6).drop(index=[2, 3]).reset_index(drop=True))
    assert provider.get_pair_dataframe(X, "1h")["volume"].tolist() == [1, 1, 0, 0, 1, 1]


def test_funding_rates_are_in_open_at_whole_seconds(provider, tmp_path):
    dates = [START + timedelta(hours=8 * i, milliseconds=3) for i in range(4)]
    frame = pd.DataFrame({"date": pd.to_datetime(dates), "funding_rate": [1e-4, 2e-4, 3e-4, 4e-4]})
    store(tmp_path, frame, CandleType.FUNDING_RATE)
    timeframe = provider.get_funding_rate_timeframe()
    loaded = provider.get_pair_dataframe(X, timeframe, "funding_rate")
    assert timeframe == "1h"
    assert loaded["open"].tolist() == loaded["funding_rate"].tolist()
    assert loaded["date"].iloc[0] == START
    assert (loaded.loc[loaded["open"] != 0, "open"].iloc[:3] == [1e-4, 2e-4, 3e-4]).all()


def test_missing_funding_is_an_empty_frame_and_not_an_error(provider):
    assert len(provider.get_pair_dataframe(X, "1h", "funding_rate")) == 0


# Books


def test_trades_come_from_memory_in_a_backtest():
    Trade.use_db = False
    LocalTrade.reset_trades()
    try:
        trade = LocalTrade(id=1, pair=X, exchange="binance", open_rate=1.0, open_date=START)
        trade.is_open = True
        LocalTrade.add_bt_trade(trade)
        assert Trade.get_trades_proxy(is_open=True) == [trade]
        assert Trade.get_trades_proxy(is_open=False) == []
    finally:
        LocalTrade.reset_trades()
        Trade.use_db = True


@pytest.fixture
def database(tmp_path):
    init_db(f"sqlite:///{tmp_path / 'trades.sqlite'}")
    yield
    Trade.session.remove()
    Trade.session.get_bind().dispose()


def test_trades_come_from_the_database_live(database):
    trade = Trade(
        pair=X, exchange="binance", open_rate=1.0, open_date=START, is_open=True, stake_amount=1.0,
        amount=1.0, fee_open=0.0, fee_close=0.0,
    )  # fmt: skip
    Trade.session.add(trade)
    Trade.commit()
    assert Trade.get_trades_proxy(is_open=True) == [trade]
    assert Trade.get_trades_proxy(is_open=False) == []


def test_freqtrades_session_writes_only_when_it_commits(database):
    """Otherwise it would hold the write lock while our store wants to save."""
    assert Trade.session().autoflush is False
    root = Path(inspect.getfile(Trade)).parents[1]
    flushes = [
        path.name
        for path in root.rglob("*.py")
        if re.search(r"session\.flush\(", path.read_text(encoding="utf-8"))
    ]
    assert flushes == []


# Order of a backtest


def test_markets_with_open_trades_come_first_in_a_backtest():
    """So exits of both legs are asked for before any entry of the candle."""
    LocalTrade.reset_trades()
    trade = LocalTrade(id=1, pair=Y, exchange="binance", open_rate=1.0, open_date=START)
    LocalTrade.bt_trades_open.append(trade)
    try:
        fake = SimpleNamespace(
            timeframe_td=timedelta(hours=1),
            _time_generator_det=lambda begin, end: [(begin, True, False, 0)],
        )
        rows = Backtesting._time_pair_generator_det(fake, START, ["A/USDT:USDT", X, Y])
        assert [row[-1] for row in rows] == [Y, "A/USDT:USDT", X]
    finally:
        LocalTrade.reset_trades()


def test_a_backtest_calls_the_loop_once_a_candle_before_any_market():
    source = inspect.getsource(Backtesting.time_pair_generator)
    assert source.index("bot_loop_start") < source.index("_time_pair_generator_det")


def test_a_market_trades_once_a_candle_in_a_backtest():
    """The live bot is held to the same by `markets_just_left`."""
    source = inspect.getsource(Backtesting.time_pair_generator)
    assert "if pair in pairs_with_open_trades and not pair_has_open_trades:" in source


def test_a_market_that_will_be_delisted_can_be_asked_for(provider):
    assert callable(provider.check_delisting)
    assert list(inspect.signature(provider.check_delisting).parameters) == ["pair"]
