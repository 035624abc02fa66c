"""A backtest that searches the whole universe, by Freqtrade's own commands.

Planted bugs that these tests have caught: a selection that sees the candle of its own moment and
later ones, entries in a spread that is chosen only at another refit, columns that show a spread
before it is chosen, a universe that the look-ahead analysis has narrowed to one market.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from freqtrade_ext.adapters._candles import market_history
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.market_data import last_backtest, load_bot_configuration
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.scanner import MarketHistory, ScanSettings, scan, walk_profile
from freqtrade_ext.spreads import LegName

from .test_spread_commands import freqtrade, since_minutes

pytestmark = [pytest.mark.rehearsal, pytest.mark.xdist_group("spread-universe")]

MINUTE_MS = 60_000
REFIT_MS = 3_600_000
FIT_WINDOW, SELECT_WINDOW = 300, 500
OPTIONS = StageOptions(seed=5, spreads=4, max_open_spreads=2, history_minutes=1_440)
SEARCH = {
    "universe": {"min_daily_volume": 0.0, "min_listing_days": 0.0},
    "entry_z": 1.5,
}
SECTION = {
    "spreads": {
        "select": "universe",
        "select_window": SELECT_WINDOW,
        "fit_window": FIT_WINDOW,
        "refit_every_hours": 1.0,
        "max_open_spreads": 2,
        "min_half_life": 0.2,
        "sizing": {"max_risk_per_trade": 0.002},
    },
    "scan": SEARCH,
}
TRADED_MINUTES = 700


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage.set_up(tmp_path_factory.mktemp("universe") / "user_data", OPTIONS)
    with stage.rehearsal.journal, stage.rehearsal.server:
        stage.write_config(ext=SECTION)
        answer = freqtrade(stage, "download-data", "--timeframes", "1m", "--days", "1")
        assert answer.code == 0, answer.log
        yield stage


@pytest.fixture(scope="module")
def trades(stage: Stage) -> list[dict[str, Any]]:
    answer = freqtrade(
        stage, "backtesting", "--cache", "none", "--timerange", since_minutes(stage, TRADED_MINUTES)
    )
    assert answer.code == 0, answer.log
    assert answer.errors == []
    return list(last_backtest(stage.folder / "backtest_results")["trades"])


@pytest.fixture(scope="module")
def histories(stage: Stage) -> list[MarketHistory]:
    from freqtrade.data.history import load_pair_history
    from freqtrade.enums import CandleType

    configuration = load_bot_configuration([str(stage.config)])
    return [
        market_history(
            market,
            load_pair_history(
                pair=market,
                timeframe="1m",
                datadir=configuration.data,
                candle_type=CandleType.FUTURES,
            ),
        )
        for market in configuration.markets
    ]


def before(history: MarketHistory, moment_ms: int) -> MarketHistory:
    known = history.time_ms < moment_ms
    return MarketHistory(
        history.market, history.time_ms[known], history.close[known], history.quote_volume[known]
    )


def test_there_is_no_book(stage):
    assert not (stage.folder / "pairs_config.json").exists()


def test_only_spreads_chosen_on_earlier_data_are_entered(trades, histories):
    """Each selection is made again from files that end before its moment."""
    profile = walk_profile(
        ScanSettings.model_validate(SEARCH), timeframe="1m", window=SELECT_WINDOW
    )
    entries = {}
    for trade in trades:
        tag = EntryTag.parse(trade["enter_tag"])
        signal_ms = trade["open_timestamp"] - MINUTE_MS
        moment_ms = signal_ms // REFIT_MS * REFIT_MS
        entries.setdefault((tag.spread_id, moment_ms), {})[tag.leg] = trade["pair"]
    assert len(entries) > 5
    for (spread_id, moment_ms), legs in entries.items():
        report = scan(
            [before(each, moment_ms) for each in histories], profile, timeframe="1m", seed=0
        )
        chosen = {(card.fit.leg_a, card.fit.leg_b) for card in report.cards}
        assert (legs[LegName.A], legs[LegName.B]) in chosen, (spread_id, moment_ms)


def test_both_legs_open_and_close_together(trades):
    spans: dict[tuple[str, int], set[int]] = {}
    legs: dict[tuple[str, int], set[LegName]] = {}
    for trade in trades:
        tag = EntryTag.parse(trade["enter_tag"])
        key = tag.spread_id, trade["open_timestamp"]
        spans.setdefault(key, set()).add(trade["close_timestamp"])
        legs.setdefault(key, set()).add(tag.leg)
    assert all(len(closed) == 1 for closed in spans.values())
    assert all(each == set(LegName) for each in legs.values())


def test_lookahead_analysis_finds_nothing(stage):
    answer = freqtrade(
        stage, "lookahead-analysis", "--timerange", since_minutes(stage, TRADED_MINUTES),
        "--minimum-trade-amount", "4", "--targeted-trade-amount", "4",
    )  # fmt: skip
    assert answer.code == 0, answer.log
    assert "Found targeted trade amount = 4 signals." in answer.log
    assert "SpreadArbitrage: no bias detected" in answer.log
    assert "bias detected!" not in answer.log
    assert "found lookahead-bias in trade" not in answer.log
    assert "found look ahead bias in column" not in answer.log


def test_recursive_analysis_finds_nothing(stage):
    startup = SELECT_WINDOW + 12 + 60 + 50
    answer = freqtrade(
        stage, "recursive-analysis", "--timerange", since_minutes(stage, 300),
        "--startup-candle", str(startup), str(startup + 250), "-p", "BTC/USDT:USDT",
    )  # fmt: skip
    assert answer.code == 0, answer.log
    assert "No variance on indicator(s) found due to recursive formula." in answer.log
    assert "No lookahead bias on indicators found." in answer.log


def test_a_trading_bot_without_renewal_refuses_a_universe(stage):
    """A book would not be renewed, and the setting would promise what does not happen."""
    done = subprocess.run(
        [sys.executable, "-m", "freqtrade", "trade", "-c", str(stage.config)],
        capture_output=True, text=True, timeout=110, check=False,
        env=os.environ | {"COLUMNS": "1000"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "ext.spreads.select: 'universe' is for backtests" in done.stdout + done.stderr
