"""
Backtests of `RegimeScore` on recorded candles, by an unmodified Freqtrade and without a network.

``python -m rehearsals.regime_backtest DATADIR --timeframe 1h --timerange 20240301-20250430`` shows
the recorded markets on the sandbox, so that Freqtrade finds their filters and brackets, and reads
candles, funding rates and mark prices from the data folder itself, at their own dates.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from freqtrade_ext.sandbox.market import ReplayMarket
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute

USER_DATA = Path(__file__).resolve().parents[1] / "user_data"
LONG_ONLY = """from freqtrade_ext.adapters.strategies import RegimeStrategy


class RegimeScore(RegimeStrategy):
    def __init__(self, config):
        super().__init__(config)
        self.can_short = False
"""


def prepare(folder: Path, exchange: dict[str, Any], **changes: Any) -> Path:
    """Make a bot's folder with the shipped shims and a configuration; return the latter."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("strategies", "protections", "hyperopts"):
        shutil.copytree(USER_DATA / name, folder / name, ignore=shutil.ignore_patterns("__*"))
    price = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    config = {
        "user_data_dir": str(folder),
        "strategy": "RegimeScore",
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "max_open_trades": 5,
        "dry_run": True,
        "dry_run_wallet": 10_000,
        "fee": 0.0005,
        "entry_pricing": price,
        "exit_pricing": price,
        "pairlists": [{"method": "StaticPairList"}],
        "exchange": exchange,
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config | changes, indent=1))
    return path


@click.command()
@click.argument("datadir", type=click.Path(path_type=Path, exists=True))
@click.option("--timeframe", required=True, help="Of the files, and of the strategy.")
@click.option("--timerange", default="", help="As Freqtrade writes it.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/regime"))
@click.option("--ext", default="{}", help="The section ext, as JSON.")
@click.option("--without", default="", help="Coins to leave out: delisted ones have no brackets.")
@click.option("--long-only", is_flag=True, help="No shorts.")
@click.option("--change", default="{}", help="Further keys of the configuration, as JSON.")
@click.option("--command", default="backtesting", show_default=True, help="Freqtrade's command.")
@click.argument("more", nargs=-1)
def main(
    datadir: Path,
    timeframe: str,
    timerange: str,
    folder: Path,
    ext: str,
    without: str,
    long_only: bool,
    change: str,
    command: str,
    more: tuple[str, ...],
) -> None:
    """Run one command of Freqtrade's on the recorded markets; further arguments are passed on."""
    market = ReplayMarket(datadir, timeframe, moment=None, anchor_ms=current_minute())
    rehearsal = Rehearsal.on(market)
    with rehearsal.server:
        exchange = rehearsal.exchange_section("proxy")
        left_out = set(without.split(","))
        names = [name for name in exchange["pair_whitelist"] if name.split("/")[0] not in left_out]
        config = prepare(
            folder.resolve(),
            exchange | {"pair_whitelist": names},
            timeframe=timeframe,
            ext=json.loads(ext),
            **json.loads(change),
        )
        if long_only:
            (folder / "strategies" / "RegimeScore.py").write_text(LONG_ONLY)
        arguments = [command, "-c", str(config), "--datadir", str(datadir.resolve()), *more]
        if command == "backtesting":
            arguments += ["--enable-protections", "--cache", "none"]
        if timerange:
            arguments += ["--timerange", timerange]
        command_line = [sys.executable, "-m", "freqtrade", *arguments]
        done = subprocess.run(command_line, check=False)  # noqa: S603 - our own arguments
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
