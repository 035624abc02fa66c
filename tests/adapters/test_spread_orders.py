"""Which of the desk's orders is asked for, and what leaves with it, on a real desk.

Bugs planted by hand, each caught by the test named:

1. the partner is not marked as sent -> test_both_entries_leave_together
2. an order of another quantity is claimed -> test_another_order_is_not_the_desks
3. the side is not compared -> test_another_order_is_not_the_desks
4. limit orders go in twos -> test_a_limit_order_leaves_alone
5. stops are claimed -> test_a_stop_is_nobodys_leg
6. an exit carries the entry tag -> test_both_exits_leave_together_with_their_reason
7. shorts are held as longs -> test_held_is_signed
8. a spread on its way is at rest -> test_at_rest_is_every_spread_whole
9. a failed entry closes nothing -> test_a_refused_leg_closes_the_other_at_once
10. an unknown partner counts as refused -> test_nothing_follows_while_the_other_leg_is_unknown
11. nothing is left over -> test_what_an_earlier_run_was_unwinding_is_closed_under_the_same_name
12. exits are left over too -> test_exits_are_not_left_over
13. the trade is not named -> test_orders_name_the_trade_that_they_belong_to
14. an absent unwind waits for the loop -> test_an_unwind_that_is_proven_absent_is_repeated_at_once
15. one that is not absent is repeated -> test_an_unwind_that_is_not_proven_absent_is_not_repeated
16. a waiting exit goes along -> test_asking_for_an_open_exit_takes_no_repeated_one_along
17. a waiting exit is forced -> test_a_person_who_closes_a_leg_that_waits_is_told_what_for
18. a forced exit is not marked -> test_an_exit_that_a_person_forces_is_marked_as_sent
"""

from decimal import Decimal
from types import SimpleNamespace

import pytest
from freqtrade.persistence import LocalTrade, PairLocks

from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.adapters._spread_orders import SpreadOrders
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.execution import (
    IntentPurpose,
    IntentState,
    OrderKind,
    OrderOutcome,
    OrderReport,
    OrderSide,
    OrderStatus,
)
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import LegBook, LegName, SpreadState

from .desk_doubles import strategy_of, write_book
from .doubles import BTC, ETH, HOUR_MS, add_order, trade_of

MARKETS = {LegName.A: ETH, LegName.B: BTC}
D = Decimal


class Stage:
    """A spread that has been asked to open, and the owner of its orders."""

    def __init__(self, folder):
        write_book(folder)
        self.strategy = strategy_of(folder)
        self.strategy.bot_start()
        for name in (ETH, BTC):
            frame = self.strategy.populate_indicators(self.strategy.dp.frames[name], {"pair": name})
            self.strategy.populate_entry_trend(frame, {"pair": name})
        self.broker, self.desk = self.strategy.broker, self.strategy.broker.desk
        self.bands = self.strategy._bands()
        board = self.strategy._view.board(self.bands)
        start = self.strategy._view.tracks["ETH-BTC"].time_ms[self.strategy.startup_candle_count]
        first = min(time_ms for time_ms in board.by_time if time_ms >= start)
        (self.candidate,) = board.at(first)
        self.now_ms = first + HOUR_MS
        self.owner = SpreadOrders(
            lambda: self.desk, self.strategy.guarded_markets, 2.0, lambda: self.now_ms
        )
        self.tags = {leg: EntryTag("ETH-BTC", self.candidate.direction, leg) for leg in LegName}
        price = self.strategy._view.close_of(ETH, first)
        assert self.broker.stake(self.tags[LegName.A], price, 2.0, self.bands, self.now_ms) > 0

    def order(self, leg):
        return self.desk.pending_order("ETH-BTC", leg)

    def asked(self, leg, **changes):
        """The order of a leg as Freqtrade sends it."""
        order = self.order(leg)
        fields = {
            "market": MARKETS[leg], "side": OrderSide(order.side.value), "kind": OrderKind.MARKET,
            "quantity": order.quantity, "price": None, "reduce_only": order.reduce_only,
        }  # fmt: skip
        return AskedOrder(**(fields | changes))

    def enter(self):
        """Let both legs be filled and booked."""
        for number, leg in enumerate(LegName, 1):
            order = self.order(leg)
            trade = trade_of(
                id=number, pair=MARKETS[leg], is_short=order.side.value == "sell",
                enter_tag=str(self.tags[leg]), open_rate=100.0,
            )  # fmt: skip
            add_order(trade, trade.entry_side, float(order.quantity), 100.0)
            self.broker.filled(self.tags[leg], trade, self.now_ms)
            trade.recalc_trade_from_orders()
            LocalTrade.add_bt_trade(trade)
        self.now_ms += HOUR_MS
        self.broker.loop(self.now_ms)
        assert self.state is SpreadState.OPEN

    @property
    def state(self):
        record = self.desk.records.get("ETH-BTC")
        return record.position.state if record else SpreadState.FLAT


