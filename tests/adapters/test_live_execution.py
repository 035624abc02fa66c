"""A real bot of Freqtrade's, live on a served exchange: start, loop, end, and the next start.

Bugs planted by hand, each caught by the test named:

1. the lease is not taken -> test_a_second_bot_is_refused_and_the_first_goes_on
2. the lease is not given back -> test_after_its_end_nothing_is_left_and_the_next_bot_starts
3. the gate is not removed -> test_after_its_end_nothing_is_left_and_the_next_bot_starts
4. the watcher is not stopped -> test_after_its_end_nothing_is_left_and_the_next_bot_starts
5. the signals are kept -> test_after_its_end_nothing_is_left_and_the_next_bot_starts
6. a failed start keeps the lease -> test_a_bot_that_cannot_ask_the_exchange_does_not_start
7. a lost lease does not stop the bot -> test_a_bot_whose_account_was_taken_stops
8. `fresh_books` does not lock -> test_the_books_are_held_and_fresh
9. `fresh_books` does not read anew -> test_the_books_are_held_and_fresh
10. the loop does not catch up -> test_an_order_without_a_trade_is_in_the_books_one_loop_later
11. the loop does not use what was seen -> test_what_a_person_added_is_closed_after_two_looks
12. an unbooked order is at rest -> test_at_rest_is_nothing_in_flight_and_every_position_whole
13. a confirmed order is settled before it is booked -> test_an_order_is_settled_when_it_is_booked
14. orders of nobody have a name for spreads -> test_only_orders_of_spreads_have_names
15. settings are learnt once only -> test_a_leverage_that_somebody_changed_is_set_anew
16. they are learnt at any price -> test_a_spent_budget_leaves_the_settings_for_later
17. a question is none, or everything is one ->
    test_a_lost_order_is_an_open_question_until_it_is_found
18. questions are looked for in the database -> test_open_questions_are_told_without_the_database
19. the off setting is silent -> test_a_guard_that_is_off_says_so (test_guarded_strategy)
"""

import logging
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import ccxt
import pytest
from freqtrade.enums import State
from freqtrade.exceptions import InvalidOrderException, OperationalException
from freqtrade.persistence import Trade
from sqlalchemy import create_engine, update

from freqtrade_ext.adapters._account import SystemClock
from freqtrade_ext.adapters._lease import LeaseHealth, account_of
from freqtrade_ext.adapters._live_execution import bot_of
from freqtrade_ext.adapters._watcher import Watcher, own_connection
from freqtrade_ext.adapters.execution_store import InboxTable, IntentTable, LeaseTable
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import IntentState, RecoveryStatus
from freqtrade_ext.sandbox import Effect, wall_clock
from freqtrade_ext.sandbox.engine import CloseExternally
from freqtrade_ext.settings import ExecutionSettings

from .execution_doubles import (
    BTC,
    ETH,
    IDS,
    LIVE,
    ORDER,
    D,
    FreeOwner,
    fresh,
    intent,
    running_bot,
    serve,
)

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Locks of other bots, and of other tests, lie elsewhere."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The machine's time, and what a test adds to it; nobody really waits."""

    class Shift:
        ms = 0

    def sleep(self, seconds):
        Shift.ms += round(seconds * 1000)

    monkeypatch.setattr(SystemClock, "now_ms", lambda self: wall_clock() + Shift.ms)
    monkeypatch.setattr(SystemClock, "sleep", sleep)
    monkeypatch.setattr(Watcher, "is_alive", True)  # the tests look when they want to
    return Shift


