"""
From Freqtrade's questions to the desk and back: a whole life of a spread in memory.

Bugs planted by hand where the order guard is asked, each caught by the test named:

1. an unknown order counts as refused -> test_an_order_whose_outcome_is_unknown_is_waited_for
2. an order in question is asked for again ->
   test_an_order_that_is_being_asked_for_is_not_asked_for_by_freqtrade
3. its market is free for a new spread -> test_a_market_with_an_unknown_order_is_not_entered
4. a bot that is asked to end opens spreads -> test_a_bot_that_is_asked_to_end_opens_nothing

And one where a leg's trade is found: its number alone names a closed trade ->
test_a_closed_trade_with_a_number_that_was_given_out_again_is_not_the_leg
"""

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from freqtrade.enums import RunMode
from freqtrade.persistence import LocalTrade, PairLocks, Trade

from freqtrade_ext.adapters._spread_broker import Signalled, _trade_of
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.strategies import _guarded_strategy
from freqtrade_ext.errors import StoreError
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import Direction, LegName, SpreadState

from .desk_doubles import Wallets, strategy_of, write_book
from .doubles import BTC, ETH, HOUR_MS, Provider, add_order, market, trade_of

MARKETS = {LegName.A: ETH, LegName.B: BTC}


class Stage:
    """A strategy whose frames have been analysed, and the first candidate on its board."""

    def __init__(self, folder, *, mode=RunMode.BACKTEST, whitelist=(ETH, BTC), **settings):
        write_book(folder)
        self.strategy = strategy_of(folder, mode=mode, **settings)
        self.strategy.bot_start()
        for name in whitelist:
            frame = self.strategy.dp.frames[name]
            frame = self.strategy.populate_indicators(frame, {"pair": name})
            self.strategy.populate_entry_trend(frame, {"pair": name})
        self.broker = self.strategy.broker
        self.board = self.strategy._view.board(self.bands)
        start = self.strategy._view.tracks["ETH-BTC"].time_ms[self.strategy.startup_candle_count]
        times = [time_ms for time_ms in self.board.by_time if time_ms >= start]
        (self.candidate,) = self.board.at(times[0])
        self.later = self.board.at(times[1])[0]
        self.now_ms = self.candidate.time_ms + HOUR_MS
        self.trades = {}

    @property
    def bands(self):
        return self.strategy._bands()

    def tag(self, leg, direction=None):
        return EntryTag("ETH-BTC", direction or self.candidate.direction, leg)

    def rate(self, leg):
        return self.strategy._view.close_of(MARKETS[leg], self.candidate.time_ms)

    def stake(self, leg, direction=None):
        tag = self.tag(leg, direction)
        return self.broker.stake(tag, self.rate(leg), 2.0, self.bands, self.now_ms)

    def wanted(self, leg):
        return float(self.broker.desk.pending_order("ETH-BTC", leg).quantity)

    def confirm(self, leg, quantity=None, side=None):
        tag = self.tag(leg)
        quantity = self.wanted(leg) if quantity is None else quantity
        return self.broker.confirm(tag, side or tag.side, quantity, self.now_ms)

    def fill(self, leg, share=1.0):
        """Let Freqtrade's backtest fill the order that was confirmed."""
        tag = self.tag(leg)
        quantity = abs(float(self.broker.desk.records["ETH-BTC"].position.leg(leg).aim))
        trade = trade_of(
            id=len(self.trades) + 1, pair=MARKETS[leg], is_short=tag.side == "short",
            enter_tag=str(tag), open_rate=self.rate(leg),
        )  # fmt: skip
        filled = round(quantity * share, 3)
        add_order(trade, trade.entry_side, quantity, self.rate(leg), filled=filled)
        self.trades[leg] = trade
        self.broker.filled(tag, trade, self.now_ms)
        trade.recalc_trade_from_orders()
        LocalTrade.add_bt_trade(trade)

    def enter(self):
        """Both legs, as a backtest does it; then the next candle."""
        for leg in LegName:
            assert self.stake(leg) > 0
            assert self.confirm(leg)
            self.fill(leg)
        self.loop()

    def loop(self, hours=1):
        self.now_ms += hours * HOUR_MS
        self.broker.loop(self.now_ms)

    def exit_reason(self, leg, rate=None):
        trade = self.trades[leg]
        rate = trade.open_rate if rate is None else rate
        return self.broker.exit_reason(self.tag(leg), trade, rate, self.bands, self.now_ms)

    def close(self, leg, side=None):
        trade = self.trades[leg]
        add_order(trade, side or trade.exit_side, trade.amount, trade.open_rate * 1.001)
        if side is None:
            self.broker.filled(self.tag(leg), trade, self.now_ms)
        trade.close(trade.open_rate * 1.001, show_msg=False)
        LocalTrade.close_bt_trade(trade)

    @property
    def state(self):
        record = self.broker.desk.records.get("ETH-BTC")
        return record.position.state if record else SpreadState.FLAT


