"""When a position of a single market is left: all rules, in their order."""

from dataclasses import replace
from typing import Final

from freqtrade_ext.risk._close_reasons import CloseReason
from freqtrade_ext.risk._commands import Close, ExitAction, Reduce
from freqtrade_ext.risk._kill_switch import position_kill_switch
from freqtrade_ext.risk._levels import first_stop_distance, observe, set_first_stop, target_after
from freqtrade_ext.risk._position import ExitState, PositionView
from freqtrade_ext.risk._settings import RiskSettings

__all__ = ["decide_exit"]

# Lots are not divisible at will: less than this share of the entered quantity is no difference.
WHOLE_LOT_TOLERANCE: Final = 0.01

_LOWERED = {1: CloseReason.TIME_REDUCE_4H, 2: CloseReason.TIME_REDUCE_8H}


def decide_exit(
    view: PositionView, state: ExitState, settings: RiskSettings
) -> tuple[ExitState, ExitAction | None]:
    """
    Decide whether a position is closed or reduced now, and why.

    Parameters
    ----------
    view : PositionView
        The position now.
    state : ExitState
        What the previous call returned for this position; ``ExitState()`` for a new one. Store
        it (`ExitState.to_json`) *before* the action is carried out.
    settings : RiskSettings
        Distances, ages and limits.

    Returns
    -------
    ExitState
        To be stored and handed to the next call.
    Close or Reduce or None
        None to hold.

    Notes
    -----
    When several rules apply, the first of this list decides:

    1. a stop-like decision that was made before: it stands until the position is gone;
    2. KILL_SWITCH_FULL, at the current price;
    3. EMERGENCY_SL, at the current price;
    4. the stop (SL, BREAKEVEN or TRAILING, whichever set it), against the stop that stood before
       this look at the worst price since, then against the new one at the current price: a candle
       that touches stop and target counts as stopped, a wick through everything met it first;
    5. KILL_SWITCH_PARTIAL (reduces);
    6. TP, or TIME_REDUCE_4H / TIME_REDUCE_8H where only the lowered target is reached;
    7. RECOVERY_EXIT;
    8. TIME_FORCE;
    9. ADVERSE_TIME_EXIT;
    10. TIME_GRADUAL (reduces), and any reduction that was asked for and is not done.

    Without a current price nothing is decided (except 1) and the state stays as it is.
    """
    if state.closing is not None:
        return state, Close(state.closing)
    if not view.is_priced:
        return state, None
    before = set_first_stop(view, state, settings)
    after = _grown_old(view, observe(view, before, settings), settings)
    stop = _stop_reached(view, before, after, settings)
    if stop is not None:
        return replace(after, closing=stop), Close(stop)
    after, halved = position_kill_switch(
        view.margin_loss, view.held_share, after, settings.kill_switch
    )
    if halved is not None and not view.in_transit:
        return after, halved
    for rule in (_target, _recovery, _forced, _adverse):
        reason = rule(view, after, settings)
        if reason is not None:
            return after, Close(reason)
    return after, _reduction(view, after)


def _stop_reached(
    view: PositionView, before: ExitState, after: ExitState, settings: RiskSettings
) -> CloseReason | None:
    loss = view.margin_loss_at(view.price)
    _, killed = position_kill_switch(loss, view.held_share, after, settings.kill_switch)
    if isinstance(killed, Close):
        return killed.reason
    if view.move(view.price) <= -settings.exits.emergency_loss:
        return CloseReason.EMERGENCY_SL
    for state, price in ((before, view.worst), (after, view.price)):
        if state.stop is not None and view.move(price) <= view.move(state.stop):
            return state.stop_reason
    return None


def _target(view: PositionView, state: ExitState, settings: RiskSettings) -> CloseReason | None:
    def is_reached(reductions: int) -> bool:
        price = target_after(view, state, settings.exits, reductions)
        return price is not None and view.move(view.best) >= view.move(price)

    if is_reached(0):
        return CloseReason.TP
    reductions = state.target_reductions
    return _LOWERED[reductions] if reductions and is_reached(reductions) else None


def _recovery(view: PositionView, state: ExitState, settings: RiskSettings) -> CloseReason | None:
    deep_loss = settings.exits.deep_loss
    if deep_loss is None or state.worst_price is None:
        return None
    limit = deep_loss * first_stop_distance(view, state, settings)
    was_deep = view.move(state.worst_price) <= -limit
    return CloseReason.RECOVERY_EXIT if was_deep and view.profit_ratio >= 0 else None


def _forced(view: PositionView, state: ExitState, settings: RiskSettings) -> CloseReason | None:
    hours = settings.exits.force_hours
    return CloseReason.TIME_FORCE if hours is not None and view.age_hours >= hours else None


def _adverse(view: PositionView, state: ExitState, settings: RiskSettings) -> CloseReason | None:
    hours = settings.exits.adverse_hours
    late = hours is not None and view.age_hours >= hours
    return CloseReason.ADVERSE_TIME_EXIT if late and view.profit_ratio < 0 else None


def _grown_old(view: PositionView, state: ExitState, settings: RiskSettings) -> ExitState:
    """Lower the aim by the steps of the gradual exit that are due."""
    exits = settings.exits
    if exits.gradual_hours is None or view.age_hours < exits.gradual_hours:
        return state
    steps = 1 + int((view.age_hours - exits.gradual_hours) / exits.gradual_every_hours)
    aim = max(0.0, 1 - steps * exits.gradual_share)
    if aim >= state.aim_share:
        return state
    return replace(state, aim_share=aim, aim_reason=CloseReason.TIME_GRADUAL)


def _reduction(view: PositionView, state: ExitState) -> ExitAction | None:
    """Ask for what is held beyond the aim; facts decide, so a failed order is asked for again."""
    excess = view.held_share - state.aim_share
    if state.aim_reason is None or view.in_transit or excess <= WHOLE_LOT_TOLERANCE:
        return None
    if state.aim_share <= WHOLE_LOT_TOLERANCE:
        return Close(state.aim_reason)
    return Reduce(excess / view.held_share, state.aim_reason)
