"""
Backtests of spreads and scored positions on one invented market, each alone and both in one bot.

``python -m rehearsals.combined_backtest --folder demo_run/combined`` makes hourly candles of three
cointegrated spreads and of four single markets from a seed, runs Freqtrade itself in this
process, sockets forbidden, and prints what each run traded:

- ``spreads``: `SpreadArbitrage`; ``scores``: `RegimeScore`, on the single markets;
- ``both``: `SpreadsAndScores`; ``universe``: the same with spreads that a scan chooses each day;
- ``no scores``: the same with a score that no signal reaches;
- ``no spreads``: the same with a p-value that no spread reaches.
"""

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import pandas as pd
from freqtrade.commands import Arguments
from freqtrade.commands.optimize_commands import setup_optimize_configuration
from freqtrade.enums import RunMode
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers import ExchangeResolver

from freqtrade_ext.spreads import SpreadBook, SpreadSpec, save_book
from rehearsals.regime_backtest import prepare
from rehearsals.spot_backtest import forbid_network

SPREADS: Final = (("AVAX", "LINK"), ("UNI", "AAVE"), ("ATOM", "NEAR"))
SINGLES: Final = ("BTC", "ETH", "SOL", "DOGE")
BEGIN: Final = pd.Timestamp("2024-01-01", tz="UTC")
CANDLES: Final = 830
FIRST: Final = 600  # candle at which trading begins, after the warm-up of both
SPREAD_SETTINGS: Final[dict[str, Any]] = {
    "fit_window": 300, "max_open_spreads": 2, "min_half_life": 0.2,
    "sizing": {"max_risk_per_trade": 0.005},
}  # fmt: skip
LOW_SCORES: Final[dict[str, Any]] = {
    "min_score": 50.0, "min_score_low": 30.0, "z_score_threshold": 0.8, "entry_tightness": 1.0,
    "quiet": {"enabled": False},
}  # fmt: skip
# What acts on the whole account would close the trades of the one for what the other lost.
APART: Final[dict[str, Any]] = {"account": {"enabled": False}, "recovery": {"enabled": False}}
NO_SCORES: Final = {"signals": LOW_SCORES | {"min_score": 95.0, "min_score_low": 60.0}}
UNIVERSE: Final = {
    "spreads": SPREAD_SETTINGS | {"select": "universe", "select_window": 500},
    "scan": {"universe": {"min_daily_volume": 0.0, "min_listing_days": 0.0}},
}
NO_SPREADS: Final = {"spreads": SPREAD_SETTINGS | {"max_pvalue": 1e-300}}


def name_of(coin: str) -> str:
    """Return a market as Freqtrade names it."""
    return f"{coin}/USDT:USDT"


@dataclass(frozen=True, slots=True)
class Run:
    """One backtest: what differs from the others."""

    strategy: str
    markets: tuple[str, ...]
    ext: dict[str, Any] = field(default_factory=dict)
    protections: bool = False


LEGS: Final = tuple(coin for spread in SPREADS for coin in spread)
RUNS: Final[dict[str, Run]] = {
    "spreads": Run("SpreadArbitrage", LEGS + SINGLES),
    "scores": Run("RegimeScore", SINGLES),
    "both": Run("SpreadsAndScores", LEGS + SINGLES, protections=True),
    "universe": Run("SpreadsAndScores", LEGS + SINGLES, UNIVERSE, protections=True),
    "no scores": Run("SpreadsAndScores", LEGS + SINGLES, NO_SCORES),
    "no spreads": Run("SpreadsAndScores", LEGS + SINGLES, NO_SPREADS),
}


def write_candles(folder: Path, seed: int = 8) -> None:
    """Write hourly candles of every market from a seed."""
    rng = np.random.default_rng(seed)
    (folder / "futures").mkdir(parents=True, exist_ok=True)
    for coin in SINGLES:  # a walk, and a moving mean that the price comes back to
        noise = _returning(rng, 0.8, 0.006)
        _write(folder, coin, np.cumsum(rng.normal(0, 0.002, CANDLES)) + noise, rng)
    for leg_a, leg_b in SPREADS:
        factor = np.cumsum(rng.normal(0, 0.004, CANDLES))
        _write(folder, leg_b, factor, rng)
        _write(folder, leg_a, 0.9 * factor + _returning(rng, 0.85, 0.004), rng)


def _returning(rng: np.random.Generator, share: float, sigma: float) -> Any:
    steps = rng.normal(0, sigma, CANDLES)
    noise = np.zeros(CANDLES)
    for row in range(1, CANDLES):
        noise[row] = share * noise[row - 1] + steps[row]
    return noise


def _write(folder: Path, coin: str, log_price: Any, rng: np.random.Generator) -> None:
    close = 100.0 * np.exp(log_price)
    opened = np.r_[close[0], close[:-1]]
    frame = pd.DataFrame(
        {
            "date": pd.date_range(BEGIN, periods=CANDLES, freq="1h"),
            "open": opened,
            "high": np.maximum(opened, close) * 1.002,
            "low": np.minimum(opened, close) * 0.998,
            "close": close,
            "volume": rng.uniform(50, 150, CANDLES) * 1_000,
        }
    ).round(4)
    frame.to_feather(folder / "futures" / f"{coin}_USDT_USDT-1h-futures.feather")