@pytest.fixture(autouse=True)
def _logging(monkeypatch):
    """A dry run puts our log format in place, for which it looks at the credentials."""
    monkeypatch.setattr(Provider, "_api", SimpleNamespace(), raising=False)
    monkeypatch.setattr(_guarded_strategy, "with_credentials", lambda config, api: config)
    monkeypatch.setattr(_guarded_strategy.log_format, "install", lambda *arguments: None)


@pytest.fixture(autouse=True)
def _books(backtest_books):
    PairLocks.use_db = False
    PairLocks.timeframe = "1h"
    PairLocks.reset_locks()
    yield
    PairLocks.reset_locks()
    PairLocks.use_db = True


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def test_a_stake_is_the_wanted_quantity_at_the_orders_rate(stage):
    stake = stage.stake(LegName.A)
    assert stake == pytest.approx(stage.wanted(LegName.A) * stage.rate(LegName.A) / 2.0)
    assert stage.state is SpreadState.OPENING


def test_the_legs_are_hedged_by_the_ratio_in_force(stage):
    stage.stake(LegName.A)
    fit = stage.broker.desk.records["ETH-BTC"].frozen
    notional_a = stage.wanted(LegName.A) * stage.rate(LegName.A)
    notional_b = stage.wanted(LegName.B) * stage.rate(LegName.B)
    lot = 0.001 * max(stage.rate(leg) for leg in LegName) * fit.hedge_ratio
    assert abs(notional_b - fit.hedge_ratio * notional_a) <= lot


def test_both_legs_are_confirmed_once_as_wanted(stage):
    for leg in LegName:
        assert stage.stake(leg) > 0
        assert stage.confirm(leg)
        stage.fill(leg)
    assert stage.state is SpreadState.OPEN
    assert stage.stake(LegName.A) == 0.0


def test_a_leg_whose_partner_was_refused_is_not_sent(stage):
    """Freqtrade asked for leg A, something went wrong there, and it goes on to leg B."""
    assert stage.stake(LegName.A) > 0
    assert stage.stake(LegName.B) == 0.0
    assert not stage.confirm(LegName.B)
    assert stage.stake(LegName.A) > 0  # a live bot asks again in its next loop


def test_a_leg_whose_partner_has_a_trade_is_sent(stage):
    assert stage.stake(LegName.A) > 0
    assert stage.confirm(LegName.A)
    stage.fill(LegName.A, share=0.0)
    assert stage.stake(LegName.B) > 0
    assert stage.confirm(LegName.B)


@pytest.mark.parametrize("lots", [-1, -3, 1, 3])
def test_another_quantity_is_refused(stage, lots, caplog):
    stage.stake(LegName.A)
    assert not stage.confirm(LegName.A, stage.wanted(LegName.A) + lots * 0.001)
    assert "Freqtrade would order" in caplog.text
    assert stage.confirm(LegName.A, stage.wanted(LegName.A) + 0.0004)


