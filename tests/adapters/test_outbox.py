"""Messages that survive a kill: written down before they are handed over, struck out when sent.

Bugs planted by hand, each caught by the test named:

1. handed over before it is written down -> test_nothing_is_said_that_is_not_written_down
2. never struck out -> test_a_later_loop_strikes_out_what_was_sent
3. struck out while it waits -> test_what_waits_stays
4. a start says nothing -> test_a_start_says_again_what_was_not_sent
5. what waits is said twice -> test_what_waits_is_not_said_twice
6. the documents are saved apart -> test_documents_and_texts_are_one_transaction
7. saved without a change -> test_without_a_change_nothing_is_written
"""

from collections import deque

import pytest
from freqtrade.persistence import Trade

from freqtrade_ext.adapters._outbox import MESSAGES, Outbox
from freqtrade_ext.adapters.risk_store import RiskTable
from freqtrade_ext.errors import CorruptStateError, StoreError


class Bot:
    """A process: what it hands over waits until the loop is over."""

    def __init__(self, store):
        self.queue, self.sent = deque(), []
        self.outbox = Outbox(store, self.queue.append, lambda: self.queue)

    def end_loop(self):
        self.sent += self.queue
        self.queue.clear()


@pytest.fixture
def store(database):
    return RiskTable(Trade.session.get_bind())


def test_a_start_says_again_what_was_not_sent(store):
    Bot(store).outbox.tell("half was closed", 1)
    again = Bot(store)
    again.outbox.resume()
    again.end_loop()
    assert again.sent == ["half was closed"]


def test_a_later_loop_strikes_out_what_was_sent(store):
    bot = Bot(store)
    bot.outbox.tell("one", 1)
    bot.end_loop()
    assert store.read(MESSAGES) == {"texts": ["one"]}  # a kill right now would say it again
    bot.outbox.settle(2)
    assert store.read(MESSAGES) is None


def test_what_waits_stays(store):
    bot = Bot(store)
    bot.outbox.tell("one", 1)
    bot.end_loop()
    bot.outbox.tell("two", 2)
    bot.outbox.settle(3)
    assert store.read(MESSAGES) == {"texts": ["two"]}


def test_what_waits_is_not_said_twice(store):
    Bot(store).outbox.tell("one", 1)
    again = Bot(store)
    again.outbox.resume()
    again.outbox.tell("one", 2)  # the decision behind it is made again
    assert list(again.queue) == ["one"]
    again.end_loop()
    again.outbox.settle(3)
    again.outbox.tell("one", 4)  # another event
    assert list(again.queue) == ["one"]


def test_nothing_is_said_that_is_not_written_down(store, monkeypatch):
    bot = Bot(store)

    def fail(documents, now_ms):
        raise StoreError("disk full")

    monkeypatch.setattr(store, "save", fail)
    with pytest.raises(StoreError):
        bot.outbox.tell("one", 1)
    assert not bot.queue
    monkeypatch.undo()
    bot.outbox.tell("one", 2)
    assert list(bot.queue) == ["one"]


def test_documents_and_texts_are_one_transaction(store, monkeypatch):
    calls = []
    monkeypatch.setattr(store, "save", lambda documents, now_ms: calls.append(documents))
    Bot(store).outbox.tell_with({"account": {"a": 1}}, ["one", "two"], 1)
    assert calls == [{"account": {"a": 1}, MESSAGES: {"texts": ["one", "two"]}}]


def test_without_a_change_nothing_is_written(store, monkeypatch):
    bot = Bot(store)
    monkeypatch.setattr(store, "save", None)
    bot.outbox.tell_with({}, [], 1)
    bot.outbox.settle(2)
    assert not bot.queue


@pytest.mark.parametrize("document", [{}, {"texts": "one"}, {"texts": [1]}])
def test_a_row_that_is_no_list_of_texts_is_an_error(store, document):
    store.save({MESSAGES: document}, 1)
    with pytest.raises(CorruptStateError, match=r"row 'messages'.*delete the row"):
        Bot(store)
