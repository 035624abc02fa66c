"""Settings of the scored single-coin strategy: the section ``ext.signals``."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from freqtrade_ext.signals._layer_settings import (
    BollingerSettings,
    ConfidenceSettings,
    CrossSettings,
    EmaCrossSettings,
    FundingSettings,
    ImbalanceSettings,
    MultiTimeframeSettings,
    PointOfControlSettings,
    RecordSettings,
    RegimeVetoSettings,
    RsiSettings,
    Section,
    SmtSettings,
    StochasticRsiSettings,
    StrongTrendSettings,
    VolatileMarketSettings,
    VolumeSpikeSettings,
    VwapSettings,
)
from freqtrade_ext.signals._leverage_settings import LeverageSettings

__all__ = ["HurstSettings", "LayerSwitch", "LayerSwitches", "QuietSettings", "SignalSettings"]


class LayerSwitch(Section):
    """One layer on or off, and how much it counts.

    Attributes
    ----------
    enabled : bool
        Off: the layer gives no points, no veto and no factor.
    weight : float
        Multiplies the layer's points; its vetoes and factors stay as they are.
    """

    enabled: bool = True
    weight: Annotated[float, Field(ge=0, le=5)] = 1.0


class LayerSwitches(Section):
    """A switch for every layer of the registry, by its name.

    Attributes
    ----------
    regime_veto, multi_timeframe, strong_trend, volatile_market :
        Regime and trend.
    rsi_momentum, volume_spike, vwap_distance, point_of_control, smt_divergence :
        Price and volume.
    imbalance_trend, funding :
        Positioning of the others: layers 16 and 17.
    own_record, model_confidence :
        Experience: layers 18 and 23.
    macd_cross, bollinger_position, stochastic_rsi_cross, ema_cross :
        Layers 19 to 22, which only ever add.
    """

    regime_veto: LayerSwitch = LayerSwitch()
    multi_timeframe: LayerSwitch = LayerSwitch()
    strong_trend: LayerSwitch = LayerSwitch()
    volatile_market: LayerSwitch = LayerSwitch()
    rsi_momentum: LayerSwitch = LayerSwitch()
    volume_spike: LayerSwitch = LayerSwitch()
    vwap_distance: LayerSwitch = LayerSwitch()
    point_of_control: LayerSwitch = LayerSwitch()
    smt_divergence: LayerSwitch = LayerSwitch()
    imbalance_trend: LayerSwitch = LayerSwitch()
    funding: LayerSwitch = LayerSwitch()
    own_record: LayerSwitch = LayerSwitch()
    macd_cross: LayerSwitch = LayerSwitch()
    bollinger_position: LayerSwitch = LayerSwitch()
    stochastic_rsi_cross: LayerSwitch = LayerSwitch()
    ema_cross: LayerSwitch = LayerSwitch()
    model_confidence: LayerSwitch = LayerSwitch()

    def of(self, name: str) -> LayerSwitch:
        """Return the switch of a layer of the registry."""
        switch: LayerSwitch = getattr(self, name)
        return switch


class HurstSettings(Section):
    """The Hurst exponent of the recent closes, and where its regimes begin.

    Attributes
    ----------
    window : int
        Closes of each estimate.
    max_lag : int
        Longest difference of the estimate, in candles.
    reversion : float
        Below this the market reverts: a low price is bought.
    trend : float
        Above this the market trends: a high price is bought. Between both it is neutral.
    """

    window: Annotated[int, Field(ge=50, le=1000)] = 200
    max_lag: Annotated[int, Field(ge=2, le=100)] = 19
    reversion: Annotated[float, Field(ge=0.15, le=0.85)] = 0.45
    trend: Annotated[float, Field(ge=0.15, le=0.85)] = 0.55

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.reversion > self.trend:
            raise ValueError(
                f"hurst.reversion ({self.reversion}) must not be above hurst.trend ({self.trend})"
            )
        if self.max_lag > self.window // 2:
            raise ValueError(
                f"hurst.max_lag ({self.max_lag}) must be at most half of "
                f"hurst.window ({self.window})"
            )
        return self


class QuietSettings(Section):
    """Hours without signals, because few trade in them.

    Attributes
    ----------
    enabled : bool
        Off: signals at all hours.
    from_hour, until_hour : int
        First hour without signals; first hour with signals again (UTC, 0 to 23). From 22 until 3
        goes over midnight.
    exempt : list
        Coins that are liquid at all hours.
    """

    enabled: bool = True
    from_hour: Annotated[int, Field(ge=0, le=23)] = 2
    until_hour: Annotated[int, Field(ge=0, le=23)] = 6
    exempt: Annotated[tuple[str, ...], Field(strict=False)] = ("BTC", "ETH")


class SignalSettings(Section):
    """Everything that governs the scored single-coin strategy.

    Attributes
    ----------
    z_score_threshold : float
        z-score of the close that gives a direction, before `entry_tightness`.
    entry_tightness : float
        Multiplies `z_score_threshold`: larger is stricter.
    z_window : int
        Candles of the z-score.
    imbalance_threshold : float
        Order-book imbalance that gives a direction where the Hurst exponent is neutral.
    min_signal_interval_minutes : float
        Least time between two signals of a market.
    base_score : float
        Score of a signal before any layer.
    strength_points : float
        Points for a z-score (or imbalance) of twice its threshold; in proportion below, no more
        above.
    min_score : float
        Score that a signal needs in a normal market.
    min_score_low, min_score_high : float
        Least score that may be required in any market condition; largest score that may be
        required.
    quiet : object
        Hours without signals.
    hurst : object
        Regime of the market.
    layers : object
        Which layers count, and how much.
    leverage : object
        How high the leverage may be.
    """

    z_score_threshold: Annotated[float, Field(ge=0.8, le=3.0)] = 1.6
    entry_tightness: Annotated[float, Field(ge=0.5, le=4.0)] = 1.8
    z_window: Annotated[int, Field(ge=10, le=500)] = 50
    imbalance_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    min_signal_interval_minutes: Annotated[float, Field(ge=0, le=1440)] = 60.0
    base_score: Annotated[float, Field(ge=0, le=100)] = 35.0
    strength_points: Annotated[float, Field(ge=0, le=50)] = 20.0
    min_score: Annotated[float, Field(ge=50, le=95)] = 68.0
    min_score_low: Annotated[float, Field(ge=30, le=60)] = 55.0
    min_score_high: Annotated[float, Field(ge=60, le=95)] = 85.0
    quiet: QuietSettings = QuietSettings()
    hurst: HurstSettings = HurstSettings()
    layers: LayerSwitches = LayerSwitches()
    leverage: LeverageSettings = LeverageSettings()
    regime_veto: RegimeVetoSettings = RegimeVetoSettings()
    multi_timeframe: MultiTimeframeSettings = MultiTimeframeSettings()
    strong_trend: StrongTrendSettings = StrongTrendSettings()
    volatile_market: VolatileMarketSettings = VolatileMarketSettings()
    rsi_momentum: RsiSettings = RsiSettings()
    volume_spike: VolumeSpikeSettings = VolumeSpikeSettings()
    vwap_distance: VwapSettings = VwapSettings()
    point_of_control: PointOfControlSettings = PointOfControlSettings()
    smt_divergence: SmtSettings = SmtSettings()
    imbalance_trend: ImbalanceSettings = ImbalanceSettings()
    funding: FundingSettings = FundingSettings()
    own_record: RecordSettings = RecordSettings()
    macd_cross: CrossSettings = CrossSettings()
    bollinger_position: BollingerSettings = BollingerSettings()
    stochastic_rsi_cross: StochasticRsiSettings = StochasticRsiSettings()
    ema_cross: EmaCrossSettings = EmaCrossSettings()
    model_confidence: ConfidenceSettings = ConfidenceSettings()

    @property
    def z_threshold(self) -> float:
        """The z-score that gives a direction: `z_score_threshold` times `entry_tightness`."""
        return self.z_score_threshold * self.entry_tightness

    @model_validator(mode="after")
    def _z_score_can_be_reached(self) -> Self:
        bound = (self.z_window - 1) / self.z_window**0.5
        if self.z_threshold >= bound:
            raise ValueError(
                f"z_score_threshold times entry_tightness is {self.z_threshold:.2f}, but a z-score "
                f"over z_window ({self.z_window}) candles cannot exceed {bound:.2f}: there would "
                "never be a signal"
            )
        return self
