"""The watch over live candles and predictions.

Mutants of `_drift_watch.py`, each killed by the test named:
- predictions up to a drift counted: what_was_predicted_up_to_a_drift_does_not_count
- predictions that FreqAI made up counted: what_is_not_known_or_was_not_judged_does_not_count
- moves of zero counted as errors: a_move_of_zero_counts_for_no_direction
- a restart forgets: a_drift_is_told_again_after_a_restart
- a newer model blamed after a restart: a_model_trained_since_is_not_blamed_after_a_restart
- restart assumed at every look: the_next_model_is_not_blamed_for_the_last_ones_drift
- features not watched either where river is missing: without_river_everything_else_goes_on
"""

import sys

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters.freqai._drift_watch import DriftWatch, live_errors
from freqtrade_ext.adapters.freqai._trained import ANSWERS, TrainedModel
from freqtrade_ext.adapters.freqai._training_set import MOVE, SIDE
from freqtrade_ext.learning import (
    DriftSettings,
    ErrorReference,
    LabelSettings,
    LearningSettings,
    reference_of,
)
from tests.adapters.doubles import ETH, HOUR_MS, START_MS, candles

SETTINGS = LearningSettings(
    labels=LabelSettings(horizon=1), drift=DriftSettings(window=50, check_every=1)
)


def predictions(frame: pd.DataFrame, side: list[int], judged=1, drifted=0.0) -> pd.DataFrame:
    """A live prediction for each candle; 1 buy, 0 hold, -1 sell."""
    answers = np.eye(3)[np.array(side) + 1]
    table = pd.DataFrame(answers, columns=list(ANSWERS))
    return table.assign(date_pred=frame["date"], do_predict=judged, drifted=drifted)


def labelled(side: list[float], move: list[float] | None = None) -> pd.DataFrame:
    frame = candles(np.ones(len(side)))
    return frame.assign(**{SIDE: side, MOVE: move or side})


def test_a_wrong_class_is_an_error():
    frame = labelled([1, 0, -1, 1])
    assert live_errors(frame, predictions(frame, [1, 1, -1, 0])).tolist() == [0, 1, 0, 1]


def test_without_holding_a_wrong_direction_is_an_error():
    frame = labelled([0, 0, 0], move=[0.001, -0.001, 0.002])
    assert live_errors(frame, predictions(frame, [1, 1, -1])).tolist() == [0, 1, 1]


def test_a_move_of_zero_counts_for_no_direction():
    frame = labelled([0, 0, 0], move=[0.001, 0.0, 0.002])
    assert live_errors(frame, predictions(frame, [1, 1, -1])).tolist() == [0, 1]


def test_what_was_predicted_up_to_a_drift_does_not_count():
    frame = labelled([1] * 6)
    table = predictions(frame, [-1, -1, -1, -1, 1, 1], drifted=[0, 0, 1, 1, 0, 0])
    assert live_errors(frame, table).tolist() == [0, 0]


def test_a_drift_at_a_candle_that_was_not_judged_counts_too():
    frame = labelled([1] * 4)
    table = predictions(frame, [-1] * 4, judged=[1, 0, 1, 1], drifted=[0, 1, 0, 0])
    assert live_errors(frame, table).tolist() == [1, 1]


def test_what_is_not_known_or_was_not_judged_does_not_count():
    frame = labelled([1, np.nan, 1, 1])
    judged = [1, 1, 0, 2]
    assert live_errors(frame, predictions(frame, [1] * 4, judged)).tolist() == [0]
    nothing = labelled([np.nan])
    assert len(live_errors(nothing, predictions(nothing, [1]))) == 0


def stage(wrong_from: int = 0, shift: float = 0.0, trained_ms: int = START_MS):
    """250 candles whose predictions fail from a candle on, and whose feature moves in the end."""
    rng = np.random.default_rng(0)
    frame = labelled([1.0] * 250)
    frame["%-a"] = rng.standard_normal(250)
    frame.loc[200:, "%-a"] += shift
    reference = reference_of(rng.standard_normal((1000, 1)), ["%-a"], SETTINGS.drift)
    trained = TrainedModel(None, "&-eth", trained_ms, ErrorReference(0.1, 1.0, 1000), reference)
    side = np.where(np.arange(250) >= wrong_from, -1, 1).tolist()
    return trained, frame, predictions(frame, side)


def test_a_quiet_market_is_quiet():
    trained, frame, table = stage(wrong_from=250)
    watch = DriftWatch(SETTINGS)
    assert watch.look(ETH, trained, frame, table) == ()
    assert not watch.has_drifted(ETH, trained)


