"""A spread over time: nothing from the future, the same numbers wherever the frame starts."""

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from freqtrade_ext.spreads import (
    Coefficients,
    LegCandles,
    SpreadTrack,
    WalkForward,
    track_spread,
)
from freqtrade_ext.spreads import _walk_forward as walk_forward
from freqtrade_ext.stats import engle_granger, half_life

from .doubles import (
    DAY,
    HOUR,
    START,
    candles,
    hourly_plan,
    rows,
    two_markets,
    until,
    without_trades,
)

COLUMNS = ("value", "z_score", "scale")
N = 320
MARKETS = two_markets(N)
PLAN = hourly_plan()
WHOLE = track_spread(*MARKETS, PLAN)


@st.composite
def disturbed_markets(draw: st.DrawFn) -> tuple[LegCandles, LegCandles]:
    """Two markets with outages of any place and length, and candles that are not there at all."""
    legs = list(two_markets(N, seed=draw(st.integers(1, 5))))
    for place in (0, 1):
        for _ in range(draw(st.integers(0, 3))):
            first = draw(st.integers(0, N - 1))
            length = draw(st.sampled_from((1, 2, 5, 12, 30, 60)))
            gone = np.zeros(len(legs[place].time_ms), dtype=bool)
            gone[first : first + length] = True
            if draw(st.booleans()):
                legs[place] = rows(legs[place], ~gone)
            else:
                legs[place] = without_trades(legs[place], gone)
    return legs[0], legs[1]


plans = st.builds(
    hourly_plan,
    refit_every_ms=st.sampled_from((DAY, 8 * HOUR, 36 * HOUR, 90 * 60_000, 50 * HOUR)),
    z_window=st.sampled_from((5, 20, 60)),
    z_mode=st.sampled_from(("rolling", "formation")),
    both_directions=st.booleans(),
)


def coefficients_of(track: SpreadTrack) -> list[Coefficients | None]:
    return [track.fit_at(row) for row in range(len(track.time_ms))]


def assert_same_rows(left: SpreadTrack, right: SpreadTrack) -> None:
    assert_array_equal(left.time_ms, right.time_ms)
    for column in COLUMNS:
        assert_array_equal(getattr(left, column), getattr(right, column), err_msg=column)
    assert coefficients_of(left) == coefficients_of(right)


def head(track: SpreadTrack, end_ms: int) -> SpreadTrack:
    keep = track.time_ms < end_ms
    return replace(
        track,
        time_ms=track.time_ms[keep],
        fit=track.fit[keep],
        **{column: getattr(track, column)[keep] for column in COLUMNS},
    )


# No look-ahead


@given(disturbed_markets(), plans, st.integers(100, N))
@settings(max_examples=60)
def test_the_track_of_a_prefix_is_the_prefix_of_the_track(
    legs: tuple[LegCandles, LegCandles], plan: WalkForward, now: int
) -> None:
    now_ms = START + now * HOUR
    early = track_spread(until(legs[0], now_ms), until(legs[1], now_ms), plan)
    late = track_spread(*legs, plan)
    assert_same_rows(early, head(late, now_ms))
    assert early.fits == late.fits[: len(early.fits)]


@pytest.mark.parametrize("z_mode", ["rolling", "formation"])
@pytest.mark.parametrize("now", [130, 143, 144, 145, 200, 300])
def test_later_prices_never_change_earlier_rows(z_mode: Any, now: int) -> None:
    plan = hourly_plan(z_mode=z_mode)
    leg_a, leg_b = MARKETS
    other_a, other_b = leg_a.close.copy(), leg_b.close.copy()
    other_a[now:] *= 3.0
    other_b[now:] = other_b[now:][::-1]
    changed = track_spread(replace(leg_a, close=other_a), replace(leg_b, close=other_b), plan)
    end_ms = START + now * HOUR
    assert_same_rows(head(changed, end_ms), head(track_spread(leg_a, leg_b, plan), end_ms))