def test_the_wrong_side_is_refused(stage):
    stage.stake(LegName.A)
    side = {"long": "short", "short": "long"}[stage.tag(LegName.A).side]
    assert not stage.confirm(LegName.A, side=side)


def test_an_order_nobody_wants_is_refused(stage):
    assert not stage.broker.confirm(stage.tag(LegName.A), "long", 1.0, stage.now_ms)


def test_no_stake_for_a_spread_that_has_no_signal_now(stage):
    stage.now_ms += HOUR_MS * (1 if stage.later.time_ms > stage.candidate.time_ms + HOUR_MS else 50)
    assert stage.stake(LegName.A) == 0.0
    assert stage.state is SpreadState.FLAT


def test_no_stake_in_the_other_direction(stage):
    other = {Direction.LONG: Direction.SHORT, Direction.SHORT: Direction.LONG}
    assert stage.stake(LegName.A, other[stage.candidate.direction]) == 0.0


@pytest.mark.parametrize("mode", [RunMode.BACKTEST, RunMode.HYPEROPT])
def test_a_leg_alone_is_not_entered(tmp_path, mode, caplog):
    """The partner is not in the pairlist: Freqtrade would never ask for it."""
    stage = Stage(tmp_path, mode=mode, whitelist=[ETH])
    with caplog.at_level(logging.DEBUG):
        assert stage.stake(LegName.A) == 0.0
    assert f"{BTC} has no signal on this candle" in caplog.text


def test_a_partner_whose_startup_is_not_over_does_not_count(stage):
    board = stage.broker.signalled[BTC].board
    stage.broker.signalled[BTC] = Signalled(board, stage.candidate.time_ms + 1)
    assert stage.stake(LegName.A) == 0.0
    stage.broker.signalled[BTC] = Signalled(board, stage.candidate.time_ms)
    assert stage.stake(LegName.A) > 0.0


def test_a_partner_with_another_board_does_not_count(stage):
    """Its candle was analysed before the partner's arrived."""
    board = stage.broker.signalled[BTC].board
    others = {t: row for t, row in board.by_time.items() if t != stage.candidate.time_ms}
    stage.broker.signalled[BTC] = Signalled(type(board)(others), 0.0)
    assert stage.stake(LegName.A) == 0.0


def test_the_lookahead_analysis_may_trade_one_leg_alone(tmp_path):
    stage = Stage(tmp_path, mode=RunMode.UTIL_NO_EXCHANGE, whitelist=[ETH])
    del stage.strategy.dp.frames[BTC]
    assert stage.stake(LegName.A) > 0.0
    assert stage.confirm(LegName.A)
    stage.fill(LegName.A)
    assert stage.state is SpreadState.OPEN
    stage.loop()
    assert stage.state is SpreadState.OPEN


@pytest.mark.parametrize("slots", [2, 3, float("inf")])
def test_two_free_slots_are_enough(stage, slots):
    stage.strategy.max_open_trades = slots
    assert stage.stake(LegName.A) > 0.0


def test_a_single_free_slot_is_not(stage):
    stage.strategy.max_open_trades = 1
    assert stage.stake(LegName.A) == 0.0


def test_a_slot_promised_to_the_partner_is_taken(stage):
    stage.strategy.max_open_trades = 2
    stage.stake(LegName.A)
    account = stage.broker._account(open_trades=0)
    assert account.free_slots == 0
    assert stage.confirm(LegName.A)
    stage.fill(LegName.A)
    assert stage.broker._account(open_trades=1).free_slots == 0


def test_margin_promised_to_the_partner_is_taken(stage):
    before = stage.broker._account(0).available
    stage.stake(LegName.A)
    needed = sum(stage.wanted(leg) * stage.rate(leg) / 2.0 for leg in LegName)
    assert stage.broker._account(0).available == pytest.approx(before - needed)


