"""What classifier and regressor are worth on recorded coins, walk-forward over the whole set.

``python -m benchmarks.model_walk_forward [fold ...]`` on the 24 markets of ../shared/data (or of
the folder that SHARED_DATA names), 5m: a model a market, trained on 45 days, judged on the next 20,
then trained anew, 20 days on. Rows of a fold are pooled over the markets.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.model_evidence import DATA, LABELS, Market, market_of, recorded
from freqtrade_ext.learning import (
    Scores,
    fit_move_model,
    fit_signal_model,
    non_overlapping,
    profit_factor,
    score_predictions,
)

TRAIN, TEST, WARM_UP = 45 * 288, 20 * 288, 288
INNER_FOLDS = 5
MEASURES = ("accuracy", "precision", "recall", "f1", "brier", "trades", "profit_factor", "bps")
Floats = np.ndarray


@dataclass(frozen=True)
class Predictions:
    """What was said of the rows of a test part, and what came true; `k` classes."""

    truth: np.ndarray
    probabilities: Floats
    chosen: np.ndarray
    positions: np.ndarray
    moves: Floats
    start: np.ndarray


def load(name: str) -> tuple[Market, pd.Series]:
    """Features and labels of a market, and its dates."""
    frame = pd.read_feather(DATA / f"{name}_USDT-5m.feather")
    return market_of(frame), frame["date"]


def split(market: Market, begin: int) -> tuple[Market, Market]:
    """Rows to learn from, whose labels are known when the test begins, and rows to be judged on."""
    start, end = market.rows.start, market.rows.end
    return (
        market.part((start >= begin - TRAIN) & (end < begin)),
        market.part((start >= begin) & (start < begin + TEST)),
    )


def predict(train: Market, test: Market) -> dict[str, Predictions]:
    """Ask both models and the baselines about the test rows."""
    signal = fit_signal_model(
        train.rows,
        names=train.names,
        horizon=LABELS.horizon,
        cost=LABELS.round_trip_cost,
        n_folds=INNER_FOLDS,
    )
    move = fit_move_model(
        train.rows.features, train.scaled, names=train.names, horizon=LABELS.horizon
    )
    shares = np.bincount(train.rows.classes, minlength=3) / len(train.scaled)
    last = np.nan_to_num(test.past)
    followed = np.where(np.abs(last) > LABELS.multiple, np.sign(last), 0).astype(int)
    rises = float(np.mean(train.scaled[train.scaled != 0] > 0))
    expected = move.predict(test.rows.features)
    size = len(last)
    return {
        "classifier": _sides(test, signal.predict_proba(test.rows.features)),
        "constant side": _sides(test, np.tile(shares, (size, 1))),
        "momentum side": _sides(test, np.eye(3)[followed + 1]),
        "regressor": _directions(test, move.probability_up(expected), expected > 0),
        "constant direction": _directions(test, np.full(size, rises), np.full(size, rises > 0.5)),
        "momentum direction": _directions(test, (np.sign(last) + 1) / 2, last > 0),
    }


def _sides(test: Market, probabilities: Floats) -> Predictions:
    chosen = probabilities.argmax(axis=1)
    rows = test.rows
    return Predictions(rows.classes, probabilities, chosen, chosen - 1, rows.moves, rows.start)


def _directions(test: Market, up: Floats, rising: np.ndarray) -> Predictions:
    rows = test.rows
    return Predictions(
        truth=(rows.moves > 0).astype(np.int64),
        probabilities=np.column_stack([1 - up, up]),
        chosen=rising.astype(np.int64),
        positions=np.sign(up - 0.5).astype(np.int64),
        moves=rows.moves,
        start=rows.start,
    )


def pooled(parts: list[Predictions]) -> Predictions:
    """Rows of all markets; each has candles of its own, so that all are traded side by side."""
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Predictions.__dataclass_fields__
    }
    apart = [part.start + number * 10_000_000 for number, part in enumerate(parts)]
    return Predictions(**columns | {"start": np.concatenate(apart)})


def scored(said: Predictions) -> dict[str, float]:
    """Measure predictions; a move of 0 has no direction, but a trade on it pays its costs."""
    known = np.ones(len(said.truth), dtype=bool)
    if said.probabilities.shape[1] == 2:
        known = said.moves != 0
    scores: Scores = score_predictions(
        said.truth[known],
        said.probabilities[known],
        said.chosen[known],
        moves=said.moves[known],
        positions=said.positions[known],
        start=said.start[known],
        horizon=LABELS.horizon,
        cost=LABELS.round_trip_cost,
    )
    taken = non_overlapping(said.positions, said.start, LABELS.horizon)
    net = said.positions[taken] * said.moves[taken] - LABELS.round_trip_cost
    money = replace(
        scores, trades=len(net), profit_factor=profit_factor(net), net=float(net.sum())
    ).as_dict()
    return money | {"bps": 1e4 * money["net"] / len(net) if len(net) else math.nan}


def measure(markets: Mapping[str, Market], begin: int) -> dict[str, dict[str, float]]:
    """Train each market's models, and score what they say of the days after."""
    parts: dict[str, list[Predictions]] = {}
    for market in markets.values():
        for name, said in predict(*split(market, begin)).items():
            parts.setdefault(name, []).append(said)
    return {name: scored(pooled(said)) for name, said in parts.items()}


