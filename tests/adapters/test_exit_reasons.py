"""Freqtrade's words for an exit, read as ours.

Bugs planted by hand: a missing word; SL_HIT read as SL; our own words not read.
"""

import pytest
from freqtrade.enums import ExitType

from freqtrade_ext.adapters._exit_reasons import close_reason_of
from freqtrade_ext.risk import CloseReason

# What these say of themselves or of us is elsewhere: a name of ours, or nothing at all.
WITHOUT_MEANING = {ExitType.CUSTOM_EXIT, ExitType.PARTIAL_EXIT, ExitType.NONE}


@pytest.mark.parametrize("exit_type", [each for each in ExitType if each not in WITHOUT_MEANING])
def test_every_exit_of_freqtrades_has_a_meaning(exit_type):
    assert close_reason_of(exit_type.value) is not None


@pytest.mark.parametrize("reason", CloseReason)
def test_our_own_words_are_themselves(reason):
    assert close_reason_of(reason.value) is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stop_loss", CloseReason.SL),
        ("stoploss_on_exchange", CloseReason.SL_HIT),
        ("trailing_stop_loss", CloseReason.TRAILING),
        ("liquidation", CloseReason.EMERGENCY_SL),
        ("force_exit", CloseReason.MANUAL),
        ("closed_on_exchange", CloseReason.EXTERNAL),
    ],
)
def test_stops_are_told_apart(text, reason):
    assert close_reason_of(text) is reason


@pytest.mark.parametrize("text", [None, "", "my own tag", "sl"])
def test_other_words_mean_nothing(text):
    assert close_reason_of(text) is None
