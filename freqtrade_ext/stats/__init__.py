"""Statistics of spreads: arrays in, frozen results out; no clock, no I/O, no Freqtrade."""

from freqtrade_ext.stats._cointegration import CointegrationResult, engle_granger
from freqtrade_ext.stats._engle_granger_matrix import (
    Backend,
    EngleGrangerMatrix,
    EngleGrangerReason,
    engle_granger_matrix,
)
from freqtrade_ext.stats._hurst import hurst
from freqtrade_ext.stats._mackinnon import (
    adf_critical_values,
    engle_granger_critical_values,
    mackinnon_pvalue,
    mackinnon_pvalues,
)
from freqtrade_ext.stats._mean_reversion import half_life, mean_crossings
from freqtrade_ext.stats._regression import HedgeRatioResult, hedge_ratio
from freqtrade_ext.stats._rolling_cointegration import (
    RollingCointegrationResult,
    engle_granger_rolling,
)
from freqtrade_ext.stats._rolling_hurst import rolling_hurst
from freqtrade_ext.stats._trade_objective import trade_objective
from freqtrade_ext.stats._unit_root import AdfResult, adf
from freqtrade_ext.stats._z_score import formation_z_score, rolling_z_score

__all__ = [
    "AdfResult",
    "Backend",
    "CointegrationResult",
    "EngleGrangerMatrix",
    "EngleGrangerReason",
    "HedgeRatioResult",
    "RollingCointegrationResult",
    "adf",
    "adf_critical_values",
    "engle_granger",
    "engle_granger_critical_values",
    "engle_granger_matrix",
    "engle_granger_rolling",
    "formation_z_score",
    "half_life",
    "hedge_ratio",
    "hurst",
    "mackinnon_pvalue",
    "mackinnon_pvalues",
    "mean_crossings",
    "rolling_hurst",
    "rolling_z_score",
    "trade_objective",
]
