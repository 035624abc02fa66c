"""Purged folds.

Mutants of `_folds.py`, each killed by the test named:
- no purge before the block: no_training_label_reaches_into_its_test_block
- purge by the start instead of the end of the label: the same
- no embargo: the_embargo_keeps_its_distance_on_both_sides
- rows after the block measured from its start: training_after_a_block_waits_for_its_last_label
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning import purged_folds


def test_walk_forward_trains_on_the_past_only():
    """12 rows, 3 folds: blocks of 3, the first only trains; labels look one candle ahead."""
    rows = np.arange(12)
    folds = purged_folds(rows, rows + 1, n_folds=3)
    assert [fold.test.tolist() for fold in folds] == [[3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert [fold.train.tolist() for fold in folds] == [
        [0, 1],
        [0, 1, 2, 3, 4],
        [0, 1, 2, 3, 4, 5, 6, 7],
    ]


def test_cross_validation_trains_around_the_block():
    """The labels of the block 4..7 end at 9: training goes on with row 10."""
    rows = np.arange(12)
    fold = purged_folds(rows, rows + 2, n_folds=3, training="around")[1]
    assert fold.test.tolist() == [4, 5, 6, 7]
    assert fold.train.tolist() == [0, 1, 10, 11]


def test_training_after_a_block_waits_for_its_last_label():
    """One long label inside the block, not its last row's, decides."""
    rows = np.arange(12)
    end = rows.copy()
    end[5] = 10
    fold = purged_folds(rows, end, n_folds=3, training="around")[1]
    assert fold.train.tolist() == [0, 1, 2, 3, 11]


def test_the_embargo_keeps_its_distance_on_both_sides():
    rows = np.arange(30)
    fold = purged_folds(rows, rows, n_folds=3, embargo=2, training="around")[1]
    assert fold.test.tolist() == list(range(10, 20))
    assert fold.train.tolist() == [*range(8), *range(22, 30)]


def test_time_counts_not_the_position_of_the_row():
    """Rows 0..5 are 10 candles apart; labels of 15 candles overlap the next row's."""
    start = np.arange(6) * 10
    fold = purged_folds(start, start + 15, n_folds=2)[0]
    assert fold.test.tolist() == [2, 3]
    assert fold.train.tolist() == [0]


@given(st.integers(30, 120), st.integers(0, 4), st.integers(0, 3), st.integers(2, 5), st.booleans())
def test_no_training_label_reaches_into_its_test_block(size, ahead, embargo, n_folds, around):
    rng = np.random.default_rng(size)
    start = np.arange(size)
    end = start + rng.integers(0, ahead + 1, size)
    training = "around" if around else "before"
    folds = purged_folds(start, end, n_folds=n_folds, embargo=embargo, training=training)
    for fold in folds:
        low, high = start[fold.test[0]], end[fold.test].max()
        before = fold.train[fold.train < fold.test[0]]
        after = fold.train[fold.train > fold.test[-1]]
        assert (end[before] < low - embargo).all()
        assert (start[after] > high + embargo).all()
        assert around or not len(after)
    tested = np.concatenate([fold.test for fold in folds])
    assert len(tested) == len(set(tested.tolist()))


def neighbours_hit_rate(split) -> float:
    """Predict each label by that of the nearest row in feature space, as a memoriser would."""
    rng = np.random.default_rng(0)
    size, horizon = 3000, 50
    steps = rng.choice([-1.0, 1.0], size + horizon)
    label = np.array([steps[i + 1 : i + 1 + horizon].sum() > 0 for i in range(size)])
    clock = np.arange(size) + rng.normal(0, 0.3, size)  # a feature that knows only the time
    hits = []
    for train, test in split(size, horizon):
        nearest = train[np.abs(clock[test][:, None] - clock[train][None, :]).argmin(axis=1)]
        hits.append(np.mean(label[nearest] == label[test]))
    return float(np.mean(hits))


def test_a_leaking_split_scores_high_and_the_purged_one_by_chance():
    """Labels of neighbours share 49 of 50 steps; the steps themselves are coin tosses."""

    def shuffled(size, horizon):
        order = np.random.default_rng(1).permutation(size)
        return [(np.setdiff1d(order, part), part) for part in np.array_split(order, 5)]

    def purged(size, horizon):
        rows = np.arange(size)
        folds = purged_folds(rows, rows + horizon, n_folds=5, embargo=horizon, training="around")
        return [(fold.train, fold.test) for fold in folds]

    assert neighbours_hit_rate(shuffled) > 0.9
    assert neighbours_hit_rate(purged) == pytest.approx(0.5, abs=0.08)


def test_too_few_rows_are_refused_with_the_numbers():
    rows = np.arange(6)
    message = "fold 1 of 5 has 0 training and 1 test rows: 6 labelled rows are too few"
    with pytest.raises(InfeasibleError, match=f"^{message}$"):
        purged_folds(rows, rows + 3, n_folds=5)
    with pytest.raises(InfeasibleError, match="0 test rows"):
        purged_folds(rows[:2], rows[:2], n_folds=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_folds": 1}, "n_folds must be at least 2, got 1"),
        ({"embargo": -1}, "embargo must not be negative, got -1"),
        ({"training": "after"}, "training must be 'before' or 'around', got 'after'"),
        ({"end": np.arange(10) - 1}, "every label must end at or after its start"),
        ({"start": np.arange(10)[::-1], "end": np.arange(10) + 20}, "in the order of time"),
    ],
)
def test_senseless_options_are_refused(change, message):
    options = {"start": np.arange(10), "end": np.arange(10)} | change
    with pytest.raises(ValueError, match=message):
        purged_folds(options.pop("start"), options.pop("end"), **options)
