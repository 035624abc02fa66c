"""The stage of the crash lab: the user's strategy and settings in a folder of ours."""

import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from freqtrade_ext.cli._bot_process import BotProcess, api_server_section, run_freqtrade
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.cli.crashlab._market import lab_market, names_of_book
from freqtrade_ext.cli.crashlab._points import FILE_VARIABLE, MODULE
from freqtrade_ext.errors import ConfigError, ExtensionError
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute
from freqtrade_ext.settings import ExtSettings, load_settings

if TYPE_CHECKING:
    from freqtrade_ext.adapters.lab_configuration import UserConfiguration

__all__ = ["CrashStage", "lab_configuration"]

SPREADS: Final = 12
ENTRY_Z: Final = 1.1
_WALLET: Final = 10_000.0

# What would reach the world outside, or means the user's own machine.
_LEFT_OUT: Final = (
    "telegram",
    "webhook",
    "discord",
    "external_message_consumer",
    "logfile",
    "log_config",
    "datadir",
    "user_data_dir",
    "strategy_path",
    "add_config_files",
    "config_files",
    "timerange",
)
# The lab's spreads come and go within minutes; what they are judged by must allow that.
_SPREADS_OF_THE_LAB: Final = {
    "book": "pairs_config.json",
    "fit_window": 380,  # with what is added to it, the candles of one request
    "refit_every_hours": 1.0,
    "min_half_life": 0.2,
    # One at a time: the second order of an entry is then the second leg of the same spread.
    "max_open_spreads": 1,
}
# Faults and forced exits lose money. A bot that learns from that would stop entering.
_EDGE_OF_THE_LAB: Final = {"cost_multiple": 0.0}
_SIZING_OF_THE_LAB: Final = {"kelly_min_spreads": 1_000}


class CrashStage:
    """
    A rehearsal exchange and a folder with the user's strategy, configured to trade on it.

    Parameters
    ----------
    folder : Path
        Made anew.
    user : UserConfiguration
        What is rehearsed.
    seed : int
        Seed of the market.
    guard : bool or None
        Switches the order guard; None: as the user has it.
    """

    def __init__(
        self, folder: Path, user: "UserConfiguration", *, seed: int, guard: bool | None = None
    ) -> None:
        self.user, self.seed, self.guard = user, seed, guard
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        _copy_strategies(user, folder / "strategies")
        if user.protections.is_dir():  # a strategy that names one does not start without it
            shutil.copytree(user.protections, folder / "protections", ignore=_CACHES)
        market = lab_market(seed, current_minute(), groups=SPREADS, names=names_of_book(user.book))
        rehearsal = Rehearsal.on(
            market, journal_file=folder / "exchange.jsonl", balance=_wallet(user.raw)
        )
        options = StageOptions(seed=seed, spreads=SPREADS, max_open_spreads=1, entry_z=ENTRY_Z)
        self.stage = Stage(folder, rehearsal, options, api_server_section())

    def __enter__(self) -> Self:
        self.stage.rehearsal.server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stage.rehearsal.server.stop()
        self.stage.rehearsal.journal.close()

    @property
    def folder(self) -> Path:
        """Everything of this stage."""
        return self.stage.folder

    @property
    def armed_file(self) -> Path:
        """File through which a place in the bot is armed."""
        return self.folder / "armed.json"

    @property
    def log(self) -> Path:
        """Log of the live bot."""
        return self.folder / "live.log"

    @property
    def settings(self) -> ExtSettings:
        """Our own section of the configuration that is rehearsed."""
        raw = json.loads(self.stage.config.read_text("utf-8"))
        return load_settings(raw.get("ext"), source=str(self.stage.config))

    def download(self) -> None:
        """Write the configuration and download the candles that the book is fitted on."""
        config = lab_configuration(
            self.user.raw,
            folder=self.folder,
            exchange=self.stage.rehearsal.exchange_section("proxy"),
            api=self.stage.api,
            guard=self.guard,
        )
        self.stage.config.write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")
        arguments = ["-c", str(self.stage.config), "--timeframes", "1m", "--days", "1"]
        run_freqtrade(["download-data", *arguments], self.stage.log)

    def write_book(self) -> int:
        """Fit the lab's spreads and write the book; the number of spreads."""
        try:
            return self.stage.write_book()
        except ExtensionError as error:
            raise ConfigError(f"the lab's market gave no spread book: {error}") from error

    def bot(self) -> BotProcess:
        """
        Make the process of the bot; it is not started yet.

        It has a folder for temporary files of its own: all stages trade on accounts of one name,
        and locks that keep two bots off one account must not meet.
        """
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return BotProcess(
            [self.stage.config],
            self.stage.api,
            self.log,
            module=MODULE,
            environment={FILE_VARIABLE: str(self.armed_file), "TMPDIR": str(scratch)},
        )


_CACHES = shutil.ignore_patterns("__pycache__")


def _copy_strategies(user: "UserConfiguration", target: Path) -> None:
    """Copy the user's strategy folders; of two files of one name the first found counts."""
    target.mkdir()
    for folder in reversed(user.folders):
        shutil.copytree(folder, target, dirs_exist_ok=True, ignore=_CACHES)


def _wallet(raw: dict[str, Any]) -> float:
    wallet = raw.get("dry_run_wallet")
    return float(wallet) if isinstance(wallet, int | float) else _WALLET


def lab_configuration(
    raw: dict[str, Any],
    *,
    folder: Path,
    exchange: dict[str, Any],
    api: dict[str, Any],
    guard: bool | None,
) -> dict[str, Any]:
    """
    Turn a user's configuration into that of a live bot on the rehearsal exchange.

    Strategy, order types, pricing, stakes, time-outs and our own section stay; exchange, database,
    markets and timeframe are the lab's, and nothing that talks to anybody is left.
    """
    kept = {key: value for key, value in raw.items() if key not in _LEFT_OUT}
    slots = raw.get("max_open_trades", 2)
    return kept | {
        "user_data_dir": str(folder),
        "strategy_path": str(folder / "strategies"),
        "timeframe": "1m",
        "dry_run": False,
        "db_url": f"sqlite:///{folder / 'trades.sqlite'}",
        "max_open_trades": slots if slots == -1 else max(int(slots), 2),
        "exchange": exchange,
        "pairlists": [{"method": "StaticPairList"}],
        "api_server": api,
        "initial_state": "running",
        "ext": _section(raw.get("ext") or {}, guard),
    }


def _section(section: dict[str, Any], guard: bool | None) -> dict[str, Any]:
    spreads = dict(section.get("spreads", {}))
    execution = dict(section.get("execution", {}))
    lab = _SPREADS_OF_THE_LAB | {
        "edge": spreads.get("edge", {}) | _EDGE_OF_THE_LAB,
        "sizing": spreads.get("sizing", {}) | _SIZING_OF_THE_LAB,
    }
    if guard is not None:
        execution["guard"] = guard
    return section | {"spreads": spreads | lab, "execution": execution}
