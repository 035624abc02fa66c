"""Freqtrade's real trades as books: reading them, adopting orders into them, writing off.

What is adopted is booked by Freqtrade's own bot, which looks the order up on a served exchange.
Bugs planted by hand, each caught by the test named:

1. shorts are positive -> test_open_trades_are_read_with_sign_leg_and_orders
2. stops are ordinary orders -> test_open_trades_are_read_with_sign_leg_and_orders
3. an adopted order is entered as closed -> test_freqtrade_books_the_fill_of_an_adopted_entry
4. an adopted trade has the order's quantity at once ->
   test_an_entry_that_freqtrade_never_heard_of_becomes_a_trade
5. a second adoption adds a second row -> test_adopting_twice_is_adopting_once
6. a short entry becomes a long trade -> test_an_entry_that_freqtrade_never_heard_of_becomes_a_trade
7. a reducing order opens a trade -> test_what_belongs_to_no_trade_is_refused
8. an order of another spread goes into the trade ->
   test_an_order_of_another_spread_is_no_order_of_this
9. an adopted exit has no reason -> test_an_adopted_exit_closes_the_trade
10. a stop is taken for an exit -> test_an_adopted_stop_waits_as_a_stop
11. `write_off` always closes -> test_a_part_is_written_off_and_the_rest_stays
12. what is written off has no reason -> test_a_trade_is_written_off_at_a_price
13. a failed commit leaves the session unusable -> test_a_locked_database_is_an_error_and_no_more
14. every open question flattens -> test_repairs_that_have_not_settled
15. closed trades' orders are unknown -> test_orders_of_closed_trades_are_known
16. moments of the database are local time -> test_times_are_utc
17. Freqtrade's errors go through -> test_an_entry_for_which_the_exchange_does_not_answer_is_
    entered_later
18. a price of nothing is a price -> test_an_entry_without_any_price_is_entered_later
19. an order of an earlier trade goes into the next one ->
    test_an_order_of_an_earlier_trade_is_no_order_of_this
20. a trade that is open asks for fees -> test_an_order_of_an_open_trade_asks_the_exchange_for_
    nothing
"""

import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from freqtrade.exceptions import ExchangeError, OperationalException, TemporaryError
from freqtrade.persistence import Order, Trade

from freqtrade_ext.adapters._account import _bot_side
from freqtrade_ext.adapters._book_keeper import FreqtradeBooks
from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    IntentPurpose,
    IntentState,
    OrderKind,
    OrderReport,
    OrderSide,
    OrderStatus,
)

from .doubles import START, START_MS, add_order, trade_of
from .execution_doubles import BTC, ETH, D, fresh, intent, running_bot, serve, stop_call

served = pytest.fixture(serve, scope="module")
bench = pytest.fixture(fresh)
TAG_A, TAG_B = "ETH-BTC short A", "ETH-BTC short B"
OWNED = {"owner": "ETH-BTC", "leg": "B", "tag": TAG_B}


class Stage:
    def __init__(self, bench, bot):
        self.bench, self.bot, self.venue = bench, bot, bench.venue()
        self.books = FreqtradeBooks(
            _bot_side(bot.exchange, bot.config, bot.strategy), lambda: frozenset({BTC, ETH})
        )

    def send(self, meant):
        """Let the exchange have an order that Freqtrade knows nothing of."""
        if meant.kind is OrderKind.STOP:
            self.venue.prepare(meant.client_order_id, stop_call(meant))
        return self.venue.submit([meant])[0].report

    def adopt(self, meant, *, known=True):
        report = self.send(meant)
        assert self.books.adopt(report, meant if known else None)
        return report

    def book(self):
        """Let Freqtrade look its open orders up, as in each of its loops."""
        self.bot.update_trades_without_assigned_fees()
        self.bot.startup_update_open_orders()
        self.bot.manage_open_orders()

    def enter(self, market=BTC, signed="0.1", **changes):
        """A trade that is open and booked, as the bot makes it."""
        meant = intent(market, signed, **({"tag": "a tag"} | changes))
        self.adopt(meant)
        self.book()
        return self.trades[-1]

    @property
    def trades(self):
        return list(Trade.get_trades_proxy())


@pytest.fixture(scope="module")
def bot(served, tmp_path_factory):
    with running_bot(served, tmp_path_factory.mktemp("bot")) as bot:
        yield bot


