"""Our protections as Freqtrade's ProtectionManager runs them, on its database and in a backtest.

Bugs planted by hand, each caught by the test named:

1. each leg counts -> test_the_two_legs_of_a_spread_are_one_stop
2. two positions of one spread are one -> test_two_positions_of_a_spread_are_two_stops
3. a leg counts before its partner is closed -> test_a_spread_counts_when_both_legs_are_closed
4. winning stops count -> test_a_stop_that_gains_does_not_count
5. Freqtrade's own words are not read -> test_three_stops_lock_everything
6. a changed setting needs a restart -> test_a_changed_setting_holds_at_once
7. an older stop counts -> test_stops_far_apart_lock_nothing
8. the kill switch locks from now on -> test_a_kill_switch_locks_its_market
9. a stop of the exchange at the kill switch's price locks nothing
   -> test_a_stop_with_the_kill_switchs_loss_locks_too
"""

from datetime import timedelta
from pathlib import Path

import pytest
from freqtrade.persistence import LocalTrade, PairLocks, Trade
from freqtrade.plugins.protectionmanager import ProtectionManager

from freqtrade_ext.adapters import _host_patches
from freqtrade_ext.adapters.risk_settings import change_stoploss_guard, risk_settings_of
from freqtrade_ext.adapters.risk_store import RiskTable

from .doubles import BTC, ETH, START, left
from .regime_doubles import position

USER_DATA = Path(__file__).resolve().parents[2] / "user_data"
SOL = "SOL/USDT:USDT"


def manager(**risk):
    _host_patches.load_protections_of_users()
    PairLocks.timeframe = "5m"
    config = {"user_data_dir": USER_DATA, "timeframe": "5m", "ext": {"risk": risk}}
    return ProtectionManager(config, [{"method": "StoplossFrequency"}, {"method": "KillSwitch"}])


class Book:
    """Closed trades, in a database or in memory."""

    def __init__(self, kind):
        self.kind, self.number = kind, 0

    def close(self, pair=ETH, *, minute=0, reason="stop_loss", price=99.0, opened=None, tag=None):
        """A long of 100, closed `minute` minutes after START; opened half a minute before."""
        self.number += 1
        closed = START + timedelta(minutes=minute)
        opened = closed - timedelta(seconds=30) if opened is None else START + opened
        trade = position(
            self.kind, pair=pair, open_date=opened, leverage=2.0, id=self.number,
            **({"enter_tag": tag} if tag else {}),
        )  # fmt: skip
        left(trade, trade.amount, price)
        trade.exit_reason, trade.close_date = reason, closed
        self._keep(trade)
        return trade

    def open(self, pair, tag, *, opened):
        self.number += 1
        trade = position(self.kind, pair=pair, open_date=START + opened, id=self.number)
        trade.enter_tag = tag
        if self.kind is Trade:
            Trade.commit()
        else:
            LocalTrade.add_bt_trade(trade)

    def _keep(self, trade):
        if self.kind is Trade:
            Trade.commit()
        else:
            LocalTrade.add_bt_trade(trade)


@pytest.fixture(params=["database", "backtest"])
def book(request):
    if request.param == "database":
        request.getfixturevalue("database")
        return Book(Trade)
    request.getfixturevalue("backtest_books")
    return Book(LocalTrade)


@pytest.fixture(autouse=True)
def _locks(monkeypatch):
    monkeypatch.setattr(PairLocks, "use_db", False)
    monkeypatch.setattr(PairLocks, "locks", [])


def ask(protections, minute, pair=ETH):
    """What is locked after a close, as Freqtrade asks."""
    now = START + timedelta(minutes=minute)
    protections.stop_per_pair(pair, now=now, side="long", starting_balance=1_000.0)
    protections.global_stop(now=now, side="long", starting_balance=1_000.0)
    return {
        lock.pair: (lock.reason, round((lock.lock_end_time - START).total_seconds() / 60))
        for lock in PairLocks.get_pair_locks(None, now)
    }


# Frequency of stops


def test_three_stops_lock_everything(book):
    protections = manager()
    for number, reason in enumerate(["stop_loss", "stoploss_on_exchange", "EMERGENCY_SL"]):
        book.close([ETH, BTC, SOL][number], minute=1 + 10 * number, reason=reason)
        found = ask(protections, 1 + 10 * number)
        assert ("*" in found) == (number == 2)
    # The last one and 30 minutes, to the end of the candle in which that is.
    assert found["*"] == ("3 losing stops within 60 minutes", 55)


def test_two_stops_lock_nothing(book):
    book.close(minute=0)
    book.close(BTC, minute=1)
    assert ask(manager(), 1) == {}


def test_stops_far_apart_lock_nothing(book):
    for minute in (0, 10, 61):
        book.close(minute=minute)
    assert ask(manager(), 61) == {}


def test_the_whole_window_is_read(book):
    """Stops of 0, 30 and 59 lock until 89; asked at 70, the first of them is 70 minutes old."""
    for minute in (0, 30, 59):
        book.close(minute=minute)
    assert "*" in ask(manager(), 59)
    PairLocks.locks.clear()
    assert "*" in ask(manager(), 70)