def summary(folds: list[dict[str, dict[str, float]]]) -> None:
    """Print means over the folds with their standard errors, and differences fold by fold."""
    rivals = {"classifier": "side", "regressor": "direction"}
    pairs = [(name, "") for name in folds[0]]
    pairs += [(model, f"{way} {what}") for model, what in rivals.items()
              for way in ("constant", "momentum")]  # fmt: skip
    for name, other in pairs:
        cells = []
        for each in MEASURES:
            values = [fold[name][each] - (fold[other][each] if other else 0) for fold in folds]
            finite = [value for value in values if math.isfinite(value)]
            error = np.std(finite, ddof=1) / math.sqrt(len(finite)) if len(finite) > 1 else math.nan
            cells.append(f"{each} {np.mean(finite) if finite else math.nan:+.4f} ± {error:.4f}")
        print(f"{name + (' - ' + other if other else ''):32s} " + ", ".join(cells), flush=True)


def main(arguments: Sequence[str] = ()) -> None:
    """Measure the named folds (from 1), or all."""
    if not recorded(DATA):
        return
    names = sorted(file.name.split("_")[0] for file in DATA.glob("*-5m.feather"))
    loaded = {name: load(name) for name in names}
    markets = {name: market for name, (market, _) in loaded.items()}
    dates = loaded[names[0]][1]
    if any(not other.equals(dates) for _, other in loaded.values()):
        sys.exit("the markets do not have the same candles")
    begins = range(WARM_UP + TRAIN, len(dates) - TEST + 1, TEST)
    wanted = [int(each) for each in arguments] or list(range(1, len(begins) + 1))
    print(f"{len(names)} markets, {len(begins)} folds of {TEST // 288} days, trained on "
          f"{TRAIN // 288} days; {' '.join(MEASURES)}")  # fmt: skip
    folds = []
    for number in wanted:
        begin, began = begins[number - 1], time.monotonic()
        folds.append(measure(markets, begin))
        last = dates.iloc[begin + TEST - 1]
        for name, values in folds[-1].items():
            row = " ".join(f"{values[each]:9.4f}" for each in MEASURES)
            print(f"{number:2d} {dates.iloc[begin]:%m-%d} {last:%m-%d} {name:18s} {row}")
        print(f"   {time.monotonic() - began:.0f} s", flush=True)
    summary(folds)


if __name__ == "__main__":
    main(sys.argv[1:])
