"""
Layer 23: what a model's confidence and its state do to a signal.

Mutants, each red here:
- long and short confidence exchanged: each_direction_has_its_own
- the sign of the points turned; the floor ignored, or turned: the_confidence_is_scaled
- the span above ``neutral`` used below it: points_below_an_uneven_neutral
- the state's veto ignored; a vetoed size of 0 carried on: a_state_that_vetoes
- the state's factor ignored: a_state_that_makes_entries_smaller
- a silent model counts as known: without_a_model
- the factor not multiplied into the size: the_size_of_a_signal_shrinks
- the number not in its column, or the other direction's: the_number_has_a_column
- the trace without it, or with that of another candle: the_trace_shows, the_trace_of_one_candle
- a range not checked: what_is_no_confidence
- the state of the next candle: a_later_candle
"""

import dataclasses

import numpy as np
import pytest

from freqtrade_ext.signals import (
    ModelAdvice,
    ModelEffect,
    SignalSettings,
    explain,
    score_market,
)
from freqtrade_ext.signals._layers_experience import model_confidence

from .doubles import LIVELY, advice_of, part_of, rich_inputs, until, view_of

SETTINGS = SignalSettings()
READY = ModelEffect()
VETO = ModelEffect(0.0, "the model is missing (ext.learning.when_missing is 'veto')")
SMALLER = ModelEffect(0.5, "the model is drifted: size times 0.5")
NO_SAY = ModelEffect(1.0, "the model is stale: it has no say")
EFFECTS = (READY, VETO, SMALLER, NO_SAY)
NAN = float("nan")


def judged(long, short, *, direction=1.0, state=0):
    advice = advice_of(long, short, state, EFFECTS)
    return model_confidence(view_of(direction=direction, advice=advice), SETTINGS)


# Points run from -10 at 0 over 0 at 0.5 to +10 at 1; below 0.3 a veto: docs/signals.md.
@pytest.mark.parametrize(
    ("confidence", "points", "rejected"),
    [
        (1.0, 10.0, False),
        (0.75, 5.0, False),
        (0.5, 0.0, False),
        (0.4, -2.0, False),
        (0.3, -4.0, False),
        (0.29, -4.2, True),
        (0.0, -10.0, True),
        (NAN, 0.0, False),
    ],
)
def test_the_confidence_is_scaled(confidence, points, rejected):
    output = judged(confidence, 0.5)
    assert output.points.tolist() == pytest.approx([points])
    assert output.veto.tolist() == [rejected]
    assert output.size_factor.tolist() == [1.0]


def test_points_below_an_uneven_neutral_have_a_span_of_their_own():
    """Neutral at 0.8: 0.4 is half way down to -10, 0.9 is half way up to +10."""
    settings = SignalSettings.model_validate({"model_confidence": {"neutral": 0.8, "floor": 0.0}})
    for confidence, points in ((0.4, -5.0), (0.9, 5.0), (0.8, 0.0)):
        view = view_of(advice=advice_of(confidence, NAN))
        assert model_confidence(view, settings).points.tolist() == pytest.approx([points])


def test_each_direction_has_its_own_confidence():
    assert judged(0.9, 0.2, direction=1.0).points.tolist() == pytest.approx([8.0])
    short = judged(0.9, 0.2, direction=-1.0)
    assert short.points.tolist() == pytest.approx([-6.0])
    assert short.veto.tolist() == [True]


def test_a_state_that_vetoes_rejects_any_confidence():
    output = judged(NAN, NAN, state=1)
    assert output.veto.tolist() == [True]
    assert output.points.tolist() == [0.0]
    assert output.size_factor.tolist() == [1.0]  # the veto is said once, as a veto
    assert output.neutral == ""
    assert output.remark(0) == VETO.reason


def test_a_state_that_makes_entries_smaller_gives_no_points():
    output = judged(NAN, NAN, state=2)
    assert (output.veto.tolist(), output.points.tolist()) == ([False], [0.0])
    assert output.size_factor.tolist() == [0.5]
    assert output.known.tolist() == [True]
    assert output.remark(0) == SMALLER.reason


def test_a_state_without_a_say_is_neutral_and_says_so():
    output = judged(NAN, NAN, state=3)
    assert (output.veto.tolist(), output.size_factor.tolist()) == ([False], [1.0])
    assert output.known.tolist() == [False]
    assert output.neutral == NO_SAY.reason


def test_without_a_model_the_layer_is_neutral():
    output = model_confidence(view_of(), SETTINGS)
    assert (output.points, output.veto, output.size_factor) == (None, None, None)
    assert output.neutral == "no model"
    silent = model_confidence(view_of(advice=ModelAdvice.silent(1, "FreqAI is off")), SETTINGS)
    assert silent.neutral == "FreqAI is off"
    assert (silent.points.tolist(), silent.veto.tolist()) == ([0.0], [False])
    assert judged(NAN, NAN).neutral == "the model has answered nothing"


@pytest.mark.parametrize(
    ("advice", "message"),
    [
        (advice_of([1.01], [0.5]), "confidence of a long must be from 0 to 1"),
        (advice_of([0.5], [-0.01]), "confidence of a short must be from 0 to 1"),
        (advice_of([0.5, 0.5], [0.5, 0.5]), r"long has shape \(2,\), the candles are 1"),
        (
            dataclasses.replace(advice_of([0.5], [0.5]), state=np.zeros(3, dtype=np.int8)),
            r"state has shape \(3,\), the candles are 1",
        ),
    ],
)
def test_what_is_no_confidence_is_refused(advice, message):
    with pytest.raises(ValueError, match=message):
        model_confidence(view_of(advice=advice), SETTINGS)


# In a whole score

