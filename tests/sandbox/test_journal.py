"""The journal: append-only, typed, and on disk as it happens."""

import json
from decimal import Decimal

from freqtrade_ext.sandbox import Journal
from freqtrade_ext.sandbox.journal import (
    FaultFired,
    FundingPaid,
    OrderAccepted,
    PriceSeen,
    RequestAnswered,
    as_json,
)

SEEN = PriceSeen(time_ms=1, symbol="BTCUSDT", price=Decimal("100.10"))
PAID = FundingPaid(
    time_ms=2,
    symbol="BTCUSDT",
    amount=Decimal("-0.1"),
    rate=Decimal("0.0001"),
    position=Decimal(10),
)


def test_events_are_kept_in_order():
    journal = Journal()
    journal.append(SEEN)
    journal.append(PAID)
    assert journal.events == (SEEN, PAID)
    assert list(journal) == [SEEN, PAID]
    assert len(journal) == 2


def test_events_can_be_picked_by_kind():
    journal = Journal()
    for event in (SEEN, PAID, SEEN):
        journal.append(event)
    assert journal.of(FundingPaid) == [PAID]
    assert journal.of(PriceSeen) == [SEEN, SEEN]


def test_iteration_is_not_disturbed_by_later_events():
    journal = Journal()
    journal.append(SEEN)
    for _ in journal:
        journal.append(PAID)
    assert len(journal) == 2


def test_a_file_has_every_event_as_soon_as_it_happened(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(SEEN)
        assert json.loads(path.read_text()) == {
            "event": "PriceSeen",
            "time_ms": 1,
            "symbol": "BTCUSDT",
            "price": "100.10",
        }
        journal.append(PAID)
        assert len(path.read_text().splitlines()) == 2


def test_a_file_is_continued(tmp_path):
    path = tmp_path / "journal.jsonl"
    for _ in range(2):
        with Journal(path) as journal:
            journal.append(SEEN)
    assert len(path.read_text().splitlines()) == 2


def test_after_closing_the_list_can_be_read(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(SEEN)
    journal.close()
    journal.close()
    assert journal.events == (SEEN,)


def test_json_keeps_plain_values_and_nothing_else():
    request = RequestAnswered(
        time_ms=3, method="GET", path="/x", params={"a": "1"}, status=0, code=None
    )
    assert json.loads(json.dumps(as_json(request))) == {
        "event": "RequestAnswered",
        "time_ms": 3,
        "method": "GET",
        "path": "/x",
        "params": {"a": "1"},
        "status": 0,
        "code": None,
    }


def test_every_field_of_an_order_is_written():
    accepted = OrderAccepted(
        time_ms=1,
        symbol="BTCUSDT",
        side="buy",
        order_type="limit",
        quantity=Decimal(1),
        price=None,
        reduce_only=False,
        venue_order_id=7,
        client_order_id="a",
        origin="client",
    )
    fields = {name for kind in type(accepted).__mro__ for name in getattr(kind, "__slots__", ())}
    assert set(as_json(accepted)) == fields | {"event"}


def test_events_cannot_be_changed():
    fired = FaultFired(time_ms=1, endpoint="POST /fapi/v1/order", effect="X", occurrence=1)
    try:
        fired.time_ms = 2
    except AttributeError:
        return
    raise AssertionError("an event was changed")
