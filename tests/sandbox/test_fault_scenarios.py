"""Careless and careful clients under faults: the audit tells them apart.

The careless one does what Freqtrade does: an answer it did not get is an order it did not send.
The careful one asks by client order id before it sends again.
"""

from collections.abc import Iterator

import pytest

from freqtrade_ext.sandbox import Effect, Fault, SpreadLegs, audit
from freqtrade_ext.sandbox.engine import CloseExternally
from freqtrade_ext.sandbox.journal import FaultFired, OrderFilled
from freqtrade_ext.sandbox.wire import Answer

from .doubles import D, Line

BTC, ETH = "BTCUSDT", "ETHUSDT"
PLACE, QUERY = "POST /fapi/v1/order", "GET /fapi/v1/order"
CANCEL, AMEND = "DELETE /fapi/v1/order", "PUT /fapi/v1/order"
STOP = "POST /fapi/v1/algoOrder"
SPREAD = SpreadLegs(BTC, ETH, 1.0)


def order(symbol: str, side: str, quantity: object, **more: object) -> dict[str, object]:
    base = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": quantity}
    return base | {"newOrderRespType": "RESULT"} | more


def is_known(answer: Answer | None) -> bool:
    """Tell whether an answer says what became of the order."""
    return answer is not None and answer.status < 500 and answer.code not in (-1007, -1003)


def careless(line: Line, **params: object) -> Answer | None:
    """Send, and send again under a new name when no good answer came."""
    for _ in range(5):
        answer = line.send(PLACE, **params, newClientOrderId=next(line.names))
        if is_known(answer):
            return answer
    return None


def careful(line: Line, **params: object) -> Answer | None:
    """Send once; when no good answer came, ask until it is known, and only then send again."""
    for name in attempts(line):
        answer = line.send(PLACE, **params, newClientOrderId=name)
        if is_known(answer):
            return answer
        found = look_for(line, str(params["symbol"]), name)
        if found is not None:
            return found
    return None


def attempts(line: Line) -> Iterator[str]:
    for _ in range(5):
        yield next(line.names)


def look_for(line: Line, symbol: str, name: str, patience: int = 4) -> Answer | None:
    """Ask for an order by name; absence has to be told several times to be believed."""
    for _ in range(patience):
        answer = line.send(QUERY, symbol=symbol, origClientOrderId=name)
        if answer is not None and answer.status == 200:
            return answer
    return None


def slow_line(*faults: Fault) -> Line:
    """A line on which every request takes a second."""
    return Line(*faults, pace_ms=1_000)


UNCERTAIN = [
    pytest.param(Effect.LOSE_RESPONSE, id="lost"),
    pytest.param(Effect.UNKNOWN_STATUS, id="unknown"),
]


class TestOneOrder:
    @pytest.mark.parametrize("effect", UNCERTAIN)
    def test_a_careless_client_buys_twice(self, effect):
        line = slow_line(Fault(PLACE, effect=effect))
        careless(line, **order(BTC, "BUY", 1))
        assert line.held(BTC) == 2
        [duplicate] = audit(line.desk.journal).duplicates
        assert duplicate.client_order_ids == ("order-1", "order-2")
        line.plan.assert_exhausted()

    @pytest.mark.parametrize("effect", UNCERTAIN)
    def test_a_careful_client_buys_once(self, effect):
        line = slow_line(Fault(PLACE, effect=effect))
        answer = careful(line, **order(BTC, "BUY", 1))
        assert answer.body["executedQty"] == "1"
        assert line.held(BTC) == 1
        assert audit(line.desk.journal).duplicates == ()
        line.plan.assert_exhausted()

    def test_an_order_that_is_invisible_for_a_while_is_still_found(self):
        hidden = Fault(QUERY, effect=Effect.REJECT(-2013), times=3)
        line = slow_line(Fault(PLACE, effect=Effect.LOSE_RESPONSE), hidden)
        careful(line, **order(BTC, "BUY", 1))
        assert line.held(BTC) == 1
        line.plan.assert_exhausted()

    def test_an_impatient_client_is_caught(self):
        hidden = Fault(QUERY, effect=Effect.REJECT(-2013), times=4)
        line = slow_line(Fault(PLACE, effect=Effect.LOSE_RESPONSE), hidden)
        careful(line, **order(BTC, "BUY", 1))
        assert len(audit(line.desk.journal).duplicates) == 1

    @pytest.mark.parametrize("code", [-1007, -1003])
    def test_an_order_that_never_arrived_is_sent_again(self, code):
        line = slow_line(Fault(PLACE, effect=Effect.REJECT(code), times=2))
        careful(line, **order(BTC, "BUY", 1))
        assert line.held(BTC) == 1
        assert len(line.desk.journal.of(FaultFired)) == 2

    def test_one_name_sent_again_after_a_fill_fills_twice(self):
        line = slow_line(Fault(PLACE, effect=Effect.LOSE_RESPONSE))
        for _ in range(2):
            line.send(PLACE, **order(BTC, "BUY", 1), newClientOrderId="same")
        assert line.held(BTC) == 2
        reused = [d for d in audit(line.desk.journal).duplicates if len({*d.client_order_ids}) == 1]
        assert len(reused) == 1


