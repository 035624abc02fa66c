"""Faults: when they fire, what they do, and that one which never fired is not forgotten."""

import pytest

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox import Effect, Fault, FaultPlan, Journal
from freqtrade_ext.sandbox.faults import FaultedCall
from freqtrade_ext.sandbox.journal import FaultFired
from freqtrade_ext.sandbox.wire import Answer

from .doubles import START_MS, Client, D, Desk, Line

ORDER = "POST /fapi/v1/order"
BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}


@pytest.fixture
def client() -> Client:
    return Client(Desk())


def claim(plan: FaultPlan, client: Client, endpoint: str = ORDER, **params: object) -> object:
    """Count a request; the effect that hits it, or None."""
    request = client.request(endpoint, **(params or BUY))
    call = FaultedCall(request, client.desk.exchange, START_MS)
    hits = plan.claim(call, client.desk.journal.append)
    return hits[0].effect if hits else None


def suffer(effect: object, client: Client, **params: object) -> Answer | None:
    """Let an order go through an effect, as the server does."""
    return Line(Fault(ORDER, effect=effect), client=client).send(ORDER, **(params or BUY))


class TestPlan:
    def test_the_chosen_occurrence_is_hit_and_no_other(self, client):
        plan = FaultPlan([Fault(ORDER, occurrence=2, effect=Effect.LOSE_RESPONSE)])
        claims = [claim(plan, client) for _ in range(4)]
        assert claims == [None, Effect.LOSE_RESPONSE, None, None]

    def test_other_endpoints_are_not_counted(self, client):
        plan = FaultPlan([Fault(ORDER)])
        assert claim(plan, client, "GET /fapi/v1/order", symbol="BTCUSDT", orderId=1) is None
        assert claim(plan, client) is Effect.LOSE_RESPONSE

    def test_only_requests_with_the_parameters_are_counted(self, client):
        plan = FaultPlan([Fault(ORDER, match={"symbol": "ETHUSDT", "side": "SELL"})])
        assert claim(plan, client) is None
        assert claim(plan, client, **BUY | {"symbol": "ETHUSDT"}) is None
        assert claim(plan, client, **BUY | {"symbol": "ETHUSDT", "side": "SELL"}) is not None

    def test_of_two_that_are_due_the_first_fires_and_the_second_waits(self, client):
        plan = FaultPlan([Fault(ORDER), Fault(ORDER, effect=Effect.UNKNOWN_STATUS)])
        assert claim(plan, client) is Effect.LOSE_RESPONSE
        assert claim(plan, client) is Effect.UNKNOWN_STATUS
        plan.assert_exhausted()

    def test_a_fault_added_later_counts_from_then_on(self, client):
        plan = FaultPlan()
        assert claim(plan, client) is None
        plan.add(Fault(ORDER, occurrence=2))
        assert [claim(plan, client) for _ in range(2)] == [None, Effect.LOSE_RESPONSE]

    def test_firing_is_journalled(self, client):
        claim(FaultPlan([Fault(ORDER)]), client)
        [event] = client.desk.journal.of(FaultFired)
        assert (event.endpoint, event.effect, event.occurrence) == (ORDER, "LOSE_RESPONSE", 1)

    def test_an_exhausted_plan_is_content(self, client):
        plan = FaultPlan([Fault(ORDER)])
        claim(plan, client)
        plan.assert_exhausted()
        assert plan.pending == []

    def test_a_fault_that_never_fired_is_named(self, client):
        plan = FaultPlan([Fault(ORDER, occurrence=3, match={"symbol": "BTCUSDT"})])
        claim(plan, client)
        expected = (
            "faults that never fired: LOSE_RESPONSE at POST /fapi/v1/order "
            "{'symbol': 'BTCUSDT'} #3 (matching requests seen: 1)"
        )
        with pytest.raises(AssertionError) as caught:
            plan.assert_exhausted()
        assert str(caught.value) == expected
        assert len(plan.pending) == 1

    def test_a_fault_may_hit_several_requests_in_a_row(self, client):
        plan = FaultPlan([Fault(ORDER, occurrence=2, times=3)])
        hit = [claim(plan, client) is not None for _ in range(6)]
        assert hit == [False, True, True, True, False, False]
        assert len(client.desk.journal.of(FaultFired)) == 3
        plan.assert_exhausted()

    def test_a_fault_that_fired_too_seldom_is_not_exhausted(self, client):
        plan = FaultPlan([Fault(ORDER, times=3)])
        claim(plan, client)
        with pytest.raises(AssertionError, match=r"#1 x3 \(matching requests seen: 1\)"):
            plan.assert_exhausted()

    def test_an_empty_plan_is_exhausted(self):
        FaultPlan().assert_exhausted()


