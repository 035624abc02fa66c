"""Signed endpoints for ordinary orders."""

import json
from typing import Any

from freqtrade_ext.sandbox.engine import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    Fill,
    Order,
    OrderType,
    PlaceOrder,
    Rejection,
    TriggerType,
)
from freqtrade_ext.sandbox.wire._call import WEEK_MS, Call
from freqtrade_ext.sandbox.wire._errors import (
    BAD_ORDER_TYPE,
    BAD_PARAMETER,
    EITHER_ID_MISSING,
    PARAMETER_MISSING,
    UNKNOWN_ORDER_SENT,
    USE_ALGO_ENDPOINT,
    WRONG_POSITION_SIDE,
    ApiFailure,
    failure_of,
)
from freqtrade_ext.sandbox.wire._messages import Params
from freqtrade_ext.sandbox.wire._words import (
    ORDER_STATUSES,
    ORDER_TYPES,
    SIDES,
    TIMES_IN_FORCE,
    TRIGGER_TYPES,
    WORKING_TYPES,
    amount,
    number,
    side_of,
    time_in_force_of,
    word_of,
)

ALGO_TYPES = {*TRIGGER_TYPES, "TRAILING_STOP_MARKET"}
LARGEST_BATCH = 5
ORDER_ID_LISTS = ("orderIdList", "orderidlist")
CLIENT_ID_LISTS = ("origClientOrderIdList", "origclientorderidlist")
ALL_CANCELED = {"code": 200, "msg": "The operation of cancel all open order is done."}


def place(call: Call) -> Any:
    """Send an order; answers `ACK` (default) or the `RESULT` of its first moments."""
    call.before_order(0)
    return _place(call, call.params)


def _place(call: Call, params: Params) -> dict[str, Any]:
    command = parse_order(call, params)
    order = call.exchange.handle(command, call.now_ms)
    if not isinstance(order, Order):
        raise TypeError(f"an order was expected, not {order!r}")
    rendered = render_order(call.exchange.reports.shown(order, call.now_ms))
    del rendered["time"]
    rendered["cumQty"] = rendered["executedQty"]
    if params.get("newOrderRespType", "ACK") == "ACK":
        rendered |= {"status": "NEW", "executedQty": "0", "cumQty": "0"}
        rendered |= {"cumQuote": "0", "avgPrice": "0.00"}
    return rendered


def parse_order(call: Call, params: Params) -> PlaceOrder:
    """Read an order; conditional ones belong to another endpoint since December 2025."""
    call.known(params.text("symbol"))
    check_position_side(params)
    kind = params.text("type").upper()
    if kind in ALGO_TYPES:
        raise ApiFailure(USE_ALGO_ENDPOINT)
    if kind not in ORDER_TYPES:
        raise ApiFailure(BAD_ORDER_TYPE)
    order_type = ORDER_TYPES[kind]
    limit = order_type is OrderType.LIMIT
    return PlaceOrder(
        symbol=params.text("symbol"),
        side=side_of(params.text("side")),
        order_type=order_type,
        quantity=params.decimal("quantity"),
        price=params.decimal("price") if limit else None,
        time_in_force=time_in_force_of(params.text("timeInForce") if limit else None),
        reduce_only=params.flag("reduceOnly"),
        client_order_id=params.get("newClientOrderId"),
    )


def check_position_side(params: Params) -> None:
    """Refuse the position sides of hedge mode: the account is in one-way mode."""
    if params.get("positionSide", "BOTH").upper() != "BOTH":
        raise ApiFailure(WRONG_POSITION_SIDE)


def place_batch(call: Call) -> Any:
    """Send up to five orders; each answers for itself."""
    try:
        batch = json.loads(call.params.text("batchOrders"))
    except ValueError:
        raise ApiFailure(BAD_PARAMETER, "batchOrders") from None
    listed = isinstance(batch, list) and all(isinstance(one, dict) for one in batch)
    if not listed or not 0 < len(batch) <= LARGEST_BATCH:
        raise ApiFailure(BAD_PARAMETER, "batchOrders")
    return [_place_one(call, flat_params(one), leg) for leg, one in enumerate(batch)]


