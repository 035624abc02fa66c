"""The callbacks of `RegimeStrategy`: what is asked, what is answered, what a failure answers.

Bugs planted by hand, each caught by the test named:

1. shorts in spot trading -> test_spot_trading_is_long_only
2. a layer that fails is silent in a backtest -> test_a_layer_that_fails_ends_a_backtest
3. a layer that fails ends the analysis of a bot -> test_a_layer_that_fails_is_a_veto_in_a_bot
4. parameters are the class's, not the configuration's -> test_parameters_begin_at_the_configuration
5. a search is scored with the values of before -> test_a_search_is_scored_with_its_own_values
6. an unreachable threshold starts a bot -> test_parameters_that_allow_no_signal_stop_a_bot
7. a wrong key starts a bot -> test_a_wrong_setting_is_named
8. a failed look lets entries pass -> test_without_a_look_nothing_is_entered
9. a failure of a callback goes ahead -> test_a_callback_that_fails_does_nothing
10. reductions are closes -> test_a_reduction_is_a_negative_stake
11. a search keeps the positions of the run before -> test_the_next_backtest_begins_anew
12. a spread of the order book in a backtest -> test_a_backtest_asks_for_no_order_book
13. the stop is a ratio of the price, without leverage -> test_the_stop_is_where_the_rules_say
14. the parameter file is ignored by explanations -> test_a_parameter_file_is_read
15. a configuration without reductions or stops starts -> test_no_exit_can_be_taken_away
16. no trace at debug level, or one in a backtest -> test_a_decision_is_traced_at_debug_level
17. a bot that ends enters positions -> test_a_bot_that_is_asked_to_end_enters_nothing
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from freqtrade.enums import RunMode, TradingMode
from freqtrade.exceptions import ExchangeError, OperationalException
from freqtrade.persistence import LocalTrade, PairLocks

from freqtrade_ext.adapters.strategies import RegimeStrategy
from freqtrade_ext.risk import Close, CloseReason, Reduce
from freqtrade_ext.signals import LayerError

from .doubles import BTC, ETH, START_MS, candles
from .regime_doubles import HOUR_MS, Wallets, moment, position


class Dp:
    """Freqtrade's data provider, from frames in memory."""

    def __init__(self, mode, frames):
        self.runmode, self.frames, self.sent, self.asked = mode, frames, [], []
        self._pairlists = object()
        self.book = {"bids": [[99.99, 1]], "asks": [[100.01, 1]]}

    def historic_ohlcv(self, pair, timeframe, candle_type=""):
        self.asked.append("file")
        return self.frames.get(pair, candles([]))

    def get_pair_dataframe(self, pair, timeframe, candle_type=""):
        self.asked.append("cache")
        return self.frames.get(pair, candles([]))

    def get_funding_rate_timeframe(self):
        return "1h"

    def current_whitelist(self):
        return list(self.frames)

    def market(self, pair):
        return {"taker": 0.0005}

    def orderbook(self, pair, levels):
        self.asked.append("book")
        if isinstance(self.book, Exception):
            raise self.book
        return self.book

    def send_msg(self, text, *, always_send=False):
        self.sent.append(text)

    _msg_queue = ()  # all is sent at once


def walk(seed=3, count=500):
    rng = np.random.default_rng(seed)
    frame = candles(100 * np.exp(np.cumsum(rng.normal(0, 0.01, count))))
    return frame.assign(high=frame["close"] * 1.004, low=frame["close"] * 0.996)


LOW = {"min_score": 50.0, "min_score_low": 30.0, "z_score_threshold": 0.8, "entry_tightness": 1.0}


def strategy_of(mode=RunMode.BACKTEST, trading=TradingMode.FUTURES, ext=None, **config):
    given = {
        "stake_currency": "USDT", "trading_mode": trading, "timeframe": "1h",
        "exchange": {"name": "binance", "pair_whitelist": [ETH]}, "ext": ext or {"signals": LOW},
    }  # fmt: skip
    strategy = RegimeStrategy(given | config)
    strategy.dp, strategy.wallets = Dp(mode, {ETH: walk()}), Wallets()
    return strategy


