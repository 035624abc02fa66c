"""Requests are counted, and the latest are kept."""

import json

from freqtrade_ext.sandbox._request_log import RequestLog
from freqtrade_ext.sandbox.wire import Request

LEGS = [
    {"symbol": "BTCUSDT", "newClientOrderId": "a"},
    {"symbol": "ETHUSDT", "newClientOrderId": "b"},
]


def filled(count: int, kept: int = 10) -> RequestLog:
    log = RequestLog(kept)
    for number in range(count):
        log.add(Request("GET", f"/{number}"), float(number))
    return log


def test_requests_since_a_mark_are_given_oldest_first():
    assert [seen.endpoint for seen in filled(5).since(3)] == ["GET /3", "GET /4"]
    assert [seen.time_ms for seen in filled(5).since(3)] == [3.0, 4.0]


def test_a_mark_is_the_number_of_requests_before_it():
    log = filled(4)
    mark = log.count
    assert log.since(mark) == []
    log.add(Request("GET", "/new"), 9.0)
    assert [seen.number for seen in log.since(mark)] == [4]


def test_only_the_latest_are_kept_but_all_are_counted():
    log = filled(25)
    assert log.count == 25
    assert [seen.number for seen in log.since(0)] == list(range(15, 25))


def test_a_batch_is_one_request_that_names_all_its_orders():
    log = RequestLog()
    log.add(Request("POST", "/fapi/v1/batchOrders", f"batchOrders={json.dumps(LEGS)}"), 0.0)
    [seen] = log.since(0)
    assert (seen.symbols, seen.client_order_ids) == (("BTCUSDT", "ETHUSDT"), ("a", "b"))


def test_a_request_that_names_nothing_has_one_empty_name():
    [seen] = filled(1).since(0)
    assert (seen.symbols, seen.client_order_ids) == (("",), ("",))
