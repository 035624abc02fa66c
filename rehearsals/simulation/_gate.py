"""Stand-in for the adapter's order gate: whose order it is, and what the host is told of it."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.adapters._spread_orders import SpreadOrders
from freqtrade_ext.errors import IllegalRequest, VenueError
from freqtrade_ext.execution import (
    Intent,
    IntentPurpose,
    IntentState,
    OrderGuard,
    OrderKind,
    OrderOutcome,
    OrderReport,
    OrderStatus,
)
from freqtrade_ext.spreads import SpreadDesk
from rehearsals.simulation._books import HostBooks
from rehearsals.simulation._stage import tag_parts
from rehearsals.simulation._stores import Intents
from rehearsals.simulation._venue import NoSuchOrder, SimulatedVenue, TurnedAway
from rehearsals.simulation._weather import Weather
from rehearsals.simulation._world import LEVERAGE, World

__all__ = ["Gate", "HostError", "InvalidOrder"]

_SHOWS_STOPS_AFTER_MS = 60_000


class HostError(Exception):
    """What Freqtrade calls a dependency or temporary error: it goes on with the next trade."""


class InvalidOrder(HostError):  # noqa: N818 - Freqtrade's name
    """What Freqtrade takes for the exchange's final word about an order."""


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
        self._books = books
        # The product's own: what is claimed here is what is claimed in a bot.
        self._orders = SpreadOrders(
            desk=lambda: desk,
            markets=frozenset,
            leverage=float(LEVERAGE),
            now_ms=lambda: world.now,
            held=books.held,
            counted=books.counted,
            has_trade=lambda spread_id, leg, market: any(
                tag_parts(trade.tag) == (spread_id, leg.value)
                for trade in books.open_trades(market)
            ),
        )
        self._intents = intents
        self._serial = 0

    # Sending

    def create_order(self, asked: AskedOrder) -> OrderReport:
        """Send an order through the guard."""
        try:
            intents = self._orders.claim(asked) or [self._unclaimed(asked)]
        except IllegalRequest as error:
            raise InvalidOrder(f"not sent: {error}") from error
        ready = [intents[0], *(other for other in intents[1:] if self._is_ready(other))]
        if self._world.tracing:
            names = ", ".join(intent.client_order_id for intent in ready)
            self._world.note(f"  host sends {asked.side} {asked.quantity} {asked.market}: {names}")
        outcomes = self._guard.send(ready)
        following = self._orders.react(outcomes)
        if following:
            self._note("reacts", following)
            self._guard.send(following)
        self._world.reach("after_answer")
        return self._answer(outcomes[0])

    def unwind_left_over(self) -> None:
        """Go on with what an earlier process was unwinding when it died."""
        self._orders.unwind_left_over(self._send_left_over)

    def _send_left_over(self, intents: Sequence[Intent]) -> Sequence[OrderOutcome]:
        self._note("unwinds", intents)
        return self._guard.send(intents)

    def _note(self, what: str, intents: Sequence[Intent]) -> None:
        if self._world.tracing:
            self._world.note(f"  {what}: {', '.join(each.client_order_id for each in intents)}")

    def _unclaimed(self, asked: AskedOrder) -> Intent:
        known = (*self._guard.open_questions(asked.market), *self._guard.unbooked())
        same = [each for each in known if _is_same(each, asked) and not self._is_in_books(each)]
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
            trade_id=next((t.trade_id for t in self._books.open_trades(asked.market)), None),
            leverage=float(LEVERAGE),
            tag="MANUAL" if asked.reduce_only else "",
            held_before=self._books.held(asked.market),
            counted=self._books.counted(asked.market),
        )

    def _is_in_books(self, intent: Intent) -> bool:
        is_booked = any(
            order.order_id == intent.venue_order_id and trade.market == intent.market
            for trade, order in self._books.orders()
        )
        if is_booked:
            self._guard.mark_booked(intent.client_order_id)
        return is_booked

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
            if self._is_in_books(replace(sent.intent, venue_order_id=sent.report.venue_order_id)):
                self._world.note(f"  {sent.intent.client_order_id} is in the books already")
                raise HostError("it is in the books already")
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
        return self._denied(market, order_id)

    def _denied(self, market: str, order_id: str) -> OrderReport:
        intent = self._intents.by_venue_order(market, order_id)
        if intent is None or intent.state is not IntentState.CONFIRMED:
            raise InvalidOrder(f"no such order: {order_id}")
        if intent.kind is not OrderKind.STOP:
            raise HostError(f"the exchange denies order {order_id}, which it has accepted")
        if self._world.now - intent.created_ms >= _SHOWS_STOPS_AFTER_MS:
            raise InvalidOrder(f"no such stop: {order_id}")
        return OrderReport(
            venue_order_id=order_id,
            client_order_id=intent.client_order_id,
            market=market,
            side=intent.side,
            kind=intent.kind,
            quantity=intent.quantity,
            filled_quantity=Decimal(0),
            status=OrderStatus.OPEN,
            reduce_only=True,
            time_ms=intent.created_ms,
            is_conditional=True,
        )

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


def _is_same(intent: Intent, asked: AskedOrder) -> bool:
    order = (intent.market, intent.side, intent.kind, intent.reduce_only, intent.quantity)
    wanted = (asked.market, asked.side, asked.kind, asked.reduce_only, asked.quantity)
    return order == wanted and intent.price == asked.price and intent.owner is None
