"""A position whose numbers are easy to compute by hand.

Entry at 100 with an ATR of 1 and leverage 3. With the default settings (tightness 1.2):
stop 100 - 1.2 x 2 = 97.6, target 100 + 1.2 x 3 = 103.6, break-even stop armed by a gain of
1.2 x 1 = 1.2, trailing stop activated by 1.2 x 1.5 = 1.8, trailing by 1.2 x 1 = 1.2, and a deep
loser from 100 - 0.6 x 2.4 = 98.56 on. Without costs, unless a test asks for them.
"""

from dataclasses import dataclass, field

from freqtrade_ext.risk import (
    Direction,
    ExitAction,
    ExitState,
    PositionView,
    RiskSettings,
    decide_exit,
    stop_price,
    target_price,
)

HOUR_MS = 3_600_000
OPENED_MS = 1_700_000_000_000
ENTRY = 100.0

# Only the stop, the emergency exit and the kill switch: a test switches on what it is about.
BARE = {
    "breakeven_atr": None,
    "reduce_first_hours": None,
    "reduce_second_hours": None,
    "gradual_hours": None,
    "force_hours": None,
    "adverse_hours": None,
    "deep_loss": None,
}


def settings(**exits) -> RiskSettings:
    """Return default settings with other exits."""
    return RiskSettings.model_validate({"exits": exits})


def bare(**exits) -> RiskSettings:
    """Return settings without any exit that is not asked for, as far as there is a switch."""
    return settings(**{**BARE, **exits})


def view(price: float, *, hours: float = 0.0, **changes) -> PositionView:
    """Look at the position at a price, some hours after its entry."""
    direction = changes.pop("direction", Direction.LONG)
    entry = changes.pop("entry_price", ENTRY)
    leverage = changes.pop("leverage", 3.0)
    cost = changes.pop("round_trip_cost", 0.0)
    profit = leverage * (direction.sign * (price - entry) / entry - cost)
    return PositionView(
        market="SOL/USDT:USDT",
        direction=direction,
        entry_price=entry,
        price=price,
        profit_ratio=changes.pop("profit_ratio", profit),
        opened_ms=OPENED_MS,
        now_ms=OPENED_MS + round(hours * HOUR_MS),
        leverage=leverage,
        atr=changes.pop("atr", 1.0),
        round_trip_cost=cost,
        **changes,
    )


@dataclass
class Walk:
    """One position, look after look; `short` mirrors every price about the entry."""

    settings: RiskSettings = field(default_factory=settings)
    state: ExitState = field(default_factory=ExitState)
    short: bool = False
    base: dict = field(default_factory=dict)
    last: PositionView | None = None

    def look(self, price: float, *, hours: float = 0.0, **changes) -> ExitAction | None:
        """Decide at a price, keep the state, return the action."""
        changes = {**self.base, **changes}
        if self.short:
            high, low = changes.pop("high", None), changes.pop("low", None)
            changes["high"] = None if low is None else 2 * ENTRY - low
            changes["low"] = None if high is None else 2 * ENTRY - high
            price, changes["direction"] = 2 * ENTRY - price, Direction.SHORT
        self.last = view(price, hours=hours, **changes)
        self.state, action = decide_exit(self.last, self.state, self.settings)
        return action

    @property
    def stop(self) -> float:
        """Stop after the last look, as a long position would have it."""
        return self._as_long(stop_price(self.last, self.state, self.settings))

    @property
    def target(self) -> float | None:
        """Target after the last look, as a long position would have it."""
        price = target_price(self.last, self.state, self.settings)
        return None if price is None else self._as_long(price)

    def _as_long(self, price: float) -> float:
        return 2 * ENTRY - price if self.short else price
