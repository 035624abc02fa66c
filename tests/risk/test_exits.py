"""Each exit rule, their order, and what happens when the world is not tidy.

Planted bugs: each rule of `decide_exit` taken out, and what turns red.

- stop (SL) -> test_stop_loss_closes
- worst price of the candle not looked at -> test_candle_that_touches_stop_and_target_is_stopped
- emergency or kill switch before the stop on a wick
  -> test_wick_through_everything_met_the_stop_first
- EMERGENCY_SL -> test_emergency_closes_at_fifteen_percent_of_the_price
- KILL_SWITCH_FULL / PARTIAL -> test_kill_switch_is_one_of_the_exits
- TP -> test_target_closes
- TIME_REDUCE_4H / 8H -> test_lowered_target_closes
- RECOVERY_EXIT -> test_deep_loser_back_at_break_even_is_closed
- TIME_FORCE -> test_old_position_is_closed_whatever_it_earns
- ADVERSE_TIME_EXIT -> test_loser_is_closed_after_eight_hours
- TIME_GRADUAL -> test_gradual_exit_closes_a_quarter_every_four_hours
- the decision that stands -> test_a_stop_that_was_reached_stands_until_the_position_is_gone
- a failed reduction forgotten -> test_reduction_that_failed_is_asked_for_again
- two rules swapped in their order -> test_the_first_rule_of_the_order_decides
"""

import math

import pytest

from freqtrade_ext.risk import Close, CloseReason, ExitState, Reduce, RiskSettings

from .doubles import HOUR_MS, OPENED_MS, Walk, bare, settings

BOTH = pytest.mark.parametrize("short", [False, True], ids=["long", "short"])


def closed(reason: CloseReason) -> Close:
    return Close(reason)


@BOTH
def test_stop_loss_closes(short):
    """Stop at 97.6."""
    walk = Walk(bare(), short=short)
    assert walk.look(97.7) is None
    assert walk.look(97.59) == closed(CloseReason.SL)


@BOTH
def test_break_even_and_trailing_stop_close_with_their_own_reason(short):
    walk = Walk(bare(breakeven_atr=1.0), short=short)
    assert walk.look(101.3) is None
    assert walk.look(99.99) == closed(CloseReason.BREAKEVEN)
    walk = Walk(bare(breakeven_atr=1.0), short=short)
    assert walk.look(103.0) is None
    assert walk.look(101.79) == closed(CloseReason.TRAILING)


@BOTH
def test_emergency_closes_at_fifteen_percent_of_the_price(short):
    """With an ATR of 20 the stop would be 48 away; leverage 1 keeps the kill switch out."""
    walk = Walk(bare(), short=short, base={"atr": 20.0, "leverage": 1.0})
    assert walk.look(85.1) is None
    assert walk.look(84.9) == closed(CloseReason.EMERGENCY_SL)


@BOTH
def test_emergency_is_a_move_of_the_price_without_leverage(short):
    off = RiskSettings.model_validate({"kill_switch": {"enabled": False}})
    walk = Walk(off, short=short, base={"atr": None, "leverage": 20.0})
    assert walk.look(86.0) is None  # 280 % of the margin, were it not liquidated
    assert walk.look(84.9) == closed(CloseReason.EMERGENCY_SL)


@BOTH
def test_kill_switch_is_one_of_the_exits(short):
    """Leverage 10: 30 % of the margin is lost at 97, 50 % at 95; the stop is beyond, at 88."""
    walk = Walk(bare(), short=short, base={"atr": 5.0, "leverage": 10.0})
    assert walk.look(97.1) is None
    assert walk.look(96.9) == Reduce(0.5, CloseReason.KILL_SWITCH_PARTIAL)
    assert walk.look(95.1, held_share=0.5) is None
    assert walk.look(94.9, held_share=0.5) == closed(CloseReason.KILL_SWITCH_FULL)


@BOTH
def test_target_closes(short):
    walk = Walk(bare(trail_activation=3.0), short=short)
    assert walk.look(103.59) is None
    assert walk.look(103.61) == closed(CloseReason.TP)


