"""The schedule of funding payments."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.market._funding import HOUR_MS, FundingSchedule


def schedule(hours, rates, interval=8):
    """A schedule whose forecasts are the rates paid."""
    times, rates = np.array(hours, dtype=np.int64) * HOUR_MS, np.array(rates, dtype=float)
    return FundingSchedule(times, rates, times, rates, interval * HOUR_MS)


def test_span_is_open_at_its_start_and_closed_at_its_end():
    paid = schedule([8, 16, 24], [0.1, 0.2, 0.3]).between(8 * HOUR_MS, 24 * HOUR_MS)
    assert paid == [(16 * HOUR_MS, 0.2), (24 * HOUR_MS, 0.3)]


@given(cuts=st.lists(st.integers(0, 40 * HOUR_MS), min_size=2, max_size=8))
def test_adjoining_spans_pay_each_event_once(cuts):
    plan = schedule([8, 16, 20, 24, 25], [1, 2, 3, 4, 5])
    cuts = sorted(cuts)
    pieces = [
        event for start, end in itertools.pairwise(cuts) for event in plan.between(start, end)
    ]
    assert pieces == plan.between(cuts[0], cuts[-1])


@pytest.mark.parametrize(
    ("hour", "expected"),
    [(0, (8, 0.0)), (7.99, (8, 0.0)), (8, (16, 0.1)), (12, (16, 0.1)), (16, (20, 0.2))],
)
def test_the_coming_payment_has_its_date_and_the_last_known_rate(hour, expected):
    time_ms, rate = schedule([8, 16, 20], [0.1, 0.2, 0.3]).coming(int(hour * HOUR_MS))
    assert (time_ms / HOUR_MS, rate) == expected


@pytest.mark.parametrize(("hour", "coming"), [(20, 28), (27.9, 28), (28, 36), (30, 36)])
def test_the_schedule_goes_on_after_its_last_payment(hour, coming):
    assert schedule([12, 20], [0.1, 0.2]).coming(int(hour * HOUR_MS))[0] == coming * HOUR_MS


@pytest.mark.parametrize(("hour", "coming"), [(0, 8), (7, 8), (8, 16), (17, 24)])
def test_without_payments_the_coming_one_is_on_the_calendar_and_free(hour, coming):
    assert schedule([], []).coming(hour * HOUR_MS) == (coming * HOUR_MS, 0.0)
    assert schedule([], []).between(0, 10**12) == []
