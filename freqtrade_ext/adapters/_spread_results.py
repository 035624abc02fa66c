"""Profit and loss of closed spreads: the sum of both trades, as one line and as a history."""

import logging
from typing import Any

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._moments import to_ms
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.errors import StoreError
from freqtrade_ext.spreads import (
    ClosedSpread,
    EntryPlan,
    LegFill,
    LegName,
    RecordStore,
    SpreadResult,
    TrackRecord,
    naked_time,
)

__all__ = ["SpreadResults"]

logger = logging.getLogger(__name__)


class SpreadResults:
    """Closed spreads, oldest first; a trading bot keeps them over restarts."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._results = [SpreadResult(**document) for document in store.results()]

    @property
    def history(self) -> TrackRecord:
        """What the entry rules and the sizing may learn from."""
        return TrackRecord(
            [result.net / result.notional for result in self._results],
            [share for result in self._results if (share := result.realised_share) is not None],
        )

    def is_final(self, spread: ClosedSpread) -> bool:
        """Whether Freqtrade has closed every trade of the spread: until then its P&L is open."""
        return not any(_leg_of(trade, spread) for trade in Trade.get_trades_proxy(is_open=True))

    def book(self, spread: ClosedSpread) -> SpreadResult | None:
        """
        Add a spread that became flat, and report it as one line; once, also after a kill.

        Returns None where it is known already or ended without a trade.
        """
        spread_id = spread.record.position.spread_id
        if any((r.spread_id, r.closed_ms) == (spread_id, spread.closed_ms) for r in self._results):
            return None
        trades = _trades(spread)
        plan = spread.record.position.plan
        if plan is None or not trades:
            logger.info("[EXECUTION] %s ended without a trade", spread_id)
            return None
        if len(trades) < len(LegName):
            logger.warning("[EXECUTION] %s had one leg only", spread_id)
        result = _result(spread, plan, trades)
        self._results.append(result)
        try:
            self._store.add_result(result.spread_id, result.as_json())
        except StoreError as error:
            logger.error("[EXECUTION] the result of %s is lost: %s", result.spread_id, error)
        logger.info("[EXECUTION] %s", result.line())
        return result


def _trades(spread: ClosedSpread) -> dict[LegName, Any]:
    """Find the closed trades of the legs that had fills; the newest are last."""
    found: dict[LegName, Any] = {}
    for trade in reversed(list(Trade.get_trades_proxy(is_open=False))):
        leg = _leg_of(trade, spread)
        if leg is not None and _filled_orders(trade):
            found[leg] = trade
            if len(found) == len(spread.record.trade_ids):
                break
    return found


def _leg_of(trade: Any, spread: ClosedSpread) -> LegName | None:
    """Which leg of the spread, in this episode of it, a trade was, if any."""
    record = spread.record
    if trade.open_date_utc.timestamp() * 1000 > spread.closed_ms:
        return None
    spread_id = record.position.spread_id
    legs = (leg for leg, trade_id in record.trade_ids.items() if trade_id == trade.id)
    return next((leg for leg in legs if EntryTag.marks(trade, spread_id, leg)), None)


def _result(spread: ClosedSpread, plan: EntryPlan, trades: dict[LegName, Any]) -> SpreadResult:
    net = sum(float(trade.close_profit_abs or 0.0) for trade in trades.values())
    funding = sum(float(trade.funding_fees or 0.0) for trade in trades.values())
    fees = sum(_fees(trade) for trade in trades.values())
    naked = naked_time(_leg_fills(trades), plan)
    return SpreadResult(
        spread_id=spread.record.position.spread_id,
        direction=plan.direction.value,
        reason=spread.reason.value,
        signal_ms=spread.record.signal_ms,
        closed_ms=spread.closed_ms,
        z_at_entry=plan.z_at_entry,
        z_at_exit=spread.z_at_exit,
        hedge_ratio=plan.hedge_ratio,
        fills=sum(len(_filled_orders(trade)) for trade in trades.values()),
        gross=net + fees - funding,
        fees=fees,
        funding=funding,
        net=net,
        notional=sum(_entered(trade) for trade in trades.values()),
        realised_share=_realised_share(spread, plan, trades, net + fees - funding),
        naked_exposure=naked.exposure,
        naked_seconds=naked.seconds,
    )


def _realised_share(
    spread: ClosedSpread, plan: EntryPlan, trades: dict[LegName, Any], gross: float
) -> float | None:
    """Gross move over the promised one; None without both legs or without a promise."""
    promised = (abs(plan.z_at_entry) - spread.record.exit_z) * spread.record.scale
    if promised <= 0 or len(trades) < len(LegName):
        return None
    leg_a = trades[LegName.A]
    unit = 1.0 if plan.hedge_space == "log" else leg_a.open_rate
    return gross / _entered(leg_a) / (promised / unit)


def _filled_orders(trade: Any) -> list[Any]:
    return [order for order in trade.orders if order.safe_filled]


def _leg_fills(trades: dict[LegName, Any]) -> list[LegFill]:
    return [
        LegFill(
            leg=leg,
            quantity=order.safe_filled * (1 if order.side == "buy" else -1),
            price=order.safe_price,
            time_ms=_filled_ms(order),
        )
        for leg, trade in trades.items()
        for order in _filled_orders(trade)
    ]


def _filled_ms(order: Any) -> int:
    moment = order.order_filled_utc or order.order_date_utc
    return to_ms(moment)


def _entered(trade: Any) -> float:
    """Notional of all entries; after a partial exit the trade's own amount is only the rest."""
    return sum(_value(order) for order in _filled_orders(trade) if _is_entry(order, trade))


def _fees(trade: Any) -> float:
    """Fees of all fills, by the rates that Freqtrade's own profit has been reduced by."""
    return sum(
        _value(order) * (trade.fee_open if _is_entry(order, trade) else trade.fee_close)
        for order in _filled_orders(trade)
    )


def _is_entry(order: Any, trade: Any) -> bool:
    return bool(order.ft_order_side == trade.entry_side)


def _value(order: Any) -> float:
    return float(order.safe_filled * order.safe_price)
