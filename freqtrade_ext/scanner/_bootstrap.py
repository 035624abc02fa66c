r"""
A bootstrap p-value for the Engle-Granger test of one combination.

MacKinnon's p-values hold in the limit, for increments without too much structure. The bootstrap
uses the increments that were observed: their fat tails, clusters of volatility, serial dependence,
and the dependence between both legs.

The null hypothesis is imposed as in the residual-based stationary bootstrap of Parker, Paparoditis
and Politis [1]_, extended to two series: with :math:`e_t` the residual of the levels,

1. fit :math:`e_t = \phi e_{t-1} + v_t` by least squares and centre :math:`v_t`;
2. resample :math:`(v_t, \Delta x_t)` together in blocks of geometric length [2]_, mean length by
   the rule of Politis and White [3]_;
3. rebuild with :math:`\phi = 1`: :math:`x^*_t = \sum \Delta x^*`, :math:`e^*_t = \sum v^*`,
   :math:`y^*_t = \alpha + \beta x^*_t + e^*_t`, two stochastic trends, not cointegrated;
4. compute the weaker direction's statistic as on the data, lags by AIC included.

Resampling :math:`v_t` instead of :math:`\Delta e_t` keeps the power: under cointegration
:math:`\Delta e_t` is over-differenced, its blocks would carry the reversion into the null.

References
----------
.. [1] Parker, C., Paparoditis, E. and Politis, D. N. (2006). Unit root testing via the stationary
   bootstrap. Journal of Econometrics 133(2), 601-638.
.. [2] Politis, D. N. and Romano, J. P. (1994). The stationary bootstrap. Journal of the American
   Statistical Association 89(428), 1303-1313.
.. [3] Patton, A., Politis, D. N. and White, H. (2009). Correction to "Automatic block-length
   selection for the dependent bootstrap". Econometric Reviews 28(4), 372-375.
.. [4] Palm, F. C., Smeekes, S. and Urbain, J.-P. (2010). A sieve bootstrap test for cointegration
   in a conditional error correction model. Econometric Theory 26(3), 647-681: the same idea with a
   sieve instead of blocks.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner._extra import arch_bootstrap
from freqtrade_ext.stats import engle_granger

__all__ = ["bootstrap_pvalue", "weaker_statistic"]

FloatArray = npt.NDArray[np.float64]


def weaker_statistic(y: FloatArray, x: FloatArray, *, max_lag: int | None = None) -> float:
    """Engle-Granger statistic of the direction with the weaker evidence."""
    return max(engle_granger(y, x, max_lag=max_lag).stat, engle_granger(x, y, max_lag=max_lag).stat)


def bootstrap_pvalue(
    y: FloatArray,
    x: FloatArray,
    *,
    replications: int,
    rng: np.random.Generator,
    max_lag: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """
    Test two log prices for cointegration by the stationary bootstrap.

    Parameters
    ----------
    y, x : array of shape (nobs,)
        Log prices of the dependent market and of the regressor.
    replications : int
        Pseudo-samples.
    rng : numpy.random.Generator
        Source of randomness.
    max_lag : int, optional
        Bound of the lags chosen by AIC.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    float
        ``(1 + number of pseudo-samples with a statistic as low) / (1 + replications)``.

    Raises
    ------
    ConfigError
        If arch is not installed.
    InfeasibleError
        If the data allow no test.
    """
    fit = engle_granger(y, x, max_lag=max_lag)
    observed = max(fit.stat, engle_granger(x, y, max_lag=max_lag).stat)
    innovations = _innovations(fit.resid)
    steps = np.diff(x)
    steps -= steps.mean()
    block = _block_length(innovations, steps)
    bootstrap = arch_bootstrap().StationaryBootstrap(block, innovations, steps, seed=rng)
    as_low = 0
    for done, ((shocks, changes), _) in enumerate(bootstrap.bootstrap(replications), start=1):
        trend = np.cumsum(changes)
        as_low += _as_low(fit.hedge_ratio * trend + np.cumsum(shocks), trend, observed, max_lag)
        if progress is not None:
            progress(done, replications)
    return (1 + as_low) / (1 + replications)


def _innovations(resid: FloatArray) -> FloatArray:
    before, after = resid[:-1], resid[1:]
    phi = float(before @ after) / float(before @ before)
    innovations: FloatArray = after - phi * before
    innovations -= innovations.mean()
    return innovations


def _block_length(innovations: FloatArray, steps: FloatArray) -> float:
    """Mean block length: the longest that the series or their squares ask for."""
    series = np.column_stack([innovations, steps, innovations**2, steps**2])
    asked = arch_bootstrap().optimal_block_length(series)["stationary"].to_numpy()
    nobs = len(innovations)
    return float(np.clip(np.nanmax(asked), nobs ** (1 / 3), nobs / 10))


def _as_low(y: FloatArray, x: FloatArray, observed: float, max_lag: int | None) -> bool:
    try:
        return weaker_statistic(y, x, max_lag=max_lag) <= observed
    except InfeasibleError:  # a pseudo-sample that cannot be tested does not speak for us
        return True
