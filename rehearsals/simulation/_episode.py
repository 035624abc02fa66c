"""One episode: a foul exchange, crashes and strangers; then a fair one, and the judgement."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random

from freqtrade_ext.errors import ExtensionError
from freqtrade_ext.execution import OrderSide
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.sandbox.engine import (
    AddExternally,
    AutoDeleverage,
    CloseExternally,
    Command,
    LiquidateByForce,
    OrderScript,
    PlaceExternally,
)
from freqtrade_ext.spreads import LegName
from rehearsals.simulation._books import HostBooks
from rehearsals.simulation._faults import FaultClass, Plan, draw
from rehearsals.simulation._invariants import problems
from rehearsals.simulation._market import MARKETS
from rehearsals.simulation._naked import naked
from rehearsals.simulation._process import Process, RecoveryFailed
from rehearsals.simulation._stage import signals_of, spreads_of
from rehearsals.simulation._stores import Database
from rehearsals.simulation._weather import Weather
from rehearsals.simulation._world import START_MS, Killed, World

__all__ = ["Outcome", "fault_of", "run_episode"]

_LOOP_MS = 2_000
_PATIENCE_MS = 420_000  # a fair exchange brings every spread to rest within this time
_QUIET_LOOPS = 3
_NOTICED_MS = 20_000  # the watcher looks every five seconds, and twice before it acts
_UNSTALLED_MS = 45_000
_RESTARTS = 40


@dataclass(slots=True)
class Outcome:
    """What an episode has shown."""

    seed: int
    fault: FaultClass
    problems: list[str] = field(default_factory=list)
    exposure: float = 0.0
    longest_seconds: float = 0.0
    kills: int = 0
    absent: int = 0
    ghosts: int = 0
    fills: int = 0
    rest_seconds: float = 0.0
    fired: dict[str, int] = field(default_factory=dict)


def fault_of(seed: int) -> FaultClass:
    """Fault class of a seed: they take turns."""
    return list(FaultClass)[seed % len(FaultClass)]


def run_episode(seed: int, *, tracing: bool = False) -> Outcome:
    """Run one episode and judge it."""
    return _Episode(seed, tracing=tracing).run()


class _Episode:
    def __init__(self, seed: int, *, tracing: bool) -> None:
        self.world = World(seed, tracing=tracing)
        self.plan: Plan = draw(Random(seed * 7_919 + 1), fault_of(seed))
        self.outcome = Outcome(seed, self.plan.fault)
        self.world.kills = list(self.plan.kills)
        self.weather = Weather(self.world, self.plan.odds, START_MS + self.plan.foul_ms)
        self.weather.stalls_for_ever = not self.plan.is_small
        self.database = Database(self.world)
        self.books = HostBooks(self.world, self.database)
        self.spreads = spreads_of(self.plan)
        self.signals = signals_of(self.plan)
        self.process: Process | None = None
        self.to_force: list[str] = []
        self.to_exit: list[str] = []

    def run(self) -> Outcome:
        world, plan = self.world, self.plan
        world.note(f"seed {self.outcome.seed}: {plan}")
        for at_ms, number in plan.exits:
            spread_id = self.spreads[number].spread_id
            world.at(START_MS + at_ms, partial(self.to_exit.append, spread_id))
        for at_ms, kind, number in plan.blows:
            world.at(START_MS + at_ms, partial(self._strike, kind, MARKETS[number]))
        try:
            self._run_until(lambda: world.now >= START_MS + plan.foul_ms)
            world.note("the exchange is fair from now on")
            world.kills.clear()
            self.database.down_until_ms = 0
            for order in world.exchange.book.working():
                # Time enough for the coordinator to give up on it, then a fair exchange fills it.
                order.stalled_until_ms = min(order.stalled_until_ms, world.now + _UNSTALLED_MS)
            fair_ms = world.now
            self._come_to_rest(must_be_flat=False)
            self.outcome.rest_seconds = (world.now - fair_ms) / 1000
            if not self.outcome.problems:
                self.to_exit += [spread.spread_id for spread in self.spreads]
                world.note("every spread is to be closed")
                self._come_to_rest(must_be_flat=True)
        except (ExtensionError, AssertionError, ArithmeticError, LookupError, TypeError) as error:
            if world.tracing:  # a person is watching: the error is shown where it happens
                raise
            self.outcome.problems.append(f"escaped: {type(error).__name__}: {error}")
        self._measure()
        return self.outcome

    # Living and dying

    def _run_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            try:
                self._live(is_over)
            except Killed:
                self._bury()

    def _live(self, is_over: Callable[[], bool]) -> None:
        if self.process is None:
            self._start()
        while self.process is not None and not is_over():
            begin_ms = self.world.now
            self._ask_as_a_person(self.process)
            self.process.loop()
            self.world.reach("sleep")
            self.world.sleep(max(0.2, (_LOOP_MS - (self.world.now - begin_ms)) / 1000))

    def _start(self) -> None:
        plan = self.plan
        process = Process(
            self.world,
            self.weather,
            self.database,
            self.books,
            self.signals,
            is_limit=plan.is_limit,
            has_stops=plan.has_stops,
            batch=plan.batch,
        )
        process.planned = self._planned()
        self.world.note("process starts")
        try:
            process.start()
        except RecoveryFailed as error:
            self.world.note(f"the bot does not start: {error}")
            self.world.advance(5_000)
            return
        self.process = process

    def _planned(self) -> dict[str, Decimal]:
        planned: dict[str, Decimal] = {}
        for spread in self.spreads:
            for leg in LegName:
                wanted = abs(spread.plan.leg(leg).quantity)
                planned[spread.market(leg)] = max(planned.get(spread.market(leg), wanted), wanted)
        return planned

    def _bury(self) -> None:
        self.process = None
        self.outcome.kills += 1
        if self.outcome.kills > _RESTARTS:
            raise AssertionError("the process dies again and again")
        self.world.advance(self.plan.down_ms)
        self.world.is_dead = False

    # Strangers

    def _ask_as_a_person(self, process: Process) -> None:
        for spread_id in self.to_exit:
            if spread_id in process.desk.records:
                self.world.note(f"exit of {spread_id} requested")
            process.desk.request_exit(spread_id, CloseReason.MEAN_REVERSION, self.world.now)
        self.to_exit.clear()
        for market in self.to_force:
            for trade in self.books.open_trades(market):
                process.host.force_exit(trade)
        self.to_force = []

    def _strike(self, kind: str, market: str) -> None:
        world, rng = self.world, self.world.rng
        held = sorted(position.symbol for position in world.exchange.account.held)
        if kind != "database" and not held:
            later_ms = world.now + rng.randrange(500, 6_000)
            if later_ms < START_MS + self.plan.foul_ms:
                world.at(later_ms, lambda: self._strike(kind, market))
            return
        if held and market not in held:
            market = held[rng.randrange(len(held))]
        world.note(f"BLOW: {kind} {market}")
        share = Decimal(rng.choice([10, 30, 50, 80])) / 100
        if kind == "force":
            self.to_force.append(market)
        elif kind == "database":
            self.database.down_until_ms = world.now + rng.randrange(500, 20_000)
        elif kind in {"stop", "stalled stop"}:
            self._reach_stop(market, stalled=kind == "stalled stop")
        else:
            commands: dict[str, Command] = {
                "close": CloseExternally(market),
                "part": CloseExternally(market, share),
                "add": AddExternally(market, share),
                "liquidate": LiquidateByForce(market),
                "adl": AutoDeleverage(market, rng.choice([Decimal(1), share])),
                "order": PlaceExternally(market),
            }
            world.try_command(commands[kind])

    def _reach_stop(self, market: str, *, stalled: bool) -> None:
        """Move the price to a waiting stop, and back again after a while."""
        world = self.world
        waiting = world.exchange.book.waiting(market)
        if not waiting:
            world.note("  there is no stop")
            return
        stop = waiting[-1]
        if stalled:
            stall_ms = world.rng.randrange(1_000, 40_000)
            share = Decimal(world.rng.choice([0, 30])) / 100
            stop.script = OrderScript(fraction=share, stall_ms=stall_ms, keeps_rest=True)
        before = world.market.price(market, world.now)
        away = -1 if stop.side.value == OrderSide.SELL.value else 1
        world.exchange.advance(world.now)
        world.market.move(market, stop.trigger_price + away * Decimal("0.01"), world.now + 1)
        world.market.move(market, before, world.now + 2_000)

    # Judgement

    def _come_to_rest(self, *, must_be_flat: bool) -> None:
        limit_ms = self.world.now + _PATIENCE_MS
        earliest_ms = self.world.now + _NOTICED_MS
        quiet = 0

        def is_over() -> bool:
            nonlocal quiet
            if self.world.now >= limit_ms:
                return True
            at_rest = self.process is not None and self._is_done(must_be_flat=must_be_flat)
            quiet = quiet + 1 if at_rest else 0
            return quiet > _QUIET_LOOPS and self.world.now >= earliest_ms

        self._run_until(is_over)
        if self.process is None:
            self.outcome.problems.append("not at rest: the bot does not start")
            return
        self._judge(must_be_flat=must_be_flat)

    def _is_done(self, *, must_be_flat: bool) -> bool:
        process = self.process
        assert process is not None  # noqa: S101 - for the types
        if self.to_exit or self.to_force or not process.is_at_rest():
            return False
        return not (must_be_flat and (process.desk.records or self.books.open_trades()))

    def _judge(self, *, must_be_flat: bool) -> None:
        process, world = self.process, self.world
        assert process is not None  # noqa: S101 - for the types
        if any(signal.lasts(world.now) for signal in self.signals):
            self.signals.clear()  # no new entry while it is judged
        process.act_now()
        world.sleep(6)
        process.loop()
        process.act_now()
        world.sleep(6)
        process.loop()
        world.sleep(1)
        last = process.act_now()
        found = problems(world, self.database, process, last, must_be_flat=must_be_flat)
        if not process.is_at_rest():
            found.append("not at rest: after all this time something is in flight")
        self.outcome.problems += found

    def _measure(self) -> None:
        outcome, world = self.outcome, self.world
        for spread in self.spreads:
            one = naked(world.fills, spread, world.now)
            outcome.exposure += one.exposure
            outcome.longest_seconds = max(outcome.longest_seconds, one.longest_seconds)
        outcome.absent = len(self.database.absent)
        outcome.ghosts = len(self.database.ghosts)
        outcome.fills = len(world.fills)
        outcome.fired = self.weather.fired