def test_without_money_nothing_is_entered(stage):
    stage.strategy.wallets = Wallets(1.0)
    assert stage.stake(LegName.A) == 0.0


@pytest.mark.parametrize("leg", list(LegName))
@pytest.mark.parametrize("side", ["own", "*", "other"])
def test_a_lock_on_the_side_of_either_leg_forbids_the_spread(stage, leg, side):
    own = stage.tag(leg).side
    locked = {"own": own, "*": "*", "other": {"long": "short", "short": "long"}[own]}[side]
    until = datetime.fromtimestamp(stage.now_ms / 1000, UTC) + timedelta(hours=2)
    now = until - timedelta(hours=3)
    PairLocks.lock_pair(MARKETS[leg], until, "test", now=now, side=locked)
    assert (stage.stake(LegName.A) > 0.0) is (side == "other")


def test_a_market_that_is_held_already_is_not_used(stage):
    LocalTrade.add_bt_trade(trade_of(id=77, pair=BTC, enter_tag="force_entry"))
    assert stage.stake(LegName.A) == 0.0


def test_a_market_that_is_to_be_delisted_is_not_entered_live(tmp_path, database):
    Trade.use_db = True
    stage = Stage(tmp_path, mode=RunMode.DRY_RUN)
    stage.strategy.dp.delisted[BTC] = datetime.now(UTC)
    assert stage.stake(LegName.A) == 0.0
    stage.strategy.dp.delisted.clear()
    assert stage.stake(LegName.A) > 0.0


@pytest.mark.parametrize("leg", list(LegName))
def test_a_market_that_is_held_on_the_exchange_is_not_entered_live(tmp_path, database, leg):
    """Freqtrade takes a lost answer for a refusal; the position is there all the same."""
    Trade.use_db = True
    stage = Stage(tmp_path, mode=RunMode.DRY_RUN)
    stage.strategy.wallets.positions[MARKETS[leg]] = object()
    assert stage.stake(LegName.A) == 0.0
    stage.strategy.wallets.positions.clear()
    assert stage.stake(LegName.A) > 0.0


@pytest.mark.parametrize("held", [True, False])
def test_an_order_that_was_lost_is_looked_for_on_the_exchange(tmp_path, database, held, caplog):
    Trade.use_db = True
    stage = Stage(tmp_path, mode=RunMode.DRY_RUN)
    stage.stake(LegName.A)
    stage.confirm(LegName.A)
    if held:
        stage.strategy.wallets.positions[ETH] = object()
    stage.broker.loop(stage.now_ms + 2_000)
    assert stage.strategy.wallets.updates == 1
    assert ("shows a position: close it by hand" in caplog.text) is held


def test_a_live_spread_survives_a_restart(tmp_path, database):
    Trade.use_db = True
    stage = Stage(tmp_path, mode=RunMode.DRY_RUN)
    stage.stake(LegName.A)
    stage.confirm(LegName.A)
    again = stage.strategy._new_broker()
    assert dict(again.desk.records) == dict(stage.broker.desk.records)


def test_what_fails_for_one_spread_does_not_stop_the_loop(stage, monkeypatch, caplog):
    stage.enter()
    stage.close(LegName.A, side="stoploss")
    monkeypatch.setattr(stage.trades[LegName.B], "orders", None)
    stage.loop()
    assert "SpreadBroker._observe failed" in caplog.text


def test_an_error_of_the_review_does_not_hold_back_an_exit(stage, monkeypatch, caplog):
    """Leg A was told to leave; then the rules break: leg B must leave all the same."""
    closing(stage)
    monkeypatch.setattr(stage.broker.desk, "review", None)
    assert stage.exit_reason(LegName.B) is not None
    assert "SpreadBroker._review failed" in caplog.text


