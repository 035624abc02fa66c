"""What a scan demands of markets and of spreads: frozen, validated, documented defaults."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from freqtrade_ext.settings import PromiseSettings

__all__ = ["BootstrapSettings", "FamilySettings", "ScanSettings", "UniverseSettings"]

Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Level = Annotated[float, Field(gt=0, le=0.5, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class UniverseSettings(_Section):
    """Which markets may take part.

    Attributes
    ----------
    window : int
        Candles that the scan looks at, discovery and confirmation together. Shorter where no
        market has that much history.
    min_candles : int
        Fewest candles of the window; with less there is no scan.
    min_daily_volume : float
        Least turnover of 24 hours in quote currency: median over the days of the window.
    min_listing_days : float
        Least time from a market's first known candle (or its listing) to the end of the window.
    max_missing_share : float
        Largest share of the window's candles that may be missing or without trades.
    max_carry_candles : int
        Longest run of missing candles over which the last close is carried forward.
    stationary_level : float
        A market whose own log price rejects a unit root at this level is reported, not traded.
    pegged_range : float
        A market whose log price stays within this range over the discovery is pegged: reported,
        not traded. So are two markets whose log price ratio stays within it: twins.
    twin_correlation : float
        Two markets whose returns correlate at least this much are one market twice (wrapped,
        pegged to each other, other units): reported, not traded against each other.
    """

    window: Annotated[int, Field(ge=200)] = 3240
    min_candles: Annotated[int, Field(ge=200)] = 500
    min_daily_volume: NonNegative = 1_000_000.0
    min_listing_days: NonNegative = 30.0
    max_missing_share: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    max_carry_candles: Annotated[int, Field(ge=0)] = 12
    stationary_level: Level = 0.01
    pegged_range: NonNegative = 0.01
    twin_correlation: Annotated[float, Field(gt=0, le=1)] = 0.98

    @model_validator(mode="after")
    def _window_is_long_enough(self) -> Self:
        if self.window < self.min_candles:
            raise ValueError(
                f"window ({self.window}) must not be below min_candles ({self.min_candles})"
            )
        return self


class FamilySettings(_Section):
    """Which combinations are tested, and how many false discoveries are accepted.

    Attributes
    ----------
    screen : {"partial", "nearest", "clusters", "liquidity", "none"}
        How the family is made smaller before testing: the combinations with the highest partial
        correlation of returns given all other markets; the highest plain correlation; markets in
        the same cluster of return correlations; in the same tier of turnover; not at all.
    size : int
        Combinations that a screen leaves at most. All of them where there are no more.
    max_lag : int, optional
        Bound of the lags chosen by AIC; by default Schwert's.
    raw_level : float
        Level at which raw p-values are counted for comparison; nothing is selected with it.
    max_qvalue : float
        Largest q-value over the whole family.
    control : {"bh", "by"}
        Benjamini-Hochberg, or Benjamini-Yekutieli, which holds under any dependence.
    volatility_bandwidth : float, optional
        Candles over which volatility is averaged before it is made steady: a discovery has to be
        one on such prices too, by the largest p-value that the control accepts, and confirmed on
        such values too; null: not asked.
    min_hedge_ratio, max_hedge_ratio : float
        Range of tradable hedge ratios, both ends included.
    max_half_life : float
        Longest tradable half-life, in candles.
    johansen_level : {0.1, 0.05, 0.01}, optional
        Level at which Johansen's trace test must reject no cointegration; null: not asked.
    """

    screen: Literal["partial", "nearest", "clusters", "liquidity", "none"] = "partial"
    size: Annotated[int, Field(ge=1)] = 1_000
    max_lag: Annotated[int, Field(ge=0)] | None = None
    raw_level: Level = 0.05
    max_qvalue: Level = 0.05
    control: Literal["bh", "by"] = "bh"
    volatility_bandwidth: Annotated[float, Field(ge=5, le=1000)] | None = 50.0
    min_hedge_ratio: Annotated[float, Field(gt=0, le=1)] = 0.1
    max_hedge_ratio: Annotated[float, Field(ge=1, le=1000)] = 10.0
    max_half_life: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 200.0
    johansen_level: float | None = 0.05

    @field_validator("johansen_level")
    @classmethod
    def _johansen_level_is_tabulated(cls, level: float | None) -> float | None:
        if level is not None and level not in (0.1, 0.05, 0.01):
            raise ValueError(f"johansen_level ({level}) must be 0.1, 0.05 or 0.01, or null")
        return level

    @model_validator(mode="after")
    def _hedge_ratios_are_ordered(self) -> Self:
        if self.min_hedge_ratio >= self.max_hedge_ratio:
            raise ValueError(
                f"min_hedge_ratio ({self.min_hedge_ratio}) must be below "
                f"max_hedge_ratio ({self.max_hedge_ratio})"
            )
        return self


class BootstrapSettings(_Section):
    """The bootstrap test of finalists.

    Attributes
    ----------
    replications : int
        Pseudo-samples for each finalist; 0 leaves the step out.
    max_pvalue : float
        Largest bootstrap p-value. It has to be reachable: at least ``1 / (replications + 1)``.
    """

    replications: Annotated[int, Field(ge=0, le=100_000)] = 499
    max_pvalue: Level = 0.01

    @model_validator(mode="after")
    def _pvalue_is_reachable(self) -> Self:
        if self.replications and self.max_pvalue < 1 / (self.replications + 1):
            raise ValueError(
                f"max_pvalue ({self.max_pvalue}) is out of reach of {self.replications} "
                f"replications: at least {1 / (self.replications + 1):.2g} is possible"
            )
        return self


class ScanSettings(_Section):
    """
    Everything that governs a scan.

    Attributes
    ----------
    universe : UniverseSettings
        Which markets may take part.
    family : FamilySettings
        Which combinations are tested, and how many false discoveries are accepted.
    bootstrap : BootstrapSettings
        The bootstrap test of finalists.
    edge : PromiseSettings
        Costs, and how much of the promised move is expected to be realised.
    confirm_share : float
        Share of the window, at its end, that takes no part in the discovery and confirms it.
    confirm_level : float
        Level of the confirmation, divided by the number of survivors (Bonferroni).
    fee_rate : float
        Fee of one fill as a ratio of its notional.
    max_spreads : int
        Most spreads that are chosen; no market is in two of them.
    entry_z, exit_z, stop_z : float
        Bands of the trading rule, for expected trades and moves, and for the book.
    z_window : int
        Candles of the rolling mean and deviation of the trading rule.
    max_holding_half_lives : float
        Longest time in the position, in half-lives.
    null_scan : bool
        Repeat the scan on the same data with each market's calendar shuffled.
    null_block : int
        Candles of one block of the shuffle.
    retest_pvalue : float
        A spread of the book stays while the re-test's p-value is at most this.
    cooling_days : float
        How long a retired spread may not come back.
    """

    universe: UniverseSettings = UniverseSettings()
    family: FamilySettings = FamilySettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    edge: PromiseSettings = PromiseSettings()
    confirm_share: Share = 1 / 3
    confirm_level: Level = 0.05
    fee_rate: Annotated[float, Field(ge=0, le=0.05)] = 0.0005
    max_spreads: Annotated[int, Field(ge=1, le=1000)] = 10
    entry_z: Annotated[float, Field(gt=0, le=20)] = 2.0
    exit_z: Annotated[float, Field(ge=0, le=20)] = 0.5
    stop_z: Annotated[float, Field(gt=0, le=20)] = 4.0
    z_window: Annotated[int, Field(ge=2)] = 50
    max_holding_half_lives: Annotated[float, Field(gt=0, le=100)] = 3.0
    null_scan: bool = True
    null_block: Annotated[int, Field(ge=1)] = 24
    retest_pvalue: Level = 0.05
    cooling_days: NonNegative = 7.0

    @model_validator(mode="after")
    def _bands_are_ordered(self) -> Self:
        if not self.exit_z < self.entry_z < self.stop_z:
            raise ValueError(
                f"exit_z ({self.exit_z}) < entry_z ({self.entry_z}) < stop_z ({self.stop_z}) "
                "must hold"
            )
        return self

    @model_validator(mode="after")
    def _both_parts_are_long_enough(self) -> Self:
        shorter = min(self.confirm_share, 1 - self.confirm_share)
        if shorter * self.universe.min_candles < 50:
            raise ValueError(
                f"confirm_share ({self.confirm_share}) leaves fewer than 50 of min_candles "
                f"({self.universe.min_candles}) candles to discovery or confirmation"
            )
        return self
