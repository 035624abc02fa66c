"""Replay of recorded candles as a market, shifted in time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.market._bar_market import BarMarket, Listing
from freqtrade_ext.sandbox.market._bars import Bars, Ints
from freqtrade_ext.sandbox.market._files import (
    CandleFile,
    Columns,
    find,
    read,
    read_opens,
    timeframe_ms,
)
from freqtrade_ext.sandbox.market._filters import Step, instrument, price_step, quantity_step
from freqtrade_ext.sandbox.market._funding import HOUR_MS, FundingSchedule
from freqtrade_ext.sandbox.market._liquidity import Liquidity
from freqtrade_ext.sandbox.market._noise import key_of, uniform
from freqtrade_ext.sandbox.market._tape import Tape

__all__ = ["ReplayMarket"]

_SILENCE_MS: Final = 24 * HOUR_MS
_SPREAD_BPS: Final = 2.0
_USUAL_INTERVAL_HOURS: Final = 8


class ReplayMarket(BarMarket):
    """
    Freqtrade's data files as a futures market, shifted in time.

    Bars of the files appear exactly, in their own timeframe and aggregated to coarser ones; finer
    ones follow a path drawn inside the bar, and give the bar's open, high, low, close and volume
    when aggregated again. Bars that are missing stay missing (the last price holds), a market
    starts trading with its first bar and is delisted when it has been silent for a day at the end
    of its file while others go on. Spot files are presented as perpetuals.

    The mark price follows the mark file. Where that has a bar of the same length as the candles',
    it is replayed like the candles. Files of other spacing (Binance's 8-hour marks under an
    ``1h`` name) give a premium at the open of each row, which holds until the next row; so the
    mark is exact at funding times and never strays from the last price between. Without a file
    the mark is the last price.

    Funding follows the funding file, whatever its intervals; times off the minute by milliseconds
    are put right. The forecast of the coming rate is the rate last paid. Without a file, and after
    its end, the coming payment is announced with rate 0 and nothing is paid.

    Parameters
    ----------
    datadir : Path
        Data folder of an exchange, with a folder ``futures`` in it or spot files.
    timeframe : str
        Timeframe of the files to replay, such as ``5m``.
    moment : int, datetime, str or None
        Time in the data that is to be now: milliseconds, a datetime with a zone, or ISO text (UTC
        if it names no zone). None: no shift.
    anchor_ms : int or None
        The present, in milliseconds; only needed with a `moment`. The shift is a whole number of
        hours (of bars, where these are longer), so that bars and funding stay on the calendar's
        grid; rounded so that `moment` comes up to that much after `anchor_ms`, never before.
    symbols : sequence of str, optional
        Contracts to show, such as ``BTCUSDT``; default all.
    seed : int
        Seed of the paths inside bars, of books and of trades.

    Raises
    ------
    ConfigError
        If the folder, a file or `moment` is unusable; it names the place and what would be right.
    """

    def __init__(
        self,
        datadir: Path,
        timeframe: str,
        *,
        moment: int | datetime | str | None,
        anchor_ms: int | None = None,
        symbols: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        base_ms = timeframe_ms(timeframe)
        files = find(Path(datadir), timeframe, symbols)
        columns = {file.symbol: read(file.candles, base_ms) for file in files}
        end_ms = max(int(each.open_ms[-1]) for each in columns.values()) + base_ms
        start_ms = min(int(each.open_ms[0]) for each in columns.values())
        self.shift_ms = _shift(moment, anchor_ms, base_ms, (start_ms, end_ms), Path(datadir))
        super().__init__(
            {
                file.symbol: _listing(
                    file, columns[file.symbol], base_ms, self.shift_ms, seed, end_ms
                )
                for file in files
            }
        )


def _shift(
    moment: int | datetime | str | None,
    anchor_ms: int | None,
    base_ms: int,
    span: tuple[int, int],
    datadir: Path,
) -> int:
    """Milliseconds to add to the times of the files."""
    if moment is None:
        return 0
    if anchor_ms is None:
        raise ConfigError("a moment without anchor_ms: want the present in milliseconds")
    moment_ms = _milliseconds(moment)
    if not span[0] <= moment_ms < span[1]:
        raise ConfigError(
            f"moment {_iso(moment_ms)} is not in the data of {datadir}: "
            f"want one from {_iso(span[0])} to before {_iso(span[1])}"
        )
    grid_ms = int(np.lcm(base_ms, HOUR_MS))
    return -((moment_ms - anchor_ms) // grid_ms) * grid_ms


def _milliseconds(moment: int | datetime | str) -> int:
    if isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as error:
            raise ConfigError(f"moment {moment!r} is no date: want 2024-01-31T12:00") from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise ConfigError(f"moment {moment} has no time zone: want one, such as UTC")
    return round(moment.timestamp() * 1_000)


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat()


def _listing(
    file: CandleFile, columns: Columns, base_ms: int, shift_ms: int, seed: int, end_ms: int
) -> Listing:
    typical_price = float(np.median(columns.close))
    tick = price_step(
        np.concatenate([columns.open, columns.high, columns.low, columns.close]),
    )
    step = quantity_step(columns.volume, typical_price)
    key = key_of(seed, "path", file.symbol)
    bars = _bars(columns, tick, step, shift_ms, key)
    last = Tape(bars, base_ms=base_ms, key=key, origin_ms=shift_ms)
    mark = last
    if file.mark is not None:
        marked = _mark_bars(file, columns, bars, tick, base_ms)
        mark = Tape(marked, base_ms=base_ms, key=key, origin_ms=shift_ms)
    funding = _funding(file, shift_ms, last)
    silent_ms = last.end_ms + _SILENCE_MS
    return Listing(
        instrument=instrument(
            file.base,
            file.quote,
            tick=tick,
            step=step,
            typical_price=typical_price,
            listed_at_ms=last.first_ms,
            funding_interval_hours=funding.interval_ms // HOUR_MS,
        ),
        last=last,
        mark=mark,
        tick=tick,
        step=step,
        funding=funding,
        liquidity=Liquidity(last, tick=tick, step=step, spread_bps=_SPREAD_BPS),
        delisted_at_ms=silent_ms if silent_ms < end_ms + shift_ms else None,
    )


def _bars(columns: Columns, tick: Step, step: Step, shift_ms: int, key: int) -> Bars:
    volume = step.counts(columns.volume)
    spread = np.maximum(columns.high - columns.low, columns.close * 1e-9)
    lean = 0.15 * (columns.close - columns.open) / spread
    draws = uniform(key_of(key, "taker"), columns.open_ms)
    share = np.clip(0.5 + lean + 0.2 * (draws - 0.5), 0.0, 1.0)
    open_, high, low, close = (
        np.maximum(tick.counts(prices), 1)
        for prices in (columns.open, columns.high, columns.low, columns.close)
    )
    return Bars(
        open_ms=columns.open_ms + shift_ms,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        buy_volume=np.rint(volume * share).astype(np.int64),
    )


def _mark_bars(file: CandleFile, columns: Columns, last: Bars, tick: Step, base_ms: int) -> Bars:
    """Bars of the mark price: those of the file where it has them, else the last price's scaled."""
    if file.mark is None:
        return last
    times, opens = read_opens(file.mark, positive=True)
    row = np.searchsorted(times, columns.open_ms, side="right") - 1
    premium = _premium(columns, times, opens)
    held = np.where(row >= 0, premium[np.maximum(row, 0)], 1.0)
    prices = {name: getattr(columns, name) * held for name in ("open", "high", "low", "close")}
    if times.size > 1 and int(np.median(np.diff(times))) == base_ms:
        whole = read(file.mark, base_ms)
        exact = (row >= 0) & (times[np.maximum(row, 0)] == columns.open_ms)
        for name, values in prices.items():
            values[exact] = getattr(whole, name)[row[exact]]
    ticks = {name: np.maximum(tick.counts(values), 1) for name, values in prices.items()}
    return replace(
        last, open=ticks["open"], high=ticks["high"], low=ticks["low"], close=ticks["close"]
    )


