"""False alarms of the drift watch on a market that does not change, and what it finds if it does.

``python -m benchmarks.model_drift``. Each run: 45 days of made-up 5m candles to train on, 30 days
live. Features are compared hourly, as the bot does; predictions, one in five candles, are right
with the same probability all the time.
"""

import numpy as np
import pandas as pd

from freqtrade_ext.learning import (
    CANDLE_FEATURES,
    DriftSettings,
    candle_features,
    error_drift,
    feature_drift,
    reference_of,
)

DAY, TRAIN, LIVE, RUNS = 288, 45, 30, 20
SETTINGS = DriftSettings()
HIT_RATE = 0.52


def candles(
    seed: int, days: int, *, shift_at: int | None = None, factor: float = 3.0
) -> pd.DataFrame:
    """Candles with clustered volatility (GARCH); volatility is multiplied at `shift_at`."""
    rng = np.random.default_rng(seed)
    size = days * DAY
    noise, moves, variance = rng.standard_normal(size), np.empty(size), 1.0
    for index in range(size):
        moves[index] = np.sqrt(variance) * noise[index]
        variance = 0.02 + 0.08 * moves[index] ** 2 + 0.90 * variance
    scale = np.where(np.arange(size) >= (size if shift_at is None else shift_at), factor, 1.0)
    close = 100 * np.exp((0.001 * moves * scale).cumsum())
    wick = 0.0005 * np.abs(rng.standard_normal(size)) * close * scale
    course = 1 + 0.5 * np.sin(2 * np.pi * np.arange(size) / DAY)
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=size, freq="5min", tz="UTC"),
            "open": close, "high": close + wick, "low": close - wick, "close": close,
            "volume": course * np.exp(0.3 * rng.standard_normal(size)),
        }
    )  # fmt: skip


def alarms(seed: int) -> tuple[bool, bool]:
    """Whether features, and whether errors, raised an alarm within 30 unchanged days."""
    features = candle_features(candles(seed, TRAIN + LIVE)).to_numpy()[60:]
    train = TRAIN * DAY - 60
    reference = reference_of(features[:train], CANDLE_FEATURES, SETTINGS)
    looks = range(train + DAY, len(features), SETTINGS.check_every)
    by_features = any(
        feature_drift(reference, features[now - DAY : now], SETTINGS).drifted for now in looks
    )
    wrong = (np.random.default_rng(seed).random(LIVE * DAY // 5) > HIT_RATE).astype(float)
    by_errors = any(
        error_drift(wrong[:now], 1 - HIT_RATE, SETTINGS).drifted
        for now in range(3, len(wrong) + 1, 3)
    )
    return by_features, by_errors


def found_after(seed: int, factor: float) -> float:
    """Hours until multiplied volatility is found; infinite if not within two days."""
    at = (TRAIN + 5) * DAY
    features = candle_features(candles(seed, TRAIN + 7, shift_at=at, factor=factor)).to_numpy()[60:]
    reference = reference_of(features[: TRAIN * DAY - 60], CANDLE_FEATURES, SETTINGS)
    for now in range(at - 60, len(features), SETTINGS.check_every):
        if feature_drift(reference, features[now - DAY : now], SETTINGS).drifted:
            return (now - (at - 60)) / 12
    return float("inf")


def main() -> None:
    """Print false alarms and delays."""
    found = [alarms(seed) for seed in range(RUNS)]
    print(
        f"{RUNS} unchanged runs of {LIVE} days: {sum(f for f, _ in found)} with an alarm of the "
        f"features, {sum(e for _, e in found)} of the errors, "
        f"{sum(f or e for f, e in found)} of either"
    )
    for factor in (3.0, 4.0, 6.0):
        hours = sorted(found_after(seed, factor) for seed in range(RUNS))
        print(
            f"volatility times {factor:g}: found within 24 hours in "
            f"{sum(each <= 24 for each in hours)} of {RUNS} runs, after {hours[0]:.0f} to "
            f"{hours[-1]:.0f} hours (median {hours[RUNS // 2]:.0f})"
        )
    late = [
        error_drift(
            np.concatenate([share(seed, 500, 0.48), share(seed + 100, 57, 0.8)]), 0.48, SETTINGS
        ).drifted
        for seed in range(RUNS)
    ]
    print(f"errors from 48 % to 80 %: found within a day in {sum(late)} of {RUNS} runs")


def share(seed: int, size: int, wrong: float) -> np.ndarray:
    """Errors of predictions that are wrong with a probability."""
    return (np.random.default_rng(seed).random(size) < wrong).astype(float)


if __name__ == "__main__":
    main()
