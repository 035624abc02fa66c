"""What scored positions rely on in the pinned Freqtrade: callbacks, data, locks, parameters."""

import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import ExitType, RunMode, TradingMode
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade, PairLocks, Trade
from freqtrade.persistence.custom_data import CustomDataWrapper, _CustomData
from freqtrade.persistence.models import PairLock, init_db
from freqtrade.resolvers import StrategyResolver
from freqtrade.strategy import DecimalParameter, IStrategy, stoploss_from_absolute
from freqtrade.strategy.hyper import detect_all_parameters
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from freqtrade_ext.adapters.strategies import RegimeStrategy
from freqtrade_ext.spreads import SpreadBook, save_book

USER_DATA = Path(__file__).resolve().parents[2] / "user_data"
NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


# Shims


@pytest.mark.parametrize("name", ["RegimeScore", "SpreadArbitrage", "SpreadsAndScores"])
@pytest.mark.parametrize("mode", ["futures", "spot"])
def test_every_strategy_loads(name, mode, tmp_path):
    if name != "RegimeScore" and mode == "spot":
        pytest.skip("one leg of a spread is sold short")
    save_book(SpreadBook(created_at=NOW, timeframe="1h"), tmp_path / "pairs_config.json")
    config = {
        "user_data_dir": tmp_path, "strategy": name, "strategy_path": str(USER_DATA / "strategies"),
        "stake_currency": "USDT", "trading_mode": TradingMode(mode), "timeframe": "1h",
        "exchange": {"name": "binance", "pair_whitelist": []},
    }  # fmt: skip
    strategy = StrategyResolver.load_strategy(config)
    assert strategy.get_strategy_name() == name
    assert strategy.can_short == (mode == "futures")


def test_every_shim_is_short():
    shims = [*USER_DATA.glob("*/*.py")]
    assert {path.stem for path in shims} == {
        "RegimeScore", "SpreadArbitrage", "SpreadsAndScores", "StoplossFrequency", "KillSwitch",
        "TradeObjective", "SpreadDirectionRegressor", "SignalClassifier", "TradeOutcomeModel",
    }  # fmt: skip
    assert all(len(path.read_text("utf-8").splitlines()) < 30 for path in shims)


# Parameters


def test_parameters_may_belong_to_an_object():
    class Some(RegimeStrategy):
        pass

    config = {"stake_currency": "USDT", "ext": {"risk": {"exits": {"sl_atr": 4.0}}}}
    one, other = Some(config), Some({"stake_currency": "USDT"})
    one.dp = other.dp = type("Dp", (), {"runmode": RunMode.BACKTEST, "_pairlists": None})()
    for strategy in (one, other):  # what needs a running bot is not evaluated here
        for name in ("desk", "inputs"):
            strategy.__dict__.setdefault(f"_{name}", object())
            setattr(strategy, f"_{name}", object())
    found = detect_all_parameters(one)
    assert set(found) == {"buy", "sell"}
    assert found["sell"]["sl_atr"] is one.sl_atr
    assert (one.sl_atr.value, other.sl_atr.value) == (4.0, 2.0)
    assert isinstance(one.sl_atr, DecimalParameter)


# Order of the callbacks


class Plain(IStrategy):
    timeframe = "1h"
    stoploss = -0.5
    minimal_roi = {}  # noqa: RUF012 - as the resolver leaves it
    use_exit_signal = True
    use_custom_stoploss = True
    exit_profit_only = False
    ignore_roi_if_entry_signal = False
    trailing_stop = False

    def __init__(self, answer=None, stop=None):
        super().__init__({"trading_mode": TradingMode.FUTURES, "stake_currency": "USDT"})
        self.answer, self.stop, self.asked = answer, stop, []

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    populate_entry_trend = populate_exit_trend = populate_indicators

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        self.asked.append(("exit", current_rate))
        return self.answer

    def custom_stoploss(
        self, pair, trade, current_time, current_rate, current_profit, after_fill, **kwargs
    ):
        self.asked.append(("stop", current_rate))
        return self.stop


def trade_at(price=100.0):
    trade = LocalTrade(
        pair="X/Y:Y", exchange="binance", open_rate=price, open_date=NOW, stake_amount=100.0,
        amount=1.0, fee_open=0.0, fee_close=0.0, leverage=1.0, price_precision=0.01,
        precision_mode=4, precision_mode_price=4,
    )  # fmt: skip
    trade.adjust_stop_loss(price, -0.5, initial=True)
    trade.recalc_open_trade_value()
    return trade


def exits_of(strategy, trade, *, low, high, rate=100.0):
    moment = NOW + timedelta(hours=1)
    found = strategy.should_exit(trade, rate, moment, enter=False, exit_=False, low=low, high=high)
    return [(each.exit_type, each.exit_reason) for each in found]


def test_the_stop_is_asked_with_the_best_price_and_the_exit_with_the_open():
    """So our stop is given as a price, and what is decided does not see the running candle."""
    strategy = Plain()
    exits_of(strategy, trade_at(), low=95.0, high=105.0)
    assert strategy.asked == [("stop", 105.0), ("exit", 100.0)]


