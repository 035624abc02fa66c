"""What the classifier is worth on recorded coins: walk-forward, net of costs, beside baselines.

``python -m benchmarks.model_evidence [market ...]`` on the 24 markets of ../shared/data (or of
the folder that SHARED_DATA names), 5m.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from freqtrade_ext.learning import (
    LabelSettings,
    Scores,
    TrainingRows,
    candle_features,
    fit_move_model,
    fit_signal_model,
    label_target,
    purged_folds,
    score_predictions,
)

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARED = Path(os.environ.get("SHARED_DATA", _BESIDE))
DATA = SHARED / "A_spot_5m_2024"
LABELS = LabelSettings()
FOLDS = 5
DAYS = 60  # the last ones of the file
MEASURES = ("accuracy", "precision", "recall", "f1", "brier", "trades", "profit_factor", "net")


def recorded(folder: Path) -> bool:
    """Whether recorded candles are there; says so where they are not."""
    if not folder.is_dir():
        print(f"skipped: recorded candles are absent: {folder} (SHARED_DATA names their folder)")
    return folder.is_dir()


@dataclass(frozen=True)
class Market:
    """
    Rows of one market that have every feature and a label, and what baselines look at.

    `scaled` is the move after each row in units of its threshold, `past` that before it.
    """

    rows: TrainingRows
    scaled: np.ndarray
    past: np.ndarray
    names: list[str]

    def part(self, chosen: np.ndarray) -> "Market":
        """Return some of the rows."""
        rows = self.rows
        columns = ("features", "side", "moves", "start", "end")
        part = TrainingRows(**{name: getattr(rows, name)[chosen] for name in columns})
        return Market(part, self.scaled[chosen], self.past[chosen], self.names)


def market_of(frame: pd.DataFrame) -> Market:
    """Features and labels of a market's candles."""
    close, high, low = (frame[name].to_numpy() for name in ("close", "high", "low"))
    labels = label_target(close, LABELS, high=high, low=low)
    features = candle_features(frame)
    kept = np.flatnonzero(features.notna().all(axis=1) & np.isfinite(labels.side))
    past = np.full(len(close), np.nan)
    past[LABELS.horizon :] = labels.scaled[: -LABELS.horizon]
    rows = TrainingRows(
        features=features.to_numpy(dtype=np.float32)[kept],
        side=labels.side[kept].astype(np.int64),
        moves=labels.move[kept],
        start=kept,
        end=kept + labels.ahead[kept],
    )
    return Market(rows, labels.scaled[kept], past[kept], list(features.columns))


def baselines(rows: TrainingRows, past: np.ndarray) -> dict[str, list[Scores]]:
    """Scores of always saying what training saw most, and of following the last move."""
    found: dict[str, list[Scores]] = {"constant": [], "momentum": []}
    folds = purged_folds(rows.start, rows.end, n_folds=FOLDS, embargo=LABELS.horizon)
    for fold in folds:
        shares = np.bincount(rows.classes[fold.train], minlength=3) / len(fold.train)
        constant = np.tile(shares, (len(fold.test), 1))
        last = past[fold.test]
        followed = np.where(np.abs(last) > LABELS.multiple, np.sign(last), 0).astype(int) + 1
        for name, probabilities in (("constant", constant), ("momentum", np.eye(3)[followed])):
            chosen = probabilities.argmax(axis=1)
            position = chosen - 1 if name == "momentum" else np.zeros(len(chosen), dtype=int)
            found[name].append(
                score_predictions(
                    rows.classes[fold.test],
                    probabilities,
                    chosen,
                    moves=rows.moves[fold.test],
                    positions=position,
                    start=rows.start[fold.test],
                    horizon=LABELS.horizon,
                    cost=LABELS.round_trip_cost,
                )
            )
    return found


def measure(market: str) -> dict[str, list[Scores]]:
    """Scores of every fold of one market."""
    frame = pd.read_feather(DATA / f"{market}_USDT-5m.feather")
    frame = frame.tail(DAYS * 288).reset_index(drop=True)
    known = market_of(frame)
    rows, names = known.rows, known.names
    began = time.monotonic()
    model = fit_signal_model(
        rows, names=names, horizon=LABELS.horizon, cost=LABELS.round_trip_cost, n_folds=FOLDS
    )
    found = {"classifier": list(model.folds), **baselines(rows, known.past)}
    move = fit_move_model(rows.features, rows.moves, names=names, horizon=LABELS.horizon)
    print(
        f"{market:6s} {len(rows.side)} rows, {time.monotonic() - began:.0f} s; regressor on the "
        f"last tenth: hit rate {move.held_out.hit_rate:.4f}, correlation "
        f"{move.held_out.correlation:+.4f}, R2 {move.held_out.r_squared:+.4f}",
        flush=True,
    )
    for name, scores in found.items():
        for number, score in enumerate(scores, start=1):
            values = score.as_dict()
            row = " ".join(f"{values[each]:9.4f}" for each in MEASURES)
            print(f"{market:6s} {name:10s} fold {number} {row}", flush=True)
    return found


def main(arguments: Sequence[str] = ()) -> None:
    """Measure the named markets, or all."""
    if not recorded(DATA):
        return
    known = sorted(file.name.split("_")[0] for file in DATA.glob("*-5m.feather"))
    every: dict[str, list[list[Scores]]] = {}
    print(f"{'':24s} " + " ".join(f"{each:>9s}" for each in MEASURES))
    for market in arguments or known:
        for name, scores in measure(market).items():
            every.setdefault(name, []).append(scores)
    for name, markets in every.items():
        for fold in range(FOLDS):
            table = [[scores[fold].as_dict()[each] for each in MEASURES] for scores in markets]
            row = " ".join(f"{value:9.4f}" for value in np.nanmedian(table, axis=0))
            print(f"median {name:10s} fold {fold + 1} {row}")


if __name__ == "__main__":
    main(sys.argv[1:])
