"""The way the price takes inside a bar: open, one extreme, the other, close, with noise between.

A path is known at knots 10 s apart and moves linearly, rounded to ticks, from knot to knot. So it
is monotone between knots, and its extremes over any span are exact: they lie at the ends of the
span or at a knot. The last knot is the bar's last millisecond and holds the close; the next
millisecond belongs to the next bar, which may open elsewhere.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.sandbox.market._bars import Bars, Ints
from freqtrade_ext.sandbox.market._noise import keys_at, normal, uniform

__all__ = ["KNOT_MS", "price_at", "price_knots", "slots", "volume_at", "volume_knots"]

KNOT_MS: Final = 10_000
"""Milliseconds from knot to knot. It divides a minute, hence every candle we can be asked for."""

_CONTRARY: Final = 0.3  # share of bars that visit the extreme in the direction of the close first
_ROUGHNESS: Final = 0.5  # standard deviation of the noise over a bar, relative to high - low


def _knot_count(base_ms: int) -> int:
    return base_ms // KNOT_MS


def _through(
    corners: tuple[NDArray[np.int64], ...], heights: tuple[NDArray[np.float64], ...], last: int
) -> NDArray[np.float64]:
    """Interpolate linearly from knot 0 through two corners to the last knot, for each row."""
    first, second = corners
    start, one, two, end = heights
    knot = np.arange(last + 1)
    return np.where(
        knot <= first,
        start + (one - start) * (knot / first),
        np.where(
            knot <= second,
            one + (two - one) * ((knot - first) / (second - first)),
            two + (end - two) * ((knot - second) / (last - second)),
        ),
    )


def price_knots(bars: Bars, keys: NDArray[np.uint64], base_ms: int) -> Ints:
    """
    Draw the paths of bars.

    Parameters
    ----------
    bars : Bars
        Bars of length `base_ms`.
    keys : ndarray of uint64, shape (nobs,)
    base_ms : int
        A multiple of one minute.

    Returns
    -------
    ndarray of int64, shape (nobs, base_ms / KNOT_MS + 1)
        Ticks at the knots: from the open to the close, between and at the high and the low.
    """
    last = _knot_count(base_ms)
    column = keys[:, None]
    draws = uniform(column, [-1, -2, -3])
    first = 1 + (draws[:, :1] * (last - 2)).astype(np.int64)
    second = first + 1 + (draws[:, 1:2] * (last - 1 - first)).astype(np.int64)
    start, high, low, end = (
        values[:, None].astype(np.float64)
        for values in (bars.open, bars.high, bars.low, bars.close)
    )
    one, two = np.where((end >= start) ^ (draws[:, 2:] < _CONTRARY), (low, high), (high, low))
    way = _through((first, second), (start, one, two, end), last)
    walk = np.cumsum(normal(column, np.arange(last + 1)), axis=1)
    pins = tuple(
        np.take_along_axis(walk, at, axis=1)
        for at in (np.zeros_like(first), first, second, np.full_like(first, last))
    )
    noise = (walk - _through((first, second), pins, last)) * (_ROUGHNESS * last**-0.5)
    width = high - low
    place = (way - low) / np.maximum(width, 1) + noise
    # Reflected at the extremes; cut off there, the price would stand still for minutes.
    inside = 1 - np.abs(np.mod(place, 2) - 1)
    knots: Ints = np.rint(low + inside * width).astype(np.int64)
    return knots


def volume_knots(volume: Ints, keys: NDArray[np.uint64], base_ms: int) -> Ints:
    """Spread each bar's volume unevenly: steps traded before each knot, from 0 to `volume`."""
    last = _knot_count(base_ms)
    shares = np.cumsum(np.exp(0.7 * normal(keys_at(keys, -4)[:, None], np.arange(last))), axis=1)
    shares = np.concatenate([np.zeros((len(volume), 1)), shares / shares[:, -1:]], axis=1)
    return np.rint(shares * volume[:, None]).astype(np.int64)


def price_at(knots: Ints, offset_ms: int) -> int:
    """Tick of one path, `offset_ms` milliseconds after the bar's open."""
    knot, rest = divmod(offset_ms, KNOT_MS)
    left, right = int(knots[knot]), int(knots[knot + 1])
    length = KNOT_MS - (knot == len(knots) - 2)  # the last knot is one millisecond early
    return round(left + (right - left) * (rest / length))


def volume_at(knots: Ints, elapsed_ms: int) -> int:
    """Steps traded in the first `elapsed_ms` milliseconds of a bar."""
    knot, rest = divmod(elapsed_ms, KNOT_MS)
    if not rest:
        return int(knots[knot])
    left, right = int(knots[knot]), int(knots[knot + 1])
    return left + int((right - left) * (rest / KNOT_MS))


def slots(bars: Bars, keys: NDArray[np.uint64], base_ms: int) -> Bars:
    """
    Cut bars along their paths into bars of `KNOT_MS`.

    Returns
    -------
    Bars
        ``len(bars) * base_ms / KNOT_MS`` bars; aggregated again they are `bars` exactly.
    """
    last = _knot_count(base_ms)
    prices = price_knots(bars, keys, base_ms)
    left, right = prices[:, :-1], prices[:, 1:]
    share = np.full(last, (KNOT_MS - 1) / KNOT_MS)
    share[-1] = 1.0
    close = np.rint(left + (right - left) * share).astype(np.int64)
    volume = volume_knots(bars.volume, keys, base_ms)
    bought = np.rint(volume * _buy_share(bars)[:, None]).astype(np.int64)
    open_ms = bars.open_ms[:, None] + np.arange(last) * KNOT_MS
    return Bars(
        open_ms=open_ms.ravel(),
        open=left.ravel(),
        high=np.maximum(left, close).ravel(),
        low=np.minimum(left, close).ravel(),
        close=close.ravel(),
        volume=np.diff(volume, axis=1).ravel(),
        buy_volume=np.diff(bought, axis=1).ravel(),
    )


def _buy_share(bars: Bars) -> NDArray[np.float64]:
    return bars.buy_volume / np.maximum(bars.volume, 1)
