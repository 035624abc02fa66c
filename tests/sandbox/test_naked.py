"""How much of a spread had no hedge and for how long, from journals written by hand.

Planted bugs, by the test that turned red:

- test_counts_only_what_is_beyond_the_share: the share is not taken off
- test_do_not_count_before_a_moment: since is ignored
- test_the_peak_is_the_largest_gross_notional: the peak is the net one
- test_events_out_of_order_do_not_make_time_run_backwards: time runs backwards
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox import SpreadLegs, naked_exposure, naked_figures, naked_seconds
from freqtrade_ext.sandbox.journal import PriceSeen

from .doubles import D
from .test_audit import SPREAD, A, B, Story


def entry() -> Story:
    """Leg A for 200 at 0 s, leg B for 190 at 2 s, both closed at 10 s and 14 s."""
    story = Story().fill(0, A, 2).fill(2, B, "-1.9")
    return story.fill(10, B, "1.9").fill(14, A, -2)


class TestSeconds:
    def test_count_while_more_than_the_share_has_no_hedge(self):
        # 2 s with leg A alone, 8 s with 10 of 390 (2.6 %), 4 s with leg A alone
        assert naked_seconds(entry().events, SPREAD) == 6.0
        assert naked_seconds(entry().events, SPREAD, share=0.02) == 14.0

    def test_do_not_count_before_a_moment(self):
        assert naked_seconds(entry().events, SPREAD, since_ms=1_000) == 5.0
        assert naked_seconds(entry().events, SPREAD, since_ms=12_000) == 2.0

    def test_are_none_of_a_flat_spread(self):
        assert naked_seconds(entry().events, SpreadLegs("X", "Y")) == 0.0
        assert naked_seconds([], SPREAD) == 0.0


class TestExposure:
    def test_counts_everything_by_default(self):
        assert naked_exposure(entry().events, SPREAD) == 200 * 2 + 10 * 8 + 200 * 4

    def test_counts_only_what_is_beyond_the_share(self):
        # leg A alone: 200 - 5 % of 200 = 190; both: 10 is less than 5 % of 390
        assert naked_exposure(entry().events, SPREAD, 0.05) == pytest.approx(190 * 2 + 190 * 4)

    def test_does_not_count_before_a_moment(self):
        assert naked_exposure(entry().events, SPREAD, since_ms=10_000) == 800.0

    @pytest.mark.parametrize("share", [-0.1, 1.0])
    def test_the_share_is_a_share(self, share):
        with pytest.raises(ConfigError, match=rf"share must be in \[0, 1\), got {share}"):
            naked_exposure([], SPREAD, share)

    @given(shares=st.lists(st.floats(0, 0.99), min_size=2, max_size=2).map(sorted))
    def test_falls_with_the_share(self, shares):
        low, high = (naked_exposure(entry().events, SPREAD, share) for share in shares)
        assert high <= low


class TestFigures:
    def test_the_peak_is_the_largest_gross_notional(self):
        figures = naked_figures(entry().events, SPREAD)
        assert figures.gross_notional_peak == 390.0
        assert figures.exposure_per_thousand == pytest.approx(1_280 / 390 * 1_000)

    def test_the_peak_counts_the_hedge_ratio(self):
        assert naked_figures(entry().events, SpreadLegs(A, B, 0.5)).gross_notional_peak == 290.0

    def test_the_peak_follows_prices(self):
        story = Story().fill(0, A, 2).fill(0, B, -2)
        story.events.append(PriceSeen(time_ms=5_000, symbol=A, price=D(150)))
        assert naked_figures(story.events, SPREAD).gross_notional_peak == 500.0

    def test_the_peak_of_an_episode_is_its_own(self):
        story = entry().fill(20, A, 1).fill(21, A, -1)
        assert naked_figures(story.events, SPREAD, since_ms=15_000).gross_notional_peak == 100.0

    def test_nothing_held_is_no_exposure_for_each_thousand(self):
        assert naked_figures([], SPREAD).exposure_per_thousand == 0.0

    def test_events_out_of_order_do_not_make_time_run_backwards(self):
        story = entry()
        story.events.insert(3, PriceSeen(time_ms=0, symbol="X", price=D(1)))
        assert naked_exposure(story.events, SPREAD) == 1_280.0
