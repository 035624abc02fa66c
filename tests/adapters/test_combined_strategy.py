"""Spreads and scored positions in one bot: who is asked, and what each must know of the other.

Bugs planted by hand, each caught by the test named:

1. a leg's callback is asked of the desk of positions -> test_each_callback_is_asked_of_its_owner
2. the stop of a leg follows the price -> test_the_stop_of_a_leg_never_moves
3. a position has the stop of a leg until the first look -> test_a_position_has_its_own_first_stop
4. a fill moves a stop back that the rules have moved -> the same
5. the warm-up of one hides that of the other -> test_the_longer_warm_up_counts
6. a coin is scored in another quote currency -> test_the_coins_of_spreads_are_not_entered
7. an open spread that has left the book frees its coins -> the same
8. the spread's z-score is overwritten -> test_a_frame_has_the_columns_of_both
9. a leg's signal is overwritten by a score -> test_one_of_the_two_owns_a_candle
10. a spread takes a coin of an open position -> test_a_spread_waits_for_the_coin_of_a_position
11. ... of the same coin only in its own market -> the same
12. its wait is logged on each candle -> test_a_wait_is_logged_once
13. the account's kill switch leaves spreads open -> test_the_account_closes_both_legs
14. ... or lets new ones open -> test_a_stopped_account_opens_no_spread
15. an excluded coin is entered as a leg -> test_an_excluded_coin_is_no_leg
16. a position takes the slot of a leg -> test_a_position_does_not_take_the_slot_of_a_leg
17. ... or its money -> test_a_position_leaves_the_money_of_a_leg
18. a leg's profit is unknown to the account -> test_legs_are_part_of_the_account
19. adjustments stop with those of spreads -> test_positions_can_always_be_reduced
20. a leg is adjusted in the loop of its fill ->
    test_a_leg_is_adjusted_only_when_its_spread_wants_it
21. the next backtest's desk knows nothing of promises -> test_the_next_backtest_is_wired_anew
22. spot trading starts -> test_spot_trading_is_refused_by_freqtrade
23. a restart gives a position the stop of a leg ->
    test_a_restart_leaves_a_position_its_own_first_stop
24. each leg counts as a position -> test_a_spread_is_one_position
25. a spread that waits keeps slots -> test_a_spread_that_waits_lets_others_pass
26. a leg is entered on the candle on which a position was left in the other's coin ->
    test_a_spread_waits_for_the_candle_after_a_position
27. a clock that is set back begins a trading bot anew, without the order guard ->
    test_a_clock_that_is_set_back_changes_nothing_in_a_trading_bot
28. a look that fails holds back what the one before has decided ->
    test_an_account_that_cannot_be_read_goes_on_closing
29. ... or the look at the account -> test_spreads_that_cannot_be_read_do_not_blind_the_account
30. each remembers its trades alone, in one file -> test_trades_of_both_are_remembered_together
"""

import logging
import pickle
import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import cloudpickle
import pytest
from freqtrade.enums import RunMode, TradingMode
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import LocalTrade, PairLocks, Trade
from freqtrade.strategy.parameters import DecimalParameter

from freqtrade_ext.adapters._combined_orders import CombinedOrders
from freqtrade_ext.adapters._position_orders import PositionOrders
from freqtrade_ext.adapters._spread_orders import SpreadOrders
from freqtrade_ext.adapters._trade_outcomes import outcome_path
from freqtrade_ext.adapters.strategies import (
    CombinedStrategy,
    RegimeStrategy,
    SpreadStrategy,
    _guarded_strategy,
)
from freqtrade_ext.errors import StoreError
from freqtrade_ext.learning import OutcomeSettings, load_learner
from freqtrade_ext.risk import CloseReason, StopEntries
from freqtrade_ext.spreads import LegName, Refusal

from .combined_doubles import ADA, LEGS, SOL, SOL_USDC, Stage, entry, strategy_of
from .desk_doubles import write_book
from .doubles import BTC, ETH, HOUR_MS, trade_of
from .regime_doubles import START_MS, moment

SCORE, FORCED, LEG = "long 74", "force_entry", "ETH-BTC long A"


