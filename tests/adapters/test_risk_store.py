"""What the risk rules remember, on disk and in memory.

Bugs planted by hand, each caught by the test named:

1. `save` in two transactions -> test_all_or_nothing
2. None does not remove -> test_a_document_can_be_taken_away
3. an unreadable row is taken for none -> test_a_row_that_cannot_be_read_is_an_error
4. rows are added instead of replaced -> test_the_last_one_counts
"""

import sqlite3

import pytest
from freqtrade.persistence import Trade
from sqlalchemy import create_engine, text

from freqtrade_ext.adapters.risk_store import MemoryRiskStore, RiskTable
from freqtrade_ext.errors import StoreError


@pytest.fixture(params=["memory", "table"])
def store(request, database):
    return MemoryRiskStore() if request.param == "memory" else RiskTable(Trade.session.get_bind())


def test_a_new_store_knows_nothing(store):
    assert store.read("account") is None


def test_the_last_one_counts(store):
    store.save({"account": {"peak": 1.0}, "recovery": {"peak": None}}, 1)
    store.save({"account": {"peak": 2.0}}, 2)
    assert store.read("account") == {"peak": 2.0}
    assert store.read("recovery") == {"peak": None}


def test_a_document_can_be_taken_away(store):
    store.save({"wish": {"kind": "reset"}}, 1)
    store.save({"wish": None, "account": {"stopped": False}}, 2)
    assert store.read("wish") is None
    assert store.read("account") == {"stopped": False}
    store.save({"wish": None}, 3)


def test_another_process_sees_it_at_once(database):
    RiskTable(Trade.session.get_bind()).save({"account": {"peak": 1}}, 77)
    connection = sqlite3.connect(database.removeprefix("sqlite:///"))
    rows = connection.execute("SELECT name, document, updated_ms FROM ext_risk").fetchall()
    connection.close()
    assert rows == [("account", '{"peak": 1}', 77)]


def test_all_or_nothing(database):
    engine = Trade.session.get_bind()
    table = RiskTable(engine)
    table.save({"a": {"n": 1}}, 1)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON ext_risk WHEN NEW.name = 'b' "
                "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        )
    with pytest.raises(StoreError, match=r"did not take it.*disk full"):
        table.save({"a": {"n": 2}, "b": {"n": 2}}, 2)
    assert table.read("a") == {"n": 1}


def test_a_row_that_cannot_be_read_is_an_error(database):
    engine = Trade.session.get_bind()
    table = RiskTable(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO ext_risk VALUES ('account', '{not json', 1)"))
    with pytest.raises(StoreError, match="row 'account' cannot be read"):
        table.read("account")


def test_a_database_that_cannot_be_written_is_an_error(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'no' / 'folder.sqlite'}")
    with pytest.raises(StoreError, match="did not take it"):
        RiskTable(engine)
    engine.dispose()
