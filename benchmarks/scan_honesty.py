"""Is the scanner honest, and what does it find? Noise, planted spreads, real markets."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import _worlds
from benchmarks._worlds import World
from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner import (
    MarketHistory,
    ScanReport,
    ScanSettings,
    Stage,
    build_universe,
    scan,
    timeframe_ms,
)
from freqtrade_ext.scanner._bootstrap import bootstrap_pvalue
from freqtrade_ext.scanner._classes import return_correlations
from freqtrade_ext.scanner._family import choose_family
from freqtrade_ext.scanner._trading_rule import round_trips
from freqtrade_ext.spreads import Bands
from freqtrade_ext.stats import (
    adf,
    engle_granger,
    engle_granger_matrix,
    half_life,
    rolling_z_score,
)

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NOISE = {
    "independent walks": _worlds.independent_walks,
    "factor, fat tails": _worlds.fat_tailed_factor,
    "factor, stochastic volatility": _worlds.stochastic_volatility,
}
MARKETS, DISCOVERY, LATER = 500, 2160, 1080
SEEDS = 20
COST_BPS = 12.0
REAL_SETS = {
    "A_spot_5m_2024": ("5m", ""),
    "A2_spot_1h_2024": ("1h", ""),
    "B_futures_1h_2024_2025": ("1h", "futures"),
    "C_futures_5m_2023Jul": ("5m", "futures"),
}


def main(wanted: Sequence[str] = ()) -> None:
    """Print the named tables, all of them by default."""
    sections = {
        "noise": noise,
        "fresh": fresh_noise,
        "screens": screens,
        "planted": planted,
        "bootstrap": bootstrap_size,
        "real": real,
    }
    for name in wanted or sections:
        sections[name]()
        print(flush=True)


def settings(**changes: Any) -> ScanSettings:
    """Defaults for made-up markets: no limits that need turnover, no shuffle."""
    document: dict[str, Any] = {
        "universe": {"window": DISCOVERY + LATER, "min_daily_volume": 0.0, "min_listing_days": 0.0},
        "family": {},
        "bootstrap": {"replications": 199},
        "null_scan": False,
        "max_spreads": 100,
    }
    for section, values in changes.items():
        if isinstance(values, dict):
            document[section] = document.get(section, {}) | values
        else:
            document[section] = values
    return ScanSettings.model_validate(document)


def row(*cells: object) -> None:
    """Print one row of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def head(*cells: str) -> None:
    """Print the head of a table."""
    row(*cells)
    row(*["---"] * len(cells))


def noise() -> None:
    """Count what survives where there is nothing to find."""
    print(
        f"Pure noise: {MARKETS} markets, {DISCOVERY} candles of discovery and {LATER} of "
        f"confirmation, {SEEDS} seeds each; medians (and maxima) over seeds"
    )
    head("world", "family", "chance at 5 %", *_NOISE_STAGES, "clean seeds")
    for title, make in NOISE.items():
        for screen in ("none", "partial"):
            reports = [
                scan(
                    World(
                        make(np.random.default_rng(seed), DISCOVERY + LATER, MARKETS)
                    ).histories(),
                    settings(family={"screen": screen}),
                    timeframe="1h",
                    seed=seed,
                )
                for seed in range(SEEDS)
            ]
            clean = sum(report.is_empty for report in reports)
            row(
                title,
                reports[0].screen.split(",")[0].replace(" combinations", ""),
                round(float(np.median([each.funnel.expected_by_chance for each in reports]))),
                *(_summary(reports, stage) for stage in _NOISE_STAGES),
                f"{clean} of {SEEDS}",
            )


def fresh_noise() -> None:
    """Count the same on seeds that nobody looked at while the funnel was built."""
    print("The same, full family, seeds 1000 to 1019: none of them was looked at before")
    head("world", *_NOISE_STAGES, "clean seeds")
    for title, make in NOISE.items():
        reports = [
            scan(
                World(make(np.random.default_rng(seed), DISCOVERY + LATER, MARKETS)).histories(),
                settings(family={"screen": "none"}),
                timeframe="1h",
                seed=seed,
            )
            for seed in range(1000, 1000 + SEEDS)
        ]
        clean = sum(report.is_empty for report in reports)
        row(title, *(_summary(reports, stage) for stage in _NOISE_STAGES), f"{clean} of {SEEDS}")


_NOISE_STAGES = (Stage.RAW, Stage.BH, Stage.VOLATILITY, Stage.BOOTSTRAP, Stage.CHOSEN)


