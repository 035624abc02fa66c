"""What is learned, and what is not: 20 seeds of a planted signal, 20 of pure noise.

Mutants of `_signal_model.py`, `_move_model.py`, `_boosting.py`, each killed by the test named:
- no calibration: noise_gives_probabilities_near_the_base_rate
- calibrated on the rows it was trained on: the same
- each fold calibrated on itself: folds_are_calibrated_on_earlier_folds_only
- labels shuffled against rows: a_planted_signal_is_learned
- thread bound ignored: threads_are_bounded
- calibration of the direction not mirrored: no_predicted_move_is_no_direction
- move model's gap left out: rows_between_the_parts_are_left_out
"""

from functools import cache

import numpy as np
import pytest

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import (
    BASELINE,
    CLASSES,
    boost,
    fit_move_model,
    fit_signal_model,
)
from freqtrade_ext.learning import _boosting as boosting
from freqtrade_ext.learning import _signal_model as signal_model
from tests.learning.model_doubles import NAMES, rows_with_signal, small_trees

SEEDS = range(20)


def classifier(rows, **changes):
    options = {
        "names": NAMES,
        "horizon": 5,
        "cost": 0.0,
        "n_folds": 3,
        "parameters": small_trees,
    } | changes
    return fit_signal_model(rows, **options)


