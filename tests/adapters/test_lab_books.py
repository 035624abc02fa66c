"""A bot's database, read by the crash lab from outside.

Bugs planted by hand in ``lab_books.py``, each killed by the test named:

- shorts read as longs: ``test_a_short_trade_is_held_negative``
- a promised amount taken for held: ``test_while_an_order_works_only_its_fills_are_held``
- the amount of a closed trade held: ``test_closed_trades_hold_nothing_and_their_orders_are_known``
- every intent taken for a repair: ``test_only_repairs_of_the_intents_are_known_orders``
- every item of the inbox, or a closed one, taken for a report:
  ``test_positions_that_the_inbox_names_as_nobody_s_are_reported``
- a locked database read as an empty one: ``test_a_database_that_is_locked_is_not_an_empty_one``
- times moved forward: ``test_older_books_are_older_by_whole_days``
- quantities taken for moments: ``test_only_moments_of_a_record_are_moved``
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from freqtrade_ext.adapters.lab_books import BotBooks, DatabaseLock, age_books, read_bot_books

TABLES = """
CREATE TABLE trades (id INTEGER, pair TEXT, is_short INTEGER, amount REAL, is_open INTEGER,
                     open_date TEXT);
CREATE TABLE orders (ft_trade_id INTEGER, order_id TEXT, ft_is_open INTEGER, side TEXT,
                     filled REAL, ft_order_side TEXT, order_date TEXT, order_filled_date TEXT);
"""
INTENTS = "CREATE TABLE ext_intents (venue_order_id TEXT, intent TEXT)"
RECORDS = "CREATE TABLE ext_spread_records (spread_id TEXT, record TEXT)"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "trades.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


def run(database: Path, text: str, *values: Any) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(text, values)
        connection.commit()


def trade(database: Path, number: int, *, short: bool = False, is_open: bool = True) -> None:
    run(
        database,
        "INSERT INTO trades VALUES (?, 'ETH/USDT:USDT', ?, 1.5, ?, '2024-01-05 10:00:00.000000')",
        number, short, is_open,
    )  # fmt: skip


def order(
    database: Path,
    number: int,
    order_id: str,
    *,
    side: str = "buy",
    filled: float | None = 1.5,
    is_open: bool = False,
    kind: str | None = None,
) -> None:
    run(
        database,
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, '2024-01-05 10:00:00.000000', NULL)",
        number, order_id, is_open, side, filled, kind or side,
    )  # fmt: skip


def read(database: Path) -> BotBooks:
    books = read_bot_books(database)
    assert books is not None
    return books


def test_no_database_and_no_tables_are_empty_books(tmp_path: Path) -> None:
    assert read(tmp_path / "none.sqlite") == BotBooks()
    assert not (tmp_path / "none.sqlite").exists()
    run(tmp_path / "bare.sqlite", "CREATE TABLE something (x)")
    assert read(tmp_path / "bare.sqlite") == BotBooks()


def test_an_open_trade_is_held_under_the_exchange_s_symbol(database: Path) -> None:
    trade(database, 1)
    order(database, 1, "77")
    books = read(database)
    assert (books.held, books.open_trades) == ({"ETHUSDT": 1.5}, 1)
    assert books.known_orders == {"77"}


def test_a_short_trade_is_held_negative(database: Path) -> None:
    trade(database, 1, short=True)
    order(database, 1, "77", side="sell")
    assert read(database).held == {"ETHUSDT": -1.5}


def test_closed_trades_hold_nothing_and_their_orders_are_known(database: Path) -> None:
    trade(database, 1, is_open=False)
    order(database, 1, "77")
    assert read(database) == BotBooks({}, 0, frozenset({"77"}))


@pytest.mark.parametrize("filled", [None, 0.4])
def test_while_an_order_works_only_its_fills_are_held(database: Path, filled: float | None) -> None:
    trade(database, 1)
    order(database, 1, "77", filled=filled, is_open=True)
    assert read(database).held == {"ETHUSDT": filled or 0.0}


def test_a_stop_that_waits_is_no_working_order(database: Path) -> None:
    trade(database, 1)
    order(database, 1, "77")
    order(database, 1, "78", side="sell", filled=None, is_open=True, kind="stoploss")
    assert read(database).held == {"ETHUSDT": 1.5}
    assert read(database).known_orders == {"77", "78"}


def test_only_repairs_of_the_intents_are_known_orders(database: Path) -> None:
    run(database, INTENTS)
    for venue_id, purpose in (("1", "repair"), ("2", "entry"), (None, "repair")):
        text = json.dumps({"purpose": purpose})
        run(database, "INSERT INTO ext_intents VALUES (?, ?)", venue_id, text)
    assert read(database).known_orders == {"1"}


def test_positions_that_the_inbox_names_as_nobody_s_are_reported(database: Path) -> None:
    run(database, "CREATE TABLE ext_inbox (closed_ms INTEGER, item TEXT)")
    for kind, market, closed_ms in (
        ("unknown_position", "ETH/USDT:USDT", None),
        ("unknown_position", "BTC/USDT:USDT", 1_000),
        ("manual_add", "UNI/USDT:USDT", None),
    ):
        text = json.dumps({"kind": kind, "market": market})
        run(database, "INSERT INTO ext_inbox VALUES (?, ?)", closed_ms, text)
    assert read(database).reported == {"ETHUSDT"}


def test_a_database_that_is_locked_is_not_an_empty_one(database: Path) -> None:
    trade(database, 1)
    lock = DatabaseLock(database)
    lock.take()
    assert read_bot_books(database) is None
    lock.release()
    assert read(database).open_trades == 1


def test_a_lock_that_was_not_taken_can_be_released(database: Path) -> None:
    DatabaseLock(database).release()
    assert read(database) == BotBooks()


def test_older_books_are_older_by_whole_days(database: Path) -> None:
    trade(database, 1)
    order(database, 1, "77")
    assert age_books(database, days=3) == 2
    with closing(sqlite3.connect(database)) as connection:
        (opened,) = connection.execute("SELECT open_date FROM trades").fetchone()
        ordered, filled = connection.execute(
            "SELECT order_date, order_filled_date FROM orders"
        ).fetchone()
    assert opened == ordered == "2024-01-02 10:00:00.000000"
    assert filled is None


def test_only_moments_of_a_record_are_moved(database: Path) -> None:
    run(database, RECORDS)
    record = {"opened_ms": 1_704_448_800_000, "quantity": "123456789012", "id": "x1704448800000y"}
    run(database, "INSERT INTO ext_spread_records VALUES ('ETH-BTC', ?)", json.dumps(record))
    age_books(database, days=1)
    with closing(sqlite3.connect(database)) as connection:
        (text,) = connection.execute("SELECT record FROM ext_spread_records").fetchone()
    assert json.loads(text) == record | {"opened_ms": 1_704_448_800_000 - 86_400_000}
