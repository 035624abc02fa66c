"""Bring a spread to its aim: compare what is held with what is aimed for, and act on the gap."""

from dataclasses import replace
from decimal import ROUND_HALF_DOWN, Decimal

from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads._events import (
    ZERO,
    Alert,
    AlertReason,
    CancelOrder,
    Command,
    EntryPlan,
    LegName,
    Purpose,
)
from freqtrade_ext.spreads._orders import client_order_id, submit_command
from freqtrade_ext.spreads._position import (
    LegPosition,
    SpreadPosition,
    SpreadState,
    WorkingOrder,
)

Outcome = tuple[SpreadPosition, list[Command]]

_REDUCING_PURPOSE = {
    SpreadState.CLOSING: Purpose.EXIT,
    SpreadState.UNWINDING: Purpose.UNWIND,
}


def settle(position: SpreadPosition) -> Outcome:
    """Review the aims in the light of what is held, act on each leg's gap, and note arrival."""
    position, commands = _review(position)
    for name in LegName:
        leg, answer = _settle_leg(position, name)
        position = position.with_leg(name, leg)
        commands += answer
    return _arrive(position), commands


def aim_flat(
    position: SpreadPosition,
    state: SpreadState,
    reason: CloseReason,
    *,
    gone: LegName | None = None,
) -> SpreadPosition:
    """Aim at zero on both legs, at once and with fresh patience; `gone` was closed elsewhere."""
    position = replace(position, state=state, reason=reason)
    for name in LegName:
        close_reason = CloseReason.EXTERNAL if name is gone else reason
        leg = replace(position.leg(name), aim=ZERO, close_reason=close_reason)
        position = position.with_leg(name, leg)
    return _with_fresh_patience(position)


def give_up(position: SpreadPosition, reason: AlertReason, text: str) -> Outcome:
    """Unwind both legs because the spread cannot be completed."""
    position = aim_flat(position, SpreadState.UNWINDING, CloseReason.ORPHAN_LEG)
    return position, [Alert(reason, f"{position.spread_id}: {text}; both legs are being closed")]


def follow_cut(position: SpreadPosition, cut: LegName, before: Decimal) -> Outcome:
    """
    Enter smaller because another hand has closed a part of a leg: nobody buys it back.

    Parameters
    ----------
    position : SpreadPosition
        On its way to its plan, with what `cut` holds now.
    cut : LegName
    before : Decimal
        What `cut` held until then.
    """
    plan, leg = _plan(position), position.leg(cut)
    missing = leg.aim - before  # what its orders have still to bring
    aim = leg.held + (missing if missing * leg.aim > 0 else ZERO)
    leg = replace(leg, aim=min(aim, leg.aim, key=abs))
    partner = position.leg(cut.other)
    exact = plan.leg(cut.other).quantity * leg.aim / plan.leg(cut).quantity
    smaller = min(partner.aim, _nearest_lots(exact, partner.lot), key=abs)
    text = f"leg {cut} was closed to {leg.held} by another hand while it was entered"
    if smaller == 0:
        return give_up(position, AlertReason.LEG_VANISHED, text)
    if abs(partner.aim - exact) >= partner.lot:
        partner = replace(partner, aim=smaller)
    alert = Alert(AlertReason.LEG_VANISHED, f"{position.spread_id}: {text}; it stays smaller")
    return position.with_leg(cut, leg).with_leg(cut.other, partner), [alert]


def serves(order: WorkingOrder, leg: LegPosition) -> bool:
    """Whether filling the rest of `order` brings the leg nearer to its aim, and not past it."""
    leaves = order.leaves_quantity
    excess = abs(leaves) - abs(leg.gap)
    return leaves * leg.gap > 0 and (excess <= 0 or excess < leg.lot)


def _review(position: SpreadPosition) -> Outcome:
    match position.state:
        case SpreadState.FLAT:
            return _review_flat(position)
        case SpreadState.OPENING:
            return _review_entry(position)
        case SpreadState.OPEN | SpreadState.TRIMMING:
            return _review_hedge(position)
        case SpreadState.CLOSING | SpreadState.UNWINDING:
            return position, []


