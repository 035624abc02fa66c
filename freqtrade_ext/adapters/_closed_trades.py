"""Freqtrade's closed trades as the guards count them: the two legs of a spread belong together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._exit_reasons import close_reason_of
from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.risk import ClosedTrade

__all__ = ["closed_since", "trades_closed_since"]


def trades_closed_since(now: datetime, hours: float, pair: str | None = None) -> Sequence[Any]:
    """Return Freqtrade's trades that were closed within the last hours."""
    since = now - timedelta(hours=hours)
    return list(Trade.get_trades_proxy(pair=pair, is_open=False, close_date=since))


def closed_since(now: datetime, minutes: float) -> list[ClosedTrade]:
    """
    Return the trades that were closed within the last minutes, as the guards count them.

    A trade whose exit reason nobody knows is left out: it was closed by a strategy that is not
    ours.
    """
    closed = trades_closed_since(now, minutes / 60)
    owners = _owners(closed, Trade.get_trades_proxy(is_open=True))
    found = []
    for trade in closed:
        reason = close_reason_of(trade.exit_reason)
        if reason is None:
            continue
        owner, legs = owners.get(trade.id, (None, 1))
        profit = float(trade.close_profit_abs or 0.0)
        found.append(
            ClosedTrade(trade.pair, to_ms(trade.close_date_utc), reason, profit, owner, legs)
        )
    return found


def _owners(closed: Sequence[Any], still_open: Iterable[Any]) -> dict[int, tuple[str, int]]:
    """
    Say for each leg of a spread which position of it it belongs to, and how many legs that has.

    A spread is entered again only when it is flat, so the legs of one position overlap in time and
    those of two positions do not.
    """
    legs: defaultdict[str, list[Any]] = defaultdict(list)
    for trade in (*closed, *still_open):
        tag = EntryTag.parse(trade.enter_tag)
        if tag is not None:
            legs[tag.spread_id].append(trade)
    owners: dict[int, tuple[str, int]] = {}
    for spread_id, trades in legs.items():
        for position in _positions(trades):
            name = f"{spread_id} {to_ms(position[0].open_date_utc)}"
            owners.update({trade.id: (name, len(position)) for trade in position})
    return owners


def _positions(trades: list[Any]) -> list[list[Any]]:
    positions: list[list[Any]] = []
    end: datetime | None = None
    for trade in sorted(trades, key=lambda each: each.open_date_utc):
        if positions and (end is None or trade.open_date_utc <= end):
            positions[-1].append(trade)
        else:
            positions.append([trade])
            end = trade.open_date_utc
        # One that is still open has no end: whatever comes later belongs to it.
        closed_at = None if trade.is_open else trade.close_date_utc
        end = None if end is None or closed_at is None else max(end, closed_at)
    return positions
