"""A live session and a backtest of the candles that it saw must make the same decisions."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freqtrade_ext.adapters.market_data import last_backtest

__all__ = ["Decision", "Parity", "backtest_decisions", "compare", "live_decisions"]

MINUTE_MS = 60_000
UNDECIDED = frozenset({"force_exit", "PARTNER_CLOSED", "EXTERNAL"})


@dataclass(frozen=True, slots=True, order=True)
class Decision:
    """One spread: the candles on which it was entered and left, and why."""

    entry_ms: int
    spread_id: str
    direction: str
    exit_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parity:
    """
    Decisions that both made, and those that only one of them made.

    `undecided_live` and `undecided_backtest` count what was left out because nobody decided it.
    """

    same: tuple[Decision, ...]
    only_live: tuple[Decision, ...]
    only_backtest: tuple[Decision, ...]
    undecided_live: int = 0
    undecided_backtest: int = 0

    @property
    def holds(self) -> bool:
        """Whether there is something to compare and nothing differs."""
        return bool(self.same) and not self.only_live and not self.only_backtest


def live_decisions(database: Path) -> list[Decision]:
    """Read the closed spreads of a live session from the bot's database."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT result FROM ext_spread_results ORDER BY id").fetchall()
    results = [json.loads(row[0]) for row in rows]
    return [
        Decision(
            entry_ms=result["signal_ms"] + MINUTE_MS,
            spread_id=result["spread_id"],
            direction=result["direction"],
            exit_ms=result["closed_ms"] // MINUTE_MS * MINUTE_MS,
            reason=result["reason"],
        )
        for result in results
    ]


def backtest_decisions(folder: Path) -> list[Decision]:
    """Read the closed spreads of the newest backtest: one decision for its two trades."""
    decisions: dict[tuple[str, int], Decision] = {}
    for trade in last_backtest(folder)["trades"]:
        spread_id, direction, _ = trade["enter_tag"].split(" ")
        entry_ms = trade["open_timestamp"]
        decisions[spread_id, entry_ms] = Decision(
            entry_ms, spread_id, direction, trade["close_timestamp"], trade["exit_reason"]
        )
    return list(decisions.values())


def compare(
    live: list[Decision], backtest: list[Decision], *, since_ms: int, until_ms: int
) -> Parity:
    """
    Compare decisions on spreads that were entered and left in [since_ms, until_ms).

    Spreads that a person or the end of the run closed are counted and left out: nobody decided
    them.
    """

    def inside(decisions: list[Decision]) -> set[Decision]:
        return {
            decision
            for decision in decisions
            if since_ms <= decision.entry_ms and decision.exit_ms < until_ms
        }

    all_live, all_backtest = inside(live), inside(backtest)
    seen_live, seen_backtest = _decided(all_live), _decided(all_backtest)
    return Parity(
        same=tuple(sorted(seen_live & seen_backtest)),
        only_live=tuple(sorted(seen_live - seen_backtest)),
        only_backtest=tuple(sorted(seen_backtest - seen_live)),
        undecided_live=len(all_live - seen_live),
        undecided_backtest=len(all_backtest - seen_backtest),
    )


def _decided(decisions: set[Decision]) -> set[Decision]:
    return {decision for decision in decisions if decision.reason not in UNDECIDED}


def describe(decision: Decision) -> dict[str, Any]:
    """Render a decision for people."""
    return {
        "spread": f"{decision.spread_id} {decision.direction}",
        "entry": decision.entry_ms // MINUTE_MS % 1440,
        "exit": decision.exit_ms // MINUTE_MS % 1440,
        "reason": decision.reason,
    }
