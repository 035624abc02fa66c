"""Recorded candles with real outages, replayed as an exchange: fit, download, backtest."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.market_data import last_backtest
from freqtrade_ext.cli import main
from freqtrade_ext.cli._bot_process import api_server_section
from freqtrade_ext.cli._demo_stage import SHIM, Stage, StageOptions
from freqtrade_ext.sandbox.market import ReplayMarket
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute

pytestmark = [
    pytest.mark.rehearsal,
    pytest.mark.real_data,
    pytest.mark.xdist_group("spread-real-data"),
]

# Every spread may be entered: the question is whether gaps break anything, not whether it pays.
SECTION = {
    "spreads": {
        "fit_window": 300,
        "max_pvalue": 1.0,
        "max_qvalue": None,
        "relation_broken_pvalue": 1.0,
    }
}
DAYS = 100


@pytest.fixture(scope="module")
def stage(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    market = ReplayMarket(
        shared_data / "E_spot_1h_gappy_2018_2021",
        "1h",
        moment="2018-10-20T00:00",
        anchor_ms=current_minute(),
    )
    folder = tmp_path_factory.mktemp("gappy") / "user_data"
    (folder / "strategies").mkdir(parents=True)
    (folder / "strategies" / "SpreadArbitrage.py").write_text(SHIM)
    stage = Stage(folder, Rehearsal.on(market), StageOptions(), api_server_section())
    with stage.rehearsal.journal, stage.rehearsal.server:
        stage.write_config(timeframe="1h", ext=SECTION)
        run(stage, "download-data", "--timeframes", "1h", "--days", str(DAYS))
        yield stage


def run(stage: Stage, command: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "freqtrade", command, "-c", str(stage.config), *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=os.environ | {"COLUMNS": "1000"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_book_of_gappy_markets_is_fitted_and_backtested(stage):
    added = CliRunner().invoke(main, ["book", "add", "--all", "-c", str(stage.config)])
    assert added.exit_code == 0, added.output
    log = run(stage, "backtesting", "--cache", "none")
    assert "Traceback" not in log
    assert " - ERROR - " not in log
    trades = last_backtest(stage.folder / "backtest_results")["trades"]
    tags = [EntryTag.parse(trade["enter_tag"]) for trade in trades]
    assert len(tags) >= 20
    by_spread: dict[tuple[str, int], list[int]] = {}
    for tag, trade in zip(tags, trades, strict=True):
        assert tag is not None
        entry = (tag.spread_id, trade["open_timestamp"])
        by_spread.setdefault(entry, []).append(trade["close_timestamp"])
    for key, closed in by_spread.items():
        assert len(closed) == 2, key
        assert closed[0] == closed[1], key
