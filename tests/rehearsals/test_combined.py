"""Spreads and scores in one bot, by backtests of an unmodified Freqtrade: neither disturbs the
other one.

One process makes the candles from a seed and runs Freqtrade's backtesting six times. Planted bugs
that these tests have caught: a position that keeps the stop of a leg, a leg that is adjusted one
candle early, a scored signal that overwrites a leg's, a leg that is entered on the candle on which
a position in the other one's market was left.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from freqtrade_ext.adapters._regime_frames import ScoreTag
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.risk import CloseReason
from rehearsals.combined_backtest import LEGS, RUNS, SINGLES, name_of

pytestmark = pytest.mark.rehearsal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def trades(tmp_path_factory):
    """Trades of every run, as Freqtrade exports them."""
    folder = tmp_path_factory.mktemp("combined")
    done = subprocess.run(
        [sys.executable, "-m", "rehearsals.combined_backtest", "--folder", str(folder)],
        capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        env=os.environ | {"COLUMNS": "200", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert "Traceback" not in done.stdout + done.stderr
    found = json.loads((folder / "trades.json").read_text())
    assert set(found) == set(RUNS)
    return found


def test_without_scores_it_trades_exactly_what_spreads_do(trades):
    assert len(trades["spreads"]) > 20
    assert trades["no scores"] == trades["spreads"]


def test_without_spreads_it_trades_exactly_what_scores_do(trades):
    assert len(trades["scores"]) > 20
    assert trades["no spreads"] == trades["scores"]


def spans(trades, coin=None):
    return [
        (trade["open_timestamp"], trade["close_timestamp"])
        for trade in trades
        if coin in {None, trade["pair"].split("/")[0]}
    ]


def meet(some, others):
    return any(a < d and c < b for a, b in some for c, d in others)


def split(trades):
    legs = [each for each in trades if EntryTag.parse(each["enter_tag"])]
    scored = [each for each in trades if ScoreTag.parse(each["enter_tag"])]
    assert len(legs) + len(scored) == len(trades)
    return legs, scored


@pytest.mark.parametrize("run", ["both", "universe"])
def test_both_are_open_at_once_and_legs_come_in_twos(trades, run):
    legs, scored = split(trades[run])
    assert len(legs) > 10
    assert len(scored) > 20
    assert meet(spans(legs), spans(scored))
    twos = {}
    for leg in legs:
        tag = EntryTag.parse(leg["enter_tag"])
        twos.setdefault((tag.spread_id, leg["open_timestamp"]), []).append((tag.leg, leg))
    for found in twos.values():
        (first, a), (second, b) = sorted(found, key=lambda each: each[0])
        assert (first, second) == ("A", "B")
        assert a["close_timestamp"] == b["close_timestamp"]


def test_a_coin_of_the_book_is_never_scored(trades):
    legs, scored = split(trades["both"])
    assert {trade["pair"] for trade in legs} <= {name_of(coin) for coin in LEGS}
    assert {trade["pair"] for trade in scored} <= {name_of(coin) for coin in SINGLES}


def test_a_coin_of_a_universe_is_in_one_of_the_two_at_a_time(trades):
    legs, scored = split(trades["universe"])
    shared = {trade["pair"].split("/")[0] for trade in scored} & set(LEGS)
    assert shared  # while no spread with it is chosen, it is scored
    for coin in shared:
        assert not meet(spans(legs, coin), spans(scored, coin))


def test_a_leg_keeps_its_stop_and_every_exit_has_a_reason_of_ours(trades):
    known = {reason.value for reason in CloseReason} | {"force_exit"}  # the end of the backtest
    for trade in trades["both"]:
        assert trade["exit_reason"] in known
        if EntryTag.parse(trade["enter_tag"]):
            assert trade["stop_loss_ratio"] == trade["initial_stop_loss_ratio"] == -0.8
        else:
            assert trade["initial_stop_loss_ratio"] == -0.5