@pytest.fixture(autouse=True)
def _books(backtest_books, monkeypatch):
    monkeypatch.setattr(PairLocks, "use_db", False)
    monkeypatch.setattr(PairLocks, "locks", [])
    monkeypatch.setattr(PairLocks, "timeframe", "1h")
    monkeypatch.setattr(_guarded_strategy, "with_credentials", lambda config, api: config)
    monkeypatch.setattr(_guarded_strategy.log_format, "install", lambda *arguments: None)


@pytest.fixture
def strategy(tmp_path):
    write_book(tmp_path)
    return strategy_of(tmp_path)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


# Construction


def test_the_longer_warm_up_counts(tmp_path):
    write_book(tmp_path)
    of_spreads = SpreadStrategy(strategy_of(tmp_path).config).startup_candle_count
    of_scores = RegimeStrategy(strategy_of(tmp_path).config).startup_candle_count
    assert (of_spreads, of_scores) == (154, 400)
    assert strategy_of(tmp_path).startup_candle_count == 400
    long = {"spreads": {"fit_window": 700}}
    assert strategy_of(tmp_path, **long).startup_candle_count == 700 + 24 + 30


def test_stops_and_orders_are_those_of_both(strategy):
    assert strategy.stoploss == SpreadStrategy.stoploss == -0.8
    assert strategy.order_types["stoploss_on_exchange"]
    assert strategy.order_types["entry"] == "market"
    assert strategy.use_custom_stoploss
    assert [each["method"] for each in strategy.protections] == ["StoplossFrequency", "KillSwitch"]


def test_spot_trading_is_refused_by_freqtrade(tmp_path):
    """It starts no strategy with shorts there; a spread has a short leg."""
    write_book(tmp_path)
    assert strategy_of(tmp_path, trading=TradingMode.SPOT).can_short


def test_a_mistake_in_either_section_stops_the_start(tmp_path):
    write_book(tmp_path)
    with pytest.raises(OperationalException, match=r"ext\.spreads\.fit_windo"):
        strategy_of(tmp_path, spreads={"fit_windo": 1})
    with pytest.raises(OperationalException, match=r"ext\.risk\.exits\.sl_atr"):
        strategy_of(tmp_path, risk={"exits": {"sl_atr": 99.0}})


def test_a_search_moves_the_parameters_of_both(strategy):
    strategy.ft_load_hyper_params()
    found = dict(strategy.enumerate_parameters())
    assert all(isinstance(each, DecimalParameter) for each in found.values())
    assert {"entry_scale", "exit_scale", "stop_scale", "holding_scale"} <= set(found)
    assert len(found) == 4 + 8
    assert {each.space for each in found.values()} == {"buy", "sell"}


def test_a_search_can_send_the_strategy_to_another_process(stage):
    modules = [sys.modules[kind.__module__] for kind in (CombinedStrategy, SpreadStrategy)]
    for module in modules:  # as hyperopt does with a strategy's bases
        cloudpickle.register_pickle_by_value(module)
    try:
        copy = pickle.loads(cloudpickle.dumps(stage.strategy))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    copy.bot_loop_start(moment(stage.now_ms))
    assert copy._books_are_read
    assert copy.desk.promised() == copy.broker.promised() == (0, 0.0)


# Who is asked

TRADE = {"trade": None, "pair": ETH, "current_time": None}
CALLBACKS = {
    "leverage": "entry_tag", "custom_stake_amount": "entry_tag", "confirm_trade_entry": "entry_tag",
    "custom_exit": "trade", "confirm_trade_exit": "trade", "adjust_trade_position": "trade",
    "order_filled": "trade",
}  # fmt: skip


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("tag", [LEG, SCORE, FORCED, None])
def test_each_callback_is_asked_of_its_owner(strategy, monkeypatch, name, tag):
    asked = []
    for kind in (SpreadStrategy, RegimeStrategy):
        monkeypatch.setattr(
            kind, name, lambda self, kind=kind, **given: asked.append((kind, given))
        )
    given = {"pair": ETH, "extra": 1}
    if CALLBACKS[name] == "entry_tag":
        given["entry_tag"] = tag
    else:
        given["trade"] = trade_of(id=1, enter_tag=tag)
    given |= {"current_rate": 1.0} if name == "custom_exit" else {}
    given |= {"order": entry()} if name == "order_filled" else {}
    strategy._adjusts = True
    getattr(strategy, name)(**given)
    assert asked == [(SpreadStrategy if tag == LEG else RegimeStrategy, given)]


