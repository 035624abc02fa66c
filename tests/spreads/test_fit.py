"""Fitting two markets into a row of the book: what is found, and what is refused."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.spreads import FittedMarkets, LegCandles, fit_spec
from freqtrade_ext.stats import engle_granger, half_life, hurst

from .doubles import HOUR, LEG_A, LEG_B, START, candles, rows, two_markets, without_trades

NOW = datetime(2024, 6, 1, tzinfo=UTC)
A_CANDLES, B_CANDLES = two_markets(500, seed=3, beta=1.3, alpha=-0.4, noise=0.002)


def markets(leg_a: LegCandles = A_CANDLES, leg_b: LegCandles = B_CANDLES) -> FittedMarkets:
    return FittedMarkets(LEG_A, LEG_B, leg_a, leg_b)


def fitted(leg_a: LegCandles = A_CANDLES, leg_b: LegCandles = B_CANDLES, **options: Any) -> Any:
    return fit_spec(markets(leg_a, leg_b), now=NOW, **options)


def refusal(leg_a: LegCandles = A_CANDLES, leg_b: LegCandles = B_CANDLES) -> str:
    with pytest.raises(InfeasibleError) as caught:
        fitted(leg_a, leg_b)
    return str(caught.value)


def test_a_known_relation_is_recovered() -> None:
    spec = fitted()
    assert spec.hedge_ratio == pytest.approx(1.3, abs=0.02)
    assert spec.intercept == pytest.approx(-0.4, abs=0.1)
    assert spec.pvalue < 0.01
    # phi = 0.7: ln 2 / -ln 0.7 = 1.94 candles
    assert spec.half_life == pytest.approx(1.94, abs=0.5)
    assert spec.hurst < 0.5


def test_the_numbers_are_those_of_engle_granger_on_log_prices() -> None:
    y, x = np.log(A_CANDLES.close), np.log(B_CANDLES.close)
    expected = engle_granger(y, x)
    spec = fitted()
    assert (spec.hedge_ratio, spec.intercept) == (expected.hedge_ratio, expected.intercept)
    assert spec.half_life == half_life(expected.resid)
    assert spec.hurst == hurst(expected.resid)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_weaker_direction_is_reported(seed: int) -> None:
    leg_a, leg_b = two_markets(200, seed=seed, noise=0.06)
    y, x = np.log(leg_a.close), np.log(leg_b.close)
    forward, backward = engle_granger(y, x), engle_granger(x, y)
    weaker = forward if forward.pvalue >= backward.pvalue else backward
    spec = fitted(leg_a, leg_b)
    assert (spec.pvalue, spec.cointegration_stat) == (weaker.pvalue, weaker.stat)
    assert spec.hedge_ratio == forward.hedge_ratio  # the relation itself is that of leg A on B


def test_price_space_fits_prices() -> None:
    spec = fitted(hedge_space="price")
    expected = engle_granger(A_CANDLES.close, B_CANDLES.close)
    assert spec.hedge_space == "price"
    assert (spec.hedge_ratio, spec.intercept) == (expected.hedge_ratio, expected.intercept)
    assert fitted().hedge_space == "log"


def test_the_row_says_what_it_was_fitted_on_and_when() -> None:
    spec = fitted(rows(A_CANDLES, slice(20, None)), rows(B_CANDLES, slice(0, 400)))
    start = datetime.fromtimestamp(START / 1000, UTC)
    assert (spec.leg_a, spec.leg_b) == (LEG_A, LEG_B)
    assert spec.fit_start == start + timedelta(hours=20)
    assert spec.fit_end == start + timedelta(hours=399)
    assert spec.last_updated == NOW


def test_the_name_is_built_from_the_base_currencies_unless_it_is_given() -> None:
    assert fitted().spread_id == "ETH-BTC"
    assert fitted(spread_id="mine").spread_id == "mine"


def test_further_fields_of_the_row_may_be_given() -> None:
    spec = fitted(options={"z_score_threshold": 2.5, "max_holding": 12})
    assert (spec.z_score_threshold, spec.max_holding) == (2.5, 12)
    assert fitted().z_score_threshold == 2.0


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_candles_without_a_price_are_left_out(bad: float) -> None:
    close = A_CANDLES.close.copy()
    close[[3, 77]] = bad
    keep = np.ones(500, dtype=bool)
    keep[[3, 77]] = False
    assert fitted(replace(A_CANDLES, close=close)) == fitted(
        rows(A_CANDLES, keep), rows(B_CANDLES, keep)
    )


def test_candles_without_volume_are_left_out() -> None:
    keep = np.ones(500, dtype=bool)
    keep[100:110] = False
    expected = fitted(rows(A_CANDLES, keep), rows(B_CANDLES, keep))
    assert fitted(A_CANDLES, without_trades(B_CANDLES, ~keep)) == expected
    assert fitted(without_trades(A_CANDLES, ~keep), B_CANDLES) == expected


def test_a_hundred_common_candles_are_needed() -> None:
    assert fitted(rows(A_CANDLES, slice(0, 100)))
    assert refusal(rows(A_CANDLES, slice(0, 99))) == (
        f"{LEG_A} and {LEG_B} share 99 candles; at least 100 are needed"
    )
    shifted = replace(B_CANDLES, time_ms=B_CANDLES.time_ms + HOUR // 2)
    assert "share 0 candles" in refusal(A_CANDLES, shifted)


def test_a_twin_is_refused() -> None:
    noise = np.exp(1e-6 * np.random.default_rng(0).standard_normal(500))
    twin = candles(1000.0 * B_CANDLES.close * noise)
    assert refusal(twin) == (
        f"{LEG_A} and {LEG_B} are the same price twice (pegged or wrapped); "
        "there is no spread to trade"
    )


def test_markets_that_move_against_each_other_are_refused() -> None:
    against = candles(10_000.0 / A_CANDLES.close)
    text = refusal(against)
    assert text.startswith(f"{LEG_A} and {LEG_B} move against each other (hedge ratio -1.")
    assert text.endswith("both legs would be on the same side of the market")


def test_markets_whose_residual_does_not_revert_are_refused() -> None:
    # The residual alternates in sign around the line: phi is negative, there is no half-life.
    zigzag = np.where(np.arange(500) % 2 == 0, 0.01, -0.01)
    noise = 0.001 * np.random.default_rng(0).standard_normal(500)
    leg_a = candles(np.exp(np.log(B_CANDLES.close) + zigzag + noise))
    assert refusal(leg_a) == f"{LEG_A} and {LEG_B} do not revert to each other (half-life 0.0)"


def test_a_market_that_does_not_move_is_refused() -> None:
    assert "constant" in refusal(candles(np.full(500, 5.0)))
    assert "constant" in refusal(A_CANDLES, candles(np.full(500, 5.0)))


def test_a_moment_of_writing_before_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="should not be before fit_end"):
        fit_spec(markets(), now=datetime(2020, 1, 1, tzinfo=UTC))
