"""The outcome model on backtests of RegimeScore: what it would have kept, out of sample.

``python -m benchmarks.model_outcomes [set ...] [--results FOLDER]``, on the recorded candles of
../shared/data, or of the folder that SHARED_DATA names. Each set is backtested by an unmodified
Freqtrade (unless FOLDER has its result), then its trades pass before the model in the order of
time: an entry is judged by a model that knows the trades closed before it and no others.
"""

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.exchange import timeframe_to_msecs
from sklearn.metrics import roc_auc_score

from benchmarks.model_evidence import SHARED, recorded
from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.adapters._trade_outcomes import entry_features
from freqtrade_ext.adapters.market_data import load_bot_configuration
from freqtrade_ext.adapters.model_store import _Candles, _closed_trades, _entries
from freqtrade_ext.learning import OutcomeLearner, OutcomeSettings, TradeOutcome

WITHOUT_BRACKETS = ("--without", "AUDIO,EOS,SXP")
NEVER_STOPPED = ("--ext", '{"risk": {"account": {"enabled": false}}}')
FUTURES, SPOT = "rehearsals.regime_backtest", "rehearsals.spot_backtest"


@dataclass(frozen=True)
class Backtest:
    """How a set is backtested; `hourly`: its candles of 5m are aggregated first."""

    module: str
    data: str
    timeframe: str
    timerange: str
    options: tuple[str, ...] = ()
    hourly: bool = False

    def candles(self, folder: Path) -> Path:
        """Return the folder of the candles."""
        source = SHARED / self.data
        if not self.hourly:
            return source
        target = folder / f"{self.data}_1h"
        target.mkdir(parents=True, exist_ok=True)
        how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
        for file in source.glob("*-5m.feather"):
            hours = pd.read_feather(file).set_index("date").resample("1h").agg(how).dropna()
            hours.reset_index().to_feather(target / file.name.replace("-5m", "-1h"))
        return target

    def run(self, candles: Path, folder: Path) -> None:
        """Backtest into a bot's folder."""
        command = [
            sys.executable, "-m", self.module, str(candles), "--timeframe", self.timeframe,
            "--timerange", self.timerange, "--folder", str(folder), *self.options,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)


