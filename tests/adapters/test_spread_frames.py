"""Columns of a leg's frame."""

import numpy as np
import pytest

from freqtrade_ext.adapters._spread_frames import (
    PLOT_CONFIG,
    add_entry_columns,
    add_spread_columns,
)
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.spreads import Candidate, Direction, EntryBoard, LegName

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

COUNT = 300


@pytest.fixture(scope="module")
def frames():
    eth, btc = cointegrated(COUNT)
    return {ETH: candles(eth), BTC: candles(btc)}


@pytest.fixture(scope="module")
def view(frames):
    view = SpreadView({"ETH-BTC": spec_of()}, settings_of(), HOUR_MS)
    view.refresh(Provider(frames), "1h", live=False)
    return view


BANDS = {"ETH-BTC": bands_of(entry_z=1.8, exit_z=0.4, stop_z=3.5)}


def candidate(row, direction=Direction.LONG):
    return Candidate(START_MS + row * HOUR_MS, "ETH-BTC", ETH, BTC, direction, -2.5, 0.02)


def board_of(*candidates):
    return EntryBoard({c.time_ms: (c,) for c in candidates})


def test_columns_show_the_spread_as_the_track_has_it(view, frames):
    track = view.tracks["ETH-BTC"]
    frame = add_spread_columns(frames[ETH], view, ETH, BANDS)
    np.testing.assert_array_equal(frame["z_score"], track.z_score)
    np.testing.assert_array_equal(frame["spread_value"], track.value)
    row = COUNT - 1
    assert frame["hedge_ratio"][row] == track.fit_at(row).hedge_ratio
    assert frame["spread_pvalue"][row] == track.fit_at(row).pvalue


def test_both_legs_show_the_same(view, frames):
    added = ["spread_value", "z_score", "hedge_ratio", "spread_pvalue"]
    of_a = add_spread_columns(frames[ETH], view, ETH, BANDS)[added]
    of_b = add_spread_columns(frames[BTC], view, BTC, BANDS)[added]
    assert of_a.equals(of_b)


def test_before_the_first_fit_there_is_nothing(view, frames):
    first = int(np.flatnonzero(view.tracks["ETH-BTC"].fit >= 0)[0])
    assert first > 0
    frame = add_spread_columns(frames[ETH], view, ETH, BANDS).iloc[:first]
    assert frame[["z_score", "hedge_ratio", "spread_pvalue"]].isna().all(axis=None)


def test_candles_are_matched_by_time_not_by_row(view, frames):
    """Leg B may be listed later, or miss candles."""
    late = frames[BTC].iloc[37:].drop(index=[150]).reset_index(drop=True)
    frame = add_spread_columns(late, view, BTC, BANDS)
    whole = add_spread_columns(frames[ETH], view, ETH, BANDS).set_index("date")["z_score"]
    shown = frame.set_index("date")["z_score"]
    assert shown.equals(whole.loc[shown.index])


def test_candles_outside_the_track_show_nothing(view, frames):
    later = candles(np.ones(COUNT + 5))
    frame = add_spread_columns(later, view, ETH, BANDS)
    assert frame["z_score"].iloc[COUNT:].isna().all()
    assert frame["hedge_ratio"].iloc[COUNT:].isna().all()
    assert frame["z_score"].iloc[COUNT - 1] == view.tracks["ETH-BTC"].z_score[-1]


def test_the_bands_are_drawn_on_both_sides(view, frames):
    frame = add_spread_columns(frames[ETH], view, ETH, BANDS)
    for name, level in (("entry", 1.8), ("exit", 0.4), ("stop", 3.5)):
        assert (frame[f"z_{name}_upper"] == level).all()
        assert (frame[f"z_{name}_lower"] == -level).all()


def test_a_market_without_a_spread_gets_empty_columns(view, frames):
    frame = add_spread_columns(frames[ETH], view, "XRP/USDT:USDT", BANDS)
    added = [name for name in frame if name not in frames[ETH]]
    assert frame[added].isna().all(axis=None)
    assert "z_score" in added


def test_a_spread_without_a_track_gets_empty_columns(frames):
    view = SpreadView({"ETH-BTC": spec_of()}, settings_of(), HOUR_MS)
    assert add_spread_columns(frames[ETH], view, ETH, BANDS)["z_score"].isna().all()


def test_a_track_of_a_market_without_fits_gets_empty_columns(frames):
    view = SpreadView({"ETH-BTC": spec_of()}, settings_of(fit_window=1_000), HOUR_MS)
    view.refresh(Provider(frames), "1h", live=False)
    frame = add_spread_columns(frames[ETH], view, ETH, BANDS)
    assert frame["z_score"].isna().all()
    assert frame["hedge_ratio"].isna().all()


def test_the_first_spread_of_the_book_with_a_track_is_shown(frames):
    specs = {"XRP-ETH": spec_of("XRP-ETH", "XRP/USDT:USDT", ETH), "ETH-BTC": spec_of()}
    view = SpreadView(specs, settings_of(), HOUR_MS)
    view.refresh(Provider(frames), "1h", live=False)
    bands = {name: bands_of() for name in specs}
    assert add_spread_columns(frames[ETH], view, ETH, bands)["z_score"].notna().any()


def test_every_plotted_column_exists(view, frames):
    frame = add_spread_columns(frames[ETH], view, ETH, BANDS)
    for subplot in PLOT_CONFIG["subplots"].values():
        assert set(subplot) <= set(frame)


def test_no_column_of_freqtrade_is_touched(view, frames):
    before = frames[ETH].copy()
    frame = add_spread_columns(frames[ETH], view, ETH, BANDS)
    assert frame[list(before)].equals(before)
    assert frames[ETH].equals(before)


@pytest.mark.parametrize(
    ("direction", "market", "column"),
    [
        (Direction.LONG, ETH, "enter_long"),
        (Direction.LONG, BTC, "enter_short"),
        (Direction.SHORT, ETH, "enter_short"),
        (Direction.SHORT, BTC, "enter_long"),
    ],
)
def test_a_leg_is_entered_on_its_side_of_the_candidates_candle(frames, direction, market, column):
    other = {"enter_long": "enter_short", "enter_short": "enter_long"}[column]
    frame = add_entry_columns(frames[market], board_of(candidate(7, direction)), market)
    assert np.flatnonzero(frame[column]).tolist() == [7]
    assert not frame[other].any()
    leg = LegName.A if market == ETH else LegName.B
    assert frame["enter_tag"][7] == str(EntryTag("ETH-BTC", direction, leg))
    assert frame["enter_tag"].notna().sum() == 1


def test_a_candidate_whose_candle_the_frame_lacks_is_not_moved_to_another(frames):
    lacking = frames[ETH].drop(index=[7]).reset_index(drop=True)
    board = board_of(candidate(7), candidate(COUNT + 3), candidate(-2))
    frame = add_entry_columns(lacking, board, ETH)
    assert not frame["enter_long"].any()
    assert frame["enter_tag"].isna().all()


def test_a_market_without_candidates_gets_no_signal(frames):
    frame = add_entry_columns(frames[ETH], board_of(candidate(7)), "XRP/USDT:USDT")
    assert not frame[["enter_long", "enter_short"]].any(axis=None)


def test_an_empty_frame_gets_the_columns():
    frame = add_entry_columns(candles([]), board_of(candidate(7)), ETH)
    assert {"enter_long", "enter_short", "enter_tag"} <= set(frame)
