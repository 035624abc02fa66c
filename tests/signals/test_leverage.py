"""
The leverage of a position: factors by hand, laws, caps.

Mutants, each red here: the factor of price, volatility or balance left out, linear for
logarithmic prices, the bracket or the cap ignored or applied before the floor of 3, an unknown
spread, range or trend read as a good one.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.signals import LeverageSettings, unified_leverage
from freqtrade_ext.signals._leverage import (
    SPREAD_LEVELS,
    balance_factor,
    base_leverage,
    price_factor,
    volatility_factor,
)

FREE = LeverageSettings(max_leverage=75.0)
BEST = {"price": 60_000.0, "atr_pct": 0.4, "drawdown": 0.0, "exchange_max": 125.0,
        "spread_bps": 0.5, "mtf_factor": 1.0}  # fmt: skip


def leverage(settings=FREE, **changes):
    return unified_leverage(**{**BEST, **changes}, settings=settings)


@pytest.mark.parametrize(
    ("spread", "base"),
    [(0.0, 50.0), (1.0, 50.0), (1.01, 40.0), (2.0, 40.0), (3.0, 30.0), (5.0, 20.0), (10.0, 10.0),
     (20.0, 5.0), (20.01, 3.0), (1e9, 3.0), (np.nan, 3.0), (-1.0, 3.0)],
)  # fmt: skip
def test_base_by_spread(spread, base):
    assert base_leverage(spread) == base


@pytest.mark.parametrize(
    ("price", "factor"),
    [(1e-9, 0.3), (0.001, 0.3), (0.01, 0.44), (0.1, 0.58), (1.0, 0.72), (10.0, 0.86), (100.0, 1.0),
     (60_000.0, 1.0), (np.nan, 0.3), (0.0, 0.3), (-1.0, 0.3)],
)  # fmt: skip
def test_price_factor_is_logarithmic(price, factor):
    """Five decades from 0.3 to 1.0: 0.14 a decade."""
    assert price_factor(price) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("atr_pct", "factor"),
    [(0.0, 1.0), (0.5, 1.0), (2.75, 0.65), (5.0, 0.3), (90.0, 0.3), (np.nan, 0.3), (-1.0, 0.3)],
)
def test_volatility_factor_by_hand(atr_pct, factor):
    assert volatility_factor(atr_pct) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("drawdown", "factor"),
    [(-0.1, 1.0), (0.0, 1.0), (0.1, 0.75), (0.2, 0.5), (0.9, 0.5), (np.nan, 0.5)],
)
def test_balance_factor_by_hand(drawdown, factor):
    assert balance_factor(drawdown, 0.2) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, 50.0, id="the best of all"),
        pytest.param({"mtf_factor": 1.2}, 60.0, id="higher timeframes agree"),
        pytest.param({"mtf_factor": 9.0}, 60.0, id="not beyond 1.2"),
        pytest.param({"mtf_factor": 0.1}, 30.0, id="not below 0.6"),
        pytest.param({"mtf_factor": np.nan}, 30.0, id="unknown is 0.6"),
        pytest.param({"price": 1.0}, 36.0, id="50 x 0.72"),
        pytest.param({"atr_pct": 2.75}, 32.5, id="50 x 0.65"),
        pytest.param({"drawdown": 0.1}, 37.5, id="50 x 0.75"),
        pytest.param({"spread_bps": 4.0, "price": 10.0, "drawdown": 0.2}, 8.6,
                     id="20 x 0.86 x 0.5"),
        pytest.param({"spread_bps": 50.0, "price": 0.001}, 3.0, id="never below 3 by itself"),
        pytest.param({"exchange_max": 20.0}, 20.0, id="the exchange's bracket"),
        pytest.param({"exchange_max": 2.0}, 2.0, id="a bracket below 3 holds"),
        pytest.param({"exchange_max": 1.0}, 1.0, id="no leverage at all"),
        pytest.param({"spread_bps": None}, 20.0, id="no spread: 5 basis points are assumed"),
    ],
)  # fmt: skip
def test_factors_multiply_and_bounds_hold(changes, expected):
    assert leverage(**changes) == pytest.approx(expected)


def test_the_default_cap_is_three():
    assert leverage(LeverageSettings()) == 3.0
    assert leverage(LeverageSettings(max_leverage=1.5)) == 1.5
    assert leverage(LeverageSettings(max_leverage=10.0), exchange_max=5.0) == 5.0


@pytest.mark.parametrize("bracket", [0.0, 0.99, np.nan, np.inf, -5.0])
def test_a_bracket_that_is_none_is_refused(bracket):
    with pytest.raises(ValueError, match="exchange_max must be at least 1 and finite, got"):
        leverage(exchange_max=bracket)
    with pytest.raises(ValueError, match="exchange_max"):
        leverage(exchange_max=np.array([20.0, bracket]))


def test_a_number_in_gives_a_number_and_a_column_a_column():
    assert isinstance(leverage(), float)
    atr = np.array([0.4, 2.75, np.nan])
    np.testing.assert_allclose(leverage(atr_pct=atr), [50.0, 32.5, 15.0])
    singles = [leverage(atr_pct=value) for value in atr]
    np.testing.assert_array_equal(leverage(atr_pct=atr), singles)


ANY = st.floats(allow_nan=True, allow_infinity=True)
INPUTS = st.fixed_dictionaries(
    {"price": ANY, "atr_pct": ANY, "drawdown": ANY, "spread_bps": ANY | st.none(),
     "mtf_factor": ANY, "exchange_max": st.floats(1.0, 200.0)}
)  # fmt: skip


@given(INPUTS, st.floats(1.0, 75.0))
def test_whatever_comes_in_no_bound_is_broken(inputs, cap):
    found = unified_leverage(**inputs, settings=LeverageSettings(max_leverage=cap))
    assert 1.0 <= found <= min(cap, inputs["exchange_max"], 75.0)
    if min(cap, inputs["exchange_max"]) >= 3.0:
        assert found >= 3.0


WORSE = {"spread_bps": (0.0, 40.0, 1), "price": (1e-4, 1e3, -1), "atr_pct": (0.0, 10.0, 1),
         "drawdown": (0.0, 0.5, 1), "mtf_factor": (0.5, 1.3, -1),
         "exchange_max": (1.0, 125.0, -1)}  # fmt: skip
USUAL = st.fixed_dictionaries({name: st.floats(*bounds[:2]) for name, bounds in WORSE.items()})


@pytest.mark.parametrize("name", WORSE)
@given(inputs=USUAL, share=st.floats(0.0, 1.0))
def test_nothing_gets_better_by_getting_worse(name, inputs, share):
    low, high, sign = WORSE[name]
    worst = high if sign > 0 else low
    worse = {**inputs, name: inputs[name] + share * (worst - inputs[name])}
    better = unified_leverage(**inputs, settings=FREE)
    assert unified_leverage(**worse, settings=FREE) <= better * (1.0 + 1e-12)


@given(USUAL)
def test_every_unknown_input_is_read_as_the_most_careful_one(inputs):
    known = unified_leverage(**inputs, settings=FREE)
    for name in ("price", "atr_pct", "drawdown", "spread_bps", "mtf_factor"):
        assert unified_leverage(**{**inputs, name: np.nan}, settings=FREE) <= known * (1.0 + 1e-12)


def test_levels_fall_with_the_spread_from_50_to_above_3():
    bounds, bases = zip(*SPREAD_LEVELS, strict=True)
    assert list(bounds) == sorted(bounds)
    assert list(bases) == sorted(bases, reverse=True)
    assert (bases[0], bases[-1] > 3.0) == (50.0, True)
