"""The desk of scored positions: account, entries, exits, locks, on Freqtrade's database.

Bugs planted by hand, each caught by the test named:

1. spot stakes are not part of the equity -> test_equity_is_balance_and_what_is_tied_up
2. an unknown price counts as no profit -> test_without_a_price_the_equity_is_unknown
3. a stopped account shows no lock, or new ones -> test_a_stop_of_entries_is_a_visible_lock
4. a reset leaves the lock -> the same
5. an excluded, barred or unsettled market is entered -> test_a_market_may_be_refused
6. the size ignores the layer's factor -> test_a_size_loses_its_risk_at_the_stop
7. the size ignores the drawdown -> test_a_drawdown_makes_positions_smaller
8. the leverage ignores the bracket -> test_leverage_is_capped
9. a close of the account waits for a position's own rule -> test_the_account_comes_first
10. a kill switch locks at each look -> test_a_kill_switch_locks_and_tells_once
11. a lock starts now instead of at the time given -> test_locks_are_those_of_the_time_given
12. a stop on the exchange keeps Freqtrade's word -> test_a_stop_on_the_exchange_gets_our_name
13. another strategy's trade is renamed -> the same
14. a stopped account says nothing after a restart -> test_a_restart_tells_of_a_stop
15. messages that were not sent are not said again -> test_a_kill_loses_no_message
16. the lock is written before its message -> test_a_kill_between_message_and_lock_loses_neither
17. messages that were sent are kept -> test_a_message_that_was_sent_is_not_said_again
18. an account that cannot be watched is silent, or told of in each look
    -> test_a_position_without_a_price_is_told_once
19. a leg's stop on the exchange is renamed -> test_a_stop_on_the_exchange_gets_our_name
20. another quote currency of a barred coin is entered -> test_a_market_may_be_refused
21. a position whose own rules fail is not closed with the account
    -> test_the_account_closes_what_has_lost_its_memory
22. a reset leaves the lock of an earlier run
    -> test_a_reset_before_a_restart_ends_the_lock_of_the_run_before
23. ... or the lock of the account beside that of a recovery
    -> test_the_lock_of_a_stop_that_is_over_ends_while_entries_rest
24. an entry that is not filled yet makes the equity unknown
    -> test_an_entry_that_waits_does_not_blind_the_account
25. a message that cannot be written holds an exit back
    -> test_a_message_that_cannot_be_written_holds_no_exit_back
"""

import math
from datetime import timedelta

import pytest
from freqtrade.enums import RunMode, TradingMode
from freqtrade.persistence import PairLocks, Trade
from sqlalchemy.exc import OperationalError

from freqtrade_ext.adapters._market_track import MarketTrack
from freqtrade_ext.adapters._regime_desk import Entry, RegimeDesk
from freqtrade_ext.adapters._regime_frames import TRACKED
from freqtrade_ext.adapters.risk_store import RiskTable
from freqtrade_ext.errors import CorruptStateError, StoreError
from freqtrade_ext.risk import Close, CloseReason, Lock, RecoveryState, Reduce
from freqtrade_ext.signals import LeverageSettings

from .doubles import BTC, ETH, left, trade_of
from .regime_doubles import (
    HOUR_MS,
    MINUTE_MS,
    START_MS,
    HostStrategy,
    References,
    bars,
    moment,
    position,
    risk_of,
)


@pytest.fixture(autouse=True)
def _locks(database, monkeypatch):
    monkeypatch.setattr(PairLocks, "timeframe", "5m")
    monkeypatch.setattr(PairLocks, "use_db", True)


class Desk(RegimeDesk):
    def __init__(self, host=None, *, live=True, leverage=None, references=None, **risk):
        self.host = host or HostStrategy()
        settings = risk_of(**risk)
        super().__init__(
            self.host,
            references or References(),
            lambda: settings,
            leverage or LeverageSettings(),
            RiskTable(Trade.session.get_bind()),
            live=live,
        )
        frame = bars([100.0] * 30, start_ms=START_MS - 30 * HOUR_MS)
        self.tracks[ETH] = MarketTrack(frame, HOUR_MS, TRACKED)

    def see(self, prices, now_ms):
        """A loop of the bot: the account first, then every position at its price."""
        self.loop(now_ms)
        found = {}
        for trade in Trade.get_open_trades():
            found[trade.pair] = self.decide(trade, prices[trade.pair], now_ms)
        return found


