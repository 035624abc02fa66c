"""A spread over time: coefficients fitted only on the past, spread value, z-score.

Fits happen at fixed moments (whole multiples of the refit interval since 1 January 1970 UTC), each
on the candles before it. A backtest over a year and a live bot with a few weeks of candles
therefore fit at the same moments on the same candles and see the same z-score.

A candle in which either market did not trade (missing, or zero volume: Freqtrade fills gaps with
such candles) is no observation: it is left out of fits and windows, and its z-score is NaN, which
everywhere means *hold*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats import engle_granger, half_life, rolling_z_score

__all__ = [
    "Coefficients",
    "LegCandles",
    "SpreadTrack",
    "WalkForward",
    "observations",
    "track_spread",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
HedgeSpace = Literal["log", "price"]

# A fit needs this share of its window's candles; fewer means an outage or a late listing.
_MIN_COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class WalkForward:
    """When and on how much data a spread is fitted; times in milliseconds, windows in candles."""

    candle_ms: int
    fit_window: int
    refit_every_ms: int
    z_window: int
    z_mode: Literal["rolling", "formation"] = "rolling"
    both_directions: bool = True

    @property
    def startup_candles(self) -> int:
        """Candles needed before the first one that carries a z-score."""
        refit = -(-self.refit_every_ms // self.candle_ms)
        return self.fit_window + refit + self.z_window


@dataclass(frozen=True, slots=True)
class LegCandles:
    """Closed candles of one market: open times in ms (ascending), closes, traded or not."""

    time_ms: IntArray
    close: FloatArray
    traded: BoolArray


@dataclass(frozen=True, slots=True)
class Coefficients:
    """One fit of a spread, made on candles that opened in [fit_start_ms, fitted_at_ms)."""

    fit_start_ms: int
    fitted_at_ms: int
    hedge_ratio: float
    intercept: float
    resid_std: float
    stat: float
    pvalue: float
    half_life: float


@dataclass(frozen=True, slots=True)
class SpreadTrack:
    """
    What a spread looked like at each candle, seen from that candle.

    Arrays have shape (n_candles,), one entry a candle of the dependent market; NaN where there is
    no fit yet, too little history, or a leg did not trade. `fit` is the index into `fits`, -1
    where there is none; a fit comes into force with the first candle after it in which both legs
    traded, because until then nobody can tell what it will be made on. `scale` is the deviation
    that one unit of z stands for, in spread units.
    """

    time_ms: IntArray
    value: FloatArray
    z_score: FloatArray
    scale: FloatArray
    fit: IntArray
    fits: tuple[Coefficients, ...]
    observed_ms: IntArray
    dependent: FloatArray
    regressor: FloatArray
    plan: WalkForward

    def row_at(self, time_ms: int) -> int | None:
        """Index of the candle that opened at `time_ms`, or None."""
        row = int(np.searchsorted(self.time_ms, time_ms))
        if row < len(self.time_ms) and self.time_ms[row] == time_ms:
            return row
        return None

    def fit_at(self, row: int) -> Coefficients | None:
        """Coefficients in force at a candle."""
        index = int(self.fit[row])
        return self.fits[index] if index >= 0 else None

    def dependent_at(self, time_ms: int) -> float:
        """Price of leg A, or its logarithm in log space; NaN where a leg did not trade."""
        row = int(np.searchsorted(self.observed_ms, time_ms))
        known = row < len(self.observed_ms) and self.observed_ms[row] == time_ms
        return float(self.dependent[row]) if known else float("nan")

    def z_with(self, coefficients: Coefficients, time_ms: int) -> float:
        """
        z-score of the candle that opened at `time_ms` with coefficients frozen earlier.

        NaN when a leg did not trade in that candle or the rolling window is not full.
        """
        row = self.row_at(time_ms)
        if row is not None and self.fit_at(row) == coefficients:
            return float(self.z_score[row])  # the column was made with the same coefficients
        formation = self.plan.z_mode == "formation"
        window = self._values_until(coefficients, time_ms, 1 if formation else self.plan.z_window)
        if window is None:
            return float("nan")
        if formation:
            return float(window[-1] / coefficients.resid_std)
        return float(rolling_z_score(window, self.plan.z_window)[-1])

    def value_with(self, coefficients: Coefficients, time_ms: int) -> float:
        """Spread value of the candle that opened at `time_ms` with frozen coefficients, or NaN."""
        window = self._values_until(coefficients, time_ms, 1)
        return float("nan") if window is None else float(window[-1])

    def _values_until(
        self, coefficients: Coefficients, time_ms: int, length: int
    ) -> FloatArray | None:
        """Return the last `length` spread values up to a candle in which both legs traded."""
        last = int(np.searchsorted(self.observed_ms, time_ms))
        if last >= len(self.observed_ms) or self.observed_ms[last] != time_ms:
            return None
        first = last + 1 - length
        if first < 0:
            return None
        dependent, regressor = self.dependent[first : last + 1], self.regressor[first : last + 1]
        values: FloatArray = dependent - coefficients.intercept
        return values - coefficients.hedge_ratio * regressor


def track_spread(
    leg_a: LegCandles,
    leg_b: LegCandles,
    plan: WalkForward,
    *,
    hedge_space: HedgeSpace = "log",
    known_fits: Sequence[Coefficients] = (),
) -> SpreadTrack:
    """
    Follow a spread through time without look-ahead.

    Parameters
    ----------
    leg_a, leg_b : LegCandles
        Closed candles of the dependent market and of the regressor; they need not line up.
    plan : WalkForward
        Fit and window lengths.
    hedge_space : {"log", "price"}
        Whether the relation holds between log prices or prices.
    known_fits : sequence of Coefficients
        Fits made earlier on the same candles (a live bot keeps them), used instead of new ones.

    Returns
    -------
    SpreadTrack
        One entry a candle of `leg_a`.
    """
    times, y, x = observations(leg_a, leg_b, hedge_space)
    known = {(fit.fit_start_ms, fit.fitted_at_ms): fit for fit in known_fits}
    fits: list[Coefficients] = []
    columns = _empty_columns(leg_a.time_ms)
    for begin_ms, end_ms in _segments(times, plan):
        start_ms = begin_ms - plan.fit_window * plan.candle_ms
        fit = known.get((start_ms, begin_ms)) or _fit(times, y, x, start_ms, begin_ms, plan)
        if fit is None:
            continue
        fits.append(fit)
        _fill(columns, times, y, x, fit, (begin_ms, end_ms), plan, len(fits) - 1)
    return replace(
        columns, fits=tuple(fits), observed_ms=times, dependent=y, regressor=x, plan=plan
    )


def observations(
    leg_a: LegCandles, leg_b: LegCandles, hedge_space: HedgeSpace
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Candles in which both markets traded: times, dependent and regressor prices."""
    usable_a = leg_a.traded & np.isfinite(leg_a.close) & (leg_a.close > 0)
    usable_b = leg_b.traded & np.isfinite(leg_b.close) & (leg_b.close > 0)
    times, rows_a, rows_b = np.intersect1d(
        leg_a.time_ms[usable_a], leg_b.time_ms[usable_b], assume_unique=True, return_indices=True
    )
    y, x = leg_a.close[usable_a][rows_a], leg_b.close[usable_b][rows_b]
    if hedge_space == "log":
        y, x = np.log(y), np.log(x)
    return times, y, x


