"""Drift.

Mutants of `_drift.py`, each killed by the test named:
- textbook limits instead of measured ones: stationary_days_raise_no_alarm
- one feature is enough: one_feature_alone_is_no_drift
- one distance is enough (`or`): both_distances_must_exceed_their_limits
- only all errors, not the last: errors_that_rise_are_found_within_a_day
- falling errors count: falling_errors_are_no_drift
- window not full: nothing_is_said_before_a_window_is_full
- windows counted from the start: what_a_model_was_trained_on_is_no_drift
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import (
    DriftReference,
    DriftSettings,
    candle_features,
    error_drift,
    feature_drift,
    ks_distance,
    population_stability,
    reference_of,
)

DAY = 288
SETTINGS = DriftSettings()
SMALL = DriftSettings(window=100, min_features=2)
WATCHED = ["rsi_14", "ema_26", "bollinger_high", "atr", "volume_delta", "returns_1", "returns_5"]


def candles(seed: int, days: int) -> pd.DataFrame:
    """5m candles with clustered volatility (GARCH) and a daily course of volume; stationary."""
    rng = np.random.default_rng(seed)
    size = days * DAY
    noise = rng.standard_normal(size)
    variance, moves = 1.0, np.empty(size)
    for index in range(size):
        moves[index] = np.sqrt(variance) * noise[index]
        variance = 0.02 + 0.08 * moves[index] ** 2 + 0.90 * variance
    close = 100 * np.exp(0.001 * moves.cumsum())
    wick = 0.0005 * np.abs(rng.standard_normal(size)) * close
    course = 1 + 0.5 * np.sin(2 * np.pi * np.arange(size) / DAY)
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=size, freq="5min", tz="UTC"),
            "open": close,
            "high": close + wick,
            "low": close - wick,
            "close": close,
            "volume": course * np.exp(0.3 * rng.standard_normal(size)),
        }
    )


def features_of(frame: pd.DataFrame) -> np.ndarray:
    return candle_features(frame)[WATCHED].to_numpy()[60:]


def test_the_stability_index_by_hand():
    """Deciles of 0..99 against 100 values in the first half: ten bins, half a value added to each.

    Training: 10 + 0.5 of 105 in each bin; here the grid is the data, so its shares are those.
    Sample: 20.5 of 105 in five bins, 0.5 of 105 in five.
    """
    reference = np.arange(100.0)
    sample = np.repeat(np.arange(0.0, 50.0), 2)
    high, low, even = 20.5 / 105, 0.5 / 105, 10.5 / 105
    by_hand = 5 * (high - even) * np.log(high / even) + 5 * (low - even) * np.log(low / even)
    assert population_stability(reference, sample) == pytest.approx(by_hand)


def test_the_same_data_has_no_distance():
    values = np.random.default_rng(0).standard_normal(1000)
    assert population_stability(values, values) == 0
    assert ks_distance(values, values) == 0


@given(st.integers(0, 10_000), st.integers(5, 80), st.integers(5, 80))
def test_the_ks_distance_agrees_with_scipy(seed, first, second):
    rng = np.random.default_rng(seed)
    one, two = rng.integers(0, 20, first).astype(float), rng.integers(3, 25, second).astype(float)
    theirs = ks_2samp(one, two, method="asymp").statistic
    assert ks_distance(one, two) == pytest.approx(theirs)


def test_a_feature_with_few_values_has_an_index():
    flags = np.array([0.0, 1.0] * 50)
    assert population_stability(flags, np.ones(100)) > 1
    # Only what is added to the empty bins differs: half of 51 values, and of 101.
    assert 0 < population_stability(np.zeros(100), np.zeros(50)) < 0.01


def planted(shifted: list[int], size: float = 3.0) -> tuple[DriftReference, np.ndarray]:
    rng = np.random.default_rng(0)
    reference = reference_of(rng.standard_normal((2000, 3)), list("abc"), SMALL)
    live = rng.standard_normal((150, 3))
    live[:, shifted] += size
    return reference, live


def test_features_that_moved_are_named():
    reference, live = planted([0, 2])
    report = feature_drift(reference, live, SMALL)
    assert report.drifted
    assert [reason.split()[0] for reason in report.reasons] == ["a", "c"]
    assert "stability index" in report.reasons[0]


def test_one_feature_alone_is_no_drift():
    reference, live = planted([1])
    assert not feature_drift(reference, live, SMALL).drifted
    alone = SMALL.model_copy(update={"min_features": 1})
    assert feature_drift(reference, live, alone).drifted


def test_both_distances_must_exceed_their_limits():
    reference, live = planted([0, 2])
    deaf = DriftReference(reference.names, reference.grid, np.full(3, 1e9), reference.ks_limit)
    assert not feature_drift(deaf, live, SMALL).drifted
    deaf = DriftReference(reference.names, reference.grid, reference.psi_limit, np.ones(3))
    assert not feature_drift(deaf, live, SMALL).drifted


def test_nothing_is_said_before_a_window_is_full():
    reference, live = planted([0, 1, 2])
    assert not feature_drift(reference, live[:99], SMALL).drifted
    live[:60, 0] = np.nan
    assert not feature_drift(reference, live, SMALL).drifted


def test_a_reference_survives_json():
    reference, live = planted([0, 2])
    again = DriftReference.from_json(reference.as_json())
    assert feature_drift(again, live, SMALL) == feature_drift(reference, live, SMALL)


@pytest.mark.parametrize("size", [1050, 1051, 1149])
def test_what_a_model_was_trained_on_is_no_drift(size):
    """A wild last window: the model trained after an alarm must not raise the next one at once."""
    rng = np.random.default_rng(3)
    features = rng.normal(0, 1, (size, 4))
    features[-SMALL.window :] *= 8
    before = reference_of(features[: -SMALL.window], list("abcd"), SMALL)
    assert feature_drift(before, features, SMALL).drifted
    after = reference_of(features, list("abcd"), SMALL)
    assert not feature_drift(after, features, SMALL).drifted


def test_too_little_training_data_is_refused():
    message = "499 training rows are 4 windows of 100 candles; drift needs 5"
    with pytest.raises(InfeasibleError, match=message):
        reference_of(np.zeros((499, 1)), ["a"], SMALL)


def alarms(seed: int, live_days: int) -> int:
    """Alarms over days of live candles after 45 days of training, looked at as the bot looks."""
    features = features_of(candles(seed, 45 + live_days))
    train = 45 * DAY - 60
    reference = reference_of(features[:train], WATCHED, SETTINGS)
    looks = range(train + DAY, len(features), SETTINGS.check_every)
    return sum(feature_drift(reference, features[:now], SETTINGS).drifted for now in looks)


def test_stationary_days_raise_no_alarm():
    """Three of the runs of docs/models.md, which has all 20; ten days each."""
    assert [alarms(seed, 10) for seed in range(3)] == [0, 0, 0]


def test_a_planted_shift_is_found_within_a_day():
    """Volatility triples: 45 days of training, one day of live candles."""
    quiet, wild = candles(0, 46), candles(0, 46)
    at = 45 * DAY
    steps = np.diff(np.log(wild["close"]), prepend=np.log(wild["close"].iloc[0]))
    steps[at:] *= 3
    wild["close"] = 100 * np.exp(steps.cumsum())
    wick = (quiet["high"] - quiet["close"]) * np.where(np.arange(len(wild)) >= at, 3, 1)
    wild["high"], wild["low"] = wild["close"] + wick, wild["close"] - wick
    features = features_of(wild)
    reference = reference_of(features[: at - 60], WATCHED, SETTINGS)
    assert feature_drift(reference, features[: at - 60 + DAY], SETTINGS).drifted


def errors(seed: int, size: int, share: float) -> np.ndarray:
    return (np.random.default_rng(seed).random(size) < share).astype(float)


def test_steady_errors_are_no_drift():
    """30 days of one prediction in five candles, looked at twice a day; 20 runs, one may alarm."""
    drifted = 0
    for seed in range(20):
        run = errors(seed, 30 * 57, 0.45)
        looks = range(28, len(run) + 1, 28)
        drifted += any(error_drift(run[:now], 0.45, SETTINGS).drifted for now in looks)
    assert drifted <= 1


@pytest.mark.parametrize("seed", range(20))
def test_errors_that_rise_are_found_within_a_day(seed):
    """From 30 % to 80 % wrong: 57 predictions a day."""
    live = np.concatenate([errors(seed, 200, 0.3), errors(seed + 100, 57, 0.8)])
    assert error_drift(live, 0.3, SETTINGS).drifted


def test_adwin_alone_finds_errors_that_rise():
    """Expected errors unknown: only the rise itself can tell."""
    live = np.concatenate([errors(0, 300, 0.2), errors(1, 80, 0.9)])
    (reason,) = error_drift(live, float("nan"), SETTINGS).reasons
    assert reason == "the share of wrong predictions has risen within 380 predictions"


def test_falling_errors_are_no_drift():
    live = np.concatenate([errors(0, 400, 0.6), errors(1, 400, 0.1)])
    assert not error_drift(live, 0.6, SETTINGS).drifted


def test_a_live_score_far_below_the_training_score_is_decay():
    report = error_drift(errors(0, 200, 0.6), 0.4, SETTINGS)
    assert any("live predictions were wrong, 40% in training" in text for text in report.reasons)


def test_a_handful_of_errors_says_nothing():
    assert not error_drift(np.ones(8), 0.4, SETTINGS).drifted
    assert not error_drift(np.empty(0), 0.4, SETTINGS).drifted
    assert not error_drift(errors(0, 20, 0.5), float("nan"), SETTINGS).drifted
