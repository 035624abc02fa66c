"""What a bot remembers of its own scored trades.

Bugs planted by hand, each caught by the test named:

1. a person's entry is learned -> test_a_persons_entry_teaches_nothing
2. the candle of the entry instead of the signal's -> test_the_features_are_those_of_the_signal
3. the model's own points are in the score -> test_the_score_has_no_word_of_the_model
4. a reduction counts as the end -> test_a_trade_is_learned_when_it_is_closed
5. the result is related to the margin, or to what was left -> the same
6. another key than that of `models prime` -> test_priming_knows_the_same_trade
"""

import json
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from freqtrade_ext.adapters._regime_outcomes import RegimeOutcomes
from freqtrade_ext.adapters._trade_outcomes import TradeOutcomes, entry_features
from freqtrade_ext.adapters.model_store import _entries
from freqtrade_ext.learning import OUTCOME_FEATURES, LearningSettings

from .doubles import ETH, HOUR_MS, START, START_MS, candles

SIGNAL = 300


def frame():
    rng = np.random.default_rng(5)
    walk = candles(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 320))))
    return walk.assign(pre_score=np.arange(320) * 0.25, layer_model_confidence=4.0)


def trade_of(**changes):
    opened = START + timedelta(hours=SIGNAL + 1, seconds=7)
    fields = {
        "pair": ETH, "enter_tag": "short 74", "entry_side": "sell", "is_open": True,
        "leverage": 3.0, "stake_amount": 50.0, "max_stake_amount": 100.0, "open_date_utc": opened,
        "close_date_utc": opened + timedelta(hours=5), "close_profit_abs": 6.0,
    }  # fmt: skip
    return SimpleNamespace(**(fields | changes))


ENTRY, EXIT = SimpleNamespace(ft_order_side="sell"), SimpleNamespace(ft_order_side="buy")


@pytest.fixture
def outcomes():
    return TradeOutcomes(LearningSettings(), None)


def learned(outcomes, *steps):
    recorder = RegimeOutcomes(outcomes, lambda pair: frame(), HOUR_MS)
    for trade, order in steps:
        recorder.filled(trade, order)
    return outcomes.learner


def value(features, name):
    return features[OUTCOME_FEATURES.index(name)]


def test_a_trade_is_learned_when_it_is_closed(outcomes):
    """6 on 100 x 3 of notional: 2 %; half of the margin had left before."""
    steps = [(trade_of(), ENTRY), (trade_of(), EXIT)]
    assert learned(outcomes, *steps).outcomes == []
    (outcome,) = learned(outcomes, (trade_of(is_open=False), EXIT)).outcomes
    assert outcome.net == pytest.approx(0.02)
    assert outcome.closed_ms == START_MS + (SIGNAL + 6) * HOUR_MS + 7_000
    assert outcomes.learner.pending == {}


def test_the_features_are_those_of_the_signal(outcomes):
    (features,) = learned(outcomes, (trade_of(), ENTRY)).pending.values()
    expected = entry_features(frame(), START_MS + SIGNAL * HOUR_MS, {"leverage": 3.0})
    for name in ("zscore", "rsi", "atr_pct", "leverage"):
        assert value(features, name) == value(expected, name)
    later = entry_features(frame(), START_MS + (SIGNAL + 1) * HOUR_MS, {})
    assert value(features, "rsi") != value(later, "rsi")


def test_the_score_has_no_word_of_the_model(outcomes):
    """300 x 0.25 less the 4 of the model."""
    (features,) = learned(outcomes, (trade_of(), ENTRY)).pending.values()
    assert value(features, "signal_score") == 71.0


@pytest.mark.parametrize("tag", [None, "force_entry", "ETH-BTC long A"])
def test_a_persons_entry_teaches_nothing(outcomes, tag):
    steps = [(trade_of(enter_tag=tag), ENTRY), (trade_of(enter_tag=tag, is_open=False), EXIT)]
    learner = learned(outcomes, *steps)
    assert (learner.pending, learner.outcomes) == ({}, [])


def test_a_candle_that_is_gone_is_unknown(outcomes):
    recorder = RegimeOutcomes(outcomes, lambda pair: candles([]), HOUR_MS)
    recorder.filled(trade_of(), ENTRY)
    recorder.filled(trade_of(is_open=False), EXIT)
    assert outcomes.learner.outcomes == []


def test_priming_knows_the_same_trade(outcomes):
    """So a trade that the bot has seen is not learned again from an export of it."""
    import pandas as pd

    trade = trade_of()
    table = pd.DataFrame(
        {
            "pair": [ETH], "enter_tag": [trade.enter_tag], "open_date": [trade.open_date_utc],
            "close_date": [trade.close_date_utc], "stake_amount": [100.0], "leverage": [3.0],
            "profit_abs": [6.0],
        }
    )  # fmt: skip
    (entry,) = _entries(table, HOUR_MS)
    learned(outcomes, (trade, ENTRY), (trade_of(is_open=False), EXIT))
    (outcome,) = outcomes.learner.outcomes
    assert (outcome.key, outcome.net) == (entry.key, pytest.approx(entry.net))


def test_a_trade_is_remembered_over_a_restart(tmp_path):
    path = tmp_path / "outcomes.json"
    learned(TradeOutcomes(LearningSettings(), path), (trade_of(), ENTRY))
    assert json.loads(path.read_text())["pending"]
    again = TradeOutcomes(LearningSettings(), path)
    learned(again, (trade_of(is_open=False), EXIT))
    assert [each.net for each in again.learner.outcomes] == pytest.approx([0.02])
