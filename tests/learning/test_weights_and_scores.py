"""Class weights and scores, against scikit-learn and by hand.

Mutants of `_scores.py` and `_weights.py`, each killed by the test named:
- precision and recall swapped: scores_agree_with_scikit_learn
- Brier of the true class only: the same
- overlapping trades counted: a_signal_inside_a_held_position_is_no_trade
- cost not subtracted: profit_is_net_of_costs
- weights not normalised: weights_agree_with_scikit_learn
"""

import math

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support
from sklearn.utils.class_weight import compute_sample_weight

from freqtrade_ext.learning import (
    class_weights,
    non_overlapping,
    profit_factor,
    score_predictions,
)


def scored(truth, probabilities, **changes):
    chosen = probabilities.argmax(axis=1)
    options = {
        "moves": np.zeros(len(truth)),
        "positions": chosen - 1,
        "start": np.arange(len(truth)),
        "horizon": 1,
        "cost": 0.0,
    } | changes
    return score_predictions(truth, probabilities, chosen, **options)


def random_predictions(seed: int, size: int = 200):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, size), rng.dirichlet([1, 1, 1], size)


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(seed):
    truth, probabilities = random_predictions(seed)
    scores = scored(truth, probabilities)
    chosen = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, chosen, average="macro", zero_division=0
    )
    assert scores.precision == pytest.approx(precision)
    assert scores.recall == pytest.approx(recall)
    assert scores.f1 == pytest.approx(f1)
    assert scores.accuracy == pytest.approx(np.mean(truth == chosen))
    brier = sum(((probabilities[:, k] - (truth == k)) ** 2).mean() for k in range(3))
    assert scores.brier == pytest.approx(brier)


def test_a_class_that_is_never_predicted_scores_zero():
    scores = scored(np.array([0, 1]), np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]]))
    assert (scores.precision, scores.recall) == (0.25, 0.5)


def test_profit_is_net_of_costs():
    """Long +3 % and short on -1 %: 0.03 - 0.002 and 0.01 - 0.002, then a loss of 0.022."""
    probabilities = np.eye(3)[[2, 0, 2]]
    scores = scored(
        np.array([2, 0, 0]), probabilities, moves=np.array([0.03, -0.01, -0.02]), cost=0.002
    )
    assert scores.trades == 3
    assert scores.net == pytest.approx(0.028 + 0.008 - 0.022)
    assert scores.profit_factor == pytest.approx(0.036 / 0.022)


def test_a_signal_inside_a_held_position_is_no_trade():
    positions = np.array([1, 1, 0, -1, 1])
    start = np.array([0, 1, 2, 3, 7])
    assert non_overlapping(positions, start, 3).tolist() == [0, 3, 4]


def test_profit_factor_without_trades_or_losses():
    assert math.isnan(profit_factor(np.empty(0)))
    assert profit_factor(np.array([0.1])) == math.inf
    assert profit_factor(np.array([-0.1])) == 0.0


def test_scores_by_name():
    truth, probabilities = random_predictions(0)
    assert scored(truth, probabilities).as_dict()["rows"] == 200


@pytest.mark.parametrize("seed", range(3))
def test_weights_agree_with_scikit_learn(seed):
    labels = np.random.default_rng(seed).choice(["buy", "hold", "sell"], 50, p=[0.1, 0.7, 0.2])
    np.testing.assert_allclose(class_weights(labels), compute_sample_weight("balanced", labels))
    assert class_weights(labels).sum() == pytest.approx(50)
