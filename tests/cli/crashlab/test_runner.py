"""Playing a scenario, on a bot and an exchange that are a list of samples.

Bugs planted by hand in ``_runner.py``, ``_scripts.py`` and ``_session.py``, each
killed by the test named:

- samples before the end of the fault count as rest:
  ``test_rest_before_the_end_of_the_fault_is_no_recovery``
- a stage left dirty for the next run: ``test_a_dirty_stage_is_cleaned_up_and_a_clean_one_is_not``
- an order of another hand taken for the bot's:
  ``test_the_view_keeps_orders_of_another_hand_apart``
- an order of another hand left for the next run:
  ``test_an_order_of_another_hand_is_no_orphan_and_is_cleaned_up``
- a dead bot not cleaned up: ``test_a_bot_that_is_dead_at_the_end_is_cleaned_up_after``
- faults left in the plan while the spread ends:
  ``test_what_was_armed_is_taken_back_before_the_spread_ends``
- a fault that waited in vain passes: ``test_a_fault_that_waited_in_vain_did_not_fire``
- a strategy that does not trade passes: ``test_a_strategy_that_does_not_trade_has_not_passed``
- a bot that does not start again counts as not fired:
  ``test_a_bot_that_does_not_start_again_has_fired_and_never_recovered``
- a bot that ended by itself is not started: ``test_a_bot_that_ended_by_itself_is_started_again``
- a lone leg at the end not judged: ``test_a_leg_without_its_partner_at_the_end_is_an_orphan``
- choices depend on the clock: ``test_a_seed_reproduces_the_choices_of_a_run``
- an exit's fault hits entries: ``test_a_fault_of_an_exit_waits_for_the_spread_to_be_open``
- the unwind is not brought about: ``test_an_unwind_is_brought_about_by_refusing_the_second_leg``
- killed at the second order of an unwind, which never comes:
  ``test_kill_9_on_an_unwind_is_at_its_first_order``
- an unreadable database is well: ``test_books_that_cannot_be_read_are_not_well``
- an order on its way is well: ``test_a_working_order_is_not_rest``
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from freqtrade_ext.cli.crashlab._faults import SCENARIOS, Scenario
from freqtrade_ext.cli.crashlab._judge import Difference, ExchangeView
from freqtrade_ext.cli.crashlab._market import lab_market
from freqtrade_ext.cli.crashlab._runner import Patience, RunResult, play
from freqtrade_ext.cli.crashlab._scripts import Script
from freqtrade_ext.cli.crashlab._session import (
    NotFiredError,
    NotTradedError,
    Sample,
    exchange_view,
)
from freqtrade_ext.errors import VenueError
from freqtrade_ext.sandbox import Exchange, Fault, SpreadLegs
from freqtrade_ext.sandbox.engine import PlaceExternally

NAMED = {scenario.name: scenario for scenario in SCENARIOS}
UNKNOWN = Difference("ETHUSDT", "ETHUSDT: exchange holds 1, books 0", True)
WELL = {"differences": ()}
NAKED = {"differences": (), "naked": True}
DIRTY = {"differences": (UNKNOWN,), "held": {"ETHUSDT": 1.0}}


def sample(
    time_ms: int,
    *,
    differences: tuple[Difference, ...] | None = (),
    naked: bool = False,
    held: dict[str, float] | None = None,
    working: int = 0,
    trades: int = 0,
    foreign: int = 0,
) -> Sample:
    view = ExchangeView(held=held or {}, working=working, foreign=foreign)
    return Sample(time_ms, view, differences, trades, naked)


@dataclass
class FakeBot:
    is_alive: bool = True

    def start(self) -> None:
        self.is_alive = True


@dataclass
class FakeSession:
    """Time passes by one second a look; what is seen follows a script, whose last entry stays."""

    seen: list[dict[str, Any]] = field(default_factory=lambda: [WELL])
    dies: bool = False
    bot: FakeBot = field(default_factory=FakeBot)
    spreads: tuple[SpreadLegs, ...] = (SpreadLegs("ETHUSDT", "BTCUSDT"),)
    samples: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    armed: dict[str, Any] = field(default_factory=dict)
    fired: bool = False
    begin_ms: int = 0
    fault_end_ms: int = 0
    clock_ms: int = 0
    is_open: bool = False
    fired_file: Any = field(default_factory=lambda: SimpleNamespace(exists=lambda: True))

    def now_ms(self) -> int:
        return self.clock_ms

    def begin(self) -> None:
        self.did.append("begin")

    def look(self) -> Sample:
        what = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        self.clock_ms += 1_000
        self.samples.append(sample(self.clock_ms, **what))
        return self.samples[-1]

    def waits(self, done: Callable[[], bool], seconds: float) -> bool:
        end_ms = self.clock_ms + seconds * 1_000
        while not done():
            if self.clock_ms >= end_ms:
                return False
            self.look()
        return True

    def pause(self, seconds: float) -> None:
        self.waits(lambda: False, seconds)

    def keep_alive(self) -> None:
        if not self.bot.is_alive:
            self.restart()

    def mark_fired(self) -> None:
        self.fired, self.fault_end_ms = True, self.clock_ms

    wait_fired = wait_marked = lambda self: self.mark_fired()

    def wait_open(self) -> None:
        self.did.append("open")
        self.is_open = True

    def wait_order(self) -> None:
        self.did.append("ordered")

    def wait_dead(self) -> None:
        self.did.append("dead")
        self.bot.is_alive = False
        self.mark_fired()

    def restart(self) -> None:
        if self.dies:
            raise VenueError("the bot ended with 1")
        self.did.append("restart")
        self.bot.is_alive = True

    def inject(self, *faults: Fault) -> None:
        self.did.append(f"inject{' open' if self.is_open else ''}")
        self.faults.extend(faults)

    def pending(self) -> list[Fault]:
        return []

    def arm(self, step: str, **order: Any) -> None:
        self.did.append(f"arm{' open' if self.is_open else ''}")
        self.armed = {"step": step} | order

    def orders_sent(self) -> int:
        return 0

    def events(self) -> tuple[()]:
        return ()

    def known_orders(self) -> frozenset[str]:
        return frozenset()

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Everything else is only noted: trade, stop_entries, disarm, clean_up, ..."""

        def noted(*arguments: Any) -> None:
            self.did.append(name)

        return noted


