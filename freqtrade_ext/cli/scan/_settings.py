"""Settings of one scan: those of the configuration, with the options of the command line."""

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from freqtrade_ext.cli.scan._request import ScanRequest
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import ScanSection, ScanSettings
from freqtrade_ext.settings import load_part
from freqtrade_ext.spreads import SpreadSpec

__all__ = ["scan_settings"]


def scan_settings(section: object, request: ScanRequest, source: str) -> ScanSettings:
    """
    Read ``ext.scan``, and put the options of the command line over it.

    Parameters
    ----------
    section : object
        The whole ``ext`` section.
    request : ScanRequest
        What the person typed.
    source : str
        Files of the configuration, for the messages.

    Raises
    ------
    ConfigError
        One line a problem; also if no row of a spread book could have these bands.
    """
    base = load_part(section, "scan", ScanSection, source=source).search
    document: dict[str, Any] = base.model_dump()
    for _, key, value in request.overrides:
        *path, name = key.split(".")
        place = document
        for part in path:
            place = place[part]
        place[name] = value
    if not request.null_scan:
        document["null_scan"] = False
    options = ", ".join(option for option, _, _ in request.overrides)
    settings = load_part({"scan": document}, "scan", ScanSettings, source=options or source)
    _refuse_bands_without_a_book(settings, source)
    return settings


def _refuse_bands_without_a_book(settings: ScanSettings, source: str) -> None:
    """Find out before the work that no row with these bands would be a valid one."""
    try:
        SpreadSpec(
            spread_id="example",
            leg_a="A/USDT",
            leg_b="B/USDT",
            hedge_ratio=1.0,
            intercept=0.0,
            cointegration_stat=0.0,
            pvalue=0.0,
            half_life=1.0,
            z_score_threshold=settings.entry_z,
            z_exit=settings.exit_z,
            stop_loss_z=settings.stop_z,
            mean_reversion_window=settings.z_window,
            fit_start=datetime(2020, 1, 1, tzinfo=UTC),
            fit_end=datetime(2020, 1, 2, tzinfo=UTC),
            last_updated=datetime(2020, 1, 2, tzinfo=UTC),
        )
    except ValidationError as error:
        keys = {"mean_reversion_window": "z_window", "stop_loss_z": "stop_z", "z_exit": "exit_z"}
        lines = [
            f"{source}: ext.scan.{keys.get(str(problem['loc'][0]), 'entry_z')}: "
            f"{problem['input']}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from error
