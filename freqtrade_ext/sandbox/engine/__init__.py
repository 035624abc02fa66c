"""A futures exchange as a pure state machine: no clock, no input or output, exact decimals."""

from freqtrade_ext.sandbox.engine._account import Account, Position
from freqtrade_ext.sandbox.engine._commands import (
    AdjustIsolatedMargin,
    AmendOrder,
    CancelAllOrders,
    CancelAllTriggers,
    CancelOrder,
    CancelTrigger,
    CloseExternally,
    Command,
    PlaceOrder,
    PlaceTrigger,
    SetLeverage,
    SetMarginMode,
)
from freqtrade_ext.sandbox.engine._exchange import Balances, Exchange
from freqtrade_ext.sandbox.engine._margin import liquidation_price, maintenance_margin
from freqtrade_ext.sandbox.engine._rejections import Reason, Rejection
from freqtrade_ext.sandbox.engine._types import (
    Fill,
    LedgerEntry,
    MarginMode,
    Order,
    OrderStatus,
    OrderType,
    PriceSource,
    Side,
    TimeInForce,
    Trigger,
    TriggerStatus,
    TriggerType,
)

__all__ = [
    "Account",
    "AdjustIsolatedMargin",
    "AmendOrder",
    "Balances",
    "CancelAllOrders",
    "CancelAllTriggers",
    "CancelOrder",
    "CancelTrigger",
    "CloseExternally",
    "Command",
    "Exchange",
    "Fill",
    "LedgerEntry",
    "MarginMode",
    "Order",
    "OrderStatus",
    "OrderType",
    "PlaceOrder",
    "PlaceTrigger",
    "Position",
    "PriceSource",
    "Reason",
    "Rejection",
    "SetLeverage",
    "SetMarginMode",
    "Side",
    "TimeInForce",
    "Trigger",
    "TriggerStatus",
    "TriggerType",
    "liquidation_price",
    "maintenance_margin",
]