@BOTH
@pytest.mark.parametrize(
    ("hours", "price", "reason"),
    [
        (3.9, 103.3, None),
        (4.0, 103.23, None),
        (4.0, 103.3, CloseReason.TIME_REDUCE_4H),  # 103.24
        (4.0, 103.7, CloseReason.TP),  # the full target is reached too
        (8.0, 102.9, None),
        (8.0, 103.0, CloseReason.TIME_REDUCE_8H),  # 102.916
        (8.0, 103.7, CloseReason.TP),
    ],
)
def test_lowered_target_closes(short, hours, price, reason):
    rules = bare(reduce_first_hours=4.0, reduce_second_hours=8.0, trail_activation=3.0)
    walk = Walk(rules, short=short)
    action = walk.look(price, hours=hours)
    assert action == (None if reason is None else Close(reason))


@BOTH
def test_deep_loser_back_at_break_even_is_closed(short):
    """Deep from 100 - 0.6 x 2.4 = 98.56 on; with costs of 0.1 % break-even is 100.1."""
    base = {"round_trip_cost": 0.001}
    walk = Walk(bare(deep_loss=0.6), short=short, base=base)
    assert walk.look(98.5) is None
    assert walk.look(100.05) is None
    assert walk.look(100.11) == closed(CloseReason.RECOVERY_EXIT)


@BOTH
def test_shallow_loser_back_at_break_even_is_held(short):
    walk = Walk(bare(deep_loss=0.6), short=short)
    assert walk.look(98.6) is None
    assert walk.look(100.2) is None


def test_depth_is_measured_against_the_stop_that_binds():
    """Leverage 50: the kill switch stops at 99; deep from 100 - 0.6 x 1 = 99.4 on."""
    rules = RiskSettings.model_validate(
        {"exits": bare(deep_loss=0.6).exits.model_dump(), "kill_switch": {"partial_loss": 0.45}}
    )
    walk = Walk(rules, base={"leverage": 50.0})
    assert walk.look(99.45) is None
    assert walk.look(100.1) is None
    assert walk.look(99.35) is None
    assert walk.look(100.1) == closed(CloseReason.RECOVERY_EXIT)


@BOTH
@pytest.mark.parametrize("price", [99.0, 101.0])
def test_old_position_is_closed_whatever_it_earns(short, price):
    walk = Walk(bare(force_hours=24.0), short=short)
    assert walk.look(price, hours=23.9) is None
    assert walk.look(price, hours=24) == closed(CloseReason.TIME_FORCE)


@BOTH
def test_loser_is_closed_after_eight_hours(short):
    walk = Walk(bare(adverse_hours=8.0), short=short, base={"round_trip_cost": 0.001})
    assert walk.look(99.0, hours=7.9) is None
    assert walk.look(100.2, hours=8) is None
    assert walk.look(100.05, hours=8) == closed(CloseReason.ADVERSE_TIME_EXIT)  # costs make it lose


@BOTH
def test_gradual_exit_closes_a_quarter_every_four_hours(short):
    """Of the quantity entered: 1/4 of 1, 1/3 of 3/4, 1/2 of 1/2, then the rest."""
    walk = Walk(bare(gradual_hours=12.0), short=short)
    steps = [
        (11.9, 1.0, None),
        (12.0, 1.0, 1 / 4),
        (12.1, 0.75, None),
        (16.0, 0.75, 1 / 3),
        (20.0, 0.5, 1 / 2),
    ]
    for hours, held, share in steps:
        action = walk.look(100.0, hours=hours, held_share=held)
        if share is None:
            assert action is None, hours
        else:
            assert action == Reduce(pytest.approx(share), CloseReason.TIME_GRADUAL)
    action = walk.look(100.0, hours=24.0, held_share=0.25)
    assert action == closed(CloseReason.TIME_GRADUAL)


def test_gradual_steps_that_were_missed_are_made_up_at_once():
    walk = Walk(bare(gradual_hours=12.0))
    action = walk.look(100.0, hours=17, held_share=1.0)
    assert action == Reduce(pytest.approx(0.5), CloseReason.TIME_GRADUAL)


def test_gradual_steps_are_not_undone_by_a_clock_that_goes_back():
    walk = Walk(bare(gradual_hours=12.0))
    walk.look(100.0, hours=17)
    assert walk.state.aim_share == 0.5
    walk.look(100.0, hours=13, held_share=0.5)
    assert walk.state.aim_share == 0.5


