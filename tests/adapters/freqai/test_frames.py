"""Features and labels as FreqAI's columns, the same for training and for prediction.

Mutants of `_frames.py`, `_training_set.py`, each killed by the test named:
- target of a host taken from its own closes: a_hosts_label_is_the_move_of_its_spread
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.adapters.freqai._frames import OWN_COLUMNS, add_features, add_labels
from freqtrade_ext.adapters.freqai._training_set import AHEAD, MOVE, SIDE
from freqtrade_ext.learning import CANDLE_FEATURES, SPREAD_FEATURES
from tests.adapters.doubles import candles

from .freqai_doubles import LABELS, frame_of


def spread_of(size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    names = ("z_score", "scale", "pvalue", "half_life")
    columns = {name: rng.random(size) for name in names}
    columns["hedge_ratio"] = np.full(size, 2.0)
    columns["dependent"] = np.exp(0.01 * rng.standard_normal(size).cumsum())
    columns["regressor"] = np.exp(0.01 * rng.standard_normal(size).cumsum())
    return columns


def test_a_market_has_the_features_of_candles():
    features = frame_of().filter(like="%-")
    assert list(features) == [f"%-{name}" for name in CANDLE_FEATURES]


def test_a_host_has_those_of_its_spread_too():
    frame = add_features(candles(np.ones(80)), spread_of(80))
    wanted = [f"%-{name}" for name in (*CANDLE_FEATURES, *SPREAD_FEATURES)]
    assert list(frame.filter(like="%-")) == wanted


def test_a_hosts_label_is_the_move_of_its_spread():
    spread = spread_of(200)
    frame = add_labels(add_features(candles(np.ones(200)), spread), "ETH-BTC", LABELS)
    logs = np.log(spread["dependent"]) - 2.0 * np.log(spread["regressor"])
    assert frame[MOVE][100] == pytest.approx(logs[105] - logs[100])
    assert "&-ETH-BTC" in frame


@settings(max_examples=10)
@given(now=st.integers(60, 499))
def test_features_of_the_past_do_not_change(now):
    whole, part = frame_of(), candles_of(now)
    names = [f"%-{name}" for name in CANDLE_FEATURES]
    pd.testing.assert_frame_equal(whole[names].iloc[:now], part[names], check_exact=True)


def candles_of(size: int) -> pd.DataFrame:
    whole = frame_of()
    return add_features(whole[["date", "open", "high", "low", "close", "volume"]].iloc[:size])


def test_labels_are_made_of_the_frame_alone():
    """FreqAI cuts the frame where the training ends: the last five candles have no label."""
    whole = frame_of()
    cut = add_labels(whole.iloc[:300], "eth", LABELS)
    assert cut[["&-eth", SIDE]].iloc[-5:].isna().all().all()
    np.testing.assert_array_equal(cut[SIDE].iloc[:295], whole[SIDE].iloc[:295])
    assert cut[AHEAD].iloc[0] == 5


def test_our_own_columns_are_known_by_name():
    frame = add_labels(add_features(candles(np.ones(80)), spread_of(80)), "x", LABELS)
    assert set(OWN_COLUMNS) <= set(frame.columns)
