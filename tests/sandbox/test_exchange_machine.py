"""A client that keeps its own books and asks over the wire whether the exchange agrees.

The client's books are a dictionary of positions and a set of open orders: too simple to be wrong.
It may lose answers, as a real one does, and then has to find out by asking.
"""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from freqtrade_ext.sandbox import audit

from .doubles import Client, D, Desk

SYMBOLS = ("BTCUSDT", "ETHUSDT")
ORDER = "/fapi/v1/order"
symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from(["BUY", "SELL"])
quantities = st.integers(1, 40).map(lambda n: D(n) / 10)
distances = st.integers(1, 30)


class TradingMachine(RuleBasedStateMachine):
    """Sends, cancels, waits; after each step its books and the exchange's are compared."""

    resting = Bundle("resting")

    @initialize()
    def open_account(self) -> None:
        self.desk = Desk(5_000, BTCUSDT=100, ETHUSDT=100)
        self.client = Client(self.desk, weight_per_minute=10**9)
        self.held = dict.fromkeys(SYMBOLS, Decimal(0))
        self.cash = Decimal(0)
        self.sent = 0

    def _name(self) -> str:
        self.sent += 1
        return f"order-{self.sent}"

    def _book(self, order: dict[str, str], already: Decimal = Decimal(0)) -> None:
        """Write down what an order filled beyond what is written down."""
        sign = 1 if order["side"] == "BUY" else -1
        self.held[order["symbol"]] += sign * (D(order["executedQty"]) - already)

    def _send(self, **params: object) -> dict[str, str] | None:
        """Send an order; None if it was refused."""
        params |= {"newOrderRespType": "RESULT", "newClientOrderId": self._name()}
        answer = self.client.call(f"POST {ORDER}", **params)
        return answer.body if answer.status == 200 else None

    @rule(symbol=symbols, side=sides, quantity=quantities, reduce_only=st.booleans())
    def market_order(self, symbol, side, quantity, reduce_only):
        order = self._send(
            symbol=symbol,
            side=side,
            type="MARKET",
            quantity=quantity,
            reduceOnly=str(reduce_only).lower(),
        )
        if order is not None:
            self._book(order)

    @rule(symbol=symbols, side=sides, quantity=quantities)
    def market_order_whose_answer_is_lost(self, symbol, side, quantity):
        name = self._name()
        params = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": quantity}
        self.client.call(f"POST {ORDER}", **params, newClientOrderId=name)
        found = self.client.call(f"GET {ORDER}", symbol=symbol, origClientOrderId=name)
        if found.status == 200:
            self._book(found.body)
        else:
            assert found.body["code"] == -2013

    @rule(target=resting, symbol=symbols, side=sides, quantity=quantities, distance=distances)
    def limit_order(self, symbol, side, quantity, distance):
        away = -distance if side == "BUY" else distance
        price = self.desk.market.price(symbol, self.desk.clock.now_ms) + away
        params = {"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        order = self._send(**params, quantity=quantity, price=price)
        return multiple() if order is None else (order["orderId"], symbol)

    @rule(named=consumes(resting))
    def cancel(self, named):
        order_id, symbol = named
        answer = self.client.call(f"DELETE {ORDER}", symbol=symbol, orderId=order_id)
        assert answer.status == 200 or answer.body["code"] == -2011

    @rule(symbol=symbols, move=st.integers(-5, 5))
    def price_moves(self, symbol, move):
        before = self._filled()
        price = max(D(20), self.desk.market.price(symbol, self.desk.clock.now_ms) + move)
        self.desk.move(symbol, price)
        after = self._filled()
        for order_id, (name, sign, quantity) in after.items():
            known = before.get(order_id, (name, sign, Decimal(0)))[2]
            self.held[name] += sign * (quantity - known)

    def _filled(self) -> dict[int, tuple[str, int, Decimal]]:
        """Signed filled quantity of every order, asked over the wire."""
        rows = [
            row
            for symbol in SYMBOLS
            for row in self.client.ok("GET /fapi/v1/allOrders", symbol=symbol, limit=1_000)
        ]
        return {
            row["orderId"]: (
                row["symbol"],
                1 if row["side"] == "BUY" else -1,
                D(row["executedQty"]),
            )
            for row in rows
        }

    @invariant()
    def positions_agree(self):
        told = {row["symbol"]: D(row["positionAmt"]) for row in self._positions()}
        for symbol in SYMBOLS:
            assert told.get(symbol, Decimal(0)) == self.held[symbol]

    def _positions(self) -> list[dict[str, str]]:
        return self.client.ok("GET /fapi/v3/positionRisk")

    @invariant()
    def fills_add_up_to_positions(self):
        for symbol in SYMBOLS:
            fills = self.client.ok("GET /fapi/v1/userTrades", symbol=symbol, limit=1_000)
            total = sum((D(f["qty"]) * (1 if f["buyer"] else -1) for f in fills), Decimal(0))
            assert total == self.held[symbol]

    @invariant()
    def income_adds_up_to_the_wallet(self):
        rows = self.client.ok("GET /fapi/v1/income", limit=1_000)
        [asset] = self.client.ok("GET /fapi/v3/account")["assets"]
        assert sum(D(row["income"]) for row in rows) == D(asset["walletBalance"])
        assert D(asset["availableBalance"]) <= D(asset["marginBalance"])

    @invariant()
    def open_orders_are_those_with_something_left(self):
        for row in self.client.ok("GET /fapi/v1/openOrders"):
            assert row["status"] in ("NEW", "PARTIALLY_FILLED")
            assert D(row["executedQty"]) < D(row["origQty"])

    @invariant()
    def the_audit_knows_the_same_positions(self):
        held = {symbol: quantity for symbol, quantity in self.held.items() if quantity}
        report = audit(self.desk.journal)
        assert report.positions == held
        told = {row["clientOrderId"] for row in self.client.ok("GET /fapi/v1/openOrders")}
        assert set(report.open_orders) == told


TestTradingMachine = TradingMachine.TestCase
TestTradingMachine.settings = settings(max_examples=12, stateful_step_count=15)
