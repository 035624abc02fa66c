"""Risk rules; all of them are pure functions and are given the time."""

from freqtrade_ext.risk._account import (
    AccountState,
    reset_account,
    stop_account,
    watch_account,
)
from freqtrade_ext.risk._balance import (
    PositionRefusal,
    PositionSize,
    balance_factor,
    coin_of,
    exclusion,
    is_excluded,
    may_open,
    notional_at_risk,
    position_size,
)
from freqtrade_ext.risk._close_reasons import CloseCategory, CloseReason
from freqtrade_ext.risk._commands import (
    Close,
    CloseAll,
    Command,
    ExitAction,
    Lock,
    Notify,
    Reduce,
    StopEntries,
)
from freqtrade_ext.risk._exits import decide_exit
from freqtrade_ext.risk._kill_switch import kill_switch_lock, position_kill_switch
from freqtrade_ext.risk._levels import stop_price, target_price
from freqtrade_ext.risk._portfolio_recovery import (
    RecoveryState,
    trailing_distance,
    watch_portfolio,
)
from freqtrade_ext.risk._position import Direction, ExitState, PositionView
from freqtrade_ext.risk._settings import (
    AccountSettings,
    BalanceSettings,
    ExitSettings,
    KillSwitchSettings,
    RecoverySettings,
    RiskSettings,
    StoplossGuardSettings,
)
from freqtrade_ext.risk._stoploss_guard import ClosedTrade, stoploss_lock

__all__ = [
    "AccountSettings",
    "AccountState",
    "BalanceSettings",
    "Close",
    "CloseAll",
    "CloseCategory",
    "CloseReason",
    "ClosedTrade",
    "Command",
    "Direction",
    "ExitAction",
    "ExitSettings",
    "ExitState",
    "KillSwitchSettings",
    "Lock",
    "Notify",
    "PositionRefusal",
    "PositionSize",
    "PositionView",
    "RecoverySettings",
    "RecoveryState",
    "Reduce",
    "RiskSettings",
    "StopEntries",
    "StoplossGuardSettings",
    "balance_factor",
    "coin_of",
    "decide_exit",
    "exclusion",
    "is_excluded",
    "kill_switch_lock",
    "may_open",
    "notional_at_risk",
    "position_kill_switch",
    "position_size",
    "reset_account",
    "stop_account",
    "stop_price",
    "stoploss_lock",
    "target_price",
    "trailing_distance",
    "watch_account",
    "watch_portfolio",
]
