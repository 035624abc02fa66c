"""A coin is in at most one of spread and single-coin trading.

Bugs planted by hand, each caught by the test named:

1. a book in the folder bars markets by itself -> test_a_book_alone_bars_nothing
2. open legs are forgotten without a book -> test_open_legs_are_barred_without_a_book
3. only spreads that are on their way count -> test_spreads_of_this_database_bar_the_whole_book
4. a leg's partner is not barred -> the same
"""

from datetime import UTC, datetime

import pytest
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._spread_markets import spread_markets
from freqtrade_ext.adapters.persistence import DatabaseStore
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import SpreadBook, save_book

from .doubles import BTC, ETH, entered, spec_of, trade_of


@pytest.fixture
def folder(tmp_path, database):
    book = SpreadBook(created_at=datetime(2024, 1, 1, tzinfo=UTC), timeframe="1h")
    save_book(book.add(spec_of()), tmp_path / "pairs_config.json")
    return tmp_path


def barred(folder):
    return spread_markets({"user_data_dir": folder}, SpreadSettings())


def test_a_book_alone_bars_nothing(folder):
    assert barred(folder) == frozenset()


@pytest.mark.parametrize("trace", ["record", "result"])
def test_spreads_of_this_database_bar_the_whole_book(folder, trace):
    store = DatabaseStore()
    if trace == "record":
        store.save("ETH-BTC", {"state": "open"})
    else:
        store.add_result("ETH-BTC", {"net": 1.0})
    assert barred(folder) == {ETH, BTC}


def test_an_open_leg_bars_the_whole_book(folder):
    trade = trade_of(Trade, enter_tag="ETH-BTC long A")
    Trade.session.add(trade)
    entered(trade, 1.0, 100.0)
    Trade.commit()
    assert barred(folder) == {ETH, BTC}


def test_open_legs_are_barred_without_a_book(folder):
    (folder / "pairs_config.json").unlink()
    trade = trade_of(Trade, enter_tag="ETH-BTC long A")
    Trade.session.add(trade)
    entered(trade, 1.0, 100.0)
    Trade.commit()
    assert barred(folder) == {ETH}


def test_a_scored_position_bars_nothing(folder):
    trade = trade_of(Trade, enter_tag="long 74")
    Trade.session.add(trade)
    entered(trade, 1.0, 100.0)
    Trade.commit()
    assert barred(folder) == frozenset()


def test_a_book_that_cannot_be_read_stops_the_start(folder):
    DatabaseStore().save("ETH-BTC", {"state": "open"})
    (folder / "pairs_config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"pairs_config\.json"):
        barred(folder)