@pytest.fixture(autouse=True)
def _books(backtest_books, monkeypatch):
    monkeypatch.setattr(PairLocks, "use_db", False)
    monkeypatch.setattr(PairLocks, "locks", [])
    monkeypatch.setattr(PairLocks, "timeframe", "1h")


def analysed(strategy):
    frame = strategy.populate_indicators(walk(), {"pair": ETH})
    return strategy.populate_entry_trend(frame, {"pair": ETH})


END = START_MS + 500 * HOUR_MS


def looked(strategy, now_ms=END):
    analysed(strategy)
    strategy.bot_loop_start(moment(now_ms))
    return strategy


# Construction


def test_spot_trading_is_long_only():
    spot = strategy_of(trading=TradingMode.SPOT)
    assert (spot.can_short, spot.order_types["stoploss"]) == (False, "limit")
    futures = strategy_of()
    assert (futures.can_short, futures.order_types["stoploss"]) == (True, "market")
    assert futures.order_types["stoploss_on_exchange"]


@pytest.mark.parametrize(
    ("ext", "message"),
    [
        ({"signals": {"z_window": "50"}}, r"ext\.signals\.z_window: .*\(got '50'\)"),
        ({"risk": {"exits": {"sl_atr": 9.0}}}, r"ext\.risk\.exits\.sl_atr: .*from 1 up to 5"),
        ({"sginals": {}}, r"ext\.sginals: unknown key .*did you mean 'signals'"),
    ],
)
def test_a_wrong_setting_is_named(ext, message):
    with pytest.raises(OperationalException, match=message):
        strategy_of(ext=ext)


@pytest.mark.parametrize(
    "key", ["use_exit_signal", "use_custom_stoploss", "position_adjustment_enable"]
)
def test_no_exit_can_be_taken_away(key):
    with pytest.raises(OperationalException, match=f"{key} is false in the configuration"):
        strategy_of(**{key: False})
    assert strategy_of(**{key: True}) is not None


def test_parameters_begin_at_the_configuration():
    strategy = strategy_of(
        ext={"signals": {"z_score_threshold": 2.0}, "risk": {"exits": {"sl_atr": 3.0}}}
    )
    strategy.ft_load_hyper_params()
    values = strategy.parameter_values()
    assert (values["z_score_threshold"], values["sl_atr"]) == (2.0, 3.0)
    assert (values["min_confidence"], values["tp_atr"]) == (68.0, 3.0)
    spaces = {name: parameter.space for name, parameter in strategy.enumerate_parameters()}
    assert len(spaces) == 8
    assert spaces["entry_tightness"] == "buy"
    assert spaces["trail_distance"] == "sell"


def test_parameters_that_allow_no_signal_stop_a_bot():
    strategy = strategy_of(RunMode.DRY_RUN)
    strategy.z_score_threshold.value, strategy.entry_tightness.value = 3.0, 4.0
    with pytest.raises(OperationalException, match="there would never be a signal"):
        strategy.bot_start()


def test_a_parameter_file_is_read():
    strategy = strategy_of()
    strategy._ft_params_from_file = {"buy": {"min_confidence": 81.5}, "sell": {"tp_atr": 4.25}}
    strategy.read_parameter_file()
    values = strategy.parameter_values()
    assert (values["min_confidence"], values["tp_atr"], values["sl_atr"]) == (81.5, 4.25, 2.0)


def test_the_warm_up_is_declared():
    assert strategy_of().startup_candle_count >= 400
    assert strategy_of(timeframe="5m").startup_candle_count >= 1_000


# Signals


def test_signals_are_entries_with_a_tag():
    frame = analysed(strategy_of())
    entries = frame[(frame["enter_long"] == 1) | (frame["enter_short"] == 1)]
    assert len(entries) > 3
    assert entries["enter_tag"].str.match(r"^(long|short) \d+$").all()
    assert "layer_funding" in frame
    assert strategy_of().populate_exit_trend(frame, {}) is frame


