"""What a handler gets: the exchange, the parameters and the time."""

from collections.abc import Callable
from dataclasses import dataclass

from freqtrade_ext.sandbox.engine import Exchange
from freqtrade_ext.sandbox.market import Instrument, Market
from freqtrade_ext.sandbox.wire._errors import BAD_SYMBOL, ApiFailure
from freqtrade_ext.sandbox.wire._messages import Params

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


def _let_pass(leg: int) -> None:
    """Let an order pass."""


@dataclass(slots=True)
class Circumstances:
    """
    What a rehearsal makes unusual about a request.

    Parameters
    ----------
    clock_skew_ms : int
        How far the exchange's clock is ahead.
    prices_of_ms : int, optional
        Time at which public data stand still.
    before_order : callable
        Called before each order or cancel of a request reaches the exchange, with its place in
        the request from 0 on; `ApiFailure` refuses that one alone.
    """

    clock_skew_ms: int = 0
    prices_of_ms: int | None = None
    before_order: Callable[[int], None] = _let_pass


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed the door."""

    exchange: Exchange
    params: Params
    now_ms: int
    before_order: Callable[[int], None] = _let_pass

    @property
    def market(self) -> Market:
        """The market that the exchange trades."""
        return self.exchange.market

    def instrument(self, name: str = "symbol") -> Instrument:
        """Instrument named by a mandatory parameter."""
        return self.known(self.params.text(name))

    def instruments(self) -> list[Instrument]:
        """The instrument named by `symbol`, or all that trade."""
        if self.params.get("symbol"):
            return [self.instrument()]
        every = self.market.instruments.values()
        return [one for one in every if self.market.is_trading(one.symbol, self.now_ms)]

    def known(self, symbol: str) -> Instrument:
        """Instrument by symbol; refuses an unknown one and one that is not listed yet."""
        found = self.market.instruments.get(symbol)
        if found is None or found.listed_at_ms > self.now_ms:
            raise ApiFailure(BAD_SYMBOL)
        return found

    def one_or_all(self, rendered: list[dict[str, object]]) -> object:
        """A single object when `symbol` was given, else the list: how Binance answers."""
        return rendered[0] if self.params.get("symbol") else rendered
