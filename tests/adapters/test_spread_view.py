"""One view of all spreads, the same for both legs."""

import logging

import numpy as np
import pytest
from freqtrade.enums import RunMode
from scipy.stats import false_discovery_control

from freqtrade_ext.adapters import _spread_view
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.spreads import LegName, track_spread

from .doubles import (
    BTC,
    ETH,
    HOUR_MS,
    START_MS,
    Provider,
    bands_of,
    candles,
    cointegrated,
    settings_of,
    spec_of,
)

SOL, ADA = "SOL/USDT:USDT", "ADA/USDT:USDT"
COUNT = 400


@pytest.fixture
def frames():
    eth, btc = cointegrated(COUNT, seed=1)
    sol, ada = cointegrated(COUNT, seed=2)
    return {ETH: candles(eth), BTC: candles(btc), SOL: candles(sol), ADA: candles(ada)}


@pytest.fixture
def feed(frames):
    return Provider(frames)


def view_of(*specs, **settings):
    specs = specs or (spec_of(), spec_of("SOL-ADA", SOL, ADA))
    return SpreadView({spec.spread_id: spec for spec in specs}, settings_of(**settings), HOUR_MS)


def bands_for(view, **more):
    return {spread_id: bands_of(**more) for spread_id in view.specs}


def shifted(frame, rows):
    return frame.iloc[:rows].reset_index(drop=True)


def test_markets_are_every_leg_once():
    view = view_of(spec_of(), spec_of("ETH-SOL", ETH, SOL))
    assert view.markets == [BTC, ETH, SOL]


def test_startup_covers_the_fit_a_refit_and_the_longest_window():
    view = view_of(spec_of(), spec_of("SOL-ADA", SOL, ADA, mean_reversion_window=77))
    assert view.startup_candles == 100 + 24 + 77
    assert view_of(refit_every_hours=1.5).startup_candles == 100 + 2 + 30


def test_an_empty_book_needs_no_history():
    assert SpreadView({}, settings_of(), HOUR_MS).startup_candles == 1


def test_the_first_candle_after_the_startup_has_a_z_score(feed):
    view = view_of()
    view.refresh(feed, "1h", live=False)
    track = view.tracks["ETH-BTC"]
    assert np.isfinite(track.z_score[view.startup_candles :]).all()


def test_a_track_is_what_both_raw_frames_give(feed):
    view = view_of(spec_of())
    view.refresh(feed, "1h", live=False)
    legs = [view._candles[leg][1] for leg in (ETH, BTC)]
    expected = track_spread(*legs, view.plan_of(view.specs["ETH-BTC"]))
    np.testing.assert_array_equal(view.tracks["ETH-BTC"].z_score, expected.z_score)


def test_the_hedge_space_of_the_spread_is_used(feed):
    view = view_of(spec_of(hedge_space="price"))
    view.refresh(feed, "1h", live=False)
    dependent = view.tracks["ETH-BTC"].dependent
    np.testing.assert_array_equal(dependent, feed.frames[ETH]["close"].to_numpy())


def test_both_legs_read_the_same_track_and_board(feed):
    """Freqtrade analyses one market after the other; nothing may change in between."""
    view = view_of()
    bands = bands_for(view)
    seen = []
    for _leg in (ETH, BTC, SOL, ADA):
        view.refresh(feed, "1h", live=False)
        seen.append((view.tracks["ETH-BTC"], view.board(bands)))
    assert all(track is seen[0][0] and board is seen[0][1] for track, board in seen)


@pytest.mark.parametrize("live", [False, True])
def test_a_track_is_computed_once_a_candle(feed, live, monkeypatch):
    calls = []

    def counted(*args, **kwargs):
        calls.append(args)
        return track_spread(*args, **kwargs)

    monkeypatch.setattr(_spread_view, "track_spread", counted)
    view = view_of()
    for _leg in range(4):
        view.refresh(feed, "1h", live=live)
    assert len(calls) == 2


