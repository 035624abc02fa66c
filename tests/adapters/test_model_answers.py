"""What a model of FreqAI says at each candle, and in which state it is.

Bugs planted by hand, each caught by the test named:

1. an expired model counts as judged -> test_the_state_of_each_candle
2. a drifted model that has expired is stale -> the same
3. an answer without a number is ready -> the same
4. the answers of another target are taken -> test_the_answers_of_another_target_are_none
5. the newest answer instead of the candle's -> test_an_opinion_is_that_of_its_candle
"""

import numpy as np
import pytest

from freqtrade_ext.adapters._model_answers import STATES, ModelAnswers, label_of
from freqtrade_ext.learning import ModelState

from .doubles import HOUR_MS, START_MS, candles

NAN = float("nan")
# do_predict, drifted, up, down -> state; FreqAI writes 0 (no model) and 2 (expired).
CASES = [
    (1, 0, 0.7, 0.2, ModelState.READY),
    (0, 0, 0.0, 0.0, ModelState.MISSING),
    (NAN, 0, 0.7, 0.2, ModelState.MISSING),
    (-1, 0, 0.7, 0.2, ModelState.MISSING),
    (2, 0, 0.0, 0.0, ModelState.STALE),
    (1, 1, 0.7, 0.2, ModelState.DRIFTED),
    (2, 1, 0.0, 0.0, ModelState.DRIFTED),
    (1, NAN, 0.7, 0.2, ModelState.READY),
    (1, 0, NAN, 0.2, ModelState.MISSING),
    (1, 0, 0.7, NAN, ModelState.MISSING),
]


def answered(target="ETH", cases=CASES, **columns):
    judged, drifted, up, down = np.array([case[:4] for case in cases], dtype=float).T
    frame = candles([100.0] * len(cases)).assign(
        **{label_of(target): 0.0}, do_predict=judged, drifted=drifted,
        probability_buy=up, probability_sell=down,
    )  # fmt: skip
    return frame.assign(**columns)


def test_the_state_of_each_candle():
    answers = ModelAnswers.of(answered(), "ETH")
    assert [STATES[code] for code in answers.state] == [case[-1] for case in CASES]
    assert [answers.opinion(time).state for time in answers.times_ms] == [
        case[-1] for case in CASES
    ]


def test_the_answers_of_another_target_are_none():
    assert ModelAnswers.of(answered("ETH-BTC"), "ETH") is None


@pytest.mark.parametrize("column", ["&-ETH", "probability_buy", "probability_sell", "do_predict"])
def test_a_frame_without_the_columns_of_such_a_model_has_no_answers(column):
    assert ModelAnswers.of(answered().drop(columns=column), "ETH") is None


def test_a_model_that_does_not_watch_drift_has_not_drifted():
    answers = ModelAnswers.of(answered(cases=CASES[:2]).drop(columns="drifted"), "ETH")
    assert [STATES[code] for code in answers.state] == [ModelState.READY, ModelState.MISSING]


def test_an_opinion_is_that_of_its_candle():
    cases = [(1, 0, 0.1, 0.9, None), (1, 0, 0.8, 0.15, None)]
    answers = ModelAnswers.of(answered(cases=cases), "ETH")
    first = answers.opinion(START_MS)
    assert (first.probability_up, first.probability_down) == (0.1, 0.9)
    second = answers.opinion(START_MS + HOUR_MS)
    assert (second.probability_up, second.probability_down) == (0.8, 0.15)
    for unknown in (START_MS - HOUR_MS, START_MS + 1, START_MS + 2 * HOUR_MS):
        assert answers.opinion(unknown).state is ModelState.MISSING