def test_features_and_errors_are_told():
    trained, frame, table = stage(wrong_from=200, shift=9.0)
    watch = DriftWatch(SETTINGS)
    reasons = watch.look(ETH, trained, frame, table)
    assert [reason.split()[0] for reason in reasons] == ["%-a", "100%", "the"]
    assert reasons[1] == "100% of 50 live predictions were wrong, 10% in training"
    assert watch.has_drifted(ETH, trained)
    assert watch.look(ETH, trained, frame, table) == ()


def test_features_are_watched_without_predictions():
    trained, frame, _ = stage(shift=9.0)
    assert len(DriftWatch(SETTINGS).look(ETH, trained, frame, None)) == 1


def test_errors_are_watched_without_a_reference_of_the_features():
    _, frame, table = stage(wrong_from=200)
    trained = TrainedModel(None, "&-eth", START_MS, ErrorReference(0.1, 1.0, 1000))
    assert DriftWatch(SETTINGS).look(ETH, trained, frame, table)


@pytest.mark.parametrize("judged", [0, 1])
def test_a_drift_is_told_again_after_a_restart(judged):
    trained, frame, table = stage(wrong_from=250)
    table.loc[249, ["drifted", "do_predict"]] = [1.0, judged]
    watch = DriftWatch(SETTINGS)
    assert watch.look(ETH, trained, frame, table) == ("found before the bot was restarted",)
    assert watch.has_drifted(ETH, trained)


def test_candles_that_the_bot_missed_do_not_end_a_drift():
    """FreqAI stores them as zeros."""
    trained, frame, table = stage(wrong_from=250)
    table.loc[240, "drifted"] = 1.0
    table.loc[241:, [*ANSWERS, "do_predict", "drifted"]] = 0.0
    assert DriftWatch(SETTINGS).look(ETH, trained, frame, table)


def test_a_drift_that_was_over_is_not_told_after_a_restart():
    trained, frame, table = stage(wrong_from=250)
    table.loc[100:200, "drifted"] = 1.0
    assert DriftWatch(SETTINGS).look(ETH, trained, frame, table) == ()


def test_a_model_trained_since_is_not_blamed_after_a_restart():
    trained, frame, table = stage(wrong_from=250, trained_ms=START_MS + 250 * HOUR_MS)
    table.loc[249, "drifted"] = 1.0
    assert DriftWatch(SETTINGS).look(ETH, trained, frame, table) == ()


def test_the_next_model_is_not_blamed_for_the_last_ones_drift():
    old, frame, table = stage(wrong_from=250, shift=9.0)
    watch = DriftWatch(SETTINGS)
    assert watch.look(ETH, old, frame, table)
    new, frame, table = stage(wrong_from=250, trained_ms=START_MS + HOUR_MS)
    table.loc[249, "drifted"] = 1.0
    frame["date"] += pd.Timedelta(hours=1)
    table["date_pred"] += pd.Timedelta(hours=1)
    assert watch.look(ETH, new, frame, table) == ()
    assert not watch.has_drifted(ETH, new)


def test_looks_keep_their_distance():
    trained, frame, table = stage(wrong_from=250)
    watch = DriftWatch(LearningSettings(drift=DriftSettings(window=50, check_every=10)))
    assert watch.look(ETH, trained, frame.iloc[:200], table) == ()
    changed = stage(shift=9.0)[1]
    assert watch.look(ETH, trained, changed.iloc[:209], None) == ()
    assert watch.look(ETH, trained, changed, None)


def test_a_watch_that_is_switched_off_says_nothing():
    trained, frame, table = stage(shift=9.0)
    watch = DriftWatch(LearningSettings(drift=DriftSettings(enabled=False)))
    assert watch.look(ETH, trained, frame, table) == ()


def test_without_river_everything_else_goes_on(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "river", None)
    monkeypatch.setitem(sys.modules, "river.drift", None)
    trained, frame, table = stage(wrong_from=200, shift=9.0)
    watch = DriftWatch(SETTINGS)
    reasons = watch.look(ETH, trained, frame, table)
    assert [reason.split()[0] for reason in reasons] == ["%-a", "100%"]
    later = TrainedModel(
        None, "&-eth", START_MS + HOUR_MS, ErrorReference(0.1, 1.0, 1000), trained.reference
    )
    frame["date"] += pd.Timedelta(hours=1)
    assert watch.look(ETH, later, frame, None)
    assert caplog.text.count("a rise of live errors is not looked for") == 1
