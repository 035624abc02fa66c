"""What an opinion means.

Mutants of `_verdict.py`, each killed by the test named:
- up and down swapped for shorts: a_short_needs_the_other_direction
- drifted model still votes: a_drifted_model_has_no_vote
- NaN probability passes as agreement: an_answer_without_numbers_is_a_missing_model
- a tie accepted: a_model_that_sees_no_difference_does_not_agree
- the other direction ignored: the_other_direction_must_not_be_more_probable
"""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.learning import (
    LearningSettings,
    ModelState,
    Opinion,
    judge_entry,
    judge_gain,
    side_confidence,
)
from freqtrade_ext.settings import load_part, load_settings

SETTINGS = LearningSettings()


def ready(up: float, down: float) -> Opinion:
    return Opinion(ModelState.READY, up, down)


def test_a_model_that_agrees_lets_the_entry_pass():
    verdict = judge_entry(ready(0.6, 0.3), 1, SETTINGS)
    assert (verdict.size_factor, verdict.reason, verdict.vetoes) == (1.0, "", False)


def test_a_model_that_disagrees_vetoes_and_says_what_it_wants():
    verdict = judge_entry(ready(0.3, 0.6), 1, SETTINGS)
    assert verdict.vetoes
    assert verdict.reason == (
        "the model disagrees: it gives this direction 30% and the other 60%, 50% is wanted "
        "(ext.learning.min_confidence)"
    )


def test_a_short_needs_the_other_direction():
    assert not judge_entry(ready(0.3, 0.6), -1, SETTINGS).vetoes
    assert judge_entry(ready(0.6, 0.3), -1, SETTINGS).vetoes


@pytest.mark.parametrize(("gain", "vetoes"), [(0.5, False), (0.49, True), (0.9, False)])
def test_a_gain_is_compared_with_what_is_wanted_only(gain, vetoes):
    assert judge_gain(ready(gain, gain), SETTINGS).vetoes == vetoes


@pytest.mark.parametrize("state", [ModelState.MISSING, ModelState.STALE, ModelState.DRIFTED])
def test_a_model_of_trades_that_cannot_be_asked_has_its_stated_effect(state):
    opinion = Opinion(state, 0.9, 0.9)
    assert judge_gain(opinion, SETTINGS) == judge_entry(opinion, 1, SETTINGS)


def test_a_gain_without_a_number_is_a_missing_model():
    assert judge_gain(ready(math.nan, math.nan), SETTINGS).vetoes


def test_exactly_the_wanted_confidence_is_enough():
    assert not judge_entry(ready(0.5, 0.4), 1, SETTINGS).vetoes


def test_a_model_that_sees_no_difference_does_not_agree():
    assert judge_entry(ready(0.5, 0.5), 1, SETTINGS).vetoes
    assert judge_entry(ready(0.5, 0.5), -1, SETTINGS).vetoes


def test_the_other_direction_must_not_be_more_probable():
    open_minded = LearningSettings(min_confidence=0.2)
    assert judge_entry(ready(0.3, 0.31), 1, open_minded).vetoes
    assert not judge_entry(ready(0.31, 0.3), 1, open_minded).vetoes


STATES = [ModelState.MISSING, ModelState.STALE, ModelState.DRIFTED]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("effect", "factor"), [("veto", 0.0), ("no_veto", 1.0), ("smaller_size", 0.25)]
)
def test_every_state_has_its_stated_effect(state, effect, factor):
    settings = LearningSettings(**{f"when_{state}": effect, "smaller_size": 0.25})
    verdict = judge_entry(Opinion(state, 0.9, 0.1), 1, settings)
    assert verdict.size_factor == factor
    assert f"the model is {state}" in verdict.reason


def test_the_effects_are_independent():
    settings = LearningSettings(
        when_missing="no_veto", when_stale="smaller_size", when_drifted="veto"
    )
    factors = [judge_entry(Opinion(state), 1, settings).size_factor for state in STATES]
    assert factors == [1.0, 0.5, 0.0]


def test_a_drifted_model_has_no_vote():
    settings = LearningSettings(when_drifted="no_veto")
    assert not judge_entry(Opinion(ModelState.DRIFTED, 0.0, 1.0), 1, settings).vetoes


def test_an_answer_without_numbers_is_a_missing_model():
    assert judge_entry(ready(math.nan, 0.1), 1, SETTINGS).reason.startswith("the model is missing")


def test_by_default_nothing_passes_in_silence():
    for state in STATES:
        verdict = judge_entry(Opinion(state, 0.9, 0.1), 1, SETTINGS)
        assert verdict.size_factor < 1
        assert verdict.reason


def test_confidence_is_a_number_from_0_to_100():
    assert side_confidence([0.0, 0.5, 1.0]).tolist() == [0, 50, 100]


def test_confidence_is_absent_where_no_model_has_answered():
    """FreqAI writes zeros: no model (0), and expired (2)."""
    confidence = side_confidence(np.array([0.7, 0.0, 0.0, np.nan]), [1, 0, 2, 1])
    assert confidence[0] == pytest.approx(70)
    assert np.isnan(confidence[1:]).all()


def test_settings_are_read_from_their_section():
    section = {"learning": {"min_confidence": 0.7, "labels": {"horizon": 12}}}
    load_settings(section)
    settings = load_part(section, "learning", LearningSettings)
    assert (settings.min_confidence, settings.labels.horizon) == (0.7, 12)
    assert load_part(None, "learning", LearningSettings) == LearningSettings()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"when_missing": "maybe"}, "when_missing.*'veto', 'no_veto', 'smaller_size'|no_veto"),
        ({"min_confidnce": 0.5}, "did you mean 'min_confidence'"),
        ({"labels": {"kind": "triple"}}, "ext.learning.labels.kind.*'barriers'"),
        ({"outcome": {"keep": 60, "min_trades": 80}}, r"keep \(60\) must not be below min_trades"),
        ({"smaller_size": 1.0}, "ext.learning.smaller_size"),
        ({"threads": 0}, "ext.learning.threads"),
    ],
)
def test_a_mistake_is_one_line(section, message):
    with pytest.raises(ConfigError, match=message):
        load_part({"learning": section}, "learning", LearningSettings)


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        SETTINGS.min_confidence = 0.9
