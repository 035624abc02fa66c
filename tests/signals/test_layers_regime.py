"""
Layers of regime and trend, case by case as specified.

Mutants, each red here: the veto of the regime without ADX, without H, with the sign turned,
removed, without the higher exponent, with one from the future; agreement with the sign turned; the
veto without Bitcoin, from a partial disagreement, removed, without its 100 points; the leverage
left alone; each step of the strong trend removed, its sign turned, its size left at 1, one close
more; the factors of a volatile and of a calm market left at 1, that of a volatile one divided.
"""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.signals import SignalSettings
from freqtrade_ext.signals._layers_regime import (
    multi_timeframe,
    regime_veto,
    strong_trend,
    volatile_market,
)
from freqtrade_ext.signals._macro import MacroContext, ReferenceView

from .doubles import START, frame, view_of

SETTINGS = SignalSettings()
FOUR_HOURS = pd.Timedelta(hours=4)


@pytest.mark.parametrize(
    ("adx", "h", "trend_side", "direction", "rejected"),
    [
        pytest.param(31.0, 0.56, -1.0, 1.0, True, id="a long against a strong fall"),
        pytest.param(31.0, 0.56, 1.0, -1.0, True, id="a short against a strong rise"),
        pytest.param(31.0, 0.56, 1.0, 1.0, False, id="with the trend"),
        pytest.param(30.0, 0.56, -1.0, 1.0, False, id="the trend is weak"),
        pytest.param(31.0, 0.55, -1.0, 1.0, False, id="the market does not trend"),
        pytest.param(np.nan, 0.56, -1.0, 1.0, False, id="warm-up"),
    ],
)
@pytest.mark.parametrize("mode", [-1.0, 0.0, 1.0])
def test_regime_veto(adx, h, trend_side, direction, rejected, mode):
    view = view_of(direction=direction, mode=mode, hurst=h, adx=adx, trend_side=trend_side)
    output = regime_veto(view, SETTINGS)
    assert output.veto.tolist() == [rejected]
    assert output.known.tolist() == [not np.isnan(adx)]


def test_the_default_regimes_overlap_when_the_veto_is_set_lower():
    """A mean-reversion signal (H 0.40) is rejected once the veto begins at 0.35."""
    settings = SignalSettings.model_validate({"regime_veto": {"hurst": 0.35}})
    view = view_of(direction=1.0, mode=-1.0, hurst=0.40, adx=35.0, trend_side=-1.0)
    assert regime_veto(view, settings).veto.all()


HOURS = np.arange(100.0)
SWING = 100.0 * np.exp(0.05 * np.sin(2.0 * np.pi * HOURS / 100.0))  # one way for a day: H near 1
ZIGZAG = 100.0 * np.exp(
    0.01 * (-1.0) ** HOURS * (1.0 + 0.1 * np.sin(HOURS))
)  # back at once: near 0


@pytest.mark.parametrize(
    ("closes", "timeframe", "direction", "adx", "rejected"),
    [
        pytest.param(SWING, "1h", 1.0, 31.0, True, id="the higher timeframe trends"),
        pytest.param(SWING, "1h", -1.0, 31.0, False, id="with the trend"),
        pytest.param(SWING, "1h", 1.0, 30.0, False, id="the trend is weak"),
        pytest.param(ZIGZAG, "1h", 1.0, 31.0, False, id="it reverts as the candles do"),
        pytest.param(SWING, None, 1.0, 31.0, False, id="it is not asked"),
        pytest.param(SWING[:79], "1h", 1.0, 31.0, False, id="too few of its closes"),
    ],
)
def test_a_higher_timeframe_may_say_that_a_reverting_market_trends(
    closes, timeframe, direction, adx, rejected
):
    hourly = frame(closes, timeframe="1h", start=START - len(closes) * pd.Timedelta(hours=1))
    settings = SignalSettings.model_validate({"regime_veto": {"timeframe": timeframe}})
    view = view_of(
        direction=direction, mode=-1.0, hurst=0.3, adx=adx, trend_side=-1.0, higher={"1h": hourly}
    )
    assert regime_veto(view, settings).veto.tolist() == [rejected]


def test_a_higher_close_after_the_candle_says_nothing():
    """The eightieth hour is still running when the candle closes: 79 closes are known, not 80."""
    hourly = frame(SWING[:80], timeframe="1h", start=START - 79 * pd.Timedelta(hours=1))
    settings = SignalSettings.model_validate({"regime_veto": {"timeframe": "1h"}})
    view = view_of(mode=-1.0, adx=31.0, trend_side=-1.0, higher={"1h": hourly})
    assert not regime_veto(view, settings).veto.any()


def higher(direction, timeframe, *, end=START):
    """Forty higher candles that rise (1), fall (-1), or do neither (0), closed by `end`."""
    step = {"1h": pd.Timedelta(hours=1), "4h": FOUR_HOURS}[timeframe]
    if direction:
        close = 100.0 * 1.01 ** (direction * np.arange(40.0))
    else:
        close = np.r_[100.0 * 1.01 ** np.arange(39.0), 100.0]  # a rise, and a close far below it
    return frame(close, timeframe=timeframe, start=end - 40 * step)


def macro_of(view_times, *, trend=0.0, ratio=1.0):
    size = view_times.size
    nothing = np.zeros(size)
    return MacroContext(
        ReferenceView(view_times, nothing, nothing),
        None,
        np.full(size, trend),
        np.full(size, ratio),
    )


def with_trends(hour, four_hours, *, direction=1.0, btc=None):
    frames = {"1h": higher(hour, "1h"), "4h": higher(four_hours, "4h")}
    view = view_of(direction=direction, higher=frames)
    macro = None if btc is None else macro_of(view.candles.opened_ms, trend=btc)
    view = view_of(direction=direction, higher=frames, macro=macro)
    return multi_timeframe(view, SETTINGS)


