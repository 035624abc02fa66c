"""Trading filters of an instrument: which quantities and prices it accepts."""

import re
from decimal import Decimal

from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import OrderType
from freqtrade_ext.sandbox.market import Instrument

CLIENT_ORDER_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


def check_client_order_id(client_order_id: str) -> None:
    """Refuse an id that is empty, too long, or has other characters."""
    if not CLIENT_ORDER_ID.fullmatch(client_order_id):
        raise Rejection(Reason.CLIENT_ORDER_ID_INVALID, client_order_id)


def check_quantity(instrument: Instrument, quantity: Decimal, order_type: OrderType) -> None:
    """Refuse a quantity off the step grid or outside the lot limits."""
    if quantity <= 0:
        raise Rejection(Reason.QUANTITY_NOT_POSITIVE)
    _check_grid(quantity, instrument.step_size, Reason.QUANTITY_NOT_ON_STEP)
    if quantity < instrument.min_quantity:
        raise Rejection(Reason.QUANTITY_TOO_SMALL)
    is_market = order_type is OrderType.MARKET
    if quantity > (instrument.max_market_quantity if is_market else instrument.max_quantity):
        raise Rejection(Reason.QUANTITY_TOO_LARGE)


def check_price(instrument: Instrument, price: Decimal) -> None:
    """Refuse a price that is not positive or off the tick grid."""
    if price <= 0:
        raise Rejection(Reason.PRICE_NOT_POSITIVE)
    _check_grid(price, instrument.tick_size, Reason.PRICE_NOT_ON_TICK)


def check_notional(instrument: Instrument, quantity: Decimal, price: Decimal) -> None:
    """Refuse an order that is worth too little; orders that only reduce are exempt."""
    if quantity * price < instrument.min_notional:
        raise Rejection(Reason.NOTIONAL_TOO_SMALL, f"{instrument.min_notional.normalize():f}")


def decimals(step: Decimal) -> int:
    """Number of digits after the point that a grid of width `step` needs."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _check_grid(value: Decimal, step: Decimal, reason: Reason) -> None:
    if decimals(value) > decimals(step):
        raise Rejection(Reason.PRECISION_EXCEEDED)
    if value % step:
        raise Rejection(reason)
