"""Entry tags."""

from types import SimpleNamespace

import pytest
from freqtrade.constants import CUSTOM_TAG_MAX_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.spreads import Direction, LegName

TAGS = st.builds(
    EntryTag,
    st.from_regex(r"[A-Za-z0-9_.:/-]{1,64}", fullmatch=True),  # as the spread book allows
    st.sampled_from(Direction),
    st.sampled_from(LegName),
)


@given(TAGS)
def test_a_rendered_tag_reads_back(tag):
    assert EntryTag.parse(str(tag)) == tag


@given(TAGS)
def test_a_tag_fits_into_freqtrades_column(tag):
    assert len(str(tag)) <= CUSTOM_TAG_MAX_LENGTH


def test_a_tag_says_spread_direction_and_leg():
    assert str(EntryTag("ETH-BTC", Direction.LONG, LegName.A)) == "ETH-BTC long A"


@pytest.mark.parametrize(
    ("direction", "leg", "side"),
    [
        (Direction.LONG, LegName.A, "long"),
        (Direction.LONG, LegName.B, "short"),
        (Direction.SHORT, LegName.A, "short"),
        (Direction.SHORT, LegName.B, "long"),
    ],
)
def test_long_the_spread_is_long_a_and_short_b(direction, leg, side):
    assert EntryTag("x", direction, leg).side == side


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "force_entry",
        "ETH-BTC",
        "ETH-BTC long",
        "ETH-BTC long C",
        "ETH-BTC sideways A",
        "ETH-BTC LONG A",
        "ETH-BTC long A again",
        "ETH BTC long A",
        " long A B",
        "ETH-BTC  A",
    ],
)
def test_a_tag_of_somebody_else_is_not_ours(text):
    assert EntryTag.parse(text) is None


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("ETH-BTC long A", True),
        ("ETH-BTC short A", True),  # the direction belongs to the episode
        ("ETH-BTC long B", False),
        ("ETH-SOL long A", False),
        ("force_entry", False),
        (None, False),
    ],
)
def test_a_trade_is_marked_as_a_leg_by_spread_and_leg(tag, expected):
    trade = SimpleNamespace(enter_tag=tag)
    assert EntryTag.marks(trade, "ETH-BTC", LegName.A) is expected
    assert EntryTag.marks(trade, "ETH-BTC", "A") is expected
    assert not EntryTag.marks(trade, "ETH-BTC", None)
