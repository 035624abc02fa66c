"""Ordinary orders: taken, filled, amended, canceled."""

from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.sandbox.engine._commands import AmendOrder, CancelOrder, PlaceOrder
from freqtrade_ext.sandbox.engine._core import Core
from freqtrade_ext.sandbox.engine._filters import check_notional, check_price, check_quantity
from freqtrade_ext.sandbox.engine._matching import (
    BOOK_LEVELS,
    Execution,
    cap,
    fraction_on_step,
    levels_against,
    total_notional,
    total_quantity,
    walk,
)
from freqtrade_ext.sandbox.engine._order_checks import (
    check_form,
    check_margin,
    check_reduction,
    check_time_in_force,
    held_against,
    rests,
)
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import (
    NEVER_MS,
    ZERO,
    Order,
    OrderScript,
    OrderStatus,
    OrderType,
    Origin,
    Trigger,
)
from freqtrade_ext.sandbox.journal import OrderAmended
from freqtrade_ext.sandbox.market import Depth


def place(
    core: Core,
    command: PlaceOrder,
    *,
    trigger: Trigger | None = None,
    shift: Decimal = ZERO,
) -> Order:
    """
    Check an order, take it and fill what the public book allows.

    `shift` moves the book to where it stood when a conditional order was set off.
    """
    core.instrument(command.symbol)
    order = new_order(core, command, trigger)
    depth = core.market.depth(order.symbol, core.now_ms, BOOK_LEVELS)
    executions = walk(depth, order.side, order.quantity, order.price, shift)
    reference = _reference_price(order, depth, executions)
    check_form(core, order, reference)
    core.book.check_new_order(order.symbol, order.client_order_id)
    check_time_in_force(order, executions)
    if order.reduce_only:
        check_reduction(core, order)
    else:
        check_margin(core, order, reference)
    core.accept(order)
    script = core.take_script() if trigger is None else trigger.script
    script = script or OrderScript()
    _apply(core, order, script)
    if script.fraction is None:
        take(core, order, executions)
    else:
        _fill_share(core, order, executions, script.fraction)
    if order.is_open and not (rests(order) or script.keeps_rest):
        core.end(order, OrderStatus.EXPIRED)
    return order


def fill_at_market(core: Core, order: Order) -> None:
    """Fill the rest of an order that should not rest, but was made to."""
    depth = core.market.depth(order.symbol, core.now_ms, BOOK_LEVELS)
    take(core, order, walk(depth, order.side, order.leaves_quantity))


def fill_resting(core: Core, order: Order) -> None:
    """Fill the rest of an order whose price was reached; a reducing one only what is held."""
    quantity = order.leaves_quantity
    if order.reduce_only:
        quantity = min(quantity, held_against(core, order.symbol, order.side))
    if quantity and order.price is not None:
        core.execute(order, [Execution(order.price, quantity)], is_maker=True)


def cancel(core: Core, command: CancelOrder) -> Order:
    """Cancel an open order."""
    order = find_open(core, command)
    core.end(order, OrderStatus.CANCELED)
    return order


def amend(core: Core, command: AmendOrder) -> Order:
    """
    Change quantity and price of an open limit order, filling it if it now crosses the book.

    A quantity that is filled already cancels the order, as on Binance.
    """
    order = find_open(core, command)
    if (command.quantity, command.price) == (order.quantity, order.price):
        raise Rejection(Reason.ORDER_UNCHANGED)
    executions = _check_amendment(core, order, command)
    if command.quantity <= order.filled_quantity:
        core.end(order, OrderStatus.CANCELED)
        return order
    order.quantity, order.price, order.updated_ms = command.quantity, command.price, core.now_ms
    core.record(
        OrderAmended(
            time_ms=core.now_ms,
            symbol=order.symbol,
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
            quantity=order.quantity,
            price=command.price,
        )
    )
    take(core, order, executions)
    return order


def _check_amendment(core: Core, order: Order, command: AmendOrder) -> list[Execution]:
    """Refuse an impossible amendment; returns what it would fill at once."""
    instrument = core.instrument(order.symbol)
    check_quantity(instrument, command.quantity, order.order_type)
    check_price(instrument, command.price)
    wanted = replace(order, quantity=command.quantity, price=command.price)
    depth = core.market.depth(order.symbol, core.now_ms, BOOK_LEVELS)
    executions = walk(depth, order.side, wanted.leaves_quantity, command.price)
    check_time_in_force(wanted, executions)
    if not order.reduce_only:
        check_notional(instrument, command.quantity, command.price)
        check_margin(core, wanted, command.price)
    return executions


def take(core: Core, order: Order, executions: list[Execution]) -> None:
    """Take liquidity from the public book; a reducing order only as much as is held."""
    if order.reduce_only:
        executions = cap(executions, held_against(core, order.symbol, order.side))
    core.execute(order, executions, is_maker=False)


def _apply(core: Core, order: Order, script: OrderScript) -> None:
    """Let a script count from now on."""
    if script.fraction is not None:
        order.stalled_until_ms = min(NEVER_MS, core.now_ms + script.stall_ms)
    if script.cancel_after_ms is not None:
        order.canceled_from_ms = core.now_ms + script.cancel_after_ms
    if script.hide_ms:
        core.reports.hide(order.venue_order_id, core.now_ms + script.hide_ms)
    if script.late_ms:
        core.reports.delay_fills(order.venue_order_id, core.now_ms + script.late_ms)


def _fill_share(core: Core, order: Order, executions: list[Execution], fraction: Decimal) -> None:
    """Fill only the scripted share."""
    step = core.instrument(order.symbol).step_size
    quantity = fraction_on_step(order.quantity, fraction, step)
    if executions:
        take(core, order, cap(executions, quantity))
    elif order.price is not None and quantity:
        core.execute(order, [Execution(order.price, quantity)], is_maker=True)


def new_order(core: Core, command: PlaceOrder, trigger: Trigger | None = None) -> Order:
    """Make an order of what was asked for; it is not in the book yet."""
    venue_order_id = core.book.next_order_id()
    origin: Origin = "trigger" if trigger is not None else "client"
    return Order(
        venue_order_id=venue_order_id,
        client_order_id=command.client_order_id or f"auto-{venue_order_id}",
        symbol=command.symbol,
        side=command.side,
        order_type=command.order_type,
        quantity=command.quantity,
        price=command.price if command.order_type is OrderType.LIMIT else None,
        time_in_force=command.time_in_force,
        reduce_only=command.reduce_only,
        created_ms=core.now_ms,
        updated_ms=core.now_ms,
        origin=origin,
        trigger=trigger,
    )


def _reference_price(order: Order, depth: Depth, executions: list[Execution]) -> Decimal:
    """Price at which an order counts for margin and minimum notional."""
    if order.price is not None:
        return order.price
    if executions:
        return total_notional(executions) / total_quantity(executions)
    levels = levels_against(depth, order.side)
    if not levels:
        raise Rejection(Reason.NO_LIQUIDITY)
    return levels[0][0]


def find_open(core: Core, command: CancelOrder | AmendOrder) -> Order:
    """Find the order that a command names; it must be open."""
    ids = (command.symbol, command.venue_order_id, command.client_order_id)
    core.instrument(command.symbol)
    try:
        order = core.book.find(*ids, core.now_ms)
    except Rejection:
        raise Rejection(Reason.ORDER_NOT_OPEN) from None
    if not order.is_open:
        raise Rejection(Reason.ORDER_NOT_OPEN)
    return order
