"""Freqtrade's trades as books of legs."""

from decimal import Decimal

import pytest
from freqtrade.persistence import LocalTrade, Trade

from freqtrade_ext.adapters._books import counted_orders, leg_book
from freqtrade_ext.spreads import BookedOrder

from .doubles import add_order, entered, left, trade_of

pytestmark = pytest.mark.parametrize("kind", [LocalTrade, Trade], ids=["backtest", "live"])


@pytest.fixture(autouse=True)
def _database(database):
    """A live trade computes its profit through the session."""


def test_a_long_leg_holds_what_was_bought(kind):
    book = leg_book(entered(trade_of(kind), 1.5, 100.0))
    assert book.orders == (
        BookedOrder(book.orders[0].order_id, Decimal("1.5"), Decimal("1.5"), is_open=False),
    )
    assert book.held == Decimal("1.5")


def test_a_short_leg_counts_negative(kind):
    book = leg_book(entered(trade_of(kind, is_short=True), 1.5, 100.0))
    assert book.orders[0].quantity == book.orders[0].filled == Decimal("-1.5")
    assert book.held == Decimal("-1.5")


def test_quantities_are_the_decimals_that_a_person_reads(kind):
    book = leg_book(entered(trade_of(kind), 0.1 + 0.2, 100.0))
    assert str(book.orders[0].quantity) == "0.30000000000000004"
    book = leg_book(entered(trade_of(kind), 0.3, 100.0))
    assert str(book.orders[0].quantity) == "0.3"


def test_a_partly_filled_entry_that_still_works(kind):
    trade = trade_of(kind)
    add_order(trade, "buy", 2.0, 100.0, filled=0.5, is_open=True)
    (order,) = leg_book(trade).orders
    assert (order.quantity, order.filled, order.is_open) == (Decimal("2.0"), Decimal("0.5"), True)


def test_an_entry_without_an_answer_yet_is_not_filled(kind):
    trade = trade_of(kind)
    order = add_order(trade, "buy", 2.0, 100.0, filled=0.0, is_open=True)
    order.filled = None
    order.amount = None  # the exchange has not said how much; Freqtrade knows what it asked for
    (booked,) = leg_book(trade).orders
    assert (booked.quantity, booked.filled, booked.is_open) == (Decimal("2.0"), Decimal(0), True)


@pytest.mark.parametrize("is_short", [False, True])
def test_a_partial_exit_counts_against_the_entry(kind, is_short):
    trade = left(entered(trade_of(kind, is_short=is_short), 2.0, 100.0), 0.5, 101.0)
    sign = -1 if is_short else 1
    book = leg_book(trade)
    assert [order.filled * sign for order in book.orders] == [Decimal("2.0"), Decimal("-0.5")]
    assert book.held == Decimal("1.5") * sign


def test_a_closed_trade_holds_nothing(kind):
    trade = left(entered(trade_of(kind), 2.0, 100.0), 2.0, 101.0)
    assert trade.amount == 2.0  # Freqtrade leaves the amount in place
    assert leg_book(trade).held == 0


def test_a_canceled_order_keeps_what_was_filled(kind):
    trade = trade_of(kind)
    add_order(trade, "buy", 2.0, 100.0, filled=0.5)
    (order,) = leg_book(trade).orders
    assert (order.filled, order.is_open) == (Decimal("0.5"), False)


@pytest.mark.parametrize("is_open", [True, False], ids=["waiting", "canceled"])
def test_a_stop_without_fills_is_left_out(kind, is_open):
    trade = entered(trade_of(kind), 2.0, 100.0)
    add_order(trade, "stoploss", 2.0, 60.0, filled=0.0, is_open=is_open)
    assert len(leg_book(trade).orders) == 1


@pytest.mark.parametrize("is_short", [False, True])
def test_a_stop_that_was_filled_counts_as_an_exit(kind, is_short):
    trade = entered(trade_of(kind, is_short=is_short), 2.0, 100.0)
    add_order(trade, "stoploss", 2.0, 60.0)
    book = leg_book(trade)
    sign = -1 if is_short else 1
    assert book.orders[1].filled == Decimal("-2.0") * sign
    assert sum(order.filled for order in book.orders) == 0


def test_inside_the_callback_of_a_fill_only_orders_count(kind):
    """The trade's amount is not booked yet when Freqtrade reports the fill."""
    trade = trade_of(kind)
    add_order(trade, "buy", 2.0, 100.0)
    assert trade.amount == 0.0
    book = leg_book(trade, in_callback=True)
    assert book.held is None
    assert book.orders[0].filled == Decimal("2.0")


def test_a_trade_without_orders_holds_nothing(kind):
    book = leg_book(trade_of(kind))
    assert book.orders == ()
    assert book.held == 0


# Which orders are in the amount for certain.


@pytest.mark.parametrize("is_short", [False, True])
def test_ended_orders_that_make_up_the_amount_are_counted(kind, is_short):
    trade = left(entered(trade_of(kind, is_short=is_short), 0.3, 100.0), 0.1, 101.0)
    entry, exit_ = trade.orders
    assert counted_orders(trade) == {
        entry.order_id: Decimal("0.3"),
        exit_.order_id: Decimal("0.1"),
    }


def test_an_order_that_still_works_is_not_counted(kind):
    trade = entered(trade_of(kind), 2.0, 100.0)
    add_order(trade, "sell", 1.0, 101.0, filled=0.5, is_open=True)
    assert list(counted_orders(trade).values()) == [Decimal("2.0")]


def test_an_order_that_ended_without_a_fill_is_not_counted(kind):
    trade = entered(trade_of(kind), 2.0, 100.0)
    add_order(trade, "stoploss", 2.0, 90.0, filled=0.0)
    assert list(counted_orders(trade).values()) == [Decimal("2.0")]


def test_nothing_is_certain_while_a_fill_is_committed_and_not_booked(kind):
    """Killed between the two: the row has its fill, and the amount is the old one."""
    trade = entered(trade_of(kind), 2.0, 100.0)
    add_order(trade, "sell", 0.5, 101.0, filled=0.5)
    assert trade.amount == 2.0
    assert counted_orders(trade) == {}


def test_a_trade_without_fills_has_counted_nothing(kind):
    assert counted_orders(trade_of(kind)) == {}
