"""A folder in which stock Freqtrade backtests with our models, on recorded or given candles.

The candles are read from files under their own dates; the sandbox only says which markets exist.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from freqtrade_ext.cli._bot_process import api_server_section
from freqtrade_ext.cli._demo_stage import SHIM, Stage, StageOptions
from freqtrade_ext.sandbox.market import ReplayMarket
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute

__all__ = ["COIN_STRATEGY", "ModelStage", "Run", "model_stage"]

SHIMS = Path(__file__).resolve().parents[1] / "user_data" / "freqaimodels"

# The smallest strategy that follows a model on coins.
COIN_STRATEGY = '''"""Follows the model of each coin."""

from freqtrade_ext.adapters.strategies import ModelStrategy


class CoinModels(ModelStrategy):
    """Enters in the direction that the model finds most probable, for five candles."""

    INTERFACE_VERSION = 3
    timeframe = "5m"
    can_short = True
    process_only_new_candles = True
    startup_candle_count = 60
    minimal_roi = {"25": -1}
    stoploss = -0.2

    def populate_indicators(self, dataframe, metadata):
        return self.with_predictions(dataframe, metadata)

    def populate_entry_trend(self, dataframe, metadata):
        if "buy" in dataframe:
            judged = dataframe["do_predict"] == 1
            rest = dataframe[["sell", "hold", "buy"]]
            dataframe.loc[judged & (rest["buy"] == rest.max(axis=1)), "enter_long"] = 1
            dataframe.loc[judged & (rest["sell"] == rest.max(axis=1)), "enter_short"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
'''


@dataclass(frozen=True)
class Run:
    """A finished command: what it printed, seconds, peak memory of it and its children (MB)."""

    log: str
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class ModelStage:
    """A bot's folder and where its candles are."""

    stage: Stage
    markets: list[str]

    @property
    def folder(self) -> Path:
        """The bot's user_data."""
        return self.stage.folder

    def configure(
        self,
        *,
        model: Mapping[str, Any] | None = None,
        freqai: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Write a configuration; `model` are LightGBM's parameters, `freqai` replaces keys."""
        section = {
            "enabled": True,
            "identifier": "models",
            "train_period_days": 45,
            "backtest_period_days": 10,
            "live_retrain_hours": 2,
            "purge_old_models": 2,
            "activate_tensorboard": False,
            "feature_parameters": {
                "include_timeframes": [changes.get("timeframe", "5m")],
                "include_corr_pairlist": [],
                "indicator_periods_candles": [14],
            },
            "data_split_parameters": {"test_size": 0.1, "shuffle": False},
            "model_training_parameters": dict(model or {}),
        } | dict(freqai or {})
        self.stage.write_config(
            **{
                "timeframe": "5m",
                "dry_run": True,
                "freqai": section,
                "max_open_trades": len(self.markets),
                "exchange": self.stage.rehearsal.exchange_section("proxy")
                | {"pair_whitelist": self.markets},
            }
            | changes
        )

    def freqtrade(self, command: str, *arguments: str, timeout: float = 3600) -> Run:
        """Run a command of Freqtrade; raise if it fails."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(  # noqa: S603
            [
                sys.executable,
                "-m",
                "freqtrade",
                command,
                "-c",
                str(self.stage.config),
                *arguments,
            ],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        log = done.stdout + done.stderr
        if done.returncode:
            raise RuntimeError(log[-4000:])
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Run(log, seconds, after.ru_maxrss / 1024)


@contextmanager
def model_stage(
    folder: Path, candles: Path, timeframe: str, markets: Sequence[str] | None = None
) -> Iterator[ModelStage]:
    """
    Set a stage up.

    Parameters
    ----------
    folder : Path
        Made; becomes ``user_data``.
    candles : Path
        Feather files ``BTC_USDT-5m.feather``; presented as perpetuals.
    timeframe : str
        Of the files.
    markets : sequence of str, optional
        Base currencies to use, all by default.
    """
    for name in ("strategies", "freqaimodels", "data/binance/futures"):
        (folder / name).mkdir(parents=True)
    (folder / "strategies" / "SpreadArbitrage.py").write_text(SHIM)
    (folder / "strategies" / "CoinModels.py").write_text(COIN_STRATEGY)
    for shim in SHIMS.glob("*.py"):
        (folder / "freqaimodels" / shim.name).write_text(shim.read_text())
    names = [
        file.name.removesuffix(f"_USDT-{timeframe}.feather")
        for file in sorted(candles.glob(f"*_USDT-{timeframe}.feather"))
    ]
    names = [name for name in names if markets is None or name in markets]
    last = pd.read_feather(candles / f"{names[0]}_USDT-{timeframe}.feather")["date"].iloc[-1]
    for name in names:
        target = (
            folder
            / "data"
            / "binance"
            / "futures"
            / f"{name}_USDT_USDT-{timeframe}-futures.feather"
        )
        target.symlink_to((candles / f"{name}_USDT-{timeframe}.feather").resolve())
    replay = ReplayMarket(
        candles,
        timeframe,
        moment=(last - pd.Timedelta(days=1)).to_pydatetime(),
        anchor_ms=current_minute(),
        symbols=[f"{name}USDT" for name in names],
    )
    stage = Stage(folder, Rehearsal.on(replay), StageOptions(), api_server_section())
    with stage.rehearsal.journal, stage.rehearsal.server:
        yield ModelStage(stage, [f"{name}/USDT:USDT" for name in names])
