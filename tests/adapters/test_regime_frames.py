"""Columns and tags of a scored frame.

Bugs planted by hand, each caught by the test named:

1. a short signal is a long one -> test_signals_become_entries
2. a tag on every candle -> the same
3. the ATR stays in percent -> test_the_atr_is_in_price_units
4. a market without a score enters -> test_a_market_that_could_not_be_scored_enters_nothing
5. columns twice when scored again -> test_scored_again_there_is_one_of_each_column
6. the tag of a spread is read as ours -> test_other_tags_are_none_of_ours
"""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters._regime_frames import (
    PLOT_CONFIG,
    TRACKED,
    ScoreTag,
    add_entry_columns,
    add_score_columns,
)
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.signals import LAYERS, MarketInputs, SignalSettings, score_market

from .doubles import candles


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(5)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 600)))
    frame = candles(closes)
    frame["high"], frame["low"] = frame["close"] * 1.004, frame["close"] * 0.996
    return frame


def scored_with(frame, **settings):
    inputs = MarketInputs("SOL/USDT:USDT", "1h", frame)
    return score_market(inputs, SignalSettings(**settings))


LOW = {"min_score": 50.0, "min_score_low": 30.0, "z_score_threshold": 0.8, "entry_tightness": 1.0}


def test_every_layer_has_a_column(frame):
    shown = add_score_columns(frame, scored_with(frame))
    assert {f"layer_{layer.name}" for layer in LAYERS} <= set(shown)
    assert {f"veto_{layer.name}" for layer in LAYERS if layer.vetoes} <= set(shown)
    assert list(shown["date"]) == list(frame["date"])
    assert list(shown["close"]) == list(frame["close"])


def test_the_atr_is_in_price_units(frame):
    shown = add_score_columns(frame, scored_with(frame))
    last = shown.iloc[-1]
    assert last["atr"] == pytest.approx(last["atr_pct"] / 100 * last["close"], rel=1e-12)
    # Each bar spans 0.8 % and jumps by about 1 %.
    assert 0.008 < last["atr"] / last["close"] < 0.03


def test_scored_again_there_is_one_of_each_column(frame):
    once = add_score_columns(frame, scored_with(frame))
    twice = add_score_columns(once, scored_with(frame, **LOW))
    assert list(twice.columns) == list(once.columns)
    assert twice["signal"].abs().sum() > once["signal"].abs().sum()


def test_signals_become_entries(frame):
    shown = add_entry_columns(add_score_columns(frame, scored_with(frame, **LOW)))
    for column, sign, word in (("enter_long", 1, "long"), ("enter_short", -1, "short")):
        rows = shown[shown[column] == 1]
        assert len(rows) > 0
        assert (rows["signal"] == sign).all()
        tags = [ScoreTag.parse(tag) for tag in rows["enter_tag"]]
        assert {tag.direction for tag in tags} == {word}
        assert [tag.score for tag in tags] == [int(score) for score in rows["score"]]
    silent = shown[shown["signal"] == 0]
    assert not silent[["enter_long", "enter_short"]].to_numpy().any()
    assert silent["enter_tag"].isna().all()


def test_a_market_that_could_not_be_scored_enters_nothing(frame):
    shown = add_entry_columns(add_score_columns(frame, None))
    assert not shown[["enter_long", "enter_short"]].to_numpy().any()
    assert shown[list(TRACKED)].isna().all().all()


def test_tags_are_read_back():
    for tag in (ScoreTag("long", 74), ScoreTag("short", 100)):
        assert ScoreTag.parse(str(tag)) == tag


@pytest.mark.parametrize("text", [None, "", "force_entry", "ETH-BTC long A", "up 74", "long high"])
def test_other_tags_are_none_of_ours(text):
    assert ScoreTag.parse(text) is None


def test_the_tags_of_both_strategies_are_told_apart():
    assert EntryTag.parse(str(ScoreTag("long", 74))) is None


def test_the_plot_shows_columns_that_exist(frame):
    shown = add_score_columns(frame, scored_with(frame))
    named = {name for plot in PLOT_CONFIG["subplots"].values() for name in plot}
    assert named <= set(shown)
    assert isinstance(shown, pd.DataFrame)
