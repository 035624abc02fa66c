"""Small worlds whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from freqtrade_ext.scanner import (
    BetaStability,
    Candidate,
    Confirmation,
    Diagnosis,
    Funnel,
    FunnelStep,
    MarketHistory,
    ScanReport,
    ScanSettings,
    Span,
    SpreadCard,
    SpreadFit,
    Stage,
    Universe,
)

HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
DAY_MS = 24 * HOUR_MS


def grid(candles: int, start_ms: int = START_MS) -> np.ndarray:
    return start_ms + HOUR_MS * np.arange(candles, dtype=np.int64)


def history(market: str, log_prices: np.ndarray, **changes: Any) -> MarketHistory:
    """Hourly candles without a gap, half a million of turnover each."""
    times = changes.pop("time_ms", grid(len(log_prices)))
    volume = changes.pop("quote_volume", np.full(len(log_prices), 5e5))
    return MarketHistory(market, times, np.exp(log_prices), volume, **changes)


def market(index: int) -> str:
    return f"M{index:03d}/USDT"


def planted_world(
    seed: int = 4, *, n_markets: int = 14, nobs: int = 900, half_life: float = 4.0
) -> np.ndarray:
    """Log prices: one factor and noise; M001 follows M000, M003 follows M002, nothing else does."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((nobs, n_markets))
    prices = 0.01 * (0.7 * rng.standard_normal((nobs, 1)) + own).cumsum(axis=0) + 3.0
    for leg, ratio in ((0, 0.8), (2, 1.4)):
        prices[:, leg + 1] = 1.0 + ratio * prices[:, leg] + reverting(rng, nobs, half_life, 0.01)
    return prices


def reverting(rng: np.random.Generator, nobs: int, half_life: float, scale: float) -> np.ndarray:
    """Stationary AR(1) with innovations of deviation `scale`."""
    phi = 0.5 ** (1.0 / half_life)
    shocks = scale * rng.standard_normal(nobs)
    values = np.empty(nobs)
    level = shocks[0] / np.sqrt(1.0 - phi**2)
    for row in range(nobs):
        level = phi * level + shocks[row] if row else level
        values[row] = level
    return values


def histories(log_prices: np.ndarray) -> list[MarketHistory]:
    return [history(market(index), column) for index, column in enumerate(log_prices.T)]


def universe(log_prices: np.ndarray, **changes: Any) -> Universe:
    n_markets = log_prices.shape[1]
    values: dict[str, Any] = {
        "timeframe": "1h",
        "candle_ms": HOUR_MS,
        "markets": tuple(market(index) for index in range(n_markets)),
        "time_ms": grid(len(log_prices)),
        "log_prices": log_prices,
        "daily_volume": np.linspace(2e6, 1e6, n_markets),
    }
    return Universe(**(values | changes))


def settings(**changes: Any) -> ScanSettings:
    """Defaults for short worlds: a window of 900 candles, few replications, no shuffle."""
    document: dict[str, Any] = {
        "universe": {"window": 900, "min_candles": 300, "min_daily_volume": 1e6},
        "bootstrap": {"replications": 99},
        "null_scan": False,
    }
    for section, values in changes.items():
        if isinstance(values, dict):
            document[section] = document.get(section, {}) | values
        else:
            document[section] = values
    return ScanSettings.model_validate(document)


def fit(leg_a: str = "AAA/USDT", leg_b: str = "BBB/USDT", **changes: Any) -> SpreadFit:
    values: dict[str, Any] = {
        "leg_a": leg_a,
        "leg_b": leg_b,
        "hedge_ratio": 1.0,
        "intercept": 0.0,
        "resid_std": 0.02,
        "stat": -6.0,
        "pvalue": 1e-6,
        "qvalue": 1e-4,
        "qvalue_by": 1e-3,
        "lags": 0,
    }
    return SpreadFit(**(values | changes))


def diagnosis(**changes: Any) -> Diagnosis:
    values: dict[str, Any] = {
        "half_life": 12.0,
        "hurst": 0.3,
        "mean_crossings": 60,
        "return_correlation": 0.8,
        "beta": BetaStability(1.1, 0.95, 1.0),
        "expected_move_bps": 80.0,
        "cost_bps": 12.0,
        "trades_per_month": 9.0,
        "score": 0.5,
    }
    return Diagnosis(**(values | changes))


def candidate(leg_a: str = "AAA/USDT", leg_b: str = "BBB/USDT", **changes: Any) -> Candidate:
    score = changes.pop("score", 0.5)
    values: dict[str, Any] = {
        "fit": fit(leg_a, leg_b),
        "stage": Stage.CONFIRMED,
        "diagnosis": diagnosis(score=score),
        "confirmation": Confirmation(-5.0, 1e-4, 0.01, 300),
    }
    return Candidate(**(values | changes))


def card(leg_a: str = "AAA/USDT", leg_b: str = "BBB/USDT", **changes: Any) -> SpreadCard:
    values: dict[str, Any] = {
        "spread_id": f"{leg_a.split('/')[0]}-{leg_b.split('/')[0]}",
        "fit": fit(leg_a, leg_b),
        "diagnosis": diagnosis(),
        "johansen": None,
        "bootstrap_pvalue": 0.01,
        "confirmation": Confirmation(-5.0, 1e-4, 0.01, 300),
        "trusted_because": ("It is.",),
        "trust_ends_when": ("It is not.",),
    }
    return SpreadCard(**(values | changes))


def report(*cards: SpreadCard, **changes: Any) -> ScanReport:
    """A report over 900 candles with these cards."""
    steps = tuple(FunnelStep(stage, 40) for stage in Stage)
    nothing = np.full((0, 0), np.nan)
    values: dict[str, Any] = {
        "settings": settings(),
        "universe": universe(np.empty((900, 0))),
        "discovery": Span(START_MS, START_MS + 600 * HOUR_MS, 600),
        "confirmation": Span(START_MS + 600 * HOUR_MS, START_MS + 900 * HOUR_MS, 300),
        "stationary": (),
        "twins": (),
        "screen": "all 40 combinations",
        "funnel": Funnel(steps, 0, 2.0),
        "null_funnel": None,
        "pvalues": nothing,
        "qvalues": nothing,
        "cards": cards,
    }
    return ScanReport(**(values | changes))
