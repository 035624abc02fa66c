"""When the exit of one leg is held back: what became of the other leg's exit is not known yet."""

from collections.abc import Callable

from freqtrade_ext.spreads._events import LegName, Purpose
from freqtrade_ext.spreads._position import WorkingOrder
from freqtrade_ext.spreads._record import SpreadRecord

__all__ = ["IsAwaited", "waits_for_partner"]

IsAwaited = Callable[[str], bool]  # by client order id


def waits_for_partner(record: SpreadRecord, leg: LegName, is_awaited: IsAwaited) -> bool:
    """
    Say whether the next exit of a leg is to wait for the outcome of the other leg's exit.

    Two exits left together, and nothing is known of either. What is proven of the one first says
    nothing of the other: sent again alone, it would leave a hedged spread with one leg until the
    other's question is settled too. So it waits, and both are sent again together. An exit that
    leaves leg by leg, by a limit order, waits the same way: an order that is not found within
    seconds has more likely been lost than hidden.

    Parameters
    ----------
    record : SpreadRecord
        The spread as the coordinator sees it.
    leg : LegName
        The leg whose order would be sent.
    is_awaited : callable
        Whether the outcome of an order, by client order id, is worth waiting for: it has been
        sent, and neither is it known to be on the venue nor does anything there speak for it.

    Returns
    -------
    bool
        False for an exit whose own outcome is asked for, and where going alone bares less than
        staying: the other leg is gone, or holds less than half of this one's share.
    """
    position = record.position
    own, partner = position.leg(leg), position.leg(leg.other)
    if own.working is None or partner.working is None:
        return False
    if partner.working.accepted or not (_leaves(own.working) and _leaves(partner.working)):
        return False
    if is_awaited(own.working.client_order_id) or not is_awaited(partner.working.client_order_id):
        return False
    return _is_hedged(record, leg)


def _leaves(order: WorkingOrder) -> bool:
    return order.purpose in {Purpose.EXIT, Purpose.UNWIND}


def _is_hedged(record: SpreadRecord, leg: LegName) -> bool:
    """Whether the other leg, if it is still there, hedges more of this one than it leaves bare."""
    plan = record.position.plan
    if plan is None:
        return False
    share, other = (
        record.position.leg(name).tradable / plan.leg(name).quantity for name in (leg, leg.other)
    )
    return 2 * other > share
