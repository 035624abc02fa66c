"""Freqtrade's own commands with the shipped strategy, on a synthetic market with planted spreads.

One market and one download serve the whole module; every command is a process of its own, as a
user starts it. Planted bugs that these tests have caught: an exit on one leg only, legs sized by
notional instead of by hedge ratio, an entry band that hyperopt cannot move, a fit that sees the
future, an error at the start that ends with exit code 0.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.market_data import (
    last_backtest,
    load_bot_configuration,
    load_leg_candles,
)
from freqtrade_ext.cli._demo_stage import Stage, StageOptions
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.sandbox.journal import OrderAccepted, OrderRejected, TriggerAccepted
from freqtrade_ext.spreads import LegName, SpreadTrack, WalkForward, load_book, track_spread

pytestmark = [pytest.mark.rehearsal, pytest.mark.xdist_group("spread-commands")]

MINUTE_MS = 60_000
FIT_WINDOW, REFIT_HOURS = 300, 1.0  # as `Stage.write_config` has them
OPTIONS = StageOptions(seed=5, spreads=3, max_open_spreads=2, history_minutes=1_440)


@dataclass(frozen=True)
class Answer:
    """What a command of Freqtrade left behind."""

    code: int
    log: str

    @property
    def errors(self) -> list[str]:
        """Messages at level ERROR, without time and module."""
        lines = self.log.splitlines()
        return [line.split(" - ERROR - ", 1)[1] for line in lines if " - ERROR - " in line]


def freqtrade(stage: Stage, command: str, *arguments: str) -> Answer:
    """Run a command of a stock Freqtrade on the stage."""
    done = subprocess.run(
        [sys.executable, "-m", "freqtrade", command, "-c", str(stage.config), *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=os.environ | {"COLUMNS": "1000"},
    )
    return Answer(done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage.set_up(tmp_path_factory.mktemp("spreads") / "user_data", OPTIONS)
    with stage.rehearsal.journal, stage.rehearsal.server:
        stage.write_config()
        answer = freqtrade(stage, "download-data", "--timeframes", "1m", "--days", "1")
        assert answer.code == 0, answer.log
        assert stage.write_book() == OPTIONS.spreads
        yield stage


@pytest.fixture(scope="module")
def backtest(stage: Stage) -> dict[str, Any]:
    """Run ``freqtrade backtesting`` once; its result."""
    answer = freqtrade(stage, "backtesting", "--cache", "none")
    assert answer.code == 0, answer.log
    assert answer.errors == []
    return last_backtest(stage.folder / "backtest_results")


@pytest.fixture(scope="module")
def spreads(backtest: dict[str, Any]) -> dict[tuple[str, int], dict[LegName, dict[str, Any]]]:
    """Both trades of every spread, by spread id and time of entry."""
    found: dict[tuple[str, int], dict[LegName, dict[str, Any]]] = {}
    for trade in backtest["trades"]:
        tag = EntryTag.parse(trade["enter_tag"])
        assert tag is not None, trade["enter_tag"]
        legs = found.setdefault((tag.spread_id, trade["open_timestamp"]), {})
        assert tag.leg not in legs, f"two trades of leg {tag.leg} of {tag.spread_id} at once"
        legs[tag.leg] = trade
    return found


def track_of(stage: Stage, spread_id: str) -> SpreadTrack:
    """Compute the spread's track from the files, as the strategy is documented to."""
    spec = load_book(stage.folder / "pairs_config.json").get(spread_id)
    assert spec is not None
    configuration = load_bot_configuration([str(stage.config)])
    legs = (load_leg_candles(configuration, leg) for leg in spec.markets)
    plan = WalkForward(
        candle_ms=MINUTE_MS,
        fit_window=FIT_WINDOW,
        refit_every_ms=round(REFIT_HOURS * 3_600_000),
        z_window=spec.mean_reversion_window,
    )
    return track_spread(*legs, plan)


@pytest.fixture(scope="module")
def tracks(stage: Stage, spreads: dict[tuple[str, int], Any]) -> dict[str, SpreadTrack]:
    """Track of every spread that was traded."""
    return {spread_id: track_of(stage, spread_id) for spread_id in {key[0] for key in spreads}}


