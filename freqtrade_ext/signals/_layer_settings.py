"""Thresholds and points of the layers, one section for each layer that has any."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from freqtrade_ext.signals._candles import milliseconds_of

__all__ = [
    "BollingerSettings",
    "ConfidenceSettings",
    "CrossSettings",
    "EmaCrossSettings",
    "FundingSettings",
    "ImbalanceSettings",
    "MultiTimeframeSettings",
    "PointOfControlSettings",
    "RecordSettings",
    "RegimeVetoSettings",
    "RsiSettings",
    "Section",
    "SmtSettings",
    "StochasticRsiSettings",
    "StrongTrendSettings",
    "VolatileMarketSettings",
    "VolumeSpikeSettings",
    "VwapSettings",
]

Points = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=0.1)]
Lookback = Annotated[int, Field(ge=2, le=500)]


class Section(BaseModel):
    """A frozen section of the configuration; unknown keys and wrong types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def ascending(**values: float) -> None:
    """
    Refuse thresholds that are out of order.

    Raises
    ------
    ValueError
        Naming all of them.
    """
    given = list(values.values())
    if given != sorted(given):
        said = ", ".join(f"{name} ({value})" for name, value in values.items())
        raise ValueError(f"must be in ascending order: {said}")


class RegimeVetoSettings(Section):
    """Signals against a strong trend of a trending market are rejected.

    Attributes
    ----------
    adx : float
        Average directional index from which a trend is strong.
    hurst : float
        Hurst exponent from which a market trends.
    timeframe : str or None
        Higher timeframe whose Hurst exponent may say so too; None: only that of the candles.
    closes : int
        Higher closes of that exponent.
    """

    adx: Annotated[float, Field(ge=10, le=80)] = 30.0
    hurst: Annotated[float, Field(ge=0.15, le=0.85)] = 0.55
    timeframe: str | None = None
    closes: Annotated[int, Field(ge=40, le=500)] = 80

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.timeframe is not None:
            milliseconds_of(self.timeframe)
        return self


class MultiTimeframeSettings(Section):
    """Higher timeframes agree or disagree.

    Attributes
    ----------
    timeframes : list
        Higher timeframes that are asked.
    fast, slow : int
        Higher candles of the fast average; higher candles of the slow average.
    points : float
        Points where all timeframes agree; as many are taken where all disagree.
    leverage_change : float
        Share by which full agreement raises, and full disagreement lowers, the leverage.
    veto_points : float
        Points taken where all timeframes and Bitcoin's trend are against the signal, which is
        rejected.
    """

    timeframes: Annotated[tuple[str, ...], Field(strict=False)] = ("1h", "4h")
    fast: Lookback = 8
    slow: Lookback = 21
    points: Points = 10.0
    leverage_change: Annotated[float, Field(ge=0, le=0.2)] = 0.2
    veto_points: Points = 100.0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ascending(fast=self.fast, slow=self.slow)
        for timeframe in self.timeframes:
            milliseconds_of(timeframe)
        return self


class StrongTrendSettings(Section):
    """The change over the last twenty closes of 4 hours is against the signal.

    Attributes
    ----------
    closes : int
        Closes of 4 hours that are looked at.
    mild, strong, extreme : float
        Change against the signal, as a share, from which each step begins.
    mild_points, strong_points, extreme_points : float
        Points taken in each step.
    mild_size, strong_size, extreme_size : float
        Factor of the position's size in each step.
    """

    closes: Annotated[int, Field(ge=2, le=200)] = 20
    mild: Annotated[float, Field(gt=0, le=1)] = 0.05
    strong: Annotated[float, Field(gt=0, le=1)] = 0.10
    extreme: Annotated[float, Field(gt=0, le=1)] = 0.20
    mild_points: Points = 10.0
    strong_points: Points = 20.0
    extreme_points: Points = 30.0
    mild_size: Share = 0.75
    strong_size: Share = 0.50
    extreme_size: Share = 0.25

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ascending(mild=self.mild, strong=self.strong, extreme=self.extreme)
        return self


class VolatileMarketSettings(Section):
    """Bitcoin's short volatility against its long one.

    Attributes
    ----------
    short_hours, long_hours : float
        Hours of the short volatility; hours of the long volatility.
    volatile_ratio : float
        Short divided by long volatility from which the market is volatile.
    calm_ratio : float
        Ratio up to which it is calm.
    volatile_factor : float
        Factor of the required score in a volatile market.
    calm_factor : float
        Factor of the required score in a calm market.
    """

    short_hours: Annotated[float, Field(gt=0, le=168)] = 6.0
    long_hours: Annotated[float, Field(gt=0, le=1000)] = 72.0
    volatile_ratio: Annotated[float, Field(gt=1, le=5)] = 1.5
    calm_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.67
    volatile_factor: Annotated[float, Field(ge=1, le=2)] = 1.15
    calm_factor: Annotated[float, Field(ge=0.5, le=1)] = 0.95

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.short_hours >= self.long_hours:
            raise ValueError(
                f"short_hours ({self.short_hours}) must be below long_hours ({self.long_hours})"
            )
        return self


