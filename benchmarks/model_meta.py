"""Entries of SpreadArbitrage with and without models on recorded futures, net of costs.

``python -m benchmarks.model_meta [set] [run ...]``, on the recorded candles of ../shared/data, or
of the folder that SHARED_DATA names. Every model is trained on candles, or on closed trades, before
the entries that it judges. The book is fitted before the backtest begins; its gates are wide open,
so that there are trades to judge: it is not a recommended configuration.
"""

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from benchmarks.model_evidence import SHARED, recorded
from freqtrade_ext.adapters.market_data import last_backtest
from freqtrade_ext.cli import main as command
from rehearsals.model_stage import ModelStage, model_stage

LEARNING = {"labels": {"volatility_window": 168}, "drift": {"enabled": False}}
FIRST_TRAINING = 30  # closed spreads, ext.learning.outcome.min_trades
RUNS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "no model": (None, {}),
    "regressor agrees": ("SpreadDirectionRegressor", {}),
    "classifier agrees": ("SignalClassifier", {"min_confidence": 0.34}),
    "outcome model >= 0.5": (None, {"outcome": {"enabled": True, "min_confidence": 0.5}}),
}
OUTCOME_RUNS = ("no model", "outcome model >= 0.5")


@dataclass(frozen=True)
class Case:
    """A set, its book (no legs: every combination), and what may be entered."""

    data: str
    timeframe: str
    begins: str
    ends: str
    rules: dict[str, Any]
    legs: tuple[tuple[str, str], ...] = ()
    runs: tuple[str, ...] = OUTCOME_RUNS

    @property
    def folder(self) -> Path:
        """Where its candles are."""
        return SHARED / self.data


OPEN_GATES = {
    "max_pvalue": 0.3, "max_qvalue": None, "both_directions": False,
    "relation_broken_pvalue": 0.9, "edge": {"cost_multiple": 0.0}, "max_open_spreads": 5,
}  # fmt: skip
CASES = {
    "B": Case(
        data="B_futures_1h_2024_2025",
        timeframe="1h",
        begins="20240601",
        ends="20250401",
        rules=OPEN_GATES | {"fit_window": 720},
        legs=(("ETH", "BTC"), ("SOL", "AVAX"), ("ATOM", "ARB"), ("APT", "LINK"), ("DOGE", "BNB")),
        runs=tuple(RUNS),
    ),
    "D": Case(
        data="D_futures_5m_2025MarApr",
        timeframe="5m",
        begins="20250319",
        ends="20250413",
        rules={"max_qvalue": None, "entry_stop": False, "edge": {"cost_multiple": 0.0}},
    ),
}


@dataclass(frozen=True)
class Spread:
    """Both legs of a spread that was entered: times, net result, notional of both."""

    opened_ms: int
    closed_ms: int
    net: float
    notional: float


def backtest(stage: ModelStage, case: Case, name: str, number: int) -> list[Spread]:
    """Backtest, and put both legs of each spread together; oldest first."""
    model, learning = RUNS[name]
    stage.configure(
        timeframe=case.timeframe,
        strategy="SpreadArbitrage",
        max_open_trades=2 * case.rules.get("max_open_spreads", 2),
        freqai={"enabled": model is not None, "identifier": f"run{number}"},
        ext={"spreads": case.rules, "learning": LEARNING | learning},
    )
    if not (stage.folder / "pairs_config.json").exists():
        make_book(stage, case)
    chosen = ["--freqaimodel", model] if model else []
    days = f"{case.begins}-{case.ends}"
    stage.freqtrade("backtesting", *chosen, "--timerange", days, "--cache", "none")
    legs: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for trade in last_backtest(stage.folder / "backtest_results")["trades"]:
        key = (trade["enter_tag"].split(" ")[0], trade["open_timestamp"])
        legs.setdefault(key, []).append(trade)
    spreads = [
        Spread(
            opened_ms=opened_ms,
            closed_ms=max(trade["close_timestamp"] for trade in both),
            net=sum(trade["profit_abs"] for trade in both),
            notional=sum(_margin(trade) * trade["leverage"] for trade in both),
        )
        for (_, opened_ms), both in legs.items()
    ]
    return sorted(spreads, key=lambda each: each.opened_ms)


def _margin(trade: dict[str, Any]) -> float:
    return float(trade.get("max_stake_amount") or trade["stake_amount"])


def make_book(stage: ModelStage, case: Case) -> None:
    """Fit the spreads on the candles before the backtest."""
    ends = ["-c", str(stage.stage.config), "--timerange", f"-{case.begins}"]
    chosen = [[f"{leg}/USDT:USDT" for leg in legs] for legs in case.legs] or [["--all"]]
    for legs in chosen:
        CliRunner().invoke(command, ["book", "add", *legs, *ends])
    book = json.loads((stage.folder / "pairs_config.json").read_text())
    print(f"{len(book['spreads'])} spreads in the book", flush=True)


def told(name: str, spreads: Sequence[Spread]) -> str:
    """Say how many there are, how many gained, what they made."""
    if not spreads:
        return f"{name:40s}    0 spreads"
    net = np.array([each.net for each in spreads])
    bps = 1e4 * net / np.array([each.notional for each in spreads])
    won, losses = float((net > 0).mean()), -net[net < 0].sum()
    error = bps.std(ddof=1) / math.sqrt(len(bps)) if len(bps) > 1 else math.nan
    return (
        f"{name:40s} {len(net):4d} spreads, precision {won:.3f} ± "
        f"{math.sqrt(won * (1 - won) / len(net)):.3f}, net {net.sum():+9.2f} USDT, per spread "
        f"{net.mean():+7.2f}, {bps.mean():+6.1f} ± {error:.1f} bps, profit factor "
        f"{net[net > 0].sum() / losses if losses else math.inf:.2f}"
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Print each run: whole, and what was opened after the outcome model's first training."""
    given = list(arguments)
    names = [given.pop(0)] if given and given[0] in CASES else list(CASES)
    if not recorded(SHARED):
        return
    for case in (CASES[name] for name in names):
        print(f"{case.data}, {case.timeframe}, {case.begins} - {case.ends}", flush=True)
        with (
            tempfile.TemporaryDirectory() as folder,
            model_stage(Path(folder) / "user_data", case.folder, case.timeframe) as stage,
        ):
            for number, run in enumerate(given or case.runs):
                spreads = backtest(stage, case, run, number)
                print(told(run, spreads))
                closed = sorted(each.closed_ms for each in spreads)[:FIRST_TRAINING]
                later = [each for each in spreads if each.opened_ms > closed[-1]]
                if len(closed) == FIRST_TRAINING and run in OUTCOME_RUNS:
                    print(told(f"  after {FIRST_TRAINING} closed", later))
                sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
