"""Profit and loss of closed spreads: the sum of both trades, as one line and as a history."""

import logging
from collections.abc import Iterable
from typing import Any

from freqtrade.persistence import Trade

from freqtrade_ext.errors import StoreError
from freqtrade_ext.spreads import (
    ClosedSpread,
    EntryPlan,
    LegName,
    RecordStore,
    SpreadResult,
    TrackRecord,
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
            tuple(result.net / result.notional for result in self._results),
            tuple(
                result.realised_share
                for result in self._results
                if result.realised_share is not None
            ),
        )

    def book(self, closed: Iterable[ClosedSpread]) -> None:
        """Add spreads that became flat, and report each as one line."""
        for spread in closed:
            trades = _trades(spread)
            plan = spread.record.position.plan
            if plan is None or len(trades) < len(LegName):
                logger.warning(
                    "[EXECUTION] %s ended with one leg only (%s); not counted as a closed spread",
                    spread.record.position.spread_id,
                    spread.reason,
                )
                continue
            result = _result(spread, plan, trades)
            self._results.append(result)
            try:
                self._store.add_result(result.spread_id, result.as_json())
            except StoreError as error:
                logger.error("[EXECUTION] the result of %s is lost: %s", result.spread_id, error)
            logger.info("[EXECUTION] %s", result.line())


def _trades(spread: ClosedSpread) -> list[Any]:
    wanted = [spread.record.trade_ids.get(leg) for leg in LegName]
    found = {trade.id: trade for trade in Trade.get_trades_proxy(is_open=False)}
    return [found[trade_id] for trade_id in wanted if trade_id in found]


def _result(spread: ClosedSpread, plan: EntryPlan, trades: list[Any]) -> SpreadResult:
    net = sum(float(trade.close_profit_abs or 0.0) for trade in trades)
    funding = sum(float(trade.funding_fees or 0.0) for trade in trades)
    fees = sum(_fees(trade) for trade in trades)
    gross = net + fees - funding
    notional_a, notional_b = (_entered(trade) for trade in trades)
    promised = (abs(plan.z_at_entry) - spread.record.exit_z) * spread.record.scale
    if plan.hedge_space == "price":
        promised /= trades[0].open_rate
    return SpreadResult(
        spread_id=spread.record.position.spread_id,
        direction=plan.direction.value,
        reason=spread.reason.value,
        signal_ms=spread.record.signal_ms,
        closed_ms=spread.closed_ms,
        z_at_entry=plan.z_at_entry,
        z_at_exit=spread.z_at_exit,
        hedge_ratio=plan.hedge_ratio,
        fills=sum(len(_filled_orders(trade)) for trade in trades),
        gross=gross,
        fees=fees,
        funding=funding,
        net=net,
        notional=notional_a + notional_b,
        realised_share=gross / notional_a / promised if promised > 0 else None,
    )


def _filled_orders(trade: Any) -> list[Any]:
    return [order for order in trade.orders if order.safe_filled]


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
