"""The spreads of one bot: saved before anything is sent, continued after a restart, closed once."""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.errors import IllegalRequest, StoreError
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import (
    BookedOrder,
    ClosedSpread,
    LegName,
    MemoryStore,
    SpreadDesk,
    SpreadResult,
    SpreadState,
    SubmitOrder,
)

from .doubles import (
    HOUR,
    LEG_A,
    LEG_B,
    START,
    A,
    B,
    D,
    FakeStore,
    bands,
    book,
    booked,
    candidate,
    done,
    entry_plan,
    fit,
    spec,
    spread_settings,
    z_only,
)

ID = "ETH-BTC"
# The signal is the candle of hour 3; Freqtrade acts on it in hour 4.
NOW = START + 4 * HOUR
Z_SCORES = [0.0, 0.0, -1.0, -2.5, -2.0, -2.0, -2.0, -0.4, -4.5, 0.1]
TRACK = z_only(Z_SCORES)
REVERTED, STOPPED = START + 7 * HOUR, START + 8 * HOUR


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def desk(store: FakeStore) -> SpreadDesk:
    return new_desk(store)


def new_desk(store: Any, **changes: Any) -> SpreadDesk:
    desk = SpreadDesk(spread_settings(**changes), store, HOUR)
    desk.restore()
    return desk


def ask_to_open(desk: SpreadDesk, spread_id: str = ID, **changes: Any) -> None:
    options: dict[str, Any] = {"track": TRACK, "bands": bands(), "now_ms": NOW} | changes
    desk.open_spread(
        candidate(hour=3, spread_id=spread_id),
        entry_plan(),
        options["track"],
        options["bands"],
        equity=1000.0,
        now_ms=options["now_ms"],
    )


def order_of(desk: SpreadDesk, leg: LegName, spread_id: str = ID) -> SubmitOrder:
    order = desk.pending_order(spread_id, leg)
    assert order is not None
    return order


def send(desk: SpreadDesk, leg: LegName, now_ms: int = NOW) -> SubmitOrder:
    """Ask the desk as Freqtrade does, just before an order goes out."""
    order = order_of(desk, leg)
    desk.mark_sent(ID, order, now_ms)
    return order


def show(
    desk: SpreadDesk,
    leg: LegName,
    *orders: BookedOrder,
    held: str | None = None,
    now_ms: int = NOW + 1000,
    settled: bool = True,
) -> None:
    desk.observe(ID, leg, book(*orders, held=held), now_ms, settled=settled)


ENTRIES = {A: done("1", "10"), B: done("2", "-20")}
HELD = {A: "10", B: "-20"}
EXITS = {A: done("3", "-10"), B: done("4", "20")}


def fill_entries(desk: SpreadDesk) -> None:
    for leg in LegName:
        send(desk, leg)
        show(desk, leg, ENTRIES[leg], held=HELD[leg])
        desk.link_trade(ID, leg, 100 + list(LegName).index(leg))


def opened(desk: SpreadDesk) -> SpreadDesk:
    ask_to_open(desk)
    fill_entries(desk)
    assert state(desk) is SpreadState.OPEN
    return desk


def fill_exit(desk: SpreadDesk, leg: LegName, now_ms: int) -> None:
    send(desk, leg, now_ms)
    show(desk, leg, ENTRIES[leg], EXITS[leg], held="0", now_ms=now_ms)


def state(desk: SpreadDesk, spread_id: str = ID) -> SpreadState:
    return desk.records[spread_id].position.state


def review(desk: SpreadDesk, candle: int, **changes: Any) -> None:
    options: dict[str, Any] = {"track": TRACK, "bands": bands(), "share": 0.0} | changes
    desk.review(
        ID,
        options["track"],
        options["bands"],
        candle_open_ms=candle,
        liquidation_share=options["share"],
        now_ms=candle + HOUR,
    )


# Saved first


def test_a_new_spread_wants_both_legs_at_once(desk: SpreadDesk) -> None:
    assert desk.pending_order(ID, A) is None
    ask_to_open(desk)
    order_a, order_b = order_of(desk, A), order_of(desk, B)
    assert (order_a.side, order_a.quantity, order_a.reduce_only) == ("buy", D(10), False)
    assert (order_b.side, order_b.quantity, order_b.reduce_only) == ("sell", D(20), False)
    assert order_a.client_order_id != order_b.client_order_id


