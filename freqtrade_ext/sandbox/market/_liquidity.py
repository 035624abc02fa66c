"""What strangers show and do: the order book, public trades and open interest."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.sandbox.market._bars import Ints
from freqtrade_ext.sandbox.market._filters import Step
from freqtrade_ext.sandbox.market._funding import HOUR_MS
from freqtrade_ext.sandbox.market._noise import key_of, keys_at, normal, uniform
from freqtrade_ext.sandbox.market._path import KNOT_MS
from freqtrade_ext.sandbox.market._tape import Tape
from freqtrade_ext.sandbox.market._types import Depth, PublicTrade

__all__ = ["MAX_LEVELS", "TRADES_PER_SLOT", "Liquidity"]

MAX_LEVELS: Final = 1_000
_HALF: Final = 4  # trades of one side in a slot of ten seconds, at most
TRADES_PER_SLOT: Final = 2 * _HALF
_BOOK_SECONDS: Final = 3  # the best level holds about what trades in so many seconds
_RECENT_BARS: Final = 240
_SMALLEST_LEVEL: Final = 500.0  # quote currency
_GAP_BPS: Final = 0.5  # mean distance from level to level
_INTEREST_HOURS: Final = 24  # open contracts in hours of mean volume


class Liquidity:
    """
    Book, trades and open interest around a tape.

    Parameters
    ----------
    tape : Tape
        The last price and the volume.
    tick, step : Step
        Steps of price and quantity.
    spread_bps : float
        Distance from best bid to best ask in basis points of the price; at least two ticks, so
        that the last price lies strictly between them.
    """

    def __init__(self, tape: Tape, *, tick: Step, step: Step, spread_bps: float) -> None:
        self._tape = tape
        self._tick = tick
        self._step = step
        self._spread = spread_bps / 1e4
        self._bid_key, self._ask_key, self._trade_key, self._interest_key = (
            key_of(tape.key, name) for name in ("bids", "asks", "trades", "interest")
        )

    def depth(self, now_ms: int, levels: int) -> Depth:
        """Book of up to `levels` levels a side; redrawn every second, centred on the last price."""
        tick = self._tape.tick(now_ms)
        second = (now_ms - self._tape.origin_ms) // 1_000
        half = max(round(tick * self._spread / 2), 1)
        size = self._level_size(now_ms, tick)
        count = min(max(levels, 1), MAX_LEVELS)
        sides = []
        for key, sign in ((self._bid_key, -1), (self._ask_key, 1)):
            ticks, steps = self._levels(keys_at(key, second), count, tick, size)
            ticks = tick + sign * (half + ticks)
            sides.append(
                tuple(
                    (self._tick.decimal(price), self._step.decimal(quantity))
                    for price, quantity in zip(ticks.tolist(), steps.tolist(), strict=True)
                    if price > 0
                )
            )
        return Depth(*sides)

    def trades(self, start_ms: int, end_ms: int) -> list[PublicTrade]:
        """
        Trades in [start_ms, end_ms), oldest first.

        Over spans that begin and end on the grid of ten seconds they sum to the volume and the
        taker's buy volume of the candles exactly.
        """
        slots = self._tape.slots(start_ms, end_ms)
        keep = (slots.open_ms + KNOT_MS > start_ms) & (slots.open_ms < end_ms)
        if not keep.any():
            return []
        opened = slots.open_ms[keep]
        bought, volume = slots.buy_volume[keep], slots.volume[keep]
        place = (opened - self._tape.origin_ms) // KNOT_MS
        keys = keys_at(self._trade_key, place)[:, None]
        buys = self._split(bought, uniform(keys, np.arange(_HALF)))
        sells = self._split(volume - bought, uniform(keys, np.arange(_HALF, 2 * _HALF)))
        after = (uniform(keys, np.arange(16, 16 + TRADES_PER_SLOT)) * KNOT_MS).astype(np.int64)
        order = np.argsort(after, axis=1, kind="stable")
        steps = np.take_along_axis(np.concatenate([buys, sells], axis=1), order, axis=1)
        times = opened[:, None] + np.take_along_axis(after, order, axis=1)
        ids = (opened // KNOT_MS)[:, None] * TRADES_PER_SLOT + np.arange(TRADES_PER_SLOT)
        rows = (steps > 0) & (times >= start_ms) & (times < end_ms)
        columns = (ids[rows], times[rows], steps[rows], (order >= _HALF)[rows])
        return [
            PublicTrade(
                trade_id=trade_id,
                time_ms=time_ms,
                price=self._tick.decimal(self._tape.tick(time_ms)),
                quantity=self._step.decimal(quantity),
                buyer_is_maker=sold,
            )
            for trade_id, time_ms, quantity, sold in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    def open_interest(self, now_ms: int) -> int:
        """Open contracts in steps: a day's mean volume so far, swinging slowly by some percent."""
        hours, rest = divmod(now_ms - self._tape.origin_ms, HOUR_MS)
        left, right = normal(self._interest_key, [hours, hours + 1]).tolist()
        swing = left + (right - left) * (1 - math.cos(math.pi * rest / HOUR_MS)) / 2
        mean = self._tape.mean_volume(now_ms) * _INTEREST_HOURS * HOUR_MS
        floor = self._worth(_SMALLEST_LEVEL, self._tape.tick(now_ms)) * 100
        return max(round(max(mean, floor) * math.exp(0.05 * swing)), 1)

    def _worth(self, quote: float, tick: int) -> float:
        """Steps that cost so much."""
        return quote / (tick * float(self._tick.size) * float(self._step.size))

    def _level_size(self, now_ms: int, tick: int) -> float:
        flow = self._tape.mean_volume(now_ms, _RECENT_BARS) * 1_000 * _BOOK_SECONDS
        return max(flow, self._worth(_SMALLEST_LEVEL, tick))

    @staticmethod
    def _levels(key: NDArray[np.uint64], count: int, tick: int, size: float) -> tuple[Ints, Ints]:
        """Ticks behind the best price and steps at each level of one side."""
        index = np.arange(count)
        gaps = 1 + (-np.log(uniform(key, index)) * (tick * _GAP_BPS / 1e4)).astype(np.int64)
        gaps[0] = 0
        steps = size * (1 + 0.1 * index) * np.exp(0.6 * normal(key, index + MAX_LEVELS))
        return np.cumsum(gaps), np.maximum(np.rint(steps), 1).astype(np.int64)

    @staticmethod
    def _split(total: Ints, draws: NDArray[np.float64]) -> Ints:
        """Split whole numbers, shape (n,), into rows of whole parts that sum to them."""
        shares = np.cumsum(draws, axis=1) / draws.sum(axis=1, keepdims=True)
        marks = np.rint(total[:, None] * shares).astype(np.int64)
        parts: Ints = np.diff(marks, axis=1, prepend=0)
        return parts
