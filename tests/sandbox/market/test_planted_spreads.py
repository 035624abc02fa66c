"""What the synthetic market says of its spreads is true."""

import itertools
import math

import numpy as np
import pytest
from statsmodels.tsa.stattools import coint

from freqtrade_ext.sandbox.market import SyntheticMarket, SyntheticSpec
from freqtrade_ext.sandbox.market._noise import key_of
from freqtrade_ext.sandbox.market._processes import reverting, walk

MINUTE = 60_000
ANCHOR = 1_704_067_200_000
DAYS = 45
HALF_LIFE = 120.0


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return SyntheticMarket(
        SyntheticSpec(
            seed=20_240_101,
            anchor_ms=ANCHOR,
            history_minutes=DAYS * 1_440,
            horizon_minutes=60,
            groups=2,
            markets_per_group=3,
            extra_markets=2,
            half_life_minutes=HALF_LIFE,
        )
    )


@pytest.fixture(scope="module")
def logs(market):
    now = ANCHOR - 1
    return {
        symbol: np.log([c.close for c in market.candles(symbol, MINUTE, 0, now, now)])
        for symbol in market.instruments
    }


PAIRS = range(6)  # two groups of three: three pairs each


def residual(spread, logs):
    return logs[spread.symbol_a] - spread.intercept - spread.hedge_ratio * logs[spread.symbol_b]


def test_every_pair_within_a_group_is_named_once(market):
    named = {frozenset((each.symbol_a, each.symbol_b)) for each in market.planted_spreads()}
    symbols = list(market.instruments)
    expected = {
        frozenset(pair)
        for group in (symbols[:3], symbols[3:6])
        for pair in itertools.combinations(group, 2)
    }
    assert named == expected
    assert len(market.planted_spreads()) == len(PAIRS)


@pytest.mark.parametrize("index", PAIRS)
def test_residual_has_mean_zero_and_the_stated_deviation(market, logs, index):
    spread = market.planted_spreads()[index]
    rest = residual(spread, logs)
    # 540 half-lives: the mean of an AR(1) has standard error sigma * sqrt(2 tau / n).
    error = spread.sigma * math.sqrt(2 * HALF_LIFE / math.log(2) / rest.size)
    assert abs(rest.mean()) < 4 * error
    assert rest.std() == pytest.approx(spread.sigma, rel=0.15)


@pytest.mark.parametrize("index", PAIRS)
def test_residual_reverts_with_the_stated_half_life(market, logs, index):
    spread = market.planted_spreads()[index]
    rest = residual(spread, logs)
    # Every 30th minute: rounding to ticks would look like extra reversion from minute to minute.
    sampled = rest[::30] - rest.mean()
    phi = (sampled[:-1] @ sampled[1:]) / (sampled[:-1] @ sampled[:-1])
    assert -30 * math.log(2) / math.log(phi) == pytest.approx(spread.half_life_minutes, rel=0.25)


@pytest.mark.parametrize("index", PAIRS)
def test_regression_finds_the_hedge_ratio(market, logs, index):
    spread = market.planted_spreads()[index]
    slope, intercept = np.polyfit(logs[spread.symbol_b], logs[spread.symbol_a], 1)
    assert slope == pytest.approx(spread.hedge_ratio, rel=0.05)
    assert intercept == pytest.approx(spread.intercept, abs=0.05 * abs(spread.intercept) + 0.3)


@pytest.mark.parametrize("index", PAIRS)
def test_engle_granger_rejects_at_one_percent(market, logs, index):
    spread = market.planted_spreads()[index]
    pvalue = coint(
        logs[spread.symbol_a][::15], logs[spread.symbol_b][::15], maxlag=1, autolag=None
    )[1]
    assert pvalue < 0.01


def test_strangers_have_nothing_in_common(market, logs):
    one, two = (np.diff(logs[symbol]) for symbol in list(market.instruments)[-2:])
    first = np.diff(logs["BTCUSDT"])
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02
    assert abs(np.corrcoef(one, first)[0, 1]) < 0.02


def test_groups_share_the_market_factor_but_not_their_own(market, logs):
    symbols = list(market.instruments)
    one, two = (np.diff(logs[symbols[index]]) for index in (0, 3))
    # market variance 9e-8 of 25e-8 in all
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(9 / 25, abs=0.03)


def test_hedge_ratios_lie_in_the_range_asked_for(market):
    drawn = [each.hedge_ratio for each in market.planted_spreads() if each.sigma == 0.01]
    assert len(drawn) == 4
    assert all(0.5 <= ratio <= 2.0 for ratio in drawn)
    assert len(set(drawn)) == 4


def test_reverting_process_is_stationary_across_the_anchor():
    minutes = np.arange(-40, 41)
    paths = np.array([reverting(key_of(seed), minutes, 10.0) for seed in range(4_000)])
    assert paths.std(axis=0) == pytest.approx(np.ones(81), abs=0.06)
    for lag in (1, 10, 30):
        across = np.mean(paths[:, 40 - lag // 2] * paths[:, 40 - lag // 2 + lag])
        assert across == pytest.approx(2.0 ** (-lag / 10.0), abs=0.06)


@pytest.mark.parametrize("process", [walk, lambda key, at: reverting(key, at, 30.0)])
@pytest.mark.parametrize("more", [(100, 0), (0, 100), (7, 1_000)])
def test_processes_do_not_depend_on_how_much_is_asked_for(process, more):
    few = process(3, np.arange(-50, 61))
    many = process(3, np.arange(-50 - more[0], 61 + more[1]))
    np.testing.assert_array_equal(many[more[0] : more[0] + 111], few)


def test_a_walk_is_0_at_the_anchor_and_has_unit_steps():
    path = walk(3, np.arange(-20_000, 20_001))
    assert path[20_000] == 0
    assert np.diff(path).std() == pytest.approx(1.0, rel=0.02)
