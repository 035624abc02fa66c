"""What the crash lab's judge makes of a journal and of a bot's books.

Bugs planted by hand in ``_judge.py``, each killed by the test named:

- share of the net compared with 25 % instead of 5 %:
  ``test_six_percent_without_hedge_are_naked_and_four_are_not``
- hedge ratio applied to leg B: ``test_the_hedge_ratio_weighs_leg_a``
- exposure integrated past the end of the run: ``test_only_the_time_of_the_run_counts``
- longest time summed over separate spells: ``test_the_longest_time_is_of_one_spell``
- notional taken from the net: ``test_notional_is_twice_the_larger_side``
- a position of the other sign taken for a phantom:
  ``test_a_position_on_the_other_side_is_an_orphan``
- a position that only the books hold taken for an orphan:
  ``test_a_trade_that_the_exchange_does_not_hold_is_in_the_books_only``
- the tolerance of one lot doubled: ``test_a_lot_of_difference_is_rounding_and_two_are_not``
- orders of other hands counted as lost: ``test_orders_of_other_hands_are_not_lost``
- a stop known by the order it became counted as lost:
  ``test_a_stop_is_known_by_the_order_that_it_became``
- orders before the run counted: ``test_orders_before_the_run_are_not_counted``
- an entry repeated minutes later missed: ``test_the_same_entry_filled_much_later_is_a_duplicate``
- recovery taken from the first good sample: ``test_recovery_begins_when_all_stays_well``
- a lone leg that the books know not counted: ``test_a_lone_leg_is_an_orphan_even_if_booked``
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.cli.crashlab._judge import (
    Difference,
    ExchangeView,
    differences,
    duplicates,
    is_naked,
    judge,
    longest_span,
    lost_orders,
    naked_time,
    recovered_at,
)
from freqtrade_ext.sandbox import Event, SpreadLegs
from freqtrade_ext.sandbox.journal import (
    OrderAccepted,
    OrderFilled,
    PriceSeen,
    TriggerAccepted,
    TriggerFired,
)

SPREAD = SpreadLegs("ETHUSDT", "BTCUSDT", 2.0)  # 100 USDT of ETH are hedged by 200 of BTC
LOTS = {"ETHUSDT": 0.1, "BTCUSDT": 0.001}


def fill(
    time_ms: int,
    symbol: str,
    position: float,
    *,
    price: float = 1,
    side: str = "buy",
    quantity: float = 1,
    order: int = 1,
    origin: str = "client",
) -> OrderFilled:
    return OrderFilled(
        time_ms=time_ms,
        symbol=symbol,
        side=side,
        price=Decimal(str(price)),
        quantity=Decimal(str(quantity)),
        fee=Decimal(0),
        realized_pnl=Decimal(0),
        position=Decimal(str(position)),
        reduce_only=False,
        is_maker=False,
        fill_id=order,
        venue_order_id=order,
        client_order_id=f"x{order}",
        origin=origin,
    )


def accepted(time_ms: int, order: int, *, origin: str = "client") -> OrderAccepted:
    return OrderAccepted(
        time_ms=time_ms,
        symbol="ETHUSDT",
        side="buy",
        order_type="market",
        quantity=Decimal("1.50"),
        price=None,
        reduce_only=False,
        venue_order_id=order,
        client_order_id=f"x{order}",
        origin=origin,
    )


def stop(time_ms: int, number: int) -> TriggerAccepted:
    return TriggerAccepted(
        time_ms=time_ms,
        symbol="ETHUSDT",
        side="sell",
        trigger_type="stop_market",
        trigger_price=Decimal(1),
        quantity=Decimal(1),
        trigger_id=number,
        client_order_id=f"s{number}",
    )


WHOLE: list[Event] = [
    accepted(500, 1),
    fill(1_000, "ETHUSDT", 100),
    fill(1_400, "BTCUSDT", -200),
    PriceSeen(time_ms=5_000, symbol="ETHUSDT", price=Decimal(1)),
    fill(6_000, "BTCUSDT", 0),
    fill(6_700, "ETHUSDT", 0),
]


ORDERS = [accepted(0, 1), accepted(0, 2), accepted(0, 3)]

# Naked time


def test_a_leg_without_its_partner_is_naked_by_its_whole_notional() -> None:
    found = naked_time(WHOLE, SPREAD, 0, 9_000)
    assert found.exposure == pytest.approx(200 * 0.4 + 200 * 0.7)


def test_the_longest_time_is_of_one_spell() -> None:
    found = naked_time(WHOLE, SPREAD, 0, 9_000)
    assert (found.longest_ms, found.longest_alone_ms) == (700, 700)


def test_notional_is_twice_the_larger_side() -> None:
    assert naked_time(WHOLE, SPREAD, 0, 9_000).notional == 400


def test_only_the_time_of_the_run_counts() -> None:
    assert naked_time(WHOLE, SPREAD, 1_300, 6_200).exposure == pytest.approx(200 * (0.1 + 0.2))
    assert naked_time(WHOLE[:2], SPREAD, 0, 2_000).exposure == pytest.approx(200)


def test_the_hedge_ratio_weighs_leg_a() -> None:
    hedged = [fill(1_000, "ETHUSDT", 100), fill(1_000, "BTCUSDT", -200)]
    wrong = [fill(1_000, "ETHUSDT", 200), fill(1_000, "BTCUSDT", -100)]
    assert naked_time(hedged, SPREAD, 0, 2_000).exposure == 0
    assert naked_time(wrong, SPREAD, 0, 2_000).exposure == pytest.approx(300)


@pytest.mark.parametrize(("quantity", "naked"), [(-185, False), (-177, True)])
def test_six_percent_without_hedge_are_naked_and_four_are_not(quantity: int, naked: bool) -> None:
    events = [fill(1_000, "ETHUSDT", 100), fill(1_000, "BTCUSDT", quantity)]
    assert bool(naked_time(events, SPREAD, 0, 2_000).longest_ms) is naked
    view = ExchangeView(
        held={"ETHUSDT": 100, "BTCUSDT": quantity}, prices={"ETHUSDT": 1, "BTCUSDT": 1}
    )
    assert is_naked(view, [SPREAD]) is naked


def test_a_partner_that_is_too_small_is_naked_but_not_alone() -> None:
    events = [fill(1_000, "ETHUSDT", 100), fill(1_000, "BTCUSDT", -80)]
    found = naked_time(events, SPREAD, 0, 3_000)
    assert (found.longest_ms, found.longest_alone_ms) == (2_000, 0)
    assert found.exposure == pytest.approx(120 * 2)


def test_a_price_that_moves_moves_the_exposure() -> None:
    events = [
        fill(1_000, "BTCUSDT", -100),
        PriceSeen(time_ms=2_000, symbol="BTCUSDT", price=Decimal(2)),
    ]
    assert naked_time(events, SPREAD, 0, 3_000).exposure == pytest.approx(100 + 200)


def test_nothing_held_is_not_naked() -> None:
    assert not is_naked(ExchangeView(), [SPREAD])
    found = naked_time([fill(1_000, "SOLUSDT", 100)], SPREAD, 0, 3_000)
    assert (found.exposure, found.notional) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(-3, 3)), max_size=12),
    st.integers(0, 5_000),
)
def test_naked_time_of_a_run_is_that_of_its_parts(
    moves: list[tuple[int, int]], cut_ms: int
) -> None:
    events: list[Event] = [fill(time_ms, "BTCUSDT", held) for time_ms, held in sorted(moves)]
    whole = naked_time(events, SPREAD, 0, 5_000).exposure
    parts = [naked_time(events, SPREAD, *span).exposure for span in ((0, cut_ms), (cut_ms, 5_000))]
    assert sum(parts) == pytest.approx(whole)


# Exchange against books


def test_equal_books_are_no_difference() -> None:
    view = ExchangeView(held={"ETHUSDT": 1.0}, lots=LOTS, orders={"7": "ETHUSDT"})
    assert differences(view, {"ETHUSDT": 1.0}, {"7"}) == []


def test_a_position_that_the_books_do_not_know_is_an_orphan() -> None:
    (found,) = differences(ExchangeView(held={"ETHUSDT": -1.0}, lots=LOTS), {}, ())
    assert found.is_orphan
    assert found.text == "ETHUSDT: exchange holds -1, books 0"


def test_a_trade_that_the_exchange_does_not_hold_is_in_the_books_only() -> None:
    (found,) = differences(ExchangeView(lots=LOTS), {"ETHUSDT": 1.0}, ())
    assert not found.is_orphan


def test_a_position_on_the_other_side_is_an_orphan() -> None:
    (found,) = differences(ExchangeView(held={"ETHUSDT": -1.0}, lots=LOTS), {"ETHUSDT": 2.0}, ())
    assert found.is_orphan


@pytest.mark.parametrize(("held", "count"), [(1.1, 0), (1.2, 1), (0.8, 1)])
def test_a_lot_of_difference_is_rounding_and_two_are_not(held: float, count: int) -> None:
    view = ExchangeView(held={"ETHUSDT": held}, lots=LOTS)
    assert len(differences(view, {"ETHUSDT": 1.0}, ())) == count


def test_an_order_that_the_books_do_not_know_is_an_orphan() -> None:
    (found,) = differences(ExchangeView(orders={"7": "ETHUSDT"}), {}, {"8"})
    assert found.is_orphan
    assert "7" in found.text


# Lost and duplicated orders


def test_an_accepted_order_that_the_books_never_show_is_lost() -> None:
    assert lost_orders([accepted(1_000, 1), accepted(1_000, 2)], {"1"}, 0) == [
        "ETHUSDT buy 1.5 (2)"
    ]


def test_orders_before_the_run_are_not_counted() -> None:
    assert lost_orders([accepted(999, 1)], set(), 1_000) == []


def test_orders_of_other_hands_are_not_lost() -> None:
    others = ("external", "liquidation", "trigger")
    assert lost_orders([accepted(1, 1, origin=origin) for origin in others], set(), 0) == []


def test_a_stop_is_known_by_the_order_that_it_became() -> None:
    fired = TriggerFired(
        time_ms=2_000, symbol="ETHUSDT", trigger_id=5, client_order_id="s5", venue_order_id=9
    )
    assert lost_orders([stop(1_000, 5), fired], {"9"}, 0) == []
    assert lost_orders([stop(1_000, 5), fired], {"5"}, 0) == []
    assert lost_orders([stop(1_000, 5)], set(), 0) == ["ETHUSDT stop 5"]


def test_the_same_entry_filled_twice_is_a_duplicate() -> None:
    events = [*ORDERS, fill(1_000, "ETHUSDT", 1), fill(3_000, "ETHUSDT", 2, order=2)]
    assert duplicates(events, 0) == ["ETHUSDT buy 1 (x1, x2)"]
    assert duplicates(events, 2_000) == []


def test_the_same_entry_filled_much_later_is_a_duplicate() -> None:
    late = fill(301_000, "ETHUSDT", 2, order=2)
    assert len(duplicates([*ORDERS, fill(1_000, "ETHUSDT", 1), late], 0)) == 1


def test_what_another_hand_adds_is_no_duplicate() -> None:
    added = fill(3_000, "ETHUSDT", 2, order=2, origin="external")
    assert duplicates([*ORDERS, fill(1_000, "ETHUSDT", 1), added], 0) == []


def test_an_entry_after_another_hand_closed_the_first_is_no_duplicate() -> None:
    closed = fill(2_000, "ETHUSDT", 0, order=3, side="sell", origin="external")
    again = fill(3_000, "ETHUSDT", 1, order=2)
    assert duplicates([*ORDERS, fill(1_000, "ETHUSDT", 1), closed, again], 0) == []


# The verdict


def verdict(**changes: object) -> object:
    known: dict = {
        "since_ms": 0,
        "until_ms": 9_000,
        "last": (),
        "alone": (),
        "known_orders": frozenset({"1"}),
        "unknown_ms": 0,
    }
    return judge(WHOLE, [SPREAD], **(known | changes))


def test_a_run_without_difference_is_clean() -> None:
    found = verdict()
    assert found.is_clean
    assert found.naked_per_1000 == pytest.approx(1_000 * 220 / 400)
    assert (found.longest_orphan_s, found.longest_naked_s) == (0.7, 0.7)


def test_a_lone_leg_is_an_orphan_even_if_booked() -> None:
    found = verdict(alone=["ETHUSDT"])
    assert found.orphans == ("ETHUSDT: without its other leg",)
    assert not found.is_clean


def test_an_unknown_position_is_one_orphan_not_two() -> None:
    unknown = Difference("ETHUSDT", "ETHUSDT: exchange holds 1, books 0", True)
    assert verdict(last=[unknown], alone=["ETHUSDT"]).orphans == (unknown.text,)


def test_what_only_the_books_hold_is_not_clean_and_no_orphan() -> None:
    invented = Difference("ETHUSDT", "ETHUSDT: exchange holds 0, books 1", False)
    found = verdict(last=[invented])
    assert (found.orphans, found.phantoms, found.is_clean) == ((), (invented.text,), False)


def test_the_longest_orphan_is_the_longer_of_alone_and_unknown() -> None:
    assert verdict(unknown_ms=4_000).longest_orphan_s == 4.0
    assert verdict(unknown_ms=400).longest_orphan_s == 0.7


# Samples


def test_recovery_begins_when_all_stays_well() -> None:
    samples = [(0, False), (1_000, True), (2_000, False), (3_000, True), (9_000, True)]
    assert recovered_at(samples, 6_000) == 3_000
    assert recovered_at(samples, 6_001) is None
    assert recovered_at([], 0) is None


def test_the_longest_span_ends_with_the_first_no() -> None:
    samples = [(0, True), (500, True), (900, False), (1_000, True), (1_200, False)]
    assert longest_span(samples) == 900
    assert longest_span([(0, False), (5_000, False)]) == 0
