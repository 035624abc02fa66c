"""The view of a backtest that searches the whole universe.

Planted bugs that these tests have caught: columns that show a spread before it is chosen, entries
at refits at which it is not chosen, q-values over spreads that are chosen only later, a universe
that follows the narrowed whitelist of the look-ahead analysis, spread ids that two markets share.
"""

import logging

import numpy as np
import pytest

from freqtrade_ext.adapters import _universe_view
from freqtrade_ext.adapters._spread_frames import add_entry_columns, add_spread_columns
from freqtrade_ext.adapters._universe_view import UniverseView, _names, searched_markets
from freqtrade_ext.scanner import (
    BootstrapSettings,
    FamilySettings,
    ScanSettings,
    SelectionCache,
    SelectionPlan,
    UniverseSettings,
    walk_profile,
)

from .doubles import BTC, ETH, HOUR_MS, START_MS, Provider, bands_of, candles, settings_of

SOL, ADA = "SOL/USDT:USDT", "ADA/USDT:USDT"
MARKETS = (ADA, BTC, ETH, SOL)
COUNT, BREAK, WINDOW = 1_700, 1_000, 500
DAY_MS = 24 * HOUR_MS
SEARCH = ScanSettings(
    universe=UniverseSettings(window=WINDOW, min_daily_volume=0.0, min_listing_days=0.0),
    family=FamilySettings(johansen_level=None),
    bootstrap=BootstrapSettings(replications=0),
)


@pytest.fixture(scope="module")
def frames():
    """ETH follows BTC up to a break, and ADA follows SOL after it."""
    rng = np.random.default_rng(11)
    walks = rng.normal(0, 0.01, (COUNT, 4)).cumsum(axis=0)
    spread = np.zeros(COUNT)
    for place in range(1, COUNT):
        spread[place] = 0.7 * spread[place - 1] + rng.normal(0, 0.02)
    old = np.arange(COUNT) < BREAK
    jump = walks[BREAK - 1]
    eth = np.where(old, walks[:, 0] + spread, walks[:, 1] + (jump[0] - jump[1]))
    ada = np.where(old, walks[:, 3], walks[:, 2] + spread + (jump[3] - jump[2]))
    logs = {BTC: walks[:, 0], ETH: eth, SOL: walks[:, 2], ADA: ada}
    return {name: candles(100 * np.exp(log)) for name, log in logs.items()}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch):
    monkeypatch.setattr(_universe_view, "_SELECTIONS", SelectionCache())


def view_of(frames, **settings):
    profile = walk_profile(SEARCH, timeframe="1h", window=WINDOW)
    plan = SelectionPlan("1h", DAY_MS, profile)
    view = UniverseView(plan, settings_of(**settings), HOUR_MS)
    view.search(MARKETS)
    view.refresh(Provider(frames), "1h", live=False)
    return view


@pytest.fixture(scope="module")
def view(frames):
    return view_of(frames)


def bands_for(view):
    return {spread_id: bands_of() for spread_id in view.specs}


def entries(view):
    return [each for row in view.board(bands_for(view)).by_time.values() for each in row]


def moment_of(time_ms):
    return time_ms // DAY_MS * DAY_MS


def chosen_at(view):
    return {
        each.time_ms: {(card.fit.leg_a, card.fit.leg_b) for card in each.cards}
        for each in view.selections
    }


def test_other_spreads_are_chosen_after_the_break(view):
    chosen = chosen_at(view)
    before = {legs for time_ms, each in chosen.items() if time_ms < START_MS + BREAK * HOUR_MS
              for legs in each}  # fmt: skip
    assert {frozenset(legs) for legs in before} == {frozenset((ETH, BTC))}
    last = {frozenset(legs) for legs in chosen[max(chosen)]}
    assert last == {frozenset((ADA, SOL))}


def test_only_spreads_chosen_at_the_refit_are_entered(view):
    chosen = chosen_at(view)
    asked = entries(view)
    assert len(asked) > 10
    for each in asked:
        assert (each.leg_a, each.leg_b) in chosen[moment_of(each.time_ms)], each


def test_columns_show_a_spread_while_it_is_chosen(view, frames):
    chosen = chosen_at(view)
    frame = add_spread_columns(frames[ETH], view, ETH, bands_for(view))
    times = START_MS + HOUR_MS * np.arange(COUNT)
    for column in ("z_score", "spread_value", "z_entry_upper", "hedge_ratio"):
        shown = frame[column].notna().to_numpy()
        expected = [any(ETH in legs for legs in chosen.get(moment_of(t), ())) for t in times]
        assert shown.tolist() == expected, column


