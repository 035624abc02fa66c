"""One price series over time: what it was at a moment, over a span, and as candles."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.sandbox.market._bars import Bars, Ints, aggregate, join
from freqtrade_ext.sandbox.market._noise import keys_at
from freqtrade_ext.sandbox.market._path import (
    KNOT_MS,
    price_at,
    price_knots,
    slots,
    volume_at,
    volume_knots,
)

__all__ = ["Tape"]


class Tape:
    """
    A price series made of bars and of the paths inside them.

    Every answer is defined by the price at whole milliseconds: a candle over [s, e] opens with the
    price at s, closes with the price at e and has the extremes of the path from s to e.

    Parameters
    ----------
    bars : Bars
        At least one, on the grid of `base_ms`, oldest first; missing bars are an outage, during
        which the last price holds and no candle appears.
    base_ms : int
        Length of a bar in milliseconds, a multiple of one minute.
    key : int
        Source of randomness for the paths.
    origin_ms : int
        Time from which bars are counted for randomness: moving `bars` and `origin_ms` together
        moves the tape and changes nothing else.
    """

    def __init__(self, bars: Bars, *, base_ms: int, key: int, origin_ms: int) -> None:
        self.bars = bars
        self.base_ms = base_ms
        self.key = key
        self.origin_ms = origin_ms
        self.first_ms = int(bars.open_ms[0])
        self.end_ms = int(bars.open_ms[-1]) + base_ms
        self._coarse: dict[int, Bars] = {}
        self._traded = np.concatenate([[0], np.cumsum(bars.volume)])
        self._path = lru_cache(maxsize=8)(self._draw_path)

    def index(self, now_ms: int) -> int:
        """Index of the last bar that has opened, -1 before the first."""
        return int(np.searchsorted(self.bars.open_ms, now_ms, side="right")) - 1

    def tick(self, now_ms: int) -> int:
        """Price in ticks; `now_ms` is not before the first bar."""
        index = self.index(now_ms)
        offset = now_ms - int(self.bars.open_ms[index])
        return price_at(self._path(index)[0], min(offset, self.base_ms - 1))

    def tick_range(self, first_ms: int, last_ms: int) -> tuple[int, int]:
        """Lowest and highest tick from `first_ms` to `last_ms`, both included."""
        seen = [self.tick(first_ms), self.tick(last_ms)]
        shown = self.shown(first_ms, last_ms)
        if shown is not None:
            seen += [int(shown.low[0]), int(shown.high[0])]
        return min(seen), max(seen)

    def mean_volume(self, now_ms: int, span_bars: int | None = None) -> float:
        """Mean volume of the last completed bars (all when None), steps a millisecond."""
        done = self.index(now_ms - self.base_ms) + 1
        count = done if span_bars is None else min(done, span_bars)
        if not count:
            return 0.0
        return float(self._traded[done] - self._traded[done - count]) / (count * self.base_ms)

    def candles(self, interval_ms: int, start_ms: int, end_ms: int, now_ms: int) -> Bars:
        """
        Bars that open in [start_ms, end_ms] as seen at `now_ms`; the last may still be forming.

        Parameters
        ----------
        interval_ms : int
            A multiple of one minute.
        start_ms, end_ms, now_ms : int
            Milliseconds.
        """
        complete_ms = min(end_ms, now_ms + 1 - interval_ms)  # latest open of a finished bar
        done = self._finished(interval_ms, start_ms, complete_ms)
        forming_ms = now_ms // interval_ms * interval_ms
        if complete_ms < forming_ms and start_ms <= forming_ms <= end_ms:
            shown = self.shown(forming_ms, now_ms)
            if shown is not None:
                return join(done, shown)
        return done

    def slots(self, start_ms: int, end_ms: int) -> Bars:
        """Bars of `KNOT_MS` of all base bars that touch [start_ms, end_ms)."""
        start = max(self.index(start_ms), 0)
        stop = int(np.searchsorted(self.bars.open_ms, end_ms, side="left"))
        picked = self.bars.slice(start, stop)
        return slots(picked, self._keys(picked.open_ms), self.base_ms)

    def shown(self, first_ms: int, last_ms: int) -> Bars | None:
        """One bar over [first_ms, last_ms], both included; None when no base bar touches it."""
        start = self.index(first_ms)
        if start < 0 or first_ms >= int(self.bars.open_ms[start]) + self.base_ms:
            start += 1
        stop = self.index(last_ms)
        if start > stop:
            return None
        parts = [self._part(start, first_ms, last_ms)]
        if stop > start:
            parts += [self.bars.slice(start + 1, stop), self._part(stop, first_ms, last_ms)]
        merged = join(*parts)
        return Bars(
            open_ms=np.array([first_ms]),
            open=merged.open[:1],
            high=merged.high.max(keepdims=True),
            low=merged.low.min(keepdims=True),
            close=merged.close[-1:],
            volume=merged.volume.sum(keepdims=True),
            buy_volume=merged.buy_volume.sum(keepdims=True),
        )

    def _finished(self, interval_ms: int, start_ms: int, complete_ms: int) -> Bars:
        if complete_ms < start_ms:
            return self.bars.slice(0, 0)
        if interval_ms % self.base_ms == 0:
            if interval_ms not in self._coarse:
                self._coarse[interval_ms] = aggregate(self.bars, interval_ms)
            bars = self._coarse[interval_ms]
        else:
            bars = aggregate(self.slots(start_ms, complete_ms + interval_ms), interval_ms)
        start = int(np.searchsorted(bars.open_ms, start_ms, side="left"))
        stop = int(np.searchsorted(bars.open_ms, complete_ms, side="right"))
        return bars.slice(start, stop)

    def _part(self, index: int, first_ms: int, last_ms: int) -> Bars:
        """What one base bar shows of [first_ms, last_ms]."""
        opened = int(self.bars.open_ms[index])
        start = max(first_ms - opened, 0)
        stop = min(last_ms - opened, self.base_ms - 1)
        if start == 0 and stop == self.base_ms - 1:
            return self.bars.slice(index, index + 1)
        prices, volumes = self._path(index)
        left, right = price_at(prices, start), price_at(prices, stop)
        inner = prices[start // KNOT_MS + 1 : stop // KNOT_MS + 1].tolist()
        before, after = volume_at(volumes, start), volume_at(volumes, stop + 1)
        share = self.bars.buy_volume[index] / max(self.bars.volume[index], 1)
        bought = round(after * share) - round(before * share)
        row = (
            opened,
            left,
            max(left, right, *inner),
            min(left, right, *inner),
            right,
            after - before,
            bought,
        )
        return Bars(*(np.array([value], dtype=np.int64) for value in row))

    def _keys(self, open_ms: Ints) -> NDArray[np.uint64]:
        return keys_at(self.key, (open_ms - self.origin_ms) // self.base_ms)

    def _draw_path(self, index: int) -> tuple[Ints, Ints]:
        bar = self.bars.slice(index, index + 1)
        keys = self._keys(bar.open_ms)
        prices = price_knots(bar, keys, self.base_ms)[0]
        return prices, volume_knots(bar.volume, keys, self.base_ms)[0]
