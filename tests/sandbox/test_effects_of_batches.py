"""Orders and cancels are counted one by one, alone or in a batch.

Planted bugs, by the test that turned red:

- test_only_the_leg_that_is_hit_is_refused: a batch leg's refusal hits the whole batch; a batch
  counts once
- test_a_leg_that_the_exchange_refuses_leaves_the_script_to_no_other: a leg's script reaches the
  next leg
- test_a_batch_matches_if_one_of_its_orders_does: a batch matches only by its first order
- test_one_of_two_is_filled_before_it_is_canceled: no gate before a cancel of a batch
"""

import json

import pytest

from freqtrade_ext.sandbox import Effect, Fault
from freqtrade_ext.sandbox.journal import FaultFired, FaultMissed
from freqtrade_ext.sandbox.wire import Params, client_order_id_of, parts_of

from .doubles import Client, D, Desk, Line

BTC, ETH = "BTCUSDT", "ETHUSDT"
PLACE, BATCH = "POST /fapi/v1/order", "POST /fapi/v1/batchOrders"
CANCEL, CANCEL_BATCH = "DELETE /fapi/v1/order", "DELETE /fapi/v1/batchOrders"


def leg(symbol: str, side: str, quantity: object = "2", **more: object) -> dict:
    base = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": quantity}
    return base | {"newOrderRespType": "RESULT", "newClientOrderId": f"x-{symbol}"} | more


LEGS = [leg(BTC, "BUY"), leg(ETH, "SELL")]
RESTING = {"type": "LIMIT", "timeInForce": "GTC", "price": "90"}


def send(line: Line, *legs: dict):
    return line.send(BATCH, batchOrders=json.dumps(legs or LEGS))


def held(line: Line) -> tuple:
    return line.held(BTC), line.held(ETH)


class TestOrders:
    @pytest.mark.parametrize(
        ("occurrence", "left", "codes"), [(1, (0, -2), [-2019, None]), (2, (2, 0), [None, -2019])]
    )
    def test_only_the_leg_that_is_hit_is_refused(self, occurrence, left, codes):
        line = Line(Fault("ORDER", occurrence=occurrence, effect=Effect.REJECT(-2019)))
        answer = send(line)
        assert answer.status == 200
        assert [one.get("code") for one in answer.body] == codes
        assert held(line) == left

    @pytest.mark.parametrize(("occurrence", "left"), [(1, (D("0.8"), -2)), (2, (2, D("-0.8")))])
    def test_only_the_leg_that_is_hit_is_filled_in_part(self, occurrence, left):
        line = Line(Fault("ORDER", occurrence=occurrence, effect=Effect.PARTIAL_FILL("0.4")))
        send(line)
        assert held(line) == left
        line.plan.assert_exhausted()

    def test_each_leg_may_have_a_fault_of_its_own(self):
        line = Line(
            Fault("ORDER", effect=Effect.PARTIAL_FILL("0.5"), match={"symbol": BTC}),
            Fault("ORDER", effect=Effect.REJECT(-4164), match={"symbol": ETH}),
        )
        send(line)
        assert held(line) == (1, 0)
        line.plan.assert_exhausted()

    def test_a_lost_answer_hits_the_whole_request(self):
        line = Line(Fault("ORDER", occurrence=2, effect=Effect.LOSE_RESPONSE))
        assert send(line) is None
        assert held(line) == (2, -2)

    def test_a_dropped_request_takes_both_legs_with_it(self):
        line = Line(Fault("ORDER", occurrence=2, effect=Effect.DROP_REQUEST))
        assert send(line) is None
        assert held(line) == (0, 0)

    def test_a_hidden_leg_hides_alone(self):
        line = Line(Fault("ORDER", occurrence=2, effect=Effect.HIDE_ORDER(20, lost=False)))
        send(line)
        found = [
            line.send("GET /fapi/v1/order", symbol=s, origClientOrderId=f"x-{s}").status
            for s in (BTC, ETH)
        ]
        assert found == [200, 400]

    def test_an_account_effect_knows_its_leg(self):
        line = Line(Fault("ORDER", occurrence=2, effect=Effect.CLOSE_POSITION("0.5")))
        send(line)
        assert held(line) == (2, -1)

    def test_counting_goes_on_across_single_orders_and_batches(self):
        line = Line(Fault("ORDER", occurrence=3, effect=Effect.REJECT(-2019)))
        line.ok(PLACE, **leg(BTC, "BUY"))
        send(line)
        assert held(line) == (4, 0)

    def test_a_single_order_is_refused_as_a_request(self):
        line = Line(Fault("ORDER", effect=Effect.REJECT(-2019)))
        answer = line.send(PLACE, **leg(BTC, "BUY"))
        assert (answer.status, answer.code) == (400, -2019)
        assert held(line) == (0, 0)

    def test_several_legs_in_a_row_are_hit(self):
        line = Line(Fault("ORDER", effect=Effect.REJECT(-2019), times=2))
        send(line)
        assert held(line) == (0, 0)
        assert len(line.desk.journal.of(FaultFired)) == 2

    def test_a_leg_that_the_exchange_refuses_leaves_the_script_to_no_other(self):
        line = Line(Fault("ORDER", effect=Effect.PARTIAL_FILL("0.5")))
        send(line, leg(BTC, "BUY", "0.0001"), leg(ETH, "SELL"))
        assert held(line) == (0, -2)
        assert len(line.desk.journal.of(FaultMissed)) == 1
        line.ok(PLACE, **leg(BTC, "BUY"))
        assert held(line) == (1, -2)
        line.plan.assert_exhausted()

    def test_other_requests_are_no_orders(self):
        line = Line(Fault("ORDER"))
        line.ok("GET /fapi/v1/openOrders")
        assert line.send("GET /fapi/v1/order", symbol=BTC, orderId=1).code == -2013
        assert len(line.plan.pending) == 1


