"""Drift of the live errors.

Mutants of `_error_drift.py`, each killed by the test named:
- R without the 1 (a change only at the first candle): an_old_success_does_not_hide_a_new_failure
- best instead of mean worse share: the_alarm_comes_where_the_recursion_says
- evidence not divided by the inflation: predictions_that_stay_are_not_counted_five_times
- expected share without its standard error: a_share_measured_on_few_rows_is_not_believed_to_a_hair
- a nearly hopeless model watched: a_model_that_was_nearly_always_wrong_cannot_get_worse
- report counts from the first candle: the_report_counts_from_where_it_began
- falling errors count: falling_errors_are_no_drift
- autocorrelations only up to the horizon's half: held_predictions_count_once
- ADWIN on single predictions: adwin_is_given_means_of_a_horizon
- ADWIN also on a fall: falling_errors_are_no_drift
"""

import math
import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import (
    DriftSettings,
    ErrorReference,
    error_drift,
    error_reference,
    error_rise,
)

DAY = 288
SETTINGS = DriftSettings()
KNOWN = ErrorReference(share=0.5, inflation=1.0, rows=10**12)


def errors(seed: int, size: int, share: float) -> np.ndarray:
    return (np.random.default_rng(seed).random(size) < share).astype(float)


def recursion(values: np.ndarray, expected: float) -> float:
    """Mean of three Shiryaev-Roberts statistics, as the papers write them."""
    total = 0.0
    for part in (0.2, 0.4, 0.6):
        worse, r = expected + part * (1 - expected), 0.0
        for value in values:
            ratio = worse / expected if value else (1 - worse) / (1 - expected)
            r = (1 + r) * ratio
        total += r / 3
    return total


def test_the_alarm_comes_where_the_recursion_says():
    """3000 windows of 288 candles; 50 % expected, all wrong."""
    run = next(n for n in range(1, 100) if recursion(np.ones(n), 0.5) >= 3000 * 288)
    assert not error_drift(np.ones(run - 1), KNOWN, SETTINGS).drifted
    assert error_drift(np.ones(run), KNOWN, SETTINGS).drifted


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_it_is_the_recursion_for_any_errors(seed, size):
    values = errors(seed, size, 0.75)
    limit = DriftSettings(window=50, quiet_windows=30)
    reached = any(recursion(values[:n], 0.5) >= 1500 for n in range(1, size + 1))
    assert error_drift(values, KNOWN, limit).drifted == reached


def test_false_alarms_are_as_rare_as_promised():
    """R - n is a martingale, so the probability of an alarm within n is at most n / limit.

    150 of 1500: a tenth; three standard errors of 400 runs are 0.045.
    """
    limit = DriftSettings(window=50, quiet_windows=30)
    found = sum(error_drift(errors(seed, 150, 0.5), KNOWN, limit).drifted for seed in range(400))
    assert 0 < found / 400 <= 0.1 + 0.045


def test_fewer_errors_than_expected_alarm_even_less():
    limit = DriftSettings(window=50, quiet_windows=30)
    assert not any(error_drift(errors(seed, 150, 0.4), KNOWN, limit).drifted for seed in range(100))


def test_an_old_success_does_not_hide_a_new_failure():
    values = np.concatenate([np.zeros(5000), errors(0, 200, 0.8)])
    assert error_drift(values, KNOWN, SETTINGS).drifted


def test_the_report_counts_from_where_it_began():
    values = np.concatenate([np.tile([0.0, 1.0], 500), np.ones(40)])
    (reason,) = error_drift(values, KNOWN, SETTINGS).reasons
    # The last alternating candle was wrong too.
    assert reason == "100% of 41 live predictions were wrong, 50% in training"


def test_independent_predictions_are_not_inflated():
    """Its standard error is about 0.13 for 5000 rows; a mean of 1 and some, cut off at 1."""
    found = [error_reference(errors(seed, 5000, 0.4), 5) for seed in range(8)]
    assert all(1 <= each.inflation < 1.4 for each in found)
    assert found[0].share == pytest.approx(0.4, abs=0.02)
    assert found[0].rows == 5000


def test_held_predictions_count_once():
    """Each of five candles alike: autocorrelation 1 - k / 5, so 1 + 2 (0.8 + ... + 0.2) = 5."""
    reference = error_reference(errors(0, 4000, 0.5).repeat(5), 5)
    assert reference.inflation == pytest.approx(5, rel=0.1)


