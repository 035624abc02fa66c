"""What must hold when a fair exchange has brought everything to rest."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from freqtrade_ext.execution import DifferenceKind, IntentPurpose, PassReport
from freqtrade_ext.sandbox.journal import OrderFilled
from freqtrade_ext.spreads import LegName, SpreadRecord, SpreadState
from rehearsals.simulation._books import HostBooks
from rehearsals.simulation._market import LOT, MARKETS
from rehearsals.simulation._process import Process
from rehearsals.simulation._stores import Database
from rehearsals.simulation._world import World

__all__ = ["Ledger", "problems"]

ZERO = Decimal(0)


class Ledger:
    """What the exchange's journal says of whose fills they were."""

    def __init__(self, world: World, database: Database) -> None:
        self._world = world
        self._database = database

    def left_by_others(self, market: str, books: HostBooks) -> Decimal:
        """Signed quantity that no row of the books shows: of others, and what closed it."""
        known = {order.order_id for _, order in books.orders()}
        total = ZERO
        for fill in self._world.fills:
            intent = self._database.intents.get(fill.client_order_id)
            is_repair = intent is not None and intent.purpose is IntentPurpose.REPAIR
            is_strange = fill.origin not in {"client", "trigger"}
            if fill.symbol == market and str(fill.venue_order_id) not in known:
                counts = is_repair or is_strange or self.closed_what_others_added(fill)
                counts = counts or self.was_written_off(fill, books)
                total += _signed(fill) if counts else ZERO
        for trade, order in books.orders():
            if trade.market == market and order.order_id.startswith("ext-"):
                total -= order.filled * order.side.sign
        return total

    def was_added_to(self, market: str) -> bool:
        """Whether another hand has made a position of a market bigger."""
        return any(
            fill.symbol == market and fill.origin == "external" and _adds(fill)
            for fill in self._world.fills
        )

    def closed_what_others_added(self, fill: OrderFilled) -> bool:
        """
        Whether a fill of ours could close nothing but another hand's, and a person was told.

        A closing order is on its way when the stop of its leg fills, or the stop fills when an
        exit has closed the leg and the bot is dead: being reduce-only, it finds only what somebody
        has added, and no trade that could show it.
        """
        intent = self._database.intents.get(fill.client_order_id)
        if intent is None or not intent.reduce_only or not self.was_added_to(fill.symbol):
            return False
        name, nobody_s = intent.client_order_id, DifferenceKind.UNKNOWN_POSITION
        return any(
            f" order {name} " in item.text or (item.kind is nobody_s and f"({name})" in item.text)
            for item in self._database.items.values()
        )

    def was_written_off(self, fill: OrderFilled, books: HostBooks) -> bool:
        """
        Whether a closing order that could not be written down is in the books as a write-off.

        It leaves while the database is down; if the process dies then, and the exchange lists the
        order later than its position, nobody can know whose it was. The partner does not wait.
        """
        if not fill.reduce_only or fill.client_order_id in self._database.intents:
            return False
        return self._database.failures > 0 and any(
            order.order_id.startswith("ext-")
            and (trade.market, order.side.value) == (fill.symbol, fill.side)
            and (order.filled == fill.quantity or self.was_added_to(fill.symbol))
            and order.created_ms >= fill.time_ms
            for trade, order in books.orders()
        )

    def was_touched(self, market: str) -> bool:
        """Whether another hand has traded in a market."""
        hands = {"external", "liquidation", "adl"}
        return any(fill.symbol == market and fill.origin in hands for fill in self._world.fills)


def _signed(fill: OrderFilled) -> Decimal:
    return fill.quantity if fill.side == "buy" else -fill.quantity


def _adds(fill: OrderFilled) -> bool:
    return fill.position * _signed(fill) > 0


def problems(
    world: World, database: Database, process: Process, last: PassReport, *, must_be_flat: bool
) -> list[str]:
    """List every invariant that does not hold."""
    ledger = Ledger(world, database)
    found = [
        *_duplicates(world),
        *_overfilled(world, database, process, ledger),
        *_lost(world, database, process.books, ledger),
        *_own_legs_repaired(world, database, ledger),
        *_apart(world, process.books, ledger, database),
        *_orphans(process, must_be_flat=must_be_flat),
        *_stray_orders(world, process.books, database),
        *_noise(last, ledger),
        *_answered(database, process),
    ]
    return list(dict.fromkeys(found))


def _duplicates(world: World) -> Iterator[str]:
    orders: dict[str, set[int]] = {}
    for fill in world.fills:
        orders.setdefault(fill.client_order_id, set()).add(fill.venue_order_id)
    for name, ids in orders.items():
        if len(ids) > 1:
            yield f"duplicate: {name} filled as {len(ids)} orders"


def _overfilled(
    world: World, database: Database, process: Process, ledger: Ledger
) -> Iterator[str]:
    """No episode of a spread buys more of a leg than it has planned."""
    bought: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fill in world.fills:
        intent = database.intents.get(fill.client_order_id)
        if intent is not None and intent.purpose is IntentPurpose.ENTRY:
            episode = fill.client_order_id.rpartition("-")[2]
            bought[intent.market, episode] += fill.quantity
    for (market, episode), quantity in bought.items():
        wanted = process.planned.get(market, ZERO)
        if quantity > wanted and not ledger.was_touched(market):
            yield f"duplicate: {market} bought {quantity} of {wanted} in episode {episode}"


