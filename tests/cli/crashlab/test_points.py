"""The places in a bot where the crash lab lets it die: which order counts, and when it is due.

Bugs planted by hand in ``lab_crash_points.py``, each killed by the test named:

- occurrence counted from 0: ``test_the_second_order_is_the_second``
- exits counted as entries: ``test_only_orders_of_the_purpose_count``
- counting goes on after another arming: ``test_arming_again_starts_the_counting_anew``
- before_commit on any commit: ``test_a_commit_before_the_answer_is_not_the_one``
- the mark written after death: ``test_the_mark_is_written_before_death``
- an intent saved twice counted twice: ``test_an_intent_that_is_saved_again_is_the_same``
- requests counted as orders with intents on:
  ``test_with_intents_the_request_is_no_step_of_the_intent``
- the disk never empties: ``test_the_disk_is_full_for_its_seconds_only``
- a callback raises for ever: ``test_a_callback_raises_once``
- a batch counted as one order: ``test_a_batch_counts_every_order_in_it``
- stops counted as orders: ``test_stops_and_queries_are_no_orders``
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freqtrade_ext.adapters.lab_crash_points import CrashPoints, orders_in
from freqtrade_ext.cli.crashlab._points import FILE_VARIABLE, MODULE


class Died(Exception):  # noqa: N818 - what happened to the process
    """What stands for kill -9."""


class Bot:
    """A bot whose orders pass the places as Freqtrade's do."""

    def __init__(self, folder: Path) -> None:
        self.file, self.fired = folder / "armed.json", folder / "fired.txt"
        self.done: list[str] = []
        self.seconds = 0.0
        self.points = CrashPoints(self.file, die=self._die, clock=lambda: self.seconds)

    def _die(self) -> None:
        assert self.fired.exists()
        raise Died

    def arm(self, step: str, **order: Any) -> None:
        document = {"step": step, "reduce_only": False, "occurrence": 1, "fired": str(self.fired)}
        self.file.write_text(json.dumps(document | order), "utf-8")

    def note(self, text: str) -> Callable[[], None]:
        return lambda: self.done.append(text)

    def order(self, name: str, *, reduce_only: bool = False, batch: int = 1) -> None:
        """Everything that happens for one order of stock Freqtrade, in its order."""
        self.points.order_wanted(reduce_only)
        self.points.request([reduce_only] * batch, True, self.note(f"{name} sent"))
        self.points.commit(self.note(f"{name} booked"))

    def guarded_order(self, name: str, *, reduce_only: bool = False) -> None:
        self.points.intent(name, reduce_only, self.note(f"{name} written"))
        self.order(name, reduce_only=reduce_only)


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path)


def test_a_bot_in_which_nothing_is_armed_goes_on(bot: Bot) -> None:
    bot.order("a")
    assert bot.done == ["a sent", "a booked"]


@pytest.mark.parametrize(
    ("step", "done"),
    [
        ("before_intent", []),
        ("after_intent", []),
        ("after_answer", ["a sent"]),
        ("before_commit", ["a sent"]),
        ("after_commit", ["a sent", "a booked"]),
    ],
)
def test_a_bot_without_intents_dies_at_each_step(bot: Bot, step: str, done: list[str]) -> None:
    bot.arm(step)
    with pytest.raises(Died):
        bot.order("a")
    assert bot.done == done


@pytest.mark.parametrize(
    ("step", "done"),
    [
        ("before_intent", []),
        ("after_intent", ["a written"]),
        ("after_answer", ["a written", "a sent"]),
    ],
)
def test_a_bot_with_intents_dies_around_the_writing(bot: Bot, step: str, done: list[str]) -> None:
    bot.arm(step, intents=True)
    with pytest.raises(Died):
        bot.guarded_order("a")
    assert bot.done == done


def test_with_intents_the_request_is_no_step_of_the_intent(bot: Bot) -> None:
    bot.arm("after_intent", intents=True)
    bot.order("a")
    bot.arm("before_intent", intents=True)
    bot.order("b")
    assert not bot.fired.exists()


def test_an_intent_that_is_saved_again_is_the_same(bot: Bot) -> None:
    bot.arm("after_intent", intents=True, occurrence=2)
    bot.guarded_order("a")
    bot.points.intent("a", False, bot.note("a written again"))
    with pytest.raises(Died):
        bot.guarded_order("b")


@pytest.mark.parametrize("step", ["before_intent", "after_intent", "after_answer", "after_commit"])
def test_the_second_order_is_the_second(bot: Bot, step: str) -> None:
    bot.arm(step, occurrence=2)
    bot.order("a")
    assert bot.done == ["a sent", "a booked"]
    with pytest.raises(Died):
        bot.order("b")