def test_an_outage_of_leg_b_over_a_fit_moment_hides_that_fit_until_both_trade_again() -> None:
    leg_a, leg_b = MARKETS
    track = track_spread(leg_a, without_trades(leg_b, np.arange(142, 150)), PLAN)
    moments = [fit and (fit.fitted_at_ms - START) // HOUR for fit in coefficients_of(track)]
    assert moments[120:145] == [120] * 24 + [None]
    assert moments[145:150] == [None] * 5
    assert moments[150:168] == [144] * 18


def test_a_refit_interval_without_any_observation_has_no_fit() -> None:
    leg_a, leg_b = MARKETS
    plan = hourly_plan(refit_every_ms=6 * HOUR)
    track = track_spread(leg_a, without_trades(leg_b, np.arange(126, 132)), plan)
    assert [(fit.fitted_at_ms - START) // HOUR for fit in track.fits[:4]] == [102, 108, 114, 120]
    assert START + 126 * HOUR not in [fit.fitted_at_ms for fit in track.fits]
    assert_array_equal(track.fit[126:132], -1)


# When and on what it is fitted


@given(disturbed_markets(), plans)
@settings(max_examples=30)
def test_fits_happen_at_whole_multiples_of_the_refit_interval(
    legs: tuple[LegCandles, LegCandles], plan: WalkForward
) -> None:
    track = track_spread(*legs, plan)
    moments = [fit.fitted_at_ms for fit in track.fits]
    assert moments == sorted(set(moments))
    for fit in track.fits:
        assert fit.fitted_at_ms % plan.refit_every_ms == 0
        assert fit.fitted_at_ms - fit.fit_start_ms == plan.fit_window * plan.candle_ms


@pytest.mark.parametrize("offset", [0, 1, 7, 20, 21, 23])
def test_the_moments_do_not_depend_on_where_the_candles_start(offset: int) -> None:
    legs = [rows(leg, slice(offset, None)) for leg in MARKETS]
    track = track_spread(*legs, PLAN)
    earliest = -(-(offset + 100) // 24) * 24
    assert track.fits[0].fitted_at_ms == START + earliest * HOUR


def test_a_row_is_under_the_last_fit_made_before_it_closed() -> None:
    for row, fit in enumerate(coefficients_of(WHOLE)):
        expected = START + row // 24 * DAY if row >= 120 else None
        assert (fit and fit.fitted_at_ms) == expected


def test_the_fit_is_engle_granger_on_exactly_its_window() -> None:
    leg_a, leg_b = MARKETS
    window = slice(144 - 100, 144)
    y, x = np.log(leg_a.close[window]), np.log(leg_b.close[window])
    expected = engle_granger(y, x)
    fit = WHOLE.fits[1]
    assert fit.fitted_at_ms == START + 144 * HOUR
    assert (fit.hedge_ratio, fit.intercept, fit.resid_std, fit.stat) == (
        expected.hedge_ratio,
        expected.intercept,
        expected.resid_std,
        expected.stat,
    )
    assert fit.half_life == half_life(expected.resid)


@pytest.mark.parametrize(("row", "matters"), [(43, False), (44, True), (143, True), (144, False)])
def test_the_window_holds_its_first_candle_and_not_the_fit_moment(row: int, matters: bool) -> None:
    leg_a, leg_b = MARKETS
    close = leg_a.close.copy()
    close[row] *= 1.05
    changed = track_spread(replace(leg_a, close=close), leg_b, PLAN)
    assert (changed.fits[1] != WHOLE.fits[1]) is matters


def test_the_weaker_of_both_directions_gives_the_pvalue_when_asked() -> None:
    leg_a, leg_b = two_markets(N, seed=4, noise=0.06)
    both = track_spread(leg_a, leg_b, PLAN)
    one = track_spread(leg_a, leg_b, hourly_plan(both_directions=False))
    for strict, plain in zip(both.fits, one.fits, strict=True):
        window = slice(*np.searchsorted(leg_a.time_ms, (plain.fit_start_ms, plain.fitted_at_ms)))
        y, x = np.log(leg_a.close[window]), np.log(leg_b.close[window])
        forward, backward = engle_granger(y, x).pvalue, engle_granger(x, y).pvalue
        assert plain.pvalue == forward
        assert strict.pvalue == max(forward, backward)
    assert [fit.pvalue for fit in both.fits] != [fit.pvalue for fit in one.fits]


def test_a_known_relation_is_found() -> None:
    leg_a, leg_b = two_markets(400, seed=3, beta=1.3, alpha=-0.4, noise=0.002)
    track = track_spread(leg_a, leg_b, hourly_plan(fit_window=300))
    # The deviation of 0.0028 over 300 candles leaves the ratio certain to about a hundredth.
    for fit in track.fits:
        assert fit.hedge_ratio == pytest.approx(1.3, abs=0.02)
        assert fit.intercept == pytest.approx(-0.4, abs=0.1)
        assert fit.pvalue < 0.01
        # phi = 0.7: ln 2 / -ln 0.7 = 1.94 candles
        assert fit.half_life == pytest.approx(1.94, abs=0.8)


# Price space and z modes


def test_price_space_fits_prices_and_log_space_their_logarithms() -> None:
    leg_a, leg_b = MARKETS
    logs = track_spread(candles(np.log(leg_a.close)), candles(np.log(leg_b.close)), PLAN)
    in_prices = track_spread(
        candles(np.log(leg_a.close)), candles(np.log(leg_b.close)), PLAN, hedge_space="price"
    )
    assert_array_equal(in_prices.z_score, WHOLE.z_score)
    assert not np.array_equal(logs.z_score, WHOLE.z_score, equal_nan=True)


def test_the_value_is_the_residual_and_z_the_score_in_its_own_rolling_window() -> None:
    leg_a, leg_b = MARKETS
    row = 150
    fit = WHOLE.fit_at(row)
    assert fit is not None
    values = np.log(leg_a.close) - fit.intercept - fit.hedge_ratio * np.log(leg_b.close)
    window = values[row - 19 : row + 1]
    assert WHOLE.value[row] == pytest.approx(values[row], rel=1e-12)
    assert WHOLE.scale[row] == pytest.approx(window.std(ddof=1), rel=1e-9)
    z_score = (values[row] - window.mean()) / window.std(ddof=1)
    assert WHOLE.z_score[row] == pytest.approx(z_score, rel=1e-9)


def test_the_window_of_the_first_row_of_a_fit_reaches_back_with_the_new_fit() -> None:
    leg_a, leg_b = MARKETS
    fit = WHOLE.fit_at(144)
    assert fit is not None
    assert fit.fitted_at_ms == START + 144 * HOUR
    values = np.log(leg_a.close) - fit.intercept - fit.hedge_ratio * np.log(leg_b.close)
    window = values[125:145]
    z_score = (window[-1] - window.mean()) / window.std(ddof=1)
    assert WHOLE.z_score[144] == pytest.approx(z_score, rel=1e-9)


def test_one_unit_of_z_is_one_scale_of_spread_value() -> None:
    track = track_spread(*MARKETS, hourly_plan(z_mode="formation"))
    known = track.fit >= 0
    assert_array_equal(track.value[known] / track.scale[known], track.z_score[known])
    for row in np.flatnonzero(known):
        fit = track.fit_at(int(row))
        assert fit is not None
        assert track.scale[row] == fit.resid_std


def test_a_market_that_stands_still_gives_no_z_score() -> None:
    leg_a, leg_b = MARKETS
    close_a, close_b = leg_a.close.copy(), leg_b.close.copy()
    close_a[200:240], close_b[200:240] = 150.0, 100.0
    track = track_spread(replace(leg_a, close=close_a), replace(leg_b, close=close_b), PLAN)
    assert np.isnan(track.z_score[219:240]).all()
    assert np.isfinite(track.z_score[200:219]).all()


# Missing data


@pytest.mark.parametrize("leg", [0, 1])
@pytest.mark.parametrize("kind", ["absent", "no volume", "zero", "NaN", "infinite", "negative"])
def test_a_candle_without_a_trade_is_nan_and_left_out_of_the_windows(leg: int, kind: str) -> None:
    gap, legs = 150, list(MARKETS)
    prices = {"zero": 0.0, "NaN": math.nan, "infinite": math.inf, "negative": -1.0}
    if kind == "absent":
        legs[leg] = rows(legs[leg], np.arange(N) != gap)
    elif kind == "no volume":
        legs[leg] = without_trades(legs[leg], [gap])
    else:
        close = legs[leg].close.copy()
        close[gap] = prices[kind]
        legs[leg] = replace(legs[leg], close=close)
    track = track_spread(legs[0], legs[1], PLAN)
    removed = track_spread(*(rows(market, np.arange(N) != gap) for market in MARKETS), PLAN)
    hit = track.row_at(START + gap * HOUR)
    assert (hit is None) is (kind == "absent" and leg == 0)
    if hit is not None:
        assert all(math.isnan(getattr(track, column)[hit]) for column in COLUMNS)
    others = track.time_ms != START + gap * HOUR
    for column in COLUMNS:
        assert_array_equal(getattr(track, column)[others], getattr(removed, column))
    assert track.fits == removed.fits


@pytest.mark.parametrize(("n_missing", "fitted"), [(9, True), (10, True), (11, False)])
def test_a_fit_needs_nine_tenths_of_its_candles(n_missing: int, fitted: bool) -> None:
    leg_a, leg_b = MARKETS
    track = track_spread(leg_a, without_trades(leg_b, 30 + np.arange(n_missing)), PLAN)
    assert (START + 120 * HOUR in [fit.fitted_at_ms for fit in track.fits]) is fitted
    assert np.isnan(track.z_score[120:144]).all() is not np.bool_(fitted)
    assert START + 144 * HOUR in [fit.fitted_at_ms for fit in track.fits]


def test_a_market_listed_late_has_no_fit_before_its_first_full_window() -> None:
    leg_a, leg_b = MARKETS
    track = track_spread(leg_a, rows(leg_b, slice(61, None)), PLAN)
    assert track.fits[0].fitted_at_ms == START + 168 * HOUR  # 61 + 100, rounded up to a day
    assert np.isnan(track.z_score[:168]).all()
    assert_array_equal(track.z_score[168:], WHOLE.z_score[168:])
    assert_array_equal(track.fit[:168], -1)


def test_legs_of_different_lengths_meet_where_both_have_candles() -> None:
    leg_a, leg_b = MARKETS
    track = track_spread(leg_a, rows(leg_b, slice(0, 250)), PLAN)
    assert len(track.z_score) == N
    assert_array_equal(track.z_score[:250], WHOLE.z_score[:250])
    assert np.isnan(track.z_score[250:]).all()
    longer_b = track_spread(rows(leg_a, slice(30, 250)), leg_b, PLAN)
    assert len(longer_b.z_score) == 220
    assert_array_equal(longer_b.z_score[144 - 30 :], WHOLE.z_score[144:250])


@pytest.mark.parametrize("n_candles", [0, 1, 99, 119, 120])
def test_too_little_history_is_a_track_without_fits(n_candles: int) -> None:
    track = track_spread(*(rows(leg, slice(0, n_candles)) for leg in MARKETS), PLAN)
    assert track.fits == ()
    assert len(track.z_score) == n_candles
    assert np.isnan(track.z_score).all()
    assert track_spread(*(rows(leg, slice(0, 121)) for leg in MARKETS), PLAN).fits


def test_markets_without_a_common_candle_have_no_fits() -> None:
    leg_a, leg_b = MARKETS
    track = track_spread(leg_a, replace(leg_b, time_ms=leg_b.time_ms + 60_000), PLAN)
    assert track.fits == ()
    assert np.isnan(track.z_score).all()


@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_a_twin_gives_no_fit(factor: float) -> None:
    _, leg_b = MARKETS
    rng = np.random.default_rng(0)
    twin = leg_b.close * factor * np.exp(1e-6 * rng.standard_normal(N))
    track = track_spread(candles(twin), leg_b, PLAN)
    assert track.fits == ()
    assert np.isnan(track.z_score).all()


def test_a_market_that_does_not_move_gives_no_fit_and_later_ones_are_made() -> None:
    leg_a, leg_b = MARKETS
    close = leg_b.close.copy()
    close[:150] = 100.0
    track = track_spread(leg_a, replace(leg_b, close=close), PLAN)
    assert track.fits[0].fitted_at_ms == START + 168 * HOUR
    assert_array_equal(np.unique(track.fit[168:]), np.arange(len(track.fits)))


# A live bot sees a shorter frame


@given(disturbed_markets(), plans, st.integers(1, 200))
@example(MARKETS, PLAN, 24)
@settings(max_examples=60)
def test_a_frame_that_starts_later_gives_the_same_values(
    legs: tuple[LegCandles, LegCandles], plan: WalkForward, start: int
) -> None:
    start_ms = START + start * HOUR
    long = track_spread(*legs, plan)
    short = track_spread(*(rows(leg, leg.time_ms >= start_ms) for leg in legs), plan)
    tail = long.time_ms >= start_ms
    for column in COLUMNS:
        mine, reference = getattr(short, column), getattr(long, column)[tail]
        both = np.isfinite(mine) & np.isfinite(reference)
        assert_array_equal(mine[both], reference[both], err_msg=column)
        assert np.isnan(mine[np.isnan(reference)]).all()  # never a number where there is none
    reference_fits = [fit for fit, is_in in zip(coefficients_of(long), tail, strict=True) if is_in]
    for mine_fit, fit in zip(coefficients_of(short), reference_fits, strict=True):
        assert mine_fit is None or mine_fit == fit


@given(disturbed_markets(), plans, st.integers(0, 100))
@settings(max_examples=60)
def test_the_startup_candles_are_enough(
    legs: tuple[LegCandles, LegCandles], plan: WalkForward, start: int
) -> None:
    # Freqtrade begins a frame with a candle that traded; later gaps are filled with no volume.
    legs = (without_trades(MARKETS[0], ~_trades(legs[0])), legs[1])
    start_ms = START + start * HOUR
    if not all(_trades(leg)[start : start + plan.z_window].any() for leg in legs):
        return
    long = track_spread(*legs, plan)
    short = track_spread(*(rows(leg, leg.time_ms >= start_ms) for leg in legs), plan)
    first = plan.startup_candles
    for column in COLUMNS:
        mine, reference = getattr(short, column), getattr(long, column)[start:]
        assert_array_equal(mine[first:], reference[first:], err_msg=column)


def _trades(leg: LegCandles) -> Any:
    traded = np.zeros(N, dtype=bool)
    traded[(leg.time_ms - START) // HOUR] = leg.traded
    return traded


@pytest.mark.parametrize(
    ("refit_ms", "candles_needed"), [(DAY, 144), (HOUR, 121), (90 * 60_000, 122), (1, 121)]
)
def test_startup_candles_are_the_windows_and_a_refit_interval_rounded_up(
    refit_ms: int, candles_needed: int
) -> None:
    assert hourly_plan(refit_every_ms=refit_ms).startup_candles == candles_needed


def test_the_first_row_after_the_startup_candles_has_a_z_score_wherever_the_frame_starts() -> None:
    for start in range(24):
        track = track_spread(*(rows(leg, slice(start, None)) for leg in MARKETS), PLAN)
        assert np.isfinite(track.z_score[PLAN.startup_candles :]).all()


# Fits made earlier


@given(disturbed_markets(), plans, st.integers(100, N))
@settings(max_examples=30)
def test_known_fits_give_the_same_track(
    legs: tuple[LegCandles, LegCandles], plan: WalkForward, now: int
) -> None:
    now_ms = START + now * HOUR
    early = track_spread(until(legs[0], now_ms), until(legs[1], now_ms), plan)
    anew = track_spread(*legs, plan)
    continued = track_spread(*legs, plan, known_fits=early.fits)
    assert_same_rows(continued, anew)
    assert continued.fits == anew.fits


def test_a_known_fit_is_used_and_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("fitted again")

    monkeypatch.setattr(walk_forward, "engle_granger", refuse)
    again = track_spread(*MARKETS, PLAN, known_fits=WHOLE.fits)
    assert again.fits == WHOLE.fits
    assert_array_equal(again.z_score, WHOLE.z_score)


@pytest.mark.parametrize("name", ["fit_start_ms", "fitted_at_ms"])
def test_a_fit_of_another_window_is_not_taken_for_a_known_one(name: str) -> None:
    stranger = replace(WHOLE.fits[0], hedge_ratio=99.0)
    stranger = replace(stranger, **{name: getattr(stranger, name) + HOUR})
    assert track_spread(*MARKETS, PLAN, known_fits=[stranger]).fits == WHOLE.fits


# Asking the track


def test_rows_are_found_by_the_time_of_their_candle_alone() -> None:
    assert [WHOLE.row_at(START + hour * HOUR) for hour in (0, 7, N - 1)] == [0, 7, N - 1]
    for time_ms in (START - HOUR, START + 1, START + N * HOUR):
        assert WHOLE.row_at(time_ms) is None


@pytest.mark.parametrize("z_mode", ["rolling", "formation"])
@pytest.mark.parametrize("z_window", [20, 150])
def test_z_with_a_frozen_fit_equals_the_column_while_the_fit_is_unchanged(
    z_mode: Any, z_window: int
) -> None:
    track = track_spread(*MARKETS, hourly_plan(z_mode=z_mode, z_window=z_window))
    seen = 0
    for row in range(N):
        fit = track.fit_at(row)
        if fit is not None:
            z_score = track.z_with(fit, int(track.time_ms[row]))
            assert_array_equal(z_score, track.z_score[row])
            seen += math.isfinite(z_score)
    assert seen >= N - 150


def test_z_with_a_frozen_fit_keeps_to_that_fit_after_later_ones() -> None:
    frozen, row = WHOLE.fits[0], 250
    leg_a, leg_b = MARKETS
    values = np.log(leg_a.close) - frozen.intercept - frozen.hedge_ratio * np.log(leg_b.close)
    window = values[row - 19 : row + 1]
    z_score = WHOLE.z_with(frozen, START + row * HOUR)
    assert z_score == pytest.approx((values[row] - window.mean()) / window.std(ddof=1), rel=1e-9)
    assert z_score != WHOLE.z_score[row]


def test_z_with_is_nan_where_a_leg_did_not_trade_or_the_window_is_short() -> None:
    leg_a, leg_b = MARKETS
    track = track_spread(leg_a, without_trades(leg_b, [200]), PLAN)
    fit = track.fits[0]
    assert math.isnan(track.z_with(fit, START + 200 * HOUR))
    assert math.isnan(track.z_with(fit, START + N * HOUR))
    assert math.isnan(track.z_with(fit, START - HOUR))
    assert math.isnan(track.z_with(fit, START + 18 * HOUR))
    assert math.isfinite(track.z_with(fit, START + 19 * HOUR))


def test_the_value_with_a_frozen_fit_keeps_to_that_fit() -> None:
    frozen, (leg_a, leg_b) = WHOLE.fits[0], MARKETS
    values = np.log(leg_a.close) - frozen.intercept - frozen.hedge_ratio * np.log(leg_b.close)
    for row in (0, 130, 250):
        value = WHOLE.value_with(frozen, START + row * HOUR)
        assert value == pytest.approx(values[row], rel=1e-9, abs=1e-12)
    assert WHOLE.value_with(frozen, START + 130 * HOUR) == WHOLE.value[130]
    assert math.isnan(WHOLE.value_with(frozen, START + N * HOUR))
    gap = track_spread(leg_a, without_trades(leg_b, [200]), PLAN)
    assert math.isnan(gap.value_with(frozen, START + 200 * HOUR))


def test_z_with_a_formation_fit_needs_no_rolling_window() -> None:
    track = track_spread(*MARKETS, hourly_plan(z_mode="formation", z_window=200))
    fit = track.fits[0]
    z_score = track.z_with(fit, fit.fitted_at_ms)
    assert z_score == track.z_score[120]
    assert z_score == pytest.approx(track.value[120] / fit.resid_std)


def test_the_price_of_the_dependent_market_is_known_where_both_trade() -> None:
    leg_a, leg_b = MARKETS
    track = track_spread(leg_a, without_trades(leg_b, [5]), PLAN, hedge_space="price")
    assert track.dependent_at(START + 7 * HOUR) == leg_a.close[7]
    assert math.isnan(track.dependent_at(START + 5 * HOUR))
    assert math.isnan(track.dependent_at(START + N * HOUR))


def test_a_track_says_nothing_of_its_own_about_the_candles_it_was_given() -> None:
    before = [leg.close.copy() for leg in MARKETS]
    track_spread(*MARKETS, PLAN)
    for leg, close in zip(MARKETS, before, strict=True):
        assert_array_equal(leg.close, close)
    assert {field.name for field in fields(SpreadTrack)} >= {"time_ms", "z_score", "fit", "fits"}
