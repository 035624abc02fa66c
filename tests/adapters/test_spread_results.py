"""Profit and loss of closed spreads."""

import logging
from datetime import UTC, datetime

import pytest
from freqtrade.persistence import LocalTrade, Trade

from freqtrade_ext.adapters._spread_results import SpreadResults
from freqtrade_ext.errors import StoreError
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads import ClosedSpread, Leaving, LegName, MemoryStore

from .doubles import BTC, ETH, START_MS, add_order, entered, left, record_of, trade_of

FEE = 0.0005
TAG_B = "ETH-BTC long B"
LATER = {"left": Leaving(START_MS + 60_000, CloseReason.MEAN_REVERSION, -0.3)}


class Store(MemoryStore):
    """Keeps results in memory."""

    def __init__(self, *results):
        self.kept = list(results)

    def results(self):
        return list(self.kept)

    def add_result(self, spread_id, result):
        self.kept.append({**result})


@pytest.fixture
def books(backtest_books):
    """Closed trades of both legs: A bought 2 at 100, sold at 103; B sold 3 at 50, back at 49."""
    leg_a = left(entered(trade_of(id=11), 2.0, 100.0), 2.0, 103.0, funding=-0.4)
    leg_b = trade_of(id=12, pair=BTC, is_short=True, open_rate=50.0, enter_tag=TAG_B)
    leg_b = left(entered(leg_b, 3.0, 50.0), 3.0, 49.0, funding=0.1)
    for trade in (leg_b, leg_a):  # not in the order of the legs
        LocalTrade.bt_trades.append(trade)
    return leg_a, leg_b


def closed(**more):
    fields = {"trade_ids": {LegName.A: 11, LegName.B: 12}}
    fields |= {"left": Leaving(START_MS + 5, CloseReason.MEAN_REVERSION, -0.3)}
    return ClosedSpread(record_of(**(fields | more)))


def book(*spreads, store=None):
    results = SpreadResults(store or Store())
    for spread in spreads:
        results.book(spread)
    return results


def result_of(spread, **more):
    store = Store()
    book(spread, store=store, **more)
    (result,) = store.kept
    return result


GROSS = 2 * 3.0 + 3 * 1.0
FEES = FEE * (2 * 100 + 2 * 103 + 3 * 50 + 3 * 49)
FUNDING = -0.4 + 0.1


def test_the_result_is_the_sum_of_both_trades(books):
    result = result_of(closed())
    assert result["net"] == pytest.approx(sum(trade.close_profit_abs for trade in books))
    assert result["net"] == pytest.approx(GROSS - FEES + FUNDING)


def test_gross_fees_and_funding_are_told_apart(books):
    result = result_of(closed())
    assert result["gross"] == pytest.approx(GROSS)
    assert result["fees"] == pytest.approx(FEES)
    assert result["funding"] == pytest.approx(FUNDING)
    assert result["net"] == pytest.approx(result["gross"] - result["fees"] + result["funding"])


def test_the_notional_is_what_was_entered_of_both_legs(books):
    assert result_of(closed())["notional"] == pytest.approx(2 * 100 + 3 * 50)


def test_the_fills_of_both_legs_are_counted(books):
    add_order(books[0], "stoploss", 2.0, 60.0, filled=0.0)  # canceled with the trade
    assert result_of(closed())["fills"] == 4


def test_the_realised_share_is_the_gross_move_over_the_promised_one(books):
    """Entered at z = -2.5 towards -0.5 with 0.01 a deviation: 2 % of leg A were promised."""
    assert result_of(closed())["realised_share"] == pytest.approx(GROSS / 200 / 0.02)


def test_a_promise_in_prices_is_compared_by_the_price_of_leg_a(books):
    spread = closed(hedge_space="price", scale=1.5)
    assert result_of(spread)["realised_share"] == pytest.approx(GROSS / 200 / (2 * 1.5 / 100))


def test_an_entry_that_promised_nothing_has_no_share(books):
    assert result_of(closed(exit_z=2.5))["realised_share"] is None


def test_the_result_tells_the_spread_from_signal_to_exit(books):
    result = result_of(closed())
    expected = {
        "spread_id": "ETH-BTC",
        "direction": "long",
        "reason": "MEAN_REVERSION",
        "signal_ms": START_MS,
        "closed_ms": START_MS + 5,
        "z_at_entry": -2.5,
        "z_at_exit": -0.3,
        "hedge_ratio": 1.5,
    }
    assert {key: result[key] for key in expected} == expected


def test_an_exit_without_a_z_score_is_null(books):
    spread = closed(left=Leaving(START_MS + 5, CloseReason.PARTNER_CLOSED, None))
    assert result_of(spread)["z_at_exit"] is None


def test_a_trim_counts_with_its_own_price(backtest_books):
    """Leg A: 2 bought at 100, half sold at 90 to follow a short fill, the rest at 110."""
    leg_a = entered(trade_of(id=11), 2.0, 100.0)
    left(left(leg_a, 1.0, 90.0), 1.0, 110.0)
    leg_b = left(
        entered(trade_of(id=12, pair=BTC, is_short=True, enter_tag=TAG_B), 1.0, 50.0), 1.0, 50.0
    )
    LocalTrade.bt_trades += [leg_a, leg_b]
    result = result_of(closed())
    assert result["gross"] == pytest.approx(0.0)
    assert result["fees"] == pytest.approx(FEE * (200 + 90 + 110 + 50 + 50))
    assert result["net"] == pytest.approx(-result["fees"])
    assert result["notional"] == pytest.approx(200 + 50)


