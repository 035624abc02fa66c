"""What is checked before an order is taken: form, time in force, reduction, margin."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.sandbox.engine._account import Position
from freqtrade_ext.sandbox.engine._core import Core
from freqtrade_ext.sandbox.engine._filters import (
    check_client_order_id,
    check_notional,
    check_price,
    check_quantity,
)
from freqtrade_ext.sandbox.engine._margin import max_notional, order_margin
from freqtrade_ext.sandbox.engine._matching import Execution, total_quantity
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import ZERO, Order, OrderType, Side, TimeInForce


def rests(order: Order) -> bool:
    """Tell whether an order waits in the book for what is not filled at once."""
    waits = order.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY)
    return order.order_type is OrderType.LIMIT and waits


def held_against(core: Core, symbol: str, side: Side) -> Decimal:
    """Quantity held that an order of `side` would reduce."""
    return max(ZERO, -core.account.position(symbol).quantity * side.sign)


def check_form(core: Core, order: Order, reference: Decimal) -> None:
    """Refuse what no state of the account could make acceptable."""
    instrument = core.instrument(order.symbol)
    if not core.market.is_trading(order.symbol, core.now_ms):
        raise Rejection(Reason.INSTRUMENT_NOT_TRADING, order.symbol)
    check_client_order_id(order.client_order_id)
    check_quantity(instrument, order.quantity, order.order_type)
    if order.price is not None:
        check_price(instrument, order.price)
    if not order.reduce_only:
        check_notional(instrument, order.quantity, reference)


def check_time_in_force(order: Order, executions: Sequence[Execution]) -> None:
    """Refuse a post-only order that would take, and a fill-or-kill that cannot be filled."""
    if order.time_in_force is TimeInForce.POST_ONLY and executions:
        raise Rejection(Reason.POST_ONLY_WOULD_TAKE)
    fillable = total_quantity(executions)
    if order.time_in_force is TimeInForce.FOK and fillable < order.leaves_quantity:
        raise Rejection(Reason.FILL_OR_KILL_UNFILLABLE)


def check_reduction(core: Core, order: Order) -> None:
    """Refuse a reduce-only order that has nothing to reduce, or nothing that is left to it."""
    held = held_against(core, order.symbol, order.side)
    if not held:
        raise Rejection(Reason.REDUCE_ONLY_WITHOUT_POSITION)
    promised = sum(
        (
            other.leaves_quantity
            for other in core.book.working(order.symbol)
            if other.reduce_only and other.side is order.side
        ),
        ZERO,
    )
    if rests(order) and promised >= held:
        raise Rejection(Reason.REDUCE_ONLY_ALREADY_COVERED)


def check_margin(core: Core, order: Order, reference: Decimal) -> None:
    """Refuse an order that the account cannot carry: margin, fee, and loss on opening."""
    instrument = core.instrument(order.symbol)
    position = core.account.position(order.symbol)
    opening = _opening(position, order)
    held = abs(position.quantity) if position.quantity * order.side.sign > 0 else ZERO
    largest = max_notional(instrument.brackets, position.leverage)
    if opening and (held + opening) * reference > largest:
        raise Rejection(Reason.POSITION_TOO_LARGE)
    before = core.book.working(order.symbol)
    after = [other for other in before if other.venue_order_id != order.venue_order_id]
    after.append(replace(order, price=reference))
    required = order_margin(position.quantity, after, position.leverage)
    required -= order_margin(position.quantity, before, position.leverage)
    if opening:
        adverse = (reference - core.mark(order.symbol)) * order.side.sign
        required += opening * (max(ZERO, adverse) + reference * instrument.taker_fee)
    if required > 0 and required > core.available_balance():
        raise Rejection(Reason.MARGIN_INSUFFICIENT)


def _opening(position: Position, order: Order) -> Decimal:
    """Part of an order that does not close what is held."""
    closing = max(ZERO, -position.quantity * order.side.sign)
    return max(ZERO, order.leaves_quantity - closing)