def test_a_backtest_trades_every_planted_spread(spreads):
    assert {spread_id for spread_id, _ in spreads} == {"ETH-BTC", "AVAX-SOL", "UNI-LINK"}
    assert len(spreads) > 20


def test_both_legs_open_and_close_on_the_same_candles(spreads):
    for key, legs in spreads.items():
        assert set(legs) == {LegName.A, LegName.B}, key
        assert legs[LegName.A]["close_timestamp"] == legs[LegName.B]["close_timestamp"], key
        assert legs[LegName.A]["is_short"] is not legs[LegName.B]["is_short"], key


def test_every_spread_is_left_for_a_reason_of_ours_or_at_the_end(spreads):
    known = {reason.value for reason in CloseReason} - {"ORPHAN_LEG", "PARTNER_CLOSED"}
    for legs in spreads.values():
        reasons = {trade["exit_reason"] for trade in legs.values()}
        assert len(reasons) == 1
        assert reasons <= known | {"force_exit"}


def test_no_more_than_the_allowed_spreads_are_open_at_once(spreads):
    spans = [
        (legs[LegName.A]["open_timestamp"], legs[LegName.A]["close_timestamp"])
        for legs in spreads.values()
    ]
    for begin, _ in spans:
        assert sum(opened <= begin < closed for opened, closed in spans) <= 2


def test_legs_are_hedged_within_a_lot_at_entry(stage, spreads, tracks):
    """By the fit in force on the signal's candle and both closes of that candle."""
    steps = {
        f"{each.base}/{each.quote}:{each.quote}": float(each.step_size)
        for each in stage.rehearsal.market.instruments.values()
    }
    for (spread_id, entry_ms), legs in spreads.items():
        track = tracks[spread_id]
        row = track.row_at(entry_ms - MINUTE_MS)
        assert row is not None
        fit = track.fit_at(row)
        assert fit is not None
        seen = int(track.observed_ms.searchsorted(entry_ms - MINUTE_MS))
        price_a, price_b = math.exp(track.dependent[seen]), math.exp(track.regressor[seen])
        leg_a, leg_b = legs[LegName.A], legs[LegName.B]
        exposure = leg_b["amount"] * price_b - fit.hedge_ratio * leg_a["amount"] * price_a
        lot = max(steps[leg_b["pair"]] * price_b, fit.hedge_ratio * steps[leg_a["pair"]] * price_a)
        assert abs(exposure) <= lot * 1.001, (spread_id, entry_ms)


def test_a_leg_is_long_when_the_spread_is_far_below_its_mean(spreads, tracks):
    for (spread_id, entry_ms), legs in spreads.items():
        row = tracks[spread_id].row_at(entry_ms - MINUTE_MS)
        z_score = tracks[spread_id].z_score[row]
        assert abs(z_score) >= OPTIONS.entry_z
        assert legs[LegName.A]["is_short"] is bool(z_score > 0)


WRONG_SECTIONS = [
    pytest.param(
        {"spreads": {"max_open_spread": 3}},
        "configuration: ext.spreads.max_open_spread: unknown key (got 3); "
        "did you mean 'max_open_spreads'?",
        id="misspelt-key",
    ),
    pytest.param(
        {"spreads": {"max_pvalue": 1.5}},
        "configuration: ext.spreads.max_pvalue: Input should be less than or equal to 1 "
        "(got 1.5); allowed: number above 0 up to 1",
        id="value-out-of-range",
    ),
]


def forbid_orders(stage: Stage, since: int) -> None:
    """Check that nothing that could become an order has reached the exchange."""
    kinds = OrderAccepted | OrderRejected | TriggerAccepted
    assert [e for e in stage.rehearsal.journal.events[since:] if isinstance(e, kinds)] == []


@pytest.mark.parametrize(("section", "line"), WRONG_SECTIONS)
def test_a_wrong_setting_stops_the_live_bot_with_one_line(stage, section, line):
    since = len(stage.rehearsal.journal)
    stage.write_config(ext=section)
    try:
        answer = freqtrade(stage, "trade")
    finally:
        stage.write_config()
    assert answer.code == 2, answer.log
    assert answer.errors == [line]
    assert "Traceback" not in answer.log
    forbid_orders(stage, since)


