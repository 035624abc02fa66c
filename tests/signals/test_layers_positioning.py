"""
Layers 16 and 17, case by case as specified.

Mutants, each red here: imbalance with the sign turned, a window one reading off, the strong step
and the points against removed; funding with the sign turned, its squeeze, mild and crowd steps
removed, the veto for the contrarian or removed, an old rate used, an event used before its time.
"""

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.signals import SignalSettings
from freqtrade_ext.signals._layers_positioning import funding, imbalance_trend

from .doubles import START, frame, view_of

SETTINGS = SignalSettings()


def imbalance(change, direction=1.0):
    """Twenty readings at -0.1, then ten that differ from them by `change`."""
    readings = np.r_[np.full(20, -0.1), np.full(10, -0.1 + change)]
    return imbalance_trend(view_of(30, direction=direction, imbalance=readings), SETTINGS)


@pytest.mark.parametrize(
    ("change", "points"),
    [(0.16, 8.0), (0.14, 5.0), (0.06, 5.0), (0.04, 0.0), (-0.04, 0.0), (-0.06, -5.0), (-0.9, -5.0)],
)
def test_layer_16_by_the_change_of_the_mean(change, points):
    assert imbalance(change).points[-1] == points
    assert imbalance(-change, direction=-1.0).points[-1] == points


def test_layer_16_compares_the_last_10_with_the_20_before():
    """0 to 29 in order, scaled: means 24.5 and 9.5, so the change is 15 units."""
    unit = 0.15 / 15.0
    readings = np.arange(30.0) * unit
    strong = imbalance_trend(view_of(30, imbalance=readings * 1.001), SETTINGS)
    weak = imbalance_trend(view_of(30, imbalance=readings * 0.999), SETTINGS)
    assert (strong.points[-1], weak.points[-1]) == (8.0, 5.0)
    assert strong.known.tolist() == [False] * 29 + [True]


@pytest.mark.parametrize("missing", [0, 19, 20, 29])
def test_layer_16_needs_all_its_readings(missing):
    readings = np.r_[np.zeros(20), np.ones(10)]
    readings[missing] = np.nan
    output = imbalance_trend(view_of(30, imbalance=readings), SETTINGS)
    assert not output.points.any()
    assert output.neutral == "too few order-book readings"


def test_layer_16_without_an_order_book_is_neutral():
    output = imbalance_trend(view_of(), SETTINGS)
    assert output.points is None
    assert output.neutral == "no order-book readings"


def events(*rows):
    return pd.DataFrame(
        {
            "date": [START + pd.Timedelta(minutes=minute) for minute, _ in rows],
            "rate": [rate for _, rate in rows],
        }
    )


def paid(rate, direction):
    return funding(view_of(direction=direction, funding=events((0, rate))), SETTINGS)


@pytest.mark.parametrize(
    ("rate", "points", "rejected"),
    [
        pytest.param(-0.0009, 10.0, False, id="squeeze: beyond 0.08 % against the crowd"),
        pytest.param(-0.0008, 8.0, False, id="beyond 0.03 % against the crowd"),
        pytest.param(-0.0004, 8.0, False, id="the same"),
        pytest.param(-0.0003, 3.0, False, id="beyond 0.01 % against the crowd"),
        pytest.param(-0.0002, 3.0, False, id="the same again"),
        pytest.param(-0.0001, 0.0, False, id="the usual rate"),
        pytest.param(0.0, 0.0, False, id="nothing"),
        pytest.param(0.0003, 0.0, False, id="with the crowd, mild"),
        pytest.param(0.0004, -5.0, False, id="beyond 0.03 % with the crowd"),
        pytest.param(0.0008, -5.0, False, id="not beyond 0.08 %"),
        pytest.param(0.0009, -5.0, True, id="beyond 0.08 % with the crowd: veto"),
    ],
)
def test_layer_17_by_the_rate_in_the_signals_direction(rate, points, rejected):
    """Longs pay a positive rate: a long at 0.09 % is with the crowd, a short against it."""
    for direction in (1.0, -1.0):
        output = paid(rate * direction, direction)
        assert output.points.tolist() == [points]
        assert output.veto.tolist() == [rejected]
        assert output.known.tolist() == [True]


def test_layer_17_sees_an_event_from_its_time_on():
    """Candles of 5 minutes: an event at minute 10 is known at the close of the second one."""
    view = view_of(4, funding=events((10, -0.001)))
    output = funding(view, SETTINGS)
    assert output.points.tolist() == [0.0, 10.0, 10.0, 10.0]
    assert output.known.tolist() == [False, True, True, True]


def test_layer_17_takes_the_last_event():
    view = view_of(4, funding=events((0, -0.001), (10, -0.0002)))
    assert funding(view, SETTINGS).points.tolist() == [10.0, 3.0, 3.0, 3.0]


def test_layer_17_forgets_an_old_rate():
    """Hourly candles: after twelve hours without an event nothing is known."""
    candles = frame(np.full(15, 100.0), timeframe="1h")
    view = view_of(candles=candles, timeframe="1h", funding=events((60, -0.001)))
    output = funding(view, SETTINGS)
    assert output.known.tolist() == [True] * 13 + [False] * 2
    assert output.points.tolist() == [10.0] * 13 + [0.0] * 2


@pytest.mark.parametrize("rows", [None, events().astype({"date": "datetime64[ns, UTC]"})])
def test_layer_17_without_rates_is_neutral(rows):
    output = funding(view_of(funding=rows), SETTINGS)
    assert (output.points, output.veto) == (None, None)
    assert output.neutral == "no funding rates"


def test_layer_17_says_when_all_rates_are_too_old():
    output = funding(view_of(funding=events((-2000, 0.01))), SETTINGS)
    assert output.neutral == "no funding rate is recent enough"
    assert not output.veto.any()


def test_layer_17_survives_milliseconds_of_jitter_and_refuses_disorder():
    jitter = events((10, -0.001))
    jitter["date"] += pd.Timedelta(milliseconds=3)
    assert funding(view_of(4, funding=jitter), SETTINGS).points.tolist() == [0.0, 0.0, 10.0, 10.0]
    with pytest.raises(InfeasibleError, match="funding: the dates do not ascend, first at row 1"):
        funding(view_of(4, funding=events((10, 0.0), (5, 0.0))), SETTINGS)
