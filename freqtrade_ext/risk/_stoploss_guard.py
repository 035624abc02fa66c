"""Stop-loss frequency guard: several losing stops in a short time let entries rest.

Freqtrade's own StoplossGuard counts Freqtrade's own stop reasons and each leg of a spread.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from freqtrade_ext.risk._close_reasons import CloseReason
from freqtrade_ext.risk._commands import Lock
from freqtrade_ext.risk._settings import StoplossGuardSettings

__all__ = ["ClosedTrade", "stoploss_lock"]

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """
    One closed position.

    Attributes
    ----------
    market : str
        Name of the market.
    closed_ms : int
        When it was closed, ms since 1970 UTC.
    reason : CloseReason
        Why.
    profit : float
        Net of fees and funding, in stake currency.
    owner : str or None
        What the legs of one spread have in common, and no other trade: the spread and the moment
        of its entry. None: the position stands for itself.
    legs : int
        How many positions `owner` has; it counts when all of them are closed.
    """

    market: str
    closed_ms: int
    reason: CloseReason
    profit: float
    owner: str | None = None
    legs: int = 1


@dataclass(frozen=True, slots=True)
class _Stop:
    closed_ms: int
    markets: frozenset[str]


def stoploss_lock(
    closed: Iterable[ClosedTrade],
    now_ms: int,
    settings: StoplossGuardSettings,
    *,
    market: str | None = None,
) -> Lock | None:
    """
    Tell whether entries rest now because of stops.

    Parameters
    ----------
    closed : iterable of ClosedTrade
        In any order; those of the last ``window_minutes + lock_minutes`` suffice. Trades that
        close after `now_ms` are not looked at.
    now_ms : int
        The time, ms since 1970 UTC.
    settings : StoplossGuardSettings
        How many, how close together, how long.
    market : str, optional
        The market that is asked about, under scope ``market``; None under scope ``global``. The
        other scope's question is answered with None.

    Returns
    -------
    Lock or None
        While `now_ms` is within ``lock_minutes`` of a stop that was the last of ``stops`` stops
        within ``window_minutes``. It depends on the trades alone, so it survives a restart.

    Notes
    -----
    A stop is a position that was closed for a reason with `CloseReason.is_stop_like` and lost
    money. The legs of a spread are one position: it is stop-like if any leg is, it loses if the
    sum of its legs does, and it is closed when the last of them is.
    """
    if not settings.enabled or (market is not None) != (settings.scope == "market"):
        return None
    stops = _losing_stops([trade for trade in closed if trade.closed_ms <= now_ms])
    times = sorted(s.closed_ms for s in stops if market is None or market in s.markets)
    window = settings.window_minutes * MINUTE_MS
    lock = settings.lock_minutes * MINUTE_MS
    ends = [
        last + lock
        for first, last in zip(times, times[settings.stops - 1 :], strict=False)
        if last - first <= window
    ]
    until_ms = max(ends, default=now_ms)
    if until_ms <= now_ms:
        return None
    reason = f"{settings.stops} losing stops within {settings.window_minutes} minutes"
    return Lock(market, until_ms, reason)


def _losing_stops(closed: list[ClosedTrade]) -> list[_Stop]:
    groups: defaultdict[object, list[ClosedTrade]] = defaultdict(list)
    for number, trade in enumerate(closed):
        groups[number if trade.owner is None else trade.owner].append(trade)
    return [
        _Stop(max(leg.closed_ms for leg in legs), frozenset(leg.market for leg in legs))
        for legs in groups.values()
        if len(legs) >= legs[0].legs
        and any(leg.reason.is_stop_like for leg in legs)
        and sum(leg.profit for leg in legs) < 0
    ]