@pytest.mark.parametrize("step", ["before_intent", "after_intent", "after_answer", "after_commit"])
def test_only_orders_of_the_purpose_count(bot: Bot, step: str) -> None:
    bot.arm(step, reduce_only=True)
    bot.order("entry")
    with pytest.raises(Died):
        bot.order("exit", reduce_only=True)


def test_a_batch_counts_every_order_in_it(bot: Bot) -> None:
    bot.arm("after_answer", occurrence=2)
    with pytest.raises(Died):
        bot.order("both", batch=2)


def test_arming_again_starts_the_counting_anew(bot: Bot) -> None:
    bot.arm("after_answer", occurrence=2)
    bot.order("a")
    bot.arm("after_answer", occurrence=2, serial=2)
    bot.order("b")
    with pytest.raises(Died):
        bot.order("c")


def test_disarming_lets_the_bot_go_on(bot: Bot) -> None:
    bot.arm("after_answer")
    bot.file.unlink()
    bot.order("a")
    assert not bot.fired.exists()


def test_a_commit_before_the_answer_is_not_the_one(bot: Bot) -> None:
    bot.arm("before_commit")
    bot.points.commit(bot.note("something else"))
    assert bot.done == ["something else"]


def test_the_mark_is_written_before_death(bot: Bot) -> None:
    bot.arm("after_answer")
    with pytest.raises(Died):  # the fake asserts that the file exists
        bot.order("a")
    assert int(bot.fired.read_text()) > 0


def test_a_recovery_dies_at_a_private_request_counted_from_the_start(bot: Bot) -> None:
    bot.arm("recovery", occurrence=2)
    bot.points.request([], False, bot.note("public"))
    bot.points.request([], True, bot.note("first"))
    with pytest.raises(Died):
        bot.points.request([], True, bot.note("second"))
    assert bot.done == ["public", "first"]


def test_the_disk_is_full_for_its_seconds_only(bot: Bot) -> None:
    bot.arm("disk_full", seconds=8.0)
    assert not bot.points.disk_is_full()
    bot.order("a")
    assert bot.points.disk_is_full()
    bot.seconds = 7.9
    assert bot.points.disk_is_full()
    bot.seconds = 8.0
    assert not bot.points.disk_is_full()
    assert bot.fired.exists()


def test_a_callback_raises_once(bot: Bot) -> None:
    bot.arm("callback", callback="custom_exit")
    assert not bot.points.callback_fails("leverage")
    assert bot.points.callback_fails("custom_exit")
    assert not bot.points.callback_fails("custom_exit")


def test_stops_and_queries_are_no_orders() -> None:
    assert orders_in("algoOrder", "POST", {}) == []
    assert orders_in("order", "GET", {}) == []
    assert orders_in("order", "DELETE", {}) == []


@pytest.mark.parametrize(("value", "reduces"), [("true", True), (True, True), ("false", False)])
def test_an_order_says_whether_it_reduces(value: object, reduces: bool) -> None:
    assert orders_in("order", "POST", {"reduceOnly": value}) == [reduces]
    assert orders_in("order", "POST", {}) == [False]


def test_orders_of_a_batch_are_read_one_by_one() -> None:
    batch = [{"reduceOnly": "true"}, {"symbol": "ETHUSDT"}]
    assert orders_in("batchOrders", "POST", {"batchOrders": batch}) == [True, False]
    assert orders_in("batchOrders", "POST", {"batchOrders": json.dumps(batch)}) == [True, False]


IN_A_PROCESS = """
import sys
from pathlib import Path
from freqtrade_ext.adapters.lab_crash_points import install
file = Path(sys.argv[1])
points = install(file)
import ccxt
from freqtrade.exchange import Exchange
from freqtrade.persistence import Trade
from freqtrade.resolvers import StrategyResolver
wrapped = [ccxt.binance.request, Exchange.create_order, StrategyResolver.load_strategy]
print([one.__wrapped__.__name__ for one in wrapped], Trade.commit.__name__)
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
points._read(); points._answered = True
with create_engine("sqlite://").connect() as connection:
    connection.execute(text("CREATE TABLE t (x INTEGER)"))
    try:
        connection.execute(text("INSERT INTO t VALUES (1)"))
    except OperationalError as error:
        print(error.orig)
"""


def test_freqtrade_ccxt_and_the_database_are_wrapped_in_the_process(tmp_path: Path) -> None:
    armed = tmp_path / "armed.json"
    armed.write_text(
        json.dumps({"step": "disk_full", "seconds": 60, "fired": str(tmp_path / "fired")})
    )
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, str(armed)], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == "['request', 'create_order', 'load_strategy'] <lambda>"
    assert second == "database or disk is full"


def test_without_its_file_the_bot_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": ""},
    )
    assert done.returncode != 0
    assert f"{FILE_VARIABLE} must name the file" in done.stderr
