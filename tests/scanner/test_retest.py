"""
A spread of the book, tested again.

Planted bugs that turn this file red: the stronger direction; only the discovery part looked at;
legs exchanged; a refusal without its reason; another bound of the lags than the discovery's.
"""

import math

import numpy as np
import pytest

from freqtrade_ext.scanner import MarketRefusal, RefusalReason, scan_universe
from freqtrade_ext.scanner._retest import retest
from freqtrade_ext.stats import engle_granger, half_life

from .doubles import market, planted_world, settings, universe

PRICES = planted_world()


def test_the_whole_window_and_the_weaker_direction_count():
    test = retest(universe(PRICES), market(1), market(0))
    forward = engle_granger(PRICES[:, 1], PRICES[:, 0])
    backward = engle_granger(PRICES[:, 0], PRICES[:, 1])
    assert test.pvalue == max(forward.pvalue, backward.pvalue)
    assert test.stat == max(forward.stat, backward.stat)
    assert (test.hedge_ratio, test.intercept) == (forward.hedge_ratio, forward.intercept)
    assert test.half_life == half_life(forward.resid)
    assert test.reason == ""


@pytest.mark.parametrize("max_lag", [0, 2])
def test_lags_are_bounded_as_in_the_discovery(max_lag):
    rng = np.random.default_rng(8)
    shocks = rng.standard_normal(906)
    prices = planted_world()
    prices[:, 1] += 0.05 * (shocks[6:] + 0.9 * shocks[:-6])  # wants more lags than it gets
    report = scan_universe(
        universe(prices),
        settings(family={"max_lag": max_lag}, bootstrap={"replications": 0}),
        seed=1,
        standing=[(market(1), market(0))],
    )
    forward = engle_granger(prices[:, 1], prices[:, 0], max_lag=max_lag)
    backward = engle_granger(prices[:, 0], prices[:, 1], max_lag=max_lag)
    assert report.retests[0].stat == max(forward.stat, backward.stat)
    assert report.retests[0].stat != retest(universe(prices), market(1), market(0)).stat


def test_a_refused_market_says_why():
    refused = MarketRefusal("GONE/USDT", RefusalReason.DELISTED, "last on Monday", "should trade")
    test = retest(universe(PRICES, refusals=(refused,)), market(1), "GONE/USDT")
    assert test.reason == "GONE/USDT: delisted: last on Monday; should trade"
    assert math.isnan(test.pvalue)


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        (np.column_stack([PRICES[:, 0], PRICES[:, 0] + 0.5]), "the same price twice"),
        (np.column_stack([PRICES[:, 0], np.ones(900)]), "x is constant"),
    ],
)
def test_what_allows_no_test_says_why(prices, reason):
    test = retest(universe(prices), market(0), market(1))
    assert reason in test.reason
    assert math.isnan(test.stat)