@pytest.fixture
def stage(tmp_path, backtest_books):
    PairLocks.use_db = False
    PairLocks.timeframe = "1h"
    PairLocks.reset_locks()
    yield Stage(tmp_path)
    PairLocks.reset_locks()
    PairLocks.use_db = True


def test_both_entries_leave_together(stage):
    wanted = {leg: stage.order(leg) for leg in LegName}
    first, second = stage.owner.claim(stage.asked(LegName.A))
    assert (first.market, second.market) == (ETH, BTC)
    assert [first.client_order_id, second.client_order_id] == [
        wanted[leg].client_order_id for leg in LegName
    ]
    assert [one.quantity for one in (first, second)] == [wanted[leg].quantity for leg in LegName]
    assert [one.side.value for one in (first, second)] == [
        wanted[leg].side.value for leg in LegName
    ]
    assert (first.purpose, first.owner, first.leg, second.leg) == (
        IntentPurpose.ENTRY, "ETH-BTC", "A", "B",
    )  # fmt: skip
    assert [first.tag, second.tag] == [str(stage.tags[leg]) for leg in LegName]
    assert first.leverage == second.leverage == 2.0
    sent = stage.desk.records["ETH-BTC"].sent
    assert sent[second.client_order_id] == stage.now_ms


def test_the_partner_may_be_asked_for_first(stage):
    first, second = stage.owner.claim(stage.asked(LegName.B))
    assert (first.leg, second.leg) == ("B", "A")


@pytest.mark.parametrize(
    "change",
    [
        {"market": "XRP/USDT:USDT"},
        {"side": None},
        {"quantity": 1},
        {"quantity": -1},
        {"reduce_only": True},
    ],
    ids=str,
)
def test_another_order_is_not_the_desks(stage, change):
    order = stage.order(LegName.A)
    if "side" in change:
        change = {"side": OrderSide.SELL if order.side.value == "buy" else OrderSide.BUY}
    if "quantity" in change:
        change = {"quantity": order.quantity + change["quantity"] * D("0.001")}
    assert stage.owner.claim(stage.asked(LegName.A, **change)) == ()
    assert stage.desk.records["ETH-BTC"].sent == {}


def test_a_quantity_within_the_lot_is_the_same(stage):
    quantity = stage.order(LegName.A).quantity - D("0.0009")
    first, _ = stage.owner.claim(stage.asked(LegName.A, quantity=quantity))
    assert first.quantity == quantity  # as Freqtrade sends it


def test_a_limit_order_leaves_alone(stage):
    (only,) = stage.owner.claim(stage.asked(LegName.A, kind=OrderKind.LIMIT, price=D("99.5")))
    assert (only.kind, only.price) == (OrderKind.LIMIT, D("99.5"))
    assert stage.desk.records["ETH-BTC"].sent == {}