def broken(strategy, monkeypatch):
    def fail(inputs, settings):
        raise LayerError("funding", inputs.market, ValueError("x"))

    module = "freqtrade_ext.adapters.strategies._regime_strategy.score_market"
    monkeypatch.setattr(module, fail)
    return strategy


def test_a_layer_that_fails_ends_a_backtest(monkeypatch):
    with pytest.raises(LayerError, match="layer funding failed for ETH"):
        analysed(broken(strategy_of(), monkeypatch))


def test_a_layer_that_fails_is_a_veto_in_a_bot(monkeypatch):
    strategy = strategy_of(RunMode.LIVE)
    monkeypatch.setattr(strategy, "_new_desk", lambda: SimpleNamespace(tracks={}))
    broken(strategy, monkeypatch)
    for _ in range(2):
        frame = analysed(strategy)
    assert not frame[["enter_long", "enter_short"]].to_numpy().any()
    assert len(strategy.dp.sent) == 1
    assert strategy._alarm.failures[ETH] == 2


def test_a_decision_is_traced_at_debug_level(monkeypatch, caplog):
    strategy = strategy_of(RunMode.LIVE)
    monkeypatch.setattr(strategy, "_new_desk", lambda: SimpleNamespace(tracks={}))
    name = "freqtrade_ext.adapters.strategies._regime_strategy"
    monkeypatch.setattr(
        "freqtrade_ext.adapters.strategies._regime_strategy.OwnRecords",
        lambda: SimpleNamespace(of=lambda pair, now_ms: None),
    )
    for level, traces in (("INFO", 0), ("DEBUG", 1)):
        caplog.clear()
        with caplog.at_level(level, logger=name):
            analysed(strategy)
        told = [record.getMessage() for record in caplog.records if record.name == name]
        assert len(told) == traces
    assert told[0].startswith(f"[STRATEGY] {ETH}, candle of ")
    assert "; Z_" in told[0]
    with caplog.at_level("DEBUG", logger=name):
        caplog.clear()
        analysed(strategy_of())
    assert not caplog.records


def test_a_search_is_scored_with_its_own_values():
    strategy = strategy_of(RunMode.HYPEROPT)
    frame = strategy.populate_indicators(walk(), {"pair": ETH})
    low = strategy.populate_entry_trend(frame.copy(), {"pair": ETH})
    strategy.min_confidence.value = 95.0
    high = strategy.populate_entry_trend(frame.copy(), {"pair": ETH})
    assert high["signal"].abs().sum() < low["signal"].abs().sum()
    assert (high["required_score"] > low["required_score"]).any()


def test_candles_come_from_files_in_a_backtest_and_from_the_cache_in_a_bot():
    strategy = strategy_of()
    analysed(strategy)
    assert set(strategy.dp.asked) == {"file"}
    strategy.dp.runmode, strategy.dp.asked = RunMode.LIVE, []
    strategy._candles(ETH, "1h", "")
    assert strategy.dp.asked == ["cache"]


def test_what_a_bot_fetches_beside_its_candles():
    wanted = strategy_of(RunMode.LIVE).informative_pairs()
    assert (BTC, "1h", "") in wanted
    assert (ETH, "1h", "funding_rate") in wanted


# Entries


ENTRY = {"pair": ETH, "current_time": moment(END), "current_rate": 100.0, "side": "long"}


def stake(strategy, tag="long 74"):
    return strategy.custom_stake_amount(
        **ENTRY, proposed_stake=777.0, min_stake=5.0, max_stake=5_000.0, leverage=2.0, entry_tag=tag
    )


def confirm(strategy, tag="long 74"):
    return strategy.confirm_trade_entry(
        pair=ETH, order_type="market", amount=1.0, rate=100.0, time_in_force="GTC",
        current_time=moment(END), entry_tag=tag, side="long",
    )  # fmt: skip


def test_an_entry_is_sized_and_confirmed():
    strategy = looked(strategy_of())
    assert 0 < stake(strategy) < 5_000.0
    assert confirm(strategy)
    assert strategy.desk.words.entry_tags == {ETH: "long 74"}


