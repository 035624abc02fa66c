"""A layer that fails in a trading bot: counted, logged, told once.

Bugs planted by hand, each caught by the test named:

1. told at every candle -> test_the_first_failure_in_a_row_is_told
2. never told again -> test_after_it_worked_the_next_failure_is_told
3. told of a market that never failed -> test_a_market_that_works_says_nothing
"""

from freqtrade_ext.adapters._layer_alarm import LayerAlarm
from freqtrade_ext.signals import LayerError

ETH, BTC = "ETH/USDT:USDT", "BTC/USDT:USDT"
ERROR = LayerError("funding", ETH, ValueError("no such rate"))


def alarm():
    told = []
    return LayerAlarm(told.append), told


def test_the_first_failure_in_a_row_is_told(caplog):
    made, told = alarm()
    for _ in range(3):
        made.failed(ETH, ERROR)
    assert told == [
        f"⚠️ {ETH} has no signals: layer funding failed for {ETH}: ValueError: no such rate"
    ]
    assert made.failures[ETH] == 3
    assert caplog.text.count("has no signal: layer funding failed") == 3


def test_markets_are_told_apart():
    made, told = alarm()
    made.failed(ETH, ERROR)
    made.failed(BTC, LayerError("funding", BTC, ValueError("x")))
    assert len(told) == 2


def test_after_it_worked_the_next_failure_is_told():
    made, told = alarm()
    made.failed(ETH, ERROR)
    made.worked(ETH)
    made.failed(ETH, ERROR)
    assert told[1] == f"{ETH} has signals again after 1 failures"
    assert len(told) == 3


def test_a_market_that_works_says_nothing():
    made, told = alarm()
    made.worked(ETH)
    assert told == []