@pytest.mark.parametrize("now", [700, 777, 1_300])
def test_nothing_looks_ahead(view, frames, now):
    cut = view_of({name: frame.head(now) for name, frame in frames.items()})
    assert cut.selections == view.selections[: len(cut.selections)]
    end_ms = START_MS + now * HOUR_MS
    assert entries(cut) == [each for each in entries(view) if each.time_ms < end_ms]
    for name in MARKETS:
        of_cut, of_whole = (
            add_entry_columns(
                add_spread_columns(frames[name].head(now), each, name, bands_for(each)),
                each.board(bands_for(each)),
                name,
            )
            for each in (cut, view)
        )
        assert of_cut.equals(of_whole), name


def test_the_family_of_the_scan_decides_not_that_of_the_book(view):
    assert view.settings.max_qvalue is None
    strict = UniverseView(view.plan, settings_of(max_qvalue=1e-9), HOUR_MS)
    assert strict.settings.max_qvalue is None


def test_coefficients_are_those_of_the_refit(view):
    """Of the fit window before it, as for a spread of the book."""
    for spread_id, track in view.tracks.items():
        for each in entries(view):
            if each.spread_id == spread_id:
                fit = track.fit_at(track.row_at(each.time_ms))
                assert fit.fitted_at_ms == moment_of(each.time_ms)
                assert fit.fit_start_ms == fit.fitted_at_ms - 100 * HOUR_MS


def test_a_universe_is_searched_once(frames):
    view = view_of(frames)
    before = view.selections
    provider = Provider(frames)
    view.refresh(provider, "1h", live=False)
    assert view.selections is before
    assert provider.asked == []


def test_the_same_candles_are_searched_once_in_a_process(frames):
    view_of(frames)
    made = _universe_view._SELECTIONS.made
    view_of(frames)
    assert _universe_view._SELECTIONS.made == made


def test_what_was_chosen_is_told(frames, caplog):
    with caplog.at_level(logging.INFO):
        view_of(frames)
    assert "[STRATEGY] universe of 4 market(s): " in caplog.text
    assert "selection(s) from 2024-01-22 00:00" in caplog.text


def test_a_market_without_candles_is_no_error(frames):
    view = view_of({name: frame for name, frame in frames.items() if name != SOL})
    assert view.selections
    assert all(SOL not in spec.markets for spec in view.specs.values())


def test_a_market_that_is_not_listed_is_not_searched(frames, caplog):
    view = UniverseView(view_of(frames).plan, settings_of(), HOUR_MS)
    view.search(MARKETS)
    view.keep_listed({ADA, BTC, ETH})
    assert view.markets == [ADA, BTC, ETH]
    assert f"{SOL} is not searched" in caplog.text


def test_bands_can_be_checked_before_anything_is_chosen(view):
    fresh = UniverseView(view.plan, settings_of(), HOUR_MS)
    assert fresh.band_specs == {}
    fresh.search(MARKETS)
    (example,) = fresh.band_specs.values()
    assert (example.z_score_threshold, example.stop_loss_z) == (SEARCH.entry_z, SEARCH.stop_z)
    assert view.band_specs is view.specs


def test_startup_covers_the_longer_of_both_windows(view):
    assert view.startup_candles == WINDOW + 12 + 24 + 50
    assert UniverseView(view.plan, settings_of(fit_window=900), HOUR_MS).startup_candles == (
        900 + 24 + 50
    )


def test_the_universe_is_the_users_whitelist_not_the_narrowed_one():
    config = {
        "exchange": {"pair_whitelist": [ETH]},
        "original_config": {"exchange": {"pair_whitelist": [ETH, BTC, SOL]}},
    }
    assert searched_markets(config, MARKETS) == [BTC, ETH, SOL]
    assert searched_markets({"exchange": {"pair_whitelist": [ETH]}}, MARKETS) == [ETH]


def test_patterns_and_the_blacklist_count():
    exchange = {"pair_whitelist": [".*/USDT:USDT"], "pair_blacklist": ["(ADA|SOL)/.*"]}
    assert searched_markets({"exchange": exchange}, MARKETS) == [BTC, ETH]


def test_short_names_are_never_shared():
    names = _names(["BTC/USDT:USDT", "BTC/USDC:USDC", "币/USDT:USDT", "安/USDT:USDT"])
    assert len(set(names.values())) == 4
    assert set(names.values()) == {"BTC", "BTC_2", "_", "__2"}


def test_a_coin_belongs_to_a_spread_while_it_is_chosen(view):
    """And not before: that it will be is knowledge of the future."""
    times = view.candles_of(ETH).time_ms
    own, partner, other = (view.claims(name, times) for name in (ETH, BTC, "ETH/USDC:USDC"))
    assert own.any()
    assert not own.all()
    assert own.tolist() == partner.tolist() == other.tolist()
    shown = np.isfinite(columns_of(view, ETH)["z_score"])
    assert own[shown].all()
    assert not view.claims("DOGE/USDT:USDT", times).any()


def columns_of(view, market):
    frame = candles(np.ones(COUNT))
    return add_spread_columns(frame, view, market, bands_for(view))
