"""A look at the account: everything that was asked for, or an error.

Planted bugs, each found by the test in brackets: a failed query for open orders is an empty list
(a_failed_query); positions are asked for last (positions_are_asked_for_before); `markets` is
ignored (only_the_markets); the time is taken after the answers (the_time_is_that).
"""

from decimal import Decimal

import pytest

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import take_snapshot

from .reconcile_doubles import BTC, ETH, START_MS, ManualClock, ToyExchange


@pytest.fixture
def exchange():
    exchange = ToyExchange(ManualClock())
    exchange.held = {BTC: Decimal("0.5"), ETH: Decimal(0)}
    exchange.place(BTC, "1")
    exchange.place(ETH, "-2")
    return exchange


def test_a_look_has_positions_and_the_open_orders_of_all_markets(exchange):
    seen = take_snapshot(exchange, exchange.clock)
    assert {market: each.quantity for market, each in seen.positions.items()} == {
        BTC: Decimal("0.5")
    }
    assert [each.market for each in seen.open_orders] == [BTC, ETH]
    assert seen.asked_orders_of(ETH)


def test_only_the_markets_that_are_named_are_asked_for(exchange):
    seen = take_snapshot(exchange, exchange.clock, {ETH})
    assert [each.market for each in seen.open_orders] == [ETH]
    assert (seen.asked_orders_of(ETH), seen.asked_orders_of(BTC)) == (True, False)


def test_no_market_named_asks_for_positions_alone(exchange):
    assert take_snapshot(exchange, exchange.clock, set()).open_orders == ()
    assert exchange.asked == ["positions"]


def test_positions_are_asked_for_before_open_orders(exchange):
    take_snapshot(exchange, exchange.clock)
    assert exchange.asked == ["positions", "open_orders"]


def test_the_time_is_that_of_the_first_question(exchange):
    ask = exchange.positions
    exchange.positions = lambda: exchange.clock.sleep(2) or ask()
    assert take_snapshot(exchange, exchange.clock).taken_ms == START_MS


@pytest.mark.parametrize("query", ["positions", "open_orders"])
@pytest.mark.parametrize("markets", [None, {BTC}])
def test_a_failed_query_is_not_a_flat_account(exchange, query, markets):
    exchange.failing = {query}
    with pytest.raises(VenueError, match=f"{query}: no answer"):
        take_snapshot(exchange, exchange.clock, markets)


def test_a_position_that_is_no_number_is_no_answer(exchange):
    exchange.held[ETH] = Decimal("NaN")
    with pytest.raises(VenueError, match="ETH/USDT:USDT: the exchange reports a position of NaN"):
        take_snapshot(exchange, exchange.clock)


def test_an_order_is_found_by_market_and_id(exchange):
    seen = take_snapshot(exchange, exchange.clock)
    assert seen.order("1002", ETH) is not None
    assert seen.order("1002", BTC) is None  # ids are unique within a market only
