"""One vocabulary of close reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import CloseCategory, CloseReason

SPECIFIED = [
    "SL",
    "SL_HIT",
    "EMERGENCY_SL",
    "TP",
    "TP_HIT",
    "TP1",
    "TRAILING",
    "BREAKEVEN",
    "KILL_SWITCH_PARTIAL",
    "KILL_SWITCH_FULL",
    "TIME_GRADUAL",
    "TIME_FORCE",
    "TIME_REDUCE_4H",
    "TIME_REDUCE_8H",
    "RECOVERY_EXIT",
    "ADVERSE_TIME_EXIT",
    "EXTERNAL",
    "MANUAL",
    "SIGNAL",
    "END",
    "MEAN_REVERSION",
    "SPREAD_STOP",
    "SPREAD_TIME",
    "RELATION_BROKEN",
    "ORPHAN_LEG",
    "PARTNER_CLOSED",
]

STOP_LIKE = {
    "SL",
    "SL_HIT",
    "EMERGENCY_SL",
    "KILL_SWITCH_PARTIAL",
    "KILL_SWITCH_FULL",
    "SPREAD_STOP",
    "TRAILING",
    "BREAKEVEN",
}


def test_reasons_are_exactly_the_specified_ones():
    assert [reason.value for reason in CloseReason] == SPECIFIED


@pytest.mark.parametrize("reason", CloseReason, ids=str)
def test_every_reason_explains_itself(reason):
    assert reason.sentence[0].isupper()
    assert reason.sentence.endswith(".")
    assert reason.emoji
    assert not reason.emoji.isascii()
    assert isinstance(reason.category, CloseCategory)


def test_every_category_is_used():
    assert {reason.category for reason in CloseReason} == set(CloseCategory)


def test_sentences_are_all_different():
    assert len({reason.sentence for reason in CloseReason}) == len(CloseReason)


@pytest.mark.parametrize("reason", CloseReason, ids=str)
def test_guard_counts_stops_and_nothing_else(reason):
    assert reason.is_stop_like == (reason.value in STOP_LIKE)


@pytest.mark.parametrize("reason", CloseReason, ids=str)
def test_reason_fits_into_freqtrade_s_database(reason):
    assert len(reason.value) <= 64  # the length of its exit_reason column in older versions


@given(st.sampled_from(CloseReason), st.sampled_from(["_", "-", " ", "  "]), st.booleans())
def test_reason_is_read_as_people_write_it(reason, between, upper):
    text = reason.value.replace("_", between)
    assert CloseReason.from_text(text if upper else text.lower()) is reason


@pytest.mark.parametrize("reason", CloseReason, ids=str)
def test_label_is_read_back(reason):
    assert reason.label == f"{reason.emoji} {reason.value}"
    assert CloseReason.from_text(reason.label) is reason


@pytest.mark.parametrize("text", ["", "  ", "stoploss", "SPREAD", "SL HIT ME"])
def test_unknown_reason_is_refused_with_the_valid_ones(text):
    with pytest.raises(ConfigError) as caught:
        CloseReason.from_text(text)
    message = str(caught.value)
    assert message.startswith(f"close reason {text!r} is unknown; valid reasons are SL, SL_HIT")
    assert message.endswith("PARTNER_CLOSED")


def test_spread_reasons_have_the_categories_that_reports_use():
    categories = {
        CloseReason.MEAN_REVERSION: CloseCategory.TARGET,
        CloseReason.SPREAD_STOP: CloseCategory.STOP,
        CloseReason.SPREAD_TIME: CloseCategory.TIME,
        CloseReason.RELATION_BROKEN: CloseCategory.RELATION,
        CloseReason.ORPHAN_LEG: CloseCategory.ORPHAN,
        CloseReason.PARTNER_CLOSED: CloseCategory.PARTNER,
        CloseReason.EXTERNAL: CloseCategory.EXTERNAL,
        CloseReason.MANUAL: CloseCategory.MANUAL,
    }
    assert {reason: reason.category for reason in categories} == categories
