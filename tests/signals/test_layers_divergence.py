"""
Divergence of two markets at an extreme, in candles drawn by hand.

Mutants, each red here: one market's extreme alone, the sides exchanged, both at once counted,
Bitcoin compared with itself, Ether never asked, a candle too long.
"""

import numpy as np
import pytest

from freqtrade_ext.signals import SignalSettings, macro_context
from freqtrade_ext.signals._layers_divergence import smt_divergence

from .doubles import frame, view_of

SETTINGS = SignalSettings.model_validate({"smt_divergence": {"lookback": 3, "fresh": 2}})
CALM = [(9.0, 11.0)] * 5
LOW_AT_3 = [(9.0, 11.0)] * 3 + [(8.0, 11.0)] + [(9.0, 11.0)]
HIGH_AT_3 = [(9.0, 11.0)] * 3 + [(9.0, 12.0)] + [(9.0, 11.0)]


def drawn(ranges):
    low, high = np.array(ranges).T
    return frame(np.full(len(ranges), 10.0), low=low, high=high)


def points(coin, btc, eth=None, *, market="SOL/USDT:USDT", direction=1.0):
    macro = macro_context(drawn(btc), None if eth is None else drawn(eth), "5m", SETTINGS)
    view = view_of(candles=drawn(coin), market=market, macro=macro, direction=direction)
    return smt_divergence(view, SETTINGS).points.tolist()


@pytest.mark.parametrize(
    ("coin", "btc", "direction", "expected"),
    [
        pytest.param(LOW_AT_3, CALM, 1.0, 6.0, id="the coin alone falls lower: long"),
        pytest.param(CALM, LOW_AT_3, 1.0, 6.0, id="Bitcoin alone falls lower: long"),
        pytest.param(HIGH_AT_3, CALM, -1.0, 6.0, id="the coin alone rises higher: short"),
        pytest.param(CALM, HIGH_AT_3, -1.0, 6.0, id="Bitcoin alone rises higher: short"),
        pytest.param(LOW_AT_3, CALM, -1.0, 0.0, id="not for the other side"),
        pytest.param(HIGH_AT_3, CALM, 1.0, 0.0, id="nor there"),
        pytest.param(LOW_AT_3, LOW_AT_3, 1.0, 0.0, id="both fall lower: they agree"),
        pytest.param(CALM, CALM, 1.0, 0.0, id="neither"),
        pytest.param(LOW_AT_3, HIGH_AT_3, 1.0, 0.0, id="both sides at once cancel"),
    ],
)
def test_a_disagreement_rewards_the_side_of_the_reversal(coin, btc, direction, expected):
    found = points(coin, btc, direction=direction)
    assert found == [0.0, 0.0, 0.0, expected, expected]


def test_a_disagreement_grows_old():
    assert points([*LOW_AT_3, (9.0, 11.0)], [*CALM, (9.0, 11.0)])[-3:] == [6.0, 6.0, 0.0]


def test_bitcoin_against_ether_counts_for_every_coin():
    assert points(CALM, CALM, LOW_AT_3)[3] == 6.0
    assert points(LOW_AT_3, LOW_AT_3, CALM)[3] == 6.0


def test_bitcoin_is_compared_with_ether_and_ether_with_bitcoin():
    assert points(LOW_AT_3, LOW_AT_3, CALM, market="BTC/USDT:USDT")[3] == 6.0
    assert points(LOW_AT_3, LOW_AT_3, LOW_AT_3, market="BTC/USDT:USDT")[3] == 0.0
    assert points(LOW_AT_3, CALM, LOW_AT_3, market="ETH/USDT:USDT")[3] == 6.0
    assert points(LOW_AT_3, LOW_AT_3, LOW_AT_3, market="ETH/USDT:USDT")[3] == 0.0


def test_what_is_missing_is_said():
    assert smt_divergence(view_of(), SETTINGS).neutral == "no candles of Bitcoin"
    macro = macro_context(drawn(CALM), None, "5m", SETTINGS)
    alone = view_of(candles=drawn(CALM), market="BTC/USDT", macro=macro)
    expected = "no candles of Ether to compare Bitcoin with"
    assert smt_divergence(alone, SETTINGS).neutral == expected
    yesterday = drawn(CALM)
    yesterday["date"] -= np.timedelta64(1, "D")
    other_times = view_of(candles=yesterday, macro=macro)
    output = smt_divergence(other_times, SETTINGS)
    assert output.neutral == "Bitcoin's candles are not of the same times"
    assert not output.points.any()


def test_the_warm_up_is_unknown():
    macro = macro_context(drawn(CALM), None, "5m", SETTINGS)
    output = smt_divergence(view_of(candles=drawn(LOW_AT_3), macro=macro), SETTINGS)
    assert output.known.tolist() == [False, False, False, True, True]


def test_one_candle_of_freshness():
    settings = SignalSettings.model_validate({"smt_divergence": {"lookback": 3, "fresh": 1}})
    macro = macro_context(drawn(CALM), None, "5m", settings)
    view = view_of(candles=drawn(LOW_AT_3), macro=macro)
    assert smt_divergence(view, settings).points.tolist() == [0.0, 0.0, 0.0, 6.0, 0.0]
