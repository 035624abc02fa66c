"""
Layer 18, case by case, and the count of own trades.

Mutants, each red here: the weaker side rewarded, the stronger one punished, a bad record taken
for a poor one, a good one punished, too few trades judged, a candle judged by trades after it, no
gain counted as a win, the hour of another zone.
"""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from freqtrade_ext.signals import ClosedTrade, SignalSettings, WinCount, own_record
from freqtrade_ext.signals._layers_experience import own_record_layer

from .doubles import record_of, view_of

SETTINGS = SignalSettings()
START = datetime(2024, 1, 1, tzinfo=UTC)


def judged(record, direction=1.0, n_candles=1):
    return own_record_layer(view_of(n_candles, direction=direction, record=record), SETTINGS)


@pytest.mark.parametrize(
    ("wins", "points"),
    [(0, -15.0), (29, -15.0), (30, -10.0), (39, -10.0), (40, -5.0), (44, -5.0), (45, 0.0),
     (59, 0.0), (60, 5.0), (100, 5.0)],
)  # fmt: skip
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_layer_18_by_the_win_rate_of_the_coin(wins, points, direction):
    """A hundred longs and no short: no side is the weaker one."""
    assert judged(record_of(long=(100, wins)), direction).points.tolist() == [points]


@pytest.mark.parametrize(
    ("long", "short", "weaker"),
    [
        pytest.param((50, 20), (50, 30), 1.0, id="longs win less often"),
        pytest.param((50, 30), (50, 20), -1.0, id="shorts win less often"),
        pytest.param((50, 25), (50, 26), None, id="about the same"),
        pytest.param((96, 50), (4, 0), None, id="too few shorts to tell"),
    ],
)
def test_layer_18_takes_5_from_the_weaker_side(long, short, weaker):
    record = record_of(long=long, short=short)  # about half of all are won: 0 for the coin
    for direction in (1.0, -1.0):
        expected = -5.0 if direction == weaker else 0.0
        assert judged(record, direction).points.tolist() == [expected]


@pytest.mark.parametrize(("trades", "points"), [(19, None), (20, [-15.0])])
def test_layer_18_begins_with_20_closed_trades(trades, points):
    output = judged(record_of(long=(trades, 0)))
    assert (output.points if points is None else output.points.tolist()) == points
    assert output.neutral == ("19 closed trade(s), needs 20" if points is None else "")


def test_layer_18_without_a_record_is_neutral():
    assert judged(None).neutral == "no record of own trades"


def test_layer_18_judges_no_candle_before_the_record():
    """Made at 00:12: the candle that closed at 00:10 is the last one then, and is judged."""
    record = record_of(long=(20, 0), as_of=START + timedelta(minutes=12))
    assert judged(record, n_candles=4).points.tolist() == [0.0, -15.0, -15.0, -15.0]
    late = record_of(long=(20, 0), as_of=START + timedelta(days=1))
    output = judged(late, n_candles=4)
    assert not output.points.any()
    assert output.neutral == "the record was made after all candles"


def test_own_trades_are_counted_by_side_hour_and_score():
    east = timezone(timedelta(hours=9))
    trades = [
        ClosedTrade(1, datetime(2024, 5, 1, 7, 59, tzinfo=UTC), 3.0, 71.0),
        ClosedTrade(1, datetime(2024, 5, 1, 16, 30, tzinfo=east), -3.0, 79.9),  # 07:30 UTC
        ClosedTrade(-1, datetime(2024, 5, 1, 8, 0, tzinfo=UTC), 0.0, 80.0),  # no gain, no win
        ClosedTrade(-1, datetime(2024, 5, 2, 8, 0, tzinfo=UTC), 0.1),
    ]
    record = own_record(trades, START)
    assert (record.total, record.long, record.short) == (
        WinCount(4, 2), WinCount(2, 1), WinCount(2, 1)
    )  # fmt: skip
    assert record.by_hour == {7: WinCount(2, 1), 8: WinCount(2, 1)}
    assert record.by_score == {70: WinCount(2, 1), 80: WinCount(1, 0)}
    assert record.total.win_rate == 0.5
    assert np.isnan(WinCount().win_rate)


def test_a_count_needs_a_time_zone():
    with pytest.raises(ValueError, match="as_of has no time zone"):
        own_record([], datetime(2024, 1, 1))  # noqa: DTZ001
