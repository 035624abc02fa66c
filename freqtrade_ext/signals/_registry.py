"""The one list of layers, in the order in which they are explained."""

from typing import Final

from freqtrade_ext.signals import _layers_cross as cross
from freqtrade_ext.signals import _layers_divergence as divergence
from freqtrade_ext.signals import _layers_experience as experience
from freqtrade_ext.signals import _layers_positioning as positioning
from freqtrade_ext.signals import _layers_price as price
from freqtrade_ext.signals import _layers_regime as regime
from freqtrade_ext.signals._layer import Layer

__all__ = ["LAYERS"]

LAYERS: Final[tuple[Layer, ...]] = (
    Layer("regime_veto", regime.regime_veto, vetoes=True),
    Layer("multi_timeframe", regime.multi_timeframe, vetoes=True),
    Layer("strong_trend", regime.strong_trend),
    Layer("volatile_market", regime.volatile_market),
    Layer("rsi_momentum", price.rsi_momentum),
    Layer("volume_spike", price.volume_spike),
    Layer("vwap_distance", price.vwap_distance),
    Layer("point_of_control", price.point_of_control),
    Layer("smt_divergence", divergence.smt_divergence),
    Layer("imbalance_trend", positioning.imbalance_trend, 16),
    Layer("funding", positioning.funding, 17, vetoes=True),
    Layer("own_record", experience.own_record_layer, 18),
    Layer("macd_cross", cross.macd_cross, 19),
    Layer("bollinger_position", cross.bollinger_position, 20),
    Layer("stochastic_rsi_cross", cross.stochastic_rsi_cross, 21),
    Layer("ema_cross", cross.ema_cross, 22),
    Layer("model_confidence", experience.model_confidence, 23, vetoes=True),
)
