"""Access to ``shared/data/known_answers``: published results and the data they are about."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def known_answers(shared_data: Path) -> dict[str, dict]:
    """Entries of ``expected.json`` by their id: source, expected and published values."""
    entries = json.loads((shared_data / "known_answers" / "expected.json").read_text())
    return {entry["id"]: entry for entry in entries}


@pytest.fixture(scope="session")
def table(shared_data: Path) -> Callable[[str], pd.DataFrame]:
    """Read a data file of the known answers."""
    return lambda name: pd.read_csv(shared_data / "known_answers" / name)
