"""The base of our strategies: guarded when live, and nothing of it anywhere else.

Bugs planted by hand, each caught by the test named:

1. a dry run is guarded -> test_only_a_live_bot_is_guarded
2. the off setting is silent -> test_a_guard_that_is_off_says_so
3. execution is imported with the strategy -> test_neither_a_backtest_nor_a_dry_run_loads_execution
4. an unsupported exchange trades unguarded -> test_an_exchange_that_cannot_be_guarded_is_refused
5. clean-up does not reach Freqtrade's own -> test_cleanup_ends_execution_once_and_freqais_too
6. a failed start is not ended -> test_a_start_that_fails_is_ended
7. a configuration without exits starts -> test_a_configuration_that_takes_exits_away_is_refused
"""

import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import ClassVar

import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException

from freqtrade_ext.adapters import _live_execution
from freqtrade_ext.adapters.strategies import GuardedStrategy, _guarded_strategy
from freqtrade_ext.errors import VenueError
from freqtrade_ext.settings import ExecutionSettings

from .execution_doubles import BTC, FreeOwner

API = SimpleNamespace(apiKey="key", secret="secret")


class Guarded(GuardedStrategy):
    timeframe = "1h"
    stoploss = -0.5

    def populate_indicators(self, dataframe, metadata):
        return dataframe


class Execution:
    """Stands for the whole of live execution."""

    made: ClassVar[list] = []
    error: ClassVar[Exception | None] = None

    def __init__(self, strategy, settings, owner):
        self.steps = []
        Execution.made.append(self)

    def start(self, then=None):
        self.steps.append("start")
        if then is not None:
            then()
        if Execution.error is not None:
            raise Execution.error

    def watch(self):
        self.steps.append("watch")

    def loop(self):
        self.steps.append("loop")

    def end(self):
        self.steps.append("end")

    @contextmanager
    def fresh_books(self):
        self.steps.append("held")
        yield
        self.steps.append("released")


@pytest.fixture(autouse=True)
def _execution(monkeypatch):
    monkeypatch.setattr(_guarded_strategy.log_format, "install", lambda *arguments: None)
    monkeypatch.setattr(_live_execution, "LiveExecution", Execution)
    monkeypatch.setattr(Execution, "made", [])
    monkeypatch.setattr(Execution, "error", None)


def strategy_of(mode=RunMode.LIVE):
    strategy = Guarded({"exchange": {"name": "binance", "pair_whitelist": [BTC]}})
    strategy.dp = SimpleNamespace(runmode=mode, _exchange=SimpleNamespace(_api=API))
    return strategy


def start(strategy, **settings):
    owner = FreeOwner(strategy.guarded_markets)
    strategy.start_execution(ExecutionSettings(**settings), owner)


@pytest.mark.parametrize(
    "mode", [RunMode.DRY_RUN, RunMode.BACKTEST, RunMode.HYPEROPT, RunMode.LIVE]
)
def test_only_a_live_bot_is_guarded(mode):
    strategy = strategy_of(mode)
    start(strategy)
    assert [each.steps for each in Execution.made] == (
        [["start", "watch"]] if mode is RunMode.LIVE else []
    )
    with strategy.fresh_books():
        strategy.loop_execution()
    strategy.ft_bot_cleanup()


def test_what_cannot_wait_is_done_while_it_starts():
    strategy, done = strategy_of(), []
    owner = FreeOwner(strategy.guarded_markets)
    strategy.start_execution(
        ExecutionSettings(), owner, lambda execution: done.append(list(execution.steps))
    )
    assert done == [["start"]]
    assert strategy._execution is Execution.made[0]


def test_a_guard_that_is_off_says_so(caplog):
    strategy = strategy_of()
    start(strategy, guard=False)
    assert Execution.made == []
    assert "order guard is OFF (ext.execution.guard is false)" in caplog.text
    caplog.clear()
    start(strategy_of(RunMode.DRY_RUN), guard=False)
    assert caplog.text == ""


def test_a_loop_holds_the_books():
    strategy = strategy_of()
    start(strategy)
    with strategy.fresh_books():
        strategy.loop_execution()
    assert Execution.made[0].steps == ["start", "watch", "held", "loop", "released"]


def test_a_start_that_fails_is_ended():
    strategy = strategy_of()
    Execution.error = VenueError("recovery failed: timed out")
    with pytest.raises(OperationalException, match="recovery failed: timed out"):
        start(strategy)
    assert Execution.made[0].steps == ["start", "end"]
    assert strategy._execution is None


def test_cleanup_ends_execution_once_and_freqais_too():
    strategy = strategy_of()
    start(strategy)
    ended = []
    strategy.freqai = SimpleNamespace(shutdown=lambda: ended.append("freqai"))
    for _ in range(2):
        strategy.ft_bot_cleanup()
    assert Execution.made[0].steps == ["start", "watch", "end"]
    assert ended == ["freqai", "freqai"]
    start(strategy)  # the next bot of the process
    assert Execution.made[1].steps == ["start", "watch"]


def test_the_markets_are_those_of_the_pairlist():
    assert strategy_of().guarded_markets() == {BTC}


def test_an_exchange_that_cannot_be_guarded_is_refused(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(_guarded_strategy.log_format, "install", lambda *arguments: None)
    strategy = strategy_of()
    bot = SimpleNamespace(exchange=SimpleNamespace(id="hyperliquid"), config={})
    rpc = SimpleNamespace(_rpc=SimpleNamespace(_freqtrade=bot))
    strategy.dp._DataProvider__rpc = rpc
    with pytest.raises(OperationalException) as error:
        start(strategy)
    assert "ext.execution.guard: the order guard needs client order ids" in str(error.value)
    assert "'hyperliquid'" in str(error.value)
    assert "set it to false to trade without protection" in str(error.value)
    start(strategy, guard=False)


@pytest.mark.parametrize("mode", ["backtest", "dry_run"])
def test_neither_a_backtest_nor_a_dry_run_loads_execution(mode):
    code = f"""
import sys
from types import SimpleNamespace
from typing import ClassVar
from freqtrade.enums import RunMode
from freqtrade_ext.adapters.strategies import GuardedStrategy, SpreadStrategy
from freqtrade_ext.settings import ExecutionSettings

class Guarded(GuardedStrategy):
    timeframe, stoploss = "1h", -0.5
    def populate_indicators(self, dataframe, metadata):
        return dataframe

strategy = Guarded({{"exchange": {{"name": "binance"}}}})
api = SimpleNamespace(apiKey="", secret="")
strategy.dp = SimpleNamespace(runmode=RunMode("{mode}"), _exchange=SimpleNamespace(_api=api))
strategy.start_execution(ExecutionSettings(), None)
with strategy.fresh_books():
    strategy.loop_execution()
strategy.ft_bot_cleanup()
names = ["_live_execution", "_account", "_ccxt_venue", "_order_gate", "_watcher", "_shutdown",
         "_book_keeper", "execution_store", "_lease", "_spread_orders"]
loaded = [name for name in names if f"freqtrade_ext.adapters.{{name}}" in sys.modules]
sys.exit(", ".join(loaded) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("value", [False, None, True])
def test_a_configuration_that_takes_exits_away_is_refused(value):
    """Freqtrade would let it stand above the strategy."""
    config = {} if value is None else {"use_exit_signal": value}
    if value is not False:
        assert Guarded(config).config is config
        return
    with pytest.raises(OperationalException, match=r"use_exit_signal is false .* of Guarded away"):
        Guarded(config)
