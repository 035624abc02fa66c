"""When a spread is left and when it may be entered, one sentence a rule."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.settings import EdgeSettings
from freqtrade_ext.spreads import (
    Bands,
    Direction,
    OpenSpreadView,
    entry_directions,
    exit_reason,
    tradable_fits,
)
from freqtrade_ext.spreads._rules import expected_move, promise_share, round_trip_cost

from .doubles import bands, fit, spread_settings, track

SETTINGS = spread_settings()
LONG, SHORT = Direction.LONG, Direction.SHORT
NAN = math.nan
BROKEN = fit(24, pvalue=0.51)
HELD = bands(max_holding=30.0)


def view(z_score: float = -2.0, direction: Direction = LONG, **changes: Any) -> OpenSpreadView:
    opened = OpenSpreadView(
        direction=direction, z_score=z_score, candles_held=1.0, frozen=fit(), latest=fit()
    )
    return replace(opened, **changes)


def reason(given_view: OpenSpreadView, limits: Bands = HELD) -> CloseReason | None:
    return exit_reason(given_view, limits, SETTINGS)


# Exits, one at a time


@pytest.mark.parametrize("z_score", [-3.999, -2.0, -1.0, -0.501])
def test_between_the_exit_band_and_the_stop_a_spread_is_held(z_score: float) -> None:
    assert reason(view(z_score)) is None
    assert reason(view(-z_score, SHORT)) is None


@pytest.mark.parametrize("z_score", [-0.5, -0.1, 0.0, 0.1, 0.5, 1.9, 3.9])
def test_inside_the_exit_band_or_beyond_zero_the_reversion_is_done(z_score: float) -> None:
    assert reason(view(z_score)) is CloseReason.MEAN_REVERSION
    assert reason(view(-z_score, SHORT)) is CloseReason.MEAN_REVERSION


@pytest.mark.parametrize("z_score", [-4.0, -4.1, -50.0])
def test_at_the_stop_band_on_the_losing_side_a_spread_is_stopped(z_score: float) -> None:
    assert reason(view(z_score)) is CloseReason.SPREAD_STOP
    assert reason(view(-z_score, SHORT)) is CloseReason.SPREAD_STOP


@pytest.mark.parametrize("z_score", [4.0, 9.0])
def test_beyond_the_far_band_the_spread_has_won_and_is_not_stopped(z_score: float) -> None:
    assert reason(view(z_score, LONG)) is CloseReason.MEAN_REVERSION
    assert reason(view(-z_score, SHORT)) is CloseReason.MEAN_REVERSION


@pytest.mark.parametrize(
    ("direction", "value", "stopped"),
    [
        (LONG, -0.0399, False),
        (LONG, -0.04, True),
        (LONG, -0.05, True),
        (LONG, 0.05, False),
        (SHORT, 0.0399, False),
        (SHORT, 0.04, True),
        (SHORT, 0.05, True),
        (SHORT, -0.05, False),
    ],
)
def test_a_spread_is_stopped_where_the_stop_band_lay_when_it_was_entered(
    direction: Direction, value: float, stopped: bool
) -> None:
    # The rolling band has moved on: z itself is far from its stop.
    sign = direction.sign
    seen = view(-2.0 * sign, direction, value=value, stop_value=-0.04 * sign)
    assert reason(seen) is (CloseReason.SPREAD_STOP if stopped else None)


def test_the_stop_of_the_entry_comes_before_a_mean_that_has_followed_the_loss() -> None:
    lost = view(-0.1, value=-0.05, stop_value=-0.04)
    assert reason(lost) is CloseReason.SPREAD_STOP
    assert reason(replace(lost, liquidation_share=0.9)) is CloseReason.EMERGENCY_SL


def test_without_a_value_or_a_stop_of_the_entry_the_current_bands_decide() -> None:
    assert reason(view(-2.0, value=-9.0, stop_value=None)) is None
    assert reason(view(-2.0, value=NAN, stop_value=-0.04)) is None
    assert reason(view(NAN, value=-9.0, stop_value=-0.04)) is None


def test_with_an_exit_band_of_zero_the_reversion_ends_at_zero() -> None:
    limits = bands(exit_z=0.0, max_holding=30.0)
    assert reason(view(-0.01), limits) is None
    assert reason(view(0.0), limits) is CloseReason.MEAN_REVERSION
    assert reason(view(0.01, SHORT), limits) is None
    assert reason(view(-0.01, SHORT), limits) is CloseReason.MEAN_REVERSION


@pytest.mark.parametrize(
    ("held", "expected"),
    [(29.0, None), (30.0, CloseReason.SPREAD_TIME), (31.0, CloseReason.SPREAD_TIME)],
)
def test_a_spread_is_left_when_it_has_been_held_for_its_longest_time(
    held: float, expected: CloseReason | None
) -> None:
    assert reason(view(candles_held=held)) is expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (-0.5, None),
        (0.0, None),
        (0.69, None),
        (0.7, CloseReason.EMERGENCY_SL),
        (1.2, CloseReason.EMERGENCY_SL),
        (NAN, None),
    ],
)
def test_a_leg_near_its_liquidation_takes_the_spread_out(
    share: float, expected: CloseReason | None
) -> None:
    assert reason(view(liquidation_share=share)) is expected


@pytest.mark.parametrize(
    ("latest", "broken"),
    [
        (None, False),
        (fit(24, pvalue=0.5), False),
        (fit(24, pvalue=0.501), True),
        (fit(24, hedge_ratio=1.19), False),
        (fit(24, hedge_ratio=1.21), True),
        (fit(24, hedge_ratio=0.41), False),
        (fit(24, hedge_ratio=0.39), True),
        (fit(24, hedge_ratio=-0.8), True),
        (fit(0, pvalue=1.0, hedge_ratio=9.0), False),
        (fit(-24, pvalue=1.0, hedge_ratio=9.0), False),
        (fit(1, pvalue=1.0), True),
    ],
    ids=lambda value: f"{value.pvalue}/{value.hedge_ratio}" if hasattr(value, "pvalue") else None,
)
def test_the_relation_is_broken_by_a_later_fit_only(latest: Any, broken: bool) -> None:
    # A drift of half of 0.8 is 0.4 either way.
    expected = CloseReason.RELATION_BROKEN if broken else None
    assert reason(view(latest=latest)) is expected


def test_the_limits_of_a_broken_relation_are_settings() -> None:
    strict = spread_settings(relation_broken_pvalue=0.02, max_hedge_ratio_drift=0.1)
    for latest in (fit(24, pvalue=0.03), fit(24, hedge_ratio=0.9)):
        assert exit_reason(view(latest=latest), HELD, SETTINGS) is None
        assert exit_reason(view(latest=latest), HELD, strict) is CloseReason.RELATION_BROKEN


def test_the_liquidation_guard_is_a_setting() -> None:
    careful = spread_settings(liquidation_guard=0.3)
    assert exit_reason(view(liquidation_share=0.3), HELD, careful) is CloseReason.EMERGENCY_SL


# Exits, which comes first


@pytest.mark.parametrize(
    ("given_view", "expected"),
    [
        (view(0.0, liquidation_share=0.9), CloseReason.EMERGENCY_SL),
        (view(-9.0, liquidation_share=0.9), CloseReason.EMERGENCY_SL),
        (view(NAN, liquidation_share=0.9), CloseReason.EMERGENCY_SL),
        (view(0.0, latest=BROKEN, candles_held=99.0), CloseReason.MEAN_REVERSION),
        (view(-9.0, latest=BROKEN, candles_held=99.0), CloseReason.SPREAD_STOP),
        (view(-2.0, latest=BROKEN, candles_held=99.0), CloseReason.RELATION_BROKEN),
        (view(-2.0, candles_held=99.0), CloseReason.SPREAD_TIME),
    ],
)
def test_liquidation_then_reversion_then_stop_then_relation_then_time(
    given_view: OpenSpreadView, expected: CloseReason
) -> None:
    assert reason(given_view) is expected


def test_without_a_z_score_everything_but_the_liquidation_rule_holds() -> None:
    assert reason(view(NAN, latest=BROKEN, candles_held=1e9, liquidation_share=0.69)) is None
    assert reason(view(NAN, SHORT, latest=BROKEN, candles_held=1e9)) is None


@given(
    z_score=st.floats(-10, 10),
    held=st.floats(0, 100),
    share=st.floats(-1, 2),
    pvalue=st.floats(0, 1),
)
def test_long_and_short_are_mirror_images(
    z_score: float, held: float, share: float, pvalue: float
) -> None:
    changes = {
        "candles_held": held,
        "liquidation_share": share,
        "latest": fit(24, pvalue=pvalue),
    }
    assert reason(view(z_score, LONG, **changes)) is reason(view(-z_score, SHORT, **changes))


@given(z_score=st.floats(-10, 10))
def test_a_fresh_spread_is_never_entered_where_it_would_be_left_at_once(z_score: float) -> None:
    asked = entry_directions(track([z_score]), bands(), np.array([True]))[0]
    if asked:
        direction = LONG if asked > 0 else SHORT
        assert reason(view(z_score, direction, candles_held=0.0)) is None


# How long a spread is held


def test_the_longest_time_is_three_half_lives_unless_it_is_given() -> None:
    assert bands().longest(half_life=10.0) == 30.0
    assert bands(half_lives=1.5).longest(half_life=10.0) == 15.0
    assert bands(max_holding=7.0).longest(half_life=10.0) == 7.0


# Entries


def test_a_spread_asks_to_be_entered_from_the_entry_band_to_before_the_stop() -> None:
    z_scores = [-4.0, -3.99, -2.0, -1.99, 0.0, 1.99, 2.0, 3.99, 4.0, NAN]
    asked = entry_directions(track(z_scores), bands(), np.array([True]))
    assert asked.tolist() == [0, 1, 1, 0, 0, 0, -1, -1, 0, 0]
    assert asked.dtype == np.int8


@pytest.mark.parametrize("z_score", [-1e9, -4.0, 4.0, 1e9, math.inf, -math.inf])
def test_beyond_the_stop_nothing_is_entered(z_score: float) -> None:
    assert entry_directions(track([z_score]), bands(), np.array([True])).tolist() == [0]


def test_bands_that_leave_no_room_give_no_entry() -> None:
    limits = bands(entry_z=4.0, stop_z=4.0)
    assert not entry_directions(track([-5.0, -4.0, 4.0, 5.0]), limits, np.array([True])).any()


def test_a_candle_is_judged_by_the_fit_in_force_at_it() -> None:
    fits = (fit(0), fit(24), fit(48))
    seen = track([-3.0] * 5, fits=fits, fit_rows=[-1, 0, 1, 2, 2])
    allowed = np.array([True, False, True])
    assert entry_directions(seen, bands(), allowed).tolist() == [0, 1, 0, 1, 1]
    # -1 would be the last fit for NumPy: the row before the first fit must not use it
    assert entry_directions(seen, bands(), np.array([False, False, True]))[0] == 0


def test_without_fits_nothing_is_entered() -> None:
    seen = track([-3.0, 3.0], fits=(), fit_rows=[-1, -1])
    assert entry_directions(seen, bands(), np.empty(0, dtype=bool)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"pvalue": 0.01}, True),
        ({"pvalue": 0.0101}, False),
        ({"hedge_ratio": 0.1}, True),
        ({"hedge_ratio": 0.0999}, False),
        ({"hedge_ratio": 10.0}, True),
        ({"hedge_ratio": 10.01}, False),
        ({"hedge_ratio": -0.8}, False),
        ({"half_life": 1.0}, True),
        ({"half_life": 0.99}, False),
        ({"half_life": 200.0}, True),
        ({"half_life": 200.1}, False),
        ({"half_life": math.inf}, False),
        ({"pvalue": NAN}, False),
        ({"half_life": NAN}, False),
    ],
    ids=str,
)
def test_a_fit_allows_entries_within_the_limits(changes: dict[str, float], allowed: bool) -> None:
    assert tradable_fits(track([0.0], fits=[fit(**changes)]), SETTINGS).tolist() == [allowed]


def test_each_fit_is_judged_by_itself() -> None:
    fits = [fit(0), fit(24, pvalue=0.5), fit(48)]
    assert tradable_fits(track([0.0], fits=fits), SETTINGS).tolist() == [True, False, True]
    assert tradable_fits(track([0.0], fits=()), SETTINGS).tolist() == []


def test_q_values_count_when_a_limit_is_set() -> None:
    seen = track([0.0], fits=[fit(0), fit(24), fit(48, pvalue=0.5)])
    qvalues = np.array([0.05, 0.051, 0.01])
    limited = spread_settings(max_qvalue=0.05)
    assert tradable_fits(seen, limited, qvalues).tolist() == [True, False, False]
    assert tradable_fits(seen, SETTINGS, qvalues).tolist() == [True, True, False]
    assert tradable_fits(seen, SETTINGS, None).tolist() == [True, True, False]


def test_a_limit_of_the_q_value_is_not_skipped_in_silence() -> None:
    with pytest.raises(IllegalRequest, match="max_qvalue is set: the q-values of the fits"):
        tradable_fits(track([0.0]), spread_settings(max_qvalue=0.05))


# What an entry may expect, and what it costs


@pytest.mark.parametrize("z_score", [2.5, -2.5])
def test_the_expected_move_is_a_share_of_the_way_to_the_exit_band(z_score: float) -> None:
    assert expected_move(z_score, 0.01, 0.5, 0.5) == pytest.approx(0.5 * 2.0 * 0.01)
    assert expected_move(z_score, 0.01, 2.5, 0.5) == 0.0
    assert expected_move(z_score, 0.01, 3.0, 0.5) == 0.0


def test_without_a_history_the_prior_share_of_the_promise_is_expected() -> None:
    assert promise_share([], EdgeSettings(promise_share=0.4)) == pytest.approx(0.4)


def test_the_promise_shrinks_towards_what_closed_spreads_realised() -> None:
    edge = EdgeSettings(promise_share=0.5, promise_weight=20.0)
    # By hand: (0.5 * 20 + 20 * 0.1) / 40
    assert promise_share([0.1] * 20, edge) == pytest.approx(0.3)
    # By hand: (0.5 * 20 + 1.5) / 21
    assert promise_share([1.5], edge) == pytest.approx(11.5 / 21)
    assert promise_share([0.1] * 100_000, edge) == pytest.approx(0.1, abs=1e-3)


def test_a_history_of_losses_expects_nothing() -> None:
    assert promise_share([-1.0] * 100, EdgeSettings()) == 0.0


@given(st.lists(st.floats(-5, 5), max_size=50), st.floats(0.01, 1), st.floats(0.1, 100))
def test_the_share_lies_between_the_prior_and_the_history(
    history: list[float], prior: float, weight: float
) -> None:
    share = promise_share(history, EdgeSettings(promise_share=prior, promise_weight=weight))
    mean = sum(history) / len(history) if history else prior
    low, high = sorted((prior, max(mean, 0.0) if mean > 0 else mean))
    assert max(low, 0.0) - 1e-9 <= share <= high + 1e-9


def test_a_round_trip_costs_four_fills_of_fee_and_half_spread() -> None:
    edge = EdgeSettings(half_spread_bps=1.0)
    # By hand, both notionals 1 + 0.8: opened and closed at 5 + 1 basis points.
    assert round_trip_cost(1.8, 0.0005, edge) == pytest.approx(2 * 1.8 * 0.0006)


def test_expected_funding_adds_to_the_cost_and_never_lowers_it() -> None:
    edge = EdgeSettings(half_spread_bps=0.0)
    plain = round_trip_cost(2.0, 0.001, edge)
    assert round_trip_cost(2.0, 0.001, edge, funding=0.01) == pytest.approx(plain + 0.01)
    assert round_trip_cost(2.0, 0.001, edge, funding=-0.01) == plain


def test_entry_directions_leaves_the_track_as_it_was() -> None:
    seen = track([-3.0, 0.0])
    before = seen.z_score.copy()
    entry_directions(seen, bands(), np.array([True]))
    assert_array_equal(seen.z_score, before)