@pytest.mark.parametrize(
    ("hour", "four_hours", "direction", "points", "leverage"),
    [
        pytest.param(1, 1, 1.0, 10.0, 1.2, id="all agree with a long"),
        pytest.param(-1, -1, -1.0, 10.0, 1.2, id="all agree with a short"),
        pytest.param(1, 0, 1.0, 5.0, 1.1, id="one agrees"),
        pytest.param(1, -1, 1.0, 0.0, 1.0, id="they disagree with each other"),
        pytest.param(-1, 0, 1.0, -5.0, 0.9, id="one disagrees"),
        pytest.param(-1, -1, 1.0, -10.0, 0.8, id="all disagree with a long"),
        pytest.param(1, 1, -1.0, -10.0, 0.8, id="all disagree with a short"),
    ],
)
def test_higher_timeframes_give_points_and_leverage(hour, four_hours, direction, points, leverage):
    output = with_trends(hour, four_hours, direction=direction)
    assert output.points.tolist() == pytest.approx([points])
    assert output.leverage_factor.tolist() == pytest.approx([leverage])
    assert not output.veto.any()
    assert output.known.all()


@pytest.mark.parametrize(
    ("hour", "four_hours", "direction", "btc", "rejected"),
    [
        pytest.param(-1, -1, 1.0, -0.5, True, id="all, and Bitcoin falls"),
        pytest.param(1, 1, -1.0, 1.0, True, id="all, and Bitcoin rises: a short"),
        pytest.param(-1, -1, 1.0, 0.0, False, id="Bitcoin has no trend"),
        pytest.param(-1, -1, 1.0, 1.0, False, id="Bitcoin is with the signal"),
        pytest.param(-1, -1, 1.0, np.nan, False, id="Bitcoin's trend is unknown"),
        pytest.param(-1, 0, 1.0, -1.0, False, id="not all of the timeframes"),
        pytest.param(1, 1, 1.0, -1.0, False, id="only Bitcoin"),
    ],
)
def test_strong_disagreement_is_a_veto_of_minus_100(hour, four_hours, direction, btc, rejected):
    output = with_trends(hour, four_hours, direction=direction, btc=btc)
    assert output.veto.tolist() == [rejected]
    assert (output.points == -100.0).tolist() == [rejected]


def test_without_enough_higher_candles_the_layer_is_neutral_and_says_so():
    output = multi_timeframe(view_of(), SETTINGS)
    assert (output.points, output.leverage_factor) == (pytest.approx(0.0), pytest.approx(1.0))
    assert not output.veto.any()
    assert output.neutral == "no higher timeframe has enough candles"


def trend_of(change, direction, **settings):
    """Twenty closes of 4 hours, the last one of which differs by `change` from the first one."""
    close = np.linspace(100.0, 100.0 * (1.0 + change), 20)
    four_hours = frame(close, timeframe="4h", start=START - 20 * FOUR_HOURS)
    view = view_of(direction=direction, higher={"4h": four_hours})
    return strong_trend(view, SignalSettings.model_validate({"strong_trend": settings}))


@pytest.mark.parametrize(
    ("change", "points", "size"),
    [
        (0.04, 0.0, 1.0),
        (0.06, -10.0, 0.75),
        (0.09, -10.0, 0.75),
        (0.11, -20.0, 0.50),
        (0.19, -20.0, 0.50),
        (0.21, -30.0, 0.25),
        (3.0, -30.0, 0.25),
    ],
)
def test_a_strong_trend_against_the_signal_costs_points_and_size(change, points, size):
    for direction, moved in ((-1.0, change), (1.0, -min(change, 0.9))):
        output = trend_of(moved, direction)
        assert output.points.tolist() == [points]
        assert output.size_factor.tolist() == [size]
        assert output.known.all()
    with_it = trend_of(change, 1.0)
    assert (with_it.points.tolist(), with_it.size_factor.tolist()) == ([0.0], [1.0])


def test_the_change_is_from_the_first_of_the_closes_to_the_last():
    """Nineteen closes at 100, before them one at 50: only twenty closes see the doubling."""
    close = np.r_[50.0, np.full(19, 100.0)]
    four_hours = frame(close, timeframe="4h", start=START - 20 * FOUR_HOURS)
    view = view_of(direction=-1.0, higher={"4h": four_hours})
    assert strong_trend(view, SETTINGS).points.tolist() == [-30.0]
    nineteen = SignalSettings.model_validate({"strong_trend": {"closes": 19}})
    assert strong_trend(view, nineteen).points.tolist() == [0.0]


def test_too_few_closes_of_4_hours_are_neutral_and_said():
    output = strong_trend(view_of(), SETTINGS)
    assert (output.points.tolist(), output.size_factor.tolist()) == ([0.0], [1.0])
    assert output.neutral == "fewer than 20 closes of 4 hours"


@pytest.mark.parametrize(
    ("ratio", "factor"),
    [(1.5, 1.15), (4.0, 1.15), (1.49, 1.0), (0.68, 1.0), (0.67, 0.95), (0.1, 0.95), (np.nan, 1.0)],
)
def test_a_volatile_market_requires_more(ratio, factor):
    view = view_of()
    view = view_of(macro=macro_of(view.candles.opened_ms, ratio=ratio))
    output = volatile_market(view, SETTINGS)
    assert output.score_factor.tolist() == [factor]
    assert output.known.tolist() == [not np.isnan(ratio)]


def test_without_bitcoin_the_market_is_neither_volatile_nor_calm():
    output = volatile_market(view_of(), SETTINGS)
    assert output.score_factor is None
    assert output.neutral == "no candles of Bitcoin"