def test_a_result_is_booked_before_its_record_is_forgotten(stage, monkeypatch):
    """A crash in between must find the record, not nothing."""
    order = []
    monkeypatch.setattr(stage.broker.results, "is_final", lambda spread: True)
    monkeypatch.setattr(stage.broker.results, "book", lambda spread: order.append("book"))
    monkeypatch.setattr(stage.broker.desk, "forget", lambda spread: order.append("forget"))
    monkeypatch.setattr(stage.broker.desk, "take_closed", lambda: ["a spread"])
    stage.loop()
    assert order == ["book", "forget"]


def test_the_models_hear_of_an_entry_that_ended_without_a_trade(stage, monkeypatch):
    dropped = []
    position = SimpleNamespace(spread_id="ETH-BTC")
    closed = SimpleNamespace(record=SimpleNamespace(position=position, signal_ms=7))
    stage.broker.advice = SimpleNamespace(dropped=lambda *entry: dropped.append(entry))
    monkeypatch.setattr(stage.broker.results, "is_final", lambda closed: True)
    monkeypatch.setattr(stage.broker.results, "book", lambda closed: None)
    monkeypatch.setattr(stage.broker.desk, "forget", lambda closed: None)
    assert stage.broker._book(closed)
    assert dropped == [("ETH-BTC", 7)]


def test_a_result_that_cannot_be_booked_now_is_booked_later(stage, monkeypatch, caplog):
    def locked(spread):
        raise StoreError("database is locked")

    closing(stage)
    stage.close(LegName.A)
    assert stage.exit_reason(LegName.B)
    stage.close(LegName.B)
    with monkeypatch.context() as broken:
        broken.setattr(stage.broker.results, "is_final", locked)
        stage.loop()
    assert len(stage.broker.results.history.returns) == 0
    assert "database is locked" in caplog.text
    stage.loop()
    assert len(stage.broker.results.history.returns) == 1


def test_a_result_waits_until_freqtrade_has_closed_the_trades(stage, monkeypatch):
    """An unwind that the bot learns of afterwards is flat before its trade is closed."""
    final = [False]
    monkeypatch.setattr(stage.broker.results, "is_final", lambda spread: final[0])
    closing(stage)
    stage.close(LegName.A)
    assert stage.exit_reason(LegName.B)
    stage.close(LegName.B)
    stage.loop()
    stage.loop()
    assert stage.state is SpreadState.FLAT
    assert len(stage.broker.results.history.returns) == 0
    final[0] = True
    stage.loop()
    assert len(stage.broker.results.history.returns) == 1
    stage.loop()
    assert len(stage.broker.results.history.returns) == 1


def test_a_refusal_is_said_once_a_candle(stage, caplog):
    stage.strategy.max_open_trades = 1
    stage.broker.live = True
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            stage.broker._ask_to_open(stage.tag(LegName.A), stage.bands, stage.now_ms)
    said = [r.getMessage() for r in caplog.records if "is not entered" in r.getMessage()]
    assert len(said) == 1
    assert "leave no room for two more legs" in said[0]


def test_an_open_spread_is_held_until_its_rule_says_otherwise(stage):
    stage.enter()
    reasons = []
    for _ in range(60):
        reasons.append(stage.exit_reason(LegName.A))
        if reasons[-1]:
            break
        stage.loop()
    assert reasons[-1] in {CloseReason.MEAN_REVERSION, CloseReason.SPREAD_TIME}
    assert stage.exit_reason(LegName.B) is reasons[-1]  # on the same candle, for the same reason
    assert stage.state is SpreadState.CLOSING


def closing(stage):
    stage.enter()
    while stage.exit_reason(LegName.A) is None:
        stage.loop()
    return stage


def test_a_closed_spread_is_booked_with_both_trades(stage, caplog):
    closing(stage)
    stage.close(LegName.A)
    assert stage.exit_reason(LegName.B)
    stage.close(LegName.B)
    with caplog.at_level(logging.INFO):
        stage.loop()
    assert stage.state is SpreadState.FLAT
    assert len(stage.broker.results.history.returns) == 1
    assert "ETH-BTC" in caplog.text


