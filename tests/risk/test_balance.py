"""Balance protection: size from the risk budget, shrinking with drawdown; excluded coins.

Planted bugs, each of which turns a test red: factor not applied, factor applied twice, costs left
out, leverage that changes the risk, a cap left out, a coin that matches a part of a name, upper
and lower case told apart, one position too many.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.risk import (
    BalanceSettings,
    PositionRefusal,
    PositionSize,
    RiskSettings,
    balance_factor,
    is_excluded,
    may_open,
    notional_at_risk,
    position_size,
)

DEFAULT = BalanceSettings()
WIDE = BalanceSettings(max_equity_share=75.0)  # only the risk budget binds


@pytest.mark.parametrize(
    ("drawdown", "factor"),
    [
        (-0.1, 1.0),
        (0.0, 1.0),
        (0.05, 1.0),
        (0.08, 0.9),  # 3 of 15 points: a fifth of the way from 1 to 0.5
        (0.125, 0.75),
        (0.2, 0.5),
        (0.9, 0.5),
        (math.inf, 0.5),
        (math.nan, 0.5),
    ],
)
def test_balance_factor(drawdown, factor):
    assert balance_factor(drawdown, DEFAULT) == pytest.approx(factor)


@given(st.floats(-1, 2), st.floats(-1, 2), st.floats(0.5, 1))
def test_balance_factor_falls_within_its_bounds(one, other, smallest):
    rules = BalanceSettings(min_factor=smallest)
    better, worse = sorted((one, other))
    assert smallest - 1e-12 <= balance_factor(worse, rules) <= balance_factor(better, rules) <= 1


def size(**changes) -> PositionSize | PositionRefusal:
    values = {"equity": 1000.0, "stop_distance": 0.02, "leverage": 3.0, "factor": 1.0, **changes}
    rules = values.pop("settings", WIDE)
    extra = {name: values.pop(name) for name in ("available", "cost_per_fill") if name in values}
    return position_size(
        values["equity"],
        values["stop_distance"],
        values["leverage"],
        values["factor"],
        rules,
        **extra,
    )


@pytest.mark.parametrize(
    ("changes", "notional", "cap"),
    [
        ({}, 500.0, "risk"),  # 10 / 0.02
        ({"factor": 0.5}, 250.0, "risk"),
        ({"cost_per_fill": 0.0025}, 400.0, "risk"),  # 10 / (0.02 + 0.005)
        ({"stop_distance": 0.001, "settings": DEFAULT}, 1000.0, "equity_share"),  # not 10,000
        ({"stop_distance": 0.001, "settings": DEFAULT, "factor": 0.5}, 500.0, "equity_share"),
        ({"available": 100.0}, 300.0, "margin"),  # 100 x 3
        ({"available": 100.0, "cost_per_fill": 0.001}, 300.0 / 1.003, "margin"),
    ],
)
def test_size(changes, notional, cap):
    result = size(**changes)
    assert result == PositionSize(pytest.approx(notional), pytest.approx(notional / 3), cap)


@given(
    st.floats(10, 1e7),
    st.floats(1e-4, 0.5),
    st.floats(1, 75),
    st.floats(0.01, 1),
    st.floats(0, 0.01),
    st.floats(1, 1e7),
)
def test_no_size_passes_any_limit(equity, distance, leverage, factor, cost, available):
    result = size(
        equity=equity,
        stop_distance=distance,
        leverage=leverage,
        factor=factor,
        cost_per_fill=cost,
        available=available,
        settings=DEFAULT,
    )
    assert isinstance(result, PositionSize)
    slack = 1 + 1e-9
    assert result.notional * (distance + 2 * cost) <= 0.01 * equity * factor * slack
    assert result.notional <= equity * factor * slack
    assert result.margin + cost * result.notional <= available * slack
    assert result.margin == pytest.approx(result.notional / leverage)


@given(st.floats(1, 75), st.floats(1, 75))
def test_leverage_changes_the_margin_and_not_the_risk(one, other):
    assert size(leverage=one).notional == pytest.approx(size(leverage=other).notional)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"equity": 0.0}, "equity should be above 0 and finite, not 0.0"),
        ({"equity": math.nan}, "equity should be above 0 and finite, not nan"),
        ({"stop_distance": 0.0}, "stop distance should be above 0 and finite, not 0.0"),
        ({"stop_distance": math.inf}, "stop distance should be above 0 and finite, not inf"),
        ({"factor": 0.0}, "size factor should be above 0 and finite, not 0.0"),
        ({"available": 0.0}, "free balance should be above 0, not 0.0"),
        ({"available": math.nan}, "free balance should be above 0, not nan"),
        ({"leverage": 0.5}, "leverage should be at least 1, not 0.5"),
        ({"factor": 1.5}, "size factor should be at most 1, not 1.5"),
        ({"cost_per_fill": -0.1}, "cost of a fill should be from 0 to 1, not -0.1"),
        ({"cost_per_fill": math.nan}, "cost of a fill should be from 0 to 1, not nan"),
    ],
)
def test_missing_numbers_are_refused_and_named(changes, text):
    assert size(**changes) == PositionRefusal(text)


def test_one_rule_for_the_risk_budget():
    """1 % of 1000 over a loss of 4 % a unit of notional."""
    assert notional_at_risk(1000.0, 0.01, 0.04) == pytest.approx(250.0)


def test_max_positions():
    assert may_open(4, DEFAULT)
    assert not may_open(5, DEFAULT)
    assert not may_open(6, DEFAULT)


EXCLUDED = RiskSettings(excluded=("doge", " SHIB/USDT:USDT ", "1000PEPE"))


@pytest.mark.parametrize(
    ("market", "excluded"),
    [
        ("DOGE/USDT:USDT", True),
        ("DOGE/USDC:USDC", True),
        ("DOGE", True),
        ("doge/usdt:usdt", True),
        ("SHIB/USDT:USDT", True),
        ("SHIB/USDC:USDC", False),
        ("PEPE/USDT:USDT", False),
        ("1000PEPE/USDT:USDT", True),
        ("DOGEGOV/USDT:USDT", False),
        ("BTC/USDT:USDT", False),
    ],
)
def test_excluded(market, excluded):
    assert is_excluded(market, EXCLUDED) == excluded


def test_nothing_is_excluded_by_default():
    assert not is_excluded("DOGE/USDT:USDT", RiskSettings())
