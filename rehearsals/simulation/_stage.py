"""The spreads of an episode: what a candle would have asked for."""

from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

from freqtrade_ext.execution import OrderSide
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import (
    Bands,
    Candidate,
    Direction,
    EntryPlan,
    LegName,
    LegPlan,
    SpreadDesk,
    SpreadTrack,
)
from freqtrade_ext.spreads._walk_forward import Coefficients
from rehearsals.simulation._faults import Plan
from rehearsals.simulation._market import LOT, MARKETS, MIN_NOTIONAL, PRICES
from rehearsals.simulation._world import START_MS

__all__ = ["CANDLE_MS", "SETTINGS", "Signal", "Spread", "signals_of", "spreads_of", "tag_parts"]

CANDLE_MS = 300_000
SIGNAL_LASTS_MS = 240_000
SETTINGS = SpreadSettings()
_SMALLEST = MIN_NOTIONAL * Decimal("1.5")
_BANDS = Bands(entry_z=2.0, exit_z=0.5, stop_z=4.0, max_holding=1_000.0)
_FIT = Coefficients(0, 1, 1.0, 0.0, 1.0, -5.0, 0.001, 10.0)
_TRACK = cast(
    "SpreadTrack",
    SimpleNamespace(row_at=lambda _: 0, fit_at=lambda _: _FIT, scale=[1.0], value=[0.0]),
)


@dataclass(frozen=True, slots=True)
class Spread:
    """Two markets, and what an entry wants of them."""

    spread_id: str
    legs: dict[LegName, str]
    direction: Direction
    plan: EntryPlan

    def market(self, leg: LegName) -> str:
        """Market of a leg."""
        return self.legs[leg]

    def side(self, leg: LegName) -> OrderSide:
        """Side of a leg's entry."""
        return OrderSide.BUY if self.plan.leg(leg).quantity > 0 else OrderSide.SELL

    def tag(self, leg: LegName) -> str:
        """Entry tag of a leg."""
        return f"{self.spread_id} {self.direction.value} {leg.value}"


@dataclass(frozen=True, slots=True)
class Signal:
    """A candle on which a spread asks to be entered, `at_ms` after its close."""

    spread: Spread
    at_ms: int

    @property
    def candle_ms(self) -> int:
        """Open time of the candle."""
        return self.at_ms - CANDLE_MS

    def lasts(self, now_ms: int) -> bool:
        """Whether the host would still act on it."""
        return self.at_ms <= now_ms < self.at_ms + SIGNAL_LASTS_MS

    def open_on(self, desk: SpreadDesk, now_ms: int) -> None:
        """Ask the desk to open the spread."""
        spread = self.spread
        desk.open_spread(
            Candidate(
                time_ms=self.candle_ms,
                spread_id=spread.spread_id,
                leg_a=spread.legs[LegName.A],
                leg_b=spread.legs[LegName.B],
                direction=spread.direction,
                z_score=spread.plan.z_at_entry,
                edge=1.0,
            ),
            spread.plan,
            _TRACK,
            _BANDS,
            equity=10_000.0,
            now_ms=now_ms,
        )


def spreads_of(plan: Plan) -> tuple[Spread, Spread]:
    """Both spreads that an episode may trade."""
    notional = Decimal(24 if plan.is_small else 600)
    second = (MARKETS[1], MARKETS[2]) if plan.shared_leg else (MARKETS[2], MARKETS[3])
    return (
        _spread("ONE-TWO", (MARKETS[0], MARKETS[1]), Direction.LONG, notional),
        _spread("TEN-TOP", second, Direction.SHORT, notional / 2),
    )


def _spread(
    spread_id: str, markets: tuple[str, str], direction: Direction, notional: Decimal
) -> Spread:
    quantities = [notional / PRICES[name] // LOT * LOT for name in markets]
    legs = [
        LegPlan(quantity * sign * direction.sign, LOT, _SMALLEST / PRICES[name])
        for quantity, sign, name in zip(quantities, (1, -1), markets, strict=True)
    ]
    plan = EntryPlan(direction, legs[0], legs[1], "log", 1.0, 0.0, -2.5 * direction.sign)
    return Spread(spread_id, dict(zip(LegName, markets, strict=True)), direction, plan)


def signals_of(plan: Plan) -> list[Signal]:
    """Every signal of an episode."""
    spreads = spreads_of(plan)
    return [Signal(spreads[number], START_MS + at_ms) for at_ms, number in plan.entries]


def tag_parts(tag: str) -> tuple[str | None, str | None]:
    """Spread and leg of an entry tag; nothing where it is not one of ours."""
    words = tag.split(" ")
    return (words[0], words[2]) if len(words) == 3 else (None, None)