def test_a_leg_that_disappears_takes_the_other_with_it(stage):
    stage.enter()
    stage.close(LegName.A, side="stoploss")
    stage.loop()
    assert stage.exit_reason(LegName.B) is CloseReason.PARTNER_CLOSED


def test_a_closed_trade_of_a_leg_is_found_by_its_number(stage):
    stage.enter()
    record = stage.broker.desk.records["ETH-BTC"]
    stage.close(LegName.A)
    assert _trade_of(record, LegName.A, []) is stage.trades[LegName.A]


@pytest.mark.parametrize("tag", ["ETH-SOL long A", "ETH-BTC long B", None])
def test_a_closed_trade_with_a_number_that_was_given_out_again_is_not_the_leg(stage, tag):
    """Freqtrade has deleted the leg's trade, and SQLite has used its number for another one."""
    stage.enter()
    record = stage.broker.desk.records["ETH-BTC"]
    stage.close(LegName.A)
    stage.trades[LegName.A].enter_tag = tag
    assert record.trade_ids[LegName.A] == stage.trades[LegName.A].id
    assert _trade_of(record, LegName.A, []) is None


def test_a_trade_that_no_spread_owns_is_closed(stage):
    trade = trade_of(id=5)
    tag = stage.tag(LegName.A)
    answer = stage.broker.exit_reason(tag, trade, 100.0, stage.bands, stage.now_ms)
    assert answer is CloseReason.ORPHAN_LEG


def test_a_second_trade_of_a_leg_is_closed(stage):
    stage.enter()
    stranger = trade_of(id=99)
    tag = stage.tag(LegName.A)
    answer = stage.broker.exit_reason(tag, stranger, 100.0, stage.bands, stage.now_ms)
    assert answer is CloseReason.ORPHAN_LEG
    assert stage.exit_reason(LegName.A) is None


@pytest.mark.parametrize("leg", list(LegName))
@pytest.mark.parametrize(("share", "closes"), [(0.69, False), (0.71, True)])
def test_a_leg_near_its_liquidation_closes_the_spread(stage, leg, share, closes):
    stage.enter()
    trade = stage.trades[leg]
    worse = 1.5 if trade.is_short else 0.5
    trade.liquidation_price = trade.open_rate * worse
    rate = trade.open_rate + share * (trade.liquidation_price - trade.open_rate)
    reason = stage.exit_reason(leg, rate)
    assert reason is (CloseReason.EMERGENCY_SL if closes else None)


@pytest.mark.parametrize("asked", list(LegName))
@pytest.mark.parametrize(("share", "closes"), [(0.69, False), (0.71, True)])
def test_a_partner_near_its_liquidation_closes_the_spread(stage, asked, share, closes):
    """By its last close: whichever leg Freqtrade asks about first must know."""
    stage.enter()
    partner = stage.trades[asked.other]
    close = stage.strategy._view.close_of(MARKETS[asked.other], stage.broker.closed_candle(
        stage.now_ms
    ))  # fmt: skip
    partner.liquidation_price = partner.open_rate + (close - partner.open_rate) / share
    stage.broker.loop(stage.now_ms)
    reason = stage.exit_reason(asked)
    assert reason is (CloseReason.EMERGENCY_SL if closes else None)


def test_a_spread_that_left_the_book_is_closed(stage):
    stage.enter()
    bands = stage.bands
    del stage.strategy._view.specs["ETH-BTC"]
    reason = stage.broker.exit_reason(
        stage.tag(LegName.A), stage.trades[LegName.A], 1.0, bands, stage.now_ms
    )
    assert reason is CloseReason.RELATION_BROKEN