def test_a_stop_is_nobodys_leg(stage):
    asked = stage.asked(LegName.A, kind=OrderKind.STOP, price=D(50))
    assert stage.owner.claim(asked) == ()


def test_both_exits_leave_together_with_their_reason(stage):
    stage.enter()
    assert stage.owner.claim(
        AskedOrder(ETH, OrderSide.SELL, OrderKind.MARKET, D(1), None, True)
    ) == ()  # fmt: skip
    stage.desk.request_exit("ETH-BTC", CloseReason.MEAN_REVERSION, stage.now_ms)
    first, second = stage.owner.claim(stage.asked(LegName.A))
    assert [one.purpose for one in (first, second)] == [IntentPurpose.EXIT] * 2
    assert [one.tag for one in (first, second)] == ["MEAN_REVERSION"] * 2
    assert first.reduce_only
    assert second.reduce_only
    held = [abs(stage.desk.records["ETH-BTC"].position.leg(leg).held) for leg in LegName]
    assert [one.quantity for one in (first, second)] == held
    assert first.held_before == stage.owner.held(ETH) != 0
    assert first.counted == stage.owner.counted(ETH)
    assert sum(first.counted.values()) == abs(first.held_before)


def test_held_is_signed(stage):
    assert stage.owner.held(ETH) == 0
    stage.enter()
    signs = {leg: 1 if stage.tags[leg].side == "long" else -1 for leg in LegName}
    for leg in LegName:
        assert (
            stage.owner.held(MARKETS[leg]) == stage.desk.records["ETH-BTC"].position.leg(leg).held
        )
        assert stage.owner.held(MARKETS[leg]) * signs[leg] > 0


def test_at_rest_is_every_spread_whole(stage):
    assert not stage.owner.is_at_rest()  # on its way
    stage.enter()
    assert stage.owner.is_at_rest()
    stage.desk.request_exit("ETH-BTC", CloseReason.MANUAL, stage.now_ms)
    assert not stage.owner.is_at_rest()


def test_what_the_books_say_of_an_order_of_a_person(stage):
    assert stage.owner.said_of(ETH, reduce_only=True) == CloseReason.MANUAL.value
    assert stage.owner.said_of(ETH, reduce_only=False) == ""
    assert stage.owner.purpose_of(None) is IntentPurpose.FORCED
    assert stage.owner.markets() == {ETH, BTC}


# What follows a refused leg


def outcome_of(intent, state):
    """What became of an order; confirmed means filled."""
    settled = intent.step(state, 1)
    if state is not IntentState.CONFIRMED:
        return OrderOutcome(settled)
    report = OrderReport(
        "77", intent.client_order_id, intent.market, intent.side, intent.kind, intent.quantity,
        intent.quantity, OrderStatus.FILLED, intent.reduce_only, 1, D(100),
    )  # fmt: skip
    return OrderOutcome(settled, report)


def book_entry(stage, leg, tag=None):
    """Recovery has adopted the entry; Freqtrade has not looked it up yet."""
    trade = trade_of(id=1, pair=MARKETS[leg], enter_tag=tag or str(stage.tags[leg]))
    trade.amount = 0.0
    LocalTrade.add_bt_trade(trade)


def react(stage, *states):
    stage.desk.mark_sent("ETH-BTC", stage.order(LegName.A), stage.now_ms)
    intents = stage.owner.claim(stage.asked(LegName.A))
    outcomes = [outcome_of(one, state) for one, state in zip(intents, states, strict=True)]
    return intents, stage.owner.react(outcomes)


def test_nothing_follows_two_filled_legs(stage):
    assert list(react(stage, IntentState.CONFIRMED, IntentState.CONFIRMED)[1]) == []


