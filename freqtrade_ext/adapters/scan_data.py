"""Histories of many markets from Freqtrade's data files; a bad file is a refusal, never the end."""

import difflib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from freqtrade.data.history.datahandlers.idatahandler import IDataHandler, get_datahandlerclass
from freqtrade.enums import CandleType, TradingMode
from freqtrade.exceptions import OperationalException
from pyarrow import feather, parquet

from freqtrade_ext.adapters.market_data import BotConfiguration, _timerange
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import MarketHistory, MarketRefusal, RefusalReason

__all__ = [
    "ScanData",
    "Stretch",
    "all_markets",
    "blacklisted",
    "load_histories",
    "moments",
    "named_markets",
    "whitelisted",
]

_COLUMNS: Final = ("date", "close", "volume")
_EXPLICIT: Final = re.compile(r"[^\s/:*+?|^$\\()\[\]{}]+/[^\s/*+?|^$\\()\[\]{}]+")  # no pattern
_ARROW: Final = {"feather": feather.read_table, "parquet": parquet.read_table}
# What reading a file that is not what its name says can raise, ArrowException included.
_UNREADABLE: Final = (OSError, EOFError, ValueError, TypeError, KeyError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    Which candles of each market are kept in memory.

    Parameters
    ----------
    candle_ms : int
        Length of a candle.
    candles : int
        How many up to the end, or before `start_ms` where that is given.
    start_ms, end_ms : int, optional
        Candles that open before `start_ms` are needed only to carry a close forward; candles that
        open at or after `end_ms` are not read.
    """

    candle_ms: int
    candles: int
    start_ms: int | None = None
    end_ms: int | None = None

    def first_ms(self, last_ms: int) -> int:
        """First candle to keep of a market whose last one opens at `last_ms`."""
        begin = last_ms + self.candle_ms if self.start_ms is None else self.start_ms
        return begin - self.candles * self.candle_ms


@dataclass(frozen=True, slots=True)
class ScanData:
    """What the files hold, and the markets whose file could not be used."""

    histories: tuple[MarketHistory, ...]
    refusals: tuple[MarketRefusal, ...]


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, reason: RefusalReason, value: str, right: str) -> None:
        super().__init__(value)
        self.reason, self.value, self.right = reason, value, right


def moments(timerange: str | None) -> tuple[int | None, int | None]:
    """
    Read Freqtrade's notation of a time range as milliseconds since 1970.

    Returns
    -------
    tuple of (int or None, int or None)
        Start and end; None where the range is open.

    Raises
    ------
    ConfigError
        If it is none, or ends before it starts.
    """
    parsed = _timerange(timerange)
    if parsed is None:
        return None, None
    start = parsed.startts * 1000 if parsed.starttype == "date" else None
    end = parsed.stopts * 1000 if parsed.stoptype == "date" else None
    if start is not None and end is not None and start >= end:
        raise ConfigError(f"--timerange: {timerange} holds nothing; should end after its start")
    return start, end


def all_markets(configuration: BotConfiguration) -> tuple[str, ...]:
    """
    Every market with a candle file of the configured timeframe, in alphabetical order.

    Raises
    ------
    ConfigError
        If there is none; the message says what there is instead.
    """
    found = sorted(
        market
        for market, timeframe, kind in _available(configuration, _mode(configuration))
        if timeframe == configuration.timeframe and kind == _candle_type(configuration)
    )
    if found:
        return tuple(dict.fromkeys(found))
    mode = configuration.raw.get("trading_mode", "spot")
    raise ConfigError(
        f"{configuration.data}: no {configuration.timeframe} candles of {mode} markets "
        f"({_what_there_is(configuration)}); choose another --timeframe, --datadir or "
        "trading_mode, or get them with: freqtrade download-data "
        f"-c config.json --timeframes {configuration.timeframe}"
    )


def whitelisted(configuration: BotConfiguration, available: Sequence[str]) -> tuple[str, ...]:
    """
    Markets of the configuration's whitelist; all that are `available` if it is empty.

    An entry that is a name stays in even without a file, so that its absence is heard; one that is
    a pattern stands for the available markets that it matches.

    Raises
    ------
    ConfigError
        If a pattern is none, or nothing matches.
    """
    if not configuration.markets:
        return tuple(available)
    found = list(_matching(configuration.markets, available, "exchange.pair_whitelist"))
    if not found:
        raise ConfigError(
            f"exchange.pair_whitelist: {', '.join(configuration.markets[:5])} match none of the "
            f"{len(available)} markets in {configuration.data}"
        )
    return tuple(dict.fromkeys(found))


def blacklisted(configuration: BotConfiguration, markets: Sequence[str]) -> dict[str, str]:
    """Markets that the configuration's blacklist matches, and that as the reason."""
    patterns = configuration.raw["exchange"].get("pair_blacklist") or ()
    found = _matching(patterns, markets, "exchange.pair_blacklist")
    return dict.fromkeys((each for each in found if each in markets), "on the blacklist")


def named_markets(
    names: Sequence[str], configuration: BotConfiguration, available: Sequence[str]
) -> tuple[str, ...]:
    """
    Check names that a person typed.

    Raises
    ------
    ConfigError
        With a line for each that has no candle file, and the nearest that has one.
    """
    lines = []
    for name in names:
        if name in available:
            continue
        near = difflib.get_close_matches(name, available, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"there are {len(available)}, e.g. " + (", ".join(available[:3]))
        )
        lines.append(
            f"--markets: {name!r} has no {configuration.timeframe} candles in "
            f"{configuration.data}; {hint}"
        )
    if lines:
        raise ConfigError("\n".join(lines))
    return tuple(dict.fromkeys(names))


def load_histories(
    configuration: BotConfiguration,
    markets: Sequence[str],
    stretch: Stretch,
    *,
    heard: Callable[[int, int], None] | None = None,
) -> ScanData:
    """
    Read the candle files of many markets.

    Parameters
    ----------
    configuration : BotConfiguration
        Where the files are, their format, and of which kind of market.
    markets : sequence of str
        Names as Freqtrade writes them.
    stretch : Stretch
        What is kept in memory.
    heard : callable, optional
        Called with (done, total) after each file.

    Returns
    -------
    ScanData
        One history or one refusal for each market, in the order given. Turnover is volume times
        close, because Freqtrade keeps volumes in base currency.
    """
    histories: list[MarketHistory] = []
    refusals: list[MarketRefusal] = []
    for done, market in enumerate(markets, start=1):
        try:
            histories.append(_history(configuration, market, stretch))
        except _Refused as refused:
            refusals.append(MarketRefusal(market, refused.reason, refused.value, refused.right))
        if heard is not None:
            heard(done, len(markets))
    return ScanData(tuple(histories), tuple(refusals))


def _history(configuration: BotConfiguration, market: str, stretch: Stretch) -> MarketHistory:
    path = _file(configuration, market)
    if not path.exists():
        raise _Refused(
            RefusalReason.NO_DATA,
            f"{path.name} does not exist",
            f"get it with: freqtrade download-data --timeframes {configuration.timeframe} "
            f"--pairs {market}",
        )
    table = _table(configuration, market, path)
    time_ms = _times(table, path)
    if time_ms.size == 0:
        raise _Refused(RefusalReason.NO_DATA, f"{path.name} has no rows", "should have candles")
    close, volume = (_numbers(table, name, path) for name in ("close", "volume"))
    listed_ms = int(time_ms.min())
    keep = np.ones(time_ms.size, dtype=bool)
    if stretch.end_ms is not None:
        keep &= time_ms < stretch.end_ms
    if not keep.any():
        raise _Refused(
            RefusalReason.NO_DATA,
            f"{path.name} begins {_moment(listed_ms)}",
            f"should begin before {_moment(stretch.end_ms or 0)}",
        )
    keep &= time_ms >= stretch.first_ms(int(time_ms[keep].max()))
    close, volume = close[keep], volume[keep]
    return MarketHistory(market, time_ms[keep], close, volume * close, listed_ms)


def _table(configuration: BotConfiguration, market: str, path: Path) -> pa.Table:
    try:
        reader = _ARROW.get(_format(configuration))
        if reader is not None:
            return reader(path, columns=list(_COLUMNS), use_threads=False)
        return pa.Table.from_pandas(_frame(configuration, market), preserve_index=False)
    except _UNREADABLE as error:
        text = " ".join(str(error).split())
        raise _Refused(
            RefusalReason.MALFORMED,
            f"{path.name} cannot be read ({text[:120] or type(error).__name__})",
            f"should be a {_format(configuration)} file with the columns {', '.join(_COLUMNS)}; "
            "remove it and download it again",
        ) from error


def _frame(configuration: BotConfiguration, market: str) -> pd.DataFrame:
    """Read by Freqtrade itself; its public reader would fill gaps and drop repeats silently."""
    handler = _handler(configuration)(configuration.data)
    logging.disable(logging.ERROR)  # what it says of a bad file is said by the refusal
    try:
        return handler._ohlcv_load(
            market, configuration.timeframe, None, _candle_type(configuration)
        )
    finally:
        logging.disable(logging.NOTSET)


def _times(table: pa.Table, path: Path) -> npt.NDArray[np.int64]:
    column = table.column("date")
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise _Refused(
            RefusalReason.MALFORMED,
            f"{path.name}: the column date holds {column.type}",
            "should be times with their time zone, as Freqtrade writes them",
        )
    if column.null_count:
        raise _Refused(
            RefusalReason.MALFORMED,
            f"{path.name}: {column.null_count} of {len(column)} dates are missing",
            "should be there in every row",
        )
    return column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64()).to_numpy()