def test_reduction_that_failed_is_asked_for_again():
    """Only what is held counts: a half that was not sold is still to be sold, at any price."""
    walk = Walk(bare(), base={"atr": 5.0, "leverage": 10.0})
    half = Reduce(0.5, CloseReason.KILL_SWITCH_PARTIAL)
    assert walk.look(96.9) == half
    assert walk.look(100.0) == half
    assert walk.look(100.0, in_transit=True) is None
    assert walk.look(100.0, held_share=0.8) == Reduce(
        pytest.approx(0.3 / 0.8), CloseReason.KILL_SWITCH_PARTIAL
    )
    assert walk.look(100.0, held_share=0.505) is None  # lots


def test_nothing_is_reduced_while_an_order_works_but_all_may_be_closed():
    walk = Walk(bare(), base={"atr": 5.0, "leverage": 10.0})
    assert walk.look(96.9, in_transit=True) is None
    assert walk.state.halved
    assert walk.look(94.9, in_transit=True) == closed(CloseReason.KILL_SWITCH_FULL)


def test_gradual_exit_goes_on_from_what_the_kill_switch_left():
    """Half is left at 5 h; the steps at 12 h and 16 h ask for less than that; at 20 h a quarter."""
    walk = Walk(bare(gradual_hours=12.0), base={"atr": 5.0, "leverage": 10.0})
    assert walk.look(96.9, hours=5) == Reduce(0.5, CloseReason.KILL_SWITCH_PARTIAL)
    assert walk.look(100.0, hours=16, held_share=0.5) is None
    action = walk.look(100.0, hours=20, held_share=0.5)
    assert action == Reduce(pytest.approx(0.5), CloseReason.TIME_GRADUAL)


@BOTH
def test_candle_that_touches_stop_and_target_is_stopped(short):
    """Which came first is not known; the worse is assumed."""
    walk = Walk(bare(), short=short)
    walk.look(100.0)
    assert walk.look(101.0, high=104.0, low=97.0) == closed(CloseReason.SL)


@BOTH
def test_gap_through_stop_and_emergency_has_the_graver_reason(short):
    walk = Walk(bare(), short=short, base={"leverage": 1.0})
    walk.look(100.0)
    assert walk.look(80.0) == closed(CloseReason.EMERGENCY_SL)


@BOTH
def test_gap_through_everything_is_the_kill_switch(short):
    walk = Walk(bare(), short=short)
    walk.look(100.0)
    assert walk.look(80.0) == closed(CloseReason.KILL_SWITCH_FULL)  # 3 x 20 % of the margin


@BOTH
def test_wick_through_everything_met_the_stop_first(short):
    """The candle ends at 99; its low of 80 is beyond stop, emergency and kill switch."""
    walk = Walk(bare(), short=short)
    walk.look(100.0)
    assert walk.look(99.0, low=80.0) == closed(CloseReason.SL)


@BOTH
def test_wick_to_the_first_level_of_the_kill_switch_halves(short):
    walk = Walk(bare(), short=short, base={"atr": 5.0, "leverage": 10.0})
    walk.look(100.0)
    assert walk.look(99.0, low=96.9) == Reduce(0.5, CloseReason.KILL_SWITCH_PARTIAL)


@BOTH
def test_first_look_at_a_position_that_is_already_lost_closes(short):
    assert Walk(bare(), short=short).look(97.0) == closed(CloseReason.SL)


@BOTH
def test_trailing_stop_of_this_candle_does_not_meet_its_earlier_low(short):
    """High 103 raises the stop to 101.8; the low of 100 may have come first, the close counts."""
    walk = Walk(bare(), short=short)
    walk.look(100.0)
    assert walk.look(102.5, high=103.0, low=100.0) is None
    assert walk.look(102.0, high=102.6, low=101.7) == closed(CloseReason.TRAILING)


@BOTH
def test_a_calmer_market_does_not_move_the_stop_against_the_low_of_the_same_candle(short):
    """Trailing from 104: 1.2 x 2 below is 101.6; with the ATR of the last look it is 102.8."""
    walk = Walk(bare(), short=short)
    walk.look(100, atr=2.0)
    walk.look(104, atr=2.0)
    assert walk.stop == pytest.approx(104 - 1.2 * 2)
    assert walk.look(104, low=102, atr=1.0) is None  # above 101.6, below the new 102.8
    assert walk.stop == pytest.approx(104 - 1.2)
    assert walk.look(103, low=102.5, atr=1.0) == closed(CloseReason.TRAILING)


