"""`RegimeScore` in an unmodified Freqtrade: a backtest without a network, and the risk scenarios.

The scenarios play on the sandbox in live mode; each kills the bot in the middle. One is played
here, the others by `make soak-risk`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters._regime_settings import PARAMETERS
from rehearsals.risk_scenarios import SCENARIOS

pytestmark = pytest.mark.rehearsal

ROOT = Path(__file__).resolve().parents[2]
LOW = {
    "signals": {"min_score": 50.0, "min_score_low": 30.0, "z_score_threshold": 0.8,
                "entry_tightness": 1.0, "quiet": {"enabled": False}},
    "risk": {"account": {"enabled": False}},
}  # fmt: skip


@pytest.fixture(scope="module")
def candles(tmp_path_factory):
    """Three spot markets that revert to a moving mean, hourly, for 60 days."""
    folder = tmp_path_factory.mktemp("spot")
    rng = np.random.default_rng(8)
    dates = pd.date_range("2024-01-01", periods=1_440, freq="1h", tz="UTC")
    for coin, price in (("BTC", 40_000.0), ("ETH", 2_000.0), ("SOL", 100.0)):
        noise = np.zeros(len(dates))
        for row in range(1, len(dates)):
            noise[row] = 0.8 * noise[row - 1] + rng.normal(0, 0.006)
        close = price * np.exp(np.cumsum(rng.normal(0, 0.002, len(dates))) + noise)
        frame = pd.DataFrame(
            {
                "date": dates,
                "open": np.r_[close[0], close[:-1]],
                "close": close,
                "volume": rng.uniform(50, 150, len(dates)),
            }
        )
        frame["high"] = frame[["open", "close"]].max(axis=1) * 1.002
        frame["low"] = frame[["open", "close"]].min(axis=1) * 0.998
        names = ["open", "high", "low", "close", "volume"]
        frame = frame[["date"]].join(frame[names].round(4))
        frame.to_feather(folder / f"{coin}_USDT-1h.feather")
    return folder


def run(candles, folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "rehearsals.spot_backtest", str(candles), "--timeframe", "1h",
         "--folder", str(folder), "--ext", json.dumps(LOW), *arguments],
        capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        env=os.environ | {"COLUMNS": "200", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout + done.stderr


def test_a_backtest_with_protections_asks_no_network(candles, tmp_path):
    log = run(candles, tmp_path / "bot")
    assert "EXIT REASON STATS" in log
    assert "Traceback" not in log
    from freqtrade_ext.adapters.market_data import last_backtest

    trades = last_backtest(tmp_path / "bot" / "backtest_results")["trades"]
    assert len(trades) >= 10
    assert not any(trade["is_short"] for trade in trades)
    names = {trade["exit_reason"] for trade in trades}
    assert {"SL", "TRAILING", "BREAKEVEN"} & names
    assert not names & {"stop_loss", "trailing_stop_loss"}


def test_a_search_moves_the_eight_parameters(candles, tmp_path):
    log = run(
        candles, tmp_path / "bot", "--command", "hyperopt", "--", "--hyperopt-loss",
        "TradeObjective", "--epochs", "3", "--spaces", "buy", "sell", "--random-state", "1", "-j",
        "1",
    )  # fmt: skip
    assert "TradeObjective" in log
    (results,) = (tmp_path / "bot" / "hyperopt_results").glob("*.fthypt")
    epochs = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(epochs) == 3
    for epoch in epochs:
        assert set(epoch["params_dict"]) == set(PARAMETERS)
        count = epoch["results_metrics"]["total_trades"]
        if 0 < count < 10:  # without any trade Freqtrade has its own answer
            assert epoch["loss"] == 100.0
        elif count:
            assert -50 < epoch["loss"] < 50
    tried = {epoch["params_dict"]["sl_atr"] for epoch in epochs}
    assert len(tried) == 3


def test_a_lost_account_is_closed_and_stays_stopped(tmp_path):
    """What must hold is in the scenario itself, which raises where it does not; this is shown."""
    scene = SCENARIOS["account"](tmp_path / "account")
    assert "Traceback" not in scene.log

    def shown(kind, text=""):
        return [line for line in scene.report if line.strip().startswith(kind) and text in line]

    assert len(shown("fill")) >= 6  # three entries, and at least one exit each
    assert shown("lock", "lock * until")
    assert shown("message", "still stopped")
    trades = shown("trade")  # "trade MARKET: REASON ..."
    assert {line.split()[2] for line in trades} == {"KILL_SWITCH_FULL"}
    assert len(trades) == 3
    # After the kill: what each open position and the account remember.
    restart = next(row for row, line in enumerate(scene.report) if "after the restart" in line)
    after = scene.report[restart:]
    assert any(line.startswith("  state") and "ExitState" in line for line in after)
    assert any(line.startswith("  state of the account") for line in after)


def test_every_scenario_is_played():
    assert set(SCENARIOS) == {"crash", "three-stops", "account", "slow-drawdown"}
