"""The loss class as `freqtrade hyperopt` loads and calls it.

Bugs planted by hand: the sign of the score; the days of the period; absolute profits.
"""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from freqtrade.resolvers.hyperopt_resolver import HyperOptLossResolver

from freqtrade_ext.stats import trade_objective

USER_DATA = Path(__file__).resolve().parents[2] / "user_data"
RESULTS = pd.DataFrame(
    {"profit_ratio": [0.02, -0.01] * 10, "profit_abs": [9.0, -40.0] * 10, "pair": "X/USDT:USDT"}
)
SPAN = {
    "min_date": datetime(2024, 1, 1, tzinfo=UTC),
    "max_date": datetime(2024, 1, 31, 12, tzinfo=UTC),
}


@pytest.fixture
def loss():
    config = {"user_data_dir": USER_DATA, "hyperopt_loss": "TradeObjective", "timeframe": "1h"}
    return HyperOptLossResolver.load_hyperoptloss(config)


def test_lower_is_better(loss):
    value = loss.hyperopt_loss_function(
        results=RESULTS, trade_count=20, config={}, processed={}, backtest_stats={},
        starting_balance=1_000.0, **SPAN,
    )  # fmt: skip
    assert value == -trade_objective(RESULTS["profit_ratio"], days=30.5)
    assert value < 0


def test_too_few_trades_are_the_worst(loss):
    value = loss.hyperopt_loss_function(
        results=RESULTS.head(9), trade_count=9, config={}, processed={}, backtest_stats={},
        starting_balance=1_000.0, **SPAN,
    )  # fmt: skip
    assert value == 100.0