def test_a_backtest_reads_each_market_once(feed):
    view = view_of()
    view.refresh(feed, "1h", live=False)
    view.refresh(feed, "1h", live=False)
    assert sorted(feed.asked) == sorted([ETH, BTC, SOL, ADA])


def test_a_live_bot_follows_new_candles(feed, frames):
    view = view_of(spec_of())
    feed.frames = {name: shifted(frame, COUNT - 1) for name, frame in frames.items()}
    view.refresh(feed, "1h", live=True)
    before = view.tracks["ETH-BTC"]
    view.refresh(feed, "1h", live=True)
    assert view.tracks["ETH-BTC"] is before
    feed.frames = frames
    view.refresh(feed, "1h", live=True)
    after = view.tracks["ETH-BTC"]
    assert after is not before
    assert after.time_ms[-1] == before.time_ms[-1] + HOUR_MS


def test_a_candle_of_one_leg_alone_gives_no_signal_and_is_made_up_for(feed, frames):
    """One market's candles arrive late: hold, then compute again when they are there."""
    view = view_of(spec_of())
    feed.frames = {ETH: frames[ETH], BTC: shifted(frames[BTC], COUNT - 1)}
    view.refresh(feed, "1h", live=True)
    assert np.isnan(view.tracks["ETH-BTC"].z_score[-1])
    feed.frames = frames
    view.refresh(feed, "1h", live=True)
    assert np.isfinite(view.tracks["ETH-BTC"].z_score[-1])


def test_a_live_bot_keeps_its_fits_while_old_candles_fall_out(feed, frames):
    view = view_of(spec_of())
    view.refresh(feed, "1h", live=True)
    before = view.tracks["ETH-BTC"].fits
    feed.frames = {name: frame.iloc[20:].reset_index(drop=True) for name, frame in frames.items()}
    view.refresh(feed, "1h", live=True)
    after = view.tracks["ETH-BTC"].fits
    assert after
    assert all(any(fit is known for known in before) for fit in after)


def test_a_live_bot_and_a_backtest_see_the_same(feed):
    live, past = view_of(), view_of()
    live.refresh(feed, "1h", live=True)
    past.refresh(feed, "1h", live=False)
    for spread_id, track in past.tracks.items():
        np.testing.assert_array_equal(track.z_score, live.tracks[spread_id].z_score)
    assert live.board(bands_for(live)) == past.board(bands_for(past))


@pytest.mark.parametrize("live", [False, True])
def test_a_market_without_candles_is_named_once_and_its_spreads_are_left_alone(feed, live, caplog):
    del feed.frames[BTC]
    view = view_of()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            view.refresh(feed, "1h", live=live)
    assert [r.getMessage() for r in caplog.records] == [f"[STRATEGY] {BTC} has no 1h candles"]
    assert set(view.tracks) == {"SOL-ADA"}
    assert {c.spread_id for row in view.board(bands_for(view)).by_time.values() for c in row} == {
        "SOL-ADA"
    }


def test_a_board_is_ranked_once_for_the_same_bands(feed):
    view = view_of()
    view.refresh(feed, "1h", live=False)
    first = view.board(bands_for(view))
    assert view.board(bands_for(view)) is first
    wider = view.board(bands_for(view, entry_z=2.5))
    assert wider is not first
    assert len(wider.by_time) < len(first.by_time)
    assert view.board(bands_for(view)) == first


def test_a_board_follows_new_candles(feed, frames):
    view = view_of()
    feed.frames = {name: shifted(frame, 200) for name, frame in frames.items()}
    view.refresh(feed, "1h", live=True)
    before = view.board(bands_for(view))
    feed.frames = frames
    view.refresh(feed, "1h", live=True)
    after = view.board(bands_for(view))
    assert len(after.by_time) > len(before.by_time)


def test_the_past_of_a_board_does_not_change(feed, frames):
    view = view_of()
    view.refresh(feed, "1h", live=False)
    whole = view.board(bands_for(view)).by_time
    cut = view_of()
    cut.refresh(Provider({n: shifted(f, 300) for n, f in frames.items()}), "1h", live=False)
    known = cut.board(bands_for(cut)).by_time
    assert known == {t: row for t, row in whole.items() if t < START_MS + 300 * HOUR_MS}
    assert known


