"""One row of the spread book."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from freqtrade_ext.spreads import SpreadSpec
from freqtrade_ext.spreads._spec import settlement

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)

ROW: dict[str, Any] = {
    "spread_id": "BTC-ETH",
    "leg_a": "BTC/USDT:USDT",
    "leg_b": "ETH/USDT:USDT",
    "hedge_space": "log",
    "hedge_ratio": 0.8,
    "intercept": 3.2,
    "cointegration_stat": -4.1,
    "pvalue": 0.004,
    "half_life": 12.5,
    "fit_start": JANUARY,
    "fit_end": JANUARY + timedelta(days=30),
    "last_updated": JANUARY + timedelta(days=30, hours=1),
}


def problems(**changes: object) -> dict[str, str]:
    """Field and message of everything that is wrong with a changed row."""
    with pytest.raises(ValidationError) as caught:
        SpreadSpec(**(ROW | changes))
    return {str(error["loc"][-1]): error["msg"] for error in caught.value.errors()}


def test_defaults_are_the_documented_ones():
    spec = SpreadSpec(**ROW)
    assert (spec.z_score_threshold, spec.z_exit, spec.stop_loss_z) == (2.0, 0.5, 4.0)
    assert spec.mean_reversion_window == 50
    assert (spec.qvalue, spec.johansen_trace, spec.hurst, spec.max_holding) == (None,) * 4
    assert spec.markets == ("BTC/USDT:USDT", "ETH/USDT:USDT")


def test_row_survives_json():
    spec = SpreadSpec(**ROW)
    assert SpreadSpec.model_validate_json(spec.model_dump_json()) == spec


def test_row_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        SpreadSpec(**ROW).hedge_ratio = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("leg_b", "BTC/USDT:USDT", "should be another market than leg_a"),
        ("leg_b", "ETH/USDC:USDC", "should be settled in USDT like leg_a (BTC/USDT:USDT)"),
        ("leg_a", "BTCUSDT", "String should match pattern"),
        ("leg_a", "BTC/USDT:USDT ", "String should match pattern"),
        ("spread_id", "", "String should match pattern"),
        ("spread_id", "a b", "String should match pattern"),
        ("spread_id", "x" * 65, "String should match pattern"),
        ("hedge_space", "sqrt", "Input should be 'log' or 'price'"),
        ("hedge_ratio", 0.0, "should be greater than 0: otherwise both legs are on the same side"),
        ("hedge_ratio", -0.8, "should be greater than 0: otherwise both legs are on the same side"),
        ("hedge_ratio", float("nan"), "Input should be a finite number"),
        ("hedge_ratio", "0.8", "Input should be a valid number"),
        ("intercept", float("inf"), "Input should be a finite number"),
        ("pvalue", 1.1, "Input should be less than or equal to 1"),
        ("pvalue", -0.1, "Input should be greater than or equal to 0"),
        ("qvalue", 2.0, "Input should be less than or equal to 1"),
        ("half_life", 0.0, "Input should be greater than 0"),
        ("z_exit", -0.1, "Input should be greater than or equal to 0"),
        ("z_exit", 2.0, "should be below z_score_threshold (2.0)"),
        ("stop_loss_z", 2.0, "should be above z_score_threshold (2.0)"),
        ("mean_reversion_window", 50.0, "Input should be a valid integer"),
        ("mean_reversion_window", 1, "Input should be greater than or equal to 2"),
        ("mean_reversion_window", 17, "should be above 17 candles"),
        ("max_holding", 0, "Input should be greater than 0"),
        ("max_holding", True, "Input should be a valid integer"),
        ("fit_start", datetime(2026, 1, 1), "should carry its time zone"),  # noqa: DTZ001
        ("fit_start", "2026-01-01", "Input should be a valid datetime"),
        ("fit_end", JANUARY, "should be later than fit_start (2026-01-01T00:00:00+00:00)"),
        ("last_updated", JANUARY, "should not be before fit_end"),
        ("last_update", JANUARY, "Extra inputs are not permitted"),
    ],
)
def test_wrong_field_is_named_with_what_would_be_right(field, value, message):
    found = problems(**{field: value})
    assert list(found) == [field]
    assert message in found[field]


def test_time_of_another_zone_is_refused_with_the_utc_time():
    berlin = timezone(timedelta(hours=2))
    found = problems(fit_start=datetime(2026, 1, 1, 2, tzinfo=berlin))
    assert found["fit_start"].endswith("should be UTC, i.e. 2026-01-01T00:00:00+00:00")


def test_rules_between_fields_are_checked_although_another_field_is_wrong():
    found = problems(pvalue=7.0, z_exit=9.0, fit_end=JANUARY, leg_b="BTC/USDT:USDT")
    assert set(found) == {"pvalue", "z_exit", "fit_end", "leg_b"}


def test_default_is_judged_by_the_other_fields_too():
    assert "z_exit" in problems(z_score_threshold=0.4)


def test_broken_field_does_not_make_its_neighbours_wrong():
    assert set(problems(z_score_threshold="two")) == {"z_score_threshold"}
    assert set(problems(leg_a=1)) == {"leg_a"}
    assert set(problems(fit_start="x")) == {"fit_start"}
    assert set(problems(fit_end="x")) == {"fit_end"}


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_no_z_score_exceeds_the_bound_that_the_window_rule_uses(values):
    # Samuelson's inequality, here on arbitrary data: (x_n - mean)^2 <= (n - 1) * variance
    count = len(values)
    mean = sum(values) / count
    variance = sum((value - mean) ** 2 for value in values) / count
    assert (values[-1] - mean) ** 2 <= (count - 1) * variance * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize(
    ("market", "currency"),
    [("BTC/USDT:USDT", "USDT"), ("BTC/USD:BTC", "BTC"), ("ETH/USDC", "USDC")],
)
def test_settlement_is_what_profit_is_paid_in(market, currency):
    assert settlement(market) == currency


@pytest.mark.parametrize(
    "market", ["1000PEPE/USDT:USDT", "币安人生/USDT:USDT", "BTC/USDT:USDT-260327"]
)
def test_unusual_market_names_are_accepted(market):
    leg_b = "ETH/USDT:" + settlement(market)
    assert SpreadSpec(**(ROW | {"leg_a": market, "leg_b": leg_b})).leg_a == market