def _summary(reports: Sequence[ScanReport], stage: Stage) -> str:
    counts = [report.funnel.count(stage) for report in reports]
    return f"{np.median(counts):g} ({max(counts)})"


def screens() -> None:
    """Check that a screen leaves the null distribution alone, and what it keeps of the truth."""
    print("Screens under the null: share of combinations with the weaker p-value at most ...")
    head("world", "screen, size", "0.05", "0.01", "0.001", "0.0001", "combinations")
    choices = [("none", 1), ("clusters", 10_000), ("nearest", 10_000), ("partial", 10_000)]
    choices += [("nearest", 1_000), ("partial", 1_000)]
    for title, make in NOISE.items():
        pools: dict[tuple[str, int], list[np.ndarray]] = {choice: [] for choice in choices}
        for seed in range(SEEDS):
            prices = make(np.random.default_rng(seed), DISCOVERY, MARKETS)
            tests = engle_granger_matrix(prices)
            pvalues = np.maximum(tests.pvalue, tests.pvalue.T)
            for choice in choices:
                pools[choice].append(pvalues[np.triu(_mask(prices, *choice), k=1)])
        for choice in choices:
            pool = np.concatenate(pools[choice])
            shares = [f"{np.mean(pool <= level):.2g}" for level in (0.05, 0.01, 0.001, 0.0001)]
            row(title, _named(choice), *shares, len(pool))
    print()
    print("Screens and the truth: share of 50 planted spreads (half-life 24) that pass, 3 seeds")
    head("return correlation of the legs", *map(_named, choices[1:]), "partial, 200")
    for looseness in (0.5, 1.0, 1.5, 2.0):
        kept = dict.fromkeys([*choices[1:], ("partial", 200)], 0.0)
        for seed in range(3):
            world = _planted(seed, 24.0, looseness, DISCOVERY)
            for choice in kept:
                mask = _mask(world.log_prices, *choice)
                kept[choice] += sum(mask[2 * k, 2 * k + 1] for k in range(50)) / 150
        row(f"{1 / np.sqrt(1 + looseness**2):.2f}", *(f"{share:.2f}" for share in kept.values()))


def _named(choice: tuple[str, int]) -> str:
    return "none" if choice[0] == "none" else f"{choice[0]}, {choice[1]}"


def _mask(prices: np.ndarray, screen: str, size: int) -> np.ndarray:
    allowed = ~np.eye(prices.shape[1], dtype=bool)
    wanted = settings(family={"screen": screen, "size": size}).family
    return choose_family(
        return_correlations(prices), np.ones(prices.shape[1]), allowed, wanted
    ).wanted


def _planted(seed: int, life: float, looseness: float, nobs: int) -> World:
    return _worlds.planted_spreads(
        seed, nobs=nobs, n_markets=MARKETS, n_spreads=50, half_life=life, looseness=looseness
    )


def planted() -> None:
    """Count what is found of 50 true spreads, and what else."""
    print(
        f"50 true spreads among {MARKETS * (MARKETS - 1) // 2} combinations, {DISCOVERY} candles "
        f"of discovery, {LATER} of confirmation, 3 seeds: recall / precision"
    )
    head("half-life", "correlation", "family", *_PLANTED_STAGES)
    families = [("none", 1), ("clusters", 10_000), ("nearest", 10_000), ("partial", 10_000)]
    families += [("partial", 1_000), ("partial", 200)]
    for looseness, life in ((0.5, 12.0), (0.5, 24.0), (0.5, 48.0), (0.5, 96.0), (1.0, 24.0)):
        worlds = [_planted(seed, life, looseness, DISCOVERY + LATER) for seed in range(3)]
        for choice in families:
            wanted = settings(
                family={"screen": choice[0], "size": choice[1]}, bootstrap={"replications": 99}
            )
            reports = [scan(w.histories(), wanted, timeframe="1h", seed=1) for w in worlds]
            row(
                f"{life:g}",
                f"{1 / np.sqrt(1 + looseness**2):.2f}",
                _named(choice),
                *(_recall(worlds, reports, stage) for stage in _PLANTED_STAGES),
            )


_PLANTED_STAGES = (Stage.BH, Stage.VOLATILITY, Stage.BOOTSTRAP, Stage.CHOSEN)


def _recall(worlds: Sequence[World], reports: Sequence[ScanReport], stage: Stage) -> str:
    order = list(Stage)
    hits = found = truth = 0
    for world, report in zip(worlds, reports, strict=True):
        reached = [c.fit for c in report.candidates if order.index(c.stage) >= order.index(stage)]
        names = {tuple(sorted((fit.leg_a, fit.leg_b))) for fit in reached}
        hits += len(names & world.planted)
        found += len(names)
        truth += len(world.planted)
    precision = f"{hits / found:.2f}" if found else "–"
    return f"{hits / truth:.2f} / {precision}"


