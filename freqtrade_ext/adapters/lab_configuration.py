"""The user's own configuration, read for a rehearsal: nothing of it is written or connected to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freqtrade_ext.adapters.market_data import load_bot_configuration
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
    book : Path
        The user's spread book; it need not exist.
    """

    raw: dict[str, Any]
    strategy: str
    folders: tuple[Path, ...]
    book: Path


def load_user_configuration(files: list[str], *, scratch: Path) -> UserConfiguration:
    """
    Read configuration files with Freqtrade's own loader, later ones overriding earlier ones.

    Parameters
    ----------
    files : list of str
        The files.
    scratch : Path
        Folder of ours that Freqtrade may take for its data folder: it creates that if need be.

    Raises
    ------
    ConfigError
        With Freqtrade's own message if a file is missing or wrong, or if the configuration is not
        one that can be rehearsed; every reason on a line of its own.
    """
    loaded = load_bot_configuration(files, datadir=str(scratch))
    raw = dict(loaded.raw["original_config"])
    settings = load_settings(raw.get("ext"), source=", ".join(files))
    problems = _problems(raw)
    folders = _strategy_folders(raw, loaded.user_data)
    if not folders:
        problems.append(f"strategy_path: no folder of strategies found for {loaded.user_data}")
    if problems:
        raise ConfigError("\n".join(f"{', '.join(files)}: {line}" for line in problems))
    return UserConfiguration(
        raw=raw,
        strategy=str(raw["strategy"]),
        folders=folders,
        book=loaded.user_data / settings.spreads.book,
    )


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
    candidates = [Path(os.path.expanduser(asked))] if asked else []
    candidates.append(user_data / "strategies")
    found = dict.fromkeys(path.resolve() for path in candidates if path.is_dir())
    return tuple(found)
