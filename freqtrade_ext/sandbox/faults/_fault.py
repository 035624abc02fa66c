"""One scripted fault: which request, when, and what happens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.faults._call import FaultEffect
from freqtrade_ext.sandbox.faults._effect import Effect
from freqtrade_ext.sandbox.wire import CARRIERS, ROUTES, Params, Request

ENDPOINTS: Final = {*ROUTES, *CARRIERS}


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One scripted fault.

    Parameters
    ----------
    endpoint : str
        Method and path, e.g. ``POST /fapi/v1/order``; or ``ORDER``, which is every new order, sent
        alone or in a batch, or ``CANCEL``, which is every cancel of one.
    occurrence : int
        Which matching request (or order, or cancel) is hit, counted from 1 and from the moment the
        fault is added.
    effect : FaultEffect
        What happens; see `Effect`.
    match : mapping, optional
        Parameters that a request must have to be counted, e.g. ``{"symbol": "ETHUSDT"}``; a batch
        is counted if one of its orders has them.
    times : int
        How many matching requests in a row are hit, from `occurrence` on.
    """

    endpoint: str
    occurrence: int = 1
    effect: FaultEffect = Effect.LOSE_RESPONSE
    match: Mapping[str, str] = field(default_factory=dict)
    times: int = 1

    def __post_init__(self) -> None:
        if self.endpoint not in ENDPOINTS:
            raise ConfigError(f"no such endpoint: {self.endpoint!r}")
        if self.occurrence < 1:
            raise ConfigError(f"occurrence counts from 1, got {self.occurrence}")
        if self.times < 1:
            raise ConfigError(f"times counts from 1, got {self.times}")

    @property
    def counts_orders(self) -> bool:
        """Tell whether orders are counted instead of requests."""
        return self.endpoint in CARRIERS

    def concerns(self, request: Request, parts: list[Params], leg: int) -> bool:
        """Tell whether an order of a request counts; a whole request is counted at its first."""
        if self.counts_orders:
            carried = request.endpoint in CARRIERS[self.endpoint]
            return carried and self._matches(parts[leg])
        first = leg == 0 and request.endpoint == self.endpoint
        return first and any(self._matches(part) for part in parts)

    def _matches(self, params: Params) -> bool:
        return all(params.get(name) == value for name, value in self.match.items())

    def __str__(self) -> str:
        suffix = f" {dict(self.match)}" if self.match else ""
        times = f" x{self.times}" if self.times > 1 else ""
        return f"{self.effect!r} at {self.endpoint}{suffix} #{self.occurrence}{times}"
