"""Signed endpoints for conditional ("algo") orders, where Binance moved them in December 2025."""

from typing import Any

from freqtrade_ext.sandbox.engine import (
    CancelAllTriggers,
    CancelTrigger,
    OrderType,
    PlaceTrigger,
    Trigger,
)
from freqtrade_ext.sandbox.wire._call import WEEK_MS, Call
from freqtrade_ext.sandbox.wire._errors import BAD_PARAMETER, EITHER_ID_MISSING, ApiFailure
from freqtrade_ext.sandbox.wire._messages import Params
from freqtrade_ext.sandbox.wire._orders import ALL_CANCELED, check_position_side, trigger_word
from freqtrade_ext.sandbox.wire._words import (
    SIDES,
    TIMES_IN_FORCE,
    TRIGGER_STATUSES,
    WORKING_TYPES,
    number,
    price_source_of,
    side_of,
    time_in_force_of,
    trigger_type_of,
    word_of,
)


def place(call: Call) -> Any:
    """Send a conditional order."""
    params = call.params
    if params.text("algoType").upper() != "CONDITIONAL":
        raise ApiFailure(BAD_PARAMETER, "algoType")
    trigger = call.exchange.handle(_parse(call, params), call.now_ms)
    return _render_new(_as_trigger(trigger))


def _parse(call: Call, params: Params) -> PlaceTrigger:
    call.known(params.text("symbol"))
    check_position_side(params)
    trigger_type = trigger_type_of(params.text("type"))
    close_position = params.flag("closePosition")
    if close_position and (params.get("quantity") or params.flag("reduceOnly")):
        raise ApiFailure(BAD_PARAMETER, "closePosition")
    limit = trigger_type.order_type is OrderType.LIMIT
    command = PlaceTrigger(
        symbol=params.text("symbol"),
        side=side_of(params.text("side")),
        trigger_type=trigger_type,
        trigger_price=params.decimal("triggerPrice"),
        price=params.decimal("price") if limit else None,
        time_in_force=time_in_force_of(params.get("timeInForce")),
        reduce_only=params.flag("reduceOnly"),
        close_position=close_position,
        price_source=price_source_of(params.get("workingType")),
        client_order_id=params.get("clientAlgoId"),
    )
    if close_position:
        return command
    return _with_quantity(command, params)


def _with_quantity(command: PlaceTrigger, params: Params) -> PlaceTrigger:
    fields = {name: getattr(command, name) for name in PlaceTrigger.__dataclass_fields__}
    return PlaceTrigger(**fields | {"quantity": params.decimal("quantity")})


def query(call: Call) -> Any:
    """Ask for a conditional order by either id."""
    return _render(call.exchange.reports.find_trigger(*_ids(call.params), call.now_ms))


def _ids(params: Params) -> tuple[int | None, str | None]:
    trigger_id, client_id = params.optional_integer("algoId"), params.get("clientAlgoId")
    if trigger_id is None and not client_id:
        raise ApiFailure(EITHER_ID_MISSING, "algoid' or 'clientalgoid")
    return trigger_id, client_id


def cancel(call: Call) -> Any:
    """Cancel a conditional order that still waits."""
    trigger = _as_trigger(call.exchange.handle(CancelTrigger(*_ids(call.params)), call.now_ms))
    return {
        "algoId": trigger.trigger_id,
        "clientAlgoId": trigger.client_order_id,
        "code": "200",
        "msg": "success",
    }


def cancel_all(call: Call) -> Any:
    """Cancel every waiting conditional order of an instrument."""
    call.exchange.handle(CancelAllTriggers(call.instrument().symbol), call.now_ms)
    return ALL_CANCELED


def open_orders(call: Call) -> Any:
    """Waiting conditional orders of one or of every instrument."""
    symbol = call.instrument().symbol if call.params.get("symbol") else None
    asked = call.params.optional_integer("algoId")
    waiting = call.exchange.reports.waiting(symbol, call.now_ms)
    return [_render(one) for one in waiting if asked in (None, one.trigger_id)]


def all_orders(call: Call) -> Any:
    """Conditional orders of an instrument and a span, oldest first."""
    symbol = call.instrument().symbol
    start_ms, end_ms = call.params.span(call.now_ms)
    start_ms = start_ms or end_ms - WEEK_MS
    limit = call.params.limit(500, 1000)
    found = [
        one
        for one in call.exchange.reports.triggers(call.now_ms)
        if one.symbol == symbol and start_ms <= one.created_ms <= end_ms
    ]
    return [_render(one) for one in found[-limit:]]


def _as_trigger(outcome: object) -> Trigger:
    if not isinstance(outcome, Trigger):
        raise TypeError(f"a conditional order was expected, not {outcome!r}")
    return outcome


def _render_new(trigger: Trigger) -> dict[str, Any]:
    return {
        "algoId": trigger.trigger_id,
        "clientAlgoId": trigger.client_order_id,
        "algoType": "CONDITIONAL",
        "orderType": trigger_word(trigger.trigger_type),
        "symbol": trigger.symbol,
        "side": word_of(SIDES, trigger.side),
        "positionSide": "BOTH",
        "timeInForce": word_of(TIMES_IN_FORCE, trigger.time_in_force),
        "quantity": number(trigger.quantity),
        "algoStatus": TRIGGER_STATUSES[trigger.status],
        "triggerPrice": number(trigger.trigger_price),
        "price": number(trigger.price) if trigger.price is not None else "0",
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": word_of(WORKING_TYPES, trigger.price_source),
        "priceMatch": "NONE",
        "closePosition": trigger.close_position,
        "priceProtect": False,
        "reduceOnly": trigger.reduce_only,
        "createTime": trigger.created_ms,
        "updateTime": trigger.updated_ms,
        "triggerTime": trigger.triggered_ms,
        "goodTillDate": 0,
    }


def _render(trigger: Trigger) -> dict[str, Any]:
    order = trigger.order
    filled = order is not None and order.filled_quantity
    return _render_new(trigger) | {
        "actualOrderId": str(order.venue_order_id) if order else "",
        "actualPrice": number(round(order.average_price, 8)) if order and filled else "0.00000",
        "actualQty": number(order.filled_quantity) if order else "0",
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
    }
