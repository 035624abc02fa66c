"""The look at the account in the background: what it leaves, what it costs, when it ends.

Bugs planted by hand, each caught by the test named:

1. a failed query leaves an empty account -> test_a_failed_query_leaves_nothing
2. a failed query leaves what was seen before -> test_a_failed_query_leaves_nothing
3. a look is handed over twice -> test_a_look_is_handed_over_once
4. an error ends the thread -> test_the_thread_outlives_errors_and_ends_when_told,
   test_the_thread_outlives_what_nobody_expected
5. the budget is not asked -> test_a_look_that_the_budget_does_not_allow_is_left_out
6. the heartbeat is left out when the budget is spent ->
   test_a_look_that_the_budget_does_not_allow_is_left_out
7. an error is logged at every look -> test_an_outage_is_said_once_a_minute
8. options are shared with the bot's connection -> test_the_connection_is_its_own
9. `stop` waits for the thread that calls it -> test_a_watcher_may_stop_itself
10. a beat that fails stops the look -> test_a_beat_that_fails_does_not_stop_the_look
11. a look that fails stops the beat -> test_a_look_that_fails_in_a_new_way_does_not_stop_the_beat
12. an unexpected error leaves what was seen before ->
    test_a_look_that_fails_in_a_new_way_does_not_stop_the_beat
13. a beat that fails counts as a beat -> test_a_watcher_whose_beats_fail_is_not_alive
14. a thread that has ended is alive -> test_a_watcher_is_alive_while_its_thread_runs
15. a slow watcher is dead after a minute -> test_a_slow_watcher_may_be_silent_for_longer
16. a minute is not granted, or the start does not count ->
    test_a_watcher_whose_beats_fail_is_not_alive, test_a_watcher_is_alive_while_its_thread_runs
17. a watcher that was stopped cannot be started -> test_a_watcher_can_be_started_again
18. a thread that hangs looks on beside its successor -> test_a_thread_that_hung_ends_after_all
"""

import threading
from dataclasses import dataclass, field

import pytest

from freqtrade_ext.adapters._ccxt_venue import CcxtVenue
from freqtrade_ext.adapters._watcher import Watcher, own_connection
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import RequestBudget
from freqtrade_ext.sandbox import Effect

from .execution_doubles import BTC, ETH, ManualClock, fresh, intent, serve, wait_for

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)


@dataclass
class Account:
    """A venue that counts questions and fails when told."""

    failing: bool = False
    asked: list = field(default_factory=list)

    def positions(self):
        self.asked.append("positions")
        if self.failing:
            raise VenueError("timed out")
        return {}

    def open_orders(self, market=None):
        self.asked.append(market)
        return ()


class Stage:
    def __init__(self, weight=2_400, every_seconds=0.001):
        self.account, self.clock, self.beats = Account(), ManualClock(), 0
        self.markets = frozenset({BTC})
        self.watcher = Watcher(
            self.account, RequestBudget(weight), lambda: self.markets, self.beat, self.clock,
            every_seconds,
        )  # fmt: skip

    def beat(self):
        self.beats += 1

    def look(self, seconds=5.0):
        self.clock.sleep(seconds)
        self.watcher.look()
        return self.watcher.take()


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.watcher.stop()


def test_a_look_is_handed_over_once(stage):
    seen = stage.look()
    assert seen.positions == {}
    assert stage.watcher.take() is None
    stage.clock.sleep(5)
    stage.watcher.look()
    stage.clock.sleep(5)
    stage.watcher.look()
    assert stage.watcher.take().taken_ms > seen.taken_ms
    assert stage.watcher.take() is None


def raising(error):
    def fail(*_):
        raise error

    return fail


def test_a_failed_query_leaves_nothing(stage):
    stage.clock.sleep(5)
    stage.watcher.look()
    stage.account.failing = True
    assert stage.look() is None
    stage.account.failing = False
    assert stage.look() is not None


def test_books_that_do_not_answer_leave_nothing(stage):
    stage.watcher._markets = raising(StoreError("locked"))
    assert stage.look() is None


@pytest.mark.parametrize("error", [StoreError("locked"), ZeroDivisionError("a bug")])
def test_a_beat_that_fails_does_not_stop_the_look(stage, error, caplog):
    stage.watcher._beat = raising(error)
    assert stage.look() is not None
    assert f"{error}" in caplog.text


def test_a_look_that_fails_in_a_new_way_does_not_stop_the_beat(stage, caplog):
    stage.clock.sleep(5)
    stage.watcher.look()
    stage.account.positions = raising(KeyError("a bug"))
    assert stage.look() is None  # nor what was seen before
    assert stage.look() is None
    assert stage.beats == 3
    assert "a bug" in caplog.text


def test_an_outage_is_said_once_a_minute(stage, caplog):
    stage.account.failing = True
    for _ in range(25):  # two minutes
        stage.look()
    assert caplog.text.count("could not look at the account: timed out") == 3


def test_a_look_that_the_budget_does_not_allow_is_left_out():
    stage = Stage(weight=60)
    seen = [stage.look() is not None for _ in range(24)]  # two minutes
    assert 0 < sum(seen) < 24
    assert stage.beats == 24  # the lease is kept all the same


