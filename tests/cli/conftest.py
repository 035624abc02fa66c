"""A folder with a configuration and candles of three markets, two of them cointegrated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from .desk import Desk

START = pd.Timestamp("2024-01-01", tz="UTC")


@pytest.fixture
def write_candles(tmp_path: Path) -> Callable[..., None]:
    folder = tmp_path / "data" / "binance" / "futures"
    folder.mkdir(parents=True)

    def write(coin: str, closes: Any, timeframe: str = "1h") -> None:
        closes = np.asarray(closes, dtype=float)
        dates = pd.date_range(START, periods=len(closes), freq=pd.Timedelta(timeframe))
        frame = pd.DataFrame({"date": dates, "open": closes, "high": closes, "low": closes})
        frame = frame.assign(close=closes, volume=1.0)
        frame.to_feather(folder / f"{coin}_USDT_USDT-{timeframe}-futures.feather")

    return write


@pytest.fixture
def desk(tmp_path: Path, write_candles: Callable[..., None]) -> Desk:
    rng = np.random.default_rng(3)
    log_b = np.log(100) + np.cumsum(rng.normal(0, 0.01, 600))
    spread = np.zeros(600)
    for i in range(1, 600):
        spread[i] = 0.7 * spread[i - 1] + rng.normal(0, 0.01)
    write_candles("AAA", np.exp(0.5 + 1.5 * log_b + spread))
    write_candles("BBB", np.exp(log_b))
    write_candles("CCC", np.exp(3 + np.cumsum(rng.normal(0, 0.01, 600))))
    desk = Desk(tmp_path)
    document = {
        "user_data_dir": str(tmp_path),
        "timeframe": "1h",
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "exchange": {
            "name": "binance",
            "pair_whitelist": [f"{coin}/USDT:USDT" for coin in ("AAA", "BBB", "CCC")],
        },
    }
    desk.config.write_text(json.dumps(document))
    return desk
