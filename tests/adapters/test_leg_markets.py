"""Limits, fees and expected funding of a leg."""

import math

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exchange import amount_to_contract_precision
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.adapters._leg_markets import LegMarkets
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.spreads import to_quantity

from .doubles import BTC, ETH, HOUR_MS, START, START_MS, Provider, market

LEVERAGE = 2.0
DAY_MS = 24 * HOUR_MS


def markets_of(description, *, leverage=LEVERAGE, config=None, tier_cap=None):
    markets = LegMarkets()
    provider = Provider({}, markets={ETH: description}, tier_cap=tier_cap)
    markets.read(provider, [ETH], config or {}, leverage)
    return markets


def stake_after(exchange, stake, price, leverage):
    """What Freqtrade makes of a stake: `Wallets.validate_stake_amount` with money enough."""
    smallest = exchange.get_min_pair_stake_amount(ETH, price, -0.8, leverage)
    largest = exchange.get_max_pair_stake_amount(ETH, price, leverage)
    if smallest is not None and stake < smallest:
        return 0.0 if stake * 1.3 < smallest else smallest
    return min(stake, largest)


def lots_ordered(exchange, quantity, price, leverage):
    """Quantity that Freqtrade would order when it is asked for `quantity`."""
    stake = stake_after(exchange, quantity * price / leverage * (1 + 1e-9), price, leverage)
    step = exchange.markets[ETH]["precision"]["amount"]
    return amount_to_contract_precision(stake * leverage / price, step, 4, 1.0)


@pytest.mark.parametrize("leverage", [1.0, 2.0, 5.0, 20.0])
@pytest.mark.parametrize("price", [0.5, 3.0, 100.0, 60_000.0])
def test_the_smallest_and_the_largest_leg_pass_freqtrade_unchanged(exchange, price, leverage):
    markets = LegMarkets()
    tiers = exchange._get_max_notional_from_tiers
    provider = Provider({}, markets=dict(exchange.markets))
    provider._get_max_notional_from_tiers = tiers
    markets.read(provider, [ETH], {}, leverage)
    limits = markets.limits(ETH, price)
    smallest = float(limits.min_entry(price))
    assert lots_ordered(exchange, smallest, price, leverage) == pytest.approx(smallest)
    largest = math.floor(limits.max_notional / price * 1000) / 1000
    if largest >= smallest:
        assert lots_ordered(exchange, largest, price, leverage) == pytest.approx(largest)


@pytest.mark.parametrize(
    ("leverage", "cap"), [(1.0, 200_000), (2.0, 50_000), (5.0, 50_000), (6.0, 10_000)]
)
def test_the_bracket_of_the_leverage_caps_the_notional(exchange, leverage, cap):
    markets = LegMarkets()
    provider = Provider({}, markets=dict(exchange.markets))
    provider._get_max_notional_from_tiers = exchange._get_max_notional_from_tiers
    markets.read(provider, [ETH], {}, leverage)
    largest = markets.limits(ETH, 100.0).max_notional
    assert largest <= cap == exchange.get_max_pair_stake_amount(ETH, 100.0, leverage) * leverage
    assert largest >= 0.95 * cap


def test_there_is_room_for_the_price_to_move_before_the_order(exchange):
    """Sized at the close, checked at the order's price: 2 % more must not be cut."""
    provider = Provider({}, markets=dict(exchange.markets))
    provider._get_max_notional_from_tiers = exchange._get_max_notional_from_tiers
    markets = LegMarkets()
    markets.read(provider, [ETH], {}, LEVERAGE)
    quantity = math.floor(markets.limits(ETH, 100.0).max_notional / 100.0)
    assert lots_ordered(exchange, quantity, 102.0, LEVERAGE) == quantity


def test_the_minimum_is_what_freqtrade_raises_the_exchanges_minimum_to(exchange):
    limits = markets_of(market(cost_min=5.0)).limits(ETH, 100.0)
    assert limits.min_notional == 7.5
    assert exchange.get_min_pair_stake_amount(ETH, 100.0, -0.8, 1.0) == 7.5


def test_a_market_order_may_not_exceed_its_own_maximum():
    limits = markets_of(market(amount_max=1_000.0, market_max=120.0)).limits(ETH, 10.0)
    assert limits.max_notional == 1_200.0