class Stage:
    def __init__(self, bench, bot):
        self.bench, self.bot = bench, bot
        self.owner = FreeOwner(bot.strategy.guarded_markets)
        self.start()

    def start(self, **settings):
        """Start execution, as a strategy does in `bot_start`."""
        given = ExecutionSettings(patience_seconds=1.0, settling_seconds=5.0, **settings)
        self.bot.strategy.start_execution(given, self.owner)
        self.live = self.bot.strategy._execution
        if self.live is not None:
            self.live._watcher.stop()  # the test looks when it wants to
            self.live._watcher.take()

    def end(self):
        self.bot.strategy.ft_bot_cleanup()

    def order(self, market=BTC, side="buy", amount=0.1, **more):
        return self.bot.exchange.create_order(
            pair=market, ordertype="market", side=side, amount=amount, rate=100.0, leverage=2.0,
            **more,
        )  # fmt: skip

    def loop(self):
        with self.bot.strategy.fresh_books():
            self.bot.strategy.loop_execution()

    def book(self):
        self.bot.startup_update_open_orders()

    def look(self):
        self.live._watcher.look()

    @property
    def intents(self):
        return IntentTable(Trade.session.get_bind()).since(0)

    @property
    def trades(self):
        return list(Trade.get_trades_proxy(is_open=True))

    @property
    def lease(self):
        table = LeaseTable(Trade.session.get_bind())
        return table.read(account_of(
            {"exchange": {"name": "binance", "key": self.bench.server.credentials.key}}
        ))  # fmt: skip


@pytest.fixture(scope="module")
def bot(served, tmp_path_factory):
    with running_bot(served, tmp_path_factory.mktemp("bot")) as bot:
        yield bot


@pytest.fixture
def empty(bench, bot):
    """A bot that has never traded."""
    engine = Trade.session.get_bind()
    for table in (IntentTable, InboxTable, LeaseTable):
        table(engine)
    with engine.begin() as connection:
        for name in ("ext_intents", "ext_inbox", "ext_lease", "orders", "trades"):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    Trade.session.expire_all()
    bot.state = State.RUNNING
    yield bot
    bot.strategy.ft_bot_cleanup()
    Trade.rollback()
    Trade.session.expunge_all()


@pytest.fixture
def stage(bench, empty):
    return Stage(bench, empty)


def test_a_bot_starts_guarded(bench, tmp_path, caplog):
    """A whole one, from its configuration file, with a thread that watches."""
    section = {"execution": {"patience_seconds": 1}}
    with (
        caplog.at_level(logging.INFO),
        running_bot(bench, tmp_path, strategy=LIVE, ext=section) as bot,
    ):
        assert "ext-watcher" in {thread.name for thread in threading.enumerate()}
        assert bot_of(bot.strategy) is bot
        assert "recovery SUCCESS" in caplog.text
        assert "order guard is on" in caplog.text
        assert (tmp_path / "logs" / "recovery_report.json").exists()
        order = bot.exchange.create_order(
            pair=BTC, ordertype="market", side="buy", amount=0.1, rate=100.0, leverage=2.0
        )
        bot.strategy._execution._watcher.stop()
        bot.strategy._execution._watcher.take()
        bot.strategy.bot_loop_start(None)
        bot.startup_update_open_orders()
        (trade,) = Trade.get_open_trades()
        assert (trade.amount, trade.orders[0].order_id) == (0.1, order["id"])
        assert bench.server.credentials.secret not in caplog.text
        assert bench.server.credentials.key not in caplog.text


def test_an_order_without_a_trade_is_in_the_books_one_loop_later(stage):
    """Freqtrade failed between the answer and its commit."""
    order = stage.order(amount=0.3)
    assert stage.trades == []
    stage.loop()
    (trade,) = stage.trades
    assert [each.order_id for each in trade.orders] == [order["id"]]
    stage.book()
    assert trade.amount == 0.3
    stage.loop()
    assert stage.intents[0].is_booked
    assert len(stage.trades) == 1


def test_an_order_is_settled_when_it_is_booked(stage):
    stage.order()
    name = stage.intents[0].client_order_id
    assert stage.live.is_unsettled(name)
    assert stage.live.unsettled_markets() == {BTC}
    stage.loop()
    assert not stage.live.is_unsettled(name)
    assert stage.live.unsettled_markets() == frozenset()
    assert not stage.live.is_unsettled("x-unknown")