def at(hours):
    return START_MS + round(hours * HOUR_MS)


def locks(hours):
    return {
        lock.pair: (lock.reason, lock.lock_end_time)
        for lock in PairLocks.get_pair_locks(None, moment(at(hours)))
    }


# Account


def test_equity_is_balance_and_what_is_tied_up():
    """
    Bought and sold at 100, for 0.05 % each: what it would lose if it were closed, and funding of 3.

    A real futures balance has paid the entry's fee and the funding already; Freqtrade's own sum,
    in a dry run, has not.
    """
    trade = position(Trade, amount=10.0, leverage=1.0)
    trade.funding_fees = -3.0
    for trading, mode, expected in (
        (TradingMode.FUTURES, RunMode.LIVE, 10_000.0 - 0.5),
        (TradingMode.FUTURES, RunMode.DRY_RUN, 10_000.0 - 1.0 - 3.0),
        (TradingMode.SPOT, RunMode.LIVE, 11_000.0 - 1.0),
    ):
        host = HostStrategy(trading_mode=trading)
        host.dp.runmode = mode
        trade.trading_mode = trading
        desk = Desk(host, account={"confirm_looks": 1})
        desk.see({ETH: 100.0}, at(0))
        desk.loop(at(0.1))
        assert desk._equity == pytest.approx(expected, abs=1e-9)


def test_without_a_price_the_equity_is_unknown():
    position(Trade, amount=10.0)
    desk = Desk()
    desk.loop(at(0))
    assert math.isnan(desk._equity)
    assert desk.watch.account.peak_equity is None
    desk.see({ETH: 110.0}, at(0.1))
    desk.loop(at(0.2))
    assert desk.watch.account.peak_equity == pytest.approx(10_099.45)  # 100 less the exit's fee


def test_an_entry_that_waits_does_not_blind_the_account():
    """Its limit order may wait for hours; Freqtrade asks no price of it meanwhile."""
    position(Trade)
    waiting = trade_of(Trade, pair=BTC, strategy="RegimeScore", enter_tag="long 74")
    Trade.session.add(waiting)
    Trade.commit()
    desk = Desk()
    desk.decide(Trade.get_open_trades()[0], 100.0, at(0))
    for hours in (0, 1):
        desk.loop(at(hours))
        assert desk._equity == pytest.approx(10_000.0 - 0.05)  # the exit's fee
    assert desk.host.sent == []


def test_a_position_without_a_price_is_told_once():
    """Its equity is unknown: no rule of the account can act."""
    position(Trade)
    desk = Desk()
    for minutes in (0, 14):
        desk.loop(START_MS + minutes * MINUTE_MS)
    assert desk.host.sent == []
    for minutes in (15, 16, 60):
        desk.loop(START_MS + minutes * MINUTE_MS)
    (text,) = desk.host.sent
    assert "no price of ETH/USDT:USDT" in text
    assert "account kill switch and the portfolio recovery wait" in text
    desk.see({ETH: 100.0}, at(2))
    desk.loop(at(2.1))  # it is priced now
    position(Trade, pair=BTC)
    for hours in (3, 3.3):  # the next one begins anew
        desk.loop(at(hours))
    assert len(desk.host.sent) == 2
    assert "no price of BTC/USDT:USDT since" in desk.host.sent[1]


def stopped_desk(**more):
    """An account that has lost a quarter."""
    desk = Desk(account={"max_drawdown": 0.2, "confirm_looks": 1}, **more)
    desk.loop(at(0))
    desk.host.wallets.balance = 7_500.0
    desk.loop(at(1))
    return desk


