"""
Descriptions of a spread, on the discovery part.

Planted bugs that turn this file red: the whole window described; the cost of one leg; the promise
not shrunk; limits that include what they exclude; Johansen's statistic of the second rank.
"""

import math

import numpy as np
import pytest

from freqtrade_ext.scanner._diagnosis import diagnose, johansen, untradable
from freqtrade_ext.scanner._trading_rule import rolling_deviation
from freqtrade_ext.stats import engle_granger, half_life, hurst, mean_crossings

from .doubles import diagnosis, fit, market, planted_world, settings, universe

FOUND = 600
PRICES = planted_world()
SETTINGS = settings()


def line():
    test = engle_granger(PRICES[:FOUND, 1], PRICES[:FOUND, 0])
    return fit(
        market(1), market(0), hedge_ratio=test.hedge_ratio, intercept=test.intercept, lags=test.lags
    )


def described(prices=PRICES, **changes):
    return diagnose(line(), universe(prices), FOUND, settings(**changes))


def test_statistics_are_those_of_the_discovery_part():
    value = line().value(PRICES[:FOUND, 1], PRICES[:FOUND, 0])
    found = described()
    assert found.half_life == pytest.approx(half_life(value))
    assert found.hurst == pytest.approx(hurst(value))
    assert found.mean_crossings == mean_crossings(value)
    returns = np.diff(PRICES[:FOUND, :2], axis=0).T
    assert found.return_correlation == pytest.approx(np.corrcoef(returns)[0, 1])


def test_later_prices_change_only_what_is_said_about_them():
    other = PRICES.copy()
    other[FOUND:] += np.random.default_rng(1).standard_normal(other[FOUND:].shape)
    before, after = described(), described(other)
    assert after.beta.later != before.beta.later
    for name in ("half_life", "hurst", "return_correlation", "expected_move_bps", "score"):
        assert getattr(after, name) == getattr(before, name)


def test_the_hedge_ratio_is_shown_part_by_part():
    beta = described().beta
    for part, shown in (
        (slice(0, 300), beta.first_half),
        (slice(300, 600), beta.second_half),
        (slice(600, None), beta.later),
    ):
        assert shown == pytest.approx(engle_granger(PRICES[part, 1], PRICES[part, 0]).hedge_ratio)
    assert beta.drift(0.8) == pytest.approx(
        max(abs(b - 0.8) for b in (beta.first_half, beta.second_half, beta.later)) / 0.8
    )


def test_a_round_trip_costs_four_fills():
    """Two fills of each leg at 5 bps of fee and 1 bp of half spread: 12 bps of gross notional."""
    assert described().cost_bps == pytest.approx(12.0)
    assert described(fee_rate=0.001).cost_bps == pytest.approx(22.0)


def test_the_expected_move_is_a_share_of_the_way_to_the_exit_band():
    half = described()
    full = described(edge={"promise_share": 1.0})
    assert full.expected_move_bps == pytest.approx(2 * half.expected_move_bps)
    narrow = described(exit_z=1.0)  # 1.0 instead of 1.5 deviations
    assert narrow.expected_move_bps == pytest.approx(half.expected_move_bps / 1.5)


def test_the_expected_move_is_of_the_gross_notional_of_both_legs():
    value = line().value(PRICES[:FOUND, 1], PRICES[:FOUND, 0])
    move = 0.5 * 1.5 * rolling_deviation(value, 50)
    gross = 1.0 + line().hedge_ratio
    assert described().expected_move_bps == pytest.approx(1e4 * move / gross)


def test_the_score_is_the_expected_move_per_cost_and_half_life():
    found = described()
    expected = found.expected_move_bps / found.cost_bps / found.half_life
    assert found.score == pytest.approx(expected)


def test_trades_are_counted_for_a_month_of_thirty_days():
    found = described()
    assert found.trades_per_month == pytest.approx(round(found.trades_per_month * 1.25) / 1.25)
    assert found.trades_per_month > 5


@pytest.mark.parametrize(
    ("line_changes", "found_changes", "reason"),
    [
        ({}, {}, ""),
        ({"hedge_ratio": 0.1}, {}, ""),
        ({"hedge_ratio": 10.0}, {}, ""),
        ({"hedge_ratio": 0.09}, {}, "hedge ratio 0.09 is outside 0.1 to 10"),
        ({"hedge_ratio": -1.0}, {}, "hedge ratio -1 is outside 0.1 to 10"),
        ({}, {"half_life": 200.0}, ""),
        ({}, {"half_life": 201.0}, "half-life of 201.0 candles is outside 0 to 200"),
        ({}, {"half_life": 0.0}, "half-life of 0.0 candles is outside 0 to 200"),
        ({}, {"half_life": math.inf}, "half-life of inf candles is outside 0 to 200"),
        (
            {},
            {"expected_move_bps": 11.9},
            "an expected move of 11.9 bps does not pay 1 × the cost of 12.0 bps",
        ),
    ],
)
def test_what_cannot_be_traded_says_why(line_changes, found_changes, reason):
    assert untradable(fit(**line_changes), diagnosis(**found_changes), SETTINGS) == reason


def test_johansen_agrees_with_the_textbook():
    """
    Trace statistic of rank 0 for a VAR(1), by hand from canonical correlations.

    Johansen, S. (1995). Likelihood-based inference in cointegrated vector autoregressive models.
    Oxford University Press, chapter 6: trace = -T Σ log(1 - λ), λ the squared canonical
    correlations of differences and lagged levels, both cleared of a constant and one lag.
    """
    y, x = PRICES[:FOUND, 1], PRICES[:FOUND, 0]
    levels = np.column_stack([y, x])
    changes = np.diff(levels, axis=0)
    short = np.column_stack([np.ones(len(changes) - 1), changes[:-1]])
    clear = np.eye(len(short)) - short @ np.linalg.pinv(short)
    now, before = clear @ changes[1:], clear @ levels[1:-1]
    cross = np.linalg.inv(now.T @ now) @ now.T @ before @ np.linalg.inv(before.T @ before)
    eigenvalues = np.linalg.eigvals(cross @ before.T @ now).real
    expected = -len(now) * np.log(1.0 - eigenvalues).sum()
    test = johansen(fit(lags=0), y, x, SETTINGS.family)
    assert test.trace == pytest.approx(expected, rel=0.01)  # statsmodels centres beforehand
    assert test.critical_value == pytest.approx(15.4943)  # Osterwald-Lenum 1992, 5 %, constant


def test_johansen_takes_the_demanded_level():
    family = settings(family={"johansen_level": 0.01}).family
    test = johansen(fit(), PRICES[:FOUND, 1], PRICES[:FOUND, 0], family)
    assert test.critical_value == pytest.approx(19.9349)
