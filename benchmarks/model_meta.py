"""Entries of SpreadArbitrage with and without models on recorded futures, net of costs.

``python -m benchmarks.model_meta [run ...]``. Every model is trained on candles, or on closed
trades, before the entries that it judges. The book is fitted before the backtest begins; its gates
are wide open, so that there are trades to judge: it is not a recommended configuration.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from benchmarks.model_evidence import _BESIDE
from freqtrade_ext.adapters.market_data import last_backtest
from freqtrade_ext.cli import main as command
from rehearsals.model_stage import ModelStage, model_stage

DATA = Path(os.environ.get("SHARED_DATA", _BESIDE)) / "B_futures_1h_2024_2025"
SPREADS = [("ETH", "BTC"), ("SOL", "AVAX"), ("ATOM", "ARB"), ("APT", "LINK"), ("DOGE", "BNB")]
RULES = {
    "fit_window": 720, "max_pvalue": 0.3, "max_qvalue": None, "both_directions": False,
    "relation_broken_pvalue": 0.9, "edge": {"cost_multiple": 0.0}, "max_open_spreads": 5,
}  # fmt: skip
LEARNING = {"labels": {"volatility_window": 168}, "drift": {"enabled": False}}
RUNS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "no model": (None, {}),
    "regressor agrees": ("SpreadDirectionRegressor", {}),
    "classifier agrees": ("SignalClassifier", {"min_confidence": 0.34}),
    "outcome model >= 0.5": (None, {"outcome": {"enabled": True, "min_confidence": 0.5}}),
}


def one(stage: ModelStage, name: str, number: int) -> str:
    """Backtest, and sum both legs of each spread."""
    model, learning = RUNS[name]
    stage.configure(
        timeframe="1h",
        strategy="SpreadArbitrage",
        max_open_trades=10,
        freqai={"enabled": model is not None, "identifier": f"run{number}"},
        ext={"spreads": RULES, "learning": LEARNING | learning},
    )
    if not (stage.folder / "pairs_config.json").exists():
        for legs in SPREADS:
            names = [f"{leg}/USDT:USDT" for leg in legs]
            CliRunner().invoke(
                command,
                ["book", "add", *names, "-c", str(stage.stage.config), "--timerange", "-20240601"],
            )
    chosen = ["--freqaimodel", model] if model else []
    stage.freqtrade("backtesting", *chosen, "--timerange", "20240601-20250401", "--cache", "none")
    spreads: dict[tuple[str, int], float] = {}
    for trade in last_backtest(stage.folder / "backtest_results")["trades"]:
        key = (trade["enter_tag"].split(" ")[0], trade["open_timestamp"])
        spreads[key] = spreads.get(key, 0.0) + trade["profit_abs"]
    gains = [value for value in spreads.values() if value > 0]
    losses = -sum(value for value in spreads.values() if value < 0)
    count, total = len(spreads) or 1, sum(spreads.values())
    return (
        f"{name:22s} {len(spreads):5d} spreads, precision {len(gains) / count:.3f}, "
        f"net {total:+9.2f} USDT, per spread {total / count:+7.2f}, "
        f"profit factor {sum(gains) / losses if losses else float('inf'):.2f}"
    )


def main() -> None:
    """Print each run as one line."""
    with (
        tempfile.TemporaryDirectory() as folder,
        model_stage(Path(folder) / "user_data", DATA, "1h") as stage,
    ):
        for number, name in enumerate(sys.argv[1:] or RUNS):
            print(one(stage, name, number), flush=True)


if __name__ == "__main__":
    main()
