"""Gather what a scan needs: settings, markets, candles, the present book, places to write to."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freqtrade_ext.cli.scan._progress import Heard
from freqtrade_ext.cli.scan._request import ScanRequest
from freqtrade_ext.cli.scan._settings import scan_settings
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import MarketHistory, MarketRefusal, ScanSettings, timeframe_ms
from freqtrade_ext.settings import load_settings
from freqtrade_ext.spreads import SpreadBook, load_book

if TYPE_CHECKING:
    from freqtrade_ext.adapters.market_data import BotConfiguration
    from freqtrade_ext.adapters.scan_data import ScanData

__all__ = ["Places", "ScanInputs", "gather"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where results go."""

    book: Path
    reports: Path


@dataclass(frozen=True, slots=True)
class ScanInputs:
    """
    Everything that a scan looks at.

    Parameters
    ----------
    settings : ScanSettings
        Of the configuration, with the options of the command line.
    timeframe, data_source : str
        Of the candles; where they come from, for people.
    histories, refusals : tuple
        Markets whose file could be read, and the others.
    excluded : dict of str to str
        Markets that must not take part, and why.
    end_ms : int
        Only candles that have closed by then are looked at.
    present : SpreadBook or None
        The book that the result would replace.
    tradable : tuple of str
        The whitelist: what a bot with this configuration may trade. Empty if it is dynamic.
    places : Places
        Where results go.
    """

    settings: ScanSettings
    timeframe: str
    data_source: str
    histories: tuple[MarketHistory, ...]
    refusals: tuple[MarketRefusal, ...]
    excluded: dict[str, str]
    end_ms: int
    present: SpreadBook | None
    tradable: tuple[str, ...]
    places: Places


def gather(request: ScanRequest, *, now_ms: int, heard: Heard) -> ScanInputs:
    """
    Read configuration, book and candles.

    Raises
    ------
    ConfigError
        If an option, a setting or the present book is wrong; nothing has been written.
    """
    from freqtrade_ext.adapters import scan_data
    from freqtrade_ext.adapters.market_data import load_bot_configuration

    if request.datadir is not None and not Path(request.datadir).is_dir():
        raise ConfigError(f"--datadir: {request.datadir} is no folder")  # Freqtrade would make it
    configuration = load_bot_configuration(
        list(request.configs), datadir=request.datadir, timeframe=request.timeframe
    )
    source = ", ".join(request.configs)
    section = configuration.raw.get("ext")
    spreads = load_settings(section, source=source).spreads
    settings = scan_settings(section, request, source)
    places = Places(
        request.book or configuration.user_data / spreads.book,
        request.report_dir or configuration.user_data / "scan_reports",
    )
    _refuse_unwritable(places)
    present = load_book(places.book) if places.book.exists() else None
    candles = _candles(configuration, request, settings, now_ms, heard)
    return ScanInputs(
        settings=candles.settings,
        timeframe=configuration.timeframe,
        data_source=f"{configuration.raw['exchange']['name']} "
        f"{configuration.raw.get('trading_mode', 'spot')}, {configuration.data}",
        histories=candles.data.histories,
        refusals=candles.data.refusals,
        excluded=scan_data.blacklisted(configuration, candles.markets),
        end_ms=candles.end_ms,
        present=present,
        tradable=configuration.markets,
        places=places,
    )


@dataclass(frozen=True, slots=True)
class _Candles:
    """What the files hold, up to when it is looked at, and the settings with that window."""

    markets: tuple[str, ...]
    data: "ScanData"
    end_ms: int
    settings: ScanSettings


def _candles(
    configuration: "BotConfiguration",
    request: ScanRequest,
    settings: ScanSettings,
    now_ms: int,
    heard: Heard,
) -> _Candles:
    from freqtrade_ext.adapters import scan_data

    candle_ms = timeframe_ms(configuration.timeframe)
    start_ms, stop_ms = scan_data.moments(request.timerange)
    end_ms = now_ms if stop_ms is None else min(stop_ms, now_ms)
    available = scan_data.all_markets(configuration)
    markets = _markets(request, configuration, available)
    window = 0 if start_ms is not None else settings.universe.window
    reach = settings.universe.max_carry_candles + window
    data = scan_data.load_histories(
        configuration,
        markets,
        scan_data.Stretch(candle_ms, reach, start_ms, end_ms),
        heard=lambda done, total: heard("reading candles", done, total),
    )
    if start_ms is not None and data.histories:
        end_ms = min(end_ms, _latest(data.histories) + candle_ms)
        settings = _window_from(settings, start_ms, end_ms, candle_ms, request.timerange)
    return _Candles(markets, data, end_ms, settings)


def _markets(
    request: ScanRequest, configuration: "BotConfiguration", available: tuple[str, ...]
) -> tuple[str, ...]:
    from freqtrade_ext.adapters import scan_data

    if not request.markets:
        return scan_data.whitelisted(configuration, available)
    if request.markets == ("all",):
        return available
    typed: list[str] = []
    listed: list[str] = []
    for entry in request.markets:
        path = Path(entry)
        if path.is_file():
            listed += _names_in(path)
        else:
            typed += [name for each in entry.split(",") if (name := each.strip())]
    for name in typed:
        if "/" not in name:
            raise ConfigError(
                f"--markets: {name!r} is neither a file nor a market; should be e.g. {available[0]}"
            )
    found = (*scan_data.named_markets(typed, configuration, available), *listed)
    if not found:
        raise ConfigError(f"--markets: {', '.join(request.markets)} names no market")
    return tuple(dict.fromkeys(found))


def _names_in(path: Path) -> list[str]:
    """Names of a JSON list, or one or more a line, with comments after ``#``."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("["):
            names = json.loads(text)
        else:
            lines = (line.partition("#")[0] for line in text.splitlines())
            names = [word for line in lines for word in line.replace(",", " ").split()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"--markets: {path} cannot be read: {error}") from error
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"--markets: {path}: should be a list of names, e.g. BTC/USDT:USDT")
    return list(names)


def _latest(histories: tuple[MarketHistory, ...]) -> int:
    """The latest candle that two files reach: one wrong date must not stretch the window."""
    ends = sorted(int(each.time_ms.max()) for each in histories)
    return ends[-2] if len(ends) > 1 else ends[-1]


def _window_from(
    settings: ScanSettings, start_ms: int, end_ms: int, candle_ms: int, timerange: str | None
) -> ScanSettings:
    """Settings with the window that the time range asks for."""
    window = max(0, end_ms // candle_ms - -(-start_ms // candle_ms))
    least = settings.universe.min_candles
    if window < least:
        raise ConfigError(
            f"--timerange: {timerange} holds {window} candles up to the end of the data; "
            f"should be at least {least} (ext.scan.universe.min_candles)"
        )
    universe = settings.universe.model_copy(update={"window": window})
    return settings.model_copy(update={"universe": universe})


def _refuse_unwritable(places: Places) -> None:
    """Find out before the work that its result could not be saved; nothing is made for that."""
    for option, folder in (("--report-dir", places.reports), ("--book", places.book.parent)):
        nearest = folder.absolute()
        while not nearest.exists():
            nearest = nearest.parent
        if not nearest.is_dir():
            raise ConfigError(f"{option}: {folder}: {nearest} is no folder")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise ConfigError(f"{option}: {folder}: {nearest} cannot be written to")
    if places.book.is_dir():
        raise ConfigError(f"--book: {places.book} is a folder; should be a file")
