"""Requests, parameters and words, apart from any endpoint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqtrade_ext.sandbox.engine import (
    MarginMode,
    PriceSource,
    Side,
    TimeInForce,
    TriggerType,
)
from freqtrade_ext.sandbox.wire import Answer, ApiFailure, Params, Request
from freqtrade_ext.sandbox.wire._words import (
    MARGIN_TYPES,
    ORDER_STATUSES,
    SIDES,
    TRIGGER_STATUSES,
    TRIGGER_TYPES,
    margin_mode_of,
    price_source_of,
    side_of,
    time_in_force_of,
    trigger_type_of,
    word_of,
)

from .doubles import D


class TestRequest:
    def test_parameters_come_from_query_and_body(self):
        request = Request("POST", "/x", "a=1&b=two%20words", "c=%22quoted%22&d=")
        assert request.params == {"a": "1", "b": "two words", "c": '"quoted"', "d": ""}

    def test_the_endpoint_is_method_and_path(self):
        assert Request("GET", "/fapi/v1/time").endpoint == "GET /fapi/v1/time"

    @given(st.text(max_size=50), st.text(max_size=50))
    def test_no_query_or_body_breaks_it(self, query, body):
        assert isinstance(Request("GET", "/x", query, body).params, Params)


class TestAnswer:
    @pytest.mark.parametrize(
        ("body", "code"), [({"code": -1, "msg": ""}, -1), ({}, None), ([], None), ("x", None)]
    )
    def test_tells_the_error_code_if_there_is_one(self, body, code):
        assert Answer(200, body).code == code


class TestParams:
    def test_mandatory_values(self):
        params = Params(text="a", number="1.5", whole="7")
        assert params.text("text") == "a"
        assert params.decimal("number") == D("1.5")
        assert params.integer("whole") == 7

    @pytest.mark.parametrize("read", ["text", "decimal", "integer"])
    @pytest.mark.parametrize("params", [Params(), Params(x="")])
    def test_a_missing_value_is_named(self, read, params):
        with pytest.raises(ApiFailure, match="Mandatory parameter 'x' was not sent") as caught:
            getattr(params, read)("x")
        assert caught.value.error.code == -1102

    @pytest.mark.parametrize(
        ("read", "value"),
        [
            ("decimal", "abc"),
            ("decimal", "nan"),
            ("decimal", "-inf"),
            ("integer", "1.5"),
            ("integer", "x"),
        ],
    )
    def test_a_malformed_value_is_named(self, read, value):
        with pytest.raises(ApiFailure, match="Data sent for parameter 'x' is not valid"):
            getattr(Params(x=value), read)("x")

    def test_optional_values(self):
        params = Params(a="1", b="")
        assert params.optional_integer("a") == 1
        assert params.optional_decimal("a") == 1
        assert params.optional_integer("b") is None
        assert params.optional_decimal("c") is None

    @pytest.mark.parametrize(
        ("value", "flag"), [("true", True), ("TRUE", True), ("false", False), ("1", False)]
    )
    def test_flags(self, value, flag):
        assert Params(x=value).flag("x") is flag
        assert Params().flag("x") is False

    @pytest.mark.parametrize(
        ("asked", "limit"), [(None, 500), ("10", 10), ("9999", 1_000), ("0", 1), ("-5", 1)]
    )
    def test_limits(self, asked, limit):
        params = Params() if asked is None else Params(limit=asked)
        assert params.limit(500, 1_000) == limit

    @pytest.mark.parametrize(
        ("params", "span"),
        [
            ({}, (0, 100)),
            ({"startTime": "5"}, (5, 100)),
            ({"endTime": "50"}, (0, 50)),
            ({"startTime": "5", "endTime": "50"}, (5, 50)),
            ({"endTime": "500"}, (0, 100)),
        ],
    )
    def test_spans_end_now_at_the_latest(self, params, span):
        assert Params(params).span(100) == span


class TestWords:
    @pytest.mark.parametrize(
        ("read", "word", "meaning"),
        [
            (side_of, "BUY", Side.BUY),
            (side_of, "sell", Side.SELL),
            (time_in_force_of, "GTX", TimeInForce.POST_ONLY),
            (time_in_force_of, None, TimeInForce.GTC),
            (trigger_type_of, "STOP", TriggerType.STOP_LIMIT),
            (trigger_type_of, "TAKE_PROFIT_MARKET", TriggerType.TAKE_PROFIT_MARKET),
            (margin_mode_of, "CROSSED", MarginMode.CROSS),
            (price_source_of, "MARK_PRICE", PriceSource.MARK),
            (price_source_of, None, PriceSource.LAST),
        ],
    )
    def test_are_read(self, read, word, meaning):
        assert read(word) is meaning

    @pytest.mark.parametrize(
        ("read", "code"),
        [
            (side_of, -1117),
            (time_in_force_of, -1115),
            (trigger_type_of, -1116),
            (margin_mode_of, -1130),
            (price_source_of, -1130),
        ],
    )
    def test_others_are_refused(self, read, code):
        with pytest.raises(ApiFailure) as caught:
            read("NONSENSE")
        assert caught.value.error.code == code

    @pytest.mark.parametrize("table", [SIDES, TRIGGER_TYPES, MARGIN_TYPES])
    def test_lead_back(self, table):
        for word, meaning in table.items():
            assert word_of(table, meaning) == word

    def test_of_statuses_are_binances(self):
        assert set(ORDER_STATUSES.values()) == {
            "NEW",
            "PARTIALLY_FILLED",
            "FILLED",
            "CANCELED",
            "EXPIRED",
        }
        assert set(TRIGGER_STATUSES.values()) == {
            "NEW",
            "TRIGGERED",
            "FINISHED",
            "CANCELED",
            "REJECTED",
            "EXPIRED",
        }


class TestTriggerTypes:
    @pytest.mark.parametrize(
        ("kind", "is_stop", "becomes"),
        [
            (TriggerType.STOP_LIMIT, True, "limit"),
            (TriggerType.STOP_MARKET, True, "market"),
            (TriggerType.TAKE_PROFIT_LIMIT, False, "limit"),
            (TriggerType.TAKE_PROFIT_MARKET, False, "market"),
        ],
    )
    def test_know_what_they_wait_for_and_become(self, kind, is_stop, becomes):
        assert kind.is_stop is is_stop
        assert kind.order_type.value == becomes
