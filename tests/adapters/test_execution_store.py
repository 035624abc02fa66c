"""Intents, inbox and lease in a real SQLite file, beside Freqtrade's own tables.

Bugs planted by hand, each caught by the test named:

1. `save` does not commit -> test_what_was_saved_is_there_for_another_process
2. `save` inserts only -> test_saving_again_overwrites
3. pending leaves written intents out -> test_pending_is_what_needs_an_answer_or_a_booking
4. pending shows booked ones -> test_pending_is_what_needs_an_answer_or_a_booking
5. errors of the database are passed on as they are ->
   test_a_database_that_does_not_take_it_is_a_store_error
6. the decision is saved with the item -> test_saving_an_item_leaves_a_persons_decision_alone
7. a closed item may be decided about -> test_only_open_items_can_be_decided_about
8. the lease is written without comparing -> test_of_two_bots_one_takes_the_lease
9. the lease of another process is removed -> test_a_lease_is_removed_by_its_own_process_only
10. intents of another market are found by the order -> test_an_intent_is_found_by_its_order
11. rows that cannot be read are passed on as pydantic's errors ->
    test_a_row_of_another_version_is_a_store_error
"""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import pytest
from freqtrade.persistence import Trade
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, event

from freqtrade_ext.adapters.execution_store import InboxTable, IntentTable, LeaseTable
from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.execution import (
    Decision,
    DifferenceKind,
    InboxItem,
    Intent,
    IntentPurpose,
    IntentState,
    Lease,
    OrderKind,
    OrderSide,
)

from .doubles import trade_of
from .execution_doubles import BTC, ETH, intent

ITEM = InboxItem("key", 1_000, DifferenceKind.MANUAL_ADD, BTC, "more than in the books", "flatten")


@pytest.fixture
def engines(database):
    """Connections to one file, as of several processes."""
    made = []

    def connect():
        made.append(create_engine(database, connect_args={"timeout": 0.05}))
        return made[-1]

    yield connect
    for engine in made:
        engine.dispose()


@pytest.fixture
def store(engines):
    return IntentTable(engines())