@pytest.mark.parametrize("failed", [IntentState.REJECTED, IntentState.DENIED])
@pytest.mark.parametrize("place", [0, 1])
def test_a_refused_leg_closes_the_other_at_once(stage, failed, place):
    states = [IntentState.CONFIRMED, IntentState.CONFIRMED]
    states[place] = failed
    intents, following = react(stage, *states)
    arrived = intents[1 - place]
    (close,) = following
    assert (close.market, close.quantity, close.reduce_only) == (
        arrived.market, arrived.quantity, True,
    )  # fmt: skip
    assert close.side is not arrived.side
    assert close.held_before == arrived.signed_quantity  # though the books show nothing yet
    assert close.client_order_id not in {one.client_order_id for one in intents}
    assert close.client_order_id in stage.desk.records["ETH-BTC"].sent


def test_two_refused_legs_leave_nothing_to_close(stage):
    assert list(react(stage, IntentState.REJECTED, IntentState.REJECTED)[1]) == []


def test_nothing_follows_while_the_other_leg_is_unknown(stage):
    intents, following = react(stage, IntentState.REJECTED, IntentState.UNKNOWN)
    assert list(following) == []
    working = stage.desk.records["ETH-BTC"].position.leg(LegName.B).working
    assert working.client_order_id == intents[1].client_order_id  # it is still asked for


def asked(intent, state):
    """Only of an order of unknown outcome can absence be proven."""
    return intent.step(IntentState.UNKNOWN, 1) if state is IntentState.ABSENT else intent


class Sender:
    """The guard: what was sent before stays what it is, what is new is confirmed."""

    def __init__(self, **known):
        self.known = known  # state by leg; of leg A's first unwind only
        self.calls = []

    def __call__(self, intents):
        self.calls.append([each.client_order_id for each in intents])
        states = [self.known.pop(each.leg, IntentState.CONFIRMED) for each in intents]
        return [
            OrderOutcome(each) if state is None else outcome_of(asked(each, state), state)
            for each, state in zip(intents, states, strict=True)
        ]


def test_what_an_earlier_run_was_unwinding_is_closed_under_the_same_name(stage):
    _, following = react(stage, IntentState.CONFIRMED, IntentState.REJECTED)
    assert stage.state is SpreadState.UNWINDING
    book_entry(stage, LegName.A)
    seen, send = [], Sender()
    stage.owner.unwind_left_over(lambda intents: seen.extend(intents) or send(intents))
    ((again,), (before,)) = seen, following
    assert (again.client_order_id, again.quantity) == (before.client_order_id, before.quantity)
    assert again.reduce_only


def test_an_unwind_that_is_proven_absent_is_repeated_at_once(stage):
    """Its leg is held alone; the first loop is seconds away."""
    _, (first,) = react(stage, IntentState.CONFIRMED, IntentState.REJECTED)
    book_entry(stage, LegName.A)
    stage.now_ms += 6_000
    send = Sender(A=IntentState.ABSENT)
    stage.owner.unwind_left_over(send)
    asked, (again,) = send.calls
    assert asked == [first.client_order_id]
    order = stage.order(LegName.A)
    assert (again, order.attempt) == (order.client_order_id, first.attempt + 1)
    assert again in stage.desk.records["ETH-BTC"].sent


@pytest.mark.parametrize("state", [None, IntentState.UNKNOWN, IntentState.REJECTED])
def test_an_unwind_that_is_not_proven_absent_is_not_repeated_at_once(stage, state):
    _, (first,) = react(stage, IntentState.CONFIRMED, IntentState.REJECTED)
    book_entry(stage, LegName.A)
    stage.now_ms += 6_000
    send = Sender(A=state)
    stage.owner.unwind_left_over(send)
    assert send.calls == [[first.client_order_id]]


@pytest.mark.parametrize("tag", [None, "ETH-SOL long A", "ETH-BTC long B"])
def test_what_stands_in_the_market_of_a_leg_without_a_trade_is_not_closed(stage, tag):
    """Reduce-only closes whatever is there."""
    react(stage, IntentState.CONFIRMED, IntentState.REJECTED)
    if tag is not None:
        book_entry(stage, LegName.A, tag)
    send = Sender()
    stage.owner.unwind_left_over(send)
    assert send.calls == []


