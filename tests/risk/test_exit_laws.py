"""Laws of the exits that hold on every price path.

All numbers here are multiples of a power of two, so that a mirrored path is exactly mirrored and
"the same decision" means the same to the last bit.

Planted bugs, each of which turns a test red: a level that forgets the sign of a short, the best
price of a short taken from the high, a reduction of more than is held, an exit that reads the time
of day instead of the age, a price unit that gets into a rule, a break-even stop that is disarmed.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.risk import (
    Close,
    Direction,
    ExitState,
    PositionView,
    Reduce,
    RiskSettings,
    decide_exit,
    stop_price,
    target_price,
)

ENTRY = 1024.0
COST = 2.0**-10
MINUTE_MS = 60_000
EXACT = RiskSettings.model_validate(
    {
        "exits": {
            "exit_tightness": 1.25,
            "target_reduction": 0.125,
            "deep_loss": 0.625,
            "emergency_loss": 0.125,
        },
        "kill_switch": {"partial_loss": 0.25, "full_loss": 0.5},
    }
)


@dataclass(frozen=True)
class Look:
    """One look, or the step to it: gain in price units, wicks, age in minutes, ATR."""

    gain: float
    up: float
    down: float
    minutes: int
    atr: float | None


def eighths(least, greatest):
    return st.integers(least * 8, greatest * 8).map(lambda number: number / 8)


# The first stop is 20 away, the trailing stop follows by 10: most paths live long enough to arm
# and to move something; a few jump.
STEPS = st.builds(
    Look,
    gain=eighths(-4, 9) | eighths(-4, 9) | eighths(-4, 9) | eighths(-200, 200),
    up=eighths(0, 4),
    down=eighths(0, 4),
    minutes=st.integers(1, 240) | st.integers(-100, 60),
    atr=st.sampled_from([8.0, 8.0, 8.0, 16.0, 2.0, None]),
)


def walked(steps):
    """Add the steps up to looks."""
    gain, minutes, path = 0.0, 0, []
    for step in steps:
        gain, minutes = gain + step.gain, minutes + step.minutes
        gain = min(max(gain, -900.0), 900.0)
        path.append(replace(step, gain=gain, minutes=minutes))
    return path


PATHS = st.lists(STEPS, min_size=1, max_size=25).map(walked)
LEVERAGES = st.sampled_from([1.0, 2.0, 4.0, 8.0, 16.0, 64.0])


def seen(look, direction, leverage, held=1.0, *, scale=1.0, start_ms=0):
    sign = direction.sign
    prices = sorted((look.gain + look.up, look.gain - look.down), key=lambda gain: gain * sign)
    low, high = (scale * (ENTRY + sign * gain) for gain in prices)
    return PositionView(
        market="M",
        direction=direction,
        entry_price=scale * ENTRY,
        price=scale * (ENTRY + sign * look.gain),
        profit_ratio=leverage * (look.gain / ENTRY - COST),
        opened_ms=start_ms,
        now_ms=start_ms + look.minutes * MINUTE_MS,
        leverage=leverage,
        atr=None if look.atr is None else scale * look.atr,
        high=high,
        low=low,
        round_trip_cost=COST,
        held_share=held,
    )


def run(path, direction=Direction.LONG, leverage=4.0, **changes):
    """Decide along a path, every reduction filled; yield view, state before and after, action."""
    state, held = ExitState(), 1.0
    for look in path:
        view = seen(look, direction, leverage, held, **changes)
        before = state
        state, action = decide_exit(view, state, EXACT)
        yield view, before, state, action
        if isinstance(action, Reduce):
            held *= 1 - action.share
        elif isinstance(action, Close):
            return


@given(PATHS, LEVERAGES)
def test_a_short_is_the_mirror_of_a_long(path, leverage):
    longs = list(run(path, Direction.LONG, leverage))
    shorts = list(run(path, Direction.SHORT, leverage))
    assert [action for *_, action in longs] == [action for *_, action in shorts]
    for (long, _, held_long, _), (short, _, held_short, _) in zip(longs, shorts, strict=True):
        stops = stop_price(long, held_long, EXACT), stop_price(short, held_short, EXACT)
        assert stops[0] - ENTRY == ENTRY - stops[1]
        targets = target_price(long, held_long, EXACT), target_price(short, held_short, EXACT)
        assert targets == (None, None) or targets[0] - ENTRY == ENTRY - targets[1]
        assert held_long.aim_share == held_short.aim_share


@given(PATHS, LEVERAGES, st.sampled_from(Direction))
def test_a_stop_never_moves_away(path, leverage, direction):
    tightest = None
    for view, before, after, _ in run(path, direction, leverage):
        for state in (before, after):
            stop = view.move(stop_price(view, state, EXACT))
            assert tightest is None or stop >= tightest
            tightest = stop


@given(PATHS, LEVERAGES, st.sampled_from(Direction))
def test_what_has_been_done_is_not_undone(path, leverage, direction):
    for _, before, after, _ in run(path, direction, leverage):
        assert after.aim_share <= before.aim_share
        assert after.target_reductions >= before.target_reductions
        assert after.halved >= before.halved
        assert after.trailing >= before.trailing
        assert after.break_even >= before.break_even


@given(PATHS, LEVERAGES)
def test_never_more_is_reduced_than_is_held(path, leverage):
    sold = 0.0
    for view, _, after, action in run(path, Direction.LONG, leverage):
        assert view.held_share == pytest.approx(1 - sold)
        if isinstance(action, Reduce):
            assert 0 < action.share < 1
            sold += action.share * view.held_share
            assert 1 - sold >= after.aim_share - 1e-12
    assert sold < 1.0


@given(PATHS, LEVERAGES, st.integers(0, 2_000_000_000_000))
def test_the_time_of_day_does_not_matter(path, leverage, start_ms):
    plain = [action for *_, action in run(path, leverage=leverage)]
    later = [action for *_, action in run(path, leverage=leverage, start_ms=start_ms)]
    assert plain == later


@given(PATHS, LEVERAGES, st.sampled_from([2.0**-20, 0.25, 4.0, 2.0**12]))
def test_the_unit_of_the_price_does_not_matter(path, leverage, scale):
    plain = list(run(path, leverage=leverage))
    scaled = list(run(path, leverage=leverage, scale=scale))
    assert [action for *_, action in plain] == [action for *_, action in scaled]
    assert [after.stop * scale for _, _, after, _ in plain] == [
        after.stop for _, _, after, _ in scaled
    ]


@given(PATHS, LEVERAGES)
def test_deciding_twice_on_the_same_look_changes_nothing_more(path, leverage):
    for view, _, after, action in run(path, leverage=leverage):
        again, repeated = decide_exit(view, after, EXACT)
        # Trailing stop and lowered aim of this look are old news in the next: what was a touch
        # of the extremes by the new stop may close now. Nothing else may differ.
        if not isinstance(repeated, Close):
            assert (again, repeated) == (after, action)


@given(PATHS, LEVERAGES)
def test_beyond_the_stop_nothing_is_held(path, leverage):
    for view, _, after, action in run(path, leverage=leverage):
        if view.move(view.price) <= view.move(stop_price(view, after, EXACT)):
            assert isinstance(action, Close)
            assert action.reason.is_stop_like
            assert after.closing is action.reason


@given(PATHS)
def test_kill_switch_closes_before_the_margin_is_gone(path):
    """At any leverage, and though the path jumps."""
    for leverage in (1.0, 16.0, 64.0):
        for view, *_, action in run(path, leverage=leverage):
            if view.margin_loss >= 0.5:
                assert isinstance(action, Close)


@given(PATHS, LEVERAGES)
def test_an_empty_state_can_be_put_in_its_place_and_only_loosens(path, leverage):
    """What deleting a corrupt state does: the first stop again, never a tighter one."""
    for view, _, after, _ in run(path, leverage=leverage):
        anew = stop_price(view, ExitState(), EXACT)
        with_atr = stop_price(view, replace(ExitState(), atr=after.atr), EXACT)
        assert with_atr <= stop_price(view, after, EXACT)
        assert 0 < anew < ENTRY