def test_the_last_closed_candle_is_the_one_before_this(stage):
    assert stage.broker.closed_candle(10 * HOUR_MS) == 9 * HOUR_MS
    assert stage.broker.closed_candle(10 * HOUR_MS + 1) == 9 * HOUR_MS
    assert stage.broker.closed_candle(11 * HOUR_MS - 1) == 9 * HOUR_MS


def test_a_leg_filled_in_part_is_topped_up(stage):
    stage.stake(LegName.A)
    stage.confirm(LegName.A)
    stage.fill(LegName.A, share=0.5)
    stage.stake(LegName.B)
    stage.confirm(LegName.B)
    stage.fill(LegName.B)
    stage.loop()
    assert stage.broker.wants_adjustment()
    trade, rate = stage.trades[LegName.A], stage.rate(LegName.A)
    wanted = stage.wanted(LegName.A)
    stake = stage.broker.adjustment(stage.tag(LegName.A), trade, rate, stage.now_ms)
    assert stake * trade.leverage / rate == pytest.approx(wanted)
    assert stake > 0
    assert stage.broker.adjustment(stage.tag(LegName.B), stage.trades[LegName.B], 1.0, 0) is None


def test_an_open_spread_needs_no_adjustment(stage):
    assert not stage.broker.wants_adjustment()
    stage.enter()
    assert not stage.broker.wants_adjustment()
    assert not stage.broker.wants_cancel(stage.tag(LegName.A))


def test_an_unknown_spread_wants_no_cancel(stage):
    assert not stage.broker.wants_cancel(stage.tag(LegName.A))


def test_the_fee_of_the_case_is_the_markets(stage):
    case = stage.broker._case(stage.candidate, (), stage.bands, stage.now_ms)
    assert {leg.fee_rate for leg in case.legs.values()} == {market()["taker"]}
    assert case.legs[LegName.A].price == stage.rate(LegName.A)


# With the order guard


class Execution:
    """The order guard's side: what it knows of orders, by client order id."""

    def __init__(self):
        self.unsettled = set()
        self.open_questions = set()
        self.awaited = set()
        self.guard = SimpleNamespace(is_awaited=lambda name: name in self.awaited)
        self.names = {}
        self.markets = frozenset()
        self.stop = SimpleNamespace(is_asked=False)

    def is_open_question(self, client_order_id):
        return client_order_id in self.open_questions

    def is_unsettled(self, client_order_id):
        return client_order_id in self.unsettled

    def name_of(self, market, venue_order_id):
        return self.names.get((market, venue_order_id))

    def unsettled_markets(self):
        return self.markets


@pytest.fixture
def guarded(stage):
    stage.broker.execution = Execution()
    return stage


def working(stage, leg):
    return stage.broker.desk.records["ETH-BTC"].position.leg(leg).working


def both_sent(stage):
    for leg in LegName:
        stage.stake(leg)
        stage.confirm(leg)
        if leg is LegName.A:
            stage.fill(leg)
    return stage


def test_an_order_whose_outcome_is_unknown_is_waited_for(guarded):
    """The books show no trade of it: that says nothing yet."""
    both_sent(guarded)
    order = working(guarded, LegName.B)
    guarded.broker.execution.unsettled = {order.client_order_id}
    guarded.now_ms += 1_000
    guarded.broker.loop(guarded.now_ms)
    assert working(guarded, LegName.B).client_order_id == order.client_order_id
    guarded.broker.execution.unsettled = set()
    guarded.broker.loop(guarded.now_ms)
    after = working(guarded, LegName.B)
    assert after is None or after.client_order_id != order.client_order_id


def test_an_order_that_is_being_asked_for_is_not_asked_for_by_freqtrade(guarded):
    guarded.stake(LegName.A)
    name = guarded.broker.desk.pending_order("ETH-BTC", LegName.A).client_order_id
    guarded.broker.execution.open_questions = {name}
    assert guarded.stake(LegName.A) == 0.0
    guarded.broker.execution.open_questions = set()
    assert guarded.stake(LegName.A) > 0.0