def _place_one(call: Call, params: Params, leg: int) -> dict[str, Any]:
    try:
        call.before_order(leg)
        return _place(call, params)
    except Rejection as rejection:
        failure = failure_of(rejection)
        return failure.error.body(failure.detail)
    except ApiFailure as failure:
        return failure.error.body(failure.detail)


def flat_params(values: dict[str, Any]) -> Params:
    """Read one order of a batch as if it had been sent alone."""
    return Params(
        {
            key: str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in values.items()
        }
    )


def query(call: Call) -> Any:
    """Ask for an order by either id."""
    one = call.instrument()
    order_id, client_order_id = order_ids(call.params)
    order = call.exchange.reports.find(one.symbol, order_id, client_order_id, call.now_ms)
    return render_order(order)


def query_open(call: Call) -> Any:
    """Ask for an order by either id, as long as it is open."""
    one = call.instrument()
    order_id, client_order_id = order_ids(call.params)
    order = call.exchange.reports.find(one.symbol, order_id, client_order_id, call.now_ms)
    if not order.is_open:
        raise ApiFailure(UNKNOWN_ORDER_SENT)
    return render_order(order)


def order_ids(params: Params) -> tuple[int | None, str | None]:
    """Read the ids that name an order; one of them is mandatory, the exchange's own wins."""
    order_id = params.optional_integer("orderId")
    client_order_id = params.get("origClientOrderId")
    if order_id is None and not client_order_id:
        raise ApiFailure(EITHER_ID_MISSING, "orderid' or 'origclientorderid")
    return order_id, client_order_id


def cancel(call: Call) -> Any:
    """Cancel an order."""
    one = call.instrument()
    order_id, client_order_id = order_ids(call.params)
    call.before_order(0)
    return _cancel(call, CancelOrder(one.symbol, order_id, client_order_id))


def _cancel(call: Call, command: CancelOrder) -> dict[str, Any]:
    order = call.exchange.handle(command, call.now_ms)
    if not isinstance(order, Order):
        raise TypeError(f"an order was expected, not {order!r}")
    return render_order(order) | {"cumQty": number(order.filled_quantity)}


def cancel_batch(call: Call) -> Any:
    """Cancel several orders by id; each answers for itself."""
    one = call.instrument()
    order_ids_asked = json_list(call.params, *ORDER_ID_LISTS)
    client_ids = json_list(call.params, *CLIENT_ID_LISTS)
    commands = [CancelOrder(one.symbol, venue_order_id=int(key)) for key in order_ids_asked]
    commands += [CancelOrder(one.symbol, client_order_id=str(key)) for key in client_ids]
    if not commands:
        raise ApiFailure(PARAMETER_MISSING, "orderIdList")
    return [_cancel_one(call, command, leg) for leg, command in enumerate(commands)]


def _cancel_one(call: Call, command: CancelOrder, leg: int) -> dict[str, Any]:
    try:
        call.before_order(leg)
        return _cancel(call, command)
    except Rejection as rejection:
        return failure_of(rejection).error.body()
    except ApiFailure as failure:
        return failure.error.body(failure.detail)


def json_list(params: Params, *names: str) -> list[Any]:
    """Read a list that goes by one of several names; empty if it is not there."""
    for name in names:
        if params.get(name):
            try:
                return list(json.loads(params[name]))
            except (ValueError, TypeError):
                raise ApiFailure(BAD_PARAMETER, name) from None
    return []


def cancel_all(call: Call) -> Any:
    """Cancel every open order of an instrument."""
    call.exchange.handle(CancelAllOrders(call.instrument().symbol), call.now_ms)
    return ALL_CANCELED


def amend(call: Call) -> Any:
    """Change quantity and price of an open limit order."""
    order_id, client_order_id = order_ids(call.params)
    order = call.exchange.handle(
        AmendOrder(
            symbol=call.instrument().symbol,
            quantity=call.params.decimal("quantity"),
            price=call.params.decimal("price"),
            venue_order_id=order_id,
            client_order_id=client_order_id,
        ),
        call.now_ms,
    )
    if not isinstance(order, Order):
        raise TypeError(f"an order was expected, not {order!r}")
    return render_order(order)


