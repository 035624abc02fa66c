"""
Backtests of `RegimeScore` on recorded spot candles: Freqtrade in this process, sockets forbidden.

``python -m rehearsals.spot_backtest DATADIR --timeframe 5m`` reads candles from the data folder.
The sandbox speaks the futures protocol only, so the spot markets are put into Freqtrade's exchange
object by hand, with steps read off the recorded prices.
"""

import json
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import numpy as np
import pandas as pd
from freqtrade.main import main as freqtrade
from freqtrade.resolvers import ExchangeResolver

from freqtrade_ext.sandbox.market._filters import price_step, quantity_step
from rehearsals.regime_backtest import prepare

SPOT_FEE = 0.001  # Binance's, without discounts


class NetworkIsForbiddenError(AssertionError):
    """Something asked the network during a backtest."""


def forbid_network() -> None:
    """Let every attempt to connect, or to look up a name, fail."""

    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise NetworkIsForbiddenError(f"a backtest asked the network: {arguments[:2]}")

    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:  # processes of a search talk to each other
            refuse(address)
        connect(self, address)

    socket.socket.connect = connect_here  # type: ignore[method-assign]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse


def spot_market(file: Path) -> dict[str, Any]:
    """Describe the spot market of a candle file as ccxt does; its steps are those of the prices."""
    base, quote = file.name.split("-")[0].split("_")
    recent = pd.read_feather(file).tail(5_000)
    prices = np.concatenate([recent[name].to_numpy() for name in ("open", "high", "low", "close")])
    tick = float(price_step(prices).size)
    step = float(quantity_step(recent["volume"].to_numpy(), float(np.median(prices))).size)
    return {
        "id": f"{base}{quote}",
        "symbol": f"{base}/{quote}",
        "base": base,
        "quote": quote,
        "settle": None,
        "type": "spot",
        "spot": True,
        "margin": False,
        "swap": False,
        "future": False,
        "contract": False,
        "active": True,
        "contractSize": None,
        "taker": SPOT_FEE,
        "maker": SPOT_FEE,
        "precision": {"amount": step, "price": tick},
        "limits": {
            "amount": {"min": step, "max": None},
            "price": {"min": tick, "max": None},
            "cost": {"min": 5.0, "max": None},
            "leverage": {"min": None, "max": None},
        },
        "info": {},
    }


def install_exchange(markets: dict[str, dict[str, Any]]) -> None:
    """Let Freqtrade build its Binance without asking for the markets: these are they."""
    build = ExchangeResolver.load_exchange

    def load(config: dict[str, Any], **options: Any) -> Any:
        exchange = build(config, validate=False, load_leverage_tiers=False)
        exchange._markets = markets
        exchange._api.set_markets(markets)
        return exchange

    ExchangeResolver.load_exchange = staticmethod(load)


@click.command()
@click.argument("datadir", type=click.Path(path_type=Path, exists=True))
@click.option("--timeframe", required=True)
@click.option("--timerange", default="")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/regime-spot"))
@click.option("--ext", default="{}", help="The section ext, as JSON.")
@click.option("--command", default="backtesting", show_default=True)
@click.argument("more", nargs=-1)
def main(
    datadir: Path,
    timeframe: str,
    timerange: str,
    folder: Path,
    ext: str,
    command: str,
    more: tuple[str, ...],
) -> None:
    """Run one command of Freqtrade's on the recorded spot markets."""
    markets = [spot_market(file) for file in sorted(datadir.glob(f"*-{timeframe}.feather"))]
    names = sorted(market["symbol"] for market in markets)
    config = prepare(
        folder.resolve(),
        {"name": "binance", "key": "", "secret": "", "pair_whitelist": names},
        timeframe=timeframe,
        trading_mode="spot",
        margin_mode="",
        fee=SPOT_FEE,
        ext=json.loads(ext),
    )
    install_exchange({market["symbol"]: market for market in markets})
    forbid_network()
    arguments = [command, "-c", str(config), "--datadir", str(datadir.resolve()), *more]
    if command == "backtesting":
        arguments += ["--enable-protections", "--cache", "none"]
    if timerange:
        arguments += ["--timerange", timerange]
    sys.argv = ["freqtrade", *arguments]
    freqtrade()


if __name__ == "__main__":
    main()
