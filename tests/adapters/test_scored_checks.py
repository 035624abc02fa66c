"""The doctor on an installation that trades scored positions.

Bugs planted by hand: a missing protection is not noticed; spot is refused; too few slots pass.
"""

import json
import shutil
from pathlib import Path

import pytest

from freqtrade_ext.adapters._check_result import CheckStatus
from freqtrade_ext.adapters._scored_checks import loaded_scored_strategy, scored_checks

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
