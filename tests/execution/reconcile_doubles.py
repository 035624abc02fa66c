"""A world for reconciliation: an exchange, books, a guard and an inbox, too simple to be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import (
    Accepted,
    AccountBooks,
    AccountSnapshot,
    Answer,
    BookedOrderRef,
    BookedTrade,
    FillReport,
    InboxItem,
    Intent,
    IntentPurpose,
    IntentState,
    OrderKind,
    OrderOrigin,
    OrderReport,
    OrderSide,
    OrderStatus,
    PositionReport,
    Reconciler,
    Rejected,
    Unanswered,
)
from freqtrade_ext.settings import PolicySettings

BTC, ETH, OWN = "BTC/USDT:USDT", "ETH/USDT:USDT", "DOGE/USDT:USDT"
LOTS = {BTC: Decimal("0.001"), ETH: Decimal("0.01"), OWN: Decimal(1)}
PRICE = Decimal(100)
START_MS = 1_900_000_000_000
D = Decimal


def position(market: str, quantity: str | Decimal, **changes) -> PositionReport:
    """Build a position bought at 100 and standing at 100."""
    margin = abs(D(quantity)) * PRICE / 3
    given = PositionReport(market, D(quantity), PRICE, PRICE, D(0), 3.0, "isolated", margin)
    return replace(given, **changes)


def order(market: str, signed: str | Decimal, **changes) -> OrderReport:
    """Build a filled market order of somebody else."""
    quantity = abs(D(signed))
    given = OrderReport(
        venue_order_id="900",
        client_order_id="web_1",
        market=market,
        side=OrderSide.BUY if D(signed) > 0 else OrderSide.SELL,
        kind=OrderKind.MARKET,
        quantity=quantity,
        filled_quantity=quantity,
        status=OrderStatus.FILLED,
        reduce_only=False,
        time_ms=START_MS,
        average_price=PRICE,
    )
    return replace(given, **changes)


def open_order(market: str, signed: str | Decimal, **changes) -> OrderReport:
    """Build a limit order that rests untouched."""
    changes = {"status": OrderStatus.OPEN, "kind": OrderKind.LIMIT, **changes}
    return order(market, signed, **{"filled_quantity": D(0), **changes})


def trade(market: str, quantity: str | Decimal, **changes) -> BookedTrade:
    """Build a trade of the books, opened an hour ago."""
    hour_ago = START_MS - 3_600_000
    given = BookedTrade(
        7, market, D(quantity), PRICE, 3.0, "isolated", opened_ms=hour_ago, changed_ms=hour_ago
    )
    return replace(given, **changes)


def intent(market: str, signed: str | Decimal, **changes) -> Intent:
    """Build a confirmed and booked market order of ours."""
    given = Intent(
        client_order_id="fx-1",
        market=market,
        side=OrderSide.BUY if D(signed) > 0 else OrderSide.SELL,
        kind=OrderKind.MARKET,
        quantity=abs(D(signed)),
        reduce_only=False,
        purpose=IntentPurpose.ENTRY,
        attempt=1,
        created_ms=START_MS - 3_600_000,
        state=IntentState.CONFIRMED,
        settled_ms=START_MS - 3_600_000,
        is_booked=True,
    )
    return replace(given, **changes)


def snapshot(*positions: PositionReport, orders=(), taken_ms=START_MS, markets=None):
    """Build a look at the account."""
    by_market = {each.market: each for each in positions}
    return AccountSnapshot(taken_ms, by_market, tuple(orders), markets)


def books(*trades: BookedTrade, markets=(BTC, ETH)) -> AccountBooks:
    """Build books of a bot that trades BTC and ETH."""
    return AccountBooks(tuple(trades), frozenset(markets))


@dataclass
class ManualClock:
    """Time that passes only when told, or while somebody sleeps."""

    ms: int = START_MS

    def now_ms(self) -> int:
        """Return the time."""
        return self.ms

    def sleep(self, seconds: float) -> None:
        """Pass."""
        self.ms += int(seconds * 1000)


@dataclass
class ToyExchange:
    """
    An exchange that fills market orders at once, at 100.

    `failing`: names of queries that fail. `next_answers`: what happens to the next orders: "lost"
    (filled, no answer), "dropped" (never arrived, no answer), "rejected", "resting" (acknowledged
    and filled by `fill_resting`).
    """

    clock: ManualClock
    held: dict[str, Decimal] = field(default_factory=dict)
    mark: Decimal = PRICE
    resting: list[OrderReport] = field(default_factory=list)
    history: list[OrderReport] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    next_answers: list[str] = field(default_factory=list)
    submitted: list[Intent] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    stale_positions: dict[str, Decimal] | None = None
    count: int = 0

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if name in self.failing or "all" in self.failing:
            raise VenueError(f"{name}: no answer")

    def _next_id(self) -> str:
        self.count += 1
        return str(1000 + self.count)

    # What others do.

    def trade(
        self, market: str, signed: str | Decimal, origin: OrderOrigin = OrderOrigin.ACCOUNT
    ) -> OrderReport:
        """Let a person, or the exchange, trade."""
        return self._fill(market, D(signed), f"web_{self.count}", origin)

    def place(self, market: str, signed: str, client_order_id: str = "web_limit") -> OrderReport:
        """Let a person place a limit order."""
        placed = open_order(
            market,
            signed,
            venue_order_id=self._next_id(),
            client_order_id=client_order_id,
            time_ms=self.clock.ms,
        )
        self.resting.append(placed)
        return placed

    def fill_resting(self, client_order_id: str) -> None:
        """Fill an order that was acknowledged only."""
        found = next(each for each in self.resting if each.client_order_id == client_order_id)
        self.resting.remove(found)
        filled = replace(found, filled_quantity=found.quantity, status=OrderStatus.FILLED)
        self._move(filled)

    def _fill(
        self, market: str, signed: Decimal, client_order_id: str, origin=OrderOrigin.ACCOUNT
    ) -> OrderReport:
        filled = order(
            market,
            signed,
            venue_order_id=self._next_id(),
            client_order_id=client_order_id,
            time_ms=self.clock.ms,
            origin=origin,
        )
        self._move(filled)
        return filled

    def _move(self, filled: OrderReport) -> None:
        self.history.append(filled)
        self.held[filled.market] = self.held.get(filled.market, D(0)) + filled.signed_filled

    # The port.

    def submit(self, intents: Sequence[Intent]) -> list[Answer]:
        """Take orders."""
        return [self._take(each) for each in intents]

    def _take(self, sent: Intent) -> Answer:
        self.submitted.append(sent)
        fate = self.next_answers.pop(0) if self.next_answers else "filled"
        if "all" in self.failing or fate == "dropped":
            return Unanswered("no answer")
        if fate == "rejected":
            return Rejected("margin is insufficient")
        if fate == "resting":
            signed = str(sent.signed_quantity)
            return Accepted(self.place(sent.market, signed, sent.client_order_id))
        held = self.held.get(sent.market, D(0))
        quantity = sent.quantity
        if sent.reduce_only:
            if held * sent.side.sign >= 0:
                return Rejected("reduce-only order is rejected")
            quantity = min(quantity, abs(held))
        filled = self._fill(sent.market, quantity * sent.side.sign, sent.client_order_id)
        return Unanswered("no answer") if fate == "lost" else Accepted(filled)

    def look_up(self, wanted: Intent) -> OrderReport | None:
        """Find an order by its client order id."""
        self._ask("look_up")
        if wanted.client_order_id in self.hidden:
            return None
        for each in (*self.resting, *self.history):
            if each.client_order_id == wanted.client_order_id:
                return each
        return None

    def open_orders(self, market: str | None = None) -> list[OrderReport]:
        """Return what rests."""
        self._ask("open_orders")
        return [each for each in self.resting if market in {None, each.market}]

    def orders(self, market: str, since_ms: int) -> list[OrderReport]:
        """Return what has ended."""
        self._ask("orders")
        return [each for each in self.history if each.market == market and each.time_ms >= since_ms]

    def fills(self, market: str, since_ms: int) -> list[FillReport]:
        """Return executions."""
        self._ask("fills")
        return [
            FillReport(
                f"f{each.venue_order_id}",
                each.venue_order_id,
                market,
                each.side,
                each.filled_quantity,
                each.average_price or PRICE,
                each.time_ms,
            )
            for each in self.history
            if each.market == market and each.time_ms >= since_ms
        ]

    def positions(self) -> dict[str, PositionReport]:
        """Return what is not flat."""
        self._ask("positions")
        held = self.held if self.stale_positions is None else self.stale_positions
        return {
            market: position(market, quantity, mark_price=self.mark)
            for market, quantity in held.items()
            if quantity
        }

    def cancel(self, given: OrderReport) -> None:
        """Take an order off the book."""
        self._ask("cancel")
        self.canceled.append(given.venue_order_id)
        self.resting = [e for e in self.resting if e.venue_order_id != given.venue_order_id]


@dataclass
class ToyBooks:
    """Books that follow an adopted order at once; `refusing`: client ids that they cannot take."""

    clock: ManualClock
    trades: list[BookedTrade] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    refusing: set[str] = field(default_factory=set)
    written_off: list[tuple[int, Decimal, Decimal]] = field(default_factory=list)
    adopted: list[OrderReport] = field(default_factory=list)
    markets: frozenset[str] = frozenset({BTC, ETH})
    takes_write_offs: bool = True

    def read(self) -> AccountBooks:
        """Read them."""
        return AccountBooks(tuple(self.trades), self.markets)

    def has_order(self, market: str, venue_order_id: str) -> bool:
        """Whether an order was ever entered."""
        refs = {ref.venue_order_id for each in self.trades for ref in each.orders}
        return venue_order_id in self.known | refs

    def adopt(self, report: OrderReport, meant: Intent | None) -> bool:
        """Enter an order."""
        if report.client_order_id in self.refusing:
            return False
        found = next((each for each in self.trades if each.market == report.market), None)
        if found is None:
            if meant is None or meant.reduce_only:
                return False
            found = trade(report.market, 0, trade_id=len(self.known) + 100)
            found = replace(found, opened_ms=report.time_ms)
            self.trades.append(found)
        after = found.quantity + report.signed_filled
        if after * found.quantity < 0:
            return False  # a trade does not change its side
        self.known.add(report.venue_order_id)
        self.adopted.append(report)
        ref = BookedOrderRef(
            report.venue_order_id, report.market, not report.status.is_final, is_stop=False
        )
        self._put(found, after, (*found.orders, ref))
        return True

    def write_off(self, given: BookedTrade, quantity: Decimal, price: Decimal, text: str) -> bool:
        """Take out a quantity."""
        if not self.takes_write_offs:
            return False
        self.written_off.append((given.trade_id, quantity, price))
        sign = 1 if given.quantity > 0 else -1
        self._put(given, given.quantity - quantity * sign, given.orders)
        return True

    def _put(self, old: BookedTrade, quantity: Decimal, orders) -> None:
        place = next(n for n, each in enumerate(self.trades) if each.trade_id == old.trade_id)
        if quantity == 0 and all(not ref.is_open for ref in orders):
            del self.trades[place]
            return
        self.trades[place] = replace(
            old, quantity=quantity, orders=orders, changed_ms=self.clock.ms
        )

    def flattening_intents(self, market: str) -> list[Intent]:
        """Repairs are known to the guard."""
        return []


@dataclass
class ToyGuard:
    """A guard that asks once a call, and gives an order up 30 s after it was sent."""

    exchange: ToyExchange
    clock: ManualClock
    intents: dict[str, Intent] = field(default_factory=dict)

    def send(self, intents: Sequence[Intent]) -> list["ToyOutcome"]:
        """Send each at most once."""
        outcomes = []
        for each in intents:
            assert each.client_order_id not in self.intents, "sent twice"
            (answer,) = self.exchange.submit([each])
            now = self.clock.ms
            report = None
            if isinstance(answer, Accepted):
                report = answer.report
                each = self._confirmed(each, report)
            elif isinstance(answer, Rejected):
                each = each.step(IntentState.REJECTED, now, text=answer.text)
            else:
                each = replace(each.step(IntentState.UNKNOWN, now), sent_ms=now)
            self.intents[each.client_order_id] = each
            outcomes.append(ToyOutcome(each, report))
        return outcomes

    def _confirmed(self, each: Intent, report: OrderReport) -> Intent:
        step = each.step(IntentState.CONFIRMED, self.clock.ms)
        return replace(step, venue_order_id=report.venue_order_id)

    def ask(self) -> list["ToyOutcome"]:
        """Ask for every open question once."""
        changed = []
        for each in self.open_questions():
            try:
                report = self.exchange.look_up(each)
            except VenueError:
                continue
            if report is not None:
                after = self._confirmed(each, report)
            elif self.clock.ms - (each.sent_ms or 0) >= 30_000:
                after = each.step(IntentState.ABSENT, self.clock.ms)
            else:
                continue
            self.intents[each.client_order_id] = after
            changed.append(ToyOutcome(after, report))
        return changed

    def find(self, client_order_id: str) -> Intent | None:
        """Find one."""
        return self.intents.get(client_order_id)

    def open_questions(self, market: str | None = None) -> list[Intent]:
        """Return what is unknown."""
        return [
            each
            for each in self.intents.values()
            if each.state.is_open_question and market in {None, each.market}
        ]

    def unbooked(self) -> list[Intent]:
        """Return what is confirmed and not booked."""
        return [
            each
            for each in self.intents.values()
            if each.state is IntentState.CONFIRMED and not each.is_booked
        ]

    def mark_booked(self, client_order_id: str) -> None:
        """Note it."""
        known = self.intents[client_order_id]
        self.intents[client_order_id] = replace(known, is_booked=True)


@dataclass(frozen=True)
class ToyOutcome:
    """What became of an order."""

    intent: Intent
    report: OrderReport | None = None


@dataclass
class ToyInbox:
    """An inbox in memory."""

    items: list[InboxItem] = field(default_factory=list)

    def open_items(self) -> list[InboxItem]:
        """Return what is open."""
        return [item for item in self.items if item.closed_ms is None]

    def save(self, item: InboxItem) -> InboxItem:
        """Keep an item; a decision is written by `decide` alone."""
        if item.id == 0:
            item = replace(item, id=len(self.items) + 1)
            self.items.append(item)
        else:
            kept = self.items[item.id - 1].decision
            self.items[item.id - 1] = replace(item, decision=kept)
        return item

    def decide(self, item_id: int, decision: str) -> None:
        """Decide as a person does: with a word."""
        self.items[item_id - 1] = replace(self.items[item_id - 1], decision=decision)


class World:
    """All of them around a reconciler."""

    def __init__(self, policies: PolicySettings | None = None) -> None:
        self.clock = ManualClock()
        self.exchange = ToyExchange(self.clock)
        self.books = ToyBooks(self.clock)
        self.guard = ToyGuard(self.exchange, self.clock)
        self.inbox = ToyInbox()
        self.policies = policies or PolicySettings()
        self.restart()

    def restart(self, **options) -> None:
        """Lose what is only in memory."""
        self.reconciler = Reconciler(
            self.exchange,
            self.guard,
            self.books,
            self.policies,
            self.inbox,
            self.clock,
            LOTS.__getitem__,
            **options,
        )

    def holds(self, market: str, quantity: str, *, booked: str | None = None) -> None:
        """Let a trade be open: on the exchange, and in the books (the same unless said)."""
        self.exchange.held[market] = D(quantity)
        self.books.trades.append(
            trade(market, booked or quantity, trade_id=len(self.books.trades) + 7)
        )

    def send(self, market: str, signed: str | Decimal, **changes) -> Intent:
        """Let the bot send an order that nobody has booked yet."""
        number = len(self.guard.intents) + 1
        meant = intent(
            market,
            signed,
            client_order_id=f"fx-{number}",
            state=IntentState.WRITTEN,
            settled_ms=None,
            is_booked=False,
            created_ms=self.clock.ms,
        )
        return self.guard.send([replace(meant, **changes)])[0].intent

    def look_and_act(self, passes: int = 1, *, markets=None, seconds: float = 5.0):
        """Let time pass, look and act; return the last pass."""
        for _ in range(passes):
            self.clock.sleep(seconds)
            report = self.reconciler.act(self.reconciler.look(markets))
        return report

    @property
    def repairs(self) -> list[Intent]:
        """Repair orders that were submitted."""
        return [e for e in self.exchange.submitted if e.purpose is IntentPurpose.REPAIR]
