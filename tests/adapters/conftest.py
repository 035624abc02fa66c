"""Freqtrade's own objects, without a network: a database, an exchange, a data provider."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from freqtrade.data.dataprovider import DataProvider
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, MarginMode, RunMode, TradingMode
from freqtrade.exchange import Exchange
from freqtrade.persistence import LocalTrade, Trade, init_db
from freqtrade.persistence.custom_data import _CustomData
from freqtrade.resolvers import ExchangeResolver

from .doubles import BTC, ETH, market


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """Freqtrade's database on a file; its address."""
    address = f"sqlite:///{tmp_path / 'trades.sqlite'}"
    init_db(address)
    yield address
    for sessions in (Trade.session, _CustomData.session):
        sessions.remove()
    Trade.session.get_bind().dispose()


@pytest.fixture
def backtest_books() -> Iterator[None]:
    """Freqtrade keeps trades in memory, as in a backtest."""
    Trade.use_db = False
    LocalTrade.reset_trades()
    yield
    LocalTrade.reset_trades()
    Trade.use_db = True


@pytest.fixture(scope="session")
def offline_exchange() -> Iterator[Exchange]:
    config: dict[str, Any] = {
        "exchange": {"name": "binance", "key": "", "secret": "", "pair_whitelist": []},
        "trading_mode": TradingMode.FUTURES,
        "margin_mode": MarginMode.ISOLATED,
        "candle_type_def": CandleType.FUTURES,
        "runmode": RunMode.BACKTEST,
        "stake_currency": "USDT",
        "dry_run": True,
        "dry_run_wallet": 10_000,
        "entry_pricing": {},
        "exit_pricing": {},
    }
    exchange = ExchangeResolver.load_exchange(config, validate=False, load_leverage_tiers=False)
    yield exchange
    exchange.close()


@pytest.fixture
def exchange(offline_exchange: Exchange) -> Exchange:
    """Freqtrade's Binance with two markets and three brackets, never connected."""
    offline_exchange._markets = {name: market(name) for name in (ETH, BTC)}
    offline_exchange._leverage_tiers = {
        name: [
            {"minNotional": 0, "maxNotional": 10_000, "maxLeverage": 20},
            {"minNotional": 10_000, "maxNotional": 50_000, "maxLeverage": 5},
            {"minNotional": 50_000, "maxNotional": 200_000, "maxLeverage": 1},
        ]
        for name in (ETH, BTC)
    }
    return offline_exchange


@pytest.fixture
def provider(exchange: Exchange, tmp_path: Path) -> DataProvider:
    """Freqtrade's data provider of a backtest on an empty data folder."""
    (tmp_path / "data" / "futures").mkdir(parents=True)
    config = exchange._config | {
        "timeframe": "1h",
        "datadir": tmp_path / "data",
        "dataformat_ohlcv": "feather",
    }
    return DataProvider(config, exchange)


@pytest.fixture
def store_candles(tmp_path: Path) -> Callable[..., None]:
    """Write a frame as Freqtrade's data file."""

    def store(name: str, frame: pd.DataFrame, kind: str = "futures") -> None:
        folder = tmp_path / "data"
        (folder / "futures").mkdir(parents=True, exist_ok=True)
        handler = get_datahandler(folder, "feather")
        handler.ohlcv_store(name, "1h", frame, CandleType.from_string(kind))

    return store
