"""One pass of the scored single-coin strategy over 544 markets of 999 candles, on one core.

Beside it, on the same candles: plain TA-Lib calls for the same indicators, and the
``populate_indicators`` of Freqtrade's own SampleStrategy.
"""

import dataclasses
import importlib.util
import os
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import freqtrade
import numpy as np
import pandas as pd
import talib

from benchmarks._timing import spread
from freqtrade_ext.signals import MarketInputs, SignalSettings, macro_context, score_market
from freqtrade_ext.signals import _score as scoring

N_MARKETS, N_CANDLES = 544, 999
BOUND_SECONDS = 3.0
RUNS = 7
SEED = 20240101
NOISE = 0.0005  # of each price, so that no market is another one's copy
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "C_futures_5m_2023Jul" / "futures"
PRICES = ["open", "high", "low", "close"]

Frames = dict[str, pd.DataFrame]


def main() -> None:
    """Print times, ratios, shares and memory."""
    with one_core():
        source, candles, funding = markets()
        settings = SignalSettings()
        started = _peak_mb()
        print(f"{len(candles)} markets x {N_CANDLES} candles of 5m, one core; {source}")
        compare(candles, funding, settings)
        shares(candles, funding, settings)
        kept = one_pass(candles, funding, settings)
        size = sum(int(each.columns.memory_usage().sum()) for each in kept) / 2**20
        print(f"memory: peak {_peak_mb():.0f} MB with all results kept, of which they take "
              f"{size:.0f} MB; {started:.0f} MB before the first pass")  # fmt: skip


def compare(candles: Frames, funding: Frames, settings: SignalSettings) -> None:
    """Time the three in turn, A B C A B C ..., so that a drift of the machine hits all."""
    strategy = sample_strategy()
    rivals: dict[str, Callable[[], object]] = {
        "score_market": lambda: one_pass(candles, funding, settings, keep=False),
        "plain TA-Lib calls": lambda: [plain_talib(each) for each in candles.values()],
        "SampleStrategy.populate_indicators": lambda: [
            strategy.populate_indicators(each.copy(), {"pair": name})
            for name, each in candles.items()
        ],
    }
    for run in rivals.values():
        run()
    wall, cpu = defaultdict(list), defaultdict(list)
    for _ in range(RUNS):
        for name, run in rivals.items():
            begin = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - begin[0])
            cpu[name].append(time.process_time() - begin[1])
    ours = "score_market"
    for name in rivals:
        each = statistics.median(cpu[name]) * 1e3 / len(candles)
        print(f"  {name}: processor {spread(cpu[name], ' s')}, {each:.2f} ms a market; "
              f"wall {spread(wall[name], ' s')}")  # fmt: skip
        if name != ours:
            ratios = [a / b for a, b in zip(cpu[ours], cpu[name], strict=True)]
            print(f"    processor ratio score_market / {name}: {spread(ratios)}")
    for what, seconds in (("processor", cpu[ours]), ("wall", wall[ours])):
        verdict = "met" if max(seconds) <= BOUND_SECONDS else "NOT MET"
        print(f"  bound {BOUND_SECONDS} s by the slowest run's {what} time: {verdict}, "
              f"{max(seconds):.2f} s")  # fmt: skip
    print(f"  load average while measuring: {os.getloadavg()[0]:.1f}")


def one_pass(
    candles: Frames, funding: Frames, settings: SignalSettings, *, keep: bool = True
) -> list[scoring.ScoredMarket]:
    """Score all markets once, the preparation of Bitcoin and Ether included."""
    names = list(candles)
    btc, eth = (next(each for each in names if each.startswith(coin)) for coin in ("BTC/", "ETH/"))
    macro = macro_context(candles[btc], candles[eth], "5m", settings)
    kept = []
    for name, frame in candles.items():
        inputs = MarketInputs(name, "5m", frame, macro=macro, funding=funding[name])
        scored = score_market(inputs, settings)
        if keep:
            kept.append(scored)
    return kept


