"""Control endpoints under ``/sandbox/``, which no client of the exchange would call."""

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.audit import SpreadLegs, audit
from freqtrade_ext.sandbox.engine import CloseExternally, Order, Rejection
from freqtrade_ext.sandbox.faults import Effect, Fault
from freqtrade_ext.sandbox.journal import as_json

if TYPE_CHECKING:
    from freqtrade_ext.sandbox.server import SandboxServer


def control_routes(server: "SandboxServer") -> list[Route]:
    """Routes that look into a sandbox and interfere with it."""

    async def journal(request: Request) -> JSONResponse:
        since = int(request.query_params.get("since", 0))
        return JSONResponse([as_json(event) for event in server.journal.events[since:]])

    async def report(request: Request) -> JSONResponse:
        spreads = [SpreadLegs.parse(text) for text in request.query_params.getlist("spread")]
        return JSONResponse(audit(server.journal, spreads=spreads).as_json())

    async def state(request: Request) -> JSONResponse:
        server.exchange.advance(server.clock())
        return JSONResponse(_state(server))

    async def inject(request: Request) -> JSONResponse:
        fault = _fault(json.loads(await request.body()))
        server.faults.add(fault)
        return JSONResponse({"added": str(fault)})

    async def close(request: Request) -> JSONResponse:
        asked = json.loads(await request.body())
        command = CloseExternally(asked["symbol"], Decimal(str(asked.get("fraction", 1))))
        order = server.exchange.handle(command, server.clock())
        closed = order.filled_quantity if isinstance(order, Order) else Decimal(0)
        return JSONResponse({"closed": f"{closed.normalize():f}"})

    return [
        Route("/sandbox/journal", _guarded(journal), methods=["GET"]),
        Route("/sandbox/audit", _guarded(report), methods=["GET"]),
        Route("/sandbox/state", _guarded(state), methods=["GET"]),
        Route("/sandbox/faults", _guarded(inject), methods=["POST"]),
        Route("/sandbox/close", _guarded(close), methods=["POST"]),
    ]


def _guarded(handler: Any) -> Any:
    """Answer 400 with the reason instead of 500 when a control request is wrong."""

    async def guarded(request: Request) -> JSONResponse:
        try:
            answer: JSONResponse = await handler(request)
        except (ConfigError, Rejection, ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)
        return answer

    return guarded


def _fault(asked: dict[str, Any]) -> Fault:
    of_the_fault = {"endpoint", "occurrence", "effect", "times", "match"}
    of_the_effect = {key: value for key, value in asked.items() if key not in of_the_fault}
    return Fault(
        endpoint=asked["endpoint"],
        occurrence=int(asked.get("occurrence", 1)),
        effect=Effect.named(asked["effect"], **of_the_effect),
        times=int(asked.get("times", 1)),
        match={str(key): str(value) for key, value in asked.get("match", {}).items()},
    )


def _state(server: "SandboxServer") -> dict[str, Any]:
    exchange = server.exchange
    balances = exchange.balances()
    return {
        "now_ms": exchange.now_ms,
        "wallet": str(balances.wallet),
        "available": str(balances.available),
        "unrealized_pnl": str(balances.unrealized_pnl),
        "positions": {
            position.symbol: {
                "quantity": str(position.quantity),
                "entry_price": str(position.entry_price),
                "leverage": position.leverage,
                "margin_mode": position.margin_mode.value,
                "isolated_wallet": str(position.isolated_wallet),
            }
            for position in exchange.account.held
        },
        "open_orders": [order.client_order_id for order in exchange.book.working()],
        "waiting_triggers": [trigger.client_order_id for trigger in exchange.book.waiting()],
        "pending_faults": [str(fault) for fault in server.faults.pending],
        "standing_faults": [repr(effect) for effect in server.faults.standing(server.clock())],
    }
