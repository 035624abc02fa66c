"""Where closed trades are remembered between two runs of a bot."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freqtrade_ext.errors import StoreError
from freqtrade_ext.files import Checkpoint, replace_file
from freqtrade_ext.learning._outcome_features import OUTCOME_FEATURES
from freqtrade_ext.learning._outcome_model import OutcomeLearner, TradeOutcome
from freqtrade_ext.learning._settings import OutcomeSettings

__all__ = ["load_learner", "save_learner"]

_SCHEMA = 1


def load_learner(path: Path, settings: OutcomeSettings, *, threads: int = 1) -> OutcomeLearner:
    """
    Read what was remembered; nothing where the file is absent.

    Raises
    ------
    StoreError
        If the file is damaged: it says where, and is never overwritten silently.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return OutcomeLearner(settings, threads=threads)
    try:
        document = json.loads(text)
        if document["schema"] != _SCHEMA or document["features"] != list(OUTCOME_FEATURES):
            raise ValueError("schema or features of another version")
        outcomes = [_outcome(row) for row in document["outcomes"]]
        pending = {str(key): _numbers(row) for key, row in document["pending"].items()}
        trained_at, seen = int(document["trained_at"]), int(document["seen"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: closed trades of the outcome model cannot be read ({error}); move the file "
            "away to begin anew, or prime the model again from a backtest"
        ) from error
    learner = OutcomeLearner(settings, outcomes, trained_at, seen, threads)
    learner.pending.update(pending)
    return learner


def save_learner(
    path: Path, learner: OutcomeLearner, checkpoint: Checkpoint = lambda _: None
) -> None:
    """
    Write what is remembered, whole or not at all.

    Raises
    ------
    StoreError
        If it cannot be written; the previous content stays.
    """
    document = {
        "schema": _SCHEMA,
        "features": list(OUTCOME_FEATURES),
        "trained_at": learner.trained_at,
        "seen": learner.seen,
        "outcomes": [
            {
                "key": each.key,
                "closed_ms": each.closed_ms,
                "net": each.net,
                "features": _plain(each.features),
            }
            for each in learner.outcomes
        ],
        "pending": {key: _plain(features) for key, features in learner.pending.items()},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(document, allow_nan=False).encode(), checkpoint=checkpoint)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: closed trades were not saved: {error}") from error


def _outcome(row: dict[str, Any]) -> TradeOutcome:
    return TradeOutcome(
        str(row["key"]), int(row["closed_ms"]), float(row["net"]), _numbers(row["features"])
    )


def _numbers(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else float(value) for value in values)


def _plain(values: Sequence[float]) -> list[float | None]:
    """JSON has no NaN."""
    return [None if math.isnan(value) else value for value in values]
