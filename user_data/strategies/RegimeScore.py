"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.strategies import RegimeStrategy


class RegimeScore(RegimeStrategy):
    """Scored long and short positions in single markets, by Hurst regime and layers."""
