"""Markets for selections and renewals: one planted spread among independent walks."""

from typing import Any

import numpy as np

from freqtrade_ext.scanner import (
    BootstrapSettings,
    MarketHistory,
    ScanSettings,
    SelectionPlan,
    UniverseSettings,
    walk_profile,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_704_067_200_000  # 2024-01-01T00:00Z, a whole multiple of a day since 1970
WINDOW = 500


def histories_of(count: int, *, until: int | None = None, seed: int = 7) -> list[MarketHistory]:
    """AAA and BBB hang together up to candle `until`; CCC, DDD and EEE walk alone."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.normal(0, 0.01, (count, 5)), axis=0)
    noise = rng.normal(0, 0.01, count)
    spread = np.zeros(count)
    for place in range(1, count):
        ends = until is not None and place >= until
        spread[place] = (1.0 if ends else 0.8) * spread[place - 1] + noise[place]
    logs = {"AAA": 1.0 + 1.2 * walks[:, 0] + spread, "BBB": walks[:, 0]}
    logs |= {name: walks[:, index] for index, name in enumerate(("CCC", "DDD", "EEE"), start=1)}
    times = START_MS + HOUR_MS * np.arange(count, dtype=np.int64)
    return [
        MarketHistory(f"{name}/USDT:USDT", times, 100.0 * np.exp(log), np.full(count, 1e8))
        for name, log in logs.items()
    ]


def settings_of(**more: Any) -> ScanSettings:
    """A scan without what costs time."""
    fields = {
        "universe": UniverseSettings(window=WINDOW, min_listing_days=0.0),
        "bootstrap": BootstrapSettings(replications=0),
        "null_scan": False,
    }
    return ScanSettings(**(fields | more))


def plan_of(refit_ms: int = DAY_MS, **more: Any) -> SelectionPlan:
    profile = walk_profile(settings_of(**more), timeframe="1h", window=WINDOW)
    return SelectionPlan("1h", refit_ms, profile)


def legs_of(cards: Any) -> set[frozenset[str]]:
    return {frozenset((card.fit.leg_a[:3], card.fit.leg_b[:3])) for card in cards}