@pytest.mark.parametrize("name", [*CALLBACKS, "custom_stoploss"])
def test_a_callback_gets_the_trade_itself_and_answers_when_it_fails(strategy, name, caplog):
    """Freqtrade hands a copy to what is not named like its own, and a name may be written."""
    callback = getattr(CombinedStrategy, name)
    assert callback.__qualname__ == f"IStrategy.{name}"
    answers = {"leverage": 1.0, "custom_stake_amount": 0.0, "confirm_trade_entry": False}
    answers |= {"confirm_trade_exit": True}
    assert callback(strategy) == answers.get(name)  # a callback without its arguments
    assert f"CombinedStrategy.{name} failed" in caplog.text


def test_time_outs_are_those_of_spreads(stage):
    for tag in (SCORE, FORCED):
        trade = trade_of(id=9, enter_tag=tag)
        given = {"pair": SOL, "trade": trade, "order": None, "current_time": moment(stage.now_ms)}
        assert stage.strategy.check_entry_timeout(**given) is False
        assert stage.strategy.check_exit_timeout(**given) is False


# Stops


def stop_of(stage, trade):
    return stage.strategy.custom_stoploss(
        pair=trade.pair, trade=trade, current_time=moment(stage.now_ms),
        current_rate=stage.rate(trade.pair), current_profit=0.0, after_fill=False,
    )  # fmt: skip


def test_the_stop_of_a_leg_never_moves(stage):
    trade = stage.open_leg(LegName.A)
    assert trade.stop_loss_pct == -0.8
    assert stop_of(stage, trade) is None
    assert not trade.is_stop_loss_trailing


def test_a_position_has_its_own_first_stop(stage):
    """Half of the margin at a leverage of 2 is a quarter of the price; it is the first, too."""
    trade = stage.fill(SOL, SCORE, "long")
    assert trade.stop_loss == pytest.approx(0.75 * trade.open_rate)
    assert trade.initial_stop_loss == trade.stop_loss
    assert (trade.stop_loss_pct, trade.initial_stop_loss_pct) == (-0.5, -0.5)
    assert not trade.is_stop_loss_trailing
    assert 0 < stop_of(stage, trade) < 0.5
    trade.adjust_stop_loss(trade.open_rate, -0.1)
    stage.strategy.order_filled(
        pair=SOL, trade=trade, order=entry(), current_time=moment(stage.now_ms)
    )
    assert trade.stop_loss_pct == -0.1
    short = stage.fill(ADA, FORCED, "short")
    assert short.stop_loss == pytest.approx(1.25 * short.open_rate)


def test_a_restart_leaves_a_position_its_own_first_stop(tmp_path, database, monkeypatch):
    """Freqtrade then gives the strategy's stop to every trade whose stop has not moved yet."""
    Trade.use_db = True
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, mode=RunMode.DRY_RUN)
    strategy.bot_start()
    rates = {}
    for pair, tag in ((ETH, LEG), (SOL, SCORE), (ADA, FORCED)):
        trade = trade_of(Trade, pair=pair, enter_tag=tag)
        trade.adjust_stop_loss(trade.open_rate, -0.8 if tag == LEG else -0.5, initial=True)
        if pair == ADA:
            trade.adjust_stop_loss(trade.open_rate, -0.1)  # moved by the rules
        Trade.session.add(trade)
        rates[pair] = trade.open_rate
    Trade.commit()
    Trade.stoploss_reinitialization(strategy.stoploss)
    stops = {trade.pair: trade.stop_loss_pct for trade in Trade.get_open_trades()}
    assert stops == {ETH: -0.8, SOL: -0.8, ADA: -0.1}  # what it does
    monkeypatch.setattr(strategy, "fresh_books", nullcontext)
    strategy.bot_loop_start(current_time=moment(START_MS))
    stops = {trade.pair: trade.stop_loss_pct for trade in Trade.get_open_trades()}
    assert stops == {ETH: -0.8, SOL: -0.5, ADA: -0.1}
    (position,) = Trade.get_trades([Trade.pair == SOL]).all()
    assert position.stop_loss == pytest.approx(0.75 * rates[SOL])


