"""What models look at: one function for training and prediction, causal, scale-free.

Prices of different coins and times must look alike to a model, so averages and bands are given as
distances from the close and ranges as shares of it.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from freqtrade_ext.learning._libraries import library

__all__ = ["CANDLE_FEATURES", "SPREAD_FEATURES", "candle_features", "spread_features"]

FloatArray = npt.NDArray[np.float64]

CANDLE_FEATURES = (
    "rsi_14",
    "ema_12",
    "ema_26",
    "macd",
    "macd_signal",
    "bollinger_high",
    "bollinger_low",
    "atr",
    "volume_delta",
    "returns_1",
    "returns_5",
    "hour_sin",
    "hour_cos",
)

SPREAD_FEATURES = (
    "spread_z",
    "spread_z_change_1",
    "spread_z_change_5",
    "spread_scale",
    "spread_hedge_ratio",
    "spread_pvalue",
    "spread_half_life",
)

_VOLUME_WINDOW = 20


def candle_features(frame: pd.DataFrame) -> pd.DataFrame:
    """
    Describe each candle by what was known at its close.

    Parameters
    ----------
    frame : DataFrame
        ``date`` (UTC), ``open``, ``high``, ``low``, ``close``, ``volume``, oldest first.

    Returns
    -------
    DataFrame of shape (n, 13)
        Columns `CANDLE_FEATURES`, the index of `frame`; NaN while an indicator warms up. RSI from
        0 to 1; averages and bands as log distance from the close; MACD and ATR as shares of the
        close; `volume_delta` the log of the volume over its mean of 20 candles; returns over 1
        and 5 candles.

    Raises
    ------
    ConfigError
        If TA-Lib is not installed.
    """
    talib = library("talib", "the features of candles")
    columns = ("high", "low", "close", "volume")
    high, low, close, volume = (frame[name].to_numpy(dtype=np.float64) for name in columns)
    macd, macd_signal, _ = talib.MACD(close)
    upper, _, lower = talib.BBANDS(close, timeperiod=20)
    mean_volume = pd.Series(volume).rolling(_VOLUME_WINDOW).mean().to_numpy()
    hour = 2 * np.pi * (frame["date"].dt.hour + frame["date"].dt.minute / 60).to_numpy() / 24
    values = {
        "rsi_14": talib.RSI(close, timeperiod=14) / 100,
        "ema_12": _log_ratio(close, talib.EMA(close, timeperiod=12)),
        "ema_26": _log_ratio(close, talib.EMA(close, timeperiod=26)),
        "macd": macd / close,
        "macd_signal": macd_signal / close,
        "bollinger_high": _log_ratio(upper, close),
        "bollinger_low": _log_ratio(close, lower),
        "atr": talib.ATR(high, low, close, timeperiod=14) / close,
        "volume_delta": _log_ratio(volume + 1e-12, mean_volume + 1e-12),
        "returns_1": _log_return(close, 1),
        "returns_5": _log_return(close, 5),
        "hour_sin": np.sin(hour),
        "hour_cos": np.cos(hour),
    }
    return pd.DataFrame(values, index=frame.index)[list(CANDLE_FEATURES)]


def spread_features(columns: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """
    Describe each candle of a spread by what was known at its close.

    Parameters
    ----------
    columns : mapping
        Arrays of shape (n,): ``z_score``, ``scale`` (spread units per unit of z), and of the fit
        in force ``hedge_ratio``, ``pvalue``, ``half_life`` (candles). NaN where unknown.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        `SPREAD_FEATURES`; a half-life without an end counts as 10 000 candles, on a log scale.
    """
    z_score = columns["z_score"]
    return {
        "spread_z": z_score,
        "spread_z_change_1": _change(z_score, 1),
        "spread_z_change_5": _change(z_score, 5),
        "spread_scale": columns["scale"],
        "spread_hedge_ratio": columns["hedge_ratio"],
        "spread_pvalue": columns["pvalue"],
        "spread_half_life": np.log1p(np.minimum(columns["half_life"], 10_000.0)),
    }


def _log_ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(above / below)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def _log_return(close: FloatArray, lag: int) -> FloatArray:
    returns = np.full(len(close), np.nan)
    returns[lag:] = _log_ratio(close[lag:], close[: max(len(close) - lag, 0)])
    return returns


def _change(values: FloatArray, lag: int) -> FloatArray:
    change = np.full(len(values), np.nan)
    change[lag:] = values[lag:] - values[: max(len(values) - lag, 0)]
    return change
