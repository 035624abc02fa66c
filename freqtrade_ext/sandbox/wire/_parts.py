"""Orders and cancels inside a request: one in most, several in a batch."""

import json
from typing import Final

from freqtrade_ext.sandbox.wire._errors import ApiFailure
from freqtrade_ext.sandbox.wire._messages import Params, Request
from freqtrade_ext.sandbox.wire._orders import (
    CLIENT_ID_LISTS,
    ORDER_ID_LISTS,
    flat_params,
    json_list,
)

ORDER: Final = "ORDER"
CANCEL: Final = "CANCEL"
CARRIERS: Final = {
    ORDER: ("POST /fapi/v1/order", "POST /fapi/v1/batchOrders"),
    CANCEL: ("DELETE /fapi/v1/order", "DELETE /fapi/v1/batchOrders"),
}
CLIENT_ID_NAMES: Final = ("newClientOrderId", "origClientOrderId", "clientAlgoId")


def parts_of(request: Request) -> list[Params]:
    """
    Split a request into the orders that it sends or cancels, each as if it had come alone.

    Any other request, and a batch that cannot be read, is one part.
    """
    params = request.params
    try:
        if request.endpoint == CARRIERS[ORDER][1]:
            return [flat_params(one) for one in json.loads(params["batchOrders"])] or [params]
        if request.endpoint == CARRIERS[CANCEL][1]:
            return _cancels(params) or [params]
    except (ApiFailure, ValueError, KeyError, TypeError, AttributeError):
        return [params]
    return [params]


def _cancels(params: Params) -> list[Params]:
    symbol = {"symbol": params["symbol"]}
    parts = [symbol | {"orderId": str(one)} for one in json_list(params, *ORDER_ID_LISTS)]
    parts += [
        symbol | {"origClientOrderId": str(one)} for one in json_list(params, *CLIENT_ID_LISTS)
    ]
    return [Params(part) for part in parts]


def client_order_id_of(params: Params) -> str:
    """Client order id that an order or a query names, empty if none."""
    return next((params[name] for name in CLIENT_ID_NAMES if params.get(name)), "")


def venue_order_id_of(params: Params) -> int | None:
    """Exchange's own order id that a query or a cancel names, if any."""
    return params.optional_integer("orderId")
