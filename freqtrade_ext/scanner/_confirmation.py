"""Confirm discoveries on data that took no part in them."""

import math

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner._cards import Confirmation, SpreadFit
from freqtrade_ext.scanner._steady_volatility import steady_value
from freqtrade_ext.stats import adf

__all__ = ["confirm"]

FloatArray = npt.NDArray[np.float64]


def confirm(
    fit: SpreadFit,
    log_a: FloatArray,
    log_b: FloatArray,
    *,
    level: float,
    survivors: int,
    bandwidth: float | None = None,
) -> Confirmation:
    r"""
    Test whether the spread value goes on reverting to its old mean on later data.

    Parameters
    ----------
    fit : SpreadFit
        Coefficients of the discovery; nothing is fitted here.
    log_a, log_b : array of shape (nobs,)
        Log prices of the later part only.
    level : float
        Probability of one false confirmation or more among all survivors.
    survivors : int
        How many are confirmed at once; each is judged at ``level / survivors`` (Bonferroni).
    bandwidth : float, optional
        Candles over which volatility is averaged: the same test with the volatility made steady
        is demanded too. None: not asked.

    Returns
    -------
    Confirmation
        Of the weaker test; with p-value 1 where the later data allow no test.

    Notes
    -----
    With coefficients that the later data did not choose, the value is an observed series: the
    Dickey-Fuller distribution for one series holds, not the one for residuals. The intercept is
    frozen too, so the test has no constant: it asks for a return to the *old* mean. If nothing
    reverts, the value is a random walk from wherever it stands, and a start away from zero makes
    the test reject less often, not more: its statistic then tends to the normal distribution,
    whose lower tail lies above that of Dickey and Fuller. Clustered volatility makes it reject
    too often in the far tail, hence the second test.
    """
    value = fit.value(log_a, log_b)
    demanded = level / max(1, survivors)
    try:
        tests = [adf(value, trend="n")]
        if bandwidth is not None:
            tests.append(adf(steady_value(value, bandwidth), trend="n"))
    except InfeasibleError:
        return Confirmation(math.nan, 1.0, demanded, len(value))
    test = max(tests, key=lambda each: each.pvalue)
    return Confirmation(test.stat, test.pvalue, demanded, len(value))
