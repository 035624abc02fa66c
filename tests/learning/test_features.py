"""Features: causal, scale-free, complete.

Mutants of `_features.py` and `_outcome_features.py`, each killed by the test named:
- a centred mean of the volume: features_do_not_look_ahead
- price left in price units: features_are_the_same_in_another_currency
- hurst of the whole frame instead of the past: features_of_an_entry_do_not_look_ahead
- bb_position from 0 to 1: entry_features_by_hand
"""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.learning import (
    CANDLE_FEATURES,
    OUTCOME_FEATURES,
    SPREAD_FEATURES,
    candle_features,
    outcome_features,
    spread_features,
)


def candles(seed: int, size: int = 300, start: str = "2024-01-01") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(0.01 * rng.standard_normal(size).cumsum())
    wick = 1 + 0.005 * rng.random(size)
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=size, freq="5min", tz="UTC"),
            "open": close,
            "high": close * wick,
            "low": close / wick,
            "close": close,
            "volume": rng.exponential(10, size),
        }
    )


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), now=st.integers(1, 299))
def test_features_do_not_look_ahead(seed, now):
    frame = candles(seed)
    whole, part = candle_features(frame).iloc[:now], candle_features(frame.iloc[:now])
    pd.testing.assert_frame_equal(whole, part, check_exact=True)


def test_every_feature_is_known_after_the_warm_up():
    features = candle_features(candles(0))
    assert tuple(features.columns) == CANDLE_FEATURES
    assert np.isfinite(features.iloc[40:]).all().all()
    assert features.iloc[0].isna().any()


def test_features_are_the_same_in_another_currency():
    frame = candles(0)
    dear = frame.assign(**{name: frame[name] * 5e4 for name in ("open", "high", "low", "close")})
    np.testing.assert_allclose(
        candle_features(frame).iloc[100:], candle_features(dear).iloc[100:], rtol=1e-6, atol=1e-9
    )


def test_candle_features_by_hand():
    frame = candles(0)
    close = frame["close"].to_numpy()
    features = candle_features(frame)
    assert features["returns_1"][50] == pytest.approx(math.log(close[50] / close[49]))
    assert features["returns_5"][50] == pytest.approx(math.log(close[50] / close[45]))
    mean = frame["volume"][31:51].mean()
    assert features["volume_delta"][50] == pytest.approx(math.log(frame["volume"][50] / mean))
    band = close[31:51].mean() + 2 * close[31:51].std()
    assert features["bollinger_high"][50] == pytest.approx(math.log(band / close[50]))


def test_the_hour_is_a_point_on_a_circle():
    features = candle_features(candles(0, start="2024-01-01T06:00"))
    assert (features["hour_sin"][0], features["hour_cos"][0]) == pytest.approx((1.0, 0.0))
    assert features["hour_cos"][72] == pytest.approx(-1.0)  # 12:00


def test_the_index_of_the_frame_is_kept():
    frame = candles(0).iloc[50:]
    assert candle_features(frame).index.equals(frame.index)


def test_a_market_that_stands_still_has_no_infinite_feature():
    frame = candles(0).assign(open=1.0, high=1.0, low=1.0, close=1.0, volume=0.0)
    assert not np.isinf(candle_features(frame)).any().any()


def spread(size: int = 30) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    names = ("z_score", "scale", "hedge_ratio", "pvalue", "half_life")
    return {name: rng.random(size) for name in names}


def test_spread_features_by_hand():
    columns = spread()
    columns["half_life"][3] = math.inf
    features = spread_features(columns)
    assert tuple(features) == SPREAD_FEATURES
    z = columns["z_score"]
    assert features["spread_z_change_5"][9] == pytest.approx(z[9] - z[4])
    assert np.isnan(features["spread_z_change_5"][:5]).all()
    assert features["spread_half_life"][3] == pytest.approx(math.log(10_001))


@given(now=st.integers(1, 29))
def test_spread_features_do_not_look_ahead(now):
    columns = spread()
    whole = spread_features(columns)
    part = spread_features({name: values[:now] for name, values in columns.items()})
    for name in SPREAD_FEATURES:
        np.testing.assert_array_equal(whole[name][:now], part[name])


def test_there_are_the_sixteen_specified_features():
    assert OUTCOME_FEATURES == (
        "zscore", "hurst", "rsi", "adx", "volume_ratio", "bb_position", "macd_histogram",
        "stoch_rsi_k", "ema_cross_bullish", "vwap_zscore", "spread_pct", "funding_rate",
        "imbalance", "signal_score", "leverage", "atr_pct",
    )  # fmt: skip


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), row=st.integers(0, 298))
def test_features_of_an_entry_do_not_look_ahead(seed, row):
    frame = candles(seed)
    whole, part = outcome_features(frame, [row]), outcome_features(frame.iloc[: row + 1], [row])
    np.testing.assert_array_equal(whole, part)


def named(table: np.ndarray, name: str) -> float:
    return float(table[0, OUTCOME_FEATURES.index(name)])


def test_entry_features_by_hand():
    frame = candles(0)
    table = outcome_features(frame, [200])
    close = frame["close"].to_numpy()
    window = close[181:201]
    position = (close[200] - window.mean()) / (2 * window.std())
    assert named(table, "bb_position") == pytest.approx(position)
    ratio = frame["volume"][200] / frame["volume"][181:201].mean()
    assert named(table, "volume_ratio") == pytest.approx(ratio)
    logs = np.log(close[151:201])
    assert named(table, "zscore") == pytest.approx((logs[-1] - logs.mean()) / logs.std(ddof=1))
    assert 0 < named(table, "rsi") < 100
    assert 0 <= named(table, "stoch_rsi_k") <= 100
    assert named(table, "ema_cross_bullish") in (0.0, 1.0)


def test_what_candles_do_not_tell_is_given_or_unknown():
    frame = candles(0)
    table = outcome_features(frame, [150, 200], {"leverage": [2.0, 3.0], "zscore": [-2.5, 2.5]})
    assert table[:, OUTCOME_FEATURES.index("leverage")].tolist() == [2, 3]
    assert table[:, OUTCOME_FEATURES.index("zscore")].tolist() == [-2.5, 2.5]
    for name in ("spread_pct", "funding_rate", "imbalance", "signal_score"):
        assert np.isnan(table[:, OUTCOME_FEATURES.index(name)]).all()


def test_an_early_entry_has_unknown_features_and_no_infinite_ones():
    table = outcome_features(candles(0).assign(volume=0.0), [3])
    assert np.isnan(named(table, "hurst"))
    assert not np.isinf(table).any()


def test_a_misspelt_feature_is_refused():
    with pytest.raises(ValueError, match="not a feature of the outcome model: z_score"):
        outcome_features(candles(0), [200], {"z_score": [1.0]})
