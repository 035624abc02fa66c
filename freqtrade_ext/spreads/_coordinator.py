"""The rule that two legs live and die together, as one pure function."""

from dataclasses import replace
from typing import assert_never

from freqtrade_ext.errors import IllegalRequest
from freqtrade_ext.risk import CloseReason
from freqtrade_ext.spreads._events import (
    ZERO,
    Alert,
    AlertReason,
    Command,
    EntryRequested,
    Event,
    ExitRequested,
    LegName,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    PositionReported,
    Purpose,
    TimePassed,
)
from freqtrade_ext.spreads._position import (
    REMEMBERED_FILLS,
    LegPosition,
    SpreadPosition,
    SpreadState,
    WorkingOrder,
)
from freqtrade_ext.spreads._settling import (
    Outcome,
    aim_flat,
    begin_episode,
    follow_cut,
    give_up,
    request_cancel,
    serves,
    settle,
)
from freqtrade_ext.spreads._states import LEGAL_TRANSITIONS


def decide(position: SpreadPosition, event: Event) -> tuple[SpreadPosition, list[Command]]:
    """
    Answer an event: the new position, and what is to be done about it.

    Parameters
    ----------
    position : SpreadPosition
        What is known so far.
    event : Event
        A request of ours, or a fact from the venue or the clock.

    Returns
    -------
    position : SpreadPosition
    commands : list of Command
        To be carried out in this order.

    Raises
    ------
    IllegalRequest
        If a request does not fit the state. Facts are never refused.

    Notes
    -----
    Each leg has an *aim* and a *held* quantity, and at most one working order. After every event
    the two are compared ("settled"): a working order that no longer leads to the aim, or would
    lead past it, is canceled; without one, an order for the gap is sent.

    1. Entry sends both legs at once. A leg *ends short* when its order ended (canceled, expired,
       timed out) with something unfilled that the leg still needs. The rest is sent again after
       ``retry_interval_ms``, at most ``max_retries`` times. First orders time out after
       ``leg_timeout_ms``, later ones after ``retry_timeout_ms``.
    2. Trimming starts when the *lagging* leg (smaller filled share of its plan) has no working
       order and has ended short more than ``retries_before_trim`` times, or when its rest is
       below the smallest entry order. Both aims are then lowered, for good, to the lagging
       leg's filled share: the fuller leg is reduced, nothing is bought back, the spread opens
       smaller. One retry comes first by default, because a trim costs two fees.
    3. If that share is not tradable on both legs (typically: nothing filled), the retries go on;
       after the last one both legs are closed (ORPHAN_LEG).
    4. A definite rejection of an entry order unwinds both legs at once.
    5. A leg that the venue no longer holds (EXTERNAL) takes the other with it (PARTNER_CLOSED).
       A leg partly gone trims the other, and is not bought back; an excess is reduced to the aim.
    6. Orders that only reduce are reduce-only and are repeated without limit, with an alert
       after every ``alert_after`` failures; a trim becomes a full unwind after ``max_retries``.
       After the rejection of an exit or an unwind the ``retry_interval_ms`` counts from when the
       order was sent: proving that one never arrived has taken longer than that.
    7. Whatever fills late, twice or too much is booked once and repaired.
    """
    before = position.state
    now_ms = max(position.clock_ms, event.now_ms)  # facts may be reported late
    position, alerts = _react(replace(position, clock_ms=now_ms), event)
    position, commands = settle(position)
    if position.state is not before and (before, position.state) not in LEGAL_TRANSITIONS:
        raise IllegalRequest(
            f"{position.spread_id}: {before} to {position.state} is not a legal transition "
            f"(after {event})"
        )
    return position, alerts + commands


