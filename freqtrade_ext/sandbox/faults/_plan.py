"""The faults of a rehearsal: counted, fired, and shown to have fired."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from freqtrade_ext.sandbox.faults._call import (
    NO_ANSWER,
    FaultedCall,
    FaultEffect,
    Lasting,
    Missed,
    OrderEffect,
)
from freqtrade_ext.sandbox.faults._fault import Fault
from freqtrade_ext.sandbox.journal import Event, FaultFired, FaultMissed
from freqtrade_ext.sandbox.wire import Answer, Circumstances, Params, Request, parts_of

FOREVER_MS: Final = 10**15
REFUSED: Final = "the exchange did not take the order"

Record = Callable[[Event], None]


@dataclass(slots=True)
class Scripted:
    """A fault and how far it got."""

    fault: Fault
    seen: int = 0
    fired: int = 0

    @property
    def is_exhausted(self) -> bool:
        """Tell whether it has fired as often as it should."""
        return self.fired >= self.fault.times


@dataclass(frozen=True, slots=True)
class Hit:
    """An effect and what it acts on; `scripted` None: an effect that stands since earlier."""

    effect: FaultEffect
    call: FaultedCall
    scripted: Scripted | None = None

    @property
    def waits_for_its_order(self) -> bool:
        """Tell whether it acts on one order inside the request."""
        by_order = self.scripted is not None and self.scripted.fault.counts_orders
        return by_order and isinstance(self.effect, OrderEffect)


class FaultPlan:
    """The faults of a rehearsal."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._scripted = [Scripted(fault) for fault in faults]
        self._standing: list[tuple[Lasting, int, int]] = []

    def add(self, fault: Fault) -> None:
        """Add a fault while the rehearsal runs; it counts requests from now on."""
        self._scripted.append(Scripted(fault))

    async def serve(
        self, call: FaultedCall, answer: Callable[[Circumstances], Answer], record: Record
    ) -> Answer | None:
        """
        Answer a request, with everything that goes wrong on the way; None: no answer.

        A request that an effect refuses which stands since earlier is not counted: it reaches no
        fault of the script.
        """
        standing = _Passage(self._hits_standing(call), record)
        refusal = await standing.before()
        if refusal is None:
            refusal = await self._serve_scripted(call, answer, record)
        final = await standing.after(refusal)
        return None if final is NO_ANSWER else final

    async def _serve_scripted(
        self, call: FaultedCall, answer: Callable[[Circumstances], Answer], record: Record
    ) -> Answer:
        hits = self.claim(call, record)
        passage = _Passage([hit for hit in hits if not _is_spared(hit)], record)
        refusal = await passage.before()
        if refusal is None:
            call.circumstances.before_order = passage.before_order
            refusal = answer(call.circumstances)
        passage.settle()
        final = await passage.after(refusal)
        for hit in hits:
            if isinstance(hit.effect, Lasting):
                self._standing.append((hit.effect, hit.call.since_ms, hit.call.until_ms))
        return final

    def _hits_standing(self, call: FaultedCall) -> list[Hit]:
        self._standing = [one for one in self._standing if call.now_ms < one[2]]
        return [
            Hit(effect, replace(call, since_ms=since_ms, until_ms=until_ms))
            for effect, since_ms, until_ms in self._standing
        ]

    def claim(self, call: FaultedCall, record: Record) -> list[Hit]:
        """Count a request and its orders; of the faults due at each order the first one fires."""
        parts = parts_of(call.request)
        hits = []
        for leg in range(len(parts)):
            due = self._due(call.request, parts, leg)
            if due is not None:
                hits.append(self._fire(due, replace(call, leg=leg), record))
        return hits

    def _due(self, request: Request, parts: list[Params], leg: int) -> Scripted | None:
        due: Scripted | None = None
        for scripted in self._scripted:
            if scripted.is_exhausted or not scripted.fault.concerns(request, parts, leg):
                continue
            scripted.seen += 1
            if due is None and scripted.seen >= scripted.fault.occurrence:
                due = scripted
        return due

    def _fire(self, due: Scripted, call: FaultedCall, record: Record) -> Hit:
        due.fired += 1
        effect = due.fault.effect
        record(
            FaultFired(
                time_ms=call.now_ms,
                endpoint=due.fault.endpoint,
                effect=repr(effect),
                occurrence=due.fault.occurrence,
            )
        )
        if isinstance(effect, Lasting):
            span_ms = FOREVER_MS if effect.seconds is None else round(effect.seconds * 1_000)
            call = replace(call, since_ms=call.now_ms, until_ms=call.now_ms + span_ms)
        return Hit(effect, call, due)

    @property
    def pending(self) -> list[Fault]:
        """Faults that have not fired as often as they should."""
        return [scripted.fault for scripted in self._scripted if not scripted.is_exhausted]

    def standing(self, now_ms: int) -> list[FaultEffect]:
        """Effects that last and have not ended."""
        return [effect for effect, _, until_ms in self._standing if now_ms < until_ms]

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


def _is_spared(hit: Hit) -> bool:
    return isinstance(hit.effect, Lasting) and hit.effect.spare


class _Passage:
    """One request on its way through the effects that hit it."""

    def __init__(self, hits: list[Hit], record: Record) -> None:
        self._hits = hits
        self._record = record
        self._armed: Hit | None = None

    async def before(self) -> Answer | None:
        """Let the effects act on the request; the first answer of one keeps it from the rest."""
        for hit in tuple(self._hits):
            if hit.waits_for_its_order:
                continue
            try:
                answer = await hit.effect.before(hit.call)
            except Missed as missed:
                self._miss(hit, str(missed))
                continue
            if isinstance(hit.effect, OrderEffect):
                self._armed = hit
            if answer is not None:
                return answer
        return None

    def before_order(self, leg: int) -> None:
        """Let the effects act on one order of the request; `ApiFailure` refuses it."""
        if leg:
            self.settle()
        for hit in tuple(self._hits):
            if hit.call.leg != leg or not hit.waits_for_its_order:
                continue
            if not isinstance(hit.effect, OrderEffect):
                continue
            self._armed = hit
            try:
                hit.effect.arm(hit.call)
            except Missed as missed:
                self._miss(hit, str(missed))

    def settle(self) -> None:
        """Take a script back that the exchange found no order for."""
        if self._armed is not None and self._armed.call.exchange.waits_for_an_order:
            self._armed.call.exchange.rehearse_next_order(None)
            self._miss(self._armed, REFUSED)
        self._armed = None

    async def after(self, answer: Answer) -> Answer:
        """Let the effects act on the answer."""
        for hit in tuple(self._hits):
            try:
                answer = await hit.effect.after(hit.call, answer) or NO_ANSWER
            except Missed as missed:
                self._miss(hit, str(missed))
        return answer

    def _miss(self, hit: Hit, reason: str) -> None:
        self._hits.remove(hit)
        if hit.scripted is None:
            return
        hit.scripted.fired -= 1
        self._record(
            FaultMissed(
                time_ms=hit.call.now_ms,
                endpoint=hit.scripted.fault.endpoint,
                effect=repr(hit.effect),
                reason=reason,
            )
        )
