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
        if "probability_buy" in dataframe:
            judged = dataframe["do_predict"] == 1
            sides = [f"probability_{side}" for side in ("sell", "hold", "buy")]
            best = dataframe[sides].max(axis=1)
            for side, column in (("buy", "enter_long"), ("sell", "enter_short")):
                chosen = judged & (dataframe[f"probability_{side}"] == best)
                dataframe.loc[chosen, column] = 1
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
        Feather files ``BTC_USDT-5m.feather``, presented as perpetuals; or a folder ``futures``.
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
    futures = folder / "data" / "binance" / "futures"
    found = _link_candles(candles, timeframe, futures)
    names = sorted(found if markets is None else set(markets) & set(found))
    last = pd.read_feather(futures / _name(names[0], timeframe))["date"].iloc[-1]
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


def _link_candles(candles: Path, timeframe: str, futures: Path) -> list[str]:
    """Link the files under the names of perpetuals; return base currencies."""
    perpetuals = candles / "futures"
    if perpetuals.is_dir():
        for file in perpetuals.glob("*.feather"):
            (futures / file.name).symlink_to(file.resolve())
        ending = _name("", timeframe)
        return [file.name.removesuffix(ending) for file in perpetuals.glob(f"*{ending}")]
    ending = f"_USDT-{timeframe}.feather"
    files = list(candles.glob(f"*{ending}"))
    names = [file.name.removesuffix(ending) for file in files]
    for name, file in zip(names, files, strict=True):
        (futures / _name(name, timeframe)).symlink_to(file.resolve())
    return names


def _name(base: str, timeframe: str) -> str:
    return f"{base}_USDT_USDT-{timeframe}-futures.feather"