# A coin is in at most one of the two


def test_the_coins_of_spreads_are_not_entered(stage, monkeypatch):
    desk = stage.strategy.desk
    assert desk.refusal(SOL) == ""
    for market in (ETH, BTC, "ETH/USDC:USDC", "eth/usdc:usdc"):
        assert "spread book" in desk.refusal(market)
    assert stage.ask(ETH, SCORE, "long") == 0.0
    assert not stage.confirm(ETH, FORCED, "long")
    stage.open_spread()
    stage.strategy._view.take_over({}, frozenset())
    stage.loop(0)
    assert "open spread" in desk.refusal(ETH)  # it has left the book and is not left yet
    monkeypatch.setattr(stage.strategy.broker.desk, "_records", {})
    stage.loop(0)
    assert "open spread" in desk.refusal(BTC)  # a leg that no spread knows
    for trade in stage.trades:
        trade.is_open = False
    LocalTrade.bt_trades_open.clear()
    stage.loop(0)
    assert desk.refusal(BTC) == ""


def test_coins_that_join_the_spreads_are_told_once(tmp_path, database, caplog):
    Trade.use_db = True
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, mode=RunMode.DRY_RUN)
    with caplog.at_level(logging.INFO):
        strategy.bot_start()
        for _ in range(3):
            strategy.desk.bar(strategy.barred_markets())
    told = [line for line in caplog.messages if "left to spreads" in line]
    assert told == [f"[STRATEGY] left to spreads: {BTC}, {ETH}"]


@pytest.mark.parametrize("pair", [ETH, BTC, "BTC/USDC:USDC"])
def test_a_spread_waits_for_the_coin_of_a_position(stage, pair):
    position = trade_of(id=50, pair=pair, enter_tag=SCORE, amount=1.0)
    Trade.add_bt_trade(position)
    assert stage.strategy._against_spread(stage.candidate) == f"a position is open in {pair}"
    assert [stage.ask_leg(leg) for leg in LegName] == [0.0, 0.0]
    assert stage.state == "FLAT"
    Trade.bt_trades_open.remove(position)
    assert stage.ask_leg(LegName.A) > 0


@pytest.mark.parametrize(("hours", "waits"), [(0.0, True), (0.5, True), (-0.5, False)])
def test_a_spread_waits_for_the_candle_after_a_position(stage, hours, waits):
    """Freqtrade would not ask for the second leg on the candle of the exit."""
    closed = moment(stage.now_ms + round(hours * HOUR_MS))
    position = trade_of(id=50, pair=BTC, enter_tag=SCORE, is_open=False, close_date=closed)
    LocalTrade.bt_trades.append(position)
    assert (stage.ask_leg(LegName.A) == 0.0) is waits
    told = f"a position is just left in {BTC}" if waits else ""
    assert stage.strategy._against_spread(stage.candidate) == told


def test_a_wait_is_logged_once(tmp_path, caplog):
    stage = Stage(tmp_path)
    broker = stage.strategy.broker
    broker.live = True
    position = trade_of(id=50, pair=ETH, enter_tag=SCORE, amount=1.0)
    Trade.add_bt_trade(position)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert broker._is_refused(stage.candidate)
        Trade.bt_trades_open.remove(position)
        assert not broker._is_refused(stage.candidate)
        Trade.add_bt_trade(position)
        assert broker._is_refused(stage.candidate)
    told = [line for line in caplog.messages if "is not entered" in line]
    assert told == [f"[STRATEGY] ETH-BTC is not entered: a position is open in {ETH}"] * 2


def test_a_spread_that_waits_lets_others_pass(stage, monkeypatch):
    """It is no better candidate whose slots have to be kept free."""
    broker = stage.strategy.broker
    other = stage.candidate
    monkeypatch.setattr(broker, "refusal", lambda each: "it waits" if each is not other else "")
    seen = []

    def size(case, settings):
        seen.append(case.better)
        return Refusal("seen")

    monkeypatch.setattr("freqtrade_ext.adapters._spread_broker.size_entry", size)
    waiting = replace(other, spread_id="AAA")
    monkeypatch.setattr(stage.strategy._view, "board", lambda bands: FakeBoard((waiting, other)))
    assert stage.ask_leg(LegName.A) == 0.0
    assert seen == [()]


