"""The exit rules on Freqtrade's trades, in a database and in a backtest.

Bugs planted by hand, each caught by the test named:

1. the state is kept after the answer, or not at all -> test_a_killed_bot_halves_once
2. a second question on a candle is decided again -> test_a_backtest_asks_twice_on_a_candle
3. a candle's extremes are shown twice -> test_a_candle_is_shown_once
4. a candle from before the entry is shown -> test_a_candle_from_before_the_entry_says_nothing
5. extremes are shown to a live bot -> test_a_live_bot_sees_prices_only
6. what is held is compared with what was asked for -> test_what_was_entered_is_what_was_filled
7. an order on its way does not count -> test_nothing_is_reduced_while_an_order_works
8. the first stop has the state of another position -> test_the_first_stop_is_that_of_a_new_position
9. an unreadable state is taken for a new one -> test_a_state_that_cannot_be_read_is_an_error
10. the database is written in a backtest -> test_a_backtest_keeps_nothing_in_custom_data
11. the fees of one side only -> test_costs_are_those_of_both_sides
"""

import pytest
from freqtrade.persistence import LocalTrade, Trade
from freqtrade.persistence.custom_data import CustomDataWrapper

from freqtrade_ext.adapters._exit_keeper import ExitKeeper
from freqtrade_ext.errors import CorruptStateError
from freqtrade_ext.risk import Close, CloseReason, ExitState, Reduce

from .doubles import ETH, add_order, left
from .regime_doubles import HOUR_MS, MINUTE_MS, START_MS, Candles, candle, position, risk_of

# Without ATR distances in the way: kill switch and emergency only.
WIDE = risk_of(exits={"sl_atr": 5.0, "exit_tightness": 2.0, "emergency_loss": 0.5})


class Keeper(ExitKeeper):
    def __init__(self, *, live=True, settings=WIDE, found=None):
        self.candles, self.unsettled = Candles(found), set()
        super().__init__(
            lambda: settings, self.candles, lambda pair: pair in self.unsettled, live=live
        )


HALF = Reduce(0.5, CloseReason.KILL_SWITCH_PARTIAL)
# Leverage 2: a loss of 30 % of the margin is a price 15 % lower. ATR 3: the stop is 30 % away.
FAR = candle(atr=3.0)


def later(minutes: float) -> int:
    return START_MS + round(minutes * MINUTE_MS)


# A bot that is killed


def test_a_killed_bot_halves_once(database):
    trade = position(Trade)
    assert Keeper(found=FAR).decide(trade, 84.9, later(1)) == HALF
    # Killed before the order left: the next process asks again, since all is still held.
    assert Keeper(found=FAR).decide(trade, 84.9, later(2)) == HALF
    # Killed after it was filled: the books show it, nothing more is asked for.
    left(trade, 0.5, 84.9)
    Trade.commit()
    after = Keeper(found=FAR)
    assert after.decide(trade, 84.9, later(3)) is None
    assert after.decide(trade, 76.0, later(4)) is None  # −48 % of the margin
    assert after.decide(trade, 74.9, later(5)) == Close(CloseReason.KILL_SWITCH_FULL)


def test_a_decision_to_close_survives_a_restart(database):
    trade = position(Trade)
    assert Keeper(found=FAR).decide(trade, 74.0, later(1)) == Close(CloseReason.KILL_SWITCH_FULL)
    recovered = Keeper(found=FAR).decide(trade, 99.0, later(2))
    assert recovered == Close(CloseReason.KILL_SWITCH_FULL)


def test_the_trailing_stop_survives_a_restart(database):
    settings = risk_of(exits={"exit_tightness": 1.0, "tp_atr": 6.0})
    trade = position(Trade)
    first = Keeper(settings=settings)
    assert first.decide(trade, 103.0, later(1)) is None  # 3 ATR up: trailing, 1 ATR behind
    assert first.stop(trade, later(1)) == pytest.approx(102.0)
    again = Keeper(settings=settings)
    assert again.state_of(trade).trailing
    assert again.decide(trade, 101.9, later(2)) == Close(CloseReason.TRAILING)


def test_a_state_that_cannot_be_read_is_an_error(database):
    trade = position(Trade)
    trade.set_custom_data("ext_exit", "{}")
    with pytest.raises(CorruptStateError, match=rf"trade {trade.id} \({ETH}\)"):
        Keeper().decide(trade, 99.0, later(1))


def test_a_closed_trade_is_forgotten_and_its_data_stays(database):
    trade, keeper = position(Trade), Keeper(found=FAR)
    keeper.decide(trade, 84.9, later(1))
    keeper.drop(trade)
    assert keeper.state_of(trade).halved  # read from the trade again


# What the rules see


def test_what_was_entered_is_what_was_filled(database):
    """After 12 hours a quarter of what was entered goes; 0.4 was canceled without a fill."""
    trade = position(Trade, amount=0.6)
    add_order(trade, trade.entry_side, 0.4, 100.0, filled=0.0)
    keeper = Keeper(settings=risk_of())
    assert keeper.decide(trade, 100.5, later(12.5 * 60)) == Reduce(0.25, CloseReason.TIME_GRADUAL)
    left(trade, 0.15, 100.5)
    assert keeper.decide(trade, 100.5, later(12.6 * 60)) is None


