"""Ten markets, 45 days of 1m candles: peak memory and time of a whole FreqAI training round.

``python -m benchmarks.model_memory [model [threads ...]]``. Made-up candles; stock Freqtrade
backtests one day with a model trained on the 45 days before it.
"""

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rehearsals.model_stage import ModelStage, model_stage

DAYS = 47
CYCLE_SECONDS = 2 * 3600  # freqai.live_retrain_hours
# Freqtrade knows the leverage tiers of real markets only.
MARKETS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "LINK", "AVAX", "BNB")


def write_candles(folder: Path) -> None:
    """Random walks, one file a market."""
    size = DAYS * 1440
    dates = pd.date_range("2024-01-01", periods=size, freq="1min", tz="UTC")
    for number, market in enumerate(MARKETS):
        rng = np.random.default_rng(number)
        close = 100 * np.exp(0.0005 * rng.standard_normal(size).cumsum())
        wick = 1 + 0.0003 * np.abs(rng.standard_normal(size))
        frame = pd.DataFrame(
            {
                "date": dates.astype("datetime64[ms, UTC]"),
                "open": np.concatenate([close[:1], close[:-1]]),
                "high": close * wick,
                "low": close / wick,
                "close": close,
                "volume": rng.exponential(100, size),
            }
        )
        frame["high"] = frame[["open", "high"]].max(axis=1)
        frame["low"] = frame[["open", "low"]].min(axis=1)
        frame.to_feather(folder / f"{market}_USDT-1m.feather")


def measure(stage: ModelStage, model: str, threads: int) -> str:
    """Backtest one day; tell the time of the trainings before it, and the peak memory."""
    stage.configure(
        timeframe="1m",
        strategy="CoinModels",
        freqai={"identifier": f"{model}-{threads}"},
        ext={"learning": {"threads": threads}},
    )
    run = stage.freqtrade(
        "backtesting", "--freqaimodel", model, "--timerange", "20240216-20240217",
        "--cache", "none",
    )  # fmt: skip
    seconds = [float(found) for found in re.findall(r"candles in ([0-9.]+) s", run.log)]
    rows = [int(found) for found in re.findall(r"trained on (\d+)", run.log)]
    return (
        f"{model}, {threads} thread{'s' * (threads > 1)}: {len(seconds)} trainings on "
        f"{min(rows)} to {max(rows)} candles, {sum(seconds):.0f} s in all (longest "
        f"{max(seconds):.0f} s), {sum(seconds) / CYCLE_SECONDS:.1%} of the two hours; whole "
        f"process: peak {run.peak_mb:.0f} MB, {run.seconds:.0f} CPU seconds; load "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Print a line for the named model, or both, with the given number of threads, or 1 and 2."""
    models = arguments[:1] or ("SpreadDirectionRegressor", "SignalClassifier")
    threads = [int(each) for each in arguments[1:]] or [1, 2]
    with tempfile.TemporaryDirectory() as name:
        candles = Path(name) / "candles"
        candles.mkdir()
        write_candles(candles)
        with model_stage(Path(name) / "user_data", candles, "1m") as stage:
            for model in models:
                for number in threads:
                    print(measure(stage, model, number), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