def test_what_matters_later_is_frozen_with_the_signal(desk: SpreadDesk) -> None:
    ask_to_open(desk, bands=bands(exit_z=0.7))
    record = desk.records[ID]
    assert record.frozen == TRACK.fits[0]
    assert (record.leg_a, record.leg_b) == (LEG_A, LEG_B)
    assert (record.signal_ms, record.scale, record.exit_z) == (START + 3 * HOUR, 0.01, 0.7)
    assert record.max_holding == 30.0  # three half-lives of 10 candles
    assert record.equity == 1000.0


def test_an_order_is_visible_only_after_its_record_is_saved(
    desk: SpreadDesk, store: FakeStore
) -> None:
    store.fails = True
    with pytest.raises(StoreError, match="the disk is full"):
        ask_to_open(desk)
    assert desk.pending_order(ID, A) is None
    assert desk.records == {}
    store.fails = False
    ask_to_open(desk)
    assert json.loads(store.texts[ID])["position"]["leg_a"]["working"]["quantity"] == "10"


def test_every_pending_order_is_in_the_store_at_every_moment(store: FakeStore) -> None:
    class WatchingStore(FakeStore):
        def save(self, spread_id: str, record: Any) -> None:
            before = desk.pending_order(spread_id, A)
            super().save(spread_id, record)
            assert desk.pending_order(spread_id, A) == before  # not visible yet

    watching = WatchingStore()
    desk = SpreadDesk(spread_settings(), watching, HOUR)
    ask_to_open(desk)
    order = order_of(desk, A)
    assert order == order_of(new_desk(watching), A)
    review(opened(new_desk(store)), REVERTED)
    assert ID in store.texts


def test_an_entry_that_cannot_be_marked_as_sent_is_not_sent(
    desk: SpreadDesk, store: FakeStore
) -> None:
    ask_to_open(desk)
    store.fails = True
    with pytest.raises(StoreError):
        send(desk, A)
    assert desk.records[ID].sent == {}