def test_a_stop_of_entries_is_a_visible_lock():
    desk = stopped_desk()
    for hours in (1.1, 1.2, 12):
        desk.loop(at(hours))
    (reason, until) = locks(12)["*"]
    assert reason == "entries are stopped: equity 7500.00 is 25.0% below its peak 10000.00"
    assert until >= moment(at(24)).replace(tzinfo=None)
    desk.loop(at(20))  # the lock is renewed, long before its end
    assert "*" in locks(43)
    rows = Trade.session.execute(PairLocks_rows()).all()
    assert len(rows) == 2
    store = RiskTable(Trade.session.get_bind())
    store.save({"account_wish": {"kind": "reset"}}, 1)
    desk.loop(at(27))
    assert locks(27) == {}
    assert desk.refusal(ETH) == ""


def test_a_reset_before_a_restart_ends_the_lock_of_the_run_before():
    stopped_desk()
    RiskTable(Trade.session.get_bind()).save({"account_wish": {"kind": "reset"}}, 1)
    again = Desk(account={"max_drawdown": 0.2})
    assert "*" in locks(1.1)
    again.loop(at(1.1))
    assert again.refusal(ETH) == ""
    assert locks(1.1) == {}


def test_the_lock_of_a_stop_that_is_over_ends_while_entries_rest():
    """Stopped, then reset by a person: the rest after a recovery goes on, and ends on time."""
    desk = stopped_desk()
    desk.lock(Lock(None, START_MS + 99 * HOUR_MS, "a person's own"), at(1))
    store = RiskTable(Trade.session.get_bind())
    store.save({"account_wish": {"kind": "reset"}}, 1)
    desk.watch.recovery = RecoveryState(resting_until_ms=at(3))
    desk.loop(at(2))
    reasons = {lock.reason for lock in PairLocks.get_pair_locks("*", moment(at(2)))}
    assert reasons == {
        "a person's own", "entries are stopped: rest after a portfolio recovery exit"
    }  # fmt: skip


def PairLocks_rows():
    from freqtrade.persistence.models import PairLock
    from sqlalchemy import select

    return select(PairLock.id)


def test_a_restart_tells_of_a_stop():
    stopped_desk()
    again = Desk(account={"max_drawdown": 0.2})
    again.resume()
    unsent, text = again.host.sent
    assert unsent.startswith("Account kill switch: equity 7500.00")  # no loop had ended
    assert "still stopped (equity 7500.00 is 25.0% below" in text
    assert "freqtrade-ext killswitch reset" in text
    fresh = HostStrategy()
    Trade.session.rollback()
    RiskTable(Trade.session.get_bind()).save({"account": None, "messages": None}, 1)
    Desk(fresh).resume()
    assert fresh.sent == []


def test_a_stopped_account_enters_nothing():
    desk = stopped_desk()
    assert desk.refusal(ETH).startswith("entries are stopped: equity 7500.00")
    assert desk.stake(Entry(ETH, "long", 100.0, at(1)), 2.0, 1_000.0) == 0.0


# Entries


def test_a_market_may_be_refused():
    desk = Desk(excluded=["DOGE"], balance={"max_positions": 1})
    assert desk.refusal(ETH) == ""
    assert "ext.risk.excluded" in desk.refusal("DOGE/USDT:USDT")
    desk.barred = frozenset({BTC})
    assert "spread book" in desk.refusal(BTC)
    assert "spread book" in desk.refusal("BTC/USDC:USDC")
    desk.is_unsettled = lambda pair: pair == ETH
    assert "has not settled" in desk.refusal(ETH)
    desk.is_unsettled = lambda pair: False
    position(Trade, pair=BTC)
    assert "1 positions are open" in desk.refusal(ETH)


def test_a_size_loses_its_risk_at_the_stop():
    """Stop 2.4 % away, fees twice 0.05 %, risk 1 % of 10 000: 4 000 of notional, at 2x 2 000."""
    desk = Desk()
    desk.loop(at(0))
    entry = Entry(ETH, "long", 100.0, at(0))
    assert desk.stake(entry, 2.0, 9_000.0) == pytest.approx(2_000.0)
    frame = bars([100.0] * 30, start_ms=START_MS - 30 * HOUR_MS).assign(size_factor=0.5)
    desk.tracks[ETH] = MarketTrack(frame, HOUR_MS, TRACKED)
    assert desk.stake(entry, 2.0, 9_000.0) == pytest.approx(1_000.0)
    assert desk.stake(entry, 2.0, 500.0) < 500.0  # a fee has to fit beside the margin


