"""Drift of the features.

Mutants of `_drift.py`, each killed by the test named:
- textbook limits instead of measured ones: stationary_days_raise_no_alarm
- number of features not allowed for: limits_rise_with_the_number_of_features
- no standard error on Gumbel's scale: the_return_level_by_hand
- KS on its own scale, not on that of its rareness: a_planted_shift_is_found_within_a_day
- no bin below the training data: a_constant_feature_that_falls_is_seen
- only the whole window, not five sixths: a_planted_shift_is_found_within_twenty_hours
- window not full: nothing_is_said_before_a_window_is_full
- reasons in the order of columns: the_farthest_feature_is_named_first
- no least scale: maxima_that_are_all_alike_leave_a_margin
- a limit that nothing can reach: a_window_beyond_all_training_data_always_counts
"""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gumbel_r, ks_2samp

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import (
    DriftReference,
    DriftSettings,
    candle_features,
    feature_drift,
    ks_distance,
    population_stability,
    reference_of,
)
from freqtrade_ext.learning._drift import _return_level

DAY = 288
SETTINGS = DriftSettings()
SMALL = DriftSettings(window=100)
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
    """Ten bins of ten training values; 100 values in the first five, 20 each.

    Half a value is added to each bin: 10.5 of 105 in training; 20.5 and 0.5 of 105 in the sample.
    """
    found = np.array([20.0] * 5 + [0.0] * 5)
    high, low, even = 20.5 / 105, 0.5 / 105, 10.5 / 105
    by_hand = 5 * (high - even) * np.log(high / even) + 5 * (low - even) * np.log(low / even)
    assert population_stability(np.full(10, 10.0), found) == pytest.approx(by_hand)


def test_the_same_shares_have_no_distance():
    expected = np.array([3.0, 7.0, 5.0])
    assert population_stability(expected, expected) == 0
    assert ks_distance(expected, 10 * expected) == pytest.approx(0)


def test_many_samples_at_once_are_one_by_one():
    rng = np.random.default_rng(0)
    expected, found = rng.integers(1, 20, 6).astype(float), rng.integers(0, 9, (4, 6)) + 0.0
    for distance in (population_stability, ks_distance):
        one_by_one = [distance(expected, each) for each in found]
        np.testing.assert_allclose(distance(expected, found), one_by_one)


@given(st.integers(0, 10_000), st.integers(5, 80), st.integers(5, 80))
def test_the_ks_distance_agrees_with_scipy(seed, first, second):
    """With a bin for every value nothing is lost."""
    rng = np.random.default_rng(seed)
    one, two = rng.integers(0, 20, first), rng.integers(3, 25, second)
    theirs = ks_2samp(one, two, method="asymp").statistic
    ours = ks_distance(*(np.bincount(each, minlength=25).astype(float) for each in (one, two)))
    assert ours == pytest.approx(theirs)


def test_the_return_level_by_hand():
    """Maxima 0 and 2: mean 1, s = sqrt 2, scale sqrt(12) / pi, one standard error 1 / sqrt 2."""
    scale = np.sqrt(12) / np.pi
    by_hand = 1 - 0.5772156649 * scale + scale * (1 + 1 / np.sqrt(2)) * np.log(1000)
    assert _return_level(np.array([0.0, 2.0]), 1000) == pytest.approx(by_hand)


def test_maxima_that_are_all_alike_leave_a_margin():
    """The least scale is 0.02."""
    by_hand = 1 + 0.02 * ((1 + 1 / np.sqrt(2)) * np.log(1000) - 0.5772156649)
    assert _return_level(np.array([1.0, 1.0]), 1000) == pytest.approx(by_hand)


def test_the_return_level_agrees_with_scipy():
    """100 000 maxima: their standard error hardly matters."""
    maxima = gumbel_r.rvs(3, 2, size=100_000, random_state=0)
    theirs = gumbel_r.isf(1e-3, 3, 2)
    assert _return_level(maxima, 1000) == pytest.approx(theirs, rel=0.02)


def planted(shifted: list[int], size: float = 3.0) -> tuple[DriftReference, np.ndarray]:
    rng = np.random.default_rng(0)
    reference = reference_of(rng.standard_normal((2000, 3)), list("abc"), SMALL)
    live = rng.standard_normal((150, 3))
    live[:, shifted] += size
    return reference, live


