"""Recovery from a configuration file, without a bot, on a served exchange.

Bugs planted by hand, each caught by the test named:

1. the lease is kept afterwards -> test_the_account_is_free_afterwards
2. the lease is not taken -> test_an_account_that_a_bot_trades_is_left_alone
3. a dry run is recovered -> test_a_dry_run_has_no_account
4. an error of the database is a configuration error ->
   test_a_database_that_cannot_be_used_is_no_mistake_of_the_configuration
5. the pairlist decides for strategies of ours too -> test_a_strategy_of_ours_knows_its_markets
"""

import json
from types import SimpleNamespace

import pytest
from freqtrade.persistence import Trade, init_db

from freqtrade_ext.adapters import recovery
from freqtrade_ext.adapters._account import SystemClock
from freqtrade_ext.adapters._lease import AccountLease
from freqtrade_ext.adapters.execution_store import InboxTable, IntentTable
from freqtrade_ext.adapters.recovery import recover_account
from freqtrade_ext.adapters.strategies import GuardedStrategy
from freqtrade_ext.errors import ConfigError, StoreError, VenueError
from freqtrade_ext.execution import RecoveryStatus
from freqtrade_ext.sandbox import Effect, wall_clock

from .execution_doubles import (
    BTC,
    ETH,
    D,
    close_database,
    connect,
    fresh,
    intent,
    serve,
    write_config,
)

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)


@pytest.fixture(autouse=True)
def _quick(tmp_path, monkeypatch, bench):
    """Locks of its own, nobody really waits, and one connection for all of the tests."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shift = [0]
    monkeypatch.setattr(SystemClock, "now_ms", lambda self: wall_clock() + shift[0])

    def sleep(self, seconds):
        shift[0] += round(seconds * 1000)

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    monkeypatch.setattr(bench.exchange, "close", lambda: None)
    monkeypatch.setattr(recovery, "_exchange", lambda config: bench.exchange)
    yield
    close_database()


@pytest.fixture
def configure(bench, tmp_path):
    return lambda **changes: [str(write_config(bench, tmp_path, **changes))]


def lease_of(bench, folder):
    key = bench.server.credentials.key
    config = {"exchange": {"name": "binance", "key": key}, "user_data_dir": folder}
    return AccountLease(config, Trade.session.get_bind(), SystemClock())


def test_an_account_is_recovered_and_the_report_written(bench, tmp_path, configure):
    files = configure()
    init_db(f"sqlite:///{tmp_path / 'trades.sqlite'}")
    meant = intent(BTC, "0.1", tag="ETH-BTC long B", owner="ETH-BTC", leg="B")
    IntentTable(Trade.session.get_bind()).save(meant)
    bench.venue().submit([meant])
    close_database()
    report = recover_account(files)
    assert report.recovery_status in {RecoveryStatus.SUCCESS, RecoveryStatus.ALERT}
    assert len(Trade.get_open_trades()) == 1
    written = json.loads((tmp_path / "logs" / "recovery_report.json").read_text())
    assert written["recovery_status"] == report.recovery_status
    assert "adopted order" in " ".join(written["actions"])
    assert recover_account(files).actions == ()


def test_the_policies_of_the_configuration_count(bench, configure):
    bench.venue().submit([intent(ETH, "0.4")])
    policies = {"unknown_position": "flatten"}
    recover_account(configure(ext={"execution": {"policies": policies}}))
    assert bench.held(ETH) == 0


def test_a_position_of_nobody_is_a_card_for_a_person(bench, configure):
    bench.venue().submit([intent(ETH, "0.4")])
    report = recover_account(configure())
    assert report.recovery_status is RecoveryStatus.ALERT
    assert bench.held(ETH) == D("0.4")
    (item,) = InboxTable(Trade.session.get_bind()).open_items()
    assert item.market == ETH


def test_the_account_is_free_afterwards(bench, tmp_path, configure):
    recover_account(configure())
    lease = lease_of(bench, tmp_path)
    lease.take()
    lease.release()


def test_an_account_that_a_bot_trades_is_left_alone(bench, tmp_path, configure):
    files = configure()
    init_db(f"sqlite:///{tmp_path / 'other.sqlite'}")
    lease = lease_of(bench, tmp_path)
    lease.take()
    try:
        with bench.requests() as seen, pytest.raises(ConfigError, match="another bot trades"):
            recover_account(files)
        assert "GET /fapi/v3/positionRisk" not in seen
    finally:
        lease.release()


def test_a_failed_recovery_frees_the_account_too(bench, tmp_path, configure):
    bench.fault("GET /fapi/v3/positionRisk", Effect.DROP_REQUEST, times=3)
    with pytest.raises(VenueError, match="recovery failed"):
        recover_account(configure())
    lease = lease_of(bench, tmp_path)
    lease.take()
    lease.release()


def test_a_dry_run_has_no_account(bench, configure):
    init_db("sqlite://")
    with bench.requests() as seen:
        assert recover_account(configure(dry_run=True)) is None
    assert seen == []


def test_an_account_without_the_guard_is_left_alone(bench, configure):
    init_db("sqlite://")
    with bench.requests() as seen:
        assert recover_account(configure(ext={"execution": {"guard": False}})) is None
    assert seen == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ext": {"execution": {"gard": True}}}, "ext.execution.gard: unknown key"),
        ({"strategy": "x = 1"}, "Impossible to load Strategy 'Guarded'"),
        ({"db_url": "nonsense://"}, "nonsense"),
    ],
)
def test_a_wrong_configuration_is_a_configuration_error(configure, changes, text):
    init_db("sqlite://")
    with pytest.raises(ConfigError, match=text):
        recover_account(configure(**changes))


def test_a_database_that_cannot_be_used_is_no_mistake_of_the_configuration(configure, monkeypatch):
    def broken(self, engine):
        raise StoreError("disk full")

    monkeypatch.setattr(InboxTable, "__init__", broken)
    with pytest.raises(VenueError, match="disk full"):
        recover_account(configure())


def test_a_strategy_of_ours_knows_its_markets():
    class Ours(GuardedStrategy):
        timeframe, stoploss = "1h", -0.5

        def populate_indicators(self, dataframe, metadata):
            return dataframe

        def guarded_markets(self):
            return frozenset({BTC})

    config = {"exchange": {"name": "binance", "pair_whitelist": [ETH]}}
    assert recovery._markets(Ours(config)) == {BTC}
    theirs = SimpleNamespace(config={"exchange": {"pair_whitelist": [ETH]}})
    assert recovery._markets(theirs) == {ETH}


def test_the_exchange_is_opened_without_a_bot(bench, monkeypatch):
    monkeypatch.undo()
    exchange = recovery._exchange(connect(bench.section())._config)
    try:
        assert set(exchange.markets) == {BTC, ETH}
    finally:
        exchange.close()
