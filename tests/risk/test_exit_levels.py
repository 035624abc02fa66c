"""Stop, break-even stop, trailing stop and target: hand computations, long and short.

Planted bugs, each of which turns tests of this file red:

- no break-even stop -> test_break_even_stop_covers_the_costs
- no trailing stop -> test_trailing_stop_follows_the_best_price
- trailing activated by the price, costs left out
  -> test_trailing_is_activated_by_profit_after_costs
- exit_tightness left out of the stop, of the target, of the trailing distance
  -> test_tightness_scales_every_distance
- stop without the kill-switch level -> test_stop_lies_before_liquidation_at_any_leverage
- stop that may move away -> test_stop_never_moves_away_when_the_market_grows_wilder
- ATR taken anew in every look -> test_first_known_atr_is_kept
- ATR of 0 taken for an ATR -> test_without_an_atr_emergency_and_kill_switch_remain
"""

import math

import pytest

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import (
    CloseReason,
    Direction,
    ExitState,
    RiskSettings,
    decide_exit,
    stop_price,
    target_price,
)

from .doubles import ENTRY, Walk, bare, settings, view

BOTH = pytest.mark.parametrize("short", [False, True], ids=["long", "short"])


@BOTH
def test_stop_and_target_of_a_new_position(short):
    walk = Walk(short=short)
    walk.look(100.0)
    assert walk.stop == pytest.approx(97.6)  # 100 - 1.2 x 2.0 x 1
    assert walk.target == pytest.approx(103.6)  # 100 + 1.2 x 3.0 x 1
    assert walk.state.stop_reason is CloseReason.SL


def test_levels_are_known_before_the_first_decision():
    assert stop_price(view(100.0), ExitState(), settings()) == pytest.approx(97.6)
    assert target_price(view(100.0), ExitState(), settings()) == pytest.approx(103.6)
    short = view(100.0, direction=Direction.SHORT)
    assert stop_price(short, ExitState(), settings()) == pytest.approx(102.4)
    assert target_price(short, ExitState(), settings()) == pytest.approx(96.4)


@BOTH
def test_tightness_scales_every_distance(short):
    """Tightness 2: stop 100 - 4, target 100 + 6, trailing from a gain of 3 on, by 2."""
    walk = Walk(bare(exit_tightness=2.0), short=short)
    walk.look(100.0)
    assert (walk.stop, walk.target) == pytest.approx((96.0, 106.0))
    walk.look(102.9)
    assert not walk.state.trailing
    walk.look(103.0)
    assert walk.state.trailing
    assert walk.stop == pytest.approx(101.0)


@BOTH
def test_break_even_stop_covers_the_costs(short):
    """Costs of 0.1 %: a gain of 1.2 net needs a price of 101.3; the stop is then 100.1."""
    walk = Walk(short=short, base={"round_trip_cost": 0.001})
    walk.look(101.29)
    assert walk.stop == pytest.approx(97.6)
    walk.look(101.31)
    assert walk.state.break_even
    assert walk.stop == pytest.approx(100.1)
    assert walk.look(100.1) is not None
    assert walk.state.closing is CloseReason.BREAKEVEN


@BOTH
def test_trailing_stop_follows_the_best_price(short):
    walk = Walk(short=short)
    walk.look(101.79)
    assert not walk.state.trailing
    walk.look(101.9)
    assert walk.stop == pytest.approx(100.7)  # 101.9 - 1.2
    walk.look(103.0)
    assert walk.stop == pytest.approx(101.8)
    walk.look(102.0)
    assert walk.stop == pytest.approx(101.8)
    assert walk.state.stop_reason is CloseReason.TRAILING


@BOTH
@pytest.mark.parametrize("leverage", [1.0, 3.0, 10.0])
def test_trailing_is_activated_by_profit_after_costs(short, leverage):
    """Costs of 0.2 % move the activation from 101.8 to 102.0, whatever the leverage."""
    base = {"round_trip_cost": 0.002, "leverage": leverage}
    walk = Walk(bare(), short=short, base=base)
    walk.look(101.99)
    assert not walk.state.trailing
    walk.look(102.01)
    assert walk.state.trailing


def test_trailing_knows_funding_because_profit_does():
    """The price has moved far enough, funding has eaten the profit."""
    walk = Walk(bare())
    walk.look(102.0, profit_ratio=0.0)
    assert not walk.state.trailing


def test_trailing_distance_follows_the_market_as_it_is_now():
    walk = Walk(bare())
    walk.look(100.0, atr=1.0)
    walk.look(103.0, atr=0.5)
    assert walk.stop == pytest.approx(103.0 - 1.2 * 0.5)
    walk.look(103.0, atr=math.nan)  # falls back to the first known ATR; the stop stays
    assert walk.stop == pytest.approx(103.0 - 1.2 * 0.5)


@BOTH
def test_calmer_market_tightens_the_stop_behind_the_best_price_of_before(short):
    """103 - 1.2 x 0.75 = 102.1, though 102.2 alone would not activate it (2.4 would)."""
    walk = Walk(bare(trail_activation=2.0), short=short)
    walk.look(103.0)
    assert walk.stop == pytest.approx(101.8)
    assert walk.look(102.3) is None
    assert walk.look(102.2, atr=0.75) is None
    assert walk.stop == pytest.approx(103.0 - 1.2 * 0.75)


