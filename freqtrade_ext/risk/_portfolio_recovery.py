"""Portfolio recovery: one that was long under water is closed when its profit turns back."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from freqtrade_ext.risk._close_reasons import CloseReason
from freqtrade_ext.risk._commands import CloseAll, Command, Notify, StopEntries
from freqtrade_ext.risk._position import HOUR_MS
from freqtrade_ext.risk._settings import RecoverySettings
from freqtrade_ext.risk._stored_state import STATE_CONFIG, StoredState

__all__ = ["RecoveryState", "trailing_distance", "watch_portfolio"]


@dataclass(frozen=True, slots=True)
class RecoveryState(StoredState):
    """
    What the portfolio recovery remembers; the empty state is that of a new portfolio.

    Attributes
    ----------
    below_since_ms : int or None
        Since when unrealised profit has been below zero without interruption.
    candidate : bool
        Whether it was so for long enough.
    peak : float or None
        Highest unrealised profit since it reached the activation; None: it is not trailed.
    closing : bool
        Whether everything is being closed.
    resting_until_ms : int or None
        Until when entries rest.
    """

    __pydantic_config__ = STATE_CONFIG
    remedy: ClassVar[str] = (
        "restore the database from a backup, or delete the entry: the time under water is then "
        "counted anew, and entries do not rest"
    )

    below_since_ms: int | None = None
    candidate: bool = False
    peak: Annotated[float, Field(gt=0)] | None = None
    closing: bool = False
    resting_until_ms: int | None = None


def watch_portfolio(
    unrealised: float,
    equity: float,
    atr_btc: float | None,
    atr_eth: float | None,
    state: RecoveryState,
    now_ms: int,
    settings: RecoverySettings,
    *,
    open_positions: int,
) -> tuple[RecoveryState, list[Command]]:
    """
    Look at the unrealised profit of all positions, in trading each loop, in a backtest each candle.

    Parameters
    ----------
    unrealised : float
        Sum over all open positions, in stake currency. NaN: unknown, nothing new is decided.
    equity : float
        Of the account, in stake currency; scales the activation. NaN: unknown.
    atr_btc, atr_eth : float or None
        ATR of Bitcoin and Ether as a ratio of their price; None or NaN: unknown.
    state : RecoveryState
        What the previous look returned; store what this one returns before obeying.
    now_ms : int
        Time of the look, ms since 1970 UTC.
    settings : RecoverySettings
        Times, activation and distances.
    open_positions : int
        With none the portfolio is a new one.

    Returns
    -------
    RecoveryState
        To be stored.
    list of Command
        On the pull-back CloseAll (RECOVERY_EXIT), StopEntries and Notify; CloseAll again in every
        look while a position is open, StopEntries while entries rest.

    Notes
    -----
    Below zero for ``under_water_hours`` makes a candidate. When its unrealised profit reaches
    ``activation · equity / reference_equity``, its peak is trailed; everything is closed when it
    falls to ``peak · (1 - distance)``.

    The distance is a share of the peak of the profit, not of equity or of notional. Only so is the
    level always above zero: a portfolio that has recovered is not given back to a loss by its own
    trailing stop. (1.5 % of an equity of 1000 is 15; from a peak of 0.50 the level would be -14.5.)
    """
    if state.closing:
        state = replace(state, closing=open_positions > 0)
    elif open_positions <= 0 or not settings.enabled:
        state = RecoveryState(resting_until_ms=state.resting_until_ms)
    elif math.isfinite(unrealised):
        state = _follow(unrealised, equity, state, now_ms, settings)
        distance = trailing_distance(atr_btc, atr_eth, settings)
        if state.peak is not None and unrealised <= state.peak * (1 - distance):
            return _close(unrealised, state.peak, distance, now_ms, settings)
    return state, _standing(state, now_ms)


def trailing_distance(
    atr_btc: float | None, atr_eth: float | None, settings: RecoverySettings
) -> float:
    """
    Distance of the trailing stop, a share of the peak: the mean of both ATR ratios within limits.

    One that is unknown is left out; with neither it is ``min_distance``, the cautious end.
    """
    known = [atr for atr in (atr_btc, atr_eth) if atr is not None and 0 < atr < math.inf]
    mean = sum(known) / len(known) if known else 0.0
    return min(max(mean, settings.min_distance), settings.max_distance)


def _follow(
    unrealised: float,
    equity: float,
    state: RecoveryState,
    now_ms: int,
    settings: RecoverySettings,
) -> RecoveryState:
    if unrealised < 0:
        # A clock that ran ahead and was set back does not make the wait longer.
        since = now_ms if state.below_since_ms is None else min(state.below_since_ms, now_ms)
        long_enough = now_ms - since >= settings.under_water_hours * HOUR_MS
        return replace(state, below_since_ms=since, candidate=state.candidate or long_enough)
    state = replace(state, below_since_ms=None)
    if state.peak is not None:
        return replace(state, peak=max(state.peak, unrealised))
    activation = settings.activation * equity / settings.reference_equity
    if state.candidate and equity > 0 and unrealised >= activation:
        return replace(state, peak=unrealised)
    return state


def _close(
    unrealised: float, peak: float, distance: float, now_ms: int, settings: RecoverySettings
) -> tuple[RecoveryState, list[Command]]:
    until_ms = now_ms + round(settings.rest_hours * HOUR_MS)
    state = RecoveryState(closing=True, resting_until_ms=until_ms)
    text = (
        f"Portfolio recovery: unrealised profit fell from {peak:.2f} to {unrealised:.2f}, by more "
        f"than {distance:.1%}. All is closed; entries rest for {settings.rest_hours:g} hours."
    )
    return state, [*_standing(state, now_ms), Notify(text)]


def _standing(state: RecoveryState, now_ms: int) -> list[Command]:
    commands: list[Command] = []
    if state.closing:
        commands.append(CloseAll(CloseReason.RECOVERY_EXIT))
    until_ms = state.resting_until_ms
    if until_ms is not None and (state.closing or now_ms < until_ms):
        commands.append(StopEntries(until_ms, "rest after a portfolio recovery exit"))
    return commands