class RsiSettings(Section):
    """Relative strength index, read for the side of the signal: for a short, 100 minus RSI.

    Attributes
    ----------
    period : int
        Candles of the index.
    deep, low, high : float
        For a mean-reversion signal: below `deep` all points, below `low` half of them, above
        `high` half of them taken.
    weak, strong, exhausted : float
        For a trend signal: between `strong` and `exhausted` half of the points, above `exhausted`
        or below `weak` half of them taken.
    points : float
        Points of the layer.
    """

    period: Lookback = 14
    deep: Annotated[float, Field(ge=0, le=50)] = 30.0
    low: Annotated[float, Field(ge=0, le=50)] = 40.0
    high: Annotated[float, Field(ge=50, le=100)] = 60.0
    weak: Annotated[float, Field(ge=0, le=50)] = 45.0
    strong: Annotated[float, Field(ge=50, le=100)] = 50.0
    exhausted: Annotated[float, Field(ge=50, le=100)] = 75.0
    points: Points = 8.0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ascending(deep=self.deep, low=self.low)
        ascending(strong=self.strong, exhausted=self.exhausted)
        return self


class VolumeSpikeSettings(Section):
    """Volume of the candle against the mean of the candles before it.

    Attributes
    ----------
    window : int
        Candles of the mean; the current one is not among them.
    spike, surge : float
        Ratio from which the volume is a spike, which gives the points; ratio from which it is a
        surge, which gives 1.6 times as many.
    thin : float
        Ratio below which the points are taken.
    points : float
        Points of the layer.
    """

    window: Lookback = 20
    spike: Annotated[float, Field(ge=1, le=20)] = 2.0
    surge: Annotated[float, Field(ge=1, le=20)] = 3.0
    thin: Annotated[float, Field(ge=0, le=1)] = 0.5
    points: Points = 5.0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ascending(thin=self.thin, spike=self.spike, surge=self.surge)
        return self


class VwapSettings(Section):
    """Distance of the close from the volume-weighted average price.

    Attributes
    ----------
    window : int
        Candles of the average.
    near, far : float
        Distance in standard deviations up to which there are no points; distance from which all
        are given.
    points : float
        Points of the layer.
    """

    window: Lookback = 96
    near: Annotated[float, Field(ge=0, le=10)] = 0.5
    far: Annotated[float, Field(gt=0, le=10)] = 2.0
    points: Points = 5.0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.near >= self.far:
            raise ValueError(f"near ({self.near}) must be below far ({self.far})")
        return self


class PointOfControlSettings(Section):
    """Distance of the close from the price at which most volume was traded.

    Attributes
    ----------
    window : int
        Candles of the volume profile.
    bins : int
        Price levels of the profile.
    near, far : float
        Distance in ATR up to which there are no points; distance from which all are given.
    points : float
        Points of the layer.
    """

    window: Lookback = 200
    bins: Annotated[int, Field(ge=5, le=200)] = 24
    near: Annotated[float, Field(ge=0, le=50)] = 1.0
    far: Annotated[float, Field(gt=0, le=50)] = 4.0
    points: Points = 5.0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.near >= self.far:
            raise ValueError(f"near ({self.near}) must be below far ({self.far})")
        return self


class SmtSettings(Section):
    """Two markets disagree at an extreme.

    Attributes
    ----------
    lookback : int
        Candles whose extreme has to be passed.
    fresh : int
        Candles for which a disagreement counts.
    points : float
        Points for a signal to the side of the reversal.
    """

    lookback: Lookback = 20
    fresh: Annotated[int, Field(ge=1, le=50)] = 3
    points: Points = 6.0


class ImbalanceSettings(Section):
    """Order-book imbalance: mean of the last readings against those before.

    Attributes
    ----------
    recent, before : int
        Readings of the last mean; readings of the mean before them.
    change, strong_change : float
        Change of the mean from which there are points; change from which it is strong.
    points, strong_points : float
        Points for a change in the signal's direction; points for a strong change.
    against_points : float
        Points taken for a change against it.
    """

    recent: Annotated[int, Field(ge=1, le=200)] = 10
    before: Annotated[int, Field(ge=1, le=200)] = 20
    change: Annotated[float, Field(ge=0, le=2)] = 0.05
    strong_change: Annotated[float, Field(ge=0, le=2)] = 0.15
    points: Points = 5.0
    strong_points: Points = 8.0
    against_points: Points = 5.0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ascending(change=self.change, strong_change=self.strong_change)
        return self