def test_freqtrade_is_not_asked_for_an_exit_that_waits(guarded):
    """The other leg's exit is an open question: the spread stays whole until that is settled."""
    closing(guarded)
    for leg in LegName:
        assert guarded.exit_reason(leg) is not None
    asked_for = working(guarded, LegName.B).client_order_id
    guarded.broker.execution.unsettled = guarded.broker.execution.awaited = {asked_for}
    guarded.now_ms += 6_000
    guarded.broker.loop(guarded.now_ms)
    assert working(guarded, LegName.A).reduce_only
    assert guarded.exit_reason(LegName.A) is None
    guarded.broker.execution.unsettled = guarded.broker.execution.awaited = set()
    guarded.broker.loop(guarded.now_ms)
    assert working(guarded, LegName.B).client_order_id != asked_for
    assert [guarded.exit_reason(leg) is not None for leg in LegName] == [True, True]


def test_an_order_takes_the_name_that_the_guard_knows(guarded):
    """Adopted in an order that Freqtrade did not choose: the name decides, not the sequence."""
    guarded.stake(LegName.A)
    guarded.confirm(LegName.A)
    wanted = working(guarded, LegName.A).client_order_id
    guarded.broker.execution.names = {(ETH, "1-1"): "an earlier order", (BTC, "1-1"): wanted}
    guarded.fill(LegName.A)
    names = guarded.broker.desk.records["ETH-BTC"].names
    assert names["A:1-1"] == "an earlier order"


def test_a_market_with_an_unknown_order_is_not_entered(guarded):
    guarded.broker.execution.markets = frozenset({BTC})
    assert guarded.stake(LegName.A) == 0.0
    guarded.broker.execution.markets = frozenset()
    assert guarded.stake(LegName.A) > 0.0


def test_a_bot_that_is_asked_to_end_opens_nothing(guarded):
    guarded.broker.execution.stop.is_asked = True
    assert guarded.stake(LegName.A) == 0.0
    guarded.broker.execution.stop.is_asked = False
    assert guarded.stake(LegName.A) > 0.0
    guarded.broker.execution.stop.is_asked = True
    assert guarded.stake(LegName.A) > 0.0  # what is on its way is finished


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("force_exit", CloseReason.MANUAL),
        ("stop_loss", CloseReason.SL),
        ("trailing_stop_loss", CloseReason.TRAILING),
        ("emergency_exit", CloseReason.EMERGENCY_SL),
    ],
)
def test_an_exit_that_nobody_here_asked_for_closes_both_legs(guarded, said, reason):
    guarded.enter()
    tag, trade = guarded.tag(LegName.A), guarded.trades[LegName.A]
    guarded.broker.forced_exit(tag, trade, said, guarded.now_ms)
    assert guarded.state is SpreadState.CLOSING
    orders = [guarded.broker.desk.pending_order("ETH-BTC", leg) for leg in LegName]
    assert [(order.reduce_only, order.reason) for order in orders] == [(True, reason)] * 2
    assert guarded.exit_reason(LegName.B) is reason


def test_an_exit_of_the_spreads_own_keeps_its_reason(guarded):
    closing(guarded)
    record = guarded.broker.desk.records["ETH-BTC"]
    tag, trade = guarded.tag(LegName.A), guarded.trades[LegName.A]
    guarded.broker.forced_exit(tag, trade, "force_exit", guarded.now_ms)
    assert guarded.broker.desk.records["ETH-BTC"] == record


def test_the_exit_of_a_trade_that_no_spread_owns_is_nobodys(guarded):
    guarded.broker.forced_exit(guarded.tag(LegName.A), trade_of(id=9), "x", guarded.now_ms)
    guarded.enter()
    guarded.broker.forced_exit(guarded.tag(LegName.A), trade_of(id=99), "x", guarded.now_ms)
    assert guarded.state is SpreadState.OPEN
