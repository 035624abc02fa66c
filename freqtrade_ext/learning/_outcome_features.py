"""The sixteen features of a trade at its entry."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.learning._libraries import library
from freqtrade_ext.stats import hurst, rolling_z_score

__all__ = ["OUTCOME_FEATURES", "outcome_features"]

FloatArray = npt.NDArray[np.float64]

OUTCOME_FEATURES = (
    "zscore",
    "hurst",
    "rsi",
    "adx",
    "volume_ratio",
    "bb_position",
    "macd_histogram",
    "stoch_rsi_k",
    "ema_cross_bullish",
    "vwap_zscore",
    "spread_pct",
    "funding_rate",
    "imbalance",
    "signal_score",
    "leverage",
    "atr_pct",
)

_HURST_WINDOW = 128
_WINDOW = 50


def outcome_features(
    frame: pd.DataFrame,
    rows: Sequence[int],
    known: Mapping[str, npt.ArrayLike] | None = None,
) -> FloatArray:
    """
    Describe entries.

    Parameters
    ----------
    frame : DataFrame
        Candles: ``high``, ``low``, ``close``, ``volume``, oldest first.
    rows : sequence of int
        Positions of the candles whose close gave the signals.
    known : mapping, optional
        What candles do not tell, by name, one value a row: ``spread_pct``, ``funding_rate``,
        ``imbalance``, ``signal_score``, ``leverage``; others replace what candles tell (``zscore``
        of a spread).

    Returns
    -------
    ndarray of shape (len(rows), 16)
        In the order of `OUTCOME_FEATURES`; NaN where something is not known. `zscore` and
        `vwap_zscore` over 50 candles, `hurst` over 128; RSI and stochastic RSI from 0 to 100;
        `bb_position` from -1 (lower band) to 1 (upper band); `macd_histogram` and `atr_pct` as
        shares of the close; `ema_cross_bullish` 1 while EMA 8 is above EMA 21.

    Raises
    ------
    ValueError
        If `known` has a name that is not a feature.
    """
    given = dict(known or {})
    if unknown := set(given) - set(OUTCOME_FEATURES):
        raise ValueError(f"not a feature of the outcome model: {', '.join(sorted(unknown))}")
    picked = np.asarray(rows, dtype=np.int64)
    table = np.full((len(picked), len(OUTCOME_FEATURES)), np.nan)
    told = _told_by_candles(frame)
    close = frame["close"].to_numpy(dtype=np.float64)
    for column, name in enumerate(OUTCOME_FEATURES):
        if name in given:
            table[:, column] = np.asarray(given[name], dtype=np.float64)
        elif name == "hurst":
            table[:, column] = [_hurst(close[: row + 1]) for row in picked.tolist()]
        elif name in told:
            table[:, column] = told[name][picked]
    return np.where(np.isfinite(table), table, np.nan)


def _told_by_candles(frame: pd.DataFrame) -> dict[str, FloatArray]:
    talib = library("talib", "the features of entries")
    names = ("high", "low", "close", "volume")
    high, low, close, volume = (frame[name].to_numpy(dtype=np.float64) for name in names)
    upper, _, lower = talib.BBANDS(close, timeperiod=20)
    _, _, histogram = talib.MACD(close)
    mean_volume = pd.Series(volume).rolling(20).mean().to_numpy()
    rsi = talib.RSI(close, timeperiod=14)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "zscore": rolling_z_score(np.log(close), _WINDOW),
            "rsi": rsi,
            "adx": talib.ADX(high, low, close, timeperiod=14),
            "volume_ratio": volume / mean_volume,
            "bb_position": 2 * (close - lower) / (upper - lower) - 1,
            "macd_histogram": histogram / close,
            "stoch_rsi_k": _stochastic(rsi, 14, 3),
            "ema_cross_bullish": _above(talib.EMA(close, 8), talib.EMA(close, 21)),
            "vwap_zscore": rolling_z_score(close - _vwap(high, low, close, volume), _WINDOW),
            "atr_pct": talib.ATR(high, low, close, timeperiod=14) / close,
        }


def _stochastic(values: FloatArray, window: int, smooth: int) -> FloatArray:
    series = pd.Series(values)
    low, high = series.rolling(window).min(), series.rolling(window).max()
    raw = 100 * (series - low) / (high - low).replace(0, np.nan)
    return raw.rolling(smooth).mean().to_numpy(dtype=np.float64)


def _vwap(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray) -> FloatArray:
    typical = pd.Series((high + low + close) / 3 * volume).rolling(_WINDOW).sum()
    return (typical / pd.Series(volume).rolling(_WINDOW).sum()).to_numpy(dtype=np.float64)


def _above(fast: FloatArray, slow: FloatArray) -> FloatArray:
    known = np.isfinite(fast) & np.isfinite(slow)
    return np.where(known, (fast > slow).astype(np.float64), np.nan)


def _hurst(close: FloatArray) -> float:
    if len(close) < _HURST_WINDOW or not (close[-_HURST_WINDOW:] > 0).all():
        return float("nan")
    try:
        return hurst(np.log(close[-_HURST_WINDOW:]))
    except InfeasibleError:
        return float("nan")
