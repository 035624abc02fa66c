"""The crash lab on real processes: one run, from a user's configuration to the table."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.rehearsal

SHIM = """
from freqtrade_ext.adapters.strategies import SpreadStrategy


class Mine(SpreadStrategy):
    can_short = True
"""


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_user_s_strategy_is_rehearsed_and_nothing_of_the_user_s_is_touched(
    tmp_path: Path,
) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    (home / "user_data" / "strategies").mkdir(parents=True)
    scratch.mkdir()
    (home / "user_data" / "strategies" / "mine.py").write_text(SHIM)
    (home / "config.json").write_text(
        json.dumps(
            {
                "strategy": "Mine",
                "user_data_dir": str(home / "user_data"),
                "trading_mode": "futures",
                "margin_mode": "isolated",
                "stake_currency": "USDT",
                "stake_amount": "unlimited",
                "max_open_trades": 4,
                "dry_run": True,
                "dry_run_wallet": 5_000,
                "entry_pricing": {"price_side": "other", "use_order_book": True},
                "exit_pricing": {"price_side": "other", "use_order_book": True},
                "order_types": {
                    "entry": "market",
                    "exit": "market",
                    "stoploss": "market",
                    "stoploss_on_exchange": True,
                },
                "exchange": {"name": "binance", "key": "MINE", "secret": "MINE"},
                "internals": {"process_throttle_secs": 2},
            }
        )
    )
    before = fingerprints(home)
    results = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, "-c", "from freqtrade_ext.cli import main; main()", "crashlab",
         "-c", str(home / "config.json"), "--faults", "none", "--json", str(results)],
        capture_output=True, text=True, check=False, timeout=170,
        env={"TMPDIR": str(scratch), "PATH": "", "HOME": str(tmp_path), "COLUMNS": "160"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Crash lab: Mine" in done.stdout
    (row,) = json.loads(results.read_text())["rows"]
    assert (row["scenario"], row["runs"], row["fired"], row["passed"]) == ("none", 1, 1, True)
    assert row["naked_median"] is not None
    assert fingerprints(home) == before
    assert [path.name for path in scratch.iterdir()] == []
