"""Effects that last: every request goes through them for a while."""

from dataclasses import dataclass, replace
from typing import ClassVar

from freqtrade_ext.sandbox.faults._call import NO_ANSWER, FaultedCall, Lasting
from freqtrade_ext.sandbox.wire import MAINTENANCE, Answer, banned, rate_limited, without_prices


@dataclass(frozen=True, repr=False)
class RateLimit(Lasting):
    """Every request is refused: too many requests."""

    seconds: float | None
    spare: bool
    name: ClassVar[str] = "RATE_LIMIT"

    async def before(self, call: FaultedCall) -> Answer | None:
        return rate_limited(call.seconds_left)


@dataclass(frozen=True, repr=False)
class Ban(Lasting):
    """Every request is refused: banned."""

    seconds: float | None
    spare: bool
    name: ClassVar[str] = "BAN"

    async def before(self, call: FaultedCall) -> Answer | None:
        return banned(call.until_ms, call.seconds_left)


@dataclass(frozen=True, repr=False)
class Outage(Lasting):
    """Every connection is dropped."""

    seconds: float | None
    spare: bool
    name: ClassVar[str] = "OUTAGE"

    async def before(self, call: FaultedCall) -> Answer | None:
        return NO_ANSWER


@dataclass(frozen=True, repr=False)
class Maintenance(Lasting):
    """Every request is answered with a web page."""

    seconds: float | None
    spare: bool
    name: ClassVar[str] = "MAINTENANCE"

    async def before(self, call: FaultedCall) -> Answer | None:
        return MAINTENANCE


@dataclass(frozen=True, repr=False)
class Latency(Lasting):
    """Every request reaches the exchange late."""

    milliseconds: float
    seconds: float | None
    spare: bool
    name: ClassVar[str] = "LATENCY"

    async def before(self, call: FaultedCall) -> Answer | None:
        await call.wait(self.milliseconds / 1_000)
        return None


@dataclass(frozen=True, repr=False)
class ClockSkew(Lasting):
    """The exchange's clock differs from everybody's."""

    milliseconds: int
    seconds: float | None
    spare: bool
    name: ClassVar[str] = "CLOCK_SKEW"

    async def before(self, call: FaultedCall) -> Answer | None:
        call.circumstances.clock_skew_ms += self.milliseconds
        return None


@dataclass(frozen=True, repr=False)
class StalePrices(Lasting):
    """Public data stand still."""

    seconds: float | None
    spare: bool
    name: ClassVar[str] = "STALE_PRICES"

    async def before(self, call: FaultedCall) -> Answer | None:
        call.circumstances.prices_of_ms = call.since_ms
        return None


@dataclass(frozen=True, repr=False)
class NanPrices(Lasting):
    """Public data have no prices."""

    price: str
    seconds: float | None
    spare: bool
    name: ClassVar[str] = "NAN_PRICES"

    async def after(self, call: FaultedCall, answer: Answer) -> Answer | None:
        if answer.status != 200:
            return answer
        return replace(answer, body=without_prices(call.request.endpoint, answer.body, self.price))
