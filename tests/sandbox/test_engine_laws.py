"""Laws that hold whatever a client does and wherever the price goes.

Bugs that were planted one by one and turned a test of this folder red: a fee added instead of
taken; isolated margin released in full by a partial close; a reduce-only order that turns the
position; funding with the wrong sign; liquidation by the last price instead of the mark; a trigger
on the mark price that blinds later ones; client ids unique for ever; reducing orders that survive
their position; margin counted for both sides of the book; a resting fill charged as taker; a
triggered order whose conditional order stays open.
"""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.sandbox.engine import (
    CancelAllOrders,
    MarginMode,
    OrderType,
    PlaceOrder,
    PlaceTrigger,
    Rejection,
    SetLeverage,
    SetMarginMode,
    Side,
    TriggerType,
)
from freqtrade_ext.sandbox.journal import OrderFilled

from .doubles import D, Desk

SYMBOLS = ("BTCUSDT", "ETHUSDT")
symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from(Side)
quantities = st.integers(1, 5_000).map(lambda n: D(n) / 100)
prices = st.integers(800, 1_250).map(lambda n: D(n) / 10)

orders = st.builds(
    lambda symbol, side, quantity, price, reduce_only: PlaceOrder(
        symbol,
        side,
        OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity,
        price,
        reduce_only=reduce_only,
    ),
    symbols,
    sides,
    quantities,
    st.none() | prices,
    st.booleans(),
)
triggers = st.builds(
    PlaceTrigger,
    symbols,
    sides,
    st.sampled_from([TriggerType.STOP_MARKET, TriggerType.TAKE_PROFIT_MARKET]),
    prices,
    quantities,
    reduce_only=st.booleans(),
)
settings_changes = st.builds(SetLeverage, symbols, st.integers(1, 50)) | st.builds(
    SetMarginMode, symbols, st.sampled_from(MarginMode)
)
moves = st.tuples(symbols, prices, st.sampled_from([1, 1_000, 300_000]))
fundings = st.tuples(symbols, st.integers(-30, 30).map(lambda n: D(n) / 10_000))
steps = st.lists(
    orders
    | orders
    | triggers
    | settings_changes
    | st.builds(CancelAllOrders, symbols)
    | moves.map(lambda move: ("move", *move))
    | fundings.map(lambda event: ("funding", *event)),
    max_size=40,
)


def play(plan: list[object]) -> Desk:
    """Run a plan; refusals are part of life."""
    desk = Desk(2_000, BTCUSDT=100, ETHUSDT=100)
    for step in plan:
        match step:
            case ("move", symbol, price, ms):
                desk.move(symbol, price, ms)
            case ("funding", symbol, rate):
                desk.market.pay_funding(symbol, rate, desk.clock.now_ms + 1, mark=100)
                desk.wait(2)
            case _:
                try:
                    desk.do(step)
                except Rejection:
                    continue
    return desk


@given(steps)
def test_the_wallet_is_the_sum_of_its_ledger(plan):
    desk = play(plan)
    assert desk.wallet == sum(entry.amount for entry in desk.exchange.account.ledger)


@given(steps)
def test_positions_are_the_sum_of_the_fills(plan):
    desk = play(plan)
    for symbol in SYMBOLS:
        held = sum(
            (f.quantity * f.side.sign for f in desk.exchange.book.fills if f.symbol == symbol),
            Decimal(0),
        )
        assert desk.exchange.position(symbol).quantity == held


@given(steps)
def test_money_is_neither_made_nor_lost_but_at_the_market(plan):
    """Cash paid for what is held, and nothing else, separates the wallet from its start."""
    desk = play(plan)
    account, fills = desk.exchange.account, desk.exchange.book.fills
    traded = -sum((f.quantity * f.price * f.side.sign for f in fills), Decimal(0))
    invested = sum((p.entry_notional for p in account.positions.values()), Decimal(0))
    other = sum(
        (e.amount for e in account.ledger if e.kind != "realized_pnl"),
        Decimal(0),
    )
    # every realized profit may be rounded by half of the wallet's smallest unit
    assert abs(desk.wallet - (other + traded + invested)) <= len(fills) * Decimal("0.00000001")


@given(steps)
def test_isolated_margin_belongs_to_positions(plan):
    desk = play(plan)
    for position in desk.exchange.account.positions.values():
        if not position.quantity or not position.is_isolated:
            assert position.isolated_wallet == 0
        if not position.quantity:
            assert position.entry_notional == 0


@given(steps)
def test_nothing_stands_that_should_have_been_liquidated(plan):
    desk = play(plan)
    desk.wait(1)
    for position in desk.exchange.account.held:
        if position.is_isolated:
            mark = desk.exchange.mark_price(position.symbol)
            equity = position.isolated_wallet + position.unrealized_pnl(mark)
            assert equity > desk.exchange.maintenance_margin(position.symbol)


@given(steps)
def test_reduce_only_orders_never_open_or_turn_a_position(plan):
    desk = play(plan)
    before = dict.fromkeys(SYMBOLS, Decimal(0))
    for event in desk.journal.of(OrderFilled):
        previous, before[event.symbol] = before[event.symbol], event.position
        if event.reduce_only:
            assert abs(event.position) < abs(previous)
            assert event.position * previous >= 0


@given(steps)
def test_orders_are_never_filled_beyond_their_quantity(plan):
    for order in play(plan).exchange.book.orders.values():
        assert 0 <= order.filled_quantity <= order.quantity
        assert order.is_open or order.status.value in ("filled", "canceled", "expired")


@given(steps)
def test_fills_respect_the_limit_price(plan):
    desk = play(plan)
    for fill in desk.exchange.book.fills:
        order = desk.exchange.book.orders[fill.venue_order_id]
        if order.price is not None and order.origin == "client":
            assert (fill.price - order.price) * fill.side.sign <= 0


@settings(max_examples=25)
@given(steps, st.integers(2, 5))
def test_the_same_plan_gives_the_same_story(plan, times):
    stories = [list(play(plan).journal) for _ in range(times)]
    assert all(story == stories[0] for story in stories)