def test_a_drawdown_makes_positions_smaller():
    desk = Desk(balance={"shrink_from": 0.05, "shrink_to": 0.25}, account={"max_drawdown": 0.9})
    desk.loop(at(0))
    desk.host.wallets.balance = 8_500.0  # 15 % below the peak: half way, so three quarters
    desk.loop(at(0.1))
    size = desk.stake(Entry(ETH, "long", 100.0, at(0.1)), 1.0, 9_000.0)
    assert size == pytest.approx(0.75 * 0.01 * 8_500 / (0.024 + 0.001))


def test_an_account_that_nobody_has_looked_at_gets_the_least():
    """Its drawdown is unknown: half the size."""
    desk = Desk()
    desk._equity = math.nan
    assert desk.stake(Entry(ETH, "long", 100.0, at(0)), 2.0, 9_000.0) == pytest.approx(1_000.0)


def test_a_market_without_candles_is_not_entered():
    desk = Desk()
    assert desk.stake(Entry(BTC, "long", 100.0, at(0)), 2.0, 9_000.0) == 0.0
    assert desk.leverage(Entry(BTC, "long", 100.0, at(0)), 20.0, None) == 1.0


def test_leverage_is_capped():
    desk = Desk(leverage=LeverageSettings(max_leverage=50.0))
    desk.loop(at(0))
    entry = Entry(ETH, "long", 100.0, at(0))
    # Spread 0.5 bp: 50; price 100: 1; ATR 1 %: 1 - 0.7 / 9; no drawdown.
    assert desk.leverage(entry, 125.0, 0.5) == pytest.approx(50 * (1 - 0.7 * 0.5 / 4.5))
    assert desk.leverage(entry, 8.0, 0.5) == 8.0
    assert Desk().leverage(entry, 125.0, 0.5) == 3.0


def test_leverage_falls_with_drawdown_range_and_higher_timeframes():
    """50, at a price of 1: 0.72, ATR 2.75 %: 0.65, 10 % below the peak: 0.75, mtf 0.8."""
    free = LeverageSettings(max_leverage=75.0)
    desk = Desk(leverage=free, account={"max_drawdown": 0.9})
    desk.loop(at(0))
    desk.host.wallets.balance = 9_000.0
    desk.loop(at(0.1))
    frame = bars([1.0] * 30, start_ms=START_MS - 30 * HOUR_MS)
    frame = frame.assign(atr_pct=2.75, leverage_factor=0.8)
    desk.tracks[ETH] = MarketTrack(frame, HOUR_MS, TRACKED)
    found = desk.leverage(Entry(ETH, "long", 1.0, at(0.1)), 125.0, 0.5)
    assert found == pytest.approx(50 * 0.72 * 0.65 * 0.75 * 0.8)


# Exits


def test_the_account_comes_first():
    desk = stopped_desk()
    position(Trade)
    trade = Trade.get_open_trades()[0]
    assert desk.decide(trade, 100.0, at(1)) == Close(CloseReason.KILL_SWITCH_FULL)
    assert trade.get_custom_data("ext_exit") is not None  # its own rules have looked all the same


def test_the_account_closes_what_has_lost_its_memory(caplog):
    desk = stopped_desk()
    position(Trade).set_custom_data("ext_exit", "no state")
    (trade,) = Trade.get_open_trades()
    assert desk.decide(trade, 100.0, at(1)) == Close(CloseReason.KILL_SWITCH_FULL)
    assert "_look_all_the_same failed" in caplog.text
    desk.watch.close_reason = None
    with pytest.raises(CorruptStateError):
        desk.decide(trade, 100.0, at(1))


def wide():
    """Exits so wide that the kill switch is first."""
    return {"exits": {"sl_atr": 5.0, "exit_tightness": 2.0, "emergency_loss": 0.5}}


