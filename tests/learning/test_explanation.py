"""Explanations, exact against the `shap` package.

Mutants of `_explanation.py` and `_boosting.contributions`, each killed by the test named:
- contributions of another class: contributions_agree_with_shap
- base left out: base_and_contributions_sum_to_the_raw_score
- sorted by value, not size: the_strongest_drivers_come_first
- risk over reward: risk_and_reward_by_hand
"""

import math

import numpy as np
import pytest
import shap

from freqtrade_ext.learning import TradeLevels, explain, fit_move_model, fit_signal_model
from tests.learning.model_doubles import NAMES, rows_with_signal, small_trees


@pytest.fixture(scope="module")
def rows():
    return rows_with_signal(0, 1.5, 800)


@pytest.fixture(scope="module")
def classifier(rows):
    return fit_signal_model(
        rows, names=NAMES, horizon=5, cost=0.0, n_folds=2, parameters=small_trees
    )


@pytest.fixture(scope="module")
def regressor(rows):
    return fit_move_model(rows.features, rows.moves, names=NAMES, horizon=5, parameters=small_trees)


def test_contributions_agree_with_shap(rows, classifier):
    """SHAP's own TreeExplainer (package shap), values and expected values of every class."""
    explainer = shap.TreeExplainer(classifier.booster)
    theirs = np.asarray(explainer.shap_values(rows.features[:40]))
    ours = classifier.contributions(rows.features[:40])
    assert ours.shape == (40, 3, 7)
    np.testing.assert_allclose(ours[:, :, :-1], np.moveaxis(theirs, 2, 1), atol=1e-9)
    np.testing.assert_allclose(ours[0, :, -1], explainer.expected_value, atol=1e-9)


def test_contributions_of_a_regressor_agree_with_shap(rows, regressor):
    explainer = shap.TreeExplainer(regressor.booster)
    ours = regressor.contributions(rows.features[:40])
    assert ours.shape == (40, 1, 7)
    np.testing.assert_allclose(
        ours[:, 0, :-1], explainer.shap_values(rows.features[:40]), atol=1e-9
    )


def test_base_and_contributions_sum_to_the_raw_score(rows, regressor):
    """TreeSHAP's local accuracy, and with it of the explanation."""
    row = rows.features[:1]
    shares = regressor.contributions(row)[0, 0]
    told = explain(shares, NAMES, row[0], answer="up")
    assert told.score == pytest.approx(float(regressor.predict(row)[0]))


def test_the_strongest_drivers_come_first():
    told = explain(np.array([0.1, -0.5, 0.2, 1.0]), ["a", "b", "c"], [1, 2, 3], answer="Buy")
    assert [driver.name for driver in told.drivers] == ["b", "c", "a"]
    assert told.base == 1.0


def test_the_words():
    told = explain(
        np.array([0.25, -0.125, 0.5, 0.0, -0.0625, 0.1]),
        ["z", "rsi", "atr", "hour", "ema"],
        [-2.5, 0.31, 0.012, 1, 0.001],
        answer="ETH-BTC: buy, 61% probable",
        trade=TradeLevels(entry=100.0, stop=95.0, target=110.0),
    )
    assert told.text() == (
        "ETH-BTC: buy, 61% probable. For it: atr at 0.012 (+0.500), z at -2.5 (+0.250). "
        "Against it: rsi at 0.31 (-0.125). 1 other features together: -0.062. "
        "Long from 100: stop 95, target 110, risk/reward 1:2.00."
    )


def test_a_model_that_learned_nothing_says_so():
    told = explain(np.array([0.0, 0.0, 0.3]), ["a", "b"], [1, 2], answer="Hold")
    assert told.text() == "Hold. No feature speaks for or against it."


@pytest.mark.parametrize(
    ("levels", "side", "ratio"),
    [
        ((100.0, 95.0, 115.0), "long", 3.0),
        ((100.0, 104.0, 94.0), "short", 1.5),
        ((2.5, 4.0, 0.5), "short", 4 / 3),
        ((-2.5, -4.0, -0.5), "long", 4 / 3),
    ],
)
def test_risk_and_reward_by_hand(levels, side, ratio):
    trade = TradeLevels(*levels)
    assert trade.side == side
    assert trade.risk_reward == pytest.approx(ratio)


@pytest.mark.parametrize("stop", [105.0, 100.0])
def test_a_stop_on_the_wrong_side_has_no_ratio(stop):
    trade = TradeLevels(100.0, stop, 110.0)
    assert math.isnan(trade.risk_reward)
    assert "no risk/reward" in trade.text()


def test_lengths_must_fit():
    with pytest.raises(ValueError, match="2 names need 2 values and 3 contributions, got 2 and 2"):
        explain(np.zeros(2), ["a", "b"], [1, 2], answer="")
