"""What happens to a request on its way: lost, held, answered without truth."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.faults._call import (
    NO_ANSWER,
    FaultedCall,
    Missed,
    OrderEffect,
    Untouched,
)
from freqtrade_ext.sandbox.wire import GARBLED, Answer, ApiError, ApiFailure, known_errors


def error_of(code: int) -> ApiError:
    """
    Look an error of Binance's up by its code.

    Raises
    ------
    ConfigError
        If the sandbox does not know it.
    """
    errors = known_errors()
    if code not in errors:
        raise ConfigError(f"unknown error code {code}; known: {sorted(errors, reverse=True)}")
    return errors[code]


@dataclass(frozen=True, repr=False)
class DropRequest(Untouched):
    """The connection is closed before the exchange sees the request."""

    name: ClassVar[str] = "DROP_REQUEST"

    async def before(self, call: FaultedCall) -> Answer | None:
        return NO_ANSWER


@dataclass(frozen=True, repr=False)
class LoseResponse(Untouched):
    """The exchange does what it was asked; the connection ends without an answer."""

    name: ClassVar[str] = "LOSE_RESPONSE"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        return None


@dataclass(frozen=True, repr=False)
class LostCancel(LoseResponse):
    """The order is canceled; the connection ends without an answer."""

    name: ClassVar[str] = "LOST_CANCEL"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        if answer.status != 200:
            raise Missed("nothing was canceled")
        return None


@dataclass(frozen=True, repr=False)
class TimeOut(Untouched):
    """The exchange acts; the answer is held back, and then lost."""

    seconds: float
    name: ClassVar[str] = "TIME_OUT"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        await call.wait(self.seconds)
        return None


@dataclass(frozen=True, repr=False)
class UnknownStatus(Untouched):
    """The exchange does what it was asked and answers that it does not know (HTTP 503)."""

    name: ClassVar[str] = "UNKNOWN_STATUS"
    code: ClassVar[int] = -1000

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        error = error_of(self.code)
        return Answer(error.status, error.body(), answer.headers)


@dataclass(frozen=True, repr=False)
class Unknown(Untouched):
    """The exchange acts and answers with an error."""

    error: ApiError
    name: ClassVar[str] = "UNKNOWN"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        return Answer(self.error.status, self.error.body(), answer.headers)

    def __repr__(self) -> str:
        return f"{self.name}({self.error.code})"


@dataclass(frozen=True, repr=False)
class Garbled(Untouched):
    """The exchange does what it was asked; the answer is a web page."""

    name: ClassVar[str] = "GARBLED"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        return GARBLED


@dataclass(frozen=True, repr=False)
class Reject(OrderEffect):
    """The exchange refuses and does nothing."""

    error: ApiError
    name: ClassVar[str] = "REJECT"

    def arm(self, call: FaultedCall) -> None:
        raise ApiFailure(self.error)

    def __repr__(self) -> str:
        return f"{self.name}({self.error.code})"


@dataclass(frozen=True, repr=False)
class RepeatRows(Untouched):
    """Every row of the answer comes twice, as it does when pages overlap."""

    name: ClassVar[str] = "REPEAT_FILLS"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        if not isinstance(answer.body, list) or not answer.body:
            raise Missed("the answer has no rows")
        return replace(answer, body=[row for row in answer.body for _ in range(2)])


def nothing(call: FaultedCall) -> object:
    """Do nothing."""
    return None


@dataclass(frozen=True, repr=False)
class CallBack(Untouched):
    """The rehearsal itself acts."""

    act_before: Callable[[FaultedCall], object]
    act_after: Callable[[FaultedCall], object]
    name: ClassVar[str] = "CALL"

    async def before(self, call: FaultedCall) -> Answer | None:
        self.act_before(call)
        return None

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        self.act_after(call)
        return answer

    def __repr__(self) -> str:
        return self.name
