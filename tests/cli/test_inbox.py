"""``freqtrade-ext inbox``: what a person sees of a difference, and decides.

Bugs planted by hand, each caught by the test named:

1. closed items are listed without --all -> test_closed_items_are_shown_on_request
2. the decision is not written -> test_a_decision_reaches_the_database
3. a closed item may be decided about -> test_a_closed_item_says_since_when
4. the database is made if it does not exist -> test_without_a_database_nothing_is_made
5. local time -> test_times_are_utc
"""

import os
import time
from dataclasses import replace

import pytest
from sqlalchemy import create_engine

from freqtrade_ext.adapters.execution_store import InboxTable
from freqtrade_ext.execution import Decision, DifferenceKind, InboxItem

ITEM = InboxItem(
    key="manual_add:ETH/USDT:USDT",
    opened_ms=1_709_251_200_000,
    kind=DifferenceKind.MANUAL_ADD,
    market="ETH/USDT:USDT",
    text="0.5 more on the exchange [than] in the books",
    policy="flatten",
    action_taken="sell 0.5",
)


class Inbox:
    """A bot's inbox, and the person who reads it."""

    def __init__(self, desk):
        self.desk = desk
        self.path = desk.folder / "trades.sqlite"
        desk.configure(db_url=f"sqlite:///{self.path}", dry_run=False)
        self._engine = None

    @property
    def table(self):
        if self._engine is None:
            self._engine = create_engine(f"sqlite:///{self.path}")
        return InboxTable(self._engine)

    def add(self, **changes):
        return self.table.save(replace(ITEM, **changes))

    def run(self, *arguments):
        return self.desk.run("inbox", "-c", str(self.desk.config), *arguments)

    def end(self):
        if self._engine is not None:
            self._engine.dispose()


@pytest.fixture
def inbox(desk):
    made = Inbox(desk)
    yield made
    made.end()


def test_nothing_open_is_said(inbox):
    assert inbox.table.open_items() == []
    result = inbox.run()
    assert (result.exit_code, result.output) == (0, "nothing open\n")
    assert inbox.run("--all").output == "the inbox is empty\n"


def test_an_item_is_shown_with_everything_a_person_needs(inbox):
    item = inbox.add()
    output = inbox.run().output
    for text in (str(item.id), "2024-03-01 00:00:00", "manual_add", ITEM.market, "flatten"):
        assert text in output
    assert ITEM.text in " ".join(output.replace("│", " ").split())
    assert "sell 0.5" in output


def test_times_are_utc(inbox, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        inbox.add()
        assert "2024-03-01 00:00:00" in inbox.run().output
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_nothing_was_done_about_says_so(inbox):
    inbox.add(action_taken="")
    assert "nothing" in inbox.run().output


def test_closed_items_are_shown_on_request(inbox):
    item = inbox.add()
    inbox.table.save(replace(item, closed_ms=ITEM.opened_ms + 60_000))
    assert inbox.run().output == "nothing open\n"
    output = " ".join(inbox.run("--all").output.split())
    assert "manual_add" in output
    assert "closed 2024-03-01 00:01:00" in " ".join(output.replace("│", " ").split())


@pytest.mark.parametrize("decision", ["adopt", "close", "ignore"])
def test_a_decision_reaches_the_database(inbox, decision):
    other, item = inbox.add(), inbox.add(market="BTC/USDT:USDT")
    result = inbox.run("decide", str(item.id), decision)
    assert result.exit_code == 0, result.output
    assert result.output == f"{item.id}: manual_add BTC/USDT:USDT: {decision}\n"
    kept = {each.id: each.decision for each in inbox.table.open_items()}
    assert kept == {item.id: Decision(decision), other.id: None}
    assert decision in inbox.run().output


def test_the_configuration_may_be_named_behind_the_decision(inbox):
    item = inbox.add()
    config = str(inbox.desk.config)
    result = inbox.desk.run("inbox", "decide", str(item.id), "adopt", "-c", config)
    assert result.exit_code == 0, result.output
    assert [each.decision for each in inbox.table.open_items()] == [Decision.ADOPT]


def test_a_decision_may_be_changed(inbox):
    item = inbox.add()
    inbox.run("decide", str(item.id), "adopt")
    inbox.run("decide", str(item.id), "ignore")
    assert [each.decision for each in inbox.table.open_items()] == [Decision.IGNORE]


@pytest.mark.parametrize("number", ["99", "x", "1 2"])
def test_an_unknown_item_is_named_with_those_that_are_open(inbox, number):
    item = inbox.add()
    result = inbox.run("decide", number, "adopt")
    assert result.exit_code == 2
    assert result.output == f"there is no item {number} in the inbox; open: {item.id}\n"


def test_an_unknown_item_of_an_empty_inbox(inbox):
    assert inbox.table.open_items() == []
    assert "open: none" in inbox.run("decide", "1", "adopt").output


def test_a_closed_item_says_since_when(inbox):
    item = inbox.add(closed_ms=None)
    inbox.table.save(replace(item, closed_ms=ITEM.opened_ms))
    result = inbox.run("decide", str(item.id), "adopt")
    assert result.exit_code == 2
    assert "is closed since 2024-03-01 00:00:00" in result.output
    assert [each.decision for each in inbox.table.all_items(10)] == [None]


def test_an_unknown_decision_lists_the_valid_ones(inbox):
    item = inbox.add()
    result = inbox.run("decide", str(item.id), "flatten")
    assert result.exit_code == 2
    assert "'flatten' is not one of 'adopt', 'close', 'ignore'" in result.output


def test_without_a_database_nothing_is_made(inbox):
    for arguments in ([], ["decide", "1", "adopt"]):
        result = inbox.run(*arguments)
        assert result.exit_code == 2
        assert "no database yet" in result.output
        assert str(inbox.path) in result.output
    assert not inbox.path.exists()


def test_a_file_that_is_no_database_is_said(inbox):
    inbox.path.write_text("this is no database, it is a text " * 100)
    result = inbox.run()
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "not a database" in result.output


def test_a_missing_configuration_is_named(desk):
    result = desk.run("inbox", "-c", str(desk.folder / "nothing.json"))
    assert result.exit_code == 2
    assert "nothing.json" in result.output


def test_the_process_ends_without_an_open_database(inbox):
    inbox.add()
    inbox.end()
    inbox.run()
    open_files = [
        os.readlink(f"/proc/self/fd/{each}")
        for each in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{each}")
    ]
    assert str(inbox.path) not in open_files
