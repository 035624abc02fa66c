"""A market too simple to be wrong: prices are what a test says they are."""

import asyncio
import bisect
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from freqtrade_ext.sandbox import Credentials, Exchange, Fault, FaultPlan, Journal
from freqtrade_ext.sandbox.faults import FaultedCall
from freqtrade_ext.sandbox.market import (
    Candle,
    Depth,
    FundingEvent,
    Instrument,
    LeverageBracket,
    PriceKind,
    PublicTrade,
)
from freqtrade_ext.sandbox.wire import Answer, BinanceApi, Circumstances, Request
from freqtrade_ext.sandbox.wire._auth import signature

D = Decimal
HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000 - 1_700_000_000_000 % HOUR_MS
TICK = D("0.1")

# Two rows of the shape Binance publishes: 50x up to 50 000, then 20x; the maintenance amount makes
# the margin continuous: 50 000 * (0.02 - 0.01) = 500.
BRACKETS = (
    LeverageBracket(D(0), D(50_000), 50, D("0.01"), D(0)),
    LeverageBracket(D(50_000), D(1_000_000), 20, D("0.02"), D(500)),
)


def instrument(symbol: str, *, listed_at_ms: int = 0) -> Instrument:
    """An instrument with round filters: ticks of 0.1, lots of 0.001, at least 5 in notional."""
    return Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=TICK,
        step_size=D("0.001"),
        min_quantity=D("0.001"),
        max_quantity=D(1_000),
        max_market_quantity=D(100),
        min_notional=D(5),
        listed_at_ms=listed_at_ms,
        brackets=BRACKETS,
    )


