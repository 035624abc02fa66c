"""The exchange as execution sees it, over the ccxt object that Freqtrade has opened.

The one thing to get right here is the difference between *refused* and *unknown*: an error says
that the order does not exist only if the exchange itself has said so.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import ccxt

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import (
    Accepted,
    Answer,
    FillReport,
    Intent,
    OrderKind,
    OrderOrigin,
    OrderReport,
    OrderSide,
    OrderStatus,
    PositionReport,
    Rejected,
    Unanswered,
)

__all__ = ["CcxtVenue", "OrderCall", "unsupported_reason"]

logger = logging.getLogger(__name__)

# Exchanges on which ccxt takes a client order id for plain and for conditional orders, finds an
# order by it and lists all orders, and which have been rehearsed.
_SUPPORTED: Final = frozenset({"binance"})
# What a question about all markets must say, so that it is not about the spot markets.
_ALL_FUTURES: Final = {"binance": {"type": "swap", "subType": "linear"}}
# Both legs in one request: ccxt's createOrders answers for each order on these.
_BATCHING: Final = frozenset({"binance"})
# The exchange's own words for orders that nobody sent.
_ORIGINS: Final = {
    "binance": (
        ("autoclose-", OrderOrigin.LIQUIDATION),
        ("settlement_autoclose-", OrderOrigin.LIQUIDATION),
        ("adl_autoclose", OrderOrigin.ADL),
    )
}
# Why there is no answer to trust; the narrower kind first.
_CAUSES: Final = (
    (ccxt.RequestTimeout, "no answer in time"),
    (ccxt.OnMaintenance, "the exchange is under maintenance"),
    (ccxt.ExchangeNotAvailable, "the exchange was not available or the connection broke"),
    (ccxt.BadResponse, "an answer that cannot be read"),
    (ccxt.NetworkError, "the connection broke"),
)
_STATUSES: Final = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
_REFUSALS: Final = (
    ccxt.AuthenticationError,
    ccxt.ArgumentsRequired,
    ccxt.BadRequest,
    ccxt.OperationRejected,
    ccxt.InsufficientFunds,
    ccxt.InvalidAddress,
    ccxt.InvalidOrder,
    ccxt.NotSupported,
    # The request is counted and turned away before anything is done with it.
    ccxt.RateLimitExceeded,
    ccxt.DDoSProtection,
    ccxt.InvalidNonce,
)
# ccxt maps some codes to ExchangeError alone, and all of them when the address of the exchange is
# not its own. Of Binance's codes these say that nothing is known; every other one is a refusal.
_UNKNOWN_CODES: Final = frozenset({-1000, -1001, -1006, -1007, -1010, -1016})
_DUPLICATE_ID: Final = -4116
_NO_SUCH_ORDER: Final = frozenset({-2013, -2011})
_CODE = re.compile(r'"code"\s*:\s*"?(-\d+)')
# What parsers raise, ccxt's and ours, on an answer of the wrong shape.
_UNREADABLE: Final = (KeyError, TypeError, AttributeError, ValueError, IndexError, ArithmeticError)

P = ParamSpec("P")
T = TypeVar("T")


def unsupported_reason(exchange_id: str) -> str | None:
    """Say why the order guard cannot work on an exchange; None where it can."""
    if exchange_id in _SUPPORTED:
        return None
    return (
        f"the order guard needs client order ids for all orders, look-ups by them, and lists of "
        f"all orders; through ccxt that is not rehearsed on {exchange_id!r}, only on "
        f"{', '.join(sorted(_SUPPORTED))}: see docs/execution.md, Exchanges"
    )


@dataclass(frozen=True, slots=True)
class OrderCall:
    """How Freqtrade wants an order to be sent: arguments of ccxt's ``create_order``."""

    type: str
    amount: float
    price: float | None
    params: Mapping[str, Any] = field(default_factory=dict)


def _whole_answers(question: Callable[P, T]) -> Callable[P, T]:
    """Let a question fail whose answer cannot be read to the end."""

    @wraps(question)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return question(*args, **kwargs)
        except _UNREADABLE as error:
            raise VenueError(f"an answer that cannot be read: {error!r}") from error

    return asked


def _read_strictly(api: Any) -> None:
    """
    Make an answer that is no JSON an error on this object.

    ccxt reads a web page, or half an answer, as "no positions" and as an order without an id.
    """

    def read(status: int, reason: str, url: str, method: str, *rest: Any) -> Any:
        text = type(api).on_rest_response(api, status, reason, url, method, *rest)
        if status < 400 and api.parse_json(text) is None:
            where = url.partition("?")[0]
            raise ccxt.BadResponse(f"{api.id} {method} {where} answered {text[:80]!r}")
        return text

    api.on_rest_response = read


