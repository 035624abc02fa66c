"""What the layers are given: Freqtrade's candles, and nothing of the future.

Bugs planted by hand, each caught by the test named:

1. a funding rate is known as it is paid -> test_a_rate_is_known_a_minute_after_it_was_paid
2. hours without an event count as events -> test_hours_between_two_events_are_left_out
3. Bitcoin is prepared for each market -> test_bitcoin_is_prepared_once_for_all_markets
4. Bitcoin is never prepared again -> test_a_new_candle_of_bitcoin_counts
5. spot markets are named like futures -> test_references_are_named_as_the_market_is
6. funding of any number of markets -> test_funding_rates_are_fetched_for_up_to_200_markets
"""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters._regime_inputs import RegimeInputs
from freqtrade_ext.signals import SignalSettings, score_market

from .doubles import HOUR_MS, START, START_MS, candles

BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
CONFIG = {"stake_currency": "USDT"}


def walk(seed, count=400):
    rng = np.random.default_rng(seed)
    frame = candles(100 * np.exp(np.cumsum(rng.normal(0, 0.01, count))))
    return frame.assign(high=frame["close"] * 1.004, low=frame["close"] * 0.996)


def funding(rates, *, hours=8):
    times = [START + pd.Timedelta(hours=hours * number) for number in range(len(rates))]
    return pd.DataFrame({"date": pd.DatetimeIndex(times), "open": rates})


class Source:
    """Candles in memory, and what was asked."""

    def __init__(self, **frames):
        self.frames = {f"{coin}/USDT:USDT": frame for coin, frame in frames.items()}
        self.rates, self.asked = {}, []

    def __call__(self, pair, timeframe, kind):
        self.asked.append((pair, timeframe, kind))
        found = self.rates if kind == "funding_rate" else self.frames
        return found.get(pair, candles([]))


def inputs_of(source, *, timeframe="1h", funding_timeframe="1h", **settings):
    return RegimeInputs(source, CONFIG, SignalSettings(**settings), timeframe, funding_timeframe)


# Funding


def test_hours_between_two_events_are_left_out():
    source = Source(SOL=walk(1))
    source.rates[SOL] = funding([0.0001, 0.0, 0.0, 0.0002], hours=1)
    found = inputs_of(source).of(SOL, walk(1)).funding
    assert list(found["rate"]) == [0.0001, 0.0002]


def test_a_rate_is_known_a_minute_after_it_was_paid():
    source = Source(SOL=walk(1))
    source.rates[SOL] = funding([0.0001])
    found = inputs_of(source).of(SOL, walk(1)).funding
    assert found["date"].iloc[0] == pd.Timestamp(START) + pd.Timedelta(minutes=1)


def test_without_rates_the_layer_is_neutral_and_says_so():
    scored = score_market(inputs_of(Source()).of(SOL, walk(1)), SignalSettings())
    assert scored.neutral["funding"] == "no funding rates"
    assert inputs_of(Source(), funding_timeframe=None).of(SOL, walk(1)).funding is None


@pytest.mark.parametrize("layer", ["imbalance_trend", "model_confidence", "own_record"])
def test_what_is_known_live_only_is_neutral_and_says_so(layer):
    scored = score_market(inputs_of(Source()).of(SOL, walk(1)), SignalSettings())
    assert scored.neutral[layer]
    assert not scored.columns[f"layer_{layer}"].any()


# Bitcoin and Ether


def test_bitcoin_is_prepared_once_for_all_markets():
    made = inputs_of(Source(BTC=walk(2), ETH=walk(3)))
    first, second = (made.of(pair, walk(1)).macro for pair in (SOL, "ADA/USDT:USDT"))
    assert first is not None
    assert first is second


def test_a_new_candle_of_bitcoin_counts():
    source = Source(BTC=walk(2).head(399))
    made = inputs_of(source)
    before = made.of(SOL, walk(1)).macro
    source.frames[BTC] = walk(2)
    after = made.of(SOL, walk(1)).macro
    assert after is not before
    assert after.btc.opened_ms[-1] == before.btc.opened_ms[-1] + HOUR_MS


def test_without_bitcoin_there_is_no_macro():
    assert inputs_of(Source(ETH=walk(3))).of(SOL, walk(1)).macro is None


def test_references_are_named_as_the_market_is():
    assert inputs_of(Source()).references == {"BTC": BTC, "ETH": ETH}
    spot = inputs_of(Source(), funding_timeframe=None)
    assert spot.references == {"BTC": "BTC/USDT", "ETH": "ETH/USDT"}


def test_the_atr_of_a_reference_is_that_of_the_last_closed_candle():
    flat = candles([100.0] * 50).assign(high=101.0, low=99.0)
    wild = flat.assign(high=[101.0] * 40 + [120.0] * 10)
    made = inputs_of(Source(BTC=wild))
    assert made.reference_atr("BTC", START_MS + 40 * HOUR_MS) == pytest.approx(0.02)
    assert made.reference_atr("BTC", START_MS + 50 * HOUR_MS) > 0.05
    assert made.reference_atr("BTC", START_MS + 5 * HOUR_MS) is None  # warming up
    assert made.reference_atr("ETH", START_MS + 50 * HOUR_MS) is None  # no candles


# What is fetched


def test_funding_rates_are_fetched_for_up_to_200_markets():
    few, many = ([f"C{n}/USDT:USDT" for n in range(count)] for count in (200, 201))
    kinds = [[kind for _, _, kind in inputs_of(Source()).informative(names)]
             for names in (few, many)]  # fmt: skip
    assert kinds[0].count("funding_rate") == 200
    assert kinds[1].count("funding_rate") == 0


def test_the_references_are_always_fetched():
    wanted = inputs_of(Source(), funding_timeframe=None).informative([])
    assert wanted == [("BTC/USDT", "1h", ""), ("ETH/USDT", "1h", "")]
