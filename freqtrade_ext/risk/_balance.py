"""Balance protection: how large a position may be, how many, and in which markets."""

import math
from dataclasses import dataclass
from typing import Literal

from freqtrade_ext.risk._settings import BalanceSettings, RiskSettings

__all__ = [
    "PositionRefusal",
    "PositionSize",
    "balance_factor",
    "coin_of",
    "exclusion",
    "is_excluded",
    "may_open",
    "notional_at_risk",
    "position_size",
]


@dataclass(frozen=True, slots=True)
class PositionSize:
    """
    Size of a position of a single market, before lots.

    Attributes
    ----------
    notional : float
        Worth of the position, stake currency.
    margin : float
        ``notional / leverage``: Freqtrade's stake.
    cap : {"risk", "equity_share", "margin"}
        The limit that decided.
    """

    notional: float
    margin: float
    cap: Literal["risk", "equity_share", "margin"]


@dataclass(frozen=True, slots=True)
class PositionRefusal:
    """Why a position has no size."""

    text: str


def balance_factor(drawdown: float, settings: BalanceSettings) -> float:
    """
    Factor by which size and leverage shrink with the drawdown of the account.

    Parameters
    ----------
    drawdown : float
        Loss from the peak of equity as a ratio (`AccountState.drawdown`). NaN: unknown.
    settings : BalanceSettings
        ``shrink_from``, ``shrink_to``, ``min_factor``.

    Returns
    -------
    float
        1 up to ``shrink_from``, falling in a straight line to ``min_factor`` at ``shrink_to``;
        ``min_factor`` for an unknown drawdown.

    Examples
    --------
    >>> balance_factor(0.125, BalanceSettings())  # half way from 5 % to 20 %
    0.75
    """
    if math.isnan(drawdown):
        return settings.min_factor
    used = (drawdown - settings.shrink_from) / (settings.shrink_to - settings.shrink_from)
    return 1 - (1 - settings.min_factor) * min(max(used, 0.0), 1.0)


def notional_at_risk(equity: float, risk: float, loss_per_notional: float) -> float:
    """
    Notional that loses the share `risk` of `equity` where it loses `loss_per_notional` of itself.

    The one place of this rule, for positions of a single market and for spreads.
    """
    return risk * equity / loss_per_notional


def position_size(
    equity: float,
    stop_distance: float,
    leverage: float,
    factor: float,
    settings: BalanceSettings,
    *,
    available: float = math.inf,
    cost_per_fill: float = 0.0,
) -> PositionSize | PositionRefusal:
    """
    Size a position so that it loses its risk budget at its stop.

    Parameters
    ----------
    equity : float
        Of the account, stake currency.
    stop_distance : float
        Distance from the entry to the stop as a ratio of the entry price, without leverage.
    leverage : float
        Of the position; at least 1. It changes the margin, not the risk.
    factor : float
        0 to 1; `balance_factor` times what the signal asks for.
    settings : BalanceSettings
        Risk budget and share of equity.
    available : float
        Balance that is free as margin, stake currency.
    cost_per_fill : float
        Fee and half spread of one fill as a ratio of notional; counted twice into the loss.

    Returns
    -------
    PositionSize or PositionRefusal
        A refusal where a number is missing or leaves no size.

    Examples
    --------
    >>> position_size(1000.0, 0.02, 3.0, 1.0, BalanceSettings()).notional  # 1 % of 1000 over 2 %
    500.0
    """
    refusal = _refuse(equity, stop_distance, leverage, factor, available, cost_per_fill)
    if refusal is not None:
        return refusal
    loss = stop_distance + 2 * cost_per_fill
    caps: dict[Literal["risk", "equity_share", "margin"], float] = {
        "risk": factor * notional_at_risk(equity, settings.risk_per_trade, loss),
        "equity_share": factor * settings.max_equity_share * equity,
        "margin": available / (1 / leverage + cost_per_fill),
    }
    cap = min(caps, key=lambda name: caps[name])
    return PositionSize(caps[cap], caps[cap] / leverage, cap)


def _refuse(
    equity: float,
    stop_distance: float,
    leverage: float,
    factor: float,
    available: float,
    cost_per_fill: float,
) -> PositionRefusal | None:
    finite = {"equity": equity, "stop distance": stop_distance, "size factor": factor}
    for name, value in finite.items():
        if not 0 < value < math.inf:
            return PositionRefusal(f"{name} should be above 0 and finite, not {value}")
    if not available > 0:
        return PositionRefusal(f"free balance should be above 0, not {available}")
    if not 1 <= leverage < math.inf:
        return PositionRefusal(f"leverage should be at least 1, not {leverage}")
    if factor > 1:
        return PositionRefusal(f"size factor should be at most 1, not {factor}")
    if not 0 <= cost_per_fill < 1:
        return PositionRefusal(f"cost of a fill should be from 0 to 1, not {cost_per_fill}")
    return None


def may_open(open_positions: int, settings: BalanceSettings) -> bool:
    """Whether one more position may be opened."""
    return open_positions < settings.max_positions


def is_excluded(market: str, settings: RiskSettings) -> bool:
    """
    Whether a market is on the list of excluded coins.

    An entry is a coin, which excludes every market with this base (``"DOGE"``), or a whole market
    (``"DOGE/USDT:USDT"``); upper and lower case are the same.
    """
    names = {entry.strip().upper() for entry in settings.excluded}
    return market.strip().upper() in names or coin_of(market) in names


def exclusion(market: str, settings: RiskSettings) -> str:
    """Say that a market is on the list of excluded coins; empty where it is not."""
    return f"{market} is on the list ext.risk.excluded" if is_excluded(market, settings) else ""


def coin_of(market: str) -> str:
    """
    Return the coin of a market, in upper case: two markets of one coin rise and fall together.

    Examples
    --------
    >>> coin_of("BTC/USDT:USDT") == coin_of("BTC/USDC:USDC")
    True
    """
    return market.strip().upper().split("/")[0]
