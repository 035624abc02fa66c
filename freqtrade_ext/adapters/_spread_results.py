"""Profit and loss of closed spreads: the sum of both trades, as one line and as a history."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from freqtrade.persistence import Trade

from freqtrade_ext.spreads import ClosedSpread, LegName, TrackRecord

__all__ = ["SpreadResults"]

logger = logging.getLogger(__name__)


@dataclass
class SpreadResults:
    """Closed spreads of this run, oldest first."""

    returns: list[float] = field(default_factory=list)
    realised_shares: list[float] = field(default_factory=list)

    @property
    def history(self) -> TrackRecord:
        """What the entry rules and the sizing may learn from."""
        return TrackRecord(tuple(self.returns), tuple(self.realised_shares))

    def book(self, closed: Iterable[ClosedSpread]) -> None:
        """Add spreads that became flat, and report each as one line."""
        for spread in closed:
            plan = spread.record.position.plan
            trades = _trades(spread)
            if plan is None or len(trades) < len(LegName):
                logger.warning(
                    "[EXECUTION] %s ended without both legs (%s); not counted as a closed spread",
                    spread.record.position.spread_id,
                    spread.reason,
                )
                continue
            gross = sum(_gross_profit(trade) for trade in trades)
            net = sum(float(trade.close_profit_abs or 0.0) for trade in trades)
            funding = sum(float(trade.funding_fees or 0.0) for trade in trades)
            notional_a, notional_b = (_notional(trade) for trade in trades)
            promised = (abs(plan.z_at_entry) - spread.record.exit_z) * spread.record.scale
            if plan.hedge_space == "price":
                promised /= trades[0].open_rate
            self.returns.append(net / (notional_a + notional_b))
            if promised > 0:
                self.realised_shares.append(gross / notional_a / promised)
            logger.info(
                "[EXECUTION] %s %s closed: %s, z %.2f -> %.2f, gross %.4f, fees %.4f, "
                "funding %.4f, net %.4f",
                spread.record.position.spread_id,
                plan.direction.value,
                spread.reason,
                plan.z_at_entry,
                spread.z_at_exit,
                gross,
                gross + funding - net,
                funding,
                net,
            )


def _trades(spread: ClosedSpread) -> list[Any]:
    wanted = [spread.record.trade_ids.get(leg) for leg in LegName]
    found = {trade.id: trade for trade in Trade.get_trades_proxy(is_open=False)}
    return [found[trade_id] for trade_id in wanted if trade_id in found]


def _notional(trade: Any) -> float:
    return float(trade.amount * trade.open_rate)


def _gross_profit(trade: Any) -> float:
    move = (trade.close_rate - trade.open_rate) * (-1 if trade.is_short else 1)
    return float(move * trade.amount)
