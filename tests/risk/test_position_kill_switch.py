"""Kill switch of one position: 30 % of the margin halves it once, 50 % closes it, 24 h of rest.

Planted bugs: the half asked for more than once, the jump to 50 % halved first, `>` for `>=`, loss
of the price instead of the margin, lock left out or without its length. Each turns a test red.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.risk import (
    Close,
    CloseReason,
    Direction,
    ExitState,
    KillSwitchSettings,
    Lock,
    Reduce,
    kill_switch_lock,
    position_kill_switch,
)

from .doubles import HOUR_MS, view

DEFAULT = KillSwitchSettings()
HALF = Reduce(0.5, CloseReason.KILL_SWITCH_PARTIAL)
ALL = Close(CloseReason.KILL_SWITCH_FULL)


@pytest.mark.parametrize(
    ("loss", "action"),
    [(0.0, None), (0.299, None), (0.3, HALF), (0.499, HALF), (0.5, ALL), (0.9, ALL), (3.0, ALL)],
)
def test_levels(loss, action):
    assert position_kill_switch(loss, 1.0, ExitState(), DEFAULT)[1] == action


def test_the_half_goes_once():
    state, action = position_kill_switch(0.31, 1.0, ExitState(), DEFAULT)
    assert action == HALF
    assert (state.halved, state.aim_share) == (True, 0.5)
    for loss in (0.1, 0.35, 0.31, 0.45):
        state, action = position_kill_switch(loss, 0.5, state, DEFAULT)
        assert action is None
    assert position_kill_switch(0.5, 0.5, state, DEFAULT)[1] == ALL


def test_the_half_goes_once_across_a_restart():
    state, _ = position_kill_switch(0.31, 1.0, ExitState(), DEFAULT)
    state = ExitState.from_json(state.to_json())
    assert position_kill_switch(0.31, 0.5, state, DEFAULT) == (state, None)


def test_half_of_what_is_held_after_other_reductions():
    """A quarter has been sold before: three eighths of the quantity entered stay."""
    state, action = position_kill_switch(0.3, 0.75, ExitState(aim_share=0.75), DEFAULT)
    assert action == HALF
    assert state.aim_share == 0.375


@pytest.mark.parametrize("aim", [0.25, 0.0])
def test_an_aim_that_is_lower_already_stays(aim):
    """More was to be sold and has not been: half goes now, the rest of it in the next look."""
    before = ExitState(aim_share=aim, aim_reason=CloseReason.TIME_GRADUAL)
    state, action = position_kill_switch(0.3, 1.0, before, DEFAULT)
    assert action == HALF
    assert (state.aim_share, state.aim_reason) == (aim, CloseReason.TIME_GRADUAL)


def test_a_jump_straight_to_the_second_level_closes():
    state, action = position_kill_switch(0.6, 1.0, ExitState(), DEFAULT)
    assert action == ALL
    assert state.closing is CloseReason.KILL_SWITCH_FULL


@pytest.mark.parametrize("state", [ExitState(), ExitState(halved=True, aim_share=0.5)])
@pytest.mark.parametrize("loss", [math.nan, 0.4, 0.9])
def test_switched_off_or_unknown_decides_nothing(state, loss):
    off = KillSwitchSettings(enabled=False)
    assert position_kill_switch(loss, 1.0, state, off) == (state, None)
    assert position_kill_switch(math.nan, 1.0, state, DEFAULT) == (state, None)


@pytest.mark.parametrize(
    ("price", "leverage", "direction", "loss"),
    [
        (97.0, 10.0, Direction.LONG, 0.3),  # 3 % of the price is 30 % of a tenth of it
        (103.0, 10.0, Direction.SHORT, 0.3),
        (99.6, 75.0, Direction.LONG, 0.3),
        (70.0, 1.0, Direction.LONG, 0.3),
        (103.0, 10.0, Direction.LONG, 0.0),
    ],
)
def test_margin_loss_is_unrealised_loss_over_margin(price, leverage, direction, loss):
    """100 units of notional at leverage L take 100 / L as margin and lose |100 - price|."""
    seen = view(price, leverage=leverage, direction=direction)
    assert seen.margin_loss == pytest.approx(loss)


def test_margin_loss_is_that_of_the_worst_price_since_the_last_look():
    assert view(100.0, low=96.0, leverage=10.0).margin_loss == pytest.approx(0.4)


@given(st.lists(st.floats(0, 1.5), min_size=1, max_size=30))
def test_at_most_one_half_and_then_at_most_all(losses):
    state, held, halves = ExitState(), 1.0, 0
    for loss in losses:
        state, action = position_kill_switch(loss, held, state, DEFAULT)
        if isinstance(action, Reduce):
            halves += 1
            held *= 1 - action.share
    assert halves <= 1
    reached = [loss for loss in losses if loss >= 0.5]
    assert (state.closing is not None) == bool(reached)


@pytest.mark.parametrize(
    ("reason", "loss", "locked"),
    [
        (CloseReason.KILL_SWITCH_PARTIAL, 0.3, True),
        (CloseReason.KILL_SWITCH_FULL, 0.5, True),
        (CloseReason.SL_HIT, 0.51, True),  # the exchange's stop at the kill switch's price
        (CloseReason.SL_HIT, 0.491, True),  # filled a tick before
        (CloseReason.SL_HIT, 0.48, False),
        (CloseReason.SL, 0.2, False),
        (CloseReason.TP, 0.0, False),
        (CloseReason.MANUAL, 0.9, False),
    ],
)
def test_the_market_is_locked_for_a_day(reason, loss, locked):
    lock = kill_switch_lock("SOL/USDT:USDT", reason, 1000, DEFAULT, margin_loss=loss)
    if not locked:
        assert lock is None
        return
    assert lock is not None
    assert (lock.market, lock.until_ms) == ("SOL/USDT:USDT", 1000 + 24 * HOUR_MS)


def test_a_lock_says_why():
    lock = kill_switch_lock("SOL/USDT:USDT", CloseReason.SL_HIT, 0, DEFAULT, margin_loss=0.6)
    assert lock == Lock("SOL/USDT:USDT", 24 * HOUR_MS, CloseReason.KILL_SWITCH_FULL.sentence)


def test_a_kill_switch_that_is_off_locks_nothing():
    off = KillSwitchSettings(enabled=False)
    assert kill_switch_lock("SOL", CloseReason.KILL_SWITCH_FULL, 0, off) is None
