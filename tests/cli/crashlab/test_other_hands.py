"""
A person's own position is no orphan: only what was there before, is seen, and is in no trade.

Bugs planted by hand in ``_other_hands.py``, each killed by the test named:

- what is added later counts too: ``test_what_is_added_to_a_position_of_ours_is_no_earlier_one``
- fills of an earlier run count: ``test_only_this_run_counts``
- sells are added: ``test_what_others_bought_and_sold_before_us_is_added_up``
- ours may be left, or a repair is ours: ``test_where_ours_may_be_left_nothing_is_a_persons``
- fills of others are ours, or those of an earlier run:
  ``test_where_ours_is_closed_the_rest_is_a_persons``
- a larger or an opposite position is a person's: ``test_what_is_more_or_other_is_an_orphan``
- a position that nobody reported is left alone: ``test_what_the_bot_has_not_seen_is_missed``
- a position with a trade is left alone: ``test_with_a_trade_the_bot_answers_for_all_of_it``
- the stage counts as clean: ``test_a_person_s_own_position_is_left_out_and_the_stage_not_clean``
- the journal is read at every look: ``test_the_journal_is_read_only_where_it_matters``
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from freqtrade_ext.cli.crashlab._judge import ExchangeView, differences
from freqtrade_ext.cli.crashlab._other_hands import (
    held_before_us,
    left_to_others,
    without_others,
)
from freqtrade_ext.cli.crashlab._session import Sample
from freqtrade_ext.sandbox.journal import OrderAccepted, OrderFilled

ETH, BTC = "ETHUSDT", "BTCUSDT"


def fill(time_ms, symbol, quantity, origin="external"):
    return OrderFilled(
        time_ms=time_ms,
        symbol=symbol,
        side="buy" if quantity > 0 else "sell",
        price=Decimal(1),
        quantity=abs(Decimal(str(quantity))),
        fee=Decimal(0),
        realized_pnl=Decimal(0),
        position=Decimal(0),
        reduce_only=False,
        is_maker=False,
        fill_id=time_ms,
        venue_order_id=time_ms,
        client_order_id="",
        origin=origin,
    )


def accepted(time_ms, symbol, origin="client"):
    return OrderAccepted(
        time_ms=time_ms,
        symbol=symbol,
        side="buy",
        order_type="market",
        quantity=Decimal(1),
        price=None,
        reduce_only=False,
        venue_order_id=time_ms,
        client_order_id="",
        origin=origin,
    )


def test_what_others_bought_and_sold_before_us_is_added_up():
    events = [
        accepted(1, ETH, "external"),
        fill(2, ETH, 3),
        fill(3, ETH, -0.5),
        fill(4, BTC, -1),
    ]
    assert held_before_us(events, 0) == {ETH: 2.5, BTC: -1.0}


def test_what_is_added_to_a_position_of_ours_is_no_earlier_one():
    events = [fill(1, ETH, 2), accepted(2, ETH), fill(2, ETH, 5, "client"), fill(3, ETH, 4)]
    assert held_before_us(events, 0) == {ETH: 2.0}


def test_only_this_run_counts():
    events = [accepted(1, ETH), fill(2, ETH, 7), fill(10, ETH, 2)]
    assert held_before_us(events, 10) == {ETH: 2.0}


def test_where_ours_may_be_left_nothing_is_a_persons():
    """A person holds 2.5, we buy 2, the repair sells 2.5: the 2 that are left are ours."""
    before = [fill(1, ETH, 2.5), accepted(2, ETH), fill(3, ETH, 2, "client")]
    assert left_to_others(before, 0) == {}
    repair = replace(fill(4, ETH, -2.5, "client"), client_order_id="repair-5cc97146-1-1")
    assert left_to_others([*before, repair], 0) == {}
    as_if_ours = replace(repair, quantity=Decimal(2))
    assert left_to_others([*before, as_if_ours], 0) == {}


def test_where_ours_is_closed_the_rest_is_a_persons():
    events = [fill(1, ETH, 2.5), accepted(2, ETH), fill(3, ETH, 2, "client"), fill(3, BTC, 1)]
    events += [fill(4, ETH, -0.3, "client"), fill(5, ETH, -1.7, "client")]
    repair = replace(fill(6, ETH, -1, "client"), client_order_id="repair-5cc97146-1-1")
    assert left_to_others([*events, repair], 0) == {ETH: 2.5, BTC: 1.0}
    assert left_to_others([fill(-1, ETH, 9, "client"), *events], 0) == {ETH: 2.5, BTC: 1.0}
    closed_by_others = [*events[:-1], fill(7, ETH, -1.7)]
    assert left_to_others(closed_by_others, 0) == {BTC: 1.0}


def seen(quantity, *, earlier=2.5, booked=(), reported=(ETH,), foreign=1):
    view = ExchangeView(held={ETH: quantity, BTC: 1.0}, foreign=foreign)
    return without_others(view, lambda: {ETH: earlier}, booked, reported)


@pytest.mark.parametrize(("quantity", "earlier"), [(2.5, 2.5), (1.0, 2.5), (-2.5, -2.5)])
def test_a_person_s_own_position_is_left_out_and_the_stage_not_clean(quantity, earlier):
    view = seen(quantity, earlier=earlier)
    assert view.held == {BTC: 1.0}
    assert view.foreign == 2
    assert [one.symbol for one in differences(view, {}, ())] == [BTC]
    assert not Sample(0, ExchangeView(foreign=view.foreign), (), 0, naked=False).is_pristine


@pytest.mark.parametrize(
    ("quantity", "earlier"), [(2.6, 2.5), (-2.5, 2.5), (2.5, 0.0), (2.5, -2.5), (-0.1, 2.5)]
)
def test_what_is_more_or_other_is_an_orphan(quantity, earlier):
    view = seen(quantity, earlier=earlier)
    assert view.held == {ETH: quantity, BTC: 1.0}
    assert view.foreign == 1


def test_what_the_bot_has_not_seen_is_missed():
    assert ETH in seen(2.5, reported=()).held
    assert ETH in seen(2.5, reported=(BTC,)).held


def test_with_a_trade_the_bot_answers_for_all_of_it():
    assert ETH in seen(2.5, booked=(ETH,)).held


def test_the_journal_is_read_only_where_it_matters():
    def earlier():
        raise AssertionError("read")

    view = ExchangeView(held={ETH: 1.0})
    assert without_others(view, earlier, {ETH: 1.0}, (ETH,)) == view
    assert without_others(view, earlier, (), ()) == view