def test_errors_that_alternate_are_not_deflated():
    assert error_reference(np.tile([0.0, 1.0], 500), 5).inflation == 1


def test_predictions_that_stay_are_not_counted_five_times():
    """Of 500 runs of 1500 candles with a limit of 15 000 at most a tenth may alarm."""
    limit = DriftSettings(window=500, quiet_windows=30)
    held = ErrorReference(0.5, 5.0, 10**12)
    runs = [errors(seed, 300, 0.5).repeat(5) for seed in range(200)]
    assert sum(error_drift(run, held, limit).drifted for run in runs) <= 20
    assert sum(error_drift(run, KNOWN, limit).drifted for run in runs) > 100


def test_a_share_measured_on_few_rows_is_not_believed_to_a_hair():
    """60 % wrong. 25 rows: 40 % may well have been 50 %, a standard error of 0.1."""
    live = np.tile([1.0, 1.0, 0.0, 1.0, 0.0], 40)
    limit = DriftSettings(window=50, quiet_windows=30)
    assert error_drift(live, ErrorReference(0.4, 1.0, 10**6), limit).drifted
    assert not error_drift(live, ErrorReference(0.4, 1.0, 25), limit).drifted


def test_a_model_that_was_never_wrong_may_err_once():
    reference = error_reference(np.zeros(1000), 5)
    assert not error_drift([0, 1, 0, 0], reference, SETTINGS).drifted
    assert error_drift(np.ones(30), reference, SETTINGS).drifted


@pytest.mark.parametrize("share", [0.97, 1.0])
def test_a_model_that_was_nearly_always_wrong_cannot_get_worse(share):
    known = ErrorReference(share, 1.0, 10**6)
    assert not error_drift(np.ones(5000), known, SETTINGS).drifted


def test_steady_errors_are_no_drift():
    for seed in range(20):
        run = errors(seed, 30 * DAY, 0.45)
        assert not error_drift(
            run, error_reference(errors(seed + 50, 1296, 0.45), 5), SETTINGS
        ).drifted


@pytest.mark.parametrize("seed", range(20))
def test_errors_that_rise_are_found_within_a_day(seed):
    """From 48 % to 80 % wrong: 283 candles whose labels are known."""
    reference = error_reference(errors(seed, 1296, 0.48), 5)
    live = np.concatenate([errors(seed + 50, 1440, 0.48), errors(seed + 100, 283, 0.8)])
    assert error_drift(live, reference, SETTINGS).drifted


def test_falling_errors_are_no_drift():
    live = np.concatenate([errors(0, 4000, 0.6), errors(1, 4000, 0.1)])
    assert not error_drift(live, ErrorReference(0.6, 1.0, 1000), SETTINGS).drifted
    assert not error_rise(live, 5).drifted


def test_a_handful_of_errors_says_nothing():
    reference = error_reference(errors(0, 1000, 0.5), 5)
    assert not error_drift(np.ones(8), reference, SETTINGS).drifted
    assert not error_drift([], reference, SETTINGS).drifted
    assert not error_rise([], 5).drifted


def test_nothing_is_expected_without_enough_training():
    reference = error_reference(np.ones(29), 5)
    assert math.isnan(reference.share)
    assert not error_drift(np.ones(5000), reference, SETTINGS).drifted
    assert not error_drift(np.ones(5000), ErrorReference(), SETTINGS).drifted


def test_adwin_alone_finds_errors_that_rise():
    """Expected errors unknown: only the rise itself can tell."""
    live = np.concatenate([errors(0, 1500, 0.2), errors(1, 400, 0.9)])
    (reason,) = error_rise(live, 5).reasons
    assert reason == "the share of wrong predictions has risen within 1900 predictions"


def test_adwin_is_given_means_of_a_horizon(monkeypatch):
    given_to = []

    class Adwin:
        estimation, drift_detected = 0.0, False

        def __init__(self, delta: float) -> None:
            assert delta == 0.002

        def update(self, value: float) -> None:
            given_to.append(value)

    monkeypatch.setitem(sys.modules, "river.drift", types.SimpleNamespace(ADWIN=Adwin))
    error_rise([1, 0, 1, 0, 0, 0, 1], 3)
    assert given_to == [pytest.approx(1 / 3), pytest.approx(1 / 3)]


def test_adwin_needs_river(monkeypatch):
    monkeypatch.setitem(sys.modules, "river", None)
    monkeypatch.setitem(sys.modules, "river.drift", None)
    with pytest.raises(ConfigError, match="river"):
        error_rise(np.ones(10), 5)
