"""``freqtrade-ext scan``: search a universe of markets for spreads, and everything a user sees."""

from freqtrade_ext.cli.scan._command import scan

__all__ = ["scan"]