def test_at_rest_is_nothing_in_flight_and_every_position_whole(stage):
    assert stage.live.is_at_rest()
    stage.order()
    assert not stage.live.is_at_rest()
    stage.loop()
    assert stage.live.is_at_rest()
    stage.owner.at_rest = False
    assert not stage.live.is_at_rest()


def test_a_lost_order_is_an_open_question_until_it_is_found(stage):
    stage.bench.fault(ORDER, Effect.LOSE_RESPONSE)
    stage.bench.fault("GET /fapi/v1/order", Effect.DROP_REQUEST, times=30)
    with pytest.raises(Exception, match="Could not place buy order"):
        stage.order()
    assert stage.intents[0].state is IntentState.UNKNOWN
    name = stage.intents[0].client_order_id
    assert stage.live.is_unsettled(name)
    assert stage.live.is_open_question(name)
    stage.bench.server.faults = type(stage.bench.server.faults)()
    stage.live._account.clock.sleep(5)
    stage.loop()
    assert stage.intents[0].state is IntentState.CONFIRMED
    assert not stage.live.is_open_question(name)
    stage.book()
    assert stage.trades[0].amount == 0.1


def test_open_questions_are_told_without_the_database(stage, monkeypatch):
    """Or what is left of a spread would not leave while the database cannot be read."""
    stage.bench.fault(ORDER, Effect.LOSE_RESPONSE)
    stage.bench.fault("GET /fapi/v1/order", Effect.DROP_REQUEST, times=30)
    with pytest.raises(Exception, match="Could not place buy order"):
        stage.order()
    name = stage.intents[0].client_order_id

    def unreadable(table, client_order_id):
        raise StoreError("the disk does not answer")

    stage.bench.server.faults = type(stage.bench.server.faults)()
    monkeypatch.setattr(IntentTable, "find", unreadable)
    assert stage.live.is_open_question(name)
    assert not stage.live.is_open_question("ETH-BTC.856bfd-Au1-myc87pc0")


def test_only_orders_of_spreads_have_names(stage):
    order = stage.order()
    store = IntentTable(Trade.session.get_bind())
    assert stage.live.name_of(BTC, order["id"]) is None
    saved = stage.intents[0]
    store.save(replace(saved, owner="ETH-BTC"))
    assert stage.live.name_of(BTC, order["id"]) == saved.client_order_id
    assert stage.live.name_of(ETH, order["id"]) is None


def booked_trade(stage):
    stage.order(amount=0.2)
    stage.loop()
    stage.book()
    stage.loop()
    stage.live._account.clock.sleep(60)


def test_what_a_person_added_is_closed_after_two_looks(stage):
    booked_trade(stage)
    stage.bench.add(BTC)
    for held in (D("0.4"), D("0.2")):
        stage.look()
        stage.loop()
        assert stage.bench.held(BTC) == held
        stage.live._account.clock.sleep(5)
    for _ in range(3):  # and the next passes find nothing
        stage.look()
        stage.loop()
        stage.live._account.clock.sleep(5)
    assert stage.bench.held(BTC) == D("0.2")
    assert InboxTable(Trade.session.get_bind()).open_items() == []


def test_what_a_person_closed_is_closed_in_the_books(stage):
    booked_trade(stage)
    (trade,) = stage.trades
    stage.bench.do(CloseExternally(IDS[BTC]))
    for _ in range(2):
        stage.look()
        stage.loop()
        stage.live._account.clock.sleep(5)
    stage.book()
    assert not trade.is_open
    assert trade.exit_reason == "closed_on_exchange"


def test_an_outage_repairs_nothing(stage):
    booked_trade(stage)
    stage.bench.fault("GET /fapi/v3/positionRisk", Effect.GARBLED, times=3)
    for _ in range(3):
        stage.look()
        stage.loop()
        stage.live._account.clock.sleep(60)
    assert stage.trades[0].is_open
    assert stage.bench.held(BTC) == D("0.2")


