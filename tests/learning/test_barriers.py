"""Triple-barrier labels, each order of the barriers computed by hand.

A path in log prices begins at 0 with barriers at +0.10 and -0.10 and a time of 3 candles, unless a
test says otherwise; each candle is (high, low, close).

Mutants of `_barriers.py`, each killed by the test named:
- `>` for a touch: reaching_a_barrier_exactly_is_a_touch
- the entry candle's own extremes counted: the_entry_candle_itself_counts_for_nothing
- upper first where one candle touches both: a_candle_that_touches_both_is_a_hold
- labels of early touches kept at the end: the_end_of_the_data_has_no_labels_even_after_a_touch
- later touch overwrites the first: the_first_touch_decides
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.learning import triple_barrier

QUIET = (0.01, -0.01, 0.0)
UP = (0.12, 0.0, 0.05)
DOWN = (0.0, -0.12, -0.05)
BOTH = (0.12, -0.12, 0.0)
BLANK = (math.nan, math.nan, math.nan)


def label(*candles, first=(0.0, 0.0, 0.0), timeout=3, upper=0.1, lower=0.1):
    """Label of the first candle, and candles until it is known."""
    high, low, close = np.array([first, *candles], dtype=float).T
    n = len(close)
    found = triple_barrier(
        high, low, close, upper=np.full(n, upper), lower=np.full(n, lower), timeout=timeout
    )
    return found.side[0], found.end[0]


@pytest.mark.parametrize(
    ("candles", "side", "end"),
    [
        pytest.param((UP, QUIET, QUIET), 1, 1, id="profit at once"),
        pytest.param((QUIET, QUIET, UP), 1, 3, id="profit at the last moment"),
        pytest.param((DOWN, QUIET, QUIET), -1, 1, id="loss at once"),
        pytest.param((QUIET, DOWN, QUIET), -1, 2, id="loss later"),
        pytest.param((QUIET, QUIET, QUIET), 0, 3, id="time"),
        pytest.param((UP, DOWN, QUIET), 1, 1, id="profit before loss"),
        pytest.param((DOWN, UP, QUIET), -1, 1, id="loss before profit"),
        pytest.param((QUIET, UP, DOWN), 1, 2, id="profit before loss, later"),
        pytest.param((BOTH, UP, UP), 0, 1, id="both in one candle"),
        pytest.param((UP, BOTH, QUIET), 1, 1, id="both after a profit"),
    ],
)
def test_every_order_of_the_barriers(candles, side, end):
    assert label(*candles) == (side, end)


def test_the_first_touch_decides():
    assert label(UP, DOWN, DOWN) == (1, 1)


def test_a_candle_that_touches_both_is_a_hold():
    """A buyer and a seller may both have been stopped first; nobody can tell."""
    assert label(QUIET, BOTH, UP) == (0, 2)


def test_reaching_a_barrier_exactly_is_a_touch():
    assert label((0.1, 0.0, 0.0), QUIET, QUIET) == (1, 1)
    assert label((0.0, -0.1, 0.0), QUIET, QUIET) == (-1, 1)


def test_a_touch_after_the_time_is_too_late():
    assert label(QUIET, QUIET, QUIET, UP) == (0, 3)


def test_the_entry_candle_itself_counts_for_nothing():
    assert label(QUIET, QUIET, QUIET, first=(0.5, -0.5, 0.0)) == (0, 3)


def test_barriers_lie_around_the_close_of_the_entry_candle():
    """From a close of 1.0 a high of 0.12 touches nothing above, a low of 0.88 the lower one."""
    assert label((1.05, 0.88, 1.0), QUIET, QUIET, first=(1.0, 1.0, 1.0)) == (-1, 1)


def test_unequal_barriers():
    assert label(UP, QUIET, QUIET, upper=0.2) == (0, 3)
    assert label((0.01, -0.03, 0.0), QUIET, QUIET, lower=0.02) == (-1, 1)


def test_the_end_of_the_data_has_no_labels_even_after_a_touch():
    side, end = label(UP, QUIET)
    assert math.isnan(side)
    assert end == -1


def test_one_candle_more_than_the_time_is_enough():
    assert label(QUIET, QUIET, UP) == (1, 3)


def test_data_shorter_than_the_time_has_no_labels():
    found = triple_barrier(*[np.zeros(2)] * 3, upper=np.ones(2), lower=np.ones(2), timeout=5)
    assert np.isnan(found.side).all()
    assert (found.end == -1).all()


def test_a_missing_candle_touches_nothing():
    assert label(BLANK, BLANK, UP) == (1, 3)


@pytest.mark.parametrize("missing", [{"first": BLANK}, {"upper": math.nan}, {"lower": math.inf}])
def test_an_unknown_close_or_barrier_has_no_label(missing):
    side, end = label(UP, UP, UP, **missing)
    assert math.isnan(side)
    assert end == -1


def test_a_time_of_no_candle_is_refused():
    with pytest.raises(ValueError, match=r"^timeout must be at least 1, got 0$"):
        label(UP, timeout=0)


@given(st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=40), st.integers(1, 4))
def test_a_label_needs_no_candle_after_its_end(closes, timeout):
    """Cutting the data off after a label's time changes nothing."""
    path = np.array(closes)
    width = np.full(len(path), 0.05)
    whole = triple_barrier(path, path, path, upper=width, lower=width, timeout=timeout)
    cut = len(path) - 2
    part = triple_barrier(
        path[:cut], path[:cut], path[:cut], upper=width[:cut], lower=width[:cut], timeout=timeout
    )
    known = np.isfinite(part.side)
    np.testing.assert_array_equal(part.side[known], whole.side[:cut][known])
    assert (part.end[known] <= np.flatnonzero(known) + timeout).all()


@given(st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=40))
def test_mirrored_prices_give_mirrored_labels(closes):
    path = np.array(closes)
    width = np.full(len(path), 0.05)
    kept = triple_barrier(path, path, path, upper=width, lower=width, timeout=3)
    turned = triple_barrier(-path, -path, -path, upper=width, lower=width, timeout=3)
    np.testing.assert_array_equal(kept.side, -turned.side)
