"""One owner of orders for spreads and single markets: each order is judged by its market's owner.

Bugs planted by hand, each caught by the test named:

1. an order in a leg's market says what a position there said -> test_a_leg_is_judged_by_its_spread
2. an order of a single market is taken for a person's -> test_a_position_is_judged_by_its_desk
3. at rest is what one of the two is -> test_at_rest_are_both
4. the partner of a leg does not leave with it -> test_a_leg_is_judged_by_its_spread
"""

from decimal import Decimal

import pytest

from freqtrade_ext.adapters._combined_orders import CombinedOrders
from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.execution import OrderKind, OrderSide

from .doubles import BTC, ETH


class Owner:
    """Answers with its own name, and with what it was asked."""

    def __init__(self, name, *, rests=True):
        self.name, self.rests = name, rests

    def is_at_rest(self):
        return self.rests

    def markets(self):
        return frozenset({self.name})

    def __getattr__(self, question):
        return lambda *given, **named: (self.name, question, given, named)


def owner_of(**rest):
    spreads = Owner("spreads", rests=rest.get("spreads", True))
    positions = Owner("positions", rests=rest.get("positions", True))
    return CombinedOrders(spreads, positions, lambda market: market == ETH)


def questions(owner, market):
    asked = AskedOrder(market, OrderSide.BUY, OrderKind.MARKET, Decimal(1), None, reduce_only=False)
    return {
        "claim": (owner.claim(asked), (asked,), {}),
        "purpose_of": (owner.purpose_of(asked), (asked,), {}),
        "held": (owner.held(market), (market,), {}),
        "counted": (owner.counted(market), (market,), {}),
        "trade_of": (owner.trade_of(market), (market,), {}),
        "said_of": (
            owner.said_of(market, reduce_only=True), (market,), {"reduce_only": True},
        ),
    }  # fmt: skip


def test_a_leg_is_judged_by_its_spread():
    for question, (answer, given, named) in questions(owner_of(), ETH).items():
        assert answer == ("spreads", question, given, named)


def test_a_position_is_judged_by_its_desk():
    for question, (answer, given, named) in questions(owner_of(), BTC).items():
        assert answer == ("positions", question, given, named)


def test_what_follows_an_order_is_the_spreads_to_say():
    """Positions of single markets let nothing follow."""
    assert owner_of().react(["outcome"]) == ("spreads", "react", (["outcome"],), {})


@pytest.mark.parametrize("spreads", [True, False])
@pytest.mark.parametrize("positions", [True, False])
def test_at_rest_are_both(spreads, positions):
    owner = owner_of(spreads=spreads, positions=positions)
    assert owner.is_at_rest() is (spreads and positions)


def test_the_markets_are_those_of_both():
    assert owner_of().markets() == {"spreads", "positions"}
