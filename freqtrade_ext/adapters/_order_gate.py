"""Where Freqtrade's orders pass the order guard: the ccxt object that it sends them with.

Five methods of that one object are wrapped, none of a class. Freqtrade goes on calling them as
before; it does not know that its order was written down first, that the other leg left in the same
request, or that a lost answer was looked up.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, Protocol

import ccxt
from freqtrade.exceptions import FreqtradeException
from sqlalchemy.exc import SQLAlchemyError

from freqtrade_ext.adapters._ccxt_venue import CcxtVenue, OrderCall
from freqtrade_ext.errors import ExtensionError, StoreError
from freqtrade_ext.execution import (
    Clock,
    Intent,
    IntentPurpose,
    IntentState,
    OrderGuard,
    OrderKind,
    OrderOutcome,
    OrderSide,
)

__all__ = ["AskedOrder", "OrderGate", "OrderOwner"]

logger = logging.getLogger(__name__)

# Binance forgets orders that ended without a fill after three days; before that "no such order" is
# not believed of an order that it has accepted.
_FORGETS_AFTER_MS: Final = 3 * 24 * 3_600_000
# Orders have been denied for more than 20 s after they were accepted.
_SHOWS_STOPS_AFTER_MS: Final = 60_000
_OURS: Final = (ExtensionError, SQLAlchemyError)
_WRAPPED: Final = (
    "create_order",
    "fetch_order",
    "fetch_orders",
    "set_leverage",
    "set_margin_mode",
)
_LETTERS: Final = {
    IntentPurpose.STOP: "s",
    IntentPurpose.FORCED: "f",
    IntentPurpose.ENTRY: "e",
    IntentPurpose.TRIM: "t",
    IntentPurpose.EXIT: "x",
}


@dataclass(frozen=True, slots=True)
class AskedOrder:
    """An order that Freqtrade wants to send now; quantity is positive base units."""

    market: str
    side: OrderSide
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool


class OrderOwner(Protocol):
    """Who knows what an order is for."""

    def claim(self, asked: AskedOrder) -> Sequence[Intent]:
        """
        Say which order this is, and which others are to leave with it.

        The first intent is the asked order itself. Empty: not an order of the owner's.
        """

    def react(self, outcomes: Sequence[OrderOutcome]) -> Sequence[Intent]:
        """Return orders that must follow at once, e.g. the end of a leg whose partner failed."""

    def held(self, market: str) -> Decimal:
        """Return the signed position of a market by the books."""

    def counted(self, market: str) -> Mapping[str, Decimal]:
        """Return the ended orders that make up `held`: filled quantity by the venue's id."""

    def trade_of(self, market: str) -> int | None:
        """Return the open trade of a market by the books."""

    def purpose_of(self, asked: AskedOrder) -> IntentPurpose:
        """Say why an order is sent that nobody claims; not asked of stops."""

    def said_of(self, market: str, *, reduce_only: bool) -> str:
        """Return what the books will say of an order that nobody claims."""


