"""Whose the orders of single markets are, and what they say.

Bugs planted by hand, each caught by the test named:

1. a part of a position is an exit -> test_a_part_is_trimmed
2. a person's entry has an old tag -> test_an_entry_of_a_person_has_no_tag
3. a working order is at rest -> test_at_rest_is_no_order_on_its_way_and_every_stop_placed
4. a position without its stop is at rest -> the same
5. a leg of a spread has to have a stop -> test_a_leg_is_none_of_its_positions
"""

from decimal import Decimal

import pytest
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.adapters._order_words import OrderWords
from freqtrade_ext.adapters._position_orders import PositionOrders
from freqtrade_ext.execution import IntentPurpose, OrderKind, OrderSide

from .doubles import BTC, ETH, add_order
from .regime_doubles import position


@pytest.fixture
def words():
    return OrderWords()


@pytest.fixture
def owner(words, database):
    return PositionOrders(words, lambda: frozenset({ETH, BTC}), places_stops=True)


def asked(quantity="1", *, reduce_only=True):
    side = OrderSide.SELL if reduce_only else OrderSide.BUY
    return AskedOrder(ETH, side, OrderKind.MARKET, Decimal(quantity), None, reduce_only)


def test_nothing_leaves_with_another_order(owner):
    assert owner.claim(asked()) == ()
    assert owner.react(()) == ()
    assert owner.markets() == {ETH, BTC}


def test_an_entry_says_its_tag(owner, words):
    words.entry_tags[ETH] = "long 74"
    assert owner.purpose_of(asked(reduce_only=False)) is IntentPurpose.ENTRY
    assert owner.said_of(ETH, reduce_only=False) == "long 74"


def test_an_entry_of_a_person_has_no_tag(owner):
    assert owner.purpose_of(asked(reduce_only=False)) is IntentPurpose.FORCED
    assert owner.said_of(ETH, reduce_only=False) == ""


def test_the_whole_is_an_exit(owner, words):
    position(Trade)
    words.closes[ETH] = "SL"
    assert owner.purpose_of(asked()) is IntentPurpose.EXIT
    assert owner.said_of(ETH, reduce_only=True) == "SL"


def test_a_part_is_trimmed(owner, words):
    position(Trade)
    words.closes[ETH] = "KILL_SWITCH_PARTIAL"
    assert owner.purpose_of(asked("0.5")) is IntentPurpose.TRIM


def test_an_exit_that_nobody_decided_is_a_persons(owner):
    position(Trade)
    assert owner.purpose_of(asked()) is IntentPurpose.FORCED
    assert owner.said_of(ETH, reduce_only=True) == "MANUAL"


def test_the_books_are_freqtrades(owner):
    trade = position(Trade, is_short=True)
    assert owner.held(ETH) == Decimal("-1.0")
    assert owner.trade_of(ETH) == trade.id
    assert (owner.held(BTC), owner.trade_of(BTC)) == (0, None)


def test_at_rest_is_no_order_on_its_way_and_every_stop_placed(owner, words):
    assert owner.is_at_rest()
    trade = position(Trade)
    assert not owner.is_at_rest()  # without a stop nothing guards it while the bot is stopped
    assert PositionOrders(words, frozenset, places_stops=False).is_at_rest()
    add_order(trade, "stoploss", 1.0, 97.0, filled=0.0, is_open=True)
    Trade.commit()
    assert owner.is_at_rest()
    add_order(trade, trade.exit_side, 1.0, 97.0, filled=0.0, is_open=True)
    Trade.commit()
    assert not owner.is_at_rest()


def test_a_leg_is_none_of_its_positions(owner):
    """Whether a spread is whole its own desk says."""
    position(Trade, enter_tag="ETH-BTC long A")
    assert owner.is_at_rest()
