"""The rule that decides, from evidence alone, what became of an order without an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from freqtrade_ext.execution._intents import Intent, OrderKind
from freqtrade_ext.execution._ports import FillReport, OrderOrigin, OrderReport

__all__ = [
    "Absent",
    "Denials",
    "Evidence",
    "Found",
    "OtherOrders",
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
class OtherOrders:
    """
    What is known of other orders in the market.

    Attributes
    ----------
    order_ids : frozenset of str
        The venue's ids of orders that other intents have.
    found_later : frozenset of str
        Those of them that were found only after the intent in question was written: its
        `held_before` knows nothing of their fills, however old these are.
    """

    order_ids: frozenset[str] = frozenset()
    found_later: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """The venue has the order."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Absent:
    """The order never arrived."""


@dataclass(frozen=True, slots=True)
class StillUnknown:
    """Neither is proven; `text` says what is missing."""

    text: str


Verdict = Found | Absent | StillUnknown
_NO_OTHERS: Final = OtherOrders()


def judge(
    intent: Intent,
    evidence: Evidence,
    denials: Denials,
    now_ms: int,
    *,
    settling_ms: int,
    min_denials: int,
    others: OtherOrders = _NO_OTHERS,
) -> Verdict:
    """
    Decide what became of an order.

    Parameters
    ----------
    evidence, denials :
        Of this round; of all rounds, this one included.
    settling_ms, min_denials : int
        How long, and how often, "no such order" must have been answered.

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
    hint = _hint(intent, evidence.fills, evidence.position, _Explained(evidence, others))
    return StillUnknown(hint) if hint else Absent()


def _report_of(intent: Intent, evidence: Evidence) -> OrderReport | None:
    if evidence.looked_up is not None:
        return evidence.looked_up
    named = (
        report for report in evidence.orders if report.client_order_id == intent.client_order_id
    )
    return next(named, None)


class _Explained:
    """Tells whether an execution belongs to an order that is certainly another one."""

    def __init__(self, evidence: Evidence, others: OtherOrders) -> None:
        self.others = others
        self._reports: Mapping[str, OrderReport] = {
            report.venue_order_id: report for report in evidence.orders
        }

    def covers(self, fill: FillReport, intent: Intent) -> bool:
        if fill.venue_order_id in self.others.order_ids:
            return True
        report = self._reports.get(fill.venue_order_id)
        if report is None:
            return False
        if report.origin is not OrderOrigin.ACCOUNT:
            return True
        # A stop that was triggered lives on as an order with another client order id.
        return bool(report.client_order_id) and intent.kind is not OrderKind.STOP


def _hint(
    intent: Intent, fills: tuple[FillReport, ...], position: Decimal, explained: _Explained
) -> str:
    """Say what hints at the order having been executed; empty when nothing does."""
    expected = intent.held_before
    for fill in fills:
        may_be_ours = fill.side is intent.side and fill.quantity <= intent.quantity
        if may_be_ours and not explained.covers(fill, intent):
            return f"fill {fill.fill_id} of order {fill.venue_order_id} may be its own"
        # `held_before` contains what was executed before the intent was written.
        is_later = fill.venue_order_id in explained.others.found_later
        if is_later or fill.time_ms >= intent.created_ms:
            expected += fill.quantity * fill.side.sign
    if (position - expected) * intent.side.sign > 0:
        return f"the position is {position}, {expected} is explained without it"
    return ""