SPACELESS = SignalSettings.model_validate(
    {**LIVELY.model_dump(), "min_signal_interval_minutes": 0.0}
)
COUNT = 300


def scored(seed=6, advice=None, settings=SPACELESS):
    return score_market(rich_inputs(seed, COUNT, advice=advice), settings)


def constant(long, short, state=0):
    return advice_of(np.full(COUNT, long), np.full(COUNT, short), state, EFFECTS)


def test_the_points_are_in_the_score_and_nothing_else_is():
    without, sure = scored(), scored(advice=constant(1.0, 0.0))
    long, short = (without.columns["direction"] == side for side in (1, -1))
    assert long.sum() > 20
    assert short.sum() > 20
    difference = sure.columns["pre_score"] - without.columns["pre_score"]
    assert difference[long].to_numpy() == pytest.approx(10.0)
    assert difference[short].to_numpy() == pytest.approx(-10.0)
    assert not sure.columns["veto_model_confidence"][long].any()
    assert sure.columns["veto_model_confidence"][short].all()
    assert not (sure.columns["signal"] < 0).any()


def test_the_number_has_a_column():
    columns = scored(advice=constant(0.62, 0.41)).columns
    expected = {1: 0.62, -1: 0.41}
    for side, number in expected.items():
        assert (columns["model_confidence"][columns["direction"] == side] == number).all()
    assert columns["model_confidence"][columns["direction"] == 0].isna().all()
    assert scored().columns["model_confidence"].isna().all()


@pytest.mark.parametrize("state", [0, 1, 2, 3])
def test_the_size_of_a_signal_shrinks_with_the_state_of_the_model(state):
    without, told = scored().columns, scored(advice=constant(NAN, NAN, state)).columns
    directed = without["direction"] != 0
    share = (told["size_factor"] / without["size_factor"])[directed]
    assert (share == (0.5 if state == 2 else 1.0)).all()
    assert (told["size_factor"][~directed] == 1.0).all()
    assert (told["signal"] == (0 if state == 1 else without["signal"])).all()


def row_of(found, side):
    return int(np.flatnonzero(found.columns["direction"] == side)[-1])


def trace_at(found, row):
    return explain(found, found.columns["date"].iloc[row].to_pydatetime())


def line_of(trace):
    (line,) = (each for each in trace.lines() if each.startswith("layer model_confidence"))
    return line


@pytest.mark.parametrize(
    ("advice", "text"),
    [
        (constant(0.62, 0.41), "layer model_confidence +2.4 (confidence 0.62)"),
        (constant(0.2, 0.41), "layer model_confidence -6.0 VETO (confidence 0.20)"),
        (constant(NAN, NAN, 1), f"layer model_confidence +0.0 VETO ({VETO.reason})"),
        (constant(NAN, NAN, 2), f"layer model_confidence +0.0 ({SMALLER.reason})"),
        (constant(NAN, NAN, 3), f"layer model_confidence +0.0 (neutral: {NO_SAY.reason})"),
        (
            ModelAdvice.silent(COUNT, "FreqAI is off"),
            "layer model_confidence +0.0 (neutral: FreqAI is off)",
        ),
        (None, "layer model_confidence +0.0 (neutral: no model)"),
    ],
)
def test_the_trace_shows_the_number_or_the_state(advice, text):
    found = scored(advice=advice)
    assert line_of(trace_at(found, row_of(found, 1))) == text


def test_the_trace_of_one_candle_speaks_of_that_candle():
    """A model that was there for the second half only."""
    advice = constant(0.62, 0.62)
    advice.state[: COUNT // 2] = 3
    for values in (advice.long, advice.short):
        values[: COUNT // 2] = NAN
    found = scored(advice=advice)
    rows = np.flatnonzero(found.columns["direction"])
    early, late = rows[rows < COUNT // 2][-1], rows[rows >= COUNT // 2][0]
    assert line_of(trace_at(found, early)).endswith(f"(neutral: {NO_SAY.reason})")
    assert line_of(trace_at(found, late)).endswith("(confidence 0.62)")


def test_a_switched_off_layer_asks_nobody():
    off = {**SPACELESS.model_dump(), "layers": {"model_confidence": {"enabled": False}}}
    settings = SignalSettings.model_validate(off)
    found = scored(advice=constant(0.0, 0.0, 1), settings=settings)
    assert (found.columns["signal"] == scored(settings=settings).columns["signal"]).all()
    assert line_of(trace_at(found, row_of(found, 1))) == "layer model_confidence +0.0 (off)"


def random_advice():
    rng = np.random.default_rng(9)
    long, short = rng.uniform(0, 1, (2, COUNT))
    return advice_of(long, short, rng.integers(0, 4, COUNT), EFFECTS)


def directed_rows():
    """Candles with a direction: elsewhere a model changes nothing, so nothing could be seen."""
    found = score_market(rich_inputs(3, COUNT, advice=random_advice()), LIVELY).columns
    return np.flatnonzero(found["direction"])[-40::3]


@pytest.mark.parametrize("row", directed_rows())
def test_a_later_candle_changes_no_earlier_row(row):
    """What the model says later, and in which state it will be, is not known yet."""
    advice, now = random_advice(), row + 1
    inputs = rich_inputs(3, COUNT, advice=advice)
    whole = score_market(inputs, LIVELY).columns
    part = score_market(until(inputs, now), LIVELY).columns
    later = part_of(advice, slice(None))
    later.long[now:], later.short[now:], later.state[now:] = 0.0, 1.0, 1
    changed = score_market(dataclasses.replace(inputs, advice=later), LIVELY).columns
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][:now], err_msg=str(name))
        np.testing.assert_array_equal(values, changed[name][:now], err_msg=str(name))