def script_of(*steps: Callable[[FakeSession], Any]) -> Script:
    def script(session: Any, random: Random) -> None:
        for step in steps:
            step(session)

    return script


def raising(error: Exception) -> Callable[[FakeSession], Any]:
    def step(session: FakeSession) -> None:
        raise error

    return step


FIRES = script_of(lambda session: session.mark_fired())


def played(session: FakeSession, script: Script = FIRES, *, rest: float = 20.0) -> RunResult:
    scenario = Scenario("test", 1, "something happens", script)
    patience = Patience(rest=rest, end=5.0)
    return play(session, scenario, seed=1, run=1, patience=patience)  # type: ignore[arg-type]


def test_a_run_in_which_all_stays_well_passes() -> None:
    result = played(FakeSession())
    assert result.passed
    assert result.recovery_s == pytest.approx(1.0)


def test_recovery_is_the_time_from_the_fault_to_rest() -> None:
    result = played(FakeSession([DIRTY, NAKED, NAKED, WELL]))
    assert result.recovery_s == 4.0
    assert result.passed


def test_rest_before_the_end_of_the_fault_is_no_recovery() -> None:
    script = script_of(lambda session: session.pause(8.0), lambda session: session.mark_fired())
    result = played(FakeSession([WELL] * 8 + [NAKED] * 3 + [WELL]), script)
    assert result.recovery_s == 4.0


def test_what_never_comes_to_rest_never_recovers() -> None:
    result = played(FakeSession([NAKED]))
    assert result.recovery_s is None
    assert result.passed  # nothing is left at the end of the fake


def test_an_unknown_position_at_the_end_is_an_orphan() -> None:
    result = played(FakeSession([DIRTY]))
    assert result.verdict.orphans == (UNKNOWN.text,)
    assert result.verdict.longest_orphan_s > 20
    assert not result.passed