def test_an_exit_goes_out_although_the_disk_is_full(
    desk: SpreadDesk, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    opened(desk)
    store.fails = True
    review(desk, REVERTED)
    assert send(desk, A, REVERTED + HOUR).reduce_only
    assert "[SAFETY] ETH-BTC goes on unsaved: the disk is full" in caplog.text
    fill_exit_after = REVERTED + HOUR + 1000
    show(desk, A, ENTRIES[A], EXITS[A], held="0", now_ms=fill_exit_after)
    fill_exit(desk, B, fill_exit_after)
    assert desk.records == {}
    [spread] = desk.take_closed()
    desk.forget(spread)
    assert "[SAFETY] ETH-BTC is flat but still saved: the disk is full" in caplog.text


def test_a_second_episode_of_an_open_spread_is_refused(desk: SpreadDesk) -> None:
    opened(desk)
    before = desk.records[ID]
    with pytest.raises(IllegalRequest, match="ETH-BTC is open or on its way already"):
        ask_to_open(desk)
    assert desk.records[ID] == before


def test_a_signal_on_a_candle_without_a_fit_is_refused(desk: SpreadDesk) -> None:
    unfitted = z_only(Z_SCORES)
    unfitted.fit[3] = -1
    with pytest.raises(LookupError, match=f"ETH-BTC: no fit at {START + 3 * HOUR}"):
        ask_to_open(desk, track=unfitted)
    with pytest.raises(LookupError):
        ask_to_open(desk, track=z_only(Z_SCORES[:3]))
    assert desk.records == {}


# Restart


STEPS = 11


def walk(desk: SpreadDesk, step: int) -> None:
    """Take one step of an episode from the signal to flat."""
    exit_ms = REVERTED + HOUR
    steps: list[Any] = [
        lambda: ask_to_open(desk),
        lambda: send(desk, A),
        lambda: show(desk, A, booked("1", "10", "4"), settled=False),
        lambda: show(desk, A, ENTRIES[A], held="10"),
        lambda: send(desk, B),
        lambda: show(desk, B, ENTRIES[B], held="-20"),
        lambda: desk.link_trade(ID, B, 12),
        lambda: review(desk, REVERTED),
        lambda: send(desk, A, exit_ms),
        lambda: show(desk, A, ENTRIES[A], EXITS[A], held="0", now_ms=exit_ms),
        lambda: fill_exit(desk, B, exit_ms),
    ]
    assert len(steps) == STEPS
    steps[step]()


@pytest.mark.parametrize("restart_after", range(STEPS))
def test_a_restart_at_any_moment_changes_nothing(store: FakeStore, restart_after: int) -> None:
    straight, broken = new_desk(FakeStore()), new_desk(store)
    for step in range(STEPS):
        walk(straight, step)
        walk(broken, step)
        if step == restart_after:
            broken = new_desk(store)
        assert broken.records == straight.records
        for leg in LegName:
            assert broken.pending_order(ID, leg) == straight.pending_order(ID, leg)
    assert broken.records == {}
    [spread] = broken.take_closed()  # a restart hands over what was not booked before it
    assert spread.reason is CloseReason.MEAN_REVERSION
    assert broken.last_exit(ID) == straight.last_exit(ID)
    broken.forget(spread)
    assert store.texts == {}


def test_what_was_restored_is_said(store: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
    opened(new_desk(store))
    with caplog.at_level(logging.INFO):
        new_desk(store)
    assert "[SAFETY] ETH-BTC continues as OPEN" in caplog.text


def test_a_desk_that_was_not_restored_knows_nothing(store: FakeStore) -> None:
    opened(new_desk(store))
    assert SpreadDesk(spread_settings(), store, HOUR).records == {}


def result(reason: CloseReason, closed_ms: int) -> dict[str, Any]:
    return SpreadResult(
        spread_id=ID,
        direction="long",
        reason=reason.value,
        signal_ms=START,
        closed_ms=closed_ms,
        z_at_entry=-2.5,
        z_at_exit=None,
        hedge_ratio=0.8,
        fills=4,
        gross=1.0,
        fees=0.1,
        funding=0.0,
        net=0.9,
        notional=100.0,
        realised_share=0.2,
    ).as_json()


def test_after_a_restart_a_stopped_spread_still_rests(store: FakeStore) -> None:
    store.add_result(ID, result(CloseReason.MEAN_REVERSION, START))
    store.add_result(ID, result(CloseReason.SPREAD_STOP, START + HOUR))
    store.add_result("other", result(CloseReason.SPREAD_TIME, START + 2 * HOUR))
    desk = new_desk(store)
    assert desk.last_exit(ID) == (START + HOUR, CloseReason.SPREAD_STOP)
    assert desk.last_exit("other") == (START + 2 * HOUR, CloseReason.SPREAD_TIME)
    assert desk.last_exit("unknown") is None


def test_a_backtest_keeps_nothing_between_two_runs() -> None:
    store = MemoryStore()
    opened(new_desk(store))
    assert new_desk(store).records == {}


# Exit


def test_a_spread_between_its_bands_is_held(desk: SpreadDesk) -> None:
    opened(desk)
    for hour in (4, 5, 6):
        review(desk, START + hour * HOUR)
    assert state(desk) is SpreadState.OPEN
    assert desk.pending_order(ID, A) is None


@pytest.mark.parametrize(
    ("candle", "reason"),
    [(REVERTED, CloseReason.MEAN_REVERSION), (STOPPED, CloseReason.SPREAD_STOP)],
)
def test_both_legs_are_closed_for_the_same_reason(
    desk: SpreadDesk, candle: int, reason: CloseReason
) -> None:
    opened(desk)
    review(desk, candle)
    assert state(desk) is SpreadState.CLOSING
    order_a, order_b = order_of(desk, A), order_of(desk, B)
    assert (order_a.side, order_a.quantity, order_a.reduce_only) == ("sell", D(10), True)
    assert (order_b.side, order_b.quantity, order_b.reduce_only) == ("buy", D(20), True)
    assert order_a.reason is order_b.reason is reason


def test_a_spread_that_leaves_is_not_reviewed_again(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, REVERTED)
    before = desk.records[ID]
    review(desk, STOPPED)
    assert desk.records[ID] == before


def test_a_spread_that_is_not_open_yet_is_not_reviewed(desk: SpreadDesk) -> None:
    ask_to_open(desk)
    review(desk, REVERTED, share=0.99)
    assert state(desk) is SpreadState.OPENING


def test_an_unknown_spread_is_no_problem(desk: SpreadDesk) -> None:
    review(desk, REVERTED)
    desk.retire(ID, NOW)
    show(desk, A, ENTRIES[A])
    desk.tick(NOW)
    assert desk.records == {}
    assert desk.pending_order(ID, A) is None
    assert desk.take_closed() == []


def test_exits_use_the_coefficients_of_the_signal(desk: SpreadDesk) -> None:
    opened(desk)
    # A later fit says z = 0; the frozen one says -2.
    other = z_only(Z_SCORES)
    later = fit(6, intercept=-0.02)
    other.z_score[6:] = 0.0
    other = replace(other, fits=(fit(), later), fit=_fit_rows(6))
    assert other.z_with(later, START + 6 * HOUR) == pytest.approx(0.0)
    review(desk, START + 6 * HOUR, track=other)
    assert state(desk) is SpreadState.OPEN


def _fit_rows(since: int) -> Any:
    rows = z_only(Z_SCORES).fit.copy()
    rows[since:] = 1
    return rows


@pytest.mark.parametrize(("since", "left"), [(6, True), (7, False)])
def test_a_later_fit_breaks_the_relation_from_its_first_candle(
    desk: SpreadDesk, since: int, left: bool
) -> None:
    opened(desk)
    track = z_only(Z_SCORES)
    broken = fit(since, pvalue=0.9)
    track = replace(track, fits=(fit(), broken), fit=_fit_rows(since))
    review(desk, START + 6 * HOUR, track=track)
    assert (state(desk) is SpreadState.CLOSING) is left
    if left:
        assert order_of(desk, A).reason is CloseReason.RELATION_BROKEN


@pytest.mark.parametrize(("half_life", "left"), [(1.01, False), (1.0, True)])
def test_the_time_is_counted_in_candles_from_the_signal(
    desk: SpreadDesk, half_life: float, left: bool
) -> None:
    track = z_only(Z_SCORES)
    track = replace(track, fits=(fit(half_life=half_life),))
    ask_to_open(desk, track=track)
    fill_entries(desk)
    # Candle 6 closes three candles after candle 3: three half-lives of 1.
    review(desk, START + 6 * HOUR, track=track)
    assert (state(desk) is SpreadState.CLOSING) is left
    if left:
        assert order_of(desk, A).reason is CloseReason.SPREAD_TIME


def test_the_longest_time_is_that_of_the_signal(desk: SpreadDesk) -> None:
    ask_to_open(desk, bands=bands(max_holding=50.0))
    fill_entries(desk)
    review(desk, START + 6 * HOUR, bands=bands(max_holding=1.0))
    assert state(desk) is SpreadState.OPEN


def test_a_candle_without_both_legs_holds_unless_a_leg_is_near_liquidation(
    desk: SpreadDesk,
) -> None:
    opened(desk)
    nowhere = START + 99 * HOUR
    review(desk, nowhere, share=0.69)
    assert state(desk) is SpreadState.OPEN
    review(desk, nowhere, share=0.7)
    assert order_of(desk, B).reason is CloseReason.EMERGENCY_SL


def test_a_spread_that_left_the_book_is_closed(
    desk: SpreadDesk, caplog: pytest.LogCaptureFixture
) -> None:
    ask_to_open(desk)
    desk.retire(ID, NOW)
    assert state(desk) is SpreadState.OPENING  # first it must know what it holds
    fill_entries(desk)
    desk.retire(ID, NOW + 2000)
    assert order_of(desk, A).reason is CloseReason.RELATION_BROKEN
    assert "ETH-BTC is not in the book as it was entered; it is closed" in caplog.text
    desk.retire(ID, NOW + 3000)
    assert state(desk) is SpreadState.CLOSING


def test_alerts_are_told(desk: SpreadDesk, caplog: pytest.LogCaptureFixture) -> None:
    opened(desk)
    show(desk, A, ENTRIES[A], held="0", now_ms=NOW + 5000)
    assert "[SAFETY] ETH-BTC: leg A is gone from the exchange; its partner is closed" in caplog.text


# Flat again


def closed(desk: SpreadDesk, candle: int = REVERTED) -> ClosedSpread:
    opened(desk)
    review(desk, candle)
    for leg in LegName:
        fill_exit(desk, leg, candle + HOUR)
    [spread] = desk.take_closed()
    return spread


def test_a_closed_spread_that_is_put_back_is_handed_over_again(
    desk: SpreadDesk, store: FakeStore
) -> None:
    spread = closed(desk)
    desk.put_back(spread)
    assert desk.take_closed() == [spread]
    assert set(store.texts) == {ID}


def test_a_closed_spread_is_handed_over_once(desk: SpreadDesk, store: FakeStore) -> None:
    spread = closed(desk)
    assert desk.take_closed() == []
    assert desk.records == {}
    assert set(store.texts) == {ID}  # until its result is booked
    desk.forget(spread)
    assert store.texts == {}
    assert spread.reason is CloseReason.MEAN_REVERSION
    assert spread.closed_ms == REVERTED + HOUR
    assert spread.z_at_exit == pytest.approx(-0.4)
    assert spread.record.position.plan == entry_plan()  # results need it
    assert spread.record.trade_ids == {A: 100, B: 101}


def test_one_leg_alone_does_not_end_a_spread(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, REVERTED)
    fill_exit(desk, A, REVERTED + HOUR)
    assert desk.take_closed() == []
    assert desk.last_exit(ID) is None
    assert desk.pending_order(ID, A) is None
    assert order_of(desk, B).reduce_only


def test_the_last_exit_says_when_and_why(desk: SpreadDesk) -> None:
    assert desk.last_exit(ID) is None
    closed(desk, STOPPED)
    assert desk.last_exit(ID) == (STOPPED + HOUR, CloseReason.SPREAD_STOP)


def test_markets_are_remembered_from_the_moment_they_were_left(desk: SpreadDesk) -> None:
    assert desk.markets_left_since(0) == frozenset()
    closed(desk)
    left_ms = REVERTED + HOUR
    assert desk.markets_left_since(left_ms) == {LEG_A, LEG_B}
    assert desk.markets_left_since(left_ms - HOUR) == {LEG_A, LEG_B}
    assert desk.markets_left_since(left_ms + 1) == frozenset()


def test_a_leg_that_vanished_gives_its_own_reason_to_each_leg(desk: SpreadDesk) -> None:
    opened(desk)
    show(desk, A, ENTRIES[A], done("stop", "-10"), held="0", now_ms=NOW + 5000)
    fill_exit(desk, B, NOW + 6000)
    [spread] = desk.take_closed()
    assert spread.reason is CloseReason.PARTNER_CLOSED
    assert spread.z_at_exit is None


def test_an_entry_that_came_to_nothing_is_closed_as_an_orphan(desk: SpreadDesk) -> None:
    ask_to_open(desk)
    send(desk, A)
    show(desk, A, held="0")  # Freqtrade did not show it: rejected
    show(desk, B, held="0")
    [spread] = desk.take_closed()
    assert spread.reason is CloseReason.ORPHAN_LEG
    assert desk.last_exit(ID) == (NOW + 1000, CloseReason.ORPHAN_LEG)


def test_a_z_score_of_an_earlier_exit_is_not_taken_for_a_later_one(desk: SpreadDesk) -> None:
    assert math.isfinite(closed(desk).z_at_exit)
    ask_to_open(desk, now_ms=STOPPED + HOUR)
    show(desk, A, held="0", now_ms=STOPPED + 9 * HOUR)
    show(desk, B, held="0", now_ms=STOPPED + 9 * HOUR)
    [spread] = desk.take_closed()
    assert spread.z_at_exit is None


def test_a_spread_may_be_opened_again_under_other_order_names(desk: SpreadDesk) -> None:
    ask_to_open(desk)
    first = order_of(desk, A).client_order_id
    fill_entries(desk)
    review(desk, REVERTED)
    for leg in LegName:
        fill_exit(desk, leg, REVERTED + HOUR)
    ask_to_open(desk, now_ms=REVERTED + 3 * HOUR)
    assert order_of(desk, A).client_order_id != first


def test_spreads_do_not_disturb_each_other(desk: SpreadDesk, store: FakeStore) -> None:
    opened(desk)
    before = desk.records[ID]
    ask_to_open(desk, "other")
    assert desk.records[ID] == before
    assert set(store.texts) == {ID, "other"}
    for leg in LegName:
        desk.observe("other", leg, book(held="0"), NOW + 9 * HOUR, settled=True)
    assert set(desk.records) == {ID}
    for spread in desk.take_closed():
        desk.forget(spread)
    assert set(store.texts) == {ID}


# Until the result is booked


def test_a_spread_that_was_not_booked_is_handed_over_after_a_restart(store: FakeStore) -> None:
    spread = closed(new_desk(store))
    desk = new_desk(store)
    assert desk.take_closed() == [spread]
    assert desk.records == {}
    assert desk.last_exit(ID) == (REVERTED + HOUR, CloseReason.MEAN_REVERSION)
    desk.forget(spread)
    assert new_desk(store).take_closed() == []


def test_the_last_exit_of_an_unbooked_spread_is_newer_than_the_results(store: FakeStore) -> None:
    store.add_result(ID, result(CloseReason.SPREAD_STOP, START))
    closed(new_desk(store))
    assert new_desk(store).last_exit(ID) == (REVERTED + HOUR, CloseReason.MEAN_REVERSION)


def test_forgetting_an_old_episode_keeps_the_new_one(desk: SpreadDesk, store: FakeStore) -> None:
    spread = closed(desk)
    ask_to_open(desk, now_ms=REVERTED + 3 * HOUR)
    desk.forget(spread)
    assert new_desk(store).records == desk.records != {}


def test_a_spread_that_was_not_left_has_no_reason_for_it(desk: SpreadDesk) -> None:
    opened(desk)
    with pytest.raises(IllegalRequest, match="ETH-BTC has not been left"):
        _ = ClosedSpread(desk.records[ID]).reason


# The stop of the entry


@pytest.mark.parametrize("entry_stop", [True, False])
def test_the_stop_lies_where_the_band_lay_at_the_signal(store: FakeStore, entry_stop: bool) -> None:
    desk = new_desk(store, entry_stop=entry_stop)
    track = z_only([0.0, 0.0, -1.0, -2.5, -2.0, -2.7, -2.9])
    track.scale[3] = 0.002
    ask_to_open(desk, track=track)
    fill_entries(desk)
    # By hand: -0.025 less (4 - 2.5) deviations of 0.002 is -0.028.
    assert desk.records[ID].stop_value == pytest.approx(-0.028)
    review(desk, START + 5 * HOUR, track=track)
    assert state(desk) is SpreadState.OPEN
    review(desk, START + 6 * HOUR, track=track)
    assert (state(desk) is SpreadState.CLOSING) is entry_stop
    if entry_stop:
        assert order_of(desk, A).reason is CloseReason.SPREAD_STOP


def test_a_short_spread_has_its_stop_above(desk: SpreadDesk) -> None:
    track = z_only([0.0, 0.0, 0.0, 2.5])
    plan = replace(entry_plan("-10", "20"), z_at_entry=2.5)
    wanted = candidate(hour=3, z_score=2.5)
    desk.open_spread(wanted, plan, track, bands(stop_z=3.0), equity=1.0, now_ms=NOW)
    assert desk.records[ID].stop_value == pytest.approx(0.03)


# The book may change under an open spread


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"hedge_ratio": 3.0, "z_exit": 0.1}, True),
        ({"leg_a": "SOL/USDT:USDT"}, False),
        ({"leg_b": "SOL/USDT:USDT"}, False),
        ({"leg_a": LEG_B, "leg_b": LEG_A}, False),
        ({"hedge_space": "price"}, False),
    ],
    ids=str,
)
def test_a_row_of_other_legs_or_space_is_another_spread(
    desk: SpreadDesk, changes: dict[str, Any], fits: bool
) -> None:
    opened(desk)
    assert desk.fits_book(ID, spec(**changes)) is fits