def test_candidates_of_both_legs_carry_the_same_candle(feed):
    view = view_of()
    view.refresh(feed, "1h", live=False)
    board = view.board(bands_for(view))
    legs_a, legs_b = board.of_market(ETH), board.of_market(BTC)
    assert [c for c, _ in legs_a] == [c for c, _ in legs_b]
    assert {leg for _, leg in legs_a} == {LegName.A}
    assert {leg for _, leg in legs_b} == {LegName.B}


def test_close_of_is_the_close_of_that_very_candle(feed, frames):
    view = view_of(spec_of())
    assert np.isnan(view.close_of(ETH, START_MS))  # nothing loaded yet
    view.refresh(feed, "1h", live=False)
    assert view.close_of(ETH, START_MS + 5 * HOUR_MS) == frames[ETH]["close"][5]
    for absent in (START_MS - HOUR_MS, START_MS + 1, START_MS + COUNT * HOUR_MS):
        assert np.isnan(view.close_of(ETH, absent))
    assert np.isnan(view.close_of("XRP/USDT:USDT", START_MS))


def test_a_spread_with_a_leg_that_is_not_listed_is_left_out(caplog):
    view = view_of()
    with caplog.at_level(logging.WARNING):
        view.keep_listed({ETH, SOL, ADA})
    assert list(view.specs) == ["SOL-ADA"]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"[STRATEGY] ETH-BTC is left out: the exchange does not list {BTC}"
    )


def test_spreads_of_a_market_come_in_the_order_of_the_book():
    view = view_of(spec_of(), spec_of("SOL-ETH", SOL, ETH), spec_of("SOL-ADA", SOL, ADA))
    assert [spec.spread_id for spec in view.spreads_of(ETH)] == ["ETH-BTC", "SOL-ETH"]
    assert view.spreads_of("XRP/USDT:USDT") == []


def test_q_values_control_the_family_fitted_at_the_same_moment(feed):
    view = view_of(max_qvalue=0.05)
    view.refresh(feed, "1h", live=False)
    qvalues = view._qvalues()
    first, second = (view.tracks[name] for name in ("ETH-BTC", "SOL-ADA"))
    for index, (one, other) in enumerate(zip(first.fits, second.fits, strict=True)):
        assert one.fitted_at_ms == other.fitted_at_ms
        expected = false_discovery_control([one.pvalue, other.pvalue], method="bh")
        assert qvalues["ETH-BTC"][index] == expected[0]
        assert qvalues["SOL-ADA"][index] == expected[1]


def test_without_a_limit_no_q_values_are_computed(feed):
    view = view_of()
    view.refresh(feed, "1h", live=False)
    assert view._qvalues() == {}


def test_a_q_value_above_the_limit_forbids_the_entry(feed):
    """One noise spread among many doubles the q-values of the others."""
    free, strict = view_of(), view_of(max_qvalue=1e-12)
    for view in (free, strict):
        view.refresh(feed, "1h", live=False)
    assert free.board(bands_for(free)).by_time
    assert not strict.board(bands_for(strict)).by_time


def test_live_candles_are_taken_without_a_copy(feed, frames):
    feed.runmode = RunMode.DRY_RUN
    before = {name: frame.copy() for name, frame in frames.items()}
    view = view_of()
    view.refresh(feed, "1h", live=True)
    view.board(bands_for(view))
    for name, frame in before.items():
        assert frame.equals(frames[name])


def test_the_coins_of_the_book_belong_to_it_on_every_candle(tmp_path):
    view = SpreadView({"ETH-BTC": spec_of()}, settings_of(), HOUR_MS)
    times = np.array([START_MS, START_MS + HOUR_MS])
    for name in (ETH, BTC, "ETH/USDC:USDC"):
        assert view.claims(name, times).tolist() == [True, True]
    assert view.claims("SOL/USDT:USDT", times).tolist() == [False, False]
    view.take_over({}, frozenset())
    assert not view.claims(ETH, times).any()
