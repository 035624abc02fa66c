"""Gate and direction: whether a market may have a signal now, and to which side."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.signals._candles import CandleArrays
from freqtrade_ext.signals._inputs import MarketInputs
from freqtrade_ext.signals._settings import QuietSettings, SignalSettings
from freqtrade_ext.stats import rolling_hurst, rolling_z_score

__all__ = ["Gate", "Gating", "gating_of", "spaced"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

HURST_FLOOR, HURST_CAP = 0.15, 0.85
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class Gate(IntEnum):
    """Why a candle has no direction, or no signal."""

    PASSED = 0
    WARMING_UP = 1  # Hurst exponent or z-score not yet known, or the price does not move
    NO_TRADES = 2  # nobody traded in the candle
    QUIET_HOURS = 3
    NEUTRAL = 4  # Hurst exponent between both regimes, and no order-book imbalance
    Z_FAIL = 5  # the z-score is within its threshold
    TOO_SOON = 6  # all is well, but the market's last signal is too close


@dataclass(frozen=True, slots=True)
class Gating:
    """
    Result of the gate, candle by candle.

    Attributes
    ----------
    hurst, z_score : ndarray
        NaN in the warm-up.
    mode : ndarray
        1 trend, -1 mean reversion, 0 neutral or unknown.
    direction : ndarray
        1 long, -1 short, 0 none. Kept in quiet hours, so that it can be explained.
    strength : ndarray
        z-score, or imbalance, as a multiple of its threshold; 0 without direction.
    gate : ndarray of int
        `Gate` by its number.
    """

    hurst: FloatArray
    z_score: FloatArray
    mode: FloatArray
    direction: FloatArray
    strength: FloatArray
    gate: NDArray[np.int8]


def gating_of(candles: CandleArrays, inputs: MarketInputs, settings: SignalSettings) -> Gating:
    """
    Find direction and gate of every candle.

    Notes
    -----
    The Hurst exponent is that of the last ``hurst.window`` log closes by the variance of their
    differences (`freqtrade_ext.stats.rolling_hurst`), clipped to 0.15 to 0.85. The z-score is that
    of the log close against its last ``z_window`` values.
    """
    log_close = np.log(candles.close)
    part = settings.hurst
    exponents = rolling_hurst(log_close, part.window, max_lag=part.max_lag)
    return gate(
        hurst=np.clip(exponents, HURST_FLOOR, HURST_CAP),
        z_score=rolling_z_score(log_close, settings.z_window),
        imbalance=_imbalance(inputs, len(candles)),
        traded=candles.volume > 0.0,
        quiet=quiet_hours(candles.closed_ms, settings.quiet, inputs.coin),
        settings=settings,
    )


def gate(
    *,
    hurst: FloatArray,
    z_score: FloatArray,
    imbalance: FloatArray,
    traded: BoolArray,
    quiet: BoolArray,
    settings: SignalSettings,
) -> Gating:
    """
    Judge each candle by its measures alone.

    A reverting market is bought below and sold above; a trending one is bought above and sold
    below; a neutral one follows its order book. All of it beyond the thresholds only.
    """
    part = settings.hurst
    unknown = np.isnan(hurst) | np.isnan(z_score)
    mode = np.where(hurst < part.reversion, -1.0, np.where(hurst > part.trend, 1.0, 0.0))
    neutral = ~unknown & (mode == 0.0)
    of_book = imbalance / settings.imbalance_threshold
    measure = np.where(neutral, of_book, z_score / settings.z_threshold)
    beyond = ~unknown & (np.abs(measure) > 1.0)
    side = np.sign(measure) * np.where(neutral, 1.0, mode)
    reasons = [unknown, ~traded, quiet, neutral & ~beyond, ~beyond]
    codes = [Gate.WARMING_UP, Gate.NO_TRADES, Gate.QUIET_HOURS, Gate.NEUTRAL, Gate.Z_FAIL]
    return Gating(
        hurst=hurst,
        z_score=z_score,
        mode=mode,
        direction=np.where(beyond, side, 0.0),
        strength=np.where(beyond, np.abs(measure), 0.0),
        gate=np.select(reasons, codes, default=Gate.PASSED).astype(np.int8),
    )


def _imbalance(inputs: MarketInputs, n_candles: int) -> FloatArray:
    if inputs.imbalance is None:
        return np.full(n_candles, np.nan)
    readings = np.asarray(inputs.imbalance, dtype=np.float64)
    if readings.shape != (n_candles,):
        raise ValueError(f"imbalance has shape {readings.shape}, the candles are {n_candles}")
    return readings


def quiet_hours(closed_ms: IntArray, settings: QuietSettings, coin: str) -> BoolArray:
    """Tell where a candle closes, and so would be traded, in the hours without signals (UTC)."""
    if not settings.enabled or coin in settings.exempt:
        return np.zeros(closed_ms.size, dtype=np.bool_)
    hour = closed_ms % _DAY_MS // _HOUR_MS
    begin, end = settings.from_hour, settings.until_hour
    if begin <= end:
        return (hour >= begin) & (hour < end)
    return (hour >= begin) | (hour < end)


def spaced(candidate: BoolArray, closed_ms: IntArray, interval_minutes: float) -> BoolArray:
    """
    Keep the signals that are far enough from the one before.

    Parameters
    ----------
    candidate : ndarray of bool
        Candles that would be signals.
    closed_ms : ndarray of int
        When they close.
    interval_minutes : float
        Least time between two signals.

    Returns
    -------
    ndarray of bool
        Those that stand.

    Notes
    -----
    A candidate stands if the last one that stood on the same UTC day, and the last candidate at
    all of the days before, are at least the interval away. So two signals are never closer, and
    the answer depends on one day and one interval of history only: a bot that starts in the middle
    of a run of candidates, or whose window of candles moves on, agrees with one that saw them all.
    """
    interval_ms = interval_minutes * 60_000
    kept = np.zeros(candidate.size, dtype=np.bool_)
    today, last_candidate = -1, -np.inf
    barred_by_yesterday, last_kept = -np.inf, -np.inf
    for row in np.flatnonzero(candidate).tolist():
        now = int(closed_ms[row])
        if now // _DAY_MS != today:
            today, barred_by_yesterday, last_kept = now // _DAY_MS, last_candidate, -np.inf
        if min(now - barred_by_yesterday, now - last_kept) >= interval_ms:
            kept[row] = True
            last_kept = now
        last_candidate = now
    return kept
