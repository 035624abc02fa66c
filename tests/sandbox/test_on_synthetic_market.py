"""The exchange on the market that rehearsals use: days of it, with books of finite depth."""

import random
import time

import pytest

from freqtrade_ext.sandbox import Exchange, Journal, SpreadLegs, audit
from freqtrade_ext.sandbox.engine import (
    MarginMode,
    OrderType,
    PlaceOrder,
    PlaceTrigger,
    Rejection,
    SetLeverage,
    SetMarginMode,
    Side,
    TriggerType,
)
from freqtrade_ext.sandbox.journal import FundingPaid, OrderFilled
from freqtrade_ext.sandbox.market import SyntheticMarket, SyntheticSpec

from .doubles import D

ANCHOR_MS = 1_750_000_020_000
MINUTE_MS = 60_000
DAY_MINUTES = 1_440


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    spec = SyntheticSpec(seed=11, anchor_ms=ANCHOR_MS, history_minutes=2 * DAY_MINUTES)
    return SyntheticMarket(spec)


class Trader:
    """Trades at random, within what the instruments allow."""

    def __init__(self, market: SyntheticMarket, seed: int) -> None:
        self.random = random.Random(seed)
        self.journal = Journal()
        self.market = market
        self.exchange = Exchange(market, now_ms=ANCHOR_MS, record=self.journal.append)
        self.symbols = sorted(market.instruments)[:4]
        for symbol in self.symbols:
            self.exchange.handle(SetMarginMode(symbol, MarginMode.ISOLATED), ANCHOR_MS)
            self.exchange.handle(SetLeverage(symbol, 5), ANCHOR_MS)

    def act(self, now_ms: int) -> None:
        """Send one order of some kind; refusals are part of life."""
        symbol = self.random.choice(self.symbols)
        instrument = self.market.instruments[symbol]
        price = self.market.price(symbol, now_ms)
        side = self.random.choice(list(Side))
        steps = D(self.random.randint(20, 400)) / price / instrument.step_size
        quantity = max(instrument.min_quantity, int(steps) * instrument.step_size)
        away = instrument.tick_size * self.random.randint(1, 50) * side.sign
        kind = self.random.random()
        if kind < 0.5:
            command = PlaceOrder(symbol, side, OrderType.MARKET, quantity)
        elif kind < 0.8:
            command = PlaceOrder(symbol, side, OrderType.LIMIT, quantity, price - away)
        else:
            stop = TriggerType.STOP_MARKET
            command = PlaceTrigger(symbol, side, stop, price + away, quantity, reduce_only=True)
        try:
            self.exchange.handle(command, now_ms)
        except Rejection:
            return

    def trade(self, minutes: int) -> "Trader":
        for minute in range(1, minutes + 1):
            self.act(ANCHOR_MS + minute * MINUTE_MS)
        return self


def test_a_day_of_random_trading_keeps_the_books_straight(market):
    trader = Trader(market, seed=1).trade(DAY_MINUTES)
    account, fills = trader.exchange.account, trader.exchange.book.fills
    assert len(fills) > 200
    assert account.wallet_balance == sum(entry.amount for entry in account.ledger)
    for symbol in trader.symbols:
        held = sum(f.quantity * f.side.sign for f in fills if f.symbol == symbol)
        assert trader.exchange.position(symbol).quantity == held
    report = audit(trader.journal)
    start = account.ledger[0].amount
    earned = sum(report.realized_pnl.values()) - report.fees + report.funding
    insurance = sum(e.amount for e in account.ledger if e.kind == "insurance")
    assert account.wallet_balance == start + earned + insurance


def test_the_same_seeds_give_the_same_journal(market):
    first, second = (Trader(market, seed=2).trade(120) for _ in range(2))
    assert list(first.journal) == list(second.journal)


