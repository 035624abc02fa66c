"""A real exchange for tests of execution: ccxt and Freqtrade's own object on a served sandbox.

Prices stand still until a test moves them; the clock is the machine's, because ccxt signs with it.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from freqtrade.configuration import Configuration
from freqtrade.enums import CandleType, MarginMode, RunMode, TradingMode
from freqtrade.exchange import Exchange
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import Trade
from freqtrade.persistence.custom_data import _CustomData
from freqtrade.resolvers import ExchangeResolver

from freqtrade_ext.adapters._ccxt_venue import CcxtVenue, OrderCall
from freqtrade_ext.execution import (
    GuardPolicy,
    Intent,
    IntentPurpose,
    OrderGuard,
    OrderKind,
    OrderSide,
)
from freqtrade_ext.sandbox import Exchange as SandboxExchange
from freqtrade_ext.sandbox import (
    Fault,
    FaultPlan,
    Journal,
    SandboxServer,
    connection_settings,
    wall_clock,
)
from freqtrade_ext.sandbox.engine import (
    AddExternally,
    CancelAllOrders,
    CancelAllTriggers,
    CloseExternally,
)
from freqtrade_ext.sandbox.journal import OrderAccepted
from freqtrade_ext.sandbox.wire import BinanceApi
from tests.sandbox.doubles import FakeMarket

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
IDS = {BTC: "BTCUSDT", ETH: "ETHUSDT"}
ORDER, BATCH, ALGO = "POST /fapi/v1/order", "POST /fapi/v1/batchOrders", "POST /fapi/v1/algoOrder"
D = Decimal
PATIENCE = GuardPolicy(patience_ms=1_000, settling_ms=3_000, first_ask_ms=100, min_denials=2)

_names = itertools.count(1)


@dataclass
class ManualClock:
    """Begins now; time passes only when somebody sleeps, or a test says so."""

    ms: int = field(default_factory=wall_clock)

    def now_ms(self) -> int:
        return self.ms

    def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


def intent(market: str = BTC, signed: str = "0.1", **changes: Any) -> Intent:
    """Build an intent with a name that was never used."""
    fields: dict[str, Any] = {
        "client_order_id": f"t-{next(_names)}",
        "market": market,
        "side": OrderSide.BUY if D(signed) > 0 else OrderSide.SELL,
        "kind": OrderKind.MARKET,
        "quantity": abs(D(signed)),
        "reduce_only": False,
        "purpose": IntentPurpose.ENTRY,
        "attempt": 1,
        "created_ms": wall_clock(),
        "leverage": 2.0,
    }
    return Intent(**(fields | changes))


class Bench:
    """A served exchange, and Freqtrade's connection to it."""

    def __init__(self) -> None:
        self.market = FakeMarket(BTCUSDT=100, ETHUSDT=50)
        self.journal = Journal()
        exchange = SandboxExchange(
            self.market, now_ms=wall_clock(), wallet=D(100_000), record=self.journal.append
        )
        self.server = SandboxServer(exchange, journal=self.journal, tick_seconds=0)
        self.server.api = BinanceApi(
            exchange, self.server.credentials, weight_per_minute=1_000_000_000
        )
        self.exchange: Exchange

    @contextmanager
    def open(self) -> Iterator["Bench"]:
        """Serve, connect, and close both at the end."""
        with self.server:
            self.exchange = connect(self.section())
            try:
                yield self
            finally:
                self.exchange.close()

    def section(self) -> dict[str, Any]:
        """Write the exchange section of a configuration."""
        return connection_settings(self.server, "proxy") | {"pair_whitelist": [BTC, ETH]}

    def reset(self) -> None:
        """Flatten the account; forget faults and what the connection has learnt."""
        self.server.faults = FaultPlan()
        for symbol in IDS.values():
            self.do(CancelAllOrders(symbol))
            self.do(CancelAllTriggers(symbol))
            if self.position(symbol):
                self.do(CloseExternally(symbol))
        self.set_price(BTC, 100)
        self.set_price(ETH, 50)

    @property
    def api(self) -> Any:
        """The ccxt object."""
        return self.exchange._api

    def venue(self, **options: Any) -> CcxtVenue:
        return CcxtVenue(self.exchange, **options)

    def guard(self, store: Any, venue: CcxtVenue | None = None) -> OrderGuard:
        return OrderGuard(venue or self.venue(), store, ManualClock(), PATIENCE)

    # The exchange's side

    def do(self, command: Any) -> Any:
        """Let somebody else do something to the account."""
        return self.server.call(lambda: self.server.exchange.handle(command, wall_clock()))

    def position(self, symbol: str) -> Decimal:
        return self.server.call(lambda: self.server.exchange.position(symbol).quantity)

    def held(self, market: str) -> Decimal:
        """Signed quantity on the exchange."""
        return self.position(IDS[market])

    def add(self, market: str) -> None:
        """Let a person double a position."""
        self.do(AddExternally(IDS[market]))

    def set_price(self, market: str, price: object) -> None:
        """Let the price move, and the exchange notice."""

        def move() -> None:
            now_ms = wall_clock()
            self.market.set_price(IDS[market], price, now_ms)
            self.server.exchange.advance(now_ms + 1)

        self.server.call(move)

    def fault(self, endpoint: str, effect: Any, **more: Any) -> None:
        """Let something go wrong; the bench's fixture checks that it did."""
        self.server.call(lambda: self.server.faults.add(Fault(endpoint, effect=effect, **more)))

    def accepted(self, client_order_id: str) -> int:
        """How many orders of this name the exchange ever took."""
        orders = self.journal.of(OrderAccepted)
        return sum(order.client_order_id == client_order_id for order in orders)

    @contextmanager
    def requests(self) -> Iterator[list[str]]:
        """Collect the requests that arrive meanwhile, as ``POST /fapi/v1/order``."""
        seen: list[str] = []
        mark = self.server.request_count
        yield seen
        seen += [request.endpoint for request in self.server.requests_since(mark)]


