"""Binance's error codes, texts and HTTP statuses (USD-M futures, "Error Code" page of its API)."""

from dataclasses import dataclass

from freqtrade_ext.sandbox.engine import Reason, Rejection

BAD_REQUEST = 400
UNAUTHORIZED = 401
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error as it goes over the wire; `text` may hold one ``{}`` for a detail."""

    code: int
    text: str
    status: int = BAD_REQUEST

    def body(self, detail: str = "") -> dict[str, object]:
        """Render the JSON body."""
        return {"code": self.code, "msg": self.text.replace("{}", detail)}


class ApiFailure(Exception):  # noqa: N818 - an answer of the protocol, not an error of the program
    """The protocol refuses a request before or after the exchange has seen it."""

    def __init__(self, error: ApiError, detail: str = "") -> None:
        super().__init__(error.text.replace("{}", detail))
        self.error = error
        self.detail = detail


UNKNOWN_ERROR = ApiError(-1000, "Unknown error, please check your request or try again later.", 503)
TOO_MANY_REQUESTS = ApiError(
    -1003,
    "Too many requests; current limit of IP({}) is 2400 requests per minute. "
    "Please use the websocket for live updates to avoid polling the API.",
    429,
)
BANNED = ApiError(
    -1003,
    "Way too many requests; IP banned until {}. "
    "Please use the websocket for live updates to avoid bans.",
    418,
)
UNEXPECTED_RESPONSE = ApiError(
    -1006,
    "An unexpected response was received from the message bus. Execution status unknown.",
    500,
)
TIMEOUT = ApiError(
    -1007,
    "Timeout waiting for response from backend server. "
    "Send status unknown; execution status unknown.",
    408,
)
SERVER_BUSY = ApiError(
    -1008,
    "Server is currently overloaded with other requests. Please try again in a few minutes.",
    503,
)
INVALID_MESSAGE = ApiError(-1013, "Invalid message.")
TIMESTAMP_TOO_OLD = ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
TIMESTAMP_AHEAD = ApiError(
    -1021, "Timestamp for this request was 1000ms ahead of the server's time."
)
BAD_SIGNATURE = ApiError(-1022, "Signature for this request is not valid.")
PARAMETER_MISSING = ApiError(
    -1102, "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
)
EITHER_ID_MISSING = ApiError(-1102, "Param '{}' must be sent, but both were empty/null!")
BAD_TIME_IN_FORCE = ApiError(-1115, "Invalid timeInForce.")
BAD_ORDER_TYPE = ApiError(-1116, "Invalid orderType.")
BAD_SIDE = ApiError(-1117, "Invalid side.")
BAD_INTERVAL = ApiError(-1120, "Invalid interval.")
BAD_SYMBOL = ApiError(-1121, "Invalid symbol.")
BAD_PARAMETER = ApiError(-1130, "Data sent for parameter '{}' is not valid.")
NEW_ORDER_REJECTED = ApiError(-2010, "Order rejected.")
UNKNOWN_ORDER_SENT = ApiError(-2011, "Unknown order sent.")
NO_SUCH_ORDER = ApiError(-2013, "Order does not exist.")
BAD_KEY_FORMAT = ApiError(-2014, "API-key format invalid.", UNAUTHORIZED)
UNKNOWN_KEY = ApiError(-2015, "Invalid API-key, IP, or permissions for action.", UNAUTHORIZED)
POSITION_SIDE_UNCHANGED = ApiError(-4059, "No need to change position side.")
WRONG_POSITION_SIDE = ApiError(-4061, "Order's position side does not match user's setting.")
USE_ALGO_ENDPOINT = ApiError(
    -4120,
    "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
)
NO_SUCH_ENDPOINT = ApiError(-5000, "Path {}, Method is invalid", NOT_FOUND)

OF_REASON: dict[Reason, ApiError] = {
    Reason.PRECISION_EXCEEDED: ApiError(
        -1111, "Precision is over the maximum defined for this asset."
    ),
    Reason.INSTRUMENT_UNKNOWN: BAD_SYMBOL,
    Reason.INSTRUMENT_NOT_TRADING: ApiError(-4141, "Symbol is closed."),
    Reason.NO_LIQUIDITY: ApiError(-2020, "Unable to fill."),
    Reason.ORDER_NOT_OPEN: UNKNOWN_ORDER_SENT,
    Reason.ORDER_NOT_FOUND: NO_SUCH_ORDER,
    Reason.MARGIN_INSUFFICIENT: ApiError(-2019, "Margin is insufficient."),
    Reason.WOULD_TRIGGER_AT_ONCE: ApiError(-2021, "Order would immediately trigger."),
    Reason.REDUCE_ONLY_WITHOUT_POSITION: ApiError(-2022, "ReduceOnly Order is rejected."),
    Reason.TOO_MANY_ORDERS: ApiError(-2025, "Reach max open order limit."),
    Reason.POSITION_TOO_LARGE: ApiError(
        -2027, "Exceeded the maximum allowable position at current leverage."
    ),
    Reason.PRICE_NOT_POSITIVE: ApiError(-4001, "Price less than or equal to zero."),
    Reason.QUANTITY_NOT_POSITIVE: ApiError(-4003, "Quantity less than or equal to zero."),
    Reason.QUANTITY_TOO_SMALL: ApiError(-4004, "Quantity less than min quantity."),
    Reason.QUANTITY_TOO_LARGE: ApiError(-4005, "Quantity greater than max quantity."),
    Reason.PRICE_NOT_ON_TICK: ApiError(-4014, "Price not increased by tick size."),
    Reason.CLIENT_ORDER_ID_INVALID: ApiError(-4015, "Client order id is not valid."),
    Reason.QUANTITY_NOT_ON_STEP: ApiError(-4023, "Quantity not increased by step size."),
    Reason.LEVERAGE_INVALID: ApiError(-4028, "Leverage {} is not valid"),
    Reason.MARGIN_MODE_UNCHANGED: ApiError(-4046, "No need to change margin type."),
    Reason.MARGIN_MODE_WITH_OPEN_ORDERS: ApiError(
        -4047, "Margin type cannot be changed if there exists open orders."
    ),
    Reason.MARGIN_MODE_WITH_POSITION: ApiError(
        -4048, "Margin type cannot be changed if there exists position."
    ),
    Reason.ISOLATED_MARGIN_ON_CROSS: ApiError(
        -4049, "Add margin only support for isolated position."
    ),
    Reason.ISOLATED_MARGIN_INSUFFICIENT: ApiError(-4051, "Isolated balance insufficient."),
    Reason.CLIENT_ORDER_ID_DUPLICATED: ApiError(-4116, "ClientOrderId is duplicated."),
    Reason.REDUCE_ONLY_ALREADY_COVERED: ApiError(
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders.",
    ),
    Reason.CLOSE_POSITION_WITHOUT_POSITION: ApiError(
        -4509,
        "Time in Force (TIF) GTE can only be used with open positions. "
        "Please ensure that positions are available.",
    ),
    Reason.LEVERAGE_REDUCTION_WITH_POSITION: ApiError(
        -4161,
        "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    ),
    Reason.NOTIONAL_TOO_SMALL: ApiError(
        -4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."
    ),
    Reason.FILL_OR_KILL_UNFILLABLE: ApiError(
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history.",
    ),
    Reason.POST_ONLY_WOULD_TAKE: ApiError(
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history.",
    ),
    Reason.ORDER_UNCHANGED: ApiError(-5027, "No need to modify the order."),
}


def failure_of(rejection: Rejection) -> ApiFailure:
    """Translate a refusal of the exchange into Binance's words."""
    return ApiFailure(OF_REASON[rejection.reason], rejection.detail)


def known_errors() -> dict[int, ApiError]:
    """Every error the sandbox can answer, by code; the first one where a code has several."""
    constants = [value for value in globals().values() if isinstance(value, ApiError)]
    table: dict[int, ApiError] = {}
    for error in (*constants, *OF_REASON.values()):
        table.setdefault(error.code, error)
    return table
