"""A running sandbox with a clock that the test sets."""

import time
from collections.abc import Iterator

import pytest

from freqtrade_ext.sandbox import FaultPlan, SandboxServer

from .doubles import Desk


class Stage:
    """A server, what it serves, and the clock both follow."""

    def __init__(self) -> None:
        self.desk = Desk(BTCUSDT=100, ETHUSDT=50)
        # Clients stamp requests with the machine's time, so the stage begins there.
        self.desk.clock.now_ms = time.time_ns() // 1_000_000
        self.desk.exchange.advance(self.desk.clock.now_ms)
        self.server = SandboxServer(
            self.desk.exchange,
            self.desk.clock,
            journal=self.desk.journal,
            faults=FaultPlan(),
            tick_seconds=0,
        )

    def set_price(self, symbol: str, price: object) -> None:
        """Change a price a millisecond later and let the exchange notice."""
        self.server.call(lambda: self.desk.move(symbol, price, 1))


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    with stage.server:
        yield stage
