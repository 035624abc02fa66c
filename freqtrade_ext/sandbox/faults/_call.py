"""What an effect is, and what it gets to see."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from freqtrade_ext.sandbox.engine import Exchange
from freqtrade_ext.sandbox.wire import Answer, ApiFailure, Circumstances, Params, Request, parts_of

NO_ANSWER: Final = Answer(0, None)
"""In place of an answer: the connection is dropped."""


class Missed(Exception):  # noqa: N818 - a moment of a rehearsal, not an error of the program
    """An effect found nothing to act on; its fault has not fired and waits for another request."""


@dataclass(frozen=True, slots=True)
class FaultedCall:
    """
    What an effect may look at and act on.

    Parameters
    ----------
    request : Request
        What was asked.
    exchange : Exchange
        What is behind the protocol.
    now_ms : int
        When it was asked.
    leg : int
        Which order of the request is meant, from 0 on.
    wait : callable
        Waits for some seconds, or until the server stops.
    circumstances : Circumstances
        How the protocol answers this request; effects may change it before it does.
    since_ms, until_ms : int
        Begin and end of an effect that lasts.
    """

    request: Request
    exchange: Exchange
    now_ms: int
    leg: int = 0
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    circumstances: Circumstances = field(default_factory=Circumstances)
    since_ms: int = 0
    until_ms: int = 0

    @property
    def params(self) -> Params:
        """Parameters of the order that is meant, or of the request."""
        return parts_of(self.request)[self.leg]

    @property
    def seconds_left(self) -> int:
        """Whole seconds until the end of an effect that lasts, rounded up."""
        return -(-(self.until_ms - self.now_ms) // 1_000)


class FaultEffect(Protocol):
    """
    How a request goes wrong.

    `before` may answer in place of the exchange, which then never sees the request (`NO_ANSWER`
    drops the connection); `after` gets the answer and may change it, or lose it by returning None:
    the connection is then dropped. Both may wait, and both may raise `Missed`.
    """

    @property
    def name(self) -> str:
        """What the effect is called in a journal."""

    async def before(self, call: FaultedCall) -> Answer | None:
        """Act before the exchange sees the request; an answer keeps it from the exchange."""

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        """Act on the answer before the client sees it; None drops the connection."""


class Untouched:
    """Base of the effects: changes nothing. Subclasses are data classes of what they take."""

    name: ClassVar[str] = "NOTHING"

    async def before(self, call: FaultedCall) -> Answer | None:
        """Let the request pass."""
        return None

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        """Let the answer pass."""
        return answer

    def __repr__(self) -> str:
        given: Any = self
        values = [getattr(self, one.name) for one in dataclasses.fields(given)]
        return f"{self.name}({', '.join(str(value) for value in values)})" if values else self.name


class OrderEffect(Untouched):
    """Base of the effects that concern one order: of a batch, that one alone."""

    def arm(self, call: FaultedCall) -> None:
        """
        Act just before the order reaches the exchange.

        Raises
        ------
        ApiFailure
            If the order is to be refused.
        """
        raise NotImplementedError

    async def before(self, call: FaultedCall) -> Answer | None:
        """Act for a request that is hit as a whole: its first order is meant."""
        try:
            self.arm(call)
        except ApiFailure as failure:
            return Answer(failure.error.status, failure.error.body(failure.detail))
        return None


class Lasting(Untouched):
    """
    Base of the effects that last: from when they fire, every request goes through them.

    `spare` spares the request that sets them off: the next one is the first to be hit.
    """

    seconds: float | None
    spare: bool
