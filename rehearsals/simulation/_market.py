"""The world outside the account, as small as an episode needs it: prices that stand until moved."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from freqtrade_ext.sandbox.market import (
    Candle,
    Depth,
    FundingEvent,
    Instrument,
    LeverageBracket,
    PriceKind,
    PublicTrade,
)

__all__ = ["LOT", "MARKETS", "MIN_NOTIONAL", "PRICES", "StandingMarket"]

LOT = Decimal("0.01")
MIN_NOTIONAL = Decimal(5)
PRICES = {
    "ONE/USDT:USDT": Decimal(20),
    "TWO/USDT:USDT": Decimal(50),
    "TEN/USDT:USDT": Decimal(100),
    "TOP/USDT:USDT": Decimal(10),
}
MARKETS = tuple(PRICES)
_DEEP = Decimal(1_000_000)
_BRACKET = LeverageBracket(Decimal(0), Decimal(10_000_000), 50, Decimal("0.005"), Decimal(0))


@lru_cache(maxsize=1)
def _instruments() -> Mapping[str, Instrument]:
    return {
        name: Instrument(
            symbol=name,
            base=name.partition("/")[0],
            quote="USDT",
            tick_size=Decimal("0.01"),
            step_size=LOT,
            min_quantity=LOT,
            max_quantity=_DEEP,
            max_market_quantity=_DEEP,
            min_notional=MIN_NOTIONAL,
            listed_at_ms=0,
            brackets=(_BRACKET,),
        )
        for name in MARKETS
    }


class StandingMarket:
    """Prices that stand still until an episode moves them; a book that fills everything."""

    def __init__(self) -> None:
        self._steps = {name: [(0, price)] for name, price in PRICES.items()}

    def move(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """Let the price stand elsewhere from now on."""
        self._steps[symbol].append((at_ms, price))

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Instruments by symbol."""
        return _instruments()

    def is_trading(self, symbol: str, now_ms: int) -> bool:
        """Every market is always open."""
        return True

    def price(self, symbol: str, now_ms: int) -> Decimal:
        """Price at a time."""
        steps = self._steps[symbol]
        if len(steps) == 1 or steps[-1][0] <= now_ms:
            return steps[-1][1]
        return next(price for at_ms, price in reversed(steps) if at_ms <= now_ms)

    def mark_price(self, symbol: str, now_ms: int) -> Decimal:
        """Return the price itself."""
        return self.price(symbol, now_ms)

    def price_range(self, symbol: str, after_ms: int, until_ms: int) -> tuple[Decimal, Decimal]:
        """Lowest and highest price in a span."""
        steps = self._steps[symbol]
        if steps[-1][0] <= after_ms:
            return steps[-1][1], steps[-1][1]
        seen = [self.price(symbol, after_ms)]
        seen += [price for at_ms, price in steps if after_ms < at_ms <= until_ms]
        return min(seen), max(seen)

    def depth(self, symbol: str, now_ms: int, levels: int) -> Depth:
        """One deep level on each side, at the price."""
        level = ((self.price(symbol, now_ms), _DEEP),)
        return Depth(bids=level, asks=level)

    def candles(
        self,
        symbol: str,
        interval_ms: int,
        start_ms: int,
        end_ms: int,
        now_ms: int,
        kind: PriceKind = "last",
    ) -> Sequence[Candle]:
        """Nobody looks at candles."""
        return ()

    def trades(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[PublicTrade]:
        """Nobody looks at the public's trades."""
        return ()

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[FundingEvent]:
        """No funding: an episode lasts minutes."""
        return ()

    def next_funding(self, symbol: str, now_ms: int) -> FundingEvent:
        """Nobody looks at funding."""
        raise NotImplementedError

    def open_interest(self, symbol: str, now_ms: int) -> Decimal:
        """Nobody looks at open interest."""
        raise NotImplementedError
