"""Stand-in for the adapter's order gate: whose order it is, and what the host is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import (
    Intent,
    IntentPurpose,
    IntentState,
    OrderGuard,
    OrderKind,
    OrderOutcome,
    OrderReport,
    OrderSide,
    OrderStatus,
)
from freqtrade_ext.spreads import LegName, Purpose, SpreadDesk, SpreadRecord, SubmitOrder
from rehearsals.simulation._books import HostBooks
from rehearsals.simulation._stores import Intents
from rehearsals.simulation._venue import NoSuchOrder, SimulatedVenue, TurnedAway
from rehearsals.simulation._weather import Weather
from rehearsals.simulation._world import LEVERAGE, World

__all__ = ["Asked", "Gate", "HostError", "InvalidOrder", "market_of"]

_PURPOSES: Final = {
    Purpose.ENTRY: IntentPurpose.ENTRY,
    Purpose.TRIM: IntentPurpose.TRIM,
    Purpose.EXIT: IntentPurpose.EXIT,
    Purpose.UNWIND: IntentPurpose.UNWIND,
}


class HostError(Exception):
    """What Freqtrade calls a dependency or temporary error: it goes on with the next trade."""


class InvalidOrder(HostError):  # noqa: N818 - Freqtrade's name
    """What Freqtrade takes for the exchange's final word about an order."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An order that the host wants to send now."""

    market: str
    side: OrderSide
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool


def market_of(record: SpreadRecord, leg: LegName) -> str:
    """Market of a leg."""
    return record.leg_a if leg is LegName.A else record.leg_b


