"""Checks of an installation before it trades: versions, configuration, data, account, database.

They only read. A check that cannot run says why; none is left out.
"""

import json
import logging
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from freqtrade.configuration import Configuration, running_in_docker, validate_config_consistency
from freqtrade.configuration.load_config import load_from_files
from freqtrade.data.history import load_pair_history
from freqtrade.enums import CandleType
from freqtrade.exceptions import OperationalException
from freqtrade.resolvers import StrategyResolver
from pydantic import BaseModel
from sqlalchemy import URL, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from freqtrade_ext.adapters._check_result import Check, CheckStatus
from freqtrade_ext.adapters._exchange_checks import exchange_checks, guard_check
from freqtrade_ext.adapters._lease import DATABASE, account_of, is_alive, this_process
from freqtrade_ext.adapters._log_format import SecretRedactor, secret_keys
from freqtrade_ext.adapters._scored_checks import (
    SPREAD_CHECKS,
    loaded_scored_strategy,
    scored_checks,
    trades_spreads,
)
from freqtrade_ext.adapters.execution_store import InboxTable, LeaseTable
from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.execution import LeaseState, may_take
from freqtrade_ext.risk import RiskSettings
from freqtrade_ext.scanner import ScanSection
from freqtrade_ext.settings import ExtSettings, load_part, load_settings
from freqtrade_ext.signals import SignalSettings
from freqtrade_ext.spreads import SpreadBook, load_book

__all__ = ["Check", "CheckStatus", "open_database", "run_checks"]

_FREQTRADE: Final = re.compile(r"2026\.9(\D|$)")
_FREE_FAIL: Final = 200_000_000
_FREE_WARN: Final = 1_000_000_000
_OLD: Final = timedelta(days=3)
_PARTS: Final[dict[str, type[BaseModel]]] = {
    "scan": ScanSection,
    "signals": SignalSettings,
    "risk": RiskSettings,
}
_DATABASE_CHECKS: Final = ("mode of the database", "lease", "inbox")


def run_checks(
    files: list[str], *, now: datetime, clock_ms: Callable[[], float]
) -> Iterator[Check]:
    """
    Check an installation.

    Parameters
    ----------
    files : list of str
        Freqtrade configuration files, later ones overriding earlier ones.
    now : datetime
        Time, for the age of data.
    clock_ms : callable
        This machine's time in ms since 1970, for the comparison with the exchange's.

    Yields
    ------
    Check
        In the order of the table; no text has a secret in it.

    Raises
    ------
    ConfigError
        If the configuration cannot be read at all.
    """
    with _silence():
        config = _read(files)
        redact = SecretRedactor(config)
        for check in _all(files, config, now, clock_ms):
            yield replace(check, text=redact(check.text), advice=redact(check.advice))


