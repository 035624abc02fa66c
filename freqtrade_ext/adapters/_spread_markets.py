"""Markets that belong to spreads: a coin is in at most one of spread and single-coin trading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.persistence import Trade

from freqtrade_ext.adapters._tags import EntryTag
from freqtrade_ext.adapters.persistence import DatabaseStore
from freqtrade_ext.settings import SpreadSettings
from freqtrade_ext.spreads import load_book

__all__ = ["spread_markets"]


def spread_markets(config: Mapping[str, Any], settings: SpreadSettings) -> frozenset[str]:
    """
    Return the markets that single-coin trading leaves to spreads.

    All markets of the spread book, if the bot's database has ever seen a spread: a record, a
    result, or an open leg; and the markets of every open leg. A database without spreads bars
    nothing, whatever book lies in the folder.

    Raises
    ------
    ConfigError
        If spreads were traded and their book cannot be read.
    StoreError
        If the database cannot be read.
    """
    trades = Trade.get_trades_proxy(is_open=True)
    legs = frozenset(trade.pair for trade in trades if EntryTag.parse(trade.enter_tag))
    store = DatabaseStore()
    if not legs and not store.load() and not store.results():
        return frozenset()
    path = Path(config["user_data_dir"]) / settings.book
    if not path.exists():
        return legs
    book = load_book(path)
    return legs | {leg for spec in book.spreads for leg in (spec.leg_a, spec.leg_b)}