@BOTH
def test_close_below_the_trailing_stop_of_the_same_candle_closes(short):
    walk = Walk(bare(), short=short)
    walk.look(100.0)
    assert walk.look(101.0, high=103.0, low=100.0) == closed(CloseReason.TRAILING)


def test_a_stop_that_was_reached_stands_until_the_position_is_gone():
    """The exit order may fail; the price that comes back does not undo the decision."""
    walk = Walk(settings())
    walk.look(100.0)
    assert walk.look(97.0) == closed(CloseReason.SL)
    assert walk.look(101.0) == closed(CloseReason.SL)
    walk.state = ExitState.from_json(walk.state.to_json())
    assert walk.look(101.0) == closed(CloseReason.SL)
    assert walk.look(math.nan) == closed(CloseReason.SL)


def test_a_target_is_an_offer_and_does_not_stand():
    walk = Walk(bare(trail_activation=3.0))
    assert walk.look(103.7) == closed(CloseReason.TP)
    assert walk.look(103.0) is None


# Each case meets its own rule and as many of the later ones as it can; in this order: what it
# shows, price, high, low, hours, leverage, reason.
ALL_AT_ONCE = [
    ("kill full before emergency", 80.0, None, None, 99, 10.0, CloseReason.KILL_SWITCH_FULL),
    ("emergency before the stop", 84.0, None, None, 99, 1.0, CloseReason.EMERGENCY_SL),
    ("stop before the half", 88.0, None, None, 99, 3.0, CloseReason.SL),
    ("half before the target", 117.0, 120.0, 89.5, 99, 3.0, CloseReason.KILL_SWITCH_PARTIAL),
    ("target before recovery", 119.0, 119.0, 92.0, 99, 3.0, CloseReason.TP),
    ("recovery before force", 100.5, None, 92.0, 99, 3.0, CloseReason.RECOVERY_EXIT),
    ("force before adverse", 99.0, None, None, 99, 3.0, CloseReason.TIME_FORCE),
    ("adverse before gradual", 99.0, None, None, 13, 3.0, CloseReason.ADVERSE_TIME_EXIT),
    ("gradual", 100.5, None, None, 13, 3.0, CloseReason.TIME_GRADUAL),
    ("nothing", 100.5, None, None, 1, 3.0, None),
]


@BOTH
@pytest.mark.parametrize("case", ALL_AT_ONCE, ids=lambda case: case[0])
def test_the_first_rule_of_the_order_decides(short, case):
    """ATR 5: stop 88, target 118, deep from 92.8; at leverage 3 the half is due at 90."""
    _, price, high, low, hours, leverage, expected = case
    walk = Walk(settings(trail_activation=3.0), short=short, base={"atr": 5.0})
    action = walk.look(price, high=high, low=low, hours=hours, leverage=leverage)
    assert (None if action is None else action.reason) == expected


def test_clock_that_goes_back_is_a_young_position():
    walk = Walk(settings())
    assert walk.look(99.9, hours=-100) is None
    assert walk.last.age_hours == 0.0


def test_unknown_profit_holds_what_depends_on_it():
    """Age and stop need no profit; adverse and recovery exits do."""
    walk = Walk(bare(adverse_hours=8.0, deep_loss=0.6))
    walk.look(98.0, profit_ratio=math.nan)
    assert walk.look(100.5, hours=9, profit_ratio=math.nan) is None
    assert walk.look(97.0, hours=9, profit_ratio=math.nan) == closed(CloseReason.SL)


def test_held_share_is_a_fact_and_more_than_the_aim_is_reduced_to_it():
    """Somebody buys more by hand after the half was sold: the aim stands."""
    walk = Walk(bare(), base={"atr": 5.0, "leverage": 10.0})
    walk.look(96.9)
    action = walk.look(99.0, held_share=1.5)
    assert action == Reduce(pytest.approx(1.0 / 1.5), CloseReason.KILL_SWITCH_PARTIAL)


def test_times_are_milliseconds():
    walk = Walk(settings())
    walk.look(100.0, hours=1.5)
    assert walk.last.now_ms == OPENED_MS + 5_400_000
    assert walk.last.age_hours == 1.5
    assert HOUR_MS == 60 * 60 * 1000