def bootstrap_size() -> None:
    """Check the bootstrap's level without cointegration, and its power with it."""
    print("Bootstrap p-value, 500 candles, 99 replications, 300 samples: share at most ...")
    head("process", "0.05", "0.10")
    for title, ratio in (
        ("independent walks", None),
        ("GARCH, shared shocks", "garch"),
        ("moving average -0.5 in both legs", "ma"),
        ("cointegrated, half-life 24", "true"),
    ):
        rng = np.random.default_rng(11)
        pvalues = np.array(
            [
                bootstrap_pvalue(*_sample(rng, ratio, 500), replications=99, rng=rng)
                for _ in range(300)
            ]
        )
        row(title, f"{np.mean(pvalues <= 0.05):.3f}", f"{np.mean(pvalues <= 0.10):.3f}")


def _sample(rng: np.random.Generator, kind: str | None, nobs: int) -> tuple[np.ndarray, np.ndarray]:
    shocks = rng.standard_normal((nobs + 1, 2))
    if kind == "garch":
        shocks[:, 0] = 0.7 * shocks[:, 1] + 0.7 * shocks[:, 0]
        variance = 1.0
        for index in range(nobs + 1):
            shocks[index] *= np.sqrt(variance)
            variance = 0.05 + 0.1 * float(np.mean(shocks[index] ** 2)) + 0.85 * variance
    if kind == "ma":
        shocks[1:] -= 0.5 * shocks[:-1]
    x, y = shocks[1:].cumsum(axis=0).T
    if kind == "true":
        spread = np.zeros(nobs)
        for index in range(1, nobs):
            spread[index] = 0.5 ** (1 / 24) * spread[index - 1] + shocks[index, 1]
        y = x + spread
    return y, x


