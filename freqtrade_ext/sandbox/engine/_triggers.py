"""Conditional orders: taken, watched, turned into ordinary orders."""

from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.sandbox.engine import _orders
from freqtrade_ext.sandbox.engine._commands import CancelTrigger, PlaceOrder, PlaceTrigger
from freqtrade_ext.sandbox.engine._core import Core
from freqtrade_ext.sandbox.engine._filters import (
    check_client_order_id,
    check_notional,
    check_price,
    check_quantity,
)
from freqtrade_ext.sandbox.engine._order_checks import held_against
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import (
    ZERO,
    OrderScript,
    OrderType,
    PriceSource,
    Trigger,
    TriggerStatus,
)
from freqtrade_ext.sandbox.journal import TriggerAccepted, TriggerFired


def place(core: Core, command: PlaceTrigger) -> Trigger:
    """Check a conditional order and let it wait."""
    trigger = _as_trigger(core, command)
    _check(core, trigger)
    core.record(
        TriggerAccepted(
            time_ms=core.now_ms,
            symbol=trigger.symbol,
            side=trigger.side.value,
            trigger_type=trigger.trigger_type.value,
            trigger_price=trigger.trigger_price,
            quantity=trigger.quantity,
            trigger_id=trigger.trigger_id,
            client_order_id=trigger.client_order_id,
        )
    )
    script = core.take_script()
    if script is not None:
        _apply(core, trigger, script)
    return core.book.add_trigger(trigger)


def _apply(core: Core, trigger: Trigger, script: OrderScript) -> None:
    """Let a script count from now on; what it says of fills is for the order it becomes."""
    core.reports.hide(trigger.trigger_id, core.now_ms + script.hide_ms)
    if script.cancel_after_ms is not None:
        trigger.canceled_from_ms = core.now_ms + script.cancel_after_ms
    trigger.script = replace(script, hide_ms=0, cancel_after_ms=None)


def cancel(core: Core, command: CancelTrigger) -> Trigger:
    """Cancel a conditional order that still waits."""
    try:
        trigger = core.book.find_trigger(command.trigger_id, command.client_order_id)
    except Rejection:
        raise Rejection(Reason.ORDER_NOT_OPEN) from None
    if not trigger.is_open:
        raise Rejection(Reason.ORDER_NOT_OPEN)
    core.end_trigger(trigger, TriggerStatus.CANCELED)
    return trigger


def fire(core: Core, trigger: Trigger) -> None:
    """
    Turn a conditional order whose price was reached into an ordinary one.

    It meets the book as it stood when the price was reached, not as it stands now.
    """
    trigger.updated_ms = trigger.triggered_ms = core.now_ms
    trigger.status = TriggerStatus.TRIGGERED
    shift = ZERO
    if trigger.price_source is PriceSource.LAST:
        shift = trigger.trigger_price - core.market.price(trigger.symbol, core.now_ms)
    try:
        trigger.order = _orders.place(core, _order_of(core, trigger), trigger=trigger, shift=shift)
    except Rejection:
        trigger.status = TriggerStatus.REJECTED
    else:
        core.close_trigger_of(trigger.order)
    core.record(
        TriggerFired(
            time_ms=core.now_ms,
            symbol=trigger.symbol,
            trigger_id=trigger.trigger_id,
            client_order_id=trigger.client_order_id,
            venue_order_id=trigger.order.venue_order_id if trigger.order else None,
        )
    )


def _as_trigger(core: Core, command: PlaceTrigger) -> Trigger:
    trigger_id = core.book.next_trigger_id()
    return Trigger(
        trigger_id=trigger_id,
        client_order_id=command.client_order_id or f"auto-{trigger_id}",
        symbol=command.symbol,
        side=command.side,
        trigger_type=command.trigger_type,
        trigger_price=command.trigger_price,
        quantity=command.quantity,
        price=command.price,
        time_in_force=command.time_in_force,
        reduce_only=command.reduce_only or command.close_position,
        close_position=command.close_position,
        price_source=command.price_source,
        created_ms=core.now_ms,
        updated_ms=core.now_ms,
    )


def _check(core: Core, trigger: Trigger) -> None:
    instrument = core.instrument(trigger.symbol)
    check_client_order_id(trigger.client_order_id)
    check_price(instrument, trigger.trigger_price)
    if trigger.trigger_type.order_type is OrderType.LIMIT:
        check_price(instrument, trigger.price or ZERO)
    if not trigger.close_position:
        check_quantity(instrument, trigger.quantity, trigger.trigger_type.order_type)
    if not trigger.reduce_only:
        check_notional(instrument, trigger.quantity, trigger.price or trigger.trigger_price)
    core.book.check_new_trigger(trigger.client_order_id)
    watched = watched_price(core, trigger)
    if trigger.is_reached(watched, watched):
        raise Rejection(Reason.WOULD_TRIGGER_AT_ONCE)
    if trigger.close_position and not held_against(core, trigger.symbol, trigger.side):
        raise Rejection(Reason.CLOSE_POSITION_WITHOUT_POSITION)


def watched_price(core: Core, trigger: Trigger) -> Decimal:
    """Price now that a conditional order compares with."""
    if trigger.price_source is PriceSource.MARK:
        return core.mark(trigger.symbol)
    return core.market.price(trigger.symbol, core.now_ms)


def _order_of(core: Core, trigger: Trigger) -> PlaceOrder:
    command = PlaceOrder(
        symbol=trigger.symbol,
        side=trigger.side,
        order_type=trigger.trigger_type.order_type,
        quantity=trigger.quantity,
        price=trigger.price,
        time_in_force=trigger.time_in_force,
        reduce_only=trigger.reduce_only,
        client_order_id=trigger.client_order_id,
    )
    if trigger.close_position:
        held = held_against(core, trigger.symbol, trigger.side)
        return replace(command, quantity=held)
    return command
