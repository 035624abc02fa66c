"""Orders, conditional orders, fills and ledger entries: the nouns of the rehearsal exchange."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

ZERO = Decimal(0)


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """What an order in the book is; the conditional ones are `TriggerType`."""

    LIMIT = "limit"
    MARKET = "market"


class TriggerType(StrEnum):
    """Conditional orders: wait for a price, then become an ordinary order."""

    STOP_LIMIT = "stop_limit"
    STOP_MARKET = "stop_market"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TAKE_PROFIT_MARKET = "take_profit_market"

    @property
    def is_stop(self) -> bool:
        """A stop waits for a worse price, a take-profit for a better one."""
        return self in (TriggerType.STOP_LIMIT, TriggerType.STOP_MARKET)

    @property
    def order_type(self) -> OrderType:
        """Type of the order it becomes."""
        limit = self in (TriggerType.STOP_LIMIT, TriggerType.TAKE_PROFIT_LIMIT)
        return OrderType.LIMIT if limit else OrderType.MARKET


class TimeInForce(StrEnum):
    """How long an order waits."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class OrderStatus(StrEnum):
    """Life of an ordinary order."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"


class TriggerStatus(StrEnum):
    """Life of a conditional order."""

    NEW = "new"
    TRIGGERED = "triggered"  # the order it became is working
    FINISHED = "finished"  # the order it became has ended
    CANCELED = "canceled"
    REJECTED = "rejected"  # triggered, but the order was refused
    EXPIRED = "expired"  # withdrawn by the exchange


class MarginMode(StrEnum):
    """Whether a position answers with its own margin or with the whole wallet."""

    ISOLATED = "isolated"
    CROSS = "cross"


class PriceSource(StrEnum):
    """Price that a conditional order watches."""

    LAST = "last"
    MARK = "mark"


Origin = Literal["client", "trigger", "liquidation", "adl", "external"]
LedgerKind = Literal["commission", "realized_pnl", "funding", "insurance", "transfer"]

OPEN_STATUSES = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
NEVER_MS = 2**63 - 1  # later than any time of a rehearsal


@dataclass(frozen=True, slots=True)
class OrderScript:
    """
    How one order goes wrong, as a rehearsal wants it.

    Parameters
    ----------
    fraction : Decimal, optional
        Share that is filled at once; None: what the market allows.
    stall_ms : int
        For how long the rest is not filled although the market is there; without meaning if there
        is no `fraction`.
    keeps_rest : bool
        Whether the rest of an order that does not rest (market, IOC) stays open all the same.
    hide_ms : int
        For how long reports on orders do not know it.
    late_ms : int
        For how long reports on orders do not know its fills.
    cancel_after_ms : int, optional
        After how long the exchange cancels it.
    """

    fraction: Decimal | None = None
    stall_ms: int = NEVER_MS
    keeps_rest: bool = False
    hide_ms: int = 0
    late_ms: int = 0
    cancel_after_ms: int | None = None


@dataclass(slots=True)
class Order:
    """An ordinary order and how far it got."""

    venue_order_id: int
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    reduce_only: bool
    created_ms: int
    updated_ms: int
    origin: Origin = "client"
    trigger: "Trigger | None" = None  # the conditional order it came from
    status: OrderStatus = OrderStatus.NEW
    filled_quantity: Decimal = ZERO
    filled_notional: Decimal = ZERO
    stalled_until_ms: int = 0  # rehearsed: until then it rests and is not filled
    canceled_from_ms: int = NEVER_MS  # rehearsed: from then on the exchange cancels it

    @property
    def leaves_quantity(self) -> Decimal:
        """What is still to be filled."""
        return self.quantity - self.filled_quantity

    @property
    def average_price(self) -> Decimal:
        """Mean price of the fills, zero before the first."""
        return self.filled_notional / self.filled_quantity if self.filled_quantity else ZERO

    @property
    def is_open(self) -> bool:
        """Tell whether the order can still be filled or canceled."""
        return self.status in OPEN_STATUSES


@dataclass(slots=True)
class Trigger:
    """A conditional order."""

    trigger_id: int
    client_order_id: str
    symbol: str
    side: Side
    trigger_type: TriggerType
    trigger_price: Decimal
    quantity: Decimal  # zero when it closes whatever is held
    price: Decimal | None
    time_in_force: TimeInForce
    reduce_only: bool
    close_position: bool
    price_source: PriceSource
    created_ms: int
    updated_ms: int
    status: TriggerStatus = TriggerStatus.NEW
    triggered_ms: int = 0
    order: Order | None = None  # what it became
    canceled_from_ms: int = NEVER_MS  # rehearsed: from then on the exchange cancels it
    script: OrderScript | None = None  # rehearsed: how the order goes wrong that it becomes

    @property
    def is_open(self) -> bool:
        """Tell whether it still waits for its price."""
        return self.status is TriggerStatus.NEW

    def is_reached(self, low: Decimal, high: Decimal) -> bool:
        """Tell whether prices between `low` and `high` set it off."""
        waits_for_fall = (self.side is Side.SELL) == self.trigger_type.is_stop
        return low <= self.trigger_price if waits_for_fall else high >= self.trigger_price


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of one of our orders."""

    fill_id: int
    venue_order_id: int
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal  # paid when positive
    realized_pnl: Decimal
    is_maker: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A change of the wallet; all of them together are the wallet."""

    entry_id: int
    time_ms: int
    kind: LedgerKind
    amount: Decimal
    symbol: str = ""
    fill_id: int | None = None
