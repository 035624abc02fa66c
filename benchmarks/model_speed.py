"""Training and prediction beside Freqtrade's own LightGBMRegressor: same candles, same features.

``python -m benchmarks.model_speed``. Both models go through FreqAI's own calls, take turns, use
one thread and the same parameters; CPU seconds of this process, medians.
"""

import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.prediction_models.LightGBMRegressor import LightGBMRegressor

from benchmarks.model_evidence import DATA, LABELS, recorded
from freqtrade_ext.adapters.freqai import CandleClassifier, DirectionRegressor
from freqtrade_ext.adapters.freqai._frames import add_features, add_labels

MARKET = "ETH/USDT:USDT"
TRAIN, LIVE = 45 * 288, 10 * 288
ROUNDS = 7
PARAMETERS = {
    "n_estimators": 300, "learning_rate": 0.05, "max_depth": 6, "n_jobs": 1, "verbosity": -1,
    "random_state": 0,
}  # fmt: skip


def config_of(folder: Path) -> dict[str, Any]:
    """As much of a configuration as FreqAI's models read."""
    file = folder / "config.json"
    file.write_text("{}")
    return {
        "user_data_dir": folder,
        "config_files": [str(file)],
        "timeframe": "5m",
        "timerange": "20240301-20240311",
        "runmode": "backtest",
        "exchange": {"pair_whitelist": [MARKET], "name": "binance"},
        "freqai": {
            "enabled": True,
            "identifier": "speed",
            "train_period_days": 45,
            "backtest_period_days": 10,
            "activate_tensorboard": False,
            "purge_old_models": 2,
            "feature_parameters": {
                "include_timeframes": ["5m"],
                "include_corr_pairlist": [],
                "shuffle_after_split": False,
                "buffer_train_data_candles": 0,
            },
            "data_split_parameters": {"test_size": 0.1, "shuffle": False},
            "model_training_parameters": PARAMETERS,
        },
    }


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candles with features and labels: to train on, and to predict."""
    candles = pd.read_feather(DATA / "ETH_USDT-5m.feather").iloc[: TRAIN + LIVE + 60]
    whole = add_labels(add_features(candles), "eth", LABELS).iloc[60:].reset_index(drop=True)
    return whole.iloc[:TRAIN], whole.iloc[TRAIN : TRAIN + LIVE].reset_index(drop=True)


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def one_round(model: Any, config: dict[str, Any], train: pd.DataFrame, live: pd.DataFrame) -> list:
    """Train once; predict ten days at once, and the newest candle 20 times."""
    kitchen = FreqaiDataKitchen(config, False, MARKET)
    kitchen.set_paths(MARKET, 1)
    kitchen.find_features(train)
    kitchen.find_labels(train)
    model.live = False
    seconds, model.model = cpu(lambda: model.train(train, MARKET, kitchen))
    batch, (frame, judged) = cpu(lambda: model.predict(live.copy(), kitchen))
    last = live.tail(1)
    single, _ = cpu(lambda: [model.predict(last.copy(), kitchen) for _ in range(20)])
    if not np.all(np.asarray(judged) == 1) or len(frame) != len(live):
        raise RuntimeError("the comparison is about predictions that were made")
    return [seconds, batch, single / 20]


def main() -> None:
    """Print the medians and the ratios to Freqtrade's own."""
    if not recorded(DATA):
        return
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # Freqtrade's calls of LightGBM are deprecated
    train, live = frames()
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(Path(folder))
        models = {
            "LightGBMRegressor (Freqtrade)": LightGBMRegressor(config),
            "SpreadDirectionRegressor": DirectionRegressor(config),
        }
        taken: dict[str, list[list[float]]] = {name: [] for name in models}
        for number in range(ROUNDS + 1):
            for name, model in models.items():
                times = one_round(model, config, train, live)
                if number:  # the first round loads what is loaded once
                    taken[name].append(times)
        classifier = one_round(CandleClassifier(config), config, train, live)
    base = None
    print(f"{len(train)} rows to train on, {len(live)} to predict; CPU seconds, {ROUNDS} rounds")
    print(f"{'':32s}{'training':>10s}{'10 days':>10s}{'1 candle':>10s}")
    for name, rounds in taken.items():
        medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
        base = base or medians
        ratios = " ".join(
            f"{mine / theirs:8.2f}x" for mine, theirs in zip(medians, base, strict=True)
        )
        print(f"{name:32s}" + "".join(f"{value:10.4f}" for value in medians) + f"   {ratios}")
    print(f"{'SignalClassifier, 5 folds':32s}" + "".join(f"{value:10.4f}" for value in classifier))


if __name__ == "__main__":
    main()