class TestFault:
    def test_needs_an_endpoint_that_exists(self):
        with pytest.raises(ConfigError, match="no such endpoint: 'POST /order'"):
            Fault("POST /order")

    def test_fires_at_least_once(self):
        with pytest.raises(ConfigError, match="times counts from 1, got 0"):
            Fault(ORDER, times=0)

    def test_counts_from_one(self):
        with pytest.raises(ConfigError, match="occurrence counts from 1, got 0"):
            Fault(ORDER, occurrence=0)


class TestEffects:
    def test_a_lost_response_is_an_order_that_exists(self, client):
        assert suffer(Effect.LOSE_RESPONSE, client) is None
        assert client.desk.exchange.position("BTCUSDT").quantity == 1

    def test_an_unknown_status_is_an_order_that_exists_and_http_503(self, client):
        answer = suffer(Effect.UNKNOWN_STATUS, client)
        assert (answer.status, answer.code) == (503, -1000)
        text = "Unknown error, please check your request or try again later."
        assert answer.body["msg"] == text
        assert client.desk.exchange.position("BTCUSDT").quantity == 1

    def test_a_partial_fill_fills_its_share(self, client):
        answer = suffer(Effect.PARTIAL_FILL("0.25"), client, **BUY, newOrderRespType="RESULT")
        assert (answer.body["status"], answer.body["executedQty"]) == ("EXPIRED", "0.25")
        assert client.desk.exchange.position("BTCUSDT").quantity == D("0.25")

    @pytest.mark.parametrize("fraction", [-0.1, 1, "2"])
    def test_a_partial_fill_is_a_share(self, fraction):
        with pytest.raises(ConfigError, match=r"must be in \[0, 1\)"):
            Effect.PARTIAL_FILL(fraction)

    @pytest.mark.parametrize(("code", "status"), [(-2019, 400), (-1003, 429), (-1007, 408)])
    def test_a_rejection_keeps_the_order_from_the_exchange(self, client, code, status):
        answer = suffer(Effect.REJECT(code), client)
        assert (answer.status, answer.code) == (status, code)
        assert client.desk.exchange.book.orders == {}

    def test_a_rejection_needs_a_known_code(self):
        with pytest.raises(ConfigError, match="unknown error code -9"):
            Effect.REJECT(-9)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "more", "shown"),
        [
            ("LOSE_RESPONSE", {}, "LOSE_RESPONSE"),
            ("UNKNOWN_STATUS", {}, "UNKNOWN_STATUS"),
            ("PARTIAL_FILL", {"fraction": "0.5"}, "PARTIAL_FILL(0.5)"),
            ("REJECT", {"code": -2019}, "REJECT(-2019)"),
        ],
    )
    def test_lead_to_effects(self, name, more, shown):
        assert repr(Effect.named(name, **more)) == shown

    @pytest.mark.parametrize("name", ["EXPLODE", "CALL", "named"])
    def test_an_unknown_one_lists_the_valid_ones(self, name):
        with pytest.raises(ConfigError, match=r"unknown effect .*; valid effects: DROP_REQUEST, "):
            Effect.named(name)


def test_a_plan_records_to_any_journal(client):
    journal = Journal()
    plan = FaultPlan([Fault(ORDER)])
    call = FaultedCall(client.request(ORDER, **BUY), client.desk.exchange, START_MS)
    plan.claim(call, journal.append)
    assert len(journal) == 1
