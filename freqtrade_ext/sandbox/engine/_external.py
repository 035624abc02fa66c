"""What happens to an account from elsewhere: a person, another program, the exchange itself."""

from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.sandbox.engine import _orders
from freqtrade_ext.sandbox.engine._clockwork import forced_order, liquidate, on_tick
from freqtrade_ext.sandbox.engine._commands import (
    AddExternally,
    AutoDeleverage,
    CancelOrder,
    CloseExternally,
    FillAtOnce,
    LiquidateByForce,
    PlaceExternally,
    PlaceOrder,
)
from freqtrade_ext.sandbox.engine._core import Core
from freqtrade_ext.sandbox.engine._matching import Execution, fraction_on_step
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import (
    Order,
    OrderStatus,
    OrderType,
    Side,
)
from freqtrade_ext.sandbox.journal import PositionClosedExternally

FAR_FROM_THE_MARKET = Decimal("0.5")  # share of the mark price
FOREIGN_NOTIONALS = 2  # size of a foreign order, in minimum notionals


def close(core: Core, command: CloseExternally) -> Order:
    """Close (part of) a position by another hand than the client's; no check can prevent it."""
    held = core.position(command.symbol).quantity
    side = Side.SELL if held > 0 else Side.BUY
    order = _at_market(core, command.symbol, side, command.fraction, reduce_only=True)
    core.record(
        PositionClosedExternally(
            time_ms=core.now_ms, symbol=command.symbol, quantity=order.filled_quantity
        )
    )
    return order


def add(core: Core, command: AddExternally) -> Order:
    """Make a position bigger by another hand than the client's."""
    side = Side.BUY if core.position(command.symbol).quantity > 0 else Side.SELL
    return _at_market(core, command.symbol, side, command.fraction, reduce_only=False)


def _at_market(
    core: Core, symbol: str, side: Side, fraction: Decimal, *, reduce_only: bool
) -> Order:
    quantity = _share(core, symbol, fraction)
    asked = PlaceOrder(symbol, side, OrderType.MARKET, quantity, reduce_only=reduce_only)
    order = core.accept(_foreign(core, asked))
    _orders.fill_at_market(core, order)
    if order.is_open:
        core.end(order, OrderStatus.EXPIRED)
    return order


def _share(core: Core, symbol: str, fraction: Decimal) -> Decimal:
    """Share of what is held, on the step grid; refuses nothing at all."""
    held = abs(core.position(symbol).quantity)
    quantity = fraction_on_step(held, fraction, core.instrument(symbol).step_size)
    if not quantity:
        raise Rejection(Reason.REDUCE_ONLY_WITHOUT_POSITION)
    return quantity


def _foreign(core: Core, asked: PlaceOrder) -> Order:
    named = replace(asked, client_order_id=f"web_{core.book.next_order_id()}")
    return replace(_orders.new_order(core, named), origin="external")


def place(core: Core, command: PlaceExternally) -> Order:
    """Put a small limit order far below the market, as a person would; it rests."""
    one = core.instrument(command.symbol)
    price = on_tick(core, command.symbol, core.mark(command.symbol) * FAR_FROM_THE_MARKET)
    worth = FOREIGN_NOTIONALS * one.min_notional / price
    quantity = max(one.min_quantity, fraction_on_step(worth, Decimal(1), one.step_size))
    asked = PlaceOrder(command.symbol, Side.BUY, OrderType.LIMIT, quantity, price)
    return core.accept(_foreign(core, asked))


def liquidate_position(core: Core, command: LiquidateByForce) -> None:
    """Liquidate a position, at its liquidation price if it has one, else at the mark price."""
    position = core.position(command.symbol)
    if not position.quantity:
        raise Rejection(Reason.REDUCE_ONLY_WITHOUT_POSITION)
    liquidate(core, position, core.liquidation_price(position))


def deleverage(core: Core, command: AutoDeleverage) -> Order:
    """Reduce a position at the mark price because a counterparty failed."""
    quantity = _share(core, command.symbol, command.fraction)
    position = core.position(command.symbol)
    order = core.accept(forced_order(core, position, quantity, "adl"))
    at = on_tick(core, command.symbol, core.mark(command.symbol))
    core.execute(order, [Execution(at, quantity)], is_maker=False)
    return order


def fill_at_once(core: Core, command: FillAtOnce) -> Order:
    """Fill the rest of an open order now, wherever the market is."""
    order = _orders.find_open(
        core, CancelOrder(command.symbol, command.venue_order_id, command.client_order_id)
    )
    if order.price is None:
        _orders.fill_at_market(core, order)
    else:
        _orders.fill_resting(core, order)
    return order
