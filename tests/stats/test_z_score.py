"""Standard scores: by hand, against pandas, causal, stable, and clear about gaps."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import engle_granger, formation_z_score, rolling_z_score

WINDOWS = st.integers(2, 30)
# Rounded: the square of a move of 1e-180 is zero in float64, which is no price.
VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 9))
SPREADS = hnp.arrays(
    np.float64,
    st.integers(0, 120),
    elements=VALUES | st.just(math.nan) | st.sampled_from([0.0, 1.0]),
)


def by_definition(values, window, ddof):
    scores = np.full(values.size, np.nan)
    for now in range(window - 1, values.size):
        past = values[now - window + 1 : now + 1]
        scores[now] = (values[now] - past.mean()) / past.std(ddof=ddof)
    return scores


def test_three_values_by_hand():
    """(1, 2, 6): mean 3, sample deviation sqrt(7), population deviation sqrt(14/3)."""
    assert_allclose(rolling_z_score([1.0, 2.0, 6.0], 3)[2], 3.0 / math.sqrt(7.0), rtol=1e-15)
    assert_allclose(
        rolling_z_score([1.0, 2.0, 6.0], 3, ddof=0)[2], 3.0 / math.sqrt(14.0 / 3.0), rtol=1e-15
    )


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("window", [2, 3, 50, 120])
def test_equals_the_definition_and_pandas(window, ddof):
    values = np.random.default_rng(window).standard_normal(300).cumsum()
    scores = rolling_z_score(values, window, ddof=ddof)
    assert_allclose(scores, by_definition(values, window, ddof), atol=1e-10)
    rolling = pd.Series(values).rolling(window)
    expected = (values - rolling.mean()) / rolling.std(ddof=ddof)
    assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_price_level_of_a_million_costs_no_digits(offset):
    values = np.random.default_rng(1).standard_normal(2_000)
    moved = rolling_z_score(values + offset, 50)
    assert_allclose(moved, rolling_z_score(values, 50), rtol=0, atol=1e-9)


def test_a_past_spike_leaves_no_trace_once_it_left_the_window():
    """Running sums carry the rounding of a spike on forever."""
    values = np.random.default_rng(2).standard_normal(200)
    spiked = values.copy()
    spiked[50] = 1e15
    assert_array_equal(rolling_z_score(spiked, 20)[70:], rolling_z_score(values, 20)[70:])


@given(SPREADS, WINDOWS, st.integers(0, 120), st.sampled_from([0, 1]))
def test_rolling_z_score_does_not_look_ahead(values, window, now, ddof):
    full = rolling_z_score(values, window, ddof=ddof)
    assert_array_equal(full[:now], rolling_z_score(values[:now], window, ddof=ddof))


@given(SPREADS, WINDOWS, st.integers(0, 60))
def test_a_bot_restarted_with_less_history_continues_with_the_same_bits(values, window, dropped):
    full = rolling_z_score(values, window)[dropped:]
    restarted = rolling_z_score(values[dropped:], window)
    assert_array_equal(full[window - 1 :], restarted[window - 1 :])


@given(SPREADS, WINDOWS)
def test_nan_exactly_where_the_window_is_short_has_a_gap_or_stands_still(values, window):
    scores = rolling_z_score(values, window)
    assert scores.shape == values.shape
    for now in range(values.size):
        past = values[max(0, now - window + 1) : now + 1]
        unusable = past.size < window or np.isnan(past).any() or np.ptp(past) == 0.0
        assert np.isnan(scores[now]) == unusable


@given(SPREADS, WINDOWS)
def test_score_is_bounded_by_the_window(values, window):
    """|z| ≤ (w-1)/sqrt(w) whatever the data: a window of 18 cannot show a z of 4."""
    scores = rolling_z_score(values, window)
    bound = (window - 1) / math.sqrt(window)
    assert (np.abs(scores[np.isfinite(scores)]) <= bound * (1 + 1e-9)).all()


@given(st.integers(0, 2**32 - 1), WINDOWS, st.floats(1e-3, 1e3), st.floats(-100.0, 100.0))
def test_score_ignores_unit_and_origin_and_follows_the_sign(seed, window, scale, shift):
    values = np.random.default_rng(seed).standard_normal(60).cumsum()
    scores = rolling_z_score(values, window)
    # Two neighbours may be as close as 1e-6, and the shift costs digits of their difference.
    assert_allclose(rolling_z_score(scale * values + shift, window), scores, atol=1e-4)
    assert_array_equal(rolling_z_score(-values, window), -scores)


def test_infinite_values_count_as_missing():
    values = np.array([1.0, 2.0, math.inf, 4.0, 5.0, 7.0, -math.inf])
    assert_array_equal(np.isnan(rolling_z_score(values, 2)), [1, 0, 1, 1, 0, 0, 1])


def test_standing_price_scores_nan_not_rounding_noise():
    assert np.isnan(rolling_z_score(np.full(100, 0.1 + 0.2), 10)).all()


@pytest.mark.parametrize("values", [[], [1.0, 2.0]])
def test_too_little_history_is_all_nan(values):
    scores = rolling_z_score(values, 3)
    assert scores.shape == (len(values),)
    assert np.isnan(scores).all()


def test_input_is_left_alone():
    values = np.array([1.0, math.inf, 3.0])
    rolling_z_score(values, 2)
    assert_array_equal(values, [1.0, math.inf, 3.0])


@pytest.mark.parametrize(
    ("window", "ddof", "message"),
    [
        (1, 1, "window must be at least 2, got 1"),
        (0, 0, "window must be at least 2, got 0"),
        (5, 2, "unknown ddof 2: expected one of 0, 1"),
    ],
)
def test_wrong_windows_are_refused(window, ddof, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        rolling_z_score([1.0, 2.0], window, ddof=ddof)
    assert str(refusal.value) == message


def test_formation_score_by_hand():
    assert_array_equal(
        formation_z_score([1.0, math.nan, 4.0], mean=2.0, std=2.0), [-0.5, math.nan, 1.0]
    )


def test_formation_score_of_the_fit_is_the_rolling_score_over_the_whole_fit(spread_legs):
    """resid_std and the rolling deviation use one ddof: the two z modes agree where they meet."""
    y, x = spread_legs(3, 200)
    fit = engle_granger(y, x)
    formation = formation_z_score(fit.resid, mean=0.0, std=fit.resid_std)
    assert formation[-1] == pytest.approx(rolling_z_score(fit.resid, 200)[-1], rel=1e-10)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (0.0, 0.0, "std of the formation must be positive and finite, got 0.0"),
        (0.0, -1.0, "std of the formation must be positive and finite, got -1.0"),
        (0.0, math.nan, "std of the formation must be positive and finite, got nan"),
        (0.0, math.inf, "std of the formation must be positive and finite, got inf"),
        (math.nan, 1.0, "mean of the formation is not finite (nan)"),
    ],
)
def test_unusable_formations_are_refused(mean, std, message):
    with pytest.raises(InfeasibleError) as refusal:
        formation_z_score([1.0], mean=mean, std=std)
    assert str(refusal.value) == message