class FakeBoard:
    def __init__(self, candidates):
        self.candidates = candidates

    def at(self, time_ms):
        return self.candidates


# Frames


def test_a_frame_has_the_columns_of_both(stage):
    leg, single = stage.frames[ETH], stage.frames[SOL]
    assert leg["spread_z_score"].notna().sum() > 100
    assert single["z_score"].notna().sum() > 100
    assert single["spread_z_score"].isna().all()
    assert "z_score" not in leg  # it is not scored
    assert {"layer_funding", "score"} <= set(single)
    assert stage.strategy.desk.tracks[ETH].last_closed(stage.now_ms) is not None


def test_every_line_of_the_plots_is_a_column(stage):
    panels = CombinedStrategy.plot_config["subplots"]
    lines = [name for panel in panels.values() for name in panel]
    assert len(lines) == len(set(lines))
    assert set(lines) <= set(stage.frames[ETH]) | set(stage.frames[SOL])
    assert {"spread_z_score", "z_score", "z_entry_upper", "score", "layer_funding"} <= set(lines)


def test_one_of_the_two_owns_a_candle(stage):
    for pair, frame in stage.frames.items():
        entries = frame[(frame["enter_long"] == 1) | (frame["enter_short"] == 1)]
        assert len(entries) > 3
        pattern = r"^ETH-BTC (long|short) [AB]$" if pair in LEGS.values() else r"^(long|short) \d+$"
        assert entries["enter_tag"].str.match(pattern).all()
        assert not (frame["enter_long"].astype(int) & frame["enter_short"].astype(int)).any()
        assert frame["enter_tag"].notna().sum() == len(entries)


def test_a_leg_is_not_scored_again_by_a_search(tmp_path):
    stage = Stage(tmp_path, mode=RunMode.HYPEROPT)
    assert not stage.frames[ETH]["enter_tag"].dropna().str.match(r"^(long|short) \d+$").any()
    assert stage.frames[SOL]["enter_tag"].notna().any()


def test_candles_of_both_are_asked_for_once(strategy):
    wanted = strategy.informative_pairs()
    assert len(wanted) == len(set(wanted))
    assert {(ETH, "1h", "futures"), (SOL, "1h", "funding_rate")} <= set(wanted)
    assert set(strategy.traded_markets()) == {ETH, BTC, SOL, ADA}


def test_the_markets_of_both_are_guarded_without_a_bot_too(tmp_path):
    """As in ``freqtrade-ext recover``."""
    write_book(tmp_path)
    strategy = strategy_of(tmp_path)
    del strategy.dp
    strategy.config["exchange"]["pair_whitelist"] = [SOL]
    assert strategy.guarded_markets() == {ETH, BTC, SOL}


# One account


def test_the_account_closes_both_legs(stage, monkeypatch):
    stage.open_spread()
    position = stage.fill(SOL, SCORE, "long")
    assert stage.state == "OPEN"
    assert {stage.exit_of(trade) for trade in stage.trades} == {None}
    watch = stage.strategy.desk.watch
    monkeypatch.setattr(
        watch, "look", lambda look: setattr(watch, "close_reason", CloseReason.KILL_SWITCH_FULL)
    )
    stage.loop(0)
    assert stage.state == "CLOSING"
    reasons = [stage.exit_of(trade) for trade in (*stage.trades[:2], position)]
    assert reasons == ["KILL_SWITCH_FULL"] * 3
    stage.loop(0)  # asked again in each loop, which changes nothing
    assert stage.state == "CLOSING"


def test_the_account_unwinds_a_spread_on_its_way(stage, monkeypatch):
    stage.open_leg(LegName.A)
    watch = stage.strategy.desk.watch
    monkeypatch.setattr(
        watch, "look", lambda look: setattr(watch, "close_reason", CloseReason.KILL_SWITCH_FULL)
    )
    stage.loop(0)
    assert stage.state == "UNWINDING"
    assert stage.exit_of(stage.trades[0]) == "KILL_SWITCH_FULL"
    assert stage.ask_leg(LegName.B) == 0.0


