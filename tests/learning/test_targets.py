"""Labels of markets and spreads from one function.

Mutants of `_targets.py`, each killed by the test named:
- a spread judged by leg A alone: a_spread_is_labelled_by_its_own_move
- label of a barrier known at the timeout: a_barrier_label_is_known_when_it_is_touched
- scaled by the threshold's multiple: the_scaled_move_is_in_volatilities
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.learning import LabelSettings, label_target

FIXED = LabelSettings(horizon=2, fallback=0.02, volatility_window=10)
BARRIERS = FIXED.model_copy(update={"kind": "barriers"})


def walk(seed: int, size: int = 60, scale: float = 0.01) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, scale, size).cumsum())


def test_a_market_is_labelled_by_its_move():
    close = np.exp(np.array([0.0, 0.01, 0.05, 0.0, 0.0]))
    labels = label_target(close, FIXED)
    assert labels.move[:3] == pytest.approx([0.05, -0.01, -0.05])
    assert labels.side[:3].tolist() == [1, 0, -1]
    assert labels.ahead.tolist() == [2, 2, 2, 0, 0]
    assert np.isnan(labels.side[3:]).all()


def test_a_spread_is_labelled_by_its_own_move():
    """Both legs rise alike: leg A gains 5 %, the spread nothing."""
    both = np.exp(np.array([0.0, 0.02, 0.05, 0.05, 0.05]))
    labels = label_target((both, both, np.ones(5)), FIXED)
    assert labels.side[:3].tolist() == [0, 0, 0]
    assert labels.move[:3] == pytest.approx([0, 0, 0])


def test_the_scaled_move_is_in_volatilities():
    settings = LabelSettings(horizon=4, volatility_window=20, multiple=0.3)
    close = walk(1, 80)
    labels = label_target(close, settings)
    row = 50
    steps = np.diff(np.log(close))[row - 20 : row]
    assert labels.scaled[row] == pytest.approx(labels.move[row] / (steps.std(ddof=1) * 2))


def test_barriers_of_a_market_use_its_extremes():
    close = np.ones(5)
    high = np.exp(np.array([0.0, 0.0, 0.03, 0.0, 0.0]))
    labels = label_target(close, BARRIERS, high=high, low=close)
    assert labels.side[:3].tolist() == [1, 1, 0]
    assert label_target(close, BARRIERS).side[:3].tolist() == [0, 0, 0]


def test_a_barrier_label_is_known_when_it_is_touched():
    close = np.ones(5)
    high = np.exp(np.array([0.0, 0.0, 0.03, 0.0, 0.0]))
    assert label_target(close, BARRIERS, high=high, low=close).ahead.tolist() == [2, 1, 2, 0, 0]


def test_barriers_of_a_spread_follow_its_path():
    """+0.03 after one candle, back after two: touched, though the move over two is nothing."""
    leg_a = np.exp(np.array([0.0, 0.03, 0.0, 0.0, 0.0]))
    labels = label_target((leg_a, np.ones(5), np.ones(5)), BARRIERS)
    assert labels.side[:3].tolist() == [1, -1, 0]
    assert labels.ahead.tolist() == [1, 1, 2, 0, 0]


def test_a_spread_without_a_fit_has_no_label():
    labels = label_target((np.ones(5), np.ones(5), np.full(5, np.nan)), FIXED)
    assert np.isnan(labels.side).all()
    assert (labels.ahead == 0).all()


@pytest.mark.parametrize("kind", ["threshold", "barriers"])
@pytest.mark.parametrize("spread", [False, True])
@given(seed=st.integers(0, 10_000), cut=st.integers(20, 55))
def test_a_label_is_made_of_the_candles_that_it_names(kind, spread, seed, cut):
    """With candles up to `cut`, exactly the labels known by then are there, and they stay."""
    settings = LabelSettings(kind=kind, horizon=3, volatility_window=10)
    close, other = walk(seed), walk(seed + 1)

    def labelled(size: int):
        if spread:
            return label_target((close[:size], other[:size], np.full(size, 0.8)), settings)
        return label_target(close[:size], settings)

    whole, part = labelled(60), labelled(cut)
    known = np.isfinite(part.side)
    np.testing.assert_array_equal(known, np.arange(cut) < cut - 3)
    np.testing.assert_array_equal(part.side[known], whole.side[:cut][known])
    np.testing.assert_array_equal(part.move[known], whole.move[:cut][known])
