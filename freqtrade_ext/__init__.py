"""Two-leg spreads, a rehearsal exchange and honest statistics for a stock Freqtrade."""

__version__ = "0.1.0"

__all__ = ["__version__"]
