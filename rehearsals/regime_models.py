"""
`RegimeScore` with a model, by an unmodified Freqtrade on synthetic candles.

``python -m rehearsals.regime_models SignalClassifier`` makes hourly candles of three markets in
which a part of the next move is known from volume, backtests without and with the model, and prints
what layer 23 did to the scores; then it cuts the candles off and shows that nothing before the cut
has changed. ``--command lookahead-analysis`` (or ``recursive-analysis``) passes that command on.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from freqtrade_ext.adapters.market_data import last_backtest
from freqtrade_ext.adapters.signal_explanations import ScoredCandles
from rehearsals.model_stage import ModelStage, model_stage

MODELS = ("SignalClassifier", "SpreadDirectionRegressor", "TradeOutcomeModel")
COINS = {"BTC": 40_000.0, "ETH": 2_000.0, "SOL": 100.0}
DAYS = 75
RANGE = "20240205-20240312"
SHIM = Path(__file__).resolve().parents[1] / "user_data"
# Thresholds so low that there are some hundred signals to look at.
SIGNALS = {
    "min_score": 50.0,
    "min_score_low": 30.0,
    "z_score_threshold": 0.8,
    "entry_tightness": 1.0,
    "quiet": {"enabled": False},
}
LEARNING = {
    "folds": 2,
    "labels": {"volatility_window": 100},
    "drift": {"window": 60},
    "outcome": {"min_trades": 30},
}


def write_candles(folder: Path, days: int = DAYS, seed: int = 8) -> None:
    """
    Write hourly candles that revert to a moving mean.

    A high volume comes before a rise, a low one before a fall: something that a model can learn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2024-01-01", periods=days * 24, freq="1h", tz="UTC")
    for coin, price in COINS.items():
        hint = rng.normal(0, 1, len(dates))
        noise = np.zeros(len(dates))
        for row in range(1, len(dates)):
            shock = 0.004 * hint[row - 1] + rng.normal(0, 0.004)
            noise[row] = 0.85 * noise[row - 1] + shock
        close = price * np.exp(np.cumsum(rng.normal(0, 0.002, len(dates))) + noise)
        frame = pd.DataFrame(
            {
                "date": dates.astype("datetime64[ms, UTC]"),
                "open": np.r_[close[0], close[:-1]],
                "close": close,
                "volume": (100.0 * np.exp(0.5 * hint)).round(3),
            }
        )
        frame["high"] = frame[["open", "close"]].max(axis=1) * 1.002
        frame["low"] = frame[["open", "close"]].min(axis=1) * 0.998
        names = ["open", "high", "low", "close", "volume"]
        frame[["date", *names]].round(4).to_feather(folder / f"{coin}_USDT-1h.feather")
