"""Log lines of reconciliation: each difference once, and that it has settled.

Planted bugs, each red here: told at the first look, told at each look, never told as settled, told
as settled while its market is hidden, an order told as settled by a look that did not ask for it.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from freqtrade_ext.adapters._pass_diary import PassDiary
from freqtrade_ext.execution import Difference, DifferenceKind, InFlight, PassReport

KEY = "manual_add:ETH/USDT:USDT:0.5"
ADDED = Difference(
    kind=DifferenceKind.MANUAL_ADD,
    market="ETH/USDT:USDT",
    booked=Decimal(1),
    actual=Decimal("1.5"),
    trade_id=7,
    text="ETH/USDT:USDT: the exchange holds 1.5, the books 1",
    key=KEY,
)


@pytest.fixture
def lines(caplog):
    caplog.set_level("INFO")
    return lambda: [record.message for record in caplog.records]


def look(*differences, deferred=()):
    return PassReport(0, differences=differences, deferred=deferred)


def test_a_difference_is_told_once_after_two_looks(lines):
    diary = PassDiary()
    diary.write_look(look(ADDED))
    assert lines() == []
    diary.write_look(look(ADDED))
    diary.write_look(look(ADDED))
    assert lines() == [f"[SAFETY] manual_add: {ADDED.text}"]


def test_a_difference_that_is_gone_is_told_as_settled(lines):
    diary = PassDiary()
    for report in (look(ADDED), look(ADDED), look(), look()):
        diary.write_look(report)
    assert lines()[1:] == ["[SAFETY] settled: manual_add of ETH/USDT:USDT (none is open)"]


def test_a_difference_that_is_hidden_for_now_has_not_settled(lines):
    hidden = InFlight(ADDED.market, "an order may be filling", 1)
    diary = PassDiary()
    for report in (look(ADDED), look(ADDED), look(deferred=(hidden,))):
        diary.write_look(report)
    assert len(lines()) == 1


def test_a_difference_that_nobody_was_told_of_settles_silently(lines):
    diary = PassDiary()
    for report in (look(ADDED), look()):
        diary.write_look(report)
    assert lines() == []


def test_an_order_that_a_look_did_not_ask_for_is_not_told_as_settled(lines):
    order = replace(ADDED, kind=DifferenceKind.FOREIGN_ORDER, key="foreign_order:ETH:1")
    diary = PassDiary()
    for report in (look(order), look(order), look()):
        diary.write_look(report)
    assert len(lines()) == 1
