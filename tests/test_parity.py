"""The comparison of a live session with its backtest finds what differs."""

import json
import sqlite3
from pathlib import Path

from rehearsals.parity import Decision, compare, live_decisions

MINUTE = 60_000


def decision(entry: int, exit_: int, reason: str = "MEAN_REVERSION") -> Decision:
    return Decision(entry * MINUTE, "A-B", "long", exit_ * MINUTE, reason)


def test_equal_decisions_are_parity() -> None:
    parity = compare([decision(5, 7)], [decision(5, 7)], since_ms=0, until_ms=10 * MINUTE)
    assert parity.holds
    assert parity.same == (decision(5, 7),)


def test_nothing_to_compare_is_not_parity() -> None:
    assert not compare([], [], since_ms=0, until_ms=10 * MINUTE).holds


def test_another_exit_candle_is_a_difference_on_both_sides() -> None:
    parity = compare([decision(5, 7)], [decision(5, 8)], since_ms=0, until_ms=10 * MINUTE)
    assert not parity.holds
    assert parity.only_live == (decision(5, 7),)
    assert parity.only_backtest == (decision(5, 8),)


def test_another_reason_is_a_difference() -> None:
    parity = compare(
        [decision(5, 7)], [decision(5, 7, "SPREAD_TIME")], since_ms=0, until_ms=10 * MINUTE
    )
    assert not parity.holds


def test_spreads_outside_the_session_are_left_out() -> None:
    early, late = decision(1, 3), decision(5, 12)
    parity = compare([early, late], [decision(5, 7)], since_ms=4 * MINUTE, until_ms=10 * MINUTE)
    assert parity.only_live == ()
    assert parity.only_backtest == (decision(5, 7),)


def test_spreads_that_nobody_decided_to_close_are_left_out() -> None:
    forced = [decision(5, 7, "PARTNER_CLOSED"), decision(5, 7, "EXTERNAL")]
    ended = [decision(5, 9, "force_exit")]
    parity = compare(forced, ended, since_ms=0, until_ms=10 * MINUTE)
    assert (parity.only_live, parity.only_backtest) == ((), ())
    assert (parity.undecided_live, parity.undecided_backtest) == (2, 1)
    assert not parity.holds


def test_only_what_the_session_saw_counts_as_left_out() -> None:
    live = [decision(1, 3, "EXTERNAL"), decision(5, 12, "EXTERNAL"), decision(5, 7)]
    parity = compare(live, [decision(5, 7)], since_ms=4 * MINUTE, until_ms=10 * MINUTE)
    assert (parity.undecided_live, parity.undecided_backtest) == (0, 0)
    assert parity.holds


def test_what_was_left_out_does_not_spoil_parity() -> None:
    live = [decision(5, 7), decision(6, 8, "PARTNER_CLOSED")]
    parity = compare(live, [decision(5, 7)], since_ms=0, until_ms=10 * MINUTE)
    assert parity.holds
    assert (parity.undecided_live, parity.undecided_backtest) == (1, 0)


def test_live_decisions_are_read_from_the_bots_database(tmp_path: Path) -> None:
    result = {
        "spread_id": "A-B",
        "direction": "short",
        "signal_ms": 4 * MINUTE,
        "closed_ms": 7 * MINUTE + 2_345,
        "reason": "SPREAD_STOP",
    }
    with sqlite3.connect(tmp_path / "bot.sqlite") as connection:
        connection.execute("CREATE TABLE ext_spread_results (id INTEGER, result TEXT)")
        connection.execute("INSERT INTO ext_spread_results VALUES (1, ?)", (json.dumps(result),))
    connection.close()
    assert live_decisions(tmp_path / "bot.sqlite") == [
        Decision(5 * MINUTE, "A-B", "short", 7 * MINUTE, "SPREAD_STOP")
    ]
