"""
Settings: defaults that agree with each other, and refusals that name the rule.

Planted bugs that turn this file red: an unknown key let through; bands in the wrong order; a
bootstrap level out of reach; a window shorter than its least; a part that is too short.
"""

import pytest
from pydantic import ValidationError

from freqtrade_ext.scanner import BootstrapSettings, FamilySettings, ScanSettings, UniverseSettings
from freqtrade_ext.spreads import SpreadSpec


def test_defaults_are_those_of_the_specification():
    settings = ScanSettings()
    assert settings.family.max_qvalue == 0.05
    assert (settings.family.min_hedge_ratio, settings.family.max_hedge_ratio) == (0.1, 10.0)
    assert 1e4 * 2 * (settings.fee_rate + settings.edge.half_spread_bps / 1e4) == pytest.approx(12)
    row = SpreadSpec.model_fields
    assert settings.entry_z == row["z_score_threshold"].default
    assert settings.exit_z == row["z_exit"].default
    assert settings.stop_z == row["stop_loss_z"].default
    assert settings.z_window == row["mean_reversion_window"].default


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScanSettings(confirm_level="0.05"), "Input should be a valid number"),
        (lambda: ScanSettings(z_windw=50), "Extra inputs are not permitted"),
        (
            lambda: ScanSettings(entry_z=4.5),
            r"exit_z \(0\.5\) < entry_z \(4\.5\) < stop_z \(4\.0\) must hold",
        ),
        (
            lambda: ScanSettings(exit_z=2.0),
            r"exit_z \(2\.0\) < entry_z \(2\.0\) < stop_z \(4\.0\) must hold",
        ),
        (
            lambda: BootstrapSettings(replications=49, max_pvalue=0.01),
            r"max_pvalue \(0\.01\) is out of reach of 49 replications: at least 0\.02 is possible",
        ),
        (
            lambda: UniverseSettings(window=400),
            r"window \(400\) must not be below min_candles \(500\)",
        ),
        (
            lambda: ScanSettings(confirm_share=0.05),
            r"confirm_share \(0\.05\) leaves fewer than 50 of min_candles \(500\) candles",
        ),
        (
            lambda: FamilySettings(johansen_level=0.02),
            r"johansen_level \(0\.02\) must be 0\.1, 0\.05 or 0\.01, or null",
        ),
        (
            lambda: FamilySettings(min_hedge_ratio=1.0, max_hedge_ratio=1.0),
            r"min_hedge_ratio \(1\.0\) must be below max_hedge_ratio \(1\.0\)",
        ),
        (lambda: FamilySettings(screen="best"), "Input should be 'partial', 'nearest'"),
    ],
)
def test_a_wrong_setting_is_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_no_bootstrap_needs_no_reachable_level():
    assert BootstrapSettings(replications=0, max_pvalue=1e-6).replications == 0


def test_a_johansen_level_may_be_left_out():
    assert FamilySettings(johansen_level=None).johansen_level is None
