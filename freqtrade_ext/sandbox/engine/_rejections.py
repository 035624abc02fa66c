"""Why the exchange refuses; the protocol's codes and texts for it live in `wire`."""

from enum import StrEnum, auto


class Reason(StrEnum):
    """Every reason to refuse a command."""

    CLIENT_ORDER_ID_INVALID = auto()
    CLIENT_ORDER_ID_DUPLICATED = auto()
    CLOSE_POSITION_WITHOUT_POSITION = auto()
    FILL_OR_KILL_UNFILLABLE = auto()
    INSTRUMENT_UNKNOWN = auto()
    INSTRUMENT_NOT_TRADING = auto()
    LEVERAGE_INVALID = auto()
    LEVERAGE_REDUCTION_WITH_POSITION = auto()
    MARGIN_INSUFFICIENT = auto()
    MARGIN_MODE_UNCHANGED = auto()
    MARGIN_MODE_WITH_OPEN_ORDERS = auto()
    MARGIN_MODE_WITH_POSITION = auto()
    ISOLATED_MARGIN_INSUFFICIENT = auto()
    ISOLATED_MARGIN_ON_CROSS = auto()
    NOTIONAL_TOO_SMALL = auto()
    NO_LIQUIDITY = auto()
    ORDER_NOT_FOUND = auto()
    ORDER_NOT_OPEN = auto()
    ORDER_UNCHANGED = auto()
    POSITION_TOO_LARGE = auto()
    POST_ONLY_WOULD_TAKE = auto()
    PRECISION_EXCEEDED = auto()
    PRICE_NOT_ON_TICK = auto()
    PRICE_NOT_POSITIVE = auto()
    QUANTITY_NOT_ON_STEP = auto()
    QUANTITY_NOT_POSITIVE = auto()
    QUANTITY_TOO_LARGE = auto()
    QUANTITY_TOO_SMALL = auto()
    REDUCE_ONLY_ALREADY_COVERED = auto()
    REDUCE_ONLY_WITHOUT_POSITION = auto()
    TOO_MANY_ORDERS = auto()
    WOULD_TRIGGER_AT_ONCE = auto()


class Rejection(Exception):  # noqa: N818 - an answer of the exchange, not an error of the program
    """The exchange refuses a command and nothing has changed."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