@pytest.mark.parametrize("unknown", [None, 0])
def test_a_limit_that_the_exchange_does_not_state_does_not_bind(unknown):
    description = market(amount_max=unknown, cost_min=unknown, cost_max=unknown, amount_min=unknown)
    limits = markets_of(description).limits(ETH, 10.0)
    assert limits.max_notional == math.inf
    assert (limits.min_notional, limits.min_quantity) == (0.0, 0.0)


def test_a_market_without_a_section_for_market_orders():
    description = market(amount_max=50.0)
    del description["limits"]["market"]
    assert markets_of(description).limits(ETH, 10.0).max_notional == 500.0


def test_the_tightest_of_the_upper_limits_binds():
    description = market(amount_max=1_000.0, cost_max=3_000.0)
    assert markets_of(description).limits(ETH, 1.0).max_notional == 1_000.0
    assert markets_of(description).limits(ETH, 10.0).max_notional == 3_000.0 * 0.97
    tight = markets_of(description, tier_cap=500.0)
    assert tight.limits(ETH, 10.0).max_notional == 500.0 * 0.97


def test_the_step_is_the_precision_of_the_market():
    limits = markets_of(market(step=0.1, amount_min=0.1)).limits(ETH, 10.0)
    assert limits.lot == to_quantity("0.1")


def test_contracts_of_another_size_are_refused():
    """Quantities would be wrong by that factor."""
    with pytest.raises(ConfigError, match="ETH/USDT:USDT: a contract is 10"):
        markets_of(market() | {"contractSize": 10.0})


def test_a_market_that_is_not_listed_is_left_out():
    markets = LegMarkets()
    markets.read(Provider({}, markets={ETH: market()}), [BTC, ETH], {}, LEVERAGE)
    assert set(markets.known) == {ETH}
    with pytest.raises(KeyError):
        markets.limits(BTC, 1.0)


@pytest.mark.parametrize(
    ("config", "taker", "expected"),
    [
        ({}, 0.0004, 0.0004),
        ({}, None, 0.0005),
        ({"fee": 0.002}, 0.0004, 0.002),
        ({"fee": 0.0}, 0.0004, 0.0),
        ({"fee": None}, 0.0004, 0.0004),
    ],
)
def test_the_fee_is_the_configured_one_or_the_takers(config, taker, expected):
    assert markets_of(market(taker=taker), config=config).fee(ETH) == expected


# Funding


def rates(events, *, name=ETH):
    """A funding file: time (ms) and rate of each event."""
    times = [time_ms for time_ms, _ in events]
    frame = pd.DataFrame({"date": pd.to_datetime(times, unit="ms", utc=True)})
    frame["open"] = [rate for _, rate in events]
    return Provider({}, funding={name: frame})


def every(hours, count, rate=0.0001, jitter_ms=0):
    return [(START_MS + i * hours * HOUR_MS + i % 2 * jitter_ms, rate) for i in range(count)]


def expected(provider, at_ms, holding_ms=DAY_MS, *, live=False, markets=None):
    markets = markets or LegMarkets()
    return markets.expected_funding(provider, ETH, at_ms, holding_ms, live=live)


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_funding_is_the_usual_rate_times_the_payments_to_come(hours):
    provider = rates(every(hours, 20))
    at_ms = START_MS + 19 * hours * HOUR_MS
    assert expected(provider, at_ms) == pytest.approx(0.0001 * 24 / hours)
    assert expected(provider, at_ms, DAY_MS / 2) == pytest.approx(0.0001 * 12 / hours)


def test_funding_of_a_negative_rate_is_received():
    assert expected(rates(every(8, 20, -0.0003)), START_MS + 400 * HOUR_MS) < 0


def test_the_mean_of_the_last_three_events_counts():
    provider = rates([*every(8, 17, 0.5), *((START_MS + (136 + 8 * i) * HOUR_MS, 0.001 * i)
                                            for i in (1, 2, 3))])  # fmt: skip
    assert expected(provider, START_MS + DAY_MS * 30) == pytest.approx(0.002 * 3)


