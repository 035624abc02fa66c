"""A process that is killed (SIGKILL) at each step of a save: the old state or the new, never half.

Mutants, each killed by the test named:
- `_registry.py` builds a version under its final name: a_registry_is_whole
- `files.py` writes in place: a_remembered_trade_is_never_half_written
- card written after the folder is renamed: a_registry_is_whole
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from freqtrade_ext.learning import ModelRegistry, OutcomeSettings, load_learner
from tests.learning.test_registry import CARD, ETH, files

CHILD = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from freqtrade_ext.learning import *

folder, what, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def die(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)

if what == "registry":
    registry = ModelRegistry(folder, checkpoint=die)
    card = ModelRegistry(folder).card("ETH/USDT:USDT", 1)
    registry.add(replace(card, rows=99), {"x_model.joblib": b"second"})
elif what == "pin":
    ModelRegistry(folder, checkpoint=die).pin("ETH/USDT:USDT", 1)
else:
    learner = load_learner(folder / "outcomes.json", OutcomeSettings())
    learner.add([TradeOutcome("second", 2, 0.1, (1.0,) * 16)])
    save_learner(folder / "outcomes.json", learner, checkpoint=die)
"""


def killed_at(folder: Path, what: str, step: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, str(folder), what, step], check=False)
    assert done.returncode == -signal.SIGKILL, "the step was never reached"


@pytest.mark.parametrize(
    ("step", "versions"),
    [
        ("folder made", [1]),
        ("file placed", [1]),
        ("file half written", [1]),
        ("file written", [1]),
        ("file replaced", [1]),
        ("version published", [1, 2]),
    ],
)
def test_a_registry_is_whole(tmp_path, step, versions):
    registry = ModelRegistry(tmp_path)
    registry.add(CARD, files(b"first"))
    killed_at(tmp_path, "registry", step)
    assert [card.version for card in registry.cards(ETH)] == versions
    for version in versions:
        content = (registry.files(ETH, version) / "x_model.joblib").read_bytes()
        assert content == {1: b"first", 2: b"second"}[version]
    registry.sweep()
    assert registry.add(CARD, files(b"third")).version == versions[-1] + 1
    names = sorted(each.name for each in (tmp_path / "ETH_USDT_USDT").iterdir())
    assert names == [str(number) for number in [*versions, versions[-1] + 1]]


@pytest.mark.parametrize(
    ("step", "pinned"),
    [("file half written", None), ("file written", None), ("file replaced", 1)],
)
def test_a_pin_is_set_or_not(tmp_path, step, pinned):
    registry = ModelRegistry(tmp_path)
    registry.add(CARD, files())
    killed_at(tmp_path, "pin", step)
    assert registry.pinned(ETH) == pinned


@pytest.mark.parametrize(
    ("step", "known"),
    [("file half written", ["first"]), ("file written", ["first"]),
     ("file replaced", ["first", "second"])],
)  # fmt: skip
def test_a_remembered_trade_is_never_half_written(tmp_path, step, known):
    from freqtrade_ext.learning import TradeOutcome, save_learner

    path = tmp_path / "outcomes.json"
    learner = load_learner(path, OutcomeSettings())
    learner.add([TradeOutcome("first", 1, 0.1, (1.0,) * 16)])
    save_learner(path, learner)
    killed_at(tmp_path, "outcomes", step)
    assert [each.key for each in load_learner(path, OutcomeSettings()).outcomes] == known
    assert os.access(path, os.R_OK)