def test_a_row_fits_only_candles_of_the_same_length(store: FakeStore) -> None:
    opened(new_desk(store))
    assert new_desk(store).fits_book(ID, spec())
    other = SpreadDesk(spread_settings(), store, HOUR // 4)
    other.restore()
    assert not other.fits_book(ID, spec())
    assert not other.fits_book(ID, None)
    assert not other.fits_book("unknown", spec())


# One look a candle


def test_a_candle_that_was_judged_is_not_judged_again(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, START + 5 * HOUR)
    review(desk, START + 5 * HOUR, bands=bands(exit_z=2.4))
    assert state(desk) is SpreadState.OPEN
    review(desk, START + 6 * HOUR, bands=bands(exit_z=2.4))
    assert state(desk) is SpreadState.CLOSING


def test_near_liquidation_every_look_counts(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, START + 5 * HOUR)
    review(desk, START + 5 * HOUR, share=0.7)
    assert order_of(desk, A).reason is CloseReason.EMERGENCY_SL


def test_a_candle_of_which_a_leg_is_late_is_judged_when_it_comes(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, REVERTED, track=z_only(Z_SCORES[:7]))
    assert state(desk) is SpreadState.OPEN
    review(desk, REVERTED)
    assert order_of(desk, A).reason is CloseReason.MEAN_REVERSION


def test_without_a_track_only_the_liquidation_guard_applies(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, STOPPED, track=None)
    assert state(desk) is SpreadState.OPEN
    review(desk, STOPPED, track=None, share=0.9)
    assert order_of(desk, B).reason is CloseReason.EMERGENCY_SL


# Time


def test_after_the_candle_of_the_signal_an_unsent_entry_is_given_up(desk: SpreadDesk) -> None:
    ask_to_open(desk)
    show(desk, A, held="0", now_ms=START + 5 * HOUR - 1)
    assert desk.pending_order(ID, A) is not None
    show(desk, A, held="0", now_ms=START + 5 * HOUR)
    assert desk.pending_order(ID, A) is None
    assert state(desk) is SpreadState.UNWINDING


def test_an_entry_order_that_works_too_long_is_canceled(desk: SpreadDesk) -> None:
    ask_to_open(desk)
    send(desk, A)
    show(desk, A, booked("1", "10"), held="10")
    desk.tick(NOW + 29_999)
    working = desk.records[ID].position.leg_a.working
    assert working is not None
    assert working.cancel_requested_ms is None
    desk.tick(NOW + 30_000)
    working = desk.records[ID].position.leg_a.working
    assert working is not None
    assert working.cancel_requested_ms == NOW + 30_000


def test_a_closing_order_that_nobody_asked_for_does_not_age(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, REVERTED)
    for seconds in (31, 62, 3600):
        desk.tick(REVERTED + HOUR + seconds * 1000)
    assert order_of(desk, A).attempt == 2
    send(desk, A, REVERTED + HOUR)
    send(desk, B, REVERTED + HOUR)
    desk.tick(REVERTED + 3 * HOUR)
    assert desk.pending_order(ID, A) is None  # now its time is up


def test_an_open_spread_waits_for_nothing_and_is_not_saved_again(
    desk: SpreadDesk, store: FakeStore
) -> None:
    opened(desk)
    saves, before = store.saves, desk.records[ID]
    desk.tick(NOW + 9 * HOUR)
    assert store.saves == saves
    assert desk.records[ID] == before


def test_one_leg_that_waits_to_be_asked_does_not_stop_the_clock_of_the_other(
    desk: SpreadDesk,
) -> None:
    opened(desk)
    review(desk, REVERTED)
    send(desk, B, REVERTED + HOUR)
    show(desk, B, ENTRIES[B], booked("4", "20"), now_ms=REVERTED + HOUR)
    desk.tick(REVERTED + HOUR + 30_000)
    position = desk.records[ID].position
    assert position.leg_a.working is not None
    assert position.leg_a.working.cancel_requested_ms is None
    assert position.leg_b.working is not None
    assert position.leg_b.working.cancel_requested_ms == REVERTED + HOUR + 30_000


def test_a_leg_that_is_gone_does_not_stop_the_clock_for_ever(desk: SpreadDesk) -> None:
    opened(desk)
    review(desk, REVERTED)
    show(desk, A, ENTRIES[A], held="0", now_ms=REVERTED + HOUR)
    send(desk, B, REVERTED + HOUR)
    desk.tick(REVERTED + 2 * HOUR)
    assert desk.records[ID].position.clock_ms == REVERTED + 2 * HOUR
    show(desk, B, ENTRIES[B], EXITS[B], held="0", now_ms=REVERTED + 2 * HOUR)
    assert [spread.reason for spread in desk.take_closed()] == [CloseReason.MEAN_REVERSION]


def test_patience_comes_from_the_settings(store: FakeStore) -> None:
    desk = new_desk(store, leg_timeout_seconds=7.5, retry_interval_seconds=1.25, max_leg_attempts=3)
    ask_to_open(desk)
    policy = desk.records[ID].position.policy
    assert (policy.leg_timeout_ms, policy.retry_interval_ms, policy.max_retries) == (7500, 1250, 3)


def test_a_trade_is_linked_once(desk: SpreadDesk, store: FakeStore) -> None:
    ask_to_open(desk)
    desk.link_trade(ID, A, 7)
    saves = store.saves
    desk.link_trade(ID, A, 7)
    assert store.saves == saves
    assert desk.records[ID].trade_ids == {A: 7}


def test_looking_again_at_the_same_books_saves_nothing(desk: SpreadDesk, store: FakeStore) -> None:
    opened(desk)
    saves = store.saves
    show(desk, A, ENTRIES[A], held="10")
    show(desk, B, ENTRIES[B], held="-20")
    assert store.saves == saves


# Whatever happens


class Venue:
    """Freqtrade and the exchange of one desk, too simple to be wrong."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.desk = new_desk(self.store)
        self.orders: dict[LegName, list[BookedOrder]] = {A: [], B: []}
        self.now_ms = NOW
        ask_to_open(self.desk)

    def held(self, leg: LegName) -> Any:
        return sum(order.filled for order in self.orders[leg])

    def report(self, leg: LegName) -> None:
        orders = self.orders[leg]
        show(self.desk, leg, *orders, held=str(self.held(leg)), now_ms=self.now_ms)

    def lose(self, leg: LegName) -> None:
        """Freqtrade is told to send the order, and nothing comes of it."""
        self.send(leg, fills=False)

    def fill(self, leg: LegName) -> None:
        self.send(leg, fills=True)

    def send(self, leg: LegName, *, fills: bool) -> None:
        order = self.desk.pending_order(ID, leg)
        if order is None:
            return
        self.desk.mark_sent(ID, order, self.now_ms)
        if fills:
            quantity = order.quantity if order.side == "buy" else -order.quantity
            self.orders[leg].append(done(order.client_order_id, str(quantity)))
        self.report(leg)

    def vanish(self, leg: LegName) -> None:
        """A stop on the exchange closes a leg."""
        if self.held(leg):
            self.orders[leg].append(done(f"stop{self.now_ms}", str(-self.held(leg))))
        self.report(leg)

    def wait(self, _: LegName) -> None:
        self.desk.tick(self.now_ms)

    def judge(self, _: LegName) -> None:
        review(self.desk, REVERTED)

    def restart(self, _: LegName) -> None:
        self.desk = new_desk(self.store)


HAPPENINGS = (Venue.lose, Venue.fill, Venue.vanish, Venue.wait, Venue.judge, Venue.restart)


@given(st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.sampled_from(LegName)), max_size=25))
@settings(max_examples=200)
def test_the_store_always_holds_what_the_desk_knows_and_flat_is_flat(
    happenings: list[tuple[Callable[[Venue, LegName], None], LegName]],
) -> None:
    venue = Venue()
    for happen, leg in happenings:
        venue.now_ms += 11_000
        happen(venue, leg)
        assert new_desk(venue.store).records == venue.desk.records
        if not venue.desk.records:
            assert (venue.held(A), venue.held(B)) == (0, 0)
            return


@given(st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.sampled_from(LegName)), max_size=15))
@settings(max_examples=100)
def test_whatever_has_happened_a_fair_venue_brings_the_spread_to_rest(
    happenings: list[tuple[Callable[[Venue, LegName], None], LegName]],
) -> None:
    venue = Venue()
    for happen, leg in happenings:
        venue.now_ms += 11_000
        happen(venue, leg)
    for _ in range(10):
        for leg in LegName:
            venue.now_ms += 11_000
            venue.wait(leg)
            venue.fill(leg)
            venue.report(leg)
    if venue.desk.records:
        assert state(venue.desk) is SpreadState.OPEN
        assert (venue.held(A), venue.held(B)) == (10, -20)
    else:
        assert (venue.held(A), venue.held(B)) == (0, 0)


def test_the_desk_is_at_rest_when_every_spread_is_whole(desk: SpreadDesk) -> None:
    assert desk.is_at_rest  # nothing at all
    ask_to_open(desk)
    assert not desk.is_at_rest
    fill_entries(desk)
    assert desk.is_at_rest
    desk.request_exit(ID, CloseReason.MANUAL, NOW + 2000)
    assert not desk.is_at_rest
    for leg in LegName:
        fill_exit(desk, leg, NOW + 3000)
    assert desk.is_at_rest
