"""Risk rules; all of them are pure functions and are given the time."""

from freqtrade_ext.risk._close_reasons import CloseCategory, CloseReason

__all__ = ["CloseCategory", "CloseReason"]
