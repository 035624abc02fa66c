"""How large a spread may be."""

import math
from dataclasses import replace
from decimal import Decimal
from statistics import fmean, variance

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.settings import SizingSettings
from freqtrade_ext.spreads import (
    Direction,
    LegLimits,
    LegSizes,
    RefusalReason,
    Side,
    SizeCap,
    SizingCase,
    SizingRefusal,
    kelly_share,
    size_spread,
)

FINE = LegLimits(step_size=1e-6)
RICH = SizingSettings(max_equity_share=10.0, leverage=20.0)  # only the risk budget binds

LOG = SizingCase(
    direction=Direction.LONG,
    price_a=100.0,
    price_b=25.0,
    hedge_ratio=0.5,
    hedge_space="log",
    spread_std=0.01,
    z_score=-2.0,
    stop_loss_z=4.0,
    limits_a=FINE,
    limits_b=FINE,
)
PRICE = replace(LOG, hedge_space="price", hedge_ratio=2.0, spread_std=1.0)


def sized(
    case: SizingCase = LOG,
    *,
    equity: float = 10_000.0,
    available: float = 10_000.0,
    settings: SizingSettings = RICH,
    closed_returns: tuple[float, ...] = (),
    cost_per_fill: float = 0.0,
    max_hedge_error: float = 0.05,
) -> LegSizes | SizingRefusal:
    return size_spread(
        case,
        equity=equity,
        available=available,
        settings=settings,
        closed_returns=closed_returns,
        cost_per_fill=cost_per_fill,
        max_hedge_error=max_hedge_error,
    )


def size(case: SizingCase = LOG, **more: object) -> LegSizes:
    result = sized(case, **more)  # type: ignore[arg-type]
    assert isinstance(result, LegSizes), result
    return result


def refused(case: SizingCase = LOG, **more: object) -> SizingRefusal:
    result = sized(case, **more)  # type: ignore[arg-type]
    assert isinstance(result, SizingRefusal), result
    return result


# Known answers, computed by hand


def test_log_space_loses_the_risk_budget_at_the_stop():
    # budget 1 % of 10 000 = 100; distance 2 deviations of 1 % = 2 %; so N_a = 100 / 0.02
    sizes = size()
    assert sizes.notional_a == pytest.approx(5_000, rel=1e-6)
    assert sizes.notional_b == pytest.approx(2_500, rel=1e-6)
    assert sizes.quantity_a == Decimal("50")
    assert sizes.quantity_b == Decimal("100")
    assert sizes.loss_at_stop == pytest.approx(100)
    assert sizes.margin == pytest.approx(7_500 / 20)
    assert sizes.cap is SizeCap.RISK


def test_price_space_loses_the_risk_budget_at_the_stop():
    # a unit of A with 2 units of B loses 2 deviations of 1.0; so q_a = 100 / 2
    sizes = size(PRICE)
    assert sizes.quantity_a == Decimal("50")
    assert sizes.quantity_b == Decimal("100")
    assert sizes.loss_at_stop == pytest.approx(100)


def test_costs_of_four_fills_belong_to_the_loss():
    # per unit of N_a: 0.02 + 2 * 0.001 * (1 + 0.5) = 0.023
    assert size(cost_per_fill=0.001).notional_a == pytest.approx(100 / 0.023, rel=1e-6)


def test_costs_in_price_space():
    # per unit of N_a: 2 * 1.0 / 100 + 2 * 0.001 * (1 + 2 * 25 / 100)
    expected = 100 / (0.02 + 0.003)
    assert size(PRICE, cost_per_fill=0.001).notional_a == pytest.approx(expected, rel=1e-6)


def test_entry_further_out_is_larger_because_the_stop_is_nearer():
    assert size(replace(LOG, z_score=-3.0)).notional_a == pytest.approx(10_000, rel=1e-6)


def test_short_spread_measures_the_distance_upwards():
    short = replace(LOG, direction=Direction.SHORT, z_score=3.0)
    assert size(short).notional_a == pytest.approx(10_000, rel=1e-6)
    assert size(short).side_a is Side.SELL