class Gate:
    """What the host's connection to the exchange is wrapped in."""

    def __init__(
        self,
        world: World,
        weather: Weather,
        venue: SimulatedVenue,
        guard: OrderGuard,
        desk: SpreadDesk,
        books: HostBooks,
        intents: Intents,
    ) -> None:
        self._world = world
        self._weather = weather
        self._venue = venue
        self._guard = guard
        self._desk = desk
        self._books = books
        self._intents = intents
        self._serial = 0

    # Sending

    def create_order(self, asked: Asked) -> OrderReport:
        """Send an order through the guard."""
        intents = self._claim(asked) or [self._unclaimed(asked)]
        ready = [intents[0], *(other for other in intents[1:] if self._is_ready(other))]
        if self._world.tracing:
            names = ", ".join(intent.client_order_id for intent in ready)
            self._world.note(f"  host sends {asked.side} {asked.quantity} {asked.market}: {names}")
        outcome = self._guard.send(ready)[0]
        self._world.reach("after_answer")
        return self._answer(outcome)

    def _claim(self, asked: Asked) -> Sequence[Intent]:
        if asked.kind is OrderKind.STOP:
            return ()
        for record in self._desk.records.values():
            for leg in LegName:
                order = self._pending(record, leg)
                if order is not None and _is(asked, record, leg, order):
                    return self._with_partner(asked, record, leg, order)
        return ()

    def _with_partner(
        self, asked: Asked, record: SpreadRecord, leg: LegName, order: SubmitOrder
    ) -> Sequence[Intent]:
        first = self._intent(record, leg, order, asked.kind, asked.price)
        first = replace(first, quantity=asked.quantity)
        partner = self._pending(record, leg.other)
        together = {Purpose.ENTRY, Purpose.EXIT, Purpose.UNWIND}
        if partner is None or asked.kind is not OrderKind.MARKET:
            return (first,)
        if order.purpose not in together or partner.reduce_only != order.reduce_only:
            return (first,)
        self._desk.mark_sent(record.position.spread_id, partner, self._world.now)
        return first, self._intent(record, leg.other, partner, OrderKind.MARKET, None)

    def _pending(self, record: SpreadRecord, leg: LegName) -> SubmitOrder | None:
        return self._desk.pending_order(record.position.spread_id, leg)

    def _intent(
        self,
        record: SpreadRecord,
        leg: LegName,
        order: SubmitOrder,
        kind: OrderKind,
        price: Decimal | None,
    ) -> Intent:
        market, plan = market_of(record, leg), record.position.plan
        said = (order.reason or "ORPHAN_LEG") if order.reduce_only else ""
        if plan is not None and not order.reduce_only:
            said = f"{record.position.spread_id} {plan.direction.value} {leg.value}"
        return Intent(
            client_order_id=order.client_order_id,
            market=market,
            side=OrderSide(order.side.value),
            kind=kind,
            quantity=order.quantity,
            price=price,
            reduce_only=order.reduce_only,
            purpose=_PURPOSES[order.purpose],
            attempt=order.attempt,
            created_ms=self._world.now,
            owner=record.position.spread_id,
            leg=leg.value,
            leverage=float(LEVERAGE),
            tag=str(said),
            held_before=self._books.held(market),
        )

    def _unclaimed(self, asked: Asked) -> Intent:
        same = [
            intent
            for intent in (*self._guard.open_questions(asked.market), *self._guard.unbooked())
            if (intent.market, intent.side, intent.kind, intent.reduce_only, intent.quantity)
            == (asked.market, asked.side, asked.kind, asked.reduce_only, asked.quantity)
            and intent.owner is None
        ]
        if same:
            return same[-1]
        self._serial += 1
        is_stop = asked.kind is OrderKind.STOP
        name = asked.market.partition("/")[0]
        return Intent(
            client_order_id=f"fx-{name}-{'s' if is_stop else 'f'}{self._serial}-{self._world.now}",
            market=asked.market,
            side=asked.side,
            kind=asked.kind,
            quantity=asked.quantity,
            price=asked.price,
            reduce_only=asked.reduce_only,
            purpose=IntentPurpose.STOP if is_stop else IntentPurpose.FORCED,
            attempt=self._serial,
            created_ms=self._world.now,
            leverage=float(LEVERAGE),
            tag="MANUAL" if asked.reduce_only else "",
            held_before=self._books.held(asked.market),
        )

    def _is_ready(self, intent: Intent) -> bool:
        """Whether leverage could be set for an order that goes along."""
        if intent.reduce_only:
            return True
        if not (self._weather.is_out() or self._weather.fires("query")):
            return True
        self._world.note(f"  {intent.client_order_id} does not go along")
        return False

    def _answer(self, sent: OrderOutcome) -> OrderReport:
        if sent.report is not None:
            return sent.report
        text = f"{sent.intent.client_order_id} is {sent.intent.state}: {sent.intent.text}"
        self._world.note(f"  host is told: {text}")
        if isinstance(sent.error, TurnedAway):
            raise HostError(text)
        if sent.intent.state in {IntentState.REJECTED, IntentState.DENIED}:
            raise InvalidOrder(text)
        raise HostError(text)

    # Asking

    def fetch_order(self, market: str, order_id: str, *, is_stop: bool = False) -> OrderReport:
        """Ask for an order; an accepted order that the exchange denies is not taken for gone."""
        if order_id.startswith("ext-"):
            raise InvalidOrder(order_id)
        try:
            report = self._venue.order(market, order_id, is_stop=is_stop)
            if report is not None and is_stop and report.status is OrderStatus.FILLED:
                report = self._venue.order_of_stop(market, order_id) or report
        except VenueError as error:
            raise HostError(str(error)) from error
        if report is not None:
            return report
        intent = self._intents.by_venue_order(market, order_id)
        if intent is not None and intent.state is IntentState.CONFIRMED:
            raise HostError(f"the exchange denies order {order_id}, which it has accepted")
        raise InvalidOrder(f"no such order: {order_id}")

    def cancel_order(self, market: str, order_id: str, quantity: Decimal) -> OrderReport | None:
        """Cancel with result; None: Freqtrade's made-up answer, canceled without fills."""
        try:
            self._venue.cancel_named(market, order_id, is_stop=False)
        except NoSuchOrder:
            pass
        except VenueError as error:
            raise HostError(str(error)) from error
        try:
            return self.fetch_order(market, order_id)
        except InvalidOrder:
            return None

    def cancel_stop(self, market: str, order_id: str) -> OrderReport | None:
        """Cancel a stop; `InvalidOrder` where there is none to cancel any more."""
        try:
            self._venue.cancel_named(market, order_id, is_stop=True)
        except NoSuchOrder as error:
            raise InvalidOrder(str(error)) from error
        except VenueError as error:
            raise HostError(str(error)) from error
        try:
            return self.fetch_order(market, order_id, is_stop=True)
        except InvalidOrder:
            return None


def _is(asked: Asked, record: SpreadRecord, leg: LegName, order: SubmitOrder) -> bool:
    same = (asked.market, asked.side.value, asked.reduce_only) == (
        market_of(record, leg),
        order.side.value,
        order.reduce_only,
    )
    lot = record.position.leg(leg).lot
    return same and abs(asked.quantity - order.quantity) < max(lot, Decimal("1e-12"))