def test_a_kill_switch_locks_and_tells_once():
    position(Trade, leverage=10.0)
    desk = Desk(**wide())
    for minutes in (1, 2, 3):
        (action,) = desk.see({ETH: 96.9}, START_MS + minutes * MINUTE_MS).values()
        assert isinstance(action, Reduce)
    assert len(desk.host.sent) == 1
    assert desk.host.sent[0].startswith("🧯 ETH/USDT:USDT: The margin loss reached the first")
    (reason, until) = locks(0.1)[ETH]
    assert "half was closed" in reason
    assert until >= moment(at(24)).replace(tzinfo=None)
    assert PairLocks.is_pair_locked(ETH, moment(at(23.9)))


@pytest.mark.parametrize("error", [StoreError("full"), OperationalError("", {}, None)])
def test_a_message_that_cannot_be_written_holds_no_exit_back(monkeypatch, error):
    def fail(*arguments):
        raise error

    position(Trade, leverage=10.0)
    desk = Desk(**wide())
    with monkeypatch.context() as patch:
        patch.setattr(desk._outbox, "tell", fail)
        (action,) = desk.see({ETH: 96.9}, START_MS + MINUTE_MS).values()
        assert isinstance(action, Reduce)
        assert ETH not in locks(0.1)
    desk.see({ETH: 96.9}, START_MS + 2 * MINUTE_MS)  # made up for while the position is there
    assert len(desk.host.sent) == 1
    assert ETH in locks(0.1)


def halved_desk():
    """A desk that has told of a half, in a loop that is not over yet."""
    position(Trade, leverage=10.0)
    desk = Desk(**wide())
    desk.see({ETH: 96.9}, START_MS + MINUTE_MS)
    return desk


def test_a_kill_loses_no_message():
    (text,) = halved_desk().host.sent
    again = Desk(**wide())
    again.resume()
    assert again.host.sent == [text]
    again.see({ETH: 96.9}, START_MS + 2 * MINUTE_MS)
    assert again.host.sent == [text]


def test_a_message_that_was_sent_is_not_said_again():
    desk = halved_desk()
    desk.host.dp._msg_queue.clear()  # as Freqtrade does at the end of a loop
    desk.loop(START_MS + 2 * MINUTE_MS)
    again = Desk(**wide())
    again.resume()
    assert again.host.sent == []


def test_a_kill_between_message_and_lock_loses_neither(monkeypatch):
    def kill(*arguments, **keywords):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PairLocks, "lock_pair", kill)
        with pytest.raises(KeyboardInterrupt):
            halved_desk()
    assert not PairLocks.is_pair_locked(ETH, moment(at(1)))
    again = Desk(**wide())
    again.resume()
    again.see({ETH: 96.9}, START_MS + 2 * MINUTE_MS)
    (text,) = again.host.sent
    assert "half was closed" in text
    assert PairLocks.is_pair_locked(ETH, moment(at(23)))


def test_locks_are_those_of_the_time_given():
    """In a backtest it is years ago."""
    desk = Desk()
    assert desk.lock(Lock(ETH, at(2), "why"), at(1))
    assert not desk.lock(Lock(ETH, at(2.2), "why"), at(1.2))  # one like it is there
    assert desk.lock(Lock(ETH, at(2), "another why"), at(1.2))
    assert desk.lock(Lock(ETH, at(4), "why"), at(1.9))  # it ends later
    assert PairLocks.is_pair_locked(ETH, moment(at(3.9)))
    assert not PairLocks.is_pair_locked(ETH, moment(at(4.2)))


def test_the_rule_behind_a_stop_is_named():
    trade = position(Trade)
    desk = Desk()
    desk.see({ETH: 103.0}, at(0.1))
    assert desk.exit_reason(trade, "trailing_stop_loss") == "TRAILING"
    assert desk.exit_reason(trade, "stop_loss") == "TRAILING"
    assert desk.exit_reason(trade, "force_exit") == "force_exit"
    desk.closed(trade)
    assert Desk().exit_reason(position(Trade, pair=BTC), "stop_loss") == "stop_loss"  # not looked