def test_a_stop_that_gains_does_not_count(book):
    for minute, price in ((0, 99.0), (1, 99.0), (2, 101.0)):
        book.close(minute=minute, price=price, reason="TRAILING")
    assert ask(manager(), 2) == {}


def test_other_exits_do_not_count(book):
    for minute, reason in enumerate(["force_exit", "ADVERSE_TIME_EXIT", "my own word", "roi"]):
        book.close(minute=minute, reason=reason)
    assert ask(manager(), 4) == {}


def test_scope_market_counts_each_for_itself(book):
    protections = manager(stoploss_guard={"scope": "market"})
    for minute, pair in enumerate([ETH, BTC, SOL, ETH]):
        book.close(pair, minute=minute)
        assert ask(protections, minute, pair) == {}
    book.close(ETH, minute=5)
    assert set(ask(protections, 5, ETH)) == {ETH}


def test_a_switched_off_guard_locks_nothing(book):
    protections = manager(stoploss_guard={"enabled": False})
    for minute in range(5):
        book.close(minute=minute)
    assert ask(protections, 5) == {}


def spread(book, minute, *, start, reason="SPREAD_STOP"):
    """Both legs of a spread, and both lose: each alone would be a stop."""
    opened = timedelta(minutes=start)
    book.close(ETH, minute=minute, reason=reason, price=97.0, opened=opened, tag="ETH-BTC long A")
    book.close(BTC, minute=minute, reason=reason, price=99.5,
               opened=opened + timedelta(seconds=9), tag="ETH-BTC long B")  # fmt: skip


def test_the_two_legs_of_a_spread_are_one_stop(book):
    spread(book, 10, start=0)
    book.close(SOL, minute=11)
    assert ask(manager(), 11) == {}
    book.close(SOL, minute=12)
    assert "*" in ask(manager(), 12)


def test_two_positions_of_a_spread_are_two_stops(book):
    spread(book, 10, start=0)
    spread(book, 20, start=12)
    book.close(SOL, minute=21)
    assert "*" in ask(manager(), 21)


def test_a_spread_counts_when_both_legs_are_closed(book):
    book.close(minute=0)
    book.close(minute=1)
    tag = "ETH-BTC long A"
    book.close(ETH, minute=5, reason="SL", price=97.0, opened=timedelta(minutes=2), tag=tag)
    book.open(BTC, "ETH-BTC long B", opened=timedelta(minutes=2))
    assert ask(manager(), 5) == {}


def test_a_leg_whose_partner_was_never_filled_counts_alone(book):
    book.close(minute=0)
    book.close(minute=1)
    book.close(ETH, minute=5, reason="SL", price=97.0, tag="ETH-BTC long A")
    assert "*" in ask(manager(), 5)


def test_a_changed_setting_holds_at_once(database):
    book, protections = Book(Trade), manager()
    book.close(minute=0)
    book.close(BTC, minute=1)
    assert ask(protections, 1) == {}
    store = RiskTable(Trade.session.get_bind())
    change_stoploss_guard(risk_settings_of({}, None), store, {"stops": 2}, 1)
    assert "*" in ask(protections, 1)
    assert "2 losing stops" in protections.short_desc()[0]["StoplossFrequency"]


# Kill switch


def test_a_kill_switch_locks_its_market(book):
    book.close(minute=12, reason="KILL_SWITCH_FULL")
    (locked,) = ask(manager(), 30).items()
    assert locked == (ETH, ("The margin loss reached the kill-switch limit; all was closed.", 1455))


def test_a_stop_with_the_kill_switchs_loss_locks_too(book):
    """At leverage 2 a price a quarter lower is half of the margin."""
    book.close(minute=0, reason="stoploss_on_exchange", price=74.9)
    assert set(ask(manager(), 1)) == {ETH}


def test_an_ordinary_stop_locks_nothing(book):
    book.close(minute=0, price=90.0)
    assert ask(manager(), 1) == {}


def test_another_market_is_not_locked(book):
    book.close(minute=0, reason="KILL_SWITCH_FULL")
    assert ask(manager(), 1, BTC) == {}


def test_a_lock_ends_a_day_after_the_close(book):
    book.close(minute=0, reason="KILL_SWITCH_FULL")
    assert ask(manager(), 24 * 60 + 6) == {}


# Start


def test_they_say_what_they_do():
    said = {name: text for each in manager().short_desc() for name, text in each.items()}
    assert said == {
        "StoplossFrequency": "StoplossFrequency - 3 losing stops within 60 minutes lock entries "
        "for 30 minutes, scope global",
        "KillSwitch": "KillSwitch - a market whose position lost 50% of its margin is locked for "
        "24 hours",
    }


def test_a_wrong_setting_stops_the_start():
    from freqtrade.exceptions import OperationalException

    with pytest.raises(OperationalException, match=r"ext\.risk\.kill_switch\.full_los: unknown"):
        manager(kill_switch={"full_los": 0.5})
