"""The command line of the crash lab: what it refuses, shows and writes, without any process.

Bugs planted by hand in ``_command.py``, each killed by the test named:

- runs played fault by fault, so that the first fault takes all the time:
  ``test_every_fault_is_played_once_before_any_is_played_again``
- a wrong fault noticed only after the stage is set: ``test_a_wrong_fault_is_refused_at_once``
- exit code 1 for a wrong configuration: ``test_a_wrong_configuration_is_exit_code_2``
- the folder left behind: ``test_a_refused_configuration_leaves_no_folder``
- a run's line without its findings: ``test_a_run_s_line_says_what_was_found``
- a run that never recovered said to have done so after None:
  ``test_a_run_that_never_came_to_rest_says_so``
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from freqtrade_ext.cli import main
from freqtrade_ext.cli.crashlab._command import describe, in_rounds
from freqtrade_ext.cli.crashlab._faults import SCENARIOS
from freqtrade_ext.cli.crashlab._judge import Verdict
from freqtrade_ext.cli.crashlab._runner import RunResult


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the lab makes its folders."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def crashlab(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["crashlab", *arguments], env={"COLUMNS": "200"})


def test_the_list_shows_every_fault_and_starts_nothing(scratch: Path) -> None:
    result = crashlab("--list")
    assert result.exit_code == 0
    for scenario in SCENARIOS:
        assert scenario.name in result.output
    assert list(scratch.iterdir()) == []


def test_a_wrong_fault_is_refused_at_once(scratch: Path) -> None:
    result = crashlab("-c", "none.json", "--faults", "lots")
    assert result.exit_code == 2
    assert "no such fault: lots" in result.output
    assert list(scratch.iterdir()) == []


def test_a_wrong_configuration_is_exit_code_2(tmp_path: Path, scratch: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"strategy": "Mine", "trading_mode": "spot"}))
    result = crashlab("-c", str(config))
    assert result.exit_code == 2
    assert "trading_mode: must be 'futures'" in result.output


def test_a_refused_configuration_leaves_no_folder(tmp_path: Path, scratch: Path) -> None:
    assert crashlab("-c", str(tmp_path / "none.json")).exit_code == 2
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("option", [("--runs", "0"), ("--jobs", "0"), ("--seed", "x")])
def test_a_wrong_number_is_exit_code_2(option: tuple[str, str]) -> None:
    assert crashlab(*option).exit_code == 2


def test_every_fault_is_played_once_before_any_is_played_again() -> None:
    found = in_rounds(SCENARIOS[:2], 2)
    assert [(one.name, run) for one, run in found] == [
        ("none", 1),
        ("lost_entry_1", 1),
        ("none", 2),
        ("lost_entry_1", 2),
    ]


CLEAN = RunResult("none", 1, 1, True, True, Verdict(), 2.0, 40.0)


def test_a_run_s_line_says_what_was_found() -> None:
    verdict = Verdict(("a 1",), ("b 2",), ("c 3",), ("d 4",), 9.0, 1_234.0, 5.0)
    assert describe(replace(CLEAN, verdict=verdict, notes=("e 5",))) == (
        "naked 5.0 s, 1234 USDT·s per 1 000; at rest after 2.0 s; took 40 s; "
        "orphan a 1; only in the books b 2; duplicate c 3; lost d 4; e 5"
    )


def test_a_run_that_never_came_to_rest_says_so() -> None:
    assert "never at rest" in describe(replace(CLEAN, recovery_s=None))
