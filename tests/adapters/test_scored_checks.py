"""The doctor on an installation that trades scored positions, alone or beside spreads.

Bugs planted by hand: a missing protection is not noticed; spot is refused; too few slots pass;
beside spreads, slots of spreads are not counted, spot passes, a fixed stake passes, the spread book
is not looked at.
"""

import json
import shutil
from pathlib import Path

import pytest

from freqtrade_ext.adapters._check_result import CheckStatus
from freqtrade_ext.adapters._scored_checks import (
    loaded_scored_strategy,
    scored_checks,
    trades_spreads,
)

from .desk_doubles import write_book

USER_DATA = Path(__file__).resolve().parents[2] / "user_data"


@pytest.fixture
def config(tmp_path):
    for name in ("strategies", "protections"):
        shutil.copytree(USER_DATA / name, tmp_path / name)
    return {
        "user_data_dir": tmp_path, "strategy": "RegimeScore", "stake_currency": "USDT",
        "timeframe": "1h", "trading_mode": "futures", "margin_mode": "isolated",
        "max_open_trades": 5, "exchange": {"name": "binance", "pair_whitelist": []},
    }  # fmt: skip


def found(config):
    strategy = loaded_scored_strategy(config)
    return {check.name: check for check in scored_checks(config, strategy)}


def test_all_is_well(config):
    checks = found(config)
    assert {check.status for check in checks.values()} == {CheckStatus.OK}
    assert checks["protections"].text == "StoplossFrequency, KillSwitch"


def test_other_strategies_are_not_ours(config):
    assert loaded_scored_strategy(config | {"strategy": ""}) is None
    assert loaded_scored_strategy(config | {"strategy": "Nobody"}) is None


def test_protections_that_were_not_copied_are_a_failure(config, tmp_path):
    shutil.rmtree(tmp_path / "protections")
    check = found(config)["protections"]
    assert check.status is CheckStatus.FAIL
    assert "copy user_data/protections" in check.advice


def test_too_few_slots_are_told(config):
    check = found(config | {"max_open_trades": 2})["max_open_trades"]
    assert (check.status, check.text) == (
        CheckStatus.WARN, "2, below ext.risk.balance.max_positions: 5",
    )  # fmt: skip
    wrong = config | {"ext": {"risk": {"balance": {"max_positions": 0}}}}
    strategy = loaded_scored_strategy(config)
    statuses = {check.name: check.status for check in scored_checks(wrong, strategy)}
    assert statuses["max_open_trades"] is CheckStatus.SKIP
    assert statuses["protections"] is CheckStatus.FAIL


@pytest.mark.parametrize(
    ("mode", "margin", "status"),
    [("spot", "", CheckStatus.OK), ("futures", "cross", CheckStatus.WARN)],
)
def test_spot_is_fine_and_cross_margin_is_told(config, mode, margin, status):
    changed = config | {"trading_mode": mode, "margin_mode": margin}
    strategy = loaded_scored_strategy(config)
    checks = {check.name: check for check in scored_checks(changed, strategy)}
    assert checks["margin mode"].status is status


def test_the_example_configuration_is_valid():
    from freqtrade_ext.risk import RiskSettings
    from freqtrade_ext.settings import load_part, load_settings
    from freqtrade_ext.signals import SignalSettings

    document = json.loads((USER_DATA / "config-regime.json").read_text("utf-8"))
    load_settings(document["ext"])
    load_part(document["ext"], "signals", SignalSettings)
    risk = load_part(document["ext"], "risk", RiskSettings)
    assert document["max_open_trades"] == risk.balance.max_positions


# Spreads and scores in one bot


@pytest.fixture
def shared(config, tmp_path):
    write_book(tmp_path)
    return config | {
        "strategy": "SpreadsAndScores", "max_open_trades": 9, "stake_amount": "unlimited",
    }  # fmt: skip


def test_a_bot_of_both_is_well_with_room_for_both(shared):
    checks = found(shared)
    assert {check.status for check in checks.values()} == {CheckStatus.OK}
    room = checks["max_open_trades"].text
    assert room == "room for 2 spreads of two legs and 5 positions"
    assert trades_spreads(loaded_scored_strategy(shared))


@pytest.mark.parametrize(
    ("slots", "status"),
    [(1, CheckStatus.FAIL), (8, CheckStatus.WARN), (-1, CheckStatus.OK), (9, CheckStatus.OK)],
)
def test_slots_are_counted_for_both(shared, slots, status):
    check = found(shared | {"max_open_trades": slots})["max_open_trades"]
    assert check.status is status
    if status is not CheckStatus.OK:
        assert check.advice.startswith("set it to 9")


def test_a_fixed_stake_and_spot_are_failures_beside_spreads(shared):
    assert found(shared | {"stake_amount": 100})["stake amount"].status is CheckStatus.FAIL
    strategy = loaded_scored_strategy(shared)
    spot = shared | {"trading_mode": "spot", "margin_mode": ""}
    statuses = {check.name: check.status for check in scored_checks(spot, strategy)}
    assert statuses["margin mode"] is CheckStatus.FAIL
    wrong = shared | {"ext": {"risk": {"balance": {"max_positions": 0}}}}
    statuses = {check.name: check.status for check in scored_checks(wrong, strategy)}
    assert statuses["max_open_trades"] is CheckStatus.SKIP


def test_scores_alone_have_no_spreads(config):
    assert not trades_spreads(loaded_scored_strategy(config))
    assert trades_spreads(None)


def test_the_example_configuration_of_both_has_room_for_both(shared):
    document = json.loads((USER_DATA / "config-both.json").read_text("utf-8"))
    checks = found(shared | document)
    assert {check.status for check in checks.values()} == {CheckStatus.OK}
