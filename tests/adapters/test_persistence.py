"""Records and results in the bot's own database file."""

import sqlite3

import pytest
from freqtrade.persistence import Order, Trade
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from freqtrade_ext.adapters.persistence import DatabaseStore, read_results
from freqtrade_ext.errors import StoreError
from freqtrade_ext.spreads import LegName, RecordStore, SpreadDesk, record_from_dict, record_to_dict

from .doubles import (
    HOUR_MS,
    add_order,
    record_of,
    settings_of,
    trade_of,
)


@pytest.fixture
def store(database) -> DatabaseStore:
    return DatabaseStore()


@pytest.fixture
def seen_by_others(database):
    """Read the file as another process would."""

    def read(query: str) -> list:
        connection = sqlite3.connect(database.removeprefix("sqlite:///"), timeout=0.1)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    return read


def test_a_new_database_is_empty(store):
    assert store.load() == {}
    assert store.results() == []


def test_a_record_is_on_disk_when_save_returns(store, seen_by_others):
    store.save("ETH-BTC", {"state": "open"})
    rows = seen_by_others("SELECT spread_id, record FROM ext_spread_records")
    assert rows == [("ETH-BTC", '{"state": "open"}')]


def test_a_record_replaces_the_one_before(store):
    store.save("ETH-BTC", {"n": 1})
    store.save("SOL-ADA", {"n": 2})
    store.save("ETH-BTC", {"n": 3})
    assert store.load() == {"ETH-BTC": {"n": 3}, "SOL-ADA": {"n": 2}}


def test_a_removed_record_is_gone_from_the_disk(store, seen_by_others):
    store.save("ETH-BTC", {"n": 1})
    store.save("SOL-ADA", {"n": 2})
    store.save("ETH-BTC", None)
    store.save("never-there", None)
    assert store.load() == {"SOL-ADA": {"n": 2}}
    assert seen_by_others("SELECT count(*) FROM ext_spread_records") == [(1,)]


def test_another_start_reads_what_was_there(store):
    store.save("ETH-BTC", {"n": 1})
    store.add_result("ETH-BTC", {"net": 1.5})
    again = DatabaseStore()
    assert again.load() == {"ETH-BTC": {"n": 1}}
    assert again.results() == [{"net": 1.5}]


def test_a_whole_record_survives(store):
    record = record_of(
        names={"17": "ours"}, sent={"ours": 5}, trade_ids={LegName.A: 1, LegName.B: 2}
    )
    store.save("ETH-BTC", record_to_dict(record))
    assert record_from_dict(DatabaseStore().load()["ETH-BTC"]) == record


def test_a_desk_continues_from_the_database(store):
    store.save("ETH-BTC", record_to_dict(record_of()))
    desk = SpreadDesk(settings_of(), DatabaseStore(), HOUR_MS)
    desk.restore()
    assert desk.records["ETH-BTC"] == record_of()


def test_results_come_oldest_first(store):
    for number in (3, 1, 2):
        store.add_result("ETH-BTC" if number % 2 else "ABC-DEF", {"net": number})
    assert [result["net"] for result in store.results()] == [3, 1, 2]


def test_a_result_is_on_disk_when_add_result_returns(store, seen_by_others):
    store.add_result("ETH-BTC", {"net": 1.0})
    assert seen_by_others("SELECT spread_id FROM ext_spread_results") == [("ETH-BTC",)]


def test_results_can_be_read_without_a_bot(store, database):
    store.add_result("ETH-BTC", {"net": 1.0})
    engine = create_engine(database)
    try:
        assert read_results(engine) == [{"net": 1.0}]
    finally:
        engine.dispose()