def shares(candles: Frames, funding: Frames, settings: SignalSettings) -> None:
    """Print where the time of one market goes."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            begin = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] += time.process_time() - begin

        return run

    layers = tuple(
        dataclasses.replace(layer, judge=timed(f"layer {layer.name}", layer.judge))
        for layer in scoring.LAYERS
    )
    parts = {"candle_arrays": "candles to arrays", "indicators_of": "shared indicators",
             "gating_of": "gate (Hurst, z-score)", "_scored": "score and columns"}  # fmt: skip
    before = {name: getattr(scoring, name) for name in (*parts, "LAYERS")}
    try:
        scoring.LAYERS = layers  # type: ignore[misc]
        for name, label in parts.items():
            setattr(scoring, name, timed(label, before[name]))
        one_pass(candles, funding, settings, keep=False)
    finally:
        for name, value in before.items():
            setattr(scoring, name, value)
    total = sum(spent.values())
    print("  where it goes (processor time of one further pass, part by part):")
    for label, seconds in sorted(spent.items(), key=lambda row: -row[1]):
        print(f"    {label:28s} {seconds * 1e3 / len(candles):6.3f} ms {seconds / total:6.1%}")


def plain_talib(frame: pd.DataFrame) -> list[Any]:
    """Call TA-Lib for the indicators that the layers read, and do nothing with them."""
    high, low, close, volume = (
        frame[name].to_numpy() for name in ("high", "low", "close", "volume")
    )
    rsi = talib.RSI(close, 14)
    return [
        rsi,
        talib.ADX(high, low, close, 14),
        talib.PLUS_DI(high, low, close, 14),
        talib.MINUS_DI(high, low, close, 14),
        talib.ATR(high, low, close, 14),
        talib.SMA(volume, 20),
        talib.MACD(close, 12, 26, 9),
        talib.BBANDS(close, 20, 2.0, 2.0),
        talib.STOCH(rsi, rsi, rsi, 14, 3, 0, 3, 0),
        talib.EMA(close, 8),
        talib.EMA(close, 21),
        talib.STDDEV(close, 96),
        talib.SUM(volume, 96),
        talib.SUM(volume * (high + low + close) / 3.0, 96),
        talib.MIN(low, 20),
        talib.MAX(high, 20),
        talib.SMA(close, 8),
        talib.SMA(close, 21),
    ]


def sample_strategy() -> Any:
    """Load the strategy that Freqtrade gives to every new user."""
    path = Path(freqtrade.__file__).parent / "templates" / "sample_strategy.py"
    spec = importlib.util.spec_from_file_location("sample_strategy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SampleStrategy({})


def markets() -> tuple[str, Frames, Frames]:
    """Candles and funding of all markets: real ones with noise, synthetic ones where absent."""
    rng = np.random.default_rng(SEED)
    originals = list(_real()) or list(_synthetic(rng))
    source = f"{len(originals)} real markets with noise" if DATA.is_dir() else "synthetic markets"
    candles, funding = {}, {}
    for number in range(N_MARKETS):
        coin, frame, rates = originals[number % len(originals)]
        name = f"{coin if number < len(originals) else f'{coin}{number}'}/USDT:USDT"
        if number >= len(originals):
            frame = frame.copy()
            frame[PRICES] *= np.exp(NOISE * rng.standard_normal((len(frame), 1)))
        candles[name], funding[name] = frame, rates
    return source, candles, funding


def _real() -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    for path in sorted(DATA.glob("*-5m-futures.feather")):
        frame = pd.read_feather(path).tail(N_CANDLES).reset_index(drop=True)
        rates = pd.read_feather(path.with_name(path.name.replace("5m-futures", "1h-funding_rate")))
        yield path.name.split("_")[0], frame, rates.assign(rate=rates["open"])[["date", "rate"]]


def _synthetic(rng: np.random.Generator) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    dates = pd.date_range("2024-01-01", periods=N_CANDLES, freq="5min", tz="UTC")
    events = pd.date_range("2024-01-01", periods=11, freq="8h", tz="UTC")
    for coin in ("BTC", "ETH", *(f"C{number}" for number in range(53))):
        close = 100.0 * np.exp(rng.normal(0.0, 0.003, N_CANDLES).cumsum())
        reach = 1.0 + np.abs(rng.normal(0.0, 0.002, N_CANDLES))
        frame = pd.DataFrame({"date": dates, "open": close, "high": close * reach,
                              "low": close / reach, "close": close,
                              "volume": rng.lognormal(5.0, 1.0, N_CANDLES)})  # fmt: skip
        yield coin, frame, pd.DataFrame({"date": events, "rate": rng.normal(0.0, 3e-4, 11)})


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on one processor."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
