"""What a client may ask the exchange to do."""

from dataclasses import dataclass
from decimal import Decimal

from freqtrade_ext.sandbox.engine._types import (
    ZERO,
    MarginMode,
    OrderType,
    PriceSource,
    Side,
    TimeInForce,
    TriggerType,
)


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Send an ordinary order."""

    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceTrigger:
    """Send a conditional order; quantity zero together with `close_position`."""

    symbol: str
    side: Side
    trigger_type: TriggerType
    trigger_price: Decimal
    quantity: Decimal = ZERO
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    close_position: bool = False
    price_source: PriceSource = PriceSource.LAST
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel one open order, named by either id."""

    symbol: str
    venue_order_id: int | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelAllOrders:
    """Cancel every open order of an instrument."""

    symbol: str


@dataclass(frozen=True, slots=True)
class AmendOrder:
    """Change quantity and price of an open limit order; it loses nothing of what was filled."""

    symbol: str
    quantity: Decimal
    price: Decimal
    venue_order_id: int | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelTrigger:
    """Cancel one waiting conditional order, named by either id."""

    trigger_id: int | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelAllTriggers:
    """Cancel every waiting conditional order of an instrument."""

    symbol: str


@dataclass(frozen=True, slots=True)
class SetLeverage:
    """Choose the leverage of an instrument."""

    symbol: str
    leverage: int


@dataclass(frozen=True, slots=True)
class SetMarginMode:
    """Choose the margin mode of an instrument."""

    symbol: str
    margin_mode: MarginMode


@dataclass(frozen=True, slots=True)
class AdjustIsolatedMargin:
    """Move money into (positive) or out of (negative) an isolated position."""

    symbol: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CloseExternally:
    """Close a position by another hand: the exchange's page, another bot, a forced reduction."""

    symbol: str
    fraction: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class AddExternally:
    """Make a position bigger by another hand, by a share of what is held."""

    symbol: str
    fraction: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class PlaceExternally:
    """Put a limit order far from the market by another hand."""

    symbol: str


@dataclass(frozen=True, slots=True)
class LiquidateByForce:
    """Liquidate a position whatever its margin is."""

    symbol: str


@dataclass(frozen=True, slots=True)
class AutoDeleverage:
    """Reduce a position by force, as an exchange does whose insurance fund is empty."""

    symbol: str
    fraction: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class FillAtOnce:
    """Fill an open order wherever the market is, named by either id."""

    symbol: str
    venue_order_id: int | None = None
    client_order_id: str | None = None


External = (
    CloseExternally
    | AddExternally
    | PlaceExternally
    | LiquidateByForce
    | AutoDeleverage
    | FillAtOnce
)
Command = (
    PlaceOrder
    | PlaceTrigger
    | CancelOrder
    | CancelAllOrders
    | AmendOrder
    | CancelTrigger
    | CancelAllTriggers
    | SetLeverage
    | SetMarginMode
    | AdjustIsolatedMargin
    | External
)
