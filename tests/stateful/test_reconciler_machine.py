"""The reconciler in a world where anybody trades at any time, orders get lost, and lines fail.

Planted bugs that the machine finds, with the check that turns red (more are found by
`tests/execution/test_reconciler.py`, which lists them):

- a repair closes the whole position, or is not reduce-only (no_mistakes);
- a repair trusts the old snapshot (no_mistakes);
- the fill of a repair is entered into the books (no_mistakes);
- a whole trade is written off for a part of it (no_mistakes);
- two lots are taken for equal (everybody_rests);
- positions of the owner are closed too (nothing_of_the_owner_is_touched);
- an item is opened at each pass (nobody_is_told_twice).
"""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from freqtrade_ext.errors import VenueError
from freqtrade_ext.execution import IntentPurpose, OrderOrigin
from freqtrade_ext.settings import PolicySettings
from tests.execution.reconcile_doubles import BTC, ETH, LOTS, OWN, ToyBooks, ToyExchange, World

MARKETS = st.sampled_from([BTC, ETH])
LOT_COUNTS = st.one_of(st.integers(-3, 3), st.integers(-300, 300)).filter(bool)
FATES = st.sampled_from(["filled", "filled", "lost", "dropped", "rejected"])
POLICIES = PolicySettings(unknown_position="flatten", foreign_order="flatten")
QUERIES = st.sampled_from(["positions", "open_orders", "orders", "look_up", "fills", "cancel"])


class AuditedExchange(ToyExchange):
    """Checks every repair against what is in excess at that moment."""

    world: World
    mistakes: list[str]

    def _take(self, sent):
        if sent.purpose is IntentPurpose.REPAIR:
            excess = self.held.get(sent.market, Decimal(0)) - self.world.books.read().held(
                sent.market
            )
            if not sent.reduce_only:
                self.mistakes.append(f"not reduce-only: {sent}")
            if sent.quantity > abs(excess) or excess * sent.side.sign > 0:
                self.mistakes.append(f"{sent.signed_quantity} against an excess of {excess}")
        return super()._take(sent)


class AuditedBooks(ToyBooks):
    """Checks every entry."""

    exchange: AuditedExchange

    def adopt(self, report, meant):
        if meant is not None and meant.purpose is IntentPurpose.REPAIR:
            self.exchange.mistakes.append(f"a repair was entered: {report}")
        return super().adopt(report, meant)

    def write_off(self, given, quantity, price, text):
        held = self.exchange.held.get(given.market, Decimal(0))
        if quantity > abs(self.read().held(given.market) - held):
            self.exchange.mistakes.append(f"{quantity} written off, {held} held: {given}")
        return super().write_off(given, quantity, price, text)


class ReconcilerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World(POLICIES)
        self.exchange = AuditedExchange(self.world.clock)
        self.exchange.world, self.exchange.mistakes = self.world, []
        self.world.exchange = self.world.guard.exchange = self.exchange
        self.world.books = AuditedBooks(self.world.clock)
        self.world.books.exchange = self.exchange
        self.world.restart()
        self.owners = Decimal(0)

    def quantity(self, market, lots):
        return LOTS[market] * lots

    # The bot.

    @rule(market=MARKETS, lots=LOT_COUNTS, fate=FATES)
    def bot_trades(self, market, lots, fate):
        """An entry, or an exit where there is a trade; booked at once if it was answered."""
        world = self.world
        if world.guard.open_questions(market):
            return  # the guard's market is busy
        booked = world.books.read().held(market)
        signed = -booked if booked else self.quantity(market, lots)
        self.exchange.next_answers = [fate]
        before = len(self.exchange.history)
        sent = world.send(market, signed, reduce_only=bool(booked))
        if fate == "filled" and len(self.exchange.history) > before:
            world.books.adopt(self.exchange.history[-1], sent)

    @rule(market=MARKETS, lots=LOT_COUNTS)
    def bot_forgets_an_order(self, market, lots):
        """An order of ours is still open that the books no longer know."""
        world = self.world
        self.exchange.next_answers = ["resting"]
        sent = world.send(market, self.quantity(market, lots))
        world.guard.mark_booked(sent.client_order_id)

    # Others.

    @rule(market=MARKETS, lots=LOT_COUNTS)
    def a_person_trades(self, market, lots):
        self.exchange.trade(market, self.quantity(market, lots))

    @rule(
        market=MARKETS,
        share=st.sampled_from([1, 2, 3]),
        origin=st.sampled_from([OrderOrigin.LIQUIDATION, OrderOrigin.ADL, OrderOrigin.ACCOUNT]),
        is_listed=st.booleans(),
    )
    def a_position_is_reduced(self, market, share, origin, is_listed):
        """By the exchange or a person; sometimes no order is listed for it."""
        held = self.exchange.held.get(market, Decimal(0))
        part = held / share // LOTS[market] * LOTS[market]
        if part:
            self.exchange.trade(market, -part, origin)
            if not is_listed:
                self.exchange.history.pop()

    @rule(market=MARKETS, lots=LOT_COUNTS)
    def a_person_places_an_order(self, market, lots):
        self.exchange.place(market, str(self.quantity(market, lots)))

    @rule(lots=LOT_COUNTS)
    def the_owner_trades_elsewhere(self, lots):
        self.exchange.trade(OWN, Decimal(lots))
        self.exchange.place(OWN, str(lots), "web_own")
        self.owners += lots

    # Time and trouble.

    @rule(fates=st.lists(FATES, max_size=2))
    def the_exchange_will_answer_so(self, fates):
        self.exchange.next_answers = list(fates)

    @rule()
    def restart(self):
        self.world.restart()

    @rule(seconds=st.sampled_from([1, 5, 40]))
    def a_pass(self, seconds):
        self.world.look_and_act(seconds=seconds)

    @rule(seconds=st.sampled_from([1, 5, 40]), market=MARKETS)
    def a_pass_over_one_market(self, seconds, market):
        self.world.look_and_act(markets={market}, seconds=seconds)

    @rule(market=MARKETS, lots=LOT_COUNTS)
    def a_pass_with_an_old_snapshot(self, market, lots):
        """Somebody trades between the watcher's look and the bot's loop."""
        self.world.clock.sleep(5)
        seen = self.world.reconciler.look()
        self.exchange.trade(market, self.quantity(market, lots))
        self.world.reconciler.act(seen)

    @rule(market=MARKETS, lots=LOT_COUNTS, is_undone=st.booleans())
    def a_person_adds_and_undoes_it_between_look_and_loop(self, market, lots, is_undone):
        quantity = self.quantity(market, lots)
        self.exchange.trade(market, quantity)
        self.world.look_and_act()
        self.world.clock.sleep(5)
        seen = self.world.reconciler.look()
        if is_undone:
            self.exchange.trade(market, -quantity)
        self.world.reconciler.act(seen)

    @rule()
    def failing_queries_change_nothing(self):
        world, exchange = self.world, self.exchange
        seen = world.reconciler.look()
        exchange.failing = {"all"}
        before = (world.books.read(), dict(exchange.held), list(exchange.resting))
        sent = len(exchange.submitted)
        for _ in range(3):
            world.clock.sleep(5)
            try:
                world.reconciler.look()
            except VenueError:
                continue
            raise AssertionError("a failed query was an answer")
        world.reconciler.act(seen)
        exchange.failing = set()
        booked = (world.books.read(), dict(exchange.held), list(exchange.resting))
        assert booked == before
        assert len(exchange.submitted) == sent

    @rule(query=QUERIES)
    def a_pass_with_one_failing_query(self, query):
        self.exchange.failing = {query}
        try:
            self.world.look_and_act(2)
        except VenueError:
            pass
        finally:
            self.exchange.failing = set()

    @precondition(lambda self: not self.exchange.failing)
    @rule(is_restarted=st.booleans())
    def everybody_rests(self, is_restarted):
        """Left alone, the account comes to rest, and further passes are silent."""
        self.exchange.next_answers = []
        if is_restarted:
            self.world.clock.sleep(5)
            self.world.restart()
            for _ in range(4):
                if self.world.reconciler.run_until_quiet().is_quiet:
                    break
        self.world.look_and_act(20)
        report = self.world.look_and_act()
        assert report.is_silent, report
        assert self.world.inbox.open_items() == []
        books = self.world.books.read()
        for market in (BTC, ETH):
            gap = self.exchange.held.get(market, Decimal(0)) - books.held(market)
            assert abs(gap) < LOTS[market], (market, gap)
            assert not [each for each in self.exchange.resting if each.market == market]

    def teardown(self):
        self.exchange.failing = set()
        self.everybody_rests(is_restarted=False)

    @invariant()
    def no_mistakes(self):
        assert self.exchange.mistakes == []

    @invariant()
    def nothing_of_the_owner_is_touched(self):
        assert self.exchange.held.get(OWN, Decimal(0)) == self.owners
        assert all(each.market != OWN for each in self.world.repairs)
        own = {each.venue_order_id for each in self.exchange.resting if each.market == OWN}
        assert not own & {*self.exchange.canceled}

    @invariant()
    def nobody_is_told_twice(self):
        keys = [item.key for item in self.world.inbox.open_items()]
        assert len(keys) == len({*keys})


TestReconcilerMachine = ReconcilerMachine.TestCase
TestReconcilerMachine.settings = settings(max_examples=150, stateful_step_count=30)