@pytest.fixture
def stage(bench, bot):
    yield Stage(bench, bot)
    for trade in Trade.get_trades_proxy():
        trade.delete()
    Trade.commit()


# Reading


def keep(**fields):
    trade = trade_of(Trade, **fields)
    Trade.session.add(trade)
    Trade.commit()
    return trade


def test_open_trades_are_read_with_sign_leg_and_orders(stage):
    long = keep(pair=ETH, amount=2.0, stake_amount=100.0, open_rate=50.0, enter_tag=TAG_A)
    add_order(long, "buy", 2.0, 50.0)
    short = keep(pair=BTC, amount=0.5, is_short=True, leverage=3.0, enter_tag=TAG_B)
    add_order(short, "sell", 0.5, 100.0)
    add_order(short, "stoploss", 0.5, 150.0, filled=0.0, is_open=True)
    Trade.commit()
    books = stage.books.read()
    a, b = books.trades
    assert (a.market, a.quantity, a.owner, a.leg) == (ETH, D("2.0"), "ETH-BTC", "A")
    assert (b.market, b.quantity, b.owner, b.leg) == (BTC, D("-0.5"), "ETH-BTC", "B")
    assert (a.entry_price, b.leverage, b.margin_mode) == (D("50.0"), 3.0, "isolated")
    assert [(ref.is_stop, ref.is_open) for ref in b.orders] == [(False, False), (True, True)]
    assert books.held(BTC) == D("-0.5")
    assert books.markets == {BTC, ETH}


def test_markets_of_open_trades_belong_to_the_bot(stage):
    keep(pair="XRP/USDT:USDT", enter_tag=None)
    books = stage.books.read()
    assert books.markets == {BTC, ETH, "XRP/USDT:USDT"}
    assert (books.trades[0].owner, books.trades[0].leg) == (None, None)


def test_a_trade_whose_entry_is_open_holds_nothing(stage):
    trade = keep(pair=BTC, amount=0.0)
    add_order(trade, "buy", 1.0, 100.0, filled=0.0, is_open=True)
    Trade.commit()
    (booked,) = stage.books.read().trades
    assert booked.quantity == 0
    assert booked.orders[0].is_open