def test_what_was_saved_is_there_for_another_process(store, database):
    saved = intent(ETH, "-0.25", owner="ETH-BTC", leg="A", price=Decimal("50.1"), tag="a tag",
                   kind=OrderKind.LIMIT, held_before=Decimal("-1.5"),
                   counted={"7": Decimal("1.50")}, sent_ms=7)  # fmt: skip
    store.save(saved)
    code = (
        "import sys; from sqlalchemy import create_engine\n"
        "from freqtrade_ext.adapters.execution_store import IntentTable\n"
        "print(repr(IntentTable(create_engine(sys.argv[1])).find(sys.argv[2])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, database, saved.client_order_id],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == repr(saved)


def test_it_shares_freqtrades_file_and_not_its_transaction(database):
    """What Freqtrade has not committed is not committed with it, and is not in the way."""
    store = IntentTable(Trade.session.get_bind())
    Trade.session.add(trade_of(Trade, stake_amount=1.0))
    store.save(intent(client_order_id="x-1"))
    assert store.find("x-1") is not None
    Trade.rollback()
    assert store.find("x-1") is not None
    assert Trade.get_open_trades() == []


@given(
    quantity=st.decimals("0.00000001", "1e9", allow_nan=False, allow_infinity=False),
    price=st.none() | st.decimals("0.00000001", "1e9", allow_nan=False, allow_infinity=False),
    state=st.sampled_from(IntentState),
    side=st.sampled_from(OrderSide),
    purpose=st.sampled_from(IntentPurpose),
    text=st.text(max_size=50),
    number=st.none() | st.integers(0, 2**53),
)
def test_an_intent_comes_back_as_it_was(quantity, price, state, side, purpose, text, number):
    engine = create_engine("sqlite://")
    store = IntentTable(engine)
    saved = Intent(
        "x-1", BTC, side, OrderKind.MARKET, quantity, True, purpose, 3, 12, price,
        state=state, text=text, tag=text, sent_ms=number, settled_ms=number, owner=text or None,
    )  # fmt: skip
    store.save(saved)
    assert store.find("x-1") == saved
    engine.dispose()


def test_an_intent_of_an_earlier_version_is_read(store, database):
    """It does not say which orders were counted: none is known to be."""
    saved = intent(ETH, "1", counted={"7": Decimal(1)})
    store.save(saved)
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        (document,) = connection.execute("SELECT intent FROM ext_intents").fetchone()
        fields = json.loads(document)
        assert fields.pop("counted") == {"7": "1"}
        connection.execute("UPDATE ext_intents SET intent = ?", (json.dumps(fields),))
    assert store.find(saved.client_order_id) == replace(saved, counted={})


def test_saving_again_overwrites(store, engines):
    first = intent(state=IntentState.WRITTEN)
    store.save(first)
    later = replace(first, state=IntentState.CONFIRMED, venue_order_id="77")
    store.save(later)
    assert IntentTable(engines()).find(first.client_order_id) == later
    assert store.since(0) == [later]
    assert store.find("x-unknown") is None


def test_pending_is_what_needs_an_answer_or_a_booking(store):
    for number, state in enumerate(IntentState):
        for booked in (False, True):
            name = f"{state}-{booked}"
            store.save(intent(client_order_id=name, state=state, is_booked=booked,
                              created_ms=100 - number))  # fmt: skip
    names = [found.client_order_id for found in store.pending()]
    assert names == [
        "unknown-False", "unknown-True", "confirmed-False", "written-False", "written-True",
    ]  # fmt: skip


def test_since_is_inclusive_and_oldest_first(store):
    for created_ms in (30, 10, 20):
        store.save(intent(client_order_id=f"x-{created_ms}", created_ms=created_ms))
    assert [found.created_ms for found in store.since(20)] == [20, 30]


def test_an_intent_is_found_by_its_order(store):
    store.save(intent(BTC, client_order_id="x-1", venue_order_id="7"))
    store.save(intent(ETH, client_order_id="x-2", venue_order_id="7"))
    assert store.by_venue_order(ETH, "7").client_order_id == "x-2"
    assert store.by_venue_order(BTC, "7").client_order_id == "x-1"
    assert store.by_venue_order(BTC, "8") is None


# A database that does not take it


@pytest.fixture
def locked(database, store):
    """Somebody holds the file."""
    path = database.removeprefix("sqlite:///")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


def test_a_database_that_does_not_take_it_is_a_store_error(store, locked):
    with pytest.raises(StoreError, match="locked"):
        store.save(intent())
    assert store.pending() == []  # Freqtrade's files can be read meanwhile


def test_a_database_that_cannot_be_opened_is_a_store_error(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'trades.sqlite'}")
    with pytest.raises(StoreError, match="unable to open"):
        IntentTable(engine)


def test_a_locked_lease_is_a_store_error_and_not_another_bots(engines, database):
    table, lease = LeaseTable(engines()), lease_of()
    connection = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        for action in (lambda: table.take(None, lease), lambda: table.take(lease, lease)):
            with pytest.raises(StoreError, match="locked"):
                action()
    finally:
        connection.close()


def test_a_database_that_may_only_be_read_is_a_store_error(database, store):
    store.save(intent(client_order_id="x-1"))
    engine = create_engine(database)

    @event.listens_for(engine, "connect")
    def forbid(connection, record):
        connection.execute("PRAGMA query_only = ON")

    reader = IntentTable(engine)
    with pytest.raises(StoreError, match="readonly"):
        reader.save(intent(client_order_id="x-1", text="changed"))
    assert reader.find("x-1").text == ""
    engine.dispose()


def test_a_save_that_fails_half_way_leaves_what_was_there(store, engines):
    first = intent(client_order_id="x-1")
    store.save(first)
    with pytest.raises(StoreError):
        store.save(replace(first, market=None))
    assert IntentTable(engines()).find("x-1") == first


def test_a_row_of_another_version_is_a_store_error(store, engines):
    store.save(intent(client_order_id="x-1"))
    with engines().begin() as connection:
        connection.exec_driver_sql("UPDATE ext_intents SET intent = '{\"market\": 1}'")
    with pytest.raises(StoreError, match="cannot be read"):
        store.find("x-1")


# Inbox


def test_items_are_numbered_and_listed_until_they_are_closed(engines):
    inbox = InboxTable(engines())
    first, second = inbox.save(ITEM), inbox.save(replace(ITEM, key="other"))
    assert (first.id, second.id) == (1, 2)
    assert InboxTable(engines()).open_items() == [first, second]
    inbox.save(replace(first, closed_ms=2_000))
    assert [item.id for item in inbox.open_items()] == [2]
    assert [item.id for item in inbox.all_items()] == [1, 2]
    assert [item.id for item in inbox.all_items(limit=1)] == [2]


def test_saving_an_item_leaves_a_persons_decision_alone(engines):
    """The bot has read the item before the person decided."""
    bot, person = InboxTable(engines()), InboxTable(engines())
    item = bot.save(ITEM)
    person.decide(item.id, "adopt")
    bot.save(replace(item, action_taken="sold 0.5"))
    (read,) = bot.open_items()
    assert (read.decision, read.action_taken) == (Decision.ADOPT, "sold 0.5")
    bot.save(replace(read, decision=Decision.CLOSE))
    assert bot.open_items()[0].decision is Decision.ADOPT


def test_only_open_items_can_be_decided_about(engines):
    inbox = InboxTable(engines())
    closed, still_open = inbox.save(ITEM), inbox.save(ITEM)
    inbox.save(replace(closed, closed_ms=5))
    with pytest.raises(ConfigError, match="no open item 1; open items: 2"):
        inbox.decide(closed.id, "adopt")
    with pytest.raises(ConfigError, match="'sell' is no decision; valid: adopt, close, ignore"):
        inbox.decide(still_open.id, "sell")
    assert [item.decision for item in inbox.all_items()] == [None, None]
    inbox.decide(still_open.id, "ignore")
    assert inbox.open_items()[0].decision is Decision.IGNORE


def test_there_is_nothing_to_decide_about_an_order_that_is_asked_for(engines):
    inbox = InboxTable(engines())
    ghost = inbox.save(replace(ITEM, key="unknown:ETH/USDT:USDT:ghost:ETH-BTC.1-Ae1-1"))
    with pytest.raises(ConfigError, match=f"item {ghost.id} .* nothing to decide"):
        inbox.decide(ghost.id, "adopt")
    assert inbox.open_items()[0].decision is None


# Lease


def lease_of(**changes):
    fields = {
        "account": "abc", "host": "here", "pid": 1, "process_started": "1.00", "boot_id": "boot",
        "instance_id": "one", "heartbeat_ms": 1_000,
    }  # fmt: skip
    return Lease(**(fields | changes))


def test_of_two_bots_one_takes_the_lease(engines):
    one, two = LeaseTable(engines()), LeaseTable(engines())
    mine, theirs = lease_of(), lease_of(instance_id="two")
    assert one.read("abc") is None
    assert one.take(None, mine)
    assert not two.take(None, theirs)
    assert two.read("abc") == mine
    beat = replace(mine, heartbeat_ms=2_000)
    assert one.take(mine, beat)
    assert not two.take(mine, theirs)  # it has read the row before the heartbeat
    assert two.take(beat, theirs)
    assert not one.take(beat, replace(beat, heartbeat_ms=3_000))
    assert one.read("abc") == theirs


def test_leases_of_two_accounts_are_apart(engines):
    table = LeaseTable(engines())
    assert table.take(None, lease_of())
    assert table.take(None, lease_of(account="def"))
    table.remove(lease_of())
    assert table.read("abc") is None
    assert table.read("def") is not None


def test_a_lease_is_removed_by_its_own_process_only(engines):
    table, mine = LeaseTable(engines()), lease_of()
    table.remove(mine)  # there is none: harmless
    table.take(None, mine)
    table.remove(lease_of(instance_id="two"))
    assert table.read("abc") == mine
    table.take(mine, replace(mine, heartbeat_ms=5_000))
    table.remove(mine)  # its heartbeat has moved on
    assert table.read("abc") is None
