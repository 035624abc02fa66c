"""What the rehearsal exchange knows of the outside world: instruments and prices over time.

Times are integer milliseconds since the epoch, UTC. Quantities, prices and filters that reach an
account are ``Decimal``; simulated paths are ``float`` and are rounded to the tick where they leave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

PriceKind = Literal["last", "mark", "index"]


@dataclass(frozen=True, slots=True)
class LeverageBracket:
    """One row of an instrument's leverage table, notional in quote currency."""

    notional_floor: Decimal
    notional_cap: Decimal
    max_leverage: int
    maintenance_margin_rate: Decimal
    maintenance_amount: Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """A linear perpetual contract and its trading filters."""

    symbol: str  # the exchange's own name, e.g. BTCUSDT
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    max_market_quantity: Decimal
    min_notional: Decimal
    listed_at_ms: int
    brackets: tuple[LeverageBracket, ...]
    funding_interval_hours: int = 8
    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0005")


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar; `open_ms` is its first millisecond, volume in base units."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trade_count: int
    taker_buy_volume: float


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade between strangers; `buyer_is_maker` means that the aggressor sold."""

    trade_id: int
    time_ms: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class Depth:
    """Order book, best level first; each level is (price, quantity)."""

    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class FundingEvent:
    """A funding payment: a long position of notional N pays N * rate (a short receives it)."""

    time_ms: int
    rate: Decimal
    mark_price: Decimal


class Market(Protocol):
    """The world outside the account: a pure function of the data (or seed) and the time asked for.

    Nothing later than the `now_ms` of a call may influence its answer.
    """

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Instruments by symbol."""

    def is_trading(self, symbol: str, now_ms: int) -> bool:
        """Tell whether the instrument is listed and has prices at that time."""

    def price(self, symbol: str, now_ms: int) -> Decimal:
        """Last traded price, on the tick grid."""

    def mark_price(self, symbol: str, now_ms: int) -> Decimal:
        """Mark price, used for margin and liquidation."""

    def price_range(self, symbol: str, after_ms: int, until_ms: int) -> tuple[Decimal, Decimal]:
        """Lowest and highest last price in the half-open span (after_ms, until_ms]."""

    def depth(self, symbol: str, now_ms: int, levels: int) -> Depth:
        """Order book around the last price."""

    def candles(
        self,
        symbol: str,
        interval_ms: int,
        start_ms: int,
        end_ms: int,
        now_ms: int,
        kind: PriceKind = "last",
    ) -> Sequence[Candle]:
        """Bars that open in [start_ms, end_ms], oldest first; the last may still be forming."""

    def trades(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[PublicTrade]:
        """Public trades in [start_ms, end_ms)."""

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[FundingEvent]:
        """Funding payments due in (start_ms, end_ms], oldest first."""

    def next_funding(self, symbol: str, now_ms: int) -> FundingEvent:
        """The coming payment with the rate as forecast now."""

    def open_interest(self, symbol: str, now_ms: int) -> Decimal:
        """Open contracts in base units."""