@pytest.mark.parametrize("why", ["order", "unsettled"])
def test_nothing_is_reduced_while_an_order_works(database, why):
    trade, keeper = position(Trade), Keeper(found=FAR)
    if why == "order":
        add_order(trade, trade.exit_side, 0.5, 84.9, filled=0.0, is_open=True)
    else:
        keeper.unsettled.add(ETH)
    assert keeper.decide(trade, 84.9, later(1)) is None
    assert keeper.decide(trade, 74.9, later(2)) == Close(CloseReason.KILL_SWITCH_FULL)


def test_a_live_bot_sees_prices_only(database):
    trade = position(Trade)
    crashed = candle(later(5), low=50.0, atr=3.0)
    assert Keeper(found=crashed).decide(trade, 99.0, later(70)) is None


def test_costs_are_those_of_both_sides(database):
    settings = risk_of(exits={"exit_tightness": 1.0, "breakeven_atr": 1.0, "trail_activation": 3.0})
    trade, keeper = position(Trade), Keeper(settings=settings)
    keeper.decide(trade, 102.0, later(1))  # 2 ATR up: break-even
    assert keeper.stop(trade, later(1)) == pytest.approx(100.0 * (1 + 2 * 0.0005))


def test_a_short_is_the_mirror(database):
    trade = position(Trade, is_short=True)
    keeper = Keeper(found=FAR)
    assert keeper.decide(trade, 115.1, later(1)) == HALF
    # The tightest: kill switch at 25 % (half the margin at 2x), ATR stop at 30 %.
    assert keeper.stop(trade, later(1)) == pytest.approx(125.0)


def test_the_first_stop_is_that_of_a_new_position(database):
    keeper = Keeper(settings=risk_of())
    keeper.decide(position(Trade), 103.0, later(1))  # another position, far ahead
    # 2.0 ATR times the tightness of 1.2, ATR 1.
    assert keeper.first_stop(ETH, "long", 100.0, 2.0, candle()) == pytest.approx(97.6)
    assert keeper.first_stop(ETH, "short", 100.0, 2.0, candle()) == pytest.approx(102.4)


@pytest.mark.parametrize(("is_short", "target"), [(False, 103.6), (True, 96.4)])
def test_the_target_is_three_atr_away(database, is_short, target):
    """3.0 ATR times the tightness of 1.2, ATR 1."""
    trade = position(Trade, is_short=is_short)
    assert Keeper(settings=risk_of()).target(trade, later(1)) == pytest.approx(target)


# Backtests


@pytest.fixture
def backtest(backtest_books, monkeypatch):
    monkeypatch.setattr(CustomDataWrapper, "use_db", False)
    monkeypatch.setattr(CustomDataWrapper, "custom_data", [])
    return position(LocalTrade, id=1)


def test_a_backtest_asks_twice_on_a_candle(backtest):
    """The candle went up to the break-even trigger and was below the entry before: no stop."""
    settings = risk_of(exits={"exit_tightness": 1.0, "breakeven_atr": 1.0, "trail_activation": 3.0})
    keeper = Keeper(live=False, settings=settings, found=candle(START_MS, high=101.5, low=99.9))
    now_ms = later(60)
    assert [keeper.decide(backtest, 101.0, now_ms) for _ in range(2)] == [None, None]
    assert keeper.state_of(backtest).break_even


def test_the_second_question_gets_the_same_answer(backtest):
    """A target is reached by an extreme: asked again, it is not forgotten."""
    keeper = Keeper(live=False, settings=risk_of(), found=candle(START_MS, high=104.0))
    answers = [keeper.decide(backtest, 103.5, later(60)) for _ in range(2)]  # target 103.6
    assert answers == [Close(CloseReason.TP)] * 2


def test_a_candle_is_shown_once(backtest):
    """With a detail timeframe a backtest asks twelve times before the next hour has closed."""
    settings = risk_of(exits={"exit_tightness": 1.0, "breakeven_atr": 1.0, "trail_activation": 3.0})
    keeper = Keeper(live=False, settings=settings, found=candle(START_MS, high=101.5, low=99.9))
    assert keeper.decide(backtest, 101.0, later(60)) is None
    assert keeper.decide(backtest, 101.0, later(65)) is None
    keeper.candles.found = candle(START_MS + HOUR_MS, low=99.0)
    assert keeper.decide(backtest, 101.0, later(120)) == Close(CloseReason.BREAKEVEN)


def test_a_candle_from_before_the_entry_says_nothing(backtest):
    keeper = Keeper(live=False, found=candle(START_MS - HOUR_MS, low=50.0, atr=3.0))
    assert keeper.decide(backtest, 100.0, later(0)) is None


def test_a_backtest_keeps_nothing_in_custom_data(backtest):
    keeper = Keeper(live=False, found=FAR)
    assert keeper.decide(backtest, 84.9, later(60)) == HALF
    assert CustomDataWrapper.get_custom_data(trade_id=1) == []
    keeper.forget()  # the next backtest of a search begins with trade 1 again
    assert keeper.state_of(backtest) == ExitState()
