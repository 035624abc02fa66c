"""Half-life and mean crossings against algebra and their symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.ar_model import AutoReg

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import half_life, mean_crossings

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("bars", [0.5, 1.0, 3.0, 24.0, 500.0])
@pytest.mark.parametrize("level", [0.0, 50.0])
def test_exact_decay_has_its_half_life(bars, level):
    """Algebra: s = level + 2^(-t/h) satisfies the AR(1) without error."""
    spread = level + 2.0 ** (-np.arange(20.0) / bars)
    assert half_life(spread) == pytest.approx(bars, rel=1e-9)


def test_half_life_of_four_values_by_hand():
    """
    s = (0, 1, 3, 3): before (0, 1, 3), after (1, 3, 3), Sxy = 8/3, Sxx = 14/3, phi = 4/7.

    s = (0, 2, 1, 2) has Sxy = -1 and s = (0, 2, 2, 1) has Sxy = -2/3: phi below 0.
    """
    assert half_life([0.0, 2.0, 1.0, 2.0]) == 0.0
    assert half_life([0.0, 2.0, 2.0, 1.0]) == 0.0
    assert half_life([0.0, 1.0, 3.0, 3.0]) == pytest.approx(
        -math.log(2.0) / math.log(4.0 / 7.0), rel=1e-14
    )


@pytest.mark.parametrize("spread", [[1.0, 2.0, 4.0, 8.0], [1.0, 2.0, 3.0, 4.0]])
def test_without_reversion_the_half_life_is_infinite(spread):
    assert half_life(spread) == math.inf


def test_alternation_reverts_within_the_bar():
    assert half_life([1.0, -1.0, 1.0, -1.0, 1.0]) == 0.0


@pytest.mark.parametrize("seed", range(8))
def test_half_life_follows_from_the_coefficient_of_statsmodels_autoreg(seed):
    walk = np.random.default_rng(seed).standard_normal(300).cumsum()
    phi = AutoReg(walk, lags=1, trend="c").fit().params[1]
    expected = math.inf if phi >= 1.0 else -math.log(2.0) / math.log(phi)
    assert half_life(walk) == pytest.approx(expected, rel=1e-9)


@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.sampled_from([-1.0, 1.0]))
def test_half_life_ignores_unit_origin_and_sign(seed, scale, shift, sign):
    spread = np.random.default_rng(seed).standard_normal(60).cumsum()
    expected = half_life(spread)
    assert half_life(sign * scale * spread + shift) == pytest.approx(expected, rel=1e-5)


def test_short_samples_revert_too_fast_as_kendall_says():
    """E[phi hat] ≈ phi - (1 + 3 phi)/n: at phi 0.9 and n 50 about 0.826, 3.6 bars not 6.6."""
    rng = np.random.default_rng(3)
    estimates = []
    for _ in range(400):
        values = np.zeros(150)
        for now in range(1, 150):
            values[now] = 0.9 * values[now - 1] + rng.standard_normal()
        estimates.append(2.0 ** (-1.0 / max(half_life(values[-50:]), 1e-9)))
    assert np.mean(estimates) == pytest.approx(0.9 - 3.7 / 50, abs=0.015)


def test_crossings_by_hand():
    assert mean_crossings([0.0, 2.0]) == 1
    assert mean_crossings([2.0, 3.0, 4.0, 1.0, 0.0, 2.0, 2.0]) == 1
    assert mean_crossings([5.0, 5.0, 5.0]) == 0


def test_touching_the_mean_is_no_crossing():
    """The mean is 0: up, touch, up, down is one crossing."""
    assert mean_crossings([1.0, 0.0, 1.0, -2.0]) == 1
    assert mean_crossings([1.0, 0.0, -1.0]) == 1


@given(SEEDS, st.integers(2, 80))
def test_crossings_are_those_of_the_negated_and_of_the_reversed_spread(seed, nobs):
    spread = np.random.default_rng(seed).standard_normal(nobs)
    count = mean_crossings(spread)
    assert count == mean_crossings(-spread) == mean_crossings(spread[::-1])
    assert 1 <= count <= nobs - 1


@pytest.mark.parametrize(
    ("function", "spread", "message"),
    [
        (half_life, [1.0, 2.0], "spread has 2 observation(s), needs at least 3"),
        (half_life, [3.0] * 9, "spread is constant (3.0)"),
        (half_life, [3.0, 3.0, 3.0, 5.0], "spread is constant (3.0)"),
        (
            half_life,
            [0.0] * 17 + [math.nan, 1.0, math.inf],
            "spread has 2 non-finite value(s), first at index 17",
        ),
        (mean_crossings, [1.0], "spread has 1 observation(s), needs at least 2"),
        (mean_crossings, [math.nan, 1.0], "spread has 1 non-finite value(s), first at index 0"),
    ],
)
def test_infeasible_spreads_are_refused_with_rule_value_and_place(function, spread, message):
    with pytest.raises(InfeasibleError) as refusal:
        function(spread)
    assert str(refusal.value) == message