def _fail(*arguments):
    raise StoreError("database is locked")


def test_an_account_that_cannot_be_read_goes_on_closing(stage, monkeypatch):
    stage.open_spread()
    monkeypatch.setattr(stage.strategy.desk.watch, "close_reason", CloseReason.KILL_SWITCH_FULL)
    monkeypatch.setattr(stage.strategy.desk, "loop", _fail)
    stage.loop(0)
    assert stage.state == "CLOSING"
    assert stage.strategy.position_adjustment_enable
    assert not stage.strategy._books_are_read  # and nothing is entered


def test_spreads_that_cannot_be_read_do_not_blind_the_account(stage, monkeypatch):
    looks = []
    monkeypatch.setattr(stage.strategy.broker, "loop", _fail)
    monkeypatch.setattr(stage.strategy.desk, "loop", looks.append)
    stage.loop(0)
    assert looks == [stage.now_ms]
    assert not stage.strategy._books_are_read


def test_a_stopped_account_opens_no_spread(stage, monkeypatch):
    monkeypatch.setattr(stage.strategy.desk.watch, "entries", StopEntries(None, "why"))
    assert stage.strategy._against_spread(stage.candidate) == "entries are stopped: why"
    assert stage.ask_leg(LegName.A) == 0.0


def test_an_excluded_coin_is_no_leg(tmp_path):
    stage = Stage(tmp_path, risk={"excluded": ["BTC"]})
    assert stage.ask_leg(LegName.A) == 0.0
    assert "ext.risk.excluded" in stage.strategy._against_spread(stage.candidate)


def test_legs_are_part_of_the_account(stage):
    """In a backtest by the last close, in a bot by the rate that Freqtrade asks with."""
    trade = stage.open_leg(LegName.A)
    profit = stage.strategy.desk._profit(trade, stage.now_ms)
    assert profit == pytest.approx(trade.calc_profit(stage.rate(ETH)))
    stage.strategy.desk._live = True
    stage.exit_of(trade, rate=2 * trade.open_rate)
    assert stage.strategy.desk._profit(trade, 0) == trade.calc_profit(2 * trade.open_rate)


def test_positions_can_always_be_reduced(stage):
    assert stage.strategy.position_adjustment_enable
    stage.open_spread()
    stage.loop(0)
    assert stage.strategy.position_adjustment_enable


def test_a_leg_is_adjusted_only_when_its_spread_wants_it(stage, monkeypatch):
    stage.open_spread()
    monkeypatch.setattr(stage.strategy.broker, "adjustment", lambda *given: 12.0)
    given = {"current_time": moment(stage.now_ms), "current_rate": 100.0}
    for wanted in (False, True):
        monkeypatch.setattr(stage.strategy.broker, "wants_adjustment", lambda wanted=wanted: wanted)
        stage.loop(0)
        answer = stage.strategy.adjust_trade_position(trade=stage.trades[0], **given)
        assert answer == (12.0 if wanted else None)


# Slots and money


@pytest.mark.parametrize(("slots", "enters"), [(2, False), (3, True), (float("inf"), True)])
def test_a_position_does_not_take_the_slot_of_a_leg(stage, slots, enters):
    """Freqtrade asks for leg A, for a scored market, for leg B."""
    stage.strategy.max_open_trades = slots
    stage.open_leg(LegName.A)
    assert (stage.ask(SOL, SCORE, "long") > 0) is enters
    assert stage.confirm(SOL, SCORE, "long") is enters
    assert stage.confirm(SOL, FORCED, "long") is enters
    stage.open_leg(LegName.B)
    assert stage.state == "OPEN"


def test_a_slot_that_is_promised_no_longer_is_free(stage):
    stage.strategy.max_open_trades = 3
    stage.open_spread()
    assert stage.strategy.broker.promised() == (0, 0.0)
    assert stage.ask(SOL, SCORE, "long") > 0


