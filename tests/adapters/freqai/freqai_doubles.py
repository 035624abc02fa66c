"""FreqAI's models on a few hundred candles, without an exchange."""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from freqtrade_ext.adapters.freqai._frames import add_features, add_labels
from freqtrade_ext.learning import LabelSettings
from tests.adapters.doubles import ETH, candles

__all__ = ["LABELS", "Messages", "config_of", "frame_of", "kitchen_of", "trained_on"]

LABELS = LabelSettings(volatility_window=50)
LEARNING = {
    "folds": 2,
    "labels": {"volatility_window": 50},
    "drift": {"window": 50, "check_every": 1},
}


def config_of(folder: Path, *, learning: dict | None = None, **freqai: Any) -> dict[str, Any]:
    """As much of a configuration as FreqAI's models read."""
    file = folder / "config.json"
    file.write_text("{}")
    section = {
        "enabled": True,
        "identifier": "test",
        "train_period_days": 10,
        "backtest_period_days": 5,
        "live_retrain_hours": 2,
        "expiration_hours": 0,
        "activate_tensorboard": False,
        "purge_old_models": 2,
        "feature_parameters": {
            "include_timeframes": ["1h"],
            "include_corr_pairlist": [],
            "shuffle_after_split": False,
            "buffer_train_data_candles": 0,
            "indicator_periods_candles": [14],
        },
        "data_split_parameters": {"test_size": 0.2, "shuffle": False},
        "model_training_parameters": {"n_estimators": 10},
    }
    return {
        "user_data_dir": folder,
        "config_files": [str(file)],
        "timeframe": "1h",
        "timerange": "20240111-20240121",
        "runmode": "backtest",
        "bot_name": "tester",
        "exchange": {"pair_whitelist": [ETH, "BTC/USDT:USDT"], "name": "binance"},
        "freqai": section | freqai,
        "ext": {"learning": LEARNING | (learning or {})},
    }


def frame_of(size: int = 500, seed: int = 0, target: str = "eth") -> pd.DataFrame:
    """Candles with features and labels."""
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(0.01 * rng.standard_normal(size).cumsum())
    return add_labels(
        add_features(candles(closes, volume=rng.exponential(9, size))), target, LABELS
    )


def kitchen_of(config: dict[str, Any], frame: pd.DataFrame, *, live: bool = False):
    """The object that FreqAI passes around."""
    kitchen = FreqaiDataKitchen(config, live, ETH)
    kitchen.set_paths(ETH, 1_700_000_000)
    kitchen.find_features(frame)
    kitchen.find_labels(frame)
    return kitchen


def trained_on(model: Any, config: dict[str, Any], frame: pd.DataFrame, *, live: bool = False):
    """Train as FreqAI does, and return the kitchen."""
    kitchen = kitchen_of(config, frame, live=live)
    model.live = live
    model.dk = kitchen
    model.dd.pair_dict.setdefault(ETH, model.dd.empty_pair_dict.copy())
    model.model = model.train(frame, ETH, kitchen)
    return kitchen


class Messages:
    """A data provider that keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: deque[str] = deque()

    def send_msg(self, text: str, *, always_send: bool = False) -> None:
        assert always_send
        self.sent.append(text)
