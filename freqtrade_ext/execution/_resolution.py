"""The rule that decides, from evidence alone, what became of an order without an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from freqtrade_ext.execution._intents import Intent, OrderKind
from freqtrade_ext.execution._ports import FillReport, OrderOrigin, OrderReport

__all__ = [
    "LONG_SETTLINGS",
    "SLACK_MS",
    "Absent",
    "Denials",
    "Evidence",
    "Found",
    "StillUnknown",
    "Verdict",
    "judge",
]


@dataclass(frozen=True, slots=True)
class Denials:
    """
    How often, and since when, the venue has answered "no such order".

    Exchanges say so of orders that exist, for more than 20 s in the worst cases seen: one denial
    is nothing, many over a whole settling time are a proof.
    """

    count: int = 0
    first_ms: int | None = None

    def and_one(self, now_ms: int) -> "Denials":
        """Count one more."""
        first_ms = now_ms if self.first_ms is None else self.first_ms
        return Denials(self.count + 1, first_ms)

    def suffice(self, now_ms: int, *, settling_ms: int, min_denials: int) -> bool:
        """Whether they are enough and cover the settling time."""
        if self.first_ms is None or self.count < min_denials:
            return False
        return now_ms - self.first_ms >= settling_ms


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What one round of questions about an order brought.

    Attributes
    ----------
    looked_up : OrderReport, optional
        The answer to the client order id.
    is_denied : bool
        The venue answered that it knows no such order.
    failure : str
        Why a question of this round failed; empty when all were answered.
    orders : tuple of OrderReport
        Orders of the market since the intent was written, open ones included.
    fills : tuple of FillReport, optional
        Executions in the market since then; None when they were not asked for.
    position : Decimal, optional
        Signed position of the market; None when it was not asked for.
    """

    looked_up: OrderReport | None = None
    is_denied: bool = False
    failure: str = ""
    orders: tuple[OrderReport, ...] = ()
    fills: tuple[FillReport, ...] | None = None
    position: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The venue has the order."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Absent:
    """The order never arrived."""


@dataclass(frozen=True, slots=True)
class StillUnknown:
    """
    Neither is proven; `text` says what is missing.

    `is_likely`: a fill or the position speaks for the order.
    """

    text: str
    is_likely: bool = False


Verdict = Found | Absent | StillUnknown

# A fill so close to the writing of an intent may be part of what was held before it, or not: the
# books lag behind the venue, and the clocks of the two differ.
SLACK_MS: Final = 5_000
_CLOCKS_DIFFER_MS: Final = 1_000
LONG_SETTLINGS: Final = 10  # of an order that may add


def judge(
    intent: Intent,
    evidence: Evidence,
    denials: Denials,
    now_ms: int,
    *,
    settling_ms: int,
    long_ms: int,
    min_denials: int,
    found_ms: Mapping[str, int],
) -> Verdict:
    """
    Decide what became of an order.

    Parameters
    ----------
    evidence, denials :
        Of this round; of all rounds, this one included.
    settling_ms, min_denials : int
        How long, and how often, "no such order" must have been answered.
    long_ms : int
        How long, before a hint that may have another cause counts no more.
    found_ms : mapping
        When the orders of other intents were found, by the venue's order id.

    Returns
    -------
    Found, Absent or StillUnknown
        `Absent` only if no question failed, and no fill and no position hints at the order.
    """
    report = _report_of(intent, evidence)
    if report is not None:
        return Found(report)
    if evidence.failure:
        return StillUnknown(evidence.failure)
    if not evidence.is_denied:
        return StillUnknown("the exchange was not asked for the order itself")
    if not denials.suffice(now_ms, settling_ms=settling_ms, min_denials=min_denials):
        return StillUnknown(f"no such order, said {denials.count} time(s)")
    if evidence.fills is None or evidence.position is None:
        return StillUnknown("fills and position were not asked for")
    # Of an order that is denied for so long a fill would show by now: neither a position that the
    # books had wrong, nor somebody else's fill where a stop may have got another name, is a hint.
    is_long = denials.suffice(now_ms, settling_ms=long_ms, min_denials=min_denials)
    trusts_names = intent.kind is not OrderKind.STOP or is_long
    if (became := _named(intent, evidence)) is not None:
        text = f"it has become order {became.venue_order_id}, and is not shown itself"
        return Found(became) if is_long else StillUnknown(text, is_likely=True)
    hint = _fill_hint(intent, evidence, found_ms, trusts_names=trusts_names)
    if not hint and not is_long:
        hint = _move_hint(intent, evidence, found_ms)
    return StillUnknown(hint, is_likely=True) if hint else Absent()


