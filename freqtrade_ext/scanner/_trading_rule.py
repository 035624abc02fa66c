"""What the fixed trading rule would have done with a spread: for cards and for evidence."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freqtrade_ext.spreads import Bands

__all__ = ["RoundTrip", "rolling_deviation", "round_trips"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One entry and its exit, by index of the candle at whose close it happens."""

    entered: int
    left: int
    direction: int  # +1 long the spread, -1 short
    move: float  # gross, in spread units; positive is a gain
    ended: bool  # false: still open at the last candle and marked there


def round_trips(
    value: FloatArray, z_score: FloatArray, bands: Bands, *, half_life: float
) -> tuple[RoundTrip, ...]:
    """
    Apply the bands of the trading rule to a spread.

    Parameters
    ----------
    value : array of shape (n_candles,)
        Spread value at each close.
    z_score : array of shape (n_candles,)
        Known at that close. NaN means hold.
    bands : Bands
        Entry, exit, stop and longest holding time.
    half_life : float
        Of the spread, in candles.

    Returns
    -------
    tuple of RoundTrip
        One after the other; no cost is taken off.

    Notes
    -----
    Entered where ``entry_z <= |z| < stop_z``; left inside the exit band, on the other side of
    zero, beyond the stop band, or after the longest holding time. Orders fill at the close that
    gives the signal, which stands for the open of the next candle. After a stop or a time-out the
    z-score has to come inside the entry band before the next entry.

    Examples
    --------
    >>> z = np.array([0.0, 2.5, 1.0, 0.2, 0.0])
    >>> [trip.move for trip in round_trips(0.01 * z, z, Bands(2.0, 0.5, 4.0), half_life=5.0)]
    [0.023]
    """
    longest = bands.longest(half_life)
    trips: list[RoundTrip] = []
    direction, entered, armed = 0, 0, True
    for index, z in enumerate(z_score.tolist()):
        if z != z:  # NaN
            continue
        armed = armed or abs(z) < bands.entry_z
        if direction == 0:
            if armed and bands.entry_z <= abs(z) < bands.stop_z:
                direction, entered, armed = (-1 if z > 0 else 1), index, True
            continue
        reverted = abs(z) <= bands.exit_z or z * direction >= 0
        if reverted or abs(z) >= bands.stop_z or index - entered >= longest:
            trips.append(_trip(value, entered, index, direction, ended=True))
            direction, armed = 0, reverted
    if direction:
        trips.append(_trip(value, entered, len(value) - 1, direction, ended=False))
    return tuple(trips)


def _trip(value: FloatArray, entered: int, left: int, direction: int, *, ended: bool) -> RoundTrip:
    move = round(float(direction * (value[left] - value[entered])), 12)
    return RoundTrip(entered, left, direction, move, ended)


def rolling_deviation(value: FloatArray, window: int) -> float:
    """Mean standard deviation of a spread within a rolling window, in spread units."""
    if len(value) < window:
        return float(value.std(ddof=1))
    windows = np.lib.stride_tricks.sliding_window_view(value, window)
    return float(windows.std(axis=1, ddof=1).mean())
