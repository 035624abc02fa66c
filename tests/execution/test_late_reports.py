"""
Rules that the simulation asked for; the seeds are in rehearsals/simulation/regressions.

Each was first found as an episode that did not come to rest, or that flattened a leg of ours.
"""

from dataclasses import replace

import pytest

from freqtrade_ext.execution import (
    BookedOrderRef,
    DifferenceKind,
    IntentPurpose,
    OrderKind,
    OrderOrigin,
    OrderStatus,
    compare,
)
from freqtrade_ext.execution._in_flight import REPORT_GRACE_MS
from freqtrade_ext.execution._resolution import Absent, Denials, Evidence, StillUnknown, judge
from tests.execution.doubles import fill
from tests.execution.doubles import intent as order_intent
from tests.execution.reconcile_doubles import (
    BTC,
    START_MS,
    D,
    books,
    intent,
    open_order,
    order,
    position,
    snapshot,
    trade,
)

SETTLING_MS = 30_000
LONG_MS = 10 * SETTLING_MS


def with_order(given, *, is_stop=False):
    return replace(given, orders=(BookedOrderRef("55", BTC, is_open=True, is_stop=is_stop),))


def differences(given_books, seen, *, intents=(), recent=()):
    return compare(given_books, seen, intents, dict(recent), {BTC: D("0.001")}, START_MS)


def test_a_young_order_without_fills_in_its_report_explains_a_position():
    given_books = books(with_order(trade(BTC, "0")))
    young = open_order(BTC, "1", venue_order_id="55", time_ms=START_MS - REPORT_GRACE_MS + 1)
    seen = snapshot(position(BTC, "1"), orders=[young])
    assert differences(given_books, seen, recent={BTC: []}) == ()


def test_an_old_order_without_fills_explains_nothing():
    given_books = books(with_order(trade(BTC, "0")))
    old = open_order(BTC, "1", venue_order_id="55", time_ms=START_MS - REPORT_GRACE_MS)
    seen = snapshot(position(BTC, "1"), orders=[old])
    (found,) = differences(given_books, seen, recent={BTC: []})
    assert found.kind is DifferenceKind.MANUAL_ADD


def test_a_stop_that_is_still_filling_is_left_to_the_bot_however_long_it_takes():
    given_books = books(with_order(trade(BTC, "1"), is_stop=True))
    stop = intent(BTC, "-1", purpose=IntentPurpose.STOP, venue_order_id="55")
    filling = order(BTC, "-1", client_order_id=stop.client_order_id, time_ms=START_MS - 600_000)
    filling = replace(filling, filled_quantity=D("0.3"), status=OrderStatus.OPEN)
    seen = snapshot(position(BTC, "0.7"))
    assert differences(given_books, seen, intents=[stop], recent={BTC: [filling]}) == ()


def test_the_order_of_an_earlier_stop_is_not_that_of_the_waiting_one():
    given_books = books(with_order(trade(BTC, "1"), is_stop=True))
    ended = intent(BTC, "-1", purpose=IntentPurpose.STOP, venue_order_id="44")
    fills = order(BTC, "-1", client_order_id=ended.client_order_id, time_ms=START_MS - 1_000)
    found = differences(given_books, snapshot(), intents=[ended], recent={BTC: [fills]})
    assert [each.kind for each in found] == [DifferenceKind.EXTERNAL_CLOSE]


def verdict(meant, evidence, denied_ms):
    denials = Denials(count=100, first_ms=START_MS - denied_ms)
    return judge(
        meant,
        evidence,
        denials,
        START_MS,
        settling_ms=SETTLING_MS,
        long_ms=10 * SETTLING_MS,
        min_denials=4,
        found_ms={},
    )


@pytest.mark.parametrize(
    ("denied_ms", "expected"), [(LONG_MS - 1, StillUnknown), (LONG_MS, Absent)]
)
def test_a_position_that_the_books_had_wrong_hints_at_an_order_only_for_a_while(
    denied_ms, expected
):
    meant = replace(order_intent(), held_before=-D(5))  # the books were wrong: it was flat
    evidence = Evidence(is_denied=True, fills=(), position=D(0))
    assert isinstance(verdict(meant, evidence, denied_ms), expected)


@pytest.mark.parametrize(
    ("denied_ms", "expected"), [(LONG_MS - 1, StillUnknown), (LONG_MS, Absent)]
)
def test_the_fill_of_a_named_order_hints_at_a_stop_only_for_a_while(denied_ms, expected):
    meant = replace(order_intent(), kind=OrderKind.STOP, price=D(90), created_ms=START_MS - LONG_MS)
    theirs = order(meant.market, "1", venue_order_id="77", origin=OrderOrigin.ACCOUNT)
    done = fill(
        "77",
        market=meant.market,
        side=meant.side,
        quantity=meant.quantity,
        time_ms=START_MS - LONG_MS + 5_000,
    )
    held = meant.held_before + meant.signed_quantity
    evidence = Evidence(is_denied=True, orders=(theirs,), fills=(done,), position=held)
    assert isinstance(verdict(meant, evidence, denied_ms), expected)
