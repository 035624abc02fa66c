"""
Exposure without a hedge, measured from fills.

Planted bugs and the test that each turned red: the last fill not counted as an end
(`test_a_leg_alone_counts...`), sign of the second leg lost (`test_a_hedged_spread...`), no share
allowed (`test_what_lots_leave...`), fills taken in the order given (`test_fills_may_come...`),
hedge ratio left out (`test_the_hedge_ratio_weighs...`), price space priced with leg A
(`test_in_price_space...`), milliseconds for seconds (`test_a_leg_alone_counts...`).
"""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.spreads import (
    Direction,
    EntryPlan,
    LegFill,
    LegName,
    LegPlan,
    NakedTime,
    naked_time,
)

A, B = LegName.A, LegName.B
PLAN = EntryPlan(
    direction=Direction.LONG,
    leg_a=LegPlan(quantity=Decimal(2), lot=Decimal("0.1")),
    leg_b=LegPlan(quantity=Decimal(-4), lot=Decimal("0.1")),
    hedge_space="log",
    hedge_ratio=1.0,
    intercept=0.0,
    z_at_entry=-2.0,
)


def fill(leg: LegName, quantity: float, price: float, at_s: float) -> LegFill:
    return LegFill(leg, quantity, price, round(at_s * 1000))


ROUND_TRIP = [fill(A, 2, 100, 0), fill(B, -4, 50, 0), fill(A, -2, 110, 60), fill(B, 4, 55, 60)]


def test_a_hedged_spread_was_never_naked() -> None:
    assert naked_time(ROUND_TRIP, PLAN) == NakedTime(0.0, 0.0)


def test_a_leg_alone_counts_until_its_partner_is_filled() -> None:
    fills = [fill(A, 2, 100, 0), fill(B, -4, 50, 3), *ROUND_TRIP[2:]]
    assert naked_time(fills, PLAN) == NakedTime(600.0, 3.0)


def test_a_leg_that_leaves_later_counts_at_its_own_price() -> None:
    fills = [*ROUND_TRIP[:2], fill(A, -2, 110, 60), fill(B, 4, 55, 62)]
    assert naked_time(fills, PLAN) == NakedTime(4 * 50 * 2.0, 2.0)


def test_what_lots_leave_does_not_count() -> None:
    fills = [fill(A, 2, 100, 0), fill(B, -3.7, 50, 0), fill(A, -2, 100, 9), fill(B, 3.7, 50, 9)]
    assert naked_time(fills, PLAN) == NakedTime(0.0, 0.0)
    more = [fill(A, 2, 100, 0), fill(B, -3.5, 50, 0), fill(A, -2, 100, 9), fill(B, 3.5, 50, 9)]
    assert naked_time(more, PLAN) == NakedTime(25.0 * 9, 9.0)


def test_the_hedge_ratio_weighs_leg_a() -> None:
    fills = [fill(A, 2, 100, 0), fill(B, -3, 50, 2), fill(A, -2, 100, 9), fill(B, 3, 50, 9)]
    assert naked_time(fills, replace(PLAN, hedge_ratio=0.75)) == NakedTime(300.0, 2.0)


def test_in_price_space_units_are_hedged() -> None:
    """3 units of A against 6 of B with beta 2, whatever the prices are."""
    priced = replace(PLAN, hedge_ratio=2.0, hedge_space="price")
    fills = [fill(A, 3, 100, 0), fill(B, -6, 7, 0), fill(A, -3, 90, 5), fill(B, 6, 9, 5)]
    assert naked_time(fills, priced) == NakedTime(0.0, 0.0)


@pytest.mark.parametrize("fills", [[], [fill(A, 2, 100, 0)]])
def test_nothing_is_measured_before_a_second_fill(fills: list[LegFill]) -> None:
    assert naked_time(fills, PLAN) == NakedTime(0.0, 0.0)


@given(st.permutations([*ROUND_TRIP[:1], fill(B, -4, 50, 3), *ROUND_TRIP[2:]]))
def test_fills_may_come_in_any_order(fills: list[LegFill]) -> None:
    assert naked_time(fills, PLAN).seconds == 3.0
