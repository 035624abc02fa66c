"""A position as the exit rules see it, and what they remember of it."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk._close_reasons import CloseReason
from freqtrade_ext.risk._stored_state import STATE_CONFIG, StoredState

__all__ = ["Direction", "ExitState", "PositionView"]

Price = Annotated[float, Field(gt=0)]
HOUR_MS = 3_600_000


class Direction(StrEnum):
    """Which way a position earns."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 long, -1 short."""
        return 1 if self is Direction.LONG else -1


@dataclass(frozen=True, slots=True)
class PositionView:
    """
    What is known of an open position now.

    Attributes
    ----------
    market : str
        Name of the market.
    direction : Direction
        Long or short.
    entry_price : float
        Average price of the entry; above 0.
    price : float
        Price at which the position could be closed now; NaN where it is unknown.
    profit_ratio : float
        Profit at `price` over margin, so leverage-aware, after fees and funding; Freqtrade's
        ``current_profit``. NaN where it is unknown.
    opened_ms, now_ms : int
        Time of the entry and of this look, ms since 1970 UTC.
    leverage : float
        1 to 125.
    atr, atr_entry : float or None
        Average true range in price units, of the last closed candle now and at the entry. None,
        NaN, 0 or less: unknown. The first known value is kept in the state.
    high, low : float or None
        Extremes of the price since the previous look (a candle, in a backtest); None: `price`.
    round_trip_cost : float
        Fees of entry and exit together as a ratio of notional: 0.001 for 0.05 % each.
    held_share : float
        Quantity held now over the quantity entered; 1 until a part is closed. The rules take
        from it what has been closed already, so a reduction that failed is asked for again.
    in_transit : bool
        An order that closes a part of the position is working: nothing more is reduced meanwhile.

    Raises
    ------
    IllegalRequest
        If entry price, leverage, cost or held share are impossible: the caller's mistake.
    """

    market: str
    direction: Direction
    entry_price: float
    price: float
    profit_ratio: float
    opened_ms: int
    now_ms: int
    leverage: float = 1.0
    atr: float | None = None
    atr_entry: float | None = None
    high: float | None = None
    low: float | None = None
    round_trip_cost: float = 0.0
    held_share: float = 1.0
    in_transit: bool = False

    def __post_init__(self) -> None:
        _demand("entry_price", self.entry_price, 0 < self.entry_price < math.inf)
        _demand("leverage", self.leverage, 1 <= self.leverage <= 125)
        _demand("round_trip_cost", self.round_trip_cost, 0 <= self.round_trip_cost < 1)
        _demand("held_share", self.held_share, 0 < self.held_share < math.inf)

    @property
    def is_priced(self) -> bool:
        """Whether the current price is known."""
        return 0 < self.price < math.inf

    @property
    def best(self) -> float:
        """Most favourable price since the previous look."""
        return self._extreme(self.direction.sign)

    @property
    def worst(self) -> float:
        """Least favourable price since the previous look."""
        return self._extreme(-self.direction.sign)

    def _extreme(self, sign: int) -> float:
        other = self.high if sign > 0 else self.low
        if other is None or not 0 < other < math.inf:
            return self.price
        return max(other, self.price) if sign > 0 else min(other, self.price)

    def move(self, price: float) -> float:
        """Move from the entry to `price` as a ratio of the entry price; above 0 is a gain."""
        return self.direction.sign * (price - self.entry_price) / self.entry_price

    def at_move(self, ratio: float) -> float:
        """Price at which the move from the entry is `ratio`."""
        return self.entry_price * (1 + self.direction.sign * ratio)

    def roi(self, price: float) -> float:
        """Profit over margin, after costs, if the position were closed at `price`."""
        return self.profit_ratio + self.leverage * (self.move(price) - self.move(self.price))

    @property
    def margin_loss(self) -> float:
        """Largest unrealised loss since the previous look over margin; 0 where there is none."""
        return self.margin_loss_at(self.worst)

    def margin_loss_at(self, price: float) -> float:
        """Unrealised loss at `price` over margin: 0.5 where half of the margin is lost."""
        return max(0.0, -self.leverage * self.move(price))

    @property
    def age_hours(self) -> float:
        """Hours since the entry; 0 where the clock says that it is still to come."""
        return max(0, self.now_ms - self.opened_ms) / HOUR_MS


def _demand(name: str, value: float, holds: bool) -> None:
    if not holds:
        raise IllegalRequest(f"{name} of a position cannot be {value!r}")


@dataclass(frozen=True, slots=True)
class ExitState(StoredState):
    """
    What the exit rules remember of one position; the empty state is that of a new one.

    Attributes
    ----------
    atr : float or None
        The first known ATR, price units; stop and target keep it to the end.
    best_price, worst_price : float or None
        Extremes seen since the entry.
    break_even, trailing : bool
        Whether the break-even stop is armed and the trailing stop active.
    stop, stop_reason :
        Tightest stop price so far, and the rule that set it. It never moves away.
    target_reductions : int
        How often age has moved the target towards the entry price: 0, 1 or 2.
    halved : bool
        Whether the kill switch has asked for its half.
    aim_share, aim_reason :
        Share of the quantity entered that partial exits leave, and the last of their reasons.
    closing : CloseReason or None
        A stop-like decision to close that stands until the position is gone.
    """

    __pydantic_config__ = STATE_CONFIG
    remedy: ClassVar[str] = (
        "restore the database from a backup, or delete the entry: the position's exits then start "
        "anew from its entry price, and its stop on the exchange stays as it is"
    )

    atr: Price | None = None
    best_price: Price | None = None
    worst_price: Price | None = None
    break_even: bool = False
    trailing: bool = False
    stop: Price | None = None
    stop_reason: CloseReason | None = None
    target_reductions: Annotated[int, Field(ge=0, le=2)] = 0
    halved: bool = False
    aim_share: Annotated[float, Field(ge=0)] = 1.0
    aim_reason: CloseReason | None = None
    closing: CloseReason | None = None
