"""Time, the exchange's account, and death: what outlives every process of an episode."""

import heapq
from collections.abc import Callable
from decimal import Decimal
from random import Random

from freqtrade_ext.sandbox.engine import (
    Command,
    Exchange,
    MarginMode,
    Rejection,
    SetLeverage,
    SetMarginMode,
)
from freqtrade_ext.sandbox.journal import Event, OrderAccepted, OrderFilled
from rehearsals.simulation._market import MARKETS, StandingMarket

__all__ = ["LEVERAGE", "START_MS", "Killed", "World"]

START_MS = 1_800_000_000_000
LEVERAGE = 3
_STEP_MS = 400  # the exchange is walked at least this often: stalls and scripted ends need it


class Killed(BaseException):
    """Kill -9: no error that anybody could catch; nothing of the process runs any more."""


class World:
    """
    One episode's time and exchange.

    Parameters
    ----------
    seed : int
        Everything random in the episode comes from it.
    tracing : bool
        Print one line a step.
    """

    def __init__(self, seed: int, *, tracing: bool = False) -> None:
        self.rng = Random(seed)
        self.tracing = tracing
        self.now = START_MS
        self.market = StandingMarket()
        self.fills: list[OrderFilled] = []
        self.accepted: dict[int, OrderAccepted] = {}
        self.exchange = Exchange(
            self.market, now_ms=START_MS, wallet=Decimal(1_000_000), record=self._record
        )
        for name in MARKETS:
            self.exchange.handle(SetLeverage(name, LEVERAGE), START_MS)
            self.exchange.handle(SetMarginMode(name, MarginMode.ISOLATED), START_MS)
        self.is_dead = False
        self.phase = "running"
        self.kills: list[tuple[str, int]] = []  # (point, how many times it is passed first)
        self.killed_at: list[str] = []
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._is_busy = False

    def _record(self, event: Event) -> None:
        if isinstance(event, OrderFilled):
            self.fills.append(event)
            if self.tracing:
                self.note(
                    f"    exchange: {event.side} {event.quantity} {event.symbol} filled for "
                    f"{event.client_order_id}, position {event.position}"
                )
        elif isinstance(event, OrderAccepted):
            self.accepted[event.venue_order_id] = event

    def note(self, text: str) -> None:
        """Print a line of the trace."""
        if self.tracing:
            print(f"{(self.now - START_MS) / 1000:9.3f}  {text}")  # noqa: T201 - the trace

    def position_at(self, symbol: str, time_ms: int) -> Decimal:
        """Signed position of a market at a time."""
        for fill in reversed(self.fills):
            if fill.symbol == symbol and fill.time_ms <= time_ms:
                return fill.position
        return Decimal(0)

    # Time

    def now_ms(self) -> int:
        """Return the time, as `Clock`."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, as `Clock`."""
        self.alive()
        self.advance(max(1, round(seconds * 1000)))

    def advance(self, ms: int) -> None:
        """Let time pass, and happen what is due meanwhile."""
        until = self.now + ms
        if self._is_busy:
            self.now = until
            return
        self._is_busy = True
        try:
            while self._due and self._due[0][0] <= until:
                due_ms, _, action = heapq.heappop(self._due)
                self.now = max(self.now, due_ms)
                action()
        finally:
            self._is_busy = False
        self.now = max(self.now, until)
        if self.now - self.exchange.now_ms >= _STEP_MS:
            self.exchange.advance(self.now)

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        """Let something happen at a time."""
        self._serial += 1
        heapq.heappush(self._due, (time_ms, self._serial, action))

    def command(self, command: Command) -> object:
        """Let the exchange do something now."""
        return self.exchange.handle(command, self.now)

    def try_command(self, command: Command) -> bool:
        """Let the exchange do something if it can."""
        try:
            self.command(command)
        except Rejection as rejection:
            self.note(f"    {command} was not possible: {rejection}")
            return False
        return True

    # Death

    def alive(self) -> None:
        """A dead process does nothing."""
        if self.is_dead:
            raise Killed

    def reach(self, point: str) -> None:
        """Pass a named point, unless the process is to die here."""
        self.alive()
        if not self.kills:
            return
        wanted, passes = self.kills[0]
        if point != wanted:
            return
        if passes:
            self.kills[0] = (wanted, passes - 1)
            return
        self.kills.pop(0)
        self.die(point)

    def die(self, point: str) -> None:
        """Kill the process."""
        self.is_dead = True
        self.killed_at.append(point)
        self.note(f"KILLED at {point}")
        raise Killed