def names(reasons: tuple[str, ...]) -> list[str]:
    return [reason.split()[0] for reason in reasons]


def test_features_that_moved_are_named():
    reference, live = planted([0, 2])
    report = feature_drift(reference, live)
    assert report.drifted
    assert sorted(names(report.reasons)) == ["a", "c"]
    assert "is distributed differently over the last" in report.reasons[0]
    assert "stability index" in report.reasons[0]


def test_one_feature_is_enough():
    reference, live = planted([1])
    assert names(feature_drift(reference, live).reasons) == ["b"]


def test_the_farthest_feature_is_named_first():
    reference, live = planted([0, 1, 2], 1.5)
    live[:, 1] += 3
    assert names(feature_drift(reference, live).reasons)[0] == "b"


def test_unchanged_features_are_no_drift():
    reference, live = planted([])
    assert feature_drift(reference, live).reasons == ()


@pytest.mark.parametrize("deaf", ["psi_limits", "ks_limits"])
def test_either_distance_is_enough(deaf):
    reference, live = planted([0, 2])
    limits = {"psi_limits": reference.psi_limits, "ks_limits": reference.ks_limits}
    limits[deaf] = np.full_like(limits[deaf], 1e9 if deaf == "psi_limits" else 1 - 1e-9)
    other = DriftReference(
        reference.names, reference.lengths, reference.cuts, reference.counts, **limits
    )
    assert feature_drift(other, live).drifted


def test_nothing_is_said_before_a_window_is_full():
    reference, live = planted([0, 1, 2])
    assert not feature_drift(reference, live[:99]).drifted
    assert feature_drift(reference, live[:100]).drifted
    live[:60, 0] = np.nan
    assert not feature_drift(reference, live).drifted
    assert not feature_drift(reference, live[:0]).drifted


def test_rows_with_a_missing_value_are_left_out():
    reference, live = planted([0])
    holed = np.insert(live, [3, 70, 149], np.nan, axis=0)
    assert feature_drift(reference, holed) == feature_drift(reference, live)


@settings(max_examples=20)
@given(order=st.permutations(range(4)), seed=st.integers(0, 1000))
def test_the_order_of_features_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    train, live = rng.standard_normal((1000, 4)), rng.standard_normal((100, 4))
    live[:, seed % 4] += 2
    labels = np.array(list("abcd"))
    plain = feature_drift(reference_of(train, labels, SMALL), live)
    mixed = feature_drift(reference_of(train[:, order], labels[order], SMALL), live[:, order])
    assert mixed == plain


@settings(max_examples=20)
@given(scale=st.sampled_from([0.25, 8.0, 1024.0]), seed=st.integers(0, 1000))
def test_the_unit_of_a_feature_does_not_matter(scale, seed):
    """A power of two keeps every bit."""
    rng = np.random.default_rng(seed)
    train, live = rng.standard_normal((1000, 2)), rng.standard_normal((100, 2)) + 1
    plain = feature_drift(reference_of(train, "ab", SMALL), live)
    assert feature_drift(reference_of(scale * train, "ab", SMALL), scale * live) == plain


def test_a_constant_feature_that_stays_is_no_drift():
    reference = reference_of(np.full((600, 1), 7.0), ["a"], SMALL)
    assert not feature_drift(reference, np.full((100, 1), 7.0)).drifted


def test_a_constant_feature_that_rises_is_seen():
    reference = reference_of(np.full((600, 1), 7.0), ["a"], SMALL)
    assert feature_drift(reference, np.full((100, 1), 7.1)).drifted


def test_a_constant_feature_that_falls_is_seen():
    reference = reference_of(np.full((600, 1), 7.0), ["a"], SMALL)
    assert feature_drift(reference, np.full((100, 1), 6.9)).drifted


def test_a_window_beyond_all_training_data_always_counts():
    """Training data with one wild window: the limit must stay below what can be reached."""
    train = np.random.default_rng(0).standard_normal((800, 1))
    train[300:400] = 5 + np.random.default_rng(1).random((100, 1))
    reference = reference_of(train, ["a"], SMALL)
    assert (reference.ks_limits < 1).all()
    assert feature_drift(reference, np.full((100, 1), 9.0)).drifted