def _premium(columns: Columns, times: Ints, opens: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mark over last price at each row of the mark file; 1 where the last price is unknown."""
    at = np.searchsorted(columns.open_ms, times, side="right") - 1
    fresh = (at >= 0) & (columns.open_ms[np.maximum(at, 0)] == times)
    reference = np.where(fresh, columns.open[np.maximum(at, 0)], columns.close[np.maximum(at, 0)])
    return np.where(at >= 0, opens / reference, 1.0)


def _funding(file: CandleFile, shift_ms: int, last: Tape) -> FundingSchedule:
    """Payments of the file while there are prices, on the market's clock."""
    times, rates = np.array([], dtype=np.int64), np.array([], dtype=np.float64)
    interval_hours = _USUAL_INTERVAL_HOURS
    if file.funding is not None:
        times, rates = read_opens(file.funding, positive=False)
        if times.size > 1:
            lengths, counts = np.unique(np.diff(times) // HOUR_MS, return_counts=True)
            interval_hours = max(int(lengths[np.argmax(counts)]), 1)
        times = times + shift_ms
    priced = (times >= last.first_ms) & (times <= last.end_ms)
    return FundingSchedule(
        times_ms=times[priced],
        rates=rates[priced],
        forecast_ms=times,
        forecasts=rates,
        interval_ms=interval_hours * HOUR_MS,
    )
