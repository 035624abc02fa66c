"""A strategy stage for tests of the broker and the callbacks: a book, candles, money."""

import json
from pathlib import Path
from typing import Any

from freqtrade.enums import RunMode, TradingMode

from freqtrade_ext.adapters.strategies import SpreadStrategy
from freqtrade_ext.spreads import SpreadBook, save_book

from .doubles import BTC, ETH, START, Provider, candles, cointegrated, market, spec_of

SECTION = {
    "fit_window": 100,
    "max_pvalue": 1.0,
    "max_qvalue": None,
    "relation_broken_pvalue": 1.0,
    "both_directions": False,
    "min_half_life": 0.0,
}


class Wallets:
    """Money that never changes."""

    def __init__(self, total: float = 10_000.0) -> None:
        self.total = total
        self.positions: dict[str, Any] = {}
        self.updates = 0

    def update(self) -> None:
        self.updates += 1

    def get_all_positions(self) -> dict[str, Any]:
        return self.positions

    def get_total_stake_amount(self) -> float:
        return self.total

    def get_available_stake_amount(self) -> float:
        return self.total


class Shim(SpreadStrategy):
    """As a user's file has it."""


def write_book(folder: Path, *specs: Any, timeframe: str = "1h") -> None:
    specs = specs or (spec_of(),)
    save_book(
        SpreadBook(created_at=START, timeframe=timeframe, spreads=specs),
        folder / "pairs_config.json",
    )


def config_of(folder: Path, **spreads: Any) -> dict[str, Any]:
    return {
        "user_data_dir": folder,
        "timeframe": "1h",
        "stake_currency": "USDT",
        "trading_mode": TradingMode.FUTURES,
        "ext": {"spreads": json.loads(json.dumps(SECTION | spreads))},
    }


def strategy_of(
    folder: Path, *, mode: RunMode = RunMode.BACKTEST, count: int = 400, **spreads: Any
) -> SpreadStrategy:
    """A strategy as Freqtrade sets it up, before `bot_start`."""
    strategy = Shim(config_of(folder, **spreads))
    eth, btc = cointegrated(count)
    frames = {ETH: candles(eth), BTC: candles(btc)}
    strategy.dp = Provider(
        frames, runmode=mode, markets={name: market(name) for name in frames}, tier_cap=1e9
    )
    strategy.wallets = Wallets()
    strategy.max_open_trades = 4
    return strategy