@contextmanager
def open_database(files: list[str]) -> Iterator[Engine]:
    """
    Open the database of a bot that has run.

    Raises
    ------
    ConfigError
        If the configuration cannot be read, or there is no such database.
    """
    with _silence():
        config = _read(files)
    url = make_url(config["db_url"])
    missing = _no_database(url)
    if missing:
        raise ConfigError(f"{url.render_as_string(hide_password=True)}: {missing}")
    engine = create_engine(url)
    try:
        with engine.connect():
            pass
        yield engine
    except SQLAlchemyError as error:
        place = url.render_as_string(hide_password=True)
        raise ConfigError(f"{place} cannot be read: {_line(error)}") from error
    finally:
        engine.dispose()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep Freqtrade's account of what it reads out of the table."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _read(files: list[str]) -> dict[str, Any]:
    try:
        return Configuration({"config": files}).get_config()
    except (OperationalException, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{', '.join(files)}: {error}") from error


def _all(
    files: list[str], config: dict[str, Any], now: datetime, clock_ms: Callable[[], float]
) -> Iterator[Check]:
    yield from _versions()
    yield from _configuration(files, config)
    settings = _settings(config) or ExtSettings()
    scored = loaded_scored_strategy(config)
    if scored is None:
        yield from (_slots(config), _margin(config))
    else:
        yield from scored_checks(config, scored)
    listed = list(config["exchange"].get("pair_whitelist") or []) if scored else []
    if trades_spreads(scored):
        book = _book(config, settings)
        yield book.check
        yield from _data(config, book.contents, now)
        markets = sorted({*_legs(book.contents), *listed})
    else:
        reason = f"{scored.get_strategy_name()} trades single markets" if scored else ""
        yield from (Check.skip(name, reason) for name in SPREAD_CHECKS)
        markets = listed
    yield from _folder(Path(config["user_data_dir"]))
    yield _recovery_report(Path(config["user_data_dir"]))
    yield from _database(config, round(now.timestamp() * 1000))
    yield guard_check(config, is_wanted=settings.execution.guard)
    yield from exchange_checks(config, markets, clock_ms)


# Versions


def _versions() -> Iterator[Check]:
    yield Check.ok("python", f"{platform.python_version()} on {platform.system()}")
    found = version("freqtrade")
    if _FREQTRADE.match(found):
        yield Check.ok("freqtrade", f"{found}, with ccxt {version('ccxt')}")
    else:
        yield Check.fail(
            "freqtrade",
            f"{found}: this package is made for 2026.9",
            'pip install "freqtrade>=2026.9,<2026.10"',
        )


# Configuration


def _configuration(files: list[str], config: dict[str, Any]) -> Iterator[Check]:
    strategy = _strategy(config)  # first: a strategy sets what the file leaves open
    yield strategy
    if strategy.status is CheckStatus.OK:
        yield _freqtrade_agrees(config)
    else:
        yield Check.skip("configuration", "Freqtrade judges it together with the strategy")
    yield _section(config, ", ".join(files))
    live = "LIVE: real orders are sent" if not config.get("dry_run") else "dry-run: no real orders"
    yield Check.ok("mode", live)
    yield _secrets(files)
    yield _api(config.get("api_server") or {})
    yield _stop(config)
    yield _database_place(config)


def _strategy(config: dict[str, Any]) -> Check:
    if not config.get("strategy"):
        return Check.fail("strategy", "none is named", 'set "strategy" in config.json')
    try:
        strategy = StrategyResolver.load_strategy(config)
    except OperationalException as error:
        advice = "correct it; this shows which strategies load: freqtrade list-strategies"
        return Check.fail("strategy", _line(error), advice)
    return Check.ok("strategy", f"{strategy.get_strategy_name()} on {config['timeframe']}")


def _freqtrade_agrees(config: dict[str, Any]) -> Check:
    try:
        validate_config_consistency(config)
    except OperationalException as error:
        return Check.fail("configuration", _line(error), "correct config.json")
    return Check.ok("configuration", "Freqtrade accepts it")


def _settings(config: Mapping[str, Any]) -> ExtSettings | None:
    try:
        return load_settings(config.get("ext"))
    except ConfigError:
        return None


def _section(config: Mapping[str, Any], source: str) -> Check:
    try:
        load_settings(config.get("ext"), source=source)
        for name, model in _PARTS.items():
            load_part(config.get("ext"), name, model, source=source)
    except ConfigError as error:
        lines = "; ".join(str(error).splitlines())
        return Check.fail("section ext", lines, "correct it; see docs/configuration.md")
    return Check.ok("section ext", "valid")


def _secrets(files: list[str]) -> Check:
    written = load_from_files(files)
    keys = secret_keys(written)
    if re.search(r"://[^/@]*:[^/@]+@", str(written.get("db_url", ""))):
        keys.append("db_url")
    if not keys:
        return Check.ok("secrets", "none in the files")
    names = ", ".join(f"FREQTRADE__{key.upper().replace('.', '__')}" for key in keys)
    return Check.warn(
        "secrets",
        f"in the configuration files: {', '.join(keys)}",
        f"empty them there and set the environment variables {names}",
    )


def _api(section: Mapping[str, Any]) -> Check:
    name = "api server"
    if not section.get("enabled"):
        return Check.ok(name, "off")
    address = str(section.get("listen_ip_address", ""))
    if not section.get("password") or not section.get("username"):
        advice = "set FREQTRADE__API_SERVER__USERNAME and FREQTRADE__API_SERVER__PASSWORD"
        return Check.fail(name, "without a user name or a password", advice)
    if _is_loopback(address):
        return Check.ok(name, f"on {address}, this machine only")
    if running_in_docker():
        return Check.ok(name, f"on {address} of the container; publish it on 127.0.0.1 only")
    advice = "set listen_ip_address to 127.0.0.1 and reach it through an SSH tunnel"
    return Check.fail(name, f"on {address}, open to the network, without encryption", advice)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _slots(config: Mapping[str, Any]) -> Check:
    settings = _settings(config)
    if settings is None:
        return Check.skip("max_open_trades", "the section ext is not valid")
    trades, spreads = config.get("max_open_trades", 0), settings.spreads.max_open_spreads
    shown = "unlimited" if trades in (-1, float("inf")) else f"{trades:g}"
    if shown == "unlimited" or (trades >= 2 * spreads and trades % 2 == 0):
        return Check.ok("max_open_trades", f"{shown}, for {spreads} spreads of two legs")
    advice = f"set max_open_trades to {2 * spreads} (two for each spread)"
    if trades < 2 * spreads:
        return Check.fail("max_open_trades", f"{shown}, too few for {spreads} spreads", advice)
    return Check.warn("max_open_trades", f"{shown} is odd: one place stays empty", advice)


def _margin(config: Mapping[str, Any]) -> Check:
    trading, margin = str(config.get("trading_mode", "spot")), str(config.get("margin_mode", ""))
    if trading != "futures":
        advice = 'set trading_mode to "futures" and margin_mode to "isolated"'
        told = f"trading_mode is {trading!r}, and one leg of a spread is sold short"
        return Check.fail("margin mode", told, advice)
    if margin != "isolated":
        advice = 'set margin_mode to "isolated": a loss then stays in its leg'
        return Check.warn("margin mode", f"{margin or 'none'} instead of isolated", advice)
    return Check.ok("margin mode", "futures, isolated")


def _stop(config: Mapping[str, Any]) -> Check:
    if (config.get("order_types") or {}).get("stoploss_on_exchange"):
        return Check.ok("stop on exchange", "on: it works while the bot is down")
    advice = "set order_types.stoploss_on_exchange to true"
    return Check.warn("stop on exchange", "off: nothing closes while the bot is down", advice)


def _database_place(config: Mapping[str, Any]) -> Check:
    url, folder = make_url(config["db_url"]), Path(config["user_data_dir"]).resolve()
    if not url.drivername.startswith("sqlite"):
        return Check.ok("database", f"{url.drivername} on {url.host}")
    name = "tradesv3.dryrun.sqlite" if config.get("dry_run") else "tradesv3.sqlite"
    advice = f'set "db_url" to "sqlite:///{folder / name}"'
    if not url.database:
        make = Check.warn if config.get("dry_run") else Check.fail
        return make("database", "in memory: gone after a restart", advice)
    place = Path(url.database).resolve()
    if place.is_relative_to(folder):
        return Check.ok("database", str(place))
    return Check.warn("database", f"{place} is outside {folder}, and of its backup", advice)


# Spread book and candles


@dataclass(frozen=True, slots=True)
class _Book:
    check: Check
    contents: SpreadBook | None


def _book(config: Mapping[str, Any], settings: ExtSettings) -> _Book:
    path = Path(config["user_data_dir"]) / settings.spreads.book
    try:
        contents = load_book(path)
    except ConfigError as error:
        lines = "; ".join(str(error).splitlines())
        advice = "freqtrade-ext book add --all; freqtrade-ext book validate"
        return _Book(Check.fail("spread book", lines, advice), None)
    if not contents.spreads:
        advice = "freqtrade-ext book add --all"
        return _Book(Check.warn("spread book", f"{path} has no spreads", advice), contents)
    return _Book(Check.ok("spread book", f"{len(contents.spreads)} spreads in {path}"), contents)


def _legs(book: SpreadBook | None) -> list[str]:
    spreads = book.spreads if book else ()
    return sorted({leg for spec in spreads for leg in (spec.leg_a, spec.leg_b)})


def _data(config: dict[str, Any], book: SpreadBook | None, now: datetime) -> Iterator[Check]:
    legs = _legs(book)
    if book is None or not legs:
        for name in ("timeframe", "whitelist", "candles"):
            yield Check.skip(name, "there is no spread book with spreads")
        return
    timeframe = config.get("timeframe")
    if timeframe == book.timeframe:
        yield Check.ok("timeframe", f"{timeframe} in the configuration and in the book")
    else:
        advice = "fit the spreads again (freqtrade-ext book add), or change timeframe"
        told = f"the bot runs on {timeframe}, the spreads were fitted on {book.timeframe}"
        yield Check.fail("timeframe", told, advice)
    yield _whitelist(config, legs)
    yield _candles(config, legs, book.timeframe, now)


def _whitelist(config: Mapping[str, Any], legs: Sequence[str]) -> Check:
    patterns = config["exchange"].get("pair_whitelist") or []
    missing = [leg for leg in legs if not any(_matches(each, leg) for each in patterns)]
    if missing:
        advice = "add them to exchange.pair_whitelist"
        return Check.fail("whitelist", f"legs that cannot be entered: {', '.join(missing)}", advice)
    return Check.ok("whitelist", f"has all {len(legs)} legs")


def _matches(pattern: str, market: str) -> bool:
    """Freqtrade reads an entry as a regular expression, and as a name if it is none."""
    try:
        return bool(re.fullmatch(pattern, market, re.IGNORECASE))
    except re.error:
        return pattern == market


def _candles(config: dict[str, Any], legs: list[str], timeframe: str, now: datetime) -> Check:
    ends = {leg: _last_candle(config, leg, timeframe) for leg in legs}
    missing = [leg for leg, end in ends.items() if end is None]
    old = [f"{leg} ({end:%Y-%m-%d})" for leg, end in ends.items() if end and now - end > _OLD]
    if not missing and not old:
        return Check.ok("candles", f"{timeframe} of all {len(legs)} legs, recent")
    told = [f"no {timeframe} candles of {', '.join(missing)}"] if missing else []
    told += [f"old: {', '.join(old)}"] if old else []
    advice = (
        "a live bot fetches its own; for fits and backtests: "
        f"freqtrade download-data -c config.json --timeframes {timeframe}"
    )
    return Check.warn("candles", "; ".join(told), advice)


def _last_candle(config: dict[str, Any], market: str, timeframe: str) -> datetime | None:
    frame = load_pair_history(
        pair=market,
        timeframe=timeframe,
        datadir=Path(config["datadir"]),
        data_format=config.get("dataformat_ohlcv", "feather"),
        candle_type=CandleType.get_default(str(config.get("trading_mode", "futures"))),
    )
    return None if frame.empty else frame["date"].iloc[-1].to_pydatetime().astimezone(UTC)


# Folder, report, database


def _folder(folder: Path) -> Iterator[Check]:
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Check.ok("user_data", f"{folder} can be written")
    except OSError as error:
        advice = f"chown -R {os.getuid()} {folder}" if hasattr(os, "getuid") else "check its rights"
        yield Check.fail("user_data", f"{folder} cannot be written: {error}", advice)
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Check.skip("disk space", str(error))
        return
    told, advice = f"{free / 1e9:.1f} GB free", "make room: old logs, data, backtest results"
    if free < _FREE_FAIL:
        yield Check.fail("disk space", f"{told}: a full disk stops the order guard", advice)
    elif free < _FREE_WARN:
        yield Check.warn("disk space", told, advice)
    else:
        yield Check.ok("disk space", told)


def _recovery_report(folder: Path) -> Check:
    path = folder / "logs" / "recovery_report.json"
    if not path.exists():
        return Check.skip("last recovery", "there was none yet (freqtrade-ext recover)")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        status, time = str(report["recovery_status"]), str(report["timestamp"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        advice = "freqtrade-ext recover writes a new one"
        return Check.warn("last recovery", f"{path} cannot be read: {error!r}", advice)
    told = f"{status} at {time}"
    if status == "SUCCESS":
        return Check.ok("last recovery", told)
    advice = f"{report.get('next_action') or 'read it'} ({path})"
    make = Check.warn if status == "ALERT" else Check.fail
    return make("last recovery", told, advice)


def _no_database(url: URL) -> str:
    """Say why there is no database to look into; empty if there is one."""
    if not url.drivername.startswith("sqlite"):
        return ""
    if not url.database:
        return "the database is in memory"
    return "" if Path(url.database).exists() else "no database yet; the first start makes it"


def _database(config: dict[str, Any], now_ms: int) -> Iterator[Check]:
    url = make_url(config["db_url"])
    reason = _no_database(url)
    if reason:
        yield from (Check.skip(name, reason) for name in _DATABASE_CHECKS)
        return
    engine = create_engine(url)
    try:
        yield from _database_content(engine, config, now_ms)
    finally:
        engine.dispose()


def _database_content(engine: Engine, config: dict[str, Any], now_ms: int) -> Iterator[Check]:
    try:
        tables = set(inspect(engine).get_table_names())
    except SQLAlchemyError as error:
        advice = "check db_url, and that the database can be reached"
        yield Check.fail("database content", _line(error), advice)
        yield from (Check.skip(name, "the database cannot be read") for name in _DATABASE_CHECKS)
        return
    checks = zip(_DATABASE_CHECKS, (_mode_of_trades, _lease, _inbox), strict=True)
    for name, check in checks:
        try:
            yield check(engine, tables, config, now_ms)
        except (SQLAlchemyError, StoreError) as error:
            yield Check.fail(name, _line(error), "check db_url, and what the database reports")


def _mode_of_trades(engine: Engine, tables: set[str], config: Any, now_ms: int) -> Check:
    name = "mode of the database"
    if not {"trades", "orders"} <= tables:
        return Check.skip(name, "no trades in the database yet")
    query = text(
        "SELECT COUNT(DISTINCT trades.id) FROM trades JOIN orders ON orders.ft_trade_id = trades.id"
        " WHERE trades.is_open = :is_open AND orders.order_id LIKE :pattern"
    )
    with engine.connect() as connection:
        values = {"is_open": True, "pattern": "dry_run%"}
        played = connection.execute(query, values).scalar_one()
    if played and not config.get("dry_run"):
        advice = "give live and dry-run a database each (db_url)"
        told = f"{played} open trades of a dry-run would be managed as if they were real"
        return Check.fail(name, told, advice)
    return Check.ok(name, f"{played} open trades of a dry-run" if played else "no mix-up")


def _lease(engine: Engine, tables: set[str], config: Any, now_ms: int) -> Check:
    if "ext_lease" not in tables:
        return Check.ok("lease", "free")
    table, verdicts = LeaseTable(engine), []
    for name in (account_of(config), DATABASE):
        me = this_process(name, now_ms)
        verdicts.append(may_take(table.read(name), me, now_ms, is_alive=is_alive))
    held = [verdict.text for verdict in verdicts if verdict.state is LeaseState.HELD]
    if held:
        return Check.warn("lease", " ".join(held), "fine if that is the bot you mean")
    return Check.ok("lease", "; ".join(dict.fromkeys(verdict.text for verdict in verdicts)))


def _inbox(engine: Engine, tables: set[str], config: Any, now_ms: int) -> Check:
    count = len(InboxTable(engine).open_items()) if "ext_inbox" in tables else 0
    if count:
        return Check.warn("inbox", f"{count} open", "freqtrade-ext inbox -c config.json")
    return Check.ok("inbox", "empty")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
