"""A market, an exchange on it and a server for it: everything a rehearsal starts with."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from freqtrade_ext.sandbox.connection import Way, connection_settings
from freqtrade_ext.sandbox.engine import Exchange
from freqtrade_ext.sandbox.faults import FaultPlan
from freqtrade_ext.sandbox.journal import Journal
from freqtrade_ext.sandbox.market import Market
from freqtrade_ext.sandbox.server import SandboxServer, wall_clock
from freqtrade_ext.sandbox.wire import Credentials

__all__ = ["Rehearsal", "current_minute"]

_MINUTE_MS = 60_000


def current_minute(clock_ms: int | None = None) -> int:
    """Begin of the minute that is running (ms), where a rehearsal's market is anchored."""
    now_ms = wall_clock() if clock_ms is None else clock_ms
    return now_ms - now_ms % _MINUTE_MS


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A served market."""

    market: Market
    exchange: Exchange
    journal: Journal
    server: SandboxServer

    @classmethod
    def on(
        cls,
        market: Market,
        *,
        port: int = 0,
        proxy_port: int = 0,
        journal_file: Path | None = None,
        faults: FaultPlan | None = None,
        balance: float = 10_000.0,
        latency_ms: float = 0.0,
        credentials: Credentials | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> "Rehearsal":
        """
        Put an exchange and a server (not yet started) on a market.

        Bots that run at the same time on one machine need accounts, so credentials, of their own.
        A bot must see the time of `clock` (ms since 1970 UTC), or its requests are refused.
        """
        journal = Journal(journal_file)
        exchange = Exchange(
            market, now_ms=clock(), wallet=Decimal(str(balance)), record=journal.append
        )
        server = SandboxServer(
            exchange,
            clock,
            journal=journal,
            port=port,
            proxy_port=proxy_port,
            faults=faults,
            latency_ms=latency_ms,
            credentials=credentials or Credentials(),
        )
        return cls(market, exchange, journal, server)

    @property
    def market_names(self) -> list[str]:
        """Markets as ccxt and Freqtrade name them."""
        return [
            f"{instrument.base}/{instrument.quote}:{instrument.quote}"
            for instrument in self.market.instruments.values()
        ]

    def exchange_section(self, way: Way = "proxy") -> dict[str, Any]:
        """Write the ``exchange`` section of a Freqtrade configuration, markets included."""
        return connection_settings(self.server, way) | {"pair_whitelist": self.market_names}
