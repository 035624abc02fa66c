"""Walking a book: what is taken, at which prices, and where it stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.engine import Side
from freqtrade_ext.sandbox.engine._filters import decimals
from freqtrade_ext.sandbox.engine._matching import (
    Execution,
    cap,
    fraction_on_step,
    total_notional,
    total_quantity,
    walk,
)
from freqtrade_ext.sandbox.market import Depth

from .doubles import D

BOOK = Depth(
    bids=((D(99), D(1)), (D(98), D(2)), (D(97), D(3))),
    asks=((D(101), D(1)), (D(102), D(2)), (D(103), D(3))),
)


def taken(side: Side, quantity: object, **more: object) -> list[tuple[int, int]]:
    return [(int(e.price), int(e.quantity)) for e in walk(BOOK, side, D(str(quantity)), **more)]


class TestWalk:
    @pytest.mark.parametrize(
        ("side", "quantity", "expected"),
        [
            (Side.BUY, 1, [(101, 1)]),
            (Side.BUY, 2, [(101, 1), (102, 1)]),
            (Side.BUY, 6, [(101, 1), (102, 2), (103, 3)]),
            (Side.BUY, 7, [(101, 1), (102, 2), (103, 3)]),
            (Side.SELL, 1, [(99, 1)]),
            (Side.SELL, 4, [(99, 1), (98, 2), (97, 1)]),
            (Side.SELL, 0, []),
        ],
    )
    def test_takes_the_best_prices_first(self, side, quantity, expected):
        assert taken(side, quantity) == expected

    @pytest.mark.parametrize(
        ("side", "limit", "expected"),
        [
            (Side.BUY, 102, [(101, 1), (102, 2)]),
            (Side.BUY, 101, [(101, 1)]),
            (Side.BUY, 100, []),
            (Side.SELL, 98, [(99, 1), (98, 2)]),
            (Side.SELL, 100, []),
        ],
    )
    def test_stops_at_the_limit(self, side, limit, expected):
        assert taken(side, 6, limit=D(limit)) == expected

    def test_can_meet_a_book_that_stood_elsewhere(self):
        assert taken(Side.SELL, 3, shift=D(-10)) == [(89, 1), (88, 2)]
        assert taken(Side.SELL, 3, limit=D(89), shift=D(-10)) == [(89, 1)]

    def test_never_sells_for_nothing(self):
        assert taken(Side.SELL, 6, shift=D(-98)) == [(1, 1)]

    def test_of_an_empty_book_is_nothing(self):
        assert walk(Depth((), ()), Side.BUY, D(1)) == []

    @given(
        st.sampled_from(Side),
        st.integers(0, 10_000).map(lambda n: D(n) / 1_000),
        st.integers(90, 110).map(D),
    )
    def test_keeps_its_promises(self, side, quantity, limit):
        executions = walk(BOOK, side, quantity, limit)
        assert total_quantity(executions) <= quantity
        assert all((e.price - limit) * side.sign <= 0 for e in executions)
        prices = [e.price * side.sign for e in executions]
        assert prices == sorted(prices)
        assert total_notional(executions) == sum(e.price * e.quantity for e in executions)


class TestCap:
    EXECUTIONS = (Execution(D(101), D(1)), Execution(D(102), D(2)))

    @pytest.mark.parametrize(
        ("quantity", "expected"),
        [(0, []), (1, [1]), ("1.5", [1, D("0.5")]), (3, [1, 2]), (9, [1, 2])],
    )
    def test_keeps_the_first_part(self, quantity, expected):
        kept = cap(list(self.EXECUTIONS), D(str(quantity)))
        assert [e.quantity for e in kept] == expected

    def test_of_nothing_is_nothing(self):
        assert cap([], D(1)) == []


@pytest.mark.parametrize(
    ("quantity", "fraction", "step", "expected"),
    [
        ("1", "0.5", "0.001", "0.5"),
        ("1", "0.3333", "0.01", "0.33"),
        ("7", "0.5", "1", "3"),
        ("0.001", "0.9", "0.001", "0"),
        ("5", "0", "0.1", "0"),
    ],
)
def test_a_share_lies_on_the_lot_grid(quantity, fraction, step, expected):
    assert fraction_on_step(D(quantity), D(fraction), D(step)) == D(expected)


@pytest.mark.parametrize(
    ("step", "digits"),
    [("0.001", 3), ("0.10", 1), ("1", 0), ("10", 0), ("1E+2", 0), ("0.00001000", 5)],
)
def test_digits_of_a_grid(step, digits):
    assert decimals(D(step)) == digits