def test_stop_never_moves_away_when_the_market_grows_wilder():
    walk = Walk(bare())
    walk.look(103.0)
    assert walk.stop == pytest.approx(101.8)
    walk.look(102.5, atr=5.0)
    walk.look(102.5, atr=5.0)
    assert walk.stop == pytest.approx(101.8)


def test_stop_never_moves_away_when_settings_are_widened():
    tight = Walk(bare(sl_atr=1.0))
    tight.look(100.0)
    tight.settings = bare(sl_atr=5.0)
    tight.look(100.0)
    assert tight.stop == pytest.approx(98.8)


def test_first_known_atr_is_kept():
    """Stop and target stand where they were at the entry, as the size was computed for them."""
    walk = Walk(bare())
    walk.look(100.0, atr=None)
    assert walk.state.atr is None
    walk.look(100.0, atr=2.0)
    walk.look(100.0, atr=1.0)
    assert walk.state.atr == 2.0
    assert walk.target == pytest.approx(107.2)  # 100 + 1.2 x 3 x 2


def test_atr_at_the_entry_comes_before_that_of_now():
    walk = Walk(bare())
    walk.look(100.0, atr=2.0, atr_entry=1.0)
    assert walk.stop == pytest.approx(97.6)


@BOTH
@pytest.mark.parametrize("atr", [None, math.nan, 0.0, -1.0, math.inf])
def test_without_an_atr_emergency_and_kill_switch_remain(short, atr):
    """Emergency at 15 % of the price; the kill switch at 50 % / 3 = 16.7 % is farther away."""
    walk = Walk(short=short)
    assert walk.look(103.0, atr=atr) is None
    assert walk.target is None
    assert not walk.state.trailing
    assert walk.stop == pytest.approx(85.0)
    assert walk.state.stop_reason is CloseReason.EMERGENCY_SL


@BOTH
@pytest.mark.parametrize("leverage", [1, 2, 3, 5, 10, 20, 50, 75])
def test_stop_lies_before_liquidation_at_any_leverage(short, leverage):
    """A loss of all margin is a move of 1 / leverage; the stop is at half of it or before."""
    walk = Walk(bare(), short=short, base={"leverage": float(leverage)})
    walk.look(100.0)
    assert ENTRY - walk.stop <= 100.0 * 0.5 / leverage + 1e-9
    assert walk.stop == pytest.approx(max(97.6, 100.0 - 50.0 / leverage))


def test_without_the_kill_switch_its_level_is_no_stop():
    off = RiskSettings.model_validate({"kill_switch": {"enabled": False}})
    walk = Walk(off, base={"leverage": 50.0})
    walk.look(100.0)
    assert walk.stop == pytest.approx(97.6)


def test_target_of_a_short_below_zero_is_none():
    walk = Walk(bare())
    walk.look(100.0, atr=30.0, direction=Direction.SHORT)  # 100 - 1.2 x 3 x 30 = -8
    assert walk.target is None


@BOTH
def test_target_moves_in_after_four_and_after_eight_hours(short):
    """3.6, then 90 % of it, then 90 % of that: 103.6, 103.24, 102.916."""
    walk = Walk(bare(reduce_first_hours=4.0, reduce_second_hours=8.0), short=short)
    for hours, target in ((0, 103.6), (3.99, 103.6), (4, 103.24), (8, 102.916), (99, 102.916)):
        walk.look(100.0, hours=hours)
        assert walk.target == pytest.approx(target), hours


def test_target_reductions_are_not_undone_by_a_clock_that_goes_back():
    walk = Walk(bare(reduce_first_hours=4.0, reduce_second_hours=8.0))
    walk.look(100.0, hours=8)
    walk.look(100.0, hours=-1)
    assert walk.state.target_reductions == 2
    assert walk.target == pytest.approx(102.916)


def test_only_the_second_reduction_is_one_reduction():
    walk = Walk(bare(reduce_second_hours=8.0))
    walk.look(100.0, hours=9)
    assert walk.target == pytest.approx(103.24)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"entry_price": -1.0}, "entry_price of a position cannot be -1.0"),
        ({"entry_price": math.nan}, "entry_price of a position cannot be nan"),
        ({"leverage": 0.5}, "leverage of a position cannot be 0.5"),
        ({"leverage": math.nan}, "leverage of a position cannot be nan"),
        ({"round_trip_cost": -0.1}, "round_trip_cost of a position cannot be -0.1"),
        ({"held_share": 0.0}, "held_share of a position cannot be 0.0"),
    ],
)
def test_impossible_positions_are_refused(changes, text):
    with pytest.raises(IllegalRequest, match=text):
        view(100.0, **changes)


@pytest.mark.parametrize("price", [math.nan, 0.0, -1.0, math.inf])
def test_without_a_price_the_state_stays(price):
    state = ExitState(atr=1.0, stop=97.6, stop_reason=CloseReason.SL)
    assert decide_exit(view(price), state, settings()) == (state, None)