def test_markets_with_something_going_on_are_asked_for(stage):
    asked = [stage.look().markets for _ in range(12)]
    assert all(markets is None or BTC in markets for markets in asked)
    stage.markets = frozenset({BTC, ETH})
    markets = stage.look().markets
    assert markets is None or {BTC, ETH} <= markets


def test_the_thread_outlives_errors_and_ends_when_told(stage):
    stage.account.failing = True
    stage.watcher.start()
    wait_for(lambda: stage.beats >= 3)
    stage.account.failing = False
    stage.clock.sleep(60)
    wait_for(lambda: stage.watcher.take())
    stage.watcher.stop()
    assert not stage.watcher._thread.is_alive()
    assert [t.name for t in threading.enumerate() if t.name == "ext-watcher"] == []


def test_the_thread_outlives_what_nobody_expected(stage):
    real = stage.account.positions
    failed = []
    stage.account.positions = raising(KeyError("a bug"))
    stage.watcher._beat = lambda: failed.append(1) or raising(ZeroDivisionError("a bug"))()
    stage.watcher.start()
    wait_for(lambda: len(failed) >= 3)
    stage.watcher._beat = stage.beat
    wait_for(lambda: stage.beats >= 3)  # while looks fail
    stage.account.positions = real
    stage.clock.sleep(60)
    wait_for(lambda: stage.watcher.take())


def test_a_watcher_is_alive_while_its_thread_runs(stage):
    assert not stage.watcher.is_alive
    stage.watcher._beat = raising(KeyError("a bug"))  # the start itself counts for a while
    stage.watcher.start()
    assert stage.watcher.is_alive
    stage.watcher.stop()
    assert not stage.watcher.is_alive


def test_a_watcher_whose_beats_fail_is_not_alive(stage):
    stage.watcher.start()
    failed = []
    stage.watcher._beat = lambda: failed.append(1) or raising(KeyError("a bug"))()
    for seconds, is_alive in ((59, True), (2, False)):
        stage.clock.sleep(seconds)
        before = len(failed)
        wait_for(lambda before=before: len(failed) >= before + 2)
        assert stage.watcher.is_alive is is_alive
    stage.watcher._beat = stage.beat
    wait_for(lambda: stage.watcher.is_alive)


def test_a_slow_watcher_may_be_silent_for_longer():
    stage = Stage(every_seconds=30)
    stage.watcher.start()
    wait_for(lambda: stage.watcher.take())
    stage.clock.sleep(179)
    assert stage.watcher.is_alive
    stage.clock.sleep(2)
    assert not stage.watcher.is_alive
    stage.watcher.stop()


def test_a_watcher_can_be_started_again(stage):
    stage.watcher.start()
    stage.watcher.stop()
    stage.clock.sleep(3_600)
    beats = stage.beats
    stage.watcher.start()
    assert stage.watcher.is_alive
    wait_for(lambda: stage.beats > beats)


def test_a_thread_that_hung_ends_after_all(stage):
    answered, hanging = threading.Event(), threading.Event()
    stage.watcher._beat = lambda: (hanging.set(), answered.wait(10))
    stage.watcher.start()
    hung = stage.watcher._thread
    assert hanging.wait(10)
    stage.watcher._stopping.set()  # as `stop` does, which waits no longer than it must
    assert not stage.watcher.is_alive
    stage.watcher._beat = stage.beat
    stage.watcher.start()
    answered.set()
    hung.join(10)
    assert not hung.is_alive()
    assert stage.watcher.is_alive


def test_a_watcher_may_stop_itself(stage):
    stage.watcher._beat = stage.watcher.stop
    stage.watcher.start()
    stage.watcher._thread.join(10)
    assert not stage.watcher._thread.is_alive()


def test_stopping_what_was_never_started_is_harmless(stage):
    stage.watcher.stop()


# On a real connection


def test_the_connection_is_its_own(bench):
    own = own_connection(bench.api)
    try:
        own.options["marker"] = True
        own.options["fetchMarkets"]["marker"] = True
        assert "marker" not in bench.api.options
        assert "marker" not in bench.api.options["fetchMarkets"]
        assert own.session is not bench.api.session
        assert own.markets is bench.api.markets
        assert own.apiKey == bench.api.apiKey
        used = []
        own.session.hooks["response"].append(lambda response, *_, **__: used.append(response.url))
        CcxtVenue(bench.exchange, own).positions()
        assert used  # and not over the bot's session
    finally:
        own.session.close()


def test_a_look_over_its_own_connection(bench):
    own = own_connection(bench.api)
    watcher = Watcher(
        CcxtVenue(bench.exchange, own), RequestBudget(2_400), lambda: frozenset({BTC}),
        lambda: None, ManualClock(), 5.0,
    )  # fmt: skip
    try:
        bench.venue().submit([intent(BTC, "0.1"), intent(ETH, "-0.2")])
        watcher.look()
        assert set(watcher.take().positions) == {BTC, ETH}
        watcher._clock.sleep(60)
        bench.fault("GET /fapi/v3/positionRisk", Effect.GARBLED)
        watcher.look()
        assert watcher.take() is None
    finally:
        own.session.close()