GUARDED = """
from freqtrade_ext.adapters.strategies import GuardedStrategy


class Guarded(GuardedStrategy):
    timeframe = "1h"
    can_short = True
    stoploss = -0.5
    minimal_roi = {}
    startup_candle_count = 1

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    populate_entry_trend = populate_exit_trend = populate_indicators
"""


def write_config(bench: Bench, folder: Path, *, strategy: str = GUARDED, **changes: Any) -> Path:
    """Write a live configuration with a strategy named Guarded; return its path."""
    (folder / "strategies").mkdir(exist_ok=True)
    (folder / "strategies" / "Guarded.py").write_text(strategy)
    price = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    document: dict[str, Any] = {
        "user_data_dir": str(folder),
        "db_url": f"sqlite:///{folder / 'trades.sqlite'}",
        "dry_run": False,
        "timeframe": "1h",
        "max_open_trades": 4,
        "stake_currency": "USDT",
        "stake_amount": 10,
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "entry_pricing": price,
        "exit_pricing": price,
        "order_types": {
            "entry": "market",
            "exit": "market",
            "stoploss": "market",
            "stoploss_on_exchange": False,
        },
        "exchange": bench.section(),
        "pairlists": [{"method": "StaticPairList"}],
        "strategy": "Guarded",
        "initial_state": "running",
    }
    path = folder / "config.json"
    path.write_text(json.dumps(document | changes))
    return path


@contextmanager
def running_bot(bench: Bench, folder: Path, **changes: Any) -> Iterator[FreqtradeBot]:
    """Build a real bot of Freqtrade's in live mode; its loop is the test's to run."""
    path = write_config(bench, folder, **changes)
    config = Configuration({"config": [str(path)]}, RunMode.LIVE).get_config()
    bot = FreqtradeBot(config)
    bot.exchange._api.enableRateLimit = False
    try:
        yield bot
    finally:
        bot.cleanup()
        close_database()


def close_database() -> None:
    """Give Freqtrade's sessions and their file back."""
    for sessions in (Trade.session, _CustomData.session):
        sessions.remove()
    Trade.session.get_bind().dispose()


def connect(section: dict[str, Any]) -> Exchange:
    """Open Freqtrade's exchange object in live mode."""
    config: dict[str, Any] = {
        "dry_run": False,
        "trading_mode": TradingMode.FUTURES,
        "margin_mode": MarginMode.ISOLATED,
        "stake_currency": "USDT",
        "candle_type_def": CandleType.FUTURES,
        "runmode": RunMode.LIVE,
        "exchange": section,
        "entry_pricing": {"price_side": "other"},
        "exit_pricing": {"price_side": "other"},
        "timeframe": "1h",
        "order_types": {},
    }
    exchange = ExchangeResolver.load_exchange(config, validate=False, load_leverage_tiers=False)
    exchange._api.enableRateLimit = False
    exchange._api.timeout = 2_000
    assert set(exchange.markets) == {BTC, ETH}
    return exchange


def serve() -> Iterator[Bench]:
    """Serve an exchange for a module; as a fixture of that scope, named `served`."""
    with Bench().open() as bench:
        yield bench


def fresh(served: Bench) -> Iterator[Bench]:
    """Begin with a flat account, and end with every fault fired; as a fixture."""
    served.reset()
    yield served
    served.server.faults.assert_exhausted()


def stop_call(meant: Intent) -> OrderCall:
    """Say how Freqtrade sends a stop."""
    params = {"stopPrice": float(meant.price or 0), "reduceOnly": True}
    return OrderCall("stop_market", float(meant.quantity), None, params)


def wait_for(condition: Callable[[], object]) -> object:
    """Poll until something holds."""
    from tests.sandbox.doubles import eventually

    return eventually(condition)


LIVE = (
    GUARDED.replace(
        "class Guarded(",
        "from freqtrade_ext.settings import load_settings\n"
        "from tests.adapters.execution_doubles import FreeOwner\n\n\nclass Guarded(",
    )
    + """
    def bot_start(self, **kwargs):
        settings = load_settings(self.config.get("ext")).execution
        self.owner = FreeOwner(self.guarded_markets)
        self.start_execution(settings, self.owner)

    def bot_loop_start(self, current_time, **kwargs):
        with self.fresh_books():
            self.loop_execution()
"""
)


class FreeOwner:
    """Claims nothing: every order is one that a person, or Freqtrade, has forced."""

    def __init__(self, markets: Callable[[], frozenset[str]]) -> None:
        self.markets = markets
        self.at_rest = True

    def claim(self, asked: Any) -> tuple[()]:
        return ()

    def react(self, outcomes: Any) -> tuple[()]:
        return ()

    def held(self, market: str) -> Decimal:
        return D(0)

    def counted(self, market: str) -> dict[str, Decimal]:
        return {}

    def trade_of(self, market: str) -> int | None:
        return None

    def purpose_of(self, asked: Any) -> IntentPurpose:
        return IntentPurpose.FORCED

    def said_of(self, market: str, *, reduce_only: bool) -> str:
        return "manual" if reduce_only else ""

    def is_at_rest(self) -> bool:
        return self.at_rest