def _react(position: SpreadPosition, event: Event) -> Outcome:
    """Take note of the event; commands that do not follow from a gap are returned."""
    match event:
        case EntryRequested():
            return _start_entry(position, event), []
        case ExitRequested():
            return _start_exit(position, event), []
        case OrderAccepted():
            return _accept(position, event), []
        case OrderFilled():
            return _book_fill(position, event), []
        case OrderCanceled() | OrderExpired() | OrderRejected():
            return _end_order(position, event)
        case TimePassed():
            return _time_out(position)
        case PositionReported():
            return _book_report(position, event)
        case _:
            assert_never(event)


def _start_entry(position: SpreadPosition, event: EntryRequested) -> SpreadPosition:
    if position.state is not SpreadState.FLAT:
        raise IllegalRequest(f"{position.spread_id}: entry requested while {position.state}")
    position = replace(begin_episode(position), state=SpreadState.OPENING, plan=event.plan)
    for name in LegName:
        wanted = event.plan.leg(name)
        leg = replace(
            position.leg(name),
            aim=wanted.quantity,
            lot=wanted.lot,
            min_entry=wanted.min_entry,
            short_ends=0,
            retry_at_ms=0,
        )
        position = position.with_leg(name, leg)
    return position


def _start_exit(position: SpreadPosition, event: ExitRequested) -> SpreadPosition:
    match position.state:
        case SpreadState.OPEN | SpreadState.TRIMMING:
            return aim_flat(position, SpreadState.CLOSING, event.reason)
        case SpreadState.OPENING:
            return aim_flat(position, SpreadState.UNWINDING, event.reason)
        case _:
            raise IllegalRequest(f"{position.spread_id}: exit requested while {position.state}")


def _accept(position: SpreadPosition, event: OrderAccepted) -> SpreadPosition:
    leg = position.leg(event.leg)
    order = _working_order(leg, event.client_order_id)
    if order is None:  # reported after its end
        return position
    return position.with_leg(event.leg, replace(leg, working=replace(order, accepted=True)))


def _book_fill(position: SpreadPosition, event: OrderFilled) -> SpreadPosition:
    if event.fill_id in position.seen_fills:
        return position
    leg = position.leg(event.leg)
    order = _working_order(leg, event.client_order_id)
    working = leg.working
    if order is not None:
        filled = order.filled_quantity + event.quantity
        order = replace(order, filled_quantity=filled, accepted=True)
        working = order if order.leaves_quantity else None
    # A position reported since this execution contains it already; what happens in the same
    # millisecond is taken in the order in which it is told.
    contained = event.now_ms < leg.reported_ms
    leg = replace(
        leg,
        working=working,
        held=leg.held if contained else leg.held + event.quantity,
        last_fill_ms=max(leg.last_fill_ms, event.now_ms),
    )
    seen = (*position.seen_fills, event.fill_id)[-REMEMBERED_FILLS:]
    return replace(position.with_leg(event.leg, leg), seen_fills=seen)


def _end_order(
    position: SpreadPosition, event: OrderCanceled | OrderExpired | OrderRejected
) -> Outcome:
    leg = position.leg(event.leg)
    order = _working_order(leg, event.client_order_id)
    if order is None:
        return position, []
    was_needed = serves(order, leg)
    position = position.with_leg(event.leg, replace(leg, working=None))
    if isinstance(event, OrderRejected) and order.purpose is Purpose.ENTRY:
        if position.state is SpreadState.OPENING:
            text = f"leg {event.leg} was rejected ({event.text or 'no reason given'})"
            return give_up(position, AlertReason.LEG_REJECTED, text)
        return position, []
    if not was_needed:  # its end is what we wanted: no failure, no pause
        return position, []
    # Nothing of a rejected order can still fill: a leg that must go waits no longer than it has.
    must_go = order.purpose in {Purpose.EXIT, Purpose.UNWIND}
    is_over = isinstance(event, OrderRejected) and must_go
    return _end_short(position, event.leg, order.submitted_ms if is_over else position.clock_ms)


