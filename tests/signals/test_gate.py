"""
Gate and direction against the rules written out.

Mutants, each red here: one of the four sides flipped, `>` for `>=` at the z threshold, tightness
left out, the imbalance read in other regimes, quiet hours without the exemption, by the open, or
one hour off; `spaced` without the day before, without the day, with `>`; no trades ignored.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.signals import Gate, SignalSettings, score_market
from freqtrade_ext.signals._gate import gate, quiet_hours, spaced
from freqtrade_ext.signals._settings import QuietSettings
from freqtrade_ext.stats import hurst, rolling_z_score

from .doubles import frame, inputs_of, walk

SETTINGS = SignalSettings(z_score_threshold=2.0, entry_tightness=1.5)  # threshold 3
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def judged(h, z, *, imbalance=np.nan, traded=True, quiet=False, settings=SETTINGS):
    measures = {"hurst": h, "z_score": z, "imbalance": imbalance}
    result = gate(
        **{name: np.array([value], dtype=float) for name, value in measures.items()},
        traded=np.array([traded]),
        quiet=np.array([quiet]),
        settings=settings,
    )
    return Gate(result.gate[0]), result.direction[0], result.strength[0]


@pytest.mark.parametrize(
    ("h", "z", "direction"),
    [
        pytest.param(0.44, -3.1, 1, id="reverting and low: long"),
        pytest.param(0.44, 3.1, -1, id="reverting and high: short"),
        pytest.param(0.56, 3.1, 1, id="trending and high: long"),
        pytest.param(0.56, -3.1, -1, id="trending and low: short"),
    ],
)
def test_direction_follows_regime_and_z_score(h, z, direction):
    assert judged(h, z) == (Gate.PASSED, direction, pytest.approx(3.1 / 3.0))


@pytest.mark.parametrize("h", [0.44, 0.56])
@pytest.mark.parametrize("z", [-2.9, 0.0, 2.9, 3.0, -3.0])
def test_within_the_threshold_there_is_no_direction(h, z):
    """Also on it: 2.0 times 1.5 is exactly 3."""
    assert judged(h, z) == (Gate.Z_FAIL, 0.0, 0.0)


@pytest.mark.parametrize("h", [0.45, 0.5, 0.55])
def test_a_neutral_market_ignores_the_z_score(h):
    assert judged(h, -9.0) == (Gate.NEUTRAL, 0.0, 0.0)


@pytest.mark.parametrize(("imbalance", "direction"), [(0.6, 1), (-0.6, -1), (0.3, 0), (-0.2, 0)])
def test_a_neutral_market_follows_its_order_book_beyond_the_threshold(imbalance, direction):
    settings = SETTINGS.model_copy(update={"imbalance_threshold": 0.3})
    strength = 2.0 if direction else 0.0
    expected = Gate.PASSED if direction else Gate.NEUTRAL
    assert judged(0.5, -9.0, imbalance=imbalance, settings=settings) == (
        expected, direction, pytest.approx(strength)
    )  # fmt: skip


@pytest.mark.parametrize("h", [0.44, 0.56])
def test_the_order_book_gives_no_direction_in_other_regimes(h):
    assert judged(h, 0.0, imbalance=1.0) == (Gate.Z_FAIL, 0.0, 0.0)


@pytest.mark.parametrize(("h", "z"), [(np.nan, -9.0), (0.3, np.nan)])
def test_an_unknown_measure_is_a_warm_up(h, z):
    assert judged(h, z, imbalance=1.0) == (Gate.WARMING_UP, 0.0, 0.0)


def test_a_quiet_hour_or_a_candle_without_trades_stops_a_direction_that_stays_visible():
    assert judged(0.3, -4.0, quiet=True)[:2] == (Gate.QUIET_HOURS, 1.0)
    assert judged(0.3, -4.0, traded=False)[:2] == (Gate.NO_TRADES, 1.0)


def test_the_default_threshold_is_the_product_of_both_settings():
    assert SignalSettings().z_threshold == pytest.approx(1.6 * 1.8)


@pytest.mark.parametrize(
    ("begin", "end", "quiet"),
    [(2, 6, {2, 3, 4, 5}), (22, 3, {22, 23, 0, 1, 2}), (4, 4, set())],
)
def test_quiet_hours_by_the_close_of_the_candle(begin, end, quiet):
    settings = QuietSettings(from_hour=begin, until_hour=end)
    closed = np.arange(0, DAY_MS, HOUR_MS) + 7 * DAY_MS
    told = quiet_hours(closed, settings, "SOL")
    assert set(np.flatnonzero(told).tolist()) == quiet
    just_before = quiet_hours(closed + HOUR_MS - 1, settings, "SOL")
    assert (just_before == told).all()


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_liquid_coins_have_no_quiet_hours(coin):
    closed = np.arange(0, DAY_MS, HOUR_MS)
    assert not quiet_hours(closed, QuietSettings(), coin).any()
    assert quiet_hours(closed, QuietSettings(exempt=()), coin).any()
    assert not quiet_hours(closed, QuietSettings(enabled=False), "SOL").any()


def test_a_market_is_quiet_by_the_closes_of_its_candles():
    """The candle that closes at 02:00 is the first quiet one, that at 05:55 the last one."""
    columns = score_market(inputs_of(walk(5, 1_000)), SignalSettings()).columns.iloc[200:]
    closes = columns["date"] + np.timedelta64(5, "m")
    quiet = closes[columns["gate"] == Gate.QUIET_HOURS]
    assert quiet.tolist() == closes[closes.dt.hour.isin([2, 3, 4, 5])].tolist()
    assert {f"{quiet.dt.strftime('%H:%M').min()}", f"{quiet.dt.strftime('%H:%M').max()}"} == {
        "02:00",
        "05:55",
    }


def test_no_signal_in_quiet_hours_but_for_bitcoin():
    candles = walk(5, 3_000)
    chosen = SignalSettings(
        z_score_threshold=0.8, entry_tightness=1.0, min_score=50.0, base_score=90.0
    )
    hours = {}
    for market in ("SOL/USDT:USDT", "BTC/USDT:USDT"):
        found = score_market(inputs_of(candles, market=market), chosen).columns
        closes = found["date"] + np.timedelta64(5, "m")
        hours[market] = set(closes[found["signal"] != 0].dt.hour)
    assert not hours["SOL/USDT:USDT"] & {2, 3, 4, 5}
    assert hours["BTC/USDT:USDT"] & {2, 3, 4, 5}
    assert hours["SOL/USDT:USDT"] >= {1, 6}


def test_hurst_and_z_score_are_those_of_the_statistics():
    candles = walk(11, 260)
    scored = score_market(inputs_of(candles), SignalSettings()).columns
    log_close = np.log(candles["close"].to_numpy())
    for row in (199, 230, 259):
        expected = np.clip(hurst(log_close[row - 199 : row + 1], max_lag=19), 0.15, 0.85)
        assert scored["hurst"][row] == pytest.approx(expected, abs=1e-9)
    assert scored["hurst"][:199].isna().all()
    np.testing.assert_array_equal(scored["z_score"], rolling_z_score(log_close, 50))


@pytest.mark.parametrize(
    ("log_close", "extreme"),
    [
        pytest.param(np.random.default_rng(2).standard_normal(300), 0.15, id="noise: 0"),
        pytest.param((np.arange(300.0) / 300.0) ** 2, 0.85, id="a parabola: 1"),
    ],
)
def test_the_exponent_is_clipped(log_close, extreme):
    """Differences of t^2 at lag k are 2tk - k^2, their variance goes with k^2: H is 1."""
    candles = frame(100.0 * np.exp(0.001 * log_close))
    scored = score_market(inputs_of(candles), SignalSettings()).columns
    assert set(scored["hurst"].dropna()) == {extreme}


def minutes(*values):
    return np.array(values) * 60_000


@pytest.mark.parametrize(
    ("candidates", "kept"),
    [
        pytest.param([0, 30, 59], [0], id="closer than the interval"),
        pytest.param([0, 60], [0, 60], id="exactly the interval"),
        pytest.param([0, 30, 60, 90, 120], [0, 60, 120], id="a run: every interval"),
        pytest.param([1410, 1440, 1470, 1530], [1410, 1470, 1530], id="over midnight"),
        pytest.param([1410, 1430, 1480, 1490], [1410, 1490], id="yesterday's last candidate bars"),
    ],
)
def test_signals_keep_their_distance(candidates, kept):
    times = minutes(*candidates)
    told = spaced(np.ones(times.size, bool), times, 60.0)
    assert times[told].tolist() == minutes(*kept).tolist()


RUNS = st.lists(st.integers(1, 400), min_size=1, max_size=150)


@given(RUNS, st.integers(0, 1440))
def test_two_signals_are_never_closer_and_the_first_one_stands(gaps, interval):
    times = minutes(*np.cumsum(gaps))
    told = spaced(np.ones(times.size, bool), times, float(interval))
    assert told[0]
    assert (np.diff(times[told]) >= interval * 60_000).all()


@given(RUNS, st.integers(0, 300), st.integers(0, 149))
def test_where_history_begins_does_not_matter_after_a_day_and_an_interval(gaps, interval, cut):
    times = minutes(*np.cumsum(gaps))
    whole = spaced(np.ones(times.size, bool), times, float(interval))
    begin = min(cut, times.size - 1)
    part = spaced(np.ones(times.size - begin, bool), times[begin:], float(interval))
    settled = times[begin:] >= times[begin] + DAY_MS + interval * 60_000
    assert (part[settled] == whole[begin:][settled]).all()


def test_an_imbalance_of_another_length_is_refused():
    inputs = inputs_of(walk(1, 50), imbalance=np.zeros(49))
    with pytest.raises(Exception, match=r"layer gate failed for SOL/USDT:USDT: ValueError: "):
        score_market(inputs, SignalSettings())
