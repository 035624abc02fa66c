"""Freqtrade's candle files: finding them, reading them, refusing what cannot be replayed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.market._bars import Ints

__all__ = ["CandleFile", "Columns", "find", "read", "read_opens", "timeframe_ms"]

_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PRICES: Final = ("open", "high", "low", "close")
_JITTER_MS: Final = 30_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CandleFile:
    """A market's candles, and where its mark prices and funding rates are, if anywhere."""

    base: str
    quote: str
    candles: Path
    mark: Path | None = None
    funding: Path | None = None

    @property
    def symbol(self) -> str:
        """The exchange's name of the contract."""
        return f"{self.base}{self.quote}"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a candle file, shape (nobs,); times in ms, prices in quote currency."""

    open_ms: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  # base units


def timeframe_ms(timeframe: str) -> int:
    """Length of a timeframe such as ``5m`` in milliseconds; ConfigError on any other text."""
    match = re.fullmatch(r"([1-9]\d*)([mhdw])", timeframe)
    if match is None:
        raise ConfigError(f"timeframe {timeframe!r} is none: want a number and m, h, d or w (5m)")
    return int(match[1]) * _UNITS_MS[match[2]]


def find(datadir: Path, timeframe: str, symbols: Sequence[str] | None) -> list[CandleFile]:
    """
    Find the markets of a Freqtrade data folder.

    Futures in ``datadir/futures`` come before spot files of the same symbol in `datadir`.

    Raises
    ------
    ConfigError
        If the folder is missing, holds no candles of the timeframe, or lacks one of `symbols`.
    """
    if not datadir.is_dir():
        raise ConfigError(
            f"{datadir} is not a folder: want a Freqtrade data folder such as "
            "user_data/data/binance"
        )
    found: dict[str, CandleFile] = {}
    spot = re.compile(rf"([^_]+)_([^_]+)-{timeframe}\.feather")
    futures = re.compile(rf"([^_]+)_([^_]+)_[^_]+-{timeframe}-futures\.feather")
    for folder, pattern in ((datadir, spot), (datadir / "futures", futures)):
        for path in sorted(folder.glob("*.feather")):
            match = pattern.fullmatch(path.name)
            if match is not None:
                file = _with_companions(match[1], match[2], path, timeframe)
                found[file.symbol] = file
    if not found:
        raise ConfigError(
            f"no {timeframe} candles in {datadir}: want futures/BTC_USDT_USDT-{timeframe}-"
            f"futures.feather or BTC_USDT-{timeframe}.feather{_other_timeframes(datadir)}"
        )
    wanted = list(symbols) if symbols is not None else sorted(found)
    missing = [symbol for symbol in wanted if symbol not in found]
    if missing or not wanted:
        raise ConfigError(
            f"no {timeframe} candles of {', '.join(missing) or 'no symbol at all'} in {datadir}: "
            f"there are {', '.join(sorted(found))}"
        )
    return [found[symbol] for symbol in dict.fromkeys(wanted)]


def _with_companions(base: str, quote: str, path: Path, timeframe: str) -> CandleFile:
    def companion(kind: str) -> Path | None:
        """Prefer the candles' timeframe, then the hour that Freqtrade downloads."""
        stem = path.name.split("-")[0]
        paths = {
            other.name: other for other in sorted(path.parent.glob(f"{stem}-*-{kind}.feather"))
        }
        for wanted in (timeframe, "1h"):
            if f"{stem}-{wanted}-{kind}.feather" in paths:
                return paths[f"{stem}-{wanted}-{kind}.feather"]
        return next(iter(paths.values()), None)

    return CandleFile(base, quote, path, companion("mark"), companion("funding_rate"))


def _other_timeframes(datadir: Path) -> str:
    names = [path.name for path in (*datadir.glob("*.feather"), *datadir.glob("futures/*.feather"))]
    matches = (re.search(r"-(\d+[mhdwM])(-futures)?\.feather$", name) for name in names)
    others = sorted({match[1] for match in matches if match is not None})
    return f"; there are candles of {', '.join(others)}" if others else ""


