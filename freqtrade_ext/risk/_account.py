"""Account kill switch: a drawdown from the peak closes everything until a person resets it."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from freqtrade_ext.risk._close_reasons import CloseReason
from freqtrade_ext.risk._commands import CloseAll, Command, Notify, StopEntries
from freqtrade_ext.risk._settings import AccountSettings
from freqtrade_ext.risk._stored_state import STATE_CONFIG, StoredState

__all__ = ["AccountState", "reset_account", "stop_account", "watch_account"]


@dataclass(frozen=True, slots=True)
class AccountState(StoredState):
    """
    What the account kill switch remembers; the empty state is that of a new account.

    Attributes
    ----------
    peak_equity : float or None
        Highest equity, in units of the capital that is deposited now; see `watch_account`.
    net_deposits : float or None
        Deposits minus withdrawals that the peak takes into account; None: never known yet.
    breaches : int
        Looks in a row that showed a drawdown beyond the limit.
    stopped_since_ms : int or None
        When everything was stopped, ms since 1970 UTC; None: it is not.
    reason : str
        Why, for a person.
    """

    __pydantic_config__ = STATE_CONFIG
    remedy: ClassVar[str] = (
        "restore the database from a backup, or delete the entry: the drawdown is then measured "
        "from the equity of the next look, and an account that was stopped trades again"
    )

    peak_equity: Annotated[float, Field(gt=0)] | None = None
    net_deposits: float | None = None
    breaches: Annotated[int, Field(ge=0)] = 0
    stopped_since_ms: int | None = None
    reason: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether entries are stopped until a person resets the account."""
        return self.stopped_since_ms is not None

    def drawdown(self, equity: float) -> float:
        """Loss from the peak as a ratio of it: 0 at the peak or without one, NaN as `equity`."""
        if math.isnan(equity):
            return math.nan
        return 0.0 if self.peak_equity is None else max(0.0, 1 - equity / self.peak_equity)


def watch_account(
    equity: float,
    state: AccountState,
    now_ms: int,
    settings: AccountSettings,
    *,
    net_deposits: float = math.nan,
) -> tuple[AccountState, list[Command]]:
    """
    Look at the equity of the account, in trading each loop, in a backtest each candle.

    Parameters
    ----------
    equity : float
        Balance and unrealised profit, in stake currency. NaN: unknown, nothing new is decided.
    state : AccountState
        What the previous look returned; store what this one returns before obeying.
    now_ms : int
        Time of the look, ms since 1970 UTC.
    settings : AccountSettings
        The limit.
    net_deposits : float
        Deposits minus withdrawals since any fixed moment, in stake currency, read together with
        `equity`. NaN: unknown, as if nothing had moved since the last look.

    Returns
    -------
    AccountState
        To be stored.
    list of Command
        CloseAll (KILL_SWITCH_FULL) and StopEntries in every look while stopped, so that a restart
        in the middle goes on; Notify in the first.

    Notes
    -----
    Drawdown is measured on the value of one share of a fund, not on the amount of money. A deposit
    or withdrawal :math:`f` takes the peak along,
    :math:`P' = P \\cdot E / (E - f)` with equity :math:`E` after it, so that the drawdown
    :math:`1 - E / P` is the same before and after. Without `net_deposits` a withdrawal looks like
    a loss and may stop the account; a deposit looks like a profit and hides a drawdown.

    Examples
    --------
    >>> settings = AccountSettings(max_drawdown=0.2, confirm_looks=1)
    >>> state, _ = watch_account(1000.0, AccountState(), 0, settings, net_deposits=0.0)
    >>> state, commands = watch_account(500.0, state, 1, settings, net_deposits=-500.0)
    >>> state.peak_equity, commands
    (500.0, [])
    >>> state, commands = watch_account(400.0, state, 2, settings, net_deposits=-500.0)
    >>> commands[0]
    CloseAll(reason=<CloseReason.KILL_SWITCH_FULL: 'KILL_SWITCH_FULL'>)
    """
    if math.isfinite(equity):
        state = _follow_peak(equity, _follow_deposits(equity, net_deposits, state))
    if state.is_stopped or not settings.enabled or not math.isfinite(equity):
        return state, _standing(state)
    if not _is_beyond(equity, state, settings):
        return replace(state, breaches=0), []
    state = replace(state, breaches=state.breaches + 1)
    if state.breaches < settings.confirm_looks:
        return state, []
    drawdown = state.drawdown(equity)
    reason = f"equity {equity:.2f} is {drawdown:.1%} below its peak {state.peak_equity:.2f}"
    state = stop_account(state, now_ms, reason)
    text = f"Account kill switch: {reason}. All is closed; entries are stopped until you reset it."
    return state, [*_standing(state), Notify(text)]


def stop_account(state: AccountState, now_ms: int, reason: str) -> AccountState:
    """Stop everything, as a person may ask too; the next look closes. The first stop stands."""
    if state.is_stopped:
        return state
    return replace(state, stopped_since_ms=now_ms, reason=reason)


def reset_account(state: AccountState, equity: float) -> AccountState:
    """
    Let the account trade again; only ever called for a person.

    The peak begins anew at `equity`, or at that of the next look where it is NaN: otherwise the
    same drawdown would stop the account at once.
    """
    peak = equity if 0 < equity < math.inf else None
    return AccountState(peak_equity=peak, net_deposits=state.net_deposits)


def _follow_deposits(equity: float, net_deposits: float, state: AccountState) -> AccountState:
    if not math.isfinite(net_deposits):
        return state
    known, peak = state.net_deposits, state.peak_equity
    state = replace(state, net_deposits=net_deposits)
    if peak is None or known is None or known == net_deposits:
        return state
    flow = net_deposits - known
    before = equity - flow
    # From nothing, or to nothing, there is no ratio: the account is a new one.
    peak = peak * equity / before if before > 0 and equity > 0 else None
    return replace(state, peak_equity=peak)


def _follow_peak(equity: float, state: AccountState) -> AccountState:
    if equity <= 0 or equity <= (state.peak_equity or 0.0):
        return state
    return replace(state, peak_equity=equity)


def _is_beyond(equity: float, state: AccountState, settings: AccountSettings) -> bool:
    peak = state.peak_equity
    return peak is not None and equity <= peak * (1 - settings.max_drawdown)


def _standing(state: AccountState) -> list[Command]:
    if not state.is_stopped:
        return []
    return [CloseAll(CloseReason.KILL_SWITCH_FULL), StopEntries(None, state.reason)]
