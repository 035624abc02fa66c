"""A folder with a configuration and candles: one true spread among markets of their own."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from freqtrade_ext.cli.scan import _run
from tests.cli.desk import Desk

CANDLES = 1200
START = pd.Timestamp("2024-01-01", tz="UTC")
SPREAD = ("AAA/USDT:USDT", "BBB/USDT:USDT")
SETTINGS = {
    "universe": {"window": CANDLES, "min_candles": 500, "min_listing_days": 5},
    "family": {"volatility_bandwidth": None},
    "bootstrap": {"replications": 99, "max_pvalue": 0.05},
}


def world(candles: int = CANDLES, *, spreads: int = 1, others: int = 4) -> dict[str, np.ndarray]:
    """Log prices by coin: spreads of a half-life of four candles, and markets of their own."""
    rng = np.random.default_rng(11)
    market = np.cumsum(rng.normal(0, 0.004, candles))

    def walk() -> np.ndarray:
        return market * rng.uniform(0.5, 1.5) + np.cumsum(rng.normal(0, 0.006, candles))

    prices: dict[str, np.ndarray] = {}
    names = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for _ in range(spreads):
        log_b, value = 3.0 + walk(), np.zeros(candles)
        for now in range(1, candles):
            value[now] = 0.85 * value[now - 1] + rng.normal(0, 0.008)
        prices[next(names) * 3] = 1.0 + 1.2 * log_b + value
        prices[next(names) * 3] = log_b
    for _ in range(others):
        prices[next(names) * 3] = 2.0 + walk()
    return prices


def frame_of(log_prices: np.ndarray, timeframe: str = "1h", *, turnover: float = 1e6) -> Any:
    """Candles as Freqtrade keeps them."""
    close = np.exp(log_prices)
    date = pd.date_range(START, periods=len(close), freq=pd.Timedelta(timeframe)).as_unit("ms")
    return pd.DataFrame(
        {
            "date": date,
            "open": close,
            "high": close * 1.001,
            "low": close * 0.999,
            "close": close,
            "volume": turnover / close,
        }
    )


def write_futures(data: Path, prices: Mapping[str, np.ndarray], timeframe: str = "1h") -> None:
    folder = data / "futures"
    folder.mkdir(parents=True, exist_ok=True)
    for coin, log_prices in prices.items():
        path = folder / f"{coin}_USDT_USDT-{timeframe}-futures.feather"
        frame_of(log_prices, timeframe).to_feather(path, compression="lz4", compression_level=9)


class ScanDesk(Desk):
    """A desk with candles and a folder for reports."""

    @property
    def data(self) -> Path:
        return self.folder / "data" / "binance"

    @property
    def reports(self) -> Path:
        return self.folder / "scan_reports"

    @property
    def latest(self) -> Path:
        return self.reports / "latest"

    def file_of(self, coin: str) -> Path:
        return self.data / "futures" / f"{coin}_USDT_USDT-1h-futures.feather"

    def scan(self, *arguments: str) -> Result:
        return self.run("scan", "-c", str(self.config), *arguments, columns=100)

    def settle(self, **changes: Any) -> None:
        """Change settings of ``ext.scan``, key by key."""
        section = SETTINGS | changes
        if isinstance(changes.get("universe"), dict):
            section["universe"] = SETTINGS["universe"] | changes["universe"]
        self.configure(ext={"scan": section})

    def written(self) -> set[str]:
        """Everything that a scan could have left behind."""
        found = [
            self.book_path,
            self.book_path.with_name("pairs_config.json.bak"),
            *self.reports.rglob("*"),
        ]
        return {str(path.relative_to(self.folder)) for path in found if path.exists()}


def new_desk(folder: Path, prices: Mapping[str, np.ndarray]) -> ScanDesk:
    desk = ScanDesk(folder)
    write_futures(desk.data, prices)
    document = {
        "user_data_dir": str(folder),
        "timeframe": "1h",
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "exchange": {"name": "binance", "pair_whitelist": []},
        "ext": {"scan": SETTINGS},
    }
    desk.config.write_text(json.dumps(document))
    return desk


@pytest.fixture
def light_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without the five megabytes of plotly.js."""
    monkeypatch.setattr(_run, "plotly_script", lambda: "plotly();")


@pytest.fixture
def desk(tmp_path: Path, light_page: None) -> ScanDesk:
    """With one true spread."""
    return new_desk(tmp_path, world())


@pytest.fixture
def barren(tmp_path: Path, light_page: None) -> ScanDesk:
    """With nothing to find."""
    return new_desk(tmp_path, world(spreads=0, others=5))


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScanDesk, Result]:
    """A finished scan, to be looked at only: the folder and what was printed."""
    desk = new_desk(tmp_path_factory.mktemp("done"), world())
    return desk, desk.scan("--seed", "3")


@pytest.fixture
def no_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plotly as if it were not installed."""
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    monkeypatch.setitem(sys.modules, "plotly", None)
