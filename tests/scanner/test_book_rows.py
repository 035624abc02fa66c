"""
From cards to the rows of a book.

Planted bugs that turn this file red: legs exchanged; the end of the confirmation given as the end
of the fit; the strong direction's statistic; a family size of zero; NaN written for Hurst.
"""

import math
from datetime import UTC, datetime

import pytest

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.scanner import JohansenResult, to_book, to_spec
from freqtrade_ext.spreads import load_book, save_book

from .doubles import card, diagnosis, report

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def test_a_card_becomes_a_row():
    chosen = card(johansen=JohansenResult(31.0, 15.5))
    book = to_book(report(chosen), now=NOW, data_source="Binance spot")
    assert (book.timeframe, book.family_size, book.data_source) == ("1h", 40, "Binance spot")
    (row,) = book.spreads
    assert (row.spread_id, row.leg_a, row.leg_b) == ("AAA-BBB", "AAA/USDT", "BBB/USDT")
    assert (row.hedge_space, row.hedge_ratio, row.intercept) == ("log", 1.0, 0.0)
    assert (row.cointegration_stat, row.pvalue, row.qvalue) == (-6.0, 1e-6, 1e-4)
    assert (row.johansen_trace, row.half_life, row.hurst) == (31.0, 12.0, 0.3)
    assert (row.z_score_threshold, row.z_exit, row.stop_loss_z) == (2.0, 0.5, 4.0)
    assert (row.mean_reversion_window, row.max_holding) == (50, 36)
    assert row.fit_start == datetime(2024, 1, 1, tzinfo=UTC)
    assert row.fit_end == datetime(2024, 1, 26, tzinfo=UTC)  # the discovery's end
    assert row.last_updated == NOW


def test_what_is_not_known_is_left_open():
    row = to_spec(card(diagnosis=diagnosis(hurst=math.nan)), report(), now=NOW)
    assert (row.hurst, row.johansen_trace) == (None, None)


def test_a_row_can_be_changed_by_the_caller():
    book = to_book(report(card()), now=NOW, options={"max_holding": 5, "z_exit": 0.0})
    assert (book.spreads[0].max_holding, book.spreads[0].z_exit) == (5, 0.0)


def test_a_short_half_life_is_still_held_for_a_candle():
    row = to_spec(card(diagnosis=diagnosis(half_life=0.1)), report(), now=NOW)
    assert row.max_holding == 1


def test_an_empty_report_makes_an_empty_book():
    assert to_book(report(), now=NOW).spreads == ()


def test_a_scan_without_data_makes_no_book():
    empty = report(discovery=None, confirmation=None)
    with pytest.raises(InfeasibleError, match="the scan had no data"):
        to_book(empty, now=NOW)
    with pytest.raises(InfeasibleError, match="the scan had no data"):
        to_spec(card(), empty, now=NOW)


def test_a_book_can_be_written_and_read(tmp_path):
    book = to_book(report(card(), card("CCC/USDT", "DDD/USDT")), now=NOW)
    save_book(book, tmp_path / "pairs_config.json")
    assert load_book(tmp_path / "pairs_config.json") == book