def test_a_leg_without_its_partner_at_the_end_is_an_orphan() -> None:
    alone = {"differences": (), "held": {"BTCUSDT": 1.0}}
    assert played(FakeSession([alone])).verdict.orphans == ("BTCUSDT: without its other leg",)
    both = {"differences": (), "held": {"BTCUSDT": 1.0, "ETHUSDT": -1.0}}
    assert played(FakeSession([both])).verdict.orphans == ()
    foreign = {"differences": (), "held": {"SOLUSDT": 1.0}}
    assert played(FakeSession([foreign])).verdict.orphans == ("SOLUSDT: without its other leg",)


def test_a_dirty_stage_is_cleaned_up_and_a_clean_one_is_not() -> None:
    clean, dirty = FakeSession(), FakeSession([DIRTY])
    played(clean)
    played(dirty)
    assert "clean_up" not in clean.did
    assert dirty.did[-1] == "clean_up"


def test_a_trade_left_in_the_books_is_cleaned_up() -> None:
    session = FakeSession([{"differences": (), "trades": 1}])
    played(session)
    assert session.did[-1] == "clean_up"


def test_an_order_of_another_hand_is_no_orphan_and_is_cleaned_up() -> None:
    session = FakeSession([{"foreign": 1}])
    assert played(session).passed
    assert session.did[-1] == "clean_up"


def test_the_view_keeps_orders_of_another_hand_apart() -> None:
    now_ms = 1_704_448_800_000
    exchange = Exchange(lab_market(1, now_ms, groups=1, names=[]), now_ms=now_ms)
    exchange.handle(PlaceExternally("BTCUSDT"), now_ms)
    view = exchange_view(exchange)
    assert (view.orders, view.working, view.foreign) == ({}, 0, 1)


def test_a_bot_that_is_dead_at_the_end_is_cleaned_up_after() -> None:
    session = FakeSession(dies=True)
    played(session, script_of(lambda one: one.wait_dead()))
    assert session.did[-1] == "clean_up"


def test_a_bot_that_ended_by_itself_is_started_again() -> None:
    session = FakeSession()
    result = played(session, script_of(lambda one: one.wait_dead()))
    assert "restart" in session.did
    assert result.passed


def test_what_was_armed_is_taken_back_before_the_spread_ends() -> None:
    session = FakeSession()
    played(session)
    ending = session.did.index("end_spread")
    assert session.did.index("drop_faults") < ending
    assert session.did.index("disarm") < ending


def test_a_fault_that_waited_in_vain_did_not_fire() -> None:
    result = played(FakeSession(), script_of(raising(NotFiredError("in vain"))))
    assert (result.fired, result.traded, result.passed) == (False, True, False)
    assert result.notes == ("in vain",)


def test_a_fault_that_fired_in_part_did_not_fire() -> None:
    script = script_of(lambda one: one.mark_fired(), raising(NotFiredError("the second")))
    assert not played(FakeSession(), script).fired


def test_a_script_that_forgets_to_say_that_it_fired_has_not_fired() -> None:
    assert not played(FakeSession(), script_of()).fired


def test_a_strategy_that_does_not_trade_has_not_passed() -> None:
    result = played(FakeSession(), script_of(raising(NotTradedError("no order"))))
    assert (result.fired, result.traded, result.passed) == (False, False, False)


def test_a_bot_that_does_not_start_again_has_fired_and_never_recovered() -> None:
    session = FakeSession(dies=True)
    script = script_of(lambda one: one.wait_dead(), lambda one: one.restart())
    result = played(session, script)
    assert (result.fired, result.recovery_s) == (True, None)
    assert result.notes == ("the bot ended with 1",)


def test_a_bot_that_does_not_start_gets_a_clean_stage_once() -> None:
    class Stuck(FakeSession):
        def begin(self) -> None:
            super().begin()
            if "clean_up" not in self.did:
                raise VenueError("the bot ended with 1")

    session = Stuck()
    assert played(session).passed
    assert session.did[:3] == ["begin", "clean_up", "begin"]