def test_times_are_utc(stage, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        check_times(stage)
    finally:
        monkeypatch.undo()
        time.tzset()


def check_times(stage):
    trade = keep(pair=BTC, amount=1.0)
    assert stage.books.read().trades[0].changed_ms == 0
    order = add_order(trade, "buy", 1.0, 100.0)
    Trade.commit()
    (booked,) = stage.books.read().trades
    assert booked.opened_ms == START_MS
    assert booked.changed_ms == START_MS + 60_000
    order.order_update_date = START + timedelta(hours=1)
    Trade.commit()
    assert stage.books.read().trades[0].changed_ms == START_MS + 3_600_000


def test_orders_of_closed_trades_are_known(stage):
    trade = keep(pair=BTC, amount=0.0, is_open=False)
    order = add_order(trade, "buy", 1.0, 100.0)
    Trade.commit()
    assert stage.books.has_order(BTC, order.order_id)
    assert not stage.books.has_order(ETH, order.order_id)
    assert not stage.books.has_order(BTC, "77")
    assert stage.books.read().trades == ()


# Adopting


@pytest.mark.parametrize(("signed", "is_short"), [("0.2", False), ("-0.2", True)])
def test_an_entry_that_freqtrade_never_heard_of_becomes_a_trade(stage, signed, is_short):
    report = stage.adopt(intent(BTC, signed, leverage=2.0, **OWNED))
    (trade,) = stage.trades
    assert (trade.pair, trade.is_short, trade.enter_tag) == (BTC, is_short, TAG_B)
    assert (trade.leverage, trade.amount, trade.amount_requested) == (2.0, 0.0, 0.2)
    price = 100.0 if is_short else 100.1
    assert trade.open_rate == price
    # Half of the margin, which is half of the position: a quarter of the price.
    assert trade.stop_loss == pytest.approx(price * (1.25 if is_short else 0.75), rel=0.01)
    assert (trade.strategy, trade.exchange, trade.timeframe) == ("Guarded", "binance", 60)
    assert trade.stake_amount == pytest.approx(0.2 * price / 2.0)
    (order,) = trade.orders
    assert (order.order_id, order.ft_is_open) == (report.venue_order_id, True)
    assert order.ft_order_side == trade.entry_side
    opened = trade.open_date.replace(tzinfo=UTC)
    assert abs(opened - datetime.fromtimestamp(report.time_ms / 1000, UTC)) < timedelta(seconds=1)


def test_freqtrade_books_the_fill_of_an_adopted_entry(stage):
    stage.adopt(intent(BTC, "0.2", **OWNED))
    stage.book()
    (trade,) = stage.trades
    assert (trade.is_open, trade.amount, trade.open_rate) == (True, 0.2, 100.1)
    assert not trade.has_open_orders
    assert trade.fee_open == pytest.approx(0.0005)
    assert trade.liquidation_price or trade.stop_loss
    assert stage.books.read().held(BTC) == stage.bench.held(BTC) == D("0.2")


def test_freqtrade_books_an_adopted_order_that_fills_later(stage):
    resting = intent(BTC, "0.2", kind=OrderKind.LIMIT, price=D(99), **OWNED)
    stage.adopt(resting)
    stage.book()
    assert stage.trades[0].amount == 0.0
    assert stage.trades[0].has_open_orders
    stage.bench.set_price(BTC, 98)
    stage.book()
    assert (stage.trades[0].amount, stage.trades[0].open_rate) == (0.2, 99.0)


def test_adopting_twice_is_adopting_once(stage):
    report = stage.adopt(intent(BTC, "0.2", **OWNED))
    assert stage.books.adopt(report, None)
    stage.book()
    assert stage.books.adopt(report, None)
    assert len(stage.trades) == 1
    assert len(Order.session.query(Order).all()) == 1


def test_an_adopted_exit_closes_the_trade(stage):
    trade = stage.enter(**OWNED)
    stage.bench.set_price(BTC, 110)
    stage.adopt(intent(BTC, "-0.1", reduce_only=True, purpose=IntentPurpose.EXIT,
                       **(OWNED | {"tag": "MEAN_REVERSION"})))  # fmt: skip
    assert trade.is_open  # until Freqtrade has seen the fill
    stage.book()
    assert not trade.is_open
    assert trade.exit_reason == "MEAN_REVERSION"
    assert trade.close_rate == 110.0
    # 0.1 * (110 - 100.1) less two fees of 0.05 %
    assert trade.close_profit_abs == pytest.approx(0.99 - 0.1 * 210.1 * 0.0005, rel=1e-3)


def test_an_order_of_a_person_closes_the_trade(stage):
    trade = stage.enter()
    stage.adopt(intent(BTC, "-0.1", reduce_only=True), known=False)
    stage.book()
    assert not trade.is_open
    assert trade.exit_reason == "closed_on_exchange"
    assert stage.books.read().trades == ()


def test_an_order_of_a_person_that_adds_is_added(stage):
    trade = stage.enter()
    stage.adopt(intent(BTC, "0.3"), known=False)
    stage.book()
    assert (trade.amount, len(trade.orders)) == (0.4, 2)
    assert trade.exit_reason is None


def test_an_adopted_stop_waits_as_a_stop(stage):
    trade = stage.enter()
    stop = intent(BTC, "-0.1", kind=OrderKind.STOP, price=D(80), reduce_only=True,
                  purpose=IntentPurpose.STOP)  # fmt: skip
    report = stage.adopt(stop)
    row = trade.orders[-1]
    assert (row.ft_order_side, row.ft_is_open, row.order_id) == (
        "stoploss", True, report.venue_order_id,
    )  # fmt: skip
    assert row.stop_price == 80.0
    assert trade.exit_reason is None
    assert stage.books.read().trades[0].orders[-1].is_stop


@pytest.mark.parametrize(
    "meant",
    [
        None,
        intent(BTC, "0.1", reduce_only=True),
        intent(BTC, "0.1", purpose=IntentPurpose.REPAIR),
    ],
    ids=["nobody's", "reducing", "repair"],
)
def test_what_belongs_to_no_trade_is_refused(stage, meant):
    report = stage.send(intent(BTC, "0.1"))
    assert not stage.books.adopt(report, meant)
    assert stage.trades == []


def test_an_order_of_another_spread_is_no_order_of_this(stage):
    first = stage.enter(**OWNED)
    other = {"owner": "XRP-BTC", "leg": "B", "tag": "XRP-BTC short B"}
    exit_ = stage.send(intent(BTC, "-0.1", reduce_only=True))
    assert not stage.books.adopt(exit_, intent(BTC, "-0.1", reduce_only=True, **other))
    stage.adopt(intent(BTC, "0.2", **other))
    assert [trade.enter_tag for trade in stage.trades] == [TAG_B, "XRP-BTC short B"]
    assert len(first.orders) == 1


@pytest.mark.parametrize("owned", [{}, OWNED], ids=["forced", "of a spread"])
def test_an_order_of_an_earlier_trade_is_no_order_of_this(stage, owned):
    first = stage.enter(**OWNED)
    stage.adopt(intent(BTC, "-0.1", reduce_only=True))
    stage.book()
    assert not first.is_open
    second = stage.enter(**OWNED, client_order_id="fx-2")
    report = stage.send(intent(BTC, "-0.1", reduce_only=True, client_order_id="fx-3"))
    earlier = intent(BTC, "-0.1", reduce_only=True, trade_id=first.id, **owned)
    assert not stage.books.adopt(report, earlier)
    assert stage.books.adopt(report, replace(earlier, trade_id=second.id))


def test_the_number_of_a_deleted_trade_keeps_no_order_out(stage):
    trade = stage.enter(**OWNED)
    report = stage.send(intent(BTC, "-0.1", reduce_only=True))
    assert stage.books.adopt(report, intent(BTC, "-0.1", reduce_only=True, trade_id=trade.id + 7))


def entry_without_a_price():
    meant = intent(BTC, "0.1", **OWNED)
    return meant, OrderReport("99", meant.client_order_id, BTC, OrderSide.BUY, OrderKind.MARKET,
                              D("0.1"), D(0), OrderStatus.OPEN, False, 0)  # fmt: skip


def test_an_entry_whose_price_is_not_known_takes_the_markets(stage):
    meant, report = entry_without_a_price()
    assert stage.books.adopt(report, meant)
    assert stage.trades[0].open_rate == 100.0


@pytest.mark.parametrize("question", ["get_fee", "fetch_ticker"])
@pytest.mark.parametrize("error", [ExchangeError, TemporaryError, OperationalException])
def test_an_entry_for_which_the_exchange_does_not_answer_is_entered_later(
    stage, bot, monkeypatch, question, error
):
    meant, report = entry_without_a_price()

    def fail(*args, **kwargs):
        raise error("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(bot.exchange, question, fail)
        with pytest.raises(VenueError, match=f"{BTC}: order 99 is not adopted yet.* no answer"):
            stage.books.adopt(report, meant)
    assert stage.trades == []
    assert stage.books.adopt(report, meant)


@pytest.mark.parametrize("ticker", [{}, {"last": None}, {"last": 0.0}])
def test_an_entry_without_any_price_is_entered_later(stage, bot, monkeypatch, ticker):
    meant, report = entry_without_a_price()
    monkeypatch.setattr(bot.exchange, "fetch_ticker", lambda market: ticker)
    with pytest.raises(VenueError, match=f"{BTC}: the exchange does not know a last price"):
        stage.books.adopt(report, meant)
    assert stage.trades == []


def test_an_order_of_an_open_trade_asks_the_exchange_for_nothing(stage, bot, monkeypatch):
    stage.enter(**OWNED)

    def fail(*args, **kwargs):
        raise TemporaryError("no answer")

    for question in ("get_fee", "fetch_ticker"):
        monkeypatch.setattr(bot.exchange, question, fail)
    stage.adopt(intent(BTC, "-0.1", reduce_only=True, purpose=IntentPurpose.EXIT, **OWNED))


# Writing off


def booked_of(stage):
    (booked,) = stage.books.read().trades
    return booked


@pytest.mark.parametrize(("signed", "profit"), [("0.1", 0.99), ("-0.1", -1.0)])
def test_a_trade_is_written_off_at_a_price(stage, signed, profit):
    trade = stage.enter(signed=signed)
    assert stage.books.write_off(booked_of(stage), D("0.1"), D(110), "gone")
    Trade.session.expire_all()
    assert not trade.is_open
    assert (trade.exit_reason, trade.close_rate) == ("closed_on_exchange", 110.0)
    fees = 0.1 * (trade.open_rate + 110) * 0.0005
    assert trade.close_profit_abs == pytest.approx(profit - fees, rel=1e-3)
    assert stage.books.read().trades == ()


def test_a_part_is_written_off_and_the_rest_stays(stage):
    trade = stage.enter(signed="0.4")
    assert stage.books.write_off(booked_of(stage), D("0.1"), D(110), "gone in part")
    assert trade.is_open
    assert trade.amount == pytest.approx(0.3)
    assert trade.realized_profit > 0.9
    assert booked_of(stage).quantity == D("0.3")


def test_freqtrade_does_not_look_for_the_fee_of_what_was_written_off(stage, caplog):
    """It would ask the exchange for an order that never was, in every loop and first of all."""
    stage.enter()
    assert stage.books.write_off(booked_of(stage), D("0.1"), D(110), "gone")
    stage.book()
    assert "returned exception" not in caplog.text


def test_a_fill_that_a_killed_bot_did_not_book_is_booked(stage):
    """Freqtrade commits an exit order with its fill, then closes the trade: killed in between."""
    trade = stage.enter(**OWNED)
    stage.adopt(intent(BTC, "-0.1", reduce_only=True, purpose=IntentPurpose.EXIT, **OWNED))
    row = trade.orders[-1]
    row.ft_is_open, row.status = False, "closed"
    Trade.commit()
    stage.book()
    assert trade.is_open  # Freqtrade alone would hold for ever what is gone
    stage.books.mend()
    stage.book()
    assert not trade.is_open


def test_trades_whose_fills_are_booked_are_left_alone(stage):
    trade = stage.enter(signed="0.4")
    assert stage.books.write_off(booked_of(stage), D("0.1"), D(110), "gone in part")
    stage.books.mend()
    assert not any(order.ft_is_open for order in trade.orders)


def test_a_trade_that_never_held_anything_is_deleted(stage):
    keep(pair=BTC)
    trade = stage.trades[0]
    add_order(trade, "buy", 0.1, 100.0, filled=0.0)
    Trade.commit()
    stage.books.drop_empty()
    assert stage.trades == []


def test_trades_that_hold_or_wait_are_not_deleted(stage):
    stage.enter()
    stage.adopt(intent(ETH, "3", kind=OrderKind.LIMIT, price=D(9)))
    stage.books.drop_empty()
    assert len(stage.trades) == 2


def test_a_trade_that_is_closed_is_not_written_off(stage):
    trade = stage.enter()
    booked = booked_of(stage)
    assert stage.books.write_off(booked, D("0.1"), D(110), "gone")
    count = len(trade.orders)
    assert not stage.books.write_off(booked, D("0.1"), D(110), "gone")
    assert len(trade.orders) == count


# A database that does not take it


def hurry():
    """Let Freqtrade's connection not wait for a lock for long."""
    Trade.session.connection().exec_driver_sql("PRAGMA busy_timeout = 20")


def test_a_locked_database_is_an_error_and_no_more(stage, bot):
    trade = stage.enter()
    booked = booked_of(stage)
    first, second = stage.send(intent(ETH, "0.2", **OWNED)), stage.send(intent(BTC, "0.1"))
    Trade.commit()
    path = bot.config["db_url"].removeprefix("sqlite:///")
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    try:
        for change in (
            lambda: stage.books.adopt(first, intent(ETH, "0.2", **OWNED)),
            lambda: stage.books.adopt(second, None),
            lambda: stage.books.write_off(booked, D("0.1"), D(110), "gone"),
        ):
            hurry()
            with pytest.raises(StoreError, match="locked"):
                change()
    finally:
        locker.execute("ROLLBACK")
        locker.close()
    assert [each.pair for each in stage.trades] == [BTC]
    assert (trade.is_open, len(trade.orders)) == (True, 1)
    assert stage.books.adopt(first, intent(ETH, "0.2", **OWNED))
    assert len(stage.trades) == 2


class Guard:
    def __init__(self, intents):
        self.intents = intents

    def open_questions(self, market):
        return [one for one in self.intents if one.market == market]


def test_repairs_that_have_not_settled(stage):
    repair = intent(BTC, purpose=IntentPurpose.REPAIR, state=IntentState.UNKNOWN)
    entry = intent(BTC, state=IntentState.UNKNOWN)
    books = FreqtradeBooks(stage.books._bot, frozenset, Guard([repair, entry]))
    assert books.flattening_intents(BTC) == [repair]
    assert books.flattening_intents(ETH) == []
    assert stage.books.flattening_intents(BTC) == ()


def test_quantities_are_what_the_database_says():
    """Floats of the database as they are written, not their binary tails."""
    from freqtrade_ext.adapters._book_keeper import _decimal

    assert _decimal(0.1 + 0.2) == Decimal("0.30000000000000004")
    assert _decimal(0.3) == Decimal("0.3")
    assert _decimal(None) == 0
