"""Which requests reached the sandbox and when, for measuring how fast a client is."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from freqtrade_ext.sandbox.wire import Request, client_order_id_of, parts_of

__all__ = ["RequestLog", "RequestSeen"]

KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """
    A request as it arrived.

    Parameters
    ----------
    number : int
        Its number, from 0 on.
    time_ms : float
        Monotonic time of its arrival; only differences mean anything.
    endpoint : str
        Method and path.
    symbols, client_order_ids : tuple of str
        What it names, one entry for each order of a batch; empty text where it names nothing.
    """

    number: int
    time_ms: float
    endpoint: str
    symbols: tuple[str, ...]
    client_order_ids: tuple[str, ...]


class RequestLog:
    """Counts requests and keeps the latest."""

    def __init__(self, kept: int = KEPT) -> None:
        self._latest: deque[RequestSeen] = deque(maxlen=kept)
        self.count = 0

    def add(self, request: Request, time_ms: float) -> None:
        """Take a request down."""
        parts = parts_of(request)
        self._latest.append(
            RequestSeen(
                number=self.count,
                time_ms=time_ms,
                endpoint=request.endpoint,
                symbols=tuple(part.get("symbol", "") for part in parts),
                client_order_ids=tuple(client_order_id_of(part) for part in parts),
            )
        )
        self.count += 1

    def since(self, mark: int) -> list[RequestSeen]:
        """Requests from a number on, oldest first, as far as they are kept."""
        return [seen for seen in self._latest if seen.number >= mark]