def _end_short(position: SpreadPosition, name: LegName, since_ms: int) -> Outcome:
    leg, policy = position.leg(name), position.policy
    retry_at_ms = since_ms + policy.retry_interval_ms
    leaving = position.state in (SpreadState.CLOSING, SpreadState.UNWINDING)
    leg = replace(leg, short_ends=leg.short_ends + 1, retry_at_ms=retry_at_ms)
    position = position.with_leg(name, leg)
    if not leaving or leg.short_ends % policy.alert_after:
        return position, []
    text = (
        f"{position.spread_id}: leg {name} still holds {leg.held} "
        f"after {leg.short_ends} exit orders; retrying"
    )
    return position, [Alert(AlertReason.EXIT_STUCK, text)]


def _time_out(position: SpreadPosition) -> Outcome:
    commands: list[Command] = []
    for name in LegName:
        leg = position.leg(name)
        if leg.working is None:
            continue
        leg, answer = _time_out_order(position, name, leg, leg.working)
        position = position.with_leg(name, leg)
        commands += answer
    return position, commands


def _time_out_order(
    position: SpreadPosition, name: LegName, leg: LegPosition, order: WorkingOrder
) -> tuple[LegPosition, list[Command]]:
    policy, canceled_ms = position.policy, order.cancel_requested_ms
    since_ms, patience_ms = canceled_ms, policy.leg_timeout_ms
    if since_ms is None:
        since_ms = order.submitted_ms
        patience_ms = policy.retry_timeout_ms if leg.short_ends else policy.leg_timeout_ms
    if position.clock_ms - since_ms < patience_ms:
        return leg, []
    leg, commands = request_cancel(leg, name, order, position.clock_ms)
    if canceled_ms is not None:
        text = f"{position.spread_id}: no answer to the cancel of {order.client_order_id}"
        commands.append(Alert(AlertReason.CANCEL_STUCK, text))
    return leg, commands


def _book_report(position: SpreadPosition, event: PositionReported) -> Outcome:
    leg = position.leg(event.leg)
    if _tells_nothing_new(leg, event):
        return position, []
    reported = replace(leg, held=event.held, reported_ms=event.now_ms)
    position = position.with_leg(event.leg, reported)
    is_gone = not leg.is_empty and (reported.is_empty or leg.held * reported.held < 0)
    if is_gone and position.state is not SpreadState.FLAT:
        return _follow_partner(position, event.leg)
    is_cut = (event.held - leg.held) * leg.held < 0
    if is_cut and position.state is SpreadState.OPENING:
        return follow_cut(position, event.leg, leg.held)
    return position, []


def _tells_nothing_new(leg: LegPosition, event: PositionReported) -> bool:
    """Whether a report is older than what we know, or may be a fill that is still to come."""
    change = event.held - leg.held
    if change == 0 or event.now_ms < max(leg.last_fill_ms, leg.reported_ms):
        return True
    leaves = leg.working.leaves_quantity if leg.working is not None else ZERO
    return change * leaves > 0 and abs(change) <= abs(leaves)


def _follow_partner(position: SpreadPosition, gone: LegName) -> Outcome:
    if position.state in (SpreadState.CLOSING, SpreadState.UNWINDING):
        leg = replace(position.leg(gone), close_reason=CloseReason.EXTERNAL)
        return position.with_leg(gone, leg), []
    opening = position.state is SpreadState.OPENING
    position = aim_flat(
        position,
        SpreadState.UNWINDING if opening else SpreadState.CLOSING,
        CloseReason.PARTNER_CLOSED,
        gone=gone,
    )
    text = f"{position.spread_id}: leg {gone} is gone from the exchange; its partner is closed"
    return position, [Alert(AlertReason.LEG_VANISHED, text)]


def _working_order(leg: LegPosition, client_order_id: str) -> WorkingOrder | None:
    order = leg.working
    return order if order is not None and order.client_order_id == client_order_id else None