class CcxtVenue:
    """
    Orders and positions over ccxt.

    Parameters
    ----------
    exchange : freqtrade.exchange.Exchange
        Rounds amounts and prices, converts contracts.
    api : ccxt.Exchange, optional
        The connection; Freqtrade's own by default. Calls are the class's own methods, so that what
        is wrapped on the object is not asked again.
    batch : bool
        Send several orders in one request where the exchange can.
    """

    def __init__(self, exchange: Any, api: Any = None, *, batch: bool = True) -> None:
        self._exchange = exchange
        self._api = api if api is not None else exchange._api
        self._class = type(self._api)
        _read_strictly(self._api)
        self._batch = batch and exchange.id in _BATCHING and self._api.has.get("createOrders")
        self._calls: dict[str, OrderCall] = {}
        self._stops_apart = bool(exchange.get_option("stoploss_query_requires_stop_flag"))

    # Orders

    def prepare(self, client_order_id: str, call: OrderCall) -> None:
        """Send this order exactly as Freqtrade asked for it."""
        self._calls[client_order_id] = call

    def forget(self, client_order_id: str) -> None:
        """Drop what was prepared for an order that was not sent again."""
        self._calls.pop(client_order_id, None)

    def submit(self, intents: Sequence[Intent]) -> Sequence[Answer]:
        """Send orders; what comes back is judged one by one."""
        plain = all(intent.kind is not OrderKind.STOP for intent in intents)
        if len(intents) > 1 and self._batch and plain:
            return self._submit_batch(intents)
        return [self._submit_one(intent) for intent in intents]

    def _submit_one(self, intent: Intent) -> Answer:
        call = self._call(intent)
        try:
            order = self._twice_if_late(
                lambda: self._class.create_order(
                    self._api,
                    intent.market,
                    call.type,
                    intent.side.value,
                    call.amount,
                    call.price,
                    dict(call.params),
                )
            )
            return self._accepted(intent, order)
        except ccxt.BaseError as error:
            return _answer_of(error)
        except _UNREADABLE as error:
            return _unread(error)

    def _submit_batch(self, intents: Sequence[Intent]) -> Sequence[Answer]:
        calls = [self._call(intent) for intent in intents]
        orders = [
            {
                "symbol": intent.market,
                "type": call.type,
                "side": intent.side.value,
                "amount": call.amount,
                "price": call.price,
                "params": dict(call.params),
            }
            for intent, call in zip(intents, calls, strict=True)
        ]
        try:
            answers = self._twice_if_late(lambda: self._class.create_orders(self._api, orders))
        except ccxt.BaseError as error:
            return [_answer_of(error) for _ in intents]
        except _UNREADABLE as error:
            return [_unread(error) for _ in intents]
        return self._batch_answers(intents, answers)

    def _batch_answers(
        self, intents: Sequence[Intent], answers: Sequence[Mapping[str, Any]]
    ) -> list[Answer]:
        """
        Put each answer beside its order.

        ccxt sorts them by time, refusals (which bear no name) to the front, in their order.
        """
        named = {str(answer.get("clientOrderId")): answer for answer in answers if answer.get("id")}
        refusals = [answer for answer in answers if not answer.get("id")]
        missing = [intent for intent in intents if intent.client_order_id not in named]
        if len(answers) == len(intents) and len(missing) == len(refusals):
            left = [self._refusal(refusal) for refusal in refusals]
        else:
            text = f"{len(answers)} answers to {len(intents)} orders, {len(missing)} not named"
            left = [Unanswered(text, ccxt.BadResponse(text)) for _ in missing]
        return [
            self._accepted(intent, named[intent.client_order_id])
            if intent.client_order_id in named
            else left.pop(0)
            for intent in intents
        ]

    def _refusal(self, answer: Mapping[str, Any]) -> Answer:
        body = self._api.json(answer.get("info") or {})
        try:  # ccxt's own table decides which error this is; it looks at the address
            self._api.handle_errors(
                400, "", "https://fapi.binance.com/", "POST", {}, body,
                self._api.parse_json(body), {}, "",
            )  # fmt: skip
        except ccxt.BaseError as error:
            return _answer_of(error)
        return Unanswered(f"neither an order nor an error: {body}", ccxt.BadResponse(body))

    def _twice_if_late(self, send: Callable[[], Any]) -> Any:
        """
        Send again, once, when the exchange says that the request's time stamp is wrong.

        It has not looked at the order then. ccxt's clock is set by the exchange's before.
        """
        try:
            return send()
        except ccxt.InvalidNonce as error:
            logger.warning("[EXECUTION] the exchange's clock differs, it is read again: %s", error)
            self._class.load_time_difference(self._api)
            self._api.options["adjustForTimeDifference"] = True
            return send()

    def _call(self, intent: Intent) -> OrderCall:
        call = self._calls.pop(intent.client_order_id, None) or self._own_call(intent)
        params = {**call.params, "clientOrderId": intent.client_order_id}
        return OrderCall(call.type, call.amount, call.price, params)

    def _own_call(self, intent: Intent) -> OrderCall:
        exchange, market = self._exchange, intent.market
        amount = exchange._amount_to_contracts(market, float(intent.quantity))
        price = None
        if intent.price is not None:
            price = exchange.price_to_precision(market, float(intent.price))
        if intent.kind is OrderKind.STOP:
            raise VenueError(f"{intent.client_order_id}: a stop is sent as Freqtrade asks for it")
        params = dict(exchange._params)
        if intent.reduce_only:
            params["reduceOnly"] = True
        return OrderCall(
            intent.kind.value, exchange.amount_to_precision(market, amount), price, params
        )

    def _accepted(self, intent: Intent, order: Mapping[str, Any]) -> Answer:
        conditional = intent.kind is OrderKind.STOP
        try:
            return Accepted(self._report(order, intent.market, conditional, intent))
        except _UNREADABLE as error:
            return _unread(error)

    @_whole_answers
    def look_up(self, intent: Intent) -> OrderReport | None:
        """Ask for an order by its client order id."""
        conditional = intent.kind is OrderKind.STOP
        params: dict[str, Any] = {"clientOrderId": intent.client_order_id}
        if conditional and self._stops_apart:
            params["stop"] = True
        try:
            order = self._query(self._class.fetch_order, "", intent.market, params)
        except _NoSuchOrderError:
            return None
        return self._report(order, intent.market, conditional, intent)

    @_whole_answers
    def open_orders(self, market: str | None = None) -> Sequence[OrderReport]:
        """Return open orders, conditional ones too."""
        if market is not None:
            return self._open_orders(market, {})
        # All markets weigh more; that is planned for. Freqtrade replaces the options now and then.
        self._api.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
        whole_account = _ALL_FUTURES.get(self._exchange.id, {})
        with self._unpaced():
            return self._open_orders(None, dict(whole_account))

    def _open_orders(self, market: str | None, params: dict[str, Any]) -> list[OrderReport]:
        orders = self._query(self._class.fetch_open_orders, market, params=params)
        reports = [self._report(order, order["symbol"], False) for order in orders]
        if self._stops_apart:
            params = {**params, "stop": True}
            waiting = self._query(self._class.fetch_open_orders, market, params=params)
            reports += [self._report(order, order["symbol"], True) for order in waiting]
        return reports

    @contextmanager
    def _unpaced(self) -> Iterator[None]:
        """
        Ask without ccxt's pause, which for the weight of one such question is two seconds.

        Whoever asks for a whole account keeps to a budget, or does it once at the start.
        """
        paced, self._api.enableRateLimit = self._api.enableRateLimit, False
        try:
            yield
        finally:
            self._api.enableRateLimit = paced

    @_whole_answers
    def fills(self, market: str, since_ms: int) -> Sequence[FillReport]:
        """Return own executions since a time, oldest first."""
        rows = self._query(self._class.fetch_my_trades, market, since_ms)
        reports = {str(row["id"]): self._fill(row) for row in rows}  # repeated rows count once
        return sorted(reports.values(), key=lambda fill: fill.time_ms)

    @_whole_answers
    def orders(self, market: str, since_ms: int) -> Sequence[OrderReport]:
        """Return own orders since a time, oldest first."""
        rows = self._query(self._class.fetch_orders, market, since_ms)
        return sorted(
            (self._report(row, market, False) for row in rows), key=lambda order: order.time_ms
        )

    @_whole_answers
    def positions(self) -> Mapping[str, PositionReport]:
        """Return every position that is not flat."""
        rows = self._query(self._class.fetch_positions)
        reports = (self._position(row) for row in rows)
        return {report.market: report for report in reports if report.quantity}

    @_whole_answers
    def cancel(self, order: OrderReport) -> None:
        """Take an order off the book."""
        params = {"stop": True} if order.is_conditional and self._stops_apart else {}
        try:
            self._query(self._class.cancel_order, order.venue_order_id, order.market, params)
        except _NoSuchOrderError:
            logger.info("[EXECUTION] %s has ended already", order.client_order_id)

    # What ccxt says

    def _query(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return self._twice_if_late(lambda: call(self._api, *arguments, **named))
        except ccxt.OrderNotFound as error:
            raise _NoSuchOrderError(str(error)) from error
        except ccxt.BaseError as error:
            if _code_of(error) in _NO_SUCH_ORDER:
                raise _NoSuchOrderError(str(error)) from error
            raise VenueError(f"{type(error).__name__}: {error}") from error

    def _report(
        self,
        order: Mapping[str, Any],
        market: str,
        conditional: bool,
        intent: Intent | None = None,
    ) -> OrderReport:
        if not order.get("id"):
            raise ValueError("an order without an id")
        amounts = self._exchange._order_contracts_to_amount(dict(order))
        client_order_id = str(order.get("clientOrderId") or "")
        if intent is not None and not client_order_id:
            client_order_id = intent.client_order_id
        quantity = _decimal(amounts.get("amount"))
        return OrderReport(
            venue_order_id=str(order["id"]),
            client_order_id=client_order_id,
            market=market,
            side=OrderSide(order.get("side") or (intent.side if intent else "buy")),
            kind=_kind(order, conditional),
            quantity=quantity if quantity or intent is None else intent.quantity,
            filled_quantity=_decimal(amounts.get("filled")),
            status=_STATUSES.get(str(order.get("status")), OrderStatus.OPEN),
            reduce_only=bool(order.get("reduceOnly")),
            time_ms=int(order.get("timestamp") or order.get("lastUpdateTimestamp") or 0),
            average_price=_decimal(order.get("average")) or None,
            is_conditional=conditional,
            origin=self._origin(client_order_id),
            raw=dict(order),
        )

    def _origin(self, client_order_id: str) -> OrderOrigin:
        for prefix, origin in _ORIGINS.get(self._exchange.id, ()):
            if client_order_id.startswith(prefix):
                return origin
        return OrderOrigin.ACCOUNT

    def _fill(self, row: Mapping[str, Any]) -> FillReport:
        market = row["symbol"]
        amount = self._exchange._contracts_to_amount(market, float(row["amount"]))
        return FillReport(
            fill_id=str(row["id"]),
            venue_order_id=str(row["order"]),
            market=market,
            side=OrderSide(row["side"]),
            quantity=_decimal(amount),
            price=_decimal(row["price"]),
            time_ms=int(row["timestamp"]),
        )

    def _position(self, row: Mapping[str, Any]) -> PositionReport:
        market = row["symbol"]
        size = _decimal(self._exchange._contracts_to_amount(market, float(row["contracts"] or 0)))
        margin = row.get("collateral") or row.get("initialMargin")
        return PositionReport(
            market=market,
            quantity=-size if row.get("side") == "short" else size,
            entry_price=_decimal(row.get("entryPrice")),
            mark_price=_decimal(row.get("markPrice")),
            unrealized_pnl=_decimal(row.get("unrealizedPnl")),
            leverage=float(row["leverage"]) if row.get("leverage") else None,
            margin_mode=row.get("marginMode"),
            isolated_margin=_decimal(margin) if margin is not None else None,
        )


class _NoSuchOrderError(Exception):
    """The exchange says that it does not know the order."""


def _answer_of(error: ccxt.BaseError) -> Answer:
    """Judge an error of a sending: refused, or unknown."""
    code = _code_of(error)
    if code == _DUPLICATE_ID or isinstance(error, ccxt.DuplicateOrderId):
        return Unanswered("the exchange has an order of this id already", error)
    is_refused = isinstance(error, _REFUSALS) if code is None else code not in _UNKNOWN_CODES
    if is_refused:
        return Rejected(str(error), error)
    return Unanswered(f"{_cause(error)}: {error}", error)


def _cause(error: ccxt.BaseError) -> str:
    """Say in words why an answer is missing: ccxt's own text is often an address alone."""
    found = (words for kind, words in _CAUSES if isinstance(error, kind))
    return next(found, type(error).__name__)


def _code_of(error: BaseException) -> int | None:
    found = _CODE.search(str(error))
    return int(found.group(1)) if found else None


def _unread(error: Exception) -> Unanswered:
    return Unanswered(f"an answer that cannot be read: {error!r}", ccxt.BadResponse(repr(error)))


def _kind(order: Mapping[str, Any], conditional: bool) -> OrderKind:
    if conditional:
        return OrderKind.STOP
    return OrderKind.LIMIT if order.get("type") == "limit" else OrderKind.MARKET


def _decimal(number: Any) -> Decimal:
    return Decimal(str(number)) if number is not None else Decimal(0)
