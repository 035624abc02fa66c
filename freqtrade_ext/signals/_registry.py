"""The one list of layers, in the order in which they are explained."""

from typing import Final

from freqtrade_ext.signals import _layers_regime as regime
from freqtrade_ext.signals._layer import Layer

__all__ = ["LAYERS"]

LAYERS: Final[tuple[Layer, ...]] = (
    Layer("regime_veto", regime.regime_veto, vetoes=True),
    Layer("multi_timeframe", regime.multi_timeframe, vetoes=True),
    Layer("strong_trend", regime.strong_trend),
    Layer("volatile_market", regime.volatile_market),
)
