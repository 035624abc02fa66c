"""What a synthetic market is made of, and the names and prices of its contracts."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from freqtrade_ext.sandbox.market._noise import key_of, uniform

__all__ = ["PlantedSpread", "SyntheticSpec", "nominal_coins"]

_COINS: Final = (
    ("BTC", 60_000.0), ("ETH", 3_000.0), ("SOL", 150.0), ("AVAX", 30.0), ("LINK", 14.0),
    ("UNI", 8.0), ("LTC", 80.0), ("BCH", 400.0), ("XRP", 0.6), ("XLM", 0.11), ("ADA", 0.45),
    ("DOT", 6.5), ("ATOM", 7.5), ("NEAR", 5.0), ("AAVE", 95.0), ("MKR", 2_400.0), ("FIL", 5.5),
    ("AR", 28.0), ("APT", 8.5), ("SUI", 1.1), ("OP", 1.9), ("ARB", 0.8), ("INJ", 22.0),
    ("TIA", 7.0), ("DOGE", 0.13), ("TRX", 0.12), ("ETC", 24.0), ("ZEC", 25.0), ("DASH", 28.0),
    ("XMR", 160.0), ("ALGO", 0.15), ("VET", 0.12), ("EOS", 0.6), ("XTZ", 0.8), ("GRT", 0.2),
    ("SNX", 2.0), ("COMP", 50.0), ("CRV", 0.35), ("SAND", 0.35), ("MANA", 0.4), ("AXS", 6.0),
    ("IMX", 1.6), ("LDO", 1.9), ("DYDX", 1.5), ("RUNE", 4.5), ("KAVA", 0.5), ("ZIL", 0.12),
    ("ENJ", 0.2), ("BAT", 0.2), ("QTUM", 3.0), ("NEO", 12.0), ("IOTA", 0.2), ("KSM", 24.0),
    ("EGLD", 38.0), ("FLOW", 0.7), ("GALA", 0.12), ("APE", 1.2), ("STX", 1.8), ("RNDR", 7.0),
    ("WLD", 2.5),
)  # fmt: skip

Minutes = Annotated[int, Field(gt=0)]
Volatility = Annotated[float, Field(gt=0, le=0.02)]


class SyntheticSpec(BaseModel):
    """
    A synthetic market: groups of cointegrated contracts, and others that have nothing in common.

    Each group has a random-walk factor besides the market's. Its first member is the sum of both;
    every other member is ``intercept + hedge_ratio * first + spread`` in log prices, the spread an
    Ornstein-Uhlenbeck process. Volatilities are standard deviations of log returns per minute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seed: int
    anchor_ms: Annotated[int, Field(gt=0)]
    """The market's "now", a whole minute; minutes are counted from it."""
    history_minutes: Minutes = 45 * 1_440
    horizon_minutes: Minutes = 7 * 1_440
    """Minutes of market after the anchor; then prices hold."""
    groups: Annotated[int, Field(ge=0)] = 4
    markets_per_group: Annotated[int, Field(ge=2)] = 3
    extra_markets: Annotated[int, Field(ge=0)] = 4
    half_life_minutes: Annotated[float, Field(gt=0)] = 240.0
    spread_sigma: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Stationary standard deviation of a spread, log units."""
    hedge_ratio_low: Annotated[float, Field(gt=0)] = 0.5
    hedge_ratio_high: Annotated[float, Field(gt=0, le=5)] = 2.0
    market_volatility: Volatility = 3e-4
    factor_volatility: Volatility = 4e-4
    extra_volatility: Volatility = 6e-4
    book_spread_bps: Annotated[float, Field(ge=0, le=500)] = 2.0
    funding_interval_hours: Literal[1, 4, 8] = 8
    funding_rate_mean: Annotated[float, Field(ge=-0.003, le=0.003)] = 1e-4
    funding_rate_sigma: Annotated[float, Field(ge=0, le=0.003)] = 1e-4

    @model_validator(mode="after")
    def _possible(self) -> "SyntheticSpec":
        if self.anchor_ms % 60_000:
            raise ValueError(f"anchor_ms ({self.anchor_ms}) must be a whole minute")
        if self.history_minutes * 60_000 > self.anchor_ms:
            raise ValueError(f"history_minutes ({self.history_minutes}) reaches before 1970")
        if self.hedge_ratio_low > self.hedge_ratio_high:
            raise ValueError(
                f"hedge_ratio_low ({self.hedge_ratio_low}) must not exceed "
                f"hedge_ratio_high ({self.hedge_ratio_high})"
            )
        if self.market_count < 1:
            raise ValueError("groups and extra_markets are both 0: there would be no market")
        return self

    @property
    def market_count(self) -> int:
        """Number of contracts."""
        return self.groups * self.markets_per_group + self.extra_markets

    @property
    def start_ms(self) -> int:
        """Open of the first bar."""
        return self.anchor_ms - self.history_minutes * 60_000


@dataclass(frozen=True, slots=True)
class PlantedSpread:
    """
    A relation that holds by construction, up to the rounding of prices to ticks.

    ``log(symbol_a) = intercept + hedge_ratio * log(symbol_b) + spread`` where the spread is a
    stationary Ornstein-Uhlenbeck process of mean 0.
    """

    symbol_a: str
    symbol_b: str
    hedge_ratio: float
    intercept: float
    half_life_minutes: float
    sigma: float  # stationary standard deviation, log units


def nominal_coins(spec: SyntheticSpec) -> list[tuple[str, float]]:
    """
    Names and prices at the anchor of the contracts, the members of a group side by side.

    The first are well-known coins near their prices of 2024; beyond that list, names are numbered.
    """
    count = spec.market_count
    numbered = range(len(_COINS), count)
    made_up = [
        (f"COIN{index + 1}", 10.0 ** (4 * float(uniform(key_of(spec.seed, "price"), index)[0]) - 1))
        for index in numbered
    ]
    return [*_COINS[:count], *made_up]