@pytest.mark.parametrize("late", range(0, 12, 3))
def test_the_hour_of_the_day_is_no_drift_at_any_minute(late):
    """Looks of the training fall on full hours, live ones anywhere."""
    hours = 2 * np.pi * np.arange(46 * DAY) / DAY
    clock = np.column_stack([np.sin(hours), np.cos(hours)])
    reference = reference_of(clock[: 45 * DAY - late], ["hour_sin", "hour_cos"], SETTINGS)
    ends = range(45 * DAY, 46 * DAY, 7)
    assert not any(feature_drift(reference, clock[:end]).drifted for end in ends)


def test_a_flag_that_flips_is_seen():
    train = (np.random.default_rng(0).random((2000, 1)) < 0.1).astype(float)
    reference = reference_of(train, ["a"], SMALL)
    assert not feature_drift(reference, train[:100]).drifted
    assert feature_drift(reference, 1 - train[:100]).drifted


def test_limits_rise_with_the_number_of_features():
    values = np.random.default_rng(0).standard_normal((1000, 4))
    alone = reference_of(values[:, :1], ["a"], SMALL)
    among = reference_of(values, list("abcd"), SMALL)
    assert (among.ks_limits[:, 0] > alone.ks_limits[:, 0]).all()
    assert (among.psi_limits[:, 0] > alone.psi_limits[:, 0]).all()


def test_quieter_limits_are_higher():
    values = np.random.default_rng(0).standard_normal((1000, 2))
    loud, quiet = (
        reference_of(values, "ab", DriftSettings(window=100, quiet_windows=count))
        for count in (100, 10_000)
    )
    assert (quiet.ks_limits > loud.ks_limits).all()
    assert (quiet.psi_limits > loud.psi_limits).all()


@pytest.mark.parametrize("window", [50, 60, 101, 288])
def test_every_window_has_two_lengths(window):
    values = np.random.default_rng(0).standard_normal((2000, 1))
    short, whole = reference_of(values, "a", DriftSettings(window=window)).lengths
    assert window - window // 24 < whole <= window
    assert short == pytest.approx(whole * 5 / 6, abs=window // 24)


def test_a_reference_survives_a_restart():
    reference, live = planted([0, 2])
    again = pickle.loads(pickle.dumps(reference))
    assert feature_drift(again, live) == feature_drift(reference, live)


def test_too_little_training_data_is_refused():
    message = "499 training rows are 4 windows of 100 candles; drift needs 5"
    with pytest.raises(InfeasibleError, match=message):
        reference_of(np.zeros((499, 1)), ["a"], SMALL)


def alarms(seed: int, live_days: int) -> int:
    """Alarms over days of live candles after 45 days of training, looked at as the bot looks."""
    features = features_of(candles(seed, 45 + live_days))
    train = 45 * DAY - 60
    reference = reference_of(features[:train], WATCHED, SETTINGS)
    looks = range(train, len(features) + 1, SETTINGS.check_every)
    return sum(feature_drift(reference, features[now - DAY : now]).drifted for now in looks)


def test_stationary_days_raise_no_alarm():
    """Three of the runs of docs/models.md, ten days each."""
    assert [alarms(seed, 10) for seed in range(3)] == [0, 0, 0]


def wilder(seed: int, hours: int) -> bool:
    """Whether tripled volatility is found after some hours; 45 days of training."""
    wild = candles(seed, 46)
    at, end = 45 * DAY, 45 * DAY + 12 * hours
    times = np.where(np.arange(len(wild)) >= at, 3, 1)
    wick = (wild["high"] - wild["close"]) * times
    steps = np.diff(np.log(wild["close"]), prepend=np.log(wild["close"].iloc[0])) * times
    wild["close"] = 100 * np.exp(steps.cumsum())
    wild["high"], wild["low"] = wild["close"] + wick, wild["close"] - wick
    features = features_of(wild)
    reference = reference_of(features[: at - 60], WATCHED, SETTINGS)
    return feature_drift(reference, features[: end - 60]).drifted


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_shift_is_found_within_a_day(seed):
    assert wilder(seed, 24)


def test_a_planted_shift_is_found_within_twenty_hours():
    """When five sixths of the window are new."""
    assert sum(wilder(seed, 20) for seed in range(4)) >= 3
