"""A rehearsal exchange on this machine that speaks Binance's USD-M futures REST protocol.

Unmodified ccxt and unmodified Freqtrade trade on it, in dry-run and live mode::

    import time
    from freqtrade_ext.sandbox import Exchange, Journal, SandboxServer, connection_settings
    from freqtrade_ext.sandbox.market import SyntheticMarket, SyntheticSpec

    now_ms = time.time_ns() // 1_000_000
    market = SyntheticMarket(SyntheticSpec(seed=1, anchor_ms=now_ms - now_ms % 60_000))
    journal = Journal()
    exchange = Exchange(market, now_ms=now_ms, record=journal.append)
    with SandboxServer(exchange, journal=journal) as server:
        config["exchange"] = connection_settings(server, "http") | {"pair_whitelist": [...]}
        ...  # start ``freqtrade trade``; "proxy" instead of "http" is the faithful way

``server.url`` is plain HTTP, ``server.proxy_url`` the HTTPS proxy; ``GET /sandbox/state``,
``/sandbox/journal`` and ``/sandbox/audit`` look in, ``POST /sandbox/faults`` and
``/sandbox/close`` interfere.
"""

from freqtrade_ext.sandbox._request_log import RequestSeen
from freqtrade_ext.sandbox.audit import (
    AuditReport,
    NakedFigures,
    SpreadLegs,
    audit,
    hedge_spans,
    naked_exposure,
    naked_figures,
    naked_seconds,
)
from freqtrade_ext.sandbox.connection import Way, connection_settings
from freqtrade_ext.sandbox.engine import Exchange
from freqtrade_ext.sandbox.faults import Effect, Fault, FaultPlan
from freqtrade_ext.sandbox.journal import Event, Journal
from freqtrade_ext.sandbox.server import SandboxServer, wall_clock
from freqtrade_ext.sandbox.wire import Credentials

__all__ = [
    "AuditReport",
    "Credentials",
    "Effect",
    "Event",
    "Exchange",
    "Fault",
    "FaultPlan",
    "Journal",
    "NakedFigures",
    "RequestSeen",
    "SandboxServer",
    "SpreadLegs",
    "Way",
    "audit",
    "connection_settings",
    "hedge_spans",
    "naked_exposure",
    "naked_figures",
    "naked_seconds",
    "wall_clock",
]