def _numbers(table: pa.Table, name: str, path: Path) -> npt.NDArray[np.float64]:
    column = table.column(name)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise _Refused(
            RefusalReason.MALFORMED,
            f"{path.name}: the column {name} holds {column.type}",
            "should be numbers",
        )
    return column.cast(pa.float64()).to_numpy()


def _matching(patterns: Iterable[str], markets: Sequence[str], key: str) -> Iterator[str]:
    """Markets that entries of a list match, as in Freqtrade; names without a match as they are."""
    for entry in patterns:
        try:
            pattern = re.compile(entry, re.IGNORECASE)
        except re.error as error:
            raise ConfigError(f"{key}: {entry!r} is no pattern ({error})") from error
        found = [market for market in markets if pattern.fullmatch(market)]
        if not found and _EXPLICIT.fullmatch(entry):
            yield entry
        yield from found


def _available(
    configuration: BotConfiguration, mode: TradingMode
) -> list[tuple[str, str, CandleType]]:
    return _handler(configuration).ohlcv_get_available_data(configuration.data, mode)


def _what_there_is(configuration: BotConfiguration) -> str:
    """Timeframes and kinds of the files that are there, for a message."""
    counts: dict[str, int] = {}
    for mode, wanted in (
        (TradingMode.SPOT, CandleType.SPOT),
        (TradingMode.FUTURES, CandleType.FUTURES),
    ):
        for _, timeframe, kind in _available(configuration, mode):
            if kind == wanted:
                counts[f"{timeframe} {mode}"] = counts.get(f"{timeframe} {mode}", 0) + 1
    found = ", ".join(f"{number} of {name}" for name, number in sorted(counts.items()))
    return f"there are {found}" if found else f"no {_format(configuration)} candle file at all"


def _file(configuration: BotConfiguration, market: str) -> Path:
    return _handler(configuration)._pair_data_filename(
        configuration.data, market, configuration.timeframe, _candle_type(configuration)
    )


def _handler(configuration: BotConfiguration) -> type[IDataHandler]:
    try:
        return get_datahandlerclass(_format(configuration))
    except (OperationalException, ValueError) as error:
        raise ConfigError(f"dataformat_ohlcv: {error}") from error


def _format(configuration: BotConfiguration) -> str:
    return str(configuration.raw.get("dataformat_ohlcv") or "feather")


def _mode(configuration: BotConfiguration) -> TradingMode:
    return TradingMode(configuration.raw.get("trading_mode") or "spot")


def _candle_type(configuration: BotConfiguration) -> CandleType:
    return CandleType.get_default(_mode(configuration))


def _moment(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"
