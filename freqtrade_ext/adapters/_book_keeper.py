"""Freqtrade's trades and orders as execution's books, and how an order gets into them.

An adopted order is entered as an *open* row, whatever its state on the exchange: Freqtrade itself
then looks it up, at its start or in its next loop, and books fills, fees, stop orders and messages
as it would have done had it known the order from the beginning.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from freqtrade.exceptions import FreqtradeException
from freqtrade.persistence import Order, Trade
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from freqtrade_ext.adapters._moments import as_utc, from_ms, to_ms
from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    AccountBooks,
    BookedOrderRef,
    BookedTrade,
    Intent,
    IntentPurpose,
    OrderGuard,
    OrderReport,
    OrderSide,
)

__all__ = ["BotSide", "FreqtradeBooks"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BotSide:
    """What a new trade needs to know of the bot."""

    exchange: Any
    strategy_name: str
    stoploss: float
    stake_currency: str
    timeframe_minutes: int
    trading_mode: Any
    margin_mode: str


class FreqtradeBooks:
    """
    The trades of the bot's database.

    Parameters
    ----------
    bot : BotSide
    markets : callable
        Markets that this bot may trade.
    guard : OrderGuard, optional
        Knows the repair orders that have not settled.
    """

    def __init__(
        self, bot: BotSide, markets: Callable[[], frozenset[str]], guard: OrderGuard | None = None
    ) -> None:
        self._bot = bot
        self._markets = markets
        self._guard = guard

    def read(self) -> AccountBooks:
        """Read every open trade."""
        with _database():
            trades = tuple(self._booked(trade) for trade in Trade.get_open_trades())
        markets = self._markets() | {trade.market for trade in trades}
        return AccountBooks(trades=trades, markets=frozenset(markets))

    def _booked(self, trade: Any) -> BookedTrade:
        tag = EntryTag.parse(trade.enter_tag)
        return BookedTrade(
            trade_id=trade.id,
            market=trade.pair,
            quantity=_decimal(trade.amount) * (-1 if trade.is_short else 1),
            entry_price=_decimal(trade.open_rate),
            leverage=float(trade.leverage or 1.0),
            margin_mode=self._bot.margin_mode,
            opened_ms=to_ms(as_utc(trade.open_date)),
            changed_ms=max((_changed_ms(order) for order in trade.orders), default=0),
            orders=tuple(
                BookedOrderRef(
                    venue_order_id=str(order.order_id),
                    market=trade.pair,
                    is_open=bool(order.ft_is_open),
                    is_stop=order.ft_order_side == "stoploss",
                )
                for order in trade.orders
            ),
            owner=tag.spread_id if tag else None,
            leg=tag.leg.value if tag else None,
        )

    def mend(self) -> None:
        """
        Let Freqtrade look again at filled exits that it has not taken off their trade.

        It commits an order with its fill before it books the fill; a bot that is killed in between
        holds, by its books, what the exchange has sold. Freqtrade looks up open rows only.
        """
        with _database():
            for trade in Trade.get_open_trades():
                if not trade.has_open_orders:
                    self._mend(trade)

    def _mend(self, trade: Any) -> None:
        rows = [order for order in trade.orders if order.safe_filled and not order.ft_is_open]
        exits = [order for order in rows if order.ft_order_side != trade.entry_side]
        booked = sum(o.safe_amount_after_fee * (-1 if o in exits else 1) for o in rows)
        lot = float(self._bot.exchange.get_precision_amount(trade.pair) or 1e-8)
        if not exits or trade.amount - booked < lot / 2:
            return
        exits[-1].ft_is_open = True
        Trade.commit()
        logger.warning(
            "[SAFETY] order %s of %s was filled and is not booked in trade %s; it is looked up",
            exits[-1].order_id,
            trade.pair,
            trade.id,
        )

    def drop_empty(self) -> None:
        """
        Delete open trades that hold nothing and wait for nothing.

        Freqtrade does so when it cancels an entry without a fill; a bot that is killed in between
        leaves one, and its market could not be entered again.
        """
        with _database():
            for trade in Trade.get_open_trades():
                held = trade.amount or any(order.safe_filled for order in trade.orders)
                if held or trade.has_open_orders or not trade.orders:
                    continue
                text = "[SAFETY] trade %s of %s never held anything and is deleted"
                logger.warning(text, trade.id, trade.pair)
                trade.delete()

    def has_order(self, market: str, venue_order_id: str) -> bool:
        """Whether any trade, open or closed, shows this order."""
        wanted = (Order.order_id == str(venue_order_id)) & (Order.ft_pair == market)
        with _database():
            return Order.session.execute(select(Order.id).where(wanted)).first() is not None

    def adopt(self, report: OrderReport, intent: Intent | None) -> bool:
        """
        Enter an order; False where no trade can take it and no intent says what it is.

        Raises
        ------
        VenueError
            If the exchange does not say what a new trade needs to know; nothing is entered then.
        StoreError
            If the database does not take it.
        """
        if self.has_order(report.market, report.venue_order_id):
            return True
        with _database():
            return self._adopt(report, intent)

    def _adopt(self, report: OrderReport, intent: Intent | None) -> bool:
        trade = self._trade_for(report, intent)
        if trade is None:
            if intent is None or intent.reduce_only or intent.purpose is IntentPurpose.REPAIR:
                return False
            trade = self._asked_for(report, intent)
        trade.orders.append(self._open_row(report, intent, trade))
        if report.side.value == trade.exit_side and report.kind.value != "stop":
            trade.exit_reason = (intent.tag if intent else "") or "closed_on_exchange"
        Trade.session.add(trade)
        Trade.commit()
        logger.warning(
            "[SAFETY] order %s of %s (%s) was not in the books and is adopted into trade %s",
            report.client_order_id,
            report.market,
            intent.purpose if intent else report.origin,
            trade.id,
            extra={"client_order_id": report.client_order_id, "trade": trade.id},
        )
        return True

    def _trade_for(self, report: OrderReport, intent: Intent | None) -> Any:
        """Find the open trade that an order belongs to: one trade a market, in Freqtrade."""
        for trade in Trade.get_trades_proxy(pair=report.market, is_open=True):
            if intent is not None and _is_of_another_trade(intent, trade):
                continue
            if intent is None or intent.owner is None or EntryTag.parse(trade.enter_tag) is None:
                return trade
            if EntryTag.marks(trade, intent.owner, intent.leg):
                return trade
        return None

    def _asked_for(self, report: OrderReport, intent: Intent) -> Any:
        try:
            return self._new_trade(report, intent)
        except FreqtradeException as error:
            # Freqtrade's errors are none of execution's: one order's would end the whole pass.
            raise VenueError(
                f"{report.market}: order {report.venue_order_id} is not adopted yet, the exchange "
                f"does not say what its trade needs: {error}"
            ) from error

    def _new_trade(self, report: OrderReport, intent: Intent) -> Any:
        bot, exchange, market = self._bot, self._bot.exchange, report.market
        price = float(report.average_price or intent.price or _last_price(exchange, market))
        fee = exchange.get_fee(symbol=market, taker_or_maker="maker")
        trade = Trade(
            pair=market,
            base_currency=exchange.get_pair_base_currency(market),
            stake_currency=bot.stake_currency,
            stake_amount=float(report.quantity) * price / intent.leverage,
            amount=0,
            is_open=True,
            amount_requested=float(report.quantity),
            fee_open=fee,
            fee_close=fee,
            open_rate=price,
            open_rate_requested=price,
            open_date=from_ms(report.time_ms or intent.created_ms),
            exchange=exchange.id,
            strategy=bot.strategy_name,
            enter_tag=intent.tag,
            timeframe=bot.timeframe_minutes,
            leverage=intent.leverage,
            is_short=report.side is OrderSide.SELL,
            trading_mode=bot.trading_mode,
            funding_fees=0.0,
            amount_precision=exchange.get_precision_amount(market),
            price_precision=exchange.get_precision_price(market),
            precision_mode=exchange.precisionMode,
            precision_mode_price=exchange.precision_mode_price,
            contract_size=exchange.get_contract_size(market),
        )
        trade.adjust_stop_loss(trade.open_rate, bot.stoploss, initial=True)
        return trade

    def _open_row(self, report: OrderReport, intent: Intent | None, trade: Any) -> Any:
        order_side = "stoploss" if report.kind.value == "stop" else report.side.value
        raw = {
            "id": report.venue_order_id,
            "symbol": report.market,
            "status": "open",
            "type": report.kind.value,
            "side": report.side.value,
            "amount": float(report.quantity),
            # What is known already: the desk has heard of it, and books must not take it back.
            "filled": float(report.filled_quantity),
            "remaining": float(report.quantity - report.filled_quantity),
            "price": float(report.average_price) if report.average_price else None,
            "timestamp": report.time_ms or None,
            "stopPrice": float(intent.price) if intent and intent.price else None,
        }
        price = float(report.average_price or trade.open_rate)
        row = Order.parse_from_ccxt_object(
            raw, report.market, order_side, float(report.quantity), price
        )
        row.ft_order_tag = intent.tag if intent else report.origin.value
        return row

    def write_off(self, trade: BookedTrade, quantity: Decimal, price: Decimal, text: str) -> bool:
        """Book an exit at `price` for which no order can be found."""
        with _database():
            return self._write_off(trade, quantity, price, text)

    def _write_off(self, trade: BookedTrade, quantity: Decimal, price: Decimal, text: str) -> bool:
        open_trades = Trade.get_trades_proxy(pair=trade.market, is_open=True)
        booked = next((each for each in open_trades if each.id == trade.trade_id), None)
        if booked is None:
            return False
        now = datetime.now(UTC)
        order = Order.parse_from_ccxt_object(
            {
                "id": f"ext-{trade.trade_id}-{to_ms(now)}",
                "symbol": trade.market,
                "status": "closed",
                "type": "market",
                "side": booked.exit_side,
                "amount": float(quantity),
                "filled": float(quantity),
                "remaining": 0.0,
                "average": float(price),
                "price": float(price),
                "cost": float(quantity * price),
                "timestamp": to_ms(now),
            },
            trade.market,
            booked.exit_side,
            float(quantity),
            float(price),
        )
        order.ft_order_tag = "closed_on_exchange"
        booked.orders.append(order)
        booked.exit_reason = "closed_on_exchange"
        # Freqtrade would look the order up for its fee, in every loop and before anything else.
        fee = float(quantity * price) * booked.fee_close
        booked.update_fee(fee, self._bot.stake_currency, booked.fee_close, booked.exit_side)
        booked.update_trade(order)
        Trade.commit()
        logger.warning("[SAFETY] trade %s (%s): %s", trade.trade_id, trade.market, text)
        return True

    def flattening_intents(self, market: str) -> Sequence[Intent]:
        """Repair orders on this market that have not settled."""
        if self._guard is None:
            return ()
        return [
            intent
            for intent in self._guard.open_questions(market)
            if intent.purpose is IntentPurpose.REPAIR
        ]


@contextmanager
def _database() -> Iterator[None]:
    """Undo what the database does not take, and make it a `StoreError`: the session lives on."""
    try:
        yield
    except SQLAlchemyError as error:
        Trade.rollback()
        raise StoreError(f"the bot's database did not take it: {error}") from error


def _last_price(exchange: Any, market: str) -> float:
    price = exchange.fetch_ticker(market).get("last")
    if not price:
        raise VenueError(f"{market}: the exchange does not know a last price")
    return float(price)


def _is_of_another_trade(intent: Intent, trade: Any) -> bool:
    """Whether it was to close an earlier trade; the number of a deleted one tells nothing."""
    if not intent.reduce_only or intent.trade_id in {None, trade.id}:
        return False
    return Trade.session.get(Trade, intent.trade_id) is not None


def _changed_ms(order: Any) -> int:
    """When an order last changed the books; Freqtrade touches an open stop in every loop."""
    moments = [order.order_date, order.order_filled_date]
    if not order.ft_is_open:
        moments.append(order.order_update_date)
    return max((to_ms(as_utc(moment)) for moment in moments if moment is not None), default=0)


def _decimal(number: float | None) -> Decimal:
    return Decimal(str(number or 0.0))
