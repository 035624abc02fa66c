"""The protocol as one function: a request and the time in, an answer out."""

from freqtrade_ext.sandbox.engine import Exchange, Rejection
from freqtrade_ext.sandbox.wire._auth import Credentials, check_key, check_signed
from freqtrade_ext.sandbox.wire._call import Call, Circumstances
from freqtrade_ext.sandbox.wire._errors import (
    NO_SUCH_ENDPOINT,
    TOO_MANY_REQUESTS,
    ApiFailure,
    failure_of,
)
from freqtrade_ext.sandbox.wire._messages import Answer, Request
from freqtrade_ext.sandbox.wire._routes import ROUTES, Access, Route

MINUTE_MS = 60_000
WEIGHT_PER_MINUTE = 2_400
CLOCK = "GET /fapi/v1/time"
ORDER_ENDPOINTS = {
    "POST /fapi/v1/order",
    "PUT /fapi/v1/order",
    "POST /fapi/v1/algoOrder",
    "POST /fapi/v1/batchOrders",
}


class BinanceApi:
    """
    Binance's USD-M futures protocol in front of an exchange.

    Parameters
    ----------
    exchange : Exchange
        What is behind the protocol.
    credentials : Credentials
        The API key that may trade.
    weight_per_minute : int
        Request weight after which answers are HTTP 429, 2400 on Binance.
    """

    def __init__(
        self,
        exchange: Exchange,
        credentials: Credentials = Credentials(),  # noqa: B008 - frozen
        weight_per_minute: int = WEIGHT_PER_MINUTE,
    ) -> None:
        self.exchange = exchange
        self.credentials = credentials
        self._limit = weight_per_minute
        self._minute = 0
        self._used = {"weight": 0, "orders": 0}

    def answer(self, request: Request, now_ms: int, under: Circumstances | None = None) -> Answer:
        """Answer a request; never raises for anything a client can send."""
        route = ROUTES.get(request.endpoint)
        try:
            body = self._body(route, request, now_ms, under or Circumstances())
            answer = Answer(200, body, self._usage())
        except ApiFailure as failure:
            answer = self.refusal(failure)
        except Rejection as rejection:
            answer = self.refusal(failure_of(rejection))
        return answer

    def refusal(self, failure: ApiFailure) -> Answer:
        """Render an error."""
        return Answer(failure.error.status, failure.error.body(failure.detail), self._usage())

    def _body(
        self, route: Route | None, request: Request, now_ms: int, under: Circumstances
    ) -> object:
        if route is None:
            raise ApiFailure(NO_SUCH_ENDPOINT, request.path)
        self._charge(route, request, now_ms)
        if route.access is Access.KEY:
            check_key(request, self.credentials)
        elif route.access is Access.SIGNED:
            check_signed(request, self.credentials, now_ms + under.clock_skew_ms)
        self.exchange.advance(now_ms)
        shown_ms = self._shown_ms(route, request, under)
        call = Call(self.exchange, request.params, shown_ms, under.before_order)
        return route.handler(call)

    def _shown_ms(self, route: Route, request: Request, under: Circumstances) -> int:
        """Time that a request gets to see."""
        if request.endpoint == CLOCK:
            return self.exchange.now_ms + under.clock_skew_ms
        if route.access is Access.PUBLIC and under.prices_of_ms is not None:
            return min(under.prices_of_ms, self.exchange.now_ms)
        return self.exchange.now_ms

    def _charge(self, route: Route, request: Request, now_ms: int) -> None:
        if now_ms // MINUTE_MS != self._minute:
            self._minute = now_ms // MINUTE_MS
            self._used = {"weight": 0, "orders": 0}
        self._used["weight"] += route.weight_of(request.params)
        self._used["orders"] += request.endpoint in ORDER_ENDPOINTS
        if self._used["weight"] > self._limit:
            raise ApiFailure(TOO_MANY_REQUESTS, "127.0.0.1")

    def _usage(self) -> dict[str, str]:
        return {
            "X-MBX-USED-WEIGHT-1M": str(self._used["weight"]),
            "X-MBX-ORDER-COUNT-1M": str(self._used["orders"]),
        }
