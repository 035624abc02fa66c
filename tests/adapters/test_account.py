"""The parts of execution on one account, and a recovery with them.

Bugs planted by hand, each caught by the test named:

1. the report is not written -> test_a_quiet_account_is_a_success
2. a failed recovery lets the bot trade -> test_a_failed_recovery_is_reported_and_raised
3. what is pending is not restored -> test_an_order_that_was_sent_and_lost_is_adopted
4. another account's key names the lease -> test_the_lease_is_of_the_key_in_use
5. warnings are not logged -> test_a_position_of_nobody_is_an_alert
6. a report that cannot be written stops the bot -> test_a_full_disk_does_not_stop_a_recovery
7. recent trades are left out of the report -> test_the_report_has_the_trades_of_a_day
8. settings do not reach the guard -> test_settings_reach_the_guard
9. recovery asks for as long as the guard's patience ->
   test_an_order_that_was_never_sent_holds_no_start_and_is_proven_absent_later
"""

import json
import logging
from types import SimpleNamespace

import pytest
from freqtrade.enums import MarginMode, TradingMode
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._account import (
    REPORT_FILE,
    Account,
    SystemClock,
    _bot_side,
    _policy,
)
from freqtrade_ext.adapters._lease import account_of
from freqtrade_ext.adapters.execution_store import IntentTable
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import RecoveryStatus
from freqtrade_ext.sandbox import Effect, wall_clock
from freqtrade_ext.settings import ExecutionSettings

