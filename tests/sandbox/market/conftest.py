"""Small data folders, bars and tapes for the tests of the simulated markets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.sandbox.market._bars import Bars
from freqtrade_ext.sandbox.market._tape import Tape

HOUR = 3_600_000
START_MS = 1_704_067_200_000  # 2024-01-01T00:00Z


def make_frame(count: int, *, seed: int = 1, step_ms: int = HOUR, start_ms: int = START_MS):
    """Candles with two decimals in prices and three in volumes; opens differ from closes."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    open_ = np.roll(close, 1) * np.exp(rng.normal(0, 0.001, count))
    open_[0] = 100.0
    high = np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.004, count)))
    low = np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.004, count)))
    prices = {"open": open_, "high": high, "low": low, "close": close}
    frame = pd.DataFrame({name: values.round(2) for name, values in prices.items()})
    frame["volume"] = rng.lognormal(4, 1, count).round(3)
    frame.insert(0, "date", dates(start_ms + step_ms * np.arange(count)))
    return frame


def dates(times_ms) -> pd.DatetimeIndex:
    """Times as Freqtrade stores them."""
    return pd.to_datetime(np.asarray(times_ms, dtype=np.int64), unit="ms", utc=True).as_unit("ms")


def funding_frame(times_ms, rates) -> pd.DataFrame:
    """A funding file: the rate in `open`, zeros elsewhere."""
    zeros = np.zeros(len(rates))
    columns = {"high": zeros, "low": zeros, "close": zeros, "volume": zeros}
    return pd.DataFrame({"date": dates(times_ms), "open": rates, **columns})


def make_bars(count: int, *, seed: int = 1, base_ms: int = 60_000, start_ms: int = START_MS):
    """Bars in ticks around 10 000, some with no range and no volume."""
    rng = np.random.default_rng(seed)
    close = 10_000 + np.cumsum(rng.integers(-40, 41, count))
    open_ = np.concatenate([[10_000], close[:-1] + rng.integers(-3, 4, count - 1)])
    high = np.maximum(open_, close) + rng.integers(0, 30, count)
    low = np.minimum(open_, close) - rng.integers(0, 30, count)
    volume = rng.integers(0, 5_000, count)
    flat = rng.random(count) < 0.1
    for column in (open_, high, low):
        column[flat] = close[flat]
    volume[flat] = 0
    open_ms = start_ms + base_ms * np.arange(count)
    return Bars(open_ms, open_, high, low, close, volume, volume // 3)


@pytest.fixture(scope="session")
def frame_of() -> Callable[..., pd.DataFrame]:
    """Make candles as a frame."""
    return make_frame


@pytest.fixture(scope="session")
def bars_of() -> Callable[..., Bars]:
    """Make bars in ticks."""
    return make_bars


@pytest.fixture(scope="session")
def tape_of() -> Callable[..., Tape]:
    """Make a tape; `drop` names bars that are missing."""

    def make(count: int, *, seed: int = 1, base_ms: int = 60_000, drop=(), key: int = 5) -> Tape:
        bars = make_bars(count, seed=seed, base_ms=base_ms)
        kept = np.setdiff1d(np.arange(count), drop)
        names = ("open_ms", "open", "high", "low", "close", "volume", "buy_volume")
        bars = Bars(*(getattr(bars, name)[kept] for name in names))
        return Tape(bars, base_ms=base_ms, key=key, origin_ms=START_MS)

    return make


class Folder:
    """A Freqtrade data folder under construction."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def spot(self, name: str, frame: pd.DataFrame) -> Path:
        """Write ``name.feather`` into the folder, e.g. BTC_USDT-1h."""
        self.path.mkdir(parents=True, exist_ok=True)
        target = self.path / f"{name}.feather"
        frame.to_feather(target)
        return target

    def futures(self, name: str, frame: pd.DataFrame) -> Path:
        """Write ``futures/name.feather``, e.g. BTC_USDT_USDT-1h-futures."""
        return Folder(self.path / "futures").spot(name, frame)

    @staticmethod
    def funding(times_ms, rates) -> pd.DataFrame:
        """A funding file's frame."""
        return funding_frame(times_ms, rates)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty data folder."""
    return Folder(tmp_path / "data")


@pytest.fixture
def new_folder(tmp_path: Path) -> Callable[[str], Folder]:
    """Make further data folders."""
    return lambda name: Folder(tmp_path / name)
