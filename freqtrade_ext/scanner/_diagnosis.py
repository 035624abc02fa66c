"""Describe a candidate on the discovery part: for sizes, exits and the order of the choice."""

import math

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner._cards import BetaStability, Diagnosis, JohansenResult, SpreadFit
from freqtrade_ext.scanner._classes import return_correlations
from freqtrade_ext.scanner._extra import johansen_module
from freqtrade_ext.scanner._report import Universe
from freqtrade_ext.scanner._settings import FamilySettings, ScanSettings
from freqtrade_ext.scanner._trading_rule import rolling_deviation, round_trips
from freqtrade_ext.spreads import Bands
from freqtrade_ext.spreads._rules import expected_move, round_trip_cost
from freqtrade_ext.stats import half_life, hedge_ratio, hurst, mean_crossings, rolling_z_score

__all__ = ["diagnose", "johansen", "untradable"]

FloatArray = npt.NDArray[np.float64]

_MONTH_MS = 30 * 86_400_000
_JOHANSEN_COLUMNS = {0.1: 0, 0.05: 1, 0.01: 2}


def diagnose(
    fit: SpreadFit, universe: Universe, discovery_candles: int, settings: ScanSettings
) -> Diagnosis:
    """
    Describe a spread.

    Parameters
    ----------
    fit : SpreadFit
        The line, fitted on the first `discovery_candles`.
    universe : Universe
        Log prices of the whole window.
    discovery_candles : int
        Candles of the discovery part.
    settings : ScanSettings
        Bands and costs.
    """
    log_a, log_b = universe.log_price(fit.leg_a), universe.log_price(fit.leg_b)
    value = fit.value(log_a, log_b)
    found = value[:discovery_candles]
    reversion = half_life(found)
    gross = 1.0 + abs(fit.hedge_ratio)
    cost = round_trip_cost(gross, settings.fee_rate, settings.edge)
    scale = rolling_deviation(found, settings.z_window)
    move = expected_move(settings.entry_z, scale, settings.exit_z, settings.edge.promise_share)
    trips = round_trips(
        value,
        rolling_z_score(value, settings.z_window),
        _bands(settings),
        half_life=reversion,
    )
    prices = np.column_stack([log_a, log_b])[:discovery_candles]
    months = len(value) * universe.candle_ms / _MONTH_MS
    return Diagnosis(
        half_life=reversion,
        hurst=_hurst(found),
        mean_crossings=mean_crossings(found),
        return_correlation=float(return_correlations(prices)[0, 1]),
        beta=_stability(log_a, log_b, discovery_candles),
        expected_move_bps=1e4 * move / gross,
        cost_bps=1e4 * cost / gross,
        trades_per_month=len(trips) / months,
        score=_score(move, cost, reversion),
    )


def _score(move: float, cost: float, reversion: float) -> float:
    """Expected move per cost and half-life; without a cost, per half-life alone."""
    if not 0.0 < reversion < math.inf:
        return 0.0
    return move / (cost or 1.0) / reversion


def _bands(settings: ScanSettings) -> Bands:
    return Bands(
        settings.entry_z,
        settings.exit_z,
        settings.stop_z,
        half_lives=settings.max_holding_half_lives,
    )


def _hurst(value: FloatArray) -> float:
    try:
        return hurst(value)
    except InfeasibleError:
        return math.nan


def _stability(log_a: FloatArray, log_b: FloatArray, discovery_candles: int) -> BetaStability:
    half = discovery_candles // 2
    parts = (slice(0, half), slice(half, discovery_candles), slice(discovery_candles, None))
    return BetaStability(*(_beta(log_a[part], log_b[part]) for part in parts))


def _beta(log_a: FloatArray, log_b: FloatArray) -> float:
    try:
        return hedge_ratio(log_a, log_b).hedge_ratio
    except InfeasibleError:
        return math.nan


def untradable(fit: SpreadFit, diagnosis: Diagnosis, settings: ScanSettings) -> str:
    """Say why a spread cannot be traded with profit, or return nothing."""
    family = settings.family
    if not family.min_hedge_ratio <= fit.hedge_ratio <= family.max_hedge_ratio:
        return (
            f"hedge ratio {fit.hedge_ratio:.3g} is outside "
            f"{family.min_hedge_ratio:g} to {family.max_hedge_ratio:g}"
        )
    if not 0.0 < diagnosis.half_life <= family.max_half_life:
        return (
            f"half-life of {diagnosis.half_life:.1f} candles is outside 0 to "
            f"{family.max_half_life:g}"
        )
    demanded = settings.edge.cost_multiple * diagnosis.cost_bps
    if diagnosis.expected_move_bps < demanded:
        return (
            f"an expected move of {diagnosis.expected_move_bps:.1f} bps does not pay "
            f"{settings.edge.cost_multiple:g} × the cost of {diagnosis.cost_bps:.1f} bps"
        )
    return ""


def johansen(
    fit: SpreadFit, log_a: FloatArray, log_b: FloatArray, settings: FamilySettings
) -> JohansenResult:
    """
    Ask Johansen's trace test for a second opinion on the discovery part.

    Parameters
    ----------
    fit : SpreadFit
        Its lags are those of the vector autoregression in differences, at least 1.
    log_a, log_b : array of shape (nobs,)
        Log prices.
    settings : FamilySettings
        Demanded level.

    Returns
    -------
    JohansenResult
        ``trace`` is NaN where the data allow no test.

    Raises
    ------
    ConfigError
        If statsmodels is not installed.
    """
    column = _JOHANSEN_COLUMNS[settings.johansen_level or 0.05]
    prices = np.column_stack([log_a, log_b])
    try:
        test = johansen_module().coint_johansen(prices, 0, max(1, fit.lags))
    except np.linalg.LinAlgError:
        return JohansenResult(math.nan, math.nan)
    return JohansenResult(float(test.lr1[0]), float(test.cvt[0, column]))
