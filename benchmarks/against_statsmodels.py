"""Engle-Granger on one pair: ours against ``statsmodels.tsa.stattools.coint``."""

import numpy as np
from statsmodels.tsa.stattools import coint

from benchmarks._timing import side_by_side, spread
from freqtrade_ext.stats import engle_granger

PAIRS = 20


def main() -> None:
    """Print time ratios and the largest difference of the statistic."""
    print("Engle-Granger, AIC lags, peer: statsmodels coint(trend='c', autolag='aic')")
    for nobs in (720, 1440, 2160):
        rng = np.random.default_rng(7)
        walks = rng.normal(size=(PAIRS, 2, nobs)).cumsum(axis=2)
        ours = [engle_granger(y, x).stat for y, x in walks]
        peer = [coint(y, x, trend="c", autolag="aic")[0] for y, x in walks]
        comparison = side_by_side(
            lambda walks=walks: [engle_granger(y, x) for y, x in walks] and None,
            lambda walks=walks: [coint(y, x, trend="c", autolag="aic") for y, x in walks] and None,
            runs=5,
        )
        speedups = [1 / ratio for ratio in comparison.ratios("wall")]
        print(
            f"  {nobs} candles: {spread(speedups)} times faster; "
            f"largest difference {np.max(np.abs(np.subtract(ours, peer))):.1e}"
        )
