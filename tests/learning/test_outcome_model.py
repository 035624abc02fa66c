"""The model of closed trades.

Mutants of `_outcome_model.py` and `_outcome_file.py`, each killed by the test named:
- split at random: the_later_fifth_judges
- trains below the minimum: it_learns_from_the_thirtieth_trade_on
- retrains with every trade: it_learns_again_every_fifty_trades
- keeps the oldest: only_the_last_trades_are_remembered
- restart trains on newer trades than before: a_restart_continues_with_the_same_model
- restart with a full memory trains on fewer: a_restart_with_a_full_memory_continues_with_...
- a trade reported twice counts twice: a_trade_reported_again_replaces_itself
- written in place: test_kill.py
"""

import json
import math

import numpy as np
import pytest

from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.learning import (
    OUTCOME_FEATURES,
    OutcomeLearner,
    OutcomeSettings,
    TradeOutcome,
    fit_outcome_model,
    load_learner,
    save_learner,
)
from freqtrade_ext.learning import _outcome_model as outcome_model

SETTINGS = OutcomeSettings()
Z = OUTCOME_FEATURES.index("zscore")


def trades(count: int, *, strength: float = 3.0, seed: int = 0, first: int = 0):
    """Trades that gain when their z-score is low, the surer the larger `strength`."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(first, first + count):
        features = rng.standard_normal(len(OUTCOME_FEATURES))
        features[11] = math.nan  # never known, like funding of spot markets
        gains = rng.random() < 1 / (1 + math.exp(strength * features[Z]))
        net = 0.01 if gains else -0.01
        found.append(TradeOutcome(f"t{number}", 1000 * number, net, tuple(features)))
    return found


def question(z: float) -> np.ndarray:
    features = np.zeros(len(OUTCOME_FEATURES))
    features[Z] = z
    return features


def test_a_planted_relation_is_learned():
    model = fit_outcome_model(trades(600))
    assert model.kind == "lightgbm"
    assert model.accuracy > 0.7
    assert model.confidence(question(-1.5))[0] > 0.8
    assert model.confidence(question(1.5))[0] < 0.2


def test_noise_is_not_learned():
    """Over ten seeds: the later trades are predicted no better than by their share."""
    models = [fit_outcome_model(trades(300, strength=0.0, seed=seed)) for seed in range(10)]
    assert np.mean([model.accuracy for model in models]) == pytest.approx(0.5, abs=0.06)
    assert np.mean([model.brier for model in models]) < 0.29


def test_the_later_fifth_judges():
    model = fit_outcome_model(trades(100)[::-1])
    assert (model.trained_on, model.tested_on) == (80, 20)
    later = trades(100)[80:]
    assert model.base_rate == np.mean([each.net > 0 for each in later])
    predicted = model.confidence([each.features for each in later])
    assert model.brier == pytest.approx(
        np.mean((predicted - [each.net > 0 for each in later]) ** 2)
    )


def test_confidence_is_a_probability_for_each_row():
    model = fit_outcome_model(trades(100))
    confidence = model.confidence([each.features for each in trades(50, seed=9)])
    assert confidence.shape == (50,)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert model.confidence(np.empty((0, 16))).shape == (0,)


def test_contributions_explain_it():
    model = fit_outcome_model(trades(600))
    shares = model.contributions(question(-2.0))[0]
    assert shares.shape == (17,)
    assert np.abs(shares[:-1]).argmax() == Z


def test_importance_names_what_tells_gains_apart(monkeypatch):
    for kind in ("lightgbm", "random_forest"):
        if kind == "random_forest":
            monkeypatch.setattr(outcome_model, "boost", absent)
        model = fit_outcome_model(trades(600))
        assert model.kind == kind
        assert tuple(model.importance) == OUTCOME_FEATURES
        assert max(model.importance, key=model.importance.get) == "zscore"
        assert sum(model.importance.values()) == pytest.approx(1)
        assert model.importance["funding_rate"] == 0


def absent(*args, **options):
    raise ConfigError("a model needs lightgbm")


def test_without_lightgbm_a_forest_answers(monkeypatch):
    monkeypatch.setattr(outcome_model, "boost", absent)
    model = fit_outcome_model(trades(600))
    assert model.kind == "random_forest"
    assert model.accuracy > 0.7
    assert model.confidence(question(-1.5))[0] > 0.7
    assert model.contributions(question(0.0)) is None


def test_without_a_split_a_forest_answers():
    same = [TradeOutcome(f"t{i}", i, (-1) ** i, tuple([1.0] * 16)) for i in range(40)]
    model = fit_outcome_model(same)
    assert model.kind == "random_forest"
    assert model.confidence(np.ones(16))[0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("net", [0.01, -0.01])
def test_gains_only_or_losses_only_teach_nothing(net):
    alike = [TradeOutcome(str(i), i, net, tuple([float(i)] * 16)) for i in range(40)]
    assert fit_outcome_model(alike) is None


def test_it_learns_from_the_thirtieth_trade_on():
    learner = OutcomeLearner(SETTINGS)
    assert not learner.add(trades(29))
    assert np.isnan(learner.confidence(question(0.0))).all()
    assert learner.add(trades(1, first=29, seed=1))
    assert np.isfinite(learner.confidence(question(0.0))).all()


def test_it_learns_again_every_fifty_trades():
    learner = OutcomeLearner(SETTINGS)
    trained = [number for number, trade in enumerate(trades(200), start=1) if learner.add([trade])]
    assert trained == [30, 80, 130, 180]


def test_only_the_last_trades_are_remembered():
    learner = OutcomeLearner(OutcomeSettings(keep=60))
    learner.add(trades(100))
    assert [each.key for each in learner.outcomes] == [f"t{i}" for i in range(40, 100)]
    assert learner.seen == 100


def test_it_goes_on_learning_when_its_memory_is_full():
    learner = OutcomeLearner(OutcomeSettings(keep=60))
    trained = [i for i, trade in enumerate(trades(200), start=1) if learner.add([trade])]
    assert trained == [30, 80, 130, 180]


def test_a_trade_reported_again_replaces_itself():
    learner = OutcomeLearner(SETTINGS)
    learner.add(trades(10))
    learner.add(trades(10))
    assert (len(learner.outcomes), learner.seen) == (10, 10)


@pytest.mark.parametrize("count", [10, 30, 45, 80, 97])
def test_a_restart_continues_with_the_same_model(tmp_path, count):
    learner = OutcomeLearner(SETTINGS)
    for trade in trades(count):
        learner.add([trade])
    learner.pending["open"] = tuple([1.0, math.nan] * 8)
    save_learner(tmp_path / "outcomes.json", learner)
    again = load_learner(tmp_path / "outcomes.json", SETTINGS)
    assert [each.key for each in again.outcomes] == [each.key for each in learner.outcomes]
    assert (again.seen, again.trained_at) == (learner.seen, learner.trained_at)
    assert again.pending["open"][0] == 1.0
    assert math.isnan(again.pending["open"][1])
    asked = np.array([each.features for each in trades(20, seed=5)])
    np.testing.assert_array_equal(again.confidence(asked), learner.confidence(asked))


@pytest.mark.parametrize("count", [79, 129, 150, 179, 229])
def test_a_restart_with_a_full_memory_continues_with_the_same_model(tmp_path, count):
    """Up to 49 trades have been closed since the training: it has learned from older ones."""
    settings = OutcomeSettings(keep=50)
    learner = OutcomeLearner(settings)
    for trade in trades(count):
        learner.add([trade])
    save_learner(tmp_path / "outcomes.json", learner)
    again = load_learner(tmp_path / "outcomes.json", settings)
    asked = np.array([each.features for each in trades(20, seed=5)])
    assert np.isfinite(learner.confidence(asked)).all()
    np.testing.assert_array_equal(again.confidence(asked), learner.confidence(asked))
    assert again.model.trained_on + again.model.tested_on <= 50
    save_learner(tmp_path / "again.json", again)
    assert (tmp_path / "again.json").read_text() == (tmp_path / "outcomes.json").read_text()


def test_a_bot_without_a_file_begins_anew(tmp_path):
    learner = load_learner(tmp_path / "absent.json", SETTINGS)
    assert learner.outcomes == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": 2}', '{"schema": 1, "features": ["a"]}']
)
def test_a_damaged_file_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "outcomes.json"
    path.write_text(content)
    with pytest.raises(StoreError, match=r"outcomes\.json: closed trades .* cannot be read"):
        load_learner(path, SETTINGS)
    assert path.read_text() == content


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "folder").write_text("a file, not a folder")
    with pytest.raises(StoreError, match="were not saved"):
        save_learner(tmp_path / "folder" / "outcomes.json", OutcomeLearner(SETTINGS))


def test_the_file_is_plain_json(tmp_path):
    learner = OutcomeLearner(SETTINGS)
    learner.add(trades(3))
    save_learner(tmp_path / "deep" / "outcomes.json", learner)
    document = json.loads((tmp_path / "deep" / "outcomes.json").read_text())
    assert document["features"] == list(OUTCOME_FEATURES)
    assert document["outcomes"][0]["features"][11] is None


def test_a_trade_needs_sixteen_features():
    with pytest.raises(ValueError, match="16 features are needed, got 2"):
        TradeOutcome("t", 0, 0.1, (1.0, 2.0))