def test_a_wrong_spread_book_stops_the_live_bot_with_one_line(stage):
    since = len(stage.rehearsal.journal)
    path = stage.folder / "pairs_config.json"
    good = path.read_text()
    document = json.loads(good)
    document["spreads"][0]["z_exit"] = 9.0
    path.write_text(json.dumps(document))
    try:
        answer = freqtrade(stage, "trade")
    finally:
        path.write_text(good)
    name = document["spreads"][0]["spread_id"]
    assert answer.code == 2, answer.log
    assert answer.errors == [
        f"{path}: spread {name} (row 1): z_exit: 9.0: should be below z_score_threshold (1.5)"
    ]
    forbid_orders(stage, since)


def test_a_book_of_another_timeframe_stops_the_bot_with_one_line(stage):
    since = len(stage.rehearsal.journal)
    stage.write_config(timeframe="5m")
    try:
        answer = freqtrade(stage, "backtesting", "--cache", "none")
    finally:
        stage.write_config()
    assert answer.code == 2, answer.log
    (line,) = answer.errors
    assert "pairs_config.json: timeframe: the spreads were fitted on '1m' candles" in line
    assert "'5m'" in line
    forbid_orders(stage, since)


def test_hyperopt_moves_the_bands(stage, tracks):
    answer = freqtrade(
        stage, "hyperopt", "--epochs", "3", "--spaces", "buy", "sell", "-j", "1",
        "--hyperopt-loss", "SharpeHyperOptLoss", "--min-trades", "1", "--random-state", "7",
        "--disable-param-export",
    )  # fmt: skip
    assert answer.code == 0, answer.log
    (path,) = (stage.folder / "hyperopt_results").glob("*.fthypt")
    epochs = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(epochs) == 3
    scales = {"entry_scale", "exit_scale", "stop_scale", "holding_scale"}
    assert all(set(epoch["params_dict"]) == scales for epoch in epochs)
    assert len({epoch["results_metrics"]["total_trades"] for epoch in epochs}) > 1
    for epoch in epochs:  # a new backtest starts flat: no leg is left of the one before
        tags = [EntryTag.parse(trade["enter_tag"]) for trade in epoch["results_metrics"]["trades"]]
        level = OPTIONS.entry_z * epoch["params_dict"]["entry_scale"]
        for tag, trade in zip(tags, epoch["results_metrics"]["trades"], strict=True):
            track = tracks[tag.spread_id]
            z_score = track.z_score[track.row_at(trade["open_timestamp"] - MINUTE_MS)]
            assert abs(z_score) >= level * (1 - 1e-9)
        legs = [tag.leg for tag in tags if tag]
        assert legs.count(LegName.A) == legs.count(LegName.B) == len(tags) / 2


def since_minutes(stage: Stage, minutes: int) -> str:
    """Time range of the last minutes of the history, as Freqtrade writes it."""
    return f"{stage.rehearsal.market.spec.anchor_ms // 1000 - minutes * 60}-"


def test_lookahead_analysis_finds_nothing(stage):
    answer = freqtrade(
        stage, "lookahead-analysis", "--timerange", since_minutes(stage, 700),
        "--minimum-trade-amount", "4", "--targeted-trade-amount", "4",
    )  # fmt: skip
    assert answer.code == 0, answer.log
    assert "Found targeted trade amount = 4 signals." in answer.log
    assert "SpreadArbitrage: no bias detected" in answer.log
    assert "bias detected!" not in answer.log
    assert "found lookahead-bias in trade" not in answer.log
    assert "found look ahead bias in column" not in answer.log


def test_recursive_analysis_finds_nothing(stage):
    startup = FIT_WINDOW + 60 + 50
    answer = freqtrade(
        stage, "recursive-analysis", "--timerange", since_minutes(stage, 300),
        "--startup-candle", str(startup), str(startup + 250), "-p", "BTC/USDT:USDT",
    )  # fmt: skip
    assert answer.code == 0, answer.log
    assert "No variance on indicator(s) found due to recursive formula." in answer.log
    assert "No lookahead bias on indicators found." in answer.log