def _review_flat(position: SpreadPosition) -> Outcome:
    if position.leg_a.is_empty and position.leg_b.is_empty:
        return position, []
    text = f"holds {position.leg_a.held} of leg A and {position.leg_b.held} of leg B while flat"
    return give_up(begin_episode(position), AlertReason.UNEXPECTED_HOLDING, text)


def _review_entry(position: SpreadPosition) -> Outcome:
    """Decide about the leg that lags behind, once its order has ended and it is still short."""
    plan = _plan(position)
    name = _lagging_leg(position, plan)
    leg, policy = position.leg(name), position.policy
    if not _is_short(leg):
        return _stop_adding(position), []
    if leg.working is not None:
        return position, []
    cannot_retry = abs(leg.gap) < leg.min_entry or leg.short_ends > policy.max_retries
    if not cannot_retry and leg.short_ends <= policy.retries_before_trim:
        return position, []
    shrunk = _shrink_to(position, plan, name)
    if shrunk is not None:
        return shrunk, []
    if cannot_retry:
        text = f"leg {name} holds {leg.held} of {leg.aim} after {leg.short_ends} orders"
        return give_up(position, AlertReason.ORPHAN_LEG, text)
    return position, []


def _stop_adding(position: SpreadPosition) -> SpreadPosition:
    """Nothing is missing; if something is too much, only reducing is left to do."""
    legs = (position.leg_a, position.leg_b)
    if any(leg.gap for leg in legs) and not any(_is_short(leg) or leg.working for leg in legs):
        return replace(position, state=SpreadState.TRIMMING)
    return position


def _review_hedge(position: SpreadPosition) -> Outcome:
    """Repair a hedge that facts have disturbed, by reducing only."""
    plan, legs = _plan(position), (position.leg_a, position.leg_b)
    if any(_is_short(leg) for leg in legs):
        shrunk = _shrink_to(position, plan, _lagging_leg(position, plan))
        if shrunk is None:
            alert = Alert(AlertReason.ORPHAN_LEG, f"{position.spread_id}: a leg is all but gone")
            return aim_flat(position, SpreadState.CLOSING, CloseReason.ORPHAN_LEG), [alert]
        return shrunk, []
    if max(leg.short_ends for leg in legs) > position.policy.max_retries:
        text = f"trimming failed {position.policy.max_retries + 1} times"
        return give_up(position, AlertReason.ORPHAN_LEG, text)
    if position.state is SpreadState.OPEN and not all(leg.is_settled for leg in legs):
        text = f"{position.spread_id}: more is held than was ordered; the excess is being sold off"
        commands: list[Command] = [Alert(AlertReason.UNEXPECTED_HOLDING, text)]
        return replace(position, state=SpreadState.TRIMMING), commands
    return position, []


def _settle_leg(position: SpreadPosition, name: LegName) -> tuple[LegPosition, list[Command]]:
    leg = position.leg(name)
    order = leg.working
    if order is not None:
        if order.cancel_requested_ms is not None or serves(order, leg):
            return leg, []
        return request_cancel(leg, name, order, position.clock_ms)
    if leg.gap == 0 or position.clock_ms < leg.retry_at_ms:
        return leg, []
    reducing = leg.tradable * leg.gap < 0
    if not reducing and not _may_add(position, leg):
        return leg, []
    return _submit(position, name, reducing=reducing)


def _may_add(position: SpreadPosition, leg: LegPosition) -> bool:
    return (
        position.state is SpreadState.OPENING
        and leg.short_ends <= position.policy.max_retries
        and abs(leg.gap) >= leg.min_entry
    )


