"""Prices at which a position is left: stop, break-even, trailing stop, target.

All levels are linear in the price, so that a short position is the exact mirror of a long one.
"""

import math
from dataclasses import replace

from freqtrade_ext.risk._close_reasons import CloseReason
from freqtrade_ext.risk._position import ExitState, PositionView
from freqtrade_ext.risk._settings import ExitSettings, RiskSettings

__all__ = [
    "first_stop_distance",
    "observe",
    "set_first_stop",
    "stop_price",
    "target_after",
    "target_price",
]


def stop_price(view: PositionView, state: ExitState, settings: RiskSettings) -> float:
    """
    Price for the stop order on the exchange.

    Parameters
    ----------
    view : PositionView
        The position now.
    state : ExitState
        What `decide_exit` returned last, or the empty state of a new position.
    settings : RiskSettings
        Distances.

    Returns
    -------
    float
        The tightest stop so far: along the states of `decide_exit` it never moves away from the
        position. It may lie beyond the current price after a jump; `decide_exit` then closes.

    Notes
    -----
    The tightest of these, for a long position with entry price :math:`E`, leverage :math:`L` and
    tightness :math:`k`:

    - ATR stop: :math:`E - k \\cdot sl\\_atr \\cdot ATR`;
    - emergency: :math:`E (1 - emergency\\_loss)`;
    - kill switch: :math:`E (1 - full\\_loss / L)`, so that the stop lies before liquidation at any
      leverage, also while the bot is dead;
    - break-even, once armed: :math:`E (1 + round\\_trip\\_cost)`;
    - trailing, once active: best price :math:`- k \\cdot trail\\_distance \\cdot ATR`.
    """
    return _tightest(view, _with_atr(view, state), settings)[0]


def target_price(view: PositionView, state: ExitState, settings: RiskSettings) -> float | None:
    """
    Price at which the target is reached.

    Returns
    -------
    float or None
        Entry price plus (short: minus) ``exit_tightness · tp_atr · ATR ·
        (1 - target_reduction) ** target_reductions``; None without an ATR, or where the target
        of a short would not be above 0.
    """
    return target_after(view, _with_atr(view, state), settings.exits, state.target_reductions)


def target_after(
    view: PositionView, state: ExitState, exits: ExitSettings, reductions: int
) -> float | None:
    """Target after this many reductions, whatever the state says of them."""
    if state.atr is None:
        return None
    kept = (1 - exits.target_reduction) ** reductions
    distance = exits.exit_tightness * exits.tp_atr * state.atr * kept
    price = view.entry_price + view.direction.sign * distance
    return price if 0 < price < math.inf else None


def set_first_stop(view: PositionView, state: ExitState, settings: RiskSettings) -> ExitState:
    """
    Keep the first known ATR; give a new position the stop that it implies.

    A stop that stood already is left alone: this look's ATR must not move it against this look's
    own extremes.
    """
    state = _with_atr(view, state)
    return state if state.stop is not None else _tightened(view, state, settings)


def first_stop_distance(view: PositionView, state: ExitState, settings: RiskSettings) -> float:
    """Distance from the entry to the first stop as a ratio of the entry price."""
    stop, _ = _tightest(view, ExitState(atr=state.atr), settings)
    return -view.move(stop)


def observe(view: PositionView, state: ExitState, settings: RiskSettings) -> ExitState:
    """Take the prices and the age of this look into the state: it only ever goes forward."""
    exits = settings.exits
    best, worst = view.best, view.worst
    if state.best_price is not None and view.move(state.best_price) > view.move(best):
        best = state.best_price
    if state.worst_price is not None and view.move(state.worst_price) < view.move(worst):
        worst = state.worst_price
    state = replace(
        state,
        best_price=best,
        worst_price=worst,
        trailing=state.trailing or _has_earned(view, state, exits, exits.trail_activation),
        break_even=state.break_even or _has_earned(view, state, exits, exits.breakeven_atr),
        target_reductions=max(state.target_reductions, _reductions_due(view, exits)),
    )
    return _tightened(view, state, settings)


def _with_atr(view: PositionView, state: ExitState) -> ExitState:
    if state.atr is not None:
        return state
    atr = _usable(view.atr_entry) or _usable(view.atr)
    return state if atr is None else replace(state, atr=atr)


def _usable(atr: float | None) -> float | None:
    return atr if atr is not None and 0 < atr < math.inf else None


def _has_earned(
    view: PositionView, state: ExitState, exits: ExitSettings, multiple: float | None
) -> bool:
    """Whether ROI after costs has reached the ROI that a move of this many ATR earns."""
    if multiple is None or state.atr is None:
        return False
    distance = exits.exit_tightness * multiple * state.atr
    return view.roi(view.best) >= view.leverage * distance / view.entry_price


def _reductions_due(view: PositionView, exits: ExitSettings) -> int:
    hours = (exits.reduce_first_hours, exits.reduce_second_hours)
    return sum(each is not None and view.age_hours >= each for each in hours)


def _tightened(view: PositionView, state: ExitState, settings: RiskSettings) -> ExitState:
    stop, reason = _tightest(view, state, settings)
    return replace(state, stop=stop, stop_reason=reason)


def _tightest(
    view: PositionView, state: ExitState, settings: RiskSettings
) -> tuple[float, CloseReason]:
    """Find the tightest stop that the rules give, now or before: a stop never moves away."""
    emergency = view.at_move(-settings.exits.emergency_loss), CloseReason.EMERGENCY_SL
    kept = emergency
    if state.stop is not None and state.stop_reason is not None:
        kept = state.stop, state.stop_reason
    # The first of equals wins: the reason of a stop does not change while its price stands.
    return max(
        [kept, emergency, *_stops(view, state, settings)], key=lambda stop: view.move(stop[0])
    )


def _stops(
    view: PositionView, state: ExitState, settings: RiskSettings
) -> list[tuple[float, CloseReason]]:
    exits, kill = settings.exits, settings.kill_switch
    sign, entry = view.direction.sign, view.entry_price
    stops = []
    if kill.enabled:
        stops.append((view.at_move(-kill.full_loss / view.leverage), CloseReason.KILL_SWITCH_FULL))
    if state.atr is not None:
        distance = exits.exit_tightness * exits.sl_atr * state.atr
        stops.append((entry - sign * distance, CloseReason.SL))
    if state.break_even:
        stops.append((view.at_move(view.round_trip_cost), CloseReason.BREAKEVEN))
    if state.trailing and state.best_price is not None:
        atr = _usable(view.atr) or state.atr or 0.0
        distance = exits.exit_tightness * exits.trail_distance * atr
        stops.append((state.best_price - sign * distance, CloseReason.TRAILING))
    return [(price, why) for price, why in stops if 0 < price < math.inf]
