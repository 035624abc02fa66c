"""Kill switch of one position: half of it goes at one margin loss, all of it at a larger one."""

import math
from dataclasses import replace
from typing import Final

from freqtrade_ext.risk._close_reasons import CloseReason
from freqtrade_ext.risk._commands import Close, ExitAction, Lock, Reduce
from freqtrade_ext.risk._position import HOUR_MS, ExitState
from freqtrade_ext.risk._settings import KillSwitchSettings

__all__ = ["kill_switch_lock", "position_kill_switch"]

# The exchange rounds a trigger price to ticks, and fills around it: at leverage 75 a tick of 0.01 %
# of the price is 1.5 % of the loss that closes.
FILL_TOLERANCE: Final = 0.02

_KILL_REASONS = frozenset({CloseReason.KILL_SWITCH_PARTIAL, CloseReason.KILL_SWITCH_FULL})


def position_kill_switch(
    margin_loss: float, held_share: float, state: ExitState, settings: KillSwitchSettings
) -> tuple[ExitState, ExitAction | None]:
    """
    Decide whether a position has lost too much of its margin.

    `decide_exit` applies this rule among the others; call that for a position.

    Parameters
    ----------
    margin_loss : float
        Unrealised loss over margin: leverage times the adverse move of the price. NaN: unknown,
        nothing is decided.
    held_share : float
        Quantity held now over the quantity entered.
    state : ExitState
        Of the position; `halved` says whether the half was asked for before.
    settings : KillSwitchSettings
        Both levels.

    Returns
    -------
    ExitState
        With half of what is held as the aim, once.
    Close or Reduce or None
        Close at ``full_loss``, also when the loss jumps straight to it; Reduce by half at
        ``partial_loss``, once in the life of a position. The aim stays in the state, so that
        `decide_exit` asks again while the half is still held; an aim that is lower already stays.

    Examples
    --------
    >>> state, action = position_kill_switch(0.3, 1.0, ExitState(), KillSwitchSettings())
    >>> action
    Reduce(share=0.5, reason=<CloseReason.KILL_SWITCH_PARTIAL: 'KILL_SWITCH_PARTIAL'>)
    >>> position_kill_switch(0.49, 0.5, state, KillSwitchSettings())[1] is None
    True
    """
    if not settings.enabled or math.isnan(margin_loss):
        return state, None
    if margin_loss >= settings.full_loss:
        reason = CloseReason.KILL_SWITCH_FULL
        return replace(state, closing=reason), Close(reason)
    if margin_loss >= settings.partial_loss and not state.halved:
        reason = CloseReason.KILL_SWITCH_PARTIAL
        state = replace(state, halved=True)
        if held_share / 2 < state.aim_share:
            state = replace(state, aim_share=held_share / 2, aim_reason=reason)
        return state, Reduce(0.5, reason)
    return state, None


def kill_switch_lock(
    market: str,
    reason: CloseReason,
    now_ms: int,
    settings: KillSwitchSettings,
    *,
    margin_loss: float = 0.0,
) -> Lock | None:
    """
    Lock a market whose position met the kill switch.

    Parameters
    ----------
    market : str
        Name of the market.
    reason : CloseReason
        Of the reduction or the close.
    now_ms : int
        When it happened, ms since 1970 UTC.
    settings : KillSwitchSettings
        How long the lock holds.
    margin_loss : float
        Realised loss over margin, where the exchange's own stop closed the position: from
        ``full_loss`` on, within ticks, it counts as the kill switch, whose price that stop carries.

    Returns
    -------
    Lock or None
        None for any other close. A lock of the half is replaced by the later one of the rest.
    """
    if reason.is_stop_like and margin_loss >= settings.full_loss * (1 - FILL_TOLERANCE):
        reason = CloseReason.KILL_SWITCH_FULL
    if not settings.enabled or reason not in _KILL_REASONS:
        return None
    return Lock(market, now_ms + round(settings.lock_hours * HOUR_MS), reason.sentence)