def write_book(folder: Path) -> None:
    """Write the planted spreads as a book."""
    now = datetime(2024, 1, 1, tzinfo=UTC)
    rows = tuple(
        SpreadSpec(
            spread_id=f"{leg_a}-{leg_b}", leg_a=name_of(leg_a), leg_b=name_of(leg_b),
            hedge_ratio=0.9, intercept=0.0, cointegration_stat=-9.0, pvalue=1e-6, qvalue=1e-6,
            half_life=4.0, z_score_threshold=1.5, z_exit=0.3, stop_loss_z=4.0,
            mean_reversion_window=50, fit_start=datetime(2023, 12, 1, tzinfo=UTC), fit_end=now,
            last_updated=now,
        )
        for leg_a, leg_b in SPREADS
    )  # fmt: skip
    book = SpreadBook(created_at=now, timeframe="1h", spreads=rows)
    save_book(book, folder / "pairs_config.json")


def _market(coin: str) -> dict[str, Any]:
    return {
        "id": f"{coin}USDT", "symbol": name_of(coin), "base": coin, "quote": "USDT",
        "settle": "USDT", "type": "swap", "spot": False, "margin": False, "swap": True,
        "future": False, "contract": True, "linear": True, "active": True, "contractSize": 1.0,
        "taker": 0.0005, "maker": 0.0002, "precision": {"amount": 0.001, "price": 0.0001},
        "limits": {
            "amount": {"min": 0.001, "max": 1e6}, "price": {"min": 0.0001, "max": None},
            "cost": {"min": 5.0, "max": None}, "leverage": {"min": 1.0, "max": 20.0},
        },
        "info": {},
    }  # fmt: skip


def install_exchange(coins: tuple[str, ...]) -> None:
    """Let Freqtrade build its Binance without asking for markets and brackets: these are they."""
    build = ExchangeResolver.load_exchange
    markets = {name_of(coin): _market(coin) for coin in coins}
    bracket = {
        "minNotional": 0.0, "maxNotional": 1e8, "maintenanceMarginRate": 0.01, "maxLeverage": 20.0,
        "maintAmt": 0.0,
    }  # fmt: skip

    def load(config: dict[str, Any], **options: Any) -> Any:
        exchange = build(config, validate=False, load_leverage_tiers=False)
        exchange._markets = markets
        exchange._api.set_markets(markets)
        exchange._leverage_tiers = {name: [bracket] for name in markets}
        return exchange

    ExchangeResolver.load_exchange = staticmethod(load)


def backtest(data: Path, folder: Path, run: Run, ext: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one backtest of Freqtrade's in this process; its trades."""
    names = [name_of(coin) for coin in run.markets]
    config = prepare(
        folder,
        {"name": "binance", "key": "", "secret": "", "pair_whitelist": names},
        strategy=run.strategy,
        timeframe="1h",
        max_open_trades=12,
        ext={"spreads": SPREAD_SETTINGS, "signals": LOW_SCORES, "risk": APART} | run.ext | ext,
    )
    write_book(folder)
    begin = int((BEGIN + pd.Timedelta(hours=FIRST)).timestamp())
    arguments = ["backtesting", "-c", str(config), "--cache", "none", "--timerange", f"{begin}-"]
    arguments += ["--datadir", str(data)]
    arguments += ["--enable-protections"] if run.protections else []
    parsed = Arguments(arguments).get_parsed_arg()
    backtesting = Backtesting(setup_optimize_configuration(parsed, RunMode.BACKTEST))
    data, timerange = backtesting.load_bt_data()
    (strategy,) = backtesting.strategylist
    backtesting.backtest_one_strategy(strategy, data, timerange)
    # Not `Backtesting.start`: it goes on to its report, which takes as long as all the rest.
    trades = backtesting.all_bt_content[strategy.get_strategy_name()]["results"]
    return json.loads(trades.to_json(orient="records", date_format="iso"))


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo_run/combined"))
@click.option("--ext", default="{}", help="Parts of the section ext for every run, as JSON.")
@click.option("--only", multiple=True, type=click.Choice(list(RUNS)), help="Not all runs.")
def main(folder: Path, ext: str, only: tuple[str, ...]) -> None:
    """Run the backtests, print what they traded, and keep the trades in trades.json."""
    folder = folder.resolve()
    write_candles(folder / "data")
    install_exchange(LEGS + SINGLES)
    forbid_network()
    found = {}
    for name in only or RUNS:
        place = folder / name.replace(" ", "_")
        found[name] = backtest(folder / "data", place, RUNS[name], json.loads(ext))
        legs = sum(len(trade["enter_tag"].split()) == 3 for trade in found[name])
        click.echo(f"{name}: {legs} legs, {len(found[name]) - legs} positions")
    (folder / "trades.json").write_text(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
    sys.exit(0)
