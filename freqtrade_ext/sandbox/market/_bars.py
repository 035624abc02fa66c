"""Columns of bars in whole ticks and whole quantity steps, and their aggregation.

Integers make the laws of aggregation exact: five one-minute bars *are* the five-minute bar.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bars", "aggregate", "join"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars as columns of shape (nobs,), oldest first; not every bar of the grid need be there."""

    open_ms: Ints
    open: Ints  # ticks, as are high, low and close
    high: Ints
    low: Ints
    close: Ints
    volume: Ints  # quantity steps
    buy_volume: Ints  # the part whose aggressor bought, quantity steps

    def __len__(self) -> int:
        return int(self.open_ms.size)

    def slice(self, start: int, stop: int) -> "Bars":
        """Take the bars start … stop - 1, without copying."""
        return Bars(*(getattr(self, field.name)[start:stop] for field in fields(self)))


def join(*parts: Bars) -> Bars:
    """Put bars one after another; the parts are in order of time."""
    return Bars(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Bars))
    )


def aggregate(bars: Bars, interval_ms: int) -> Bars:
    """
    Aggregate bars to a coarser grid that starts at the epoch.

    Parameters
    ----------
    bars : Bars
        Oldest first; each lies within one interval of the new grid.
    interval_ms : int
        Length of the new bars in milliseconds.

    Returns
    -------
    Bars
        One bar for each interval that holds at least one of `bars`; intervals without any are
        left out, as an exchange leaves them out after an outage.
    """
    if not len(bars):
        return bars
    group = bars.open_ms // interval_ms
    starts = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1])
    ends = np.concatenate([starts[1:] - 1, [len(bars) - 1]])
    return Bars(
        open_ms=group[starts] * interval_ms,
        open=bars.open[starts],
        high=np.maximum.reduceat(bars.high, starts),
        low=np.minimum.reduceat(bars.low, starts),
        close=bars.close[ends],
        volume=np.add.reduceat(bars.volume, starts),
        buy_volume=np.add.reduceat(bars.buy_volume, starts),
    )