class FakeMarket:
    """
    Prices that stand still until a test sets them.

    The book has one level per tick on either side, `level_quantity` deep, the best bid at the
    last price and the best ask one tick above.
    """

    def __init__(self, **prices: object) -> None:
        self.instruments: Mapping[str, Instrument] = {
            symbol: instrument(symbol) for symbol in prices
        }
        self._times = {symbol: [0] for symbol in prices}
        self._prices = {symbol: [D(str(price))] for symbol, price in prices.items()}
        self._marks: dict[str, Decimal] = {}
        self.level_quantity = D(100)
        self.levels = 1_000
        self.funding: dict[str, list[FundingEvent]] = {symbol: [] for symbol in prices}
        self.closed: set[str] = set()

    def set_price(self, symbol: str, price: object, at_ms: int) -> None:
        """Let the last price change at a time later than all changes before."""
        self._times[symbol].append(at_ms)
        self._prices[symbol].append(D(str(price)))

    def set_mark(self, symbol: str, price: object) -> None:
        """Fix the mark price, which otherwise is the last price."""
        self._marks[symbol] = D(str(price))

    def pay_funding(self, symbol: str, rate: object, at_ms: int, mark: object) -> None:
        """Let a funding payment fall due."""
        event = FundingEvent(at_ms, D(str(rate)), D(str(mark)))
        self.funding[symbol].append(event)

    def is_trading(self, symbol: str, now_ms: int) -> bool:
        return symbol not in self.closed

    def price(self, symbol: str, now_ms: int) -> Decimal:
        return self._prices[symbol][bisect.bisect_right(self._times[symbol], now_ms) - 1]

    def mark_price(self, symbol: str, now_ms: int) -> Decimal:
        return self._marks.get(symbol, self.price(symbol, now_ms))

    def price_range(self, symbol: str, after_ms: int, until_ms: int) -> tuple[Decimal, Decimal]:
        seen = [
            price
            for time_ms, price in zip(self._times[symbol], self._prices[symbol], strict=True)
            if after_ms < time_ms <= until_ms
        ]
        seen.append(self.price(symbol, after_ms))
        return min(seen), max(seen)

    def depth(self, symbol: str, now_ms: int, levels: int) -> Depth:
        last, count = self.price(symbol, now_ms), min(levels, self.levels)
        return Depth(
            bids=tuple((last - TICK * i, self.level_quantity) for i in range(count)),
            asks=tuple((last + TICK * (i + 1), self.level_quantity) for i in range(count)),
        )

    def candles(
        self,
        symbol: str,
        interval_ms: int,
        start_ms: int,
        end_ms: int,
        now_ms: int,
        kind: PriceKind = "last",
    ) -> Sequence[Candle]:
        first = -(-start_ms // interval_ms) * interval_ms
        times = range(first, min(end_ms, now_ms) + 1, interval_ms)
        shift = {"last": 0, "mark": 1, "index": 2}[kind]
        close = float(self.price(symbol, now_ms)) + shift
        return [
            Candle(t, close - 1, close + 2, close - 2, close, 10.0, 1000.0, 7, 4.0) for t in times
        ]

    def trades(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[PublicTrade]:
        """One trade per second since START_MS, numbered from 1."""
        first = max(START_MS, -(-start_ms // 1_000) * 1_000)
        return [
            PublicTrade((t - START_MS) // 1_000 + 1, t, D(100), D("0.5"), t % 2_000 == 0)
            for t in range(first, end_ms, 1_000)
        ]

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[FundingEvent]:
        return [e for e in self.funding[symbol] if start_ms < e.time_ms <= end_ms]

    def next_funding(self, symbol: str, now_ms: int) -> FundingEvent:
        at_ms = now_ms - now_ms % (8 * HOUR_MS) + 8 * HOUR_MS
        return FundingEvent(at_ms, D("0.0001"), self.mark_price(symbol, now_ms))

    def open_interest(self, symbol: str, now_ms: int) -> Decimal:
        return D(1_234)


class Clock:
    """A clock that a test sets."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def forward(self, ms: int) -> int:
        """Move on and tell the time."""
        self.now_ms += ms
        return self.now_ms


class Desk:
    """An exchange on a fake market, with its journal and a clock."""

    def __init__(self, wallet: object = 10_000, **prices: object) -> None:
        self.clock = Clock()
        self.journal = Journal()
        self.market = FakeMarket(**(prices or {"BTCUSDT": 100}))
        self.exchange = Exchange(
            self.market, now_ms=START_MS, wallet=D(str(wallet)), record=self.journal.append
        )

    def do(self, command: object) -> object:
        """Let the exchange handle a command now."""
        return self.exchange.handle(command, self.clock.now_ms)

    def move(self, symbol: str, price: object, ms: int = 1_000) -> None:
        """Let time pass, the price change at its end, and the exchange notice."""
        self.market.set_price(symbol, price, self.clock.forward(ms))
        self.exchange.advance(self.clock.now_ms)

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.exchange.advance(self.clock.forward(ms))

    @property
    def wallet(self) -> Decimal:
        return self.exchange.account.wallet_balance


class Client:
    """Speaks the protocol to an API without a network, signing as ccxt does."""

    def __init__(self, desk: Desk, *, weight_per_minute: int = 2_400) -> None:
        self.desk = desk
        self.api = BinanceApi(desk.exchange, weight_per_minute=weight_per_minute)
        self.credentials = Credentials()

    def call(self, endpoint: str, *, signed: bool = True, **params: object) -> Answer:
        """Send a request now."""
        return self.api.answer(self.request(endpoint, signed=signed, **params), self.desk.clock())

    def request(self, endpoint: str, *, signed: bool = True, **params: object) -> Request:
        """Build a request."""
        method, path = endpoint.split()
        if signed:
            params.setdefault("timestamp", self.desk.clock())
        text = urlencode({k: str(v) for k, v in params.items() if v is not None})
        headers = {"x-mbx-apikey": self.credentials.key} if signed else {}
        in_query = method in ("GET", "DELETE")
        request = Request(method, path, text if in_query else "", "" if in_query else text, headers)
        if not signed:
            return request
        text += f"&signature={signature(request, self.credentials)}"
        return Request(method, path, text if in_query else "", "" if in_query else text, headers)

    def ok(self, endpoint: str, *, signed: bool = True, **params: object) -> object:
        """Send a request that has to succeed; answers its body."""
        answer = self.call(endpoint, signed=signed, **params)
        assert answer.status == 200, answer.body
        return answer.body


class Line:
    """
    A client's line to the exchange, with a plan of what goes wrong on it.

    Waiting is written down in `waits`, never done. Every request takes `pace_ms` of the desk's
    clock.
    """

    def __init__(self, *faults: Fault, client: Client | None = None, pace_ms: int = 0) -> None:
        self.client = client or Client(Desk(BTCUSDT=100, ETHUSDT=100))
        self.desk = self.client.desk
        self.plan = FaultPlan(faults)
        self.names = (f"order-{number}" for number in range(1, 1_000))
        self.pace_ms = pace_ms
        self.waits: list[float] = []

    def send(self, endpoint: str, **params: object) -> Answer | None:
        """Send a request; None when no answer came back."""
        if self.pace_ms:
            self.desk.wait(self.pace_ms)
        request = self.client.request(endpoint, **params)
        now_ms = self.desk.clock.now_ms

        async def wait(seconds: float) -> None:
            self.waits.append(seconds)

        def answer(under: Circumstances) -> Answer:
            return self.client.api.answer(request, now_ms, under)

        call = FaultedCall(request, self.desk.exchange, now_ms, wait=wait)
        return asyncio.run(self.plan.serve(call, answer, self.desk.journal.append))

    def ok(self, endpoint: str, **params: object) -> Any:
        """Send a request that has to succeed; answers its body."""
        answer = self.send(endpoint, **params)
        assert answer is not None
        assert answer.status == 200, answer.body
        return answer.body

    def held(self, symbol: str) -> Decimal:
        """Signed quantity held."""
        return self.desk.exchange.position(symbol).quantity


def eventually(condition: Callable[[], object], *, seconds: float = 10.0) -> object:
    """Poll until a condition holds and answer what it gave; fail after `seconds`."""
    import time

    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true within {seconds} s: {condition}")
        time.sleep(0.02)