def test_reading_a_file_without_our_tables_is_an_error_that_can_be_told(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
    try:
        with pytest.raises(OperationalError, match="no such table"):
            read_results(engine)
    finally:
        engine.dispose()


def test_freqtrades_tables_are_left_alone(store, seen_by_others):
    names = {row[0] for row in seen_by_others("SELECT name FROM sqlite_master WHERE type='table'")}
    assert {"trades", "orders", "ext_spread_records", "ext_spread_results"} <= names
    ours = [name for name in names if name.startswith("ext_")]
    assert len(ours) == 2


def test_the_store_keeps_what_the_domain_asks_of_one(store):
    expected = {name for name in vars(RecordStore) if not name.startswith("_")}
    assert expected <= set(dir(store))


# Beside Freqtrade's own session


def pending_trade() -> Trade:
    trade = trade_of(Trade)
    add_order(trade, "buy", 1.0, 100.0)
    Trade.session.add(trade)
    return trade


def test_a_save_goes_through_while_freqtrade_has_changes_to_write(store, seen_by_others):
    pending_trade()
    store.save("ETH-BTC", {"n": 1})
    assert seen_by_others("SELECT count(*) FROM ext_spread_records") == [(1,)]
    assert seen_by_others("SELECT count(*) FROM trades") == [(0,)]  # not committed by us
    Trade.commit()
    assert seen_by_others("SELECT count(*) FROM trades") == [(1,)]
    assert store.load() == {"ETH-BTC": {"n": 1}}


def test_a_save_goes_through_while_freqtrade_reads(store):
    pending_trade()
    Trade.commit()
    trades = Trade.get_trades_proxy(is_open=True)
    trades[0].amount = 7.0
    store.save("ETH-BTC", {"n": 1})
    store.add_result("ETH-BTC", {"net": 1})
    Trade.commit()
    assert Trade.get_trades_proxy(is_open=True)[0].amount == 7.0
    assert store.load() == {"ETH-BTC": {"n": 1}}


def test_a_rollback_of_freqtrade_does_not_undo_a_save(store, seen_by_others):
    pending_trade()
    store.save("ETH-BTC", {"n": 1})
    store.add_result("ETH-BTC", {"net": 1})
    Trade.rollback()
    assert seen_by_others("SELECT count(*) FROM ext_spread_records") == [(1,)]
    assert seen_by_others("SELECT count(*) FROM ext_spread_results") == [(1,)]
    assert seen_by_others("SELECT count(*) FROM trades") == [(0,)]


def test_a_read_does_not_hold_up_freqtrades_commit(store, seen_by_others):
    store.save("ETH-BTC", {"n": 1})
    assert store.load()
    assert store.results() == []
    pending_trade()
    Trade.commit()
    assert seen_by_others("SELECT count(*) FROM orders") == [(1,)]
    assert Trade.session.query(Order).count() == 1


def test_a_locked_database_is_an_error_and_not_a_lost_record(store, database):
    """A failed save must be seen: without its record no order may be sent."""
    path = database.removeprefix("sqlite:///")
    blocker = sqlite3.connect(path, isolation_level=None)
    impatient = create_engine(database, connect_args={"timeout": 0})
    store._engine, patient = impatient, store._engine
    try:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"did not take it: .*locked"):
            store.save("ETH-BTC", {"n": 1})
        blocker.execute("ROLLBACK")
        store.save("ETH-BTC", {"n": 2})
    finally:
        blocker.close()
        impatient.dispose()
        store._engine = patient
    assert store.load() == {"ETH-BTC": {"n": 2}}


def test_a_database_in_memory_works_too(monkeypatch):
    """``--db-url sqlite://``: one connection for Freqtrade and us."""
    from freqtrade.persistence import init_db

    init_db("sqlite://")
    try:
        store = DatabaseStore()
        store.save("ETH-BTC", {"n": 1})
        with Trade.session.get_bind().connect() as connection:
            rows = connection.execute(text("SELECT count(*) FROM ext_spread_records"))
            assert rows.scalar() == 1
        assert store.load() == {"ETH-BTC": {"n": 1}}
    finally:
        Trade.session.remove()
        Trade.session.get_bind().dispose()