def test_two_legs_find_two_slots_or_none(stage):
    stage.strategy.max_open_trades = 2
    stage.fill(SOL, SCORE, "long")
    assert [stage.ask_leg(leg) for leg in LegName] == [0.0, 0.0]


def test_a_position_leaves_the_money_of_a_leg(stage):
    """What leg B needs, and 3 % for its price to move: the rest is for the position."""
    stage.open_leg(LegName.A)
    _, margin = stage.strategy.broker.promised()
    assert margin > 0
    available = margin / 0.97 + 100.0
    fee = 0.0005
    assert stage.ask(SOL, SCORE, "long", available) == pytest.approx(100.0 / (1 + 2 * fee))
    assert stage.ask(SOL, SCORE, "long", margin) == 0.0


def test_a_spread_is_one_position(tmp_path):
    stage = Stage(tmp_path, risk={"balance": {"max_positions": 2}})
    stage.open_spread()
    assert stage.ask(SOL, SCORE, "long") > 0
    stage.fill(SOL, SCORE, "long")
    assert "2 positions are open" in stage.strategy.desk.refusal(ADA)


# Life


def test_the_next_backtest_is_wired_anew(stage):
    stage.open_leg(LegName.A)
    desk, broker = stage.strategy.desk, stage.strategy.broker
    stage.loop(-100)
    assert stage.strategy.desk is not desk
    assert stage.strategy.broker is not broker
    assert stage.strategy.desk.tracks is desk.tracks
    assert stage.strategy.broker.signalled is broker.signalled
    assert stage.strategy.desk.promised() == (0, 0.0)
    assert stage.strategy.broker.refusal.__self__ is stage.strategy


def test_a_clock_that_is_set_back_changes_nothing_in_a_trading_bot(tmp_path, database, monkeypatch):
    monkeypatch.setattr(Trade, "use_db", True)
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, mode=RunMode.DRY_RUN)
    strategy.bot_start()
    execution = strategy.broker.execution = SimpleNamespace(loop=lambda: None)
    strategy.desk.is_unsettled = lambda pair: pair == SOL
    for now_ms in (START_MS, START_MS - 10_000):
        strategy.bot_loop_start(current_time=moment(now_ms))
        assert strategy.broker.execution is execution  # the order guard is still asked
        assert "has not settled" in strategy.desk.refusal(SOL)
        assert strategy._books_are_read


def test_a_live_bot_has_one_owner_of_orders(tmp_path, database, monkeypatch):
    Trade.use_db = True
    owners = []
    monkeypatch.setattr(
        CombinedStrategy,
        "start_execution",
        lambda self, settings, owner, then: owners.append(owner),
    )
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, mode=RunMode.LIVE)
    strategy.bot_start()
    (owner,) = owners
    assert isinstance(owner, CombinedOrders)
    assert isinstance(owner._of(SOL), PositionOrders)
    assert isinstance(owner._of(ETH), PositionOrders)  # no spread is on its way there
    trade = trade_of(Trade, enter_tag=LEG)
    Trade.session.add(trade)
    Trade.commit()
    assert isinstance(owner._of(ETH), SpreadOrders)
    assert isinstance(owner._of(SOL_USDC), PositionOrders)
    assert owner.markets() == {ETH, BTC, SOL, ADA}


def test_the_owner_knows_the_markets_of_spreads_on_their_way(stage):
    stage.ask_leg(LegName.A)
    assert stage.strategy._holds_leg(ETH)
    assert stage.strategy._holds_leg(BTC)
    assert not stage.strategy._holds_leg(SOL)


def test_trades_of_both_are_remembered_together(tmp_path):
    """One file: what the one has written must not be lost when the other writes."""
    write_book(tmp_path)
    strategy = strategy_of(tmp_path, learning={"outcome": {"enabled": True}})
    spreads, scores = strategy._new_outcomes("dry_run"), strategy._new_scored_outcomes()
    features = tuple([1.0] * 16)
    spreads.entered("ETH-BTC 1", features)
    scores._outcomes.entered("SOL/USDT:USDT 1", features)
    kept = load_learner(outcome_path(strategy.config), OutcomeSettings())
    assert set(kept.pending) == {"ETH-BTC 1", "SOL/USDT:USDT 1"}