def test_a_persons_entry_keeps_its_size():
    strategy = looked(strategy_of())
    assert stake(strategy, "force_entry") == 777.0
    assert confirm(strategy, "force_entry")


def test_a_bot_that_is_asked_to_end_enters_nothing():
    """It goes on until every position has its stop, and then ends: another one would have none."""
    strategy = looked(strategy_of())
    strategy._execution = SimpleNamespace(stop=SimpleNamespace(is_asked=False))
    assert confirm(strategy)
    strategy._execution.stop.is_asked = True
    assert (confirm(strategy), confirm(strategy, "force_entry")) == (False, False)


def test_without_a_look_nothing_is_entered():
    strategy = strategy_of()
    analysed(strategy)
    assert (stake(strategy), confirm(strategy), confirm(strategy, None)) == (0.0, False, False)
    looked(strategy)
    assert confirm(strategy)
    strategy.wallets = None  # the next look fails
    strategy.bot_loop_start(moment(END + 1))
    assert (stake(strategy), confirm(strategy)) == (0.0, False)


def leverage(strategy, largest=20.0):
    return strategy.leverage(
        **ENTRY, proposed_leverage=1.0, max_leverage=largest, entry_tag="long 74"
    )


def test_a_backtest_asks_for_no_order_book():
    strategy = looked(strategy_of())
    assert leverage(strategy) == 3.0
    assert leverage(strategy, 2.0) == 2.0
    assert "book" not in strategy.dp.asked


@pytest.mark.parametrize("book", [{"bids": [], "asks": []}, ExchangeError("down")])
def test_without_a_bid_the_spread_is_assumed(book):
    strategy = looked(strategy_of())
    strategy.dp.runmode = RunMode.LIVE
    assert strategy._spread_bps(ETH) == pytest.approx(2.0)
    strategy.dp.book = book
    assert strategy._spread_bps(ETH) is None


# Exits


class Answering:
    """A desk that decides what a test says."""

    def __init__(self, action=None, *, stop=97.0, error=None):
        self.action, self.level, self.error = action, stop, error
        self.words = SimpleNamespace(closes={}, entry_tags={})
        self.asked = []

    def decide(self, trade, rate, now_ms):
        self.asked.append((rate, now_ms))
        if self.error:
            raise self.error
        return self.action

    def stop(self, trade, now_ms):
        if self.error:
            raise self.error
        return self.level

    def refusal(self, pair):
        raise self.error

    leverage = stake = refusal


def with_desk(action=None, **options):
    strategy = strategy_of()
    strategy._desk = Answering(action, **options)
    return strategy


def ask_exit(strategy, trade):
    return strategy.custom_exit(ETH, trade, moment(END), 101.0, 0.01)


def ask_adjust(strategy, trade):
    return strategy.adjust_trade_position(
        trade, moment(END), 101.5, 0.01, 5.0, 9e9, current_entry_rate=101.5, current_exit_rate=101.0
    )


def test_a_close_is_an_exit_and_a_reduction_is_not():
    trade = position(LocalTrade, id=1)
    strategy = with_desk(Close(CloseReason.TP))
    assert ask_exit(strategy, trade) == "TP"
    assert ask_adjust(strategy, trade) is None
    assert strategy.desk.asked == [(101.0, END)] * 2  # both at the price of the exit side
    strategy = with_desk(Reduce(0.25, CloseReason.TIME_GRADUAL))
    assert ask_exit(strategy, trade) is None


def test_a_reduction_is_a_negative_stake():
    trade = position(LocalTrade, id=1, amount=4.0)  # a stake of 200 at leverage 2
    strategy = with_desk(Reduce(0.25, CloseReason.TIME_GRADUAL))
    assert ask_adjust(strategy, trade) == (-50.0, "TIME_GRADUAL")
    assert strategy.desk.words.closes == {ETH: "TIME_GRADUAL"}