def read(path: Path, base_ms: int) -> Columns:
    """
    Read and check a candle file.

    Raises
    ------
    ConfigError
        If the file cannot be read or lacks a column, if dates are no UTC times, unsorted,
        duplicate or off the timeframe's grid, if a price is not finite and positive or outside
        its bar's low and high, or if a volume is not finite or negative.
    """
    frame, times = _frame(path, [*_PRICES, "volume"])
    _check_order(path, times)
    _refuse(path, times % base_ms != 0, times, "a date off the timeframe's grid")
    columns = Columns(times, *(_column(path, frame, name) for name in (*_PRICES, "volume")))
    for name in _PRICES:
        values = getattr(columns, name)
        bad = ~(np.isfinite(values) & (values > 0))
        _refuse(path, bad, times, f"a price that is not finite and positive in column {name!r}")
    bad = ~(np.isfinite(columns.volume) & (columns.volume >= 0))
    _refuse(path, bad, times, "a volume that is not finite or is negative")
    top = np.maximum(columns.open, columns.close)
    bottom = np.minimum(columns.open, columns.close)
    _refuse(path, (columns.high < top) | (columns.low > bottom), times, "a high below or a low "
            "above the open or close")  # fmt: skip
    return columns


def read_opens(path: Path, *, positive: bool) -> tuple[Ints, Floats]:
    """
    Read times and the column ``open`` of a mark or funding file.

    Raises
    ------
    ConfigError
        As `read`; also if two rows fall on one minute.
    """
    frame, times = _frame(path, ["open"])
    _check_order(path, times)
    values = _column(path, frame, "open")
    bad = ~np.isfinite(values) | (positive & (values <= 0))
    what = "a price that is not finite and positive" if positive else "a rate that is not finite"
    _refuse(path, bad, times, f"{what} in column 'open'")
    return times, values


def _frame(path: Path, names: list[str]) -> tuple[pd.DataFrame, Ints]:
    """
    Read a file and its times, rounded to the nearest minute.

    The exchange stamps a payment due at 08:00 some milliseconds late; no row is due between
    minutes.
    """
    try:
        frame = pd.read_feather(path)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise ConfigError(f"{path} cannot be read as a feather file: {error}") from error
    missing = [name for name in ("date", *names) if name not in frame.columns]
    if missing:
        raise ConfigError(
            f"{path} lacks column(s) {', '.join(missing)}: want date, {', '.join(names)}"
        )
    if not len(frame):
        raise ConfigError(f"{path} has no rows: download the data again or leave the market out")
    dates = frame["date"]
    if not isinstance(dates.dtype, pd.DatetimeTZDtype):
        raise ConfigError(f"{path} has dates of type {dates.dtype}: want times with a zone (UTC)")
    if dates.isna().any():
        raise ConfigError(f"{path} has {int(dates.isna().sum())} row(s) without a date")
    stamps = dates.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ms]")
    minutes = (stamps.astype(np.int64) + _JITTER_MS) // _UNITS_MS["m"]
    return frame, minutes * _UNITS_MS["m"]


def _column(path: Path, frame: pd.DataFrame, name: str) -> Floats:
    if not pd.api.types.is_numeric_dtype(frame[name]):
        raise ConfigError(
            f"{path} has a column {name!r} that is no column of numbers: {frame[name].dtype}"
        )
    return frame[name].to_numpy(dtype=np.float64)


def _check_order(path: Path, times: Ints) -> None:
    steps = np.diff(times, prepend=times[0] - 1)
    _refuse(path, steps == 0, times, "a duplicate date")
    _refuse(path, steps < 0, times, "a date earlier than the one before (want oldest first)")


def _refuse(path: Path, bad: NDArray[np.bool_], times: Ints, what: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        when = pd.Timestamp(int(times[first]), unit="ms", tz="UTC").isoformat()
        raise ConfigError(f"{path} has {what}: {int(bad.sum())} row(s), first row {first} ({when})")