def _submit(
    position: SpreadPosition, name: LegName, *, reducing: bool
) -> tuple[LegPosition, list[Command]]:
    leg = position.leg(name)
    quantity, purpose = leg.gap, Purpose.ENTRY
    if reducing:
        # Never past zero: what lies beyond is another order, and not a reducing one.
        quantity = min(abs(leg.gap), abs(leg.tradable)).copy_sign(leg.gap)
        purpose = _REDUCING_PURPOSE.get(position.state, Purpose.TRIM)
    attempt = leg.orders_sent + 1
    order = WorkingOrder(
        client_order_id=client_order_id(
            position.spread_id, name, purpose, attempt, position.episode_ms
        ),
        purpose=purpose,
        attempt=attempt,
        quantity=quantity,
        reduce_only=reducing,
        submitted_ms=position.clock_ms,
        reason=leg.close_reason,
    )
    return replace(leg, working=order, orders_sent=attempt), [submit_command(name, order)]


def request_cancel(
    leg: LegPosition, name: LegName, order: WorkingOrder, now_ms: int
) -> tuple[LegPosition, list[Command]]:
    """Ask for the end of a working order; it counts as working until that end is reported."""
    canceling = replace(order, cancel_requested_ms=now_ms)
    return replace(leg, working=canceling), [CancelOrder(name, order.client_order_id)]


def begin_episode(position: SpreadPosition) -> SpreadPosition:
    """Start counting orders anew, under a time stamp that no earlier order carries."""
    return replace(
        position,
        episode_ms=max(position.clock_ms, position.episode_ms + 1),
        reason=None,
        leg_a=replace(position.leg_a, orders_sent=0, close_reason=None),
        leg_b=replace(position.leg_b, orders_sent=0, close_reason=None),
    )


def _arrive(position: SpreadPosition) -> SpreadPosition:
    if not (position.leg_a.is_settled and position.leg_b.is_settled):
        return position
    if position.state in (SpreadState.CLOSING, SpreadState.UNWINDING):
        return replace(position, state=SpreadState.FLAT, plan=None)
    if position.state in (SpreadState.OPENING, SpreadState.TRIMMING):
        return _with_fresh_patience(replace(position, state=SpreadState.OPEN))
    return position


def _with_fresh_patience(position: SpreadPosition) -> SpreadPosition:
    for name in LegName:
        leg = replace(position.leg(name), short_ends=0, retry_at_ms=0)
        position = position.with_leg(name, leg)
    return position


def _is_short(leg: LegPosition) -> bool:
    return leg.gap * leg.aim > 0


def _share(position: SpreadPosition, plan: EntryPlan, name: LegName) -> Decimal:
    return position.leg(name).tradable / plan.leg(name).quantity


def _lagging_leg(position: SpreadPosition, plan: EntryPlan) -> LegName:
    return min(LegName, key=lambda name: _share(position, plan, name))


def _shrink_to(
    position: SpreadPosition, plan: EntryPlan, lagging: LegName
) -> SpreadPosition | None:
    """
    Lower both aims to the share that `lagging` holds; None when that is not a tradable hedge.

    The other leg stays as it is where the exact hedge is less than a lot away. Else its aim is
    the nearest lot, never above what it holds, so that nothing has to be bought back.
    """
    share = _share(position, plan, lagging)
    for name in LegName:
        leg = position.leg(name)
        aim = leg.tradable
        if name is not lagging:
            exact = plan.leg(name).quantity * share
            if abs(exact) < leg.lot:
                return None
            if abs(aim - exact) >= leg.lot:
                aim = min(aim, _nearest_lots(exact, leg.lot), key=abs)
        if aim * plan.leg(name).quantity <= 0:
            return None
        position = position.with_leg(name, replace(leg, aim=aim))
    return _with_fresh_patience(replace(position, state=SpreadState.TRIMMING))


def _nearest_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    return (quantity / lot).to_integral_value(rounding=ROUND_HALF_DOWN) * lot


def _plan(position: SpreadPosition) -> EntryPlan:
    plan = position.plan
    if plan is None:
        raise AssertionError(f"{position.spread_id} is {position.state} without a plan")
    return plan