@given(
    st.sampled_from([LOG, PRICE]),
    st.sampled_from(Direction),
    st.floats(1.0, 3.5),
    st.floats(-0.05, 0.05),
)
def test_loss_at_the_stop_is_what_the_two_legs_really_lose(case, direction, entry_z, move_b):
    """Revalue both legs after leg B's market moved and the spread went to its stop."""
    sign = direction.sign
    case = replace(case, direction=direction, z_score=-sign * entry_z)
    sizes = size(case)
    change = -sign * (case.stop_loss_z - entry_z) * case.spread_std
    if case.hedge_space == "log":
        after_b = case.price_b * math.exp(move_b)
        after_a = case.price_a * math.exp(change + case.hedge_ratio * move_b)
    else:
        after_b = case.price_b * (1 + move_b)
        after_a = case.price_a + change + case.hedge_ratio * (after_b - case.price_b)
    profit_a = sign * float(sizes.quantity_a) * (after_a - case.price_a)
    profit_b = -sign * float(sizes.quantity_b) * (after_b - case.price_b)
    # log space is first order in the returns: second-order terms of |r| up to 5.5 %
    second_order = 0.0
    if case.hedge_space == "log":
        return_a = abs(change) + case.hedge_ratio * abs(move_b)
        second_order = 0.6 * (sizes.notional_a * return_a**2 + sizes.notional_b * move_b**2)
    assert -(profit_a + profit_b) == pytest.approx(sizes.loss_at_stop, abs=second_order + 0.01)


# Laws

cases = st.builds(
    SizingCase,
    direction=st.just(Direction.LONG),
    price_a=st.floats(0.01, 50_000),
    price_b=st.floats(0.01, 50_000),
    hedge_ratio=st.floats(0.1, 10),
    hedge_space=st.just("log"),
    spread_std=st.floats(0.001, 0.1),
    z_score=st.floats(-3.9, -1.5),
    stop_loss_z=st.just(4.0),
    limits_a=st.builds(LegLimits, st.sampled_from([1e-5, 0.001, 0.1, 1.0])),
    limits_b=st.builds(LegLimits, st.sampled_from([1e-5, 0.001, 0.1, 1.0])),
)
settings_ = st.builds(
    SizingSettings,
    max_risk_per_trade=st.floats(0.001, 0.1),
    max_equity_share=st.floats(0.1, 10),
    leverage=st.floats(1, 20),
)


@given(cases, settings_, st.floats(100, 1e6), st.floats(0, 0.002), st.floats(0.05, 1))
def test_size_is_hedged_within_a_lot_and_never_above_a_cap(case, settings, equity, cost, free):
    available = equity * free
    sizes = sized(case, equity=equity, available=available, settings=settings, cost_per_fill=cost)
    assume(isinstance(sizes, LegSizes))
    lot_a = float(case.limits_a.lot) * case.price_a * case.notional_ratio
    lot_b = float(case.limits_b.lot) * case.price_b
    assert abs(sizes.net_exposure) <= min(lot_a, lot_b) * (1 + 1e-6) + 1e-9
    gross = sizes.notional_a + sizes.notional_b
    slack = 1 + 1e-9
    assert sizes.loss_at_stop <= settings.max_risk_per_trade * equity * slack
    assert gross <= settings.max_equity_share * equity * slack
    assert sizes.margin + gross * cost <= available * slack
    assert sizes.margin == pytest.approx(gross / settings.leverage)
    assert sizes.quantity_a % case.limits_a.lot == 0
    assert sizes.quantity_b % case.limits_b.lot == 0


@given(cases, st.floats(1_000, 1e5), st.floats(1, 100))
def test_more_equity_never_means_a_smaller_spread(case, equity, factor):
    case = replace(case, limits_a=FINE, limits_b=FINE)
    small = sized(case, equity=equity, available=equity)
    large = sized(case, equity=equity * factor, available=equity * factor)
    assume(isinstance(small, LegSizes))
    assert isinstance(large, LegSizes)
    step = Decimal("0.000001")
    assert large.quantity_a >= small.quantity_a - step
    assert large.quantity_b >= small.quantity_b - step