def open_orders(call: Call) -> Any:
    """Open orders of one or of every instrument."""
    symbol = call.instrument().symbol if call.params.get("symbol") else None
    return [render_order(order) for order in call.exchange.reports.working(symbol, call.now_ms)]


def all_orders(call: Call) -> Any:
    """Orders of a span, oldest first: from an id on, or by time of creation."""
    symbol = call.params.get("symbol")
    first_id = call.params.optional_integer("orderId")
    limit = call.params.limit(500, 1000)
    start_ms, end_ms = call.params.span(call.now_ms)
    start_ms = start_ms or end_ms - WEEK_MS
    found = [
        order
        for order in call.exchange.reports.orders(call.now_ms)
        if symbol in (None, order.symbol)
        and (start_ms <= order.created_ms <= end_ms or first_id is not None)
        and order.venue_order_id >= (first_id or 0)
    ]
    forward = first_id is not None or call.params.get("startTime")
    return [render_order(order) for order in (found[:limit] if forward else found[-limit:])]


def user_trades(call: Call) -> Any:
    """Our fills of an instrument: from an id on, of one order, or of a span."""
    one = call.instrument()
    first_id = call.params.optional_integer("fromId")
    order_id = call.params.optional_integer("orderId")
    limit = call.params.limit(500, 1000)
    start_ms, end_ms = call.params.span(call.now_ms)
    found = [
        fill
        for fill in call.exchange.reports.fills(call.now_ms)
        if fill.symbol == one.symbol
        and order_id in (None, fill.venue_order_id)
        and fill.fill_id >= (first_id or 0)
        and start_ms <= fill.time_ms <= end_ms
    ]
    forward = first_id is not None or call.params.get("startTime")
    return [_fill(fill, one.quote) for fill in (found[:limit] if forward else found[-limit:])]


def _fill(fill: Fill, quote: str) -> dict[str, Any]:
    return {
        "symbol": fill.symbol,
        "id": fill.fill_id,
        "orderId": fill.venue_order_id,
        "side": word_of(SIDES, fill.side),
        "price": number(fill.price),
        "qty": number(fill.quantity),
        "realizedPnl": amount(fill.realized_pnl),
        "quoteQty": amount(fill.price * fill.quantity),
        "commission": amount(fill.fee),
        "commissionAsset": quote,
        "time": fill.time_ms,
        "positionSide": "BOTH",
        "buyer": fill.side.sign > 0,
        "maker": fill.is_maker,
    }


def render_order(order: Order) -> dict[str, Any]:
    """Render an order as every order endpoint shows it."""
    kind = word_of(ORDER_TYPES, order.order_type)
    trigger = order.trigger
    source = trigger.price_source if trigger else WORKING_TYPES["CONTRACT_PRICE"]
    return {
        "orderId": order.venue_order_id,
        "symbol": order.symbol,
        "status": ORDER_STATUSES[order.status],
        "clientOrderId": order.client_order_id,
        "price": number(order.price) if order.price is not None else "0",
        "avgPrice": number(round(order.average_price, 8)) if order.filled_quantity else "0.00",
        "origQty": number(order.quantity),
        "executedQty": number(order.filled_quantity),
        "cumQuote": number(order.filled_notional),
        "timeInForce": word_of(TIMES_IN_FORCE, order.time_in_force),
        "type": kind,
        "reduceOnly": order.reduce_only,
        "closePosition": bool(trigger and trigger.close_position),
        "side": word_of(SIDES, order.side),
        "positionSide": "BOTH",
        "stopPrice": number(trigger.trigger_price) if trigger else "0",
        "workingType": word_of(WORKING_TYPES, source),
        "priceProtect": False,
        "origType": trigger_word(trigger.trigger_type) if trigger else kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def trigger_word(trigger_type: TriggerType) -> str:
    """Binance's name for a type of conditional order."""
    return word_of(TRIGGER_TYPES, trigger_type)