class FundingSettings(Section):
    """What the crowd pays; a positive rate says that it is long.

    Attributes
    ----------
    mild, strong, extreme : float
        Rate of one funding event, as a share, from which each step begins.
    mild_points, strong_points, extreme_points : float
        Points against the crowd in each step.
    crowd_points : float
        Points taken with the crowd from `strong` on; from `extreme` on the signal is rejected.
    max_age_hours : float
        A rate older than this says nothing.
    """

    mild: Rate = 0.0001
    strong: Rate = 0.0003
    extreme: Rate = 0.0008
    mild_points: Points = 3.0
    strong_points: Points = 8.0
    extreme_points: Points = 10.0
    crowd_points: Points = 5.0
    max_age_hours: Annotated[float, Field(gt=0, le=72)] = 12.0

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ascending(mild=self.mild, strong=self.strong, extreme=self.extreme)
        return self


class RecordSettings(Section):
    """The bot's own closed trades of the market.

    Attributes
    ----------
    min_trades : int
        Closed trades before the record says anything.
    good, poor, bad, worst : float
        Win rate from which it is good; win rate below which it is poor; win rate below which it is
        bad; win rate below which it is worst.
    good_points : float
        Points for a good record.
    poor_points, bad_points, worst_points : float
        Points taken in each step below.
    weaker_points : float
        Points taken for the side (long or short) with the lower win rate.
    weaker_gap : float
        Least difference of the win rates of both sides.
    weaker_min_trades : int
        Closed trades that each side needs.
    """

    min_trades: Annotated[int, Field(ge=5, le=1000)] = 20
    good: Share = 0.6
    poor: Share = 0.45
    bad: Share = 0.40
    worst: Share = 0.30
    good_points: Points = 5.0
    poor_points: Points = 5.0
    bad_points: Points = 10.0
    worst_points: Points = 15.0
    weaker_points: Points = 5.0
    weaker_gap: Share = 0.1
    weaker_min_trades: Annotated[int, Field(ge=1, le=1000)] = 5

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ascending(worst=self.worst, bad=self.bad, poor=self.poor, good=self.good)
        return self


class CrossSettings(Section):
    """A fast line crosses a slow one in the signal's direction.

    Attributes
    ----------
    fresh : int
        Candles for which a cross counts, while the lines have not crossed back.
    points : float
        Points of the layer.
    """

    fresh: Annotated[int, Field(ge=1, le=50)] = 3
    points: Points = 8.0


class EmaCrossSettings(CrossSettings):
    """The fast exponential average crosses the slow one in the signal's direction."""

    points: Points = 5.0


class BollingerSettings(Section):
    """Position of the close between the Bollinger bands: -1 lower band, 1 upper band.

    Attributes
    ----------
    period : int
        Candles of the bands.
    deviations : float
        Standard deviations from the middle to each band.
    position : float
        A long below minus this and a short above it get the points.
    points : float
        Points of the layer.
    """

    period: Lookback = 20
    deviations: Annotated[float, Field(gt=0, le=10)] = 2.0
    position: Annotated[float, Field(ge=0, le=3)] = 0.8
    points: Points = 8.0


class StochasticRsiSettings(Section):
    """The stochastic RSI crosses at an extreme in the signal's direction.

    Attributes
    ----------
    period : int
        Candles of the stochastic of the RSI.
    low : float
        %K below this for a long, above 100 minus this for a short.
    fresh : int
        Candles for which a cross counts.
    points : float
        Points of the layer.
    """

    period: Lookback = 14
    low: Annotated[float, Field(ge=0, le=50)] = 20.0
    fresh: Annotated[int, Field(ge=1, le=50)] = 3
    points: Points = 8.0


class ConfidenceSettings(Section):
    """Confidence of the outcome model, 0 to 1.

    Attributes
    ----------
    floor : float
        A confidence below this rejects the signal.
    neutral : float
        Confidence that gives no points; above it they are given in proportion, below it taken.
    points : float
        Points for a confidence of 1; as many are taken at 0.
    """

    floor: Share = 0.3
    neutral: Annotated[float, Field(gt=0, lt=1)] = 0.5
    points: Points = 10.0
