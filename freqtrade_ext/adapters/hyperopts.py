"""Loss functions for ``freqtrade hyperopt``; `user_data/hyperopts` holds the subclasses."""

from datetime import datetime
from typing import Any

from freqtrade.optimize.hyperopt import IHyperOptLoss
from pandas import DataFrame

from freqtrade_ext.stats import trade_objective

__all__ = ["TradeObjectiveLoss"]

_DAY_SECONDS = 86_400.0


class TradeObjectiveLoss(IHyperOptLoss):
    """Minus the score of `freqtrade_ext.stats.trade_objective`: lower is better."""

    @staticmethod
    def hyperopt_loss_function(
        results: DataFrame, min_date: datetime, max_date: datetime, *args: Any, **kwargs: Any
    ) -> float:
        """Score the trades of one epoch by their profit after fees and funding."""
        days = (max_date - min_date).total_seconds() / _DAY_SECONDS
        return -trade_objective(results["profit_ratio"], days=days)
