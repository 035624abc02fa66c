"""Where Freqtrade's orders pass the order guard: the ccxt object that it sends them with.

Four methods of that one object are wrapped, none of a class. Freqtrade goes on calling them as
before; it does not know that its order was written down first, that the other leg left in the same
request, or that a lost answer was looked up.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, Protocol

import ccxt
from freqtrade.exceptions import ExchangeError

from freqtrade_ext.adapters._ccxt_venue import CcxtVenue, OrderCall
from freqtrade_ext.errors import StoreError
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
_LETTERS: Final = {
    IntentPurpose.STOP: "s",
    IntentPurpose.FORCED: "f",
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
    clock : Clock
    """

    def __init__(
        self,
        exchange: Any,
        venue: CcxtVenue,
        guard: OrderGuard,
        owner: OrderOwner,
        by_venue_order: Callable[[str, str], Intent | None],
        clock: Clock,
    ) -> None:
        self._exchange = exchange
        self._api = exchange._api
        self._class = type(self._api)
        self._venue = venue
        self._guard = guard
        self._owner = owner
        self._by_venue_order = by_venue_order
        self._clock = clock
        self._leverage: dict[str, float] = {}
        self._margin_mode: dict[str, str] = {}
        self._serial = 0
        self._closed = ""

    def install(self, markets: Sequence[str]) -> None:
        """Wrap the object's methods, and learn which leverage and margin modes are set already."""
        self._learn_settings(markets)
        api = self._api
        api.create_order = self.create_order
        api.fetch_order = self.fetch_order
        api.set_leverage = self.set_leverage
        api.set_margin_mode = self.set_margin_mode

    def remove(self) -> None:
        """Give the object its own methods back."""
        for name in ("create_order", "fetch_order", "set_leverage", "set_margin_mode"):
            self._api.__dict__.pop(name, None)

    def close(self, text: str) -> None:
        """Send no order any more, from the next one on."""
        self._closed = text

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
        if self._closed:
            raise ccxt.PermissionDenied(f"no order is sent any more: {self._closed}")
        params = dict(params or {})
        asked = self._asked(symbol, type, side, amount, price, params)
        try:
            intents = self._owner.claim(asked) or [self._unclaimed(asked)]
        except StoreError as error:  # any other error than ccxt's would end the bot
            raise ccxt.InvalidOrder(f"not sent: {error}") from error
        self._venue.prepare(intents[0].client_order_id, OrderCall(type, amount, price, params))
        ready = [intents[0], *(other for other in intents[1:] if self._is_ready(other))]
        outcomes = self._guard.send(ready)
        following = self._owner.react(outcomes)
        if following:
            # Freqtrade has not asked for these: its books adopt them at the start of its next loop.
            self._guard.send(following)
        return self._answer(outcomes[0])

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
        Name an order that belongs to no spread: a stop, or one that a person has forced.

        Where an order like it has an open question, or was accepted and never reached the books,
        it is that order: Freqtrade asks again because it does not know.
        """
        same = [
            intent
            for intent in (*self._guard.open_questions(asked.market), *self._guard.unbooked())
            if (intent.market, intent.side, intent.kind, intent.reduce_only, intent.quantity)
            == (asked.market, asked.side, asked.kind, asked.reduce_only, asked.quantity)
            and intent.owner is None
        ]
        if same:
            return same[-1]
        self._serial += 1
        now_ms = self._clock.now_ms()
        purpose = IntentPurpose.STOP if asked.kind is OrderKind.STOP else IntentPurpose.FORCED
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
            leverage=self._leverage.get(asked.market, 1.0),
            tag=self._owner.said_of(asked.market, reduce_only=asked.reduce_only),
            held_before=self._owner.held(asked.market),
        )

    def _is_ready(self, intent: Intent) -> bool:
        """Set leverage and margin mode for an order that Freqtrade has not asked for itself."""
        if intent.reduce_only:
            return True
        try:
            self._exchange._lev_prep(intent.market, intent.leverage, intent.side.value)
        except ExchangeError as error:
            logger.warning("[EXECUTION] %s does not go along: %s", intent.client_order_id, error)
            return False
        return True

    def _answer(self, sent: OrderOutcome) -> dict[str, Any]:
        if sent.report is not None:
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
            if self._was_accepted(symbol, id):
                text = f"the exchange denies order {id}, which it has accepted: {error}"
                raise ccxt.NetworkError(text) from error
            raise
        return order

    def _was_accepted(self, market: str | None, venue_order_id: str) -> bool:
        intent = self._by_venue_order(market or "", str(venue_order_id))
        if intent is None or intent.state is not IntentState.CONFIRMED:
            return False
        return self._clock.now_ms() - intent.created_ms < _FORGETS_AFTER_MS

    # Settings of a market, which Freqtrade sends before every order

    def _learn_settings(self, markets: Sequence[str]) -> None:
        if not self._api.has.get("fetchLeverages"):
            return
        try:
            rows = self._api.fetch_leverages(list(markets))
        except ccxt.BaseError as error:  # they are set before the first order then
            logger.info("[EXECUTION] leverages are not known yet: %s", error)
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
