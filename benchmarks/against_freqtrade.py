"""Cost of us: start-up and backtest of SpreadArbitrage against Freqtrade's own SampleStrategy."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import freqtrade

from benchmarks._timing import side_by_side, spread
from freqtrade_ext.adapters.market_data import (
    last_backtest,
    load_bot_configuration,
    load_leg_candles,
)
from freqtrade_ext.cli._bot_process import run_freqtrade
from freqtrade_ext.cli._demo_stage import SHIM
from freqtrade_ext.sandbox.market import SyntheticMarket, SyntheticSpec
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute
from freqtrade_ext.spreads import FittedMarkets, SpreadBook, fit_spec, save_book

DAYS = 300
# So that both strategies make about as many trades, whose cost is Freqtrade's own.
HALF_LIFE_HOURS = 24.0
RUNS = 3


def main() -> None:
    """Print the ratios."""
    with stage() as folder:
        backtest = side_by_side(
            lambda: backtesting(folder, "SpreadArbitrage"),
            lambda: backtesting(folder, "SampleStrategy"),
            runs=RUNS,
        )
        counts = {name: trades(folder, name) for name in ("SpreadArbitrage", "SampleStrategy")}
        print(f"trades: {counts}")
        print(f"backtest, 10 markets, {DAYS} days of 1h, peer: Freqtrade's SampleStrategy")
        print(f"  wall ratio {spread(backtest.ratios('wall'))}, bound 1.5")
        print(f"  processor ratio {spread(backtest.ratios('cpu'))}")
        starting = side_by_side(
            lambda: start(folder, "SpreadArbitrage"),
            lambda: start(folder, "SampleStrategy"),
            runs=RUNS,
        )
        print("start of `freqtrade trade` (dry-run) until RUNNING, same peer")
        print(f"  wall difference {spread(starting.differences('wall'), ' s')}, bound +0.5 s")
        print(f"  processor difference {spread(starting.differences('cpu'), ' s')}")


def backtesting(folder: Path, strategy: str) -> None:
    """Run one backtest."""
    arguments = ["backtesting", "-c", str(folder / "config.json"), "--strategy", strategy]
    run_freqtrade([*arguments, "--cache", "none", "--export", "none"], folder / "freqtrade.log")


def trades(folder: Path, strategy: str) -> int:
    """Count the trades that a strategy's backtest makes."""
    log = folder / f"{strategy}.log"
    arguments = ["backtesting", "-c", str(folder / "config.json"), "--strategy", strategy]
    run_freqtrade([*arguments, "--cache", "none"], log)
    return int(last_backtest(folder / "backtest_results")["total_trades"])


def start(folder: Path, strategy: str) -> None:
    """Start a dry-run bot and end it as soon as it says RUNNING."""
    arguments = ["trade", "-c", str(folder / "config.json"), "--strategy", strategy]
    with subprocess.Popen(  # our own interpreter and arguments
        [sys.executable, "-m", "freqtrade", *arguments, "--db-url", "sqlite://"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as bot:
        assert bot.stdout is not None
        for line in bot.stdout:
            if re.search(r"Changing state to: RUNNING", line):
                break
        else:
            sys.exit(f"{strategy} did not start; see {folder}")
        bot.kill()


@contextmanager
def stage() -> Iterator[Path]:
    """Prepare a folder with data, configuration, a spread book and both strategies."""
    market = SyntheticMarket(
        SyntheticSpec(
            seed=11,
            anchor_ms=current_minute(),
            groups=5,
            markets_per_group=2,
            extra_markets=0,
            half_life_minutes=HALF_LIFE_HOURS * 60.0,
            history_minutes=DAYS * 1_440,
            horizon_minutes=1_440,
        )
    )
    rehearsal = Rehearsal.on(market)
    with tempfile.TemporaryDirectory() as name, rehearsal.server:
        folder = Path(name)
        (folder / "strategies").mkdir()
        (folder / "strategies" / "SpreadArbitrage.py").write_text(SHIM)
        sample = Path(freqtrade.__file__).parent / "templates" / "sample_strategy.py"
        shutil.copy(sample, folder / "strategies" / "sample_strategy.py")
        write_config(folder, rehearsal)
        run_freqtrade(
            ["download-data", "-c", str(folder / "config.json"), "--timeframes", "1h",
             "--days", str(DAYS - 1)],
            folder / "freqtrade.log",
        )  # fmt: skip
        write_book(folder)
        time.sleep(1.0)
        yield folder


def write_config(folder: Path, rehearsal: Rehearsal) -> None:
    """Write one configuration that serves both strategies."""
    config = {
        "user_data_dir": str(folder),
        "timeframe": "1h",
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "max_open_trades": 4,
        "dry_run": True,
        "dry_run_wallet": 10_000,
        "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "pairlists": [{"method": "StaticPairList"}],
        "exchange": rehearsal.exchange_section("http"),
        "initial_state": "running",
        "ext": {"spreads": {"fit_window": 720}},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def write_book(folder: Path) -> None:
    """Fit neighbouring markets, which are cointegrated, into a book."""
    configuration = load_bot_configuration([str(folder / "config.json")])
    now = datetime.now(UTC).replace(microsecond=0)
    book = SpreadBook(created_at=now, timeframe="1h")
    markets = configuration.markets
    for leg_b, leg_a in zip(markets[::2], markets[1::2], strict=True):
        candles = (load_leg_candles(configuration, leg) for leg in (leg_a, leg_b))
        book = book.add(fit_spec(FittedMarkets(leg_a, leg_b, *candles), now=now))
    save_book(book, folder / "pairs_config.json")
