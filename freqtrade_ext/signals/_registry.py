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

_CANDLES = "candles"
_BITCOIN = "candles of Bitcoin"

LAYERS: Final[tuple[Layer, ...]] = (
    Layer("regime_veto", regime.regime_veto, _CANDLES, vetoes=True),
    Layer("multi_timeframe", regime.multi_timeframe, "higher candles, Bitcoin's", vetoes=True),
    Layer("strong_trend", regime.strong_trend, "candles of 4 hours"),
    Layer("volatile_market", regime.volatile_market, _BITCOIN),
    Layer("rsi_momentum", price.rsi_momentum, _CANDLES),
    Layer("volume_spike", price.volume_spike, _CANDLES),
    Layer("vwap_distance", price.vwap_distance, _CANDLES),
    Layer("point_of_control", price.point_of_control, _CANDLES),
    Layer("smt_divergence", divergence.smt_divergence, "candles of Bitcoin and Ether"),
    Layer("imbalance_trend", positioning.imbalance_trend, "order book (live only)", 16),
    Layer("funding", positioning.funding, "funding rates", 17, vetoes=True),
    Layer("own_record", experience.own_record_layer, "own closed trades (live only)", 18),
    Layer("macd_cross", cross.macd_cross, _CANDLES, 19),
    Layer("bollinger_position", cross.bollinger_position, _CANDLES, 20),
    Layer("stochastic_rsi_cross", cross.stochastic_rsi_cross, _CANDLES, 21),
    Layer("ema_cross", cross.ema_cross, _CANDLES, 22),
    Layer("model_confidence", experience.model_confidence, "model", 23, vetoes=True, measures=True),
)