@pytest.mark.parametrize(
    ("is_short", "stop", "answer"), [(False, 97.0, 0.06), (True, 103.0, 0.06), (False, 101.0, 0.0)]
)
def test_the_stop_is_where_the_rules_say(is_short, stop, answer):
    """Relative to the rate asked with, times the leverage of 2; 0 where it is passed already."""
    trade = position(LocalTrade, id=1, is_short=is_short)
    found = with_desk(stop=stop).custom_stoploss(ETH, trade, moment(END), 100.0, 0.0, False)
    assert found == pytest.approx(answer)


@pytest.mark.parametrize(("mode", "stop"), [("live", 97.0), ("dry_run", 97.0), ("backtest", 75.0)])
def test_a_live_position_has_its_own_stop_from_its_fill_on(mode, stop):
    """Freqtrade's own call after a fill; half of the margin at leverage 2 is a stop at 75."""
    strategy = strategy_of(runmode=RunMode(mode))
    strategy._desk = Answering(None, stop=97.0)
    trade = position(LocalTrade, id=1)
    trade.stop_loss, trade.initial_stop_loss_pct = 0.0, None  # as a trade is made
    trade.adjust_stop_loss(trade.open_rate, strategy.stoploss, initial=True)
    strategy.ft_stoploss_adjust(100.0, trade, moment(END), 0.0, 0, after_fill=True)
    assert trade.stop_loss == pytest.approx(stop)


def test_an_exit_says_why_it_leaves():
    strategy = with_desk()
    for said, word in (("SL", "SL"), ("force_exit", "MANUAL"), ("my reason", "my reason")):
        assert strategy.confirm_trade_exit(
            ETH, None, "market", 1.0, 100.0, "GTC", said, moment(END)
        )
        assert strategy.desk.words.closes == {ETH: word}


def test_a_callback_that_fails_does_nothing():
    trade = position(LocalTrade, id=1)
    strategy = with_desk(error=RuntimeError("x"))
    strategy._books_are_read = True
    assert ask_exit(strategy, trade) is None
    assert ask_adjust(strategy, trade) is None
    assert strategy.custom_stoploss(ETH, trade, moment(END), 100.0, 0.0, False) is None
    assert (stake(strategy), confirm(strategy), leverage(strategy)) == (0.0, False, 1.0)


def test_the_next_backtest_begins_anew():
    strategy = looked(strategy_of())
    first, tracks = strategy.desk, strategy.desk.tracks
    strategy.bot_loop_start(moment(END + HOUR_MS))
    assert strategy.desk is first
    strategy.bot_loop_start(moment(END - 9 * HOUR_MS))
    assert strategy.desk is not first
    assert strategy.desk.tracks is tracks


def test_a_filled_stop_gets_the_name_of_its_rule():
    strategy = strategy_of()
    named = []
    strategy._desk = SimpleNamespace(
        exit_reason=lambda trade, reason: "BREAKEVEN", closed=lambda trade: named.append(trade.id)
    )
    trade = position(LocalTrade, id=1)
    trade.exit_reason = "stop_loss"
    strategy.order_filled(ETH, trade, SimpleNamespace(ft_order_side="buy"), moment(END))
    assert (trade.exit_reason, named) == ("stop_loss", [])
    trade.is_open = False
    strategy.order_filled(ETH, trade, SimpleNamespace(ft_order_side="sell"), moment(END))
    assert (trade.exit_reason, named) == ("BREAKEVEN", [1])


def test_its_protections_are_ours():
    assert json.dumps(strategy_of().protections) == (
        '[{"method": "StoplossFrequency"}, {"method": "KillSwitch"}]'
    )


def test_markets_that_left_the_pairlist_are_still_guarded():
    strategy = strategy_of(RunMode.LIVE)
    strategy.dp.frames = {BTC: walk()}
    assert strategy.guarded_markets() == {ETH, BTC}
    strategy.dp.frames = {}
    assert strategy.guarded_markets() == {ETH, BTC}


def test_without_a_bot_the_markets_are_those_of_the_configuration():
    """`freqtrade-ext recover` loads the strategy alone."""
    strategy = strategy_of(RunMode.LIVE)
    del strategy.dp
    assert strategy.guarded_markets() == {ETH}