def test_a_close_of_ours_comes_before_a_stop():
    strategy = Plain("TP", stop=stoploss_from_absolute(98.0, 105.0))
    found = exits_of(strategy, trade_at(), low=95.0, high=105.0)
    assert found[0] == (ExitType.CUSTOM_EXIT, "TP")
    assert len(found) == 2


@pytest.mark.parametrize("answer", [None, 0.0, float("nan")])
def test_no_answer_leaves_the_stop(answer):
    trade = trade_at()
    assert exits_of(Plain(stop=answer), trade, low=95.0, high=105.0) == []
    assert trade.stop_loss == 50.0


def test_a_stop_never_moves_away():
    trade = trade_at()
    for level, expected in ((97.0, 97.0), (96.0, 97.0), (98.0, 98.0)):
        stop = stoploss_from_absolute(level, 105.0)
        exits_of(Plain(stop=stop), trade, low=99.0, high=105.0)
        assert trade.stop_loss == pytest.approx(expected)


def test_an_adjustment_is_asked_for_before_the_exit():
    """In a backtest: what it decides is decided for the exit of this candle too."""
    source = inspect.getsource(Backtesting._check_trade_exit)
    assert source.index("_check_adjust_trade_for_candle") < source.index("should_exit")


def test_a_callback_of_ours_may_name_the_exit():
    """`order_filled` gets the trade itself, not a copy, and Freqtrade keeps what it finds."""
    seen = []

    class Own(RegimeStrategy):
        pass

    def order_filled(trade):
        seen.append(trade)

    order_filled.__qualname__ = RegimeStrategy.order_filled.__qualname__
    trade = trade_at()
    strategy_safe_wrapper(order_filled)(trade=trade)
    assert seen == [trade]
    assert seen[0] is trade
    before = inspect.getsource(Backtesting._get_exit_for_signal)
    assert before.index("trade.exit_reason = exit_reason") < before.index("_exit_trade(")


def test_the_word_for_a_stop_on_the_exchange_is_written_after_the_report():
    """So it can only be renamed in the next loop."""
    source = inspect.getsource(FreqtradeBot.handle_stoploss_on_exchange)
    assert source.index("update_trade_state") < source.index("STOPLOSS_ON_EXCHANGE")


# Custom data, locks, messages


def test_custom_data_works_in_a_backtest(monkeypatch):
    monkeypatch.setattr(CustomDataWrapper, "use_db", False)
    monkeypatch.setattr(CustomDataWrapper, "custom_data", [])
    trade = trade_at()
    trade.id = 7
    assert trade.get_custom_data("ext_exit") is None
    trade.set_custom_data("ext_exit", '{"version": 1}')
    assert trade.get_custom_data("ext_exit") == '{"version": 1}'
    CustomDataWrapper.reset_custom_data()
    assert trade.get_custom_data("ext_exit") is None


def test_custom_data_is_on_disk_at_once_and_beside_an_open_trade(tmp_path):
    """Written while Freqtrade's own session has changes that it has not committed."""
    address = f"sqlite:///{tmp_path / 'trades.sqlite'}"
    init_db(address)
    trade = Trade(
        pair="X/Y:Y", exchange="binance", open_rate=1.0, open_date=NOW, stake_amount=1.0,
        fee_open=0.0, fee_close=0.0, is_open=True, amount=1.0,
    )  # fmt: skip
    Trade.session.add(trade)
    Trade.commit()
    number = trade.id
    trade.stop_loss = 0.9
    trade.set_custom_data("ext_exit", "state")
    Trade.rollback()
    (kept,) = CustomDataWrapper.get_custom_data(trade_id=number)
    assert (kept.cd_key, kept.value) == ("ext_exit", "state")
    assert PairLock.session is Trade.session
    for sessions in (Trade.session, _CustomData.session):
        sessions.remove()
    Trade.session.get_bind().dispose()


def test_a_lock_is_rounded_up_to_the_next_candle(monkeypatch):
    monkeypatch.setattr(PairLocks, "use_db", False)
    monkeypatch.setattr(PairLocks, "locks", [])
    monkeypatch.setattr(PairLocks, "timeframe", "5m")
    lock = PairLocks.lock_pair("X/Y:Y", NOW + timedelta(minutes=51), "why", now=NOW)
    assert lock.lock_end_time == NOW + timedelta(minutes=55)
    # A backtest with or without protections asks this before every entry.
    assert "is_pair_locked" in inspect.getsource(Backtesting.backtest_loop)


def test_a_backtest_sends_no_message():
    provider = DataProvider({"runmode": RunMode.BACKTEST}, None)
    provider.send_msg("hello", always_send=True)
    assert list(provider._msg_queue) == []
    provider = DataProvider({"runmode": RunMode.LIVE, "timeframe": "1h"}, None, rpc=object())
    provider.send_msg("hello", always_send=True)
    assert list(provider._msg_queue) == ["hello"]


def test_protections_are_asked_in_a_backtest_only_on_request():
    source = inspect.getsource(Backtesting.run_protections)
    assert "if self.enable_protections" in source
    assert ExitType.CUSTOM_EXIT.value == "custom_exit"
