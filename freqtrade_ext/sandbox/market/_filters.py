"""Steps of prices and quantities, and the contract terms every simulated market shares."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.sandbox.market._types import Instrument, LeverageBracket

__all__ = ["BRACKETS", "Step", "instrument", "price_step", "quantity_step"]

_MIN_NOTIONAL: Final = Decimal(5)
_MAX_NOTIONAL: Final = 20_000_000  # quote currency, of one limit order
_MAX_DECIMALS: Final = 10
_FINEST_RELATIVE: Final = 7  # a tick below 1e-7 of the price is noise of averaging, not a filter
_COARSEST_STEP_NOTIONAL: Final = 100.0  # quote; Binance's steps are worth less than that


@dataclass(frozen=True, slots=True)
class Step:
    """A decimal step 10 ** -decimals; `decimals` is negative for steps of 10 and more."""

    decimals: int

    @property
    def size(self) -> Decimal:
        """The step itself."""
        return Decimal(1).scaleb(-self.decimals) if self.decimals > 0 else Decimal(self._unit)

    @property
    def _unit(self) -> int:
        return int(10 ** max(-self.decimals, 0))

    @property
    def _parts(self) -> float:
        return float(10 ** max(self.decimals, 0))

    def decimal(self, count: int) -> Decimal:
        """Turn a number of steps into an exact decimal."""
        return self.size * count

    def floats(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Turn numbers of steps into the floats nearest to the decimals."""
        # One correctly rounded division; multiplying by 0.1 would print 42503.600000000006.
        return counts * self._unit / self._parts

    def counts(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Round values to whole steps, half to even."""
        return np.rint(values * self._parts / self._unit).astype(np.int64)


def price_step(prices: NDArray[np.float64]) -> Step:
    """
    Find the tick of a market from its prices.

    Parameters
    ----------
    prices : ndarray of shape (nobs,)
        Finite and positive.

    Returns
    -------
    Step
        The coarsest power of ten that all prices are multiples of, but not finer than 1e-7 of the
        median price: averaged prices have endless decimals.
    """
    finest = math.ceil(_FINEST_RELATIVE - math.log10(float(np.median(prices))))
    return _coarsest(prices, 0, min(max(finest, 0), _MAX_DECIMALS))


def quantity_step(volumes: NDArray[np.float64], typical_price: float) -> Step:
    """
    Find the quantity step of a market from its volumes.

    Parameters
    ----------
    volumes : ndarray of shape (nobs,)
        Base units, finite, not negative.
    typical_price : float
        Quote currency for a base unit.

    Returns
    -------
    Step
        The coarsest power of ten that all volumes are multiples of, not worth more than 100 quote
        units (volumes of a quiet market may all be whole) nor less than 1e-6 of one.
    """
    magnitude = math.log10(typical_price)
    coarsest = max(math.ceil(magnitude - math.log10(_COARSEST_STEP_NOTIONAL)), 0)
    finest = min(max(math.ceil(magnitude) + 6, coarsest), _MAX_DECIMALS)
    return _coarsest(volumes, min(coarsest, finest), finest)


def _coarsest(values: NDArray[np.float64], first: int, finest: int) -> Step:
    for decimals in range(first, finest):
        scale = 10.0**decimals
        # A float read from a decimal text of that many places survives exactly this round trip.
        if np.array_equal(np.rint(values * scale) / scale, values):
            return Step(decimals)
    return Step(finest)


def _brackets(rows: tuple[tuple[int, int, int, str], ...]) -> tuple[LeverageBracket, ...]:
    """Complete (floor, cap, leverage, rate) with the amounts that make the margin continuous."""
    table: list[LeverageBracket] = []
    amount, previous = Decimal(0), Decimal(0)
    for floor, cap, leverage, text in rows:
        rate = Decimal(text)
        if table:
            amount += floor * (rate - previous)
        table.append(LeverageBracket(Decimal(floor), Decimal(cap), leverage, rate, amount))
        previous = rate
    return tuple(table)


BRACKETS: Final = _brackets(
    (
        (0, 50_000, 50, "0.01"),
        (50_000, 500_000, 25, "0.02"),
        (500_000, 5_000_000, 10, "0.05"),
        (5_000_000, 50_000_000, 5, "0.1"),
    )
)
"""Leverage table of every simulated contract, of the shape of Binance's for a mid-sized coin."""


def instrument(
    base: str,
    quote: str,
    *,
    tick: Step,
    step: Step,
    typical_price: float,
    listed_at_ms: int,
    funding_interval_hours: int,
) -> Instrument:
    """Put a contract together; the largest order is worth about 20 million quote units."""
    steps = max(int(_MAX_NOTIONAL / typical_price / float(step.size)), 1)
    return Instrument(
        symbol=f"{base}{quote}",
        base=base,
        quote=quote,
        tick_size=tick.size,
        step_size=step.size,
        min_quantity=step.size,
        max_quantity=step.decimal(steps),
        max_market_quantity=step.decimal(max(steps // 5, 1)),
        min_notional=_MIN_NOTIONAL,
        listed_at_ms=listed_at_ms,
        brackets=BRACKETS,
        funding_interval_hours=funding_interval_hours,
    )