def _lost(world: World, database: Database, books: HostBooks, ledger: Ledger) -> Iterator[str]:
    """Every fill of ours is in the books, or closed what was not in them."""
    known = {order.order_id for _, order in books.orders()}
    for fill in world.fills:
        intent = database.intents.get(fill.client_order_id)
        if fill.origin not in {"client", "trigger"} or str(fill.venue_order_id) in known:
            continue
        if intent is None:
            if not ledger.was_written_off(fill, books):
                yield f"lost: {fill.client_order_id} filled and was never written down"
        elif intent.purpose is IntentPurpose.REPAIR or intent.venue_order_id in known:
            continue
        elif not ledger.closed_what_others_added(fill):
            yield f"lost: {fill.client_order_id} ({intent.purpose}) filled, not in the books"


def _own_legs_repaired(world: World, database: Database, ledger: Ledger) -> Iterator[str]:
    """Only what a stranger has done is repaired by an order."""
    for fill in world.fills:
        intent = database.intents.get(fill.client_order_id)
        is_repair = intent is not None and intent.purpose is IntentPurpose.REPAIR
        if is_repair and not ledger.was_touched(fill.symbol):
            yield f"orphan: {fill.client_order_id} has closed what was ours in {fill.symbol}"


def _apart(world: World, books: HostBooks, ledger: Ledger, database: Database) -> Iterator[str]:
    """Books and exchange hold the same; what a person has left over is reported, to the lot."""
    items = {(item.market, item.kind) for item in database.items.values() if item.closed_ms is None}
    for market in MARKETS:
        actual, booked = world.exchange.position(market).quantity, books.held(market)
        gap = actual - booked
        if abs(gap) < LOT:
            continue
        left = ledger.left_by_others(market, books)
        is_reported = (market, DifferenceKind.UNKNOWN_POSITION) in items
        if booked == 0 and is_reported and gap == left and ledger.was_added_to(market):
            continue
        yield f"apart: {market} holds {actual}, the books {booked}; others left {left}"


def _orphans(process: Process, *, must_be_flat: bool) -> Iterator[str]:
    """An open spread is hedged, and every open trade belongs to one."""
    owned: set[tuple[str, str]] = set()
    for spread_id, record in process.desk.records.items():
        position = record.position
        if position.state is not SpreadState.OPEN or position.has_working_orders:
            yield f"not at rest: {spread_id} is {position.state}"
            continue
        if must_be_flat:
            yield f"not at rest: {spread_id} was to be closed"
        owned |= {(spread_id, leg.value) for leg in LegName}
        yield from _unhedged(process.books, record)
    for trade in process.books.open_trades():
        if not trade.amount and not trade.open_orders:
            continue  # Freqtrade's: canceled without a fill just before a crash, it stays open
        if tuple(trade.tag.split(" ")[::2]) not in owned:
            yield f"orphan: trade {trade.trade_id} of {trade.market} is nobody's"


def _unhedged(books: HostBooks, record: SpreadRecord) -> Iterator[str]:
    """Both legs hold the same share of the plan, within one lot of each."""
    name, plan = record.position.spread_id, record.position.plan
    if plan is None:
        yield f"orphan: {name} is open without a plan"
        return
    shares, lots = [], ZERO
    for leg in LegName:
        held, wanted = books.held(record.market(leg)), plan.leg(leg).quantity
        shares.append(held / wanted)
        lots += LOT / abs(wanted)
        if held * wanted <= 0:
            yield f"orphan: {name} holds {held} of leg {leg}"
    if abs(shares[0] - shares[1]) > lots:
        yield f"orphan: {name} is hedged {shares[0]} to {shares[1]}"


def _stray_orders(world: World, books: HostBooks, database: Database) -> Iterator[str]:
    """Nothing of ours is open on the exchange without an open trade that knows it."""
    known = {o.order_id for trade in books.open_trades() for o in trade.orders if o.is_open}
    # A reducing order leaves even when it cannot be written down; after a crash it is nobody's.
    reported = " ".join(
        item.text
        for item in database.items.values()
        if item.kind is DifferenceKind.FOREIGN_ORDER and item.closed_ms is None
    )
    for order in world.exchange.book.working():
        if order.origin != "external" and str(order.venue_order_id) not in known:
            yield f"stray: order {order.client_order_id} of {order.symbol} is open"
    for trigger in world.exchange.book.waiting():
        is_unwritten = trigger.client_order_id not in database.intents
        if is_unwritten and trigger.client_order_id in reported:
            continue
        if str(trigger.trigger_id) not in known:
            yield f"stray: stop {trigger.client_order_id} of {trigger.symbol} is open"


def _noise(last: PassReport, ledger: Ledger) -> Iterator[str]:
    """The second pass is silent, but for what is only reported, for a reason."""
    for action in last.actions:
        yield f"not silent: {action.market}: {action.text}"
    for error in last.errors:
        yield f"not silent: {error}"
    for difference in last.differences:
        reported = {DifferenceKind.UNKNOWN_POSITION, DifferenceKind.PNL_MISMATCH}
        is_a_persons = difference.kind in reported and ledger.was_touched(difference.market)
        if difference.kind is not DifferenceKind.FOREIGN_ORDER and not is_a_persons:
            yield f"not silent: {difference.text}"


def _answered(database: Database, process: Process) -> Iterator[str]:
    """The inbox names the orders that nobody can answer for, and no other."""
    ghosts = {each.client_order_id for each in process.guard.open_questions() if each.is_ghost}
    named = {
        item.key.rpartition(":")[2]
        for item in database.items.values()
        if ":ghost:" in item.key and item.closed_ms is None
    }
    for name in sorted(ghosts ^ named):
        yield f"not silent: {name} is a ghost or in the inbox as one, not both"
