"""An unmodified Freqtrade lists, downloads, backtests and trades on the sandbox.

What counts is what its log says: no error, no warning that the sandbox could have caused, no
retry. The faithful way in (the HTTPS proxy) is used for everything but the dry run.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from freqtrade_ext.sandbox import (
    Exchange,
    FaultPlan,
    Journal,
    SandboxServer,
    audit,
    connection_settings,
)
from freqtrade_ext.sandbox.journal import (
    OrderFilled,
    RequestAnswered,
    TriggerAccepted,
    TriggerEnded,
    TriggerFired,
)
from freqtrade_ext.sandbox.market import Depth, SyntheticMarket, SyntheticSpec

pytestmark = pytest.mark.rehearsal

FREQTRADE = Path(sys.executable).with_name("freqtrade")
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
EXPECTED_WARNINGS = re.compile(
    "Moving start-date by|result caching disabled|Dry run is enabled|due to Auto lock"
)
UNCHANGED_MARGIN_MODE = -4046  # Freqtrade sets the mode before every order and expects this

STRATEGY = """
from freqtrade.strategy import IStrategy


class LongAndShort(IStrategy):
    timeframe = "1m"
    can_short = True
    stoploss = -0.2
    minimal_roi = {"0": 10}
    startup_candle_count = 10
    order_types = {
        "entry": "market", "exit": "market", "stoploss": "market",
        "force_entry": "market", "force_exit": "market", "emergency_exit": "market",
        "stoploss_on_exchange": True,
    }

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        short = metadata["pair"].startswith("ETH")
        dataframe["enter_short" if short else "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def leverage(self, pair, *args, **kwargs):
        return 3.0

    def custom_exit(self, pair, trade, *args, **kwargs):
        live = self.config["runmode"].value == "live"
        protected = trade.has_open_sl_orders or not live
        return "seen enough" if protected else None


class HoldsOn(LongAndShort):
    order_types = LongAndShort.order_types | {"entry": "limit", "exit": "limit"}

    def custom_exit(self, *args, **kwargs):
        return None
"""


class Crashing(SyntheticMarket):
    """A market whose prices fall to 85 % at the touch of a button."""

    crash_ms: int | None = None

    def _factor(self, now_ms: int) -> Decimal:
        crashed = self.crash_ms is not None and now_ms >= self.crash_ms
        return Decimal("0.85") if crashed else Decimal(1)

    def _scaled(self, symbol: str, price: Decimal, now_ms: int) -> Decimal:
        tick = self.instruments[symbol].tick_size
        return (price * self._factor(now_ms) / tick).to_integral_value() * tick

    def price(self, symbol: str, now_ms: int) -> Decimal:
        return self._scaled(symbol, super().price(symbol, now_ms), now_ms)

    def mark_price(self, symbol: str, now_ms: int) -> Decimal:
        return self._scaled(symbol, super().mark_price(symbol, now_ms), now_ms)

    def price_range(self, symbol: str, after_ms: int, until_ms: int) -> tuple[Decimal, Decimal]:
        low, high = super().price_range(symbol, after_ms, until_ms)
        return self._scaled(symbol, low, until_ms), self._scaled(symbol, high, after_ms)

    def depth(self, symbol: str, now_ms: int, levels: int) -> Depth:
        book = super().depth(symbol, now_ms, levels)
        bids = tuple((self._scaled(symbol, p, now_ms), q) for p, q in book.bids)
        asks = tuple((self._scaled(symbol, p, now_ms), q) for p, q in book.asks)
        return Depth(bids, asks)


@dataclass
class Stage:
    """A sandbox, a user folder, and configurations that lead from one to the other."""

    server: SandboxServer
    journal: Journal
    folder: Path

    def config(self, name: str, *, way: str, dry_run: bool) -> Path:
        """Write a configuration."""
        book = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
        section = connection_settings(self.server, way)
        content = {
            "bot_name": "rehearsal",
            "dry_run": dry_run,
            "dry_run_wallet": 10_000,
            "trading_mode": "futures",
            "margin_mode": "isolated",
            "stake_currency": "USDT",
            "stake_amount": 500,
            "max_open_trades": 2,
            "timeframe": "1m",
            "entry_pricing": book,
            "exit_pricing": book,
            "exchange": section | {"pair_whitelist": [BTC, ETH], "pair_blacklist": []},
            "pairlists": [{"method": "StaticPairList"}],
            "internals": {"process_throttle_secs": 1},
            "initial_state": "running",
            "db_url": f"sqlite:///{self.folder / name}.sqlite",
        }
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return path

    def run(self, command: str, config: Path, *arguments: str) -> str:
        """Run a command of Freqtrade to its end; answers its log."""
        done = subprocess.run(
            self._line(command, config, *arguments),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=_environment(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def trade(
        self,
        config: Path,
        until: Callable[[], bool],
        strategy: str = "LongAndShort",
        seconds: float = 40,
    ) -> str:
        """Let the bot trade until something happened, then stop it; answers its log."""
        log = config.with_suffix(".log")
        with log.open("w") as output:
            bot = subprocess.Popen(
                self._line("trade", config, "--strategy", strategy),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
            )
            try:
                deadline = time.monotonic() + seconds
                while not until() and bot.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.1)
            finally:
                bot.send_signal(signal.SIGTERM)
                bot.wait(timeout=20)
        text = log.read_text()
        assert until(), text[-4_000:]
        return text

    def _line(self, command: str, config: Path, *arguments: str) -> list[str]:
        line = [str(FREQTRADE), command, "-c", str(config), "--userdir", str(self.folder)]
        return [*line, *arguments]


def _environment() -> dict[str, str]:
    """Wide lines, so that no message of the log is broken."""
    return os.environ | {"COLUMNS": "1000"}


def complaints(log: str) -> list[str]:
    """Lines of a log that tell of trouble."""
    trouble = re.compile(r"WARNING|ERROR|CRITICAL|Traceback|Warning:|[Rr]etry")
    lines = [line for line in log.splitlines() if trouble.search(line)]
    return [line for line in lines if not EXPECTED_WARNINGS.search(line)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if not FREQTRADE.is_file():
        pytest.skip(f"Freqtrade is not installed: {FREQTRADE}")
    folder = tmp_path_factory.mktemp("user_data")
    (folder / "strategies").mkdir()
    (folder / "strategies" / "long_and_short.py").write_text(STRATEGY)
    now_ms = time.time_ns() // 1_000_000
    spec = SyntheticSpec(seed=7, anchor_ms=now_ms - now_ms % 60_000, history_minutes=3 * 1_440)
    journal = Journal()
    exchange = Exchange(Crashing(spec), now_ms=now_ms, record=journal.append)
    with SandboxServer(exchange, journal=journal, faults=FaultPlan()) as server:
        yield Stage(server, journal, folder)
    shutil.rmtree(folder)


def refusals(journal: Journal, since: int) -> list[tuple[str, int | None]]:
    """Requests that were not answered with success, except the expected kind."""
    answered = [e for e in journal.events[since:] if isinstance(e, RequestAnswered)]
    return [
        (f"{e.method} {e.path}", e.code)
        for e in answered
        if e.status != 200 and e.code != UNCHANGED_MARGIN_MODE
    ]


def test_markets_are_listed(stage):
    config = stage.config("list", way="proxy", dry_run=True)
    log = stage.run("list-pairs", config, "--print-list")
    assert BTC in log
    assert complaints(log) == []


def test_data_is_downloaded_and_backtested(stage):
    config = stage.config("history", way="proxy", dry_run=True)
    log = stage.run("download-data", config, "--days", "1", "-t", "1m", "1h")
    assert complaints(log) == []
    for kind in ("1m-futures", "1h-futures", "1h-mark", "1h-funding_rate"):
        assert (stage.folder / f"data/binance/futures/BTC_USDT_USDT-{kind}.feather").is_file()
    log = stage.run("backtesting", config, "--strategy", "LongAndShort", "--cache", "none")
    assert complaints(log) == []
    assert "BACKTESTING REPORT" in log
    assert refusals(stage.journal, 0) == []


def test_a_dry_run_trades_over_plain_http(stage):
    config = stage.config("dry", way="http", dry_run=True)
    since = len(stage.journal)

    def asked_for_books() -> bool:
        events = stage.journal.events[since:]
        depth = [e for e in events if isinstance(e, RequestAnswered) and e.path.endswith("/depth")]
        return len(depth) >= 8

    log = stage.trade(config, until=asked_for_books)
    assert complaints(log) == []
    assert "Long signal found" in log
    assert "Short signal found" in log
    assert stage.journal.of(OrderFilled) == []  # a dry run sends no orders
    assert refusals(stage.journal, since) == []


def test_a_live_bot_opens_protects_and_closes_a_long_and_a_short(stage):
    config = stage.config("live", way="proxy", dry_run=False)
    since = len(stage.journal)

    def both_closed() -> bool:
        closed = {e.symbol for e in stage.journal.of(OrderFilled) if not e.position}
        stops_gone = len(stage.journal.of(TriggerEnded)) >= 2
        return closed == {"BTCUSDT", "ETHUSDT"} and stops_gone

    log = stage.trade(config, until=both_closed)
    assert complaints(log) == []
    assert refusals(stage.journal, since) == []
    sides = {e.symbol: e.side for e in stage.journal.of(TriggerAccepted)}
    assert sides == {"BTCUSDT": "sell", "ETHUSDT": "buy"}
    report = audit(stage.journal)
    assert report.is_clean, report
    assert log.count("Marking Trade") == 2


def test_a_stop_that_fires_on_the_exchange_is_booked_by_the_bot(stage):
    """Limit entries rest and fill, the market crashes, the long's stop fires at the exchange."""
    config = stage.config("crash", way="proxy", dry_run=False)
    since = len(stage.journal)

    def after(kind: type) -> list:
        return [event for event in stage.journal.events[since:] if isinstance(event, kind)]

    def stop_fired_and_was_asked_for() -> bool:
        if len(after(TriggerAccepted)) == 2 and stage.server.exchange.market.crash_ms is None:
            stage.server.exchange.market.crash_ms = stage.server.clock()
        fired = after(TriggerFired)
        return bool(fired) and any(
            event.params.get("orderId") == str(fired[0].venue_order_id)
            for event in after(RequestAnswered)
        )

    log = stage.trade(config, until=stop_fired_and_was_asked_for, strategy="HoldsOn")
    assert complaints(log) == []
    assert refusals(stage.journal, since) == []
    assert "STOP_LOSS" in log or "stoploss_on_exchange" in log
    assert set(audit(stage.journal).positions) == {"ETHUSDT"}
