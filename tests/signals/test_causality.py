"""
No column of a scored market knows the future.

Mutants, each red here or in the test of the part: a running higher candle taken as closed, a
higher close known from the last candle before it, `known_at` a candle later, `aligned` one
further, `new_extremes` with the candle's successor, a funding event 20 minutes after the close,
`_change_of_mean` written at the start of its window.
"""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from freqtrade_ext.signals import LAYERS, SignalSettings, score_market

from .doubles import LIVELY, rich_inputs, until, walk

N_CANDLES = 300


def columns(inputs, chosen=LIVELY):
    return score_market(inputs, chosen).columns


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, N_CANDLES - 1))
def test_every_column_of_the_past_is_as_it_was_then(seed, now):
    inputs = rich_inputs(seed, N_CANDLES)
    assert_frame_equal(columns(until(inputs, now)), columns(inputs).iloc[:now], check_exact=True)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, N_CANDLES - 1))
def test_given_higher_candles_are_used_from_their_close_on(seed, now):
    inputs = rich_inputs(
        seed,
        N_CANDLES,
        higher={
            "15m": walk(seed + 5, N_CANDLES // 3, timeframe="15m"),
            "1h": walk(seed + 6, N_CANDLES // 12, timeframe="1h"),
            "4h": walk(seed + 7, N_CANDLES // 48, timeframe="4h"),
        },
    )
    assert_frame_equal(columns(until(inputs, now)), columns(inputs).iloc[:now], check_exact=True)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(260, 399))
def test_the_default_settings_do_not_look_ahead_either(seed, now):
    inputs = rich_inputs(seed, 400)
    chosen = SignalSettings()
    assert_frame_equal(
        columns(until(inputs, now), chosen), columns(inputs, chosen).iloc[:now], check_exact=True
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 199), st.integers(2, 60))
def test_gaps_do_not_let_the_future_in(seed, now, length):
    """An outage in the middle: times jump, also over the ends of higher candles."""
    inputs = rich_inputs(seed, 200)
    later = inputs.candles["date"] + pd.Timedelta(minutes=5 * length)
    moved = inputs.candles["date"].where(np.arange(200) < 100, later)
    inputs.candles["date"] = moved
    assert_frame_equal(columns(until(inputs, now)), columns(inputs).iloc[:now], check_exact=True)


def test_the_sample_is_rich_enough_to_show_a_look_ahead():
    """Every layer speaks in the sample, each veto falls, and there are signals of both sides."""
    seen = pd.concat([columns(rich_inputs(seed, N_CANDLES)) for seed in range(20)])
    factors = {"volatile_market": "required_score", "regime_veto": "veto_regime_veto"}
    for layer in LAYERS:
        column = factors.get(layer.name, f"layer_{layer.name}")
        assert seen[column].nunique() > 1, layer.name
        if layer.vetoes:
            assert seen[f"veto_{layer.name}"].any(), layer.name
    assert set(seen["signal"]) == {-1, 0, 1}
    assert set(seen["gate"]) == {0, 1, 3, 4, 5, 6}
    for factor in ("size_factor", "leverage_factor"):
        assert seen[factor].nunique() > 1
