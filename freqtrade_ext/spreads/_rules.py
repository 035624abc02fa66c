"""When a spread may be entered and when it must be left; no history, no clock, no market access.

Everything here is a function of numbers that the caller read from *closed* candles of both legs.
A number that is missing (NaN) means hold: nothing is entered and nothing is liquidated on it.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.settings import EdgeSettings, PromiseSettings, SpreadSettings
from freqtrade_ext.spreads._events import Direction
from freqtrade_ext.spreads._walk_forward import Coefficients, SpreadTrack

__all__ = [
    "Bands",
    "OpenSpreadView",
    "entry_directions",
    "exit_reason",
    "expected_move",
    "promise_share",
    "round_trip_cost",
    "tradable_fits",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bands:
    """
    Limits of the z-score, and how long a spread is held at most.

    `max_holding` is in candles; 0 stands for `half_lives` half-lives of the fit at entry.
    """

    entry_z: float
    exit_z: float
    stop_z: float
    max_holding: float = 0.0
    half_lives: float = 3.0

    def longest(self, half_life: float) -> float:
        """Longest holding time in candles for a spread with this half-life."""
        return self.max_holding or self.half_lives * half_life


@dataclass(frozen=True, slots=True)
class OpenSpreadView:
    """What the exit rules look at, as of the last closed candle of both legs.

    `z_score` uses the coefficients frozen at entry; `latest` is the newest fit since, if any.
    `liquidation_share` is the largest share of the distance between a leg's entry price and its
    liquidation price that has been used up (0 at entry, 1 at liquidation). `value` is the spread
    value now, `stop_value` the one at which the stop band lay when the spread was entered: a
    rolling band moves away from a losing position, the size was computed for the band that stood.
    """

    direction: Direction
    z_score: float
    candles_held: float
    frozen: Coefficients
    latest: Coefficients | None
    liquidation_share: float = 0.0
    value: float = math.nan
    stop_value: float | None = None


def exit_reason(view: OpenSpreadView, bands: Bands, settings: SpreadSettings) -> CloseReason | None:
    """
    Decide whether an open spread is to be left now, and why.

    Returns
    -------
    CloseReason or None
        EMERGENCY_SL near a leg's liquidation; SPREAD_STOP where the stop band lay at the entry;
        MEAN_REVERSION inside the exit band or beyond zero; SPREAD_STOP at the current stop band;
        RELATION_BROKEN after a failed re-fit; SPREAD_TIME when held too long; None to hold. With
        a NaN z-score only the liquidation rule applies, because its price is the leg's own and
        current.
    """
    if view.liquidation_share >= settings.liquidation_guard:
        return CloseReason.EMERGENCY_SL
    if math.isnan(view.z_score):
        return None
    if _beyond_entry_stop(view):
        return CloseReason.SPREAD_STOP
    if abs(view.z_score) <= bands.exit_z or view.z_score * view.direction.sign >= 0:
        return CloseReason.MEAN_REVERSION
    if abs(view.z_score) >= bands.stop_z:
        return CloseReason.SPREAD_STOP
    if view.latest is not None and _relation_broken(view.frozen, view.latest, settings):
        return CloseReason.RELATION_BROKEN
    if view.candles_held >= bands.max_holding:
        return CloseReason.SPREAD_TIME
    return None


def _beyond_entry_stop(view: OpenSpreadView) -> bool:
    if view.stop_value is None or math.isnan(view.value):
        return False
    return (view.value - view.stop_value) * view.direction.sign <= 0


def _relation_broken(frozen: Coefficients, latest: Coefficients, settings: SpreadSettings) -> bool:
    if latest.fitted_at_ms <= frozen.fitted_at_ms:
        return False
    drift = abs(latest.hedge_ratio - frozen.hedge_ratio) / abs(frozen.hedge_ratio)
    return latest.pvalue > settings.relation_broken_pvalue or drift > settings.max_hedge_ratio_drift


def tradable_fits(
    track: SpreadTrack, settings: SpreadSettings, qvalues: FloatArray | None = None
) -> BoolArray:
    """
    Tell which fits of a spread allow entries.

    Parameters
    ----------
    track : SpreadTrack
        The spread.
    settings : SpreadSettings
        Limits of p-value, hedge ratio and half-life (candles).
    qvalues : array of shape (n_fits,), optional
        Benjamini-Hochberg q-values of the same fits over the whole book; needed when
        ``max_qvalue`` is set.

    Raises
    ------
    IllegalRequest
        If ``max_qvalue`` is set and no q-values are given: a limit is not skipped in silence.
    """
    allowed = np.array(
        [
            fit.pvalue <= settings.max_pvalue
            and settings.min_hedge_ratio <= fit.hedge_ratio <= settings.max_hedge_ratio
            and settings.min_half_life <= fit.half_life <= settings.max_half_life
            for fit in track.fits
        ],
        dtype=bool,
    )
    if settings.max_qvalue is not None:
        if qvalues is None:
            raise IllegalRequest("max_qvalue is set: the q-values of the fits are needed")
        allowed &= qvalues <= settings.max_qvalue
    return allowed


def entry_directions(
    track: SpreadTrack, bands: Bands, allowed_fits: BoolArray
) -> npt.NDArray[np.int8]:
    """
    Find the candles on which a spread asks to be entered.

    Returns
    -------
    array of int8, shape (n_candles,)
        +1 long the spread (z at or below minus the entry band), -1 short, 0 nothing. A candle
        at or beyond the stop band, without a z-score, or under a fit that is not allowed is 0.
    """
    inside_stop = np.abs(track.z_score) < bands.stop_z
    directions = np.zeros(len(track.z_score), dtype=np.int8)
    directions[(track.z_score <= -bands.entry_z) & inside_stop] = 1
    directions[(track.z_score >= bands.entry_z) & inside_stop] = -1
    if not len(allowed_fits):
        return np.zeros_like(directions)
    directions[(track.fit < 0) | ~allowed_fits[track.fit]] = 0
    return directions


def expected_move(z_score: float, scale: float, exit_z: float, share: float) -> float:
    """Move towards the exit band that may be expected, in spread units: a share of the promise."""
    return max(abs(z_score) - exit_z, 0.0) * scale * share


def promise_share(realised_over_promised: list[float], settings: EdgeSettings) -> float:
    """
    Shrink the prior share of the promised move towards what closed spreads have realised.

    Parameters
    ----------
    realised_over_promised : list of float
        For each closed spread, gross realised move divided by the promised one.
    settings : EdgeSettings
        Prior share and its weight in closed spreads.

    Returns
    -------
    float
        Weighted mean, never below 0: a strategy that lost on average expects nothing.
    """
    count = len(realised_over_promised)
    total = settings.promise_share * settings.promise_weight + sum(realised_over_promised)
    return max(total / (settings.promise_weight + count), 0.0)


def round_trip_cost(
    gross_per_unit: float, fee_rate: float, settings: PromiseSettings, funding: float = 0.0
) -> float:
    """
    Cost of opening and closing one unit of a spread, in spread units.

    Parameters
    ----------
    gross_per_unit : float
        Gross notional of both legs per unit of spread value: 1 + hedge ratio in log space,
        price A + hedge ratio × price B in price space.
    fee_rate : float
        Fee of one fill as a ratio of its notional.
    settings : PromiseSettings
        Half spread of the order book, basis points.
    funding : float
        Expected net funding to be paid over the holding time, in spread units; a negative value
        (funding to be received) is not counted on.
    """
    one_fill = fee_rate + settings.half_spread_bps / 10_000
    return 2 * one_fill * gross_per_unit + max(funding, 0.0)