def _segments(times: IntArray, plan: WalkForward) -> list[tuple[int, int]]:
    """Spans [fit moment, next fit moment) that hold observations, from the first full window on."""
    if not len(times):
        return []
    earliest = int(times[0]) + plan.fit_window * plan.candle_ms
    step = plan.refit_every_ms
    moments = (int(moment) for moment in np.unique(times // step) * step)
    return [(moment, moment + step) for moment in moments if moment >= earliest]


def _fit(
    times: IntArray,
    y: FloatArray,
    x: FloatArray,
    start_ms: int,
    moment_ms: int,
    plan: WalkForward,
) -> Coefficients | None:
    """Fit on the observations in [start_ms, moment_ms), or None where that is not possible."""
    low, high = np.searchsorted(times, (start_ms, moment_ms))
    if high - low < _MIN_COVERAGE * plan.fit_window:
        return None
    y_fit, x_fit = y[low:high], x[low:high]
    try:
        forward = engle_granger(y_fit, x_fit)
        pvalue = forward.pvalue
        if plan.both_directions:
            pvalue = max(pvalue, engle_granger(x_fit, y_fit).pvalue)
        if forward.near_collinear:  # a pegged or wrapped twin: its p-value of 0 means nothing
            return None
        return Coefficients(
            fit_start_ms=start_ms,
            fitted_at_ms=moment_ms,
            hedge_ratio=float(forward.hedge_ratio),
            intercept=float(forward.intercept),
            resid_std=float(forward.resid_std),
            stat=float(forward.stat),
            pvalue=float(pvalue),
            half_life=float(half_life(forward.resid)),
        )
    except InfeasibleError:
        return None


def _empty_columns(time_ms: IntArray) -> SpreadTrack:
    def empty() -> FloatArray:
        return np.full(len(time_ms), np.nan)

    nothing = np.empty(0)
    return SpreadTrack(
        time_ms=time_ms,
        value=empty(),
        z_score=empty(),
        scale=empty(),
        fit=np.full(len(time_ms), -1, dtype=np.int64),
        fits=(),
        observed_ms=np.empty(0, dtype=np.int64),
        dependent=nothing,
        regressor=nothing,
        plan=WalkForward(1, 1, 1, 1),
    )


def _fill(
    columns: SpreadTrack,
    times: IntArray,
    y: FloatArray,
    x: FloatArray,
    fit: Coefficients,
    span: tuple[int, int],
    plan: WalkForward,
    index: int,
) -> None:
    """Write one segment's columns; windows reach back before it with this segment's fit."""
    low, high = (int(i) for i in np.searchsorted(times, span))
    in_force = slice(*(int(i) for i in np.searchsorted(columns.time_ms, (times[low], span[1]))))
    columns.fit[in_force] = index
    reach = max(0, low - plan.z_window + 1)
    value = y[reach:high] - fit.intercept - fit.hedge_ratio * x[reach:high]
    if plan.z_mode == "formation":
        z_score = value / fit.resid_std
        scale = np.full(len(value), fit.resid_std)
    else:
        z_score = rolling_z_score(value, plan.z_window)
        scale = _rolling_std(value, plan.z_window)
    rows = np.searchsorted(columns.time_ms, times[low:high])
    columns.value[rows] = value[low - reach :]
    columns.z_score[rows] = z_score[low - reach :]
    columns.scale[rows] = scale[low - reach :]


def _rolling_std(values: FloatArray, window: int) -> FloatArray:
    result = np.full(len(values), np.nan)
    if len(values) >= window:
        windows = np.lib.stride_tricks.sliding_window_view(values, window)
        result[window - 1 :] = windows.std(axis=1, ddof=1)
    return result