def test_a_stop_on_the_exchange_gets_our_name():
    leg = {"strategy": "RegimeScore", "enter_tag": "ETH-BTC long A"}
    for fields in ({"strategy": "RegimeScore"}, {"strategy": "Another"}, leg):
        trade = position(Trade, **fields)
        left(trade, 1.0, 97.0)
        trade.exit_reason = "stoploss_on_exchange"
    Trade.commit()
    Desk(live=False).loop(at(1))
    assert {t.exit_reason for t in Trade.get_trades().all()} == {"stoploss_on_exchange"}
    Desk().loop(at(1))
    Trade.session.expire_all()
    trades = sorted(Trade.get_trades().all(), key=lambda trade: trade.id)
    words = [trade.exit_reason for trade in trades]
    assert words == ["SL_HIT", "stoploss_on_exchange", "stoploss_on_exchange"]


# Scenario: half a day under water, then back


@pytest.mark.parametrize("restart_at", [None, 5.0, 12.25, 13.05])
def test_a_slow_drawdown_and_a_recovery(restart_at):
    """
    Two positions lose for twelve hours, return to a gain of 20 and fall back.

    The clock is the test's. The bot is started anew in the middle, on the same database.
    """
    quiet = {
        "adverse_hours": None, "force_hours": None, "gradual_hours": None, "deep_loss": None,
        "breakeven_atr": None, "trail_activation": 3.0, "sl_atr": 5.0, "exit_tightness": 2.0,
    }  # fmt: skip
    for pair in (ETH, BTC):
        position(Trade, pair=pair, amount=10.0, leverage=1.0)
    desk, asked = Desk(exits=quiet), []
    early = [step / 4 for step in range(50)]
    for hours in [*early, *(12.55 + step / 20 for step in range(29))]:
        if restart_at is not None and hours == pytest.approx(restart_at):
            desk = Desk(desk.host, exits=quiet)
        price = 99.0 if hours < 12.6 else 101.2 if hours < 13.1 else 100.5
        asked.append((hours, desk.see({ETH: price, BTC: price}, at(hours))))
    first = next(hours for hours, found in asked if any(found.values()))
    # A restart in the very minute of the fall costs one look: no price is known yet.
    assert first == pytest.approx(13.15)
    closes = {action for hours, found in asked if hours >= first for action in found.values()}
    assert closes == {Close(CloseReason.RECOVERY_EXIT)}
    told = [text for text in desk.host.sent if "Portfolio recovery" in text]
    assert len(told) == 1
    assert "All is closed; entries rest for 6 hours" in told[0]
    for trade in Trade.get_open_trades():
        left(trade, trade.amount, 100.5)
    Trade.commit()
    desk.loop(at(14.1))
    assert desk.watch.close_reason is None
    assert "rest after a portfolio recovery exit" in desk.refusal(ETH)
    assert locks(18)["*"][0] == "entries are stopped: rest after a portfolio recovery exit"
    desk.loop(at(first + 6.1))
    assert desk.refusal(ETH) == ""
    assert "*" not in locks(first + 6.2)


def test_the_recovery_trails_by_the_range_of_bitcoin_and_ether():
    """Each is asked for by its own name, at the time of the look."""
    desk, asked, seen = Desk(), [], []

    def atr(coin, now_ms):
        asked.append(now_ms)
        return {"BTC": 0.03, "ETH": 0.01}[coin]

    desk._inputs.reference_atr, desk.watch.look = atr, seen.append
    desk.loop(at(3))
    assert [(look.atr_btc, look.atr_eth) for look in seen] == [(0.03, 0.01)]
    assert asked == [at(3)] * 2


def test_a_lock_of_a_day_is_shown_in_freqtrades_own_terms():
    stopped_desk()
    shown = PairLocks.get_pair_longest_lock("*", moment(at(1)))
    assert shown.to_json()["pair"] == "*"
    assert shown.lock_end_time - shown.lock_time >= timedelta(hours=24)


def test_the_levels_of_a_position():
    """Entry at 100, ATR 1: the stop 2 and the target 3 times it away, both times 1.2."""
    desk, trade = Desk(), position(Trade)
    levels = desk.levels(trade, at(0))
    assert (levels.entry, levels.stop, levels.target) == pytest.approx((100.0, 97.6, 103.6))
    desk.tracks = {}
    assert Desk(references=None).levels(position(Trade, pair=BTC), at(0)) is None