def _report_of(intent: Intent, evidence: Evidence) -> OrderReport | None:
    if evidence.looked_up is not None:
        return evidence.looked_up
    named = _named(intent, evidence)
    # The order that a stop has become has its name and another number: taken for the stop, the
    # books would ask for a stop of that number for ever.
    is_itself = named is not None and (
        named.kind is intent.kind or intent.kind is not OrderKind.STOP
    )
    return named if is_itself else None


def _named(intent: Intent, evidence: Evidence) -> OrderReport | None:
    named = (each for each in evidence.orders if each.client_order_id == intent.client_order_id)
    return next(named, None)


def _fill_hint(
    intent: Intent, evidence: Evidence, found_ms: Mapping[str, int], *, trusts_names: bool
) -> str:
    """Name an execution that may be the order's own; empty when there is none."""
    reports = {report.venue_order_id: report for report in evidence.orders}
    for fill in evidence.fills or ():
        is_older = fill.time_ms < intent.created_ms - SLACK_MS
        if is_older or fill.side is not intent.side or fill.quantity > intent.quantity:
            continue
        order_id = fill.venue_order_id
        if order_id not in found_ms and not _is_another(
            reports.get(order_id), trusts_names=trusts_names
        ):
            return f"fill {fill.fill_id} of order {order_id} may be its own"
    return ""


def _is_another(report: OrderReport | None, *, trusts_names: bool) -> bool:
    """Whether an order is certainly not the intent's, though no intent of ours explains it."""
    if report is None:
        return False
    if report.origin is not OrderOrigin.ACCOUNT:
        return True
    return bool(report.client_order_id) and trusts_names


def _move_hint(intent: Intent, evidence: Evidence, found_ms: Mapping[str, int]) -> str:
    """Say that the position has moved the order's way unexplained; empty when it has not."""
    expected, in_doubt = intent.held_before, Decimal(0)
    counted = dict(intent.counted)
    for fill in evidence.fills or ():
        came_later = _came_later(fill, intent, found_ms)
        if came_later:
            expected += fill.quantity * fill.side.sign
            continue
        # What the books had counted of its order, before this one, is no doubt; a fill that is too
        # old for one uses that up all the same.
        left = counted.get(fill.venue_order_id, Decimal(0))
        counted[fill.venue_order_id] = max(left - fill.quantity, Decimal(0))
        if came_later is None and fill.side is intent.side:
            in_doubt += max(fill.quantity - left, Decimal(0)) * fill.side.sign
    position = evidence.position or Decimal(0)
    if (position - expected - in_doubt) * intent.side.sign <= 0:
        return ""
    return f"the position is {position}, {expected + in_doubt} is explained without it"


def _came_later(fill: FillReport, intent: Intent, found_ms: Mapping[str, int]) -> bool | None:
    """Whether a fill is missing in what was held before the intent; None: it may be."""
    # However old it is, the books knew nothing of an order that had yet to be found.
    was_found_ms = found_ms.get(fill.venue_order_id, intent.created_ms - 1)
    if was_found_ms > intent.created_ms:
        return True
    after_ms = fill.time_ms - intent.created_ms
    if was_found_ms == intent.created_ms or -SLACK_MS <= after_ms <= _CLOCKS_DIFFER_MS:
        return None
    return after_ms > 0
