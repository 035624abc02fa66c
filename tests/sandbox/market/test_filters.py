"""Steps and contract terms."""

import itertools
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.market._filters import (
    BRACKETS,
    Step,
    instrument,
    price_step,
    quantity_step,
)


@pytest.mark.parametrize(
    ("decimals", "size"), [(-2, "100"), (-1, "10"), (0, "1"), (1, "0.1"), (5, "0.00001")]
)
def test_a_step_is_a_power_of_ten(decimals, size):
    assert Step(decimals).size == Decimal(size)
    assert "E" not in str(Step(decimals).size)


@given(decimals=st.integers(-2, 8), count=st.integers(0, 10**9))
def test_floats_are_the_nearest_to_the_decimals(decimals, count):
    step = Step(decimals)
    assert step.floats(np.array([count]))[0] == float(step.decimal(count))


@given(decimals=st.integers(-2, 8), count=st.integers(0, 10**9))
def test_counts_undo_floats(decimals, count):
    step = Step(decimals)
    assert step.counts(step.floats(np.array([count]))).tolist() == [count]


@given(
    decimals=st.integers(0, 5),
    counts=st.lists(st.integers(1_000, 9_999), min_size=3, max_size=30),
)
def test_price_step_is_the_step_the_prices_were_made_of(decimals, counts):
    made = np.array([*counts, 1_001])  # one price that needs every decimal
    prices = made / 10.0**decimals
    assert price_step(prices) == Step(decimals)


@pytest.mark.parametrize(
    ("prices", "size"),
    [
        ([42503.5, 42647.9, 42620.0], "0.1"),
        ([1.3e-06, 1.31e-06], "0.00000001"),
        ([10000.0, 10010.0], "1"),  # never coarser than one unit
        ([60000.0 / 7, 60000.0 / 11], "0.0001"),  # averaged prices: 1e-7 of the price and no finer
    ],
)
def test_price_step_of_known_markets(prices, size):
    assert price_step(np.array(prices)).size == Decimal(size)


@pytest.mark.parametrize(
    ("volumes", "price", "size"),
    [
        ([8459.477, 9043.411], 42_503.5, "0.001"),
        ([3.0, 5.0], 42_503.5, "0.001"),  # a step of one bitcoin would allow no small order
        ([100.0, 250.0], 0.1, "1"),
        ([0.1 / 3.0], 1.0, "0.000001"),
        ([0.0, 0.0], 10.0, "1"),
    ],
)
def test_quantity_step_of_known_markets(volumes, price, size):
    assert quantity_step(np.array(volumes), price).size == Decimal(size)


def test_maintenance_margin_is_continuous_from_bracket_to_bracket():
    for lower, upper in itertools.pairwise(BRACKETS):
        assert lower.notional_cap == upper.notional_floor
        edge = upper.notional_floor
        below = edge * lower.maintenance_margin_rate - lower.maintenance_amount
        above = edge * upper.maintenance_margin_rate - upper.maintenance_amount
        assert below == above


def test_maintenance_amounts_by_hand():
    # 50 000 x (2 % - 1 %); + 500 000 x (5 % - 2 %); + 5 000 000 x (10 % - 5 %)
    assert [row.maintenance_amount for row in BRACKETS] == [0, 500, 15_500, 265_500]


def test_every_leverage_leaves_room_between_entry_and_liquidation():
    for row in BRACKETS:
        assert 1 / Decimal(row.max_leverage) > row.maintenance_margin_rate


@given(price=st.floats(1e-6, 1e5), decimals=st.integers(0, 6))
def test_contract_terms_fit_together(price, decimals):
    terms = instrument(
        "BTC",
        "USDT",
        tick=Step(2),
        step=Step(decimals),
        typical_price=price,
        listed_at_ms=5,
        funding_interval_hours=4,
    )
    assert terms.symbol == "BTCUSDT"
    assert terms.funding_interval_hours == 4
    assert terms.min_quantity == terms.step_size
    assert terms.min_quantity <= terms.max_market_quantity <= terms.max_quantity
    assert terms.max_quantity % terms.step_size == 0
    if price < 1e4:
        assert math.isclose(float(terms.max_quantity) * price, 2e7, rel_tol=0.01)