class OrderGate:
    """
    The wrapped methods of one ccxt object.

    Parameters
    ----------
    exchange : freqtrade.exchange.Exchange
    venue : CcxtVenue
    guard : OrderGuard
    owner : OrderOwner
    by_venue_order : callable
        ``(market, venue order id) -> Intent | None``.
    has_order : callable
        ``(market, venue order id)``: whether Freqtrade's books show the order.
    clock : Clock
    """

    def __init__(
        self,
        exchange: Any,
        venue: CcxtVenue,
        guard: OrderGuard,
        owner: OrderOwner,
        by_venue_order: Callable[[str, str], Intent | None],
        has_order: Callable[[str, str], bool],
        clock: Clock,
    ) -> None:
        self._exchange = exchange
        self._api = exchange._api
        self._class = type(self._api)
        self._venue = venue
        self._guard = guard
        self._owner = owner
        self._by_venue_order = by_venue_order
        self._has_order = has_order
        self._clock = clock
        self._leverage: dict[str, float] = {}
        self._margin_mode: dict[str, str] = {}
        self._serial = 0
        self._closed = ""
        self._held_back = ""

    def install(self, markets: Sequence[str]) -> None:
        """Wrap the object's methods, and learn which leverage and margin modes are set already."""
        self.learn_settings(self._api, markets)
        api = self._api
        api.create_order = self.create_order
        api.fetch_order = self.fetch_order
        api.fetch_orders = self.fetch_orders
        api.set_leverage = self.set_leverage
        api.set_margin_mode = self.set_margin_mode

    def remove(self) -> None:
        """Give the object its own methods back."""
        for name in _WRAPPED:
            self._api.__dict__.pop(name, None)

    def close(self, text: str) -> None:
        """Send no order any more, from the next one on."""
        self._closed = text

    def hold_back(self, text: str) -> None:
        """Send no order that adds; an empty text: send them again."""
        self._held_back = text

    # Orders

    def create_order(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: float,
        price: float | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send an order through the guard; answers and errors are ccxt's."""
        params = dict(params or {})
        # Any other error than ccxt's would end the bot, with every other spread unmanaged.
        try:
            asked = self._asked(symbol, type, side, amount, price, params)
            self._check(asked)
            intents = self._owner.claim(asked) or [self._unclaimed(asked)]
            ready = [intents[0], *(other for other in intents[1:] if self._is_ready(other))]
        except _OURS as error:
            raise ccxt.InvalidOrder(f"not sent: {error}") from error
        name = intents[0].client_order_id
        self._venue.prepare(name, OrderCall(type, amount, price, params))
        try:
            outcomes = self._guard.send(ready)
            following = self._owner.react(outcomes)
            if following:
                # Freqtrade has not asked for these: its books adopt them in its next loop.
                self._guard.send(following)
        except _OURS as error:
            raise ccxt.RequestTimeout(f"{name}: {error}") from error
        finally:
            self._venue.forget(name)
        return self._answer(outcomes[0])

    def _check(self, asked: AskedOrder) -> None:
        if self._closed or (self._held_back and not asked.reduce_only):
            raise ccxt.InvalidOrder(f"no such order is sent: {self._closed or self._held_back}")
        if asked.quantity <= 0:
            raise ccxt.InvalidOrder(f"{asked.market}: {asked.quantity} is below the smallest order")

    def _asked(
        self,
        symbol: str,
        type_: str,
        side: str,
        amount: float,
        price: float | None,
        params: Mapping[str, Any],
    ) -> AskedOrder:
        trigger = params.get("stopPrice") or params.get("triggerPrice")
        kind = OrderKind.MARKET if type_ == "market" else OrderKind.LIMIT
        units = self._exchange._contracts_to_amount(symbol, float(amount))
        level = trigger or price
        has_price = bool(trigger) or kind is OrderKind.LIMIT
        return AskedOrder(
            market=symbol,
            side=OrderSide(side),
            kind=OrderKind.STOP if trigger else kind,
            quantity=Decimal(str(units)),
            price=None if level is None or not has_price else Decimal(str(level)),
            reduce_only=bool(params.get("reduceOnly")),
        )

    def _unclaimed(self, asked: AskedOrder) -> Intent:
        """
        Name an order that belongs to no spread: a stop, one of a single market, a forced one.

        Where an order like it has an open question, or was accepted and never reached the books,
        it is that order: Freqtrade asks again because it does not know.
        """
        known = (*self._guard.open_questions(asked.market), *self._guard.unbooked())
        same = [each for each in known if _is_same(each, asked) and not self._is_in_books(each)]
        if same:
            return same[-1]
        self._serial += 1
        now_ms = self._clock.now_ms()
        is_stop = asked.kind is OrderKind.STOP
        purpose = IntentPurpose.STOP if is_stop else self._owner.purpose_of(asked)
        digest = sha256(asked.market.encode()).hexdigest()[:8]
        return Intent(
            client_order_id=f"fx-{digest}-{_LETTERS[purpose]}{self._serial}-{now_ms}",
            market=asked.market,
            side=asked.side,
            kind=asked.kind,
            quantity=asked.quantity,
            price=asked.price,
            reduce_only=asked.reduce_only,
            purpose=purpose,
            attempt=self._serial,
            created_ms=now_ms,
            trade_id=self._owner.trade_of(asked.market),
            leverage=self._leverage.get(asked.market, 1.0),
            tag=self._owner.said_of(asked.market, reduce_only=asked.reduce_only),
            held_before=self._owner.held(asked.market),
            counted=self._owner.counted(asked.market),
        )

    def _is_in_books(self, intent: Intent) -> bool:
        """Whether Freqtrade has the order already: then it asks for another one like it."""
        if intent.venue_order_id is None:
            return False
        if not self._has_order(intent.market, intent.venue_order_id):
            return False
        self._guard.mark_booked(intent.client_order_id)
        return True

    def _is_booked(self, intent: Intent, venue_order_id: str) -> bool:
        try:
            return self._is_in_books(replace(intent, venue_order_id=venue_order_id))
        except _OURS:  # an answer must reach Freqtrade, whatever the database does
            return False

    def _is_ready(self, intent: Intent) -> bool:
        """Set leverage and margin mode for an order that Freqtrade has not asked for itself."""
        if intent.reduce_only:
            return True
        try:
            self._exchange._lev_prep(intent.market, intent.leverage, intent.side.value)
        except FreqtradeException as error:
            logger.warning("[EXECUTION] %s does not go along: %s", intent.client_order_id, error)
            return False
        return True

    def _answer(self, sent: OrderOutcome) -> dict[str, Any]:
        if sent.report is not None:
            if self._is_booked(sent.intent, sent.report.venue_order_id):
                # A second row of one order would count its fills twice.
                raise ccxt.RequestTimeout(f"{sent.intent.client_order_id} is in the books already")
            return dict(sent.report.raw)
        if isinstance(sent.error, ccxt.BaseError):
            raise sent.error
        text = f"{sent.intent.client_order_id} is {sent.intent.state}: {sent.intent.text}"
        if sent.intent.state in {IntentState.REJECTED, IntentState.DENIED}:
            raise ccxt.InvalidOrder(text) from sent.error
        raise ccxt.RequestTimeout(text) from sent.error

    def fetch_order(
        self,
        id: str,
        symbol: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Ask for an order; an accepted order that the exchange denies is not taken for gone."""
        try:
            order: dict[str, Any] = self._class.fetch_order(
                self._api, id, symbol, dict(params or {})
            )
        except ccxt.OrderNotFound as error:
            return self._denied(symbol or "", str(id), error)
        return order

    def _denied(
        self, market: str, venue_order_id: str, error: ccxt.OrderNotFound
    ) -> dict[str, Any]:
        try:
            intent = self._by_venue_order(market, venue_order_id)
        except StoreError as trouble:  # not being able to ask is not "gone"
            raise ccxt.NetworkError(f"order {venue_order_id}: {trouble}") from error
        if intent is None or intent.state is not IntentState.CONFIRMED:
            raise error
        age_ms = self._clock.now_ms() - intent.created_ms
        if intent.kind is OrderKind.STOP:
            # An error here would keep Freqtrade from closing the trade at all.
            if age_ms < _SHOWS_STOPS_AFTER_MS:
                return _waiting_stop(intent, venue_order_id)
            raise error
        if age_ms < _FORGETS_AFTER_MS:
            text = f"the exchange denies order {venue_order_id}, which it has accepted: {error}"
            raise ccxt.NetworkError(text) from error
        raise error

    def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """
        Answer Freqtrade's own search for lost orders: there are none, reconciliation finds them.

        That search counts every order of a trade anew, one after the other, and closes the trade
        at an exit that is as big as what is left by then: after two partial closes the rest of the
        position would be nobody's. It asks no policy either, and takes what a stranger has waiting
        on the exchange for an exit of the trade.
        """
        return []

    # Settings of a market, which Freqtrade sends before every order

    def learn_settings(self, api: Any, markets: Sequence[str]) -> None:
        """
        Ask which leverage and margin mode each market has; one that is not known is set anew.

        Parameters
        ----------
        api : ccxt.Exchange
            The connection to ask on: a thread must use its own.
        markets : sequence of str
        """
        if not markets or not api.has.get("fetchLeverages"):
            return
        try:
            rows = api.fetch_leverages(list(markets))
        except ccxt.BaseError as error:  # they are set before the first order then
            logger.info("[EXECUTION] leverages are not known: %s", error)
            return
        for market, row in rows.items():
            self._leverage[market] = float(row.get("longLeverage") or 0.0)
            self._margin_mode[market] = str(row.get("marginMode"))

    def set_leverage(
        self,
        leverage: float,
        symbol: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """Set a leverage, unless it is set."""
        if symbol is not None and self._leverage.get(symbol) == leverage:
            return {}
        self._leverage.pop(symbol or "", None)
        answer = self._class.set_leverage(self._api, leverage, symbol, dict(params or {}))
        self._leverage[symbol or ""] = leverage
        return answer

    def set_margin_mode(
        self,
        marginMode: str,  # noqa: N803 - ccxt's name
        symbol: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """Set a margin mode, unless it is set."""
        if symbol is not None and self._margin_mode.get(symbol) == marginMode:
            return {}
        self._margin_mode.pop(symbol or "", None)
        try:
            answer = self._class.set_margin_mode(self._api, marginMode, symbol, dict(params or {}))
        except ccxt.MarginModeAlreadySet:
            self._margin_mode[symbol or ""] = marginMode
            raise
        self._margin_mode[symbol or ""] = marginMode
        return answer

    def forget_settings(self, market: str) -> None:
        """Set leverage and margin mode anew before the next order: someone has changed them."""
        self._leverage.pop(market, None)
        self._margin_mode.pop(market, None)


def _is_same(intent: Intent, asked: AskedOrder) -> bool:
    order = (intent.market, intent.side, intent.kind, intent.reduce_only, intent.quantity)
    wanted = (asked.market, asked.side, asked.kind, asked.reduce_only, asked.quantity)
    return order == wanted and intent.price == asked.price and intent.owner is None


def _waiting_stop(intent: Intent, venue_order_id: str) -> dict[str, Any]:
    """Answer what is known of a stop: it was accepted and waits."""
    return {
        "id": venue_order_id,
        "clientOrderId": intent.client_order_id,
        "symbol": intent.market,
        "type": "market",
        "side": intent.side.value,
        "status": "open",
        "amount": float(intent.quantity),
        "filled": 0.0,
        "remaining": float(intent.quantity),
        "price": None,
        "average": None,
        "cost": 0.0,
        "fee": None,
        "stopPrice": float(intent.price) if intent.price is not None else None,
        "timestamp": intent.created_ms,
        "info": {},
    }