SETS = {
    "A 1h": Backtest(SPOT, "A_spot_5m_2024", "1h", "20240117-20240906", hourly=True),
    "A 5m": Backtest(SPOT, "A_spot_5m_2024", "5m", "20240104-20240301"),
    "A 5m, never stopped": Backtest(
        SPOT, "A_spot_5m_2024", "5m", "20240104-20240906", NEVER_STOPPED
    ),
    "B 1h": Backtest(FUTURES, "B_futures_1h_2024_2025", "1h", "20240201-20250430"),
    "C 5m": Backtest(FUTURES, "C_futures_5m_2023Jul", "5m", "20230708-20230801", WITHOUT_BRACKETS),
    "C 5m, never stopped": Backtest(
        FUTURES, "C_futures_5m_2023Jul", "5m", "20230708-20230801",
        (*WITHOUT_BRACKETS, *NEVER_STOPPED),
    ),
    "D 5m": Backtest(FUTURES, "D_futures_5m_2025MarApr", "5m", "20250308-20250430"),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A closed trade: when it was decided on, what was known then, what became of it."""

    decided_ms: int
    outcome: TradeOutcome
    profit: float


@dataclass(frozen=True)
class Judged:
    """An entry, what a model said of it, how many gains that had seen, and how many came before."""

    entry: Entry
    confidence: float
    share: float
    training: int


def entries(folder: Path, candles: Path) -> list[Entry]:
    """Read the trades of a backtest, with the sixteen features as far as they are known."""
    configuration = load_bot_configuration([str(folder / "config.json")], datadir=str(candles))
    trades = _closed_trades(folder / "backtest_results", None)
    candle_ms = int(timeframe_to_msecs(configuration.timeframe))
    found, frames = list(_entries(trades, candle_ms)), _Candles(configuration)
    if len(found) != len(trades):
        raise RuntimeError("each trade is an entry of its own")
    result = []
    for each, (_, trade) in zip(found, trades.iterrows(), strict=True):
        decided_ms = each.signal_ms + candle_ms
        score = ScoreTag.parse(trade["enter_tag"])
        known = {
            "leverage": each.leverage,
            "signal_score": math.nan if score is None else float(score.score),
            "funding_rate": funding_rate(candles, each.market, decided_ms),
        }
        features = entry_features(frames.get_pair_dataframe(each.market), each.signal_ms, known)
        if features is None:
            raise RuntimeError(f"{each.market}: no candle at {each.signal_ms}")
        outcome = TradeOutcome(each.key, each.closed_ms, each.net, features)
        result.append(Entry(decided_ms, outcome, float(trade["profit_abs"])))
    return sorted(result, key=lambda each: (each.decided_ms, each.outcome.key))


def funding_rate(candles: Path, market: str, time_ms: int) -> float:
    """Return the last rate that was paid before an entry; NaN in spot trading."""
    name = market.replace("/", "_").replace(":", "_")
    file = candles / "futures" / f"{name}-1h-funding_rate.feather"
    if not file.exists():
        return math.nan
    rates = pd.read_feather(file)
    paid = rates[rates["date"] < pd.Timestamp(time_ms, unit="ms", tz="UTC")]
    return float(paid["open"].iloc[-1]) if len(paid) else math.nan


def walk(trades: Sequence[Entry]) -> Iterator[Judged]:
    """
    Let the trades pass in the order of time.

    A trade that was closed on a candle is known from the next candle on: its date is that of the
    candle's open, its exit may have been anywhere in it.
    """
    learner = OutcomeLearner(OutcomeSettings(enabled=True))
    waiting = sorted((each.outcome for each in trades), key=lambda each: (each.closed_ms, each.key))
    share, training = math.nan, 0
    for each in trades:
        while waiting and waiting[0].closed_ms < each.decided_ms:
            if learner.add([waiting.pop(0)]):
                training += 1
                share = float(np.mean([known.net > 0 for known in learner.outcomes]))
        confidence = float(learner.confidence([each.outcome.features])[0])
        yield Judged(each, confidence, share, training)


def told(name: str, judged: Sequence[Judged]) -> str:
    """Say how many there are, how many gained, what they made."""
    if not judged:
        return f"{name:28s}    0 trades"
    gains = np.array([each.entry.outcome.net > 0 for each in judged])
    bps = 1e4 * np.array([each.entry.outcome.net for each in judged])
    net = sum(each.entry.profit for each in judged)
    return (
        f"{name:28s} {len(gains):4d} trades, precision {gains.mean():.3f} ± "
        f"{math.sqrt(gains.mean() * (1 - gains.mean()) / len(gains)):.3f}, net {net:+9.2f} USDT, "
        f"{bps.mean():+7.1f} ± {_error(bps):.1f} bps"
    )


def skill(judged: Sequence[Judged]) -> str:
    """
    Say whether higher confidence went to gains: the area under the ROC curve, 0.5 for chance.

    Of all, and of trades that the same model has judged: the level of the confidence follows the
    share of gains so far, and where that share comes and goes, comparing models gives less than 0.5
    without any of them being wrong about its own trades.
    """
    same = [[each for each in judged if each.training == number]
            for number in sorted({each.training for each in judged})]  # fmt: skip
    parts = [found for part in same if (found := _area(part)) is not None]
    whole = _area(judged)
    if whole is None or not parts:
        return "all of one kind"
    areas, errors, pairs = (np.array(column) for column in zip(*parts, strict=True))
    weights = pairs / pairs.sum()
    return (
        f"area under the ROC curve {whole[0]:.3f} ± {whole[1]:.3f}, within one model "
        f"{weights @ areas:.3f} ± {math.sqrt(np.square(weights * errors).sum()):.3f}"
    )


def _area(judged: Sequence[Judged]) -> tuple[float, float, int] | None:
    """Area, its standard error, combinations of a gain and a loss; None without any."""
    gains = np.array([each.entry.outcome.net > 0 for each in judged])
    if gains.all() or not gains.any():
        return None
    area = float(roc_auc_score(gains, [each.confidence for each in judged]))
    return area, area_error(area, gains), int(gains.sum() * (~gains).sum())


def area_error(area: float, gains: Any) -> float:
    """Standard error of the area: Hanley and McNeil (1982), Radiology 143, 29-36."""
    many, few = int(gains.sum()), int((~gains).sum())
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (many - 1) * (above - area**2) + (few - 1) * (below - area**2)
    return math.sqrt((area * (1 - area) + spread) / (many * few))


def difference(kept: Sequence[Judged], refused: Sequence[Judged]) -> str:
    """Say what the kept trades made above the refused ones."""
    if len(kept) < 2 or len(refused) < 2:
        return "too few to compare"
    good, bad = (1e4 * np.array([e.entry.outcome.net for e in part]) for part in (kept, refused))
    error = math.hypot(_error(good), _error(bad))
    return f"kept above refused {good.mean() - bad.mean():+.1f} ± {error:.1f} bps"


def _error(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def report(name: str, trades: Sequence[Entry]) -> None:
    """Print a set: all trades, those out of sample, and what either threshold keeps of them."""
    every = list(walk(trades))
    unseen = [each for each in every if math.isfinite(each.confidence)]
    print(f"{name}: {told('all', every)}")
    print(told("  out of sample, no filter", unseen))
    rules = {"  confidence >= 0.5": 0.5, "  confidence >= share of gains": None}
    for rule, level in rules.items():
        kept = [e for e in unseen if e.confidence >= (e.share if level is None else level)]
        refused = [each for each in unseen if each not in kept]
        print(f"{told(rule, kept)}; {difference(kept, refused)}")
    if unseen:
        print(f"  {skill(unseen)}", flush=True)


def main(arguments: Sequence[str] = ()) -> None:
    """Print every set, or those that are named."""
    parser = argparse.ArgumentParser(prog="benchmarks.model_outcomes")
    parser.add_argument("sets", nargs="*", help=f"of {', '.join(SETS)}")
    parser.add_argument("--results", type=Path, help="where results of backtests are kept")
    chosen = parser.parse_args(list(arguments))
    if not recorded(SHARED):
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.results or Path(scratch)
        for name in chosen.sets or SETS:
            backtest, place = SETS[name], folder / name.replace(" ", "_").replace(",", "")
            candles = backtest.candles(folder)
            if not (place / "backtest_results").is_dir():
                backtest.run(candles, place)
            report(name, entries(place, candles))


if __name__ == "__main__":
    main(sys.argv[1:])
