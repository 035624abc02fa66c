"""Test a spread of the current book again."""

import math

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner._cards import Retest
from freqtrade_ext.scanner._report import Universe
from freqtrade_ext.stats import engle_granger, half_life

__all__ = ["retest"]


def retest(universe: Universe, leg_a: str, leg_b: str, *, max_lag: int | None = None) -> Retest:
    """
    Test one combination over the whole window, both directions.

    Parameters
    ----------
    universe : Universe
        Markets of the scan.
    leg_a, leg_b : str
        Dependent market and regressor.
    max_lag : int, optional
        Bound of the lags chosen by AIC, as in the discovery.

    Returns
    -------
    Retest
        Of one hypothesis: its p-value is not corrected for the family.

    Notes
    -----
    A gate that closes slowly, not an independent test: the window shares nearly all of its candles
    with the one that the spread was found in. A relation that breaks is noticed when enough of the
    window lies after the break, weeks later.
    """
    missing = [leg for leg in (leg_a, leg_b) if leg not in universe.markets]
    if missing:
        return _refused(leg_a, leg_b, _why_absent(universe, missing[0]))
    log_a, log_b = universe.log_price(leg_a), universe.log_price(leg_b)
    try:
        forward = engle_granger(log_a, log_b, max_lag=max_lag)
        backward = engle_granger(log_b, log_a, max_lag=max_lag)
        if forward.near_collinear:
            return _refused(leg_a, leg_b, "the two markets are the same price twice")
        reversion = half_life(forward.resid)
    except InfeasibleError as error:
        return _refused(leg_a, leg_b, str(error))
    weaker = max(forward, backward, key=lambda test: test.stat)
    return Retest(
        leg_a,
        leg_b,
        weaker.stat,
        weaker.pvalue,
        forward.hedge_ratio,
        forward.intercept,
        reversion,
    )


def _why_absent(universe: Universe, market: str) -> str:
    for refusal in universe.refusals:
        if refusal.market == market:
            return str(refusal)
    return f"{market}: was not among the histories"


def _refused(leg_a: str, leg_b: str, reason: str) -> Retest:
    nan = math.nan
    return Retest(leg_a, leg_b, nan, nan, nan, nan, nan, reason)