@given(cases, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_size_does_not_depend_on_the_unit_of_money(case, unit):
    case = replace(case, price_a=1_000.0, price_b=50.0, limits_a=FINE, limits_b=FINE)
    scaled = replace(case, price_a=case.price_a * unit, price_b=case.price_b * unit)
    one = size(case, equity=1e6, available=1e6)
    other = size(scaled, equity=1e6 * unit, available=1e6 * unit)
    assert float(other.quantity_a) == pytest.approx(float(one.quantity_a), rel=1e-4)
    assert float(other.quantity_b) == pytest.approx(float(one.quantity_b), rel=1e-4)


@given(cases)
def test_long_and_short_are_mirror_images(case):
    mirrored = replace(case, direction=Direction.SHORT, z_score=-case.z_score)
    one, other = sized(case), sized(mirrored)
    assume(isinstance(one, LegSizes))
    assert (one.quantity_a, one.quantity_b) == (other.quantity_a, other.quantity_b)
    assert {one.side_a, other.side_a} == {Side.BUY, Side.SELL}


@given(st.floats(0.002, 0.1), st.floats(0.002, 0.1))
def test_wider_spread_is_smaller(one, other):
    narrow, wide = sorted((one, other))
    assert (
        size(replace(LOG, spread_std=wide)).quantity_a
        <= size(replace(LOG, spread_std=narrow)).quantity_a
    )


# Caps


@pytest.mark.parametrize(
    ("more", "cap", "gross"),
    [
        ({"settings": SizingSettings(max_equity_share=0.3)}, SizeCap.EQUITY_SHARE, 3_000),
        ({"available": 100.0}, SizeCap.MARGIN, 2_000),
        ({"available": 100.0, "cost_per_fill": 0.0}, SizeCap.MARGIN, 100 * 20),
    ],
)
def test_cap_limits_gross_notional(more, cap, gross):
    sizes = size(**more)
    assert sizes.cap is cap
    assert sizes.notional_a + sizes.notional_b == pytest.approx(gross, rel=1e-6)


def test_margin_keeps_room_for_the_entry_fees():
    sizes = size(available=100.0, cost_per_fill=0.001)
    gross = sizes.notional_a + sizes.notional_b
    assert gross / 20 + gross * 0.001 == pytest.approx(100, rel=1e-6)


def test_largest_notional_of_either_leg_limits_both():
    limits = LegLimits(step_size=1e-6, max_notional=1_000.0)
    by_a = size(replace(LOG, limits_a=limits))
    by_b = size(replace(LOG, limits_b=limits))
    assert by_a.cap is by_b.cap is SizeCap.MAX_NOTIONAL
    assert by_a.notional_a == pytest.approx(1_000, rel=1e-6)
    assert by_b.notional_b == pytest.approx(1_000, rel=1e-6)


# Kelly

GAINS = (0.01, -0.008) * 15  # 30 spreads, mean 0.1 %, so a small bet


def test_kelly_is_half_of_mean_over_variance():
    expected = 0.5 * fmean(GAINS) / variance(GAINS)
    assert kelly_share(GAINS, SizingSettings()) == pytest.approx(expected)
    # by hand: mean 0.001, deviations +-0.009, variance 0.009**2 * 30 / 29
    assert expected == pytest.approx(0.5 * 0.001 / (0.000081 * 30 / 29))


def test_kelly_limits_gross_notional():
    losing_often = (0.01, -0.0099) * 15
    sizes = size(closed_returns=losing_often)
    assert sizes.cap is SizeCap.KELLY
    gross = sizes.notional_a + sizes.notional_b
    assert gross == pytest.approx(10_000 * kelly_share(losing_often, RICH), rel=1e-6)


def test_kelly_does_not_bind_below_thirty_closed_spreads():
    assert kelly_share((-0.01,) * 29, SizingSettings()) == math.inf
    assert size(closed_returns=(-0.01,) * 29).cap is SizeCap.RISK


@pytest.mark.parametrize("returns", [(-0.01,) * 30, (0.0,) * 30, (0.01, -0.02) * 15])
def test_without_an_edge_and_without_a_floor_there_is_no_entry(returns):
    refusal = refused(closed_returns=returns, settings=RICH.model_copy(update={"kelly_floor": 0.0}))
    assert refusal.reason is RefusalReason.NO_EDGE
    assert refusal.text == "the mean return of 30 closed spreads is not positive"


def test_without_an_edge_the_floor_is_left():
    assert kelly_share((-0.01,) * 30, SizingSettings(kelly_floor=0.2)) == 0.2
    assert kelly_share((0.01, -0.00999) * 15, SizingSettings(kelly_floor=0.2)) == 0.2


def test_gains_without_variance_do_not_bind():
    assert kelly_share((0.01,) * 30, SizingSettings()) == math.inf


# Lots


def test_leg_b_follows_the_rounded_leg_a_when_a_is_coarser():
    case = replace(LOG, limits_a=LegLimits(step_size=7.0), limits_b=LegLimits(step_size=0.5))
    sizes = size(case)  # exact: 50 and 100
    assert (sizes.quantity_a, sizes.quantity_b) == (Decimal(49), Decimal(98))
    assert sizes.net_exposure == 0.0


def test_leg_a_follows_the_rounded_leg_b_when_b_is_coarser():
    case = replace(LOG, limits_a=LegLimits(step_size=0.5), limits_b=LegLimits(step_size=60.0))
    sizes = size(case)
    assert (sizes.quantity_a, sizes.quantity_b) == (Decimal(30), Decimal(60))


def test_follower_is_never_rounded_above_its_cap():
    case = replace(LOG, limits_a=LegLimits(step_size=50.0), limits_b=LegLimits(step_size=30.0))
    sizes = size(case, max_hedge_error=0.2)  # the nearest lot of 100 would be 90, not 120
    assert (sizes.quantity_a, sizes.quantity_b) == (Decimal(50), Decimal(90))


def test_coarse_lots_are_refused_as_not_hedgeable():
    case = replace(LOG, limits_a=LegLimits(step_size=50.0), limits_b=LegLimits(step_size=30.0))
    refusal = refused(case)
    assert refusal.reason is RefusalReason.NOT_HEDGEABLE
    assert refusal.text == "coarse lots would leave 10.0% unhedged; at most 5.0% is allowed"


@pytest.mark.parametrize(
    ("limits", "leg"),
    [
        ({"limits_a": LegLimits(step_size=1.0, min_notional=5_001.0)}, "A"),
        ({"limits_b": LegLimits(step_size=1.0, min_notional=2_501.0)}, "B"),
        ({"limits_a": LegLimits(step_size=1.0, min_quantity=51.0)}, "A"),
        ({"limits_a": LegLimits(step_size=51.0)}, "A"),
        ({"limits_b": LegLimits(step_size=101.0)}, "A"),  # follows leg B down to nothing
    ],
)
def test_leg_below_its_minimum_is_refused(limits, leg):
    refusal = refused(replace(LOG, **limits))
    assert refusal.reason is RefusalReason.BELOW_MINIMUM
    assert refusal.text.startswith(f"leg {leg} would be ")
    assert "limited by risk; the smallest order is" in refusal.text


def test_minimum_missed_for_want_of_margin_says_so():
    case = replace(LOG, limits_a=LegLimits(step_size=1e-6, min_notional=100.0))
    refusal = refused(case, available=5.0)
    assert refusal.reason is RefusalReason.NOT_ENOUGH_MARGIN


def test_nothing_free_is_not_enough_margin():
    assert refused(available=0.0).reason is RefusalReason.NOT_ENOUGH_MARGIN
    assert refused(available=-3.0).reason is RefusalReason.NOT_ENOUGH_MARGIN


# Input


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("field", ["price_a", "price_b", "hedge_ratio", "spread_std"])
def test_input_that_cannot_be_is_refused(field, value):
    refusal = refused(replace(LOG, **{field: value}))
    assert refusal.reason is RefusalReason.BAD_INPUT
    assert refusal.text.endswith(f"should be positive and finite, not {value}")


@pytest.mark.parametrize(
    "more",
    [
        {"available": math.nan},
        {"cost_per_fill": math.nan},
        {"closed_returns": (0.1, math.nan)},
        {"equity": math.nan},
        {"equity": 0.0},
    ],
)
def test_account_that_cannot_be_is_refused(more):
    assert refused(**more).reason is RefusalReason.BAD_INPUT


def test_z_score_that_is_missing_is_refused():
    assert refused(replace(LOG, z_score=math.nan)).reason is RefusalReason.BAD_INPUT


@pytest.mark.parametrize(("direction", "z_score"), [(Direction.LONG, -4.0), (Direction.SHORT, 5.0)])
def test_entry_beyond_the_stop_band_is_refused(direction, z_score):
    refusal = refused(replace(LOG, direction=direction, z_score=z_score))
    assert refusal.reason is RefusalReason.BEYOND_STOP


@pytest.mark.parametrize("step", [0.0, -1.0, math.inf, math.nan])
def test_step_that_cannot_be_is_refused(step):
    with pytest.raises(IllegalRequest, match="step_size must be greater than 0"):
        LegLimits(step_size=step)


# What comes of it


@pytest.mark.parametrize("direction", Direction)
def test_plan_has_the_sizes_signs_and_minima(direction):
    case = replace(
        LOG,
        direction=direction,
        z_score=-2.0 * direction.sign,
        limits_a=LegLimits(step_size=0.1, min_notional=100.0),
        limits_b=LegLimits(step_size=0.5, min_quantity=1.5),
    )
    plan = size(case).plan(intercept=0.7)
    sign = direction.sign
    # leg B's lot of 1.5 is the coarser one: 99 of 100, and leg A follows with 49.5
    assert (plan.leg_a.quantity, plan.leg_b.quantity) == (Decimal("49.5") * sign, -99 * sign)
    assert (plan.leg_a.lot, plan.leg_a.min_entry) == (Decimal("0.1"), Decimal(1))
    assert (plan.leg_b.lot, plan.leg_b.min_entry) == (Decimal("1.5"), Decimal("1.5"))
    assert (plan.hedge_space, plan.hedge_ratio, plan.intercept) == ("log", 0.5, 0.7)
    assert plan.z_at_entry == case.z_score
    assert plan.direction is direction


def test_min_entry_is_rounded_up_to_a_lot():
    limits = LegLimits(step_size=0.001, min_notional=5.0)
    assert limits.min_entry(price=64_123.0) == Decimal("0.001")
    assert limits.min_entry(price=3.0) == Decimal("1.667")