# What is well


def test_books_that_cannot_be_read_are_not_well() -> None:
    assert not sample(0, differences=None).is_well
    assert not sample(0, differences=None).has_unknown


def test_a_working_order_is_not_rest() -> None:
    assert sample(0).is_well
    assert not sample(0, working=1).is_well
    assert not sample(0, naked=True).is_well
    assert not sample(0, differences=(UNKNOWN,)).is_well


def test_flat_is_nothing_held_ordered_or_booked() -> None:
    assert sample(0).is_flat
    assert not sample(0, trades=1).is_flat
    assert not sample(0, held={"ETHUSDT": 1.0}).is_flat


# The scripts of the catalogue


def run_script(name: str, seed: int = 1) -> FakeSession:
    session = FakeSession()
    NAMED[name].script(session, Random(seed))  # type: ignore[arg-type]
    return session


ACTING_ON_THE_EXCHANGE = {
    "person_closes", "person_adds", "foreign_order", "liquidation", "deleveraging",
    "stop_fires", "stop_unfilled", "stop_stalls", "database_locked", "person_holds",
    "restart_old",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMED.keys() - ACTING_ON_THE_EXCHANGE))
def test_every_script_trades_and_says_that_it_fired(name: str) -> None:
    session = run_script(name)
    assert "trade" in session.did
    assert session.fired
    assert session.bot.is_alive


@pytest.mark.parametrize("leg", [1, 2])
def test_a_fault_of_a_leg_hits_the_order_of_that_number(leg: int) -> None:
    (fault,) = run_script(f"lost_entry_{leg}").faults
    assert (fault.endpoint, fault.occurrence, dict(fault.match)) == ("ORDER", leg, {})


def test_a_fault_is_armed_before_entries_are_allowed() -> None:
    session = run_script("lost_entry_1")
    assert session.did.index("inject") < session.did.index("trade")


def test_a_fault_of_an_exit_waits_for_the_spread_to_be_open() -> None:
    session = run_script("lost_exit_2")
    assert "inject open" in session.did
    (fault,) = session.faults
    assert (fault.occurrence, dict(fault.match)) == (2, {"reduceOnly": "true"})


def test_an_unwind_is_brought_about_by_refusing_the_second_leg() -> None:
    refused, lost = run_script("lost_unwind").faults
    assert (refused.occurrence, repr(refused.effect), dict(refused.match)) == (
        2,
        "REJECT(-2019)",
        {},
    )
    assert (lost.occurrence, dict(lost.match)) == (1, {"reduceOnly": "true"})


@pytest.mark.parametrize("seed", range(6))
def test_kill_9_on_an_unwind_is_at_its_first_order(seed: int) -> None:
    session = run_script("kill_unwind_after_answer", seed)
    assert session.armed == {"step": "after_answer", "reduce_only": True, "occurrence": 1}
    assert [repr(fault.effect) for fault in session.faults] == ["REJECT(-2019)"]


def test_kill_9_on_an_exit_is_armed_when_the_spread_is_open() -> None:
    session = run_script("kill_exit_before_commit")
    assert "arm open" in session.did
    assert session.armed["reduce_only"]
    assert session.did.index("dead") < session.did.index("restart")


def test_kill_9_in_recovery_kills_twice() -> None:
    session = run_script("kill_recovery")
    assert session.did.count("dead") == 2
    assert session.armed["step"] == "recovery"


def test_a_lasting_effect_is_waited_for() -> None:
    assert run_script("outage").clock_ms >= 60_000
    assert run_script("outage").fault_end_ms >= 60_000


def test_a_seed_reproduces_the_choices_of_a_run() -> None:
    def choices(seed: int) -> list[int]:
        scenario = NAMED["garbled"]
        found = []
        for run in range(12):
            session: Any = FakeSession()
            play(session, scenario, seed=seed, run=run, patience=Patience(rest=8.0))
            found.append(session.faults[0].occurrence)
        return found

    assert choices(1) == choices(1)
    assert choices(1) != choices(2)
    assert set(choices(1)) == {1, 2}