class TestRequests:
    def test_a_fault_on_a_batch_counts_batches(self):
        line = Line(Fault(BATCH, occurrence=2, effect=Effect.REJECT(-1008)))
        assert send(line).status == 200
        assert send(line).status == 503
        assert held(line) == (2, -2)

    def test_a_fault_on_single_orders_does_not_match_a_batch(self):
        line = Line(Fault(PLACE))
        assert send(line).status == 200
        assert len(line.plan.pending) == 1

    def test_a_batch_matches_if_one_of_its_orders_does(self):
        line = Line(Fault(BATCH, match={"symbol": ETH}))
        assert send(line, leg(BTC, "BUY")).status == 200
        assert send(line) is None

    def test_a_partial_fill_of_a_batch_is_that_of_its_first_order(self):
        line = Line(Fault(BATCH, effect=Effect.PARTIAL_FILL("0.5")))
        send(line)
        assert held(line) == (1, -2)

    def test_a_batch_that_cannot_be_read_is_one_request(self):
        line = Line(Fault("ORDER", effect=Effect.LOSE_RESPONSE))
        assert line.send(BATCH, batchOrders="{") is None
        assert line.send(BATCH, batchOrders="[1]").code == -1130


class TestCancels:
    def resting(self, *faults: Fault) -> Line:
        line = Line(*faults)
        for name in ("a", "b"):
            line.ok(PLACE, **leg(BTC, "BUY", **RESTING) | {"newClientOrderId": name})
        return line

    def statuses(self, line: Line) -> list[str]:
        return [row["status"] for row in line.ok("GET /fapi/v1/allOrders", symbol=BTC)]

    def cancel_both(self, line: Line):
        names = json.dumps(["a", "b"])
        return line.send(CANCEL_BATCH, symbol=BTC, origClientOrderIdList=names)

    def test_one_of_two_is_filled_before_it_is_canceled(self):
        line = self.resting(Fault("CANCEL", occurrence=2, effect=Effect.FILL_DURING_CANCEL))
        answer = self.cancel_both(line)
        assert answer.body[1]["code"] == -2011
        assert self.statuses(line) == ["CANCELED", "FILLED"]

    def test_one_of_two_is_refused(self):
        line = self.resting(Fault("CANCEL", effect=Effect.REJECT(-2011)))
        assert self.cancel_both(line).body[0]["code"] == -2011
        assert self.statuses(line) == ["NEW", "CANCELED"]

    def test_counting_goes_on_from_single_cancels(self):
        line = self.resting(Fault("CANCEL", occurrence=2, effect=Effect.LOST_CANCEL))
        line.ok(CANCEL, symbol=BTC, origClientOrderId="a")
        assert self.cancel_both(line) is None
        assert self.statuses(line) == ["CANCELED", "CANCELED"]
        line.plan.assert_exhausted()


class TestParts:
    def request(self, endpoint: str, **params: object):
        return Client(Desk()).request(endpoint, **params)

    def test_orders_of_a_batch(self):
        parts = parts_of(self.request(BATCH, batchOrders=json.dumps(LEGS)))
        assert [client_order_id_of(part) for part in parts] == ["x-BTCUSDT", "x-ETHUSDT"]

    def test_cancels_of_a_batch(self):
        both = {"orderIdList": "[7]", "origClientOrderIdList": '["a"]'}
        parts = parts_of(self.request(CANCEL_BATCH, symbol=BTC, **both))
        assert parts == [
            {"symbol": BTC, "orderId": "7"},
            {"symbol": BTC, "origClientOrderId": "a"},
        ]

    @pytest.mark.parametrize("batch", ["", "{", "[]", "[1]", "7"])
    def test_what_cannot_be_read_is_one_part(self, batch):
        assert len(parts_of(self.request(BATCH, batchOrders=batch))) == 1
        assert len(parts_of(self.request(CANCEL_BATCH, orderIdList=batch))) == 1

    def test_a_request_without_a_name_has_none(self):
        assert client_order_id_of(Params({"symbol": BTC})) == ""