def test_a_top_up_counts_with_its_own_price(backtest_books):
    leg_a = entered(entered(trade_of(id=11), 1.0, 100.0), 1.0, 104.0)
    left(leg_a, 2.0, 103.0)
    leg_b = left(
        entered(trade_of(id=12, pair=BTC, is_short=True, enter_tag=TAG_B), 1.0, 50.0), 1.0, 50.0
    )
    LocalTrade.bt_trades += [leg_a, leg_b]
    result = result_of(closed())
    assert result["gross"] == pytest.approx(2.0)
    assert result["notional"] == pytest.approx(204 + 50)


def test_a_closed_spread_is_one_line_in_the_log(books, caplog):
    with caplog.at_level(logging.INFO):
        book(closed())
    (record,) = caplog.records
    assert record.getMessage() == (
        "[EXECUTION] ETH-BTC long closed: MEAN_REVERSION, z -2.50 -> -0.30, gross 9.0000, "
        "fees 0.3515, funding -0.3000, net 8.3485, naked 60.0 s (150.00 without a hedge on average)"
    )  # beta 1.5: |1.5 * 200 - 150| = 150 of 450 unhedged for the minute between the fills


@pytest.mark.parametrize("trade_ids", [{LegName.A: 11}, {LegName.A: 11, LegName.B: 99}])
def test_a_spread_with_one_leg_only_costs_what_it_cost(books, trade_ids, caplog):
    """An orphan that was closed is a loss like any other; it says nothing about the promise."""
    result = result_of(closed(trade_ids=trade_ids))
    assert result["net"] == pytest.approx(books[0].close_profit_abs)
    assert result["notional"] == pytest.approx(200.0)
    assert result["realised_share"] is None
    assert "ETH-BTC had one leg only" in caplog.text


@pytest.mark.parametrize("trade_ids", [{}, {LegName.A: 98, LegName.B: 99}])
def test_a_spread_without_a_trade_is_not_a_result(books, trade_ids):
    store = Store()
    results = book(closed(trade_ids=trade_ids), store=store)
    assert store.kept == []
    assert list(results.history.returns) == []


def test_a_trade_without_fills_is_none(backtest_books):
    """Nothing was entered, so there is no return on it; the history must stay readable."""
    for number in (11, 12):
        trade = trade_of(id=number, is_open=False)
        add_order(trade, "buy", 1.0, 100.0, filled=0.0)
        LocalTrade.bt_trades.append(trade)
    store = Store()
    results = book(closed(), store=store)
    assert store.kept == []
    assert list(results.history.returns) == []


def test_a_result_is_final_when_every_trade_is_closed(books):
    results = SpreadResults(Store())
    assert results.is_final(closed())
    LocalTrade.add_bt_trade(trade_of(id=13, pair=BTC, enter_tag=TAG_B))
    assert results.is_final(closed())  # another trade
    assert not results.is_final(closed(trade_ids={LegName.A: 11, LegName.B: 13}))
    assert results.is_final(closed(trade_ids={}))


@pytest.mark.parametrize(
    ("tag", "opened_ms"),
    [
        ("ETH-SOL long B", START_MS),
        ("ETH-BTC long A", START_MS),
        (None, START_MS),
        ("ETH-BTC long B", START_MS + 60_000),  # of its next entry
    ],
)
def test_a_number_that_was_given_out_again_is_no_trade_of_the_spread(
    backtest_books, tag, opened_ms
):
    """Freqtrade deletes a trade whose entry never filled; SQLite uses its number again."""
    again = trade_of(id=12, pair=BTC, enter_tag=tag)
    again.open_date = datetime.fromtimestamp(opened_ms / 1000, UTC)
    LocalTrade.add_bt_trade(again)
    store = Store()
    results = SpreadResults(store)
    assert results.is_final(closed())
    LocalTrade.bt_trades_open.remove(again)
    LocalTrade.bt_trades.append(left(entered(again, 3.0, 50.0), 3.0, 49.0))
    results.book(closed())
    assert store.kept == []


def test_a_result_is_booked_once_although_its_record_was_not_forgotten(books):
    store = Store()
    book(closed(), store=store)
    book(closed(), store=store)  # the next process
    assert len(store.kept) == 1


def test_a_result_that_cannot_be_saved_still_counts_in_this_run(books, caplog):
    class Full(Store):
        def add_result(self, spread_id, result):
            raise StoreError("disk full")

    results = book(closed(), store=Full())
    assert len(results.history.returns) == 1
    assert "the result of ETH-BTC is lost: disk full" in caplog.text


def test_the_history_holds_net_returns_and_realised_shares(books):
    history = book(closed(), closed(exit_z=2.5, **LATER)).history
    net = GROSS - FEES + FUNDING
    assert list(history.returns) == pytest.approx([net / 350, net / 350])
    assert list(history.realised_shares) == pytest.approx([GROSS / 200 / 0.02])


def test_the_history_continues_over_a_restart(books):
    store = Store()
    first = book(closed(), store=store)
    again = SpreadResults(store)
    assert again.history == first.history
    again.book(closed(**LATER))
    assert len(again.history.returns) == 2
    assert len(store.kept) == 2


def test_nothing_closed_is_nothing_booked(backtest_books):
    assert list(book().history.returns) == []


def test_a_live_bots_trades_come_from_its_database(database):
    leg_a = left(entered(trade_of(Trade, id=11), 2.0, 100.0), 2.0, 103.0)
    leg_b = trade_of(Trade, id=12, pair=BTC, is_short=True, open_rate=50.0, enter_tag=TAG_B)
    left(entered(leg_b, 3.0, 50.0), 3.0, 49.0)
    other = entered(trade_of(Trade, id=13, pair=ETH), 1.0, 100.0)
    Trade.session.add_all([leg_a, leg_b, other])
    Trade.commit()
    result = result_of(closed())
    assert result["net"] == pytest.approx(GROSS - FEES)
