"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.hyperopts import TradeObjectiveLoss


class TradeObjective(TradeObjectiveLoss):
    """Sharpe ratio of the trades + log(1 + profit factor) + 0.1 √n; 100 under ten trades."""
