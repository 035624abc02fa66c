"""What a size is made from, and what it looks like."""

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.spreads._events import Direction, EntryPlan, LegPlan, Side, to_quantity
from freqtrade_ext.spreads._spec import HedgeSpace


class RefusalReason(StrEnum):
    """Why a spread gets no size."""

    BAD_INPUT = "bad_input"
    BEYOND_STOP = "beyond_stop"
    NO_EDGE = "no_edge"
    NOT_ENOUGH_MARGIN = "not_enough_margin"
    BELOW_MINIMUM = "below_minimum"
    NOT_HEDGEABLE = "not_hedgeable"


class SizeCap(StrEnum):
    """What limits the size."""

    RISK = "risk"
    KELLY = "kelly"
    EQUITY_SHARE = "equity_share"
    MARGIN = "margin"
    MAX_NOTIONAL = "max_notional"


@dataclass(frozen=True, slots=True)
class LegLimits:
    """The venue's limits on one market; quantities in base units, notionals in quote."""

    step_size: float
    min_quantity: float = 0.0
    min_notional: float = 0.0
    max_notional: float = math.inf

    def __post_init__(self) -> None:
        if not 0 < self.step_size < math.inf:
            raise IllegalRequest(f"step_size must be greater than 0, not {self.step_size}")

    @property
    def lot(self) -> Decimal:
        """Smallest quantity that can be traded: the step, or the minimum if that is larger."""
        step = to_quantity(self.step_size)
        return max(step, to_lots(self.min_quantity, step, ROUND_CEILING))

    def min_entry(self, price: float) -> Decimal:
        """Smallest quantity that an order may add at `price`."""
        smallest = max(self.min_quantity, self.min_notional / price)
        return to_lots(smallest, to_quantity(self.step_size), ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class SizingCase:
    """
    A spread that is about to be entered.

    Parameters
    ----------
    direction : Direction
        Long or short the spread.
    price_a, price_b : float
        Prices of the same instant, quote per base unit.
    hedge_ratio : float
        Slope of the regression, positive.
    hedge_space : {'log', 'price'}
        Space of the regression.
    spread_std : float
        Standard deviation behind the z-score: of log prices, or in quote currency.
    z_score, stop_loss_z : float
        z-score now, and the stop band (positive).
    limits_a, limits_b : LegLimits
        The venue's limits.
    """

    direction: Direction
    price_a: float
    price_b: float
    hedge_ratio: float
    hedge_space: HedgeSpace
    spread_std: float
    z_score: float
    stop_loss_z: float
    limits_a: LegLimits
    limits_b: LegLimits

    @property
    def notional_ratio(self) -> float:
        """Notional of leg B per notional of leg A."""
        if self.hedge_space == "log":
            return self.hedge_ratio
        return self.hedge_ratio * self.price_b / self.price_a

    @property
    def stop_distance(self) -> float:
        """Deviations between the z-score now and the stop band on the losing side."""
        return self.stop_loss_z + self.direction.sign * self.z_score

    def loss_per_notional(self, cost_per_fill: float) -> float:
        """Loss at the stop band per notional of leg A, four fills included; see `size_spread`."""
        scale = 1.0 if self.hedge_space == "log" else self.price_a
        move = self.stop_distance * self.spread_std / scale
        return move + 2 * cost_per_fill * (1 + self.notional_ratio)


@dataclass(frozen=True, slots=True)
class LegSizes:
    """
    Quantities of both legs, and what they mean.

    `net_exposure` is the hedge error in quote currency, as notional of leg B: what leg B holds
    beyond (+) or below (-) the exact hedge of leg A. `cap` is what limited the size.
    """

    case: SizingCase
    quantity_a: Decimal
    quantity_b: Decimal
    loss_at_stop: float
    margin: float
    cap: SizeCap

    @property
    def notional_a(self) -> float:
        """Notional of leg A, unsigned."""
        return float(self.quantity_a) * self.case.price_a

    @property
    def notional_b(self) -> float:
        """Notional of leg B, unsigned."""
        return float(self.quantity_b) * self.case.price_b

    @property
    def net_exposure(self) -> float:
        """Notional of leg B beyond the exact hedge of leg A, signed."""
        return self.notional_b - self.notional_a * self.case.notional_ratio

    @property
    def side_a(self) -> Side:
        """Side of the entry order of leg A; leg B has the other one."""
        return Side.BUY if self.case.direction is Direction.LONG else Side.SELL

    def plan(self, *, intercept: float) -> EntryPlan:
        """Express the sizes as the coordinator's entry plan."""
        case, sign = self.case, self.case.direction.sign
        return EntryPlan(
            direction=case.direction,
            leg_a=LegPlan(
                self.quantity_a * sign, case.limits_a.lot, case.limits_a.min_entry(case.price_a)
            ),
            leg_b=LegPlan(
                self.quantity_b * -sign, case.limits_b.lot, case.limits_b.min_entry(case.price_b)
            ),
            hedge_space=case.hedge_space,
            hedge_ratio=case.hedge_ratio,
            intercept=intercept,
            z_at_entry=case.z_score,
        )


@dataclass(frozen=True, slots=True)
class SizingRefusal:
    """No size, and why."""

    reason: RefusalReason
    text: str


def to_lots(quantity: float, lot: Decimal, rounding: str) -> Decimal:
    """Round to a multiple of `lot`; `rounding` is one of `decimal`'s modes."""
    return (to_quantity(quantity) / lot).to_integral_value(rounding=rounding) * lot