def test_exits_are_not_left_over(stage):
    send = Sender()
    stage.enter()
    stage.owner.unwind_left_over(send)
    stage.desk.request_exit("ETH-BTC", CloseReason.MANUAL, stage.now_ms)
    assert stage.state is SpreadState.CLOSING
    stage.owner.unwind_left_over(send)
    assert send.calls == []


# What waits for the other leg


@pytest.fixture
def one_absent(stage):
    """Both exits were sent; A's is proven absent and has a successor, B's is an open question."""
    stage.enter()
    stage.desk.request_exit("ETH-BTC", CloseReason.MANUAL, stage.now_ms)
    first, second = stage.owner.claim(stage.asked(LegName.A))
    stage.broker.execution = SimpleNamespace(
        guard=SimpleNamespace(is_awaited={second.client_order_id}.__contains__)
    )
    stage.now_ms += 6_000
    held = LegBook(held=stage.owner.held(ETH))
    stage.desk.observe("ETH-BTC", LegName.A, held, stage.now_ms, settled=True)
    assert stage.order(LegName.A).attempt == first.attempt + 1
    return stage, second


def test_asking_for_an_open_exit_takes_no_repeated_one_along(one_absent):
    stage, second = one_absent
    (only,) = stage.owner.claim(stage.asked(LegName.B))
    assert only.client_order_id == second.client_order_id
    assert stage.order(LegName.A).client_order_id not in stage.desk.records["ETH-BTC"].sent


def test_both_repeated_exits_leave_together(one_absent):
    stage, _ = one_absent
    held = LegBook(held=stage.owner.held(BTC))
    stage.desk.observe("ETH-BTC", LegName.B, held, stage.now_ms, settled=True)
    assert [each.attempt for each in stage.owner.claim(stage.asked(LegName.A))] == [3, 3]


def test_a_person_who_closes_a_leg_that_waits_is_told_what_for(one_absent):
    """Sent now, it would bare the other leg; both leave as soon as that one's question is over."""
    stage, _ = one_absent
    with pytest.raises(IllegalRequest, match="leg A leaves together with leg B, as soon as it is"):
        stage.owner.claim(stage.asked(LegName.A))
    assert stage.order(LegName.A).client_order_id not in stage.desk.records["ETH-BTC"].sent
    stage.broker.execution.guard.is_awaited = lambda name: False
    first, *_ = stage.owner.claim(stage.asked(LegName.A))
    assert first.client_order_id == stage.order(LegName.A).client_order_id


def test_an_exit_that_a_person_forces_is_marked_as_sent(stage):
    """After a crash the desk must know that its outcome is open."""
    stage.enter()
    stage.desk.request_exit("ETH-BTC", CloseReason.MANUAL, stage.now_ms)
    first, second = stage.owner.claim(stage.asked(LegName.A))
    sent = stage.desk.records["ETH-BTC"].sent
    assert {first.client_order_id, second.client_order_id} <= set(sent)


def test_orders_name_the_trade_that_they_belong_to(stage):
    assert stage.owner.trade_of(ETH) is None
    assert [one.trade_id for one in stage.owner.claim(stage.asked(LegName.A))] == [None, None]
    stage.enter()
    assert (stage.owner.trade_of(ETH), stage.owner.trade_of(BTC)) == (1, 2)
    stage.desk.request_exit("ETH-BTC", CloseReason.MANUAL, stage.now_ms)
    assert [one.trade_id for one in stage.owner.claim(stage.asked(LegName.A))] == [1, 2]


def test_an_exit_that_fails_is_left_to_the_books(stage):
    stage.enter()
    stage.desk.request_exit("ETH-BTC", CloseReason.MANUAL, stage.now_ms)
    _, following = react(stage, IntentState.REJECTED, IntentState.CONFIRMED)
    assert list(following) == []
