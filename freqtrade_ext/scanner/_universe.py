"""Bring unequal histories onto one grid of candles; every market left out is named."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner._histories import (
    MarketHistory,
    MarketRefusal,
    RefusalReason,
    Treatment,
    TreatmentKind,
)
from freqtrade_ext.scanner._report import Universe
from freqtrade_ext.scanner._settings import UniverseSettings

__all__ = ["build_universe", "timeframe_ms"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_DAY_MS: Final = 86_400_000
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": _DAY_MS}


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, reason: RefusalReason, value: str, right: str) -> None:
        super().__init__(value)
        self.reason, self.value, self.right = reason, value, right


@dataclass(frozen=True, slots=True)
class _Grid:
    start_ms: int
    end_ms: int
    candle_ms: int

    @property
    def candles(self) -> int:
        return max(0, self.end_ms - self.start_ms) // self.candle_ms


@dataclass(frozen=True, slots=True)
class _Reach:
    """First and last traded candle of one market, and where its last long gap ends."""

    first_ms: int
    last_ms: int
    resumed_ms: int  # `first_ms` without a long gap
    whole: bool  # no long gap in the window before `last_ms`


@dataclass(frozen=True, slots=True)
class _Column:
    """One market on the grid: NaN and zero where nobody traded, and the close before the grid."""

    close: FloatArray
    quote_volume: FloatArray
    before: FloatArray  # closes of the candles before the grid, as many as may be carried


def timeframe_ms(timeframe: str) -> int:
    """
    Length of a candle in milliseconds.

    Raises
    ------
    ConfigError
        If it is not a number of seconds, minutes, hours or days.

    Examples
    --------
    >>> timeframe_ms("5m")
    300000
    """
    match = re.fullmatch(r"([1-9][0-9]*)([smhd])", timeframe)
    if match is None:
        raise ConfigError(f"timeframe {timeframe!r} cannot be scanned; should be e.g. 5m, 1h or 1d")
    return int(match[1]) * _UNITS_MS[match[2]]


def build_universe(
    histories: Iterable[MarketHistory],
    settings: UniverseSettings,
    *,
    timeframe: str,
    end_ms: int | None = None,
    excluded: Mapping[str, str] | None = None,
) -> Universe:
    """
    Align the histories of many markets on one grid, and refuse those that do not fit.

    Parameters
    ----------
    histories : iterable of MarketHistory
        As found: unsorted, with gaps, of different lengths.
    settings : UniverseSettings
        Limits.
    timeframe : str
        Of the candles, e.g. ``1h``.
    end_ms : int, optional
        Candles that open at or after this moment are not looked at.
    excluded : mapping of str to str, optional
        Markets that must not take part, and why (flagged, about to be delisted).

    Returns
    -------
    Universe
        Possibly without any market: then every one is in its refusals.

    Raises
    ------
    ConfigError
        If the timeframe has no fixed length.

    Notes
    -----
    A candle that is absent, has no turnover, or has a NaN close is *missing*. Missing candles are
    filled with the last close before them, because that is what a position would have been worth;
    interpolation would look ahead, and leaving the candle out for everyone would let one market's
    outage cut the data of all. At most `max_carry_candles` are filled in a row, at most
    `max_missing_share` in all; a market with more is refused. Nothing is ever filled backwards:
    a market that begins inside the window is refused.

    No single history decides where the grid ends. Of all groups of markets whose last candles lie
    within `max_carry_candles` of one of them, the largest counts; of equal ones the one with more
    markets free of longer gaps, then the latest. The grid ends with the latest candle that at
    least half of that group reach. Later candles are cut; a market whose later candles follow a
    longer gap is refused for the gap. Where the history is shorter than the window, the grid begins
    with the first candle that two of the group have (of two markets: that one has).
    """
    candle_ms = timeframe_ms(timeframe)
    reasons = dict(excluded or {})
    unique, refusals = _without_repeats(histories)
    tidy: dict[str, MarketHistory] = {}
    treatments: list[Treatment] = []
    for market, history in unique.items():
        try:
            tidy[market] = _tidied(history, candle_ms, reasons.get(market), treatments)
        except _Refused as refused:
            refusals.append(MarketRefusal(market, refused.reason, refused.value, refused.right))
    seen = {market: _before(history, end_ms, candle_ms) for market, history in tidy.items()}
    reaches = {market: _reach(history, settings, candle_ms) for market, history in seen.items()}
    grid = _grid(reaches.values(), settings, candle_ms)
    columns: dict[str, tuple[FloatArray, float]] = {}
    for market, history in seen.items():
        try:
            _refuse_resumed(reaches[market], grid, settings.max_carry_candles)
            columns[market] = _fitted(history, grid, settings, treatments)
        except _Refused as refused:
            refusals.append(MarketRefusal(market, refused.reason, refused.value, refused.right))
    return _assembled(timeframe, grid, columns, refusals, treatments)


def _assembled(
    timeframe: str,
    grid: _Grid,
    columns: Mapping[str, tuple[FloatArray, float]],
    refusals: list[MarketRefusal],
    treatments: list[Treatment],
) -> Universe:
    markets = tuple(sorted(columns))
    log_prices = np.empty((grid.candles if markets else 0, len(markets)))
    for index, market in enumerate(markets):
        log_prices[:, index] = np.log(columns[market][0])
    log_prices.setflags(write=False)
    return Universe(
        timeframe=timeframe,
        candle_ms=grid.candle_ms,
        markets=markets,
        time_ms=grid.start_ms + grid.candle_ms * np.arange(len(log_prices), dtype=np.int64),
        log_prices=log_prices,
        daily_volume=np.array([columns[market][1] for market in markets]),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.market)),
        treatments=tuple(
            sorted(
                (each for each in treatments if each.market in columns),
                key=lambda each: (each.market, each.kind),
            )
        ),
    )


def _without_repeats(
    histories: Iterable[MarketHistory],
) -> tuple[dict[str, MarketHistory], list[MarketRefusal]]:
    unique: dict[str, MarketHistory] = {}
    refusals = []
    for history in histories:
        if unique.setdefault(history.market, history) is not history:
            refusals.append(
                MarketRefusal(
                    history.market,
                    RefusalReason.REPEATED_MARKET,
                    f"a second history with {np.size(history.time_ms)} candle(s)",
                    "should be given once; the first one is used",
                )
            )
    return unique, refusals


def _tidied(
    history: MarketHistory, candle_ms: int, excluded: str | None, treatments: list[Treatment]
) -> MarketHistory:
    """Sort, drop repeats, and refuse what no window could make good."""
    if excluded is not None:
        raise _Refused(RefusalReason.EXCLUDED, excluded, "is left out on request")
    shapes = {np.shape(each) for each in (history.time_ms, history.close, history.quote_volume)}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise _Refused(
            RefusalReason.MALFORMED,
            f"arrays of shapes {', '.join(map(str, sorted(shapes)))}",
            "should be vectors of one length",
        )
    if np.size(history.time_ms) == 0:
        raise _Refused(RefusalReason.NO_DATA, "an empty history", "should have candles")
    _refuse_off_grid(history.time_ms, candle_ms)
    order = np.argsort(history.time_ms, kind="stable")
    if np.any(order[1:] < order[:-1]):
        moved = int(np.count_nonzero(order != np.arange(len(order))))
        treatments.append(Treatment(history.market, TreatmentKind.SORTED, moved))
    time_ms, close = history.time_ms[order], history.close[order]
    quote_volume = history.quote_volume[order]
    repeated = np.flatnonzero(time_ms[1:] == time_ms[:-1]) + 1
    if repeated.size:
        _refuse_conflicts(time_ms, close, repeated)
        treatments.append(
            Treatment(history.market, TreatmentKind.REPEATS_DROPPED, int(repeated.size))
        )
        keep = np.ones(len(time_ms), dtype=bool)
        keep[repeated] = False
        time_ms, close, quote_volume = time_ms[keep], close[keep], quote_volume[keep]
    return MarketHistory(history.market, time_ms, close, quote_volume, history.listed_ms)


def _refuse_off_grid(time_ms: IntArray, candle_ms: int) -> None:
    off = np.flatnonzero(time_ms % candle_ms)
    if off.size:
        raise _Refused(
            RefusalReason.OFF_GRID,
            f"{off.size} open time(s) between two candles, first {_moment(time_ms[off[0]])}",
            f"should be whole multiples of {candle_ms} ms",
        )


def _refuse_conflicts(time_ms: IntArray, close: FloatArray, repeated: IntArray) -> None:
    now, before = close[repeated], close[repeated - 1]
    differ = repeated[(now != before) & ~(np.isnan(now) & np.isnan(before))]
    if differ.size:
        first = differ[0]
        raise _Refused(
            RefusalReason.CONFLICTING_CANDLES,
            f"{_moment(time_ms[first])} closes at {close[first - 1]:g} and at {close[first]:g}",
            "should have one close a candle",
        )


def _before(history: MarketHistory, end_ms: int | None, candle_ms: int) -> MarketHistory:
    """Leave out the candles that are not closed at the end that the caller gave."""
    if end_ms is None:
        return history
    known = int(np.searchsorted(history.time_ms, end_ms // candle_ms * candle_ms))
    return MarketHistory(
        history.market,
        history.time_ms[:known],
        history.close[:known],
        history.quote_volume[:known],
        history.listed_ms,
    )


def _reach(history: MarketHistory, settings: UniverseSettings, candle_ms: int) -> _Reach | None:
    """Where a market begins and ends; None if nobody traded."""
    traded = (np.nan_to_num(history.quote_volume, nan=0.0) > 0) & ~np.isnan(history.close)
    times = history.time_ms[traded]
    if not times.size:
        return None
    longest = (settings.max_carry_candles + 1) * candle_ms
    gaps = np.flatnonzero(np.diff(times) > longest)
    first, last = int(times[0]), int(times[-1])
    resumed = int(times[gaps[-1] + 1]) if gaps.size else first
    full = last - resumed >= (settings.window - 1) * candle_ms
    return _Reach(first, last, resumed, whole=full or not gaps.size)


def _grid(reaches: Iterable[_Reach | None], settings: UniverseSettings, candle_ms: int) -> _Grid:
    known = [each for each in reaches if each is not None]
    if not known:
        return _Grid(0, 0, candle_ms)
    group = _largest_group(known, settings.max_carry_candles * candle_ms)
    # The last candle is complete: it closes at or before the end.
    end = group[len(group) // 2].last_ms + candle_ms
    firsts = sorted(each.first_ms for each in [each for each in group if each.whole] or group)
    # The second of three or more: one early date must not make all the others late.
    first = firsts[1] if len(firsts) > 2 else firsts[0]
    return _Grid(max(end - settings.window * candle_ms, first), end, candle_ms)


def _largest_group(reaches: Iterable[_Reach], near_ms: int) -> list[_Reach]:
    """Markets that end together, by their end: one wrong file must not move the end for all."""
    ordered = sorted(reaches, key=lambda each: each.last_ms)
    last = np.array([each.last_ms for each in ordered], dtype=np.int64)
    whole = np.concatenate([[0], np.cumsum([each.whole for each in ordered])])
    low = np.searchsorted(last, last - near_ms, side="left")
    high = np.searchsorted(last, last + near_ms, side="right")
    best = int(np.lexsort((last, whole[high] - whole[low], high - low))[-1])
    return ordered[low[best] : high[best]]


def _refuse_resumed(reach: _Reach | None, grid: _Grid, most: int) -> None:
    """Refuse a market whose candles after the end of the grid follow a long gap: a wrong date."""
    if reach is not None and reach.resumed_ms >= grid.end_ms > reach.first_ms:
        raise _Refused(
            RefusalReason.LONG_GAP,
            f"more than {most} missing candles in a row up to {_moment(reach.resumed_ms)}, after "
            f"the common end {_moment(grid.end_ms)}",
            f"should be at most {most}",
        )


def _fitted(
    history: MarketHistory,
    grid: _Grid,
    settings: UniverseSettings,
    treatments: list[Treatment],
) -> tuple[FloatArray, float]:
    """Return closes without a gap and the daily turnover, or refuse."""
    column = _column(history, grid, settings)
    missing = np.isnan(column.close)
    _refuse_missing(history, missing, grid, settings)
    close = _carried(column, missing, grid, settings.max_carry_candles)
    if close.min() == close.max():
        raise _Refused(
            RefusalReason.CONSTANT, f"{close[0]:g} throughout", "should move within the window"
        )
    turnover = _daily_volume(column.quote_volume, grid.candle_ms)
    if turnover < settings.min_daily_volume:
        raise _Refused(
            RefusalReason.LOW_VOLUME,
            f"median turnover {turnover:,.0f} a day",
            f"should be at least {settings.min_daily_volume:,.0f}",
        )
    if missing.any():
        kind = TreatmentKind.CARRIED_FORWARD
        treatments.append(Treatment(history.market, kind, int(missing.sum())))
    later = int(np.count_nonzero(history.time_ms >= grid.end_ms))
    if later:
        treatments.append(Treatment(history.market, TreatmentKind.CUT, later))
    return close, turnover


def _column(history: MarketHistory, grid: _Grid, settings: UniverseSettings) -> _Column:
    if grid.candles == 0:
        raise _Refused(RefusalReason.NO_DATA, "no candle with turnover", "should have traded")
    if grid.candles < settings.min_candles:
        raise _Refused(
            RefusalReason.TOO_SHORT,
            f"a window of {grid.candles} candle(s)",
            f"should be at least {settings.min_candles}",
        )
    reach = settings.max_carry_candles
    first_ms = grid.start_ms - reach * grid.candle_ms
    inside = (history.time_ms >= first_ms) & (history.time_ms < grid.end_ms)
    rows = (history.time_ms[inside] - first_ms) // grid.candle_ms
    close = np.full(reach + grid.candles, np.nan)
    quote_volume = np.zeros(reach + grid.candles)
    traded = np.nan_to_num(history.quote_volume[inside], nan=0.0)
    known = history.close[inside]
    bad = np.flatnonzero((known <= 0) | np.isinf(known))
    if bad.size:
        raise _Refused(
            RefusalReason.NON_POSITIVE_PRICE,
            f"{bad.size} close(s), first {known[bad[0]]:g} at "
            f"{_moment(history.time_ms[inside][bad[0]])}",
            "should be above 0 and finite",
        )
    close[rows] = np.where(traded > 0, known, np.nan)
    quote_volume[rows] = traded
    return _Column(close[reach:], quote_volume[reach:], close[:reach])


def _refuse_missing(
    history: MarketHistory, missing: BoolArray, grid: _Grid, settings: UniverseSettings
) -> None:
    if missing.all():
        raise _Refused(
            RefusalReason.NO_DATA,
            f"no candle with turnover from {_moment(grid.start_ms)} to {_moment(grid.end_ms)}",
            "should have traded in the window",
        )
    first_ms = int(history.time_ms[0]) if history.listed_ms is None else history.listed_ms
    age_days = (grid.end_ms - first_ms) / _DAY_MS
    if age_days < settings.min_listing_days:
        raise _Refused(
            RefusalReason.TOO_YOUNG,
            f"{age_days:.1f} day(s) old, first known {_moment(first_ms)}",
            f"should be at least {settings.min_listing_days:g} days",
        )
    if int(history.time_ms[0]) > grid.start_ms:
        raise _Refused(
            RefusalReason.LATE_LISTING,
            f"first candle {_moment(history.time_ms[0])}",
            f"should be there from {_moment(grid.start_ms)} on, or the window be shorter",
        )
    last = int(np.flatnonzero(~missing)[-1])
    if len(missing) - 1 - last > settings.max_carry_candles:
        raise _Refused(
            RefusalReason.DELISTED,
            f"last traded candle {_moment(grid.start_ms + last * grid.candle_ms)}",
            f"should trade up to {_moment(grid.end_ms)}",
        )
    share = float(missing.mean())
    if share > settings.max_missing_share:
        raise _Refused(
            RefusalReason.TOO_MANY_MISSING,
            f"{int(missing.sum())} of {len(missing)} candles ({share:.1%})",
            f"should be at most {settings.max_missing_share:.1%}",
        )


def _carried(column: _Column, missing: BoolArray, grid: _Grid, most: int) -> FloatArray:
    """Fill missing candles with the last close, never across more than `most` of them."""
    close = np.concatenate([column.before, column.close])
    places = np.arange(len(close))
    last_known = np.maximum.accumulate(np.where(np.isnan(close), -1, places))
    run = np.where(last_known >= 0, places - last_known, most + 1)[len(column.before) :]
    if run.max() > most:
        place = int(np.flatnonzero(run > most)[0])
        raise _Refused(
            RefusalReason.LONG_GAP,
            f"more than {most} missing candles in a row up to "
            f"{_moment(grid.start_ms + place * grid.candle_ms)}",
            f"should be at most {most}",
        )
    filled: FloatArray = close[last_known[len(column.before) :]]
    return filled


def _daily_volume(quote_volume: FloatArray, candle_ms: int) -> float:
    """Median turnover of 24 hours, counted back from the end of the window."""
    per_day = max(1, _DAY_MS // candle_ms)
    scale = _DAY_MS / (per_day * candle_ms)
    days = len(quote_volume) // per_day
    if days == 0:
        return float(quote_volume.mean()) * per_day * scale
    recent = quote_volume[len(quote_volume) - days * per_day :]
    return float(np.median(recent.reshape(days, per_day).sum(axis=1))) * scale


def _moment(time_ms: np.int64 | int) -> str:
    return datetime.fromtimestamp(int(time_ms) / 1000, UTC).strftime("%Y-%m-%d %H:%M")
