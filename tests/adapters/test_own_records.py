"""The bot's own closed trades, counted for layer 18.

Bugs planted by hand, each caught by the test named:

1. open trades count, or those of other markets -> test_closed_trades_of_the_market_count
2. counted anew for every candle -> test_a_count_is_kept_for_an_hour
3. never counted again -> the same
4. a trade without a score has one -> test_a_trade_that_a_person_forced_has_no_score
"""

import pytest
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._own_records import OwnRecords

from .doubles import BTC, ETH, left
from .regime_doubles import HOUR_MS, START_MS, position


def closed(price, pair=ETH, **fields):
    trade = position(Trade, pair=pair, **fields)
    left(trade, trade.amount, price)
    Trade.commit()


def test_closed_trades_of_the_market_count(database):
    closed(110.0)
    closed(90.0)
    closed(90.0, is_short=True)
    closed(110.0, BTC)
    position(Trade)
    record = OwnRecords().of(ETH, START_MS)
    assert (record.total.trades, record.total.wins) == (3, 2)
    assert (record.long.trades, record.short.trades) == (2, 1)
    assert record.by_score[70].trades == 3
    assert record.as_of.timestamp() * 1000 == START_MS


def test_a_count_is_kept_for_an_hour(database):
    records = OwnRecords()
    assert records.of(ETH, START_MS).total.trades == 0
    closed(110.0)
    assert records.of(ETH, START_MS + HOUR_MS - 1).total.trades == 0
    assert records.of(BTC, START_MS + HOUR_MS - 1).total.trades == 0
    assert records.of(ETH, START_MS + HOUR_MS).total.trades == 1


@pytest.mark.parametrize("tag", ["force_entry", "ETH-BTC long A", ""])
def test_a_trade_that_a_person_forced_has_no_score(database, tag):
    closed(110.0, enter_tag=tag)
    record = OwnRecords().of(ETH, START_MS)
    assert record.total.trades == 1
    assert record.by_score == {}
