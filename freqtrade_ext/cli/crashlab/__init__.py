"""The crash lab: a user's own configuration and strategy through every fault, kill -9 included."""

from freqtrade_ext.cli.crashlab._command import crashlab

__all__ = ["crashlab"]