def real() -> None:
    """Scan real markets, and see how discoveries of the first half fared in the second."""
    if not DATA.is_dir():
        print(f"Real data: skipped, {DATA} is absent")
        return
    for name, (timeframe, folder) in REAL_SETS.items():
        histories = list(_read(DATA / name / folder, timeframe))
        whole = max(len(each.time_ms) for each in histories)
        print(f"{name}: {len(histories)} markets, {whole} candles of {timeframe}")
        _print_scans(histories, timeframe, whole)
        _print_later("first half, then second", histories, timeframe, whole // 2, whole // 2)
        window = min(3240 if timeframe == "1h" else 8640, whole // 2)
        _print_later(f"every {window // 3} candles", histories, timeframe, window, window // 3)
        print()


def _read(folder: Path, timeframe: str) -> Iterable[MarketHistory]:
    for path in sorted(folder.glob(f"*-{timeframe}*.feather")):
        if "mark" in path.stem or "funding" in path.stem:
            continue
        frame = pd.read_feather(path)
        base, quote, *settle = path.stem.split("-")[0].split("_")
        market = f"{base}/{quote}" + (f":{settle[0]}" if settle else "")
        times = frame["date"].astype("datetime64[ms, UTC]").astype("int64").to_numpy()
        close = frame["close"].to_numpy(dtype=float)
        yield MarketHistory(market, times, close, frame["volume"].to_numpy(dtype=float) * close)


def _print_scans(histories: list[MarketHistory], timeframe: str, whole: int) -> None:
    head("window", "markets", *(stage.value for stage in Stage), "chance")
    for window in sorted({3240, whole // 4, whole // 2, whole}):
        wanted = settings(
            universe={"window": window}, bootstrap={"replications": 499}, null_scan=True
        )
        report = scan(histories, wanted, timeframe=timeframe, seed=1)
        for title, funnel in (("", report.funnel), ("null: ", report.null_funnel)):
            if funnel is None:
                continue
            counts = [funnel.count(stage) for stage in Stage]
            chance = f"{funnel.expected_by_chance:.0f}"
            row(f"{title}{window}", len(report.universe.markets), *counts, chance)


@dataclass
class Outcomes:
    """How choices of one kind fared on data after their discovery."""

    spreads: int = 0
    reverted: int = 0
    nets_bps: list[float] = field(default_factory=list)

    def add(self, prices: np.ndarray, split: int, first: int, second: int) -> None:
        """Fit on the rows before `split`, judge and trade the rest with frozen coefficients."""
        try:
            fit, a, b = min(
                (
                    (engle_granger(prices[:split, a], prices[:split, b]), a, b)
                    for a, b in ((first, second), (second, first))
                ),
                key=lambda each: each[0].stat,
            )
            value = prices[:, a] - fit.intercept - fit.hedge_ratio * prices[:, b]
            life = half_life(value[:split])
            later = adf(value[split:], trend="n").pvalue
        except InfeasibleError:
            return
        wanted = settings()
        z_score = rolling_z_score(value[split - wanted.z_window :], wanted.z_window)
        trips = round_trips(
            value[split:],
            z_score[wanted.z_window :],
            Bands(wanted.entry_z, wanted.exit_z, wanted.stop_z),
            half_life=life,
        )
        gross = 1.0 + abs(fit.hedge_ratio)
        self.spreads += 1
        self.reverted += later <= 0.05
        self.nets_bps += [1e4 * trip.move / gross - COST_BPS for trip in trips]

    def show(self, title: str) -> None:
        """Print one row."""
        if not self.spreads:
            row(title, 0, *"–––––")
            return
        nets = self.nets_bps
        error = np.std(nets, ddof=1) / np.sqrt(len(nets)) if len(nets) > 1 else np.nan
        row(
            title,
            self.spreads,
            f"{self.reverted / self.spreads:.0%}",
            len(nets),
            f"{np.mean(nets) if nets else np.nan:.1f}",
            f"{error:.1f}",
            f"{sum(nets) / self.spreads:.0f}",
        )


def _print_later(
    title: str, histories: list[MarketHistory], timeframe: str, window: int, later: int
) -> None:
    """Choose on a window, look at the candles after it; once, or again and again."""
    latest = max(int(each.time_ms[-1]) for each in histories)
    candle = timeframe_ms(timeframe)
    first = min(int(each.time_ms[0]) for each in histories)
    groups = {name: Outcomes() for name in _GROUPS}
    rng = np.random.default_rng(1)
    ends = range(first + window * candle, latest + candle - later * candle + 1, later * candle)
    for end_ms in ends:
        _one_split(histories, timeframe, (window, later), end_ms, groups, rng)
    print()
    head(
        f"{title} ({len(ends)} split(s))",
        "spreads",
        "reverts later at 5 %",
        "trades",
        "net bps a trade",
        "standard error",
        "net bps a spread",
    )
    for name, outcomes in groups.items():
        outcomes.show(name)


_GROUPS = (
    "chosen by the funnel",
    "survivors of BH",
    "as many (or 5) with the lowest raw p",
    "as many (or 5) at random",
    "all with raw p at most 0.05",
    "random 50",
)


def _one_split(
    histories: list[MarketHistory],
    timeframe: str,
    lengths: tuple[int, int],
    end_ms: int,
    groups: dict[str, Outcomes],
    rng: np.random.Generator,
) -> None:
    window, later = lengths
    report = scan(
        histories, settings(universe={"window": window}), timeframe=timeframe, seed=1, end_ms=end_ms
    )
    # What came later is carried to the end for markets that stopped: no one is left out for it.
    lenient = {"window": window + later, "max_carry_candles": later, "max_missing_share": 0.5}
    whole = build_universe(
        histories,
        settings(universe=lenient).universe,
        timeframe=timeframe,
        end_ms=end_ms + later * timeframe_ms(timeframe),
    )
    known = [name for name in report.universe.markets if name in whole.markets]
    prices = np.column_stack([whole.log_price(name) for name in known])
    place = {name: index for index, name in enumerate(known)}
    tests = engle_granger_matrix(prices[:window])
    pvalues = np.maximum(tests.pvalue, tests.pvalue.T)
    rows, columns = np.nonzero(np.triu(np.isfinite(pvalues), k=1))
    order = np.argsort(pvalues[rows, columns])
    survivors = [c.fit for c in report.candidates]
    many = len(survivors) or 5
    members = {
        _GROUPS[0]: [(place[c.fit.leg_a], place[c.fit.leg_b]) for c in report.cards],
        _GROUPS[1]: [(place[fit.leg_a], place[fit.leg_b]) for fit in survivors],
        _GROUPS[2]: [(rows[k], columns[k]) for k in order[:many]],
        _GROUPS[3]: [(rows[k], columns[k]) for k in rng.permutation(len(rows))[:many]],
        _GROUPS[4]: [(rows[k], columns[k]) for k in order if pvalues[rows[k], columns[k]] <= 0.05],
        _GROUPS[5]: [(rows[k], columns[k]) for k in rng.permutation(len(rows))[:50]],
    }
    for name, combinations in members.items():
        for a, b in combinations:
            groups[name].add(prices, window, int(a), int(b))


if __name__ == "__main__":
    main(sys.argv[1:])
