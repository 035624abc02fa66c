"""Stand-in for the adapter's order gate: whose order it is, and what the host is told of it."""

from decimal import Decimal

from freqtrade_ext.adapters._order_gate import AskedOrder
from freqtrade_ext.adapters._spread_orders import SpreadOrders
from freqtrade_ext.errors import VenueError
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
from rehearsals.simulation._stores import Intents
from rehearsals.simulation._venue import NoSuchOrder, SimulatedVenue, TurnedAway
from rehearsals.simulation._weather import Weather
from rehearsals.simulation._world import LEVERAGE, World

__all__ = ["Gate", "HostError", "InvalidOrder"]


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
        )
        self._intents = intents
        self._serial = 0

    # Sending

    def create_order(self, asked: AskedOrder) -> OrderReport:
        """Send an order through the guard."""
        intents = self._orders.claim(asked) or [self._unclaimed(asked)]
        ready = [intents[0], *(other for other in intents[1:] if self._is_ready(other))]
        if self._world.tracing:
            names = ", ".join(intent.client_order_id for intent in ready)
            self._world.note(f"  host sends {asked.side} {asked.quantity} {asked.market}: {names}")
        outcome = self._guard.send(ready)[0]
        self._world.reach("after_answer")
        return self._answer(outcome)

    def _unclaimed(self, asked: AskedOrder) -> Intent:
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
