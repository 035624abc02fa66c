"""Faults as a script, not dice: which request goes wrong, when, and how."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.engine import Exchange
from freqtrade_ext.sandbox.journal import Event, FaultFired
from freqtrade_ext.sandbox.wire import ROUTES, UNKNOWN_ERROR, Answer, Request, known_errors

__all__ = ["Effect", "Fault", "FaultEffect", "FaultPlan", "FaultedCall"]


@dataclass(frozen=True, slots=True)
class FaultedCall:
    """What an effect may look at and act on."""

    request: Request
    exchange: Exchange
    now_ms: int


class FaultEffect(Protocol):
    """
    How a request goes wrong.

    `before` may answer in place of the exchange, which then never sees the request; `after` gets
    the answer and may change it, or lose it by returning None: the connection is then dropped.
    Both may wait.
    """

    name: str

    async def before(self, call: FaultedCall) -> Answer | None:
        """Act before the exchange sees the request; an answer keeps it from the exchange."""

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        """Act on the answer before the client sees it; None drops the connection."""


class _Untouched:
    """Base of the effects: changes nothing."""

    name = "NOTHING"

    async def before(self, call: FaultedCall) -> Answer | None:
        return None

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        return answer

    def __repr__(self) -> str:
        return self.name


class _LoseResponse(_Untouched):
    """The exchange does what it was asked; the connection ends without an answer."""

    name = "LOSE_RESPONSE"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        return None


class _UnknownStatus(_Untouched):
    """The exchange does what it was asked and answers that it does not know (HTTP 503)."""

    name = "UNKNOWN_STATUS"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        return Answer(UNKNOWN_ERROR.status, UNKNOWN_ERROR.body(), answer.headers)


class _PartialFill(_Untouched):
    """Only a share of the order is filled: the rest of a market order expires, of a limit rests."""

    name = "PARTIAL_FILL"

    def __init__(self, fraction: Decimal | float | str) -> None:
        self.fraction = Decimal(str(fraction))
        if not 0 <= self.fraction < 1:
            raise ConfigError(f"fraction of a partial fill must be in [0, 1), got {fraction}")

    async def before(self, call: FaultedCall) -> Answer | None:
        call.exchange.fill_next_order_partially(self.fraction)
        return None

    def __repr__(self) -> str:
        return f"{self.name}({self.fraction})"


class _Reject(_Untouched):
    """The exchange refuses with an error of Binance's and does nothing."""

    name = "REJECT"

    def __init__(self, code: int) -> None:
        errors = known_errors()
        if code not in errors:
            raise ConfigError(f"unknown error code {code}; known: {sorted(errors, reverse=True)}")
        self.error = errors[code]

    async def before(self, call: FaultedCall) -> Answer | None:
        return Answer(self.error.status, self.error.body())

    def __repr__(self) -> str:
        return f"{self.name}({self.error.code})"


class Effect:
    """The effects that a fault can have."""

    LOSE_RESPONSE: Final[FaultEffect] = _LoseResponse()
    UNKNOWN_STATUS: Final[FaultEffect] = _UnknownStatus()

    @staticmethod
    def PARTIAL_FILL(fraction: Decimal | float | str) -> FaultEffect:  # noqa: N802 - reads as one
        """Fill only this share of the order, in [0, 1)."""
        return _PartialFill(fraction)

    @staticmethod
    def REJECT(code: int) -> FaultEffect:  # noqa: N802 - reads as one
        """Refuse with this error code, e.g. -2019; the exchange never sees the request."""
        return _Reject(code)

    @classmethod
    def named(
        cls, name: str, *, fraction: str | None = None, code: int | None = None
    ) -> FaultEffect:
        """
        Look an effect up by its name, as a control request gives it.

        Raises
        ------
        ConfigError
            If there is no such effect, or it lacks its fraction or code.
        """
        if name == _PartialFill.name and fraction is not None:
            return cls.PARTIAL_FILL(fraction)
        if name == _Reject.name and code is not None:
            return cls.REJECT(code)
        known = {effect.name: effect for effect in (cls.LOSE_RESPONSE, cls.UNKNOWN_STATUS)}
        if name not in known:
            valid = ", ".join([*known, "PARTIAL_FILL with a fraction", "REJECT with a code"])
            raise ConfigError(f"unknown effect {name!r}; valid effects: {valid}")
        return known[name]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One scripted fault.

    Parameters
    ----------
    endpoint : str
        Method and path, e.g. ``POST /fapi/v1/order``.
    occurrence : int
        Which matching request is hit, counted from 1 and from the moment the fault is added.
    effect : FaultEffect
        What happens; see `Effect`.
    match : mapping, optional
        Parameters that a request must have to be counted, e.g. ``{"symbol": "ETHUSDT"}``.
    times : int
        How many matching requests in a row are hit, from `occurrence` on: an outage, or an order
        that stays invisible for a while.
    """

    endpoint: str
    occurrence: int = 1
    effect: FaultEffect = Effect.LOSE_RESPONSE
    match: Mapping[str, str] = field(default_factory=dict)
    times: int = 1

    def __post_init__(self) -> None:
        if self.endpoint not in ROUTES:
            raise ConfigError(f"no such endpoint: {self.endpoint!r}")
        if self.occurrence < 1:
            raise ConfigError(f"occurrence counts from 1, got {self.occurrence}")
        if self.times < 1:
            raise ConfigError(f"times counts from 1, got {self.times}")

    def concerns(self, request: Request) -> bool:
        """Tell whether a request counts for this fault."""
        params = request.params
        return request.endpoint == self.endpoint and all(
            params.get(name) == value for name, value in self.match.items()
        )

    def __str__(self) -> str:
        suffix = f" {dict(self.match)}" if self.match else ""
        times = f" x{self.times}" if self.times > 1 else ""
        return f"{self.effect!r} at {self.endpoint}{suffix} #{self.occurrence}{times}"


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    seen: int = 0
    fired: int = 0

    @property
    def is_exhausted(self) -> bool:
        return self.fired >= self.fault.times


class FaultPlan:
    """The faults of a rehearsal."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._scripted = [_Scripted(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        """Add a fault while the rehearsal runs; it counts requests from now on."""
        self._scripted.append(_Scripted(fault))

    def claim(
        self, request: Request, now_ms: int, record: Callable[[Event], None]
    ) -> FaultEffect | None:
        """Count a request and return the effect that it has to suffer, if any."""
        due: _Scripted | None = None
        for scripted in self._scripted:
            if scripted.is_exhausted or not scripted.fault.concerns(request):
                continue
            scripted.seen += 1
            if due is None and scripted.seen >= scripted.fault.occurrence:
                due = scripted
        if due is None:
            return None
        due.fired += 1
        record(
            FaultFired(
                time_ms=now_ms,
                endpoint=due.fault.endpoint,
                effect=repr(due.fault.effect),
                occurrence=due.fault.occurrence,
            )
        )
        return due.fault.effect

    @property
    def pending(self) -> list[Fault]:
        """Faults that have not fired as often as they should."""
        return [scripted.fault for scripted in self._scripted if not scripted.is_exhausted]

    def assert_exhausted(self) -> None:
        """
        Check that every fault fired: one that did not means that the rehearsal proved nothing.

        Raises
        ------
        AssertionError
            Naming the faults that never fired and how many matching requests there were.
        """
        missing = [
            f"{scripted.fault} (matching requests seen: {scripted.seen})"
            for scripted in self._scripted
            if not scripted.is_exhausted
        ]
        if missing:
            raise AssertionError("faults that never fired: " + "; ".join(missing))
