"""The table of planted bugs is up to date and complete, and its verdicts are true.

Bugs planted by hand, each caught by the test named:

1. a test that cannot be run counts as caught -> test_what_becomes_of_a_bug
2. a bug stays planted -> the same
3. the repository is tested instead of its copy -> the same
"""

import ast
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from freqtrade_ext.risk import CloseReason
from freqtrade_ext.signals import LAYERS
from rehearsals.planted_bugs import BUGS, Outcome, PlantedBug, Verdict, misplaced, run
from rehearsals.planted_bugs import __main__ as command
from rehearsals.planted_bugs._runner import copied, red_without_a_bug

ROOT = Path(__file__).resolve().parents[2]


@cache
def names_in(file):
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_text_is_where_the_table_says_exactly_once():
    assert [f"{bug.file}: {bug.text}" for bug in misplaced(BUGS, ROOT)] == []


def test_every_named_test_is_there():
    missing = []
    for bug in BUGS:
        file, name = bug.test.split("::")
        if name not in names_in(file):
            missing.append(bug.test)
    assert missing == []


def test_no_bug_is_the_text_itself_and_none_is_there_twice():
    assert all(bug.text != bug.replacement for bug in BUGS)
    assert len({(bug.file, bug.text, bug.replacement) for bug in BUGS}) == len(BUGS)
    assert len({bug.rule for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_every_layer_is_taken_out(layer):
    rules = {bug.rule for bug in BUGS}
    assert f"registry: {layer.name} is asked" in rules
    if layer.number:
        assert any(rule.startswith(f"layer {layer.number}: ") for rule in rules)
    if layer.vetoes:
        assert f"registry: the veto of {layer.name}" in rules


# Of a single position's own rules; the others are a person's, Freqtrade's or the spreads'.
EXITS = ["SL", "EMERGENCY_SL", "TP", "KILL_SWITCH_PARTIAL", "KILL_SWITCH_FULL", "TIME_GRADUAL",
         "TIME_FORCE", "TIME_REDUCE_4H", "TIME_REDUCE_8H", "RECOVERY_EXIT",
         "ADVERSE_TIME_EXIT"]  # fmt: skip


def test_every_exit_rule_is_taken_out():
    rules = {bug.rule for bug in BUGS}
    assert {f"exit: {CloseReason[name].value}" for name in EXITS} <= rules
    assert {"stop: TRAILING", "stop: BREAKEVEN", "stop: ATR stop"} <= rules


# The runner, on a package of four lines


def bug_of(text="return 42", replacement="return 41", test="test_the_answer"):
    return PlantedBug(
        "answer", "freqtrade_ext/answer.py", text, replacement, f"tests/test_answer.py::{test}"
    )


@pytest.fixture
def small(tmp_path):
    """A package with one function, and its tests."""
    files = {
        "freqtrade_ext/__init__.py": "",
        "freqtrade_ext/answer.py": "def answer():\n    return 42\n\n\nSIZE = 3\n",
        "tests/test_answer.py": "from freqtrade_ext.answer import SIZE, answer\n\n\n"
        "def test_the_answer():\n    assert answer() == 42\n\n\n"
        "def test_nothing():\n    assert SIZE\n",
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    }
    for name, text in files.items():
        path = tmp_path / "small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return copied(tmp_path / "small", tmp_path)


def test_what_becomes_of_a_bug(small):
    before = (small / "freqtrade_ext" / "answer.py").read_text()
    bugs = [
        bug_of(),
        bug_of(test="test_nothing"),
        bug_of(text="return 7"),
        bug_of(replacement="return ("),  # cannot be loaded: no test has said anything of it
        bug_of(test="test_that_is_not_there"),
    ]
    assert list(run(bugs, small)) == [
        Outcome(bugs[0], Verdict.CAUGHT),
        Outcome(bugs[1], Verdict.ALIVE),
        Outcome(bugs[2], Verdict.MISPLACED),
        Outcome(bugs[3], Verdict.BROKEN),
        Outcome(bugs[4], Verdict.BROKEN),
    ]
    assert (small / "freqtrade_ext" / "answer.py").read_text() == before
    assert red_without_a_bug(bugs[:2], small) == ""
    answer = small / "freqtrade_ext" / "answer.py"
    answer.write_text(before.replace("42", "40"))
    assert "test_the_answer" in red_without_a_bug(bugs[:2], small)


@pytest.mark.parametrize(
    ("bugs", "code", "said"),
    [
        ([bug_of()], 0, "1 bugs: 1 caught, 0 ALIVE, 0 MISPLACED, 0 BROKEN"),
        ([bug_of(), bug_of(test="test_nothing")], 1, "2 bugs: 1 caught, 1 ALIVE"),
        ([bug_of(text="gone")], 1, "1 MISPLACED"),
        ([], 1, "0 bugs"),
    ],
)
def test_the_command_ends_with_1_unless_all_were_caught(small, monkeypatch, bugs, code, said):
    monkeypatch.setattr(command, "BUGS", bugs)
    monkeypatch.setattr(command, "ROOT", small)
    result = CliRunner().invoke(command.main, ["--unchecked"])
    assert result.exit_code == code, result.output
    assert said in result.output
