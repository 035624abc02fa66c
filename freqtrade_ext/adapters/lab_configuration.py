"""The user's own configuration, read for a rehearsal: nothing of it is written or connected to."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freqtrade.configuration.environment_vars import environment_vars_to_dict
from freqtrade.configuration.load_config import load_from_files
from freqtrade.exceptions import OperationalException
from freqtrade.misc import deep_merge_dicts

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.settings import load_settings

__all__ = ["UserConfiguration", "load_user_configuration"]


@dataclass(frozen=True, slots=True)
class UserConfiguration:
    """
    What a rehearsal takes from the user.

    Attributes
    ----------
    raw : dict
        The configuration as its files and the environment say it, merged.
    strategy : str
        Name of the strategy.
    folders : tuple of Path
        Where strategies are looked for; only those that exist.
    protections : Path
        Folder of the user's protections; it need not exist.
    book : Path
        The user's spread book; it need not exist.
    """

    raw: dict[str, Any]
    strategy: str
    folders: tuple[Path, ...]
    protections: Path
    book: Path


def load_user_configuration(files: list[str]) -> UserConfiguration:
    """
    Read configuration files with Freqtrade's own loader, later ones overriding earlier ones.

    Freqtrade's `Configuration` is not asked: it makes folders in the user's.

    Raises
    ------
    ConfigError
        With Freqtrade's own message if a file is missing or wrong, or if the configuration is not
        one that can be rehearsed; every reason on a line of its own.
    """
    source = ", ".join(files)
    raw = _merged(files)
    settings = load_settings(raw.get("ext"), source=source)
    user_data = Path(raw.get("user_data_dir") or "user_data").expanduser().resolve()
    folders = _strategy_folders(raw, user_data)
    problems = _problems(raw)
    if not folders:
        problems.append(f"strategy_path: there is no {user_data / 'strategies'}")
    if problems:
        raise ConfigError("\n".join(f"{source}: {line}" for line in problems))
    return UserConfiguration(
        raw=raw,
        strategy=str(raw["strategy"]),
        folders=folders,
        protections=user_data / "protections",
        book=user_data / settings.spreads.book,
    )


def _merged(files: list[str]) -> dict[str, Any]:
    logging.disable(logging.INFO)  # Freqtrade tells at length what it reads
    try:
        raw = load_from_files(files)
        return dict(deep_merge_dicts(environment_vars_to_dict(), raw))
    except OperationalException as error:
        raise ConfigError(str(error)) from error
    finally:
        logging.disable(logging.NOTSET)


def _problems(raw: dict[str, Any]) -> list[str]:
    """Say what keeps a configuration from being rehearsed."""
    problems = []
    if not raw.get("strategy"):
        problems.append("strategy: is missing; the crash lab rehearses the one named there")
    for key, needed in (("trading_mode", "futures"), ("stake_currency", "USDT")):
        if raw.get(key) != needed:
            problems.append(f"{key}: must be {needed!r} on the rehearsal exchange, "
                            f"got {raw.get(key)!r}")  # fmt: skip
    return problems


def _strategy_folders(raw: dict[str, Any], user_data: Path) -> tuple[Path, ...]:
    asked = raw.get("strategy_path")
    candidates = [Path(asked).expanduser()] if asked else []
    candidates.append(user_data / "strategies")
    found = dict.fromkeys(path.resolve() for path in candidates if path.is_dir())
    return tuple(found)