from .execution_doubles import BTC, ETH, D, fresh, intent, serve

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)
STRATEGY = SimpleNamespace(get_strategy_name=lambda: "Guarded", stoploss=-0.5)
SETTINGS = ExecutionSettings(patience_seconds=10.0, settling_seconds=5.0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The machine's time, and what was slept."""

    class Shift:
        ms = 0

    def sleep(self, seconds):
        Shift.ms += round(seconds * 1000)

    monkeypatch.setattr(SystemClock, "now_ms", lambda self: wall_clock() + Shift.ms)
    monkeypatch.setattr(SystemClock, "sleep", sleep)
    return Shift


def config_of(folder):
    return {
        "user_data_dir": folder,
        "exchange": {"name": "binance"},
        "stake_currency": "USDT",
        "timeframe": "5m",
        "trading_mode": TradingMode.FUTURES,
        "margin_mode": MarginMode.ISOLATED,
    }


@pytest.fixture
def account(bench, database, tmp_path):
    markets = frozenset({BTC, ETH})
    return Account.open(bench.exchange, config_of(tmp_path), STRATEGY, SETTINGS, lambda: markets)


@pytest.fixture
def report_of(tmp_path):
    return lambda: json.loads((tmp_path / REPORT_FILE).read_text())


def test_nothing_is_asked_or_sent_before_the_start(bench, database, tmp_path):
    with bench.requests() as seen:
        Account.open(bench.exchange, config_of(tmp_path), STRATEGY, SETTINGS, frozenset)
    assert seen == []


def test_an_exchange_that_cannot_be_guarded_is_refused(tmp_path):
    with pytest.raises(OperationalException, match=r"ext.execution.guard: .*'gate'"):
        Account.open(SimpleNamespace(id="gate"), {}, STRATEGY, SETTINGS, frozenset)


def test_a_quiet_account_is_a_success(account, report_of, caplog):
    with caplog.at_level("INFO"):
        report = account.recover()
    assert "Start trading. Nothing needs you." in caplog.text
    assert report.recovery_status is RecoveryStatus.SUCCESS
    assert report_of()["recovery_status"] == "SUCCESS"
    assert report_of()["next_action"] == "Start trading."


def test_an_order_that_was_sent_and_lost_is_adopted(account, bench, report_of):
    meant = intent(BTC, "0.1", tag="ETH-BTC long B", owner="ETH-BTC", leg="B")
    IntentTable(Trade.session.get_bind()).save(meant)
    bench.venue().submit([meant])
    account.recover()
    (trade,) = Trade.get_open_trades()
    assert trade.enter_tag == "ETH-BTC long B"
    assert "adopted order" in " ".join(report_of()["actions"])
    count = len(trade.orders)
    account.recover()  # again: nothing more to do
    assert len(trade.orders) == count
    assert report_of()["actions"] == []


def test_what_cannot_wait_finds_the_books_in_order_and_waits_for_no_report(
    account, bench, report_of
):
    meant = intent(BTC, "0.1", tag="ETH-BTC long B", owner="ETH-BTC", leg="B")
    account.store.save(meant)
    bench.venue().submit([meant])
    seen = []
    account.recover(
        lambda: seen.append((len(Trade.get_open_trades()), account.report_file.exists()))
    )
    assert seen == [(1, False)]


def test_an_order_that_was_never_sent_holds_no_start_and_is_proven_absent_later(
    account, bench, clock, caplog
):
    """The patience of 10 s is for a lost answer; Freqtrade's own start takes 5 to 6 s of 10."""
    meant = intent(BTC, "0.1")
    account.store.save(meant)
    with caplog.at_level("INFO"):
        report = account.recover()
    assert "recovery ALERT" in caplog.text
    assert clock.ms <= 2_500
    assert report.recovery_status is RecoveryStatus.ALERT
    assert f"order {meant.client_order_id}" in " ".join(report.warnings)
    assert "Nothing needs you" not in caplog.text
    for _ in range(5):  # loops of the bot
        clock.ms += 2_000
        account.reconciler.catch_up()
    assert account.store.find(meant.client_order_id).state.value == "absent"
    assert bench.accepted(meant.client_order_id) == 0


def test_a_position_of_nobody_is_an_alert(account, bench, report_of, caplog):
    bench.venue().submit([intent(ETH, "0.4")])
    with caplog.at_level(logging.INFO):
        report = account.recover()
    assert report.recovery_status is RecoveryStatus.ALERT
    (orphan,) = report_of()["orphaned_positions"]
    assert (orphan["symbol"], orphan["amount"], orphan["side"]) == (ETH, 0.4, "long")
    assert report_of()["manual_review_required"] is True
    assert caplog.text.count("[SAFETY] recovery: ") >= 1
    assert bench.held(ETH) == D("0.4")  # report, not flatten


def test_the_report_has_the_trades_of_a_day(account, bench, report_of):
    meant = intent(BTC, "0.1", owner="ETH-BTC", leg="B", tag="ETH-BTC long B")
    account.store.save(meant)
    bench.venue().submit([meant])
    account.recover()
    trades = report_of()["recent_trades"]
    assert (trades[-1]["symbol"], trades[-1]["amount"]) == (BTC, 0.1)


@pytest.mark.parametrize("effect", [Effect.GARBLED, Effect.DROP_REQUEST])
def test_a_failed_recovery_is_reported_and_raised(account, bench, report_of, effect):
    bench.fault("GET /fapi/v3/positionRisk", effect, times=3)  # one for each pass
    with pytest.raises(VenueError, match=r"recovery failed: .*Do not trade"):
        account.recover()
    assert report_of()["recovery_status"] == "FAILED"


def test_a_database_that_fails_is_a_failed_recovery(account, monkeypatch, report_of):
    def broken(self):
        raise StoreError("disk full")

    monkeypatch.setattr(IntentTable, "pending", broken)
    with pytest.raises(VenueError, match="recovery failed: disk full"):
        account.recover()
    assert report_of()["recovery_status"] == "FAILED"


def test_books_that_cannot_be_read_are_a_failed_recovery(account, report_of):
    with Trade.session.get_bind().begin() as connection:
        connection.exec_driver_sql("DROP TABLE trades")
    with pytest.raises(VenueError, match="recovery failed"):
        account.recover()
    assert report_of()["recovery_status"] == "FAILED"


def test_a_full_disk_does_not_stop_a_recovery(account, tmp_path, caplog):
    (tmp_path / "logs").write_text("a file where the folder should be")
    assert account.recover().recovery_status is RecoveryStatus.SUCCESS
    assert "could not be written" in caplog.text


def test_settings_reach_the_guard():
    policy = _policy(ExecutionSettings(patience_seconds=7.5, settling_seconds=45.0))
    assert (policy.patience_ms, policy.settling_ms) == (7_500, 45_000)


def test_the_lease_is_of_the_key_in_use(bench, account, tmp_path):
    """Freqtrade takes the credentials out of the configuration."""
    key = bench.server.credentials.key
    named = account_of({"exchange": {"name": "binance", "key": key}})
    assert account.lease._account == named
    assert "key" not in config_of(tmp_path)["exchange"]


def test_a_trade_knows_how_the_bot_trades(bench, tmp_path):
    side = _bot_side(bench.exchange, config_of(tmp_path), STRATEGY)
    assert (side.timeframe_minutes, side.margin_mode, side.stoploss) == (5, "isolated", -0.5)
    assert (side.strategy_name, side.trading_mode) == ("Guarded", TradingMode.FUTURES)


def test_the_real_clock_is_utc_in_milliseconds(monkeypatch):
    monkeypatch.undo()
    assert abs(SystemClock().now_ms() - wall_clock()) < 5_000