class TestOtherRequests:
    def test_a_lost_cancel_has_canceled(self):
        line = slow_line(Fault(CANCEL, effect=Effect.LOSE_RESPONSE))
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": 90}
        name = {"symbol": BTC, "origClientOrderId": "a"}
        line.send(PLACE, **order(BTC, "BUY", 1) | limit, newClientOrderId="a")
        assert line.send(CANCEL, **name) is None
        assert line.send(QUERY, **name).body["status"] == "CANCELED"
        assert line.send(CANCEL, **name).code == -2011

    def test_a_cancel_that_never_arrived_leaves_the_order(self):
        line = slow_line(Fault(CANCEL, effect=Effect.REJECT(-1008)))
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": 90}
        line.send(PLACE, **order(BTC, "BUY", 1) | limit, newClientOrderId="a")
        assert line.send(CANCEL, symbol=BTC, origClientOrderId="a").status == 503
        assert audit(line.desk.journal).open_orders == ("a",)

    def test_a_lost_amendment_has_amended(self):
        line = slow_line(Fault(AMEND, effect=Effect.LOSE_RESPONSE))
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": 90}
        line.send(PLACE, **order(BTC, "BUY", 1) | limit, newClientOrderId="a")
        name = {"symbol": BTC, "origClientOrderId": "a"}
        line.send(AMEND, **name, side="BUY", quantity=2, price=91)
        assert line.send(QUERY, **name).body["origQty"] == "2"

    def test_a_lost_stop_waits_at_the_exchange(self):
        line = slow_line(Fault(STOP, effect=Effect.LOSE_RESPONSE))
        line.send(PLACE, **order(BTC, "BUY", 1))
        stop = {"symbol": BTC, "side": "SELL", "type": "STOP_MARKET", "algoType": "CONDITIONAL"}
        stop |= {"quantity": 1, "triggerPrice": 90, "reduceOnly": "true", "clientAlgoId": "s"}
        assert line.send(STOP, **stop) is None
        found = line.send("GET /fapi/v1/algoOrder", clientAlgoId="s")
        assert found.body["algoStatus"] == "NEW"


class TestTwoLegs:
    """Both legs of a spread, the second one in trouble."""

    def open_both(self, line: Line) -> tuple[Answer | None, Answer | None]:
        first = careful(line, **order(BTC, "BUY", 2))
        return first, careful(line, **order(ETH, "SELL", 2))

    def test_without_trouble_the_gap_is_one_request(self):
        line = slow_line()
        self.open_both(line)
        report = audit(line.desk.journal, spreads=[SPREAD])
        assert report.longest_orphan_ms == 1_000
        assert report.naked_exposure[f"{BTC}:{ETH}"] == pytest.approx(200, rel=0.01)
        assert report.is_clean

    def test_a_lost_answer_of_the_second_leg_costs_time_but_nothing_else(self):
        line = slow_line(Fault(PLACE, effect=Effect.LOSE_RESPONSE, match={"symbol": ETH}))
        self.open_both(line)
        assert (line.held(BTC), line.held(ETH)) == (2, -2)
        assert audit(line.desk.journal, spreads=[SPREAD]).is_clean

    def test_a_rejected_second_leg_leaves_an_orphan_until_it_is_unwound(self):
        line = slow_line(Fault(PLACE, effect=Effect.REJECT(-2019), match={"symbol": ETH}))
        _, second = self.open_both(line)
        assert second.code == -2019
        standing = audit(line.desk.journal, spreads=[SPREAD])
        assert [orphan.symbol for orphan in standing.orphans] == [BTC]
        assert not standing.is_clean
        careful(line, **order(BTC, "SELL", 2, reduceOnly="true"))
        after = audit(line.desk.journal, spreads=[SPREAD])
        assert after.is_clean
        assert after.longest_orphan_ms == 2_000

    def test_a_partial_second_leg_leaves_naked_exposure(self):
        partial = Effect.PARTIAL_FILL("0.25")
        line = slow_line(Fault(PLACE, effect=partial, match={"symbol": ETH}))
        _, second = self.open_both(line)
        assert (second.body["status"], second.body["executedQty"]) == ("EXPIRED", "0.5")
        line.desk.wait(10_000)
        report = audit(line.desk.journal, spreads=[SPREAD])
        # both legs are held, so nothing is an orphan, yet 1.5 of 2 are not hedged
        assert report.is_clean
        assert report.naked_exposure[f"{BTC}:{ETH}"] > 1_000

    def test_a_leg_closed_by_another_hand_orphans_the_other(self):
        line = slow_line()
        self.open_both(line)
        line.desk.do(CloseExternally(ETH, D(1)))
        line.desk.wait(5_000)
        report = audit(line.desk.journal, spreads=[SPREAD])
        assert report.orphans[-1].symbol == BTC
        assert not report.is_clean
        assert line.desk.journal.of(OrderFilled)[-1].origin == "external"

    def test_a_liquidated_leg_orphans_the_other(self):
        line = slow_line()
        for symbol in (BTC, ETH):
            line.send("POST /fapi/v1/marginType", symbol=symbol, marginType="ISOLATED")
            line.send("POST /fapi/v1/leverage", symbol=symbol, leverage=20)
        self.open_both(line)
        line.desk.move(BTC, 90)
        report = audit(line.desk.journal, spreads=[SPREAD])
        assert set(report.positions) == {ETH}
        assert not report.is_clean
