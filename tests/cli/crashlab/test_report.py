"""The crash lab's rows, table, exit code and JSON, and its catalogue.

Bugs planted by hand in ``_report.py`` and ``_faults.py``, each killed by the test
named:

- p99 taken as the median: ``test_p99_is_the_worst_of_a_few_runs``
- figures of runs that never fired counted: ``test_a_run_that_never_fired_adds_no_figures``
- a run that never recovered left out: ``test_one_run_that_never_recovered_is_never``
- phantoms do not fail: ``test_each_finding_alone_fails_the_fault``
- a fault that never fired passes: ``test_a_fault_that_never_fired_fails``
- infinity written into JSON: ``test_json_has_no_infinities``
- a class of the specification without a scenario: ``test_every_class_of_the_specification``
- two scenarios of one name: ``test_every_scenario_has_a_name_of_its_own``
- an unknown name ignored: ``test_an_unknown_fault_is_told_with_the_known_ones``
- a class number matching a name's digits: ``test_a_class_brings_all_of_its_scenarios``
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from freqtrade_ext.cli.crashlab._faults import CLASSES, SCENARIOS, Scenario, chosen
from freqtrade_ext.cli.crashlab._judge import Verdict
from freqtrade_ext.cli.crashlab._report import (
    FaultRow,
    as_json,
    failures,
    fault_rows,
    result_table,
    write_json,
)
from freqtrade_ext.cli.crashlab._runner import RunResult
from freqtrade_ext.errors import ConfigError

FAULT = Scenario("lost", 1, "an answer is lost", lambda session, random: None)
CLEAN = RunResult("lost", 1, 1, True, True, Verdict(), 2.0, 40.0)


def run(recovery: float | None = 2.0, *, fired: bool = True, **verdict: object) -> RunResult:
    return replace(CLEAN, verdict=Verdict(**verdict), recovery_s=recovery, fired=fired)


def row(*runs: RunResult) -> FaultRow:
    (found,) = fault_rows([FAULT], runs)
    return found


def printed(*rows: FaultRow) -> str:
    console = Console(width=180)
    with console.capture() as capture:
        console.print(result_table(rows, title="Crash lab"))
    return capture.get()


def test_a_fault_that_was_not_played_has_no_row() -> None:
    assert fault_rows([FAULT], [replace(CLEAN, scenario="other")]) == []


def test_a_row_sums_findings_over_its_runs() -> None:
    found = row(run(orphans=("a", "b"), lost=("c",)), run(orphans=("d",), duplicates=("e",)))
    assert (found.runs, found.fired) == (2, 2)
    assert (found.orphans, found.duplicates, found.lost) == (3, 1, 1)


def test_times_are_the_longest() -> None:
    found = row(
        run(1.0, longest_orphan_s=3.0, longest_naked_s=1.0),
        run(4.0, longest_orphan_s=2.0, longest_naked_s=9.0),
    )
    assert (found.longest_orphan_s, found.longest_naked_s, found.recovery_s) == (3.0, 9.0, 4.0)


def test_p99_is_the_worst_of_a_few_runs() -> None:
    found = row(*(run(naked_per_1000=float(value)) for value in (5, 1, 100)))
    assert (found.naked_median, found.naked_p99) == (5.0, 100.0)


def test_p99_of_many_runs_leaves_out_the_worst_hundredth() -> None:
    found = row(*(run(naked_per_1000=float(value)) for value in range(1, 201)))
    assert (found.naked_median, found.naked_p99) == (100.5, 198.0)


def test_one_run_that_never_recovered_is_never() -> None:
    found = row(run(1.0), run(None))
    assert math.isinf(found.recovery_s)
    assert "never" in printed(found)


def test_a_run_that_never_fired_adds_no_figures() -> None:
    found = row(run(naked_per_1000=1.0), run(None, fired=False, naked_per_1000=90.0))
    assert (found.fired, found.naked_p99, found.recovery_s) == (1, 1.0, 2.0)


def test_a_fault_that_never_fired_has_no_figures_at_all() -> None:
    found = row(run(fired=False))
    assert math.isnan(found.naked_median)
    assert math.isnan(found.recovery_s)
    assert "–" in printed(found)


def test_a_clean_fault_passes() -> None:
    assert row(CLEAN).passed
    assert failures([row(CLEAN)]) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("orphans", "orphans 1"),
        ("phantoms", "in the books only 1"),
        ("duplicates", "duplicates 1"),
        ("lost", "lost orders 1"),
    ],
)
def test_each_finding_alone_fails_the_fault(kind: str, words: str) -> None:
    result = run(**{kind: ("ETHUSDT",)})
    assert not result.passed
    assert failures([row(CLEAN, result)]) == [f"lost: {words}"]


def test_a_fault_that_never_fired_fails() -> None:
    result = run(fired=False)
    assert not result.passed
    assert failures([row(CLEAN, result)]) == ["lost: never fired 1"]


def test_a_strategy_that_did_not_trade_is_said_to_have_not_traded() -> None:
    result = replace(run(fired=False), traded=False)
    assert failures([row(result)]) == ["lost: did not trade 1"]
    assert "did not trade" in printed(row(result))


def test_the_table_shows_the_class_and_what_only_the_books_hold() -> None:
    text = printed(row(run(phantoms=("x",), naked_per_1000=12.4)))
    assert "1 accepted, answer lost" in text
    assert "0+1 in books" in text
    assert " 12 " in text


def test_json_has_no_infinities(tmp_path: Path) -> None:
    results = [run(None, orphans=("ETHUSDT",))]
    document = as_json(fault_rows([FAULT], results), results, seed=3)
    write_json(tmp_path / "deep" / "out.json", document)
    text = (tmp_path / "deep" / "out.json").read_text()
    assert "Infinity" not in text
    read = json.loads(text)
    assert read["rows"][0]["recovery_s"] is None
    assert (read["seed"], read["rows"][0]["passed"]) == (3, False)
    assert read["runs"][0]["verdict"]["orphans"] == ["ETHUSDT"]


# The catalogue


def test_every_class_of_the_specification_is_rehearsed() -> None:
    assert {one.fault_class for one in SCENARIOS} - {0} == set(CLASSES) == set(range(1, 17))


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [one.name for one in SCENARIOS]
    assert len(names) == len(set(names))


def test_kill_9_strikes_at_every_step_of_every_purpose() -> None:
    names = {one.name for one in SCENARIOS}
    steps = ("before_intent", "after_intent", "after_send", "after_answer", "before_commit",
             "after_commit")  # fmt: skip
    for purpose in ("entry", "exit", "unwind"):
        for step in steps:
            assert f"kill_{purpose}_{step}" in names
    assert "kill_recovery" in names


def test_all_means_all() -> None:
    assert chosen("all") == list(SCENARIOS)


def test_names_are_played_in_the_order_of_the_catalogue() -> None:
    assert [one.name for one in chosen("lost_exit_1, lost_entry_2")] == [
        "lost_entry_2",
        "lost_exit_1",
    ]


def test_a_class_brings_all_of_its_scenarios() -> None:
    assert chosen("1") == [one for one in SCENARIOS if one.fault_class == 1]
    assert {one.fault_class for one in chosen("9,16")} == {9, 16}


def test_an_unknown_fault_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        chosen("lost_entry_1,lots_entry_2")
    assert "no such fault: lots_entry_2;" in str(error.value)
    assert "lost_entry_2" in str(error.value)


@pytest.mark.parametrize("text", ["17", ""])
def test_there_is_no_seventeenth_class_and_no_empty_choice(text: str) -> None:
    with pytest.raises(ConfigError):
        chosen(text)