def test_the_books_are_held_and_fresh(stage):
    booked_trade(stage)
    (trade,) = stage.trades
    assert not stage.bot._exit_lock.locked()
    other = create_engine(stage.bot.config["db_url"])
    with other.begin() as connection:  # REST in its own thread, with its own session
        connection.execute(update(Trade).where(Trade.id == trade.id).values(exit_reason="seen"))
    other.dispose()
    assert trade.exit_reason is None
    with stage.live.fresh_books():
        assert stage.bot._exit_lock.locked()
        assert trade.exit_reason == "seen"
    assert not stage.bot._exit_lock.locked()


def test_a_bot_whose_account_was_taken_stops(stage, caplog):
    stage.bot.state = State.RUNNING
    table = LeaseTable(Trade.session.get_bind())
    assert table.take(stage.lease, replace(stage.lease, instance_id="another"))
    stage.loop()
    stage.live._account.clock.sleep(5)
    stage.look()
    assert "another bot has taken this account" in caplog.text
    with pytest.raises(VenueError, match="traded by another bot"):
        stage.loop()
    assert stage.bot.state is State.STOPPED


def test_a_signal_between_loops_ends_a_bot_at_rest(stage):
    stage.bot.state = State.RUNNING
    stage.live.stop.is_asked = True
    stage.order()
    stage.live.stop.check()
    stage.loop()  # books the order that was in flight
    with pytest.raises(KeyboardInterrupt):
        stage.loop()
    assert not stage.bot._exit_lock.locked()


# The end, and the next start


def test_after_its_end_nothing_is_left_and_the_next_bot_starts(stage):
    """As on /reload_config: the next start is in the same process."""
    stage.end()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    api = stage.bot.exchange._api
    for turn in (1, 2):
        stage.start()
        stage.live._watcher._stopping.clear()
        stage.live._watcher.start()
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
        assert "create_order" in vars(api)
        # The order of the first, which never booked it, is adopted at the start of the second.
        assert len(stage.trades) == turn - 1
        stage.order(amount=0.1 * turn)
        stage.end()
        assert stage.bot.strategy._execution is None
        with pytest.raises(ccxt.InvalidOrder, match="the bot ends"):
            api.create_order(BTC, "market", "buy", 0.1)  # a person's, while REST still answers
        assert stage.lease is None
        assert {number: signal.getsignal(number) for number in before} == before
        assert "ext-watcher" not in {thread.name for thread in threading.enumerate()}
        stage.end()  # again, as Freqtrade may do it


def test_a_stop_is_put_off_while_a_spread_is_on_its_way(stage, monkeypatch, caplog):
    """A stopped Freqtrade asks its strategy nothing: nobody would complete or unwind it."""
    rest = [False]
    monkeypatch.setattr(stage.live, "is_at_rest", lambda: rest[0])
    monkeypatch.setattr(stage.bot, "state", State.STOPPED)
    stage.live._beat()
    assert stage.bot.state is State.PAUSED
    stage.loop()
    assert stage.bot.state is State.PAUSED
    rest[0] = True
    stage.loop()
    assert stage.bot.state is State.STOPPED
    stage.live._beat()
    assert stage.bot.state is State.STOPPED
    assert "the bot has stopped" in caplog.text


def test_a_stop_that_comes_back_again_and_again_is_left_to_a_person(stage, monkeypatch):
    monkeypatch.setattr(stage.live, "is_at_rest", lambda: False)
    monkeypatch.setattr(stage.bot, "state", State.STOPPED)
    for _ in range(12):
        stage.live._beat()
        assert stage.bot.state is State.PAUSED
        stage.bot.state = State.STOPPED
    stage.live._beat()
    assert stage.bot.state is State.STOPPED


def test_a_database_without_heartbeats_holds_back_entries_only(stage, monkeypatch, caplog):
    stage.order(amount=0.2)
    health = [LeaseHealth.SUSPENDED]
    monkeypatch.setattr(stage.live._account.lease, "heartbeat", lambda: health[0])
    stage.live._beat()
    with pytest.raises(InvalidOrderException, match="takes no heartbeat"):
        stage.order()
    stage.order(side="sell", amount=0.2, reduceOnly=True)
    health[0] = LeaseHealth.HELD
    stage.live._beat()
    assert stage.order()["filled"] == 0.1
    assert "renewed again" in caplog.text


