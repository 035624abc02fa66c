"""Calibration.

Mutants of `_calibration.py`, each killed by the test named:
- slope not bounded below: a_sigmoid_never_turns_an_order_around
- rows not scaled to 1: rows_sum_to_one
- raw instead of log-odds: overconfident_probabilities_are_pulled_back
- scikit-learn's default solver, stopped early: a_sigmoid_is_the_best_one
- bare share instead of Platt's: a_class_that_never_came_true_stays_possible
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import fit_calibration


def drawn(seed: int, size: int, strength: float):
    """True log-odds, outcomes drawn from them, and probabilities that claim `strength` times."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1, size)
    outcome = (rng.random(size) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    claimed = 1 / (1 + np.exp(-strength * odds))
    return odds, outcome, np.column_stack([1 - claimed, claimed])


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_overconfident_probabilities_are_pulled_back(method):
    """Outcomes follow odds that are a third of those claimed."""
    _, outcome, claimed = drawn(0, 20_000, 3.0)
    calibrated = fit_calibration(claimed, outcome, method=method)
    odds, _, fresh = drawn(1, 5_000, 3.0)
    truth = 1 / (1 + np.exp(-odds))
    middle = np.abs(odds) < 2
    np.testing.assert_allclose(calibrated(fresh)[middle, 1], truth[middle], atol=0.06)
    assert np.abs(fresh[middle, 1] - truth[middle]).mean() > 0.15


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_the_mean_probability_becomes_the_share(method):
    rng = np.random.default_rng(0)
    raw = rng.dirichlet([5, 1, 5], 4_000)
    outcome = rng.choice(3, 4_000, p=[0.2, 0.7, 0.1])
    mean = fit_calibration(raw, outcome, method=method)(raw).mean(axis=0)
    np.testing.assert_allclose(mean, [0.2, 0.7, 0.1], atol=0.02)


def test_a_sigmoid_never_turns_an_order_around():
    """Claims that are the wrong way round say nothing: the share is the answer."""
    _, outcome, claimed = drawn(0, 5_000, 1.0)
    calibrated = fit_calibration(claimed[:, ::-1], outcome)(claimed)
    assert np.ptp(calibrated[:, 1]) < 1e-12
    assert calibrated[0, 1] == pytest.approx(outcome.mean(), abs=0.001)


def test_a_class_that_never_came_true_stays_possible():
    raw = np.full((10, 2), 0.5)
    calibrated = fit_calibration(raw, np.zeros(10, dtype=np.int64))(raw)
    assert 0 < calibrated[0, 1] < 0.2  # (0 + 1) / (10 + 2) before the row is scaled


@pytest.mark.parametrize("size", [40, 1_000, 20_000])
def test_a_sigmoid_is_the_best_one(size):
    """
    The slope a and the intercept b minimise a^2 / 2 + sum of log(1 + exp(-y (a s + b))), y = +-1.

    There the derivatives are 0: sum of (p - t) s + a by a, and sum of p - t by b.
    """
    _, outcome, claimed = drawn(2, size, 2.0)
    slope, intercept = (value[0] for value in fit_calibration(claimed, outcome).curves[1])
    scores = np.log(claimed[:, 1] / claimed[:, 0])
    missed = 1 / (1 + np.exp(-(slope * scores + intercept))) - outcome
    assert missed @ scores + slope == pytest.approx(0, abs=1e-6 * size)
    assert missed.sum() == pytest.approx(0, abs=1e-6 * size)
    assert 0.3 < slope < 0.7 or size == 40  # outcomes follow half of the odds that are claimed


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from(["sigmoid", "isotonic"]))
def test_rows_sum_to_one(seed, method):
    rng = np.random.default_rng(seed)
    raw = rng.dirichlet([1, 1, 1], 60)
    calibrated = fit_calibration(raw, rng.integers(0, 3, 60), method=method)(raw)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    assert (calibrated >= 0).all()


def test_a_row_that_no_class_wants_is_uniform():
    calibration = fit_calibration(
        np.array([[0.1, 0.9], [0.9, 0.1]]), np.array([0, 1]), method="isotonic"
    )
    flat = type(calibration)("isotonic", tuple((np.array([0.0, 1.0]), np.zeros(2)) for _ in "ab"))
    np.testing.assert_array_equal(flat(np.array([[0.4, 0.6]])), [[0.5, 0.5]])


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(InfeasibleError, match=r"^there are no rows to calibrate on$"):
        fit_calibration(np.empty((0, 2)), np.empty(0, dtype=np.int64))
    with pytest.raises(ValueError, match="method must be 'sigmoid' or 'isotonic', got 'platt'"):
        fit_calibration(np.ones((1, 1)), np.zeros(1, dtype=np.int64), method="platt")
