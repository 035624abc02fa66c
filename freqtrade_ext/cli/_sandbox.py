"""``freqtrade-ext sandbox``: the rehearsal exchange as a process."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.market import Market, ReplayMarket, SyntheticMarket, SyntheticSpec
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute

__all__ = ["sandbox"]

HTTP_PORT = 8765
PROXY_PORT = 8766
DATABASE = "trades.sqlite"


@click.command()
@click.option(
    "--datadir",
    type=click.Path(path_type=Path),
    help="Replay these Freqtrade data files instead of the synthetic market.",
)
@click.option("--timeframe", default="1h", show_default=True, help="Timeframe of those files.")
@click.option(
    "--moment",
    help="Moment of the data that is now, e.g. 2024-06-01T00:00; "
    "without it the times of the files stay as they are.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the synthetic market.")
@click.option("--groups", default=4, show_default=True, help="Planted cointegrated groups.")
@click.option("--markets-per-group", default=3, show_default=True, help="Markets in a group.")
@click.option(
    "--half-life",
    default=240.0,
    show_default=True,
    help="Half-life of the planted spreads, minutes.",
)
@click.option("--history-days", default=90, show_default=True, help="History before now, days.")
@click.option("--balance", default=10_000.0, show_default=True, help="USDT in the wallet.")
@click.option("--port", default=HTTP_PORT, show_default=True, help="HTTP port, 0: any free one.")
@click.option(
    "--proxy-port",
    default=PROXY_PORT,
    show_default=True,
    help="Port of the HTTPS proxy, 0: any free one.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    help="Append everything that happens to this file, one JSON object a line.",
)
@click.option(
    "--write-config",
    type=click.Path(path_type=Path),
    help="Write a Freqtrade configuration that leads here (and no further): live mode, with a data "
    "folder and a database of its own beside the file.",
)
@click.option(
    "--way",
    type=click.Choice(["proxy", "http"]),
    default="proxy",
    show_default=True,
    help="Way in for --write-config.",
)
def sandbox(
    datadir: Path | None,
    timeframe: str,
    moment: str | None,
    seed: int,
    groups: int,
    markets_per_group: int,
    half_life: float,
    history_days: int,
    balance: float,
    port: int,
    proxy_port: int,
    journal: Path | None,
    write_config: Path | None,
    way: str,
) -> None:
    """
    Start the rehearsal exchange and serve until Ctrl-C.

    It speaks Binance's USD-M futures REST protocol on this machine only. Any Freqtrade trades on
    it, in dry-run and live mode, by configuration alone. Two ways in:

    \b
    faithful (default): Freqtrade keeps the real addresses and goes through
      the sandbox's HTTPS proxy, which refuses every other host; ccxt then
      maps the exchange's error codes as in reality.
        freqtrade-ext sandbox
        freqtrade trade -c config.json -c user_data/config-sandbox.json
    simple: plain HTTP, the addresses are replaced.
        freqtrade-ext sandbox --way http --write-config my-sandbox.json
        freqtrade trade -c config.json -c my-sandbox.json

    \b
    Get candles, make a spread book, look inside:
        freqtrade download-data -c config.json -c user_data/config-sandbox.json \\
            --timeframes 1h --days 80
        freqtrade-ext book add ETH/USDT:USDT BTC/USDT:USDT \\
            -c config.json -c user_data/config-sandbox.json
        curl http://127.0.0.1:8765/sandbox/audit
        curl http://127.0.0.1:8765/sandbox/state
    """
    home = None if write_config is None else _home_beside(write_config)
    if datadir is None:
        market = _synthetic(seed, groups, markets_per_group, half_life, history_days)
    else:
        market = ReplayMarket(datadir, timeframe, moment=moment, anchor_ms=current_minute())
    rehearsal = Rehearsal.on(
        market, port=port, proxy_port=proxy_port, journal_file=journal, balance=balance
    )
    with rehearsal.server as server:
        click.echo(f"exchange  {server.url}")
        click.echo(f"proxy     {server.proxy_url}")
        click.echo(
            f"markets   {len(market.instruments)}: {', '.join(rehearsal.market_names[:6])} …"
        )
        if write_config is not None and home is not None:
            section = rehearsal.exchange_section("http" if way == "http" else "proxy")
            _write_config(write_config, home, section)
            click.echo(f"config    {write_config} (freqtrade … -c config.json -c {write_config})")
            click.echo(f"database  {home / DATABASE}")
        click.echo("Ctrl-C ends it.")
        _wait_for_signal()


def _synthetic(
    seed: int, groups: int, markets_per_group: int, half_life: float, history_days: int
) -> Market:
    try:
        spec = SyntheticSpec(
            seed=seed,
            anchor_ms=current_minute(),
            groups=groups,
            markets_per_group=markets_per_group,
            half_life_minutes=half_life,
            history_minutes=history_days * 1_440,
        )
    except ValidationError as error:
        lines = [f"{problem['loc']}: {problem['msg']}" for problem in error.errors()]
        raise ConfigError("synthetic market: " + "; ".join(lines)) from None
    return SyntheticMarket(spec)


def _home_beside(config: Path) -> Path:
    """Folder of the play bot, named after its configuration file."""
    home = config.resolve().with_suffix("")
    if not config.suffix:
        raise ConfigError(
            f"--write-config {config}: the name needs an ending, such as {config}.json"
        )
    if home.exists() and not home.is_dir():
        raise ConfigError(
            f"--write-config {config}: {home} must be a folder, for data and database"
        )
    return home


def _write_config(path: Path, home: Path, exchange: dict[str, Any]) -> None:
    """Write a live bot's configuration whose trades reach no other bot's database."""
    home.mkdir(parents=True, exist_ok=True)
    config = {
        "dry_run": False,
        "user_data_dir": str(home),
        "db_url": f"sqlite:///{home / DATABASE}",
        "exchange": exchange,
    }
    path.write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")


def _wait_for_signal() -> None:
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    done.wait()