def test_milliseconds_of_jitter_do_not_matter():
    clean, jittered = rates(every(8, 20)), rates(every(8, 20, jitter_ms=17))
    at_ms = START_MS + 19 * 8 * HOUR_MS + 100
    assert expected(jittered, at_ms) == pytest.approx(expected(clean, at_ms), rel=1e-5)


@given(st.integers(0, 20 * 8), st.floats(-0.003, 0.003))
def test_nothing_later_than_the_moment_counts(hours, later_rate):
    at_ms = START_MS + hours * HOUR_MS
    events = every(8, 20, 0.0001)
    changed = [(t, rate if t <= at_ms else later_rate) for t, rate in events]
    cut = [(t, rate) for t, rate in events if t <= at_ms]
    assert expected(rates(changed), at_ms) == expected(rates(events), at_ms)
    assert expected(rates(cut), at_ms) == expected(rates(events), at_ms)


def test_an_event_of_this_very_moment_is_known():
    events = [*every(8, 3, 0.0), (START_MS + 24 * HOUR_MS, 0.003), (START_MS + 32 * HOUR_MS, 0.003)]
    assert expected(rates(events), START_MS + 32 * HOUR_MS) == pytest.approx(0.003 * 3)
    assert expected(rates(events), START_MS + 32 * HOUR_MS - 1) == 0.0


def test_a_market_that_changed_its_interval_is_judged_by_the_new_one():
    slow = every(8, 10)
    begin = slow[-1][0]
    quick = [(begin + i * HOUR_MS, 0.0001) for i in range(1, 11)]
    assert expected(rates(slow + quick), begin + 10 * HOUR_MS) == pytest.approx(0.0024)
    back = [(quick[-1][0] + i * 8 * HOUR_MS, 0.0001) for i in range(1, 11)]
    assert expected(rates(quick + back), back[-1][0]) == pytest.approx(0.0003)


def test_hours_filled_with_zero_are_not_events():
    filled = [(t, 0.0001 if i % 8 == 0 else 0.0) for i, (t, _) in enumerate(every(1, 100))]
    assert expected(rates(filled), START_MS + 99 * HOUR_MS) == pytest.approx(0.0003)


@pytest.mark.parametrize("live", [False, True])
def test_without_a_file_nothing_is_expected(live):
    assert expected(Provider({}), START_MS, live=live) == 0.0


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_events_say_nothing(count):
    assert expected(rates(every(8, count)), START_MS + DAY_MS) == 0.0


def test_a_live_bot_asks_again_and_a_backtest_once():
    provider, live, past = rates(every(8, 20)), LegMarkets(), LegMarkets()
    for _ in range(3):
        expected(provider, START_MS, live=True, markets=live)
    assert len(provider.asked) == 3
    for _ in range(3):
        expected(provider, START_MS, markets=past)
    assert len(provider.asked) == 4


def test_a_backtest_goes_on_learning_after_its_first_entry(provider, store_candles):
    """Inside callbacks Freqtrade's frames end at the candle that is being backtested."""
    frame = rates(every(8, 60)).funding[ETH].rename(columns={"open": "funding_rate"})
    frame.loc[30:, "funding_rate"] = 0.002
    store_candles(ETH, frame, "funding_rate")
    assert provider.runmode is RunMode.BACKTEST
    markets = LegMarkets()
    provider._set_dataframe_max_date(START + pd.Timedelta(hours=200))
    early = expected(provider, START_MS + 200 * HOUR_MS, markets=markets)
    assert early == pytest.approx(0.0003)
    provider._set_dataframe_max_date(START + pd.Timedelta(hours=400))
    late = expected(provider, START_MS + 400 * HOUR_MS, markets=markets)
    assert late == pytest.approx(0.006)


def test_funding_of_each_market_is_its_own():
    provider = rates(every(8, 20, 0.0001))
    provider.funding[BTC] = rates(every(8, 20, 0.0005), name=BTC).funding[BTC]
    markets = LegMarkets()
    at_ms = START_MS + 500 * HOUR_MS
    of_eth = markets.expected_funding(provider, ETH, at_ms, DAY_MS, live=False)
    of_btc = markets.expected_funding(provider, BTC, at_ms, DAY_MS, live=False)
    assert np.allclose([of_eth, of_btc], [0.0003, 0.0015])
