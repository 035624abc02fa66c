"""Effects that reach beyond the exchange: something happens in the moment of an order."""

import asyncio
from collections.abc import Callable
from typing import Any

from freqtrade_ext.sandbox.faults import FaultedCall
from freqtrade_ext.sandbox.wire import Answer

__all__ = ["After", "Hold", "Respond"]


class After:
    """The exchange does what it was asked, then something else happens; the answer is kept back.

    Parameters
    ----------
    act : callable
        What happens, with the request.
    answered : bool
        Whether the client gets its answer all the same.
    """

    name = "CALL"

    def __init__(self, act: Callable[[FaultedCall], Any], *, answered: bool = True) -> None:
        self._act, self._answered = act, answered

    async def before(self, call: FaultedCall) -> Answer | None:
        """Leave the request alone."""
        return None

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        """Act, and pass the answer on or not."""
        self._act(call)
        return answer if self._answered else None

    def __repr__(self) -> str:
        return self.name


class Hold:
    """The exchange does what it was asked and does not answer until the client gives up."""

    name = "TIME_OUT"

    def __init__(self, seconds: float = 15.0) -> None:
        self._seconds = seconds

    async def before(self, call: FaultedCall) -> Answer | None:
        """Leave the request alone."""
        return None

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        """Wait for longer than any client does."""
        await asyncio.sleep(self._seconds)
        return None

    def __repr__(self) -> str:
        return f"{self.name}({self._seconds:g} s)"


class Respond:
    """The exchange does what it was asked and answers something else."""

    name = "RESPOND"

    def __init__(self, status: int, body: Any) -> None:
        self._answer = Answer(status, body)

    async def before(self, call: FaultedCall) -> Answer | None:
        """Leave the request alone."""
        return None

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        """Answer something else."""
        return self._answer

    def __repr__(self) -> str:
        return f"{self.name}({self._answer.status}, {self._answer.body})"
