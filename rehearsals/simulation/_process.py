"""One process of the bot, from its start to its death: the product's parts, and the host."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from decimal import Decimal

from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    AccountSnapshot,
    OrderGuard,
    PassReport,
    Reconciler,
    RecoveryStatus,
    RequestBudget,
    WatchPlan,
    recovery_report,
    take_snapshot,
)
from freqtrade_ext.settings import PolicySettings
from freqtrade_ext.spreads import SpreadDesk, SpreadState
from rehearsals.simulation._books import HostBooks, Keeper
from rehearsals.simulation._broker import Broker
from rehearsals.simulation._gate import Gate
from rehearsals.simulation._host import Host
from rehearsals.simulation._market import LOT
from rehearsals.simulation._stage import CANDLE_MS, SETTINGS, Signal, tag_parts
from rehearsals.simulation._stores import Database, InboxStore, Intents, Records
from rehearsals.simulation._venue import SimulatedVenue
from rehearsals.simulation._weather import Weather
from rehearsals.simulation._world import World

__all__ = ["POLICIES", "Process", "RecoveryFailed"]

POLICIES = PolicySettings()
_WATCH_MS = 5_000
_WEIGHT_PER_MINUTE = 300


class RecoveryFailed(Exception):  # noqa: N818 - a result
    """The exchange or the database could not be asked: the bot does not start."""


class Process:
    """
    Guard, watcher, reconciliation, desk and host of one process.

    Parameters
    ----------
    world, weather, database, books :
        What outlives it.
    signals : sequence of Signal
    is_limit, has_stops, batch : bool
        How the host trades.
    """

    def __init__(
        self,
        world: World,
        weather: Weather,
        database: Database,
        books: HostBooks,
        signals: Sequence[Signal],
        *,
        is_limit: bool,
        has_stops: bool,
        batch: bool,
    ) -> None:
        self.world = world
        self.books = books
        intents = Intents(database)
        venue = SimulatedVenue(world, weather, batch=batch)
        self.venue = venue
        self.guard = OrderGuard(venue, intents, world)
        self.desk = SpreadDesk(SETTINGS, Records(database), CANDLE_MS, self.guard.is_awaited)
        keeper = Keeper(world, books, self.guard, tag_parts)
        self.keeper = keeper
        self.reconciler = Reconciler(
            venue,
            self.guard,
            keeper,
            POLICIES,
            InboxStore(database),
            world,
            lambda _: LOT,
            settling_seconds=2.0,
        )
        broker = Broker(world, self.desk, self.guard, books, intents, self._wallet)
        self.broker = broker
        gate = Gate(world, weather, venue, self.guard, self.desk, books, intents)
        self._gate = gate
        self.host = Host(
            world, books, gate, broker, venue, signals, is_limit=is_limit, has_stops=has_stops
        )
        self._watch_plan = WatchPlan(RequestBudget(_WEIGHT_PER_MINUTE))
        self._snapshot: AccountSnapshot | None = None
        self._next_watch_ms = 0
        self.last_pass: PassReport | None = None
        self.planned: dict[str, Decimal] = {}  # most that an entry may buy, by market

    def _wallet(self) -> Collection[str]:
        return self.host.wallet.keys()

    def start(self) -> None:
        """Recover, then let the host look its open orders up."""
        world = self.world
        world.phase = "recovery"
        self.books.reopen()
        self.desk.restore()
        try:
            self.guard.restore()
            passes = self.reconciler.run_until_quiet(then=self._unwind_left_over)
            report = recovery_report(passes, self.keeper.read(), (), world.now)
        except (VenueError, StoreError) as error:
            raise RecoveryFailed(str(error)) from error
        world.note(f"recovery {report.recovery_status}: {report.reconciliation_status}")
        if report.recovery_status is RecoveryStatus.FAILED:
            raise RecoveryFailed("; ".join(report.warnings))
        self.host.startup_update_open_orders()
        world.phase = "running"
        self._watch_later()

    def _unwind_left_over(self) -> None:
        with suppress(StoreError):  # `answer_on_error`
            self._gate.unwind_left_over()

    def loop(self) -> None:
        """Do one loop of the host, the product's part first."""
        try:
            self._reconcile()
            self.broker.loop()
            adjusts = self.broker.wants_adjustment()
        except StoreError:  # `answer_on_error` around ``bot_loop_start``
            adjusts = False
        self.host.loop(adjusts=adjusts)

    def _reconcile(self) -> None:
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            self.reconciler.catch_up()
        else:
            self.last_pass = self.reconciler.act(snapshot)
            self._note(self.last_pass)

    def _note(self, report: PassReport) -> None:
        if not self.world.tracing:
            return
        for action in report.actions:
            self.world.note(f"  reconciliation: {action.market}: {action.text}")

    def act_now(self) -> PassReport:
        """Look at the whole account and act upon it."""
        report = self.reconciler.act(self.reconciler.look())
        self._note(report)
        return report

    # The watcher, in its own thread of time

    def _watch_later(self) -> None:
        self.world.at(self.world.now + _WATCH_MS, self._watch)

    def _watch(self) -> None:
        if self.world.is_dead or self.world.phase != "running":
            return
        asked = self._watch_plan.next(self._busy_markets(), self.world.now)
        if asked is not None:
            try:
                self._snapshot = take_snapshot(self.venue, self.world, asked.markets)
            except (VenueError, StoreError):
                self._snapshot = None
        self._watch_later()

    def _busy_markets(self) -> frozenset[str]:
        intents = (*self.guard.open_questions(), *self.guard.unbooked())
        traded = {trade.market for trade in self.books.open_trades()}
        return frozenset(traded | {intent.market for intent in intents})

    # Rest

    def is_at_rest(self) -> bool:
        """Whether nothing is in flight and every spread is whole or flat."""
        if self.guard.open_questions() or self.guard.unbooked():
            return False
        if any(trade.open_orders for trade in self.books.open_trades()):
            return False
        records = self.desk.records.values()
        whole = all(
            record.position.state is SpreadState.OPEN and not record.position.has_working_orders
            for record in records
        )
        last = self.last_pass
        return whole and last is not None and last.is_idle and not last.deferred