def test_fills_lie_on_the_tick_and_lot_grids(market):
    trader = Trader(market, seed=3).trade(300)
    for fill in trader.exchange.book.fills:
        instrument = market.instruments[fill.symbol]
        assert fill.price % instrument.tick_size == 0
        assert fill.quantity % instrument.step_size == 0


def test_funding_is_paid_for_what_is_held(market):
    trader = Trader(market, seed=4)
    symbol = trader.symbols[0]
    price = market.price(symbol, ANCHOR_MS)
    step = market.instruments[symbol].step_size
    quantity = int(D(1_000) / price / step) * step
    order = PlaceOrder(symbol, Side.BUY, OrderType.MARKET, quantity)
    trader.exchange.handle(order, ANCHOR_MS)
    end_ms = ANCHOR_MS + 2 * DAY_MINUTES * MINUTE_MS
    trader.exchange.advance(end_ms)
    due = market.funding_events(symbol, ANCHOR_MS, end_ms)
    paid = trader.journal.of(FundingPaid)
    assert len(due) == len(paid) == 6
    for event, payment in zip(due, paid, strict=True):
        assert payment.time_ms == event.time_ms
        assert payment.amount == round(-quantity * event.mark_price * event.rate, 8)


def test_a_hedged_planted_spread_is_naked_only_between_its_legs(market):
    planted = market.planted_spreads()[0]
    trader = Trader(market, seed=5)
    a, b = planted.symbol_a, planted.symbol_b
    gap_ms = 400

    def buy_or_sell(symbol: str, side: Side, notional: object, at_ms: int) -> None:
        price = market.price(symbol, at_ms)
        step = market.instruments[symbol].step_size
        quantity = int(D(str(notional)) / price / step) * step
        trader.exchange.handle(PlaceOrder(symbol, side, OrderType.MARKET, quantity), at_ms)

    buy_or_sell(a, Side.BUY, 1_000, ANCHOR_MS)
    buy_or_sell(b, Side.SELL, 1_000 * planted.hedge_ratio, ANCHOR_MS + gap_ms)
    trader.exchange.advance(ANCHOR_MS + gap_ms + 1)
    spread = SpreadLegs(a, b, planted.hedge_ratio)
    report = audit(trader.journal, spreads=[spread])
    assert report.longest_orphan_ms == gap_ms
    expected = 1_000 * planted.hedge_ratio * gap_ms / 1_000
    assert report.naked_exposure[f"{a}:{b}"] == pytest.approx(expected, rel=0.02)
    assert report.is_clean


def test_a_large_order_pays_for_the_depth_it_takes(market):
    symbol = sorted(market.instruments)[0]
    instrument = market.instruments[symbol]
    price = market.price(symbol, ANCHOR_MS)

    def average(notional: int) -> object:
        exchange = Exchange(market, now_ms=ANCHOR_MS, wallet=D(10**9))
        quantity = int(D(notional) / price / instrument.step_size) * instrument.step_size
        quantity = min(quantity, instrument.max_market_quantity)
        order = PlaceOrder(symbol, Side.BUY, OrderType.MARKET, quantity)
        return exchange.handle(order, ANCHOR_MS).average_price

    assert price < average(1_000) <= average(100_000) <= average(400_000)


def test_a_week_without_anything_to_do_is_skipped_at_once(market):
    exchange = Exchange(market, now_ms=ANCHOR_MS)
    started = time.perf_counter()
    exchange.advance(ANCHOR_MS + 7 * DAY_MINUTES * MINUTE_MS)
    assert time.perf_counter() - started < 0.5


def test_order_and_fill_ids_grow_over_the_whole_day(market):
    trader = Trader(market, seed=6).trade(300)
    for ids in (
        [order.venue_order_id for order in trader.exchange.book.orders.values()],
        [fill.fill_id for fill in trader.exchange.book.fills],
        [event.fill_id for event in trader.journal.of(OrderFilled)],
    ):
        assert ids == sorted(set(ids))
    times = [event.time_ms for event in trader.journal]
    assert times == sorted(times)
