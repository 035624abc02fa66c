"""Markets for the tests of the signals: seeded candles, and views with chosen values."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from freqtrade_ext.signals import MarketInputs, OwnRecord, SignalSettings, WinCount
from freqtrade_ext.signals._candles import candle_arrays, milliseconds_of
from freqtrade_ext.signals._indicators import Indicators
from freqtrade_ext.signals._view import MarketView

START = pd.Timestamp("2024-01-01", tz="UTC")
MINUTE_MS = 60_000


def frame(close, *, timeframe="5m", start=START, high=None, low=None, volume=None):
    """Candles with given closes; highs, lows and volumes follow from them unless given."""
    close = np.asarray(close, dtype=float)
    step = pd.Timedelta(milliseconds=milliseconds_of(timeframe))
    opened = np.concatenate((close[:1], close[:-1]))
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=close.size, freq=step),
            "open": opened,
            "high": np.maximum(close, opened) * 1.001 if high is None else high,
            "low": np.minimum(close, opened) * 0.999 if low is None else low,
            "close": close,
            "volume": np.full(close.size, 1_000.0) if volume is None else volume,
        }
    )


def walk(seed, n_candles, *, step=0.004, **kwargs):
    """Candles of a random walk with random ranges and volumes."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(rng.normal(0.0, step, n_candles).cumsum())
    opened = np.concatenate((close[:1], close[:-1]))
    reach = np.abs(rng.normal(0.0, step, (2, n_candles)))
    return frame(
        close,
        high=np.maximum(close, opened) * (1.0 + reach[0]),
        low=np.minimum(close, opened) * (1.0 - reach[1]),
        volume=rng.lognormal(5.0, 1.0, n_candles),
        **kwargs,
    )


def inputs_of(candles, **kwargs):
    """Inputs of one market that has these candles, and nothing else unless given."""
    return MarketInputs(
        **{"market": "SOL/USDT:USDT", "timeframe": "5m", "candles": candles, **kwargs}
    )


def view_of(n_candles=1, *, direction=1.0, mode=-1.0, hurst=0.3, candles=None, **kwargs):
    """A view of one market; numbers become one value a candle."""
    fields = {name: kwargs.pop(name) for name in tuple(kwargs) if name in Indicators.__slots__}
    macro = kwargs.pop("macro", None)
    inputs = inputs_of(frame(np.full(n_candles, 100.0)) if candles is None else candles, **kwargs)
    arrays = candle_arrays(inputs.candles, inputs.timeframe)
    values = {"rsi": 50.0, "adx": 20.0, "trend_side": 0.0, "atr": 1.0, "volume_ratio": 1.0}
    indicators = {k: _filled(v, len(arrays)) for k, v in {**values, **fields}.items()}
    return MarketView(
        inputs=inputs,
        candles=arrays,
        indicators=Indicators(**indicators),
        hurst=_filled(hurst, len(arrays)),
        direction=_filled(direction, len(arrays)),
        mode=_filled(mode, len(arrays)),
        macro=macro,
    )


def _filled(value, n_candles):
    return np.broadcast_to(np.asarray(value, dtype=float), (n_candles,)).copy()


def record_of(*, long=(0, 0), short=(0, 0), as_of=datetime(2024, 1, 1, tzinfo=UTC)):
    """A record from (trades, wins) of each side."""
    total = WinCount(long[0] + short[0], long[1] + short[1])
    return OwnRecord(as_of, total, WinCount(*long), WinCount(*short), {}, {})


def rich_inputs(seed, n_candles, **kwargs):
    """Everything that a market can have, random and with gaps."""
    rng = np.random.default_rng([seed, 1])
    candles = walk(seed, n_candles)
    # Where the walk goes, so does some of the crowd; without it no divergence would ever end.
    imbalance = np.clip(rng.normal(0.0, 0.4, n_candles), -1.0, 1.0)
    imbalance[: n_candles // 4] = np.nan
    confidence = rng.uniform(0.0, 1.0, n_candles)
    confidence[rng.random(n_candles) < 0.1] = np.nan
    events = pd.date_range(START, periods=max(2, n_candles // 40), freq="4h")
    jitter = pd.to_timedelta(rng.integers(-3, 4, len(events)), unit="ms")
    return inputs_of(
        candles,
        **{
            "benchmark": walk(seed + 1, n_candles),
            "references": {"ETH": walk(seed + 2, n_candles)},
            "funding": pd.DataFrame(
                {"date": events + jitter, "rate": rng.normal(0.0, 0.0006, len(events))}
            ),
            "imbalance": imbalance,
            "confidence": confidence,
            "record": record_of(long=(30, 10), short=(20, 12)),
            **kwargs,
        },
    )


def until(inputs, n_candles):
    """What was known at the close of a candle: the inputs, cut off there."""
    candles = inputs.candles.iloc[:n_candles]
    now = candles["date"].iloc[-1] + pd.Timedelta(milliseconds=milliseconds_of(inputs.timeframe))

    def closed(candles, timeframe):
        step = pd.Timedelta(milliseconds=milliseconds_of(timeframe))
        return candles[candles["date"] + step <= now]

    return replace(
        inputs,
        candles=candles,
        higher={name: closed(of, name) for name, of in inputs.higher.items()},
        benchmark=None if inputs.benchmark is None else closed(inputs.benchmark, inputs.timeframe),
        references={name: closed(of, inputs.timeframe) for name, of in inputs.references.items()},
        funding=None if inputs.funding is None else inputs.funding[inputs.funding["date"] <= now],
        imbalance=None if inputs.imbalance is None else inputs.imbalance[:n_candles],
        confidence=None if inputs.confidence is None else inputs.confidence[:n_candles],
    )


# Thresholds so low, and windows so short, that every layer has something to say.
LIVELY = SignalSettings.model_validate(
    {
        "z_score_threshold": 0.8,
        "entry_tightness": 1.0,
        "z_window": 20,
        "imbalance_threshold": 0.2,
        "min_signal_interval_minutes": 20.0,
        "min_score": 50.0,
        "min_score_low": 30.0,
        "hurst": {"window": 60, "max_lag": 8, "reversion": 0.45, "trend": 0.5},
        "regime_veto": {"adx": 15.0, "hurst": 0.4, "timeframe": "15m", "closes": 40},
        "multi_timeframe": {"timeframes": ["15m", "1h"], "fast": 2, "slow": 4},
        "strong_trend": {"closes": 3, "mild": 0.01, "strong": 0.03, "extreme": 0.06},
        "volatile_market": {
            "short_hours": 0.5, "long_hours": 4.0, "volatile_ratio": 1.1, "calm_ratio": 0.9
        },
        "vwap_distance": {"window": 20},
        "point_of_control": {"window": 30},
        "smt_divergence": {"lookback": 5},
        "imbalance_trend": {"recent": 3, "before": 5},
    }
)  # fmt: skip
