"""
Plants bugs in a copy of the repository, one at a time, and runs the test named beside each.

Each test runs in a fork of a process that has loaded everything but this package: loading Freqtrade
takes longer than most of the tests.
"""

import gc
import importlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import cache_from_source
from multiprocessing import get_context
from pathlib import Path

import pytest

from rehearsals.planted_bugs._bug import PlantedBug

__all__ = ["Outcome", "Verdict", "copied", "misplaced", "red_without_a_bug", "run"]

# What the tests read; neither data nor results.
PARTS = ("freqtrade_ext", "tests", "rehearsals", "user_data", "docs", "config.json",
         "pyproject.toml")  # fmt: skip
LONGEST_SECONDS = 300
PRELOADED = ("freqtrade.persistence", "freqtrade.plugins.protectionmanager", "freqtrade.strategy",
             "hypothesis.strategies", "numba", "pandas", "pydantic", "scipy.stats",
             "talib")  # fmt: skip
_OURS = ("freqtrade_ext", "rehearsals", "tests")
_RAN = 100  # added to pytest's exit code: a child that breaks by itself ends with 1
_PASSED, _FAILED = 0, 1  # pytest's exit codes; any other says that no test was run to its end


class Verdict(StrEnum):
    """What became of a planted bug."""

    CAUGHT = "caught"
    ALIVE = "ALIVE"  # the named test passes with the bug
    MISPLACED = "MISPLACED"  # its text is not there exactly once
    BROKEN = "BROKEN"  # the named test could not be run: it proves nothing


@dataclass(frozen=True, slots=True)
class Outcome:
    """One bug, and what became of it."""

    bug: PlantedBug
    verdict: Verdict


def copied(root: Path, folder: Path) -> Path:
    """Copy what the tests need; nothing is ever planted in the repository itself."""
    ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for part in PARTS:
        source = root / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        elif source.exists():
            shutil.copy(source, folder / part)
    return folder


def misplaced(bugs: Iterable[PlantedBug], root: Path) -> list[PlantedBug]:
    """Return the bugs whose text is not in its file exactly once."""
    return [bug for bug in bugs if _count(bug, root) != 1]


def _count(bug: PlantedBug, root: Path) -> int:
    path = root / bug.file
    return path.read_text("utf-8").count(bug.text) if path.exists() else 0


def red_without_a_bug(bugs: Iterable[PlantedBug], folder: Path) -> str:
    """Say what fails as the repository is, which would catch anything; empty if nothing does."""
    code, output = _pytest(sorted({bug.test for bug in bugs}), folder)
    return "" if code == _PASSED else output


def run(bugs: Sequence[PlantedBug], folder: Path) -> Iterator[Outcome]:
    """Plant one bug after the other in a copy; yield each outcome as it is known."""
    for bug in bugs:
        if _count(bug, folder) != 1:
            yield Outcome(bug, Verdict.MISPLACED)
            continue
        with _planted(bug, folder):
            code, _ = _pytest([bug.test], folder)
        known = {_PASSED: Verdict.ALIVE, _FAILED: Verdict.CAUGHT}
        yield Outcome(bug, known.get(code, Verdict.BROKEN))


@contextmanager
def _planted(bug: PlantedBug, folder: Path) -> Iterator[None]:
    path = folder / bug.file
    healthy = path.read_text("utf-8")
    _write(path, healthy.replace(bug.text, bug.replacement))
    try:
        yield
    finally:
        _write(path, healthy)


def _write(path: Path, text: str) -> None:
    # Python knows a changed file by its second and its size: a bug may have those of the file.
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
    path.write_text(text, "utf-8")


def _pytest(tests: list[str], folder: Path) -> tuple[int, str]:
    """Run tests of a copy; return pytest's exit code, -1 where it was not reached, and output."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # what is loaded is not looked through again in each child
    log = folder / "pytest.log"
    child = get_context("fork").Process(target=_child, args=(tests, folder, log))
    child.start()
    child.join(LONGEST_SECONDS * len(tests))
    if child.is_alive():
        child.kill()
        child.join()
    code = child.exitcode
    ran = code is not None and code >= _RAN
    return (code - _RAN if code is not None and ran else -1), log.read_text("utf-8")


def _child(tests: list[str], folder: Path, log: Path) -> None:
    output = log.open("w", encoding="utf-8")
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    sys.stdout = sys.stderr = output
    for name in [name for name in sys.modules if name.split(".")[0] in _OURS]:
        del sys.modules[name]
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    package = importlib.import_module("freqtrade_ext")
    if not Path(str(package.__file__)).is_relative_to(folder.resolve()):
        raise RuntimeError(f"{package.__file__} is not the copy: no bug would be seen")
    # Plain: nobody reads why a test has failed, and rewriting takes longer than the test.
    first = ["-x"] if len(tests) == 1 else []
    code = pytest.main([*tests, *first, "-q", "-p", "no:cacheprovider", "--assert=plain"])
    output.flush()
    os._exit(_RAN + int(code))