@cache
def classifier_of_noise(seed):
    return classifier(rows_with_signal(seed, 0.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planted_signal_is_learned(seed):
    model = classifier(rows_with_signal(seed, 1.5))
    fresh = rows_with_signal(seed + 1000, 1.5)
    chosen = model.predict_proba(fresh.features).argmax(axis=1) - 1
    traded = chosen != 0
    assert np.mean(chosen == fresh.side) > 0.5
    assert np.mean(chosen[traded] * fresh.moves[traded]) > 0.004
    assert model.folds[-1].profit_factor > 2


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_gives_probabilities_near_the_base_rate(seed):
    rows = rows_with_signal(seed, 0.0)
    model = classifier_of_noise(seed)
    fresh = rows_with_signal(seed + 1000, 0.0)
    probabilities = model.predict_proba(fresh.features)
    base = np.bincount(rows.classes, minlength=3) / len(rows.side)
    # A slope of noise may be small instead of nothing; the mean must be right all the same.
    np.testing.assert_allclose(probabilities.mean(axis=0), base, atol=0.03)
    assert np.abs(probabilities - base).mean() < 0.04


def test_noise_gives_no_trades_beyond_chance():
    """Over all seeds: the mean return of what is traded on noise is within 3 standard errors."""
    returns = []
    for seed in SEEDS:
        model = classifier_of_noise(seed)
        fresh = rows_with_signal(seed + 1000, 0.0)
        chosen = model.predict_proba(fresh.features).argmax(axis=1) - 1
        returns.append((chosen * fresh.moves)[chosen != 0])
    traded = np.concatenate(returns)
    if len(traded):
        assert abs(traded.mean()) < 3 * 0.01 / np.sqrt(len(traded))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_regressor_learns_a_planted_move(seed):
    rows = rows_with_signal(seed, 1.5)
    model = fit_move_model(
        rows.features,
        rows.moves,
        names=NAMES,
        horizon=5,
        held_out_share=0.2,
        parameters=small_trees,
    )
    fresh = rows_with_signal(seed + 1000, 1.5)
    moves = model.predict(fresh.features)
    assert np.corrcoef(moves, fresh.moves)[0, 1] > 0.4
    sure = model.probability_up(moves) > 0.8
    assert np.mean(fresh.moves[sure] > 0) > 0.72
    assert model.held_out.hit_rate > 0.6
    assert model.errors.mean() == pytest.approx(1 - model.held_out.hit_rate)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_regressor_is_not_sure_of_noise(seed):
    rows = rows_with_signal(seed, 0.0)
    model = fit_move_model(
        rows.features,
        rows.moves,
        names=NAMES,
        horizon=5,
        held_out_share=0.2,
        parameters=small_trees,
    )
    up = model.probability_up(model.predict(rows_with_signal(seed + 1000, 0.0).features))
    assert np.abs(up - 0.5).mean() < 0.1


def test_probabilities_of_a_classifier_mean_what_they_say():
    """Among predictions of about p, a share of about p comes true."""
    model = classifier(rows_with_signal(3, 1.5, 6000))
    fresh = rows_with_signal(4, 1.5, 6000)
    buy = model.predict_proba(fresh.features)[:, 2]
    for low, high in ((0.1, 0.3), (0.3, 0.5), (0.5, 0.8)):
        inside = (buy > low) & (buy < high)
        assert inside.sum() > 100
        assert np.mean(fresh.side[inside] == 1) == pytest.approx(buy[inside].mean(), abs=0.06)


def test_classes_and_their_names():
    model = classifier(rows_with_signal(0, 1.5, 600))
    features = rows_with_signal(1, 1.5, 50).features
    best = model.predict_proba(features).argmax(axis=1)
    assert model.classes_ == CLASSES == ("sell", "hold", "buy")
    assert model.predict(features).tolist() == [CLASSES[index] for index in best]
    assert model.predict_proba(features[:0]).shape == (0, 3)


def test_importance_is_a_share_and_finds_the_features_that_matter():
    model = classifier(rows_with_signal(0, 1.5))
    assert sum(model.importance.values()) == pytest.approx(1)
    assert set(sorted(model.importance, key=model.importance.get)[-3:]) == {"f0", "f1", "f2"}


def test_folds_are_calibrated_on_earlier_folds_only(monkeypatch):
    seen = []

    def spying(probabilities, classes, **options):
        seen.append(len(classes))
        return boosted(probabilities, classes, **options)

    boosted = signal_model.fit_calibration
    monkeypatch.setattr(signal_model, "fit_calibration", spying)
    rows = rows_with_signal(0, 0.0, 400)
    classifier(rows)
    # 4 blocks of 100, labels of 5 candles: what is known when a block begins, then all.
    assert seen == [95, 195, 300]


def test_a_class_that_never_occurs_is_not_predicted():
    rows = rows_with_signal(0, 1.5, 600)
    some = type(rows)(rows.features, np.abs(rows.side), rows.moves, rows.start, rows.end)
    probabilities = classifier(some).predict_proba(rows.features)
    assert probabilities[:, 0].max() < 0.05


def test_missing_values_are_values():
    rows = rows_with_signal(0, 1.5, 600)
    rows.features[::3, 5] = np.nan
    assert np.isfinite(classifier(rows).predict_proba(rows.features)).all()


def test_too_few_rows_are_refused():
    with pytest.raises(InfeasibleError, match="labelled rows are too few"):
        classifier(rows_with_signal(0, 1.0, 8))
    rows = rows_with_signal(0, 1.0, 40)
    message = "40 labelled rows leave 31 to train on and 4 to judge with"
    with pytest.raises(InfeasibleError, match=message):
        fit_move_model(rows.features, rows.moves, names=NAMES, horizon=5)


def test_rows_between_the_parts_are_left_out(monkeypatch):
    sizes = []
    train = boosting.boost
    monkeypatch.setattr(
        "freqtrade_ext.learning._move_model.boost",
        lambda features, labels, **options: (
            sizes.append(len(labels)) or train(features, labels, **options)
        ),
    )
    rows = rows_with_signal(0, 1.0, 400)
    fit_move_model(
        rows.features,
        rows.moves,
        names=NAMES,
        horizon=7,
        held_out_share=0.25,
        parameters=small_trees,
    )
    assert sizes == [300 - 7]


def test_no_predicted_move_is_no_direction():
    """Held-out rows that mostly rose must not make a model bullish."""
    rows = rows_with_signal(0, 0.0, 400)
    rising = rows.moves + np.where(np.arange(400) >= 300, 0.02, 0.0)
    model = fit_move_model(
        rows.features, rising, names=NAMES, horizon=5, held_out_share=0.25, parameters=small_trees
    )
    up, down = model.probability_up(np.array([0.004, -0.004]))
    assert model.probability_up(np.zeros(1))[0] == pytest.approx(0.5)
    assert up == pytest.approx(1 - down)


def test_a_market_that_never_moves_is_no_error():
    rows = rows_with_signal(0, 1.0, 400)
    model = fit_move_model(
        rows.features, np.zeros(400), names=NAMES, horizon=5, parameters=small_trees
    )
    assert model.probability_up(np.zeros(1))[0] == pytest.approx(0.5)
    assert np.isnan(model.held_out.hit_rate)


def test_the_same_rows_give_the_same_model():
    rows = rows_with_signal(0, 1.5, 600)
    first, second = classifier(rows), classifier(rows)
    np.testing.assert_array_equal(
        first.predict_proba(rows.features), second.predict_proba(rows.features)
    )


@pytest.mark.parametrize(
    ("asked", "used"), [({}, 2), ({"n_jobs": 8}, 2), ({"num_threads": 1}, 1), ({"n_jobs": -1}, 2)]
)
def test_threads_are_bounded(asked, used):
    rows = rows_with_signal(0, 1.5, 300)
    booster = boost(
        rows.features,
        rows.moves,
        objective="regression",
        threads=2,
        parameters={"n_estimators": 3, **asked},
    )
    assert booster.params["num_threads"] == used


def test_parameters_are_obeyed():
    rows = rows_with_signal(0, 1.5, 300)
    booster = boost(
        rows.features,
        rows.moves,
        objective="regression",
        threads=1,
        parameters={**BASELINE, "n_estimators": 7, "num_leaves": 4},
    )
    assert booster.num_trees() == 7
    assert booster.params["num_leaves"] == 4
    assert booster.params["learning_rate"] == 0.05


def test_the_baseline_is_the_specified_one():
    assert BASELINE == {"n_estimators": 300, "learning_rate": 0.05, "max_depth": 6}
    rows = rows_with_signal(0, 1.5, 300)
    assert boost(rows.features, rows.moves, objective="regression", threads=1).num_trees() == 300
