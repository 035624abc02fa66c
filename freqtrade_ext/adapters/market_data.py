"""Candles and configuration as Freqtrade itself reads them, for our own commands."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freqtrade.configuration import Configuration, TimeRange
from freqtrade.data.btanalysis import load_backtest_stats
from freqtrade.data.history import load_pair_history
from freqtrade.enums import CandleType, RunMode
from freqtrade.exceptions import OperationalException

from freqtrade_ext.adapters._candles import leg_candles
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.spreads import LegCandles

__all__ = ["BotConfiguration", "last_backtest", "load_bot_configuration", "load_leg_candles"]


@dataclass(frozen=True, slots=True)
class BotConfiguration:
    """The parts of a Freqtrade configuration that our commands need."""

    raw: dict[str, Any]
    user_data: Path
    data: Path
    timeframe: str
    markets: tuple[str, ...]


def load_bot_configuration(
    files: list[str], *, datadir: str | None = None, timeframe: str | None = None
) -> BotConfiguration:
    """
    Read Freqtrade configuration files, later ones overriding earlier ones.

    Raises
    ------
    ConfigError
        With Freqtrade's own message if a file is missing or wrong.
    """
    arguments: dict[str, Any] = {"config": files}
    if datadir:
        arguments["datadir"] = datadir
    logging.disable(logging.INFO)  # Freqtrade tells at length what it reads
    try:
        raw = Configuration(arguments, RunMode.UTIL_NO_EXCHANGE).get_config()
    except OperationalException as error:
        raise ConfigError(str(error)) from error
    finally:
        logging.disable(logging.NOTSET)
    return BotConfiguration(
        raw=raw,
        user_data=Path(raw["user_data_dir"]),
        data=Path(raw["datadir"]),
        timeframe=timeframe or raw.get("timeframe", "1h"),
        markets=tuple(raw["exchange"].get("pair_whitelist", ())),
    )


def load_leg_candles(
    configuration: BotConfiguration, market: str, *, timerange: str | None = None
) -> LegCandles:
    """
    Load the downloaded candles of one market.

    Raises
    ------
    ConfigError
        If there are none; the message says how to get them.
    """
    frame = load_pair_history(
        pair=market,
        timeframe=configuration.timeframe,
        datadir=configuration.data,
        timerange=_timerange(timerange),
        data_format=configuration.raw.get("dataformat_ohlcv", "feather"),
        candle_type=CandleType.get_default(configuration.raw.get("trading_mode", "futures")),
    )
    if frame.empty:
        raise ConfigError(
            f"{configuration.data}: no {configuration.timeframe} candles of {market}"
            + (f" in {timerange}" if timerange else "")
            + "; get them with: freqtrade download-data -c config.json "
            + f"--timeframes {configuration.timeframe}"
        )
    return leg_candles(frame)


def _timerange(text: str | None) -> TimeRange | None:
    try:
        return TimeRange.parse_timerange(text) if text else None
    except OperationalException as error:
        raise ConfigError(f"--timerange: {error}; should be e.g. 20240101-20240601") from error


def last_backtest(folder: Path) -> dict[str, Any]:
    """Read the newest backtest result of a folder: the statistics of its only strategy."""
    (result,) = load_backtest_stats(folder)["strategy"].values()
    return dict(result)