def test_a_leverage_that_somebody_changed_is_set_anew(stage, bench, clock):
    """Without a position no comparison shows it, and the next entry would have it."""
    stage.order(amount=0.2)
    stage.order(side="sell", amount=0.2, reduceOnly=True)
    api = stage.bot.exchange._api
    type(api).set_leverage(own_connection(api), 20, BTC)  # a person, in the app
    stage.live._beat()
    with bench.requests() as seen:
        stage.order(amount=0.3)
    assert seen == [ORDER]  # a minute has not gone by
    stage.order(side="sell", amount=0.3, reduceOnly=True)
    clock.ms += 60_000
    stage.live._beat()
    with bench.requests() as seen:
        stage.order(amount=0.4)
    assert seen == ["POST /fapi/v1/leverage", ORDER]


def test_a_spent_budget_leaves_the_settings_for_later(stage, bench, clock):
    clock.ms += 60_000
    while stage.live._budget.afford(1, stage.live._account.clock.now_ms()):
        pass
    with bench.requests() as seen:
        stage.live._beat()
    assert seen == []


def test_a_watcher_that_died_is_started_again(stage, monkeypatch, caplog):
    started = []
    monkeypatch.setattr(Watcher, "is_alive", False)
    monkeypatch.setattr(Watcher, "start", lambda self: started.append(self))
    stage.loop()
    assert started == [stage.live._watcher]
    assert "the watcher had stopped" in caplog.text


def test_a_second_bot_is_refused_and_the_first_goes_on(stage, bench, tmp_path):
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[3]\n"
        "from freqtrade.persistence import init_db, Trade; init_db(sys.argv[1])\n"
        "from freqtrade_ext.adapters._account import SystemClock\n"
        "from freqtrade_ext.adapters._lease import AccountLease\n"
        "config = {'exchange': {'name': 'binance', 'key': sys.argv[2]}, 'user_data_dir': '.'}\n"
        "AccountLease(config, Trade.session.get_bind(), SystemClock()).take()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, stage.bot.config["db_url"], bench.server.credentials.key,
         str(tmp_path)],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "another bot trades this account" in done.stderr
    assert stage.live._account.lease.is_held
    assert stage.order()["filled"] == 0.1


def test_a_bot_that_cannot_ask_the_exchange_does_not_start(stage):
    stage.end()
    stage.bench.fault("GET /fapi/v3/positionRisk", Effect.GARBLED, times=3)  # one for each pass
    with pytest.raises(OperationalException, match=r"recovery failed: .*answered"):
        stage.start()
    assert stage.bot.strategy._execution is None
    assert stage.lease is None
    with pytest.raises(ccxt.InvalidOrder, match="the bot ends"):
        stage.bot.exchange._api.create_order(BTC, "market", "buy", 0.1)
    report = stage.bot.config["user_data_dir"] / "logs" / "recovery_report.json"
    assert f'"recovery_status": "{RecoveryStatus.FAILED}"' in report.read_text()
    stage.start()  # nothing is locked
    assert stage.live is not None


def test_a_bot_without_a_working_database_does_not_start(stage, monkeypatch):
    stage.end()

    def broken(self, engine):
        raise StoreError("disk full")

    monkeypatch.setattr(InboxTable, "__init__", broken)
    with pytest.raises(OperationalException, match="disk full"):
        stage.start()
    assert stage.bot.strategy._execution is None


def test_an_intent_of_an_earlier_process_is_resolved_at_the_start(stage):
    """Killed between the sending and the answer."""
    stage.end()
    meant = intent(BTC, "0.2", tag="ETH-BTC long B", owner="ETH-BTC", leg="B")
    IntentTable(Trade.session.get_bind()).save(meant)
    stage.bench.venue().submit([meant])
    stage.start()
    stage.book()
    (trade,) = stage.trades
    assert (trade.amount, trade.enter_tag) == (0.2, "ETH-BTC long B")
    assert stage.live.guard.find(meant.client_order_id).is_booked
