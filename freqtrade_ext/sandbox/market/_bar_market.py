"""A `Market` told by bars: what the synthetic and the replayed market have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, get_args

import numpy as np

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.sandbox.market._bars import Bars
from freqtrade_ext.sandbox.market._filters import Step
from freqtrade_ext.sandbox.market._funding import FundingSchedule
from freqtrade_ext.sandbox.market._liquidity import TRADES_PER_SLOT, Liquidity
from freqtrade_ext.sandbox.market._path import KNOT_MS
from freqtrade_ext.sandbox.market._tape import Tape
from freqtrade_ext.sandbox.market._types import (
    Candle,
    Depth,
    FundingEvent,
    Instrument,
    PriceKind,
    PublicTrade,
)

__all__ = ["BarMarket", "Listing"]

_MINUTE_MS: Final = 60_000
_RATE_STEP: Final = Decimal("1E-8")


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything known of one contract."""

    instrument: Instrument
    last: Tape
    mark: Tape
    tick: Step
    step: Step
    funding: FundingSchedule
    liquidity: Liquidity
    delisted_at_ms: int | None = None


class BarMarket:
    """
    The `Market` protocol over tapes.

    After a tape's last bar its price holds and nothing new appears: no candles, no trades, no
    funding. The index price is the last price.

    Parameters
    ----------
    listings : mapping of str to Listing
        Contracts by symbol, in the order in which they are to be shown.
    """

    def __init__(self, listings: Mapping[str, Listing]) -> None:
        self._listings = dict(listings)
        self._instruments = MappingProxyType(
            {symbol: listing.instrument for symbol, listing in listings.items()}
        )

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Instruments by symbol."""
        return self._instruments

    @property
    def end_ms(self) -> int:
        """First millisecond at which no contract has prices of its own any more."""
        return max(listing.last.end_ms for listing in self._listings.values())

    def is_trading(self, symbol: str, now_ms: int) -> bool:
        """Tell whether the contract has been listed and has not been delisted."""
        listing = self._listing(symbol)
        delisted = listing.delisted_at_ms
        return now_ms >= listing.last.first_ms and (delisted is None or now_ms < delisted)

    def price(self, symbol: str, now_ms: int) -> Decimal:
        """Last traded price, on the tick grid; IllegalRequest before the first bar."""
        listing = self._priced(symbol, now_ms)
        return listing.tick.decimal(listing.last.tick(now_ms))

    def mark_price(self, symbol: str, now_ms: int) -> Decimal:
        """Mark price, on the tick grid; IllegalRequest before the first bar."""
        listing = self._priced(symbol, now_ms)
        return listing.tick.decimal(listing.mark.tick(now_ms))

    def price_range(self, symbol: str, after_ms: int, until_ms: int) -> tuple[Decimal, Decimal]:
        """
        Lowest and highest last price in the half-open span (after_ms, until_ms].

        A span that begins before the listing is cut there; an empty one is the price at its end.
        """
        listing = self._priced(symbol, until_ms)
        first_ms = min(max(after_ms + 1, listing.last.first_ms), until_ms)
        low, high = listing.last.tick_range(first_ms, until_ms)
        return listing.tick.decimal(low), listing.tick.decimal(high)

    def depth(self, symbol: str, now_ms: int, levels: int) -> Depth:
        """Order book around the last price, 1 to 1000 levels a side."""
        return self._priced(symbol, now_ms).liquidity.depth(now_ms, levels)

    def candles(
        self,
        symbol: str,
        interval_ms: int,
        start_ms: int,
        end_ms: int,
        now_ms: int,
        kind: PriceKind = "last",
    ) -> list[Candle]:
        """
        Bars that open in [start_ms, end_ms], oldest first; the last may still be forming.

        Parameters
        ----------
        symbol : str
        interval_ms : int
            Any whole number of minutes. Bars are aligned to the epoch.
        start_ms, end_ms : int
            Span of opens; may reach beyond the data and beyond now. Bars finer than the data's are
            drawn anew on each call, so ask for some thousands of them, not for years.
        now_ms : int
            A bar shows what happened up to and including this millisecond.
        kind : {"last", "mark", "index"}
            Mark and index candles carry no volume.

        Returns
        -------
        list of Candle
            Without bars in which nothing was recorded. Volumes add up exactly from interval to
            interval; `quote_volume` (the volume at the mean of open, high, low and close) and
            `trade_count` are estimates and do not.
        """
        listing = self._listing(symbol)
        if interval_ms <= 0 or interval_ms % _MINUTE_MS:
            raise IllegalRequest(f"candles of {interval_ms} ms: want a whole number of minutes")
        if kind not in get_args(PriceKind):
            raise IllegalRequest(f"candles of {kind!r}: want one of {get_args(PriceKind)}")
        tape = listing.mark if kind == "mark" else listing.last
        bars = tape.candles(interval_ms, start_ms, end_ms, now_ms)
        return _rendered(bars, listing, interval_ms, now_ms, with_volume=kind == "last")

    def trades(self, symbol: str, start_ms: int, end_ms: int) -> list[PublicTrade]:
        """Public trades in [start_ms, end_ms): up to 48 a minute, so ask for hours, not months."""
        return self._listing(symbol).liquidity.trades(start_ms, end_ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> list[FundingEvent]:
        """Funding payments due in (start_ms, end_ms], oldest first."""
        due = self._listing(symbol).funding.between(start_ms, end_ms)
        return [self._funding_event(symbol, time_ms, rate, time_ms) for time_ms, rate in due]

    def next_funding(self, symbol: str, now_ms: int) -> FundingEvent:
        """The coming payment with the rate forecast now and the mark price of now."""
        time_ms, rate = self._listing(symbol).funding.coming(now_ms)
        return self._funding_event(symbol, time_ms, rate, now_ms)

    def open_interest(self, symbol: str, now_ms: int) -> Decimal:
        """Open contracts in base units; positive."""
        listing = self._priced(symbol, now_ms)
        return listing.step.decimal(listing.liquidity.open_interest(now_ms))

    def _funding_event(
        self, symbol: str, time_ms: int, rate: float, priced_ms: int
    ) -> FundingEvent:
        rounded = Decimal(repr(rate)).quantize(_RATE_STEP)
        return FundingEvent(time_ms, rounded, self.mark_price(symbol, priced_ms))

    def _listing(self, symbol: str) -> Listing:
        try:
            return self._listings[symbol]
        except KeyError:
            known = ", ".join(self._listings)
            raise IllegalRequest(f"unknown symbol {symbol!r}; this market has {known}") from None

    def _priced(self, symbol: str, now_ms: int) -> Listing:
        listing = self._listing(symbol)
        if now_ms < listing.last.first_ms:
            raise IllegalRequest(
                f"{symbol} has no price at {now_ms} ms: it is listed at {listing.last.first_ms} ms"
            )
        return listing


def _rendered(
    bars: Bars, listing: Listing, interval_ms: int, now_ms: int, *, with_volume: bool
) -> list[Candle]:
    open_, high, low, close = (
        listing.tick.floats(ticks) for ticks in (bars.open, bars.high, bars.low, bars.close)
    )
    zero = np.zeros(len(bars), dtype=np.int64)
    volume = listing.step.floats(bars.volume if with_volume else zero)
    bought = listing.step.floats(bars.buy_volume if with_volume else zero)
    elapsed = np.minimum(now_ms + 1 - bars.open_ms, interval_ms)
    most = -(-elapsed // KNOT_MS) * TRADES_PER_SLOT
    columns = (
        bars.open_ms,
        open_,
        high,
        low,
        close,
        volume,
        volume * (open_ + high + low + close) / 4,
        np.minimum(bars.volume, most) if with_volume else zero,
        bought,
    )
    return [Candle(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
